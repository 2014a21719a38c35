"""Whether it is viable as a card: the verdict, why, and every finding it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc
from nbmlops.widgets.measured import finding_lines, findings

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    body = f"<div><strong>{esc(data['because'])}</strong></div>{findings(data['findings'])}"
    return card(f"Viability of {data['subject']}", data["verdict"], body, f"as of {data['at'][:16]} UTC")


def text(data: Mapping[str, Any]) -> str:
    """Return the same as text."""
    head = [f"Viability of {data['subject']}: {data['verdict']}", f"  {data['because']}"]
    return "\n".join([*head, *finding_lines(data["findings"], len(data["findings"]))])
