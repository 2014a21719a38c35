"""What stands in for the kernel while modules are imported before there is one.

Modules look around when they are imported: pandas asks for the shell to choose how wide it prints, pyplot registers
with it, others print a greeting or begin a thread. A question is answered as a kernel would; who wants more is
*particular*: it is imported anew in each kernel.
"""

from __future__ import annotations

import builtins
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nbmlops.jobs.warm import checks

__all__ = ["Reads", "Rehearsal", "stop_watching", "watch_reads"]

INLINE = "module://matplotlib_inline.backend_inline"  # ipykernel sets it before the first cell


class Reads(os._Environ):  # type: ignore[type-arg]
    """``os.environ`` that remembers which names were asked for one by one; a walk over all is no question."""

    asked: set[str]
    passing: str | None

    def __getitem__(self, name: Any) -> Any:
        if name != self.passing and isinstance(name, str):
            self.asked.add(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[Any]:
        for name in super().__iter__():
            self.passing = name
            yield name
        self.passing = None


class _Probe:
    """Answers what it was given, hands everything else to the real one once there is one."""

    def __init__(self, rehearsal: Rehearsal, answers: dict[str, Any]) -> None:
        object.__setattr__(self, "_rehearsal", rehearsal)
        object.__setattr__(self, "_answers", answers)

    def __getattr__(self, name: str) -> Any:
        shell = self._rehearsal.shell
        if shell is not None:
            return getattr(shell, name)
        if name in self._answers:
            return self._answers[name]
        self._rehearsal.note()
        return _Nothing()

    def __setattr__(self, name: str, value: Any) -> None:
        shell = self._rehearsal.shell
        if shell is None:
            self._rehearsal.note()
        else:
            setattr(shell, name, value)


class _Nothing:
    """Answers whoever is particular, so that the rest of an import that will be repeated is seen too."""

    def __getattr__(self, name: str) -> _Nothing:
        return self

    def __call__(self, *_: Any, **__: Any) -> _Nothing:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class _Stream:
    """``sys.stdout`` or ``sys.stderr`` during an import; who keeps it writes to the kernel's own later."""

    def __init__(self, rehearsal: Rehearsal, name: str) -> None:
        self._rehearsal = rehearsal
        self._name = name

    def write(self, text: str) -> int:
        """Hand the text on; while nothing listens it only matters who wrote it."""
        if self._rehearsal.over:
            return int(self._now.write(text))
        self._rehearsal.note()
        return len(text)

    def isatty(self) -> bool:
        """Answer as a kernel's stream does."""
        return bool(self._now.isatty()) if self._rehearsal.over else False

    @property
    def _now(self) -> Any:
        now = getattr(sys, self._name)
        return getattr(sys, f"__{self._name}__") if now is self else now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)


class Rehearsal:
    """Imports modules as a kernel would, and notes which could tell the difference.

    Attributes
    ----------
    particular : dict
        Modules that have to be imported in the kernel itself, in the order they were met; values are unused.
    shell : object
        The kernel's shell, once there is one.
    """

    def __init__(self) -> None:
        self.particular: dict[str, None] = {}
        self.shell: Any = None
        self.over = False
        self._began: dict[int, str] = {}  # threads, and whose import began them

    def note(self) -> None:
        """Note every module that is being imported right now."""
        frame = sys._getframe(1)
        while frame is not None:
            name = str(frame.f_globals.get("__name__"))
            if frame.f_code.co_name == "<module>" and name != "__main__":
                self.particular.setdefault(name)
            frame = frame.f_back  # type: ignore[assignment]

    @contextmanager
    def stage(self) -> Iterator[None]:
        """Put the stand-ins where modules look, and take them away again."""
        base = sys.modules["IPython.core.interactiveshell"].InteractiveShell
        made = type("ZMQInteractiveShell", (_Probe,), {"__module__": "ipykernel.zmqshell"})
        shell = made(self, {"kernel": _Probe(self, {}), "config": {"IPKernelApp": {}}})
        usual = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Stream(self, "stdout"), _Stream(self, "stderr")  # type: ignore[assignment]
        base.initialized = classmethod(lambda _: True)
        base.instance = classmethod(lambda _, *a, **k: shell)
        builtins.get_ipython = lambda: shell  # type: ignore[attr-defined]
        unset = not os.environ.get("MPLBACKEND")
        if unset:
            os.environ["MPLBACKEND"] = INLINE
        try:
            yield
        finally:
            del base.initialized, base.instance, builtins.get_ipython  # type: ignore[attr-defined]
            sys.stdout, sys.stderr = usual
            if unset:
                del os.environ["MPLBACKEND"]
            self.over = True

    def load(self, name: str) -> str:
        """Import a module; return why it could not be, which is for the notebook to find out."""
        written = _written()
        try:
            importlib.import_module(name)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        for thread in checks.threads():
            self._began.setdefault(thread, name)
        if _written() != written:  # beneath Python, where no stream of ours sees it
            self.particular.setdefault(name)
        return ""

    def note_threads(self) -> None:
        """Note the modules whose imports began threads that still run."""
        checks.settle()
        for thread in checks.threads():
            if thread in self._began:
                self.particular.setdefault(self._began[thread])


def watch_reads() -> set[str]:
    """Begin to note which variables are read; return the set they are noted in."""
    environ: Any = os.environ
    environ.__dict__["asked"], environ.__dict__["passing"] = set(), None
    environ.__class__ = Reads
    return environ.asked  # type: ignore[no-any-return]


def stop_watching() -> None:
    """Give ``os.environ`` its own class back."""
    environ: Any = os.environ
    environ.__class__ = os._Environ
    del environ.__dict__["asked"], environ.__dict__["passing"]


def _written() -> tuple[int, int]:
    """Return how far the files behind stdout and stderr are written."""
    return os.fstat(1).st_size, os.fstat(2).st_size
