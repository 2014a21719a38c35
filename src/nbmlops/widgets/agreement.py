"""How far two people agree: a sentence and the table it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, lines, table

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return the agreement as a card with the table of what each said."""
    heads, rows = _table(data)
    return card(_title(data), "", f"<div>{esc(data['words'])}</div>" + (table(heads, rows) if rows else ""), "")


def text(data: Mapping[str, Any]) -> str:
    """Return the agreement as a sentence and the table of what each said."""
    heads, rows = _table(data)
    shown = [f"  {line}" for line in lines(heads, rows).splitlines()] if rows else []
    return "\n".join([f"{_title(data)}: {data['words']}", *shown])


def _title(data: Mapping[str, Any]) -> str:
    return f"Agreement on {data['subject']}"


def _table(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    one, other = data["by"]
    heads = [f"{one}: down, {other}: across", *data["categories"]]
    return heads, [[c, *map(str, row)] for c, row in zip(data["categories"], data["table"], strict=True)]
