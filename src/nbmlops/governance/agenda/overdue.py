"""Reviews that are overdue by the charter's cadence: findings, and a notice to who has to make them, once each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from nbmlops.errors import NbmlopsError
from nbmlops.governance.agenda.decided import AGENDA
from nbmlops.governance.charter import Charter, charter
from nbmlops.monitoring import notices
from nbmlops.monitoring.notices import Told
from nbmlops.records import Finding, now
from nbmlops.tracking import session

__all__ = ["ACTIONS", "DAYS", "due", "events_of", "overdue", "remind"]

ACTIONS = ("charter", "alias", "approve", "decision")  # what a due day rests on
DAYS = {"weekly": 7, "monthly": 31}
Json = Mapping[str, Any]


def overdue(at: str | None = None) -> list[Finding]:
    """Return the reviews that the charter asks for and nobody has made in time, the agenda's first.

    A champion is reviewed where somebody answers about it (approve) or decides after an agenda (decide).

    Parameters
    ----------
    at : str, optional
        UTC; now when absent.

    Returns
    -------
    list of Finding
        ``agenda_overdue`` and ``review_overdue``, each with ``due``, ``days`` and ``role``.

    Raises
    ------
    Invalid
        The charter cannot be read.

    Examples
    --------
    >>> [f.message for f in overdue()]  # doctest: +SKIP
    ['late-flights@3: its review was due on 2026-03-01, 12 days ago']
    """
    from nbmlops.store import reports

    agreed = charter()
    if agreed is None or not (agreed.review_days or agreed.agenda_every):
        return []
    said = events_of(ACTIONS)
    kept = [row.made_at for row in reports.listed(session.store(), AGENDA)]
    return due(agreed, said, kept, at or now())


def events_of(actions: Iterable[str]) -> list[dict[str, Any]]:
    """Return the events of some actions, oldest first: of a long log the rest is not read."""
    from nbmlops.store import events

    with session.store().reading() as connection:
        found = [e for action in actions for e in events.listed(connection, action=action)]
    return sorted(found, key=lambda e: int(e["seq"]))


def due(agreed: Charter, events: Sequence[Json], agendas: Sequence[str], at: str) -> list[Finding]:
    """Return what is overdue by a charter at a time, of events and the times agendas were made at.

    Parameters
    ----------
    agreed : Charter
    events : sequence of mapping
        Oldest first.
    agendas : sequence of str
    at : str
    """
    return [*_agenda(agreed, events, agendas, at), *_champions(agreed, events, at)]


def remind(clock: str | None = None) -> list[Told]:
    """Tell the managers of every review that is overdue, once each: an alert, kept first, sent through the channels.

    Parameters
    ----------
    clock : str, optional
        UTC; now when absent.

    Returns
    -------
    list of Told
        What became of those that are new.
    """
    try:
        found = overdue(clock)
    except NbmlopsError:  # a charter that cannot be read asks for nothing; its check says what is wrong
        return []
    keyed = ((f, f"review:{f.column}:{f.detail['due']}") for f in found)
    return [_tell(f, key) for f, key in keyed if not notices.said_before(key)]


def _tell(found: Finding, key: str) -> Told:
    do = ["nbmlops charter review", f'nbmlops charter decide continue --why "..." ({found.detail["role"]})']
    return notices.tell("review", found.message, [found.message], role=found.detail["role"], do=do, key=key)


def _agenda(agreed: Charter, events: Sequence[Json], agendas: Sequence[str], at: str) -> Iterator[Finding]:
    """Yield that the weekly or monthly agenda was not made; the first is due so long after the charter came.

    A project that was stopped is asked for none.
    """
    decided = next((e["data"].get("decision") for e in reversed(events) if e["action"] == "decision"), "")
    if not agreed.agenda_every or decided == "stop":
        return
    began = next((e["at"] for e in events if e["action"] == "charter"), None)
    if (last := max(agendas, default=began)) is None:
        return
    what = f"the {agreed.agenda_every} agenda"
    yield from _late(AGENDA, what, "agenda_overdue", last, DAYS[agreed.agenda_every], at)


def _champions(agreed: Charter, events: Sequence[Json], at: str) -> Iterator[Finding]:
    if not agreed.review_days:
        return
    for ref, last in sorted(_seen(events).items()):
        yield from _late(ref, f"{ref}: its review", "review_overdue", last, agreed.review_days, at)


def _seen(events: Iterable[Json]) -> dict[str, str]:
    """Return each champion with when somebody last looked at it."""
    found: dict[str, str] = {}
    for event in events:
        action, subject = event["action"], str(event["subject"])
        if action == "alias" and subject.endswith("@champion"):
            name, version = subject.rpartition("@")[0], event["data"].get("version")
            found = {ref: seen for ref, seen in found.items() if ref.rpartition("@")[0] != name}
            if version is not None:
                found[f"{name}@{version}"] = str(event["at"])
        elif action == "approve" and subject in found:
            found[subject] = str(event["at"])
        elif action == "decision":
            found = dict.fromkeys(found, str(event["at"]))
    return found


def _late(column: str, what: str, code: str, last: str, days: int, at: str) -> Iterator[Finding]:
    """Yield a finding where a review is over its day."""
    day = datetime.fromisoformat(last) + timedelta(days=days)
    ago = (datetime.fromisoformat(at) - day).days
    if datetime.fromisoformat(at) <= day:
        return
    since = f"{ago} day{'s' * (ago != 1)} ago" if ago else "today"
    says = f"{what[:1].upper() if code == 'agenda_overdue' else what[:1]}{what[1:]} was due on {day.date()}, {since}"
    detail = {"due": day.date().isoformat(), "last": last, "days": days, "role": "manager"}
    yield Finding(code, "issue", says, column, float(ago), detail=detail)
