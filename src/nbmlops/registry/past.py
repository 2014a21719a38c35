"""What an alias pointed to at a time: read from the chain of events, which nothing is ever taken out of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nbmlops.errors import Invalid, NotFound, tell, unknown
from nbmlops.records import ModelVersion
from nbmlops.tracking import session

__all__ = ["RETIRED", "instant", "moves", "served", "stood", "taken_away"]

RETIRED = "retired"  # the policy of an alias that somebody took out of use

DECIDED = ("reason", "policy", "evaluation", "gate", "compared", "digest", "rollback", "passed_over")


def served(name: str, alias: str, at: str | datetime) -> ModelVersion:
    """Return the version an alias pointed to at a time, also one that is deleted by now.

    Parameters
    ----------
    name, alias : str
    at : str or datetime
        Without a zone it is UTC.

    Returns
    -------
    ModelVersion
        With ``decision``: who moved the alias there, when, why, on what evidence.

    Raises
    ------
    Invalid
        A version's number in place of an alias, or no time that has passed.
    NotFound
        No such model, or the alias pointed nowhere then; the message says since when it points somewhere.
    """
    if alias.isdigit():
        raise Invalid(f"{name}@{alias} is the same version at all times.", f"Ask for an alias: {name}@champion.")
    when = instant(at)
    found = moves(name, alias)
    before = [e for e in found if e["at"] <= when]
    if not before or before[-1]["data"]["version"] is None:
        raise _nowhere(name, alias, when, found, before)
    return recorded(name, before[-1])


def moves(name: str, alias: str | None = None) -> list[dict[str, Any]]:
    """Return the events that moved an alias of a model, or any of them, oldest first.

    Raises
    ------
    NotFound
        No such model was ever registered.
    """
    from nbmlops.store import events

    with session.store().reading() as connection:
        found = events.listed(connection, f"{name}@", "alias")
        if not found and not events.listed(connection, f"{name}@", "register"):
            known = {e["subject"].rpartition("@")[0] for e in events.listed(connection, action="register")}
            raise unknown("model", name, known)
    return [e for e in found if alias in (None, e["subject"].rpartition("@")[2])]


def taken_away(name: str, alias: str) -> dict[str, Any] | None:
    """Return the event that took an alias out of use; None where it points somewhere or never did."""
    from nbmlops.store import events

    with session.store().reading() as connection:
        last = events.latest(connection, "alias", f"{name}@{alias}")
    retired = last and last["data"]["version"] is None and last["data"].get("policy") == RETIRED
    return last if retired else None


def stood(name: str, alias: str) -> ModelVersion | None:
    """Return the version an alias had until it was taken out of use, also one deleted since; None where it was not."""
    from nbmlops.store import models as stored

    event = taken_away(name, alias)
    number = event["data"].get("from") if event else None
    return stored.recorded(session.store(), name, number) if isinstance(number, int) else None


def recorded(name: str, event: Mapping[str, Any]) -> ModelVersion:
    """Return the version an event put an alias on, with what was decided then."""
    from nbmlops.store import models as stored

    data = event["data"]
    version = stored.recorded(session.store(), name, data["version"])
    if version is None:
        raise NotFound(f"{name}@{data['version']} is in the log and not in this store.", "Look at a backup of it.")
    about = {k: data[k] for k in DECIDED if k in data} | {k: event[k] for k in ("at", "actor", "known_by")}
    return replace(version, decision={"alias": event["subject"].rpartition("@")[2], "from": data.get("from"), **about})


def instant(at: str | datetime) -> str:
    """Return a time as the store writes it; one without a zone is taken as UTC, and that is said.

    Raises
    ------
    Invalid
        It is no time, or lies ahead.

    Examples
    --------
    >>> instant("2026-03-03T14:03Z")
    '2026-03-03T14:03:00.000000+00:00'
    """
    try:
        found = at if isinstance(at, datetime) else datetime.fromisoformat(str(at).strip())
    except ValueError:
        raise Invalid(f"{str(at)[:40]!r} is no time.", "Write such as 2026-03-03T14:03 (UTC).") from None
    if found.tzinfo is None:
        tell(f"{found.isoformat(' ', 'minutes')} has no zone and is taken as UTC.")
        found = found.replace(tzinfo=UTC)
    if found > datetime.now(UTC):
        raise Invalid(f"{str(at)[:40]} lies ahead.", "Leave the time out for what serves now.")
    return found.astimezone(UTC).isoformat(timespec="microseconds")


def _nowhere(name: str, alias: str, when: str, found: list[Any], before: list[Any]) -> NotFound:
    """Return the error for a time at which an alias pointed to nothing."""
    if not found:
        return NotFound(f"{name}@{alias} never pointed to a version.", f"All moves: nbmlops models history {name}")
    since = before[-1]["at"] if before else found[0]["at"]
    said = "was taken away" if before else "was first promoted"
    return NotFound(
        f"{name}@{alias} pointed nowhere at {when[:16]} UTC: it {said} at {since[:16]}.",
        f"All moves: nbmlops models history {name}",
    )
