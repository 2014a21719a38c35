"""What becomes of a job's fires: which are due, skipped or missed, and why; decided from facts alone, no store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from nbmlops.jobs.schedule import times
from nbmlops.jobs.schedule.definition import Job

__all__ = ["MANY", "MOST_CAUGHT_UP", "Fire", "Open", "decide", "fold"]

MANY = 100  # fires that are not done, at once, are one row from here on
MOST_CAUGHT_UP = 1000  # late fires that are done after all
What = Literal["due", "started", "skipped", "missed", "cancelled", "lapsed", "failed"]


@dataclass(frozen=True)
class Fire:
    """A fire of a job, what becomes of it, and why."""

    job: str
    scheduled_for: datetime
    what: What = "due"
    why: str = ""
    trigger: str | None = None

    @property
    def key(self) -> str:
        """The key of its work."""
        return f"{self.job}@{self.scheduled_for.isoformat()}"


@dataclass(frozen=True)
class Open:
    """A work of the job that is due or started already."""

    key: str
    state: str


def decide(
    job: Job, fires: Sequence[Fire], open_: Sequence[Open], at: datetime, late_s: float, off: str = ""
) -> list[Fire]:
    """Return what becomes of each fire, the oldest first.

    Parameters
    ----------
    job : Job
    fires : sequence of Fire
        New ones, the oldest first.
    open_ : sequence of Open
        The works of the job that have not ended.
    at : datetime
        The present time.
    late_s : float
        A fire older than this is late: no ticker was there for it.
    off : str
        Why the job does not run at all, such as that it is paused.

    Returns
    -------
    list of Fire
        ``due`` ones are to be done. With ``replace`` the open works are to be cancelled when one is due.
    """
    if off:
        return [replace(fire, what="skipped", why=off) for fire in fires]
    caught = [*_caught_up(job, fires, at, late_s)]
    timely = [_in_time(job, fire, at) if fire.what == "due" else fire for fire in caught]
    return [*_overlapping(job, timely, open_)]


def _caught_up(job: Job, fires: Sequence[Fire], at: datetime, late_s: float) -> Iterator[Fire]:
    """Yield fires, those that are late and not wanted any more as missed."""
    late = sum((at - fire.scheduled_for).total_seconds() > late_s for fire in fires)  # the oldest so many
    policy = job.policy.catch_up
    most = {"skip": 0, "latest": int(late == len(fires)), "all": MOST_CAUGHT_UP}[policy]
    why = f"no ticker was there in time; catch_up is {policy}"
    for number, fire in enumerate(fires):
        yield replace(fire, what="missed", why=why) if number < late - most else fire


def _in_time(job: Job, fire: Fire, at: datetime) -> Fire:
    deadline = job.policy.start_deadline
    if deadline is None or at <= fire.scheduled_for + timedelta(seconds=deadline):
        return fire
    return replace(fire, what="missed", why=f"its start deadline of {times.span(deadline)} is over")


def _overlapping(job: Job, fires: Sequence[Fire], open_: Sequence[Open]) -> Iterator[Fire]:
    """Yield fires, those that meet an earlier one as the policy says."""
    due = [fire for fire in fires if fire.what == "due"]
    policy, together = job.policy.overlap, job.policy.catch_up == "all"
    for fire in fires:
        if fire.what != "due" or policy == "queue":
            yield fire
        elif policy == "replace":
            newer = due[-1]
            yield fire if fire == newer else replace(fire, what="skipped", why=f"replaced by {newer.key}")
        elif open_:
            yield replace(fire, what="skipped", why=f"{open_[0].key} is {_state(open_[0])}; overlap is skip")
        elif fire != due[0] and not together:
            yield replace(fire, what="skipped", why=f"{due[0].key} is due; overlap is skip")
        else:
            yield fire


def _state(open_: Open) -> str:
    return "still running" if open_.state == "started" else "not started yet"


def fold(fires: Iterable[Fire]) -> list[Fire]:
    """Return fires, many that are not done for one reason as one: the newest, which says how many and from when on.

    Parameters
    ----------
    fires : iterable of Fire
        Of one job, the oldest first.
    """
    every = [*fires]
    groups: dict[tuple[str, str], list[Fire]] = {}
    for fire in every:
        if fire.what in ("missed", "skipped"):
            groups.setdefault((fire.what, fire.why), []).append(fire)
    large = {key: group for key, group in groups.items() if len(group) > MANY}
    kept = [fire for fire in every if (fire.what, fire.why) not in large]
    return sorted([*kept, *map(_one, large.values())], key=lambda fire: fire.scheduled_for)


def _one(group: Sequence[Fire]) -> Fire:
    first, last = group[0].scheduled_for.isoformat(), group[-1].scheduled_for.isoformat()
    return replace(group[-1], why=f"{group[-1].why}: {len(group):,} fires from {first} to {last}")
