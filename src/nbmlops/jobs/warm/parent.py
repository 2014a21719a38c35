"""The process kernels are forked from: it imports, listens, forks, and tells how each kernel ended."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.machinery
import json
import os
import select
import signal
import socket
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.jobs.warm import checks, keys, standin
from nbmlops.jobs.warm.child import Launch, become, leave, start

__all__ = ["Parent", "main", "words"]

IDLE_S = 900.0
LOOK_S = 5.0  # between looks at what is installed
PASSES = 4  # of finding modules that have to be imported in the kernel
KERNEL = (
    *("ipykernel.kernelapp", "ipykernel.debugger", "ipykernel.zmqshell", "IPython.core.completerlib", "sqlite3"),
    *("IPython.core.debugger", "IPython.core.oinspect", "IPython.extensions.storemagic", "tornado.platform.asyncio"),
)
OURS = "nbmlops.jobs.warm"


@dataclass
class _Kernel:
    """A forked kernel: who asked for it, and where its end is told."""

    pid: int
    connection: socket.socket
    itself: int
    runner: int


class Parent:
    """A process with its imports done.

    Parameters
    ----------
    spec : mapping
        ``folder``, ``family``, ``preload``, and ``lock`` (the descriptor that says a parent is being made).
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.folder = Path(spec["folder"])
        self.given = dict(os.environ)
        self.installed = keys.installed()
        self.began = self.used = time.time()
        self.kernels: dict[int, _Kernel] = {}
        self.started = 0
        self.rehearsal = standin.Rehearsal()
        self.failed: list[str] = list(spec.get("failed", ()))
        self.made: dict[str, str] = {}
        self.filters: list[Any] = []
        self.files: dict[str, int] = {}
        self.tops: set[str] = set()
        self.listener: socket.socket | None = None
        self.poll = select.poll()

    def load(self) -> None:
        """Import what the kernel needs, then what the notebook will; listen when that went well."""
        asked = standin.watch_reads()
        for name in KERNEL:
            with contextlib.suppress(ImportError):  # another version of ipykernel
                importlib.import_module(name)
        filters = list(warnings.filters)
        with self.rehearsal.stage():
            self.failed += [name for name in self.spec["preload"] if self.rehearsal.load(name)]
        self.rehearsal.note_threads()
        standin.stop_watching()
        self.made = {n: v for n, v in os.environ.items() if self.given.get(n) != v}
        self.filters = [f for f in warnings.filters if not any(f is g for g in filters)]
        if self.rehearsal.particular and self.spec.get("pass", 0) < PASSES:
            self._again()
        if reason := checks.unsafe():
            raise checks.Cold(reason)
        names = sorted(asked - set(keys.OF_EACH))
        keys.remember(self.folder, self.spec["family"], names)
        self._listen(keys.key(self.spec["family"], self.given, names, self.spec["first"]))
        self.files = {p: _changed(p) for p in _sources()}
        self.tops = {n for n in sys.modules if "." not in n}

    def _again(self) -> None:
        """Begin anew with the modules that were imported and do not need the kernel: half an import is none."""
        apart = {**dict.fromkeys(self.spec.get("particular", ())), **self.rehearsal.particular}
        spec = {**self.spec, "particular": list(apart), "failed": self.failed, "pass": self.spec.get("pass", 0) + 1}
        spec["preload"] = [n for n in _imported() if not _within(n, apart)]
        fd = os.memfd_create("nbmlops-warm", 0)
        os.write(fd, json.dumps(spec).encode())
        os.lseek(fd, 0, os.SEEK_SET)
        os.set_inheritable(self.spec["lock"], True)
        _execute(fd, self.given)

    def _listen(self, name: str) -> None:
        path = self.folder / f"{name}.sock"
        part = self.folder / f"{name}.{os.getpid()}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        before = os.umask(0o177)
        listener.bind(str(part))
        os.umask(before)
        listener.listen(16)
        part.rename(path)
        self.listener, self.path, self.inode = listener, path, path.stat().st_ino
        self.poll.register(listener, select.POLLIN)

    def serve(self) -> Launch | None:
        """Fork kernels until nobody needs this process; return in a kernel with what it shall be."""
        looked = time.monotonic()
        while self.listener or self.kernels:
            for fd, _ in self.poll.poll(LOOK_S * 1000):
                if launch := self._handle(fd):
                    return launch
            if time.monotonic() - looked > LOOK_S:
                looked = time.monotonic()
                self._look()
        return None

    def _look(self) -> None:
        idle = not self.kernels and time.time() - self.used > IDLE_S
        if self.listener and (idle or self._stale() or not self._mine()):
            self.retire()

    def _stale(self) -> bool:
        """Tell whether a fresh process would import something else."""
        return keys.installed() != self.installed or any(_changed(p) != at for p, at in self.files.items())

    def _shadowed(self, folder: str) -> str:
        """Return an imported module whose name a kernel in that folder would find there first."""
        there = {name.partition(".")[0] for name in os.listdir(folder)} & self.tops  # noqa: PTH208
        finder = importlib.machinery.PathFinder
        own = [n for n in sorted(there) if (spec := finder.find_spec(n, [folder])) and spec.origin not in self.files]
        return own[0] if own else ""

    def _mine(self) -> bool:
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False

    def retire(self) -> None:
        """Take no more requests; the kernels there are are looked after until they end."""
        if self.listener:
            self.poll.unregister(self.listener)
            self.listener.close()
            if self._mine():
                self.path.unlink()
            os.close(self.spec["lock"])
        self.listener = None

    def _handle(self, fd: int) -> Launch | None:
        if self.listener and fd == self.listener.fileno():
            return self._accept(self.listener)
        for kernel in list(self.kernels.values()):
            if fd == kernel.itself:
                self._reap(kernel)
            elif fd == kernel.runner and kernel.pid in self.kernels:
                self._end(kernel)
        return None

    def _accept(self, listener: socket.socket) -> Launch | None:
        connection, _ = listener.accept()
        connection.settimeout(1.0)
        streams: list[int] = []
        try:
            pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid != os.getuid():
                raise PermissionError(f"user {uid} is not this process's")
            _, streams, _, _ = socket.recv_fds(connection, 1, 3)
            request = _read(connection)
            return self._answer(request, connection, pid, streams)
        except (OSError, ValueError, KeyError) as error:  # a client that went away or is none
            self._tell(connection, {"error": str(error)})
            connection.close()
        finally:
            for fd in streams:
                with contextlib.suppress(OSError):  # the kernel's are in their places already
                    os.close(fd)
        return None

    def _answer(
        self, request: Mapping[str, Any], connection: socket.socket, asker: int, streams: list[int]
    ) -> Launch | None:
        if request["ask"] == "kernel":
            refused = self._refused(request)
            if not refused:
                return self._fork(request, connection, os.pidfd_open(asker), streams)
            self._tell(connection, refused)
        else:
            if request["ask"] == "stop":
                self.retire()
            self._tell(connection, self.status())
        connection.close()
        return None

    def _refused(self, request: Mapping[str, Any]) -> dict[str, str]:
        """Return why a fresh process would be another one; nothing when it would not."""
        if shadowed := self._shadowed(request["cwd"]):
            return {"error": f"a file beside the notebook has the name of the module {shadowed}"}
        if self._stale():
            self.retire()
            return {"stale": "the installed packages or files changed"}
        return {}

    def _fork(
        self, request: Mapping[str, Any], connection: socket.socket, runner: int, streams: list[int]
    ) -> Launch | None:
        self.used = time.time()
        self.started += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that threads run: which ones was looked at
            pid = os.fork()
        if pid == 0:
            return self._child(request, connection, runner, streams)
        itself = os.pidfd_open(pid)
        self.kernels[pid] = _Kernel(pid, connection, itself, runner)
        self.poll.register(itself, select.POLLIN)
        self.poll.register(runner, select.POLLIN)
        return None

    def _child(self, request: Mapping[str, Any], connection: socket.socket, runner: int, streams: list[int]) -> Launch:
        """Leave the parent's descriptors behind, say who this is, and wait until the runner knows it."""
        try:
            os.setsid()
            for kernel in self.kernels.values():
                kernel.connection.close()
                os.close(kernel.itself)
                os.close(kernel.runner)
            if self.listener:
                self.listener.close()
            os.close(self.spec["lock"])
            connection.sendall(f'{{"pid": {os.getpid()}}}\n'.encode())
            if connection.recv(1) != b"g":
                os._exit(1)
            launch = Launch(request, connection, runner, self.rehearsal, self.made, self.filters)
            start(launch, [os.dup(fd) for fd in streams])
            return launch
        except BaseException:
            os._exit(1)  # the runner sees it end, and starts a kernel of its own

    def _reap(self, kernel: _Kernel) -> None:
        _, status = os.waitpid(kernel.pid, 0)
        self._tell(kernel.connection, {"exit": os.waitstatus_to_exitcode(status)})
        kernel.connection.close()
        for fd in (kernel.itself, kernel.runner):
            with contextlib.suppress(KeyError):  # the runner's is left alone once it ended
                self.poll.unregister(fd)
            os.close(fd)
        del self.kernels[kernel.pid]
        self.used = time.time()

    def _end(self, kernel: _Kernel) -> None:
        """End a kernel whose runner has gone: it ends itself too, unless a library never lets its threads run."""
        self.poll.unregister(kernel.runner)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(kernel.pid, signal.SIGKILL)

    def _tell(self, connection: socket.socket, what: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it went away: nobody asks any more
            connection.sendall(json.dumps(what).encode() + b"\n")

    def status(self) -> dict[str, Any]:
        """Return what people may want to know of this process."""
        return {
            "pid": os.getpid(),
            "began": self.began,
            "used": self.used,
            "kernels": len(self.kernels),
            "started": self.started,
            "preload": [name for name in self.spec["first"] if name not in self.failed],
            "particular": list(self.spec.get("particular", ())),
        }


def main(spec_fd: int, last: list[Callable[[], None]] | None = None) -> None:
    """Run a parent; a kernel forked from it leaves by the same door, as a program that ends.

    Parameters
    ----------
    spec_fd : int
        Where what it shall be is read, as JSON.
    last : list of callable, optional
        What is added is called at exit, after everything else that was to be called then.
    """
    with os.fdopen(spec_fd) as file:
        spec = json.load(file)
    os.chdir("/")
    _quieten(os.memfd_create("nbmlops-warm"))
    parent, off = Parent(spec), Path(spec["folder"], f"{spec['asked']}.off")
    off.write_text("the process with the imports ended while it imported them")
    try:
        parent.load()
    except Exception as error:
        off.write_text(str(error) if isinstance(error, checks.Cold) else f"{type(error).__name__}: {error}")
        return
    off.unlink()
    _quieten(os.open(os.devnull, os.O_RDWR))
    _forget_ourselves(spec["first"])
    gc.collect()
    gc.freeze()  # what is shared is not written to by a collection
    launch = parent.serve()
    if launch:
        loaded = set(sys.modules)
        become(launch)
        if last is not None:
            last.append(lambda: leave(loaded))


def _quieten(fd: int) -> None:
    """Let what this process prints go to a file of which nothing is read but its length, later to nobody."""
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _forget_ourselves(preload: Iterable[str]) -> None:
    """Leave no module of ours loaded that a fresh kernel would not have."""
    if not any(name.partition(".")[0] == "nbmlops" for name in preload):
        for name in [n for n in sys.modules if n.partition(".")[0] == "nbmlops"]:
            del sys.modules[name]


def _execute(spec_fd: int, env: Mapping[str, str]) -> None:
    flags = sys.orig_argv[1 : sys.orig_argv.index("-c")]
    os.execve(sys.executable, words(sys.executable, flags, spec_fd), dict(env))


def words(python: str, flags: Sequence[str], spec_fd: int) -> list[str]:
    """Return the command of a parent; the folder it begins in is no place to import from.

    >>> words("python", [], 3)[-1].endswith("main(3, last)")
    True
    """
    # Who registers first is called last; where somebody was quicker, as coverage is, nothing is skipped.
    first = "import atexit; last = []; atexit._ncallbacks() or atexit.register(lambda: [f() for f in last])"
    code = f"{first}\nimport sys; sys.path[:1] = filter(None, sys.path[:1])\n"
    code += f"from {OURS}.parent import main; main({spec_fd}, last)"
    return [python, *flags, "-c", code]


def _imported() -> list[str]:
    """Return the installed modules that are loaded, in the order in which they were begun."""
    return [n for n, m in list(sys.modules.items()) if "." in n or n not in ("__main__",) if _installed(m)]


def _installed(module: Any) -> bool:
    spec = getattr(module, "__spec__", None)
    return bool(spec and spec.name == getattr(module, "__name__", "") and not spec.name.startswith("nbmlops"))


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def _sources() -> list[str]:
    """Return the files of the loaded modules that can change."""
    files = (getattr(m, "__file__", None) for m in list(sys.modules.values()))
    return sorted({f for f in files if isinstance(f, str)})


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 (two thousand of them for each kernel)
    except OSError:
        return 0


def _read(connection: socket.socket) -> dict[str, Any]:
    """Return a request: its length, then JSON."""
    size = struct.unpack("!I", _exactly(connection, 4))[0]
    request: dict[str, Any] = json.loads(_exactly(connection, size))
    return request


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts, left = [], size
    while left:
        part = connection.recv(left)
        if not part:
            raise ConnectionError("the request ended in its middle")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
