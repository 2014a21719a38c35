"""Whether the charter lets an alias move to a version: its evaluation, roles, gate and guards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NotAllowed
from nbmlops.governance.approval import policy
from nbmlops.governance.approval.evidence import newest_gate
from nbmlops.governance.charter import Charter
from nbmlops.governance.flags.unsettled import blocking, held_up, open_flags
from nbmlops.governance.terms import PASSING, guarding, promoting
from nbmlops.registry import judged, models, past
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["Evidence", "HeldUp", "allowed", "evidence_of", "issues", "said_of"]

FLAGS = ("blocking", "any")  # which open flags let nothing move
SHOWN = 20  # ids of flags in one sentence


class HeldUp(NotAllowed):
    """An open flag holds a version up; ``logged`` says so without the words of the flag."""

    logged: str = ""


@dataclass(frozen=True)
class Evidence:
    """What is known of a version when somebody wants to move an alias to it."""

    version: ModelVersion
    champion: ModelVersion | None  # where the alias points now
    gate: Mapping[str, Any] | None  # newest gate result of exactly this version and its rival
    retired: ModelVersion | None = None  # where it pointed until it was taken out of use

    @property
    def rival(self) -> ModelVersion | None:
        """What the version has to be compared with."""
        return self.champion or self.retired


def evidence_of(chosen: ModelVersion, alias: str) -> Evidence:
    """Return where the alias points or pointed last, and the newest gate result of this version against that one."""
    from nbmlops.store.models import aliases

    number = aliases(session.store(), chosen.name).get(chosen.name, {}).get(alias)
    champion = models.model_version(f"{chosen.name}@{number}") if number is not None else None
    retired = None if champion else past.stood(chosen.name, alias)
    rival = champion or retired
    return Evidence(chosen, champion, newest_gate(chosen, rival) if rival else None, retired)


def allowed(agreed: Charter | None, evidence: Evidence, alias: str) -> str:
    """Return the policy a promotion follows, or refuse it; approvals are counted apart.

    Raises
    ------
    NotAllowed
        The charter says no, or asks for something that is not understood.
    """
    if agreed is None:
        _check_flags(evidence, {}, alias)
        return "no policy"
    rule = agreed.policy.get(alias, {})
    asked = policy.of(agreed, alias)
    _check_flags(evidence, rule, alias)
    _check_evaluation(evidence, rule, alias)
    if not asked.approvals:  # with approvals the roles say who approves
        _check_roles(agreed, asked)
    followed = _check_gate(agreed, evidence, promoting(rule, alias, agreed.promotes), alias)
    if followed.startswith("gate"):
        _check_guards(evidence, rule, alias)
    return followed


def _check_flags(evidence: Evidence, rule: Mapping[str, Any], alias: str) -> None:
    """Refuse what somebody flagged as blocking, or where that was agreed at all, until it is settled."""
    wanted = rule.get("flags", "blocking")
    if wanted not in FLAGS:
        raise NotAllowed(
            f"policy.{alias}.flags is {wanted!r}, so nothing is promoted.", f"Allowed: {', '.join(FLAGS)}."
        )
    ref = evidence.version.ref
    if held := held_up(ref, wanted == "any"):
        end = "" if held.endswith(("?", "!")) else "."
        refused = HeldUp(f"{ref} is held up: {held}{end}", "Read and settle it: nbmlops flags")
        found = open_flags(ref) if wanted == "any" else blocking(ref)
        refused.logged = f"{ref} is held up by {_flags(f.flag_id for f in found)}."
        raise refused


def _flags(ids: Iterable[str]) -> str:
    """Return how many flags, and their ids: what they say lies in a table, where it can be erased.

    >>> _flags(["a", "b"])
    '2 flags (a, b)'
    """
    named = list(ids)
    return f"{len(named)} flag{'s' * (len(named) != 1)} ({', '.join(named[:SHOWN])}{', ...' * (len(named) > SHOWN)})"


def _check_evaluation(evidence: Evidence, rule: Mapping[str, Any], alias: str) -> None:
    wanted = rule.get("evaluation", "optional")
    if wanted not in ("required", "optional"):
        raise NotAllowed(
            f"policy.{alias}.evaluation is {wanted!r}, so nothing is promoted.", "Allowed: required, optional."
        )
    if wanted == "required" and judged.standing(evidence.version) is None:
        ref = evidence.version.ref
        raise NotAllowed(f"{ref} was never evaluated.", f"nbmlops evaluate {ref} ROWS")


def _check_roles(agreed: Charter, asked: policy.Policy) -> None:
    who, known_by = identity.actor()
    if asked.roles and not set(agreed.acts_as(who)) & set(asked.roles):
        raise NotAllowed(
            f"{who} (known by {known_by}) plays none of the roles {', '.join(asked.roles)}.",
            f"Those who do are under roles in {agreed.path}.",
        )


def _check_terms(agreed: Charter, evidence: Evidence, new: str) -> None:
    """Refuse a gate that asked another question, or tolerated more, than was agreed."""
    compared = (evidence.gate or {"data": {}})["data"]
    target = evidence.version.signature.get("target")
    if target and compared.get("target") != target:
        raise NotAllowed(
            f"The gate compared {compared.get('target')!r}, and {new} answers {target!r}.",
            f'Compare them on held-out rows: nb.gate(..., target="{target}").',
        )
    if other := next(_other_terms(agreed.for_model(new), compared, str(evidence.version.signature.get("task"))), None):
        raise NotAllowed(other, "Compare them again with no terms of your own: the charter's are taken.")


def _other_terms(agreed: Charter, compared: Mapping[str, Any], task: str) -> Iterator[str]:
    """Yield what a gate did otherwise than the charter asks."""
    from nbmlops.governance.differences import METRICS  # loads SciPy: nothing to wait for where there is no gate

    metric = next((t.name for t in agreed.metrics if t.name in METRICS.get(task, ())), None)
    if metric and compared.get("metric") != metric:
        yield f"The gate compared {compared.get('metric')}, and the charter's metric is {metric}."
    if agreed.groups and compared.get("groups") != agreed.groups:
        yield f"The gate did not group rows by {agreed.groups}, as the charter asks."
    if missing := [c for c in agreed.slices if c not in (compared.get("by") or ())]:
        yield f"The gate did not slice by {missing[0]}, as the charter asks."
    fewest = agreed.fewest([str(compared.get("metric"))]) or 0
    if compared.get("rows", 0) < fewest:
        yield f"The gate compared {compared.get('rows')} rows, and the charter asks for {fewest}."
    margin = agreed.margin_in(str(compared.get("metric")))
    if compared.get("tolerated", 1.0) > margin:
        yield f"The gate tolerated {compared.get('tolerated')}, and the charter's margin is {margin}."


def _check_gate(agreed: Charter, evidence: Evidence, wanted: str, alias: str) -> str:
    rival = evidence.rival
    if rival is None or wanted == "reason":
        return f"first {alias}" if rival is None else "by reason"
    if rival.digest == evidence.version.digest:
        return "the same file" if evidence.champion else "put back"
    new, old = evidence.version.ref, rival.ref
    if evidence.gate is None:
        raise NotAllowed(
            f"No gate has compared {new} with {old}, and the charter promotes what is {wanted}.",
            f'Compare them on held-out rows: nb.gate("{new}", "{old}", on=frame).',
        )
    _check_terms(agreed, evidence, new)
    verdict = evidence.gate["data"]["verdict"]
    if verdict not in PASSING[wanted]:
        raise NotAllowed(
            f"The gate says {new} is {verdict} against {old}, and the charter promotes what is {wanted}.",
            f"{old} stays {alias}." if evidence.champion else f"Nothing is {alias}: {old} was taken out of use.",
        )
    return f"gate: {verdict}"


def _check_guards(evidence: Evidence, rule: Mapping[str, Any], alias: str) -> None:
    """Refuse where a guard of the gate is an issue, unless that was agreed to be written down only."""
    wanted = guarding(rule, alias)
    broken = issues(evidence.gate["data"]) if evidence.gate and wanted == "required" else []
    if broken:
        more = f"; and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise NotAllowed(
            f"A guard of the gate is an issue for {evidence.version.ref}: {said_of(broken[0])}{more}.",
            f"Mend it and compare again, or agree on policy.{alias}.guards: recorded.",
        )


def issues(compared: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the guards of a gate that were issues."""
    return [f for f in compared.get("findings", ()) if f["outcome"] == "issue" and f["code"] != "gate"]


def said_of(finding: Mapping[str, Any]) -> str:
    """Return a guard as the log may have it: of flags how many and which, not what they say."""
    if finding["code"] != "flag":
        return str(finding["message"])
    return f"open: {_flags((finding.get('detail') or {}).get('flags') or ())}"
