"""The rows of a file, a folder or a frame of any size, in parts: what a model takes of them, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.drift import parts
from nbmlops.errors import Invalid, NotFound
from nbmlops.quality import look

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rows", "rows_of"]

Frames = Iterator["pd.DataFrame"]


@dataclass(frozen=True)
class Rows:
    """Rows that are read in parts.

    Attributes
    ----------
    name : str
        How they are called in errors.
    total : int
        How many there are; 0 where that is known only behind the last.
    columns : tuple of str
        All there are, of which ``frames`` may leave some out; empty where that is known only with the first part.
    frames : callable
        Reads them from the beginning.
    first : int
        The number of the first row: 1 in a file.
    texts : bool
        Whether numbers and times may come as text.
    """

    name: str
    total: int
    columns: tuple[str, ...]
    frames: Callable[[], Frames]
    first: int = 1
    texts: bool = False


def rows_of(data: Any, wanted: Sequence[str], as_text: Sequence[str], size: int, dask: bool = False) -> Rows:
    """Return data as rows in parts.

    Parameters
    ----------
    data : path, DataFrame, Dask or lazy frame, Arrow table or record batches
        CSV or Parquet, or a folder of Parquet files; with ``dask`` a pattern or an address too.
    wanted : sequence of str
        Columns to read.
    as_text : sequence of str
        Those of them whose values are text, whatever they look like: a code of 007 stays one.
    size : int
        Rows of a part.
    dask : bool
        Read with Dask, one partition at a time.

    Raises
    ------
    NotFound
        There is no such file.
    Invalid
        It is damaged, or no table.
    """
    if isinstance(data, (str, Path)):
        if dask:
            return _of_dask(str(data), wanted)
        path = Path(data)
        parquet = path.is_dir() or path.suffix in (".parquet", ".pq")
        return _of_parquet(path, wanted, size) if parquet else _of_csv(path, wanted, as_text, size)
    known = parts.parts_of(data)
    if known is not None:
        return Rows(f"this {type(data).__name__}", known.rows, (), known.frames, first=0)
    return _of_frame(data, size)


def _of_frame(data: Any, size: int) -> Rows:
    from nbmlops.registry import inputs

    frame = inputs.table(data)
    cut = [slice(start, start + size) for start in range(0, max(len(frame), 1), size)]
    return Rows("this frame", len(frame), tuple(frame.columns), lambda: (frame.iloc[c] for c in cut), first=0)


def _of_parquet(path: Path, wanted: Sequence[str], size: int) -> Rows:
    if not path.exists():
        raise NotFound(f"{path} cannot be read: there is no such file.", "Name a CSV or Parquet file, or a folder.")
    found = look.dataset(path)
    names = tuple(found.found.schema.names)
    there = [name for name in dict.fromkeys(wanted) if name in names]
    return Rows(path.name, found.rows, names, lambda: _some(found.batches(size, there), there))


def _of_csv(path: Path, wanted: Sequence[str], as_text: Sequence[str], size: int) -> Rows:
    names = _header(path)
    there = [name for name in dict.fromkeys(wanted) if name in names]
    dtype: dict[str, Any] = {name: str for name in as_text if name in there}
    return Rows(path.name, 0, names, lambda: _some(_chunks(path, there, dtype, size), there), texts=True)


def _header(path: Path) -> tuple[str, ...]:
    """Return the names in a CSV file's first line, also those that are there twice."""
    import pandas as pd

    if not path.is_file():
        raise NotFound(f"{path} cannot be read: there is no such file.", "Name a CSV or Parquet file, or a folder.")
    with _readable(path.name):
        return tuple(str(n) for n in pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False).iloc[0])


def _chunks(path: Path, there: list[str], dtype: dict[str, Any], size: int) -> Frames:
    """Yield some columns; all are read, for only so a line with too many values is an error."""
    import pandas as pd

    reader = partial(pd.read_csv, path, dtype=dtype, chunksize=size, low_memory=False, index_col=False)
    with _readable(path.name), reader() as chunks:
        while (chunk := _next(chunks)) is not None:
            yield chunk[there]


def _next(chunks: Frames) -> pd.DataFrame | None:
    with look.no_shift():  # only while it reads: a generator that waits would change the warnings of others
        return next(chunks, None)


def _of_dask(path: str, wanted: Sequence[str]) -> Rows:
    frame = parts.with_dask(path)
    names = tuple(str(name) for name in frame.columns)
    there = [name for name in dict.fromkeys(wanted) if name in names]
    return Rows(path, 0, names, lambda: _some(_partitions(frame[there], path), there), texts=True)


def _partitions(frame: Any, path: str) -> Frames:
    with _readable(path):
        yield from (part.compute() for part in frame.to_delayed())


def _some(frames: Frames, names: Sequence[str]) -> Frames:
    """Yield frames, an empty one where there is none: columns are checked in any case."""
    import pandas as pd

    first = next(frames, None)
    yield pd.DataFrame(columns=list(names)) if first is None else first
    yield from frames


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:  # ParserError, EmptyDataError, UnicodeDecodeError
        if isinstance(error, Invalid):
            raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise Invalid(f"{name} cannot be read: {first}.", "Give a CSV or a Parquet file.") from error
