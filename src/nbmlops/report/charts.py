"""Charts as SVG text: pure, deterministic, readable by a screen reader.

Every function returns one ``<svg>`` with a ``<title>`` and a ``<desc>`` computed from the numbers. There are no ids, no
scripts and no style sheets, and each chart carries its own light card, so that it reads the same as an image tag in a
notebook, in a page that is dark, and on paper. What is not a finite number is left out and said so in the description.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import unescape
from itertools import zip_longest
from typing import Any

from nbmlops.report.svg import (
    BLUE,
    CARD,
    GRID,
    INK,
    ORANGE,
    QUIET,
    Frame,
    Scale,
    box,
    boxes,
    cut,
    dot,
    lettering,
    picture,
    place,
    rule,
)
from nbmlops.report.text import as_float, finite, interval, number, percent

__all__ = ["alt", "bars", "calibration", "intervals", "line", "pair", "sparkline"]

MAX_ROWS, MAX_BINS, MAX_POINTS = 24, 40, 240
LETTER = 6.3  # average width of a letter at 11 px


def line(
    points: Sequence[tuple[float, float]], *, title: str, x_label: str = "", y_label: str = "", of: int = 0
) -> str:
    """Draw values along an axis.

    Parameters
    ----------
    points : sequence of (x, y)
        Drawn in the order of x; a point that is not finite is left out.
    title, x_label, y_label : str
    of : int
        How many points there were, where these are the ones of them that show its shape.

    Returns
    -------
    str
        An SVG, 480 by 220.

    Examples
    --------
    >>> line([(1, 0.68), (2, 0.61)], title="AUC").startswith("<svg")
    True
    """
    kept = sorted((x, y) for x, y in ((as_float(a), as_float(b)) for a, b in points) if finite(x, y))
    gaps = _gaps(len(points) - len(kept))
    if not kept:
        return _nothing(title, gaps)
    low, high = min(kept, key=lambda p: p[1]), max(kept, key=lambda p: p[1])
    thinned = f" of {of:,}, thinned to those that show its shape," if of > len(points) else ""
    words = (
        f"{len(kept)} points{thinned} from {x_label or 'x'} {number(kept[0][0])} to {number(kept[-1][0])}. Lowest"
        f" {number(low[1])} at {number(low[0])}, highest {number(high[1])} at {number(high[0])},"
        f" last {number(kept[-1][1])}.{gaps}"
    )
    frame = Frame([x for x, _ in kept], [y for _, y in kept], top=58 if y_label else 42, bottom=42 if x_label else 30)
    thin = _thinned(kept)
    path = " ".join(f"{place(frame.x(x))},{place(frame.y(y))}" for x, y in thin)
    dots = "".join(dot(frame.x(x), frame.y(y)) for x, y in thin) if len(thin) <= 40 else ""
    marks = f'<polyline points="{path}" fill="none" stroke="{BLUE}" stroke-width="2" stroke-linejoin="round"/>{dots}'
    return picture(480, 220, title, words, frame.axes(x_label, y_label) + marks)


def bars(labels: Sequence[str], values: Sequence[float], *, title: str, shares: bool = False) -> str:
    """Draw one horizontal bar a label, in the order given.

    Parameters
    ----------
    labels : sequence of str
    values : sequence of float
        Negative values go left of zero; what is not finite has no bar.
    title : str
    shares : bool
        The values are shares in [0, 1], written as percentages.

    Returns
    -------
    str
        An SVG, 480 wide; at most 24 bars, the rest is counted in a note.

    Examples
    --------
    >>> "carrier" in bars(["carrier", "hour"], [0.2, 0.1], title="Importance")
    True
    """
    rows = [(str(name), as_float(value)) for name, value in zip(labels, values, strict=False)]
    known = [(name, value) for name, value in rows if finite(value)]
    gaps = _gaps(len(rows) - len(known))
    if not known:
        return _nothing(title, gaps)
    top, least = max(known, key=lambda r: r[1]), min(known, key=lambda r: r[1])
    words = percent if shares else number
    said = f"{len(rows)} bars. Largest {top[0]} {words(top[1])}, smallest {least[0]} {words(least[1])}.{gaps}"
    shown = rows[:MAX_ROWS]
    left = _label_width([name for name, _ in shown])
    scale = Scale([0.0, *(v for _, v in known)], left, 480 - 64, nice=False)
    body = "".join(
        _bar_row(name, value, 38 + 20 * i, left, scale, words(value)) for i, (name, value) in enumerate(shown)
    )
    height = 46 + 20 * len(shown) + (16 if len(rows) > MAX_ROWS else 0)
    if len(rows) > MAX_ROWS:
        body += lettering(16, height - 12, f"and {len(rows) - MAX_ROWS} more")
    return picture(480, height, title, said, body + rule(scale(0), 34, scale(0), 42 + 20 * len(shown), QUIET))


def pair(labels: Sequence[str], reference: Sequence[float], current: Sequence[float], *, title: str) -> str:
    """Draw two distributions over the same bins, side by side.

    Parameters
    ----------
    labels : sequence of str
        The bins.
    reference, current : sequence of float
        Shares in [0, 1].
    title : str

    Returns
    -------
    str
        An SVG, 480 by 220; at most 40 bins, the rest is counted in a note.

    Examples
    --------
    >>> "60.0 %" in pair(["UA", "DL"], [0.6, 0.4], [0.5, 0.5], title="carrier")
    True
    """
    rows = [(str(name), as_float(a), as_float(b)) for name, a, b in zip(labels, reference, current, strict=False)]
    known = [row for row in rows if finite(row[1], row[2])]
    gaps = _gaps(len(rows) - len(known))
    if not known:
        return _nothing(title, gaps)
    name, before, after = max(known, key=lambda row: abs(row[2] - row[1]))
    words = (
        f"{len(rows)} bins. Largest change: {name} from {percent(before)} in the reference to {percent(after)} now"
        f" ({100 * (after - before):+.1f} points).{gaps}"
    )
    shown = known[:MAX_BINS]
    more = len(known) - len(shown)
    frame = Frame([0, len(shown)], [0.0, *(v for row in shown for v in row[1:])], top=56, bottom=30, bare=True)
    slot = (frame.right - frame.left) / len(shown)
    # One is hollow and one is full: apart on grey paper too.
    body = boxes(_side(frame, slot, [row[1] for row in shown], 0.1), CARD, QUIET)
    body += boxes(_side(frame, slot, [row[2] for row in shown], 0.5), BLUE, BLUE)
    legend = _key(frame.left, CARD, QUIET, "reference") + _key(frame.left + 92, BLUE, BLUE, "current")
    note = lettering(frame.right, 46, f"and {more} more bins", anchor="end") if more else ""
    names = _bin_names(frame, slot, [row[0] for row in shown])
    return picture(480, 220, title, words, frame.axes(y_format=_percent0) + body + names + legend + note)


def calibration(
    predicted: Sequence[float],
    observed: Sequence[float],
    counts: Sequence[int],
    *,
    title: str,
    bounds: Sequence[tuple[Any, Any]] = (),
) -> str:
    """Draw what was predicted against what came true; on the diagonal both agree.

    Parameters
    ----------
    predicted, observed : sequence of float
        Mean predicted probability and observed share of each bin, in [0, 1].
    counts : sequence of int
        Rows of each bin; a point's area grows with them.
    title : str
    bounds : sequence of (low, high), optional
        The interval of each observed share; one that is not finite is left out.

    Returns
    -------
    str
        An SVG, 340 by 320.

    Examples
    --------
    >>> "200 rows" in calibration([0.2, 0.6], [0.25, 0.55], [100, 100], title="Calibration")
    True
    """
    bins = zip_longest(zip(predicted, observed, counts, strict=False), bounds, fillvalue=(None, None))
    rows = [tuple(map(as_float, (*row, *ends))) for row, ends in bins]
    known = [row for row in rows if finite(*row[:3]) and row[2] > 0]
    gaps = _gaps(len(rows) - len(known))
    if not known:
        return _nothing(title, gaps)
    total = sum(row[2] for row in known)
    means = [sum(row[i] * row[2] for row in known) / total for i in (0, 1)]
    far = max(known, key=lambda row: abs(row[1] - row[0]))
    words = (
        f"{number(int(total))} rows: predicted {percent(means[0])} on average, observed {percent(means[1])}. Largest"
        f" gap: predicted {percent(far[0])}, observed {percent(far[1])} ({number(int(far[2]))} rows).{gaps}"
    )
    spread = [row for row in known if finite(*row[3:])]
    limit = max(v for row in known for v in (row[0], row[1], row[4]) if finite(v))
    frame = Frame([0, limit], [0, limit], top=58, bottom=44, width=340, height=320)
    end = min(frame.across.high, frame.up.high)
    ideal = rule(frame.x(0), frame.y(0), frame.x(end), frame.y(end), QUIET, dash="4 3")
    path = " ".join(f"{place(frame.x(p))},{place(frame.y(o))}" for p, o, *_ in sorted(known))
    largest = max(row[2] for row in known)
    dots = "".join(rule(frame.x(p), frame.y(low), frame.x(p), frame.y(high), BLUE) for p, _, _, low, high in spread)
    dots += "".join(dot(frame.x(p), frame.y(o), 2.5 + 4 * math.sqrt(n / largest)) for p, o, n, *_ in known)
    curve = f'<polyline points="{path}" fill="none" stroke="{BLUE}" stroke-width="1.5"/>{dots}'
    axes = frame.axes("predicted", "observed", _percent0, _percent0)
    return picture(340, 320, title, words, axes + ideal + curve)


def intervals(
    labels: Sequence[str],
    values: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    *,
    title: str,
    target: float | None = None,
) -> str:
    """Draw values with their intervals, one a row, and a target where there is one.

    Parameters
    ----------
    labels : sequence of str
    values, lows, highs : sequence of float
        An interval that is not finite is left out, its value stays.
    title : str
    target : float, optional
        A vertical line; an interval that crosses it shows nothing either way.

    Returns
    -------
    str
        An SVG, 480 wide; at most 24 rows.

    Examples
    --------
    >>> "target 0.65" in intervals(["AUC"], [0.69], [0.67], [0.7], title="Metrics", target=0.65)
    True
    """
    rows = [
        (str(name), as_float(value), as_float(low), as_float(high))
        for name, value, low, high in zip(labels, values, lows, highs, strict=False)
    ]
    known = [row for row in rows if finite(row[1])]
    gaps = _gaps(len(rows) - len(known))
    if not known:
        return _nothing(title, gaps)
    goal = as_float(target)
    said = "; ".join(f"{name} {number(value)} {interval(low, high)}".strip() for name, value, low, high in known[:6])
    more = f"; and {len(known) - 6} more" if len(known) > 6 else ""
    words = f"{said}{more}.{f' Compared with target {number(goal)}.' if finite(goal) else ''}{gaps}"
    shown = known[:MAX_ROWS]
    numbers = [v for row in shown for v in row[1:] if finite(v)] + ([goal] if finite(goal) else [])
    left = _label_width([row[0] for row in shown])
    scale = Scale(numbers, left + 8, 480 - 148)
    base = 46 + 22 * len(shown)
    top = 44 if finite(goal) else 34
    body = "".join(_tick_x(scale(t), top, base, scale.label(t)) for t in _apart(scale))
    if finite(goal):
        body += rule(scale(goal), top, scale(goal), base, ORANGE, dash="4 3", width=1.5)
        body += lettering(scale(goal), 42, f"target {number(goal)}", anchor="middle", colour=ORANGE)
    body += "".join(_interval_row(row, 58 + 22 * i, left, scale) for i, row in enumerate(shown))
    return picture(480, base + 22, title, words, body)


def sparkline(values: Sequence[float], count: int | None = None, not_finite: int | None = None) -> str:
    """Draw values as a line the height of a word.

    Parameters
    ----------
    values : sequence of float
        What is not finite is left out, and said so.
    count, not_finite : int, optional
        How many values there were, and how many of them not finite, where some of many are drawn.

    Returns
    -------
    str
        An SVG, 120 by 24.

    Examples
    --------
    >>> "last 3" in sparkline([1, 2, 3])
    True
    """
    points = [(float(i), v) for i, v in enumerate(map(as_float, values)) if finite(v)]
    gaps = _gaps(len(values) - len(points) if not_finite is None else not_finite)
    if not points:
        said = f"No numbers to draw.{gaps}"
        return picture(120, 24, "Trend", said, lettering(8, 16, "no numbers"), heading=False)
    across = Scale([p[0] for p in points], 6, 112, nice=False)
    up = Scale([p[1] for p in points], 20, 4, nice=False)
    path = " ".join(f"{place(across(x))},{place(up(y))}" for x, y in _thinned(points))
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    ends = points[-1][0] == len(values) - 1  # else the last is not finite
    last = number(points[-1][1]) if ends else "not a finite number"
    amount = len(points) if count is None else count
    words = f"{amount:,} values, lowest {number(low)}, highest {number(high)}, last {last}.{gaps}"
    body = f'<polyline points="{path}" fill="none" stroke="{BLUE}" stroke-width="1.5"/>'
    body += dot(across(points[-1][0]), up(points[-1][1]), 2.5) if ends else ""
    return picture(120, 24, "Trend", words, body, heading=False)


def alt(svg: str) -> str:
    """Return a chart's title and description as text, for the ``alt`` of an image tag.

    >>> alt(sparkline([1, 2, 3]))
    'Trend: 3 values, lowest 1, highest 3, last 3.'
    """
    found = re.search(r"<title>(.*?)</title><desc>(.*?)</desc>", svg, re.DOTALL)
    return unescape(f"{found[1]}: {found[2]}") if found else ""


def _nothing(title: str, gaps: str) -> str:
    words = f"No numbers to draw.{gaps}"
    return picture(480, 70, title, words, lettering(16, 50, words))


def _key(x: float, colour: str, edge: str, name: str) -> str:
    return boxes([(x, 35, 11, 11)], colour, edge) + lettering(x + 16, 45, name)


def _tick_x(x: float, top: float, base: float, label: str) -> str:
    return rule(x, top, x, base, GRID) + lettering(x, base + 14, label, anchor="middle")


def _bar_row(name: str, value: float, y: float, left: float, scale: Scale, said: str) -> str:
    room = (left - 24) / LETTER
    label = lettering(left - 8, y + 12, cut(name, room), anchor="end", colour=INK)
    if not finite(value):
        return label + lettering(left + 4, y + 12, "no number")
    start, end = sorted((scale(0), scale(value)))
    return label + box(start, y + 1, max(end - start, 0.5), 14, BLUE) + lettering(end + 6, y + 12, said)


def _side(frame: Frame, slot: float, values: Sequence[float], shift: float) -> list[tuple[float, float, float, float]]:
    """Return one bar a bin, as wide as two fifths of it."""
    tops = [frame.y(v) for v in values]
    return [(frame.left + slot * (i + shift), t, slot * 0.4, frame.base - t) for i, t in enumerate(tops)]


def _bin_names(frame: Frame, slot: float, names: Sequence[str]) -> str:
    """Name every bin there is room for: each, or every second, third, ..."""
    if max(map(len, names)) > 10:  # of intervals the beginning is enough
        names = [n.partition(" to ")[0] for n in names]
    longest = min(max(len(n) for n in names), 14)
    every = max(1, math.ceil((longest * LETTER + 4) / slot))
    return "".join(
        lettering(frame.left + slot * (i + 0.5), frame.base + 15, cut(names[i], 14), anchor="middle")
        for i in range(0, len(names), every)
    )


def _interval_row(row: tuple[Any, ...], y: float, left: float, scale: Scale) -> str:
    name, value, low, high = row
    parts = lettering(left - 2, y + 4, cut(name, (left - 20) / LETTER), anchor="end", colour=INK)
    if finite(low, high):
        parts += rule(scale(low), y, scale(high), y, BLUE, width=2)
        parts += "".join(rule(scale(end), y - 4, scale(end), y + 4, BLUE, width=2) for end in (low, high))
    parts += dot(scale(value), y, 4)
    return parts + lettering(464, y + 4, f"{number(value)} {interval(low, high)}".strip(), anchor="end", colour=INK)


def _apart(scale: Scale) -> list[float]:
    """Return the ticks whose labels have room beside each other: all, every second, and so on."""
    longest = max(len(scale.label(t)) for t in scale.ticks)
    room = scale(scale.low + scale.step) - scale.start
    return scale.ticks[:: math.ceil((LETTER * longest + 4) / room)]


def _label_width(names: Sequence[str]) -> float:
    return 25 + LETTER * min(max(len(n) for n in names), 24)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep the lowest and highest point of each stretch, so that no peak is lost."""
    if len(points) <= MAX_POINTS:
        return points
    size = math.ceil(len(points) / (MAX_POINTS / 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept


def _gaps(count: int) -> str:
    return f" {count} without a number left out." if count else ""


def _percent0(share: float) -> str:
    return f"{100 * share:.3g} %"
