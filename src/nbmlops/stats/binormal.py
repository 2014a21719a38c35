"""What acting on scores is worth under the binormal model: scores of both classes are normal with one variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

__all__ = ["Acting", "best", "break_even"]

Worth = tuple[float, float, float, float]  # of a true positive, false positive, false negative, true negative
MOST = 0.9999


@dataclass(frozen=True)
class Acting:
    """What a row is worth on average, at which recall, share of false alarms and precision."""

    value: float
    recall: float
    false_alarms: float
    precision: float | None


def best(auc: float, share: float, worth: Worth) -> Acting:
    """Return what a row is worth at the threshold of best expected value.

    Parameters
    ----------
    auc : float
        Area under the ROC curve, which is binormal with equal variances.
    share : float
        Of positives.
    worth : tuple of float
        Of a true positive, false positive, false negative and true negative.

    Examples
    --------
    >>> best(0.5, 0.3, (10, -5, 0, 0)).value
    0.0
    >>> round(best(0.8, 0.3, (10, -5, 0, 0)).value, 2)
    1.22
    """
    hit, alarm, miss, quiet = worth
    up, down, apart = hit - miss, quiet - alarm, float(np.sqrt(2) * stats.norm.ppf(min(auc, MOST)))
    none, everything = _at(0.0, 0.0, share, worth), _at(1.0, 1.0, share, worth)
    trivial = max(none, everything, key=lambda a: a.value)
    if apart <= 0 or up <= 0 or down <= 0 or not 0 < share < 1:
        return trivial
    bound = apart / 2 + np.log((1 - share) * down / (share * up)) / apart
    found = _at(float(stats.norm.cdf(apart - bound)), float(stats.norm.cdf(-bound)), share, worth)
    return max(found, trivial, key=lambda a: a.value)


def break_even(needed: float, share: float, worth: Worth) -> float | None:
    """Return the least area under the curve at which a row is worth so much on average; None where none is enough.

    Examples
    --------
    >>> area = break_even(1.0, 0.3, (10, -5, 0, 0))
    >>> round(best(area, 0.3, (10, -5, 0, 0)).value, 6)
    1.0
    """
    if best(0.5, share, worth).value >= needed:
        return 0.5
    if best(MOST, share, worth).value < needed:
        return None
    return float(optimize.brentq(lambda a: best(a, share, worth).value - needed, 0.5, MOST, xtol=1e-9))


def _at(recall: float, false_alarms: float, share: float, worth: Worth) -> Acting:
    hit, alarm, miss, quiet = worth
    acted = share * recall + (1 - share) * false_alarms
    value = share * (miss + (hit - miss) * recall) + (1 - share) * (quiet - (quiet - alarm) * false_alarms)
    return Acting(value, recall, false_alarms, share * recall / acted if acted else None)
