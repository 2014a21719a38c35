"""Runs as a table: what they measured and where they differ, not every column there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.store.summary import headlines
from nbmlops.widgets.html import FONT, card, esc, lines, number, status, table

__all__ = ["html", "text"]

MAX_METRICS, MAX_PARAMS = 4, 4
WIDEST = 24  # characters of a cell
HEADS = ("run", "experiment", "status", "took", "started")
SHOWN = ("run_id", "experiment", "name", "status", "duration_s", "started_at")
NOTHING = "No runs yet. Write %%track NAME as the first line of a cell and run it."
NONE_FITS = "No run fits the query. Without it all runs are listed."


def html(data: Mapping[str, Any]) -> str:
    """Return the table; status as word and shape."""
    if not data["runs"]:
        return card("Runs", body=_nothing(data))
    columns, more = _columns(data)
    rows = [
        [esc(r["run_id"][-6:]), esc(_label(r)), status(r["status"]), *(_unbroken(x) for x in (_took(r), _started(r)))]
        + [esc(_cell(r.get(n))) for n in (*_charter(data), *columns)]
        for r in data["runs"]
    ]
    note = "".join(f'<div style="{FONT};margin-top:4px">{status("issue")} {esc(line)}</div>' for line in _loud(data))
    more = " ".join(filter(None, [_lacking(data), more]))
    note += f'<div style="{FONT};opacity:.75;margin-top:4px">{esc(more)}</div>' if more else ""
    return table([*HEADS, *_charter(data), *map(_head, columns)], rows, raw=True) + note


def text(data: Mapping[str, Any]) -> str:
    """Return the table as aligned text."""
    if not data["runs"]:
        return _nothing(data)
    columns, more = _columns(data)
    rows = [
        [r["run_id"][-6:], _label(r), r["status"], _took(r), _started(r)]
        + [_cell(r.get(n)) for n in (*_charter(data), *columns)]
        for r in data["runs"]
    ]
    return "\n".join(
        [
            lines([*HEADS, *_charter(data), *map(_head, columns)], rows),
            *_loud(data),
            *filter(None, [_lacking(data), more]),
        ]
    )


def _charter(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the head of the column that says which runs meet the charter, where it names targets."""
    return ("charter",) if "charter" in data["runs"][0] else ()


def _lacking(data: Mapping[str, Any]) -> str:
    """Return which targets of the charter runs did not measure; an empty text where each measured all of them."""
    lacking = data.get("unmeasured") or ()
    return f"Not measured of the charter: {', '.join(lacking)}." if lacking else ""


def _loud(data: Mapping[str, Any]) -> list[str]:
    """Return what was done in an emergency, and nobody has reviewed."""
    return [f"{line} (and nobody has reviewed that)" for line in data.get("overrides", ())]


def _nothing(data: Mapping[str, Any]) -> str:
    return NONE_FITS if data.get("query") else NOTHING


def _columns(data: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return the columns to show (those asked for, metrics, params that differ, wide ones last), and what is left."""
    runs, named = data["runs"], [n for n in data.get("named", ()) if n not in SHOWN]
    known = _names(runs, "metrics.")
    metrics = [f"metrics.{n}" for n in headlines(n.partition(".")[2] for n in known)]
    measured = [r for r in runs if any(n.startswith("metrics.") for n in r)] or runs
    differing = [n for n in _names(measured, "params.") if len({str(r.get(n)) for r in measured}) > 1]
    params = sorted(differing, key=lambda n: n.count("."))  # what the user named before estimators' own
    chosen = _first(metrics, named, MAX_METRICS) + _first(params, named, MAX_PARAMS)
    wide = {n for n in chosen if any(len(number(r.get(n))) > WIDEST for r in runs)}
    shown = sorted(dict.fromkeys([*named, *chosen]), key=lambda n: n in wide)
    left = [(len({*known} - {*shown}), "metrics"), (len({*differing} - {*shown}), "params that differ")]
    said = " and ".join(f"{count} more {what}" for count, what in left if count)
    return shown, f"Not shown: {said}. nb.runs() has every column." if said else ""


def _first(columns: list[str], named: list[str], most: int) -> list[str]:
    """Return the first columns there is room for beside those that were named."""
    others = [n for n in columns if n not in named]
    return others[: max(0, most - len({*columns} & {*named}))]


def _took(run: Mapping[str, Any]) -> str:
    return f"{number(run['duration_s'])} s" if run["duration_s"] is not None else "-"


def _started(run: Mapping[str, Any]) -> str:
    """Return the day and the second: repeats of one name are told apart by it."""
    return str(run.get("started_at") or "-")[5:19].replace("T", " ") or "-"


def _unbroken(text: str) -> str:
    return esc(text).replace(" ", "\u00a0")


def _cell(value: Any) -> str:
    said = number(value)
    return said if len(said) <= WIDEST else f"{said[: WIDEST - 1]}…"


def _head(column: str) -> str:
    return column.partition(".")[2] or column


def _names(runs: list[Mapping[str, Any]], prefix: str) -> list[str]:
    return list(dict.fromkeys(n for r in runs for n in r if n.startswith(prefix)))


def _label(run: Mapping[str, Any]) -> str:
    return run["experiment"] if run["name"] == run["experiment"] else f"{run['experiment']} {run['name']}"
