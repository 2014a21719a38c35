"""Samples whose probabilities are known: which rows are drawn, and what those that were looked at say of all.

Each row has a number of its own between 0 and 1 for each seed, made of its name, and is in a sample where the number
is below a threshold. So the same rows are drawn again on any machine, samples of one seed contain each other, and a
threshold is the probability of each row under it (Poisson sampling with permanent random numbers).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from nbmlops.errors import Invalid
from nbmlops.stats.intervals import Interval

__all__ = ["mean", "numbers", "share", "threshold"]

Floats = NDArray[np.float64]
STEP = np.uint64(0x9E3779B97F4A7C15)
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of splitmix64
BITS = 53  # of a float


def numbers(name: str, places: ArrayLike, seed: int = 0) -> Floats:
    """Return the permanent number of each row of a block, uniform on [0, 1).

    Parameters
    ----------
    name : str
        Of the block.
    places : array of int, shape (n,)
        Of the rows in it.
    seed : int
        Another seed is another, independent sample.

    References
    ----------
    Ohlsson, in Business Survey Methods (1995) 153-169; mixed as in Steele, Lea & Flood, OOPSLA (2014).

    Examples
    --------
    >>> few, many = numbers("a", [1, 2]), numbers("a", [0, 1, 2])
    >>> bool((few == many[1:]).all()), bool((numbers("a", [1, 2], seed=1) == few).any())
    (True, False)
    """
    begin = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    with np.errstate(over="ignore"):
        mixed = np.asarray(places, dtype=np.uint64) * STEP + np.frombuffer(begin, dtype="<u8")[0]
        for shift, factor in zip((30, 27), MIX, strict=True):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * factor
    mixed ^= mixed >> np.uint64(31)
    return np.asarray((mixed >> np.uint64(64 - BITS)).astype(np.float64) / 2**BITS)


def threshold(before: ArrayLike, more: float) -> float:
    """Return the threshold that draws so many rows more than are expected already; 1 where there are not so many.

    Parameters
    ----------
    before : array of shape (n,)
        The probability each row was drawn with so far.
    more : float
        How many further rows to expect.

    Examples
    --------
    >>> threshold([0.0] * 100, 20), threshold([0.5] * 50 + [0.0] * 50, 20), threshold([0.0], 20)
    (0.2, 0.4, 1.0)
    """
    known = np.sort(np.asarray(before, dtype=float))
    if more <= 0 or not known.size:
        return 0.0
    steps = np.append(known, 1.0)
    below = np.arange(1, known.size + 1)
    gained = np.concatenate([[0.0], np.cumsum(np.diff(steps) * below)])  # rows more, up to each step
    at = int(np.searchsorted(gained, more))
    if at > known.size:
        return 1.0
    return float(steps[at - 1] + (more - gained[at - 1]) / below[at - 1])


def share(right: ArrayLike, probability: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the share of a population in which something holds, from drawn rows of known probability (Hajek).

    The interval is Wilson's, for as many rows as would be as sure: those drawn, fewer where their weights differ, more
    where much of the population was drawn. Near 0 and 1 it covers more than it says, up to 99 % where weights differ.

    Parameters
    ----------
    right : array of bool, shape (n,)
        Of the rows that were drawn and looked at.
    probability : array of shape (n,)
        With which each was drawn, above 0.
    confidence : float

    Returns
    -------
    Interval

    References
    ----------
    Hajek, in Foundations of Statistical Inference (1971) 236; Sarndal, Swensson & Wretman, Model Assisted Survey
    Sampling (1992), section 5.7; Wilson, JASA 22 (1927) 209-212 with the effective size of Korn & Graubard, Survey
    Methodology 24 (1998) 193-201.

    Examples
    --------
    >>> [round(bound, 3) for bound in share([True] * 8 + [False] * 2, [0.01] * 10)]
    [0.8, 0.429, 0.955]
    >>> share([True, False], [1.0, 1.0])
    Interval(value=0.5, low=0.5, high=0.5)
    """
    y, p = _drawn(right, probability)
    value, variance = _ratio(y, p)
    size = float((1 / p).sum() ** 2 / floor) if (floor := float(((1 - p) / p**2).sum())) else np.inf
    if variance > 0:
        size = min(size, value * (1 - value) / variance)
    if not np.isfinite(size):
        return Interval(value, value, value)
    z = _quantile(confidence, len(y))
    centre = (value + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(value * (1 - value) / size + z**2 / (4 * size**2)) / (1 + z**2 / size)
    return Interval(value, float(max(0.0, min(value, centre - half))), float(min(1.0, max(value, centre + half))))


def mean(values: ArrayLike, probability: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean of a population from drawn rows of known probability (Hajek), with Student's t interval.

    Parameters
    ----------
    values : array of shape (n,)
        Of the rows that were drawn and looked at.
    probability : array of shape (n,)
        With which each was drawn, above 0.
    confidence : float

    Returns
    -------
    Interval

    References
    ----------
    Sarndal, Swensson & Wretman, Model Assisted Survey Sampling (1992), section 5.7.

    Examples
    --------
    >>> mean([1.0, 3.0], [1.0, 1.0]), round(mean([1.0, 3.0, 5.0], [0.5, 0.25, 0.25]).value, 2)
    (Interval(value=2.0, low=2.0, high=2.0), 3.4)
    """
    y, p = _drawn(values, probability)
    value, variance = _ratio(y, p)
    half = _quantile(confidence, len(y)) * float(np.sqrt(variance))
    return Interval(value, value - half, value + half)


def _drawn(values: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats]:
    y, p = np.asarray(values, dtype=float).ravel(), np.asarray(probability, dtype=float).ravel()
    if not y.size or y.size != p.size:
        raise Invalid(f"{y.size} values and {p.size} probabilities.", "Pass one probability for each drawn row.")
    if not ((p > 0) & (p <= 1)).all():
        raise Invalid("A probability is not above 0 and at most 1.", "Rows that could not be drawn say nothing.")
    return y, p


def _ratio(y: Floats, p: Floats) -> tuple[float, float]:
    """Return the ratio of the two weighted totals, and its variance linearized, with n / (n - 1) for few rows."""
    value = float((y / p).sum() / (1 / p).sum())
    spread = ((1 - p) * ((y - value) / p) ** 2).sum() / (1 / p).sum() ** 2
    return value, float(spread) * len(y) / max(1, len(y) - 1)


def _quantile(confidence: float, n: int) -> float:
    return float(stats.t.ppf((1 + confidence) / 2, max(1, n - 1)))
