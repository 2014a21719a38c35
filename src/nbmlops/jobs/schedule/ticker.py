"""One tick: what is due since the last one becomes works of the ledger, and those that may start are started.

Any number of processes may tick: clocks and causes are read first, and one transaction checks that nobody was faster,
adds the works, and claims. A tick that only asks (``what_if``) does the same and takes everything back.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.capture.secrets import redact
from nbmlops.config import Project
from nbmlops.errors import NbmlopsError
from nbmlops.governance.agenda import overdue
from nbmlops.hooks import Shown
from nbmlops.jobs import outbox
from nbmlops.jobs.schedule import definition, notify, plan, times, triggers
from nbmlops.jobs.schedule.definition import Job
from nbmlops.jobs.schedule.fires import row_of, slots_of
from nbmlops.jobs.schedule.plan import Fire, Open
from nbmlops.records import Finding, now, plain

if TYPE_CHECKING:
    from nbmlops.jobs.schedule.triggers import Seen
    from nbmlops.jobs.works.executors import Executor, Handle
    from nbmlops.store.database import Store, Transaction
    from nbmlops.store.works import Claim

__all__ = ["LATE_MIN", "Tick", "late_minutes", "made_store", "tick", "ticker"]

LATE_MIN = 15.0  # minutes without a tick after which fires are late
WAIT_S = 20  # for the store's lock
ENDED = ("finished", "failed", "skipped", "missed", "cancelled")


@dataclass(frozen=True, repr=False)
class Tick(Shown):
    """What one tick saw and did, and why."""

    shows: ClassVar[str] = "tick"

    at: str
    host: str
    took_s: float
    what_if: bool
    jobs: int
    fires: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...] = ()
    _handles: tuple[Handle, ...] = ()  # of what was begun

    @property
    def handles(self) -> tuple[Handle, ...]:
        """What to wait for: one for each attempt that was begun."""
        return self._handles

    @property
    def started(self) -> int:
        """How many attempts were begun."""
        return sum(fire["what"] == "started" for fire in self.fires)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}


@dataclass(frozen=True)
class _Look:
    """What was read of a job before the transaction: valid while its schedule is as it was then."""

    job: Job
    seen_until: str | None
    fires: Sequence[Fire] = ()
    causes: Seen | None = None


@dataclass
class _Book:
    """What a tick writes down as it goes."""

    at: datetime
    what_if: bool
    late_s: float
    stopped: Mapping[str, str] = field(default_factory=dict)  # jobs that just failed once too often
    rows: list[dict[str, Any]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def note(self, job: str | None, key: str, what: str, why: str = "", trigger: str | None = None) -> None:
        self.rows.append({"job": job, "key": key, "what": what, "why": why, "trigger": trigger})


class _TakeBack(Exception):
    """Ends a transaction that was only asked for."""


def tick(project: Project, at: str | None = None, executor: Executor | None = None, what_if: bool = False) -> Tick:
    """Evaluate every job once, and begin what may start.

    Parameters
    ----------
    project : Project
    at : str, optional
        The time; now when absent.
    executor : Executor, optional
        Who does the works; without one they stay due.
    what_if : bool
        Change nothing: say what a tick would do.

    Returns
    -------
    Tick

    Raises
    ------
    Unavailable
        The store is away or locked; the next tick does what this one did not.

    Examples
    --------
    >>> tick(Project(Path("."), ""), what_if=True).fires  # doctest: +SKIP
    ()
    """
    from nbmlops.store import ledger, schedules
    from nbmlops.store.database import open_store

    began = time.perf_counter()
    moment = times.moment(at or now())
    jobs, broken = definition.load(project)
    findings = [*broken]
    if what_if and made_store(project) is None:  # nothing was ever seen: a tick would begin now
        return Tick(moment.isoformat(), ticker(), 0.0, True, len(jobs), (), tuple(findings))
    store, book = open_store(project), _Book(moment, what_if, 60 * late_minutes(project))
    _reconcile(store, book)
    book.stopped = _follow(store, jobs, project, book)
    looks = [*_looked(jobs, store, moment, findings)]
    with contextlib.suppress(_TakeBack), ledger.changing(store, WAIT_S) as change:
        for look in looks:
            _evaluate(change, look, book, project)
        if executor is not None:
            _claim(change, executor, {job.name for job in jobs}, project, book)
        taken, told = time.perf_counter() - began, tuple(book.rows)
        found = Tick(moment.isoformat(), ticker(), taken, what_if, len(jobs), told, tuple(findings))
        schedules.ticked(change, found.host, found.at, found.took_s, _brief(found))
        if what_if:
            raise _TakeBack
    if what_if:
        return found
    handles = tuple(_submitted(store, executor, book))
    findings += [*_told(store, jobs, project, book), *_pruned(project, book)]
    return replace(found, findings=tuple(findings), _handles=handles)


def _told(store: Store, jobs: Sequence[Job], project: Project, book: _Book) -> list[Finding]:
    """Send what waits to be sent; a fault there is a finding, for what was begun goes on."""
    try:
        _follow(store, [job for job in jobs if _missed(job, book)], project, book)
        overdue.remind()
        notify.send()
        outbox.retry(project)
    except Exception as error:
        return [Finding("told", "warning", redact(f"not all was sent: {type(error).__name__}: {error}"))]
    return []


def _pruned(project: Project, book: _Book) -> list[Finding]:
    """Once a day, let what predictions were made of expire; a fault there is a finding."""
    from nbmlops.monitoring.predicting import retention

    try:
        found = retention.prune_daily(project, book.at.isoformat())
        return [Finding("pruned", "warning", found.fault)] if found and found.damaged else []
    except Exception as error:
        return [Finding("pruned", "warning", redact(f"predictions: {type(error).__name__}: {error}"))]


def _follow(store: Store, jobs: Sequence[Job], project: Project, book: _Book) -> dict[str, str]:
    """Tell what ended since the last tick; return the jobs that stop for it, and why."""
    found = notify.follow(store, jobs, book.at.isoformat())
    if found and not book.what_if:
        notify.write(found, store, project)
    return {news.job: news.stopped for news in found if news.stopped}


def _missed(job: Job, book: _Book) -> bool:
    return "missed" in job.notify and any(r["job"] == job.name and r["what"] == "missed" for r in book.rows)


def late_minutes(project: Project) -> float:
    """Return after how many minutes without a tick something is wrong: ``[scheduler] late_min``."""
    return float(project.setting("scheduler", "late_min", LATE_MIN))


def made_store(project: Project) -> Store | None:
    """Return the store, None where nothing was ever kept: looking makes none."""
    from nbmlops.store.database import open_store
    from nbmlops.store.driver import is_sqlite, sqlite_path

    made = not is_sqlite(project.store_url) or sqlite_path(project.store_url).is_file()
    return open_store(project) if made else None


def ticker() -> str:
    """Return the name this process ticks under."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _looked(jobs: Sequence[Job], store: Store, at: datetime, findings: list[Finding]) -> Iterator[_Look]:
    """Yield the jobs that have something to be evaluated; one whose trigger cannot be judged is a finding."""
    from nbmlops.store import schedules

    known = schedules.known(store)
    for job in jobs:
        row = known.get(job.name)
        if row is not None and row["state"].get("when") != _text(job):
            says = f"{job.path} fires by something else than before: it begins anew"
            findings.append(Finding("changed", "warning", says, job.name))
            row = None
        try:
            look = _look(job, row, store, at)
        except Exception as error:  # whatever it is, the other jobs go on
            said = error if isinstance(error, NbmlopsError) else f"{type(error).__name__}: {error}"
            findings.append(Finding("trigger", "warning", redact(f"{job.path}: {said}"), job.name))
            continue
        if row is None or look.fires or (look.causes and look.causes.remembered(row["state"]) != row["state"]):
            yield look


def _look(job: Job, row: Mapping[str, Any] | None, store: Store, at: datetime) -> _Look:
    seen = row["seen_until"] if row else None
    if job.when is None:
        return _Look(job, seen)
    if job.when.kind == "cron":
        return _Look(job, seen, _fires(job, seen, at))
    return _Look(job, seen, causes=triggers.look(job, store, row["state"] if row else {}))


def _text(job: Job) -> str:
    return job.when.text if job.when else ""


def _fires(job: Job, seen: str | None, at: datetime) -> list[Fire]:
    """Return the fires of a clock since it was last looked at; none at first sight."""
    if seen is None or job.when is None:
        return []
    return [Fire(job.name, f) for f in times.fires(job.when.value, job.when.zone, times.moment(seen), at)]


def _reconcile(store: Store, book: _Book) -> None:
    """Settle the attempts that nobody does any more."""
    from nbmlops.jobs.works import retry
    from nbmlops.store import lapses, ledger

    at = book.at.isoformat()
    lost = [c for c, _ in lapses.unowned(store, at)] if book.what_if else retry.reconcile(store, at)
    for claim in lost:
        held = ledger.get(store, claim.key)
        state = f"its work is {held.state}" if held and not book.what_if else "its lease is over"
        book.note(held.job if held else None, claim.key, "lapsed", f"nobody does attempt {claim.attempt}; {state}")


def _evaluate(change: Transaction, look: _Look, book: _Book, project: Project) -> None:
    """Turn the fires of one job into works, unless another process has done so meanwhile."""
    from nbmlops.store import schedules

    job, at = look.job, book.at.isoformat()
    row = schedules.known(change, [job.name]).get(job.name)
    if row is None or row["state"].get("when") != _text(job):
        _first_sight(change, look, row, at)
        return
    if row["seen_until"] != look.seen_until:
        return  # somebody was faster
    state, fires, rest = _due(look, row, book.at)
    open_ = _open(change, job)
    decided = plan.decide(job, fires, open_, book.at, book.late_s, _off(job, row, book) or rest)
    due = [fire for fire in decided if fire.what == "due"]
    values: dict[str, Any] = {"seen_until": at, "digest": job.digest, "state": state}
    if look.causes is not None and due:
        values |= {"last_triggered": due[-1].scheduled_for.isoformat(), "state": triggers.counted(state, job, book.at)}
    schedules.put(change, job.name, **values)
    if due and job.policy.overlap == "replace":
        _replace(change, job, open_, due[-1].key, book)
    if _add(change, job, plan.fold(decided), book, project):
        _prune(change, job, book.at)


def _replace(change: Transaction, job: Job, open_: Sequence[Open], newer: str, book: _Book) -> None:
    """Cancel the works of a job that have not ended."""
    from nbmlops.store import ledger

    for held in open_:
        if ledger.cancel(change, held.key, f"replaced by {newer}", book.at.isoformat()):
            book.note(job.name, held.key, "cancelled", f"replaced by {newer}")


def _first_sight(change: Transaction, look: _Look, row: Mapping[str, Any] | None, at: str) -> None:
    """Remember a job that is new, or fires by something else than before: it begins now, with no flood."""
    from nbmlops.store import schedules

    state = {"since": at, **(row["state"] if row else {}), "when": _text(look.job), "fired": [], "evidence": ""}
    state = look.causes.remembered(state) if look.causes is not None else state
    state.setdefault("told", [] if look.job.notify else None)
    schedules.put(change, look.job.name, seen_until=at, digest=look.job.digest, state=state)


def _due(look: _Look, row: Mapping[str, Any], at: datetime) -> tuple[dict[str, Any], Sequence[Fire], str]:
    """Return the state to remember, the new fires, and why a trigger has to wait."""
    state = dict(row["state"])
    if look.causes is None:
        return state, look.fires, ""
    new = look.causes.new(state)
    state = look.causes.remembered(state)
    if not new:
        return state, (), ""
    last = row["last_triggered"]
    moment = max(at, times.moment(last) + timedelta(microseconds=1)) if last else at
    trigger = triggers.named(new)
    says = "; ".join(cause.says for cause in new[:3])
    return state, [Fire(look.job.name, moment, why=says, trigger=trigger)], triggers.rest(look.job, row, at)


def _off(job: Job, row: Mapping[str, Any], book: _Book) -> str:
    """Return why a job does not run: somebody paused it, or it failed too often."""
    if row["paused_at"]:
        return f"paused by {row['paused_by']} on {row['paused_at'][:16]}"
    return str(row["stopped_reason"] or book.stopped.get(job.name, ""))


def _open(change: Transaction, job: Job) -> list[Open]:
    """Return the works of a job that have not ended, the oldest first."""
    from nbmlops.store import schedules

    return [Open(work["key"], work["state"]) for work in schedules.waiting(change, [job.name])]


def _add(change: Transaction, job: Job, fires: Sequence[Fire], book: _Book, project: Project) -> bool:
    """Add fires to the ledger; tell whether any was new."""
    from nbmlops.store import ledger

    prepared = [row_of(job, fire, project, book.at.isoformat()) for fire in fires]
    new = set(ledger.add(change, prepared))
    for fire, row in zip(fires, prepared, strict=True):
        if fire.key in new:
            book.note(job.name, fire.key, row["state"], row["reason"] or fire.why, fire.trigger)
    return bool(new)


def _prune(change: Transaction, job: Job, at: datetime) -> None:
    """Forget works that ended long ago, as the job says."""
    from nbmlops.store import ledger

    keep = job.policy.keep
    if keep is None:
        return
    if keep.runs is not None:
        ledger.prune(change, job.name, keep.runs)
    elif keep.age_s is not None:
        ended = ledger.list(change, job=job.name, state=ENDED, limit=None)
        since = (at - timedelta(seconds=keep.age_s)).isoformat(timespec="microseconds")
        ledger.prune(change, job.name, sum((work.ended_at or "") >= since for work in ended))


def _claim(change: Transaction, executor: Executor, jobs: Collection[str], project: Project, book: _Book) -> None:
    """Begin works of jobs that are known here, the one due for longest first; a job does one at a time, in order."""
    from nbmlops.store import ledger

    at, slots = book.at.isoformat(), slots_of(project)
    ready = _startable(change, jobs, times.moment(at).isoformat(timespec="microseconds"))
    job_of = {work["key"]: work["job"] for work in ready}
    most = max(0, executor.free()) if ready else 0
    for claim in ledger.claim(change, at, ticker(), key=[*job_of], slots=slots, most=most):
        book.claims.append(claim)
        book.note(job_of[claim.key], claim.key, "started", f"attempt {claim.attempt}")


def _startable(change: Transaction, jobs: Collection[str], at: str) -> list[Mapping[str, Any]]:
    """Return the next work of each job that does none, and is neither paused nor stopped."""
    from nbmlops.store import schedules

    known = schedules.known(change)
    on = [name for name in jobs if not (name in known and (known[name]["paused_at"] or known[name]["stopped_reason"]))]
    by_job: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for work in schedules.waiting(change, on):
        by_job[work["job"]].append(work)
    first = [works[0] for works in by_job.values() if all(w["state"] == "due" for w in works)]
    return [work for work in first if work["not_before"] <= at]


def _submitted(store: Store, executor: Executor | None, book: _Book) -> Iterator[Handle]:
    """Hand over the claims; those that nobody takes are given back."""
    from nbmlops.store import ledger

    for number, claim in enumerate(book.claims if executor else ()):
        try:
            yield executor.submit(claim)  # type: ignore[union-attr]
        except BaseException:
            with ledger.changing(store) as change:
                for left in book.claims[number:]:
                    ledger.close(change, left, "interrupted", "preempted", now(), retry_at=now())
            raise


def _brief(found: Tick) -> dict[str, Any]:
    """Return a tick in numbers."""
    counts = Counter(row["what"] for row in found.fires)
    return {"jobs": found.jobs, "broken": len(found.findings), **counts}
