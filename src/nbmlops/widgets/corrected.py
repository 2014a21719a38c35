"""What corrections did to a frame: each fix with how many values it changed, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, table

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the log as a card."""
    rows = [[c["column"], c["fix"], number(c["changed"]), c["why"]] for c in data["log"]]
    body = f"<div>{esc(_summary(data))}</div>" + (table(["column", "fix", "changed", "why"], rows) if rows else "")
    hint = "The given frame is as it was; .frame is the new one."
    return card(f"Corrections of {data['subject']}", "done", body, hint)


def text(data: Mapping[str, Any]) -> str:
    """Return the log, a line for each fix."""
    rows = [f"  {c['column']}: {c['fix']} changed {number(c['changed'])} ({c['why']})" for c in data["log"]]
    return "\n".join([f"Corrections of {data['subject']}: {_summary(data)}", *rows])


def _summary(data: Mapping[str, Any]) -> str:
    values = sum(c["changed"] for c in data["log"] if c["fix"] != "drop")
    before, after = number(data["rows_before"]), number(data["rows_after"])
    return f"{before} rows before, {after} after, {number(values)} values changed"
