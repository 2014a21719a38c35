"""What data is: names, types, rows and a fingerprint of the whole content, column by column.

A column's fingerprint is BLAKE3 over its logical type, where it is missing, and its values in row order: text
and categories by value, in the order of their first appearance. The same data gives the same fingerprint
whichever library holds it; any change of any cell changes it.
"""

from __future__ import annotations

import math
import os
import re
import reprlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from nbmlops.records import Dataset

if TYPE_CHECKING:
    import numpy as np

__all__ = ["column_fingerprints", "describe", "is_data"]

TABLES = {
    "pandas": ("DataFrame", "Series"),
    "polars": ("DataFrame", "Series", "LazyFrame"),
    "pyarrow": ("Table", "RecordBatch", "ChunkedArray", "Array"),
    "scipy.sparse": ("spmatrix", "sparray"),
}
MOST_S = 2.0  # that the fingerprint of one table of a tracked cell may take
NUMBER_S, TEXT_S = 4e-9, 200e-9  # for one value, on one slow core
NUMBERS = re.compile(r"u?int|float|double|bool", re.I)  # as pandas, polars and Arrow name them
LARGE = 2**24  # bytes of numbers that are worth threads
THREADS = 4
BLOCK = 2**16  # values of a column that are checked and hashed while they are in the processor's cache
Columns = Iterator[tuple[str, Any]]


def is_data(value: Any) -> bool:
    """Tell whether a value is a table or array that can be described; looks at the type only, and loads nothing."""
    if isinstance(value, _kinds()):
        return True
    array = getattr(sys.modules.get("numpy"), "ndarray", ())
    return isinstance(value, array) and value.ndim >= 1 and value.size > 1


def _kinds() -> tuple[type, ...]:
    """Return the table types of the libraries that are loaded."""
    found = []
    for module, names in TABLES.items():
        library = sys.modules.get(module)
        found += [getattr(library, name) for name in names if hasattr(library, name)]
    return tuple(found)


def describe(name: str, frame: Any, role: str = "read", most_s: float = math.inf) -> Dataset:
    """Return what a table or array is.

    Parameters
    ----------
    name : str
        The variable's name.
    frame : pandas, polars or Arrow table or column, numpy.ndarray or scipy sparse matrix
    role : {"read", "written"}
    most_s : float
        What the fingerprint may take, estimated from shape and types; of what would take longer every n-th row is read.

    Returns
    -------
    Dataset
        With ``columns`` of name, dtype and fingerprint, and ``strength`` *full* or *sampled*; of a lazy frame *shape*.
    """
    from blake3 import blake3

    if type(frame).__name__ == "LazyFrame":  # what is not computed yet has no rows, and is not computed for us
        return Dataset(name, f"lazy:{type(frame).__module__.partition('.')[0]}", "shape", 0, (), role)  # type: ignore[arg-type]
    step = _step(frame, most_s)
    columns, whole = [], blake3(f"sampled:{len(frame)}:{step};".encode() if step > 1 else b"")
    for column, dtype, fingerprint in _fingerprints(_every(frame, step)):
        columns.append({"name": column, "dtype": dtype, "fingerprint": fingerprint})
        whole.update(f"{len(column)}:{column}:{fingerprint};".encode())
    rows = frame.shape[0] if hasattr(frame, "shape") else len(frame)
    return Dataset(name, whole.hexdigest(), "sampled" if step > 1 else "full", rows, tuple(columns), role)  # type: ignore[arg-type]


def column_fingerprints(frame: Any, most_s: float = math.inf) -> dict[str, str]:
    """Return the fingerprint of each column, of every n-th row where all of them would take longer; it says so."""
    if type(frame).__name__ == "LazyFrame":
        return {}
    step = _step(frame, most_s)
    said = f"sampled:{len(frame)}:{step}:" if step > 1 else ""
    return {name: said + fingerprint for name, _, fingerprint in _fingerprints(_every(frame, step))}


def _step(frame: Any, most_s: float) -> int:
    """Return that every so many-th row is read within a time: the same for the same shape and types on any machine."""
    if most_s == math.inf or hasattr(frame, "tocsr") or getattr(frame, "ndim", 1) > 2:
        return 1
    row_s = sum(NUMBER_S if NUMBERS.match(str(kind)) else TEXT_S for kind in _types(frame))
    return max(1, math.ceil(len(frame) * row_s / most_s))


def _types(frame: Any) -> list[Any]:
    """Return the type of each column."""
    types = getattr(frame, "dtypes", None)  # of a pandas column it is one type
    if types is not None and hasattr(types, "__iter__"):
        return list(types)
    if hasattr(frame, "schema"):
        return list(frame.schema.types)
    held = getattr(frame, "dtype", None) or getattr(frame, "type", None)
    return [held] * (frame.shape[1] if getattr(frame, "ndim", 1) == 2 else 1)


def _every(frame: Any, step: int) -> Any:
    """Return every so many-th row, the first among them, without a copy where the library can."""
    if step == 1:
        return frame
    if hasattr(frame, "iloc"):
        return frame.iloc[::step]
    if hasattr(frame, "to_pylist"):
        return frame.take(sys.modules["pyarrow"].array(range(0, len(frame), step)))
    return frame[::step]


def _fingerprints(frame: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and fingerprint of each column; plain numbers of a large frame are hashed by a few threads."""
    if _size(frame) < LARGE:
        yield from ((name, str(values.dtype), _fingerprint(values)) for name, values in _columns(frame))
        return
    columns = list(_columns(frame))  # views: nothing is copied
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1), "nbmlops-hash") as pool:
        hashed = [pool.submit(_hash_numbers, n) if (n := _plain(v)) is not None else None for _, v in columns]
        for (name, values), future in zip(columns, hashed, strict=True):
            # What is no plain number is hashed here: it may import what no thread of a moment may.
            yield name, str(values.dtype), (future and future.result()) or _of_any(values)


def _size(frame: Any) -> int:
    """Return the bytes of a pandas frame or an array of two dimensions, each value counted as one number; else 0."""
    flat = type(frame).__module__.partition(".")[0] in ("numpy", "pandas") and frame.ndim == 2
    return 8 * frame.shape[0] * frame.shape[1] if flat else 0


def _columns(frame: Any) -> Columns:
    if hasattr(frame, "iloc") and frame.ndim == 2:
        yield from ((str(name), frame.iloc[:, i]) for i, name in enumerate(frame.columns))
    elif hasattr(frame, "tocsr"):
        yield "0", _Whole(*_sparse(frame))
    elif hasattr(frame, "column_names") and hasattr(frame, "schema"):
        yield from ((name, _from_arrow(column)) for name, column in zip(frame.column_names, frame.columns, strict=True))
    elif hasattr(frame, "to_pylist") and hasattr(frame, "type"):
        yield "0", _from_arrow(frame)
    elif getattr(frame, "ndim", 1) > 2:
        yield "0", _Whole(str(frame.dtype), frame.shape[0], (str(frame.shape), frame))
    elif hasattr(frame, "get_columns"):
        yield from ((series.name, _from_polars(series)) for series in frame.get_columns())
    elif hasattr(frame, "null_count") and hasattr(frame, "to_arrow"):
        yield str(frame.name or "0"), _from_polars(frame)
    elif getattr(frame, "ndim", 1) == 2:
        yield from ((str(i), frame[:, i]) for i in range(frame.shape[1]))
    else:
        yield str(getattr(frame, "name", None) or "0"), frame


class _Whole:
    """What is hashed as one: an array of more than two dimensions, a sparse matrix."""

    def __init__(self, dtype: str, rows: int, parts: tuple[Any, ...]) -> None:
        self.dtype, self.rows, self.parts = dtype, rows, parts

    def fingerprint(self) -> str:
        """Return the hash of the type and every part."""
        from blake3 import blake3

        digest = blake3(f"{self.dtype}:{self.rows}:".encode())
        for part in self.parts:
            digest.update(part.encode() if isinstance(part, str) else _bytes(part))
        return str(digest.hexdigest())[:32]


def _sparse(matrix: Any) -> tuple[str, int, tuple[Any, ...]]:
    """Return a sparse matrix row by row, its columns in order: the same values are the same, however they are kept."""
    rows = matrix.tocsr(copy=True)
    rows.sum_duplicates()
    return (
        f"sparse {rows.dtype}",
        rows.shape[0],
        (str(rows.shape), rows.indptr.astype("int64"), rows.indices.astype("int64"), rows.data),
    )


def _from_polars(series: Any) -> Any:
    """Return a column that keeps whole numbers whole where some are missing, and text as it lies: through Arrow."""
    if "pyarrow" in sys.modules and (series.null_count() or str(series.dtype) == "String"):
        return _from_arrow(series.to_arrow())
    return series


def _from_arrow(column: Any) -> Any:
    import pandas as pd

    return pd.Series(column.to_pandas(types_mapper=pd.ArrowDtype))


def _plain(values: Any) -> Any:
    """Return the numbers of a column that need no look at what is missing but at NaN; None for any other."""
    held = getattr(values, "_values", values)
    if getattr(getattr(held, "dtype", None), "kind", "") in ("i", "u", "f") and type(held).__module__ == "numpy":
        return held
    return None


def _hash_numbers(numbers: Any) -> str | None:
    """Return the fingerprint of plain numbers in one pass, by blocks that stay in the cache; None where one is NaN."""
    import numpy as np
    from blake3 import blake3

    kind = numbers.dtype.kind
    digest = blake3(f"{'float' if kind == 'f' else 'int'}:{len(numbers)}:".encode())
    wide = {"f": np.float64, "i": np.int64, "u": np.uint64}[kind]
    for start in range(0, len(numbers), BLOCK):
        block = np.ascontiguousarray(numbers[start : start + BLOCK], dtype=wide)
        if kind == "f" and np.isnan(block.sum()) and np.isnan(block).any():
            return None
        digest.update(block.data.cast("B"))
    return str(digest.hexdigest())[:32]


def _fingerprint(values: Any) -> str:
    if isinstance(values, _Whole):
        return values.fingerprint()
    numbers = _plain(values)
    if numbers is not None and (found := _hash_numbers(numbers)) is not None:
        return found
    return _of_any(values)


def _of_any(values: Any) -> str:
    """Return the fingerprint of a column of any type, by its canonical form."""
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

    series = series.copy(deep=False)  # pandas before 3 keeps the accessor in the user's own column
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
