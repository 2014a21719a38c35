"""Predictions that were written to a file: how many, where, what was recorded, what is worth knowing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, status

__all__ = ["html", "text"]


def html(data: Mapping[str, Any]) -> str:
    """Return a card."""
    found = [*data["problems"], *data["notes"]]
    body = f"<div>{esc(_said(data))}</div><div>{esc(_recorded(data))}</div>"
    body += "".join(f"<div>{status(f['outcome'])} {esc(f['message'])}</div>" for f in found)
    return card(data["output"], "issue" if data["problems"] else "done", body)


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    return "\n".join([f"{data['output']}: {_said(data)}", _recorded(data), *_findings(data)])


def _said(data: Mapping[str, Any]) -> str:
    rows, took = data["rows"], data["seconds"]
    return f"{number(rows)} {'row' if rows == 1 else 'rows'} by {data['model']} in {number(round(took, 2))} s"


def _recorded(data: Mapping[str, Any]) -> str:
    if not data["log"]:
        return "not recorded: no ids, so no outcome can come back, and drift and support see nothing of it"
    batch = f" as batch {data['batch']}" if data["batch"] else ""
    return f"{number(data['recorded'])} predictions recorded{batch}"


def _findings(data: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{f['outcome']}: {f['message']}" for f in data["problems"])
    yield from (f"note: {f['message']}" for f in data["notes"])
