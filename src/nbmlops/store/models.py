"""Model versions and their aliases; every change here carries its event."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from nbmlops.records import ModelVersion
from nbmlops.store import events
from nbmlops.store.database import Store, Transaction, as_json
from nbmlops.store.tables import events as event_table
from nbmlops.store.tables import model_versions

__all__ = ["add_version", "aliases", "listed", "set_alias", "trusted_types", "version"]

JSON_FIELDS = ("signature", "metrics")


def add_version(change: Transaction, row: dict[str, Any], trusted: list[str], actor: tuple[str, str]) -> int:
    """Register the next version of a model's name; return its number.

    Parameters
    ----------
    change : Transaction
    row : dict
        The columns of a model version but its number.
    trusted : list of str
        Types the file may hold: bound to the digest, kept here and never beside the file.
    actor : tuple of str
        (name, how known).
    """
    taken = sa.select(sa.func.max(model_versions.c.version)).where(model_versions.c.name == row["name"])
    number = int(change.connection.scalar(taken) or 0) + 1
    values = {k: as_json(v) if k in JSON_FIELDS else v for k, v in row.items()}
    change.connection.execute(model_versions.insert().values(**values, version=number, trusted=as_json(trusted)))
    data = {k: row[k] for k in ("digest", "run_id", "evaluation", "profile", "owner")}
    change.event("register", f"{row['name']}@{number}", data, actor)
    return number


def set_alias(
    change: Transaction, name: str, alias: str, number: int, evidence: dict[str, Any], actor: tuple[str, str]
) -> None:
    """Move an alias to a version; where it pointed before is in the event."""
    before = events.latest(change.connection, "alias", f"{name}@{alias}")
    data = {"version": number, "from": before["data"]["version"] if before else None, **evidence}
    change.event("alias", f"{name}@{alias}", data, actor)


def aliases(store: Store, name: str | None = None) -> dict[str, dict[str, int]]:
    """Return model name to {alias: version}: the newest alias event of each."""
    newest = (
        sa.select(sa.func.max(event_table.c.seq)).where(event_table.c.action == "alias").group_by(event_table.c.subject)
    )
    query = sa.select(event_table.c.subject, event_table.c.data).where(event_table.c.seq.in_(newest))
    found: dict[str, dict[str, int]] = {}
    with store.reading() as connection:
        for subject, data in connection.execute(query):
            model, _, alias = subject.rpartition("@")
            number = json.loads(data)["version"]
            if (name is None or model == name) and number is not None:
                found.setdefault(model, {})[alias] = number
    return found


def listed(store: Store, name: str | None = None) -> list[ModelVersion]:
    """Return model versions, newest first within each name."""
    query = sa.select(model_versions).order_by(model_versions.c.name, model_versions.c.version.desc())
    if name is not None:
        query = query.where(model_versions.c.name == name)
    with store.reading() as connection:
        rows = list(connection.execute(query).mappings())
    pointing = aliases(store, name)
    return [_record(row, pointing.get(row["name"], {})) for row in rows]


def version(store: Store, name: str, number: int) -> ModelVersion | None:
    """Return one version, or None."""
    return next((v for v in listed(store, name) if v.version == number), None)


def trusted_types(store: Store, name: str, number: int) -> list[str]:
    """Return the types a version's file may hold, as recorded when it was registered."""
    query = sa.select(model_versions.c.trusted).where(model_versions.c.name == name, model_versions.c.version == number)
    with store.reading() as connection:
        return list(json.loads(connection.scalar(query) or "[]"))


def _record(row: Any, pointing: dict[str, int]) -> ModelVersion:
    values = {k: json.loads(v) if k in JSON_FIELDS else v for k, v in row.items() if k != "trusted"}
    names = tuple(sorted(alias for alias, number in pointing.items() if number == row["version"]))
    return ModelVersion(**values, aliases=names)
