"""The scheduler as a process: tick, begin what is due, wait, again; and what watches that it does."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nbmlops.capture.secrets import Secret, redact
from nbmlops.errors import Invalid, NbmlopsError, Unavailable, tell
from nbmlops.jobs.schedule import times
from nbmlops.jobs.schedule.ticker import Tick, late_minutes, made_store, tick
from nbmlops.jobs.works import drive
from nbmlops.records import now
from nbmlops.store.database import open_store

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.jobs.works.executors import Executor, Handle

__all__ = ["Seen", "cron_job", "failed", "last_tick", "ping", "run_once", "serve", "stopping", "unit"]

EVERY_S = 20.0
LOOK_S = 0.5  # how soon an end is noticed
PING_S = 5.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Seen:
    """The newest tick of any ticker, and whether it is long ago."""

    at: str | None
    host: str
    minutes: float | None
    late: bool
    says: str


def serve(
    project: Project,
    executor: Executor,
    stop: threading.Event,
    every_s: float = EVERY_S,
    say: Say = print,
    clock: Callable[[], str] = now,
) -> None:
    """Tick until told to stop: every so often, and at once when something has ended.

    A tick that fails is said, and the next one does what it did not. Attempts that still run when it stops are told
    that they are preempted: their works are due again.

    Parameters
    ----------
    project : Project
    executor : Executor
        Is closed at the end.
    stop : threading.Event
    every_s : float
        Seconds between ticks.
    say : callable
        Told a line about each tick that did something.
    clock : callable
        Gives the time.
    """
    air = _Air(project, executor, stop, say)
    try:
        while not stop.is_set():
            air.begun(_ticked(project, executor, say, clock))
            air.wait(every_s)
    finally:
        executor.close()


def run_once(project: Project, executor: Executor, what_if: bool = False, stop: threading.Event | None = None) -> Tick:
    """Tick, wait until what it began has ended, and go on while there is more to begin: for cron, and a CronJob.

    Parameters
    ----------
    project : Project
    executor : Executor
        Is closed at the end.
    what_if : bool
        Say what a tick would do, and do nothing.
    stop : threading.Event, optional
        Ends the wait: what still runs is told that it is preempted.

    Returns
    -------
    Tick
        The first, with the fires of those that followed.
    """
    end = stop or threading.Event()
    try:
        found = tick(project, now(), executor, what_if)
        air = _Air(project, executor, end, tell)
        air.begun(found.handles)
        while air.handles and not end.is_set():
            air.wait(EVERY_S)
            if not end.is_set():
                more = tick(project, now(), executor)
                air.begun(more.handles)
                found = replace(found, fires=(*found.fires, *more.fires))
    finally:
        executor.close()
    return found


def failed(project: Project, found: Tick) -> list[str]:
    """Return the keys of the works a tick began that have failed since."""
    from nbmlops.store import ledger

    begun = [] if found.what_if else [fire["key"] for fire in found.fires if fire["what"] == "started"]
    works = (ledger.get(open_store(project), key) for key in begun)
    return [work.key for work in works if work is not None and work.state == "failed"]


def unit(project: Project) -> str:
    """Return a systemd unit that runs the scheduler of a project, with this Python."""
    command = Path(sys.executable).with_name("nbmlops")
    return _template("nbmlops.service").substitute(name=project.name, root=project.root, command=command)


def cron_job(project: Project, image: str, folder: str = "/project") -> str:
    """Return a CronJob of Kubernetes that ticks for a project.

    Parameters
    ----------
    project : Project
    image : str
        A container with the project, its packages and this one.
    folder : str
        Where the project lies in it.
    """
    name = re.sub(r"[^a-z0-9]+", "-", project.name.lower()).strip("-")[:43] or "project"  # what such a name may be
    return _template("cronjob.yaml").substitute(name=f"nbmlops-{name}", image=image, folder=folder)


def _template(name: str) -> Template:
    return Template(resources.files("nbmlops").joinpath("templates", "jobs", name).read_text(encoding="utf-8"))


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set, and that ends the first wait."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def last_tick(project: Project, at: str | None = None, late_min: float | None = None) -> Seen:
    """Return the newest tick, and whether it is longer ago than ``[scheduler] late_min`` minutes.

    Parameters
    ----------
    project : Project
    at : str, optional
        The time; now when absent.
    late_min : float, optional
        In place of the setting.
    """
    from nbmlops.store import schedules

    allowed = late_minutes(project) if late_min is None else late_min
    store = made_store(project)
    found = schedules.tickers(store) if store else []
    if not found:
        return Seen(None, "", None, True, "no tick ever came")
    newest = found[0]
    ago = (times.moment(at or now()) - times.moment(newest["at"])) / timedelta(minutes=1)
    says = f"the last tick came {ago:.1f} minutes ago, from {newest['host']}, and took {newest['took_s']:.2f} s"
    return Seen(newest["at"], newest["host"], ago, ago > allowed, says)


def ping(project: Project) -> str:
    """Tell ``[scheduler] ping`` that a tick came; return what went wrong, without the address.

    Parameters
    ----------
    project : Project
        Whose setting is ``env:NAME``, a variable with the address, or an address of this machine itself.
    """
    setting = project.setting("scheduler", "ping")
    if setting is None:
        return ""
    try:
        with urllib.request.urlopen(_address(setting), timeout=PING_S):
            return ""
    except NbmlopsError as error:
        return f"ping: {error}"
    except Exception as error:
        name = setting if str(setting).startswith("env:") else "the address"
        return f"ping: {name} did not answer: {type(error).__name__}"


def _address(setting: Any) -> str:
    name = setting.removeprefix("env:") if isinstance(setting, str) and setting.startswith("env:") else ""
    address = str.__str__(Secret(name)) if re.fullmatch(r"[A-Za-z_]\w*", name) else str(setting)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not (name or parts.hostname in LOOPBACK):
        raise Invalid("[scheduler] ping is no address that may be written here.", "Write ping = 'env:PING_URL'.")
    return address


def _ticked(project: Project, executor: Executor, say: Say, clock: Callable[[], str]) -> tuple[Handle, ...]:
    """Tick, and say what was done or what failed; whatever it is, the scheduler goes on."""
    try:
        found = tick(project, clock(), executor)
    except Exception as error:
        say(redact(f"{clock()[:19]} tick failed: {type(error).__name__}: {error}"))
        return ()
    if found.fires:
        say(repr(found))
    threading.Thread(target=_pinged, args=(project, say), daemon=True, name="nbmlops ping").start()
    return found.handles


def _pinged(project: Project, say: Say) -> None:
    global _told
    wrong = ping(project)
    if wrong and wrong != _told:
        say(wrong)
    _told = wrong


_told = ""  # the fault of the ping that was said last: one line, not one a tick


@dataclass
class _Air:
    """What was handed over and has not ended."""

    project: Project
    executor: Executor
    stop: threading.Event
    say: Say
    handles: list[Handle] = field(default_factory=list)
    held: float = field(default_factory=time.monotonic)

    def begun(self, handles: Sequence[Handle]) -> None:
        self.handles += handles

    def wait(self, every_s: float) -> None:
        """Wait for the next tick, or until something ends; an executor that is away is said, and waited for."""
        end = time.monotonic() + every_s
        while not self.stop.is_set() and time.monotonic() < end:
            try:
                if self._ended(min(LOOK_S, every_s)):
                    return
            except Unavailable as error:
                self.say(redact(f"{now()[:19]} {error}"))
                self.stop.wait(every_s)

    def _ended(self, wait_s: float) -> bool:
        """Settle what ended, and hold the leases of what still waits for a worker."""
        if not self.handles:
            self.stop.wait(wait_s)
            return False
        store = open_store(self.project)
        done = self.executor.wait(self.handles, wait_s)
        for key, error in drive.settle(store, done).items():
            self.say(redact(f"{key} could not begin: {error}"))
        self.handles = [handle for handle in self.handles if not handle.done]
        if time.monotonic() - self.held > drive.HOLD_S:
            self.held = time.monotonic()
            drive.hold(store, self.handles)
        return bool(done)
