"""Where in git the head of the audit log stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return it as a card."""
    return card("Audit log", "done", hint=f"{data['says']} Its hash: {data['hash']}")


def text(data: Mapping[str, Any]) -> str:
    """Return it as a line."""
    return str(data["says"])
