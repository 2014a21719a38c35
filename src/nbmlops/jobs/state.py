"""The values of a kernel as files, and back. Runs inside the kernel."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbmlops.capture.names import OF_IPYTHON
from nbmlops.jobs.nodes import Reader, Unkept, Writer

__all__ = ["FILE", "VERSION", "prepare", "restore", "save"]

FILE, VERSION = "state.json", 1
CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)


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
    writer = Writer(Path(folder))
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
        shell.user_ns.update(_values(Reader(Path(folder), state["objects"]), state["names"]))


def restore(shell: Any, folder: str) -> None:
    """Give names the values they had, functions the default arguments they had, and let random numbers go on.

    Parameters
    ----------
    shell : InteractiveShell
    folder : str
        As :func:`save` wrote it.
    """
    state = _read(folder)
    reader = Reader(Path(folder), state["objects"])
    shell.user_ns.update(_values(reader, state["names"]))
    for name, nodes in state["defaults"].items():
        if isinstance(function := shell.user_ns.get(name), types.FunctionType):
            function.__defaults__, function.__kwdefaults__ = (reader.value(node) for node in nodes)
    _set_chance(reader, state["chance"])


def _read(folder: str) -> Any:
    return json.loads(Path(folder, FILE).read_text(encoding="utf-8"))


def _values(reader: Reader, nodes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: reader.value(node) for name, node in nodes.items()}


def _defaults(writer: Writer, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default arguments of the user's functions: they are values of the time they were defined."""
    found = {}
    for name, function in names.items():
        if isinstance(function, types.FunctionType) and function.__module__ == "__main__":
            with contextlib.suppress(Unkept):
                found[name] = [writer.node("", v) for v in (function.__defaults__, function.__kwdefaults__)]
    return found


def _chance(writer: Writer) -> dict[str, Any]:
    """Return where the generators stand that belong to no name."""
    found = {"random": writer.node("", random.getstate())}
    if "numpy.random" in sys.modules:
        found["numpy"] = writer.node("", sys.modules["numpy.random"].get_state())
    return found


def _set_chance(reader: Reader, state: Mapping[str, Any]) -> None:
    random.setstate(reader.value(state["random"]))
    if "numpy" in state:
        import numpy as np

        np.random.set_state(reader.value(state["numpy"]))
