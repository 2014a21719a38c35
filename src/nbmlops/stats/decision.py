"""Decide whether a change is larger than tolerable: the question is never "different?"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbmlops.stats.distance import LN2, corrected, distance, harmonic, statistic

__all__ = [
    "ALERT",
    "FALSE_DISCOVERIES",
    "MIN_CHUNKS",
    "NOTICE",
    "Comparison",
    "benjamini_hochberg",
    "chunk_limit",
    "compare",
    "judge",
    "reduce_bins",
    "tolerance_p",
]

NOTICE = 0.1  # Jensen-Shannon distance, base 2: about 0.24 standard deviations of shift
ALERT = 0.2  # about 0.47 standard deviations
FALSE_DISCOVERIES = 0.01
SMALLEST = 1e-100  # a statistic below is none, and SciPy has no answer for some
MIN_CHUNKS = 6  # reference chunks that make a limit of their own


@dataclass(frozen=True)
class Comparison:
    """Two count vectors compared: the effect, and the chance of one so large under what is tolerable.

    ``enough`` is False when even two bins would be too noisy; ``needed`` is then the harmonic sample size it takes.
    """

    effect: float
    p_notice: float
    p_alert: float
    bins: int
    size: float
    needed: float
    limit: float = 0.0
    raw: float = 0.0
    tolerance: float = NOTICE

    @property
    def enough(self) -> bool:
        """Whether the sample can carry an answer."""
        return self.size >= self.needed


def compare(
    reference: ArrayLike,
    current: ArrayLike,
    ordered: int | None = None,
    wander: float = 0.0,
    limit: float = 0.0,
) -> Comparison:
    """Compare two count vectors against the tolerable effects.

    Parameters
    ----------
    reference, current : array of int, shape (bins,)
    ordered : int, optional
        How many of the first bins are intervals in order; only neighbours of those are merged. None for categories.
    wander : float
        Largest noise-corrected distance the reference's own chunks show: what is tolerable is at least that.
    limit : float
        Distance a chunk of the reference stays below; see :func:`chunk_limit`.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> compare([800, 200], [400, 600]).p_alert < 0.01
    True
    """
    p, q = np.asarray(reference, dtype=np.int64), np.asarray(current, dtype=np.int64)
    size = harmonic(float(p.sum()), float(q.sum()))
    needed = 1 / (8 * LN2 * (NOTICE / 2) ** 2)
    if size < needed:
        return Comparison(0.0, 1.0, 1.0, 0, size, needed, limit)
    p, q = reduce_bins(p, q, 1 + int(size / needed), ordered)
    bins = int(((p + q) > 0).sum())
    tolerance = max(NOTICE, wander)
    chances = [tolerance_p(statistic(p, q), bins, size, max(floor, wander)) for floor in (NOTICE, ALERT)]
    return Comparison(corrected(p, q), chances[0], chances[1], bins, size, needed, limit, distance(p, q), tolerance)


def tolerance_p(value: float, bins: int, size: float, tolerance: float) -> float:
    """Return the chance of a statistic this large if the true distance were exactly the tolerable one.

    Non-central chi-square with bins - 1 degrees of freedom and non-centrality 8 n_h ln(2) tolerance²
    (the idea of the population resemblance statistic: Potgieter et al., arXiv 2307.11878).
    """
    from scipy.special import chndtr
    from scipy.stats import ncx2

    if bins < 2 or value < SMALLEST:
        return 1.0
    centre = 8 * size * LN2 * tolerance**2
    if value < bins - 1:  # far down SciPy's complement overflows, and here one less is as exact
        return float(1 - chndtr(value, bins - 1, centre))
    return float(ncx2.sf(value, bins - 1, centre))


def judge(comparisons: Sequence[Comparison]) -> list[Literal["passed", "warning", "issue", "skipped"]]:
    """Return the outcome of each comparison, with false discoveries controlled over all of them."""
    enough = [c for c in comparisons if c.enough]
    notice = iter(benjamini_hochberg([c.p_notice for c in enough]))
    alert = iter(benjamini_hochberg([c.p_alert for c in enough]))
    outcomes: list[Literal["passed", "warning", "issue", "skipped"]] = []
    for c in comparisons:
        if not c.enough:
            outcomes.append("skipped")
            continue
        noticed, alerted = next(notice), next(alert)
        beyond = c.raw > c.limit
        outcomes.append("issue" if alerted and beyond else "warning" if noticed and beyond else "passed")
    return outcomes


def benjamini_hochberg(p_values: Sequence[float], q: float = FALSE_DISCOVERIES) -> list[bool]:
    """Return which hypotheses are rejected with a false-discovery rate of q (Benjamini and Hochberg 1995).

    >>> benjamini_hochberg([0.001, 0.02, 0.9], q=0.05)
    [True, True, False]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not len(p):
        return []
    ordered = np.sort(p)
    passing = np.flatnonzero(ordered <= q * np.arange(1, len(p) + 1) / len(p))
    largest = ordered[passing[-1]] if len(passing) else -1.0
    return [bool(value <= largest) for value in p]


def chunk_limit(distances: Sequence[float], alpha: float = FALSE_DISCOVERIES) -> float:
    """Return the distance that one more chunk of the reference exceeds with chance alpha.

    A t prediction limit on the logarithm of the leave-one-out distances; 0 (no limit) below six chunks.

    >>> chunk_limit([0.1, 0.1, 0.1])
    0.0
    """
    if len(distances) < MIN_CHUNKS:
        return 0.0
    from scipy.stats import t

    logs = [log(max(d, 1e-6)) for d in distances]
    k = len(logs)
    return exp(float(np.mean(logs)) + float(t.isf(alpha, k - 1)) * float(np.std(logs, ddof=1)) * sqrt(1 + 1 / k))


def reduce_bins(
    reference: NDArray[np.int64], current: NDArray[np.int64], most: int, ordered: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Merge bins until at most so many are filled; the reference alone decides which.

    Intervals merge with neighbours into groups of equal reference mass; categories merge smallest first.
    """
    filled = (reference + current) > 0
    if int(filled.sum()) <= most:
        return reference[filled], current[filled]
    groups = _by_mass(reference, filled, most) if ordered is None else _by_order(reference, filled, most, ordered)
    size = int(groups.max()) + 1
    p = np.bincount(groups, weights=reference, minlength=size).astype(np.int64)
    q = np.bincount(groups, weights=current, minlength=size).astype(np.int64)
    return p, q


def _by_mass(reference: NDArray[np.int64], filled: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """Give the largest bins a group each and all others the last one."""
    groups = np.full(len(reference), most - 1, dtype=np.int64)
    largest = np.argsort(np.where(filled, -reference, 1), kind="stable")[: most - 1]
    groups[largest] = np.arange(len(largest))
    return groups


def _by_order(reference: NDArray[np.int64], filled: NDArray[np.bool_], most: int, ordered: int) -> NDArray[np.int64]:
    """Group neighbouring intervals by equal mass; special bins keep a group each, or share one."""
    special = np.flatnonzero(filled[ordered:]) + ordered
    alone = len(special) if len(special) < most else min(1, len(special))
    room = most - alone
    mass = reference[:ordered].cumsum() - reference[:ordered] / 2
    total = max(1, int(reference[:ordered].sum()))
    groups = np.zeros(len(reference), dtype=np.int64)
    groups[:ordered] = np.minimum(mass * room // total, room - 1).astype(np.int64)
    groups[ordered:] = room if alone else 0
    if alone == len(special):
        groups[special] = room + np.arange(alone)
    return groups
