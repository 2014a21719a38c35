"""Send what a report decides to the people of a role, through the channels of alerts; kept first, so none is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import NbmlopsError
from nbmlops.records import new_id, now, plain
from nbmlops.report.gathered.raised import unquoted
from nbmlops.report.page_one.broken import STATUSES
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.report.page import Report

__all__ = ["Sent", "send"]


@dataclass(frozen=True)
class Sent:
    """What became of a message: to whom, through which channels, and what went wrong by channel."""

    role: str
    people: tuple[str, ...]
    channels: tuple[str, ...]
    failed: Mapping[str, str]

    @property
    def delivered(self) -> bool:
        """Whether there are channels and each of them took it."""
        return bool(self.channels) and not self.failed

    @property
    def words(self) -> str:
        """What became of it, in a sentence."""
        whom = f"{self.role} ({', '.join(self.people)})" if self.people else f"{self.role} (nobody is named)"
        if not self.channels:
            return f"Kept, and sent to nobody: nbmlops.toml has no [alerts]. It was for {whom}."
        took = [c for c in self.channels if c not in self.failed]
        said = [f"Sent to {whom} through {', '.join(took)}."] if took else []
        said += [f"Not sent to {whom} by {c}, kept and sent later: {error}." for c, error in self.failed.items()]
        return " ".join(said)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "delivered": self.delivered, "words": self.words}


def send(found: Report, role: str) -> Sent:
    """Send the decision of a report that was written, with its hash and where it is, to the people of a role.

    The message is an alert: it is kept before it is sent, and what a channel did not take is sent at the next check or
    by ``nbmlops alerts --send``.

    Parameters
    ----------
    found : Report
        As ``nbmlops.report.page.written`` returns it.
    role : str
        One of the roles of a charter.

    Returns
    -------
    Sent

    Examples
    --------
    >>> send(written("project"), "stakeholder").words  # doctest: +SKIP
    'Sent to stakeholder (sam@example.org) through file:alerts.jsonl.'
    """
    from nbmlops.monitoring import alerts
    from nbmlops.store import episodes

    people = _people(role)
    channels = [c.name for c in alerts.channels(session.project())]
    said = message(found, role, people)
    with session.store().atomic() as change:
        episodes.add_alert(change, said, channels or [""])
    alerts.deliver()
    failed = {r["channel"]: r["error"] or "no answer yet" for r in _rows(said["alert_id"]) if r["state"] != "sent"}
    return Sent(role, tuple(people), tuple(channels), failed if channels else {})


def message(found: Report, role: str, people: Sequence[str]) -> dict[str, Any]:
    """Return the message about a report: what is asked, what is recommended and why, where it is, and its hash.

    Parameters
    ----------
    found : Report
    role : str
    people : sequence of str
        Who plays the role.
    """
    path = session.project().relative(Path(found.path))
    number = f"Report {found.number}" if found.number else "A report that is not kept"
    lines = [
        f"{found.question} {found.answer}" if found.question.endswith("?") else f"{found.question}.",
        _because(found),
        f"{number}, facts as of {found.as_of}.",
        f"File: {path}",
        f"SHA-256 of its facts: {found.digest}",
        f"To: {role}" + (f" ({', '.join(people)})" if people else ""),
    ]
    return {
        "alert_id": new_id(),
        "at": now(),
        "model": "report",
        "version": found.number,
        "owner": "",
        "title": redact(f"{found.title}: {found.answer}"),
        "text": redact("\n".join(lines)),
        "report": {"path": path, "digest": found.digest, "number": found.number, "role": role, "people": [*people]},
        "episodes": [],
        "do": [f"Read it: {path}"],
    }


def _because(found: Report) -> str:
    """Return why, without what an error quotes: it may be a value, and the message leaves the project."""
    return unquoted(found.because) if found.answer in STATUSES else found.because


def _people(role: str) -> list[str]:
    """Return who plays a role; nobody where there is no charter, or none that can be read."""
    from nbmlops.governance.charter import charter

    try:
        agreed = charter()
    except NbmlopsError:
        return []
    return [*agreed.roles.get(role, ())] if agreed else []


def _rows(alert_id: str) -> list[dict[str, Any]]:
    from nbmlops.monitoring import alerts

    return [row for row in alerts.rows() if row["alert_id"] == alert_id]
