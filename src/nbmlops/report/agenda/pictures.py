"""A measure over time against its target, as SVG: values with their intervals, and the target as a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report.svg import BLUE, ORANGE, Frame, cut, dot, lettering, picture, place, rule
from nbmlops.report.text import as_float, finite, number

__all__ = ["over_time"]

Json = Mapping[str, Any]
Row = tuple[float, float, float, float]
MOST_NAMES, LONGEST = 6, 14  # below the axis


def over_time(points: Sequence[Json], *, title: str, target: float | None = None) -> str:
    """Draw what was measured in the order of time, each value with its interval, and the target as a line.

    Parameters
    ----------
    points : sequence of mapping
        ``of`` (a version or a period), ``value``, ``low``, ``high``, oldest first.
    title : str
    target : float, optional

    Returns
    -------
    str
        An SVG, 480 by 220; an empty text where nothing was measured.

    Examples
    --------
    >>> point = {"of": "late@1", "value": 0.7, "low": 0.6, "high": 0.8}
    >>> "target 0.65" in over_time([point], title="AUC", target=0.65)
    True
    """
    kept = [p for p in points if finite(as_float(p.get("value")))]
    if not kept:
        return ""
    rows = [_row(place_, p) for place_, p in enumerate(kept)]
    goal = as_float(target)
    heights = [v for row in rows for v in row[1:] if finite(v)] + ([goal] if finite(goal) else [])
    frame = Frame([-0.5, len(kept) - 0.5], heights, top=46, bottom=30, bare=True)
    path = " ".join(f"{place(frame.x(x))},{place(frame.y(y))}" for x, y, _, _ in rows)
    body = frame.axes() + _names(frame, kept) + (_goal(frame, goal) if finite(goal) else "")
    body += f'<polyline points="{path}" fill="none" stroke="{BLUE}" stroke-width="2" stroke-linejoin="round"/>'
    body += "".join(_point(frame, row) for row in rows)
    return picture(480, 220, title, _words(kept, goal), body)


def _words(points: Sequence[Json], goal: float) -> str:
    said = [f"{p['of']} {number(p['value'])}" for p in points]
    kept = f"{', '.join(said[:3])}, last {said[-1]}" if len(said) > 4 else ", ".join(said)
    return f"{len(said)} measured in the order of time: {kept}.{f' Target {number(goal)}.' if finite(goal) else ''}"


def _names(frame: Frame, points: Sequence[Json]) -> str:
    """Return the names below the axis, as many as there is room for."""
    step = -(-len(points) // MOST_NAMES)
    named = [(i, p) for i, p in enumerate(points) if (len(points) - 1 - i) % step == 0]
    base = frame.base + 15
    return "".join(lettering(frame.x(i), base, cut(str(p["of"]), LONGEST), anchor="middle") for i, p in named)


def _goal(frame: Frame, goal: float) -> str:
    line = rule(frame.left, frame.y(goal), frame.right, frame.y(goal), ORANGE, dash="4 3", width=1.5)
    return line + lettering(frame.right, frame.y(goal) - 4, f"target {number(goal)}", anchor="end", colour=ORANGE)


def _point(frame: Frame, row: Row) -> str:
    x, y, low, high = row
    bar = rule(frame.x(x), frame.y(low), frame.x(x), frame.y(high), BLUE) if finite(low, high) else ""
    return bar + dot(frame.x(x), frame.y(y))


def _row(x: float, point: Json) -> Row:
    return x, as_float(point.get("value")), as_float(point.get("low")), as_float(point.get("high"))
