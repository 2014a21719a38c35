"""What data is: names, types, rows and a fingerprint of the whole content, column by column.

A column's fingerprint is BLAKE3 over its logical type, where it is missing, and its values in row order: text
and categories by value, in the order of their first appearance. The same data gives the same fingerprint
whichever library holds it; any change of any cell changes it.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nbmlops.records import Dataset

if TYPE_CHECKING:
    import numpy as np

__all__ = ["column_fingerprints", "describe", "is_data"]

Columns = Iterator[tuple[str, Any]]


def is_data(value: Any) -> bool:
    """Tell whether a value is a table or array whose content can be fingerprinted; looks at the type only."""
    pandas, polars, numpy = (sys.modules.get(name) for name in ("pandas", "polars", "numpy"))
    kinds = [getattr(pandas, n) for n in ("DataFrame", "Series") if hasattr(pandas, n)]
    kinds += [getattr(polars, n) for n in ("DataFrame", "Series") if hasattr(polars, n)]
    if isinstance(value, tuple(kinds)):
        return True
    array = getattr(numpy, "ndarray", ())
    return isinstance(value, array) and value.ndim in (1, 2) and value.size > 1


def describe(name: str, frame: Any, role: str = "read") -> Dataset:
    """Return what a table or array is.

    Parameters
    ----------
    name : str
        The variable's name.
    frame : pandas or polars DataFrame or Series, or numpy.ndarray of one or two dimensions
    role : {"read", "written"}

    Returns
    -------
    Dataset
        With ``columns`` of name, dtype and fingerprint, and ``strength`` *full*.
    """
    from blake3 import blake3

    columns, whole = [], blake3()
    for column, values in _columns(frame):
        fingerprint = _fingerprint(values)
        columns.append({"name": column, "dtype": str(values.dtype), "fingerprint": fingerprint})
        whole.update(f"{len(column)}:{column}:{fingerprint};".encode())
    return Dataset(name, whole.hexdigest(), "full", len(frame), tuple(columns), role)  # type: ignore[arg-type]


def column_fingerprints(frame: Any) -> dict[str, str]:
    """Return the fingerprint of each column."""
    return {name: _fingerprint(values) for name, values in _columns(frame)}


def _columns(frame: Any) -> Columns:
    if hasattr(frame, "iloc") and frame.ndim == 2:
        yield from ((str(name), frame.iloc[:, i]) for i, name in enumerate(frame.columns))
    elif hasattr(frame, "get_columns"):
        yield from ((series.name, series) for series in frame.get_columns())
    elif getattr(frame, "ndim", 1) == 2:
        yield from ((str(i), frame[:, i]) for i in range(frame.shape[1]))
    else:
        yield str(getattr(frame, "name", None) or "0"), frame


def _fingerprint(values: Any) -> str:
    from blake3 import blake3

    kind, missing, parts = _canonical(values)
    digest = blake3(f"{kind}:{len(values)}:".encode())
    if missing is not None and missing.any():
        digest.update(b"missing:")
        digest.update(_bytes(missing))
    for part in parts:
        digest.update(part)
    return str(digest.hexdigest())[:32]


def _canonical(values: Any) -> tuple[str, np.ndarray[Any, Any] | None, Iterator[Any]]:
    """Return (logical type, where missing, buffers of the values)."""
    import numpy as np
    import pandas as pd

    series = values if isinstance(values, pd.Series) else pd.Series(_array(values))
    missing = series.isna().to_numpy()
    kind = series.dtype.kind if hasattr(series.dtype, "kind") else "O"
    if kind in "iu" and not isinstance(series.dtype, pd.CategoricalDtype):
        return "int", missing, iter([_bytes(series.fillna(0).to_numpy(dtype=np.int64 if kind == "i" else np.uint64))])
    if kind == "b":
        return "bool", missing, iter([_bytes(series.fillna(False).to_numpy(dtype=np.bool_))])
    if kind == "f":
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return "float", missing, iter([_bytes(np.where(missing, 0.0, numbers) if missing.any() else numbers)])
    if kind in "mM":
        unit, ticks = _ticks(series, kind)
        return f"{ {'m': 'duration', 'M': 'time'}[kind] }{unit}", missing, iter([_bytes(np.where(missing, 0, ticks))])
    return "text", None, _text_parts(series)


def _array(values: Any) -> Any:
    return values.to_numpy() if hasattr(values, "to_numpy") else values


def _ticks(series: Any, kind: str) -> tuple[str, Any]:
    """Return ("", nanoseconds), or (unit, ticks) where nanoseconds cannot reach."""
    import pandas as pd

    naive = series.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(series.dt, "tz", None) else series
    values = naive.to_numpy(dtype=naive.dtype)
    try:
        return "", naive.astype("datetime64[ns]" if kind == "M" else "timedelta64[ns]").to_numpy().view("int64")
    except (pd.errors.OutOfBoundsDatetime, pd.errors.OutOfBoundsTimedelta):
        return f" in {values.dtype}", values.view("int64")


def _text_parts(series: Any) -> Iterator[Any]:
    """Yield the codes in order of first appearance, then each distinct value once."""
    import pandas as pd

    try:
        codes, distinct = pd.factorize(series)
    except TypeError:  # values that cannot be hashed, such as lists: by a bounded text of each
        codes, distinct = pd.factorize(series.map(reprlib.repr, na_action="ignore"))
    yield _bytes(codes.astype("int64"))
    for value in distinct:
        text = value if isinstance(value, str) else f"{type(value).__name__}:{value!s:.1000}"
        encoded = text.encode("utf-8", "surrogatepass")
        yield len(encoded).to_bytes(8, "little") + encoded


def _bytes(array: Any) -> memoryview:
    import numpy as np

    return np.ascontiguousarray(array).data.cast("B")
