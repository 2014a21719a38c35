"""What comes back over HTTP: outcomes, opinions and flags, by the id of a prediction or its key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import nbmlops as nb
from nbmlops.monitoring.returning.feedback import ID_LENGTH, KEY_LENGTH
from nbmlops.monitoring.returning.feedback import LONGEST as REASON_LENGTH
from nbmlops.serving.errors import Refused, problem
from nbmlops.serving.records import parse
from nbmlops.serving.served import Served
from nbmlops.store import predictions as stored
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["received"]

Json = dict[str, Any]
KINDS = {"outcome": ("outcome",), "opinion": ("verdict", "expected", "reason"), "flag": ("reason",)}
NEEDED = {"outcome": "outcome", "opinion": "verdict", "flag": "reason"}
NAMING = ("prediction_id", "key")
VERDICTS = ("agree", "disagree", "unsure")
FIELDS = ("prediction_id", "key", "at", "kind", "outcome", "verdict", "expected", "reason", "source")
HINT = 'Send {"feedback": [{"prediction_id": ..., "outcome": ...}]}; /openapi.json says what else.'
LONGEST = {"prediction_id": ID_LENGTH, "at": 40, "reason": REASON_LENGTH, "source": 4_000}
YEARS = (1678, 2261)  # those that nanoseconds since 1970 hold
COUNTS = ("rows", "new", "changed", "duplicates", "unknown")


def received(served: Served, body: bytes, caller: str, most: int) -> Json:
    """Keep what came back; return what became of it, as :func:`nbmlops.feedback` counts it.

    Parameters
    ----------
    served : Served
    body : bytes
        JSON: one object, or many below ``feedback``.
    caller : str
        Who says so.
    most : int
        How many at once.

    Raises
    ------
    Refused
        Every problem at once, or predictions another model made; nothing is kept then.
    """
    rows = _rows(parse(body), most)
    if problems := [*(p for place, row in enumerate(rows) for p in _problems(place, row)), *_no_times(rows)]:
        raise Refused(422, problems, HINT)
    if problems := list(_of_others(served.version.name, rows)):
        raise Refused(404, problems, "POST /predict returns the ids.")
    about = {"model": served.version.name, "key": "key"} if any("key" in row for row in rows) else {}
    counted = nb.feedback(_frame(rows), kind=None, actor=caller, **about)
    return {**{name: getattr(counted, name) for name in COUNTS}, "unknown_ids": list(counted.unknown_ids[:most])}


def _frame(rows: list[Json]) -> pd.DataFrame:
    """Return all rows as one frame, so that all are kept or none, each with what its kind needs and no more."""
    import pandas as pd

    told = []
    for row in rows:
        kind = row.get("kind", "outcome")
        held = {name: row[name] for name in (*NAMING, "at", *KINDS[kind]) if name in row}
        told.append({**held, "kind": kind, "source": row.get("source") or kind})
    # Built as objects: a list of answers of several types stays what was sent.
    return pd.DataFrame({name: pd.Series([row.get(name) for row in told], dtype=object) for name in FIELDS})


def _of_others(model: str, rows: list[Json]) -> Iterator[Json]:
    """Yield a problem for each prediction another model made: a service takes in nothing about these."""
    ids = [row.get("prediction_id", "").strip() for row in rows]
    others = stored.known(session.store(), ids) - stored.known(session.store(), ids, model)
    for place, one in enumerate(ids):
        if one in others:
            yield problem("notfound", f"No prediction {one!r} of this model.", place, "prediction_id")


def _no_times(rows: list[Json]) -> Iterator[Json]:
    import pandas as pd

    given = {place: row["at"] for place, row in enumerate(rows) if isinstance(row.get("at"), str)}
    times = pd.to_datetime(pd.Series(given, dtype=object), errors="coerce", utc=True, format="ISO8601")
    for place in times.index[~times.dt.year.between(*YEARS)].tolist():
        yield problem("no_time", "at is no time such as 2013-12-01T06:00.", place, "at")


def _rows(content: Any, most: int) -> list[Json]:
    rows = content["feedback"] if isinstance(content, dict) and "feedback" in content else [content]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Refused(422, [problem("shape", "The body is no feedback.")], HINT)
    if len(rows) > most:
        raise Refused(413, [problem("too_many_rows", f"{len(rows):,} at once; at most {most:,}.")])
    return rows


def _problems(place: int, row: Json) -> Iterator[Json]:
    for name in row:
        if name not in FIELDS:
            yield problem("unknown_field", f"{name[:100]!r} is not known here.", place, name)
    if sum(name in row for name in NAMING) != 1 or all(_blank(row.get(name)) for name in NAMING):
        yield problem("naming", "Name the prediction by prediction_id or by key.", place)
    kind = row.get("kind", "outcome")
    if not isinstance(kind, str) or kind not in KINDS:
        yield problem("kind", f"kind is one of {', '.join(KINDS)}.", place, "kind")
        return
    if _blank(row.get(NEEDED[kind])):
        yield problem("missing", f"{kind} without {NEEDED[kind]}.", place, NEEDED[kind])
    if kind == "opinion" and row.get("verdict") not in (None, *VERDICTS):
        yield problem("verdict", f"verdict is one of {', '.join(VERDICTS)}.", place, "verdict")
    yield from _wrong(place, row)


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _wrong(place: int, row: Json) -> Iterator[Json]:
    for name, most in LONGEST.items():
        if name in row and (not isinstance(row[name], str) or len(row[name].strip()) > most or "\0" in row[name]):
            yield problem("text", f"{name} is no text of at most {most:,} characters.", place, name)
    if len(str(row.get("key", "")).strip()) > KEY_LENGTH or "\0" in str(row.get("key")):
        yield problem("text", f"key has more than {KEY_LENGTH} characters, or NUL in it.", place, "key")
    for name in ("key", "outcome", "expected"):
        value = row.get(name)
        if isinstance(value, (list, dict)) or value != value or value in (float("inf"), float("-inf")):
            yield problem("value", f"{name} is neither text nor a number, true or false.", place, name)
