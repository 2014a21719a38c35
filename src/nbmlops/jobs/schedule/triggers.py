"""What makes a job fire besides a clock: drift, a target missed, new data, another job; each cause once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NotFound, unknown
from nbmlops.jobs.schedule import times
from nbmlops.records import LEVELS

if TYPE_CHECKING:
    from nbmlops.jobs.schedule.definition import Job, When
    from nbmlops.monitoring.performance import Performance
    from nbmlops.store.database import Store

__all__ = ["Cause", "Seen", "counted", "look", "named", "rest"]

REMEMBERED = 1000  # causes a job has fired for
LOOKED_BACK = 3  # newest batches among which one is judged: outcomes of the others are still to come
FOLLOWED = 200  # newest works of the job that goes before
State = Mapping[str, Any]


@dataclass(frozen=True)
class Cause:
    """Why a job fires: the id it is remembered by, and words for people."""

    id: str
    says: str


@dataclass(frozen=True)
class Seen:
    """What one look found: the causes that stand now, and what they were told from."""

    causes: tuple[Cause, ...] = ()
    evidence: str = ""  # the same evidence is not judged twice
    cleared: tuple[str, ...] = field(default=())  # causes that are over: they count anew when they come again

    def new(self, state: Mapping[str, Any]) -> list[Cause]:
        """Return the causes a job has not fired for."""
        return [cause for cause in self.causes if cause.id not in state.get("fired", ())]

    def remembered(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a job once it has fired for all of them."""
        fired = [i for i in state.get("fired", ()) if i not in self.cleared]
        fired += [cause.id for cause in self.causes if cause.id not in fired]
        return {**state, "fired": fired[-REMEMBERED:], "evidence": self.evidence}


def look(job: Job, store: Store, state: Mapping[str, Any]) -> Seen:
    """Return what stands now of the kind of cause a job fires for.

    Parameters
    ----------
    job : Job
        With a ``when`` that is no clock.
    store : Store
    state : mapping
        What was remembered of it; nothing at first sight.

    Raises
    ------
    NotFound
        The charter has no such target.
    """
    assert job.when is not None
    return LOOKS[job.when.kind](job.when, store, state)


def _drift(when: When, store: Store, state: Mapping[str, Any]) -> Seen:
    """Episodes of the model at the level or above, closed ones too: they opened."""
    from nbmlops.store import episodes

    name, _, _ = when.value.partition("@")
    least = LEVELS.index(when.level)  # type: ignore[arg-type]
    found = [e for e in reversed(episodes.listed(store, name)) if LEVELS.index(e["level"]) >= least]
    return Seen(tuple(Cause(f"episode:{e['episode_id']}", _episode(e)) for e in found))


def _episode(row: Mapping[str, Any]) -> str:
    what = row["column"] or row["code"]
    return f"{row['model']}@{row['version']}: {what} drifted ({row['level']}, since {row['opened_on']})"


def _dataset(when: When, store: Store, state: Mapping[str, Any]) -> Seen:
    from nbmlops.store import datasets

    found = reversed(datasets.listed(store, when.value))
    return Seen(
        tuple(Cause(f"dataset:{v['name']}@{v['version']}", f"{v['name']}@{v['version']} is new") for v in found)
    )


def _after(when: When, store: Store, state: Mapping[str, Any]) -> Seen:
    from nbmlops.store import ledger

    done = ledger.list(store, job=when.value, state="finished", limit=FOLLOWED)
    return Seen(tuple(Cause(f"work:{w.key}", f"{w.key} finished") for w in reversed(done)))


def _target(when: When, store: Store, state: Mapping[str, Any]) -> Seen:
    """Whether a target is missed by the newest predictions whose outcomes had time to come: a batch, or all."""
    model, _, metric = when.value.rpartition(".")
    chosen = _watched(model)
    if chosen is None:
        return Seen()
    version, spans = chosen
    known = sum(span["known"] for span in spans)
    evidence = f"{model}@{version}/{spans[0]['batch']}:{known}{_old_enough()}"
    if evidence == state.get("evidence"):
        return Seen(evidence=evidence)
    for batch in (span["batch"] for span in spans[:LOOKED_BACK]):
        found = _performance(f"{model}@{version}", batch)
        says, of = _missed(found, metric), f"{model}@{version}" + (f"/{batch}" if batch is not None else "")
        if not found.early:
            cause = f"target:{of}.{metric}"
            return Seen((Cause(cause, f"{of}: {says}"),), evidence) if says else Seen((), evidence, (cause,))
    return Seen(evidence=evidence)


def _watched(model: str) -> tuple[int, list[dict[str, Any]]] | None:
    """Return the version and its batches that hold outcomes, the newest first; None while no outcome is known.

    Nothing is watched of a model whose champion was taken out of use.
    """
    from nbmlops.monitoring.predicting.recorded import known_late
    from nbmlops.registry import models, past
    from nbmlops.store import predictions
    from nbmlops.tracking import session

    if past.taken_away(model, "champion"):
        return None
    version = models.model_version(f"{model}@champion" if _has_champion(model) else model).version
    spans = predictions.periods(session.store(), model, version, known_late(model))
    found = [p for p in spans if p["known"]]
    return (version, found[::-1]) if found else None


def _has_champion(model: str) -> bool:
    from nbmlops.store import models
    from nbmlops.tracking import session

    return "champion" in models.aliases(session.store()).get(model, {})


def _performance(ref: str, batch: str | None) -> Performance:
    from nbmlops.monitoring.performance import settled

    return settled(ref, batch)


def _old_enough() -> str:
    """Return the day until which outcomes are judged, where the project says how long they take."""
    from nbmlops.monitoring.performance import ago, outcomes_after

    after = outcomes_after()
    return "" if after is None else f":{ago(after)[:10]}"


def _missed(found: Performance, metric: str) -> str:
    """Return the words of a target that is missed, else nothing."""
    judged = {f.column: f for f in found.findings if f.code == "target"}
    if not judged:
        raise NotFound("The charter has no targets to miss.", "Write metrics: into charter.yaml: nbmlops charter new.")
    if metric not in judged:
        raise unknown("target", metric, judged, where="in the charter")
    return judged[metric].message if judged[metric].outcome == "issue" else ""


LOOKS: Mapping[str, Callable[[When, Store, Mapping[str, Any]], Seen]] = {
    "drift": _drift,
    "target": _target,
    "dataset": _dataset,
    "after": _after,
}


def named(causes: Sequence[Cause], most: int = 20) -> str:
    """Return the ids of causes as a work keeps them."""
    more = f" and {len(causes) - most} more" if len(causes) > most else ""
    return ", ".join(cause.id for cause in causes[:most]) + more


def rest(job: Job, row: Mapping[str, Any], at: datetime) -> str:
    """Return why a trigger may not fire again yet."""
    last, policy = row["last_triggered"], job.policy
    until = times.moment(last) + timedelta(seconds=policy.cooldown) if last else None
    if until is not None and at < until:
        return f"cooldown of {times.span(policy.cooldown)} until {until.isoformat(timespec='seconds')}"
    if policy.per_day is not None and _today(row["state"], job, at) >= policy.per_day:
        return f"it was triggered {policy.per_day} times today; per_day is {policy.per_day}"
    return ""


def _day(job: Job, at: datetime) -> str:
    return at.astimezone(times.zone_of(job.zone)).date().isoformat()


def _today(state: State, job: Job, at: datetime) -> int:
    day, count = state.get("today", ("", 0))
    return int(count) if day == _day(job, at) else 0


def counted(state: State, job: Job, at: datetime) -> dict[str, Any]:
    """Return the state of a job that was triggered once more today."""
    return {**state, "today": [_day(job, at), _today(state, job, at) + 1]}
