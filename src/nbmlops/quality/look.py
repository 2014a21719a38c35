"""Take what a user has as a frame, and say what each column holds."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid, MissingPackage, NotFound
from nbmlops.quality import moments

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Dataset",
    "as_frame",
    "dataset",
    "holds",
    "is_file",
    "names",
    "no_shift",
    "numbers",
    "read",
    "read_csv",
    "require",
    "times",
]

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
NO_TEXT = ("integer", "floating", "mixed-integer", "mixed-integer-float", "decimal", "boolean", "datetime64")


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
    """Return a CSV or Parquet file, or a folder of Parquet files, as a frame.

    Raises
    ------
    NotFound
        There is no such file, or the folder has no Parquet file.
    Invalid
        The file is neither CSV nor Parquet, or damaged.
    """
    import pandas as pd

    path = Path(path)
    if path.is_dir():
        return dataset(path).read()
    if not path.is_file():
        raise NotFound(f"No frame or file {str(path)!r}.", "Name a variable, or a CSV or Parquet file.")
    try:
        return pd.read_parquet(path) if path.suffix in (".parquet", ".pq") else read_csv(path, low_memory=False)
    except (ValueError, OSError) as error:  # ParserError, EmptyDataError, UnicodeDecodeError, ArrowInvalid
        first = str(error).strip().splitlines()[0]
        raise Invalid(f"{path.name} cannot be read: {first}.", "Give a CSV or a Parquet file.") from error
    except ImportError as error:
        raise MissingPackage("Parquet files need pyarrow.", "pip install pyarrow") from error


def read_csv(path: str | Path, **more: Any) -> pd.DataFrame:
    """Return a CSV file as a frame; a line with more values than the header has names is an error, never shifted.

    Raises
    ------
    ValueError
        Of pandas, or for such a line.
    """
    import pandas as pd

    with no_shift():
        frame: pd.DataFrame = pd.read_csv(path, index_col=False, **more)
    return frame


@contextmanager
def no_shift() -> Iterator[None]:
    """Make an error of pandas' warning that values of a line were cut off for want of names."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            yield
        except pd.errors.ParserWarning as warning:
            raise ValueError("lines have more values than the header has names") from warning


@dataclass(frozen=True)
class Dataset:
    """Parquet files with the same columns, opened and not yet read.

    Attributes
    ----------
    name : str
        Of the file or folder, for errors.
    found : pyarrow.dataset.Dataset
    """

    name: str
    found: Any

    @property
    def rows(self) -> int:
        """All rows, from the files' ends."""
        with _readable(self.name):
            return int(self.found.count_rows())

    def read(self) -> pd.DataFrame:
        """Return all rows as one frame."""
        with _readable(self.name):
            frame: pd.DataFrame = self.found.to_table().to_pandas()
            return frame

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Read so many rows at a time, file by file and row group by row group, nothing ahead of that.

        Parameters
        ----------
        rows : int
        columns : sequence of str, optional
            These alone.
        """
        from pyarrow.parquet import ParquetFile

        wanted = self.found.schema.names if columns is None else list(columns)
        with _readable(self.name):
            for path in self.found.files:
                with ParquetFile(path, pre_buffer=False) as file:
                    for batch in file.iter_batches(rows, columns=wanted, use_threads=False):
                        if batch.num_rows:
                            yield batch.to_pandas()


def dataset(path: Path) -> Dataset:
    """Open a Parquet file, or all in a folder and those below.

    Raises
    ------
    NotFound
        The folder has no Parquet file.
    Invalid
        A file is damaged, or has other columns than the first.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise NotFound(f"No Parquet file in {path.name!r}.", "Name a file, or a folder of Parquet files.")
    try:
        import pyarrow.dataset
    except ImportError as error:
        raise MissingPackage("Parquet files need pyarrow.", "pip install pyarrow") from error
    with _readable(files[0].name if len(files) == 1 else path.name):
        found = pyarrow.dataset.dataset([str(file) for file in files], format="parquet")
        names = {*found.schema.names}
        for part in found.get_fragments() if len(files) > 1 else ():
            if odd := sorted(names ^ {*part.physical_schema.names}):
                raise Invalid(
                    f"{Path(part.path).name} and {files[0].name} differ in column {odd[0]!r}.",
                    "Give Parquet files with the same columns.",
                )
    return Dataset(path.name, found)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Say of what cannot be read which file it is."""
    try:
        yield
    except Invalid:
        raise
    except (OSError, ValueError, TypeError, NotImplementedError) as error:  # what pyarrow raises derives from these
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Invalid(f"{name} cannot be read: {first}.", "Give Parquet files with the same columns.") from error


def is_file(name: str | Path) -> bool:
    """Tell whether a name means a data file, or a folder of some, rather than something in the store."""
    path = Path(name)
    return path.suffix in SUFFIXES or (path.is_dir() and any(path.rglob("*.parquet")))


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
    loose = column.astype(object).where(column.notna(), None)
    try:
        return pd.to_numeric(loose, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    except OverflowError:
        return np.array([_float(value) for value in loose], dtype=np.float64)


def times(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as UTC times; what is no time is missing."""
    import pandas as pd

    if pd.api.types.infer_dtype(column, skipna=True) in NO_TEXT:
        return moments.read(column)
    found = moments.read(column, "ISO8601")  # each by itself, not as the first
    if not (other := found.isna() & column.notna()).any():
        return found
    guessed = moments.read(column.where(other))
    if found.isna().all() or guessed.isna().all():
        return guessed if found.isna().all() else found
    return moments.read(found.astype(object).where(~other, guessed.astype(object)))


def names(column: pd.Series[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Return each value's place in the list of distinct values (-1 is missing), and that list as text.

    A whole number is one text, however it is stored: 1, 1.0 and "1" are the same name.
    """
    import pandas as pd

    try:
        codes, distinct = pd.factorize(column)
    except (TypeError, NotImplementedError, OverflowError):  # lists, dicts and nested Arrow values; beyond a float
        codes, distinct = pd.factorize(column.astype(object).map(repr, na_action="ignore"))
    return codes.astype(np.int64), [_name(value) for value in distinct]


def _float(value: Any) -> float:
    """Return a value as a float: a whole number too large for it is infinite, what is no number NaN."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
    except (TypeError, ValueError):
        return np.nan


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
    if type(data).__name__ == "RecordBatchReader" and hasattr(data, "read_all"):
        return _converted(data.read_all())
    if type(data).__module__.partition(".")[0] in ("dask", "dask_expr") and isinstance(
        frame := data.compute(), pd.DataFrame
    ):
        return frame
    raise Invalid(f"A {type(data).__name__} is no frame.", "Give a pandas or polars DataFrame, or a file's path.")
