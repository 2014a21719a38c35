"""Reports as a table: what each is of, its number, what it says, when it was made and its hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report.text import says, short, stamp
from nbmlops.widgets.html import card, lines, table

__all__ = ["html", "text"]

HEADS = ("report", "number", "asks and answers", "made (UTC)", "hash")
NOTHING = "No report was made yet. Type %report for the last run of this notebook."
LONGEST = 120


def html(data: Mapping[str, Any]) -> str:
    """Return the table; the last made first."""
    return table(HEADS, _rows(data)) if data["reports"] else card("Reports", hint=NOTHING)


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    return lines(HEADS, _rows(data)) if data["reports"] else NOTHING


def _rows(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            r["title"],
            str(r["number"]),
            short(says(str(r["question"] or ""), str(r["answer"] or "unknown")), LONGEST),
            stamp(r["made_at"]),
            r["digest"][:12],
        )
        for r in data["reports"]
    ]
