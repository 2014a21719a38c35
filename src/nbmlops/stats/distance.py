"""How far apart two count vectors are, and how far chance alone puts them."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["contributions", "corrected", "distance", "divergence", "harmonic", "noise_floor", "statistic"]

LN2 = log(2)


def divergence(p: ArrayLike, q: ArrayLike) -> float:
    """Return the Jensen-Shannon divergence of two count vectors, in nats (Lin 1991).

    Parameters
    ----------
    p, q : array of counts, shape (bins,)
        Each is divided by its own sum.

    Returns
    -------
    float
        In [0, ln 2]; 0 when one of them is empty.

    Examples
    --------
    >>> round(divergence([1, 0], [0, 1]), 4)
    0.6931
    """
    return float(contributions(p, q).sum())


def contributions(p: ArrayLike, q: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return what each bin adds to the divergence, in nats; no bin takes anything away."""
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if not a.sum() or not b.sum():
        return np.zeros(len(a))
    a, b = a / a.sum(), b / b.sum()
    middle = (a + b) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(a > 0, a * np.log(a / middle), 0) + np.where(b > 0, b * np.log(b / middle), 0)
    return np.maximum(each / 2, 0.0)


def harmonic(n: float, m: float) -> float:
    """Return n m / (n + m): the sample size that sets the noise of a comparison.

    >>> harmonic(100, 100)
    50.0
    """
    return n * m / (n + m) if n and m else 0.0


def statistic(p: ArrayLike, q: ArrayLike) -> float:
    """Return 8 n_h JSD: chi-square with bins - 1 degrees of freedom when nothing changed.

    Source: second-order expansion of the divergence (Menéndez, Pardo, Pardo and Pardo 1997).
    """
    return 8 * harmonic(float(np.sum(p)), float(np.sum(q))) * divergence(p, q)


def distance(p: ArrayLike, q: ArrayLike) -> float:
    """Return the Jensen-Shannon distance, base 2, in [0, 1], noise included.

    >>> distance([1, 0], [0, 1])
    1.0
    """
    return sqrt(min(1.0, divergence(p, q) / LN2))


def corrected(p: ArrayLike, q: ArrayLike) -> float:
    """Return the distance with the part taken off that chance alone makes: 0 when nothing changed.

    >>> corrected([500, 500], [505, 495])
    0.0
    """
    both = np.asarray(p) + np.asarray(q)
    size = harmonic(float(np.sum(p)), float(np.sum(q)))
    noise = (int((both > 0).sum()) - 1) / (8 * size) if size else 0.0
    return sqrt(min(1.0, max(0.0, divergence(p, q) - noise) / LN2))


def noise_floor(bins: int, size: float) -> float:
    """Return the distance that chance alone makes with so many bins.

    Parameters
    ----------
    bins : int
    size : float
        Harmonic sample size.

    Examples
    --------
    >>> round(noise_floor(16, 270), 2)
    0.1
    """
    return sqrt((bins - 1) / (8 * size * LN2)) if size else 1.0
