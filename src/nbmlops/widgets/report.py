"""The small card of a report: where it is, and what it says first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report.text import says
from nbmlops.widgets.html import card, esc

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    body = f"<div><strong>{esc(says(data['question'], data['answer']))}</strong></div><div>{esc(data['because'])}</div>"
    place = f"<div><code>{esc(data['path'])}</code></div>"
    if address := data.get("url"):
        place = f'<div><a href="{esc(address)}" target="_blank" rel="noopener">Open the report</a></div>{place}'
    if data["note"]:
        place += f"<div>▲ {esc(data['note'])}</div>"
    if data.get("sent"):
        place += f"<div>{esc(data['sent']['words'])}</div>"
    number = f"Report {data['number']}. " if data["number"] else ""
    hint = f"{number}Facts as of {data['as_of']}, SHA-256 {data['digest'][:12]}."
    return card(data["title"], body=body + place, hint=hint)


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    lines = [data["title"], says(data["question"], data["answer"]), data["because"], data["path"], data["note"]]
    lines += [data["sent"]["words"]] if data.get("sent") else []
    return "\n".join(filter(None, lines))
