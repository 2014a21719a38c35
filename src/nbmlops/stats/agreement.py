"""How far two people agree beyond chance: Cohen's kappa, with the standard error of Fleiss, Cohen and Everitt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from nbmlops.errors import Invalid

__all__ = ["Kappa", "kappa", "table_of"]


class Kappa(NamedTuple):
    """Cohen's kappa with its interval, and the agreement observed and expected by chance.

    ``value``, ``low`` and ``high`` are NaN where chance alone explains everything: both people used one category.
    """

    value: float
    low: float
    high: float
    observed: float
    expected: float
    n: int


def table_of(one: Sequence[object], other: Sequence[object], categories: Sequence[object]) -> NDArray[np.int64]:
    """Return how often each pair of categories was given: a row for the first person, a column for the second.

    Parameters
    ----------
    one, other : sequence
        What the two said of the same things, in the same order.
    categories : sequence

    Examples
    --------
    >>> table_of(["a", "a", "b"], ["a", "b", "b"], ["a", "b"]).tolist()
    [[1, 1], [0, 1]]
    """
    place = {category: number for number, category in enumerate(categories)}
    counted = np.zeros((len(place), len(place)), dtype=np.int64)
    np.add.at(counted, ([place[c] for c in one], [place[c] for c in other]), 1)
    return counted


def kappa(table: ArrayLike, confidence: float = 0.95) -> Kappa:
    """Return Cohen's kappa of a square table of counts.

    The interval is normal, from the large-sample standard error that does not assume kappa to be 0. Where two people
    never differ that error is 0 whatever n is; the lower bound is then that of the observed agreement (exact, one
    binomial share), held against the agreement by chance.

    Parameters
    ----------
    table : array_like of int, shape (k, k)
        How often the first person said i and the second j.
    confidence : float

    Returns
    -------
    Kappa

    Raises
    ------
    Invalid
        The table is not square, empty, or has a negative count.

    References
    ----------
    Cohen, Educational and Psychological Measurement 20 (1960) 37-46; Fleiss, Cohen and Everitt, Psychological Bulletin
    72 (1969) 323-327.

    Examples
    --------
    >>> [round(v, 3) for v in kappa([[20, 5], [10, 15]])[:3]]
    [0.4, 0.151, 0.649]
    """
    counts = np.asarray(table, dtype=float)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or (counts < 0).any() or not counts.sum():
        raise Invalid("Agreement needs a square table of counts.", "Such as [[20, 5], [10, 15]].")
    n = float(counts.sum())
    p = counts / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, expected = float(np.trace(p)), float(rows @ columns)
    if np.isclose(expected, 1.0):
        return Kappa(np.nan, np.nan, np.nan, observed, expected, int(n))
    value = (observed - expected) / (1 - expected)
    low, high = _bounds(p, rows, columns, value, n, confidence)
    return Kappa(value, low, high, observed, expected, int(n))


def _bounds(
    p: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    value: float,
    n: float,
    confidence: float,
) -> tuple[float, float]:
    observed, expected = float(np.trace(p)), float(rows @ columns)
    if np.isclose(observed, 1.0):
        least = float(((1 - confidence) / 2) ** (1 / n))  # Clopper and Pearson, of n in n
        return max(-1.0, (least - expected) / (1 - expected)), 1.0
    half = float(stats.norm.ppf((1 + confidence) / 2)) * _error(p, rows, columns, value, n)
    return max(-1.0, value - half), min(1.0, value + half)


def _error(
    p: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64], value: float, n: float
) -> float:
    """Return the standard error of Fleiss, Cohen and Everitt (1969), formula 13."""
    expected = float(rows @ columns)
    agree = float(np.diag(p) @ (1 - (rows + columns) * (1 - value)) ** 2)
    sums = columns[:, None] + rows[None, :]  # of cell (i, j): the column share of i and the row share of j
    off = p * sums**2
    differ = (1 - value) ** 2 * float(off.sum() - np.trace(off))
    rest = (value - expected * (1 - value)) ** 2
    return float(np.sqrt(max(0.0, agree + differ - rest) / n) / (1 - expected))
