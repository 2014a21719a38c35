"""Numbers with their uncertainty: every function returns a value between two bounds.

Rows are taken as independent of each other; where they come in groups (days, customers) the intervals are too narrow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from nbmlops.errors import Invalid

__all__ = [
    "Interval",
    "auc",
    "auc_difference",
    "between",
    "few_of_a_class",
    "mean",
    "mean_difference",
    "median",
    "placements",
    "share",
]

MIN_CLASS = 10  # rows in the smaller class: with fewer, DeLong's variance is not to be trusted
Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A value and the bounds of its confidence interval."""

    value: float
    low: float
    high: float


def auc(y: ArrayLike, score: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the area under the ROC curve with DeLong's variance, the interval built on the logit scale.

    When the classes are perfectly separated DeLong's variance is zero; the bound then is Wilson's for as many
    successes as there are rows in the smaller class. With fewer than 10 rows in it the interval is 0 to 1: DeLong's
    then covers far less than it says (30 % of cases with one positive row in a hundred).

    Parameters
    ----------
    y : array of shape (n,)
        1 (or True) for the positive class, else 0.
    score : array of shape (n,)
        Higher means more likely positive.
    confidence : float

    Returns
    -------
    Interval

    Raises
    ------
    Invalid
        Only one class is there.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837-845; computed as Sun & Xu, IEEE Signal Processing
    Letters 21 (2014) 1389-1393. Logit interval: Pepe (2003), section 5.2.

    Examples
    --------
    >>> auc([0, 0, 1, 1, 1], [0.1, 0.4, 0.35, 0.8, 0.9]).value
    0.8333333333333334
    """
    areas, covariance = _delong(y, np.asarray(score, dtype=float)[None, :])
    area, error = float(areas[0]), float(np.sqrt(covariance[0, 0]))
    if few_of_a_class(y):
        return Interval(area, 0.0, 1.0)
    if area in (0.0, 1.0):
        smaller = int(min(np.sum(np.asarray(y) == 1), np.sum(np.asarray(y) != 1)))
        return share(round(area * smaller), smaller, confidence)
    centre = np.log(area / (1 - area))
    half = _normal(confidence) * error / (area * (1 - area))
    return Interval(area, float(1 / (1 + np.exp(half - centre))), float(1 / (1 + np.exp(-half - centre))))


def auc_difference(y: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return AUC(a) - AUC(b) of two scores on the same rows (paired DeLong); -1 to 1 below 10 rows of a class.

    Parameters
    ----------
    y : array of shape (n,)
        1 (or True) for the positive class, else 0.
    score_a, score_b : array of shape (n,)
    confidence : float

    Returns
    -------
    Interval

    References
    ----------
    DeLong et al. (1988); fast algorithm of Sun & Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393.

    Examples
    --------
    >>> y, score = [0, 1] * 10, range(20)
    >>> auc_difference(y, score, score)
    Interval(value=0.0, low=0.0, high=0.0)
    """
    areas, covariance = _delong(y, np.vstack([np.asarray(score_a, float), np.asarray(score_b, float)]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference, half = float(areas[0] - areas[1]), _normal(confidence) * float(np.sqrt(max(variance, 0.0)))
    if few_of_a_class(y):
        return Interval(difference, -1.0, 1.0)
    return Interval(difference, difference - half, difference + half)


def share(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Return k / n with Wilson's score interval.

    Parameters
    ----------
    k, n : int
        Successes and trials.
    confidence : float

    Returns
    -------
    Interval

    References
    ----------
    Wilson, JASA 22 (1927) 209-212.

    Examples
    --------
    >>> [round(bound, 4) for bound in share(8, 10)]
    [0.8, 0.4902, 0.9433]
    """
    if n <= 0 or not 0 <= k <= n:
        raise Invalid(f"A share needs 0 <= k <= n and n > 0, not k={k} and n={n}.")
    z2 = _normal(confidence) ** 2
    p = k / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return Interval(p, float(max(0.0, min(p, centre - half))), float(min(1.0, max(p, centre + half))))


def mean(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return a mean with Student's t interval; one value has no bounds (NaN).

    Parameters
    ----------
    values : array of shape (n,)
    confidence : float

    Returns
    -------
    Interval

    Examples
    --------
    >>> [round(bound, 3) for bound in mean([1, 2, 3, 4, 5])]
    [3.0, 1.037, 4.963]
    """
    x = np.asarray(values, dtype=float).ravel()
    if not x.size:
        raise Invalid("A mean needs at least one value, and there is none.")
    if x.size == 1:
        return Interval(float(x[0]), float("nan"), float("nan"))
    centre = float(x.mean())
    half = float(stats.t.ppf((1 + confidence) / 2, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size))
    return Interval(centre, centre - half, centre + half)


def mean_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return mean(a - b) of pairs, with Student's t interval.

    Parameters
    ----------
    a, b : array of shape (n,)
        Two values for each row, in the same order.
    confidence : float

    Returns
    -------
    Interval

    Examples
    --------
    >>> round(mean_difference([2, 4, 6], [1, 2, 3]).value, 3)
    2.0
    """
    left, right = np.asarray(a, dtype=float).ravel(), np.asarray(b, dtype=float).ravel()
    if left.size != right.size:
        raise Invalid(f"Pairs need equally many values, not {left.size} and {right.size}.")
    return mean(left - right, confidence)


def median(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return a median with the interval between two of the values, by rank; no bounds (NaN) where too few enclose it.

    Nothing is asked of how the values are spread; the interval holds at least as often as it says.

    Parameters
    ----------
    values : array of shape (n,)
    confidence : float

    Returns
    -------
    Interval

    References
    ----------
    Conover, Practical Nonparametric Statistics, 3rd ed. (1999), 3.2.

    Examples
    --------
    >>> [float(bound) for bound in median([5, 1, 4, 2, 3, 9])]
    [3.5, 1.0, 9.0]
    """
    x = np.sort(np.asarray(values, dtype=float).ravel())
    if not x.size:
        raise Invalid("A median needs at least one value, and there is none.")
    rank = int(stats.binom.ppf((1 - confidence) / 2, x.size, 0.5))
    if not rank:
        return Interval(float(np.median(x)), float("nan"), float("nan"))
    return Interval(float(np.median(x)), float(x[rank - 1]), float(x[x.size - rank]))


def between(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return mean(a) - mean(b) of two sets of rows, by Welch's t.

    Parameters
    ----------
    a, b : array of shape (n,) and (m,)
    confidence : float

    Returns
    -------
    Interval

    References
    ----------
    Welch, Biometrika 34 (1947) 28-35.

    Examples
    --------
    >>> between([2, 3, 4], [1, 2, 3]).value
    1.0
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    value = float(x.mean() - y.mean())
    if min(len(x), len(y)) < 2:
        return Interval(value, -np.inf, np.inf)
    spread = np.array([x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)])
    if not spread.any():
        return Interval(value, value, value)
    freedom = spread.sum() ** 2 / float(spread**2 @ [1 / (len(x) - 1), 1 / (len(y) - 1)])
    half = float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(spread.sum()))
    return Interval(value, value - half, value + half)


def _normal(confidence: float) -> float:
    return float(stats.norm.ppf((1 + confidence) / 2))


def _delong(y: ArrayLike, scores: Floats) -> tuple[Floats, Floats]:
    """Return the areas (k,) of k scores and the covariance (k, k) of these areas."""
    v10, v01 = placements(y, scores)
    return v10.mean(axis=1), _covariance(v10) / v10.shape[1] + _covariance(v01) / v01.shape[1]


def placements(y: ArrayLike, scores: Floats) -> tuple[Floats, Floats]:
    """Return DeLong's components of k scores: the share of the other class each row is ranked right against.

    Parameters
    ----------
    y : array of shape (n,)
    scores : array of shape (k, n)

    Returns
    -------
    positive : array of shape (k, n1)
    negative : array of shape (k, n0)
        The mean of either is the area.
    """
    positive = np.asarray(y).astype(float) == 1
    if positive.shape != scores.shape[1:]:
        raise Invalid(f"Truth has {positive.size} rows and the score {scores.shape[1]}.", "Pass one score per row.")
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if not n1 or not n0:
        raise Invalid(f"An AUC needs both classes, and there are {n1} positive and {n0} negative rows.")
    x, y0 = scores[:, positive], scores[:, ~positive]
    ranks = stats.rankdata(scores, axis=1)  # midranks
    v10 = (ranks[:, positive] - stats.rankdata(x, axis=1)) / n0
    v01 = 1 - (ranks[:, ~positive] - stats.rankdata(y0, axis=1)) / n1
    return v10, v01


def few_of_a_class(y: ArrayLike) -> bool:
    """Tell whether the smaller class has too few rows for a variance: the interval is then all that is possible."""
    positive = np.asarray(y).astype(float) == 1
    return min(int(positive.sum()), int((~positive).sum())) < MIN_CLASS


def _covariance(components: Floats) -> Floats:
    """Return the sample covariance of rows; one column says nothing about spread and counts as zero."""
    if components.shape[1] < 2:
        return np.zeros((len(components), len(components)))
    return np.atleast_2d(np.cov(components))
