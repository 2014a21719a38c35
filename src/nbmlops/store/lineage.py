"""What leads to what, one step at a time: the rows that tie sources, data, runs, versions, predictions and outcomes."""

from __future__ import annotations

import json
from typing import Any

from nbmlops.store.driver import Connection

__all__ = [
    *(
        "children",
        "data_of",
        "data_versions",
        "feedback",
        "made_by",
        "models_of",
        "predictions",
        "readers",
        "registered",
    ),
    *("increments", "run_row", "sourced"),
]

Row = tuple[Any, ...]


def run_row(connection: Connection, run_id: str) -> Row | None:
    """Return experiment, name, kind, start, parent and notebook of a run."""
    query = (
        "SELECT experiment, name, kind, started_at, parent, notebook FROM runs WHERE run_id = ? AND deleted_at IS NULL"
    )
    row: Row | None = connection.execute(f"{query} AND experiment IS NOT NULL", (run_id,)).fetchone()
    return row


def children(connection: Connection, run_id: str) -> list[str]:
    """Return the runs that are part of a run, the first first."""
    query = "SELECT run_id FROM runs WHERE parent = ? AND deleted_at IS NULL ORDER BY started_at, run_id"
    return [r for (r,) in connection.execute(query, (run_id,)).fetchall()]


def data_of(connection: Connection, run_id: str) -> list[Row]:
    """Return role, name, fingerprint and rows of the data of a run."""
    query = 'SELECT role, name, fingerprint, "rows" FROM datasets WHERE run_id = ? ORDER BY id'
    return list(connection.execute(query, (run_id,)).fetchall())


def readers(connection: Connection, fingerprint: str) -> list[Row]:
    """Return run and role of who read or wrote some data, the first first."""
    query = "SELECT DISTINCT run_id, role FROM datasets WHERE fingerprint = ? ORDER BY run_id"
    return list(connection.execute(query, (fingerprint,)).fetchall())


def data_versions(connection: Connection, column: str, value: Any) -> list[Row]:
    """Return name, version, fingerprint, rows, source, run and time of data set versions with a value in a column."""
    query = 'SELECT name, version, fingerprint, "rows", source, run_id, created_at FROM dataset_versions '
    return list(connection.execute(f"{query} WHERE {column} = ? ORDER BY name, version", (value,)).fetchall())


def sourced(connection: Connection, name: str, version: int) -> Row | None:
    """Return a data set version as :func:`data_versions` does."""
    return next((r for r in data_versions(connection, "name", name) if r[1] == version), None)


def models_of(connection: Connection, run_id: str) -> list[Row]:
    """Return name and version of what was fitted in a run and registered."""
    query = "SELECT name, version FROM model_versions WHERE run_id = ? AND deleted_at IS NULL ORDER BY name, version"
    return list(connection.execute(query, (run_id,)).fetchall())


def made_by(connection: Connection, name: str, version: int) -> Row | None:
    """Return run, time of registering, estimator and data sets of a version, also of a deleted one."""
    query = "SELECT run_id, created_at, estimator, signature FROM model_versions WHERE name = ? AND version = ?"
    row = connection.execute(query, (name, version)).fetchone()
    return (*row[:3], json.loads(row[3]).get("datasets") or []) if row else None


def fitted_on(connection: Connection, ref: str) -> list[Row]:
    """Return name and version of what was fitted on a data set version outside of any run."""
    query = (
        "SELECT name, version, signature FROM model_versions "
        "WHERE run_id IS NULL AND deleted_at IS NULL AND signature LIKE ? ORDER BY name, version"
    )
    found = connection.execute(query, (f'%"{ref}"%',)).fetchall()
    return [(name, number) for name, number, text in found if ref in (json.loads(text).get("datasets") or [])]


def registered(connection: Connection, name: str) -> list[Row]:
    """Return version, run and the run's start of every version of a model that came from a run, the first first."""
    query = (
        "SELECT v.version, v.run_id, r.started_at FROM model_versions v JOIN runs r ON r.run_id = v.run_id "
        "WHERE v.name = ? ORDER BY r.started_at, v.version"
    )
    return list(connection.execute(query, (name,)).fetchall())


def predictions(connection: Connection, name: str, version: int) -> list[Row]:
    """Return label, count and first time of each batch of predictions of a version."""
    query = 'SELECT batch, sum("rows"), min(at) FROM predictions WHERE model = ? AND version = ? GROUP BY batch'
    found = [(batch, int(count), at) for batch, count, at in connection.execute(query, (name, version)).fetchall()]
    return sorted(found, key=lambda row: row[2])


def increments(connection: Connection, name: str) -> list[dict[str, Any]]:
    """Return what the training increments of a model are and of which predictions they are made, oldest first."""
    query = "SELECT data FROM results WHERE kind = 'increment' AND subject = ? ORDER BY at, result_id"
    return [json.loads(data) for (data,) in connection.execute(query, (name,)).fetchall()]


def feedback(connection: Connection, name: str) -> list[Row]:
    """Return version, batch, count of predictions with an outcome, and the first time, of a model's feedback."""
    query = (
        "SELECT p.version, p.batch, count(DISTINCT f.prediction_id), min(f.at) FROM predictions p JOIN feedback f "
        "ON f.prediction_id BETWEEN p.prediction_id AND p.last_id "
        "WHERE p.model = ? AND f.kind = 'outcome' GROUP BY p.version, p.batch"
    )
    return sorted(connection.execute(query, (name,)).fetchall(), key=lambda row: row[3])
