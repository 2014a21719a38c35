"""Read runs back: one whole, many as rows, and the results that belong to them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from nbmlops.store.database import Store
from nbmlops.store.tables import artifacts, datasets, metrics, models, params, results, runs, tags

__all__ = ["ids_like", "load", "load_many", "newest", "results_of", "summaries"]

JSON_FIELDS = ("error", "git", "process", "defaults")
SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def newest(
    store: Store,
    *,
    experiment: str | None = None,
    notebook: str | None = None,
    parent: str | None = None,
    children: bool = True,
    limit: int | None = None,
) -> list[str]:
    """Return run ids, newest first."""
    query = sa.select(runs.c.run_id).order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit)
    for column, value in ((runs.c.experiment, experiment), (runs.c.notebook, notebook), (runs.c.parent, parent)):
        if value is not None:
            query = query.where(column == value)
    if not children:
        query = query.where(runs.c.parent.is_(None) | (runs.c.kind == "cell"))  # a cell counts wherever it ran
    with store.reading() as connection:
        return list(connection.scalars(query))


def ids_like(store: Store, ending: str) -> list[str]:
    """Return the ids that end in some characters (ids begin with the clock, so their ends tell them apart)."""
    query = sa.select(runs.c.run_id).where(runs.c.run_id.endswith(ending.lower(), autoescape=True)).limit(9)
    with store.reading() as connection:
        return list(connection.scalars(query))


def experiments(store: Store) -> list[str]:
    """Return the names of all experiments."""
    with store.reading() as connection:
        return sorted(connection.scalars(sa.select(runs.c.experiment).distinct()))


def load(store: Store, run_id: str) -> dict[str, Any] | None:
    """Return one run whole, or None."""
    found = load_many(store, [run_id])
    return found[0] if found else None


def load_many(store: Store, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return runs whole, as the JSON every view is drawn from, in the order asked.

    Parameters
    ----------
    store : Store
    run_ids : sequence of str

    Returns
    -------
    list of dict
        The run's own columns, and ``params``, ``metrics``, ``tags``, ``datasets``, ``models``, ``artifacts``.
    """
    with store.reading() as connection:
        found = {row["run_id"]: _decoded(row) for row in _chosen(connection, runs, run_ids)}
        parts = {
            t.name: _grouped(_chosen(connection, t, run_ids))
            for t in (params, metrics, tags, datasets, models, artifacts)
        }
    for run_id, run in found.items():
        run["params"] = [{**p, "value": json.loads(p["value"])} for p in parts["params"][run_id]]
        run["metrics"] = [_metric(m) for m in parts["metrics"][run_id]]
        run["tags"] = {t["name"]: t["value"] for t in parts["tags"][run_id]}
        run["datasets"] = [{**_less(d, "id"), "columns": json.loads(d["columns"])} for d in parts["datasets"][run_id]]
        run["models"] = [_model(m) for m in parts["models"][run_id]]
        run["artifacts"] = parts["artifacts"][run_id]
    return [found[i] for i in run_ids if i in found]


def summaries(store: Store, **where: Any) -> list[dict[str, Any]]:
    """Return runs whole, newest first (see :func:`newest` for what can be asked)."""
    return load_many(store, newest(store, **where))


def results_of(
    store: Store, run_ids: Iterable[str] | None = None, kind: str | None = None, subject: str | None = None
) -> list[dict[str, Any]]:
    """Return the results (evaluation, drift, check, gate) of some runs or about a subject, oldest first."""
    query = sa.select(results).order_by(results.c.at, results.c.result_id)
    if run_ids is not None:
        query = query.where(results.c.run_id.in_(list(run_ids)))
    if kind:
        query = query.where(results.c.kind == kind)
    if subject:
        query = query.where(results.c.subject == subject)
    with store.reading() as connection:
        return [{**row, "data": json.loads(row["data"])} for row in connection.execute(query).mappings()]


def _chosen(connection: sa.Connection, table: sa.Table, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    order = table.c.id if "id" in table.c else table.c.run_id
    rows: list[dict[str, Any]] = []
    for start in range(0, len(run_ids), 500):  # below every database's limit of bound values
        query = sa.select(table).where(table.c.run_id.in_(list(run_ids[start : start + 500]))).order_by(order)
        rows += [dict(row) for row in connection.execute(query).mappings()]
    return rows


def _grouped(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row.pop("run_id")].append(row)
    return groups


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **{k: json.loads(row[k]) if row[k] else None for k in JSON_FIELDS}}


def _less(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in names}


def _metric(row: dict[str, Any]) -> dict[str, Any]:
    value = SPECIAL[row["special"]] if row["special"] else row["value"]
    return {**_less(row, "id", "special"), "value": value, "context": json.loads(row["context"])}


def _model(row: dict[str, Any]) -> dict[str, Any]:
    return {**_less(row, "id"), "params": json.loads(row["params"]), "fitted_on": json.loads(row["fitted_on"])}
