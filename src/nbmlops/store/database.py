"""Open a project's database, change it in transactions, and bring the journals in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nbmlops.config import Project, find_project
from nbmlops.errors import Conflict, Invalid
from nbmlops.records import new_id, plain
from nbmlops.store import artifacts, events, journal, replay, tables

__all__ = ["Store", "as_json", "open_store"]

_open: dict[tuple[str, str], Store] = {}


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
    >>> from nbmlops.store import open_store
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
        self.artifacts = artifacts.Artifacts(project.artifacts_url)
        try:
            self.url = sa.make_url(project.store_url)
        except sa.exc.ArgumentError:
            raise Invalid(
                f"The store's address {project.store_url!r} is not a database URL.",
                "Write sqlite:///file or postgresql+psycopg://user@host/name.",
            ) from None
        self._local = self.url.get_backend_name() == "sqlite"
        self._engine: sa.Engine | None = None
        self._opened: tuple[int, int] | None = None

    @property
    def engine(self) -> sa.Engine:
        """The connection pool; the tables are made on first use, and again when the file was deleted or moved."""
        if self._engine is None or self._file() != self._opened:
            if self._engine is not None:
                self._engine.dispose()
            engine = self._sqlite() if self._local else sa.create_engine(self.url)
            self._create(engine)
            self._engine, self._opened = engine, self._file()
        return self._engine

    def _file(self) -> tuple[int, int] | None:
        """Return what identifies the database's file; None for a server, or when it is gone."""
        path = Path(self.url.database or "")
        if not (self._local and path.is_file()):
            return None
        found = path.stat()
        return found.st_dev, found.st_ino

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees everything tracked so far."""
        self.sync()
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def atomic(self) -> Iterator[Transaction]:
        """Yield a transaction for a governed change; it commits with its events or not at all.

        Examples
        --------
        >>> with store.atomic() as change:  # doctest: +SKIP
        ...     change.event(actor, "alias", "churn@champion", {"version": 3})
        """
        self.sync()
        with self.engine.execution_options(begin="IMMEDIATE").begin() as connection:
            yield Transaction(connection)

    def sync(self) -> int:
        """Bring what the journals hold into the database; return how many events were new.

        Replaying is idempotent: the watermark of each journal commits with its batch. The database is not
        touched, nor made, while there is nothing new.
        """
        files = journal.journals(self.project.home / "journal")
        return sum(replay.replay(self.engine, path) for path in files) if files else 0

    def waiting(self) -> int:
        """Return how many tracked events are not in the database yet."""
        return sum(replay.pending(self.engine, path) for path in journal.journals(self.project.home / "journal"))

    def set_aside(self) -> list[str]:
        """Return why each event that could not be stored was set aside."""
        with self.engine.connect() as connection:
            return list(connection.scalars(sa.select(tables.set_aside.c.reason)))

    def _sqlite(self) -> sa.Engine:
        path = Path(self.url.database or "")
        journal.prepare(path.parent)
        engine = sa.create_engine(self.url, connect_args={"timeout": 20})

        @sa.event.listens_for(engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # BEGIN is ours: the driver's is deferred, and deadlocks writers
            # TRUNCATE: WAL needs SQLite 3.51.3 or newer to be safe with several processes.
            connection.execute("PRAGMA journal_mode=TRUNCATE")

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            mode = connection.get_execution_options().get("begin", "DEFERRED")
            connection.exec_driver_sql(f"BEGIN {mode}")

        return engine

    def _create(self, engine: sa.Engine) -> None:
        """Make a new store whole; refuse one that a newer version wrote."""
        if not sa.inspect(engine).has_table("meta"):
            with engine.execution_options(begin="IMMEDIATE").begin() as connection:
                tables.metadata.create_all(connection)
                if connection.scalar(sa.select(sa.func.count()).select_from(tables.meta)) == 0:
                    values = [("schema", str(tables.SCHEMA)), ("chain_id", new_id())]
                    connection.execute(tables.meta.insert(), [{"key": k, "value": v} for k, v in values])
        with engine.connect() as connection:
            stored = int(connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == "schema")) or 0)
        if stored > tables.SCHEMA:
            raise Conflict(
                f"This store has schema {stored}; this nbmlops knows up to {tables.SCHEMA}.",
                "Install the newer nbmlops: pip install -U nbmlops.",
            )


class Transaction:
    """A transaction that changes something governed, and says so in the event chain."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def event(self, action: str, subject: str, data: Mapping[str, Any], actor: tuple[str, str]) -> int:
        """Append an event to the chain; return its sequence number."""
        return events.append(self.connection, action, subject, as_json(data), actor)
