"""Make a new SQLite store without SQLAlchemy: a kernel's first tracked cell must not wait for the import of it.

``new_store.sql`` is what ``tables.py`` and ``views.py`` would run; ``make docs`` writes it, and a test compares.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

from nbmlops import __version__
from nbmlops.records import new_id
from nbmlops.store import sqlite
from nbmlops.store.schema import SCHEMA
from nbmlops.store.segments import prepare

__all__ = ["make", "statements"]


def make(path: Path) -> None:
    """Make a store where there is none; of several processes at once, one does.

    Parameters
    ----------
    path : Path
        The database's file.
    """
    prepare(path.parent)
    with closing(sqlite.connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
                _fill(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def statements() -> list[str]:
    """Return the statements that make every table, index and view."""
    text = resources.files("nbmlops.store").joinpath("new_store.sql").read_text(encoding="utf-8")
    return text.removesuffix(";\n").split(";\n\n")


def _fill(connection: sqlite3.Connection) -> None:
    for statement in statements():
        connection.execute(statement)
    about = {"schema": str(SCHEMA), "chain_id": new_id(), "written_by": __version__}
    connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", list(about.items()))
