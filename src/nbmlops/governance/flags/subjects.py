"""What a flag is about: how a person names it, and the name the event chain gets, which never holds a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nbmlops.capture.data import describe, is_data
from nbmlops.errors import Invalid, NbmlopsError, NotFound
from nbmlops.hooks import service
from nbmlops.quality.versions import load_dataset
from nbmlops.records import ModelVersion
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "Named", "named"]

KINDS = ("row", "segment", "prediction", "feature", "run", "report", "model", "dataset")
LONGEST = 400  # characters
REPORT = "report:"
HOW = (
    "Name a model (late-flights@3), a feature (late-flights@3:hour), a row (flights@7#17, flights@7#booking=B17), "
    "a data set, a prediction's id, a run, or report:REF."
)


@dataclass(frozen=True)
class Named:
    """What a flag is about: its name in the chain, whose it is, what else it concerns, and what exactly is meant."""

    subject: str
    kind: str
    owner: str | None = None
    of: tuple[str, ...] = ()  # versions and runs it concerns beside its own name
    exactly: Mapping[str, Any] = field(default_factory=dict)  # where, row, key, rows


def named(
    subject: Any,
    kind: str | None = None,
    where: str | None = None,
    row: Any = None,
    rows: Callable[[str], pd.DataFrame] | None = None,
) -> Named:
    """Return what a person means.

    Parameters
    ----------
    subject : str, DataFrame, ModelVersion, DatasetVersion, Run or Prediction
    kind : str, optional
        One of ``KINDS``, where a name may be several.
    where : str, optional
        A condition that picks a segment of a model's or data set's rows.
    row : int or mapping, optional
        One row of a data set or frame: its number from 0, or a key column with its value.
    rows : callable, optional
        Reads the kept rows of a data set version; for who asks often, and keeps them meanwhile.

    Raises
    ------
    NotFound
        Nothing is called so.
    Invalid
        It is several things, or a condition or row does not go with it.
    """
    if kind is not None and kind not in KINDS:
        raise Invalid(f"{kind!r} is no kind of flag.", f"Allowed: {', '.join(KINDS)}.")
    if is_data(subject):
        found = _of_frame(subject, where, row)
    else:
        found = _of_text(_typed(subject), kind, where, row, rows or load_dataset)
    part = found.kind in ("row", "segment") and kind in ("model", "dataset")  # it said which of two a name is
    if kind is not None and found.kind != kind and not part:
        raise Invalid(f"{found.subject} is a {found.kind}, not a {kind}.", HOW)
    return found


def _typed(subject: Any) -> str:
    """Return what a person would type for an object."""
    text = next((t for a in ("prediction_id", "ref", "run_id") if (t := getattr(subject, a, None))), subject)
    if not isinstance(text, str) or not text.strip():
        raise Invalid("Nothing to flag is named.", HOW)
    if len(text) > LONGEST:
        raise Invalid(f"A subject of {len(text):,} characters names nothing.", HOW)
    return text.strip()


def _of_text(text: str, kind: str | None, where: str | None, row: Any, rows: Callable[[str], pd.DataFrame]) -> Named:
    base, _, place = text.partition("#")
    if row is None and place and not text.startswith(REPORT):
        return _of_text(base, kind, where, _place(place), rows)
    if where is not None or row is not None:
        return _part(_base(_no_feature(base), kind), where, row, rows)
    if found := _prediction(text):
        return found
    if text.startswith(REPORT) or kind == "report":
        return _report(text.removeprefix(REPORT))
    return _feature(*text.rsplit(":", 1)) if ":" in text else _whole(text, kind)


def _no_feature(text: str) -> str:
    """Refuse a feature where rows are meant: a condition says which columns it is about."""
    of, colon, column = text.rpartition(":")
    if colon and not text.startswith(REPORT):
        raise Invalid(
            f"{text[:80]!r} names column {column[:40]!r}, and rows at once.", f"Flag the rows of {of[:60]} alone."
        )
    return text


def _place(text: str) -> int | dict[str, str]:
    """Return the place behind the ``#``: a number, or a key column and its value."""
    if text.isdecimal() and len(text) < 16:
        return int(text)
    column, is_key, value = text.partition("=")
    if not is_key or not column:
        raise Invalid(f"{text[:40]!r} is no place of a row.", "Write its number from 0, or a key: #booking=B17.")
    return {column: value}


def _prediction(text: str) -> Named | None:
    from nbmlops.store import models, predictions

    found = predictions.find(session.store(), text)
    if found is None:
        if predictions.ID.fullmatch(text) and not _runs_with(text):
            raise NotFound(f"No prediction and no run has the id {text}.", HOW)
        return None
    block, _ = found
    version = models.recorded(session.store(), block.model, block.version)
    target = version.signature.get("target") if version else None
    of = (f"{block.model}@{block.version}",)
    return Named(text, "prediction", version.owner if version else None, of, {"target": target} if target else {})


def _runs_with(text: str) -> list[str]:
    from nbmlops.store import runs

    return runs.ids_like(session.store(), text)


def _report(ref: str) -> Named:
    """Return a report by what it is about and its number, or by its hash; the newest without a number."""
    from nbmlops.store import reports

    base, _, number = ref.rpartition("#") if "#" in ref else (ref, "", "")
    store = session.store()
    row = reports.with_digest(store, ref) if re.fullmatch(r"[0-9a-f]{64}", ref) else None
    if row is None:
        key = service("report.kinds.kind", "subject_of")(base).key
        made = [r for r in reports.listed(store, key) if not number or str(r.number) == number]
        if not made:
            raise NotFound(f"No report of {base} was made{f' as number {number}' if number else ' yet'}.", HOW)
        row = made[0]
    of = (row.run_id,) if row.run_id else ()
    return Named(f"{REPORT}{row.subject}#{row.number}", "report", _author(row.run_id), of, {"report": row.digest})


def _author(run_id: str | None) -> str | None:
    from nbmlops.store import runs

    found = runs.load(session.store(), run_id) if run_id else None
    return str(found["author"]) if found and found.get("author") else None


def _feature(base: str, column: str) -> Named:
    found = _base(base)
    if column not in found.columns:
        raise Invalid(f"{found.subject} has no column {column!r}.", f"It has: {', '.join(found.columns[:12])}.")
    return Named(f"{found.subject}:{column}", "feature", found.owner)


@dataclass(frozen=True)
class _Base:
    """A model or data set, all of its versions or one."""

    subject: str
    kind: str
    owner: str
    columns: tuple[str, ...]
    kept: bool = False


def _base(text: str, kind: str | None = None) -> _Base:
    """Return the model or data set of that name.

    Raises
    ------
    NotFound
        There is none.
    Invalid
        There are both, and nobody says which.
    """
    from nbmlops.store import datasets, models

    name, store = text.partition("@")[0], session.store()
    is_model = kind != "dataset" and name in models.names(store)
    is_data = kind != "model" and bool(datasets.listed(store, name))
    if is_model and is_data:
        raise Invalid(f"{name} is a model and a data set.", "Say which: kind=model or kind=dataset.")
    if not (is_model or is_data):
        raise NotFound(f"Nothing to flag is called {text[:80]!r}.", HOW)
    return _model(text) if is_model else _dataset(text)


def _model(text: str) -> _Base:
    from nbmlops.registry.models import model_version
    from nbmlops.registry.signature import names

    found: ModelVersion = model_version(text)
    columns = [*names(found.signature), *filter(None, [found.signature.get("target")])]
    return _Base(found.ref if "@" in text else found.name, "model", found.owner, tuple(columns))


def _dataset(text: str) -> _Base:
    from nbmlops.quality.versions import dataset_version

    found = dataset_version(text)
    kept = found.digest is not None
    return _Base(found.ref, "dataset", found.author, tuple(c["name"] for c in found.columns), kept)


def _whole(text: str, kind: str | None) -> Named:
    """Return a model, data set or run as a whole."""
    from nbmlops.tracking.runs import resolve

    try:
        if kind != "run":
            found = _base(text, kind)
            return Named(found.subject, found.kind, found.owner)
    except NotFound as error:
        if kind in ("model", "dataset") or "@" in text:
            raise _as_asked(text, error) from None
    try:
        run_id = resolve(text)
    except NotFound:
        raise NotFound(f"Nothing to flag is called {text[:80]!r}.", HOW) from None
    return Named(run_id, "run", _author(run_id))


def _as_asked(text: str, error: NbmlopsError) -> NotFound:
    return NotFound(error.message, error.hint or HOW)


def _part(found: _Base, where: str | None, row: Any, rows: Callable[[str], pd.DataFrame]) -> Named:
    """Return a segment or a row of a model's or data set's rows."""
    if where is not None and row is not None:
        raise Invalid("A condition and a row at once.", "Name one row, or a segment.")
    if where is not None:
        return _segment(found, where, rows)
    if found.kind == "model":
        raise Invalid(f"{found.subject} is a model and has no rows of its own.", "Flag a prediction by its id.")
    if isinstance(row, Mapping) and not found.kept:
        raise NotFound(f"The rows of {found.subject} were not kept, so no key finds one.", "Name it by its number.")
    number, exactly = _row(lambda: rows(found.subject), row, _count(found.subject))
    return Named(f"{found.subject}#{number}", "row", found.owner, (), exactly)


def _count(ref: str) -> int:
    from nbmlops.quality.versions import dataset_version

    return dataset_version(ref).rows


def _segment(found: _Base, where: str, rows: Callable[[str], pd.DataFrame]) -> Named:
    from nbmlops.registry import conditions

    if not isinstance(where, str) or not where.strip() or len(where) > conditions.LONGEST:
        raise Invalid("A segment needs a condition.", "Such as: origin = 'EWR' and hour > 20.")
    if strange := [n for n in conditions.names(where) if n not in found.columns]:
        raise Invalid(f"{found.subject} has no column {strange[0]!r}.", f"It has: {', '.join(found.columns[:12])}.")
    exactly: dict[str, Any] = {"where": where.strip()}
    if found.kept:
        exactly |= _counts(rows(found.subject), where)
    return Named(found.subject, "segment", found.owner, (), exactly)


def _row(rows: Callable[[], pd.DataFrame], row: Any, count: int) -> tuple[int, dict[str, Any]]:
    """Return the number of a row, and what a person named it by."""
    if isinstance(row, Mapping):
        number = _with_key(rows(), row)
        return number, {"row": number, "key": {str(k): str(v) for k, v in row.items()}}
    if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < count:
        raise Invalid(f"There is no row {row!r}.", f"Rows are counted from 0 to {count - 1}.")
    return row, {"row": row}


def _with_key(frame: pd.DataFrame, key: Mapping[str, Any]) -> int:
    import numpy as np

    if strange := [k for k in key if k not in frame.columns]:
        raise Invalid(f"There is no column {strange[0]!r}.", f"There are: {', '.join(map(str, frame.columns[:12]))}.")
    there = [frame[column].astype(str) == str(value) for column, value in key.items()]
    places = np.flatnonzero(np.logical_and.reduce(there)) if there else np.empty(0, int)
    if len(places) != 1:
        raise Invalid(f"{len(places):,} rows have this {' and '.join(map(str, key))}.", "Name one row by its number.")
    return int(places[0])


def _of_frame(frame: Any, where: str | None, row: Any) -> Named:
    """Return a frame by its fingerprint, or the version of a data set that holds the same rows."""
    from nbmlops.quality import look
    from nbmlops.store import datasets

    about = describe("frame", frame)
    same = [d for d in datasets.listed(session.store()) if d["fingerprint"] == about.fingerprint]
    subject = f"{same[0]['name']}@{same[0]['version']}" if same else f"data:{about.fingerprint[:32]}"
    rows = look.as_frame(frame)
    base = _Base(subject, "dataset", same[0]["author"] if same else "", tuple(map(str, rows.columns)))
    owner = base.owner or None
    if row is not None:
        number, exactly = _row(lambda: rows, row, len(rows))
        return Named(f"{subject}#{number}", "row", owner, (), exactly)
    if where is None:
        return Named(subject, "dataset", owner)
    found = _segment(base, where, load_dataset)
    return replace(found, exactly={**found.exactly, **_counts(rows, where)})


def _counts(rows: pd.DataFrame, where: str) -> dict[str, int]:
    """Return how many of some rows a condition picks."""
    from nbmlops.registry import conditions

    return {"rows": int(conditions.Rows(rows).where(where).sum()), "of_rows": len(rows)}
