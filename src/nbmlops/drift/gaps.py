"""Times of a column: from when to when, the usual step, where none came for longer, and what came late."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbmlops.records import Finding

__all__ = ["Times", "duration", "told", "when"]

LEAST_TIMES = 20  # different ones; fewer have no usual step
REGULAR = 0.5  # share of the steps that are the usual one
USUAL = 0.95  # quantile of the steps of a regular column that still is usual, such as a weekend
LONGER = 1.5
CHANCE = 100  # where times come at random, one column in so many has a longest wait above the limit
LARGEST = 3
DISORDER = 0.1  # with more rows before their turn, a column is not kept in order of time at all
UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
Floats = NDArray[np.float64]


class Times(NamedTuple):
    """What was found in a column of times, in seconds since 1970."""

    first: float
    last: float
    step: float | None = None
    gaps: int = 0
    largest: tuple[tuple[float, float], ...] = ()
    late: int = 0  # rows before the row above


def when(seconds: Floats) -> Times | None:
    """Look at times in the order of their rows, NaN where one is missing; None where all are.

    A step is the time from one value to the next different one. Where half of the steps are the same, a gap is longer
    than one and a half times what 95 % of them are; else longer than chance makes waits between independent events.

    Examples
    --------
    >>> hours = np.arange(100.0) * 3600
    >>> when(np.delete(hours, [50, 51]))
    Times(first=0.0, last=356400.0, step=3600.0, gaps=1, largest=((176400.0, 187200.0),), late=0)
    """
    known = seconds[np.isfinite(seconds)]
    if not len(known):
        return None
    late = int((known[1:] < known[:-1]).sum())
    ordered = np.sort(known) if late else known
    first, last = float(ordered[0]), float(ordered[-1])
    steps = np.diff(ordered)
    starts = np.flatnonzero(steps > 0)
    if len(starts) < LEAST_TIMES - 1:
        return Times(first, last, late=late)
    steps = steps[starts]
    step = float(np.median(steps))
    found = starts[steps > _limit(steps, step)]
    widest = sorted(found.tolist(), key=lambda i: ordered[i] - ordered[i + 1])[:LARGEST]
    largest = tuple((float(ordered[i]), float(ordered[i + 1])) for i in widest)
    return Times(first, last, step, len(found), largest, late)


def told(column: str, times: Times, rows: int) -> list[Finding]:
    """Return what a person should know of a column of times; nothing of what is no series."""
    found = []
    if times.gaps:
        longest = "; ".join(f"{duration(b - a)} after {_moment(a)}" for a, b in times.largest)
        many = f"{times.gaps:,} gap{'s' * (times.gaps > 1)} in time"
        words = f"{column}: {many}, usually {duration(times.step or 0.0)} a step"
        effect = times.largest[0][1] - times.largest[0][0]
        found.append(Finding("time_gaps", "warning", f"{words}; the longest {longest}.", column, effect))
    if 0 < times.late <= DISORDER * rows:
        words = f"{column}: {times.late:,} rows are earlier than the row before them."
        found.append(Finding("out_of_order", "warning", words, column, times.late / rows))
    return found


def _limit(steps: Floats, step: float) -> float:
    """Return the longest step that is no gap."""
    if (np.abs(steps - step) <= 0.01 * step).mean() >= REGULAR:
        return LONGER * float(np.quantile(steps, USUAL))
    mean = step / float(np.log(2))  # of waits between independent events with this median
    return mean * float(np.log(CHANCE * len(steps)))


def duration(seconds: float) -> str:
    """Return a duration in its largest unit.

    >>> duration(5400.0), duration(172800.0), duration(0.25)
    ('1.5 h', '2 d', '0.25 s')
    """
    unit, name = next(((u, n) for u, n in UNITS if seconds >= u), UNITS[-1])
    return f"{seconds / unit:.3g} {name}" if seconds < 1000 * unit else f"{seconds / unit:,.0f} {name}"


def _moment(seconds: float) -> str:
    """Return an instant as text, to what is not zero."""
    moment = str(np.datetime64(int(seconds // 1), "s")).replace("T", " ")
    return moment.removesuffix(" 00:00:00").removesuffix(":00")
