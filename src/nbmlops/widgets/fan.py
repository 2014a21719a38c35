"""A fan-out: how many rows finished, which did not and why, then what the rows measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.store.summary import headlines
from nbmlops.widgets.html import card, esc, lines, number, table

__all__ = ["html", "text"]

MOST_ROWS, MOST_PARAMS, MOST_METRICS = 20, 6, 4
Row = Mapping[str, Any]


def html(data: Mapping[str, Any]) -> str:
    """Return a card: what failed first, then the rows."""
    failed = _failed(data)
    parts = [f"<div>{esc(_said(data))}</div>"]
    if failed:
        heads, rows = _why(data, failed[:MOST_ROWS])
        parts.append(table(heads, rows, caption=f"Not finished: {len(failed)}"))
    if shown := _finished(data):
        heads, rows = _table(data, shown[:MOST_ROWS])
        parts.append(table(heads, [[esc(c) for c in r] for r in rows], caption=_caption(len(shown)), raw=True))
    return card(data["notebook"], data["status"], "".join(parts), _next(data))


def text(data: Mapping[str, Any]) -> str:
    """Return the same as lines."""
    failed, shown = _failed(data), _finished(data)
    parts = [f"{data['notebook']}: {_said(data)}"]
    if failed:
        more = [f"and {len(failed) - MOST_ROWS} more"] if len(failed) > MOST_ROWS else []
        parts.append("\n".join(["Not finished:", lines(*_why(data, failed[:MOST_ROWS])), *more]))
    if shown:
        parts.append("\n".join([_caption(len(shown)), lines(*_table(data, shown[:MOST_ROWS]))]))
    return "\n\n".join([*parts, *([hint] if (hint := _next(data)) else [])])


def _said(data: Mapping[str, Any]) -> str:
    took = f" after {number(data['duration_s'])} s" if data["duration_s"] is not None else ""
    states = ", ".join(f"{count} {state}" for state, count in data["states"].items())
    return f"{data['total']} {'row' if data['total'] == 1 else 'rows'}, {states}{took}; run {data['run_id'][-6:]}"


def _failed(data: Mapping[str, Any]) -> list[Row]:
    return [r for r in data["rows"] if r["state"] != "finished"]


def _finished(data: Mapping[str, Any]) -> list[Row]:
    return [r for r in data["rows"] if r["state"] == "finished"]


def _caption(count: int) -> str:
    return f"Finished: {count}" + (f", of which these {MOST_ROWS}; to_frame() has all" if count > MOST_ROWS else "")


def _why(data: Mapping[str, Any], rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    params = _differing(data)
    heads = ["row", *params, "state", "attempts", "why", "run"]
    return heads, [
        [str(r["row"]), *_params(r, params), r["state"], str(r["attempt"]), r["why"][:100], (r["run_id"] or "-")[-6:]]
        for r in rows
    ]


def _table(data: Mapping[str, Any], rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    params = _differing(data)
    metrics = headlines(dict.fromkeys(n for r in data["rows"] for n in r["metrics"]))[:MOST_METRICS]
    return ["row", *params, *metrics, "took", "run"], [
        [
            *(str(r["row"]), *_params(r, params), *(number(r["metrics"].get(n)) for n in metrics)),
            *(f"{number(r['duration_s'])} s", (r["run_id"] or "-")[-6:]),
        ]
        for r in rows
    ]


def _differing(data: Mapping[str, Any]) -> list[str]:
    """Return the parameters that are not the same in every row."""
    rows = data["rows"]
    names = dict.fromkeys(n for r in rows for n in r["params"])
    differing = [n for n in names if len({str(r["params"].get(n)) for r in rows}) > 1]
    return (differing or list(names))[:MOST_PARAMS]


def _params(row: Row, names: Sequence[str]) -> list[str]:
    return [number(row["params"].get(n))[:40] for n in names]


def _next(data: Mapping[str, Any]) -> str:
    if data["status"] == "finished":
        return ""
    return f"The same with --run-key {data['key']} goes on: what has finished is not done again."
