"""Open a project's database, change it in transactions, and bring the journals in."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa

from nbmlops import __version__, hooks
from nbmlops.config import Project, find_project
from nbmlops.errors import Conflict, MissingPackage, NbmlopsError, Unavailable, Uncertain, tell
from nbmlops.records import new_id, now, plain
from nbmlops.store import artifacts, driver, events, forks, governed, journal, postgres, sqlite, tables, views
from nbmlops.store.schema import SCHEMA

__all__ = ["Store", "Transaction", "as_json", "open_store"]

READ_WAIT_S = 2  # how long a reader waits for a writer's lock
WRITE_WAIT_S = 20  # and a governed change for the others

# Of libpq, in seconds, the last in milliseconds: a server that goes without a word is noticed within a minute.
PATIENCE = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
PATIENCE |= {"tcp_user_timeout": 60_000}
WORTH_A_WORD = 1_000_000  # bytes that a migration left free
READ_SQLITE: dict[str, Any] = {"reading": True}
READ_POSTGRES: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

_open: dict[tuple[str, str], Store] = {}
_stores: WeakSet[Store] = WeakSet()
_inherited: list[sa.Pool] = []


def open_store(project: Project | None = None) -> Store:
    """Return the store of a project (that of the working directory when none is given).

    Parameters
    ----------
    project : Project, optional

    Returns
    -------
    Store
        One per address and process; the journals are read in before anything is asked.

    Examples
    --------
    >>> from nbmlops.store.database import open_store
    >>> store = open_store()  # doctest: +SKIP
    """
    project = project or find_project()
    key = (project.store_url, str(project.home))
    if key not in _open:
        _open[key] = Store(project)
    return _open[key]


def as_json(value: Any) -> str:
    """Return the one text form in which values are stored."""
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class Store:
    """A handle on one project's database and artifacts."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.artifacts = artifacts.Artifacts.of(project)
        self.url = postgres.url_of(project.store_url)
        self.path = driver.sqlite_path(project.store_url) if driver.is_sqlite(project.store_url) else None
        self._engine: sa.Engine | None = None
        self._account: str | None = None
        self._opened: tuple[int, int] | None = None
        self._lock = threading.RLock()
        self._patience = threading.local()
        self._behind_until = 0.0  # by the monotonic clock
        _stores.add(self)

    def __repr__(self) -> str:
        return f"Store({self.address!r})"

    @property
    def address(self) -> str:
        """The database's address as people may see it: without a password."""
        return postgres.shown(self.url)

    @property
    def engine(self) -> sa.Engine:
        """The connection pool; the store is made or migrated on first use, and again when its file is another."""
        with self._lock:
            if self._engine is None or self._file() != self._opened:
                self._check_place()
                if self._engine is not None:
                    self._engine.dispose()
                if self.path is not None:
                    self._prepare_folder(self.path.parent)
                engine = self._sqlite(self.path) if self.path else self._postgres()
                with self.explained():
                    self._prepare(engine)
                self._engine, self._opened = engine, self._file()
            return self._engine

    @contextmanager
    def reading(self, *, sync: bool = True) -> Iterator[sa.Connection]:
        """Yield a connection that sees one state of everything tracked so far, and cannot change it.

        Parameters
        ----------
        sync : bool
            Read the journals in first; False for what is never tracked, such as the ledger.

        Raises
        ------
        Unavailable
            The database is away or damaged, or locked for longer than two seconds.
        """
        if sync:
            self.catch_up()
        options = READ_SQLITE if self.path else READ_POSTGRES
        with self.explained(), ExitStack() as opened:
            with self._waiting(READ_WAIT_S):
                connection = opened.enter_context(self.engine.execution_options(**options).begin())
            yield connection

    @contextmanager
    def _waiting(self, wait_s: float) -> Iterator[None]:
        """Wait so long for another's lock while this thread opens the file: a reader not as long as a change."""
        before, self._patience.s = getattr(self._patience, "s", WRITE_WAIT_S), wait_s
        try:
            yield
        finally:
            self._patience.s = before

    @contextmanager
    def atomic(self, wait_s: float = WRITE_WAIT_S, *, sync: bool = True, alone: bool = True) -> Iterator[Transaction]:
        """Yield a transaction for a governed change; it commits with its events or not at all.

        One such change is made at a time: what is read in it stays true until it commits.

        Parameters
        ----------
        wait_s : float
            How long to wait for the database's lock.
        sync : bool
            Read the journals in first; False for a change that asks nothing of what is tracked.
        alone : bool
            False for one statement that is true by itself and makes no event: on a server it waits for no other change.

        Raises
        ------
        Unavailable
            The database is away or damaged, or locked for longer than that. Nothing is changed then, unless the
            message says that this is not known.

        Examples
        --------
        >>> with store.atomic() as change:  # doctest: +SKIP
        ...     change.event(actor, "alias", "churn@champion", {"version": 3})
        """
        if sync:
            self.sync(wait_s)
        change = None
        options = {"begin": "IMMEDIATE", "wait_s": wait_s}
        try:
            with self.explained(), ExitStack() as opened:
                with self._waiting(wait_s):
                    connection = opened.enter_context(self.engine.execution_options(**options).begin())
                if self.path is None:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(wait_s * 1000)}")
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
                    if alone:
                        _wait(connection)
                change = Transaction(connection)
                yield change
                change.complete = True
        except Unavailable as error:
            if change is None or not (change.complete and self._was_made(change, error)):
                raise

    def _was_made(self, change: Transaction, failed: Unavailable) -> bool:
        """Tell whether a change was made whose commit failed: the disk or server may have done it and then failed."""
        try:
            with driver.connect(self.project, READ_WAIT_S) as connection, connection.writing():
                connection.execute(
                    "UPDATE meta SET value = value WHERE key = 'chain_id'"
                )  # its sync covers both commits
                found = connection.scalar("SELECT hash FROM events WHERE seq = ?", (change.seq,))
        except Unavailable:
            raise Uncertain(
                f"It is not known whether the change was made. {failed.message}",
                "Look before you repeat it: nbmlops audit",
            ) from None
        return found is not None and found == change.hash

    def account(self) -> str | None:
        """Return the account the server let in (asked once), whatever role it took since; None for a file."""
        if self.path is None and self._account is None:
            with self.explained(), self.engine.connect() as connection:
                self._account = connection.scalar(sa.text("SELECT session_user"))
        return self._account

    def sync(self, wait_s: float = WRITE_WAIT_S) -> int:
        """Bring what the journals hold into the database; return how many events were new.

        The database is not touched, nor made, while there is nothing new.
        """
        from nbmlops.store import ingest

        with self.explained():
            return ingest.sync(self.project, wait_s)

    def catch_up(self) -> None:
        """Sync for a reader: where that cannot be (locked, full, read-only) warn that the newest may be missing.

        Raises
        ------
        Unavailable
            The database is away or damaged: there is nothing to read either.
        """
        from nbmlops.store import ingest

        if time.monotonic() < self._behind_until:  # who reads ten times in a row does not wait ten times
            return
        try:
            with self.explained():
                ingest.sync(self.project, READ_WAIT_S)
        except Unavailable as error:
            if isinstance(error, sqlite.Damaged) or self.path is None or not self.path.is_file():
                raise
            self._behind_until = time.monotonic() + READ_WAIT_S
            tell(f"{error.message} What you see may lack the newest of what was tracked; it waits in the journal.")

    def waiting(self) -> int:
        """Return how many tracked events are not in the database yet; all that lie in journals when it is away."""
        from nbmlops.store import ingest

        files = journal.journals(self.project.home / "journal")
        try:
            with self.explained(), driver.connect(self.project, READ_WAIT_S) as connection:
                return sum(ingest.pending(connection, path) for path in files)
        except Unavailable:
            return sum(1 for path in files for _ in journal.read(path))

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        if self._engine is not None:
            self._engine.dispose()

    def set_aside(self) -> list[str]:
        """Return why each event that could not be stored was set aside."""
        with self.explained(), self.engine.connect() as connection:
            return list(connection.scalars(sa.select(tables.set_aside.c.reason)))

    def _file(self) -> tuple[int, int] | None:
        """Return what identifies the database's file; None for a server, or when it is gone."""
        try:
            found = self.path.stat() if self.path else None
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None

    def _check_place(self) -> None:
        """Refuse to make a store anew where its whole project was moved away."""
        if self.path and self._opened and not self.project.root.is_dir():
            raise Unavailable(
                f"The project {self.project.root} is not there any more.",
                "If you moved it, restart this kernel in its new place.",
            )

    def _prepare_folder(self, folder: Path) -> None:
        try:
            journal.prepare(folder)
        except OSError as error:
            raise Unavailable(f"{folder} cannot be made ({error.strerror}).", "Look at its disk and owner.") from error

    def _sqlite(self, path: Path) -> sa.Engine:
        def opened() -> sqlite3.Connection:
            return sqlite.connect(path, timeout_s=getattr(self._patience, "s", WRITE_WAIT_S))

        engine = sa.create_engine("sqlite://", creator=opened, poolclass=sa.QueuePool)

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            options = connection.get_execution_options()
            reading = options.get("reading", False)
            wait_s = options.get("wait_s", READ_WAIT_S if reading else getattr(self._patience, "s", WRITE_WAIT_S))
            connection.exec_driver_sql(f"PRAGMA busy_timeout={int(wait_s * 1000)}")
            connection.exec_driver_sql(f"PRAGMA query_only={int(reading)}")
            # BEGIN is ours: the driver's is deferred, and two writers that read first would block each other.
            connection.exec_driver_sql(f"BEGIN {options.get('begin', 'DEFERRED')}")

        return engine

    def _postgres(self) -> sa.Engine:
        patience = {name: value for name, value in PATIENCE.items() if name not in self.url.query}
        try:
            return sa.create_engine(self.url, pool_pre_ping=True, connect_args=patience)
        except ImportError:
            raise MissingPackage("A store on PostgreSQL needs psycopg.", "pip install 'nbmlops[postgres]'") from None

    def _prepare(self, engine: sa.Engine) -> None:
        """Make a new store whole, migrate an older one, refuse one that a newer version wrote."""
        with engine.connect() as connection:
            stored = _stored(connection)
        if stored is None:
            self._create(engine)
        elif stored < SCHEMA:
            self._migrate(engine)
        elif stored > SCHEMA:
            raise self._newer(engine, stored)

    def _create(self, engine: sa.Engine) -> None:
        emptied = self.path is not None and sqlite.emptied(self.path)
        with engine.execution_options(begin="IMMEDIATE", wait_s=WRITE_WAIT_S).begin() as connection:
            lock(connection)
            if _stored(connection) is not None:  # another process was faster
                return
            tables.metadata.create_all(connection)
            views.create(connection)
            values = {"schema": str(SCHEMA), "chain_id": new_id(), "written_by": __version__}
            connection.execute(tables.meta.insert(), [{"key": k, "value": v} for k, v in values.items()])
        if emptied:
            tell(f"The store {self.path} was an empty file and has been made anew. If it held runs, restore a backup.")

    def _migrate(self, engine: sa.Engine) -> None:
        from nbmlops.store.migrations import migrate

        with engine.execution_options(begin="IMMEDIATE", wait_s=WRITE_WAIT_S).begin() as connection:
            lock(connection)
            stored = _stored(connection)
            if stored is None or stored >= SCHEMA:  # another process was faster
                return
            kept = "in one transaction; a copy of it is yours to make (pg_dump)"
            if self.path is not None:
                kept = f"once; a copy of it as it was stays in {sqlite.backup(self.path, self._backup_name(stored))}"
            tell(f"The store {self.address} has schema {stored} and is brought to schema {SCHEMA} {kept}.")
            migrate(connection, stored)
            if self.path is None and governed.about(connection):
                from nbmlops.store import grants

                grants.renew(connection)  # for the tables that are new
        if self.path is not None:
            self._tell_of_free_space(engine)

    def _tell_of_free_space(self, engine: sa.Engine) -> None:
        """Say how much of the file is free, when it is worth a word."""
        with engine.connect() as connection:
            free = connection.exec_driver_sql("SELECT freelist_count FROM pragma_freelist_count").scalar() or 0
            free *= connection.exec_driver_sql("PRAGMA page_size").scalar() or 0
        if free >= WORTH_A_WORD:
            tell(f"{free / 1e6:.1f} MB of {self.path} are free now; to give them back: nbmlops store gc --vacuum --yes")

    def _backup_name(self, stored: int) -> Path:
        """Return a free name for a copy: a migration that was killed has left one, perhaps this very second."""
        name = f"store-schema{stored}-{re.sub('[-:]', '', now()[:19])}"
        places = (self.project.home / "backups" / f"{name}{again}.sqlite" for again in ("", *range(-2, -99, -1)))
        return next(place for place in places if not place.exists())

    def _newer(self, engine: sa.Engine, stored: int) -> Conflict:
        with engine.connect() as connection:
            writer = connection.scalar(_value("written_by"))
        return Conflict(
            f"This store has schema {stored}, of nbmlops {writer or '?'}; this is {__version__}, which knows {SCHEMA}.",
            f"Install the newer one: pip install -U 'nbmlops{f'>={writer}' if writer else ''}'. "
            "If it is installed already, restart this kernel or server: it still runs the older.",
        )

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the driver's fault of a database that is away, locked, full or damaged into a readable error."""
        try:
            yield
        except Exception as error:
            known = self._explain(error.orig if isinstance(error, sa.exc.DBAPIError) else error)
            if known is None:
                raise
            raise known from None

    def _explain(self, error: BaseException | None) -> NbmlopsError | None:
        if isinstance(error, sqlite3.Error) and self.path is not None:
            return sqlite.explain(error, self.path)
        return postgres.explain(error, self.url)


class Transaction:
    """A transaction that changes something governed, and says so in the event chain."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection, self.complete = connection, False
        self.seq, self.hash = 0, ""  # of its last event

    def event(self, action: str, subject: str, data: Mapping[str, Any], actor: tuple[str, str]) -> int:
        """Append an event to the chain; return its sequence number.

        Who did it beside an account of the database is only *claimed*, and stands in the data.
        """
        text = self.told(data, actor)
        if governed.installed(self.connection):
            return self.made(*governed.append(self.connection, action, subject, text))
        return self.made(*events.append(self.connection, action, subject, text, actor))

    def told(self, data: Mapping[str, Any], actor: tuple[str, str]) -> str:
        """Return the text of an event's data."""
        if actor[1] == driver.ACCOUNT:
            name, known_by = hooks.service("capture.environment", "acting")()
            data = {**data, "claimed": {"name": name, "known_by": known_by}}
        return as_json(data)

    def made(self, seq: int, found: str) -> int:
        """Remember number and hash of the newest event of this transaction; return the number."""
        self.seq, self.hash = seq, found
        return seq


def lock(connection: sa.Connection) -> None:
    """Let one process at a time make or migrate a store; on SQLite the transaction is the lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(driver.LOCK)))


def _stored(connection: sa.Connection) -> int | None:
    """Return the stored schema number, None where there is no store yet."""
    if not sa.inspect(connection).has_table("meta"):
        return None
    found = connection.scalar(_value("schema"))
    if found is None:
        raise Conflict(
            "This database has a table 'meta' that is not of nbmlops.", "Give nbmlops a database or schema of its own."
        )
    return int(found)


def _wait(connection: sa.Connection) -> None:
    """Wait for the other governed changes on a server, and let those that come wait."""
    if governed.installed(connection):
        governed.begin(connection)
    else:
        connection.execute(_value("chain_id").with_for_update())


def _value(key: str) -> Any:
    return sa.select(tables.meta.c.value).where(tables.meta.c.key == key)


def _close_idle() -> None:
    """Before a fork: a child must neither use nor close the connections of its parent."""
    for store in list(_stores):
        store.close()


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store._lock = threading.RLock()  # another thread of the parent may hold the old one
        if store._engine is not None:
            _inherited.append(store._engine.pool)  # connections in use at the fork: kept, so that nothing closes them
            store._engine.dispose(close=False)


forks.close_idle.append(_close_idle)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
