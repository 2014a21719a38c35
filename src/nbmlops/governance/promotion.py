"""Move an alias to a version: who, why, on what evidence, and whether the charter allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import Conflict, Invalid, NbmlopsError, NotAllowed, NotFound, UntrustedContent, tell
from nbmlops.governance import agreed_on
from nbmlops.governance.allowed import Evidence, HeldUp, allowed, evidence_of, issues, said_of
from nbmlops.governance.approval import evidence as asked_for
from nbmlops.governance.approval import override as emergency
from nbmlops.governance.approval import standing
from nbmlops.governance.approval.policy import of as asked_of
from nbmlops.governance.approval.restored import check_restorable, check_retires, check_rolls_back
from nbmlops.governance.charter import Charter, charter
from nbmlops.governance.flags.unsettled import names_of, newest, raised
from nbmlops.registry import models, past
from nbmlops.registry.judged import standing as evaluation_of
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion
    from nbmlops.store.database import Transaction

__all__ = ["history", "promote", "refusal", "reject", "retire", "rollback"]

LONGEST = 4_000  # characters of a reason


def promote(
    name: str, version: int | str, to: str, reason: str, override: bool = False, instead_of: int | None = None
) -> ModelVersion:
    """Move an alias to a version, if the charter allows it.

    The file is read once before, so that what is promoted can be loaded. Without a charter the promotion is recorded as
    *no policy*. With one, what it asks for must be there: ``promotes: better`` needs a kept gate result, with verdict
    *better*, of exactly this version's file against exactly the present champion's, and none of its guards may be an
    issue (``policy: {champion: {guards: recorded}}`` only writes them down). Approvals the policy asks for are counted
    again in the transaction that moves the alias.

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
    override : bool
        Move it in an emergency though the policy says no: with an alert, and shown wherever the version is, until
        somebody else has reviewed it (:func:`review_override`).
    instead_of : int, optional
        The version the alias named when you decided, 0 for none: it moves only away from that one.

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
    Conflict
        Somebody moved the alias, flagged the version or changed the charter meanwhile.

    Examples
    --------
    >>> nb.promote("late-flights", 3, to="champion", reason="better on March")  # doctest: +SKIP
    """
    _check_words(to, reason)
    chosen = models.model_version(f"{name}@{version}")
    found, reason, agreed = evidence_of(chosen, to), redact(reason.strip()), charter()
    _check_seen(name, to, found.champion, instead_of)
    judged = _judged(chosen, agreed, to)
    policy, counted, said = _decided(agreed, found, to, reason, override)
    models.check_loadable(chosen)  # what is promoted can be loaded, digest and all
    about = {
        "reason": reason,
        "policy": policy,
        "evaluation": evaluation_of(chosen),
        "gate": found.gate["result_id"] if found.gate else None,
        "compared": _compared(found.gate["data"]) if found.gate else None,
        "digest": chosen.digest,
        **({"override": said} if said else {}),
    }
    return _move(chosen, to, found.champion, about, counted, None if said else judged)


def refusal(version: ModelVersion, to: str) -> NbmlopsError | None:
    """Return why :func:`promote` would refuse who asks, None where it would not; nothing moves, and no file is read.

    Parameters
    ----------
    version : ModelVersion
    to : str
        The alias.

    Examples
    --------
    >>> refusal(nb.model_version("late-flights@3"), "champion").message  # doctest: +SKIP
    'late-flights@3 lacks approval by manager (ann@example.org).'
    """
    try:
        identity.actor()
        _decided(charter(), evidence_of(version, to), to, "", override=False)
    except NbmlopsError as refused:
        return refused
    return None


@dataclass(frozen=True)
class Judged:
    """Under which charter a move was judged, and up to which event its flags were asked."""

    charter: str
    since: int
    names: set[str]  # of what a flag that concerns the version may name
    by_any: bool

    def check(self, change: Transaction, now: str | None) -> None:
        """Refuse the move where the charter is another by now, or somebody flagged the version meanwhile."""
        if (now or "") != self.charter:
            raise Conflict("The charter was changed meanwhile.", "Promote again: it is judged by the new one.")
        if ids := raised(change.connection, self.names, self.since, self.by_any):
            raise Conflict(f"It was flagged meanwhile: {ids[0]}.", "Read and settle it: nbmlops flags")


def _judged(version: ModelVersion, agreed: Charter | None, alias: str) -> Judged:
    """Return what is compared in the transaction; taken before anything is judged."""
    with session.store().reading() as connection:
        since = newest(connection)
    by_any = bool(agreed and agreed.policy.get(alias, {}).get("flags") == "any")
    return Judged(agreed.digest if agreed else "", since, names_of(version), by_any)


def _decided(
    agreed: Charter | None, found: Evidence, alias: str, reason: str, override: bool
) -> tuple[str, standing.Counted | None, dict[str, str]]:
    """Return the policy followed, the approvals to count again, and what is said of an override; or refuse."""
    try:
        policy = allowed(agreed, found, alias)
        counted = _counted(agreed, found, alias)
    except NotAllowed as refused:
        if not override:
            raise
        said = refused.logged if isinstance(refused, HeldUp) else refused.message
        return "override", None, {"reason": reason, "refused": redact(said)}
    return policy, counted, {}


def _counted(agreed: Charter | None, found: Evidence, alias: str) -> standing.Counted | None:
    """Return the approvals to count again, None where none is asked for; or refuse what is missing."""
    asked = asked_of(agreed, alias)
    if not asked.approvals and not asked.evidence:
        return None
    counted = standing.count(found.version, alias, agreed)
    with session.store().reading() as connection:
        answers = counted.judged(connection)
        counted.check(connection)
    asked_for.check(asked.evidence, found.version, alias, answers)
    return counted if asked.approvals else None


def rollback(name: str, alias: str = "champion", reason: str = "") -> ModelVersion:
    """Move an alias back to where it pointed before its last promotion; again moves one further back.

    Needs no gate, for what is restored was promoted before. Passed over, and the log says so, is what is deleted or
    cannot be loaded, what somebody refused or flagged as blocking, and what an override brought there that was found
    not justified or is not reviewed yet. Where the policy names roles only they roll back.

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
    NotAllowed
        You play none of the roles of the policy, or everything before is refused, flagged or was overridden.
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
        if past.taken_away(name, alias):
            raise NotFound(f"{name}@{alias} was taken out of use.", f"nbmlops promote {name} VERSION --to {alias}")
        at = f"only ever pointed to version {stack[0]}" if stack else "points nowhere"
        raise NotFound(f"{name}@{alias} {at}.", "There is nothing to go back to.")
    now = models.model_version(f"{name}@{stack[-1]}")
    check_rolls_back(agreed := charter(), alias)
    before, passed_over = _last_good(name, stack, lambda version: check_restorable(agreed, version, alias))
    about = {"reason": redact(reason.strip()), "policy": "rollback", "rollback": True, "digest": before.digest}
    return _move(before, alias, now, about | ({"passed_over": passed_over} if passed_over else {}))


def retire(name: str, alias: str = "champion", reason: str = "") -> ModelVersion:
    """Take an alias out of use: it points nowhere, and whoever asks for it is told so, until a version is promoted.

    The version itself stays, and can be asked by its number. What is promoted next is held to the charter as if the
    version taken out were still there: it is compared with that one, and is no first champion.

    Parameters
    ----------
    name : str
        The model's name.
    alias : str
    reason : str
        Why, for those who read the log.

    Returns
    -------
    ModelVersion
        The version the alias pointed to, with ``decision``: actor, reason, and ``version`` None.

    Raises
    ------
    NotFound
        No such model, or the alias points nowhere.
    NotAllowed
        You play none of the roles of the policy, or none of the charter where the policy names none, or left.
    Invalid
        No reason.

    Examples
    --------
    >>> nb.retire("late-flights", reason="the airline shows its own delays now").ref  # doctest: +SKIP
    'late-flights@3'
    """
    from nbmlops.store.models import set_alias

    _check_words(alias, reason)
    now, agreed, actor = models.model_version(f"{name}@{alias}"), charter(), identity.actor()
    check_retires(agreed, alias)
    about: dict[str, Any] = {"reason": redact(reason.strip()), "policy": past.RETIRED, "digest": now.digest}
    with session.store().atomic() as change:
        _unmoved(change, name, alias, now)
        about |= {"charter": agreed_on.record(change)}
        set_alias(change, name, alias, None, about, actor)
    said = {"alias": alias, "from": now.version, "version": None, "actor": actor[0], "known_by": actor[1], **about}
    return replace(now, aliases=tuple(a for a in now.aliases if a != alias), decision=said)


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
        about = {
            "reason": redact(reason.strip()),
            "digest": version.digest,
            "charter": agreed_on.record(change),
            **evidence,
        }
        change.event("reject", version.ref, about, identity.actor())


def _last_good(name: str, stack: list[int], check: Callable[[ModelVersion], None]) -> tuple[ModelVersion, list[str]]:
    """Return the newest earlier version that is there and can be loaded, and why newer ones were passed over."""
    faults: list[NbmlopsError] = []
    for number in [n for n in reversed(stack) if n != stack[-1]]:
        try:
            found = models.model_version(f"{name}@{number}")
            models.check_loadable(found)
            check(found)
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


def _move(
    chosen: ModelVersion,
    alias: str,
    expected: ModelVersion | None,
    about: dict[str, Any],
    counted: standing.Counted | None = None,
    judged: Judged | None = None,
) -> ModelVersion:
    from nbmlops.store.models import set_alias

    actor = identity.actor()
    with session.store().atomic() as change:
        _unmoved(change, chosen.name, alias, expected)
        if counted:  # somebody may have answered meanwhile
            about = about | {"approvals": counted.check(change.connection)}
        about = about | {"charter": agreed_on.record(change)}
        if judged:
            judged.check(change, about["charter"])
        set_alias(change, chosen.name, alias, chosen.version, about, actor)
        if said := about.get("override"):
            emergency.alarm(change, chosen, alias, actor[0], said)
    if about.get("override"):
        _send()
    moved = models.model_version(f"{chosen.name}@{chosen.version}")
    before = expected.version if expected else None
    return replace(moved, decision={"alias": alias, "from": before, "actor": actor[0], "known_by": actor[1], **about})


def _send() -> None:
    """Send the alert about an override now; what no channel takes is kept and sent at the next check."""
    from nbmlops.monitoring import alerts

    for line in alerts.deliver():
        tell(line)


def _check_seen(name: str, alias: str, now: ModelVersion | None, seen: int | None) -> None:
    """Refuse when the alias is not where somebody saw it; from here on :func:`_unmoved` watches it."""
    if seen is not None and (isinstance(seen, bool) or not isinstance(seen, int) or seen < 0):
        raise Invalid(f"instead_of is {seen!r}.", "Say the number of the version you saw there, 0 for none.")
    version = now.version if now else 0
    if seen is not None and seen != version:
        raise _meanwhile(name, alias, version or None)


def _unmoved(change: Transaction, name: str, alias: str, expected: ModelVersion | None) -> None:
    """Refuse when somebody moved the alias after the evidence was read."""
    from nbmlops.store import events

    last = events.latest(change.connection, "alias", f"{name}@{alias}")
    now = last["data"]["version"] if last else None
    if now != (expected.version if expected else None):
        raise _meanwhile(name, alias, now)


def _meanwhile(name: str, alias: str, now: int | None) -> Conflict:
    to = "taken out of use" if now is None else f"moved to version {now}"
    return Conflict(f"{name}@{alias} was {to} meanwhile.", "Look at it, then decide again: nb.models().")


def _compared(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a gate is written into the log: its terms, and which guards were issues."""
    terms = {k: data.get(k) for k in ("rows", "target", "tolerated", "metric", "data")}
    return {**terms, "guards": [said_of(f) for f in issues(data)]}


def _check_words(alias: Any, reason: Any) -> None:
    if not isinstance(alias, str) or not models.NAME.fullmatch(alias) or alias.isdigit():
        raise Invalid(f"{alias!r} is no alias.", "Use a word such as champion or challenger.")
    if not isinstance(reason, str) or not reason.strip():
        raise Invalid("What moves an alias needs a reason.", 'Say why: reason="better on March".')
    if len(reason) > LONGEST:
        raise Invalid(f"The reason has {len(reason):,} characters.", f"At most {LONGEST:,}: the log keeps it for ever.")


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
