"""Versions of data sets: numbered, never changed but for rows that are kept later."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from nbmlops.store import repeated
from nbmlops.store.database import Store, Transaction, as_json
from nbmlops.store.tables import dataset_versions

__all__ = ["add", "keep", "listed", "of_rows"]

JSON_FIELDS = {
    "columns": ("name", "dtype", "fingerprint"),
    "findings": ("code", "outcome", "message"),
}  # and their texts


def add(change: Transaction, row: dict[str, Any], actor: tuple[str, str]) -> tuple[int, bool]:
    """Return the number of the newest version where it is the same data, else record the next one.

    Parameters
    ----------
    change : Transaction
    row : dict
        The columns of a version but its number.
    actor : tuple of str
        (name, how known).

    Returns
    -------
    tuple of int and bool
        The number, and whether it is new.
    """
    c = dataset_versions.c
    newest = sa.select(c.version, c.fingerprint).where(c.name == row["name"]).order_by(c.version.desc()).limit(1)
    number, fingerprint = change.connection.execute(newest).first() or (0, "")
    if fingerprint == row["fingerprint"]:
        return int(number), False
    values = {k: as_json(v) if k in JSON_FIELDS else v for k, v in row.items()}
    change.connection.execute(dataset_versions.insert().values(**values, version=number + 1))
    data = {k: row[k] for k in ("fingerprint", "rows", "source", "digest")}
    data |= {"rest": repeated.rest("dataset_versions", values)}
    change.event("dataset", f"{row['name']}@{number + 1}", data, actor)
    return int(number) + 1, True


def keep(change: Transaction, name: str, number: int, digest: str, size_bytes: int, actor: tuple[str, str]) -> None:
    """Name the file that holds the rows of a version, where it has none yet."""
    c = dataset_versions.c
    chosen = dataset_versions.update().where(c.name == name, c.version == number, c.digest.is_(None))
    if change.connection.execute(chosen.values(digest=digest, size_bytes=size_bytes)).rowcount:
        change.event("dataset_kept", f"{name}@{number}", {"digest": digest}, actor)


def listed(store: Store, name: str | None = None) -> list[dict[str, Any]]:
    """Return the versions of data sets, newest first within each name."""
    c = dataset_versions.c
    query = sa.select(dataset_versions).order_by(c.version.desc())
    with store.reading() as connection:
        found = connection.execute(query if name is None else query.where(c.name == name)).mappings()
        rows = [{k: _parts(k, v) if k in JSON_FIELDS else v for k, v in row.items()} for row in found]
    return sorted(rows, key=lambda row: str(row["name"]))


def of_rows(store: Store, rows: int) -> list[dict[str, Any]]:
    """Return name, version and columns of the versions with so many rows."""
    c = dataset_versions.c
    query = sa.select(c["name"], c["version"], c["columns"]).where(c["rows"] == rows).order_by(c["name"], c["version"])
    with store.reading() as connection:
        return [{**row, "columns": _parts("columns", row["columns"])} for row in connection.execute(query).mappings()]


def _parts(field: str, text: str) -> list[dict[str, Any]]:
    """Return columns or findings; of a row that somebody wrote past nbmlops those that can be read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    whole = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [one for one in whole if all(isinstance(one.get(part), str) for part in JSON_FIELDS[field])]
