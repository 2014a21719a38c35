"""Data in parts: Parquet files and folders, record batches, lazy and Dask frames; never whole in memory.

Two passes where data can be read again: the first draws rows for the edges and finds the extremes, the second counts.
What can be read once only takes its edges from the rows that come first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from nbmlops.errors import Invalid, MissingPackage, NotFound
from nbmlops.quality import look
from nbmlops.stats import counts

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.drift.columns import Column

__all__ = ["Parts", "begun", "counted", "parts_of", "planned", "tree", "widened", "with_dask"]

BATCH_ROWS = 65_536
LARGE_ROWS = 2_000_000  # of a file; a smaller one is read whole
Frames = Iterator["pd.DataFrame"]
T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """Frames with the same columns, one in memory at a time.

    Attributes
    ----------
    rows : int
        All rows; 0 where that is not known before they are read.
    frames : callable
        Begins to read; each call begins anew, unless ``once``.
    """

    rows: int
    frames: Callable[[], Frames]
    once: bool = False


def parts_of(data: Any) -> Parts | None:
    """Return data as parts; None where it is one frame that fits into memory anyway.

    Parameters
    ----------
    data : path, pyarrow Table or RecordBatchReader, polars LazyFrame, Dask DataFrame, or anything else
        A folder holds Parquet files.

    Raises
    ------
    NotFound
        A folder without a Parquet file.
    MissingPackage
        A Parquet folder, and no pyarrow.
    """
    if isinstance(data, (str, Path)):
        return _of_files(Path(data))
    library, kind = type(data).__module__.partition(".")[0], type(data).__name__
    if library == "pyarrow" and kind == "RecordBatchReader":
        return Parts(0, lambda: (batch.to_pandas() for batch in data if batch.num_rows), once=True)
    if library == "pyarrow" and kind == "Table":
        return Parts(data.num_rows, lambda: _of_batches(data.to_batches(BATCH_ROWS)))
    if library == "polars" and kind == "LazyFrame":
        return Parts(0, lambda: _of_lazy(data))
    if _is_dask(data):
        return Parts(0, lambda: (part.compute() for part in data.to_delayed()))
    return None


def begun(parts: Parts) -> tuple[pd.DataFrame, Frames]:
    """Return the first rows of what can be read once, enough to fix edges, and all of it from the beginning."""
    import pandas as pd

    frames, first, rows = parts.frames(), [], 0
    while rows < counts.SAMPLE_ROWS and (part := next(frames, None)) is not None:
        first.append(part)
        rows += len(part)
    head = pd.concat(first, ignore_index=True) if first else pd.DataFrame()
    return head.iloc[: counts.SAMPLE_ROWS], chain(first, frames)


def planned(parts: Parts) -> tuple[pd.DataFrame, dict[str, tuple[float, float]]]:
    """Read data through once; return every n-th row, at most 50,000, and the extremes of each numeric column."""
    import pandas as pd

    total = parts.rows or sum(len(part) for part in parts.frames())
    every, seen = max(1, -(-total // counts.SAMPLE_ROWS)), 0
    drawn: list[pd.DataFrame] = []
    extremes: dict[str, tuple[float, float]] = {}
    for part in map(look.as_frame, parts.frames()):
        drawn.append(part.iloc[-seen % every :: every].copy())  # a view would keep all of the part
        seen += len(part)
        _widen(extremes, part)
    return (pd.concat(drawn, ignore_index=True) if drawn else pd.DataFrame()), extremes


def widened(column: Column, values: pd.Series[Any], extremes: tuple[float, float] | None) -> Column:
    """Return a column planned on drawn rows with the extremes of all of them."""
    if extremes is None or column.kind not in ("numeric", "boolean"):
        return column
    low, high = extremes
    if column.kind == "numeric" and isinstance(column.bins, counts.NumericBins):
        return replace(column, bins=replace(column.bins, low=low, high=high))
    if low < 0 or high > 1:  # the rows that were drawn were 0 and 1 by chance
        return replace(column, kind="numeric", bins=counts.numeric_bins(look.numbers(values), low, high), distinct=None)
    return column


def with_dask(path: str) -> Any:
    """Return files as a Dask frame, which reads one partition when it is asked for: CSV as text, or Parquet.

    Parameters
    ----------
    path : str
        A file, a folder of Parquet files, a pattern such as ``2013-*.csv``, or an address Dask reads.

    Raises
    ------
    MissingPackage
        No Dask with its frames.
    NotFound
        No such file.
    Invalid
        It cannot be read.
    """
    try:
        import dask.dataframe as dd
    except ImportError as error:
        raise MissingPackage(
            f"Reading with Dask needs its frames: {error}.", "pip install 'dask[dataframe]'"
        ) from error
    try:
        if path.endswith((".parquet", ".pq")) or Path(path).is_dir():
            return dd.read_parquet(path)
        return dd.read_csv(
            path, dtype=str, blocksize=None if path.endswith((".gz", ".zip", ".bz2", ".xz")) else "default"
        )
    except (OSError, ValueError) as error:  # what Dask says is its last line
        said = (str(error).strip() or type(error).__name__).splitlines()[-1].rstrip(".")
        if isinstance(error, FileNotFoundError) or "no files" in said:
            raise NotFound(f"{path} cannot be read: there is no such file.", "Name CSV or Parquet files.") from error
        raise Invalid(f"{path} cannot be read: {said}.", "Name CSV or Parquet files.") from error


def tree(items: Iterable[T], join: Callable[[T, T], T]) -> T:
    """Join neighbours until one is left: as few roundings, and as few steps one after another, as can be.

    >>> tree(["a", "b", "c", "d", "e"], lambda left, right: f"({left}{right})")
    '(((ab)(cd))e)'
    """
    level = list(items)
    while len(level) > 1:
        pairs = [join(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]


def counted(data: Any, frames: Iterable[Any], count: Callable[[Any], T], join: Callable[[T, T], T]) -> T | None:
    """Count every part and join the counts; the parts of a Dask frame are counted where they lie. None where none is.

    Parameters
    ----------
    data : object
        What the parts came from.
    frames : iterable of DataFrame
    count, join : callable
        Of one part; of the counts of two.
    """
    if _is_dask(data):
        dask = sys.modules["dask"]
        made = tree([dask.delayed(count)(part) for part in data.to_delayed()], dask.delayed(join))
        return cast("T", made.compute())
    found = [count(look.as_frame(part)) for part in frames]
    return tree(found, join) if found else None


def _is_dask(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] in ("dask", "dask_expr") and hasattr(data, "to_delayed")


def _widen(extremes: dict[str, tuple[float, float]], part: pd.DataFrame) -> None:
    """Take in the extremes of the numeric columns of one part."""
    for name in part.columns:
        kind = getattr(part[name].dtype, "kind", "O")
        if kind not in "iuf" and str(part[name].dtype).lower().rstrip("0123456789") not in ("int", "uint", "float"):
            continue
        values = look.numbers(part[name])
        finite = values[np.isfinite(values)]
        if len(finite):
            low, high = extremes.get(name, (np.inf, -np.inf))
            extremes[name] = (min(low, float(finite.min())), max(high, float(finite.max())))


def _of_files(path: Path) -> Parts | None:
    if not path.is_dir() and not (path.suffix in (".parquet", ".pq") and path.is_file()):
        return None
    found = look.dataset(path)
    rows = found.rows
    if not path.is_dir() and rows < LARGE_ROWS:
        return None
    return Parts(rows, lambda: found.batches(BATCH_ROWS))


def _of_lazy(data: Any) -> Frames:
    """Yield the parts of a lazy frame; polars before 1.34 collects it whole."""
    if hasattr(data, "collect_batches"):
        parts = data.collect_batches(chunk_size=BATCH_ROWS)
    else:
        parts = data.collect().iter_slices(BATCH_ROWS)
    yield from (part.to_pandas() for part in parts)


def _of_batches(batches: Iterable[Any]) -> Frames:
    yield from (batch.to_pandas() for batch in batches if batch.num_rows)
