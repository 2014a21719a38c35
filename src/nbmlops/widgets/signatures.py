"""The small card of who signed: the answers to the newest report, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, lines, table

__all__ = ["html", "text"]

HEADS = ("report", "role", "who", "outcome", "condition", "when (UTC)")


def html(data: Mapping[str, Any]) -> str:
    """Return the card."""
    rows = _rows(data)
    body = table(HEADS, rows) if rows else ""
    return card(f"Signatures: {data['title']}", body=body, hint=" ".join(_says(data)))


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    rows = _rows(data)
    return "\n".join([f"Signatures: {data['title']}", *([lines(HEADS, rows)] if rows else []), *_says(data)])


def _rows(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            f"{r['number']}{', outdated' if r['stale'] else ''}",
            s["role"] or "-",
            s["who"],
            _outcome(s),
            s["condition"] or "-",
            s["at"][:16].replace("T", " "),
        )
        for r in data["reports"]
        for s in r["signatures"]
    ]


def _outcome(signed: Mapping[str, Any]) -> str:
    word = signed["outcome"] or "unknown"
    if signed["expired"]:
        return f"{word}, expired {signed['expires_at'][:10]}"
    return word if signed["state"] == "valid" else f"{word}, {signed['state']}: {signed['why']}"


def _says(data: Mapping[str, Any]) -> list[str]:
    newest = data["reports"][0]
    said = [] if newest["signatures"] else [f"Nobody has answered report {newest['number']}, the newest."]
    if data["required"] is None:
        said.append("Whose approval it needs was not agreed: write policy in charter.yaml.")
    elif not data["required"] and not data["missing"]:
        said.append("The charter asks for nobody's approval.")
    elif data["missing"]:
        said.append(f"{data['asks'][:1].upper()}{data['asks'][1:]}; missing: {', '.join(data['missing'])}.")
    return [*said, *([data["path"]] if data["path"] else [])]
