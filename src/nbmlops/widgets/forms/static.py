"""A form where nothing can be pressed: what it would ask, and the line to type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import as_text, card, esc, lines, table

__all__ = ["bundle", "code", "html", "text"]

Json = Mapping[str, Any]
MOST = 6  # choices that are named
CODE = "font-family:ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere"


def bundle(data: Json) -> dict[str, Any]:
    """Return JSON, script-free HTML and text of a form."""
    return {
        "text/plain": text(data),
        "text/html": as_text(html(data)),
        "application/vnd.nbmlops.form.v1+json": dict(data),
    }


def html(data: Json) -> str:
    """Return the form as a card: its questions as a table."""
    notes = "".join(f"<div>{esc(note)}</div>" for note in data["notes"])
    typed = f'<div style="margin-top:6px">Type: {code(data["command"])}</div>'
    body = table(["Asks", "Answer", "Choices"], _rows(data)) + notes + typed
    return card(data["title"], "", body, f"{data['magic']} opens this form where a notebook is live")


def text(data: Json) -> str:
    """Return the form as lines."""
    rows = [f"  {line}" for line in lines(["asks", "answer", "choices"], _rows(data)).splitlines()]
    return "\n".join([data["title"], *rows, *(f"  {n}" for n in data["notes"]), f"  Type: {data['command']}"])


def code(line: str) -> str:
    """Return a line to type as HTML."""
    return f'<code style="{CODE}">{esc(line)}</code>'


def _rows(data: Json) -> list[list[str]]:
    return [[_asks(one), one["value"] or "-", _choices(one)] for one in data["fields"]]


def _asks(one: Json) -> str:
    return one["label"] if one["needed"] else f"{one['label']} (if you like)"


def _choices(one: Json) -> str:
    if one["tick"]:
        return "yes or no"
    known = one["choices"]
    more = f" and {len(known) - MOST} more" if len(known) > MOST else ""
    shown = ", ".join(known[:MOST]) + more
    return shown + (" or another" if shown and one["free"] else "") or one["placeholder"]
