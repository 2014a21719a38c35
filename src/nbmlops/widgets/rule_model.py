"""Rules as a model: each rule in its order and what it says, or the source of the function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, table

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the rules as a table, a function as its source."""
    if "source" in data:
        return card(data["kind"], "", f'<pre style="margin:4px 0">{esc(data["source"].rstrip())}</pre>', _hint(data))
    rows = [[r["number"], "else" if r["if"] is None else r["if"], r["says"]] for r in data["rules"]]
    return card(data["kind"], "", table(["", "if", "then"], rows), _hint(data))


def text(data: Mapping[str, Any]) -> str:
    """Return each rule as a line."""
    if "source" in data:
        return "\n".join([data["kind"], *(f"  {line}" for line in data["source"].rstrip().splitlines())])
    lines = (f"{r['number']:>4}  {r['text']}" for r in data["rules"])
    return "\n".join([data["kind"], *lines])


def _hint(data: Mapping[str, Any]) -> str:
    taken = f"Columns: {', '.join(data['columns'])}" if data["columns"] else ""
    said = f"Classes: {', '.join(map(str, data['classes']))}" if data["classes"] else ""
    return ". ".join(part for part in (taken, said) if part)
