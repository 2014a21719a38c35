"""Where attempts are carried out: processes of this machine, or the workers of a Dask cluster.

An executor only starts what was claimed. Which attempt counts, the ledger says: an executor may lose one, or start it
twice, and costs a retry then.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from nbmlops.config import Project, find_project
from nbmlops.errors import Invalid
from nbmlops.store.works import Claim

__all__ = ["Executor", "Handle", "Local", "default", "executor"]

LOOK_S = 60
END_S = 8.0  # how long a process may take to write down that it was stopped
SCHEMES = ("local", "dask", "tcp", "tls")
ALLOWED = "local:N (N processes of this machine), dask://HOST:PORT or tls://HOST:PORT"


@dataclass(eq=False)
class Handle:
    """An attempt that was handed over: ``done`` once it needs no more waiting for."""

    claim: Claim
    done: bool = False
    gone: bool = False  # who should have done it is proven gone
    error: str = ""  # what kept the attempt from beginning
    future: Any = field(default=None, repr=False)


class Executor(Protocol):
    """What carries out claimed attempts somewhere."""

    url: str

    def free(self) -> int:
        """Return how many more attempts could start now: claim no more than that, for a lease runs."""

    def submit(self, claim: Claim) -> Handle:
        """Hand a claimed attempt over; it starts as soon as there is room."""

    def wait(self, handles: Sequence[Handle], timeout_s: float | None = None) -> list[Handle]:
        """Wait until one of them is done; return those that are, none when the time is over."""

    def cancel(self, handle: Handle) -> None:
        """Stop an attempt; it writes itself that it was cancelled, or the ledger has said so before."""

    def look(self) -> list[dict[str, Any]]:
        """Return what each worker says of its environment (see :mod:`.environments`), or why it cannot."""

    def close(self) -> None:
        """Stop what still runs and let go of the workers; what was stopped is due again."""


def executor(url: str = "", project: Project | None = None) -> Executor:
    """Return the executor behind an address.

    Parameters
    ----------
    url : str
        ``local:N`` (``[scheduler] workers`` processes, or one less than there are cores, when N is absent), ``dask://host:port``,
        ``tcp://host:port`` or ``tls://host:port``. Behind a Dask address, ``?most=200`` keeps up to 200 attempts
        handed over while a cluster grows, ``&resources=KERNEL:1`` asks the workers for what they declare.
    project : Project, optional
        Whose notebooks they are; that of the working directory when absent.

    Raises
    ------
    Invalid
        No such kind of executor, or a number that is none.
    Unavailable
        Nobody answers at that address.
    MissingPackage
        Dask is not installed.

    Examples
    --------
    >>> executor("local:2").free()
    2
    """
    project = project or find_project()
    parts = urlsplit(default(project) if url in ("", "local", "local:") else url)
    if parts.scheme not in SCHEMES or (parts.scheme != "local" and not parts.port):
        raise Invalid(f"{url!r} is no executor.", f"Known: {ALLOWED}.")
    if parts.scheme == "local":
        return Local(_count(parts.path), project)
    from nbmlops.jobs.works.dask import Cluster

    return Cluster(f"{parts.scheme}://{parts.netloc}", project, **_options(parts.query))


def default(project: Project | None = None) -> str:
    """Return the usual executor: ``[scheduler] workers`` processes, one less than there are cores when not set.

    >>> default().partition(":")[0]
    'local'
    """
    project = project or find_project()
    return f"local:{project.setting('scheduler', 'workers') or max(1, (os.cpu_count() or 1) - 1)}"


class Local:
    """Processes of this machine, each with one notebook at a time; they end with this one.

    Parameters
    ----------
    count : int
        How many at once.
    project : Project
    """

    def __init__(self, count: int, project: Project) -> None:
        self.url = f"local:{count}"
        self._changed = threading.Condition()
        self._waiting: queue.SimpleQueue[Handle | None] = queue.SimpleQueue()
        self._open: set[Handle] = set()
        self._closed = False
        self._slots = [_Slot(self, project) for _ in range(count)]

    def free(self) -> int:
        """Return how many more attempts could start now."""
        return max(0, len(self._slots) - len(self._open))

    def submit(self, claim: Claim) -> Handle:
        """Hand a claimed attempt to the next process that is free."""
        handle = Handle(claim)
        with self._changed:
            self._open.add(handle)
            if self._closed:
                self._end(handle, error="the executor is closed", gone=True)
                return handle
        self._waiting.put(handle)
        for slot in self._slots:
            slot.start()
        return handle

    def wait(self, handles: Sequence[Handle], timeout_s: float | None = None) -> list[Handle]:
        """Wait until one of them is done; return those that are."""
        with self._changed:
            self._changed.wait_for(lambda: any(h.done for h in handles) or not handles, timeout_s)
            return [h for h in handles if h.done]

    def cancel(self, handle: Handle) -> None:
        """Interrupt the process that does it; one that has not begun never will."""
        with self._changed:
            busy = next((slot for slot in self._slots if slot.handle is handle), None)
            if busy:
                busy.send(signal.SIGINT)
            elif not handle.done:
                self._end(handle, error="cancelled before it began", gone=True)

    def look(self) -> list[dict[str, Any]]:
        """Return what a process started here says of itself; the others are like it."""
        from nbmlops.jobs.works import environments

        root = self._slots[0].project.root
        command = [sys.executable, "-m", "nbmlops.jobs.works.environments", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_S, cwd=root)
        found = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip()[-200:]}
        return [{"worker": self.url, **environments.plain_about(found)}]

    def close(self) -> None:
        """Stop what still runs and end the processes."""
        with self._changed:
            self._closed = True
            busy = {slot.handle for slot in self._slots}
            for handle in self._open - busy:
                self._end(handle, error="stopped before it began", gone=True)
        for _ in self._slots:
            self._waiting.put(None)
        for slot in self._slots:
            slot.stop()
        for slot in self._slots:
            slot.join()

    def _end(self, handle: Handle, error: str = "", gone: bool = False) -> None:
        with self._changed:
            handle.done, handle.error, handle.gone = True, error, gone
            self._open.discard(handle)
            self._changed.notify_all()


class _Slot:
    """One process, started when there is something to do, and anew when it died."""

    def __init__(self, pool: Local, project: Project) -> None:
        self.pool, self.project = pool, project
        self.handle: Handle | None = None
        self.process: subprocess.Popen[str] | None = None
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        if self.thread is None:
            self.thread = threading.Thread(target=self._serve, daemon=True, name="nbmlops executor")
            self.thread.start()

    def send(self, signum: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signum)

    def stop(self) -> None:
        """Close the process's input: it notes what it is doing as preempted, and ends."""
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()

    def join(self) -> None:
        if self.process is not None:
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.thread is not None:
            self.thread.join()
        self._let_go()

    def _let_go(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout) if self.process else ():
            with suppress(OSError):  # what could not be written is lost with its reader
                pipe.close()  # type: ignore[union-attr]

    def _serve(self) -> None:
        while (handle := self.pool._waiting.get()) is not None:
            self._do(handle)

    def _do(self, handle: Handle) -> None:
        with self.pool._changed:
            if handle.done:  # taken back meanwhile
                return
            self.handle = handle
        try:
            answer = self._ask(handle.claim)
        finally:
            with self.pool._changed:
                self.handle = None
        self.pool._end(handle, error=answer.get("error", ""), gone="gone" in answer)

    def _ask(self, claim: Claim) -> Mapping[str, Any]:
        """Return what the process answers; nothing comes from one that died."""
        try:
            process = self._ready()
            if self.pool._closed:  # while it was being started
                self.stop()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(claim.to_dict()) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except (OSError, ValueError) as error:
            return {"error": f"The process could not be asked ({error}).", "gone": True}
        if answer:
            return dict(json.loads(answer))
        return {"error": f"The process ended with exit code {process.wait()}.", "gone": True}

    def _ready(self) -> subprocess.Popen[str]:
        if self.process is None or self.process.poll() is not None:
            self._let_go()
            command = [sys.executable, "-m", "nbmlops.jobs.works.worker"]
            # A session of its own: Ctrl-C is ours to pass on. It ends when its input does, so with us at the latest.
            self.process = subprocess.Popen(
                command,
                cwd=self.project.root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        return self.process


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise Invalid(f"local:{text} is no number of processes.", "Write local:2.")
    return int(text)


def _options(query: str) -> dict[str, Any]:
    """Return what stands behind the question mark of a cluster's address."""
    known = {"most": _most, "resources": _resources}
    found = {name: values[-1] for name, values in parse_qs(query).items()}
    if odd := sorted({*found} - {*known}):
        raise Invalid(f"A Dask address has no {odd[0]!r}.", "Known: ?most=200, ?resources=KERNEL:1.")
    return {name: known[name](text) for name, text in found.items()}


def _most(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise Invalid(f"most={text} is no number of attempts.", "Write ?most=200.")
    return int(text)


def _resources(text: str) -> dict[str, float]:
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return {name: float(amount) for name, amount in pairs}
    except ValueError:
        raise Invalid(f"resources={text} cannot be read.", "Write ?resources=KERNEL:1,GPU:1.") from None
