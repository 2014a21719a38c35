"""Who somebody is to the log: the name, how it is known, the roles, and what that proves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return it as a card."""
    body = "".join(f"<div>{esc(line)}</div>" for line in _says(data))
    return card(data["name"], f"known by: {data['known_by']}", body)


def text(data: Mapping[str, Any]) -> str:
    """Return it as a few lines."""
    return "\n".join([f"{data['name']} (known by: {data['known_by']})", *(f"  {line}" for line in _says(data))])


def _says(data: Mapping[str, Any]) -> list[str]:
    """Return the roles, what is only claimed, and what is proved."""
    roles = f"Roles by the charter: {', '.join(data['roles'])}." if data["roles"] else "No role by the charter."
    claimed = data["claimed"]
    beside = [f"Only claimed: {claimed['name']} ({claimed['known_by']})."] if claimed else []
    return [roles, *beside, data["proves"]]
