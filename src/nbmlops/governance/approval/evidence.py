"""The evidence a policy asks for before an alias moves: a report, a gate, an evaluation, a check of drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NotAllowed
from nbmlops.registry import judged, models, past
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.governance.approval.given import Answer
    from nbmlops.records import ModelVersion

__all__ = ["check", "newest_gate", "there"]

MAKE = {
    "report": "nbmlops report {ref}, and have it answered",
    "gate": "nbmlops gate {ref} {name}@{alias} --on ROWS",
    "evaluation": "nbmlops evaluate {ref} ROWS",
    "drift": "nbmlops drift {name} --against {ref}",
}


def there(
    asked: Sequence[str], version: ModelVersion | None, alias: str, answers: Sequence[Answer]
) -> list[dict[str, Any]]:
    """Return for each kind of evidence whether it is there, and in words what it is or how it is made."""
    if version is None:
        return []
    found = {
        "report": next((f"report {a.number}" for a in answers[::-1] if a.state == "valid"), ""),
        "gate": _gated(version, alias),
        "evaluation": judged.standing(version) or "" if "evaluation" in asked else "",
        "drift": _drifted(version),
    }
    about = {"ref": version.ref, "name": version.name, "alias": alias}
    return [
        {"kind": kind, "there": bool(found[kind]), "which": found[kind], "says": _says(kind, found[kind], about)}
        for kind in asked
    ]


def check(asked: Sequence[str], version: ModelVersion, alias: str, answers: Sequence[Answer]) -> None:
    """Refuse where evidence is missing.

    Raises
    ------
    NotAllowed
        The line names the kind, and how it is made.
    """
    for found in there(asked, version, alias, answers):
        if not found["there"]:
            raise NotAllowed(f"{version.ref} lacks {found['says']}.", f"Look: nbmlops approvals {version.ref}")


def _says(kind: str, which: str, about: Mapping[str, str]) -> str:
    if which:
        return f"{kind}: {which}"
    word = {"evaluation": "an evaluation", "drift": "a check of drift"}.get(kind, f"a {kind}")
    return f"{word} ({MAKE[kind].format(**about)})"


def newest_gate(version: ModelVersion, champion: ModelVersion) -> Mapping[str, Any] | None:
    """Return the newest gate result of exactly this file against exactly that one."""
    from nbmlops.store.runs import results_of

    pair = (version.digest, champion.digest)
    found = [
        r
        for r in results_of(session.store(), kind="gate")
        if (r["data"].get("challenger_digest"), r["data"].get("champion_digest")) == pair
    ]
    return found[-1] if found else None


def _gated(version: ModelVersion, alias: str) -> str:
    """Return which gate compared a version with what the alias has, or had until it was taken out of use."""
    from nbmlops.store.models import aliases

    number = aliases(session.store(), version.name).get(version.name, {}).get(alias)
    now = models.model_version(f"{version.name}@{number}") if number is not None else None
    rival = now or past.stood(version.name, alias)
    if rival is None or rival.version == version.version:
        return f"none needed: there is no other {alias}"
    gate = newest_gate(version, rival)
    return f"{gate['data']['verdict']} against {rival.ref}" if gate else ""


def _drifted(version: ModelVersion) -> str:
    from nbmlops.store.runs import results_of

    found = [r for r in results_of(session.store(), kind="drift") if r["data"].get("reference") == version.ref]
    return f"{found[-1]['data']['verdict']} on {found[-1]['at'][:10]}" if found else ""
