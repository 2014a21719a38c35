"""A value as a node, ``[tag, payload]``, and back: data only, never a pickle.

What has an identity (a list, a frame, a model) is written once and referred to, so that two names of one object are two
names of one object again.
"""

from __future__ import annotations

import base64
import datetime
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from nbmlops.capture.secrets import MASK, Secret, redact_value

__all__ = ["Reader", "Unkept", "Writer"]

LONGEST = 8  # bytes of a number
MOST_OBJECTS = 1_000_000  # items of an array of Python objects
GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
PLAIN = (type(None), bool, int, float, str)
ITEMS: Mapping[str, Callable[[Iterable[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}
ISO: Mapping[str, Any] = {"date": datetime.date, "datetime": datetime.datetime, "time": datetime.time}


class Unkept(Exception):
    """Why a value is not kept."""


class Writer:
    """Writes values as nodes, and what is large into files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: list[Any] = []
        self._count = count()
        self._known: dict[int, int | Unkept] = {}
        self._held: list[Any] = []  # so that no id is given twice

    def node(self, name: str, value: Any) -> list[Any]:
        """Return the node of a value that goes by a name."""
        if isinstance(value, Secret):
            return ["secret", value.name]
        kind = type(value)
        if kind in PLAIN:
            return ["plain", _open(name, value)]
        if (iso := next((tag for tag, one in ISO.items() if kind is one), None)) is not None:
            return [iso, value.isoformat()]
        if isinstance(value, Path):
            return ["path", _open(name, str(value))]
        if kind is bytes:
            _open(name, value.decode("latin-1"))
            return ["bytes", base64.b64encode(value).decode()]
        if kind.__module__ == "numpy" and _is_number(value):
            return ["number", [value.dtype.str, value.item()]]
        return ["is", self._object(name, value)]

    def _object(self, name: str, value: Any) -> int:
        known = self._known.get(id(value))
        if isinstance(known, Unkept):
            raise known
        if known is not None:
            return known
        self._held.append(value)
        self._known[id(value)] = Unkept("it holds itself")
        try:
            node = self._written(name, value)
        except Unkept as why:
            self._known[id(value)] = why
            raise
        self.objects.append(node)
        self._known[id(value)] = len(self.objects) - 1
        return len(self.objects) - 1

    def _written(self, name: str, value: Any) -> list[Any]:
        kind = type(value)
        if kind.__name__ in ITEMS and kind.__module__ == "builtins":
            return [kind.__name__, [self.node(name, item) for item in value]]
        if kind is dict:
            return ["dict", [[self.node("", k), self.node(str(k), v)] for k, v in value.items()]]
        for module, write in WRITERS.items():
            if module in sys.modules and (node := write(self, value)) is not None:
                return node
        raise Unkept(f"it is a {kind.__module__}.{kind.__qualname__}")

    def file(self, suffix: str) -> Path:
        """Return a path nothing is at yet."""
        return self.folder / f"{next(self._count)}.{suffix}"


def _open(name: str, value: Any) -> Any:
    """Return a value that may be written: it is no secret."""
    shown = redact_value(name, value)
    if (shown is not value and shown != value) or value == MASK:  # NaN differs from itself
        raise Unkept("it is secret")
    return value


def _is_number(value: Any) -> bool:
    """Tell whether it is one number of NumPy's that JSON can hold."""
    return getattr(value, "shape", None) == () and value.dtype.kind in "biuf" and value.dtype.itemsize <= LONGEST


def _numpy(writer: Writer, value: Any) -> list[Any] | None:
    import numpy as np

    if type(value) is np.random.Generator:
        return _generator(writer, value)
    if type(value) is not np.ndarray:
        return None
    if value.dtype.hasobject:
        if value.dtype.names or value.size > MOST_OBJECTS:
            raise Unkept("it is an array of Python objects")
        return ["objects", [list(value.shape), [writer.node("", item) for item in value.ravel()]]]
    path = writer.file("npz")
    np.savez(path, value=value)
    return ["array", path.name]


def _generator(writer: Writer, value: Any) -> list[Any]:
    name = type(value.bit_generator).__name__
    if name not in GENERATORS:
        raise Unkept(f"it draws from {name}")
    return ["generator", [name, writer.node("", value.bit_generator.state)]]


def _pandas(writer: Writer, value: Any) -> list[Any] | None:
    import pandas as pd

    if type(value) is pd.DataFrame:
        return ["frame", _parquet(writer, value)]
    if type(value) is pd.Series:
        named = value.to_frame(name="value")
        return ["series", [_parquet(writer, named), writer.node("", value.name)]]
    if type(value) is pd.Index:
        return ["index", [_parquet(writer, value.to_frame(index=False, name="value")), writer.node("", value.name)]]
    if type(value) in (pd.Timestamp, pd.Timedelta):
        text = value.isoformat()
        same = type(value)(text) == value and getattr(value, "tz", None) is None
        return [type(value).__name__.lower(), text] if same else None
    return None


def _parquet(writer: Writer, frame: Any) -> str:
    """Write a frame and look whether it comes back equal."""
    try:
        import pyarrow
    except ImportError:
        raise Unkept("frames are kept as Parquet, which needs pyarrow: pip install pyarrow") from None
    from pandas import read_parquet
    from pandas.testing import assert_frame_equal

    path = writer.file("parquet")
    try:
        frame.to_parquet(path, engine="pyarrow")
        assert_frame_equal(read_parquet(path, engine="pyarrow"), frame, check_exact=True, check_freq=False)
    except (AssertionError, ValueError, TypeError, OverflowError, NotImplementedError, pyarrow.ArrowException):
        path.unlink(missing_ok=True)
        raise Unkept("it does not come back equal from Parquet") from None
    return path.name


def _polars(writer: Writer, value: Any) -> list[Any] | None:
    import polars as pl

    if type(value) is not pl.DataFrame:
        return None
    path = writer.file("parquet")
    value.write_parquet(path)
    if not pl.read_parquet(path).equals(value):
        raise Unkept("it does not come back equal from Parquet")
    return ["polars", path.name]


def _sklearn(writer: Writer, value: Any) -> list[Any] | None:
    if not (hasattr(value, "get_params") and hasattr(value, "fit")):
        return None
    from nbmlops.errors import NbmlopsError
    from nbmlops.registry import files

    try:
        data, trusted = files.dump(value)
    except (NbmlopsError, ImportError) as error:
        raise Unkept(f"it cannot be written as data: {error}") from None
    path = writer.file("skops")
    path.write_bytes(data)
    return ["model", [path.name, trusted]]


WRITERS: Mapping[str, Callable[[Writer, Any], list[Any] | None]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "sklearn": _sklearn,
}


class Reader:
    """Makes values of nodes; an object that is referred to twice is made once."""

    def __init__(self, folder: Path, objects: list[Any]) -> None:
        self.folder = folder
        self.objects = objects
        self._made: dict[int, Any] = {}

    def value(self, node: list[Any]) -> Any:
        """Return what a node stands for."""
        tag, load = node
        if tag == "is":
            if load not in self._made:
                self._made[load] = self.value(self.objects[load])
            return self._made[load]
        if tag in ITEMS:
            return ITEMS[tag](self.value(item) for item in load)
        if tag == "dict":
            return {self.value(key): self.value(item) for key, item in load}
        if tag in ISO:
            return ISO[tag].fromisoformat(load)
        return READERS[tag](self, load)


def _read_plain(_: Reader, load: Any) -> Any:
    return load


def _read_array(reader: Reader, load: str) -> Any:
    import numpy as np

    with np.load(reader.folder / load, allow_pickle=False) as held:
        return held["value"]


def _read_objects(reader: Reader, load: list[Any]) -> Any:
    import numpy as np

    shape, nodes = load
    array = np.empty(len(nodes), dtype=object)
    for at, node in enumerate(nodes):
        array[at] = reader.value(node)
    return array.reshape(shape)


def _read_number(_: Reader, load: list[Any]) -> Any:
    import numpy as np

    return np.dtype(load[0]).type(load[1])


def _read_generator(reader: Reader, load: list[Any]) -> Any:
    import numpy as np

    generator = np.random.Generator(getattr(np.random, load[0])())
    generator.bit_generator.state = reader.value(load[1])
    return generator


def _read_frame(reader: Reader, load: str) -> Any:
    import pandas as pd

    return pd.read_parquet(reader.folder / load, engine="pyarrow")


def _read_series(reader: Reader, load: list[Any]) -> Any:
    return _read_frame(reader, load[0])["value"].rename(reader.value(load[1]))


def _read_index(reader: Reader, load: list[Any]) -> Any:
    import pandas as pd

    return pd.Index(_read_frame(reader, load[0])["value"]).rename(reader.value(load[1]))


def _read_polars(reader: Reader, load: str) -> Any:
    import polars as pl

    return pl.read_parquet(reader.folder / load)


def _read_model(reader: Reader, load: list[Any]) -> Any:
    from nbmlops.registry import files

    return files.load((reader.folder / load[0]).read_bytes(), load[1], "a checkpoint")


def _read_moment(name: str) -> Callable[[Reader, Any], Any]:
    def read(_: Reader, load: str) -> Any:
        import pandas as pd

        return getattr(pd, name)(load)

    return read


READERS: Mapping[str, Callable[[Reader, Any], Any]] = {
    "plain": _read_plain,
    "bytes": lambda _, load: base64.b64decode(load),
    "secret": lambda _, load: Secret(load),
    "path": lambda _, load: Path(load),
    "number": _read_number,
    "array": _read_array,
    "objects": _read_objects,
    "generator": _read_generator,
    "frame": _read_frame,
    "series": _read_series,
    "index": _read_index,
    "polars": _read_polars,
    "model": _read_model,
    "timestamp": _read_moment("Timestamp"),
    "timedelta": _read_moment("Timedelta"),
}
