"""What predictions were made of, as far as it expired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return a card."""
    return card("Predictions", "", f"<div>{esc(text(data))}</div>")


def text(data: Mapping[str, Any]) -> str:
    """Return one line."""
    kept = f"older than {number(data['keep_days'])} days (before {data['before'][:10]})"
    stay = f"; damaged files that keep theirs: {number(len(data['damaged']))}" if data["damaged"] else ""
    if not data["blocks"]:
        return f"no inputs are {kept}{stay}"
    would = "would be taken" if data["what_if"] else "taken"
    return f"inputs of {number(data['rows'])} predictions of {', '.join(data['models'])} {would}, {kept}{stay}"
