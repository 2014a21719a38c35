"""Send what a report decides to the people of a role, through the channels of alerts; kept first, so none is lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.monitoring import notices
from nbmlops.monitoring.notices import Told
from nbmlops.records import new_id, now
from nbmlops.report.gathered.raised import unquoted
from nbmlops.report.page_one.broken import STATUSES
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.report.page import Report

__all__ = ["message", "send"]


def send(found: Report, role: str) -> Told:
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
    Told

    Examples
    --------
    >>> send(written("project"), "stakeholder").words  # doctest: +SKIP
    'Sent to stakeholder (sam@example.org) through file:alerts.jsonl.'
    """
    people = notices.people_of(role)
    return notices.send(message(found, role, people), role, people)


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
