"""The card of approvals: what an alias asks for, who answered, whether it still holds, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, lines, table

__all__ = ["html", "text"]

HEADS = ("event", "role", "who", "outcome", "state", "report", "until")
OWED = ("condition", "owner", "due", "state")


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    body = table(HEADS, _rows(data)) if data["given"] else ""
    body += table(OWED, _owed(data)) if data["conditions"] else ""
    return card(f"Approvals: {data['subject']}", _state(data), body, " ".join(_says(data)))


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    told = [f"Approvals: {data['subject']}: {_state(data)}"]
    told += [lines(HEADS, _rows(data))] if data["given"] else []
    told += [lines(OWED, _owed(data))] if data["conditions"] else []
    return "\n".join([*told, *_says(data)])


def _state(data: Mapping[str, Any]) -> str:
    if data["overrides"]:
        return "moved against the policy"
    if not data["policy"]["approvals"]:
        return "none is asked for"
    return "complete" if data["met"] else "incomplete"


def _rows(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            str(a["seq"]),
            a["role"] or "-",
            a["who"],
            a["outcome"],
            f"{a['state']}: {a['why']}" if a["why"] else a["state"],
            str(a["number"]),
            a["expires_at"][:10] or "-",
        )
        for a in data["given"]
    ]


def _owed(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(c["text"], c["owner"], c["due"], c["state"]) for c in data["conditions"]]


def _says(data: Mapping[str, Any]) -> list[str]:
    said = [f"{data['asks'][:1].upper()}{data['asks'][1:]}."]
    said += [f"Missing: {what}." for what in data["missing"]]
    said += [told["words"] for told in data["asked"]]
    return [*said, *(f["message"] + "." for f in data["findings"] if f["code"] in ("override", "condition"))]
