"""The chain of events: who changed what, when, each bound to the one before by SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nbmlops.records import now
from nbmlops.store.tables import events, meta

__all__ = ["append", "broken", "latest", "listed", "verify"]


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
    head = connection.execute(sa.select(events.c.seq, events.c.hash).order_by(events.c.seq.desc()).limit(1)).first()
    row = {
        "seq": head.seq + 1 if head else 1,
        "at": now(),
        "actor": actor[0],
        "known_by": actor[1],
        "action": action,
        "subject": subject,
        "data": data,
        "previous": head.hash if head else hashlib.sha256(str(chain_id).encode()).hexdigest(),
    }
    connection.execute(events.insert().values(**row, hash=_hash(row)))
    return int(row["seq"])


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


def verify(connection: sa.Connection) -> int | None:
    """Return the sequence number of the first event that does not fit the chain, or None."""
    chain_id = connection.scalar(sa.select(meta.c.value).where(meta.c.key == "chain_id"))
    rows = connection.execute(sa.select(events).order_by(events.c.seq)).mappings()
    return broken(str(chain_id), (dict(row) for row in rows))


def broken(chain_id: str, rows: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the sequence number of the first of some stored events that does not fit the chain, or None."""
    previous = hashlib.sha256(chain_id.encode()).hexdigest()
    for number, row in enumerate(rows, 1):
        if row["seq"] != number or row["previous"] != previous or row["hash"] != _hash(row):
            return number
        previous = row["hash"]
    return None


def _hash(row: Any) -> str:
    fields = [row[k] for k in ("seq", "at", "actor", "known_by", "action", "subject", "data", "previous")]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()


def _decoded(row: Any) -> dict[str, Any]:
    return {**row, "data": json.loads(row["data"])}
