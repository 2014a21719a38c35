"""Say in words in which direction a column changed."""

from __future__ import annotations

import numpy as np

from nbmlops.drift.columns import Column, Tally
from nbmlops.stats import counts
from nbmlops.stats.distance import contributions

__all__ = ["change", "direction", "few", "mean", "share"]

NEGLIGIBLE = 0.02  # of the reference's own spread: a median that moved less has not moved


def share(value: float) -> str:
    """Return a share as a percentage, one decimal below ten.

    >>> share(0.31), share(0.004)
    ('31 %', '0.4 %')
    """
    return f"{100 * value:.0f} %" if value >= 0.0995 or not value else f"{100 * value:.1f} %"


def change(before: float, after: float) -> str:
    """Return two shares, with as many decimals as it takes to tell them apart.

    >>> change(0.08, 0.31), change(0.231, 0.235)
    ('8 % -> 31 %', '23.1 % -> 23.5 %')
    """
    digits = 0 if abs(after - before) >= 0.02 else 1
    return f"{100 * before:.{digits}f} % -> {100 * after:.{digits}f} %"


def few(names: list[str], most: int = 3) -> str:
    """Return some names and how many more there are.

    >>> few(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def direction(column: Column, reference: Tally, current: Tally) -> str:
    """Return what changed most: a median, a spread, or one category.

    Parameters
    ----------
    column : Column
    reference, current : Tally

    Returns
    -------
    str
        Such as ``median up 12 %`` or ``MQ 8 % -> 31 %``; empty where one of them holds nothing.
    """
    p, q = (np.array(t.counts, dtype=float) for t in (reference, current))
    if not p.sum() or not q.sum():
        return ""
    p, q = p / p.sum(), q / q.sum()
    parts = contributions(p, q)
    most = int(parts.argmax())
    largest = f"{column.bins.labels[most]} {change(p[most], q[most])}"
    if most == len(p) - 1:
        return largest
    if isinstance(column.bins, counts.NumericBins):
        return _moved(column.bins, reference, current, "length" if column.kind == "text" else "") or largest
    if column.kind == "boolean" and most < 2 and (rates := [_rate(t) for t in (reference, current)]):
        return f"share {change(*rates)}"
    return largest


def mean(column: Column, tally: Tally) -> float | None:
    """Return the mean of the known values, or the share of True; None where there is neither."""
    bins = column.bins
    if column.kind == "boolean":
        return _rate(tally) if sum(tally.counts[:2]) else None
    if not isinstance(bins, counts.NumericBins):
        return None
    return bins.mean(tally.steps, sum(tally.counts[: bins.regular + 2]))


def _rate(tally: Tally) -> float:
    return tally.counts[1] / max(1, sum(tally.counts[:2]))


def _moved(bins: counts.NumericBins, reference: Tally, current: Tally, of: str) -> str:
    """Say how the median moved, else how the spread did; nothing where neither did."""
    quarters = [_quarters(bins, t) for t in (reference, current)]
    if quarters[0] is None or quarters[1] is None:
        return ""
    (a1, before, a3), (b1, after, b3) = quarters[0], quarters[1]
    width = a3 - a1
    if abs(after - before) > NEGLIGIBLE * (width or abs(before) or 1.0):
        return f"median {of} ".replace("  ", " ") + _relative(before, after)
    if width > 0 and abs((b3 - b1) / width - 1) >= 0.05:
        return f"spread {_relative(width, b3 - b1)}"
    return ""


def _relative(before: float, after: float) -> str:
    word = "up" if after > before else "down"
    if before * after > 0 and 0.1 < after / before < 10:
        return f"{word} {share(abs(after / before - 1))}"
    return f"{word} from {before:.3g} to {after:.3g}"


def _quarters(bins: counts.NumericBins, tally: Tally) -> tuple[float, float, float] | None:
    found = [counts.quantile(bins, tally.counts, q, tally.low, tally.high) for q in (0.25, 0.5, 0.75)]
    low, middle, high = found
    return None if low is None or middle is None or high is None else (low, middle, high)
