"""A measure over time against its target, as SVG: values with their intervals, and the target as a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nbmlops.report.svg import BLUE, ORANGE, Frame, dot, lettering, picture, place, rule
from nbmlops.report.text import as_float, finite, number

__all__ = ["over_time"]

Json = Mapping[str, Any]
DAY_S = 86_400


def over_time(points: Sequence[Json], *, title: str, target: float | None = None) -> str:
    """Draw what was measured over time, each value with its interval, and the target as a line.

    Parameters
    ----------
    points : sequence of mapping
        ``at`` (UTC), ``value``, ``low``, ``high``, oldest first.
    title : str
    target : float, optional

    Returns
    -------
    str
        An SVG, 480 by 220; an empty text where nothing was measured.

    Examples
    --------
    >>> point = {"at": "2026-01-01T00:00:00+00:00", "value": 0.7, "low": 0.6, "high": 0.8}
    >>> "target 0.65" in over_time([point], title="AUC", target=0.65)
    True
    """
    known = [row for p in points if finite((row := _row(p))[1])]
    if not known:
        return ""
    goal = as_float(target)
    heights = [v for row in known for v in row[1:] if finite(v)] + ([goal] if finite(goal) else [])
    frame = Frame(_around([row[0] for row in known]), heights, top=46, bottom=30)
    path = " ".join(f"{place(frame.x(x))},{place(frame.y(y))}" for x, y, _, _ in known)
    body = frame.axes(x_format=_date)
    body += _goal(frame, goal) if finite(goal) else ""
    body += f'<polyline points="{path}" fill="none" stroke="{BLUE}" stroke-width="2" stroke-linejoin="round"/>'
    body += "".join(_point(frame, row) for row in known)
    return picture(480, 220, title, _words(points, goal), body)


def _words(points: Sequence[Json], goal: float) -> str:
    said = [f"{str(p['at'])[:10]} {number(p['value'])}" for p in points if finite(as_float(p.get("value")))]
    kept = f"{', '.join(said[:3])} to {said[-1]}" if len(said) > 4 else ", ".join(said)
    return f"{len(said)} measured: {kept}.{f' Target {number(goal)}.' if finite(goal) else ''}"


def _goal(frame: Frame, goal: float) -> str:
    line = rule(frame.left, frame.y(goal), frame.right, frame.y(goal), ORANGE, dash="4 3", width=1.5)
    return line + lettering(frame.right, frame.y(goal) - 4, f"target {number(goal)}", anchor="end", colour=ORANGE)


def _point(frame: Frame, row: tuple[float, float, float, float]) -> str:
    x, y, low, high = row
    bar = rule(frame.x(x), frame.y(low), frame.x(x), frame.y(high), BLUE) if finite(low, high) else ""
    return bar + dot(frame.x(x), frame.y(y))


def _around(days: Sequence[float]) -> list[float]:
    """Return days with room at both ends, so that one day alone is a picture too."""
    room = max(1.0, (max(days) - min(days)) * 0.05)
    return [min(days) - room, *days, max(days) + room]


def _row(point: Json) -> tuple[float, float, float, float]:
    return _day(point["at"]), as_float(point.get("value")), as_float(point.get("low")), as_float(point.get("high"))


def _day(at: str) -> float:
    return datetime.fromisoformat(str(at)).timestamp() / DAY_S


def _date(day: float) -> str:
    return datetime.fromtimestamp(day * DAY_S, UTC).strftime("%m-%d")
