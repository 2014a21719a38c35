"""What a review records: an expert's verdict on a question of the business, and continue, pivot or stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from nbmlops.capture.secrets import redact
from nbmlops.errors import Invalid, NotAllowed, unknown
from nbmlops.governance import agreed_on
from nbmlops.governance.charter import Charter, required
from nbmlops.hooks import Shown
from nbmlops.records import plain
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor

__all__ = [
    "AGENDA",
    "DECIDE",
    "DECISIONS",
    "JUDGE",
    "VERDICTS",
    "Decided",
    "decide",
    "decisions",
    "verdict",
    "verdicts",
]

AGENDA = "agenda"  # the subject of a report of this kind, and what a person types
VERDICTS = ("yes", "partly", "no")
DECISIONS = ("continue", "pivot", "stop")
JUDGE, DECIDE = ("expert",), ("stakeholder", "manager")  # who may, by the charter
LONGEST = 1000  # characters of a reason
Json = Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class Decided(Shown):
    """What somebody said in a review: about what, in which role, why, and after which agenda."""

    shows: ClassVar[str] = "decided"

    action: str  # question_verdict or decision
    subject: str
    answer: str
    why: str
    by: str
    known_by: str
    role: str
    to: str = ""  # of a pivot
    question: str = ""
    agenda: str | None = None  # SHA-256 of the newest agenda's facts
    number: int | None = None  # of that agenda
    seq: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(plain(self))


def verdict(question: str, answer: str, why: str) -> Decided:
    """Answer a question of the business by what is known: yes, partly or no; who plays expert by the charter may.

    Parameters
    ----------
    question : str
        Its id in the charter.
    answer : {"yes", "partly", "no"}
    why : str

    Returns
    -------
    Decided
        Recorded as an event with the newest agenda it was said after.

    Raises
    ------
    NotFound
        There is no charter, or no such question.
    Invalid
        No such answer, or no reason.
    NotAllowed
        You do not play expert by the charter.

    Examples
    --------
    >>> nb.verdict("q1", "partly", "fewer trips are missed, though not at night")  # doctest: +SKIP
    """
    if answer not in VERDICTS:
        raise Invalid(f"{str(answer)[:40]!r} is no verdict.", f"Allowed: {', '.join(VERDICTS)}.")
    why, agreed = _text(why, "A verdict needs a reason."), required()
    asked = next((q for q in agreed.questions if q.id == question), None)
    if asked is None:
        raise unknown("question", str(question)[:40], [q.id for q in agreed.questions], where="of the charter")
    who = actor()
    role = _role(agreed, who[0], JUDGE, "gives a verdict")
    said = {"verdict": answer, "why": why, "role": role, "question": asked.question}
    found = Decided("question_verdict", asked.id, answer, why, *who, role, question=asked.question)
    return _recorded(found, said, who)


def decide(decision: str, why: str, to: str | None = None) -> Decided:
    """Decide what becomes of the project: continue, pivot or stop; a stakeholder or manager by the charter may.

    Parameters
    ----------
    decision : {"continue", "pivot", "stop"}
    why : str
    to : str, optional
        What is done instead; a pivot needs it, nothing else has it.

    Returns
    -------
    Decided
        Recorded as an event with the newest agenda it was decided after.

    Raises
    ------
    NotFound
        There is no charter.
    Invalid
        No such decision, no reason, or a pivot to nothing.
    NotAllowed
        You play neither role by the charter.

    Examples
    --------
    >>> nb.decide("pivot", "the gain is too small", to="warn of cancelled flights only")  # doctest: +SKIP
    """
    if decision not in DECISIONS:
        raise Invalid(f"{str(decision)[:40]!r} is no decision.", f"Allowed: {', '.join(DECISIONS)}.")
    if (decision == "pivot") != bool(str(to or "").strip()):
        said = "A pivot needs what to turn to." if decision == "pivot" else f"{decision.capitalize()} turns to nothing."
        raise Invalid(said, 'Write nb.decide("pivot", "why", to="..."), or --to.')
    why, turned = _text(why, "A decision needs a reason."), _text(to, "") if to else ""
    agreed, who = required(), actor()
    role = _role(agreed, who[0], DECIDE, "decides")
    data = {"decision": decision, "why": why, "role": role, **({"to": turned} if turned else {})}
    found = Decided("decision", session.project().name, decision, why, *who, role, to=turned)
    return _recorded(found, data, who)


def verdicts(events: Iterable[Json]) -> dict[str, dict[str, Any]]:
    """Return the newest verdict on each question among events, oldest first: answer, why, by, role, at, agenda.

    ``question`` is what was asked then: one that was worded anew is not answered by what was said of the old one.

    >>> said = {"action": "question_verdict", "subject": "q1", "actor": "ann", "known_by": "git", "at": "2026-01-01"}
    >>> verdicts([said | {"data": {"verdict": "yes", "why": "so"}}])["q1"]["answer"]
    'yes'
    """
    return {e["subject"]: _told(e, "verdict") for e in events if e["action"] == "question_verdict"}


def decisions(events: Iterable[Json]) -> list[dict[str, Any]]:
    """Return what was decided of the project among events, oldest first."""
    return [_told(e, "decision") for e in events if e["action"] == "decision"]


def _told(event: Json, key: str) -> dict[str, Any]:
    data = event["data"]
    about = {"answer": data[key], **{k: data.get(k) for k in ("why", "to", "role", "agenda", "question")}}
    return {**about, "by": event["actor"], "known_by": event["known_by"], "at": event["at"]}


def _recorded(found: Decided, data: Json, who: tuple[str, str]) -> Decided:
    """Record what was said, with the charter it was said under and the agenda it was said after."""
    from nbmlops.store import reports

    newest = reports.newest(session.store(), AGENDA)
    digest, number = (newest.digest, newest.number) if newest else (None, None)
    with session.store().atomic() as change:
        told = {**data, "agenda": digest, "number": number, "charter": agreed_on.record(change)}
        seq = change.event(found.action, found.subject, told, who)
    return replace(found, agenda=digest, number=number, seq=seq)


def _role(agreed: Charter, person: str, roles: tuple[str, ...], does: str) -> str:
    """Return the role in which a person may do this, or refuse: nobody may where nobody is named."""
    mine = agreed.acts_as(person)
    found = next((role for role in roles if role in mine), None)
    if found is None:
        named = [p for role in roles for p in agreed.roles.get(role, ()) if p not in agreed.left]
        hint = (
            f"Named: {', '.join(dict.fromkeys(named))}." if named else f"Nobody is named: write roles in {agreed.path}."
        )
        raise NotAllowed(f"{person} is no {' or '.join(roles)} by {agreed.path}, and only such a person {does}.", hint)
    return found


def _text(value: Any, missing: str) -> str:
    text = " ".join(str(value or "").split())
    if not text:
        raise Invalid(missing, "Say why in a sentence.")
    if len(text) > LONGEST:
        raise Invalid(f"A text has {len(text):,} characters.", f"At most {LONGEST:,}.")
    return redact(text)
