"""Limits for the next chunk, from how much the chunks so far differ; one chunk alone gives wider ones."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CONFIDENCE", "FEW", "count_limits", "extremes", "outward", "share_limit"]

CONFIDENCE = 0.999  # of the next chunk to stay within a limit
FEW = 3  # chunks below this number say nothing about how chunks differ
ASSUMED = 0.5  # how much of itself a share is taken to vary, where that cannot be seen
MOST_WIDENING = 5.0
Floats = NDArray[np.float64]


def share_limit(hits: ArrayLike, rows: ArrayLike, confidence: float = CONFIDENCE) -> float:
    """Return the upper prediction limit of the share of the next chunk, as small as the smallest so far.

    A beta distribution with the mean of all chunks; its variance is that between chunks, and that of counting.

    Parameters
    ----------
    hits, rows : array-like
        Per chunk, how many rows have it, and how many rows there are.
    confidence : float
        How likely the next chunk is to stay within.

    Returns
    -------
    float
        Never below a share that was seen.

    Examples
    --------
    >>> 0.02 < share_limit([10, 12, 9, 11], [1000, 1000, 1000, 1000]) < 0.04
    True
    """
    from scipy.stats import beta

    k, n = np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    k, n = k[n > 0], n[n > 0]
    if not n.size:
        return 1.0
    mean = float((k.sum() + 0.5) / (n.sum() + 1))
    noise = mean * (1 - mean) * (1 / n.min() + 1 / n.sum())
    variance = min(noise + _between(k / n, mean), 0.99 * mean * (1 - mean))
    weight = mean * (1 - mean) / variance - 1
    return float(max(beta.ppf(confidence, mean * weight, (1 - mean) * weight), (k / n).max()))


def extremes(lows: ArrayLike, highs: ArrayLike) -> tuple[float, float]:
    """Return limits beyond the lowest and the highest value, by as much as the chunks' own extremes differ.

    An extreme that is the same in every chunk is a bound and kept as it is. Fewer than three chunks: by half the range.

    Parameters
    ----------
    lows, highs : array-like
        The smallest and the largest value of each chunk.

    Returns
    -------
    tuple of float
        The lower and the upper limit.

    Examples
    --------
    >>> extremes([0, 0, 0, 0, 0], [10, 12, 11, 10, 12]), extremes([0], [10])
    ((0.0, 17.0), (-5.0, 15.0))
    """
    low, high = np.asarray(lows, dtype=np.float64), np.asarray(highs, dtype=np.float64)
    if low.size < FEW:
        half = (high.max() - low.min()) / 2
        return outward(low.min() - half, half, up=False), outward(high.max() + half, half, up=True)
    factor = _widening(low.size)
    below, above = factor * float(np.ptp(low)), factor * float(np.ptp(high))
    return outward(low.min() - below, below, up=False), outward(high.max() + above, above, up=True)


def count_limits(counts: ArrayLike, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Return limits for the number of rows of the next chunk; None where fewer than three say nothing.

    Examples
    --------
    >>> count_limits([1000, 1000, 1000, 1000]), count_limits([5, 7])
    ((633, 1580), None)
    """
    from scipy.stats import t

    n = np.asarray(counts, dtype=np.float64)
    if n.size < FEW or n.min() <= 0:
        return None
    logs = np.log(n)
    deviation = math.sqrt((float(logs.var(ddof=1)) + 1 / float(n.mean())) * (1 + 1 / n.size))
    half = float(t.ppf((1 + confidence) / 2, n.size - 1)) * deviation
    return math.floor(math.exp(logs.mean() - half)), math.ceil(math.exp(min(logs.mean() + half, 40)))


def outward(value: float, margin: float, up: bool) -> float:
    """Return a number with no more digits than its margin deserves, never less far out.

    >>> outward(123.4, 20.0, up=True), outward(-0.0123, 0.002, up=False), outward(23.0, 0.0, up=True)
    (130.0, -0.013, 23.0)
    """
    if not margin > 0:
        return float(value)
    digits = -math.floor(math.log10(margin))
    scaled = value * 10.0**digits
    rounded = math.ceil(scaled - 1e-9) if up else math.floor(scaled + 1e-9)
    return float(round(rounded / 10.0**digits, max(digits, 0)))


def _between(shares: Floats, mean: float) -> float:
    """Return the variance of shares between chunks, larger where few chunks show it."""
    if shares.size < FEW:
        return (ASSUMED * mean) ** 2
    return float(shares.var(ddof=1)) * (1 + 1 / shares.size) * _widening(shares.size) ** 2


def _widening(chunks: int) -> float:
    """Return by how much few chunks understate: the quantile of Student's t beside that of many chunks."""
    from scipy.stats import norm, t

    return float(min(MOST_WIDENING, t.ppf(CONFIDENCE, chunks - 1) / norm.ppf(CONFIDENCE)))
