"""Find columns of which one is never larger than the other, and not by chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality import look, moments
from nbmlops.quality.answers import comparison

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pair", "held"]

MOST_COLUMNS = 40
MOST_PAIRS = 5
LEAST_ROWS = 100
LEAST_VALUES = 10
GLANCE = 2000  # rows that rule out most pairs
CERTAIN = 0.9  # a comparison that unrelated rows keep this often says little
Values = NDArray[np.float64]
Pair = tuple[str, str, str, float]


@dataclass(frozen=True)
class _Columns:
    """Columns that can be compared with each other, as floats; one row of them for each of the frame."""

    values: Mapping[str, Values]

    def known(self, left: str, right: str, rows: slice) -> tuple[Values, Values]:
        a, b = self.values[left][rows], self.values[right][rows]
        both = np.isfinite(a) & np.isfinite(b)
        return a[both], b[both]


def held(frame: pd.DataFrame) -> list[Pair]:
    """Return comparisons that held in every row: left, operator, right, and how often unrelated rows keep them.

    Only of columns that overlap, with values enough; the most telling ones, none that follows from two others.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> start = rng.uniform(0, 100, 500)
    >>> [pair[:3] for pair in held(pd.DataFrame({"start": start, "end": start + rng.uniform(0, 10, 500)}))]
    [('start', '<=', 'end')]
    """
    found = [pair for kind in ("numbers", "times") for pair in _of_kind(_columns(frame, kind))]
    ordered = {(a, b) for a, _, b, _ in found}
    middles = {name for pair in ordered for name in pair}
    direct = [p for p in found if not any((p[0], m) in ordered and (m, p[2]) in ordered for m in middles)]
    return sorted(direct, key=lambda pair: pair[3])[:MOST_PAIRS]


def _columns(frame: pd.DataFrame, kind: str) -> _Columns:
    chosen: dict[str, Values] = {}
    for name in frame.columns:
        if len(chosen) < MOST_COLUMNS and look.holds(frame[name]) == kind and _is_plain(frame[name], kind):
            values = look.numbers(frame[name]) if kind == "numbers" else moments.seconds(moments.read(frame[name]))
            if len(np.unique(values[np.isfinite(values)][:GLANCE])) >= LEAST_VALUES:
                chosen[name] = values
    return _Columns(chosen)


def _is_plain(column: pd.Series[float], kind: str) -> bool:
    """Tell whether a column compares with others of its kind; times with and without a zone do not."""
    dtype = str(column.dtype)
    return dtype.startswith("datetime64[") and "," not in dtype if kind == "times" else not dtype.startswith("time")


def _of_kind(columns: _Columns) -> Iterator[Pair]:
    for one, other in combinations(columns.values, 2):
        for left, right in ((one, other), (other, one)):
            if (pair := _pair(columns, left, right)) is not None:
                yield pair
                break  # both ways are two equal columns, said once


def _pair(columns: _Columns, left: str, right: str) -> Pair | None:
    a, b = columns.known(left, right, slice(GLANCE))
    if not (a <= b).all():
        return None
    a, b = columns.known(left, right, slice(None))
    rule = (left, "==" if np.array_equal(a, b) else "<=", right)
    if len(a) < LEAST_ROWS or not (a <= b).all() or comparison(" ".join(rule)) != rule:
        return None
    # A generator of its own: the user's random state is not touched, and the answer is the same each time.
    share = float((a <= np.random.default_rng(0).permutation(b)).mean())
    return (*rule, share) if share < CERTAIN else None
