"""Answer a report: approve it, with conditions or without, ask for changes, reject it; and say a condition is met."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import Conflict, Invalid, NbmlopsError, NotAllowed, NotFound, unknown
from nbmlops.governance import agreed_on
from nbmlops.governance.approval import bound as binding
from nbmlops.governance.approval import given, policy
from nbmlops.governance.approval.forms import Form
from nbmlops.governance.approval.given import OUTCOMES
from nbmlops.governance.approval.reported import Reported, is_version, reported
from nbmlops.governance.approval.standing import Approvals, approvals, own_work, with_accounts
from nbmlops.governance.charter import ROLES, Charter, charter
from nbmlops.hooks import service
from nbmlops.records import now
from nbmlops.store import reports
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.store.database import Transaction

__all__ = ["approve", "meet_condition", "roles_for"]

LONGEST = 2_000
CONDITION = ("text", "owner", "due")


def approve(
    report: Any,
    outcome: str = "approved",
    role: str | None = None,
    comment: str = "",
    conditions: Iterable[Mapping[str, str] | str] = (),
    expires: str | None = None,
    by: str | None = None,
) -> Approvals:
    """Answer a report: approve what it asks, with conditions or without, ask for changes, or reject it.

    The answer is bound to the hash of the report's facts, to the model's file, the data it was trained on and the code
    that made it, and to the charter's policy: when any of these changes, it is stale and counts no more. It is refused
    where the report is not the newest or says otherwise than is known by now.

    Parameters
    ----------
    report : path, str, Run, ModelVersion or Form
        The file of a report, its hash (or the first 12 characters), what ``nb.report`` takes (its newest report is
        meant), or a form that was read back: it says everything else itself.
    outcome : str
        ``"approved"``, ``"approved with conditions"``, ``"changes requested"`` or ``"rejected"``.
    role : str, optional
        The role in which you answer; the one you play where it is only one.
    comment : str
        Why.
    conditions : iterable of mapping or str
        Each with ``text``, ``owner`` and ``due`` (a day), or as one text ``"what; who; 2026-05-01"``.
    expires : str, optional
        Until when an approval holds: ``"30d"`` or a day; what the policy says when absent.
    by : str, optional
        Who answers, where you only enter it for them: a claim, recorded with your name as steward.

    Returns
    -------
    Approvals
        What is given and missing after it.

    Raises
    ------
    NotAllowed
        It is your own work, a role you do not play by the charter, a file that was changed, or a policy that ended.
    Conflict
        The report is not the newest, or not up to date, or its run has not ended.
    Invalid
        No such outcome, or a condition without owner or day.
    NotFound
        No such report or role.

    Examples
    --------
    >>> nb.approve("late-flights@3", role="expert", comment="reads well").missing  # doctest: +SKIP
    ('approval by manager (ann@example.org)',)
    """
    if isinstance(report, Form):
        said = report.said()
        return _answered(report.digest, said, by=report.name, form=report)
    said = {"outcome": outcome, "role": role, "comment": comment, "conditions": conditions, "expires": expires}
    return _answered(report, said, by)


def _answered(report: Any, said: Mapping[str, Any], by: str | None, form: Form | None = None) -> Approvals:
    outcome = _outcome(said["outcome"])
    comment = _text(said["comment"], "comment")
    found, agreed, steward = reported(report), charter(), identity.actor()
    person = _person(by) if by is not None else steward[0]
    asking = policy.asking(agreed)
    _check_own(found, asking, {person, steward[0]})
    at = now()
    role = _role(said["role"], person, agreed, asking)
    data = {
        "report": found.row.digest,
        "number": found.row.number,
        "outcome": outcome,
        "role": role,
        "named_by": [p.alias for p in asking if not p.roles or role in p.roles],
        "comment": comment,
        **_conditioned(said["conditions"], outcome, at),
        "expires_at": _expires(said["expires"], asking, outcome, at),
        "policy_digest": policy.digest(agreed.policy if agreed else None),
        "bound": {**binding.bound(found.version), "facts": found.about["facts"]},
        **_entered(person, steward[0], form),
    }
    _check_current(found)
    with session.store().atomic() as change:
        _check_newest(change, found)
        change.event("approve", found.subject, {**data, "charter": agreed_on.record(change)}, steward)
    return approvals(found.version or found.row.digest)


def roles_for(report: Any) -> tuple[str, ...]:
    """Return the roles in which who asks may answer a report; none where there is no charter. Nothing is written.

    Parameters
    ----------
    report : path, str, Run or ModelVersion
        As :func:`approve` takes it.

    Raises
    ------
    NotAllowed
        It is their own work, or they play no role by the charter.
    Conflict
        The report is not up to date.

    Examples
    --------
    >>> roles_for("late-flights@3")  # doctest: +SKIP
    ('expert',)
    """
    found, agreed, who = reported(report), charter(), identity.actor()[0]
    asking = policy.asking(agreed)
    _check_own(found, asking, {who})
    _check_current(found)
    played = agreed.acts_as(who) if agreed else ()
    asked = tuple(r for r in played if any(r in p.roles for p in asking)) or played
    return asked if len(asked) > 1 else tuple(filter(None, [_role(None, who, agreed, asking)]))


def meet_condition(approval: int, condition: int, why: str) -> Approvals:
    """Say that a condition of an approval is met, by its owner or anybody with a role.

    An owner who left meets nothing: a role is needed then, or where nobody plays one, to have asked for it.

    Parameters
    ----------
    approval : int
        The number of the event that approved, as ``nb.approvals`` lists it.
    condition : int
        Which of its conditions, from 1.
    why : str
        How it was met.

    Returns
    -------
    Approvals

    Raises
    ------
    NotFound
        No such approval or condition.
    Conflict
        It is met already.
    NotAllowed
        You neither own it nor play a role by the charter, or left.

    Examples
    --------
    >>> nb.meet_condition(17, 1, "looked at in May: no change")  # doctest: +SKIP
    """
    why = _text(why, "why", needed=True)
    who, agreed = identity.actor(), charter()
    with session.store().atomic() as change:
        answer, subject = _approval(change, approval)
        asked = next((c for c in answer.conditions if c["condition"] == condition), None)
        if asked is None:
            raise NotFound(f"Approval {approval} has no condition {condition}.", f"It has {len(answer.conditions)}.")
        if asked["met_at"]:
            raise Conflict(f"Condition {condition} of approval {approval} was met on {asked['met_at'][:10]}.", "")
        may = given.meeting(agreed, str(asked["owner"]), answer.name)
        if agreed and who[0] not in may:
            gone = f"{asked['owner']} left. " if asked["owner"] in agreed.left else ""
            whose = f"{gone}It is met by {' or '.join(may) or 'nobody: name people under roles'}."
            raise NotAllowed(f"{who[0]} neither owns this condition nor plays a role.", whose)
        said = {"approve": approval, "condition": condition, "why": why}
        change.event("condition_met", subject, {**said, "charter": agreed_on.record(change)}, who)
    return approvals(subject if is_version(subject) else answer.report)


def _approval(change: Transaction, number: int) -> tuple[given.Answer, str]:
    from nbmlops.store import events

    subjects = {e["seq"]: e["subject"] for e in events.listed(change.connection, action="approve")}
    if number not in subjects:
        raise NotFound(f"Event {number} is no approval.", "List them: nbmlops approvals REF")
    found = given.answers(change.connection, subjects[number])
    return next(a for a in found if a.seq == number), subjects[number]


def _outcome(outcome: Any) -> str:
    if outcome not in OUTCOMES:
        raise Invalid(f"{outcome!r} is no outcome.", f"Allowed: {', '.join(OUTCOMES)}.")
    return str(outcome)


def _text(value: Any, what: str, needed: bool = False) -> str:
    text = " ".join(str(value or "").split())
    _check_text(text, what)
    if len(text) > LONGEST or (needed and not text):
        raise Invalid(
            f"{what} has {len(text)} characters.", f"Write 1 to {LONGEST:,}." if needed else f"At most {LONGEST:,}."
        )
    return redact(text)


def _check_text(text: str, what: str) -> None:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise Invalid(f"{what} has characters that are no text.", "Write plain text.")


def _person(name: Any) -> str:
    """Return the name of who is said to answer."""
    text = " ".join(str(name or "").split())
    _check_text(text, "by")
    if not text or identity.INVENTED.match(text):
        raise NotAllowed(
            f"{text or 'Nobody'} cannot answer for a model.", "Write the person's own name, as in the charter."
        )
    return text


def _entered(person: str, steward: str, form: Form | None) -> dict[str, str]:
    """Return who entered an answer for somebody else, and the form it was on."""
    said = {"by": person, "entered_by": steward} if person != steward else {}
    return {**said, **({"form": form.kept(), "signed_on": form.signed_on} if form else {})}


def _role(role: Any, person: str, agreed: Charter | None, asking: Iterable[policy.Policy]) -> str:
    """Return the role in which a person answers: one they play."""
    if role is not None and str(role) not in (known := {*ROLES, *(agreed.roles if agreed else ())}):
        raise unknown("role", str(role), known, where="in the charter")
    if agreed is None:
        return str(role or "")
    played = agreed.acts_as(person)
    if role is not None and role not in played:
        raise NotAllowed(
            f"{person} does not play {role} by {agreed.path}.", f"Plays: {', '.join(played) or 'no role'}."
        )
    asked = [r for r in played if any(r in p.roles for p in asking)]
    fitting = [role] if role else asked or played
    if len(fitting) != 1:
        plays = f"plays {' and '.join(fitting)}" if fitting else "plays no role"
        hint = "Say in which you answer: role=..." if fitting else f"Write it under roles in {agreed.path}."
        raise NotAllowed(f"{person} {plays} by {agreed.path}.", hint)
    return str(fitting[0])


def _check_own(found: Reported, asking: list[policy.Policy], people: set[str]) -> None:
    """Refuse an answer to one's own work, unless every policy that asks for approvals says that nobody is left out."""
    distinct = {word for p in asking for word in p.distinct_from} or {"author"}
    if distinct == {"nobody"}:
        return
    own = own_work(found.version, distinct)
    if found.version is None and found.about["run_id"]:
        own = with_accounts({found.about.get("author", ""): "ran it"})
    folded = {name.casefold(): why for name, why in own.items() if name}
    for person in sorted(p for p in people if p.casefold() in folded):
        raise NotAllowed(
            f"{person} {folded[person.casefold()]}, and nobody answers for their own work.", "Somebody else does."
        )


def _conditioned(conditions: Any, outcome: str, at: str) -> dict[str, Any]:
    """Return conditions as they are kept, and all of them as one line."""
    listed = [conditions] if isinstance(conditions, (str, Mapping)) else conditions or ()
    if not isinstance(listed, Iterable):
        raise Invalid(f"{str(conditions)[:80]!r} is no list of conditions.", "Write 'what; who; 2026-05-01' each.")
    found = [_condition(c, at) for c in listed]
    if bool(found) != (outcome == OUTCOMES[1]):
        lacks = "says no condition" if not found else f"is {outcome}, and conditions are said"
        raise Invalid(f"The answer {lacks}.", f"Conditions go with {OUTCOMES[1]!r}: text, owner and day each.")
    line = ". ".join(f"{c['text']} ({c['owner']}, by {c['due']})" for c in found)
    return {"conditions": found, "condition": line}


def _condition(said: Any, at: str) -> dict[str, str]:
    if isinstance(said, str):
        said = dict(zip(CONDITION, (part.strip() for part in said.split(";")), strict=False))
    if not isinstance(said, Mapping) or set(said) - set(CONDITION):
        raise Invalid(f"{str(said)[:80]!r} is no condition.", "Write 'what; who; 2026-05-01'.")
    found = {k: _text(said.get(k), f"a condition's {k}") for k in CONDITION}
    if lacking := [k for k in CONDITION if not found[k]]:
        raise Invalid(
            f"A condition lacks its {' and '.join(lacking)}: {found['text'][:80]!r}.", "Each has text, owner and day."
        )
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", found["due"]) or not _is_day(found["due"]):
        raise Invalid(f"{found['due']!r} is no day by which a condition is met.", "Write such as 2026-05-01.")
    if found["due"] < at[:10]:
        raise Invalid(f"The day of a condition is over: {found['due']}.", "Write one to come.")
    return found


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _expires(expires: Any, asking: Iterable[policy.Policy], outcome: str, at: str) -> str:
    """Return until when an approval holds: what is said, at most what the policies let it hold."""
    if outcome not in given.APPROVED:
        return ""
    limits = [end for p in asking if p.expires and (end := policy.until(p.expires, at))]
    if expires in (None, ""):
        return min(limits, default="")
    end = policy.until(str(expires), at)
    if end is None or end <= at:
        raise Invalid(f"expires is {str(expires)[:40]!r}.", "Write how long it holds, such as 30d, or a day to come.")
    if limits and end > min(limits):
        raise NotAllowed(f"The policy lets an approval hold until {min(limits)[:10]}, not {end[:10]}.", "Say less.")
    return end


def _check_current(found: Reported) -> None:
    """Refuse a report whose facts can still change, and one that says otherwise than is known by now."""
    if _still_runs(found):
        raise Conflict(
            f"{found.named} is of a run that has not ended, so what it says can still change.",
            f"Answer the next one, after its end: nbmlops report {_typed(found)} --refresh. "
            f'To hold it up meanwhile: nbmlops flag {_typed(found)} "..." --severity blocking',
        )
    if changed := service("report.since", "changed")(found.row):
        raise Conflict(
            f"{found.named} is not up to date: {', '.join(changed)} changed since.",
            f"Make the next one and read it: nbmlops report {_typed(found)} --refresh",
        )


def _typed(found: Reported) -> str:
    """Return what a person types for a report: its version where the report of that is the same, else its run."""
    with suppress(NbmlopsError):
        if found.version and service("report.since", "meant")(found.version.ref).key == found.row.subject:
            return found.version.ref
    return found.row.run_id or found.row.name


def _still_runs(found: Reported) -> bool:
    """Tell whether the run of a report, or one that made its version, has not ended: its notebook is not kept yet."""
    from nbmlops.store import runs

    store = session.store()
    of_it = runs.load(store, found.about["run_id"]) if found.about["run_id"] else None
    made = binding.makers(found.version) if found.version else []
    return any(run and run["status"] == "running" for run in (of_it, *made))


def _check_newest(change: Transaction, found: Reported) -> None:
    newest = reports.newest_number(change.connection, found.row.subject)
    if newest != found.row.number:
        raise Conflict(f"{found.named} is not the newest: report {newest} was made since.", "Read and answer that one.")
