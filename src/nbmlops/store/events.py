"""The chain of events: who changed what, when, each bound to the one before by SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nbmlops.records import now
from nbmlops.store.tables import events, meta

__all__ = ["HEAD", "append", "broken", "latest", "listed", "naming", "unsaid", "verify"]

HEAD = "head"  # the key in ``meta`` of the newest event's number and hash: what is cut off the end is missed


def append(connection: sa.Connection, action: str, subject: str, data: str, actor: tuple[str, str]) -> int:
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
    int
        The sequence number, without gaps from 1.
    """
    # Locking one fixed row makes writers queue on PostgreSQL too.
    chain_id = connection.scalar(sa.select(meta.c.value).where(meta.c.key == "chain_id").with_for_update())
    head = _head(connection)
    row: dict[str, Any] = {
        "seq": head[0] + 1 if head else 1,
        "at": now(),
        "actor": actor[0],
        "known_by": actor[1],
        "action": action,
        "subject": subject,
        "data": data,
        "previous": head[1] if head else hashlib.sha256(str(chain_id).encode()).hexdigest(),
    }
    found = _hash(row)
    connection.execute(events.insert().values(**row, hash=found))
    kept = {"value": f"{row['seq']} {found}"}
    if not connection.execute(meta.update().where(meta.c.key == HEAD).values(kept)).rowcount:
        connection.execute(meta.insert().values(key=HEAD, **kept))
    return int(row["seq"])


def _head(connection: sa.Connection) -> tuple[int, str] | None:
    """Return number and hash of the newest event; where it was cut off, those that are kept beside the chain."""
    newest = connection.execute(sa.select(events.c.seq, events.c.hash).order_by(events.c.seq.desc()).limit(1)).first()
    said = _said(connection)
    if newest is None or (said and said[0] >= newest.seq):
        return said
    return newest.seq, newest.hash


def _said(connection: sa.Connection) -> tuple[int, str] | None:
    """Return what is kept beside the chain of its newest event; None in a store of before, until its next event."""
    number, _, found = str(connection.scalar(sa.select(meta.c.value).where(meta.c.key == HEAD)) or "").partition(" ")
    return (int(number), found) if number.isdecimal() else None


def latest(connection: sa.Connection, action: str, subject: str) -> dict[str, Any] | None:
    """Return the newest event of an action on a subject."""
    query = sa.select(events).where(events.c.action == action, events.c.subject == subject)
    row = connection.execute(query.order_by(events.c.seq.desc()).limit(1)).mappings().first()
    return _decoded(row) if row else None


def listed(connection: sa.Connection, subject: str | None = None, action: str | None = None) -> list[dict[str, Any]]:
    """Return events, oldest first; a subject ``NAME@`` means every version and alias of it."""
    query = sa.select(events).order_by(events.c.seq)
    if subject:
        query = query.where(events.c.subject.startswith(subject, autoescape=True))
    if action:
        query = query.where(events.c.action == action)
    return [_decoded(row) for row in connection.execute(query).mappings()]


def naming(connection: sa.Connection, action: str, text: str) -> list[dict[str, Any]]:
    """Return the events of an action whose data holds a text such as a digest, oldest first."""
    query = sa.select(events).where(events.c.action == action, events.c.data.contains(text, autoescape=True))
    return [_decoded(row) for row in connection.execute(query.order_by(events.c.seq)).mappings()]


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


def _decoded(row: Any) -> dict[str, Any]:
    return {**row, "data": json.loads(row["data"])}
