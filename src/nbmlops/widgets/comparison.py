"""Runs side by side: only what differs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import esc, fold, image, lines, number, table

__all__ = ["html", "text"]

MOST_LINES = 40  # of changed code, in a terminal


def html(data: Mapping[str, Any]) -> str:
    """Return a table of differences, and the difference of the sources on demand."""
    heads = ["", *_heads(data)]
    rows = [[r["name"], *(number(v) for v in r["values"])] for r in data["rows"] if r["name"] != "source"]
    changed = _source(data)
    source = fold("What changed in the code", f"<pre>{esc(changed)}</pre>") if changed else ""
    return table(heads, rows or [["nothing differs", *([""] * len(data["runs"]))]]) + _curves(data) + source


def text(data: Mapping[str, Any]) -> str:
    """Return the table of differences, then what changed in the code."""
    rows = [[r["name"], *(number(v)[:40] for v in r["values"])] for r in data["rows"] if r["name"] != "source"]
    changed = _source(data).splitlines()
    parts = [lines(["", *_heads(data)], rows)] if rows else []
    if changed:
        more = [f"and {len(changed) - MOST_LINES} lines more"] if changed[MOST_LINES:] else []
        parts.append("\n".join(["What changed in the code:", *changed[2:MOST_LINES], *more]))
    return "\n\n".join(parts) or "Nothing differs."


def _curves(data: Mapping[str, Any]) -> str:
    """Return how metrics went while the runs ran, a picture each."""
    rows = [[esc(m["name"]), *map(_curve, m["runs"])] for m in data.get("curves", ())]
    return table(["while they ran", *_heads(data)], rows, raw=True) if rows else ""


def _curve(went: Mapping[str, Any]) -> str:
    from nbmlops.report import charts

    if not went:
        return "-"
    drawn = charts.sparkline(went["values"])
    return image(drawn, charts.alt(drawn), 120)


def _heads(data: Mapping[str, Any]) -> list[str]:
    return [f"{r['experiment']} ({r['run_id'][-6:]})" for r in data["runs"]]


def _source(data: Mapping[str, Any]) -> str:
    sources = next((r["values"] for r in data["rows"] if r["name"] == "source"), None)
    if not sources or len(sources) != 2 or not all(sources):
        return ""
    new, old = (s.splitlines() for s in sources)
    return "\n".join(difflib.unified_diff(old, new, lineterm="", n=1))
