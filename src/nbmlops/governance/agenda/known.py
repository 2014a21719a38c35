"""What is known of each model as far as its phase rests on it: read from the store, all models at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbmlops.errors import NbmlopsError
from nbmlops.governance.approval import given
from nbmlops.governance.charter import Charter
from nbmlops.records import ModelVersion
from nbmlops.registry import past
from nbmlops.tracking import session

__all__ = ["Known", "decided", "of_models", "why"]

WHY = ("reason", "comment", "why")
GATE = ("", "")  # who turns down by itself
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """What is known of a model, as far as a phase rests on it; ``ref`` is the version that somebody has to act on."""

    name: str
    ref: str
    owner: str
    champion: str = ""
    waiting: bool = False  # the newest version is not champion, and newer than the one that is
    judged: bool = False  # it was evaluated
    turned_down: str = ""  # who said no, and why
    flagged: bool = False  # a blocking flag on it is not settled
    missing: tuple[str, ...] = ()  # roles whose approval is missing
    advice: str = ""  # on the champion
    late: bool = False  # its review is overdue
    alerts: int = 0  # open episodes at alert level
    unchecked: bool = (
        False  # its champion was never checked, while an episode of an older version is open at alert level
    )
    used: bool = False  # it predicted something, or its data was checked
    answered: bool = False  # something came back for its predictions
    retired: bool = False  # its champion was taken out of use, and no newer version is there
    decided: str = ""  # of the project, where somebody has to act on it: stop, pivot


def of_models(
    versions: Mapping[str, Sequence[ModelVersion]], events: Sequence[Json], agreed: Charter | None, late: set[str]
) -> list[Known]:
    """Return what is known of each model; a few questions to the store, however many models there are."""
    from nbmlops.store import episodes, flags, fleet, predictions
    from nbmlops.store.runs import latest_results, reading, subjects

    store = session.store()
    if not versions:
        return []
    with reading(store) as connection:
        checked = set(fleet.checks(connection))
    blocking = [r for r in flags.listed(store, severity="blocking") if r["state"] in ("open", "accepted")]
    heard = _Heard(
        decided(events, agreed),
        _refused(events),
        _Missing(events, agreed),
        set().union(*(_flagged(row) for row in blocking)),
        [f"{e['model']}@{e['version']}" for e in episodes.listed(store) if _is_alert(e)],
        {r["subject"]: r["data"] for r in latest_results(store, "advice")},
        {*predictions.models_of(store), *(r["subject"] for r in latest_results(store, "drift"))},
        predictions.answered(store),
        late,
        subjects(store, "evaluation"),
        _retired(events),
        checked,
    )
    return [heard.of(name, listed) for name, listed in sorted(versions.items())]


def decided(events: Sequence[Json], agreed: Charter | None) -> str:
    """Return *stop* where that was decided last, *pivot* as long as the charter says what it said then."""
    last: Json = next((e["data"] for e in reversed(events) if e["action"] == "decision"), {})
    found = str(last.get("decision") or "")
    changed = agreed is not None and last.get("charter") != agreed.digest
    return found if found == "stop" or (found == "pivot" and not changed) else ""


def why(event: Json) -> str:
    """Return why somebody did what takes a model back a phase, in words."""
    data = event["data"]
    said = next((str(data[k]) for k in WHY if data.get(k)), "")
    # What advice rests on may be private.
    told = {"flag": "a blocking flag", "advice": f"advised: {data.get('advice')}"}
    return {**told, "decision": f"pivot to {data.get('to')}: {said}"}.get(event["action"], said)


@dataclass(frozen=True)
class _Heard:
    """What the store says of all models."""

    decided: str
    refused: Mapping[str, str]
    missing: _Missing
    flagged: set[str]  # subjects of blocking flags
    alerts: Sequence[str]
    advice: Mapping[str, Json]
    asked: set[str]
    back: set[tuple[str, int]]
    late: set[str]
    evaluated: set[str]
    retired: Mapping[str, int]  # model to the version that was taken out of use
    checked: set[str]  # versions

    def of(self, name: str, listed: Sequence[ModelVersion]) -> Known:
        """Return what is known of one model."""
        champion = next((v for v in listed if "champion" in v.aliases), None)
        newest = max(listed, key=lambda v: v.version)
        waiting = champion is None or newest.version > champion.version
        known = Known(
            name,
            newest.ref if waiting or champion is None else champion.ref,
            newest.owner,
            decided=self.decided,
            waiting=waiting,
            judged=bool(newest.evaluation) or newest.ref in self.evaluated,  # when it was registered or later
            turned_down=self.refused.get(newest.ref, ""),
            flagged=bool(self.flagged & {newest.ref, newest.run_id}),
            missing=self.missing.roles(newest) if waiting else (),
            used=name in self.asked,
            retired=champion is None and newest.version <= self.retired.get(name, 0),
        )
        return known if champion is None else self._in_use(known, champion)

    def _in_use(self, known: Known, champion: ModelVersion) -> Known:
        told, ref = self.advice.get(known.name) or {}, champion.ref
        return replace(
            known,
            champion=ref,
            advice=str(told.get("advice") or "") if told.get("ref") == ref else "",
            late=ref in self.late,
            alerts=self.alerts.count(ref),
            unchecked=ref not in self.checked and self._warned(champion),
            answered=(known.name, champion.version) in self.back,
        )

    def _warned(self, champion: ModelVersion) -> bool:
        """Tell whether data was at alert level for a version before the champion, and nobody said it is over."""
        pairs = (ref.rsplit("@", 1) for ref in self.alerts)
        return any(name == champion.name and int(number) < champion.version for name, number in pairs)


def _flagged(row: Json) -> set[str]:
    from nbmlops.governance.flags.unsettled import about

    return about(row)


def _is_alert(episode: Json) -> bool:
    return episode["level"] == "alert" and episode["closed_at"] is None


def _retired(events: Iterable[Json]) -> dict[str, int]:
    """Return of each model whose champion was taken out of use, and has none since, which version it was."""
    found: dict[str, int] = {}
    for event in events:
        name, _, alias = str(event["subject"]).rpartition("@")
        if event["action"] == "alias" and alias == "champion":
            found.pop(name, None)
            if event["data"].get("policy") == past.RETIRED:
                found[name] = int(event["data"].get("from") or 0)
    return found


def _refused(events: Iterable[Json]) -> dict[str, str]:
    """Return the versions that were turned down, by whom and why.

    Only who said no takes it back, in that role, or an alias that moves; what a gate turned down (reject), anybody.
    """
    found: dict[str, dict[tuple[str, str], str]] = {}
    for event in events:
        data, subject = event["data"], str(event["subject"])
        who = str(data.get("by") or event["actor"])
        of_it, key = found.setdefault(subject, {}), (who, str(data.get("role") or ""))
        if event["action"] == "reject" or (event["action"] == "approve" and data.get("outcome") in given.OUTCOMES[2:]):
            said = why(event)
            of_it[GATE if event["action"] == "reject" else key] = f"{who}{f': {said}' if said else ''}"
        elif event["action"] == "approve":
            of_it.pop(key, None)
            of_it.pop(GATE, None)
        elif event["action"] == "alias":
            found.pop(f"{subject.rpartition('@')[0]}@{data.get('version')}", None)
    return {subject: list(said.values())[-1] for subject, said in found.items() if said}


class _Missing:
    """Which approvals a version lacks before it becomes champion; answers are read only where there are some."""

    def __init__(self, events: Iterable[Json], agreed: Charter | None) -> None:
        from nbmlops.governance.approval import policy

        self._agreed = agreed
        self._answered = {e["subject"] for e in events if e["action"] == "approve"}
        try:
            self._asked = policy.of(agreed, "champion")
        except NbmlopsError:  # what is not understood lets nothing through, and the promotion says so
            self._asked = policy.Policy("champion")

    def roles(self, version: ModelVersion) -> tuple[str, ...]:
        """Return the roles in which somebody still has to approve."""
        if not self._asked.approvals:
            return ()
        if version.ref not in self._answered:
            return tuple(dict.fromkeys(r for roles in self._asked.wanting(()) for r in roles)) or ("anybody",)
        from nbmlops.governance.approval.standing import count

        counted = count(version, "champion", self._agreed)
        with session.store().reading() as connection:
            found = counted.judged(connection)
        return tuple(counted.roles(found)) or (("anybody",) if counted.missing(found) else ())
