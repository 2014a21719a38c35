"""Model versions and their aliases; every change here carries its event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nbmlops.errors import Conflict
from nbmlops.records import ModelVersion, now
from nbmlops.store import events, governed, repeated, shapes
from nbmlops.store.database import Store, Transaction, as_json
from nbmlops.store.tables import events as event_table
from nbmlops.store.tables import model_versions

__all__ = [
    *("add_version", "aliases", "delete", "deleted", "find", "fitted_on", "hand_over", "listed", "names", "of_runs"),
    *("names_by_run", "recorded", "restore", "set_alias", "trusted_types", "version"),
]

JSON_FIELDS = ("signature", "metrics")
HIDDEN = ("trusted", "deleted_at")  # not of the record
MOST = 500  # values in one statement


def add_version(
    change: Transaction, row: dict[str, Any], trusted: list[str], actor: tuple[str, str], charter: str | None = None
) -> int:
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
    charter : str, optional
        Digest of the charter it was made under.
    """
    values = {k: as_json(v) if k in JSON_FIELDS else v for k, v in row.items()} | {"trusted": as_json(trusted)}
    data = {k: row[k] for k in ("digest", "run_id", "evaluation", "profile", "owner")}
    data |= {"charter": charter} if charter else {}
    data |= {"rest": repeated.rest("model_versions", values)}
    data |= repeated.of_results(change.connection, [row["evaluation"]])
    if governed.installed(change.connection):
        number, made = governed.register(change.connection, values, change.told(data, actor))
        change.made(*made)
        return number
    taken = sa.select(sa.func.max(model_versions.c.version)).where(model_versions.c.name == row["name"])
    number = int(change.connection.scalar(taken) or 0) + 1
    change.connection.execute(model_versions.insert().values(**values, version=number))
    change.event("register", f"{row['name']}@{number}", data, actor)
    return number


def set_alias(
    change: Transaction, name: str, alias: str, number: int | None, evidence: dict[str, Any], actor: tuple[str, str]
) -> None:
    """Move an alias to a version, or to none; where it pointed before is in the event."""
    before = events.latest(change.connection, "alias", f"{name}@{alias}")
    data = {"version": number, "from": before["data"]["version"] if before else None, **evidence}
    data |= repeated.of_results(change.connection, [evidence.get("evaluation"), evidence.get("gate")])
    change.event("alias", f"{name}@{alias}", data, actor)


def hand_over(change: Transaction, name: str, person: str, reason: str, actor: tuple[str, str]) -> None:
    """Give a model to somebody: every version of it, those that come later too, until it is handed over again."""
    before = events.latest(change.connection, "handover", name)
    data = {"to": person, "from": before["data"]["to"] if before else None, "reason": reason}
    change.event("handover", name, data, actor)


def delete(
    change: Transaction,
    name: str,
    numbers: Sequence[int],
    reason: str,
    actor: tuple[str, str],
    charter: str | None = None,
) -> None:
    """Hide versions of a model; no number is given out again, and the files stay, for the chain names them.

    Raises
    ------
    Conflict
        An alias points to one of them.
    """
    pointing = _pointing(change.connection, name).get(name, {})
    for alias, number in sorted(pointing.items()):
        if number in numbers:
            raise Conflict(
                f"{name}@{alias} points to version {number}, so it is not deleted.",
                f"Move the alias first: nbmlops promote {name} VERSION --to {alias} --reason ..., "
                f"or delete the whole model: nbmlops store delete {name} --aliases",
            )
    _stamp(change, name, numbers, now(), {"reason": reason}, actor, charter)


def restore(
    change: Transaction, name: str, numbers: Sequence[int], actor: tuple[str, str], charter: str | None = None
) -> None:
    """Show deleted versions of a model again."""
    _stamp(change, name, numbers, None, {}, actor, charter)


def deleted(store: Store) -> list[dict[str, Any]]:
    """Return name, version, time and run of the deleted versions, the last deleted first."""
    c = model_versions.c
    columns = (c.name, c.version, c.deleted_at, c.run_id)
    query = sa.select(*columns).where(model_versions.c.deleted_at.is_not(None))
    with store.reading() as connection:
        rows = connection.execute(query.order_by(columns[2].desc(), columns[0], columns[1].desc())).mappings()
        return [dict(row) for row in rows]


def aliases(store: Store, name: str | None = None) -> dict[str, dict[str, int]]:
    """Return model name to {alias: version}: the newest alias event of each."""
    with store.reading() as connection:
        return _pointing(connection, name)


def listed(store: Store, name: str | None = None) -> list[ModelVersion]:
    """Return model versions that are not deleted, newest first within each name."""
    query = sa.select(model_versions).where(model_versions.c.deleted_at.is_(None))
    if name is not None:
        query = query.where(model_versions.c.name == name)
    with store.reading() as connection:
        rows = list(connection.execute(query.order_by(model_versions.c.version.desc())).mappings())
        pointing, owners = _pointing(connection, name), _owners(connection, name)
    rows.sort(key=lambda row: str(row["name"]))  # here, for databases sort text each in their own way
    return [_record(row, pointing.get(row["name"], {}), owners) for row in rows]


def find(store: Store, name: str, which: str) -> ModelVersion | None:
    """Return a version by its number, an alias, or (an empty text) the newest; None where there is none."""
    c = model_versions.c
    query = sa.select(model_versions).where(c.name == name, c.deleted_at.is_(None)).order_by(c.version.desc()).limit(1)
    with store.reading() as connection:
        pointing = _pointing(connection, name).get(name, {})
        number = int(which) if which.isdecimal() and len(which) < 10 else pointing.get(which)
        row = connection.execute(query.where(c.version == number) if which else query).mappings().first()
        return _record(row, pointing, _owners(connection, name)) if row else None


def names(store: Store) -> set[str]:
    """Return the names of all models."""
    query = sa.select(model_versions.c.name).where(model_versions.c.deleted_at.is_(None)).distinct()
    with store.reading() as connection:
        return set(connection.scalars(query))


def fitted_on(store: Store, rows: int) -> list[tuple[str, dict[str, Any]]]:
    """Return NAME@3 and what it was fitted on, of the versions fitted on so many rows."""
    c = model_versions.c
    query = sa.select(c.name, c.version, c.signature).where(c.deleted_at.is_(None))
    with store.reading() as connection:  # the text first: to read every signature takes a second for 10,000 of them
        found = connection.execute(query.where(c.signature.contains(f'"rows":{rows}'))).all()
    read = ((f"{name}@{number}", json.loads(text).get("fitted_on") or {}) for name, number, text in found)
    return [(ref, known) for ref, known in read if known.get("rows") == rows]


def of_runs(store: Store, run_ids: Iterable[str]) -> list[str]:
    """Return the versions some runs registered, as NAME@3, the newest last."""
    c = model_versions.c
    query = sa.select(c.name, c.version).where(c.run_id.in_(list(run_ids)), c.deleted_at.is_(None))
    with store.reading() as connection:
        return [f"{name}@{number}" for name, number in connection.execute(query.order_by(c.created_at, c.version))]


def names_by_run(store: Store, run_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the models that each of some runs registered."""
    c, wanted, found = model_versions.c, list(run_ids), dict[str, list[str]]()
    query = sa.select(c.run_id, c.name).where(c.deleted_at.is_(None)).distinct().order_by(c.run_id, c.name)
    with store.reading() as connection:
        for first in range(0, len(wanted), MOST):
            for run_id, name in connection.execute(query.where(c.run_id.in_(wanted[first : first + MOST]))):
                found.setdefault(run_id, []).append(name)
    return found


def version(store: Store, name: str, number: int) -> ModelVersion | None:
    """Return one version, or None."""
    return next((v for v in listed(store, name) if v.version == number), None)


def recorded(store: Store, name: str, number: int) -> ModelVersion | None:
    """Return one version, also a deleted one, or None."""
    query = sa.select(model_versions).where(model_versions.c.name == name, model_versions.c.version == number)
    with store.reading() as connection:
        row = connection.execute(query).mappings().first()
        pointing, owners = _pointing(connection, name).get(name, {}), _owners(connection, name)
        return _record(row, pointing, owners) if row else None


def trusted_types(store: Store, name: str, number: int) -> list[str]:
    """Return the types a version's file may hold, as recorded when it was registered."""
    query = sa.select(model_versions.c.trusted).where(model_versions.c.name == name, model_versions.c.version == number)
    with store.reading() as connection:
        return list(json.loads(connection.scalar(query) or "[]"))


def _pointing(connection: sa.Connection, name: str | None) -> dict[str, dict[str, int]]:
    newest = sa.select(sa.func.max(event_table.c.seq)).where(event_table.c.action == "alias")
    if name is not None:
        newest = newest.where(event_table.c.subject.startswith(f"{name}@", autoescape=True))
    newest = newest.group_by(event_table.c.subject)
    query = sa.select(event_table.c.subject, event_table.c.data).where(event_table.c.seq.in_(newest))
    found: dict[str, dict[str, int]] = {}
    for subject, data in connection.execute(query):
        model, _, alias = subject.rpartition("@")
        number = (shapes.read("alias", data) or {}).get("version")
        if (name is None or model == name) and number is not None:
            found.setdefault(model, {})[alias] = number
    return found


def _owners(connection: sa.Connection, name: str | None) -> dict[str, str]:
    """Return model to the person it was handed to last."""
    c = event_table.c
    query = sa.select(c.subject, c.data).where(c.action == "handover").order_by(c.seq)
    found = connection.execute(query if name is None else query.where(c.subject == name))
    return {subject: said["to"] for subject, data in found if (said := shapes.read("handover", data))}


def _stamp(
    change: Transaction,
    name: str,
    numbers: Sequence[int],
    at: str | None,
    data: dict[str, Any],
    actor: tuple[str, str],
    charter: str | None,
) -> None:
    """Write or take off the tombstone of versions that are all there and all without or with one, with its event."""
    data = {"versions": sorted(numbers), **data, **({"charter": charter} if charter else {})}
    if governed.installed(change.connection):
        change.made(*governed.stamp(change.connection, name, numbers, bool(at), change.told(data, actor)))
        return
    c = model_versions.c
    state = c.deleted_at.is_(None) if at else c.deleted_at.is_not(None)
    chosen = model_versions.update().where(c.name == name, c.version.in_(numbers), state)
    if change.connection.execute(chosen.values(deleted_at=at)).rowcount != len(numbers):
        raise Conflict(f"Somebody else changed the versions of {name} just now.", "Look again: nbmlops models")
    change.event("delete" if at else "restore", _subject(name, numbers), data, actor)


def _subject(name: str, numbers: Sequence[int]) -> str:
    return f"{name}@{numbers[0]}" if len(numbers) == 1 else name


def _record(row: Any, pointing: Mapping[str, int], owners: Mapping[str, str]) -> ModelVersion:
    values = {k: json.loads(v) if k in JSON_FIELDS else v for k, v in row.items() if k not in HIDDEN}
    names = tuple(sorted(alias for alias, number in pointing.items() if number == row["version"]))
    return ModelVersion(**{**values, "owner": owners.get(row["name"], row["owner"])}, aliases=names)
