"""What the store knows of all model versions at once, column by column: one statement each, no row parsed twice."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import lru_cache
from typing import Any

from nbmlops.store.driver import Connection

__all__ = [
    "VERSION",
    "checks",
    "datasets",
    "handed_over",
    "metrics_of",
    "open_episodes",
    "pointing",
    "tags",
    "versions",
]

VERSION = ("name", "version", "estimator", "format", "owner", "created_at", "run_id", "digest", "evaluation", "metrics")
FIELD = {True: "json_extract(data, '$.{0}')", False: "(replace(data, '\\u0000', '')::json ->> '{0}')"}
Key = tuple[str, int]


def versions(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """Return the columns of every version that is not deleted, newest first within each name; metrics as JSON text."""
    query = f"SELECT {', '.join(VERSION)} FROM model_versions WHERE deleted_at IS NULL"
    rows = connection.execute(query).fetchall()
    rows.sort(key=lambda row: (row[0], -row[1]))  # here, for databases sort text each in their own way
    return dict(zip(VERSION, zip(*rows, strict=True) if rows else ((),) * len(VERSION), strict=True))


@lru_cache(50_000)  # a version never changes
def metrics_of(text: str) -> dict[str, float]:
    """Return the values of a version's metrics, those that are numbers."""
    values = {name: m.get("value") for name, m in json.loads(text).items()}
    return {k: v for k, v in values.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def pointing(connection: Connection) -> dict[str, dict[str, tuple[int, str]]]:
    """Return model to {alias: (version, since when)}."""
    newest = "SELECT max(seq) FROM events WHERE action = 'alias' GROUP BY subject"
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for subject, data, at in connection.execute(f"SELECT subject, data, at FROM events WHERE seq IN ({newest})"):
        name, _, alias = subject.rpartition("@")
        number = json.loads(data)["version"]
        if number is not None:
            found.setdefault(name, {})[alias] = (number, at)
    return found


def handed_over(connection: Connection) -> dict[str, str]:
    """Return model to the person it was handed to last."""
    query = "SELECT subject, data FROM events WHERE action = 'handover' ORDER BY seq"
    return {subject: json.loads(data)["to"] for subject, data in connection.execute(query)}


def checks(connection: Connection) -> dict[str, tuple[str, str]]:
    """Return NAME@3 to (time, verdict) of the newest drift report against it."""
    reference, verdict = (FIELD[connection.sqlite].format(name) for name in ("reference", "verdict"))
    query = f"SELECT {reference}, at, {verdict} FROM results WHERE kind = 'drift' ORDER BY at, result_id"
    return {ref: (at, level) for ref, at, level in connection.execute(query) if ref}


def open_episodes(connection: Connection) -> dict[Key, int]:
    """Return (name, version) to the number of episodes that are not closed."""
    query = "SELECT model, version, count(*) FROM episodes WHERE closed_at IS NULL GROUP BY model, version"
    return {(name, version): count for name, version, count in connection.execute(query)}


def tags(connection: Connection) -> dict[str, dict[str, str]]:
    """Return run to its tags, for the runs a version came from and the notebooks around them."""
    query = (
        "SELECT v.run_id, r.tags, p.tags FROM (SELECT DISTINCT run_id FROM model_versions) v "
        "JOIN runs r ON r.run_id = v.run_id LEFT JOIN runs p ON p.run_id = r.parent"
    )
    return {
        run_id: {**json.loads(around or "{}"), **json.loads(own or "{}")}
        for run_id, own, around in connection.execute(query)
    }


def datasets(connection: Connection) -> dict[str, list[str]]:
    """Return run to its data: each by its name there, and as ``flights@2`` where it is, or made, that version."""
    known: defaultdict[str, list[str]] = defaultdict(list)
    found: defaultdict[str, list[str]] = defaultdict(list)
    query = "SELECT fingerprint, name, version, run_id FROM dataset_versions ORDER BY name, version"
    for fingerprint, name, number, made_by in connection.execute(query):
        known[fingerprint].append(f"{name}@{number}")
        found[made_by].append(f"{name}@{number}")
    query = (
        "SELECT DISTINCT d.run_id, d.name, d.fingerprint FROM datasets d "
        "JOIN model_versions v ON v.run_id = d.run_id ORDER BY d.run_id, d.name"
    )
    for run_id, name, fingerprint in connection.execute(query):
        found[run_id] += [name, *known.get(fingerprint, ())]
    return {run_id: list(dict.fromkeys(names)) for run_id, names in found.items() if run_id}
