"""What an alias asks for: how many people, in which roles, who may not, on what evidence, for how long."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NotAllowed
from nbmlops.records import now, plain
from nbmlops.registry.targets import FILE

if TYPE_CHECKING:
    from nbmlops.governance.charter import Charter

__all__ = ["KEYS", "Policy", "asking", "digest", "of", "read", "span", "until"]

EVIDENCE = ("report", "gate", "evaluation", "drift")
DISTINCT = ("author", "owner", "nobody")
KEYS = ("gate", "guards", "flags", "evaluation", "roles", "approvals", "each", "distinct_from", "evidence", "expires")
SPAN = re.compile(r"([1-9][0-9]{0,4})\s*(h|d|w)")
HOURS = {"h": 1, "d": 24, "w": 168}
HOW = {
    "approvals": "Write how many people, such as 2.",
    "each": "Write true: one of every role; or false.",
    "roles": "Write a list: [manager].",
    "distinct_from": f"Allowed: {', '.join(DISTINCT)}.",
    "evidence": f"Allowed: {', '.join(EVIDENCE)}.",
    "expires": "Write how long an approval holds, such as 30d, or the day it ends, such as 2026-12-31.",
}


@dataclass(frozen=True)
class Policy:
    """What one alias asks for; ``approvals`` is 0 where nobody has to approve."""

    alias: str
    approvals: int = 0
    roles: tuple[str, ...] = ()  # who may approve; without approvals: who may promote
    each: bool = False  # one of every role
    distinct_from: tuple[str, ...] = ("author",)
    evidence: tuple[str, ...] = ()
    expires: str = ""  # 30d, or the day on which the policy itself ends

    @property
    def words(self) -> str:
        """What is asked for, in words."""
        if not self.approvals:
            return f"nobody has to approve what becomes {self.alias}"
        who = " and ".join(self.roles) if self.each else " or ".join(self.roles)
        people = "1 person" if self.approvals == 1 else f"{self.approvals} people"
        return f"{people}{f' ({_said(who)})' if who else ''} approve what becomes {self.alias}"

    def wanting(self, given: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
        """Return what is missing where these people approved in these roles: for each person, one of which roles.

        >>> Policy("champion", 2, ("manager", "expert"), each=True).wanting([("ann", "manager")])
        [('expert',)]
        >>> Policy("champion", 2, ("manager", "expert")).wanting([("ann", "manager"), ("ann", "expert")])
        [('manager', 'expert')]
        """
        found = [(person, role) for person, role in given if not self.roles or role in self.roles]
        needed = [(role,) for role in self.roles if self.each and role not in {r for _, r in found}]
        more = self.approvals - len({person.casefold() for person, _ in found}) - len(needed)
        return [*needed, *([self.roles] * more)]


def _said(roles: str) -> str:
    return roles.replace("_", " ")


def read(rule: Mapping[str, Any], alias: str, path: str = FILE) -> Policy:
    """Return the policy a charter says for an alias.

    Raises
    ------
    NotAllowed
        Something in it is not understood: governance fails closed.

    Examples
    --------
    >>> read({"approvals": 2, "roles": ["manager", "expert"]}, "champion").words
    '2 people (manager or expert) approve what becomes champion'
    """
    if strange := [str(k) for k in rule if k not in KEYS]:
        raise NotAllowed(
            f"policy.{alias}.{strange[0]} in {path} is not understood, so nothing is promoted.",
            f"Understood: {', '.join(KEYS)}.",
        )
    said = {k: v for k, v in rule.items() if v is not None}
    roles = _listed(said, alias, "roles", None)
    each = said.get("each", False)
    _check(each in (True, False) and isinstance(each, bool) and bool(roles or not each), alias, "each", each)
    approvals = said.get("approvals", len(roles) if each else 0)
    _check((isinstance(approvals, int) and not isinstance(approvals, bool) and approvals > 0) or (not approvals
           and "approvals" not in said), alias, "approvals", approvals)  # fmt: skip
    return Policy(
        alias,
        approvals,
        roles,
        each,
        _listed(said, alias, "distinct_from", DISTINCT) or ("author",),
        _listed(said, alias, "evidence", EVIDENCE),
        _expires(said.get("expires", ""), alias),
    )


def _listed(said: Mapping[str, Any], alias: str, key: str, allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return a list of words; one word alone where only certain words are allowed."""
    value = said.get(key, [])
    found = [value] if isinstance(value, str) and allowed else value
    right = isinstance(found, list) and all(isinstance(v, str) for v in found) and bool(found or key not in said)
    _check(right and (allowed is None or set(found) <= set(allowed)), alias, key, value)
    return tuple(found)


def _expires(value: Any, alias: str) -> str:
    day = value.isoformat() if isinstance(value, date) else value
    _check(day == "" or (isinstance(day, str) and (span(day) is not None or _day(day) is not None)), alias, "expires",
           value)  # fmt: skip
    return str(day)


def _check(right: bool, alias: str, key: str, value: Any) -> None:
    if not right:
        raise NotAllowed(f"policy.{alias}.{key} is {plain(value)!r}, so nothing is promoted.", HOW[key])


def span(text: str) -> timedelta | None:
    """Return how long 12h, 30d or 4w is; None for anything else.

    >>> span("30d").days
    30
    """
    found = SPAN.fullmatch(text.strip())
    return timedelta(hours=int(found[1]) * HOURS[found[2]]) if found else None


def _day(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or none of the years 1 to 9999 in UTC
        return None


def until(text: str, at: str) -> str | None:
    """Return the UTC time until which something holds from a time on: a span, or a day; None for no time.

    >>> until("30d", "2026-03-01T00:00:00+00:00")[:10], until("2026-12-31", "")[:10], until("soon", "")
    ('2026-03-31', '2026-12-31', None)
    """
    length = span(text)
    end = datetime.fromisoformat(at) + length if length else _day(text)
    return end.isoformat(timespec="microseconds") if end else None


def of(agreed: Charter | None, alias: str) -> Policy:
    """Return the policy of an alias as a charter says it, refusing one that has ended.

    Raises
    ------
    NotAllowed
        It is not understood, or its last day is over.
    """
    if agreed is None:
        return Policy(alias)
    found = read(agreed.policy.get(alias, {}), alias, agreed.path)
    end = _day(found.expires) if found.expires else None
    if end is not None and end <= datetime.fromisoformat(now()):
        raise NotAllowed(
            f"policy.{alias} in {agreed.path} ended on {found.expires[:10]}, so nothing is approved or promoted.",
            "Agree on another one: a later day, or how long an approval holds, such as expires: 30d.",
        )
    return found


def asking(agreed: Charter | None) -> list[Policy]:
    """Return the policies of a charter that ask for approvals, each read and not ended."""
    found = [of(agreed, alias) for alias in (agreed.policy if agreed else ())]
    return [policy for policy in found if policy.approvals]


def digest(said: Mapping[str, Any] | None) -> str:
    """Return the SHA-256 of what a charter says of all aliases; an empty text where it says nothing."""
    said = plain(said or {})
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest() if said else ""
