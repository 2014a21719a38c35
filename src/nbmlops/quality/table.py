"""What a model was given, as columns by place, whichever library holds them: read one at a time, never changed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality import look, moments

__all__ = ["Table", "common", "same", "table", "values"]

GLANCE = 1000  # rows that tell most tables apart
Values = NDArray[Any]
Places = list[tuple[int, int]]


@dataclass(frozen=True)
class Table:
    """Columns by place; ``named`` where the names are the user's, ``texts`` how many may hold text."""

    names: tuple[str, ...]
    named: bool
    rows: int
    texts: int
    column: Callable[[int], Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, len(self.names)


def table(data: Any) -> Table | None:
    """Return a frame, a column or an array of one or two dimensions as a table; None for anything else.

    Parameters
    ----------
    data : pandas or polars DataFrame or Series, numpy.ndarray, or list of plain values
        A lazy frame is not run, a sparse matrix not filled.

    Examples
    --------
    >>> table(np.zeros((3, 2))).shape, table([1, 2, 3]).names, table({"a": 1})
    ((3, 2), ('0',), None)
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if isinstance(data, np.ndarray):
        return _of_array(data)
    if pandas is not None and isinstance(data, pandas.DataFrame):
        texts = sum(_is_text(dtype) for dtype in data.dtypes)
        return Table(tuple(map(str, data.columns)), True, len(data), texts, lambda i: data.iloc[:, i])
    if pandas is not None and isinstance(data, pandas.Series):
        return Table((str(data.name),), data.name is not None, len(data), int(_is_text(data.dtype)), lambda _: data)
    if polars is not None and isinstance(data, polars.DataFrame):
        texts = sum(not dtype.is_numeric() for dtype in data.dtypes)
        return Table(tuple(data.columns), True, data.height, texts, lambda i: data.to_series(i).to_numpy())
    if polars is not None and isinstance(data, polars.Series):
        return Table((data.name,), bool(data.name), len(data), 1, lambda _: data.to_numpy())
    return _of_list(data) if isinstance(data, list) else None


def common(a: Table, b: Table) -> Places:
    """Return the places of the columns two tables share: by name, or by place where one of them has no names.

    Fewer than half of the first table's columns are none.

    Examples
    --------
    >>> import pandas as pd
    >>> common(table(pd.DataFrame({"a": [1], "b": [2]})), table(pd.DataFrame({"b": [2], "a": [1]})))
    [(0, 1), (1, 0)]
    """
    if not (a.named and b.named) or len({*a.names}) < len(a.names) or len({*b.names}) < len(b.names):
        return [(i, i) for i in range(len(a.names))] if len(a.names) == len(b.names) else []
    there = {name: place for place, name in enumerate(b.names)}
    found = [(i, there[name]) for i, name in enumerate(a.names) if name in there]
    return found if 2 * len(found) >= len(a.names) else []


def same(a: Table, b: Table) -> bool:
    """Tell whether two tables hold the same rows in the same order; most that do not differ at a glance.

    >>> same(table(np.ones((3, 2))), table(np.ones((3, 2), dtype=int))), same(table(np.ones(3)), table(np.zeros(3)))
    (True, False)
    """
    places = common(a, b)
    if a.shape != b.shape or len(places) < len(a.names):
        return False
    return all(_equal(a.column(i), b.column(j), rows) for rows in (GLANCE, a.rows) for i, j in places)


def values(column: Any) -> Values | None:
    """Return a column as floats, or text and times as 64-bit hashes (0 is missing); None for what can be neither.

    Numbers are the same however they are stored, and so is text; nothing else is asked of the user's objects.

    Examples
    --------
    >>> values([True, None]), values(np.array([1, 2], dtype="int8"))
    (array([ 1., nan]), array([1., 2.]))
    """
    import pandas as pd

    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return np.ascontiguousarray(column, dtype=np.float64)
    series = column if isinstance(column, pd.Series) else pd.Series(column)
    held = look.holds(series)
    if held in ("numbers", "booleans", "nothing"):
        return look.numbers(series)
    if held == "times":
        found = look.times(series)
        return np.where(found.isna(), np.uint64(0), _nanoseconds(found.dt.tz_localize(None).to_numpy()))
    return _hashed(series) if held == "text" else None


def _nanoseconds(ticks: Values) -> Values:
    """Return times as nanoseconds since 1970, counted round at 64 bits: a hash, the same in every unit, however far.

    >>> [int(_nanoseconds(np.array(["2500-01-01"], f"M8[{unit}]"))[0]) for unit in ("s", "us")]
    [16725225600000000000, 16725225600000000000]
    """
    per = moments.PER_SECOND[np.datetime_data(ticks.dtype)[0]]
    counted: Values = ticks.view(np.uint64) * np.uint64(moments.PER_SECOND["ns"] // per)
    return counted


def _hashed(series: Any) -> Values:
    import pandas as pd

    codes, distinct = pd.factorize(series)
    hashes = pd.util.hash_array(np.asarray(distinct, dtype=object), categorize=False)
    hashed: Values = np.append(hashes, np.uint64(0))[codes]  # what is missing has the code -1
    return hashed


def _of_array(data: Values) -> Table | None:
    if data.ndim not in (1, 2) or data.dtype.names:
        return None
    columns = data[:, None] if data.ndim == 1 else data
    texts = columns.shape[1] if data.dtype.kind not in "fiub" else 0
    return Table(tuple(map(str, range(columns.shape[1]))), False, len(data), texts, lambda i: columns[:, i])


def _of_list(data: list[Any]) -> Table | None:
    plain = all(isinstance(value, (bool, int, float, str, type(None))) for value in data[:GLANCE])
    return Table(("0",), False, len(data), 1, lambda _: data) if data and plain else None


def _is_text(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") not in "fiub"


def _equal(one: Any, other: Any, rows: int) -> bool:
    if _place(one) == _place(other) is not None:
        return True
    ours, theirs = values(one[:rows]), values(other[:rows])
    if ours is None or theirs is None or ours.dtype != theirs.dtype:
        return False
    return np.array_equal(ours, theirs, equal_nan=ours.dtype == np.float64)


def _place(column: Any) -> tuple[Any, ...] | None:
    """Return where in memory the values of a column lie, without a copy; None where that cannot be said."""
    held = getattr(column, "_values", column)  # of a pandas Series
    if not isinstance(held, np.ndarray) or held.dtype == object:
        return None
    return held.__array_interface__["data"][0], held.shape, held.strides, held.dtype
