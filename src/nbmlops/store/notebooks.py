"""Runs of executed notebooks that are no attempt at a work of the ledger: begun by hand, by papermill, by a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nbmlops.store import leases
from nbmlops.store.driver import Connection
from nbmlops.store.runs import reading

if TYPE_CHECKING:
    from nbmlops.store.database import Store

__all__ = ["RECENT", "alone"]

RECENT = 2000  # runs of any kind among which ended ones are looked for: a list stays cheap whatever was tracked
NAMES = ("run_id", "no", "status", "cause", "notebook", "experiment", "started_at", "ended_at", "duration_s", "error")
HERE = "kind = 'notebook' AND deleted_at IS NULL AND experiment IS NOT NULL"
CHOSEN = (
    f"SELECT run_id FROM runs WHERE status = 'running' AND {HERE} UNION SELECT run_id FROM "
    "(SELECT run_id, kind, deleted_at, experiment FROM runs ORDER BY started_at DESC, run_id DESC LIMIT {}) r "
    f"WHERE {HERE}"
)
Json = dict[str, Any]


def alone(store: Store, limit: int, run_id: str | None = None) -> list[Json]:
    """Return runs of notebooks that belong to no work, the newest first; a running one however old it is.

    Parameters
    ----------
    store : Store
    limit : int
        At most this many that have ended, among the newest 2,000 runs of any kind.
    run_id : str, optional
        Only this one.

    Returns
    -------
    list of dict
        ``run_id status cause notebook experiment started_at ended_at duration_s error tags``, ``error`` and what an
        execution wrote as they are stored; a run whose process is gone is abandoned.
    """
    with reading(store) as connection:
        rows = [row for row in _rows(connection, run_id) if not _of_work(row["tags"])]
        gone = leases.abandoned(connection) if any(row["status"] == "running" for row in rows) else {}
    rows = [{**row, "status": "abandoned", "cause": gone[row["no"]]} if row["no"] in gone else row for row in rows]
    runs = [row for row in rows if row["status"] == "running"]
    return [*runs, *[row for row in rows if row["status"] != "running"][:limit]]


def _rows(connection: Connection, run_id: str | None) -> Iterator[Json]:
    names = (*NAMES, "tags")
    listed = ", ".join(names)
    which, values = (f"{HERE} AND run_id = ?", (run_id,)) if run_id else (f"run_id IN ({CHOSEN.format(RECENT)})", ())
    query = f"SELECT {listed} FROM runs WHERE {which} ORDER BY started_at DESC, run_id DESC"
    for row in connection.execute(query, values).fetchall():
        yield {**dict(zip(names, row, strict=True)), "tags": json.loads(row[-1] or "{}")}


def _of_work(tags: Json) -> bool:
    """Return whether a run is an attempt at a work, be it forgotten by now."""
    return "key" in tags and "attempt" in tags
