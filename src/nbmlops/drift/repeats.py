"""Rows that are there more than once, counted by hashes and only as far as they stay alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbmlops.drift import words
from nbmlops.quality import look
from nbmlops.records import Finding, Outcome
from nbmlops.stats import twins

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Repeats", "more", "repeated_rows", "told"]

BLOCK = 3  # columns hashed before rows that are alone so far are left out
MOST_VALUES = 1_000_000  # of rows still alike; with more, every k-th group of equal rows stands for all
SAMPLE = 1000
KINDS = "fMmiu"  # of dtypes: what is quick to hash and likely to tell rows apart comes first
TIMES_CHANCE, LEAST = 2.0, 2
NOTICE, ALERT = 0.01, 0.05  # of all rows, above what the reference lets expect: a day of a season, three of two months
BY_NATURE = 0.5  # where so many rows repeat another, a few more tell nothing
SURE = 0.01  # the chance of so many where only the tolerable share repeats
Hashes = NDArray[np.uint64]


class Repeats(NamedTuple):
    """Rows that repeat an earlier one: how many, of how many, how many chance gives, and whether all were counted."""

    rows: int
    of: int
    expected: float
    exact: bool = True

    @property
    def share(self) -> float:
        """The share of all rows."""
        return self.rows / max(1, self.of)

    @property
    def above(self) -> bool:
        """Whether it is more than values so few or so often the same give by chance."""
        return self.rows >= LEAST and self.rows > TIMES_CHANCE * self.expected


def repeated_rows(frame: pd.DataFrame, columns: Sequence[str] = ()) -> Repeats:
    """Count the rows that repeat an earlier one; missing values are equal.

    Columns of many different values come first, and rows that differ from all others by then are not looked at again:
    a frame without repeated rows costs a few of its columns.

    Parameters
    ----------
    frame : pandas.DataFrame
        Each column name there once.
    columns : sequence of str
        What makes a row the same; all columns if empty.

    Examples
    --------
    >>> import pandas as pd
    >>> repeated_rows(pd.DataFrame({"a": [1, 2, 1, 1], "b": ["x", "x", "x", "y"]})).rows
    1
    """
    names = sorted(columns or frame.columns, key=lambda name: (_order(frame.dtypes[name]), name))
    rows, hashes, every = np.arange(len(frame)), np.zeros(len(frame), dtype=np.uint64), 1
    for start in range(0, len(names), BLOCK):
        block = names[start : start + BLOCK]
        hashes = twins.rows([hashes, *(_values(frame[name], rows) for name in block)], len(rows)).hashes
        again, left = _again(hashes), len(names) - start - len(block)
        if every == 1 and len(again) * left > MOST_VALUES:
            every = -(-len(again) * left // MOST_VALUES)
            rows, hashes = _thinned(every, rows, hashes)
            again = _again(hashes)
        alike = _alike(hashes, again)
        rows, hashes = rows[alike], hashes[alike]
    found = len(_again(hashes)) * every if names else 0
    return Repeats(found, len(frame), _expected(frame, names) if found else 0.0, every == 1)


def told(repeats: Repeats) -> Finding | None:
    """Return the finding; None where no row repeats another."""
    if not repeats.rows:
        return None
    about = "" if repeats.exact else "about "
    said = f"{about}{repeats.rows:,} of {repeats.of:,} rows repeat another ({100 * repeats.share:.3g} %)"
    detail = repeats._asdict()
    if repeats.above:
        return Finding("repeated_rows", "warning", f"{said}.", "", repeats.share, detail=detail)
    return Finding(
        "repeated_rows",
        "passed",
        f"{said}, no more than values so alike give by chance.",
        "",
        repeats.share,
        "",
        detail,
    )


def more(frame: pd.DataFrame, columns: Sequence[str], reference: Callable[[], Repeats | None]) -> Finding:
    """Return whether more rows repeat another than the reference lets expect, as when a day was delivered twice.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of str
    reference : callable
        Returns what repeats in the reference over the same columns, or None where that is not known; asked only where
        enough rows repeat here. Of more rows more repeat by nature, and where a column stands still others do not tell
        rows apart: that is another fault, with a finding of its own.

    Returns
    -------
    Finding
        Of code ``rows_repeated``.
    """
    from scipy import stats  # half a second to load, and who lists episodes needs none of it

    now = repeated_rows(frame, columns)
    if now.share <= NOTICE:
        return Finding("rows_repeated", "passed", f"{words.share(now.share)} of rows repeat another", "", now.share)
    known = reference()
    if known is None:
        return Finding("rows_repeated", "not_applicable", "how many rows of the reference repeat another is not known")
    before = max(known.share, 1 - (1 - known.share) ** (now.of / max(1, known.of)), now.expected / now.of)
    told = f"rows that repeat another {words.change(before, now.share)}"
    if before > BY_NATURE:
        return Finding("rows_repeated", "not_applicable", f"{told}: here rows repeat by nature", "", now.share)
    limits = [min(1.0, before + tolerable) for tolerable in (NOTICE, ALERT)]
    sure = [float(stats.binom.sf(now.rows - 1, now.of, limit)) < SURE for limit in limits]
    outcome: Outcome = "issue" if sure[1] else "warning" if sure[0] else "passed"
    return Finding("rows_repeated", outcome, told, "", now.share, told if sure[0] else "", now._asdict())


def _order(dtype: Any) -> int:
    """Return the place of a dtype among the kinds, what is none of them last."""
    return KINDS.find(getattr(dtype, "kind", "O")) % (len(KINDS) + 1)


def _values(column: pd.Series[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return some rows of a column as numbers that are equal where the values are."""
    part = column if len(rows) == len(column) else column.iloc[rows]
    if isinstance(part.dtype, np.dtype):
        held = part.to_numpy()
        if held.dtype.kind in "mM" or (held.dtype.kind in "iu" and held.dtype.itemsize == 8):
            return held.view(np.uint64)  # whole numbers above 2**53 are no floats
        if held.dtype.kind in "fbiu":
            return held.astype(np.float64, copy=False)
    return look.names(part)[0].astype(np.float64)


def _thinned(every: int, rows: NDArray[np.int64], hashes: Hashes) -> tuple[NDArray[np.int64], Hashes]:
    """Keep every k-th group of equal rows, whole."""
    kept = hashes % np.uint64(every) == 0
    return rows[kept], hashes[kept]


def _again(hashes: Hashes) -> Hashes:
    """Return, in order, each hash as often as it is there again."""
    ordered = np.sort(hashes)  # five times as quick as an order of places, and mostly enough
    again: Hashes = ordered[1:][ordered[1:] == ordered[:-1]]
    return again


def _alike(hashes: Hashes, again: Hashes) -> NDArray[np.bool_]:
    """Tell which hashes are there more than once."""
    if not len(again):
        return np.zeros(len(hashes), dtype=bool)
    at = np.minimum(np.searchsorted(again, hashes), len(again) - 1)
    alike: NDArray[np.bool_] = np.equal(again[at], hashes)
    return alike


def _expected(frame: pd.DataFrame, names: Sequence[str]) -> float:
    """Return how many rows would repeat another if the columns had nothing to do with each other."""
    n = len(frame)
    some = np.arange(0, n, max(1, n // SAMPLE))
    columns = [_values(frame[name], some) for name in names]
    once = np.unique(twins.rows(columns, len(some)).hashes, return_index=True)[1]  # rows that came twice are no chance
    agreement = twins.rows([column[once] for column in columns], len(once)).agreement
    return float(n * -np.expm1(-n * agreement / 2))
