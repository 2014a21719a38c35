"""Advice as a card: what to do, by which rule, what it rests on, what is needed, who decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc
from nbmlops.widgets.measured import finding_lines, findings

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the advice as a card."""
    body = f"<div><strong>{esc(data['because'])}</strong></div>{findings(data['findings'])}"
    body += "".join(f"<div>{esc(line)}</div>" for line in _ending(data))
    return card(_title(data), data["advice"], body, f"as of {_when(data)}; rule {data['rule']} of docs/advice.md")


def text(data: Mapping[str, Any]) -> str:
    """Return the advice as text: the advice, why, every finding, what is needed, what to type, who decides."""
    rows = [f"{_title(data)}: {data['advice']}", f"  {data['because']}"]
    rows += finding_lines(data["findings"], len(data["findings"]))
    return "\n".join([*rows, *(f"  {line}" for line in _ending(data)), f"  as of {_when(data)}"])


def _title(data: Mapping[str, Any]) -> str:
    return f"Advice on {data['ref']}"


def _when(data: Mapping[str, Any]) -> str:
    return f"{data['at'][:16].replace('T', ' ')} UTC"


def _ending(data: Mapping[str, Any]) -> list[str]:
    needed = [f"needed: {line}" for line in data["needed"]]
    return [*needed, *(f"next: {line}" for line in data["do"]), f"a person decides ({data['decides']})"]
