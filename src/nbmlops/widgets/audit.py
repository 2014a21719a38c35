"""The audit log as a story: a sentence an event, with why and on what evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, table

__all__ = ["html", "text"]

HEADS = ("no.", "when (UTC)", "who, and how known", "what", "why", "on what evidence")


def html(data: Mapping[str, Any]) -> str:
    """Return the log as a table."""
    rows = [tuple(map(esc, _row(e))) for e in data["events"]]
    return card(_title(data), body=table(HEADS, rows, raw=True) if rows else "", hint=_left_out(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the log as sentences."""
    return "\n".join([_title(data), *(_sentence(e) for e in data["events"]), *filter(None, [_left_out(data)])])


def _row(event: Mapping[str, Any]) -> tuple[str, ...]:
    who = f"{event['actor']} (by {event['known_by']})"
    return str(event["seq"]), _when(event), who, event["what"], event["why"], event["evidence"]


def _sentence(event: Mapping[str, Any]) -> str:
    why = f", because {event['why']}" if event["why"] else ""
    evidence = f" [{event['evidence']}]" if event["evidence"] else ""
    said = f"{event['actor']} (by {event['known_by']}): {event['what']}{why}{evidence}"
    return f"{event['seq']:>5}  {_when(event)}  {' '.join(said.split())}"


def _when(event: Mapping[str, Any]) -> str:
    return str(event["at"])[:16].replace("T", " ")


def _title(data: Mapping[str, Any]) -> str:
    asked = ", ".join(f"{name} {value}" for name, value in data["asked"].items())
    count = len(data["events"])
    amount = "No event" if not count else "1 event" if count == 1 else f"{count} events"
    return f"Audit log{f' ({asked})' if asked else ''}: {amount}"


def _left_out(data: Mapping[str, Any]) -> str:
    return f"{data['left_out']} older ones are left out: limit=None, or --all" if data["left_out"] else ""
