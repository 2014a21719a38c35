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
            f"{s['name']} (by {s['known_by']})",
            (s["outcome"] or "unknown") + (f", expired {s['expires_at'][:10]}" if s["expired"] else ""),
            s["condition"] or "-",
            s["at"][:16].replace("T", " "),
        )
        for r in data["reports"]
        for s in r["signatures"]
    ]


def _says(data: Mapping[str, Any]) -> list[str]:
    newest = data["reports"][0]
    said = [] if newest["signatures"] else [f"Nobody has answered report {newest['number']}, the newest."]
    if data["required"] is None:
        said.append("Whose approval it needs was not agreed: write policy in charter.yaml.")
    elif not data["required"]:
        said.append("The charter asks for nobody's approval.")
    elif data["missing"]:
        said.append(f"The charter asks for the approval of {' or '.join(data['missing'])}.")
    return [*said, *([data["path"]] if data["path"] else [])]
