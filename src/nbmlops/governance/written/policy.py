"""Who plays which role, what an alias asks for, and how much harm a wrong answer can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.governance.written import given
from nbmlops.registry.targets import FILE

__all__ = ["PROMOTES", "ROLES", "policy", "promotes", "risk", "roles"]

ROLES = ("stakeholder", "expert", "product", "scientist", "data_engineer", "ml_engineer", "software_engineer",
         "backend_engineer", "manager", "compliance", "support", "user")  # fmt: skip
PROMOTES = ("better", "non-inferior", "reason")
RISK = ("tier", "why", "harms", "tolerated")


def promotes(value: Any) -> str:
    """Return what lets a challenger become champion.

    >>> promotes(None)
    'better'
    """
    said = str(value or "better")
    if said not in PROMOTES:
        raise Invalid(f"{FILE}: promotes is {said!r:.60}.", given.near(said, PROMOTES))
    return said


def roles(content: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return who plays which role; a role of a company's own may stand beside those of the design.

    >>> roles({"manager": "mo@example.org"})
    {'manager': ('mo@example.org',)}
    """
    return {str(role): given.texts(f"roles.{str(role)[:40]}", people) for role, people in content.items()}


def policy(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what each alias asks for; its keys are read, and refused, where a promotion is decided.

    >>> policy({"champion": {"evaluation": "required"}})
    {'champion': {'evaluation': 'required'}}
    """
    for alias, rule in content.items():
        if not isinstance(rule, Mapping):
            raise Invalid(
                f"{FILE}: policy.{str(alias)[:40]} is {given.shown(rule)}.",
                "Write keys, such as {evaluation: required}.",
            )
    return {str(alias): dict(rule) for alias, rule in content.items()}


def risk(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return how much harm a wrong answer can do, why, whom, and what is borne.

    >>> risk({"tier": "low", "harms": "a needless call"})
    {'tier': 'low', 'harms': ('a needless call',)}
    """
    given.only("risk", content, RISK)
    for key, said in content.items():
        if isinstance(said, Mapping) or (isinstance(said, list) and key != "harms"):
            wanted = "a list" if key == "harms" else "text"
            raise Invalid(f"{FILE}: risk.{key} is {given.shown(said)}.", f"It should be {wanted}.")
    return {
        k: given.texts("risk.harms", v) if k == "harms" else str(v).strip() for k, v in content.items() if v is not None
    }
