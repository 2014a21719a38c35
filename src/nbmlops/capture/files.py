"""Files read and written while something is tracked: which, and what their bytes are.

The readers and writers people use are replaced by ones that report the path after they succeeded; what they are given
and what they return is untouched. A file's fingerprint is that of its bytes, so that whoever wrote it and whoever reads
it agree, whatever library either used.
"""

from __future__ import annotations

import functools
import io
import os
import sys
from pathlib import Path
from typing import Any

from nbmlops.capture import secrets, watch
from nbmlops.capture.data import describe, is_data
from nbmlops.records import Dataset

__all__ = ["describe_file", "patches"]

READ_BYTES = 2**20
MOST_BYTES = 256 * 2**20  # of a larger file size and time of change stand for the bytes
READERS = {
    "pandas": ("read_csv", "read_parquet", "read_json", "read_excel", "read_feather", "read_pickle", "read_table"),
    "polars": ("read_csv", "read_parquet", "read_json", "read_ndjson", "read_ipc", "scan_csv", "scan_parquet"),
    "numpy": ("load", "loadtxt", "genfromtxt", "fromfile"),
    "pyarrow.parquet": ("read_table",),
    "pyarrow.csv": ("read_csv",),
    "pyarrow.feather": ("read_table", "read_feather"),
    "joblib": ("load",),
}
WRITERS = {
    "numpy": (("save", 0), ("savez", 0), ("savez_compressed", 0), ("savetxt", 0)),
    "pyarrow.parquet": (("write_table", 1),),
    "joblib": (("dump", 1),),
}  # the function, and the place of the path among its arguments
METHODS = {
    "pandas": ("DataFrame", ("to_csv", "to_parquet", "to_json", "to_excel", "to_feather", "to_pickle")),
    "polars": ("DataFrame", ("write_csv", "write_parquet", "write_json", "write_ndjson", "write_ipc")),
    "matplotlib.figure": ("Figure", ("savefig",)),
}
OURS = "nbmlops."
MACHINE = ("/proc/", "/sys/", "/dev/")  # what the system says of itself is no data
PASS_ON = ("pathlib", "IPython.core.interactiveshell")
PATHS = ("path", "path_or_buf", "filepath_or_buffer", "io", "source", "file", "fname", "filename", "where", "fid")


def patches(module: str) -> list[watch.Patch]:
    """Return what of a library is replaced while something is tracked.

    Parameters
    ----------
    module : str
        A module that is imported.
    """
    library = sys.modules[module]
    if module == "builtins":
        shell = sys.modules.get("IPython.core.interactiveshell")  # its `open` of the notebook calls one of its own
        opened: list[watch.Patch] = [(library, "open", _opening), (io, "open", _opening)]  # pathlib calls the second
        return [*opened, (shell, "io_open", _opening)] if hasattr(shell, "io_open") else opened
    found: list[watch.Patch] = [(library, n, _reader) for n in READERS.get(module, ()) if n in vars(library)]
    found += [(library, n, functools.partial(_writer, at)) for n, at in WRITERS.get(module, ()) if n in vars(library)]
    kind, methods = METHODS.get(module, ("", ()))
    owners = [c for c in getattr(library, kind).__mro__ if c is not object] if kind else []
    first = {n: next((c for c in owners if n in vars(c)), None) for n in methods}
    return found + [(owner, n, functools.partial(_writer, 1)) for n, owner in first.items() if owner is not None]


def describe_file(path: str, role: Any, value: Any = None) -> Dataset:
    """Return what a file is: its name, the fingerprint of its bytes, rows and columns where they are known.

    Parameters
    ----------
    path : str
    role : {"read", "written"}
    value : object, optional
        The frame that came from it or went into it.

    Returns
    -------
    Dataset
        ``strength`` is *full* where all bytes were read, *shape* where size and time of change stand for them.

    Raises
    ------
    OSError
        There is no such file any more.
    """
    from blake3 import blake3

    known = describe("", value) if value is not None and is_data(value) else None
    about = (known.rows, known.columns) if known else (0, ())
    state = Path(path).stat()
    if state.st_size > MOST_BYTES:
        digest = blake3(f"{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()
        return Dataset(Path(path).name, digest, "shape", *about, role)
    whole = blake3()
    with _plain_open(path) as file:
        while block := file.read(READ_BYTES):
            whole.update(block)
    return Dataset(Path(path).name, whole.hexdigest(), "full", *about, role)


def _plain_open(path: str) -> Any:
    return os.fdopen(os.open(path, os.O_RDONLY), "rb")


def _reader(original: Any) -> Any:
    @functools.wraps(original)
    def read(*args: Any, **kwargs: Any) -> Any:
        sink = watch.current()
        if sink is None:
            return original(*args, **kwargs)
        with watch.inner():
            value = original(*args, **kwargs)
        _report(sink, _path(args, kwargs, 0), "read", value)
        return value

    return read


def _writer(at: int, original: Any) -> Any:
    @functools.wraps(original)
    def write(*args: Any, **kwargs: Any) -> Any:
        sink = watch.current()
        if sink is None:
            return original(*args, **kwargs)
        with watch.inner():
            value = original(*args, **kwargs)
        _report(sink, _path(args, kwargs, at), "written", args[1 - at] if len(args) > 1 - at and at < 2 else None)
        return value

    return write


def _opening(original: Any) -> Any:
    @functools.wraps(original)
    def open(file: Any, mode: Any = "r", *args: Any, **kwargs: Any) -> Any:
        opened = original(file, mode, *args, **kwargs)
        sink = watch.current()
        if sink is not None and isinstance(mode, str) and _is_users(sys._getframe(1)):
            _report(sink, file, "read" if mode.startswith("r") and "+" not in mode else "written", None)
        return opened

    return open


def _is_users(frame: Any) -> bool:
    """Tell whether a file is opened by code of the user's, not by a library on its way; pathlib only passes on."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(PASS_ON):
        frame = frame.f_back
    if frame is None or str(frame.f_globals.get("__name__", "")).startswith(OURS):
        return False
    file = frame.f_code.co_filename
    return "site-packages" not in file and not file.startswith((sys.base_prefix, "<frozen"))


def _path(args: Any, kwargs: Any, at: int) -> Any:
    return args[at] if len(args) > at else next((kwargs[n] for n in PATHS if n in kwargs), None)


def _report(sink: watch.Sink, path: Any, role: str, value: Any) -> None:
    """Report a path of this machine; what lies elsewhere, or in memory, is no file."""
    try:
        if isinstance(path, (str, os.PathLike)) and "://" not in (name := os.fspath(path)):
            path = os.path.abspath(name)  # noqa: PTH100
            if not path.startswith(MACHINE):
                sink.file(secrets.redact(path), role, value if is_data(value) else None)
    except Exception as error:
        sink.error(error)
