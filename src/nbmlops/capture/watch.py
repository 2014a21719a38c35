"""One set of hooks for the whole process: put in by the first thing that is tracked, taken out by the last.

A hook stands in for a function of a library only while something is tracked, and reports to the :class:`Sink` of the
execution it is called in. A context variable names that sink, so cells that overlap, threads of the user's own and
workers of a pool never report into each other's runs. Libraries imported meanwhile are hooked as they arrive.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["MISSING", "Method", "Sink", "current", "hook", "inner", "sink", "watching"]

HOOKED: Mapping[str, tuple[str, ...]] = {
    "nbmlops.capture.estimators": ("sklearn.base",),
    "nbmlops.capture.metrics": ("sklearn.metrics",),
    "nbmlops.capture.validation": ("sklearn.model_selection",),
    "nbmlops.capture.files": (
        *("builtins", "pandas", "polars", "numpy", "pyarrow.parquet", "pyarrow.csv", "pyarrow.feather"),
        *("joblib", "matplotlib.figure"),
    ),
}
MISSING = object()
Patch = tuple[Any, str, Callable[[Any], Any]]

_sink: ContextVar[Sink | None] = ContextVar("nbmlops_sink", default=None)
_inner: ContextVar[bool] = ContextVar("nbmlops_inner", default=False)


class Sink:
    """What one tracked execution wants to hear of; each method does nothing until it is overridden."""

    run_id = ""

    def metric(self, name: str, value: float, context: Mapping[str, str]) -> None:
        """Take a metric the user computed."""

    def fit(self, fit: Any) -> None:
        """Take an outermost fit (:class:`nbmlops.capture.estimators.Fit`)."""

    def scored(self, scored: Any) -> None:
        """Take the folds of a cross-validation (:class:`nbmlops.capture.validation.Folds`)."""

    def file(self, path: str, role: str, value: Any) -> None:
        """Take a file that was read or written, and the frame that came from or went into it."""

    def shown(self, data: Mapping[str, Any]) -> None:
        """Take what was displayed, by MIME type."""

    def printed(self, stream: str, text: str) -> None:
        """Take what was written to ``stdout`` or ``stderr``."""

    def error(self, error: Exception) -> None:
        """Take a fault of the tracker; the user's call goes on."""


def current() -> Sink | None:
    """Return who hears of what is called here; None inside a call that was reported already, and in other threads.

    Examples
    --------
    >>> current() is None
    True
    """
    return None if _inner.get() else _sink.get()


def sink() -> Sink | None:
    """Return the sink of this execution, also inside a call that was reported already."""
    return _sink.get()


def hook(target: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace one more attribute while anything is tracked: for a class that is defined meanwhile."""
    with _hooks.lock:
        if _hooks.users:
            _hooks.replace(target, name, make)


@contextmanager
def watching(sink: Sink) -> Iterator[None]:
    """Report what this context calls to a sink until the block ends.

    Parameters
    ----------
    sink : Sink
        An inner block's sink takes over until that block ends.
    """
    before = _sink.get()
    _hooks.enter(sink)
    _sink.set(sink)
    try:
        yield
    finally:
        _sink.set(before)  # not by token: IPython ends an async cell in another context than it began in
        _hooks.leave()


@contextmanager
def inner() -> Iterator[None]:
    """Report nothing of what a call does inside: the call itself is what the user wrote."""
    before = _inner.get()
    _inner.set(True)
    try:
        yield
    finally:
        _inner.set(before)


class Method:
    """A method of a class while it is watched; pickled it is the method itself, for a class may travel to a worker.

    Parameters
    ----------
    original : object
        What the class holds: a function, or a descriptor that says whether the method is available.
    around : callable
        Called as ``around(function, instance, args, kwargs)``.
    """

    def __init__(self, original: Any, around: Callable[..., Any]) -> None:
        self.original, self.around = original, around

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        method = self.original.__get__(instance, owner)
        if instance is None or current() is None:
            return method
        function, around = getattr(method, "__func__", method), self.around

        @functools.wraps(function)
        def watched(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
            return around(function, instance, args, kwargs)

        return types.MethodType(watched, instance)

    def __reduce__(self) -> Any:
        return _same, (self.original,)


def _same(value: Any) -> Any:
    return value


class _Hooks:
    """What is hooked now, by how many, and how to undo it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = 0
        self.undo: list[tuple[Any, str, Any, Any]] = []
        self.finder = _Finder()
        self.made: dict[tuple[int, str], tuple[Any, Any, Any]] = {}  # replacements of libraries, made once

    def enter(self, sink: Sink) -> None:
        """Hook everything that is imported, for the first user."""
        with self.lock:
            self.users += 1
            if self.users > 1:
                return
            sys.meta_path.insert(0, self.finder)
            for module in _modules():
                if module in sys.modules:
                    self.install(module, sink)

    def leave(self) -> None:
        """Undo everything, with the last user: what somebody else has replaced meanwhile stays theirs."""
        with self.lock:
            self.users -= 1
            if self.users:
                return
            if self.finder in sys.meta_path:
                sys.meta_path.remove(self.finder)
            while self.undo:
                _restore(*self.undo.pop())

    def install(self, module: str, sink: Sink | None) -> None:
        """Hook one module; a fault of ours leaves it as it is."""
        with self.lock:
            for ours in _modules().get(module, ()):
                try:
                    for patch in importlib.import_module(ours).patches(module):
                        self.replace(*patch)
                except Exception as error:
                    if sink is not None:
                        sink.error(error)

    def replace(self, target: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put a replacement in the place of one attribute; ``make`` returns None to leave it."""
        original = _raw(target, name)
        key = (id(target), name)
        _, before, replacement = self.made.get(key, (None, MISSING, None))
        if before is not original or original is MISSING:
            replacement = make(original)
            if _stays(target):
                self.made[key] = (target, original, replacement)
        if replacement is not None:
            setattr(target, name, replacement)
            self.undo.append((target, name, original, replacement))


@functools.cache
def _modules() -> dict[str, tuple[str, ...]]:
    """Return each library's module with the modules of ours that hook it."""
    found: dict[str, tuple[str, ...]] = {}
    for ours, modules in HOOKED.items():
        for module in modules:
            found[module] = (*found.get(module, ()), ours)
    return found


def _raw(target: Any, name: str) -> Any:
    """Return what an object itself holds under a name, not what it inherits or what a descriptor makes of it."""
    held = getattr(target, "__dict__", None)
    return getattr(target, name) if held is None else held.get(name, MISSING)


def _stays(target: Any) -> bool:
    """Tell whether a target lives as long as the process: a class of the user's must be free to go."""
    return isinstance(target, (types.CellType, types.ModuleType)) or str(getattr(target, "__module__", "")).startswith(
        "sklearn."
    )


def _restore(target: Any, name: str, original: Any, replacement: Any) -> None:
    if _raw(target, name) is not replacement:
        return
    if original is MISSING:
        delattr(target, name)
    else:
        setattr(target, name, original)


class _Finder:
    """Finds nothing itself: notes that a library was imported, so that it is hooked before the cell uses it."""

    def __init__(self) -> None:
        self.busy = threading.local()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec others find for a library we hook, with a loader that tells us when it has run."""
        if name not in _modules() or getattr(self.busy, "now", False):
            return None
        self.busy.now = True
        try:
            found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
            spec = next((s for s in found if s is not None), None)
        finally:
            self.busy.now = False
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    """Another loader's module, hooked when it has run; the module keeps its own loader."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: Any) -> Any:
        """Let the loader make the module."""
        return self.loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """Let the loader run the module, then hook it if anything is still tracked."""
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        if _hooks.users:
            _hooks.install(module.__name__, _sink.get())


_hooks = _Hooks()
