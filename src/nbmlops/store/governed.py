"""Governed writes on PostgreSQL through functions of the database, where they are installed (see ``governed.sql``).

An account that a person logs in with may not write events, model versions or flags itself. The functions write them,
and take who it is from the server. A store without them, a file or a server with one owner, is written directly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nbmlops.errors import NotAllowed
from nbmlops.store.tables import meta

__all__ = ["KEY", "Made", "about", "answer", "append", "begin", "flag", "installed", "may", "register", "stamp"]

KEY = "governed"  # in ``meta``: version of the functions, and how the roles of this store begin
Made = tuple[int, str]  # number and hash of an event


def installed(connection: sa.Connection) -> bool:
    """Tell whether the functions are there; asked once a connection of the driver.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    """
    if connection.dialect.name != "postgresql":
        return False
    if not connection.info.get(KEY):
        connection.info[KEY] = bool(about(connection))
    return bool(connection.info[KEY])


def about(connection: sa.Connection) -> dict[str, Any]:
    """Return ``version`` of the functions and ``roles``, how the roles of this store begin; empty where none are."""
    found = connection.scalar(sa.select(meta.c.value).where(meta.c.key == KEY))
    return dict(json.loads(found)) if found else {}


def may(connection: sa.Connection, group: str, what: str) -> None:
    """Refuse an account that is not in a group; where no account is bound, nobody is refused.

    Raises
    ------
    NotAllowed
        It may not do this.
    """
    if not installed(connection):
        return
    query = sa.text("SELECT session_user, pg_has_role(session_user, CAST(:role AS name), 'MEMBER')")
    user, found = connection.execute(query, {"role": f"{about(connection)['roles']}_{group}"}).one()
    if not found:
        raise NotAllowed(
            f"{user} may not {what} in this store.", "Ask its owner for a role: nbmlops store grant ROLE USER"
        )


def begin(connection: sa.Connection) -> None:
    """Wait for the other governed changes, and let those that come wait."""
    connection.execute(sa.text("SELECT nbmlops_begin()"))


def append(connection: sa.Connection, action: str, subject: str, data: str) -> Made:
    """Append an event in the name of the account that is logged in."""
    return _made(connection, "nbmlops_event(:action, :subject, :data)", action=action, subject=subject, data=data)


def register(connection: sa.Connection, row: Mapping[str, Any], data: str) -> tuple[int, Made]:
    """Register the next version of a model with its event; return its number too."""
    query = sa.text("SELECT number, seq, hash FROM nbmlops_register(:row, :data)")
    number, *made = connection.execute(query, {"row": json.dumps(row), "data": data}).one()
    return int(number), (int(made[0]), str(made[1]))


def stamp(connection: sa.Connection, name: str, numbers: Sequence[int], deleted: bool, data: str) -> Made:
    """Delete versions of a model, or bring them back, with the event."""
    sql = "nbmlops_stamp(:name, CAST(:numbers AS integer[]), :deleted, :data)"
    return _made(connection, sql, name=name, numbers=list(numbers), deleted=deleted, data=data)


def flag(connection: sa.Connection, row: Mapping[str, Any], data: str) -> Made:
    """Keep a flag with its event."""
    return _made(connection, "nbmlops_flag(:row, :data)", row=json.dumps(row), data=data)


def answer(connection: sa.Connection, row: Mapping[str, Any], data: str) -> Made:
    """Append an answer to a flag, with its event; the row holds flag_id, state, closed_at and data."""
    return _made(connection, "nbmlops_answer(:flag_id, :state, :closed_at, :data, :said)", **row, said=data)


def _made(connection: sa.Connection, call: str, **values: Any) -> Made:
    seq, found = connection.execute(sa.text(f"SELECT seq, hash FROM {call}"), values).one()
    return int(seq), str(found)
