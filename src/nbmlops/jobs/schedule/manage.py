"""What people do with jobs: list, look, pause, resume, cancel, fill in what was never done; each with who did it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.hooks import Shown
from nbmlops.jobs.schedule import checks, definition, times
from nbmlops.jobs.schedule.definition import Job
from nbmlops.jobs.schedule.fires import row_of
from nbmlops.jobs.schedule.plan import Fire
from nbmlops.jobs.schedule.ticker import made_store
from nbmlops.records import Finding, now
from nbmlops.tracking import actor as identity

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.store.database import Store
    from nbmlops.store.works import Work

__all__ = ["JobStatus", "backfill", "cancel", "history", "listed", "made_store", "pause", "resume", "show"]

LISTED = ("job", "state", "when", "next_at", "last", "last_at", "failures", "owner", "says")
WORKS = ("key", "state", "scheduled_for", "trigger", "attempt", "most", "run_id", "created_at", "ended_at", "reason")
SHOWN_WORKS = 5
MOST_FILLED = 1000


@dataclass(frozen=True, repr=False)
class JobStatus(Shown):
    """A job, whether it is on, when it fires next, what it did last, and what is wrong with it."""

    shows: ClassVar[str] = "job"

    job: Job
    row: Mapping[str, Any]
    works: tuple[Work, ...] = ()
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        works, found = [_flat(work) for work in self.works], [f.to_dict() for f in self.findings]
        return {**self.job.to_dict(), "status": dict(self.row), "works": works, "findings": found}


def listed(project: Project, at: str | None = None) -> list[dict[str, Any]]:
    """Return one row a job: its state, when it fires next, what it did last; a broken file has a row, too.

    Parameters
    ----------
    project : Project
    at : str, optional
        The time; now when absent.
    """
    from nbmlops.store import schedules

    store, moment = made_store(project), times.moment(at or now())
    jobs, broken = definition.load(project)
    known = schedules.known(store) if store else {}
    rows = [_row(job, known.get(job.name), store, moment) for job in jobs]
    wrong = {f.column: f.message for f in broken}
    rows = [{**row, "says": row["says"] or wrong.pop(row["job"], "")} for row in rows]
    rows += [_nameless(name, "broken", says) for name, says in wrong.items()]
    rows += [_nameless(name, "gone", says) for name, says in _gone(store, [*known], {row["job"] for row in rows})]
    return sorted(rows, key=lambda row: str(row["job"]))


def show(name: str, project: Project, at: str | None = None) -> JobStatus:
    """Return one job with its state, its newest works, and what is wrong with it here.

    Raises
    ------
    NotFound
        There is no such job.
    Invalid
        Its file is broken.
    """
    from nbmlops.store import ledger, schedules

    job, store = definition.find(name, project), made_store(project)
    known = schedules.known(store, [name]) if store else {}
    row = _row(job, known.get(name), store, times.moment(at or now()))
    works = ledger.list(store, job=name, limit=SHOWN_WORKS) if store else ()
    return JobStatus(job, row, tuple(works), tuple(checks.check(job, project)))


def history(
    project: Project, name: str | None = None, state: str | None = None, limit: int | None = 100
) -> list[dict[str, Any]]:
    """Return the works of a job, or all there are, those of a run key or of rows too, the one added last first."""
    from nbmlops.store import ledger

    store = made_store(project)
    if name is not None and not (store and ledger.list(store, job=name, limit=1)):
        definition.find(name, project)  # a name nobody knows is said
    found = ledger.list(store, job=name, state=(state,) if state else (), limit=limit) if store else ()
    return [_flat(work) for work in found]


def pause(name: str, project: Project, at: str | None = None, reason: str = "") -> None:
    """Let a job fire no more until it is resumed; each fire is a skipped row meanwhile.

    Raises
    ------
    Conflict
        It is paused already.
    """
    from nbmlops.store import schedules

    store, actor = _made(name, project), identity.actor()
    with store.atomic() as change:
        row = schedules.known(change, [name]).get(name)
        if row and row["paused_at"]:
            raise Conflict(f"{name} is paused already, by {row['paused_by']}.", f"nbmlops jobs resume {name}")
        schedules.put(change, name, paused_at=at or now(), paused_by=actor[0])
        change.event("job_paused", f"jobs/{name}", {"reason": reason}, actor)


def resume(name: str, project: Project, at: str | None = None, reason: str = "") -> None:
    """Let a job that was paused, or stopped after failures, fire again from now on.

    Raises
    ------
    Conflict
        It is neither.
    """
    from nbmlops.store import schedules

    store, actor, moment = _made(name, project), identity.actor(), at or now()
    with store.atomic() as change:
        row = schedules.known(change, [name]).get(name)
        if row is None or not (row["paused_at"] or row["stopped_reason"]):
            raise Conflict(f"{name} is neither paused nor stopped.", f"nbmlops jobs show {name}")
        state = {**row["state"], "resumed_at": times.moment(moment).isoformat(timespec="microseconds")}
        schedules.put(change, name, paused_at=None, paused_by=None, stopped_reason=None, failures=0, state=state)
        change.event("job_resumed", f"jobs/{name}", {"reason": reason, "was": row["stopped_reason"] or "paused"}, actor)


def cancel(ref: str, project: Project, at: str | None = None, reason: str = "") -> list[str]:
    """Cancel a work by its key, or all of a job that have not ended; return their keys.

    Who does one learns so within seconds, and its run is *interrupted*, cause *cancelled*.

    Raises
    ------
    NotFound
        There is nothing to cancel.
    """
    from nbmlops.store import ledger
    from nbmlops.store.database import open_store

    if "@" not in ref and made_store(project) is None:
        definition.find(ref, project)  # a name nobody knows is said
    store, actor, moment = open_store(project), identity.actor(), at or now()
    said = f"cancelled by {actor[0]}" + (f": {reason}" if reason else "")
    with store.atomic() as change:
        held = ledger.get(change, ref)  # a run key may be any text
        found = [held] if held else ledger.list(change, job=ref, state=OPEN, limit=None)
        done = [w.key for w in found if ledger.cancel(change, w.key, said, moment)]
        if not done:
            raise NotFound(f"Nothing of {ref} is due or started.", f"nbmlops jobs history {ref.partition('@')[0]}")
        change.event("job_cancelled", f"jobs/{ref.partition('@')[0]}", {"keys": done, "reason": reason}, actor)
    return done


OPEN = ("due", "started")


def backfill(name: str, project: Project, since: str, until: str, at: str | None = None) -> list[dict[str, Any]]:
    """Make due what a job's clock names in a period and what was never done; return a row for each fire.

    Fires that were missed, skipped, failed or cancelled are due again; those that are finished stay so. They run one
    after the other.

    Parameters
    ----------
    name : str
    project : Project
    since, until : str
        A date or time each, both included; UTC where no zone is said.
    at : str, optional
        The present time.

    Raises
    ------
    Invalid
        The job has no clock, or the period holds more than a thousand fires, or is not over.
    """
    from nbmlops.store import ledger

    job, store, actor, moment = definition.find(name, project), _made(name, project), identity.actor(), at or now()
    fires = _period(job, since, until, times.moment(moment))
    rows = []
    with store.atomic() as change:
        for fire in fires:
            row = row_of(job, fire, project, moment, by=f"backfill by {actor[0]}") | {"deadline": None}
            new = ledger.add(change, [row])
            again = not new and ledger.reopen(change, fire.key, moment, job.policy.retries + 1)
            held = ledger.get(change, fire.key)
            rows.append(
                {"key": fire.key, "becomes": "due" if new or again else f"stays {held.state if held else 'away'}"}
            )
        data = {"since": since, "until": until, "due": sum(r["becomes"] == "due" for r in rows)}
        change.event("job_backfilled", f"jobs/{name}", data, actor)
    return rows


def _period(job: Job, since: str, until: str, at: datetime) -> list[Fire]:
    if job.when is None or job.when.kind != "cron":
        raise Invalid(f"{job.name} has no clock to fill in.", f"Run it: nbmlops retrain {job.name}")
    start, end = times.moment(since), times.moment(until)
    if end > at or start > end:
        raise Invalid(f"{since} to {until} is no period of the past.", "Write --from 2026-01-01 --to 2026-03-01.")
    found: list[Fire] = []
    for fire in times.fires(job.when.value, job.when.zone, start - _TICK, end):
        found.append(Fire(job.name, fire))
        if len(found) > MOST_FILLED:
            raise Invalid(f"{since} to {until} holds more than {MOST_FILLED:,} fires.", "Fill in a part at a time.")
    return found


_TICK = datetime.resolution


def _made(name: str, project: Project) -> Store:
    """Return the store for a change of a job that is there; a broken one may be paused, too."""
    from nbmlops.store.database import open_store

    if not any((project.root / definition.FOLDER / f"{name}{end}").is_file() for end in (".yaml", ".yml")):
        definition.find(name, project)
    return open_store(project)


def _row(job: Job, row: Mapping[str, Any] | None, store: Store | None, at: datetime) -> dict[str, Any]:
    from nbmlops.store import ledger

    last = ledger.list(store, job=job.name, limit=1) if store else ()
    state, says = _state(row)
    next_at = None
    if job.when is not None and job.when.kind == "cron" and state == "on":
        next_at = times.next_fire(job.when.value, job.when.zone, at)
    about = [*_last(last)]
    values = (job.name, state, job.when.text if job.when else "by hand", next_at.isoformat() if next_at else "")
    return dict(zip(LISTED, (*values, *about, row["failures"] if row else 0, job.owner, says), strict=True))


def _nameless(name: str, state: str, says: str) -> dict[str, Any]:
    return dict.fromkeys(LISTED, "") | {"job": name, "state": state, "says": says}


def _gone(store: Store | None, known: Sequence[str], there: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield jobs whose file is not here any more though works of theirs wait."""
    from nbmlops.store import ledger

    for name in (name for name in known if store and name not in there):
        if waiting := ledger.counts(store, job=name).get("due") if store else 0:
            yield name, f"its file is not here; {waiting} due: nbmlops jobs cancel {name}"


def _last(works: Sequence[Work]) -> Iterator[str]:
    yield works[0].state if works else ""
    yield (works[0].ended_at or works[0].created_at)[:19] if works else ""


def _state(row: Mapping[str, Any] | None) -> tuple[str, str]:
    if row and row["paused_at"]:
        return "paused", f"by {row['paused_by']} on {row['paused_at'][:16]}"
    if row and row["stopped_reason"]:
        return "stopped", str(row["stopped_reason"])
    return "on", ""


def _flat(work: Work) -> dict[str, Any]:
    about = replace(work, reason=work.reason or work.spec.get("because"))
    return {"job": work.job, **{name: getattr(about, name) for name in WORKS}}
