"""A charter that was kept: what it says otherwise than before, and what it does not say yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return what changed as a card."""
    items = "".join(f"<li>{esc(word)}</li>" for word in data["changed"])
    body = f"<ul>{items}</ul>" if items else ""
    body += f"<div>{esc(_unsaid(data))}</div>" if data["missing"] else ""
    return card(_title(data), "", body, data["path"])


def text(data: Mapping[str, Any]) -> str:
    """Return what changed as text, a line a change."""
    rows = [f"{_title(data)} ({data['path']})", *(f"  {word}" for word in data["changed"])]
    return "\n".join([*rows, *([f"  {_unsaid(data)}"] if data["missing"] else [])])


def _title(data: Mapping[str, Any]) -> str:
    if data["written"]:
        return "Charter kept"
    return "Charter recorded" if data["recorded"] else "Charter unchanged"


def _unsaid(data: Mapping[str, Any]) -> str:
    return f"Not said yet: {', '.join(data['missing'])}. Whose each is: nbmlops charter check"
