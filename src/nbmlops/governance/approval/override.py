"""An emergency: an alias moved against the policy, loud until somebody else has reviewed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.governance import agreed_on
from nbmlops.governance.charter import charter
from nbmlops.records import new_id, now
from nbmlops.store.driver import ACCOUNT
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion
    from nbmlops.store.database import Transaction

__all__ = ["VERDICTS", "alarm", "marked", "of_events", "pending", "review_override", "words"]

VERDICTS = ("justified", "not justified")


def pending(connection: Any, name: str | None = None) -> list[dict[str, Any]]:
    """Return the overrides nobody has reviewed yet, oldest first.

    Parameters
    ----------
    connection : Connection
        Of a reader, or of a transaction.
    name : str, optional
        A model; of all models when absent.

    Returns
    -------
    list of dict
        ``alias`` (the event's number), ``subject`` (NAME@ALIAS), ``ref``, ``by``, ``known_by``, ``at``, ``reason``,
        ``refused`` (what the policy said).
    """
    from nbmlops.store import events

    start = f"{name}@" if name else None
    found = (events.listed(connection, start, action) for action in ("alias", "override_reviewed"))
    return of_events(marked(connection, [event for listed in found for event in listed]))


def marked(connection: Any, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return events, those that review an override of the same person under another name with why they are ``void``.

    A second account is the first one's as soon as it claimed a name of the first, also when it did so after the review.

    Parameters
    ----------
    connection : Connection
    events : sequence of mapping
    """
    by = {e["seq"]: e["actor"] for e in events if e["action"] == "alias" and e["data"].get("override")}
    return [{**e, **_void(connection, e, by.get(_of(e)))} for e in events]


def _of(event: Mapping[str, Any]) -> Any:
    return event["data"].get("alias") if event["action"] == "override_reviewed" else None


def _void(connection: Any, review: Mapping[str, Any], mover: str | None) -> dict[str, str]:
    from nbmlops.store import events

    if not mover:
        return {}
    who, known_by = str(review["actor"]), review["known_by"]
    names = events.goes_by(connection, who) if known_by == ACCOUNT else {who.casefold()}
    return {"void": f"{who} made this override as {mover}"} if mover.casefold() in names else {}


def of_events(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the overrides among events that none of them reviews, by somebody else than who did it."""
    found = [e for e in events if e["action"] in ("alias", "override_reviewed") and not e.get("void")]
    reviews = [(e["data"]["alias"], e["actor"]) for e in found if e["action"] == "override_reviewed"]
    moved = (e for e in found if e["action"] == "alias" and e["data"].get("override"))
    return [_override(e) for e in moved if all(seq != e["seq"] or by == e["actor"] for seq, by in reviews)]


def _override(event: Mapping[str, Any]) -> dict[str, Any]:
    said, name = event["data"]["override"], event["subject"].rpartition("@")[0]
    return {
        "alias": event["seq"],
        "subject": event["subject"],
        "ref": f"{name}@{event['data']['version']}",
        "by": event["actor"],
        "known_by": event["known_by"],
        "at": event["at"],
        "reason": said["reason"],
        "refused": said.get("refused") or "",
    }


def words(found: Mapping[str, Any]) -> str:
    """Return an override in a sentence."""
    return (
        f"{found['by']} made {found['ref']} {found['subject'].rpartition('@')[2]} against the policy "
        f"on {found['at'][:10]}, and nobody has reviewed it: {found['reason']}"
    )


def alarm(change: Transaction, version: ModelVersion, alias: str, who: str, said: Mapping[str, str]) -> None:
    """Keep an alert about an override in the transaction that makes it, so that none goes unsaid."""
    from nbmlops.monitoring import alerts
    from nbmlops.store import episodes

    do = f"Somebody else reviews it: nbmlops approvals override {version.name}@{alias} VERDICT --why ..."
    about = {
        "alert_id": new_id(),
        "at": now(),
        "model": version.name,
        "version": version.version,
        "owner": version.owner,
        "title": redact(f"{version.ref} became {alias} against the policy"),
        "text": redact(f"By {who}, because: {said['reason']}\nThe policy said: {said['refused']}\n{do}"),
        "episodes": [],
        "do": [do],
    }
    episodes.add_alert(change, about, [c.name for c in alerts.channels(session.project())] or [""])


def review_override(ref: str, verdict: str, why: str) -> dict[str, Any]:
    """Say of an emergency override, as somebody else, whether it was justified.

    Parameters
    ----------
    ref : str
        ``NAME@ALIAS``, or ``NAME`` for its champion. The oldest override that is not reviewed is meant.
    verdict : str
        ``"justified"`` or ``"not justified"``; the alias stays where it is: roll it back if it should not.
    why : str

    Returns
    -------
    dict
        ``alias`` (the event that moved it), ``subject``, ``verdict``, ``why`` and ``by``.

    Raises
    ------
    NotFound
        There is none to review.
    NotAllowed
        It is your own, or you play no role by the charter, or left by it.
    Invalid
        No such verdict, or no reason.

    Examples
    --------
    >>> nb.review_override("late-flights@champion", "justified", "the old one had stopped")  # doctest: +SKIP
    """
    if verdict not in VERDICTS:
        raise Invalid(f"{verdict!r} is no verdict.", f"Allowed: {', '.join(VERDICTS)}.")
    if not isinstance(why, str) or not why.strip():
        raise Invalid("A review of an override needs a reason.", "Say why.")
    who = identity.actor()
    subject = str(ref) if "@" in str(ref) else f"{ref}@champion"
    agreed = charter()
    with session.store().atomic() as change:
        found = next((o for o in pending(change.connection) if o["subject"] == subject), None)
        if found is None:
            raise NotFound(f"{subject} was not moved by an override that waits for a review.", "nbmlops models")
        if found["by"].casefold() == who[0].casefold():
            raise NotAllowed(f"{who[0]} made this override.", "Somebody else reviews it.")
        if agreed and not agreed.acts_as(who[0]):
            raise NotAllowed(f"{who[0]} plays no role by {agreed.path}.", "Write roles there.")
        said = {
            "alias": found["alias"],
            "version": int(found["ref"].rpartition("@")[2]),
            "verdict": verdict,
            "why": redact(why.strip()),
        }
        change.event("override_reviewed", subject, {**said, "charter": agreed_on.record(change)}, who)
    return {**said, "subject": subject, "by": who[0]}
