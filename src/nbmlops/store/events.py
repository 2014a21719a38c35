"""The chain of events: who changed what, when, each bound to the one before by SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from nbmlops.records import now
from nbmlops.store import shapes
from nbmlops.store.driver import PERSONAL
from nbmlops.store.tables import events, meta

__all__ = ["HEAD", "append", "broken", "claimants", "goes_by", "latest", "listed", "naming", "unsaid", "verify"]

HEAD = "head"  # the key in ``meta`` of the newest event's number and hash: what is cut off the end is missed


# Built once: an event is appended in every governed change. Locking rows makes writers queue on PostgreSQL too.
_KEPT = sa.select(meta.c.key, meta.c.value).where(meta.c.key.in_(("chain_id", HEAD))).with_for_update()
_NEWEST = sa.select(events.c.seq, events.c.hash).order_by(events.c.seq.desc()).limit(1)
_ADD, _KEEP_FIRST = events.insert(), meta.insert().values(key=HEAD)
_KEEP = meta.update().where(meta.c.key == HEAD).values(value=sa.bindparam("newest"))


def append(connection: sa.Connection, action: str, subject: str, data: str, actor: tuple[str, str]) -> tuple[int, str]:
    """Append one event in the caller's transaction.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction; on SQLite an immediate one, so the head cannot move underneath.
    action, subject : str
        What was done, to what.
    data : str
        JSON text, stored and hashed as it is.
    actor : tuple of str
        (name, how known).

    Returns
    -------
    tuple of int and str
        The sequence number, without gaps from 1, and the hash.
    """
    kept: dict[str, str] = {row.key: row.value for row in connection.execute(_KEPT)}
    said = _head_of(kept.get(HEAD))
    newest = connection.execute(_NEWEST).first()
    # Where the end was cut off, the chain goes on behind what is kept beside it, so that the gap stays to be seen.
    head = said if newest is None or (said and said[0] >= newest.seq) else (newest.seq, newest.hash)
    row: dict[str, Any] = {
        "seq": head[0] + 1 if head else 1,
        "at": now(),
        "actor": actor[0],
        "known_by": actor[1],
        "action": action,
        "subject": subject,
        "data": data,
        "previous": head[1] if head else hashlib.sha256(str(kept["chain_id"]).encode()).hexdigest(),
    }
    found = _hash(row)
    connection.execute(_ADD, {**row, "hash": found})
    text = f"{row['seq']} {found}"
    if HEAD in kept:
        connection.execute(_KEEP, {"newest": text})
    else:
        connection.execute(_KEEP_FIRST, {"value": text})
    return int(row["seq"]), found


def _said(connection: sa.Connection) -> tuple[int, str] | None:
    """Return what is kept beside the chain of its newest event; None in a store of before, until its next event."""
    return _head_of(connection.scalar(sa.select(meta.c.value).where(meta.c.key == HEAD)))


def _head_of(text: Any) -> tuple[int, str] | None:
    number, _, found = str(text or "").partition(" ")
    return (int(number), found) if number.isdecimal() else None


def latest(connection: sa.Connection, action: str, subject: str) -> dict[str, Any] | None:
    """Return the newest event of an action on a subject that says what it should."""
    query = sa.select(events).where(events.c.action == action, events.c.subject == subject)
    with connection.execute(query.order_by(events.c.seq.desc())) as rows:
        return next(_decoded(rows.mappings()), None)


def listed(connection: sa.Connection, subject: str | None = None, action: str | None = None) -> list[dict[str, Any]]:
    """Return events, oldest first; a subject ``NAME@`` means every version and alias of it."""
    query = sa.select(events).order_by(events.c.seq)
    if subject:
        query = query.where(events.c.subject.startswith(subject, autoescape=True))
    if action:
        query = query.where(events.c.action == action)
    return list(_decoded(connection.execute(query).mappings()))


def naming(connection: sa.Connection, action: str, text: str) -> list[dict[str, Any]]:
    """Return the events of an action whose data holds a text such as a digest, oldest first."""
    query = sa.select(events).where(events.c.action == action, events.c.data.contains(text, autoescape=True))
    return list(_decoded(connection.execute(query.order_by(events.c.seq)).mappings()))


def claimants(connection: sa.Connection, name: str) -> set[str]:
    """Return the accounts of a server that said, beside themselves, to be somebody known to git, a CI or JupyterHub."""
    said = (json.dumps({"known_by": k, "name": name}, ensure_ascii=False, separators=(",", ":")) for k in PERSONAL)
    any_of = sa.or_(*(events.c.data.contains(f'"claimed":{text}', autoescape=True) for text in said))
    return set(connection.scalars(sa.select(events.c.actor).where(events.c.known_by == "database", any_of).distinct()))


def goes_by(connection: sa.Connection, account: str) -> set[str]:
    """Return the names an account goes by, in small letters, as ``nbmlops_me`` in governed.sql tells them.

    Its own, those it ever claimed as one person's, and the accounts that claimed one of these.
    """
    query = sa.select(events.c.data).where(events.c.known_by == "database", events.c.actor == account)
    said = connection.scalars(query.where(events.c.data.contains('"claimed"')).distinct())
    claims = [claim for data in said if isinstance(claim := json.loads(data).get("claimed"), dict)]
    names = {str(c["name"]) for c in claims if c.get("known_by") in PERSONAL and c.get("name")}
    also = (claimants(connection, name) for name in names)
    return {name.casefold() for name in {account, *names}.union(*also)}


def verify(connection: sa.Connection) -> int | None:
    """Return the sequence number of the first event that does not fit the chain or is missing at its end, or None."""
    chain_id = connection.scalar(sa.select(meta.c.value).where(meta.c.key == "chain_id"))
    rows = connection.execute(sa.select(events).order_by(events.c.seq)).mappings()
    if seq := broken(str(chain_id), (dict(row) for row in rows)):
        return seq
    said = _said(connection)
    if said is None or connection.scalar(sa.select(events.c.hash).where(events.c.seq == said[0])) == said[1]:
        return None
    count = int(connection.scalar(sa.select(sa.func.count()).select_from(events)) or 0)
    return min(said[0], count + 1)


def broken(chain_id: str, rows: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the sequence number of the first of some stored events that does not fit the chain, or None."""
    previous = hashlib.sha256(chain_id.encode()).hexdigest()
    for number, row in enumerate(rows, 1):
        if row["seq"] != number or row["previous"] != previous or row["hash"] != _hash(row):
            return number
        previous = row["hash"]
    return None


def unsaid(versions: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the model versions whose file or owner is not the one their event ``register`` says.

    Parameters
    ----------
    versions : iterable of mapping
        With name, version, digest and owner.
    rows : iterable of mapping
        Stored events; those of other actions do not matter.
    """
    said = {row["subject"]: json.loads(row["data"]) for row in rows if row["action"] == "register"}
    found = {f"{v.get('name')}@{v.get('version')}": v for v in versions}
    return sorted(k for k, v in found.items() if any(said.get(k, {}).get(f) != v.get(f) for f in ("digest", "owner")))


def _hash(row: Any) -> str:
    fields = [row[k] for k in ("seq", "at", "actor", "known_by", "action", "subject", "data", "previous")]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()


def _decoded(rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield events with their data read; one that does not say what its action should is passed over."""
    for row in rows:
        if (data := shapes.read(row["action"], row["data"])) is not None:
            yield {**row, "data": data}
