"""Equal rows in two tables: one number a row, how many are shared, and how many chance would share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "Shared", "rows", "shared"]

Hashes = NDArray[np.uint64]
MISSING = np.uint64(0x7FF8000000000000)
MIX = np.uint64(0xFF51AFD7ED558CCD)  # of MurmurHash3's finalizer
STEP = np.uint64(0x9E3779B97F4A7C15)
SAMPLE = 1000
ALIKE = 0.5  # where chance gives this share, rows are too alike to tell a leak from a habit of the data
FEW = 4  # fewer equal rows than this are no finding
LARGE, TIMES = 0.05, 5  # few rows: a share this large, and so many times that within the training rows
CERTAIN, SMALL = 5.0, 0.001  # many rows: so many standard errors above chance, and by this share


class Shared(NamedTuple):
    """Rows asked about that also are known: how many, of how many, the share chance gives, and whether it is more."""

    rows: int
    of: int
    expected: float
    above: bool

    @property
    def share(self) -> float:
        """The share of the rows asked about."""
        return self.rows / max(1, self.of)


class Rows(NamedTuple):
    """One number a row, and how likely two rows are equal where the columns have nothing to do with each other."""

    hashes: Hashes
    agreement: float


def rows(columns: Iterable[NDArray[Any]], count: int) -> Rows:
    """Return one number for each row: equal rows have equal numbers, others all but never.

    Parameters
    ----------
    columns : iterable of arrays
        Floats by value (-0.0 is 0.0, every NaN the same), or 64-bit hashes as they are. Read once, one by one.
    count : int
        Rows.

    Examples
    --------
    >>> a = rows([np.array([1.0, np.nan, 1.0]), np.array([-0.0, 2.0, 0.0])], 3).hashes
    >>> bool(a[0] == a[2]), bool(a[0] == a[1])
    (True, False)
    """
    hashes, agreement = np.zeros(count, dtype=np.uint64), 1.0
    for column in columns:
        bits = _bits(column)
        agreement *= _agreement(bits[:: max(1, count // SAMPLE)])
        hashes *= STEP
        hashes += _mixed(bits)
        hashes ^= hashes >> np.uint64(29)
    return Rows(hashes, agreement)


def shared(known: Rows, asked: Rows) -> Shared:
    """Return how many rows also are known ones, and whether that is more than chance gives.

    Chance is read from the known rows: a new row of the same source is as likely to equal one of them as they are to
    equal each other, and no less likely than if the columns were independent. The spread counts a pair of equal rows
    twice, and lets one pair more be there than was seen.

    Parameters
    ----------
    known, asked : Rows
        Over the same columns.

    Examples
    --------
    >>> every = rows([np.arange(1000.0)], 1000).hashes
    >>> shared(Rows(every[:800], 0.0), Rows(every[700:], 0.0))
    Shared(rows=100, of=300, expected=0.0, above=True)
    >>> shared(rows([np.arange(800.0) % 9], 800), rows([np.arange(200.0) % 9], 200))
    Shared(rows=200, of=200, expected=1.0, above=False)
    """
    distinct, counts = np.unique(known.hashes, return_counts=True)
    at = np.minimum(np.searchsorted(distinct, asked.hashes), len(distinct) - 1)
    found, n, m = int((distinct[at] == asked.hashes).sum()), len(known.hashes), len(asked.hashes)
    twins = max(float(counts[counts > 1].sum()), -n * float(np.expm1(-n * known.agreement)))
    return Shared(found, m, twins / n, _above(found, m, twins, n))


def _above(found: int, m: int, twins: float, n: int) -> bool:
    share, expected, chance = found / m, twins / n, (twins + 2) / (n + 4)
    error = np.sqrt(m * chance * (1 - chance) * (1 + 2 * m / n))
    certain = found - m * chance - 0.5 >= CERTAIN * error and share - expected >= SMALL
    return found >= FEW and expected < ALIKE and bool(certain or share >= max(LARGE, TIMES * expected))


def _agreement(bits: Hashes) -> float:
    """Return the share of pairs of rows that agree."""
    n = len(bits)
    counts = np.unique(bits, return_counts=True)[1]
    return float((counts * (counts - 1.0)).sum()) / max(1, n * (n - 1))


def _bits(column: NDArray[Any]) -> Hashes:
    if column.dtype == np.uint64:
        return column
    floats = np.asarray(column, dtype=np.float64) + 0.0  # a copy of our own, without -0.0
    bits = floats.view(np.uint64)
    bits[np.isnan(floats)] = MISSING
    return bits


def _mixed(bits: Hashes) -> Hashes:
    mixed = (bits ^ (bits >> np.uint64(33))) * MIX
    mixed ^= mixed >> np.uint64(33)
    return mixed
