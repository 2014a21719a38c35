"""A job that was run by hand: how it ended, what followed, and its cells with what they showed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, fold, lines, number, status, table

__all__ = ["html", "text"]

FIRST = 60  # characters of a cell's source in a line
PRE = "white-space:pre-wrap;margin:2px 0;max-height:240px;overflow:auto"


def html(data: Mapping[str, Any]) -> str:
    """Return the job as a card; each cell opens on demand, the failed one is open."""
    rows = [["run", esc(data["run"]["run_id"])], ["output", esc(data["output"] or "none")]]
    rows += [[esc(f["code"]), f"{status(f['outcome'])} {esc(f['message'])}"] for f in data["then"]]
    body = f"<div>{esc(_about(data))}</div>" + table(("", ""), rows, raw=True)
    return card(f"Job {data['job']}", data["state"], body + "".join(map(_cell, data["cells"])))


def text(data: Mapping[str, Any]) -> str:
    """Return the job as lines, one for each code cell."""
    rows = [[c["number"], c["status"] or "-", _first(c)] for c in data["cells"] if c["kind"] == "code"]
    shown = [lines(("cell", "status", "source"), rows)] if rows else []
    followed = [f"{f['code']}: {f['outcome']}: {f['message']}" for f in data["then"]]
    return "\n".join([f"Job {data['job']}: {data['state']}, {_about(data)}", *shown, *_last(data), *followed])


def _about(data: Mapping[str, Any]) -> str:
    run = data["run"]
    why = f" ({data['reason'] or run['cause']})" if data["reason"] or run["cause"] else ""
    took = f" after {number(run['duration_s'])} s" if run["duration_s"] is not None else ""
    error = run["error"] or {}
    said = f": {error['name']}: {error['message']}" if error.get("name") else ""
    return f"run {run['run_id'][-6:]} {run['status']}{why}{took}{said}, attempt {data['attempt']} of {data['most']}"


def _last(data: Mapping[str, Any]) -> list[str]:
    """Return what the last cell that ran showed as text."""
    shown = [p["content"] for c in data["cells"] if c["kind"] == "code" for p in c["pieces"] if p["kind"] == "text"]
    return shown[-1].rstrip().splitlines()[-5:] if shown else []


def _cell(cell: Mapping[str, Any]) -> str:
    if cell["kind"] != "code":
        return ""
    body = f'<pre style="{PRE}">{esc(cell["source"])}</pre>' + "".join(map(_piece, cell["pieces"]))
    return fold(f"[{cell['number']}] {cell['status'] or '-'}: {_first(cell)}", body)


def _piece(piece: Mapping[str, Any]) -> str:
    if piece["kind"] == "html":
        return f'<div style="overflow:auto">{piece["content"]}</div>'  # cleaned where the cells were read
    if piece["kind"] == "image":
        return f'<img alt="{esc(piece["alt"])}" style="max-width:100%" src="{esc(piece["content"])}">'
    return f'<pre style="{PRE}">{esc(piece["content"])}</pre>'


def _first(cell: Mapping[str, Any]) -> str:
    first = next((line for line in cell["source"].splitlines() if line.strip()), "(empty)")
    return first if len(first) <= FIRST else f"{first[: FIRST - 3]}..."
