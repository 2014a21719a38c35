"""The charter as a card: what was agreed, and what is not said yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, table

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the charter as a card."""
    parts = [f'<div><span style="opacity:.7">{esc(k)}</span> {esc(v)}</div>' for k, v in _facts(data)]
    if data["metrics"]:
        parts.append(table(["target", "meaning"], [[m["text"], m["meaning"]] for m in data["metrics"]]))
    if data["missing"]:
        rows = [[m["key"], m["says"], m["role"]] for m in data["missing"]]
        parts.append(table(["not said yet", "what it says", "whose it is"], rows))
    return card(f"Charter {data['project']}".strip(), "", "".join(parts), data["path"])


def text(data: Mapping[str, Any]) -> str:
    """Return the charter as text."""
    rows = [f"Charter {data['project']} ({data['path']})", *(f"  {k}: {v}" for k, v in _facts(data))]
    rows += [f"  Target: {m['text']}" for m in data["metrics"]]
    if data["missing"]:
        rows.append("  Not said yet: " + ", ".join(f"{m['key']} ({m['role']})" for m in data["missing"]))
    return "\n".join(rows)


def _facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    per = (data["value"].get("per") or {}) if data["value"] else {}
    unit = data["value"].get("unit") or "" if data["value"] else ""
    worth = ", ".join(f"{outcome.replace('_', ' ')} {number(v)}" for outcome, v in per.items())
    found = [
        ("Vision", data.get("vision") or ""),
        ("Problem", data["problem"]),
        ("Users", ", ".join(data["users"])),
        ("Decision", data["decision"]),
        ("Value", f"{worth} {unit}".strip()),
        ("Promotes", f"{data['promotes']} (margin {number(data['margin'])})"),
        ("Limits", "; ".join(data["limits"])),
    ]
    return [(label, value) for label, value in found if value]
