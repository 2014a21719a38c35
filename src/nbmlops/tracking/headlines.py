"""Runs as a list shows them: a line each, with the one metric that counts and how it went."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbmlops.store.summary import COLUMNS, SYSTEM, flat_metrics, headlines, honest_split
from nbmlops.tracking import session
from nbmlops.tracking.runs import marked

__all__ = ["MOST", "Headlines", "listed", "measured_by"]

MOST = 1000  # runs at once
NAMES = (
    *("run_id", "name", "experiment", "kind", "status", "cause", "started_at", "duration_s", "author", "cell_id"),
    *("order", "parent", "previous", "notebook"),
)
INNER = ("progress", "last_lines", "output", "upload", "upload_to", "checkpoint")  # tags of an execution
INFERRED = "[origin=inferred]"
FEW, SHORT = 6, 60  # tags of a line, characters of one


@dataclass(frozen=True)
class Headlines:
    """Some lines, how many there are, and the columns a query may name."""

    runs: tuple[Mapping[str, Any], ...]
    total: int
    order: tuple[str, ...] = ()


def listed(
    query: str | None = None,
    notebook: str | None = None,
    limit: int = 100,
    offset: int = 0,
    hides: Callable[[str], bool] | None = None,
) -> Headlines:
    """Return the runs that stand for themselves, the newest first, a line each.

    Parameters
    ----------
    query : str, optional
        As :func:`nbmlops.runs` takes it.
    notebook : str, optional
        Only runs of this notebook (its path relative to the project).
    limit, offset : int
        How many, behind how many.
    hides : callable, optional
        Tells of a metric whether it is not to be shown.

    Returns
    -------
    Headlines

    Raises
    ------
    Invalid
        The query does not parse.
    NotFound
        It names a column that is not there.

    Examples
    --------
    >>> listed("roc_auc > 0.6", limit=3).total  # doctest: +SKIP
    12
    """
    from nbmlops.store import runs, search

    rows, total = search.page(session.store(), query, notebook, min(limit, MOST), offset)
    if hides:
        rows = [{**row, "metrics": [m for m in row["metrics"] if not _hidden(m, hides)]} for row in rows]
    targets = _targets()
    chosen = {row["no"]: _metric(row["metrics"], targets) for row in rows}
    wanted = {(no, name, context) for no, (name, _, context, count) in chosen.items() if count > 1}
    drawn = runs.curves(session.store(), wanted) if wanted else {}
    words = _charter(rows)
    lines = [_line(row, chosen[row["no"]], drawn, words.get(row["run_id"])) for row in rows]
    return Headlines(tuple(lines), total, _columns(rows))


def measured_by(run_ids: Sequence[str], hides: Callable[[str], bool] | None = None) -> dict[str, str]:
    """Return the name of the metric each run is listed with; a run without one is no key.

    Parameters
    ----------
    run_ids : sequence of str
    hides : callable, optional
        As :func:`listed` takes it.

    Examples
    --------
    >>> measured_by(["0192f0c1-7d1c-7000-8000-5e1a2b3c4d5e"])  # doctest: +SKIP
    {'0192f0c1-7d1c-7000-8000-5e1a2b3c4d5e': 'roc_auc'}
    """
    from nbmlops.store import runs

    targets = _targets()
    numbers = [row["no"] for row in runs.heads(session.store(), run_ids, ("no",))]
    with runs.reading(session.store()) as connection:
        rows = runs.rows_of(connection, numbers).values()
    seen = {r["run_id"]: [m for m in r["metrics"] if not (hides and _hidden(m, hides))] for r in rows}
    names = {run_id: _metric(measured, targets)[0] for run_id, measured in seen.items()}
    return {run_id: name for run_id, name in names.items() if name}


def _hidden(metric: Mapping[str, Any], hides: Callable[[str], bool]) -> bool:
    inner = ",".join(f"{k}={v}" for k, v in sorted(metric["context"].items()))
    return hides(f"{metric['name']}[{inner}]")


def _line(
    row: Mapping[str, Any],
    metric: tuple[str, float, str, int],
    drawn: Mapping[tuple[int, str], Sequence[float]],
    charter: str | None,
) -> dict[str, Any]:
    name, value, _, _ = metric
    curve = drawn.get((row["no"], name.partition("[")[0]), ())
    about = {"name": name, "value": value, "curve": list(curve)} if name else None
    return {**{k: row.get(k) for k in NAMES}, "metric": about, "charter": charter, "tags": _tags(row["tags"])}


def _metric(metrics: Sequence[Mapping[str, Any]], targets: Sequence[str]) -> tuple[str, float, str, int]:
    """Return the metric that counts: name, value, its context as JSON, points; the charter's if there is one of it."""
    values = flat_metrics([m for m in metrics if not m["name"].startswith(SYSTEM)])
    names = [*(t for t in targets if t in values), *headlines(n for n in values if not n.endswith(INFERRED))]
    if not names:
        return "", 0.0, "", 0
    name = names[0]
    split = honest_split(metrics, name)
    mine = [m for m in metrics if m["name"] == name.partition("[")[0]]
    context = {"split": split} if split else {}
    found = next((m for m in mine if m["context"] == context), mine[0])
    written = json.dumps(found["context"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return name, values[name], written, int(found["count"])


def _targets() -> tuple[str, ...]:
    """Return the names of the charter's metrics; none where it cannot be read: the list stands all the same."""
    from nbmlops.errors import Invalid
    from nbmlops.hooks import service

    try:
        known = service("registry.targets", "by_model")() if service("registry.targets", "find")() else {}
    except Invalid:
        return ()
    return tuple(dict.fromkeys(t.name for found in known.values() for t in found))


def _charter(rows: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    """Return of each run whether it meets the charter, where that names targets."""
    flat = [
        {"run_id": r["run_id"], "experiment": r["experiment"]}
        | {f"metrics.{name}": value for name, value in flat_metrics(r["metrics"]).items()}
        for r in rows
    ]
    return {row["run_id"]: row.get("charter") for row in marked(flat)}


def _tags(tags: Mapping[str, Any]) -> dict[str, str]:
    said = {k: str(v)[:SHORT] for k, v in tags.items() if k not in INNER}
    return dict(list(said.items())[:FEW])


def _columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what a query may name of these runs: their own columns, metrics and params that were set."""
    metrics = dict.fromkeys(name for r in rows for name in flat_metrics(r["metrics"]))
    params = dict.fromkeys(p["name"] for r in rows for p in r["params"] if p["origin"] in ("assigned", "set"))
    return (*COLUMNS, *(f"metrics.{n}" for n in metrics), *(f"params.{n}" for n in list(params)[:50]))
