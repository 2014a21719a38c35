"""What is checked of the event chain, in SQL: its events, the head beside it, rows that repeat what an event said."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from nbmlops.config import Project
from nbmlops.store import flags
from nbmlops.store.driver import Connection, connect, parts
from nbmlops.store.lifecycle import streamed
from nbmlops.store.repeated import REST, digest_of, rest

__all__ = ["Chain", "reading"]

FIELDS = ("seq", "at", "actor", "known_by", "action", "subject", "data", "previous", "hash")
LISTED = ", ".join(f'"{name}"' for name in FIELDS)
CONDITIONS = {"action": "action = ?", "actor": "lower(actor) = lower(?)", "since": '"at" >= ?', "until": '"at" < ?'}
BATCH = 5_000
REPEATED = {  # what an event has said of a row NAME@VERSION
    "model_versions": ("digest", "run_id", "evaluation", "profile", "owner", "deleted_at"),
    "dataset_versions": ("fingerprint", "rows", "source", "digest"),
}


@dataclass(frozen=True)
class Chain:
    """The event chain of a store, in one state of the database."""

    connection: Connection
    chain_id: str
    end: tuple[int, str] | None  # number and hash of the newest event, as kept beside the chain

    def events(self) -> Generator[tuple[Any, ...]]:
        """Yield the fields of every event in order, its hash last."""
        for rows in streamed(self.connection, f"SELECT {LISTED} FROM events ORDER BY seq", batch=BATCH):
            yield from rows

    def found(self, model: str = "", **equal_or: str) -> list[dict[str, Any]]:
        """Return events, oldest first, with their data read.

        Parameters
        ----------
        model : str
            Only what is said of this name and its versions and aliases.
        **equal_or : str
            ``action`` and ``actor`` to equal, ``since`` and ``until`` to lie between; an empty text asks nothing.
        """
        asked: list[tuple[str, tuple[str, ...]]] = [
            (CONDITIONS[name], (value,)) for name, value in equal_or.items() if value
        ]
        if model:
            like = model.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "@%"
            asked.append(("(subject = ? OR subject LIKE ? ESCAPE '!')", (model, like)))
        where = " AND ".join(condition for condition, _ in asked) or "1 = 1"
        sql = f"SELECT {LISTED} FROM events WHERE {where} ORDER BY seq"
        rows = self.connection.execute(sql, tuple(v for _, values in asked for v in values)).fetchall()
        texts = ((_printable(v) for v in row) for row in rows)
        found = [dict(zip(FIELDS, row, strict=True)) for row in texts]
        return [{**event, "data": _read(event["data"])} for event in found]

    def distinct(self, column: str) -> set[str]:
        """Return what stands in ``action``, ``subject`` or ``actor`` of the events."""
        return {
            str(value) for (value,) in self.connection.execute(f'SELECT DISTINCT "{column}" FROM events').fetchall()
        }

    def head(self) -> tuple[int, str] | None:
        """Return number and hash of the newest event; None before the first."""
        found = self.connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return (int(found[0]), str(found[1])) if found else None

    def repeated(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that repeat what an event said: ``table``, ``key``, and what both hold.

        Of flags, whose texts are not in the chain, only those that do not fit it.
        """
        for table, said in REPEATED.items():
            columns = (*said, *REST[table])
            listed = ", ".join(f'"{name}"' for name in columns)
            for name, version, *row in self.connection.execute(
                f"SELECT name, version, {listed} FROM {table}"
            ).fetchall():
                values = dict(zip(columns, row, strict=True))
                hidden = {"deleted": values["deleted_at"] is not None} if "deleted_at" in values else {}
                about = {k: values[k] for k in said if k != "deleted_at"} | hidden | {"rest": rest(table, values)}
                yield {"table": table, "key": f"{name}@{version}", **about}
        yield from self._results()
        for flag in flags.unfit(self.connection):
            yield {"table": "flags", "key": flag, "unfit": True}

    def _results(self) -> Iterator[dict[str, Any]]:
        """Yield the results that events rest on."""
        sql = "SELECT data FROM events WHERE action IN ('register', 'alias') AND data LIKE ?"
        said = [_read(data).get("results") for (data,) in self.connection.execute(sql, ('%"results":{%',)).fetchall()]
        ids = sorted({key for results in said if isinstance(results, dict) for key in results})
        for part, holes in parts(ids):
            query = f"SELECT result_id, data FROM results WHERE result_id IN ({holes})"
            for result_id, data in self.connection.execute(query, part).fetchall():
                yield {"table": "results", "key": result_id, "digest": digest_of(data)}

    def reports(self) -> list[tuple[str, int, str]]:
        """Return name, number and data (JSON) of the reports that were kept."""
        found = self.connection.execute("SELECT name, number, data FROM reports ORDER BY made_at, number").fetchall()
        return [(str(name), int(number), str(data)) for name, number, data in found]


@contextmanager
def reading(project: Project) -> Iterator[Chain]:
    """Yield the chain of a project's store: what is read inside the block is of one moment.

    Parameters
    ----------
    project : Project

    Raises
    ------
    Unavailable
        The database is away or damaged.

    Examples
    --------
    >>> with reading(find_project()) as chain:  # doctest: +SKIP
    ...     chain.head()
    (12, '9f1c...')
    """
    with connect(project) as connection, connection.reading():
        if connection.sqlite:  # bytes that are no text are read too: a verdict is given on them, not an error
            connection.raw.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
        chain_id = str(connection.scalar("SELECT value FROM meta WHERE key = 'chain_id'"))
        yield Chain(connection, chain_id, _end(connection))


def _end(connection: Connection) -> tuple[int, str] | None:
    number, _, found = str(connection.scalar("SELECT value FROM meta WHERE key = 'head'") or "").partition(" ")
    return (int(number), found) if number.isdecimal() else None


def _printable(value: Any) -> str | int:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value if isinstance(value, int) else repr(value)


def _read(data: Any) -> dict[str, Any]:
    """Return the data of an event; what somebody made unreadable as it is, for a broken log is looked at too."""
    try:
        found = json.loads(data)
    except (TypeError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"unreadable": str(data)}
