"""A tick of the scheduler: what is due, started, skipped and missed, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, lines, status, table

__all__ = ["html", "text"]

COLUMNS = ("work", "becomes", "why")


def html(data: Mapping[str, Any]) -> str:
    """Return the tick as a card."""
    rows = [[esc(f["key"]), status(f["what"]), esc(_why(f))] for f in data["fires"]]
    body = f"<div>{esc(_about(data))}</div>" + (table(COLUMNS, rows, raw=True) if rows else "")
    return card("Tick" + (" (what if)" if data["what_if"] else ""), "", body + _findings(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the tick as lines, one for each work."""
    rows = [[f["key"], f["what"], _why(f)] for f in data["fires"]]
    shown = [lines(COLUMNS, rows)] if rows else []
    return "\n".join([f"{_about(data)}", *shown, *(f"{f['outcome']}: {f['message']}" for f in data["findings"])])


def _findings(data: Mapping[str, Any]) -> str:
    return "".join(f"<div>{status(f['outcome'])} {esc(f['message'])}</div>" for f in data["findings"])


def _why(fire: Mapping[str, Any]) -> str:
    return str(fire["why"] or fire["trigger"] or "")


def _about(data: Mapping[str, Any]) -> str:
    counts = Counter(f["what"] for f in data["fires"])
    said = ", ".join(f"{n} {what}" for what, n in counts.items()) or "nothing to do"
    jobs = "1 job" if data["jobs"] == 1 else f"{data['jobs']} jobs"
    would = "would do: " if data["what_if"] else ""
    return f"{data['at'][:19]} UTC, {jobs}: {would}{said}"
