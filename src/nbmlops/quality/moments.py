"""Times as pandas keeps them: any column read as UTC, however far away its times are."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PER_SECOND", "read", "seconds", "without_arrow", "zoned"]

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
YEARS = range(1678, 2262)  # those that nanoseconds since 1970 hold
ZONED = re.compile(r"\d[T ]\d\d.*(Z|[+-]\d\d(:?\d\d)?)\s*$")
ISO = re.compile(r"\s*\d{4}(-\d\d|\d{4})")  # how a day begins as ISO 8601 has it


def read(column: pd.Series[Any], form: str | None = None) -> pd.Series[Any]:
    """Return a column as UTC times; what is no time is missing.

    pandas before 3 reads text in nanoseconds, from 1677 to 2262: a time beyond is read by itself, and the column is in
    microseconds then. It also gives a text without a zone the zone of one before it: those without are read first.

    Parameters
    ----------
    column : Series
    form : str, optional
        As ``format`` of ``pandas.to_datetime``.

    >>> import pandas as pd
    >>> read(pd.Series(["2500-03-01T06:00+01:00", "x"])).dt.hour.tolist()
    [5.0, nan]
    """
    import pandas as pd

    column = without_arrow(column)
    found = pd.to_datetime(column, errors="coerce", utc=True, format=form)
    if found.dt.unit != "ns" or column.dtype.kind == "M":
        return found
    zoned = np.fromiter((isinstance(v, str) and ZONED.search(v) is not None for v in column), bool, len(column))
    if form and len({*zoned.tolist()}) == 2:
        order = np.argsort(zoned, kind="stable")
        found = pd.to_datetime(column.iloc[order], errors="coerce", utc=True, format=form).iloc[np.argsort(order)]
    return _with_far(found, column)


def seconds(moments: pd.Series[Any]) -> NDArray[np.float64]:
    """Return UTC times, as :func:`read` gives them, as seconds since 1970; what is missing is NaN.

    Whole and broken seconds apart: the same instant is the same float, whatever unit it is kept in.

    >>> import pandas as pd
    >>> seconds(read(pd.Series(["1970-01-02", None]))).tolist()
    [86400.0, nan]
    """
    ticks = moments.dt.tz_localize(None).to_numpy()
    per = PER_SECOND[np.datetime_data(ticks.dtype)[0]]
    whole, broken = np.divmod(ticks.view(np.int64), per)
    return np.where(moments.isna(), np.nan, whole + broken / per)


def without_arrow(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return times of an Arrow type as plain ones, all else as it is."""
    import pandas as pd

    if not isinstance(column.dtype, pd.ArrowDtype) or column.dtype.kind != "M":
        return column
    plain = column.array.__arrow_array__().to_pandas(date_as_object=False)
    return pd.Series(plain.array, column.index, name=column.name)


def zoned(column: pd.Series[Any], dtype: str) -> pd.Series[Any]:
    """Return times in the zone of a type, such as ``datetime64[us, Europe/Berlin]``; those without one are UTC."""
    zone = dtype.partition(",")[2].strip(" ]") or None
    aware: pd.Series[Any] = column if getattr(column.dtype, "tz", None) is not None else column.dt.tz_localize("UTC")
    found: pd.Series[Any] = aware.dt.tz_convert(zone)  # to none: the naive time in UTC
    return found


def _with_far(found: pd.Series[Any], column: pd.Series[Any]) -> pd.Series[Any]:
    """Return what was read, with what nanoseconds do not hold."""
    import pandas as pd

    lost = (found.isna() & column.notna()).to_numpy(bool)
    far = np.array([_far(value) for value in column[lost]], dtype="datetime64[us]")
    if np.isnat(far).all():
        return found
    ticks = found.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    ticks[lost] = far
    return pd.Series(ticks, column.index, name=column.name).dt.tz_localize("UTC")


def _far(value: Any) -> np.datetime64:
    """Return a time that nanoseconds do not hold, else none."""
    import pandas as pd

    if ISO.match(value) if isinstance(value, str) else isinstance(value, (date, np.datetime64)):
        try:
            moment = pd.Timestamp(value)
            if moment.year not in YEARS:
                return (moment.tz_convert(None) if moment.tz else moment).to_datetime64()
        except (ValueError, OverflowError):  # no time, or one that UTC has no year for
            pass
    return np.datetime64("NaT")
