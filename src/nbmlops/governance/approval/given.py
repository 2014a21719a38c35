"""What people answered about a version or a report, and whether each answer still holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbmlops.governance.approval import bound as binding
from nbmlops.governance.approval import policy
from nbmlops.records import plain
from nbmlops.store.driver import ACCOUNT

if TYPE_CHECKING:
    from nbmlops.governance.approval.policy import Policy
    from nbmlops.governance.charter import Charter

__all__ = ["APPROVED", "OUTCOMES", "Answer", "Present", "answers", "judged", "meeting", "of_events", "refused", "valid"]

OUTCOMES = ("approved", "approved with conditions", "changes requested", "rejected")
APPROVED, REFUSED = OUTCOMES[:2], OUTCOMES[2:]
Json = Mapping[str, Any]
UNMET = {"met_at": "", "met_by": "", "why": ""}


@dataclass(frozen=True)
class Answer:
    """One answer: who, in which role, what; ``state`` is valid, stale, expired, withdrawn or void, ``why`` says why."""

    seq: int
    at: str
    name: str  # who answers
    known_by: str  # of who entered it
    role: str
    outcome: str
    report: str
    number: int
    comment: str = ""
    conditions: tuple[Mapping[str, Any], ...] = ()
    expires_at: str = ""
    entered_by: str = ""  # the steward, where somebody else entered it
    policy_digest: str = ""
    bound: Mapping[str, Any] | None = None
    named_by: tuple[str, ...] = ()  # aliases whose policy named the role when it was answered
    state: str = "valid"
    why: str = ""

    @property
    def approves(self) -> bool:
        """Whether it says yes, with conditions or without."""
        return self.outcome in APPROVED

    @property
    def weight(self) -> int:
        """How far it is the person's own: 0 a claim, 1 by a name of the environment, 2 by an account of a database."""
        return 0 if self.entered_by else 2 if self.known_by == ACCOUNT else 1

    @property
    def who(self) -> str:
        """Who answered and how that is known."""
        if self.entered_by:
            return f"{self.name} (claimed; entered by {self.entered_by}, known by {self.known_by})"
        return f"{self.name} (known by {self.known_by})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "who": self.who, "conditions": [dict(c) for c in self.conditions]}


@dataclass(frozen=True)
class Present:
    """What is now of all that an answer was bound to; ``changed`` has what each report says otherwise than is known."""

    bound: Json | None  # None where only the facts of a report are known
    changed: Mapping[str, Sequence[str]]
    policy_digest: str
    own: Mapping[str, str]  # person to why it is their own work
    agreed: Charter | None
    at: str


def answers(connection: Any, subject: str) -> list[Answer]:
    """Return the answers about a subject, oldest first, with which conditions are met.

    Parameters
    ----------
    connection : Connection
        Of a reader, or of the transaction that decides.
    subject : str
        Such as ``late-flights@3``.
    """
    from nbmlops.store import events

    return of_events(e for e in events.listed(connection, subject) if e["subject"] == subject)


def of_events(events: Iterable[Json]) -> list[Answer]:
    """Return the answers among events, with which conditions are met."""
    found = [e for e in events if e["action"] in ("approve", "condition_met")]
    met = {
        (e["data"]["approve"], e["data"]["condition"]): _met(e) for e in found[::-1] if e["action"] == "condition_met"
    }
    return [_answer(e, met) for e in found if e["action"] == "approve" and _binds(e["data"])]


def meeting(agreed: Charter | None, owner: str, by: str) -> tuple[str, ...]:
    """Return who may say that a condition is met, its owner first: who left may not, and somebody always may.

    Parameters
    ----------
    agreed : Charter or None
    owner : str
        Whose it is.
    by : str
        Who approved on it, asked last: where the owner left and nobody plays a role.
    """
    if agreed is None:
        return (owner,)
    there = [person for people in agreed.roles.values() for person in people]
    found = [person for person in dict.fromkeys([owner, *there]) if person not in agreed.left]
    return tuple(found or [person for person in (by,) if person not in agreed.left])


def _binds(data: Json) -> bool:
    return bool(data.get("bound")) and isinstance(data.get("report"), str)


def _met(event: Json) -> dict[str, str]:
    return {"met_at": event["at"], "met_by": event["actor"], "why": event["data"]["why"]}


def _answer(event: Json, met: Mapping[tuple[int, int], Json]) -> Answer:
    data, seq = event["data"], int(event["seq"])
    name = str(data.get("by") or event["actor"])
    claimed = data.get("entered_by") or name != event["actor"]
    steward = str(event["actor"]) if claimed else ""  # who entered it is who the event says, whatever its data says
    conditions = (
        {"condition": n, **c, **met.get((seq, n), UNMET)} for n, c in enumerate(data.get("conditions") or (), 1)
    )
    return Answer(
        seq,
        str(event["at"]),
        name,
        str(event["known_by"]),
        str(data.get("role") or ""),
        str(data.get("outcome") or ""),
        str(data["report"]),
        int(data.get("number") or 0),
        str(data.get("comment") or ""),
        tuple(conditions),
        str(data.get("expires_at") or ""),
        steward,
        str(data.get("policy_digest") or ""),
        data.get("bound") or {},
        tuple(map(str, data.get("named_by") or ())),
    )


def judged(found: Sequence[Answer], present: Present, asked: Policy) -> list[Answer]:
    """Return answers with the state each is in.

    Parameters
    ----------
    found : sequence of Answer
        As :func:`answers` returns them.
    present : Present
    asked : Policy
        Of the alias in question.
    """
    return [_judged(a, found[i + 1 :], present, asked) for i, a in enumerate(found)]


def _judged(answer: Answer, later: Sequence[Answer], present: Present, asked: Policy) -> Answer:
    for state, why in (
        ("withdrawn", _withdrawn(answer, later)),
        ("void", _void(answer, present, asked)),
        ("stale", ", ".join(_stale(answer, present))),
        ("expired", _expired(answer, present, asked)),
    ):
        if why:
            return replace(answer, state=state, why=why)
    return answer


def _withdrawn(answer: Answer, later: Iterable[Answer]) -> str:
    """Return by what the same person withdrew an answer: another in that role, or a refusal in any.

    A claim withdraws nothing that somebody said themselves, and no weaker name what an account of the database said.
    """
    said = (a for a in later if a.name == answer.name and a.weight >= answer.weight)
    said = (a for a in said if a.role == answer.role or not a.approves)
    newer = next(said, None)
    return f"{answer.name} answered again: {newer.outcome} (event {newer.seq})" if newer else ""


def _void(answer: Answer, present: Present, asked: Policy) -> str:
    """Return why an approval never counts here, or counts no more: own work, or a role that is not played."""
    agreed = present.agreed
    if not answer.approves:  # taking somebody's role away takes no refusal back
        return ""
    if "nobody" not in asked.distinct_from:
        for person in filter(None, (answer.name, answer.entered_by)):
            own = {name.casefold(): why for name, why in present.own.items()}
            if person.casefold() in own:
                return f"{person} {own[person.casefold()]}"
    if agreed and answer.role not in agreed.role_of(answer.name):
        return f"{answer.name} does not play {answer.role or 'any role'} by the charter"
    return ""


def _stale(answer: Answer, present: Present) -> list[str]:
    """Return what changed of all an answer was bound to; of a refusal, of the version itself."""
    if not answer.approves:
        return binding.another(answer.bound or {}, present.bound) if present.bound else []
    changed = present.changed.get(answer.report, ("a report that was not looked at",))
    words = binding.changed(answer.bound or {}, present.bound) if present.bound else []
    words += [f"the report says otherwise: {', '.join(changed)}"] if changed else []
    return [*words, *(["the policy of the charter changed"] if answer.policy_digest != present.policy_digest else [])]


def _expired(answer: Answer, present: Present, asked: Policy) -> str:
    ends = [answer.expires_at, policy.until(asked.expires, answer.at) if asked.expires else ""]
    over = [end for end in ends if end and end <= present.at]
    return f"it held until {min(over)[:16].replace('T', ' ')} UTC" if answer.approves and over else ""


def valid(found: Iterable[Answer], asked: Policy) -> list[Answer]:
    """Return the approvals that count: they hold, in a role the policy names."""
    return [a for a in found if a.approves and a.state == "valid" and (not asked.roles or a.role in asked.roles)]


def refused(found: Iterable[Answer], asked: Policy) -> list[Answer]:
    """Return the refusals that stand, by people in a role the policy names, or named when they answered."""
    return [a for a in found if not a.approves and a.state == "valid" and _names(asked, a)]


def _names(asked: Policy, answer: Answer) -> bool:
    return not asked.roles or answer.role in asked.roles or asked.alias in answer.named_by
