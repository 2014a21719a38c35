"""Versions of data sets: what the data was, and its rows where somebody wanted them kept."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.capture import secrets
from nbmlops.errors import Invalid, MissingPackage, NotFound, unknown
from nbmlops.hooks import Shown, service
from nbmlops.quality import look
from nbmlops.quality import rules as rulebook
from nbmlops.records import Finding, Level, iso, now, plain, worst
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DatasetVersion", "Difference", "dataset", "dataset_version", "datasets", "difference", "load_dataset"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
LISTED = (
    "ref",
    "name",
    "version",
    "rows",
    "columns",
    "kept",
    "verdict",
    "source",
    "author",
    "created_at",
    "fingerprint",
)
MOST_NAMES = 3  # categories named in one line
FINDING = Finding.__dataclass_fields__
SAME_SHARE = 0.0005  # shares of missing values that are the same in print
Outcomes = Iterator[Finding]


@dataclass(frozen=True, repr=False)
class DatasetVersion(Shown):
    """A version of a data set: fingerprint, columns, what its rules said, where it came from."""

    shows: ClassVar[str] = "dataset"

    name: str
    version: int
    fingerprint: str
    rows: int
    columns: tuple[Mapping[str, Any], ...]
    profile: str
    findings: tuple[Finding, ...]
    source: str
    query: str
    run_id: str | None
    author: str
    created_at: str
    digest: str | None = None
    size_bytes: int | None = None

    @property
    def ref(self) -> str:
        """What a person types: ``flights@7``."""
        return f"{self.name}@{self.version}"

    @property
    def verdict(self) -> Level:
        """The highest level among what its rules found."""
        return worst(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found = [f.to_dict() for f in self.findings]
        return {**plain(self), "ref": self.ref, "verdict": self.verdict, "findings": found}


@dataclass(frozen=True, repr=False)
class Difference(Shown):
    """What differs between two versions, in words."""

    shows: ClassVar[str] = "difference"

    before: str
    after: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Level:
        """The highest level among the differences."""
        return worst(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found = [f.to_dict() for f in self.findings]
        return {"before": self.before, "after": self.after, "verdict": self.verdict, "findings": found}


def dataset(
    name: str, frame: Any, keep: bool = False, rules: Any = None, query: str = "", source: str = ""
) -> DatasetVersion:
    """Record a frame as the next version of a data set; the same data again is the version it was.

    Kept are fingerprint, profile and what the rules found, never the rows unless asked. Number and event are one
    transaction, so that two writers get two numbers.

    Parameters
    ----------
    name : str
        Letters, digits, ``-``, ``_`` and ``.``.
    frame : DataFrame or path
        pandas; polars and Arrow through ``to_pandas``; a CSV or Parquet file.
    keep : bool
        Keep the rows too, as Parquet.
    rules : str, Path or mapping, optional
        As of :func:`nbmlops.check`; ``rules/NAME.yaml`` where there is one.
    query, source : str
        How the rows were asked for, and from where; secrets are masked.

    Returns
    -------
    DatasetVersion

    Raises
    ------
    Invalid
        A bad name, no frame, or a column that Parquet cannot hold.
    MissingPackage
        ``keep`` needs pyarrow.

    Examples
    --------
    >>> nb.dataset("flights", frame).ref  # doctest: +SKIP
    'flights@1'
    """
    from nbmlops.store import datasets as stored

    _check_name(name)
    data, actor = look.as_frame(frame), identity.actor()
    row = _described(name, data, rules) | {"author": actor[0], "created_at": now(), "run_id": _open_run()}
    row |= {"source": secrets.redact(source), "query": secrets.redact(query)}
    digest, size_bytes = _kept(data, name) if keep else (None, None)
    with session.store().atomic() as change:
        number, new = stored.add(change, row | {"digest": digest, "size_bytes": size_bytes}, actor)
        if digest and size_bytes is not None and not new:
            stored.keep(change, name, number, digest, size_bytes, actor)
    return dataset_version(f"{name}@{number}")


def load_dataset(ref: str) -> pd.DataFrame:
    """Return the rows of a version that were kept, verified against their digest.

    Parameters
    ----------
    ref : str
        ``flights@7``, or ``flights`` for the newest.

    Raises
    ------
    NotFound
        No such version, or its rows were not kept.
    Conflict
        The stored file is not what was put there.

    Examples
    --------
    >>> nb.load_dataset("flights@7")  # doctest: +SKIP
    """
    import io

    found = dataset_version(ref)
    if found.digest is None:
        kept = [v.ref for v in _versions(found.name) if v.digest]
        raise NotFound(
            f"The rows of {found.ref} were not kept, only what they were.",
            f"Kept: {', '.join(kept[:5])}." if kept else f'Keep them: nb.dataset("{found.name}", frame, keep=True).',
        )
    frame: pd.DataFrame = _pandas().read_parquet(io.BytesIO(session.artifacts().get(found.digest)))
    return frame


def datasets() -> pd.DataFrame:
    """Return every version of every data set as a table: the newest of each name first.

    Returns
    -------
    pandas.DataFrame
        One row a version: ``ref name version rows columns kept verdict source author created_at fingerprint``.

    Examples
    --------
    >>> nb.datasets()[["ref", "rows"]]  # doctest: +SKIP
    """
    import pandas as pd

    return pd.DataFrame(rows(), columns=list(LISTED))


def rows() -> list[dict[str, Any]]:
    """Return every version as a flat row."""
    return [_row(v) for v in _versions()]


def dataset_version(ref: str) -> DatasetVersion:
    """Return a version by what a person types.

    Raises
    ------
    NotFound
        No such data set or version; the message names the known ones.

    Examples
    --------
    >>> dataset_version("flights@7").rows  # doctest: +SKIP
    """
    name, _, which = str(ref).partition("@")
    found = _versions(name)
    if not found:
        raise unknown("dataset", name, {v.name for v in _versions()})
    chosen = [v for v in found if not which or str(v.version) == which]
    if not chosen:
        raise unknown(f"version of {name}", which, [str(v.version) for v in found])
    return chosen[0]


def difference(before: str | DatasetVersion, after: str | DatasetVersion) -> Difference:
    """Say in words what differs between two versions: rows, columns, types, missing shares, ranges, categories.

    Parameters
    ----------
    before, after : str or DatasetVersion
        Such as ``flights@6`` and ``flights@7``.

    Returns
    -------
    Difference
        A column that is gone is an issue, any other difference a warning.

    Examples
    --------
    >>> difference("flights@6", "flights@7")  # doctest: +SKIP
    From flights@6 to flights@7: notice
      1,000 rows became 1,200 (+20.0 %)
    """
    one, other = (v if isinstance(v, DatasetVersion) else dataset_version(v) for v in (before, after))
    found = tuple(_differences(one, other)) or (Finding("same", "passed", "the same data"),)
    return Difference(one.ref, other.ref, found)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Invalid(f"{name!r} is no name of a data set.", "Use letters, digits, -, _ and ., such as flights.")


def _described(name: str, data: pd.DataFrame, rules: Any) -> dict[str, Any]:
    """Return what a frame is: fingerprint, columns with a summary each, profile, and what its rules found."""
    from nbmlops.capture.data import describe

    about = describe(name, data)
    profile = service("drift.profile", "build")(data)
    summaries = {c["name"]: c["summary"] for c in profile.to_dict()["columns"]}
    columns = [{**c, "summary": summaries[c["name"]]} for c in about.columns]
    return {
        "name": name,
        "fingerprint": about.fingerprint,
        "rows": about.rows,
        "columns": columns,
        "profile": session.artifacts().put(profile.to_json().encode()),
        "findings": _checked(name, data, rules),
    }


def _checked(name: str, data: pd.DataFrame, rules: Any) -> list[dict[str, Any]]:
    """Return what the rules found; without any named, those of the data set's own name, where there are some."""
    if rules is None:
        try:
            rules = rulebook.load(name)
        except NotFound:
            return []
    return [f.to_dict() for f in rulebook.check(data, rules).findings]


def _kept(data: pd.DataFrame, name: str) -> tuple[str, int]:
    """Store the rows as Parquet; return digest and size."""
    _pandas()
    with tempfile.TemporaryDirectory(prefix="nbmlops-") as folder:
        path = Path(folder) / "rows.parquet"
        try:
            data.to_parquet(path, index=False)
        except (ValueError, TypeError, OverflowError) as error:  # ArrowInvalid, ArrowTypeError; its words hold values
            raise Invalid(
                f"The rows of {name} cannot be kept as Parquet ({type(error).__name__}): a column mixes types.",
                "Make each column one type: frame[column].astype(str), or keep no rows.",
            ) from None
        return session.artifacts().put_file(path)


def _pandas() -> Any:
    """Return pandas, where it can read and write Parquet."""
    import pandas as pd

    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingPackage("Rows are kept as Parquet, which needs pyarrow.", "pip install pyarrow") from error
    return pd


def _open_run() -> str | None:
    opened = session.current()
    return opened.run_id if opened else None


def _versions(name: str | None = None) -> list[DatasetVersion]:
    from nbmlops.store import datasets as stored

    return [_record(row) for row in stored.listed(session.store(), name)]


def _record(row: Mapping[str, Any]) -> DatasetVersion:
    found = tuple(Finding(**{k: v for k, v in f.items() if k in FINDING}) for f in row["findings"])
    return DatasetVersion(**{**row, "columns": tuple(row["columns"]), "findings": found})


def _row(version: DatasetVersion) -> dict[str, Any]:
    verdict = version.verdict if version.findings else ""
    about = {"columns": len(version.columns), "kept": version.digest is not None, "verdict": verdict}
    return {k: about[k] if k in about else getattr(version, k) for k in LISTED}


def _differences(one: DatasetVersion, other: DatasetVersion) -> Outcomes:
    if one.fingerprint == other.fingerprint:
        return
    if one.rows != other.rows:
        share = f" ({100 * (other.rows / one.rows - 1):+.1f} %)" if one.rows else ""
        effect = other.rows / one.rows - 1 if one.rows else None
        yield Finding("rows", "warning", f"{one.rows:,} rows became {other.rows:,}{share}", effect=effect)
    old, new = ({c["name"]: c for c in v.columns} for v in (one, other))
    yield from (Finding("column_gone", "issue", f"{n} is gone", n) for n in old if n not in new)
    yield from (Finding("column_new", "warning", f"{n} is new ({new[n]['dtype']})", n) for n in new if n not in old)
    yield from _of_columns(one, other, [n for n in old if n in new])
    if [n for n in old if n in new] != [n for n in new if n in old]:
        yield Finding("order", "warning", "the columns stand in another order")


def _of_columns(one: DatasetVersion, other: DatasetVersion, names: Sequence[str]) -> Outcomes:
    read = service("drift.profile", "Profile").from_json
    old, new = (read(session.artifacts().get(v.profile)) for v in (one, other))
    prints = [{c["name"]: (c["fingerprint"], c["dtype"]) for c in v.columns} for v in (one, other)]
    for name in names:
        (before, held), (after, holds) = prints[0][name], prints[1][name]
        if before == after and held == holds:
            continue
        found = [*_types(name, held, holds), *_missing(name, old, new), *_values(name, old, new)]
        if not found and one.rows == other.rows:
            found = [Finding("values", "warning", f"{name} holds other values", name)]
        yield from found


def _types(name: str, held: str, holds: str) -> Outcomes:
    if held != holds:
        yield Finding("type", "warning", f"{name} was {held} and is {holds}", name)


def _missing(name: str, old: Any, new: Any) -> Outcomes:
    before, after = (p.missing(name) for p in (old, new))
    if before is not None and after is not None and abs(before - after) >= SAME_SHARE:  # without rows there is no share
        words = f"{name} was {100 * before:.3g} % missing and is {100 * after:.3g} %"
        yield Finding("missing", "warning", words, name, after - before, "up" if after > before else "down")


def _values(name: str, old: Any, new: Any) -> Outcomes:
    """Yield how the range of an ordered column moved, or which categories came and went."""
    kind = old.columns[name].kind
    if kind != new.columns[name].kind or kind == "text" or not (old.rows and new.rows):
        return  # of a text only lengths are counted
    if kind == "categorical":
        before, after = (_categories(p.columns[name].bins) for p in (old, new))
        if before is not None and after is not None and before != after:
            yield Finding("categories", "warning", f"{name}: {_came_and_went(before, after)}", name)
    elif (was := _span(old, name, kind)) != (now_ := _span(new, name, kind)):
        yield Finding("range", "warning", f"{name} was {was} and is {now_}", name)


def _span(of: Any, name: str, kind: str) -> str:
    """Return the range of a column in words."""
    tally = of.total[name]
    if kind == "boolean":
        share = of.mean(name)
        return "empty" if share is None else f"true in {100 * share:.3g} %"
    if tally.low is None:
        return "empty"
    if kind == "datetime":
        return f"{iso(tally.low)[:16]} to {iso(tally.high)[:16]}"
    return f"{tally.low:.6g} to {tally.high:.6g} (median {of.quantile(name, 0.5):.4g})"


def _categories(bins: Any) -> set[str] | None:
    """Return all categories; None where there were too many to remember."""
    return None if bins.rare is None else {*bins.categories, *bins.rare}


def _came_and_went(before: set[str], after: set[str]) -> str:
    parts = ((after - before, "new"), (before - after, "gone"))
    return "; ".join(f"{len(names)} {word}, such as {_few(names)}" for names, word in parts if names)


def _few(names: set[str]) -> str:
    return ", ".join(repr(name[:40]) for name in sorted(names)[:MOST_NAMES])
