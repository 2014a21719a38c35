"""Advice on a model: keep, retrain, fix the data, change the model or stop, by rules anybody can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from nbmlops.governance.charter import charter
from nbmlops.governance.grounds import Grounds, grounds
from nbmlops.hooks import Shown
from nbmlops.records import Finding, ModelVersion, now, plain
from nbmlops.registry import models
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

__all__ = ["RULES", "Advice", "Rule", "advise", "advised", "serving"]

KEEP, RETRAIN, FIX, CHANGE, STOP = "keep", "retrain", "fix the data", "change the model", "stop"
UNKNOWN = "insufficient data"


@dataclass(frozen=True)
class Rule:
    """One row of the table: when it holds, in words and in code, and what is advised then."""

    code: str
    when: str
    advice: str
    holds: Callable[[Grounds], bool]


# Asked in this order; the first that holds decides. docs/advice.md shows the same table.
RULES = (
    Rule("contract_broken", "the contract is broken", FIX, lambda g: g.contract.state == "broken"),
    Rule("wins", "performance is lost, and the challenger wins", RETRAIN, lambda g: _lost(g, "wins")),
    Rule("not_viable", "below viability in the last two reviews", STOP, lambda g: g.viability.state == "lost"),
    Rule("gate_unclear", "performance is lost, and the gate had too few rows", UNKNOWN, lambda g: _lost(g, "unclear")),
    Rule("loses", "performance is lost, and the challenger does not win", CHANGE, lambda g: _lost(g, "loses")),
    Rule("not_retrained", "performance is lost, and no challenger was compared since", RETRAIN, lambda g: _lost(g, "")),
    Rule("nothing_lost", "performance is known, and nothing of this", KEEP, lambda g: g.performance.state == "kept"),
    Rule("unknown", "performance is not known", UNKNOWN, lambda g: True),
)


def _lost(known: Grounds, challenger: str) -> bool:
    return known.performance.state == "lost" and known.challenger.state == challenger


@dataclass(frozen=True, repr=False)
class Advice(Shown):
    """What is advised of a model, by which rule, on what grounds, as of when; a person decides."""

    shows: ClassVar[str] = "advice"

    model: str
    version: int
    advice: str
    rule: str
    because: str
    at: str
    findings: tuple[Finding, ...] = ()
    needed: tuple[str, ...] = ()  # to know more, where too little is known
    do: tuple[str, ...] = ()
    decides: str = ""
    rests_on: Mapping[str, Any] = field(default_factory=dict)
    result_id: str = ""

    @property
    def ref(self) -> str:
        """The version it is about: ``late-flights@3``."""
        return f"{self.model}@{self.version}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings], "ref": self.ref}


def advise(name: str) -> Advice:
    """Say what to do about a model: keep, retrain, fix the data, change the model, stop, or that too little is known.

    The champion is judged: the contract of its data, what it predicted against the targets, viability in the last two
    reviews, the newest gate against it. The rules are a table asked from the top; see ``docs/advice.md``. The advice is
    kept, with an event where it differs from the last one. A person decides.

    Parameters
    ----------
    name : str
        The model's name.

    Returns
    -------
    Advice
        ``advice``, ``rule`` and ``because``; ``findings`` are what it rests on, ``needed`` what is not known yet.

    Raises
    ------
    NotFound
        No such model.
    Invalid
        The charter is broken, or outcomes do not fit the model.

    Examples
    --------
    >>> nb.advise("late-flights").advice  # doctest: +SKIP
    'keep'
    """
    return advised(serving(name), now())


def advised(version: ModelVersion, at: str, run_id: str | None = None) -> Advice:
    """Return and keep the advice on a model version as of a time, as a result of a run where one is named."""
    known = grounds(version, at)
    rule = next(r for r in RULES if r.holds(known))
    found = Advice(
        version.name,
        version.version,
        rule.advice,
        rule.code,
        _because(rule, known),
        at,
        known.findings,
        _needed(rule, known),
        _do(rule, known),
        _decides(version),
        known.rests_on,
    )
    result_id = session.keep("advice", version.name, found.to_dict(), run_id)
    _log(found, result_id)
    return replace(found, result_id=result_id)


def serving(name: str) -> ModelVersion:
    """Return the champion; the newest version where there is none."""
    from nbmlops.store.models import find

    newest = models.model_version(str(name).partition("@")[0])
    return find(session.store(), newest.name, "champion") or newest


def _because(rule: Rule, known: Grounds) -> str:
    """Return the rule in words, with the findings that made it hold."""
    deciding = {
        FIX: known.contract.findings,
        KEEP: known.performance.findings,
        STOP: known.viability.findings,
        UNKNOWN: known.performance.findings,
    }.get(rule.advice, (*known.performance.findings, *known.challenger.findings))
    told = [f.message for f in deciding if f.outcome in ("issue", "skipped") or f.code == "gate" or rule.advice == KEEP]
    return f"{rule.when[0].upper()}{rule.when[1:]}: {'; '.join(told)}"


def _needed(rule: Rule, known: Grounds) -> tuple[str, ...]:
    sides = (known.performance, known.contract, known.challenger) if rule.advice == UNKNOWN else ()
    return tuple(line for side in sides for line in side.needed)


def _do(rule: Rule, known: Grounds) -> tuple[str, ...]:
    """Return what to type next."""
    return (
        *_by_rule(rule, known),
        *map(_review, dict.fromkeys(f.column for f in known.findings if f.code == "override")),
    )


def _review(subject: str) -> str:
    return f'Somebody else reviews the override: nbmlops approvals override {subject} justified --why "..."'


def _by_rule(rule: Rule, known: Grounds) -> tuple[str, ...]:
    name, challenger = known.version.name, str(known.challenger.rests_on.get("challenger", ""))
    number = challenger.rpartition("@")[2]
    promote = f'nbmlops promote {name} {number} --to champion --reason "..."'
    return {
        FIX: ("Look at where the rows come from: nbmlops sources; then check again",),
        RETRAIN: (f"Let the challenger take over: {promote}",)
        if rule.code == "wins"
        else (f"Train a challenger and compare it: nbmlops new retrain {name}",),
        CHANGE: ("Try other features, another estimator or other data: the same recipe on newer rows did not help",),
        STOP: (f"Ask who uses the answers of {name} whether to stop, and what to do instead",),
        KEEP: (f"Nothing is lost; yet {challenger} is better: {promote}",) if known.challenger.state == "wins" else (),
        UNKNOWN: (),
    }[rule.advice]


def _decides(version: ModelVersion) -> str:
    """Return the people who decide: the managers by the charter, else the model's owner."""
    agreed = charter()
    managers = ", ".join(agreed.roles.get("manager", ())) if agreed else ""
    return f"manager: {managers}" if managers else f"owner: {version.owner}"


def _log(found: Advice, result_id: str) -> None:
    """Write an event, unless the last one said the same of the same evidence."""
    from nbmlops.store import events

    said = {"advice": found.advice, "rule": found.rule, "because": found.because, "rests_on": plain(found.rests_on)}
    with session.store().atomic() as change:
        last = events.latest(change.connection, "advice", found.ref)
        if last is None or any(last["data"].get(k) != v for k, v in said.items()):
            change.event("advice", found.ref, {**said, "at": found.at, "result": result_id}, identity.actor())
