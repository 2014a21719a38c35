"""How much better one model is than another on the same rows: a difference, its interval, and a test of any bound.

Positive is better throughout. Rows that belong together (days, customers) are passed as ``groups``, one code a row: the
variance is then that of the groups' sums, with as many degrees of freedom as there are groups less one.

Losses are skewed: a few rows cost the most, and the worst may not be in the sample. So a mean's bounds are those of
Student's t with the degrees of freedom that the values' kurtosis leaves, corrected for their skewness (Hall, Journal of
the Royal Statistical Society B 54 (1992) 221-228), as if one more row had come (two below 500 rows) that speaks
against what is claimed as much as any row speaks at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from nbmlops.stats import intervals

__all__ = ["ALPHA", "Paired", "Shares", "area", "gain", "holm", "resampled", "root", "shares"]

ALPHA = 0.025  # each side of a 95 % interval
FEW_ROWS = 500  # below this two unseen rows are reckoned with, else one
DRAWS = 1000
MOST_UNITS = 20_000  # rows that are drawn one by one; more are drawn by groups of rows
GROUPS_OF_ROWS = 2000
BLOCK = 50  # draws at a time: 50 x 20,000 weights are 8 MB
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """A difference between its bounds, its standard error, the degrees of freedom behind that, and how skewed it is."""

    value: float
    low: float
    high: float
    error: float
    freedom: float = np.inf
    skew: float = 0.0  # of what is averaged, over the root of how many
    lift: float = 0.0  # what the row more would add, were it in favour

    def p_below(self, bound: float = 0.0) -> float:
        """Return the one-sided p-value against *the difference is at least this bound*."""
        if self.error == 0:
            return float(self.value >= bound)
        t = (self.value + self.lift - bound) / self.error
        return float(stats.t.cdf(max(t, _unskewed(t, self.skew)), self.freedom))


@dataclass(frozen=True)
class Shares(Paired):
    """A difference of two shares of right answers: only the rows where just one of both is right tell it."""

    first: int = 0  # rows where only the first is right
    second: int = 0
    rows: int = 0

    def p_below(self, bound: float = 0.0) -> float:
        """Return McNemar's exact p-value for zero, else that of Tango's score with a continuity correction."""
        if bound == 0:
            return float(stats.binom.cdf(self.first, self.first + self.second, 0.5))
        return float(stats.norm.cdf(_score(bound, self.first, self.second, self.rows, 1)))


def area(y: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, groups: ArrayLike | None = None) -> Paired:
    """Return AUC(a) - AUC(b) by DeLong's variance, with Welch's degrees of freedom.

    With fewer than 10 rows of a class the bounds are -1 and 1. Two scores that both separate the classes have no
    variance: the half-width then is Wilson's for as many successes as there are rows in the smaller class.

    Parameters
    ----------
    y : array of shape (n,)
        1 (or True) for the positive class, else 0.
    score_a, score_b : array of shape (n,)
    groups : array of shape (n,), optional

    Returns
    -------
    Paired

    References
    ----------
    DeLong et al., Biometrics 44 (1988) 837-845; for groups Obuchowski, Biometrics 53 (1997) 567-578.

    Examples
    --------
    >>> y, score = [0, 1] * 10, list(range(20))
    >>> area(y, score, score).value
    0.0
    """
    positive = np.asarray(y).astype(float) == 1
    scores = np.vstack([np.asarray(score_a, float), np.asarray(score_b, float)])
    v10, v01 = (v[0] - v[1] for v in intervals.placements(positive, scores))
    value = float(v10.mean())
    if intervals.few_of_a_class(positive):
        return Paired(value, -1.0, 1.0, np.inf)
    if groups is not None:
        return _grouped(value, _influence(positive, v10, v01), groups)
    parts = [v.var(ddof=1) / len(v) for v in (v10, v01)]
    variance = sum(parts)
    if variance > 0:
        freedom = variance**2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (v10, v01), strict=True))
        return _student(value, float(np.sqrt(variance)), float(freedom))
    same = np.array_equal(*(stats.rankdata(s) for s in scores))
    smaller = min(len(v10), len(v01))
    half = 0.0 if same else 1 - intervals.share(smaller, smaller).low
    return Paired(value, value - half, value + half, half / float(stats.norm.ppf(1 - ALPHA)))


def gain(gains: ArrayLike, groups: ArrayLike | None = None) -> Paired:
    """Return the mean of each row's gain (the loss of the second less that of the first).

    Parameters
    ----------
    gains : array of shape (n,)
    groups : array of shape (n,), optional

    Returns
    -------
    Paired

    Examples
    --------
    >>> found = gain([0.3, -0.1, 0.2, 0.1] * 50)
    >>> round(found.value, 3), found.low > 0
    (0.125, True)
    """
    x = np.asarray(gains, dtype=float)
    value = float(x.mean())
    if groups is not None:
        return _grouped(value, x - value, groups)
    if len(x) < 2:
        return Paired(value, -np.inf, np.inf, np.inf)
    most = np.full(2 if len(x) < FEW_ROWS else 1, np.abs(x).max())
    against, favour = (_mean(np.append(x, rows)) for rows in (-most, most))
    return replace(favour, value=value, low=min(against.low, value), lift=favour.value - value)


def root(squared_a: ArrayLike, squared_b: ArrayLike, groups: ArrayLike | None = None) -> Paired:
    """Return RMSE(b) - RMSE(a) from squared errors: the gain in these over the sum of both roots (delta method).

    Examples
    --------
    >>> root([1.0, 1.0, 1.0], [4.0, 4.0, 4.0]).value
    1.0
    """
    one, two = (np.asarray(s, dtype=float) for s in (squared_a, squared_b))
    total = float(np.sqrt(one.mean()) + np.sqrt(two.mean()))
    return gain((two - one) / (total or 1.0), groups)


def shares(right_a: ArrayLike, right_b: ArrayLike) -> Shares:
    """Return the share of rows only the first has right less that of rows only the second has right.

    The interval is Tango's score interval with a continuity correction; it excludes zero only where McNemar's exact
    test does.

    Parameters
    ----------
    right_a, right_b : array of shape (n,)
        True where the model was right.

    Returns
    -------
    Shares

    References
    ----------
    Tango, Statistics in Medicine 17 (1998) 891-908.

    Examples
    --------
    >>> found = shares([True] * 60 + [False] * 40, [True] * 50 + [False] * 50)
    >>> round(found.value, 2), round(found.p_below(), 3), found.low > 0
    (0.1, 1.0, True)
    """
    one, two = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    first, second, n = int((one & ~two).sum()), int((two & ~one).sum()), len(one)
    low, high = _bound(first, second, n), -_bound(second, first, n)
    differing = first + second
    if stats.binom.sf(first - 1, differing, 0.5) > ALPHA:
        low = min(low, 0.0)
    if stats.binom.cdf(first, differing, 0.5) > ALPHA:
        high = max(high, 0.0)
    error = (high - low) / (2 * float(stats.norm.ppf(1 - ALPHA)))
    return Shares((first - second) / n, low, high, error, first=first, second=second, rows=n)


def resampled(
    sums: ArrayLike,
    statistic: Callable[[Floats], Floats],
    groups: ArrayLike | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> tuple[Paired, str]:
    """Return a statistic of weighted means with the percentiles of 1,000 resamples, for what has no closed form.

    Each unit gets an exponential weight (the Bayesian bootstrap). A unit is a row; of over 20,000 rows one of 2,000
    groups of rows, drawn at random; where groups are given, one of those.

    Parameters
    ----------
    sums : array of shape (n, k)
        What is averaged, a row each.
    statistic : callable
        From means of shape (draws, k) to values of shape (draws,).
    groups : array of shape (n,), optional
    seed : int
    draws : int

    Returns
    -------
    Paired
    str
        What was drawn, in words.

    References
    ----------
    Rubin, Annals of Statistics 9 (1981) 130-134.

    Examples
    --------
    >>> found, drawn = resampled([[1.0], [2.0], [3.0]], lambda means: means[:, 0])
    >>> found.value, drawn
    (2.0, '3 rows')
    """
    values = np.asarray(sums, dtype=float)
    rng = np.random.default_rng(seed)
    units, drawn = _units(values, groups, rng)
    totals = []
    for start in range(0, draws, BLOCK):
        weights = rng.exponential(size=(min(BLOCK, draws - start), len(units)))
        weighted = weights @ units
        totals.append(weighted[:, :-1] / weighted[:, -1:])  # the last column counts rows
    found = statistic(np.concatenate(totals))
    value = float(statistic(values.mean(axis=0)[None, :])[0])
    low, high = np.quantile(found, [ALPHA, 1 - ALPHA])
    return Paired(value, float(low), float(high), float(found.std(ddof=1))), drawn


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that the chance of any false rejection stays at the level (Holm 1979).

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, worst = [0.0] * len(order), 0.0
    for place, i in enumerate(order.tolist()):
        worst = max(worst, min(1.0, (len(order) - place) * float(p_values[i])))
        adjusted[i] = worst
    return adjusted


def _mean(x: Floats) -> Paired:
    """Return a mean by Student's t, corrected for skewness and kurtosis."""
    centred, n = x - x.mean(), len(x)
    spread = float(np.sqrt(np.mean(centred**2)))
    if spread == 0:
        return _student(float(x[0]), 0.0, n - 1)
    skew, kurtosis = (float(np.mean((centred / spread) ** k)) for k in (3, 4))
    freedom = min(n - 1, 2 * n / max(kurtosis - 1, 1.0))  # of a variance whose own variance is the sample's
    return _student(float(x.mean()), spread / float(np.sqrt(n - 1)), freedom, skew / float(np.sqrt(n)))


def _student(value: float, error: float, freedom: float, skew: float = 0.0) -> Paired:
    t = float(stats.t.ppf(1 - ALPHA, freedom))
    below, above = max(t, _skewed(t, skew)), max(t, -_skewed(-t, skew))
    return Paired(value, value - below * error, value + above * error, error, freedom, skew)


def _unskewed(t: float, skew: float) -> float:
    """Return Hall's transformation of a t, which is about normal where what is averaged is skewed."""
    return t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6


def _skewed(t: float, skew: float) -> float:
    """Return the t whose transformation is this one."""
    if abs(skew) < 1e-9:
        return t
    return float(3 / skew * (np.cbrt(1 + skew * (t - skew / 6)) - 1))


def _grouped(value: float, influence: Floats, groups: ArrayLike) -> Paired:
    """Return an estimate with the variance of its groups' sums of influence; of one group nothing is known."""
    totals = np.bincount(_codes(groups), weights=influence).astype(float)
    count, n = len(totals), len(influence)
    if count < 2:
        return Paired(value, -np.inf, np.inf, np.inf)
    found = _mean(totals * count / n)
    return _student(value, found.error, found.freedom, found.skew)


def _influence(positive: NDArray[np.bool_], v10: Floats, v01: Floats) -> Floats:
    """Return what each row adds to a difference of areas."""
    n = len(positive)
    found = np.empty(n)
    found[positive] = (v10 - v10.mean()) * n / len(v10)
    found[~positive] = (v01 - v01.mean()) * n / len(v01)
    return found


def _codes(groups: ArrayLike) -> NDArray[np.intp]:
    return np.unique(np.asarray(groups), return_inverse=True)[1].ravel()


def _units(values: Floats, groups: ArrayLike | None, rng: np.random.Generator) -> tuple[Floats, str]:
    """Return the sums of what is drawn, with the count of rows as last column, and what that is in words."""
    counted: Floats = np.column_stack([values, np.ones(len(values))])
    if groups is None and len(values) <= MOST_UNITS:
        return counted, f"{len(values):,} rows"
    codes = rng.permutation(len(values)) % GROUPS_OF_ROWS if groups is None else _codes(groups)
    units: Floats = np.column_stack([np.bincount(codes, weights=column) for column in counted.T])
    return units, f"{len(units):,} groups of rows" if groups is None else f"{len(units):,} groups"


def _bound(first: int, second: int, n: int) -> float:
    """Return Tango's lower bound of (first - second) / n."""
    z = float(stats.norm.ppf(1 - ALPHA))
    value = (first - second) / n

    def beyond(bound: float) -> float:
        return _score(bound, first, second, n, -1) - z

    return -1.0 if beyond(-1 + 1e-9) <= 0 else float(optimize.brentq(beyond, -1 + 1e-9, min(value, 1 - 1e-9)))


def _score(bound: float, first: int, second: int, n: int, correction: int) -> float:
    """Return Tango's score of a supposed difference, the share of rows only the second has right estimated under it."""
    a, b = 2 * n, -first - second + (2 * n - first + second) * bound
    other = (np.sqrt(max(b * b + 4 * a * second * bound * (1 - bound), 0.0)) - b) / (2 * a)
    variance = n * (2 * other + bound * (1 - bound))
    distance = first - second - n * bound + correction
    return float(distance / np.sqrt(variance)) if variance > 0 else float(np.sign(distance) * np.inf if distance else 0)
