"""The small card of a report: where it is, and what it says first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    body = f"<div><strong>{esc(_says(data))}</strong></div><div>{esc(data['because'])}</div>"
    place = f"<div><code>{esc(data['path'])}</code></div>"
    return card(data["title"], body=body + place, hint=f"Facts as of {data['as_of']}, SHA-256 {data['digest'][:12]}.")


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    return f"{data['title']}\n{_says(data)}\n{data['because']}\n{data['path']}"


def _says(data: Mapping[str, Any]) -> str:
    between = "" if data["question"].endswith("?") else ":"
    return f"{data['question']}{between} {data['answer']}"
