"""Tell people what became of a job: failed, missed, recovered, finished; once each, through the channels of alerts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import NbmlopsError, NotFound

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.jobs.schedule.definition import Job
    from nbmlops.store.database import Store
    from nbmlops.store.works import Work
    from nbmlops.tracking.runs import Run

__all__ = ["News", "follow", "message", "news", "send", "write"]

SPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # an alert's id follows from what it tells
ENDED = ("finished", "failed", "missed")
LOOKED_AT = 50  # newest works of a job
WORDS = {"failed": "failed", "missed": "was missed", "recovered": "recovered", "finished": "finished"}


@dataclass(frozen=True)
class News:
    """What ended of one job since the last look: works to remember, alerts to send, why it stops."""

    job: str
    told: tuple[str, ...] | None  # None where nobody wants to know
    alerts: tuple[Mapping[str, Any], ...] = ()
    failures: int = 0
    stopped: str = ""


def follow(store: Store, jobs: Sequence[Job], at: str) -> list[News]:
    """Return what ended of jobs since the last look.

    Parameters
    ----------
    store : Store
    jobs : sequence of Job
    at : str
        The present time.
    """
    from nbmlops.store import ledger, schedules

    known = schedules.known(store)
    found = []
    for job in (job for job in jobs if job.name in known):
        ended = ledger.list(store, job=job.name, state=ENDED, limit=max(LOOKED_AT, job.policy.stop_after))
        one = news(job, known[job.name], [*reversed(ended)], at)
        if _differs(one, known[job.name]):
            found.append(one)
    return found


def _differs(one: News, row: Mapping[str, Any]) -> bool:
    told = row["state"].get("told")
    return bool(one.stopped) or one.failures != row["failures"] or one.told != (None if told is None else tuple(told))


def news(job: Job, row: Mapping[str, Any], ended: Sequence[Work], at: str) -> News:
    """Return what is new of one job.

    Parameters
    ----------
    job : Job
    row : mapping
        Its schedule.
    ended : sequence of Work
        Its newest works that ended, the oldest first.
    at : str
        The present time.
    """
    state = row["state"]
    since, told = state.get("since", ""), state.get("told")
    # Where nobody wanted to know before, what has ended is old news.
    fresh = [] if told is None else [w for w in ended if _id(w) not in told and (w.ended_at or "") > since]
    failures = _failures(ended, state.get("resumed_at", ""))
    stopped = ""
    if failures >= job.policy.stop_after and not row["stopped_reason"]:
        stopped = f"stopped after {failures} failures in a row: nbmlops jobs resume {job.name}"
    alerts = [*_alerts(job, fresh, ended, at, stopped)] if job.notify else []
    return News(job.name, tuple(_id(w) for w in ended) if job.notify else None, tuple(alerts), failures, stopped)


def write(found: Sequence[News], store: Store, project: Project) -> None:
    """Remember what was told, with the alerts about it, in one transaction; nothing is told twice."""
    from nbmlops.monitoring import alerts
    from nbmlops.store import episodes, ledger, schedules

    channels = [c.name for c in alerts.channels(project)] or [""]  # kept though nobody is told
    with ledger.changing(store) as change:
        known = schedules.known(change, [one.job for one in found])
        for one, row in ((one, known[one.job]) for one in found if one.job in known):
            told = set(row["state"].get("told") or ())
            for data in one.alerts:
                if data["of"] not in told:
                    episodes.add_alert(change, data, channels)
            state = {**row["state"], "told": None if one.told is None else [*one.told]}
            reason = one.stopped or row["stopped_reason"]
            schedules.put(change, one.job, state=state, failures=one.failures, stopped_reason=reason)


def send() -> tuple[str, ...]:
    """Send what is not sent yet; return a line for each channel that failed."""
    from nbmlops.monitoring.alerts import deliver

    return deliver()


def _id(work: Work) -> str:
    return f"{work.key}#{work.attempt}:{work.state}"


def _failures(ended: Sequence[Work], since: str) -> int:
    """Return how many of the newest works failed in a row since somebody let the job go on."""
    count = 0
    for work in reversed([w for w in ended if w.state != "missed"]):
        if work.state != "failed" or (work.ended_at or "") <= since:
            break
        count += 1
    return count


def _alerts(
    job: Job, fresh: Sequence[Work], ended: Sequence[Work], at: str, stopped: str
) -> Iterator[Mapping[str, Any]]:
    missed = [w for w in fresh if w.state == "missed"]
    if missed and "missed" in job.notify:
        yield message(job, "missed", missed[-1], at, more=len(missed) - 1)
    judged = [w for w in ended if w.state != "missed"]
    for before, work in zip([None, *judged], judged, strict=False):
        if work not in fresh:
            continue
        for event in _events(work, before):
            if event in job.notify:
                yield message(job, event, work, at, stopped=stopped if work is judged[-1] else "")


def _events(work: Work, before: Work | None) -> list[str]:
    if work.state == "failed":
        return ["failed"]
    return ["finished", "recovered"] if before is not None and before.state == "failed" else ["finished"]


def message(job: Job, event: str, work: Work, at: str, stopped: str = "", more: int = 0) -> dict[str, Any]:
    """Return one alert about a work of a job.

    Parameters
    ----------
    job : Job
    event : {"failed", "missed", "recovered", "finished"}
    work : Work
    at : str
        The present time.
    stopped : str
        Why the job does not run any more.
    more : int
        How many more works it is about.
    """
    run = _run(work)
    to, note = _people(job.notify.get(event, ()))
    why = _why(work, run) if event in ("failed", "missed") else ""
    others = f" and {more} more before it" if more else ""
    lines = [f"{work.key}{others} {WORDS[event]}" + (f": {why}" if why else ""), *_told(job, work, run)]
    lines += [f"The job is {stopped}"] if stopped else []
    lines += [f"Owner: {job.owner}"] if job.owner else []
    lines += [f"To: {', '.join(to)}"] if to else []
    text = "\n".join([*lines, *note])
    return {
        "alert_id": str(uuid.uuid5(SPACE, f"{_id(work)}:{event}")),
        "of": _id(work),
        "at": at,
        "model": f"job {job.name}",
        "version": 0,
        "owner": job.owner,
        "title": redact(f"{job.name} {WORDS[event]}" + (f": {why.splitlines()[0]}" if why else ""))[:200],
        "text": redact(text),
        "job": job.name,
        "event": event,
        "key": work.key,
        "run_id": work.run_id,
        "to": to,
        "episodes": [],
        "do": [],
    }


def _run(work: Work) -> Run | None:
    """Return the run of a work as people outside may see it."""
    from nbmlops.report.gathered import outside
    from nbmlops.tracking.runs import get_run

    try:
        return outside.of_run(get_run(work.run_id)) if work.run_id else None
    except NotFound:  # it never began
        return None


def _why(work: Work, run: Run | None) -> str:
    from nbmlops.report.gathered import outside

    error = (run.error or {}) if run is not None else {}
    said = f"{error['name']}: {error['message']}" if error.get("name") else ""
    return said or outside.of_reason(work.reason or "")


def _told(job: Job, work: Work, run: Run | None) -> list[str]:
    """Return the lines about the run: where it failed, what it said last, where its output and report are."""
    from nbmlops.jobs import failure

    if run is None:
        return [f"notebook  {job.notebook}"]
    return [failure.message(run), f"attempt   {work.attempt} of {work.most}"]


def _people(roles: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return who is told: each role with the people of the charter."""
    from nbmlops.governance.charter import charter

    try:
        agreed = charter()
    except NbmlopsError as error:
        return [*roles], [f"The charter cannot be read: {error.message}"]
    named = {role: agreed.roles.get(role, ()) if agreed else () for role in roles}
    return [f"{role} ({', '.join(people)})" if people else role for role, people in named.items()], []
