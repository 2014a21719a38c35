"""The rows of a background that are most like a given one, by Gower's distance (Gower 1971)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality import moments

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Neighbour", "nearest"]

Floats = NDArray[np.float64]


class Neighbour(NamedTuple):
    """A row of the background: its place there, and its distance in [0, 1]."""

    place: int
    distance: float


def nearest(
    background: pd.DataFrame, row: pd.Series[Any], most: int, left_out: Collection[str] = ()
) -> list[Neighbour]:
    """Return the rows most like a given one, the nearest first; of equally near ones the earlier.

    A number counts by its difference as a share of the background's range (at most 1), a category as same or not. A
    value that is missing on one side counts as different, on both as the same. Every column counts alike.

    Parameters
    ----------
    background : DataFrame of shape (n, columns)
    row : Series
        Holds a value for each column.
    most : int
    left_out : collection of str
        Columns that do not count, such as private ones.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"age": [20, 40, 60], "city": ["Ulm", "Bern", "Ulm"]})
    >>> nearest(rows, pd.Series({"age": 50, "city": "Ulm"}), 2)
    [Neighbour(place=2, distance=0.125), Neighbour(place=0, distance=0.375)]
    """
    names = [name for name in background.columns if name not in left_out]
    if not names:
        return []
    distance = np.mean([_distance(background[name], row[name]) for name in names], axis=0)
    order = np.argsort(distance, kind="stable")[:most]
    return [Neighbour(int(place), float(distance[place])) for place in order]


def _distance(column: pd.Series[Any], value: Any) -> Floats:
    """Return how far each value of a column is from one, in [0, 1]."""
    import pandas as pd

    missing = column.isna().to_numpy(bool)
    if _is_missing(value):
        return np.where(missing, 0.0, 1.0)
    numbers = _numbers(column)
    given = None if numbers is None else _numbers(pd.Series([value]))
    if numbers is None or given is None:
        same = (column.astype(object) == value).to_numpy(bool, na_value=False)
        return np.where(missing | ~same, 1.0, 0.0)
    known = numbers[~missing]
    spread = float(np.ptp(known)) if len(known) else 0.0
    far = np.abs(numbers - given[0])
    part = np.minimum(far / spread, 1.0) if spread else (far > 0).astype(float)
    return np.where(missing, 1.0, part)


def _numbers(column: pd.Series[Any]) -> Floats | None:
    """Return numbers and times as floats, None of anything else."""
    from pandas.api import types

    if types.is_bool_dtype(column.dtype):
        return None
    if types.is_numeric_dtype(column.dtype):
        return np.asarray(column.to_numpy("float64", na_value=np.nan))
    if types.is_datetime64_any_dtype(column.dtype):
        return moments.seconds(moments.read(column))
    return None


def _is_missing(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))
