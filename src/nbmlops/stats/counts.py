"""Count values on edges fixed once, so that counts of parts add up to the counts of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAX_CATEGORIES",
    "MAX_EDGES",
    "MIN_CATEGORY_SHARE",
    "SAMPLE_ROWS",
    "SPIKE_SHARE",
    "Bins",
    "CategoryBins",
    "NumericBins",
    "bins_from_dict",
    "category_bins",
    "explained",
    "numeric_bins",
    "quantile",
]

MAX_EDGES = 32
SPIKE_SHARE = 0.02  # a single value with more mass than this gets its own bin
MAX_CATEGORIES = 64
MIN_CATEGORY_SHARE = 0.005
MAX_RARE = 200  # rare values remembered by name; with more, unseen cannot be told from rare
SAMPLE_ROWS = 50_000
STEPS = 2**20  # a range is this many steps wide: sums of whole steps add exactly, in any order
MAX_STEPS = 2**31
EXACT = 2.0**53  # whole numbers below add up exactly as floats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NumericBins:
    """Edges of a numeric column: half-open bins, values with their own bin, and five special ones.

    Parameters
    ----------
    low, high : float
        Smallest and largest finite value seen when the edges were made.
    cuts : tuple of float
        Where one bin ends and the next begins, between ``low`` and ``high``.
    spikes : tuple of float
        Values that have a bin of their own.
    """

    low: float
    high: float
    cuts: tuple[float, ...] = ()
    spikes: tuple[float, ...] = ()
    specials = ("below", "above", "-inf", "+inf", "missing")

    @cached_property
    def edges(self) -> Floats:
        """All edges: the bin ``i`` holds ``edges[i] <= value < edges[i + 1]``."""
        with np.errstate(over="ignore"):
            end = np.nextafter(self.high, np.inf)
            ends = [np.nextafter(s, np.inf) for s in self.spikes]
        inner = [e for e in (*self.cuts, *self.spikes, *ends) if self.low < e < end]
        return np.unique(np.array([self.low, *inner, end], dtype=np.float64))

    @property
    def regular(self) -> int:
        """How many bins are ordered intervals; the special ones stand behind them."""
        return len(self.edges) - 1

    @property
    def size(self) -> int:
        """Length of a count vector."""
        return self.regular + len(self.specials)

    @cached_property
    def labels(self) -> list[str]:
        """What each bin holds, for people."""
        spikes = set(self.spikes)
        pairs = zip(self.edges[:-1], self.edges[1:], strict=True)
        return [f"{a:.4g}" if a in spikes else f"{a:.4g} to {b:.4g}" for a, b in pairs] + list(self.specials)

    def codes(self, values: Floats) -> Ints:
        """Return the bin of each value; every value has one.

        >>> NumericBins(0.0, 10.0, cuts=(5.0,)).codes(np.array([0, 4.9, 5, 10, 11, -1, np.nan, np.inf])).tolist()
        [0, 0, 1, 1, 3, 2, 6, 5]
        """
        n = self.regular
        codes = np.searchsorted(self.edges, values, side="right").astype(np.int64) - 1
        codes[codes == n] = n + 1
        codes[codes < 0] = n
        if not np.isfinite(values).all():
            codes[values == -np.inf], codes[values == np.inf], codes[np.isnan(values)] = n + 2, n + 3, n + 4
        return codes

    def count(self, ordered: Floats) -> Ints:
        """Return how many values lie in each bin: of values in order this takes a fifth of the time.

        Parameters
        ----------
        ordered : array of float, shape (n,)
            Sorted, NaN last.

        >>> NumericBins(0.0, 10.0, cuts=(5.0,)).count(np.array([-np.inf, 0, 4.9, 5, 10, 11, np.nan])).tolist()
        [2, 2, 0, 1, 1, 0, 1]
        """
        inner = np.searchsorted(ordered, self.edges, side="left")
        finite, infinite, known = np.searchsorted(ordered, [-np.finfo(float).max, np.inf, np.nan], side="left")
        below, above = inner[0] - finite, infinite - inner[-1]
        return np.array([*np.diff(inner), below, above, finite, known - infinite, len(ordered) - known], dtype=np.int64)

    def steps(self, values: Floats) -> Ints:
        """Return finite values as whole steps above ``low``, far outliers clipped: their sums add exactly."""
        with np.errstate(over="ignore"):
            above = (values - self.low) / self._step
            if self._wide:
                above = values / self._step - self.low / self._step
            scaled = np.clip(above, -MAX_STEPS, MAX_STEPS)
        return np.rint(scaled).astype(np.int64)

    def total(self, ordered: Floats) -> int:
        """Return the sum of the :meth:`steps` of finite values in order: exact, so it is the same in any other order.

        >>> NumericBins(0.0, 2.0**20).total(np.array([1.0, 2.0, 3.0]))
        6
        """
        if not len(ordered):
            return 0
        ends = self.steps(ordered[[0, -1]])
        if self._wide or len(ordered) * float(np.abs(ends).max()) >= EXACT or np.abs(ends).max() >= MAX_STEPS:
            return int(self.steps(ordered).sum())
        scaled = ordered - self.low
        scaled /= self._step
        return int(np.rint(scaled, out=scaled).sum())

    def mean(self, steps: int, rows: int) -> float | None:
        """Return the mean from a sum of steps, exact to a millionth of the range."""
        return self.low + self._step * (steps / rows) if rows else None

    @property
    def _wide(self) -> bool:
        """Whether the range is wider than a float can be."""
        return bool(self.high / 2 - self.low / 2 > np.finfo(float).max / 2)

    @property
    def _step(self) -> float:
        width = self.high / STEPS - self.low / STEPS
        return width if width > 0 else max(abs(self.low), 1.0) / STEPS

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"low": self.low, "high": self.high, "cuts": list(self.cuts), "spikes": list(self.spikes)}


@dataclass(frozen=True)
class CategoryBins:
    """The categories that are counted by name, the rare ones known, and what is neither.

    Parameters
    ----------
    categories : tuple of str
        Counted one by one.
    rare : tuple of str or None
        Seen when the bins were made, too seldom to be counted alone; None when there were too many to remember.
    """

    categories: tuple[str, ...]
    rare: tuple[str, ...] | None = ()
    specials = ("rare", "unseen", "missing")

    @property
    def regular(self) -> int:
        """How many categories are counted by name."""
        return len(self.categories)

    @property
    def size(self) -> int:
        """Length of a count vector."""
        return self.regular + len(self.specials)

    @cached_property
    def labels(self) -> list[str]:
        """What each bin holds, for people."""
        return [*self.categories, *self.specials]

    def codes(self, names: Sequence[str | None]) -> Ints:
        """Return the bin of each name; None is missing.

        >>> CategoryBins(("a", "b"), rare=("c",)).codes(["b", "c", "z", None]).tolist()
        [1, 2, 3, 4]
        """
        n = self.regular
        place: dict[str | None, int] = dict.fromkeys(self.rare or (), n)
        place |= {name: i for i, name in enumerate(self.categories)} | {None: n + 2}
        other = n if self.rare is None else n + 1
        return np.array([place.get(name, other) for name in names], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"categories": list(self.categories), "rare": None if self.rare is None else list(self.rare)}


Bins = NumericBins | CategoryBins


def bins_from_dict(data: Mapping[str, Any]) -> Bins:
    """Return the bins a :meth:`to_dict` came from."""
    if "categories" in data:
        rare = data["rare"]
        return CategoryBins(tuple(data["categories"]), None if rare is None else tuple(rare))
    return NumericBins(data["low"], data["high"], tuple(data["cuts"]), tuple(data["spikes"]))


def numeric_bins(sample: Floats, low: float | None = None, high: float | None = None) -> NumericBins:
    """Fix edges for a numeric column: quantiles of a sample, and single values with more than 2 % of it.

    Parameters
    ----------
    sample : array of float, shape (n,)
        At most :data:`SAMPLE_ROWS` values are worth sorting; missing and infinite ones are left out.
    low, high : float, optional
        Extremes of the whole column; those of the sample when absent.

    Returns
    -------
    NumericBins

    Examples
    --------
    >>> numeric_bins(np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0])).spikes
    (0.0, 1.0, 2.0, 3.0)
    """
    ordered = np.sort(sample)
    first, last = np.searchsorted(ordered, [-np.finfo(float).max, np.inf], side="left")
    finite = ordered[first:last]
    if not len(finite):
        return NumericBins(0.0, 0.0)
    begins = np.flatnonzero(np.append(True, finite[1:] != finite[:-1]))
    rows = np.diff(np.append(begins, len(finite)))
    frequent = rows > SPIKE_SHARE * len(finite)
    spikes = finite[begins[frequent]][:MAX_EDGES]
    rest = finite if not len(spikes) else finite[np.repeat(~np.isin(finite[begins], spikes), rows)]
    wanted = int(np.ceil(MAX_EDGES * len(rest) / len(finite)))
    # The quantiles of the inverted distribution function: each is a value that is there.
    places = np.maximum(np.ceil(np.arange(1, wanted) * len(rest) / max(1, wanted)).astype(np.int64) - 1, 0)
    cuts = np.unique(rest[places]) if len(rest) else rest
    low, high = float(finite[0]) if low is None else low, float(finite[-1]) if high is None else high
    kept = tuple(c for c in _short(cuts).tolist() if low < c <= high)
    return NumericBins(float(low), float(high), kept, tuple(spikes.tolist()))


def category_bins(names: Sequence[str], counts: Sequence[int]) -> CategoryBins:
    """Fix the categories to count: those with at least 0.5 % of the rows, 64 at most, the most frequent first.

    >>> category_bins(["a", "b", "c"], [900, 99, 1])
    CategoryBins(categories=('a', 'b'), rare=('c',))
    """
    total = sum(counts)
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    frequent = [names[i] for i in order if counts[i] >= MIN_CATEGORY_SHARE * total][:MAX_CATEGORIES]
    rare = sorted(names[i] for i in order[len(frequent) :])
    return CategoryBins(tuple(frequent), tuple(rare) if len(rare) <= MAX_RARE else None)


def quantile(
    bins: NumericBins, counts: Sequence[int], q: float, low: float | None = None, high: float | None = None
) -> float | None:
    """Return a quantile of the finite values, interpolated inside its bin.

    Parameters
    ----------
    bins : NumericBins
    counts : sequence of int
        A count vector on these bins.
    q : float
        Share in [0, 1].
    low, high : float, optional
        Extremes of what was counted: how far *below* and *above* reach.
    """
    n = bins.regular
    inner = [counts[n], *counts[:n], counts[n + 1]]
    edges = [bins.low, *bins.edges, bins.high] if low is None or high is None else _reach(bins, low, high)
    reached = np.concatenate([[0], np.cumsum(inner)])
    if not reached[-1]:
        return None
    at = q * reached[-1]
    i = min(int(np.searchsorted(reached, at, side="left")) - 1 if at else int(np.flatnonzero(inner)[0]), n + 1)
    with np.errstate(over="ignore"):
        width, share = edges[i + 1] - edges[i], (at - reached[i]) / inner[i]
    if not np.isfinite(width):
        return float(edges[i] * (1 - share) + edges[i + 1] * share)
    return float(edges[i] + width * share)


def explained(rows: Floats, sums: Floats, squares: float | None = None) -> float | None:
    """Return the share of a target's variance that the bins of a column explain.

    For numbers this is the correlation ratio; for classes Goodman and Kruskal's tau (1954), which is the same
    number for two classes. What chance alone explains, (bins - 1) / (n - 1), is taken off.

    Parameters
    ----------
    rows : array of float, shape (bins,)
        Rows with a known target in each bin.
    sums : array of float, shape (classes, bins)
        Rows of each class per bin; for a numeric target one row: its sum per bin.
    squares : float, optional
        Sum of squares of a numeric target.

    Returns
    -------
    float or None
        In [0, 1]; None where the target does not vary.

    Examples
    --------
    >>> explained(np.array([50.0, 50.0]), np.array([[0.0, 50.0]]))
    1.0
    """
    n, filled = rows.sum(), rows > 0
    bins = int(filled.sum())
    if n <= bins:
        return None
    mean = sums.sum(axis=1) / n
    total = (squares / n - mean**2).sum() if squares is not None else (mean * (1 - mean)).sum()
    if total <= 0:
        return None
    between = (rows[filled] * (sums[:, filled] / rows[filled] - mean[:, None]) ** 2).sum() / n
    within = max(0.0, 1 - between / total)
    return float(min(1.0, max(0.0, 1 - within * (n - 1) / (n - bins))))


def _reach(bins: NumericBins, low: float, high: float) -> list[float]:
    """Return the edges between which values lie, those *below* and *above* within what was counted."""
    first, last = float(bins.edges[0]), float(bins.edges[-1])
    if low > last:
        return [first, *bins.edges[:-1], low, high]
    if high < first:
        return [low, high, *bins.edges[1:], last]
    return [min(first, low), *bins.edges, max(last, high)]


def _short(cuts: Floats) -> Floats:
    """Round cuts to as many decimals as tell them apart: where a bin ends is free, and digits cost bytes."""
    if len(cuts) < 2:
        return cuts
    gap = float(np.diff(cuts).min())
    decimals = int(np.ceil(-np.log10(gap))) + 1 if gap > 0 else 17
    return np.unique(np.round(cuts, decimals)) if -300 < decimals < 17 else cuts
