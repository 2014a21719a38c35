"""The writer: one thread of a process that brings its journal into the database while the user's code goes on.

The journal is what counts: where the database is away, locked or full, events wait there and the writer tries again.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nbmlops.config import Project
from nbmlops.errors import NbmlopsError, tell
from nbmlops.store.journal import journals
from nbmlops.store.waiting import Uploader

__all__ = ["Chore", "Writer", "renewal"]

DELAY_S = 1.0
SOON_S = 0.1  # after a run ended: first the cell's reply goes out, which needs the interpreter too
GAP_S = 0.2  # between two rounds, when many short runs end one after the other
REST = 4  # times as long as a round took is rested before the next, so that the user's code gets most of the time
LONGEST_S = 60.0
LAST_S = 5.0  # what the end of the process may wait for
UPLOAD_S = 2.0  # and for files on their way to their place

LATER, SOON = 1, 2


@dataclass
class Chore:
    """Something the writer does again and again while runs are open."""

    every_s: float
    do: Callable[[], None]
    end: Callable[[], None] = lambda: None
    due: float = math.inf


class Writer:
    """Pushes the journals of a project into its database, from a thread of its own.

    A forked child makes its own. Nothing here raises into the user's code.

    Parameters
    ----------
    project : Project
    chores : iterable of Chore
        Done while ``busy()`` says that runs are open, the first time in the writer's first round.
    busy : callable
    sync : callable, optional
        Brings the journals of a project in; ``ingest.sync`` when absent.
    delay_s : float
        How long the first event waits for others, in seconds.
    soon_s : float
        How long it waits after a run ended, in seconds.
    gap_s : float
        The least time between two rounds, in seconds.
    clock : callable
        Seconds, always forward.
    """

    def __init__(
        self,
        project: Project,
        *,
        chores: Iterable[Chore] = (),
        busy: Callable[[], bool] = lambda: False,
        sync: Callable[[Project], Any] | None = None,
        delay_s: float = DELAY_S,
        soon_s: float = SOON_S,
        gap_s: float = GAP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.project, self.chores, self.busy = project, list(chores), busy
        self.delay_s, self.soon_s, self.gap_s, self.clock = delay_s, soon_s, gap_s, clock
        self.failures = 0
        self._sync = sync or _ingest
        self._uploader = Uploader(project)
        self._unsent = 0  # 0, LATER or SOON: what was appended since the last round began
        self._due, self._next = math.inf, -math.inf
        self._pushing = self._stopped = self._told = self._launched = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wake(self, soon: bool = False) -> None:
        """Say that something was appended; call it after the append.

        Parameters
        ----------
        soon : bool
            A run ended: do not wait for more.
        """
        if self._unsent > soon:  # the path of every logged point
            return
        with self._changed:
            self._unsent = SOON if soon else LATER
            if not self.failures:
                now = self.clock()
                self._due = max(min(self._due, now + (self.soon_s if soon else self.delay_s)), self._next)
            self._launch()
            self._changed.notify_all()

    def drain(self, timeout_s: float = LAST_S) -> bool:
        """Push now and wait; return whether everything arrived.

        Parameters
        ----------
        timeout_s : float
            How long to wait, in seconds. A round that fails ends the waiting.
        """
        with self._changed:
            if not self._waits():
                return True
            failures, self._due = self.failures, -math.inf
            self._launch()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waits() or self.failures > failures, timeout_s)
            return not self._waits()

    def stop(self, timeout_s: float = LAST_S) -> None:
        """End the thread without pushing more; a round that has begun is waited for."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        atexit.unregister(self._last)
        self._uploader.stop(timeout_s)
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def step(self) -> float | None:
        """Do what is due; return the seconds until something else is, or None when nothing will be."""
        if self._due <= self.clock():
            self._push()
            self._upload()
        if self.busy():
            self._do_chores()
        elif not self._unsent:  # the database knows how the last run ended
            self._end_chores()
        due = min([self._due, *(c.due for c in self.chores)])
        return None if due == math.inf else max(0.0, due - self.clock())

    def _waits(self) -> bool:
        return bool(self._unsent or self._pushing)

    def _push(self) -> None:
        with self._changed:
            self._unsent, self._due, self._pushing = 0, math.inf, True
        error: BaseException | None = None
        began = self.clock()
        try:
            self._sync(self.project)
        except BaseException as raised:  # whatever it is, the thread goes on
            error = raised
        with self._changed:
            self._pushing, ended = False, self.clock()
            self._next = ended + max(self.gap_s, REST * (ended - began))
            self.failures = self.failures + 1 if error else 0
            if error:
                self._unsent = self._unsent or LATER
                self._due = ended + min(LONGEST_S, 2.0 ** min(self.failures - 1, 9))
            elif self._unsent:  # appended meanwhile, when a failure before had set the time
                self._due = min(self._due, max(self._next, ended + (0 if self._unsent == SOON else self.delay_s)))
            self._changed.notify_all()
        if error and not self._told:
            self._told = True
            tell(_waiting(self.project, error))

    def _do_chores(self) -> None:
        for chore in self.chores:
            if chore.due == math.inf:
                chore.due = self.clock()
            if chore.due <= self.clock():
                chore.due = self.clock() + chore.every_s
                with contextlib.suppress(Exception):  # the next time comes; the database's troubles are told above
                    chore.do()

    def _end_chores(self) -> None:
        for chore in self.chores:
            if chore.due < math.inf:
                chore.due = math.inf
                with contextlib.suppress(Exception):
                    chore.end()

    def _launch(self) -> None:
        """Start the thread with the first event."""
        if self._launched or self._stopped:
            return
        self._launched = True
        self._thread = threading.Thread(target=self._run, name="nbmlops-writer", daemon=True)
        with contextlib.suppress(RuntimeError):  # the interpreter is ending: the journal keeps what came so late
            self._thread.start()
            atexit.register(self._last)
            self._upload()  # now: a process that ends can begin no upload
            return
        self._thread = None

    def _upload(self) -> None:
        with contextlib.suppress(Exception):  # told when the first file had to wait
            self._uploader.wake()

    def _run(self) -> None:
        while not self._stopped:
            wait_s = self.step()
            with self._changed:
                if not self._stopped and not self._due <= self.clock():
                    self._changed.wait(wait_s)

    def _last(self) -> None:
        """Push what is unsent when the process ends, for a bounded time."""
        with contextlib.suppress(Exception):
            self.drain(LAST_S)
            self._stopped = True
            self._uploader.stop(UPLOAD_S)


def renewal(project: Project, lease: str, process: dict[str, Any], runs: Callable[[], list[str]]) -> Chore:
    """Return what renews the lease of a process, and gives it up when no run is open any more.

    Parameters
    ----------
    project : Project
    lease : str
        The lease's id.
    process : dict
        What identifies the process.
    runs : callable
        Returns the ids of the runs it has open.
    """
    from nbmlops.store import leases
    from nbmlops.store.driver import connect

    def renew() -> None:
        with connect(project) as connection:
            leases.renew(connection, lease, process, runs())

    def release() -> None:
        with connect(project) as connection:
            leases.release(connection, lease)

    return Chore(leases.RENEW_S, renew, release)


def _ingest(project: Project) -> int:
    from nbmlops.store import ingest

    return ingest.sync(project)


def _waiting(project: Project, error: BaseException) -> str:
    reason = error.message if isinstance(error, NbmlopsError) else str(error).partition("\n")[0]
    folder = project.home / "journal"
    places = dict.fromkeys(path.parent for path in journals(folder)) or [folder]
    return (
        f"nbmlops cannot bring what is tracked into its database ({reason.rstrip('.') or type(error).__name__}); "
        f"it waits in {' and '.join(map(str, places))} "
        "and arrives when the database can be written again. Your cell is not affected. `nbmlops doctor` says more."
    )
