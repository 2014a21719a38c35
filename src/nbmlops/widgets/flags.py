"""Flags as a list: what is still open first, each with whose it is and how to answer it; or counted by a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, lines, number, percent, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]
HEADS = ("id", "severity", "state", "about", "what", "who", "when (UTC)")
COUNTED = ("value", "rows", "flagged", "share", "95 %")
MOST, LONGEST = 50, 160


def html(data: Json) -> str:
    """Return the card."""
    heads, rows = _table(data)
    return card(_title(data), "", table(heads, rows[:MOST]) if rows else "", " ".join(_notes(data)))


def text(data: Json) -> str:
    """Return the same as lines."""
    heads, rows = _table(data)
    return "\n".join([_title(data), *([lines(heads, rows[:MOST])] if rows else []), *_notes(data)])


def _title(data: Json) -> str:
    about = f" of {data['subject']}" if data["subject"] else ""
    if data["by"]:
        return f"Flagged{about} by {data['by']}"
    rows = data["rows"]
    return f"Flags{about}: {len(rows)}, {sum(r['state'] == 'open' for r in rows) or 'none'} open"


def _table(data: Json) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    if data["by"]:
        return COUNTED, [_counted(row) for row in data["rows"]]
    return HEADS, [_row(row) for row in sorted(data["rows"], key=lambda r: r["state"] != "open")]


def _row(row: Json) -> tuple[str, ...]:
    about = f"{row['subject']} where {row['where']}" if row["where"] else str(row["subject"])
    answers = f", {row['answers']} answer{'s' * (row['answers'] != 1)}" if row["answers"] else ""
    who = [
        f"by {row['author']}",
        *(f"{word} {row[key]}" for key, word in (("role", "for"), ("owner", "owner")) if row[key]),
    ]
    said = str(row["text"])
    return (
        str(row["flag_id"])[-8:],
        f"{row['severity']} question" if row["question"] else str(row["severity"]),
        f"{row['state']}{answers}",
        about,
        said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}...",
        ", ".join(who),
        str(row["at"])[:16].replace("T", " "),
    )


def _counted(row: Json) -> tuple[str, ...]:
    interval = f"{percent(row['low'])} to {percent(row['high'])}"
    return (str(row["value"]), number(row["n"]), number(row["flagged"]), percent(row["share"]), interval)


def _notes(data: Json) -> list[str]:
    more = len(data["rows"]) - MOST
    notes = [f"{more:,} more: nb.flags()."] if more > 0 else []
    if not data["rows"]:
        return ['Nothing is flagged. Flag something: %flag late-flights@3 "too sure at night"']
    return notes if data["by"] else [*notes, 'Answer one: %flag answer ID "..." --state accepted']
