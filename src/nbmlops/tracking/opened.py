"""The runs this process has open, and the journal everything tracked goes to first."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.capture import environment, visit
from nbmlops.config import Project, find_project
from nbmlops.errors import tell
from nbmlops.process import identity
from nbmlops.records import new_id
from nbmlops.store.artifacts import Artifacts
from nbmlops.store.journal import Journal
from nbmlops.store.writer import Chore, Writer, renewal
from nbmlops.tracking import system
from nbmlops.tracking.fold import Fold

if TYPE_CHECKING:
    from nbmlops.store.database import Store

__all__ = [
    "OpenRun",
    "artifacts",
    "as_run",
    "begin",
    "current",
    "drain",
    "end",
    "enter",
    "find",
    "keep",
    "lease",
    "moved",
    "project",
    "reset",
    "settle",
    "store",
    "write",
    "write_text",
]

NOTEBOOK_RUN = "NBMLOPS_RUN_ID"  # set by the papermill engine: the run of the notebook this kernel executes


@dataclass(eq=False)
class OpenRun:
    """A run that has started and not ended."""

    run_id: str
    experiment: str
    began: float = field(default_factory=time.perf_counter)
    open: bool = False
    cell: bool = False
    pid: int = field(default_factory=os.getpid)
    thread: int = field(default_factory=threading.get_ident)
    listener: Callable[[], None] | None = field(default=None, repr=False)  # told when something was logged
    fold: Fold = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.fold = Fold(self.run_id)

    def reaches(self, thread: int) -> bool:
        """Tell whether what a thread tracks without a run of its own belongs here.

        A cell's run takes in whatever happens meanwhile; a run of the main thread what its workers do. A run of a
        worker or a task is nobody else's.
        """
        return self.cell or (self.thread == threading.main_thread().ident != thread)

    def log(self, values: Mapping[str, Any] | None = None, **named: Any) -> None:
        """Log metrics into this run; the same words as :func:`nbmlops.log`."""
        from nbmlops.tracking.log import log

        log(values, run_id=self.run_id, **named)


class _Session:
    """This process's project, journal, writer and lease, found once."""

    def __init__(self) -> None:
        self.project: Project | None = None
        self.journal: Journal | None = None
        self.writer: Writer | None = None
        self.lease: str | None = None
        self.lost = False  # whether it was said that something is
        self.opened: dict[str, OpenRun] = {}
        self.elsewhere: OpenRun | None = None  # the run of the notebook, or the one a forked child was born in
        self.lock = threading.RLock()


_session = _Session()
_open: ContextVar[tuple[OpenRun, ...]] = ContextVar("nbmlops_open_runs", default=())
background = True  # whether a thread brings what is tracked into the database as it goes; readers do so anyway


def project(start: str | Path | None = None) -> Project:
    """Return this process's project: that of its notebook, else of the working directory at first use.

    While a server answers it is the project that was asked about.
    """
    if asked := visit.here():
        return asked.project
    if _session.project is None:
        with _session.lock:
            if _session.project is None:
                _session.project = find_project(start or environment.notebook_path())
    return _session.project


def reset() -> None:
    """Forget project and journal: for tests, and for a process that moves to another project."""
    with _session.lock:
        writer, journal = _session.writer, _session.journal
        _session.project = _session.journal = _session.writer = _session.lease = _session.elsewhere = None
        _session.lost = False
        for opened in _session.opened.values():
            opened.open = False
        _session.opened.clear()
    if writer:
        writer.stop()
    if journal:
        journal.close()
    _open.set(())
    environment.actor.cache_clear()


def moved() -> bool:
    """Tell whether the journal waits elsewhere because the project's folder cannot be written."""
    return _session.journal is not None and _session.journal.folder != project().home / "journal"


def store() -> Store:
    """Return the store of this process's project."""
    from nbmlops.store.database import open_store

    return open_store(project())


def artifacts() -> Artifacts:
    """Return the place of this project's artifacts; needs no database."""
    return Artifacts.of(project())


def lease() -> str:
    """Return the lease of this process, which its runs carry; a forked child has its own."""
    with _session.lock:
        if _session.lease is None:
            _watch_forks()
            _session.lease = new_id()
        return _session.lease


def write(event: Mapping[str, Any]) -> None:
    """Append one tracking event to the journal; it survives the process when this returns.

    Where neither the project's folder nor the temporary one can be written, one warning says that it is lost.

    Parameters
    ----------
    event : mapping
        ``t`` says what it is, ``run_id`` of which run.
    """
    _append(dict(event))
    if opened := _session.opened.get(event.get("run_id") or ""):
        opened.fold.add(event)
    _wake()


def keep(event: Mapping[str, Any]) -> None:
    """Append one event of no run as :func:`write` does, for a caller that must know.

    Raises
    ------
    OSError
        Neither the project's folder nor the temporary one can be written.
    """
    (_session.journal or _start_journal()).append(dict(event))
    _wake()


def settle() -> None:
    """Make what was appended so far survive power loss; other threads go on meanwhile.

    Raises
    ------
    OSError
        The disk did not take it.
    """
    if _session.journal is not None:
        _session.journal.settle()


def write_text(text: str) -> None:
    """Append one event that is JSON text already; nothing is folded (see :func:`write`)."""
    try:
        (_session.journal or _start_journal()).append_text(text)
    except OSError as error:
        _lost(error)
    _wake()


def begin(opened: OpenRun, event: Mapping[str, Any]) -> None:
    """Write the event that opens a run; a run that could not begin is none."""
    journal = _session.journal or _start_journal()
    journal.hold()
    try:
        _append(dict(event))
    except BaseException:
        journal.release()
        raise
    opened.fold.add(event)
    opened.open, opened.cell = True, event.get("kind") == "cell"
    _session.opened[opened.run_id] = opened
    _wake()


def enter(opened: OpenRun) -> None:
    """Make an open run the one that what follows in this context is filed under."""
    _open.set((*_open.get(), opened))


def end(opened: OpenRun, synced: bool = True) -> None:
    """Close a run: its events are safe from power loss then, and others may bring them in.

    Parameters
    ----------
    opened : OpenRun
    synced : bool
        False where tracking broke: nothing more is filed under the run, and nothing promised.
    """
    opened.open = False
    _open.set(tuple(r for r in _open.get() if r is not opened))
    was_open = _session.opened.pop(opened.run_id, None) is not None
    if _session.journal is None:
        return
    if synced:
        _session.journal.sync()
    if was_open:
        _session.journal.release()
    _wake(soon=True)


def current() -> OpenRun | None:
    """Return the innermost open run, else the run of the notebook this kernel executes."""
    for opened in reversed(_open.get()):
        if opened.open:
            return opened
    for opened in reversed(list(_session.opened.values())):
        if opened.reaches(threading.get_ident()):
            return opened
    if _session.elsewhere and _session.elsewhere.open:
        return _session.elsewhere
    if run_id := os.environ.get(NOTEBOOK_RUN):
        if _session.elsewhere is None or _session.elsewhere.run_id != run_id:
            _session.elsewhere = OpenRun(run_id, "")
        return _session.elsewhere
    return None


def find(run_id: str) -> OpenRun:
    """Return a run by its id: one that is open here, else one that only its name is known of."""
    opened = _session.opened.get(run_id)
    return opened or OpenRun(run_id, "")


def as_run(opened: OpenRun) -> dict[str, Any]:
    """Return what this process wrote of a run as the run's JSON, without asking the database."""
    return opened.fold.to_dict()


def drain(timeout_s: float = 5.0) -> bool:
    """Bring everything tracked so far into the database; return whether it arrived in that time."""
    if _session.writer:
        return _session.writer.drain(timeout_s)
    if _session.journal:  # no thread does it (see ``background``)
        store().sync()
    return True


def _append(event: dict[str, Any]) -> None:
    try:
        (_session.journal or _start_journal()).append(event)
    except OSError as error:
        _lost(error)


def _lost(error: OSError) -> None:
    if not _session.lost:
        _session.lost = True
        tell(
            f"nbmlops can write neither {project().home} nor the temporary folder ({error.strerror}): what is tracked "
            "is lost until one of them can be written. Your cell is not affected."
        )


def _start_journal() -> Journal:
    home = project().home
    with _session.lock:
        if _session.journal is None:
            _watch_forks()
            _session.journal = Journal(home / "journal")
        if _session.writer is None and background:
            _session.writer = Writer(project(), chores=_chores(), busy=lambda: bool(_session.opened))
        return _session.journal


def _chores() -> list[Chore]:
    """Return what the writer does while runs are open: renew the lease, sample the machine."""
    chores = [renewal(project(), lease(), identity(), lambda: list(_session.opened))]
    every_s = float(project().setting("capture", "system_every_s", system.EVERY_S))
    if every_s > 0:
        sampler = system.Sampler(every_s)
        chores.append(Chore(every_s, lambda: _sample(sampler)))
    return chores


def _sample(sampler: system.Sampler) -> None:
    """Log memory and CPU into the runs that are open for a while."""
    values, at = sampler.sample(), time.time()
    for opened in list(_session.opened.values()):
        if time.perf_counter() - opened.began >= sampler.every_s:
            for name, value in values.items():
                point = opened.fold.points(name, None)
                write_text(point.text(value, None, at))
                point.add(value, None, at)


def _wake(soon: bool = False) -> None:
    if _session.writer is not None:
        _session.writer.wake(soon)


@cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forked)


def _forked() -> None:
    """Begin anew in a forked child: threads, locks, leases and open runs are the parent's; it may log into its run."""
    _session.lock = threading.RLock()
    _session.elsewhere = current()
    _session.journal = _session.writer = _session.lease = None
    _session.opened = {}
