"""The verdict on the audit log, and the heads it was held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, fold, lines, table

__all__ = ["html", "text"]

HEADS = ("event", "hash", "held by", "in the log")
WORDS = {"broken": "broken", "consistent, not proven": "warning", "proven": "passed"}
MOST = 20


def html(data: Mapping[str, Any]) -> str:
    """Return the verdict as a card; the heads are on demand."""
    said = "".join(f"<div>{esc(line)}</div>" for line in data["says"])
    rows = _rows(data)
    held = fold("Heads it was held against", table(HEADS, rows)) if rows else ""
    return card("Audit log", WORDS[data["verdict"]], said + held, f"Its head: {data['head']}")


def text(data: Mapping[str, Any]) -> str:
    """Return the verdict as lines."""
    rows = _rows(data)
    return "\n".join([*data["says"], *([lines(HEADS, rows)] if rows else []), f"Its head: {data['head']}"])


def _rows(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    words = {True: "yes", False: "no", None: "not reached"}
    found = [(str(h["seq"]), h["hash"][:12], h["where"], words[h["fits"]]) for h in data["heads"][-MOST:]]
    more = len(data["heads"]) - len(found)
    return [*found, *([("", "", f"and {more} older ones", "")] if more else [])]
