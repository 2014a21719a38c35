"""A bare connection to the database, for the paths that write or read by the thousand.

Rows go through the driver as tuples; SQLAlchemy is not loaded unless the store has yet to be made or migrated.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nbmlops.config import Project
from nbmlops.errors import Invalid, MissingPackage, Unavailable
from nbmlops.store.schema import SCHEMA

__all__ = ["Connection", "connect", "is_away", "is_made", "is_sqlite", "marks", "parts", "sqlite_path"]

POSTGRES = "postgresql+psycopg://"
AWAY = {"OperationalError", "InterfaceError", "InternalError", "InsufficientPrivilege", "UndefinedTable"} | {
    "UndefinedColumn"
}
MANY = 500  # bound values in one statement, below every database's limit
TOO_LARGE = "54"  # PostgreSQL's class of what exceeds its limits: the value's fault, though it calls it operational
ACCOUNT = "database"  # how an actor is known whom the server let in
PERSONAL = ("git", "ci", "jupyterhub", "login")  # how one person's claimed name is known; machines share users
LOCK = 0x6E626D6C  # the advisory lock of a PostgreSQL database under which numbers are given out


class Connection:
    """One connection of sqlite3 or psycopg, with ``?`` for parameters on both."""

    def __init__(self, raw: Any, sqlite: bool, timeout_s: float = 20) -> None:
        self.raw, self.sqlite, self.timeout_s = raw, sqlite, timeout_s

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement and return its cursor."""
        return self.raw.execute(self._own(sql), values)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows."""
        self.raw.cursor().executemany(self._own(sql), rows)

    def scalar(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row, or None."""
        row = self.execute(sql, values).fetchone()
        return row[0] if row else None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the database for several statements."""
        self.execute("BEGIN" if self.sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            self._undo()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the one write lock; commit at the end, synced to disk, or roll back."""
        self.execute("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")
        try:
            if not self.sqlite:
                self.execute(f"SET LOCAL lock_timeout = '{self.timeout_s}s'")
                self.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
                self.execute("SET LOCAL synchronous_commit = on")
            yield
            self.execute("COMMIT")
        except BaseException:
            self._undo()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.raw.close()

    def _undo(self) -> None:
        with suppress(Exception):  # a failing disk or server has done so itself; what it said first is what counts
            self.execute("ROLLBACK")

    def _own(self, sql: str) -> str:
        return sql if self.sqlite else sql.replace("?", "%s")


def is_sqlite(url: str) -> bool:
    """Tell whether a store's address is a SQLite file."""
    return url.startswith("sqlite:///")


def sqlite_path(url: str) -> Path:
    """Return the file of a SQLite address."""
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def connect(project: Project, timeout_s: float = 20) -> Iterator[Connection]:
    """Yield a connection to a project's database, which is made or migrated first where it must be.

    Parameters
    ----------
    project : Project
    timeout_s : float
        How long to wait for another process's lock, in seconds.

    Raises
    ------
    Invalid
        The address is none of SQLite or PostgreSQL.
    Unavailable
        The database is away, locked, full or damaged, also when it happens inside the block.
    """
    try:
        connection = _current(project, timeout_s)
        try:
            yield connection
        finally:
            connection.close()
    except json.JSONDecodeError as error:
        raise Unavailable(
            f"The store holds a damaged value ({error}).", "Put a backup in its place; nbmlops store verify reads all."
        ) from error
    except Exception as error:
        if not type(error).__module__.startswith(("sqlite3", "psycopg")):
            raise
        from nbmlops.store.database import open_store

        try:
            store = open_store(project)
        except Invalid as unreadable:  # the driver's own words may hold a piece of the password
            raise unreadable from None
        with store.explained():
            raise


def is_made(project: Project, timeout_s: float = 1) -> bool:
    """Tell whether a project's store was made, in the schema of this code; nothing is made or migrated.

    Parameters
    ----------
    project : Project
    timeout_s : float
        How long to wait for another process's lock, in seconds.
    """
    if not _exists(project.store_url):
        return False
    connection = _open(project.store_url, timeout_s)
    try:
        return _schema(connection) == SCHEMA
    finally:
        connection.close()


def is_away(fault: BaseException) -> bool:
    """Tell whether a fault is the database's (locked, full, gone, damaged), and not that of what was to be stored."""
    damaged = type(fault) is sqlite3.DatabaseError  # what is wrong with a statement is one of its subclasses
    if str(getattr(fault, "sqlstate", None) or "").startswith(TOO_LARGE):
        return False
    return damaged or isinstance(fault, OSError) or bool(AWAY & {kind.__name__ for kind in type(fault).__mro__})


def _current(project: Project, timeout_s: float) -> Connection:
    """Open the store in the schema of this code."""
    if is_sqlite(project.store_url) and not _exists(project.store_url) and project.root.is_dir():
        from nbmlops.store import fresh

        with suppress(OSError, Unavailable, sqlite3.Error):  # what stands in the way is explained below
            fresh.make(sqlite_path(project.store_url))
    if _exists(project.store_url):
        connection = _open(project.store_url, timeout_s)
        try:
            if _schema(connection) == SCHEMA:
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
    from nbmlops.store.database import open_store

    open_store(project).engine  # noqa: B018  # makes or migrates the store
    return _open(project.store_url, timeout_s)


def _exists(url: str) -> bool:
    return not is_sqlite(url) or sqlite_path(url).is_file()


def _open(url: str, timeout_s: float) -> Connection:
    if is_sqlite(url):
        from nbmlops.store import sqlite

        return Connection(sqlite.connect(sqlite_path(url), timeout_s=timeout_s), True, timeout_s)
    if not url.startswith(POSTGRES):
        raise Invalid("The store's address is not one nbmlops knows.", f"Write sqlite:///FILE or {POSTGRES}HOST/NAME.")
    try:
        import psycopg
    except ImportError:
        raise MissingPackage("A store on PostgreSQL needs psycopg.", "pip install 'nbmlops[postgres]'") from None
    address = "postgresql://" + url.removeprefix(POSTGRES)
    raw = psycopg.connect(address, autocommit=True, connect_timeout=max(2, int(timeout_s)))
    return Connection(raw, False, timeout_s)


def _schema(connection: Connection) -> int | None:
    """Return the stored schema number; None when there is none yet."""
    found = "name FROM sqlite_master WHERE name = 'meta'" if connection.sqlite else "to_regclass('meta')"
    try:
        if connection.scalar(f"SELECT {found}") is None:
            return None
        return int(connection.scalar("SELECT value FROM meta WHERE key = 'schema'") or 0)
    except sqlite3.DatabaseError:
        return None  # whoever makes the store says what is wrong with it


def marks(values: Sequence[Any]) -> str:
    """Return a ``?`` for each value, as stands between the brackets of ``IN``."""
    return ", ".join("?" * len(values))


def parts(values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], str]]:
    """Yield values in parts that one statement can bind, each with its marks."""
    for start in range(0, len(values), MANY):
        part = values[start : start + MANY]
        yield part, marks(part)
