"""What a bundle of evidence holds, and what is missing in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, lines, table

__all__ = ["html", "text"]

HEADS = ("missing", "whose", "what to do")


def html(data: Mapping[str, Any]) -> str:
    """Return it as a card."""
    rows = _rows(data)
    word = "incomplete" if rows else "done"
    return card(f"Evidence for {data['ref']}", word, table(HEADS, rows) if rows else "", _says(data))


def text(data: Mapping[str, Any]) -> str:
    """Return it as lines."""
    rows = _rows(data)
    return "\n".join([f"{data['path']}: {_says(data)}", *([lines(HEADS, rows)] if rows else [])])


def _rows(data: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(m["what"], m["whose"], m["do"]) for m in data["missing"]]


def _says(data: Mapping[str, Any]) -> str:
    size = data["size_bytes"] / 1000
    return f"{len(data['files'])} files, {size:,.0f} kB, SHA-256 {data['digest'][:12]}. Open index.html in it."
