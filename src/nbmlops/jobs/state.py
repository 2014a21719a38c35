"""The values of a kernel as files, and back: data only, never a pickle. Runs inside the kernel.

A value is written as a node, ``[tag, payload]``. What has an identity (a list, a frame, a model) is written once and
referred to, so that two names of one object are two names of one object again.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import random
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from nbmlops.capture.names import OF_IPYTHON
from nbmlops.capture.secrets import MASK, Secret, redact_value

__all__ = ["FILE", "VERSION", "Unkept", "prepare", "restore", "save"]

FILE, VERSION = "state.json", 1
LONGEST = 8  # bytes of a number
MOST_OBJECTS = 1_000_000  # items of an array of Python objects
CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
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


def save(shell: Any, folder: str) -> None:
    """Write what the user's names stand for; what cannot be kept is named with the reason.

    Parameters
    ----------
    shell : InteractiveShell
    folder : str
        Is there, and empty. ``state.json`` comes last.
    """
    hidden = shell.user_ns_hidden
    names = {
        name: value
        for name, value in shell.user_ns.items()
        if not OF_IPYTHON.match(name) and not (name in hidden and hidden[name] is value) and not name.startswith("__")
    }
    writer = _Writer(Path(folder))
    kept, left = {}, {}
    code = sorted(name for name, value in names.items() if isinstance(value, CODE))
    for name in names.keys() - set(code):
        try:
            kept[name] = writer.node(name, names[name])
        except Unkept as why:
            left[name] = str(why)
        except OSError:
            raise
        except Exception as error:  # what an odd object raises when it is looked at
            left[name] = f"{type(error).__name__} when it was looked at"
    state = {"version": VERSION, "names": kept, "left": left, "code": code, "chance": _chance(writer)}
    state["defaults"] = _defaults(writer, names)
    state |= {"objects": writer.objects, "folder": str(Path.cwd()), "path": list(sys.path)}
    Path(folder, FILE).write_text(json.dumps(state), encoding="utf-8")


def prepare(shell: Any, folder: str, names: bool) -> None:
    """Make ready for cells that run again: working folder, where modules are found, and, where asked, every name.

    Parameters
    ----------
    shell : InteractiveShell
    folder : str
        As :func:`save` wrote it.
    names : bool
    """
    state = _read(folder)
    os.chdir(state["folder"])
    sys.path[:] = [*state["path"], *(p for p in sys.path if p not in state["path"])]
    if names:
        shell.user_ns.update(_values(_Reader(Path(folder), state["objects"]), state["names"]))


def restore(shell: Any, folder: str) -> None:
    """Give names the values they had, functions the default arguments they had, and let random numbers go on.

    Parameters
    ----------
    shell : InteractiveShell
    folder : str
        As :func:`save` wrote it.
    """
    state = _read(folder)
    reader = _Reader(Path(folder), state["objects"])
    shell.user_ns.update(_values(reader, state["names"]))
    for name, nodes in state["defaults"].items():
        if isinstance(function := shell.user_ns.get(name), types.FunctionType):
            function.__defaults__, function.__kwdefaults__ = (reader.value(node) for node in nodes)
    _set_chance(reader, state["chance"])


def _read(folder: str) -> Any:
    return json.loads(Path(folder, FILE).read_text(encoding="utf-8"))


def _values(reader: _Reader, nodes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: reader.value(node) for name, node in nodes.items()}


class _Writer:
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


def _numpy(writer: _Writer, value: Any) -> list[Any] | None:
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


def _generator(writer: _Writer, value: Any) -> list[Any]:
    name = type(value.bit_generator).__name__
    if name not in GENERATORS:
        raise Unkept(f"it draws from {name}")
    return ["generator", [name, writer.node("", value.bit_generator.state)]]


def _pandas(writer: _Writer, value: Any) -> list[Any] | None:
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


def _parquet(writer: _Writer, frame: Any) -> str:
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


def _polars(writer: _Writer, value: Any) -> list[Any] | None:
    import polars as pl

    if type(value) is not pl.DataFrame:
        return None
    path = writer.file("parquet")
    value.write_parquet(path)
    if not pl.read_parquet(path).equals(value):
        raise Unkept("it does not come back equal from Parquet")
    return ["polars", path.name]


def _sklearn(writer: _Writer, value: Any) -> list[Any] | None:
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


WRITERS: Mapping[str, Callable[[_Writer, Any], list[Any] | None]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "sklearn": _sklearn,
}


class _Reader:
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


def _read_plain(_: _Reader, load: Any) -> Any:
    return load


def _read_array(reader: _Reader, load: str) -> Any:
    import numpy as np

    with np.load(reader.folder / load, allow_pickle=False) as held:
        return held["value"]


def _read_objects(reader: _Reader, load: list[Any]) -> Any:
    import numpy as np

    shape, nodes = load
    array = np.empty(len(nodes), dtype=object)
    for at, node in enumerate(nodes):
        array[at] = reader.value(node)
    return array.reshape(shape)


def _read_number(_: _Reader, load: list[Any]) -> Any:
    import numpy as np

    return np.dtype(load[0]).type(load[1])


def _read_generator(reader: _Reader, load: list[Any]) -> Any:
    import numpy as np

    generator = np.random.Generator(getattr(np.random, load[0])())
    generator.bit_generator.state = reader.value(load[1])
    return generator


def _read_frame(reader: _Reader, load: str) -> Any:
    import pandas as pd

    return pd.read_parquet(reader.folder / load, engine="pyarrow")


def _read_series(reader: _Reader, load: list[Any]) -> Any:
    return _read_frame(reader, load[0])["value"].rename(reader.value(load[1]))


def _read_index(reader: _Reader, load: list[Any]) -> Any:
    import pandas as pd

    return pd.Index(_read_frame(reader, load[0])["value"]).rename(reader.value(load[1]))


def _read_polars(reader: _Reader, load: str) -> Any:
    import polars as pl

    return pl.read_parquet(reader.folder / load)


def _read_model(reader: _Reader, load: list[Any]) -> Any:
    from nbmlops.registry import files

    return files.load((reader.folder / load[0]).read_bytes(), load[1], "a checkpoint")


def _read_moment(name: str) -> Callable[[_Reader, Any], Any]:
    def read(_: _Reader, load: str) -> Any:
        import pandas as pd

        return getattr(pd, name)(load)

    return read


READERS: Mapping[str, Callable[[_Reader, Any], Any]] = {
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


def _defaults(writer: _Writer, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default arguments of the user's functions: they are values of the time they were defined."""
    found = {}
    for name, function in names.items():
        if isinstance(function, types.FunctionType) and function.__module__ == "__main__":
            with contextlib.suppress(Unkept):
                found[name] = [writer.node("", v) for v in (function.__defaults__, function.__kwdefaults__)]
    return found


def _chance(writer: _Writer) -> dict[str, Any]:
    """Return where the generators stand that belong to no name."""
    found = {"random": writer.node("", random.getstate())}
    if "numpy.random" in sys.modules:
        found["numpy"] = writer.node("", sys.modules["numpy.random"].get_state())
    return found


def _set_chance(reader: _Reader, state: Mapping[str, Any]) -> None:
    random.setstate(reader.value(state["random"]))
    if "numpy" in state:
        import numpy as np

        np.random.set_state(reader.value(state["numpy"]))
