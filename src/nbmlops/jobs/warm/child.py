"""Become a kernel: everything a fresh process would have, this one is given."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import io
import os
import random
import select
import signal
import socket
import sys
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbmlops.jobs.warm.standin import Rehearsal

__all__ = ["Launch", "become", "leave", "start"]

FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


@dataclass(frozen=True)
class Launch:
    """What a kernel was asked for, and what the parent knows of its imports."""

    request: Mapping[str, Any]
    connection: socket.socket
    runner: int  # pidfd of who asked
    rehearsal: Rehearsal
    made: Mapping[str, str]  # variables the imports set
    filters: Sequence[Any] = field(default=())  # warnings filters the imports added


def start(launch: Launch, streams: Sequence[int]) -> None:
    """Take the place of a fresh process: session, streams, limits, folder, variables, arguments, random numbers."""
    request = launch.request
    for target, fd in enumerate(streams):
        os.dup2(fd, target)
        os.close(fd)
    for number in signal.valid_signals():
        _default(number, request["ignored"])
    signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])
    _limit(request)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update({**request["env"], **launch.made})
    sys.argv[:] = [_file(request["module"]), *request["arguments"]]
    sys.orig_argv[:] = request["command"]
    reseed()


def _file(module: str) -> str:
    """Return the file ``python -m`` would run."""
    spec = importlib.util.find_spec(module)
    package = spec is not None and spec.submodule_search_locations is not None
    spec = importlib.util.find_spec(f"{module}.__main__") if package else spec
    return str(spec.origin) if spec else module


def _default(number: int, ignored: Sequence[int]) -> None:
    """Handle a signal as Python does at its start, below a process that ignores some."""
    handler: Any = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    if number in (signal.SIGPIPE, signal.SIGXFSZ, *ignored):
        handler = signal.SIG_IGN
    if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not None:
        signal.signal(number, handler)


def _limit(request: Mapping[str, Any]) -> None:
    """Have the limits of the process that asked; the hard ones are equal, else it would have another parent."""
    import resource

    os.umask(request["umask"])
    os.sched_setaffinity(0, request["cpus"])
    for name, limits in request["limits"].items():
        resource.setrlimit(getattr(resource, name), tuple(limits))


def reseed() -> None:
    """Give each kernel random numbers of its own, wherever a fresh process has some.

    >>> reseed()
    """
    random.seed()
    if "numpy.random.mtrand" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "torch" in sys.modules:  # of its generators only this one starts at random
        sys.modules["torch"].default_generator.seed()
    if "multiprocessing.process" in sys.modules:
        process = sys.modules["multiprocessing.process"]
        process.current_process().authkey = os.urandom(32)


def become(launch: Launch) -> None:
    """Run ipykernel until it is told to end."""
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance(parent_handle=1)  # 1: somebody else looks after the runner, see below
    app.init_poller = lambda: setattr(app, "poller", _watcher(launch.runner))
    app.initialize()
    launch.rehearsal.shell = app.shell
    _order(launch.filters)
    launch.connection.sendall(b'{"ready": true}\n')
    launch.connection.close()
    app.start()


def leave(loaded: Container[str]) -> None:
    """End the process once all handlers ran, without taking apart the modules it shares with its parent.

    IPython cleared the user's names before. What was imported here is cleared, open files are flushed, C's own
    handlers run: all that a fresh process does but free memory, which would copy it first.
    """
    for name, module in reversed(list(sys.modules.items())):
        if name not in loaded and str(getattr(module, "__file__", "")).endswith(".py"):
            vars(module).clear()
    gc.collect()
    for thing in gc.get_objects():
        if type(thing) in FILES:
            with contextlib.suppress(ValueError, OSError):  # closed, or its disk is full
                thing.flush()
    ctypes.PyDLL(None).exit(0)


def _order(added: Sequence[Any]) -> None:
    """Put the filters of imported modules before the kernel's, where imports would have put them."""
    first: list[Any] = warnings.filters  # type: ignore[assignment]
    known = {id(f) for f in added}
    first[:] = [*added, *(f for f in first if id(f) not in known)]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _watcher(runner: int) -> Any:
    """Return the thread that ends this kernel with its runner, in place of ipykernel's own, which looks at parents."""
    from ipykernel.parentpoller import ParentPollerUnix

    class RunnerPoller(ParentPollerUnix):  # type: ignore[misc]
        def run(self) -> None:
            select.select([runner], [], [])
            os._exit(1)

    made: Any = RunnerPoller
    return made()
