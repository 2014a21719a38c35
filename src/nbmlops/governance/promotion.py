"""Move an alias to a version: who, why, on what evidence, and whether the charter allows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbmlops.capture import environment
from nbmlops.errors import Conflict, Invalid, NbmlopsError, NotAllowed, NotFound, UntrustedContent
from nbmlops.governance.charter import PROMOTES, Charter, charter
from nbmlops.governance.differences import METRICS
from nbmlops.governance.terms import PASSING
from nbmlops.registry import models
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion
    from nbmlops.store.database import Transaction

__all__ = ["history", "promote", "reject", "rollback"]

POLICY_KEYS = ("gate", "guards", "evaluation", "roles")
GUARDS = ("required", "recorded")


@dataclass(frozen=True)
class Evidence:
    """What is known of a version when somebody wants to move an alias to it."""

    version: ModelVersion
    champion: ModelVersion | None  # where the alias points now
    gate: Mapping[str, Any] | None  # newest gate result of exactly this pair


def promote(name: str, version: int | str, to: str, reason: str) -> ModelVersion:
    """Move an alias to a version, if the charter allows it.

    The file is read once before, so that what is promoted can be loaded. Without a charter the promotion is recorded as
    *no policy*. With one, what it asks for must be there: ``promotes: better`` needs a kept gate result, with verdict
    *better*, of exactly this version's file against exactly the present champion's, and none of its guards may be an
    issue (``policy: {champion: {guards: recorded}}`` only writes them down).

    Parameters
    ----------
    name : str
        The model's name.
    version : int or str
        Its number, or an alias such as ``"challenger"``.
    to : str
        The alias, such as ``"champion"``.
    reason : str
        Why, for those who read the log.

    Returns
    -------
    ModelVersion
        With the new alias, and ``decision``: actor, reason, policy, evidence.

    Raises
    ------
    NotAllowed
        The charter's policy says no, or asks for something this version of nbmlops does not know.
    NotFound
        No such model or version.

    Examples
    --------
    >>> nb.promote("late-flights", 3, to="champion", reason="better on March")  # doctest: +SKIP
    """
    _check_words(to, reason)
    chosen = models.model_version(f"{name}@{version}")
    evidence = Evidence(chosen, *_pair(chosen, to))
    policy = _allowed(evidence, to)
    models.check_loadable(chosen)  # what is promoted can be loaded, digest and all
    about = {
        "reason": reason.strip(),
        "policy": policy,
        "evaluation": chosen.evaluation,
        "gate": evidence.gate["result_id"] if evidence.gate else None,
        "compared": _compared(evidence.gate["data"]) if evidence.gate else None,
        "digest": chosen.digest,
    }
    return _move(chosen, to, evidence.champion, about)


def rollback(name: str, alias: str = "champion", reason: str = "") -> ModelVersion:
    """Move an alias back to where it pointed before its last promotion; again moves one further back.

    Needs no gate, for what is restored was promoted before. It is loaded first: versions that are deleted or damaged
    are passed over, and the log says so.

    Parameters
    ----------
    name : str
        The model's name.
    alias : str
    reason : str

    Returns
    -------
    ModelVersion
        What the alias points to now.

    Raises
    ------
    NotFound
        There is nothing before.
    Conflict
        Nothing before can be loaded.

    Examples
    --------
    >>> nb.rollback("late-flights", reason="late share off by 9 points").version  # doctest: +SKIP
    2
    """
    _check_words(alias, reason or "rollback")
    models.model_version(name)
    stack = _stack(name, alias)
    if len(stack) < 2:
        at = f"only ever pointed to version {stack[0]}" if stack else "points nowhere"
        raise NotFound(f"{name}@{alias} {at}.", "There is nothing to go back to.")
    now = models.model_version(f"{name}@{stack[-1]}")
    before, passed_over = _last_good(name, stack)
    about = {"reason": reason.strip(), "policy": "rollback", "rollback": True, "digest": before.digest}
    return _move(before, alias, now, about | ({"passed_over": passed_over} if passed_over else {}))


def reject(version: ModelVersion, reason: str, evidence: Mapping[str, Any]) -> None:
    """Write into the log that a version is not taken as challenger, why, and on what evidence; no alias moves.

    Parameters
    ----------
    version : ModelVersion
    reason : str
    evidence : mapping
        Such as the id of a gate's result.
    """
    _check_words("challenger", reason)
    with session.store().atomic() as change:
        about = {"reason": reason.strip(), "digest": version.digest, **evidence}
        change.event("reject", version.ref, about, environment.actor())


def _last_good(name: str, stack: list[int]) -> tuple[ModelVersion, list[str]]:
    """Return the newest earlier version that is there and can be loaded, and why newer ones were passed over."""
    faults: list[NbmlopsError] = []
    for number in [n for n in reversed(stack) if n != stack[-1]]:
        try:
            found = models.model_version(f"{name}@{number}")
            models.check_loadable(found)
        except (Conflict, NotAllowed, NotFound, UntrustedContent) as fault:
            faults.append(fault)
            continue
        return found, [f.message for f in faults]
    raise faults[0]


def history(name: str, alias: str = "champion") -> list[dict[str, Any]]:
    """Return every move of an alias, oldest first: when, who, why, from where to where."""
    from nbmlops.store import events

    subject = f"{name}@{alias}"
    with session.store().reading() as connection:
        found = events.listed(connection, subject, "alias")
    return [e for e in found if e["subject"] == subject]


def _move(chosen: ModelVersion, alias: str, expected: ModelVersion | None, about: dict[str, Any]) -> ModelVersion:
    from nbmlops.store.models import set_alias

    actor = environment.actor()
    with session.store().atomic() as change:
        _unmoved(change, chosen.name, alias, expected)
        set_alias(change, chosen.name, alias, chosen.version, about, actor)
    moved = models.model_version(f"{chosen.name}@{chosen.version}")
    before = expected.version if expected else None
    return replace(moved, decision={"alias": alias, "from": before, "actor": actor[0], "known_by": actor[1], **about})


def _unmoved(change: Transaction, name: str, alias: str, expected: ModelVersion | None) -> None:
    """Refuse when somebody moved the alias after the evidence was read."""
    from nbmlops.store import events

    newest = events.latest(change.connection, "alias", f"{name}@{alias}")
    now = newest["data"]["version"] if newest else None
    if now != (expected.version if expected else None):
        raise Conflict(f"{name}@{alias} was moved to version {now} meanwhile.", "Look again: nb.models().")


def _pair(chosen: ModelVersion, alias: str) -> tuple[ModelVersion | None, Mapping[str, Any] | None]:
    """Return where the alias points, and the newest gate result of this version against that one."""
    from nbmlops.store.models import aliases
    from nbmlops.store.runs import results_of

    number = aliases(session.store(), chosen.name).get(chosen.name, {}).get(alias)
    if number is None:
        return None, None
    champion = models.model_version(f"{chosen.name}@{number}")
    pair = (chosen.digest, champion.digest)
    found = [
        r
        for r in results_of(session.store(), kind="gate")
        if (r["data"].get("challenger_digest"), r["data"].get("champion_digest")) == pair
    ]
    return champion, found[-1] if found else None


def _allowed(evidence: Evidence, alias: str) -> str:
    """Return the policy the promotion follows, or refuse it."""
    agreed = charter()
    if agreed is None:
        return "no policy"
    rule = agreed.policy.get(alias, {})
    if strange := [k for k in rule if k not in POLICY_KEYS]:
        raise NotAllowed(
            f"policy.{alias}.{strange[0]} in {agreed.path} is not understood, so nothing is promoted.",
            f"Understood: {', '.join(POLICY_KEYS)}.",
        )
    _check_evaluation(evidence, rule, alias)
    _check_roles(agreed, rule, alias)
    wanted = str(rule.get("gate", agreed.promotes if alias == "champion" else "reason"))
    if wanted not in PROMOTES:
        raise NotAllowed(
            f"policy.{alias}.gate is {wanted!r}, so nothing is promoted.", f"Allowed: {', '.join(PROMOTES)}."
        )
    policy = _check_gate(evidence, wanted, alias)
    if policy.startswith("gate"):
        _check_guards(evidence, rule, alias)
    return policy


def _check_evaluation(evidence: Evidence, rule: Mapping[str, Any], alias: str) -> None:
    wanted = rule.get("evaluation", "optional")
    if wanted not in ("required", "optional"):
        raise NotAllowed(
            f"policy.{alias}.evaluation is {wanted!r}, so nothing is promoted.", "Allowed: required, optional."
        )
    if wanted == "required" and evidence.version.evaluation is None:
        raise NotAllowed(f"{evidence.version.ref} was never evaluated.", "Evaluate it, then register it again.")


def _check_roles(agreed: Charter, rule: Mapping[str, Any], alias: str) -> None:
    roles = rule.get("roles")
    if roles is None:
        return
    if not isinstance(roles, list):
        raise NotAllowed(f"policy.{alias}.roles is {roles!r}, so nothing is promoted.", "Write a list: [manager].")
    who, known_by = environment.actor()
    if not set(agreed.role_of(who)) & set(roles):
        raise NotAllowed(
            f"{who} (known by {known_by}) plays none of the roles {', '.join(map(str, roles))}.",
            f"Those who do are under roles in {agreed.path}.",
        )


def _check_terms(evidence: Evidence, new: str) -> None:
    """Refuse a gate that asked another question, or tolerated more, than was agreed."""
    agreed, compared = charter(), (evidence.gate or {"data": {}})["data"]
    target = evidence.version.signature.get("target")
    if target and compared.get("target") != target:
        raise NotAllowed(
            f"The gate compared {compared.get('target')!r}, and {new} answers {target!r}.",
            f'Compare them on held-out rows: nb.gate(..., target="{target}").',
        )
    if agreed and (other := next(_other_terms(agreed, compared, str(evidence.version.signature.get("task"))), None)):
        raise NotAllowed(other, "Compare them again with no terms of your own: the charter's are taken.")


def _other_terms(agreed: Charter, compared: Mapping[str, Any], task: str) -> Iterator[str]:
    """Yield what a gate did otherwise than the charter asks."""
    metric = next((t.name for t in agreed.metrics if t.name in METRICS.get(task, ())), None)
    if metric and compared.get("metric") != metric:
        yield f"The gate compared {compared.get('metric')}, and the charter's metric is {metric}."
    if agreed.groups and compared.get("groups") != agreed.groups:
        yield f"The gate did not group rows by {agreed.groups}, as the charter asks."
    if missing := [c for c in agreed.slices if c not in (compared.get("by") or ())]:
        yield f"The gate did not slice by {missing[0]}, as the charter asks."
    if compared.get("rows", 0) < (agreed.minimum or 0):
        yield f"The gate compared {compared.get('rows')} rows, and the charter asks for {agreed.minimum}."
    if compared.get("tolerated", 1.0) > agreed.margin:
        yield f"The gate tolerated {compared.get('tolerated')}, and the charter's margin is {agreed.margin}."


def _check_gate(evidence: Evidence, wanted: str, alias: str) -> str:
    if evidence.champion is None or wanted == "reason":
        return f"first {alias}" if evidence.champion is None else "by reason"
    if evidence.champion.digest == evidence.version.digest:
        return "the same file"
    new, old = evidence.version.ref, evidence.champion.ref
    if evidence.gate is None:
        raise NotAllowed(
            f"No gate has compared {new} with {old}, and the charter promotes what is {wanted}.",
            f'Compare them on held-out rows: nb.gate("{new}", "{old}", on=frame).',
        )
    _check_terms(evidence, new)
    verdict = evidence.gate["data"]["verdict"]
    if verdict not in PASSING[wanted]:
        raise NotAllowed(
            f"The gate says {new} is {verdict} against {old}, and the charter promotes what is {wanted}.",
            f"{old} stays {alias}.",
        )
    return f"gate: {verdict}"


def _check_guards(evidence: Evidence, rule: Mapping[str, Any], alias: str) -> None:
    """Refuse where a guard of the gate is an issue, unless that was agreed to be written down only."""
    wanted = rule.get("guards", "required")
    if wanted not in GUARDS:
        raise NotAllowed(
            f"policy.{alias}.guards is {wanted!r}, so nothing is promoted.", f"Allowed: {', '.join(GUARDS)}."
        )
    broken = _issues(evidence.gate["data"]) if evidence.gate and wanted == "required" else []
    if broken:
        more = f"; and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise NotAllowed(
            f"A guard of the gate is an issue for {evidence.version.ref}: {broken[0]['message']}{more}.",
            f"Mend it and compare again, or agree on policy.{alias}.guards: recorded.",
        )


def _issues(compared: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [f for f in compared.get("findings", ()) if f["outcome"] == "issue" and f["code"] != "gate"]


def _compared(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a gate is written into the log: its terms, and which guards were issues."""
    terms = {k: data.get(k) for k in ("rows", "target", "tolerated", "metric", "data")}
    return {**terms, "guards": [f["message"] for f in _issues(data)]}


def _check_words(alias: Any, reason: Any) -> None:
    if not isinstance(alias, str) or not models.NAME.fullmatch(alias) or alias.isdigit():
        raise Invalid(f"{alias!r} is no alias.", "Use a word such as champion or challenger.")
    if not isinstance(reason, str) or not reason.strip():
        raise Invalid("A promotion needs a reason.", 'Say why: reason="better on March".')


def _stack(name: str, alias: str) -> list[int]:
    """Return the versions an alias pointed to, undone ones taken off: the last is where it points now."""
    stack: list[int] = []
    for event in history(name, alias):
        if event["data"]["version"] is None:  # taken away with its model: there is nothing to go back to
            stack.clear()
        elif event["data"].get("rollback"):
            while stack and stack[-1] != event["data"]["version"]:
                stack.pop()
        elif not stack or stack[-1] != event["data"]["version"]:
            stack.append(event["data"]["version"])
    return stack
