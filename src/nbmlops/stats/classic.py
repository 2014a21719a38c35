"""Measures people know from elsewhere, each with what chance alone makes of it.

All are taken from counts on fixed bins, so that they need no rows; none of them decides anything here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbmlops.stats.distance import harmonic

__all__ = ["MEASURES", "ORDERED", "Shown", "measure"]

MEASURES = ("psi", "ks", "wasserstein", "hellinger", "chi2")
ORDERED = ("ks", "wasserstein")  # of numbers only
Floats = NDArray[np.float64]


class Shown(NamedTuple):
    """A measure, and its expected value where nothing changed."""

    value: float
    noise: float


def measure(name: str, reference: ArrayLike, current: ArrayLike, edges: ArrayLike | None = None) -> Shown | None:
    """Return a measure between two count vectors, or None where it has no meaning.

    Parameters
    ----------
    name : {"psi", "ks", "wasserstein", "hellinger", "chi2"}
        ``psi``, ``hellinger`` and ``chi2`` are over all bins, missing values among them; ``ks`` is the largest
        distance of the distribution functions at the edges, ``wasserstein`` the area between them in quartile
        distances of the reference, values taken as even within a bin: a long tail reads up to a tenth too far.
    reference, current : array of int, shape (bins,)
    edges : array of float, shape (k + 1,), optional
        Of the first k bins; the next two hold what is below and above. None for categories.

    Returns
    -------
    Shown or None

    References
    ----------
    PSI: Yurdakul, "Statistical Properties of Population Stability Index" (2018), expected (B - 1)(1/n + 1/m);
    KS: mean of the Kolmogorov distribution, 0.8687 / sqrt(h) with h = n m / (n + m), an upper bound on bins;
    Wasserstein: sqrt(2 / pi) times the integral of sqrt(F (1 - F) / h), for a Gaussian process;
    Hellinger: sqrt((B - 1) / (8 h)); chi-square: its degrees of freedom, B - 1.

    Examples
    --------
    >>> measure("chi2", [30, 70], [40, 60])
    Shown(value=2.197802197802198, noise=1.0)
    """
    p, q = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if name in ORDERED:
        return None if edges is None else _ordered(name, p, q, np.asarray(edges, dtype=np.float64))
    filled = p + q > 0
    p, q = p[filled], q[filled]
    if not p.sum() or not q.sum():
        return None
    return {"psi": _psi, "hellinger": _hellinger, "chi2": _chi2}[name](p, q)


def _psi(p: Floats, q: Floats) -> Shown:
    n, m = p.sum(), q.sum()
    a, b = np.maximum(p, 0.5) / n, np.maximum(q, 0.5) / m  # an empty bin counts as half a row: else one row is infinite
    return Shown(float(((b - a) * np.log(b / a)).sum()), float((len(p) - 1) * (1 / n + 1 / m)))


def _hellinger(p: Floats, q: Floats) -> Shown:
    overlap = float(np.sqrt(p / p.sum() * q / q.sum()).sum())
    noise = np.sqrt((len(p) - 1) / (8 * harmonic(p.sum(), q.sum())))
    return Shown(float(np.sqrt(max(0.0, 1 - overlap))), float(noise))


def _chi2(p: Floats, q: Floats) -> Shown:
    n, m = p.sum(), q.sum()
    return Shown(float(((p * np.sqrt(m / n) - q * np.sqrt(n / m)) ** 2 / (p + q)).sum()), float(len(p) - 1))


def _ordered(name: str, p: Floats, q: Floats, edges: Floats) -> Shown | None:
    """Compare distribution functions at the edges; what lies beyond the reference's range stands at its ends."""
    k = len(edges) - 1
    known = [np.concatenate([[c[k]], c[:k], [c[k + 1]]]) for c in (p, q)]
    if not known[0].sum() or not known[1].sum():
        return None
    size = harmonic(known[0].sum(), known[1].sum())
    before, after = (c.cumsum()[:-1] / c.sum() for c in known)
    if name == "ks":
        return Shown(float(np.abs(before - after).max()), float(0.8687 / np.sqrt(size)))
    quartiles = np.interp([0.25, 0.75], before, edges)
    spread = quartiles[1] - quartiles[0] or edges[-1] - edges[0]
    area = float(_areas(after - before, np.diff(edges)).sum())
    uneven = np.sqrt(before * (1 - before) / size)
    noise = float(np.sqrt(2 / np.pi) * ((uneven[1:] + uneven[:-1]) / 2 * np.diff(edges)).sum())
    return Shown(area / spread, noise / spread) if spread > 0 else None


def _areas(gap: Floats, width: Floats) -> Floats:
    """Return the area under the absolute value of a line that runs straight between gaps."""
    a, b = gap[:-1], gap[1:]
    crossing = a * b < 0
    total = np.where(crossing, np.abs(a) + np.abs(b), 1.0)
    return np.asarray(np.where(crossing, (a**2 + b**2) / total, np.abs(a + b)) / 2 * width)
