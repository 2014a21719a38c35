"""What is required beyond the targets: each checked by a named check, or answered by a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.governance.written import given
from nbmlops.registry.targets import FILE

__all__ = ["STANDARD", "Requirement", "requirements"]

# What every project is asked for, and whose it is to say; beside them stand those of a name of one's own.
STANDARD = {"speed": "ml_engineer", "accuracy": "scientist", "transparency": "compliance", "regulation": "compliance",
            "budget": "manager", "team_size": "manager"}  # fmt: skip
KEYS = ("says", "check", "limit", "answer", "by", "at")
EXAMPLE = "{says: answers within 50 ms, check: latency, limit: 50}, or with answer, by and at"


@dataclass(frozen=True)
class Requirement:
    """What is required: in words, and the check that tells (with its limit), or a person's answer, by whom and when."""

    name: str
    says: str = ""
    check: str = ""
    limit: float | None = None
    answer: str = ""
    by: str = ""
    at: str = ""

    @property
    def open(self) -> bool:
        """Whether no check is named and nobody has answered."""
        return not self.check and not self.answer


def requirements(content: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """Return the ``requirements`` of a charter, in its order.

    Raises
    ------
    Invalid
        One is both checked and answered, an answer is nobody's, or a key that there is not.

    Examples
    --------
    >>> requirements({"speed": {"says": "within 50 ms", "check": "latency", "limit": 50}})[0].limit
    50.0
    >>> requirements({"regulation": "none applies"})[0].open
    True
    """
    return tuple(_requirement(str(name), said) for name, said in content.items())


def _requirement(name: str, said: Any) -> Requirement:
    where = f"requirements.{name[:40]}"
    if said is None or isinstance(said, str):
        return Requirement(name, (said or "").strip())
    found = given.mapping(where, said, KEYS, EXAMPLE)
    if "check" in found and "answer" in found:
        raise Invalid(f"{FILE}: {where} is both checked and answered.", "Write check, or answer with by.")
    texts = {k: given.text(f"{where}.{k}", found.get(k)) for k in ("says", "check", "answer", "by")}
    if texts["answer"] and not texts["by"]:
        raise Invalid(f"{FILE}: {where}.answer is nobody's.", "Write by: a role or a person.")
    at = given.day(f"{where}.at", found["at"]) if "at" in found else ""
    limit = given.number(f"{where}.limit", found["limit"]) if "limit" in found else None
    return Requirement(name, at=at, limit=limit, **texts)
