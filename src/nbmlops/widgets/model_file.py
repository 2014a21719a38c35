"""A model's file from outside: the verdict, then each type and why it is or is not trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, lines, number, table

__all__ = ["html", "text"]

MOST = 40  # types shown; all are in the JSON
HEADERS = ("", "type", "as", "times", "why")


def html(data: Mapping[str, Any]) -> str:
    """Return the review of a file as a card."""
    body = table(HEADERS, _rows(data)) if data["types"] else ""
    return card(_title(data), data["verdict"], body, f"{data['why']}; a copy is in {data['quarantine']}")


def text(data: Mapping[str, Any]) -> str:
    """Return the review of a file as text."""
    facts = f"{data['format']}, {number(data['size_bytes'])} bytes, sha256 {data['digest'][:12]}"
    more = f", {data['members']} members, {number(data['unpacked_bytes'])} bytes unpacked" if data["members"] else ""
    left = len(data["types"]) - MOST
    return "\n".join(
        [
            f"{_title(data)}: {data['verdict']}: {data['why']}",
            f"  {facts}{more}",
            *(["  " + line for line in lines(HEADERS, _rows(data)).splitlines()] if data["types"] else []),
            *([f"  and {left} more types: --json"] if left > 0 else []),
            f"  A copy is in {data['quarantine']}; nothing of it was run.",
        ]
    )


def _rows(data: Mapping[str, Any]) -> list[list[Any]]:
    """Return the types, those not trusted first."""
    found = sorted(data["types"], key=lambda t: (t["trusted"], t["name"]))[:MOST]
    return [["ok" if t["trusted"] else "no", t["name"], t["part"], t["count"], t["why"]] for t in found]


def _title(data: Mapping[str, Any]) -> str:
    return f"File {data['file']}"
