"""Ask the people of the roles in which an approval is missing, through the channels of alerts."""

from __future__ import annotations

from collections.abc import Iterable

from nbmlops.governance.approval.reported import Reported
from nbmlops.monitoring import notices
from nbmlops.monitoring.notices import Told

__all__ = ["ask"]


def ask(found: Reported, alias: str, roles: Iterable[str]) -> list[Told]:
    """Send a request for approval to each role, once for a report and alias.

    Parameters
    ----------
    found : Reported
        The report that is to be answered.
    alias : str
        What its version shall become.
    roles : iterable of str
    """
    asked = ((role, f"approval:{found.row.digest}:{alias}:{role}") for role in roles)
    return [_ask(found, alias, role, key) for role, key in asked if not notices.said_before(key)]


def _ask(found: Reported, alias: str, role: str, key: str) -> Told:
    lines = [
        f"{found.about['question']} {found.about['answer']}",
        f"{found.named}, SHA-256 of its facts: {found.row.digest}",
    ]
    do = [
        f"Read it: nbmlops report {found.subject}",
        f"Answer it: nbmlops approve {found.row.digest[:12]} --role {role}, or with a form: --form new",
    ]
    title = f"{found.subject} needs an approval before it becomes {alias}"
    return notices.tell("approval", title, lines, role=role, do=do, key=key)
