"""The small card of a report's file that was verified: what became of it, and where it was changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc

__all__ = ["html", "text"]

LEVELS = {"whole": "ok", "changed": "alert", "in part": "notice", "unreadable": "notice"}


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    body = "".join(f"<div>{esc(line)}</div>" for line in _lines(data))
    return card(f"{data['path']}: {data['verdict']}", LEVELS[data["verdict"]], body, _hint(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    return "\n".join(filter(None, (f"{data['path']}: {data['verdict']}", *_lines(data), _hint(data))))


def _lines(data: Mapping[str, Any]) -> list[str]:
    number = f"report {data['number']} of {data['subject']}" if data["number"] else data["subject"]
    about = ", ".join(filter(None, (data["title"], number)))
    changed = f"Changed: {data['where']}." if data["where"] else ""
    return [line for line in (about, changed, data["says"]) if line]


def _hint(data: Mapping[str, Any]) -> str:
    return f"SHA-256 of its facts: {data['digest']}" if data["digest"] else ""
