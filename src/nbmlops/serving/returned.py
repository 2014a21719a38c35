"""What comes back over HTTP: outcomes, opinions and flags, by the id of a prediction or its key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import nbmlops as nb
from nbmlops.serving.errors import Refused, problem
from nbmlops.serving.records import parse
from nbmlops.serving.served import Served

__all__ = ["received"]

Json = dict[str, Any]
KINDS = {"outcome": ("outcome",), "opinion": ("verdict", "expected", "reason"), "flag": ("reason",)}
NEEDED = {"outcome": "outcome", "opinion": "verdict", "flag": "reason"}
NAMING = ("prediction_id", "key")
VERDICTS = ("agree", "disagree", "unsure")
FIELDS = ("prediction_id", "key", "at", "kind", "outcome", "verdict", "expected", "reason", "source")
HINT = 'Send {"feedback": [{"prediction_id": ..., "outcome": ...}]}; /openapi.json says what else.'
LONGEST = 4_000
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
        Every problem at once; nothing is kept then.
    """
    rows = _rows(parse(body), most)
    if problems := [p for place, row in enumerate(rows) for p in _problems(place, row)]:
        raise Refused(422, problems, HINT)
    total: Json = dict.fromkeys(COUNTS, 0)
    strangers: list[str] = []
    for (kind, naming), part in _groups(rows).items():
        counted = _keep(served, kind, naming, part, caller)
        total = {name: total[name] + getattr(counted, name) for name in COUNTS}
        strangers += counted.unknown_ids
    return {**total, "unknown_ids": strangers[:most]}


def _keep(served: Served, kind: str, naming: str, rows: list[Json], caller: str) -> Any:
    import pandas as pd

    names = [naming, *(["at"] if naming == "key" and any("at" in row for row in rows) else []), *KINDS[kind]]
    # Built as objects: a list of answers of several types stays what was sent.
    columns = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names}
    frame = pd.DataFrame({**columns, "source": [row.get("source") or kind for row in rows]})
    about = {"model": served.version.name, "key": "key"} if naming == "key" else {}
    return nb.feedback(frame, kind=kind, actor=caller, **about)


def _rows(content: Any, most: int) -> list[Json]:
    rows = content["feedback"] if isinstance(content, dict) and "feedback" in content else [content]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Refused(422, [problem("shape", "The body is no feedback.")], HINT)
    if len(rows) > most:
        raise Refused(413, [problem("too_many_rows", f"{len(rows):,} at once; at most {most:,}.")])
    return rows


def _groups(rows: list[Json]) -> dict[tuple[str, str], list[Json]]:
    found: dict[tuple[str, str], list[Json]] = {}
    for row in rows:
        naming = "prediction_id" if "prediction_id" in row else "key"
        found.setdefault((row.get("kind", "outcome"), naming), []).append(row)
    return found


def _problems(place: int, row: Json) -> Iterator[Json]:
    for name in row:
        if name not in FIELDS:
            yield problem("unknown_field", f"{name[:100]!r} is not known here.", place, name)
    if sum(name in row for name in NAMING) != 1:
        yield problem("naming", "Name the prediction by prediction_id or by key.", place)
    kind = row.get("kind", "outcome")
    if not isinstance(kind, str) or kind not in KINDS:
        yield problem("kind", f"kind is one of {', '.join(KINDS)}.", place, "kind")
        return
    if row.get(NEEDED[kind]) is None:
        yield problem("missing", f"{kind} without {NEEDED[kind]}.", place, NEEDED[kind])
    if kind == "opinion" and row.get("verdict") not in (None, *VERDICTS):
        yield problem("verdict", f"verdict is one of {', '.join(VERDICTS)}.", place, "verdict")
    yield from _wrong(place, row)


def _wrong(place: int, row: Json) -> Iterator[Json]:
    for name in ("prediction_id", "at", "reason", "source"):
        if not isinstance(row.get(name, ""), str) or len(row.get(name, "")) > LONGEST:
            yield problem("text", f"{name} is no text of at most {LONGEST:,} characters.", place, name)
    for name in ("key", "outcome", "expected"):
        value = row.get(name)
        if isinstance(value, (list, dict)) or value != value or value in (float("inf"), float("-inf")):
            yield problem("value", f"{name} is neither text nor a number, true or false.", place, name)
