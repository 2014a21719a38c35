"""What it is worth as a card: estimated, evaluated, realised; break-even, what it takes, what nobody has said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, lines, number, percent, table

__all__ = ["html", "text"]

HEADS = ("per 1,000 rows", "low", "expected", "high", "against", "n")
SIDES = (
    ("first", "first estimate"),
    ("estimated", "estimate now"),
    ("evaluated", "evaluated"),
    ("realised", "realised"),
)
WORK = ("deliverable", "value a year", "weeks", "value a week")


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    parts = [table(HEADS, list(_rows(data)))] if any(_rows(data)) else []
    parts += [table(WORK, _work(data))] if data["deliverables"] else []
    parts += [f"<div>{esc(line)}</div>" for line in _said(data)]
    return card("Worth", "", "".join(parts), data["subject"])


def text(data: Mapping[str, Any]) -> str:
    """Return the same as text."""
    parts = [f"Worth of {data['subject']}"]
    parts += [lines(HEADS, list(_rows(data)))] if any(_rows(data)) else []
    parts += [lines(WORK, _work(data))] if data["deliverables"] else []
    return "\n".join([*parts, *_said(data)])


def _rows(data: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, word in SIDES:
        found = data.get(key)
        if found and found.get("expected") is not None:
            numbers = map(number, _short(found))
            n = found.get("n")
            yield (f"{word}, {found.get('unit') or 'units'}", *numbers, str(found["against"]), number(n) if n else "-")


def _work(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    keys = ("value", "weeks", "per_week")
    return [(d["name"], *(number(d[k]) if d[k] is not None else "-" for k in keys)) for d in data["deliverables"]]


def _said(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield what there is to say besides."""
    for key, word in SIDES:
        if why := (data.get(key) or {}).get("unknown"):
            yield f"{word}: insufficient data: {why}"
    if found := data.get("first"):
        when = f", when {found['after']} was registered already" if found.get("after") else ", before any model"
        yield f"first estimate: by {found['actor']} on {found['at'][:10]}{when}"
    if found := data.get("estimated"):
        yield from _estimate(found)
    for key in ("effort", "budget"):
        if said := data.get(key):
            yield f"{key}: " + ", ".join(f"{k.replace('_', ' ')} {_plain(v)}" for k, v in said.items() if v is not None)
    for gap in data["gaps"]:
        yield f"not said: {gap['key']}, {gap['says']} ({', '.join(gap['people']) or gap['role']})"
    if data["unrecorded"]:
        yield f"the first estimate was not kept: {data['unrecorded']}"


def _estimate(found: Mapping[str, Any]) -> Iterator[str]:
    if volume := found.get("volume"):
        low, expected, high = map(number, _short(volume))
        about = f"at {number(volume['rows'])} rows"
        yield f"estimate: {expected} {found['unit']} a {volume['per']} ({low} to {high}) {about}"
    yield f"assumed: {'; '.join(found['assumed'])}"
    known = found["break_even"]
    if other := known.get("other_unit"):
        yield f"from which quality on it pays is not known: the budget is in {other}, the value in {found['unit']}"
    if known["chance"] is not None:
        yield f"acting on a row pays from a chance of {percent(known['chance'])} on"
    if known["reached"] is False:
        yield f"no quality makes it worth it within a year: it takes {number(known['cost'])} {found['unit']}".rstrip()
    elif known.get("error") is not None:
        yield f"worth it within a year up to an error of {number(known['error'])}"
    elif known["auc"] is not None:
        at = f"recall {number(known['recall'])} at precision {number(known['precision'])}"
        yield f"worth it within a year from an area under the curve of {number(known['auc'])} on ({at})"


def _short(found: Mapping[str, Any]) -> list[float]:
    """Return low, expected and high in three digits each, and none finer than a thousandth of the largest.

    >>> _short({"low": 0.000266, "expected": 406.123, "high": 906.5})
    [0.0, 406.0, 906.0]
    """
    values = [float(f"{float(found[k]):.3g}") for k in ("low", "expected", "high")]
    most = max(map(abs, values))
    finest = 3 - math.floor(math.log10(most)) if 0 < most < math.inf else 0
    return [round(value, finest) for value in values]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else number(value)
