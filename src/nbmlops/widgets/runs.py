"""Runs as a table: what they measured and where they differ, not every column there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.widgets.html import card, lines, number, status, table

__all__ = ["html", "text"]

MAX_METRICS, MAX_PARAMS = 4, 4
NOTHING = "No runs yet. Write %%track NAME as the first line of a cell and run it."


def html(data: Mapping[str, Any]) -> str:
    """Return the table; status as word and shape."""
    if not data["runs"]:
        return card("Runs", body=NOTHING)
    heads, rows = _rows(data["runs"], status)
    return table(heads, rows, raw=True)


def text(data: Mapping[str, Any]) -> str:
    """Return the table as aligned text."""
    if not data["runs"]:
        return NOTHING
    heads, rows = _rows(data["runs"], str, str)
    return lines(heads, rows)


def _rows(runs: list[Mapping[str, Any]], show_status: Any, escape: Any = None) -> tuple[list[str], list[list[str]]]:
    from nbmlops.widgets.html import esc

    quote = escape or esc
    metrics = [n for n in _names(runs, "metrics.") if "[" not in n][:MAX_METRICS]
    measured = [r for r in runs if any(n.startswith("metrics.") for n in r)] or runs
    differing = [n for n in _names(measured, "params.") if len({str(r.get(n)) for r in measured}) > 1]
    params = sorted(differing, key=lambda n: n.count("."))[:MAX_PARAMS]  # what the user named before estimators' own
    heads = ["run", "experiment", "status", "took", *(n.partition(".")[2] for n in (*metrics, *params))]
    rows = []
    for r in runs:
        took = f"{number(r['duration_s'])} s" if r["duration_s"] is not None else "-"
        cells = [quote(r["run_id"][-6:]), quote(_label(r)), show_status(r["status"]), took]
        rows.append(cells + [quote(number(r.get(n))[:40]) for n in (*metrics, *params)])
    return heads, rows


def _names(runs: list[Mapping[str, Any]], prefix: str) -> list[str]:
    return list(dict.fromkeys(n for r in runs for n in r if n.startswith(prefix)))


def _label(run: Mapping[str, Any]) -> str:
    return run["experiment"] if run["name"] == run["experiment"] else f"{run['experiment']} {run['name']}"
