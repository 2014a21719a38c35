"""Predictions as a file that appears whole: written in parts beside its place, then renamed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from nbmlops.errors import Invalid, MissingPackage, NbmlopsError, NotFound
from nbmlops.monitoring.predicting.behind import Behind
from nbmlops.store.folder import partial_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Output", "written"]

FORMATS = (".csv", ".parquet", ".pq")
ODD = re.compile('[,"\r\n]')  # what has to be quoted in CSV


class Output:
    """A file on its way; :meth:`add` writes behind the caller's back.

    Parameters
    ----------
    writer : object
        Writes frames, and ends the file.
    """

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self._behind = Behind("output")

    def add(self, frame: pd.DataFrame) -> None:
        """Write the rows of a frame behind those before; all have the same columns."""
        self._behind.do(self._writer.write, frame)

    def end(self) -> None:
        """Wait until everything is written."""
        self._behind.results()
        self._writer.close()

    def close(self) -> None:
        """End the thread."""
        self._behind.close()


@contextmanager
def written(path: Path, before: Callable[[], object]) -> Iterator[Output]:
    """Yield a file to write, which gets its name when the block ends well.

    Parameters
    ----------
    path : Path
        CSV or Parquet by its ending; replaced where it is there.
    before : callable
        What is done when everything is written and synced, and before the file has its name.

    Raises
    ------
    Invalid
        Another ending.
    NotFound
        There is no such folder.
    NbmlopsError
        It cannot be written.
    """
    make = _writer_of(path)
    try:
        with partial_file(path.absolute().parent, 0o666) as (file, partial):
            output = Output(make(file))
            try:
                yield output
                output.end()
            finally:
                output.close()
            file.flush()
            os.fsync(file.fileno())
            before()
            partial.replace(path)
    except NbmlopsError:
        raise
    except OSError as error:
        raise NbmlopsError(f"{path} cannot be written: {error.strerror or error}.", "Nothing was written.") from error


class _Writer(Protocol):
    def write(self, frame: pd.DataFrame) -> None: ...
    def close(self) -> None: ...


def _writer_of(path: Path) -> Callable[[BinaryIO], _Writer]:
    if path.suffix not in FORMATS:
        raise Invalid(f"{path.name} is neither CSV nor Parquet.", "Name a file that ends in .csv or .parquet.")
    if not path.absolute().parent.is_dir():
        raise NotFound(f"There is no folder {str(path.parent)!r}.", "Make it first.")
    if path.is_dir():
        raise Invalid(f"{path} is a folder.", "Name a file.")
    return _Csv if path.suffix == ".csv" else _Parquet


class _Csv:
    """As pandas writes it, in a third of the time: these columns are of few kinds."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.begun = file, False

    def write(self, frame: pd.DataFrame) -> None:
        """Write rows, the names before the first."""
        if not self.begun:
            self.begun = True
            self.file.write((",".join(_quoted(str(name)) for name in frame.columns) + "\n").encode())
        if len(frame):
            lines = map(",".join, zip(*(_texts(frame[name]) for name in frame.columns), strict=True))
            self.file.write(("\n".join(lines) + "\n").encode())

    def close(self) -> None:
        """Nothing ends a CSV file."""


def _texts(column: pd.Series[Any]) -> Iterable[str]:
    """Return values as CSV has them; missing is nothing."""
    values = column.tolist()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
        return map(str, values)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        return map(repr, values) if not column.hasnans else ["" if v != v else repr(v) for v in values]
    texts = ["" if v is None or v != v else str(v) for v in values]
    return [_quoted(text) for text in texts] if ODD.search("".join(texts)) else texts


def _quoted(text: str) -> str:
    if not ODD.search(text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


class _Parquet:
    def __init__(self, file: BinaryIO) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise MissingPackage("Parquet files need pyarrow.", "pip install pyarrow") from error
        self.file, self.arrow = file, pyarrow
        self.writer: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        """Write rows as one row group."""
        frame = _with_text_keys(frame)
        table = self.arrow.Table.from_pandas(frame, schema=self._schema(frame), preserve_index=False)
        if self.writer is None:
            self.writer = self.arrow.parquet.ParquetWriter(self.file, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        """Write the file's end."""
        if self.writer is not None:
            self.writer.close()

    def _schema(self, frame: pd.DataFrame) -> Any:
        """Return the types of the first rows, ids and keys as text also where there are none."""
        if self.writer is not None:
            return self.writer.schema
        found = self.arrow.Schema.from_pandas(frame, preserve_index=False).remove_metadata()
        for place in range(found.get_field_index("prediction_id") + 1):
            found = found.set(place, self.arrow.field(found.names[place], self.arrow.string()))
        return found


def _with_text_keys(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the key before the ids as text: the first rows may have none to know its type by."""
    from nbmlops.monitoring.returning.matching import keys

    names = frame.columns[: frame.columns.get_loc("prediction_id")]
    return frame.assign(**{str(name): keys(frame[name]) for name in names})
