"""What comes back for predictions; rows are added, never changed, and nothing that is handed in is lost."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import Invalid, Unavailable, unknown
from nbmlops.monitoring.performance import same
from nbmlops.records import now, plain
from nbmlops.tracking import actor as identity
from nbmlops.tracking import opened, session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "VERDICTS", "Received", "feedback"]

KINDS = ("outcome", "flag", "opinion")
VERDICTS = ("agree", "disagree", "unsure")
NEEDS = {"outcome": "outcome", "flag": "reason", "opinion": "verdict"}
SLICE_ROWS = 5000  # rows in one journal event
NAMED = 1000  # ids of no prediction that are named; all are counted
LONGEST = 4000  # characters of a reason
ID_LENGTH, KEY_LENGTH = 36, 400  # characters that columns and indexes of every database hold
NO_TEXT = re.compile("[\0\ud800-\udfff]")
HINT = "It needs prediction_id (or key=, a column, and model=) and outcome; for an opinion verdict, for a flag reason."

Row = dict[str, Any]
Said = tuple[Any, str | None, str | None]


@dataclass(frozen=True)
class Received:
    """What became of feedback that was handed in; nothing of it is lost."""

    rows: int
    new: int
    changed: int
    duplicates: int
    unknown: int
    unknown_ids: tuple[str, ...] = ()


def feedback(
    frame: Any,
    source: str | None = None,
    kind: str | None = "outcome",
    model: str | None = None,
    key: str | None = None,
    actor: str | None = None,
) -> Received:
    """Keep what came back for predictions: outcomes, experts' flags, users' opinions; the same twice counts once.

    Parameters
    ----------
    frame : pandas.DataFrame, or mapping, or list of mappings
        ``prediction_id`` (or the column ``key=``, and ``at`` where a key is predicted again and again), and by kind

        - outcome: ``outcome``, what came true;
        - opinion: ``verdict`` (agree, disagree, unsure), where there are any ``expected`` and ``reason``;
        - flag: ``reason``.

        Columns ``kind``, ``source`` and ``actor`` where they differ between rows.
    source : str, optional
        Who or what says so, such as a system; the kind when absent.
    kind : {"outcome", "flag", "opinion"}, optional
        None tells it by what a row holds: a verdict is an opinion, an outcome an outcome, a reason alone a flag; rows
        that hold none of them are left out.
    model : str, optional
        Whose predictions a key names.
    key : str, optional
        Column of the business key they were predicted under. A row belongs to the newest prediction of its key at or
        before ``at``, or to the newest.
    actor : str, optional
        Who said it; you when absent.

    Returns
    -------
    Received
        How many were new, changed what the same one had said, were there already, or belong to no prediction known
        here (these are kept, and join should the prediction arrive later).

    Raises
    ------
    Invalid
        A column is missing, or a value that is needed, or a verdict is none, or an id is longer than ids are; nothing
        is kept then.
    NotFound
        No such kind or model.
    Unavailable
        It cannot be written; hand it in again: what is kept already counts once.

    Examples
    --------
    >>> nb.feedback(outcomes).new  # doctest: +SKIP
    27004
    >>> nb.feedback({"booking": "B17", "outcome": True}, model="late-flights", key="booking").new  # doctest: +SKIP
    1
    """
    rows = _rows(frame, source, kind, model, key, actor)
    strangers = _strangers(rows)
    latest = _latest(rows)
    kept, changed = [], 0
    for row in rows:
        who, said = _who(row), _said(row)
        if who in latest and _same(latest[who], said):
            continue
        changed += who in latest
        latest[who] = said
        kept.append(row)
    _keep(kept)
    named = tuple(strangers[:NAMED])
    return Received(len(rows), len(kept) - changed, changed, len(rows) - len(kept), len(strangers), named)


def _keep(rows: Sequence[Row]) -> None:
    at = now()
    for start in range(0, len(rows), SLICE_ROWS):
        try:
            opened.keep({"t": "feedback", "at": at, "rows": rows[start : start + SLICE_ROWS]})
        except OSError as error:
            raise Unavailable(
                f"{len(rows) - start:,} rows of feedback are not kept ({error.strerror or error}).",
                "Hand all in again when there is room: what is kept already counts once.",
            ) from error


def _rows(
    frame: Any, source: str | None, kind: str | None, model: str | None, key: str | None, actor: str | None
) -> list[Row]:
    """Return feedback as rows of the store, each with the id of its prediction, or its key where none is known."""
    table = _table(frame)
    subjects = _subjects(table, model, key)
    found: list[Row] = []
    for one, places in _kinds(table, kind):
        part = table.iloc[places]
        _check(part, one, [not subjects[i] for i in places])
        sources = _texts(part, "source", source or one)
        actors = _texts(part, "actor", actor or identity.actor()[0])
        said = zip(places, *_content(part, one), sources, actors, strict=True)
        for place, outcome, verdict, reason, who, by in said:
            more = {"verdict": verdict, "reason": reason}
            row = {**subjects[place], "outcome": outcome, "source": who, "kind": one, "actor": by}
            found.append({**row, **{k: v for k, v in more.items() if v is not None}})
    return found


def _table(frame: Any) -> pd.DataFrame:
    import pandas as pd

    from nbmlops.registry.signature import table

    if isinstance(frame, Mapping):
        return pd.DataFrame([dict(frame)])
    if isinstance(frame, (list, tuple)) and frame and all(isinstance(row, Mapping) for row in frame):
        return pd.DataFrame([dict(row) for row in frame])
    return table(frame)


def _kinds(table: pd.DataFrame, kind: str | None) -> Iterator[tuple[str, list[int]]]:
    """Yield each kind and the rows that are of it."""
    if kind is not None and kind not in KINDS:
        raise unknown("kind", str(kind), KINDS, where="of feedback")
    named = [None] * len(table) if "kind" not in table.columns else table["kind"].tolist()
    if strange := sorted({str(k) for k in named if not _gone(k) and k not in KINDS}):
        raise unknown("kind", strange[0], KINDS, where="of feedback")
    if kind is None:
        holds = {one: _given(table, NEEDS[one]) for one in KINDS}
        told = [[] if _gone(k) else [str(k)] for k in named]
        every = [
            now or [one for one in ("opinion", "outcome") if holds[one][i]] or (["flag"] if holds["flag"][i] else [])
            for i, now in enumerate(told)
        ]
    else:
        every = [[kind] if _gone(k) else [str(k)] for k in named]
    for one in KINDS:
        places = [i for i, of in enumerate(every) if one in of]
        if places or one == kind:
            yield one, places


def _gone(value: Any) -> bool:
    return value is None or value != value


def _given(table: pd.DataFrame, column: str) -> list[bool]:
    """Return which rows hold something in a column; blank text is nothing."""
    if column not in table.columns:
        return [False] * len(table)
    return [bool(known) and str(v).strip() != "" for v, known in zip(table[column], table[column].notna(), strict=True)]


def _subjects(table: pd.DataFrame, model: str | None, key: str | None) -> list[Row]:
    """Return of each row the prediction it belongs to, as columns of the store; empty where it names none."""
    if key is None and "prediction_id" not in table.columns:
        raise Invalid("Feedback without a column 'prediction_id'.", HINT)
    ids = [i.strip() for i in _texts(table, "prediction_id", "")]
    _storable(ids, "prediction_id", ID_LENGTH)
    if key is None:
        return [{"prediction_id": i} if i else {} for i in ids]
    return _of_keys(table, ids, model, key)


def _storable(names: Sequence[str], column: str, most: int) -> None:
    """Refuse names that not every database can hold, before anything is kept."""
    odd = [n for n, name in enumerate(names) if len(name) > most or NO_TEXT.search(name)]
    if odd:
        rows = f"{', '.join(map(str, odd[:5]))}{', ...' if len(odd) > 5 else ''}"
        raise Invalid(
            f"{column} has more than {most} characters, or some that are no text, in {len(odd):,} rows: {rows}.",
            "Rows are counted from 0; nothing is kept.",
        )


def _of_keys(table: pd.DataFrame, ids: list[str], model: str | None, key: str) -> list[Row]:
    import numpy as np

    from nbmlops.monitoring.returning import matching
    from nbmlops.registry import models

    if key not in table.columns:
        raise Invalid(f"Feedback without a column {key!r}.", f"It has: {', '.join(map(str, table.columns[:12]))}.")
    if model is None:
        raise Invalid(f"Column {key!r} names predictions of which model?", 'Say so: model="late-flights".')
    name = models.model_version(model).name
    found, empty = matching.keys(table[key]), np.full(len(table), matching.NEVER)
    _storable([name or "" for name in found], key, KEY_LENGTH)
    times = matching.moments(table["at"], end_of_day=True) if "at" in table.columns else empty
    asked = [n for n, i in enumerate(ids) if not i and found[n] is not None]
    of = dict(zip(asked, matching.matched(name, found[asked], times[asked]) if asked else [], strict=True))
    rows: list[Row] = [{"prediction_id": i} if i else {} for i in ids]
    for n, prediction_id in of.items():
        rows[n] = {"prediction_id": prediction_id, "model": name, "key": found[n]}
        if (at := matching.iso(int(times[n]))) is not None:
            rows[n]["key_at"] = at
    return rows


def _check(part: pd.DataFrame, kind: str, nameless: Sequence[bool]) -> None:
    """Refuse feedback that lacks what its kind needs, all of it, before anything is kept."""
    needed = NEEDS[kind]
    if needed not in part.columns:
        raise Invalid(f"Feedback without a column {needed!r}.", HINT)
    given = _given(part, needed)
    if gaps := sum(gone or not there for gone, there in zip(nameless, given, strict=True)):
        what = "an expert's reason" if kind == "flag" else needed
        raise Invalid(f"{gaps:,} rows of feedback miss their id or {what}.", "Hand in what is known: frame.dropna().")
    for name in ("outcome", "expected"):
        if name in part.columns and (odd := sum(isinstance(v, float) and math.isinf(v) for v in part[name])):
            raise Invalid(f"{odd:,} rows of feedback have an infinite {name}.", "Hand in what came true.")
    if kind == "opinion" and (strange := sorted({_verdict(v) for v in part["verdict"]} - {*VERDICTS})):
        raise Invalid(f"{strange[0][:40]!r} is no verdict.", f"Write one of: {', '.join(VERDICTS)}.")
    if "reason" in part.columns and part["reason"].map(lambda v: isinstance(v, str) and len(v) > LONGEST).any():
        raise Invalid(f"A reason is longer than {LONGEST:,} characters.", "Say it in short.")


def _verdict(value: Any) -> str:
    return str(value).strip().lower()


def _content(part: pd.DataFrame, kind: str) -> tuple[list[Any], list[str | None], list[str | None]]:
    """Return the outcome (of an opinion what was expected), the verdict and the reason of each row."""
    none: list[Any] = [None] * len(part)
    reasons = [redact(r.strip()) if r.strip() else None for r in _texts(part, "reason", "")]
    if kind == "outcome":
        return [plain(o) for o in part["outcome"].tolist()], none, reasons
    if kind == "flag":
        return none, none, reasons
    expected = next((part[c] for c in ("expected", "outcome") if c in part.columns), None)
    values = none if expected is None else [None if _gone(v) else plain(v) for v in expected.tolist()]
    return values, [_verdict(v) for v in part["verdict"]], reasons


def _texts(part: pd.DataFrame, column: str, otherwise: str) -> list[str]:
    if column not in part.columns:
        return [otherwise] * len(part)
    return [otherwise if _gone(v) else str(v) for v in part[column].astype(object).where(part[column].notna(), None)]


def _who(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what was said of, and who said it: the newest of one who counts."""
    of = row["prediction_id"] or (row["model"], row["key"], row.get("key_at") or None)
    kind = row["kind"]
    return kind, of, row["source"], None if kind == "outcome" else row["actor"] or None


def _said(row: Mapping[str, Any]) -> Said:
    return row["outcome"], row.get("verdict"), row.get("reason")


def _same(one: Said, other: Said) -> bool:
    outcomes = one[0] is other[0] or (None not in (one[0], other[0]) and same(one[0], other[0]))
    return outcomes and one[1:] == other[1:]


def _strangers(rows: Sequence[Row]) -> list[str]:
    """Return the ids and keys that belong to no prediction."""
    from nbmlops.store import predictions as stored

    ids = list(dict.fromkeys(row["prediction_id"] for row in rows if "key" not in row))
    keys = {row["key"] for row in rows if not row["prediction_id"]}
    return sorted({*ids} - stored.known(session.store(), ids)) + sorted(keys)


def _latest(rows: Sequence[Row]) -> dict[tuple[Any, ...], Said]:
    """Return the newest that each one said of these predictions and keys, also by key before a prediction was known."""
    from nbmlops.monitoring.predicting.recorded import joined
    from nbmlops.store import predictions as stored

    ids = list(dict.fromkeys(row["prediction_id"] for row in rows if row["prediction_id"]))
    came = stored.newest(session.store(), ids)
    for model in sorted({row["model"] for row in rows if "key" in row}):
        came += joined(model, among={row["key"] for row in rows if row.get("model") == model})
    return {_who(row): _said(row) for row in sorted(came, key=lambda row: row["id"])}
