"""Rows a model got wrong, or that people corrected, as the next version of a data set to train on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import Shown
from nbmlops.monitoring.performance import ago, canonical
from nbmlops.monitoring.returning.judges import judged, twice
from nbmlops.monitoring.returning.matching import iso, moments
from nbmlops.monitoring.returning.returned import Returned, refuse_own, returned
from nbmlops.monitoring.returning.truths import candidates
from nbmlops.quality.answers import seconds
from nbmlops.records import now, plain
from nbmlops.registry import sketch
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHECK", "LEARN", "OWN", "Increment", "half", "increment_of", "training_increment", "wrong_in"]

OWN = ("prediction_id", "prediction", "why", "part")  # columns beside inputs and target
LEARN, CHECK = "learn", "check"
SUFFIX = "-increment"
Hashes = NDArray[np.uint64]


@dataclass(frozen=True, repr=False)
class Increment(Shown):
    """Rows that were wrongly predicted or corrected, as a version of a data set: how many, and why."""

    shows: ClassVar[str] = "increment"

    model: str
    dataset: str | None  # late-flights-increment@2; None where nothing is new
    target: str
    rows: int = 0
    learn: int = 0
    check: int = 0
    why: Mapping[str, int] = field(default_factory=dict)  # wrong, revised, expert, flag: a row may be several
    left_out: Mapping[str, int] = field(default_factory=dict)
    known: int = 0  # predictions whose outcome is known
    limit: float | None = None  # of numbers: the error beyond which one is wrong
    missing: tuple[str, ...] = ()  # inputs of the model that are not in it
    notes: tuple[str, ...] = ()
    made_of: tuple[Mapping[str, Any], ...] = ()  # version, batch and rows of the predictions
    first_at: str | None = None  # of the predictions
    last_at: str | None = None
    at: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return the rows: inputs, target, ``prediction_id``, ``prediction``, ``why`` and ``part``."""
        import pandas as pd

        from nbmlops.quality.versions import load_dataset

        return load_dataset(self.dataset) if self.dataset else pd.DataFrame(columns=[self.target, *OWN])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON: numbers about rows, never a row."""
        found: dict[str, Any] = plain(self)
        return found


def training_increment(
    name: str, *, since: str | None = None, most: int | None = None, data: Any = None, target: str | None = None
) -> Increment:
    """Keep rows a model got wrong, or that people corrected, as the next version of the data set ``NAME-increment``.

    In it are rows whose outcome is known and not what was predicted (of numbers: off by more than nine in ten rows of
    the evaluation), rows whose outcome was revised, and rows of which an expert or an accepted flag says something else
    (``why`` names the flag). Not in it are rows of any evaluation or gate of this model, and rows of earlier
    increments. Half of it, by what a row holds, is to
    learn from and half is to check with (column ``part``): only what no model learnt from can tell whether an error is
    gone.

    Parameters
    ----------
    name : str
        The model's name; or ``NAME@3`` for the predictions of one version.
    since : str, optional
        Only predictions made after this time, UTC where it has no zone; or of so long a span until now, such as ``7d``.
    most : int, optional
        At most so many rows, the newest; the others are left for the next increment.
    data : DataFrame, optional
        The rows themselves, with ``prediction_id``: for inputs that are private or no longer kept. They are kept as
        they are given.
    target : str, optional
        What to call the truth; the model's own target when absent.

    Returns
    -------
    Increment
        ``dataset`` is None where nothing is new; ``left_out`` says what is not in it, with counts.

    Raises
    ------
    NotFound
        No such model, or it made no predictions; of a model of numbers without an evaluation: what is wrong is not
        known.
    Invalid
        ``data`` lacks ``prediction_id``, nobody knows what to call the truth, or ``since`` is no time.

    Examples
    --------
    >>> nb.training_increment("late-flights").dataset  # doctest: +SKIP
    'late-flights-increment@1'
    """
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise Invalid(f"most is {most!r}.", "Write how many rows, such as 500.")
    case = returned(name, _after(since))
    called = target or case.version.signature.get("target")
    if not called:
        raise Invalid(f"Which column is the truth of {case.name}?", "Pass target=.")
    rows, left_out = candidates(case)
    begun = Increment(case.name, None, str(called), known=int(case.said["outcome"].notna().sum()), limit=case.limit)
    begun = replace(begun, at=now())
    features, rows, gone = _features(case, rows, data, str(called))
    left_out["inputs_gone"] = gone
    drop, notes = _not_new(case, features, rows, str(called), left_out)
    features, rows = features[~drop], rows[~drop]
    if most is not None and len(rows) > most:
        newest = np.sort(np.argsort(rows["at"].to_numpy(), kind="stable")[-most:])
        left_out["for_later"] = len(rows) - most
        features, rows = features.iloc[newest], rows.iloc[newest]
    absent = [c["name"] for c in case.version.signature["columns"] if c["name"] not in features]
    told = replace(begun, missing=tuple(absent), notes=tuple(notes), left_out={k: n for k, n in left_out.items() if n})
    return _kept(told, features, rows) if len(rows) else told


def _after(since: Any) -> str | None:
    """Return a time, or the start of a span until now, as text in UTC that compares as predictions have it."""
    import pandas as pd

    if since is None:
        return None
    if isinstance(since, str) and seconds(since):
        return ago(since)
    try:
        found = iso(int(moments(pd.Series([since], dtype=object))[0]))
    except Invalid:
        found = None
    if found is None:
        raise Invalid(f"since is {since!r}.", "Write 2026-03-01, 2026-03-01T02:00:00+01:00 or a span such as 7d.")
    return found


def increment_of(ref: str) -> Increment:
    """Return what an increment is, by the version of its data set.

    Raises
    ------
    NotFound
        No such data set version, or it is no increment.
    """
    from nbmlops.quality.versions import dataset_version

    wanted = dataset_version(ref).ref
    found = next((i for i in reversed(_earlier()) if i.dataset == wanted), None)
    if found is None:
        raise NotFound(f"{wanted} is no training increment.", "nb.training_increment(name) makes one.")
    return found


def _earlier(model: str | None = None) -> list[Increment]:
    """Return the increments that were made, of a model or of all, oldest first."""
    from nbmlops.store.runs import results_of

    rows = (r["data"] for r in results_of(session.store(), kind="increment", subject=model))
    return [_read(row) for row in rows]


def _read(row: Mapping[str, Any]) -> Increment:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    return Increment(**fields)


def _features(case: Returned, rows: pd.DataFrame, data: Any, target: str) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Return the inputs of rows as far as they are there, those rows, and of how many nothing is left."""
    from nbmlops.registry.signature import names

    wanted = names(case.version.signature)
    refuse_own(wanted, (*OWN, target), case.name)
    found, kept = case.inputs_of(rows["prediction_id"].tolist())
    if data is not None:
        given = _given(data).reindex(rows["prediction_id"])
        there = rows["prediction_id"].isin(_given(data).index).to_numpy(dtype=bool)
        for name in (n for n in wanted if n in given):
            own = given[name].set_axis(found.index)
            found[name] = own if name not in found or there.all() else own.where(there, found[name])
        kept = there | kept
    found = found[[n for n in wanted if n in found]].reset_index(drop=True)
    return found[kept].reset_index(drop=True), rows[kept].reset_index(drop=True), int((~kept).sum())


def _given(data: Any) -> pd.DataFrame:
    from nbmlops.registry.signature import table

    rows = table(data)
    if "prediction_id" not in rows.columns:
        raise Invalid("data= has no column 'prediction_id'.", "Add the ids nb.predict returned.")
    return (
        rows.assign(prediction_id=rows["prediction_id"].astype(str))
        .drop_duplicates("prediction_id")
        .set_index("prediction_id")
    )


def _not_new(
    case: Returned, features: pd.DataFrame, rows: pd.DataFrame, target: str, left_out: dict[str, int]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Tell which rows judged the model, or were in an increment already; count them, and say what is not known."""
    evaluated, notes = judged(case, features)
    before = {(i, t) for earlier in _earlier(case.name) for i, t in _ids(earlier)}
    own = list(zip(rows["prediction_id"], map(canonical, rows["truth"]), strict=True))
    seen = np.array([key in before for key in own], dtype=bool)
    again = twice(features, rows, seen)
    left_out["evaluation"] = int(evaluated.sum())
    left_out["earlier_increment"] = int((seen & ~evaluated).sum())
    left_out["twice"] = int((again & ~seen & ~evaluated).sum())
    if hidden := [n for n in case.hidden if n not in features]:
        notes.append(f"{', '.join(hidden)}: private, so not in it; data= takes the rows themselves")
    return evaluated | seen | again, notes


def _ids(earlier: Increment) -> Iterator[tuple[str, Any]]:
    """Yield id and truth of the rows of an earlier increment; of one whose rows are gone none."""
    try:
        frame = earlier.to_frame()
    except NotFound:
        return
    yield from zip(frame["prediction_id"], map(canonical, frame[earlier.target]), strict=True)


def _kept(told: Increment, features: pd.DataFrame, rows: pd.DataFrame) -> Increment:
    """Keep the rows as a version of the data set, and what they were made of as a result."""
    import pandas as pd

    from nbmlops.quality.versions import dataset

    part = np.where(half(features), LEARN, CHECK)
    own = {told.target: _typed(rows["truth"]), "prediction_id": rows["prediction_id"].astype(object)}
    own |= {
        "prediction": _typed(rows["prediction"]),
        "why": rows["why"].astype(object),
        "part": pd.Series(part, dtype=object),
    }
    columns = {**features, **own}
    frame = pd.DataFrame({name: pd.Series(column).reset_index(drop=True) for name, column in columns.items()})
    version = dataset(f"{told.model}{SUFFIX}", frame, keep=True, source=f"predictions of {told.model}")
    made_of = rows.groupby(["version", "batch"], dropna=False).size().reset_index(name="rows").to_dict("records")
    found = replace(
        told,
        dataset=version.ref,
        rows=len(rows),
        learn=int((part == LEARN).sum()),
        check=int((part == CHECK).sum()),
        why={k: n for k in ("wrong", "revised", "expert", "flag") if (n := int(rows["why"].str.contains(k).sum()))},
        made_of=tuple(
            {"version": int(r["version"]), "batch": None if pd.isna(r["batch"]) else r["batch"], "rows": int(r["rows"])}
            for r in made_of
        ),
        first_at=rows["at"].min(),
        last_at=rows["at"].max(),
    )
    session.keep("increment", told.model, found.to_dict())
    return found


def wrong_in(made: Increment, said: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which answers are wrong, by the limit of an increment where they are numbers."""
    if made.limit is not None:
        return np.asarray(np.abs(said.astype(float) - truth.astype(float)) > made.limit)
    return np.array([t is not None and s != t for s, t in zip(said.tolist(), truth.tolist(), strict=True)], dtype=bool)


def half(features: pd.DataFrame) -> NDArray[np.bool_]:
    """Draw half of the rows by what they hold, so that equal rows are on one side, today and next time."""
    if not len(features.columns):
        return np.asarray(np.arange(len(features)) % 2 == 0)
    mixed: Hashes = sketch.hashes(features) * np.uint64(0x9E3779B97F4A7C15)
    found: NDArray[np.bool_] = (mixed >> np.uint64(63)).astype(bool)
    return found


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(column.tolist()).infer_objects()
