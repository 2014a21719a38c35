"""Where each model is as a card: phase, why, whose turn it is and for what, when it went back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, lines, table

__all__ = ["html", "text"]

HEADS = ("model", "phase", "because", "whose turn", "what to do")


def html(data: Mapping[str, Any]) -> str:
    """Return the status as a card."""
    parts = [table(HEADS, _rows(data)), *(f"<div>{esc(line)}</div>" for line in _said(data))]
    return card(f"Status of {data['project']}", "", "".join(parts), f"as of {_when(data['at'])}")


def text(data: Mapping[str, Any]) -> str:
    """Return the same as text."""
    return "\n".join([f"Status of {data['project']}", lines(HEADS, _rows(data)), *_said(data)])


def _rows(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(i["version"] or i["model"], i["phase"], i["because"], i["turn"], i["do"] or "-") for i in data["items"]]


def _said(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield what there is to say besides: ways back, reviews that are overdue, the last decision."""
    for item in data["items"]:
        if back := item["back"]:
            why = f": {back['why']}" if back["why"] else ""
            way = f"from {back['from']} to {back['to']} on {back['at'][:10]}"
            yield f"{item['model']} went back {way} ({back['by']}){why}"
    yield from (f["message"] for f in data["findings"])
    if found := data["decision"]:
        to = f" to {found['to']}" if found["to"] else ""
        yield f"Decided on {found['at'][:10]} by {found['by']}: {found['answer']}{to}: {found['why']}"
    yield from data["notes"]


def _when(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
