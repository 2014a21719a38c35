"""Counts of rare things in two periods: whether they come more often now, exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from nbmlops.errors import Invalid

__all__ = ["Ratio", "ratio"]


class Ratio(NamedTuple):
    """How many times as often something comes now, its interval, and the chance of so many where nothing changed."""

    value: float
    low: float
    high: float
    p: float


def ratio(now: int, exposed_now: float, before: int, exposed_before: float, confidence: float = 0.95) -> Ratio:
    """Return the ratio of two Poisson rates, with the exact interval and the one-sided p value for more now.

    Given their sum, the count now is binomial: its share is what the exposures say where the rates are equal.

    Parameters
    ----------
    now, before : int
        Counts.
    exposed_now, exposed_before : float
        What each was counted over, in one unit, such as predictions or days.
    confidence : float

    Returns
    -------
    Ratio
        The value is infinite where nothing came before, and NaN where nothing came at all.

    Raises
    ------
    Invalid
        A negative count, or an exposure that is not above 0.

    References
    ----------
    Przyborowski and Wilenski, Biometrika 31 (1940) 313-323; Clopper and Pearson, Biometrika 26 (1934) 404-413.

    Examples
    --------
    >>> [round(v, 4) for v in ratio(11, 7, 6, 28)]
    [7.3333, 2.486, 24.1497, 0.0001]
    """
    if min(now, before) < 0 or min(exposed_now, exposed_before) <= 0:
        raise Invalid("A rate needs counts from 0 and exposures above 0.", "Such as ratio(11, 7, 6, 28).")
    total = now + before
    if not total:
        return Ratio(np.nan, 0.0, np.inf, 1.0)
    share = exposed_now / (exposed_now + exposed_before)
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, now, before + 1)) if now else 0.0
    high = float(stats.beta.ppf(1 - tail, now + 1, before)) if before else 1.0
    times = exposed_before / exposed_now
    value, least, most = ((s / (1 - s) * times if s < 1 else np.inf) for s in (now / total, low, high))
    return Ratio(float(value), float(least), float(most), float(stats.binom.sf(now - 1, total, share)))
