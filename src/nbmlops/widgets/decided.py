"""What was said in a review as a card: a verdict on a question of the business, or what becomes of the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    return card(_title(data), "", f"<div>{esc(data['why'])}</div>", _by(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the same as text."""
    return f"{_title(data)}\n  {data['why']}\n  {_by(data)}"


def _title(data: Mapping[str, Any]) -> str:
    to = f" to {data['to']}" if data["to"] else ""
    asked = f" ({data['question']})" if data["question"] else ""
    return f"{data['subject']}{asked}: {data['answer']}{to}"


def _by(data: Mapping[str, Any]) -> str:
    after = f"after agenda {data['number']}" if data["number"] else "no agenda was made before"
    return f"by {data['by']} (by {data['known_by']}), {data['role'].replace('_', ' ')}; {after}; event {data['seq']}"
