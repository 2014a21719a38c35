"""Bring a store of an older schema to this one, with Alembic's operations.

One number in ``meta`` says where a store is, and every path asks it without SQLAlchemy; so there is no
``alembic_version`` table and no ``alembic.ini``. Revision N turns schema N-1 into schema N and is never changed again.
"""

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from nbmlops import __version__
from nbmlops.store import views
from nbmlops.store.schema import SCHEMA

__all__ = ["migrate"]


def migrate(connection: sa.Connection, stored: int, until: int = SCHEMA) -> None:
    """Run the revisions after a schema number, in the caller's transaction.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Holding the lock under which a store is made or migrated.
    stored : int
        The schema number of the store; 0 for an empty database.
    until : int
        The schema number to stop at.
    """
    views.drop(connection)  # they are made from the code's own text at the end: no revision knows them
    operations = Operations(MigrationContext.configure(connection))
    for number in range(stored + 1, until + 1):
        revision = import_module(f"{__name__}.r{number:04}")
        revision.upgrade(operations)
    if until == SCHEMA:
        views.create(connection)
    for key, value in (("schema", str(until)), ("written_by", __version__)):
        connection.execute(sa.text("DELETE FROM meta WHERE key = :key"), {"key": key})
        connection.execute(sa.text("INSERT INTO meta (key, value) VALUES (:key, :value)"), {"key": key, "value": value})
