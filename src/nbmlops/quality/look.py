"""Take what a user has as a frame, and say what each column holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid, MissingPackage, NotFound

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_frame", "holds", "is_file", "names", "numbers", "read", "require", "times"]

SUFFIXES = (".csv", ".gz", ".zip", ".parquet", ".pq")
HOLDS = {
    "boolean": "booleans",
    "bytes": "text",
    "categorical": "text",
    "date": "times",
    "datetime": "times",
    "datetime64": "times",
    "decimal": "numbers",
    "empty": "nothing",
    "floating": "numbers",
    "integer": "numbers",
    "mixed-integer-float": "numbers",
    "string": "text",
    "timedelta": "numbers",
    "timedelta64": "numbers",
}


def as_frame(data: Any) -> pd.DataFrame:
    """Return a pandas frame with text column names, each there once.

    Parameters
    ----------
    data : DataFrame or path
        pandas as it is; polars, Arrow and others through ``to_pandas``, a lazy frame collected; a NumPy array with
        its columns numbered; a path is read.

    Raises
    ------
    Invalid
        No frame, or a column name that is there twice.
    NotFound
        A name that is no file.
    """
    import pandas as pd

    if isinstance(data, (str, Path)):
        frame = read(data)
    elif isinstance(data, pd.DataFrame):
        frame = data
    else:
        frame = _converted(data)
    wanted = [str(name) for name in frame.columns]
    if twice := [name for name, times_ in Counter(wanted).items() if times_ > 1]:
        raise Invalid(
            f"Column {twice[0]!r} is there {wanted.count(twice[0])} times.",
            "Each column needs its own name: frame.loc[:, ~frame.columns.duplicated()] keeps the first.",
        )
    return frame if wanted == list(frame.columns) else frame.set_axis(wanted, axis=1)


def read(path: str | Path) -> pd.DataFrame:
    """Return a CSV or Parquet file as a frame.

    Raises
    ------
    NotFound
        There is no such file.
    Invalid
        The file is neither CSV nor Parquet, or damaged.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise NotFound(f"No frame or file {str(path)!r}.", "Name a variable, or a CSV or Parquet file.")
    try:
        return pd.read_parquet(path) if path.suffix in (".parquet", ".pq") else pd.read_csv(path, low_memory=False)
    except (ValueError, OSError) as error:  # ParserError, EmptyDataError, UnicodeDecodeError, ArrowInvalid
        first = str(error).strip().splitlines()[0]
        raise Invalid(f"{path.name} cannot be read: {first}.", "Give a CSV or a Parquet file.") from error
    except ImportError as error:
        raise MissingPackage("Parquet files need pyarrow.", "pip install pyarrow") from error


def is_file(name: str | Path) -> bool:
    """Tell whether a name means a data file rather than something in the store."""
    return Path(name).suffix in SUFFIXES


def require(frame: pd.DataFrame, column: str | None, role: str) -> None:
    """Raise where a column someone named is not in the frame."""
    if column is not None and column not in frame.columns:
        from nbmlops.errors import unknown

        error = unknown(f"{role} column", column, list(frame.columns))
        raise NotFound(error.message.replace("in this project", "in the data"), error.hint)


def holds(column: pd.Series[Any]) -> str:
    """Return what a column holds: numbers, booleans, text, times, mixed or nothing.

    >>> import pandas as pd
    >>> holds(pd.Series([1, 2])), holds(pd.Series(["a", None])), holds(pd.Series([1, "a"], dtype=object))
    ('numbers', 'text', 'mixed')
    """
    import pandas as pd

    if not len(column) or column.isna().all():
        return "nothing"
    if isinstance(column.dtype, pd.CategoricalDtype):
        return HOLDS.get(pd.api.types.infer_dtype(column.cat.categories), "mixed")
    return HOLDS.get(pd.api.types.infer_dtype(column, skipna=True), "mixed")


def numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a column as floats; what is missing or no number is NaN, a duration is in seconds."""
    import pandas as pd

    if pd.api.types.is_timedelta64_dtype(column.dtype):
        seconds: NDArray[np.float64] = column.dt.total_seconds().to_numpy(dtype=np.float64)
        return seconds
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    loose = pd.to_numeric(column.astype(object).where(column.notna(), None), errors="coerce")
    return loose.to_numpy(dtype=np.float64, na_value=np.nan)


def times(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as UTC times; what is no time is missing."""
    import pandas as pd

    return pd.to_datetime(column, errors="coerce", utc=True)


def names(column: pd.Series[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Return each value's place in the list of distinct values (-1 is missing), and that list as text.

    A whole number is one text, however it is stored: 1, 1.0 and "1" are the same name.
    """
    import pandas as pd

    try:
        codes, distinct = pd.factorize(column)
    except TypeError:  # lists and dicts cannot be hashed
        codes, distinct = pd.factorize(column.astype(object).map(repr, na_action="ignore"))
    return codes.astype(np.int64), [_name(value) for value in distinct]


def _name(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _converted(data: Any) -> pd.DataFrame:
    import pandas as pd

    if hasattr(data, "to_pandas"):
        try:
            frame = data.to_pandas()
        except ImportError as error:
            raise MissingPackage(
                f"A {type(data).__module__} frame needs pyarrow: {error}.", "pip install pyarrow"
            ) from error
        if isinstance(frame, pd.DataFrame):
            return frame
    if isinstance(data, np.ndarray) and data.ndim in (1, 2) and data.size:
        return pd.DataFrame(data)
    if type(data).__name__ == "LazyFrame" and hasattr(data, "collect"):
        return _converted(data.collect())
    raise Invalid(f"A {type(data).__name__} is no frame.", "Give a pandas or polars DataFrame, or a file's path.")
