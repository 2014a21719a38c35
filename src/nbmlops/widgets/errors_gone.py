"""What became of the errors of an increment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, percent, table
from nbmlops.widgets.measured import finding_lines, findings

__all__ = ["html", "text"]

PARTS = (
    ("check", "gone", "errors to check with, gone"),
    ("learn", "gone", "errors to learn from, gone"),
    ("right", "wrong", "right before, wrong now"),
)


def html(data: Mapping[str, Any]) -> str:
    """Return the counts as a card."""
    rows = [
        [words, f"{number(p[k])} of {number(p['n'])}", percent(p["share"]), _bounds(p), p["seen"]]
        for part, k, words in PARTS
        for p in (data[part],)
    ]
    body = table(["rows", "", "share", "95 % interval", "by the model"], rows) + findings(data["findings"])
    return card(_title(data), "", body + "".join(f"<div>{esc(n)}</div>" for n in data["notes"]))


def text(data: Mapping[str, Any]) -> str:
    """Return the counts as a few lines."""
    return "\n".join(
        [_title(data), *finding_lines(data["findings"], len(data["findings"])), *(f"  {n}" for n in data["notes"])]
    )


def _title(data: Mapping[str, Any]) -> str:
    return f"Errors of {data['increment']} with {data['model']}"


def _bounds(part: Mapping[str, Any]) -> str:
    return "" if part["low"] is None else f"{percent(part['low'])} to {percent(part['high'])}"
