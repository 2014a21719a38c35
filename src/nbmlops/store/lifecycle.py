"""Delete runs and bring them back: a tombstone, until gc takes it away (see garbage.py).

What an event of the chain mentions stays for good: the record of who decided what must remain readable.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nbmlops.config import Project
from nbmlops.errors import Conflict, Unavailable
from nbmlops.records import iso
from nbmlops.store import ingest
from nbmlops.store.driver import Connection, connect, parts

__all__ = ["delete_runs", "deleted_runs", "lineage", "mentioned", "restore_runs", "streamed"]

RUN_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SAID = re.compile(rf"{RUN_ID}|[0-9a-f]{{64}}")


def delete_runs(project: Project, run_ids: Sequence[str]) -> list[str]:
    """Hide runs and everything that is part of them; return the ids that are hidden now.

    Parameters
    ----------
    project : Project
    run_ids : sequence of str

    Raises
    ------
    Conflict
        A registered model version came from one of them.
    Unavailable
        The database is away or damaged. Nothing is deleted then, unless the message says that this is not known.

    Examples
    --------
    >>> delete_runs(find_project(), ["01a..."])  # doctest: +SKIP
    """
    ingest.sync(project)
    at, hidden = iso(time.time()), None
    try:
        with connect(project) as connection, connection.writing():
            chosen = lineage(connection, run_ids)
            _refuse_registered(connection, chosen)
            hidden = _stamp(connection, chosen, at)
    except Unavailable as error:  # the disk or server may have committed and failed then
        if not (hidden and _was_hidden(project, hidden[0], at, error)):
            raise
    return hidden


def _refuse_registered(connection: Connection, run_ids: Sequence[str]) -> None:
    for part, holes in parts(run_ids):
        query = (
            f"SELECT run_id, name, version FROM model_versions WHERE run_id IN ({holes}) AND deleted_at IS NULL "
            "ORDER BY name, version"
        )
        if found := connection.execute(query, part).fetchone():
            run_id, name, version = found
            raise Conflict(
                f"Run {run_id[-6:]} made the registered model {name}@{version}, so it is not deleted.",
                f"First: nbmlops store delete {name}@{version}",
            )


def _was_hidden(project: Project, run_id: str, at: str, failed: Unavailable) -> bool:
    """Tell whether a run is hidden since a time, for good: the sync of this commit covers the one before."""
    try:
        with connect(project) as connection, connection.writing():
            connection.execute("UPDATE meta SET value = value WHERE key = 'chain_id'")
            return bool(connection.scalar("SELECT deleted_at FROM runs WHERE run_id = ?", (run_id,)) == at)
    except Unavailable:
        raise Unavailable(
            f"It is not known whether the runs were deleted. {failed.message}",
            "Look before you repeat it: nbmlops store restore",
        ) from None


def restore_runs(project: Project, run_id: str) -> list[str]:
    """Bring a deleted run back with what was deleted together with it; return the ids.

    Parameters
    ----------
    project : Project
    run_id : str
        A whole id, as :func:`deleted_runs` lists it.
    """
    with connect(project) as connection, connection.writing():
        at = connection.scalar("SELECT deleted_at FROM runs WHERE run_id = ?", (run_id,))
        both = lineage(connection, [run_id]) if at else []
        together = [i for part, holes in parts(both) for i in _deleted_at(connection, part, holes, at)]
        return _stamp(connection, together, None)


def deleted_runs(project: Project) -> list[dict[str, Any]]:
    """Return the runs that can be brought back, the last deleted first."""
    query = (
        "SELECT run_id, experiment, name, parent, started_at, deleted_at FROM runs WHERE deleted_at IS NOT NULL "
        "ORDER BY deleted_at DESC, no DESC"
    )
    ingest.sync(project)
    with connect(project) as connection:
        cursor = connection.execute(query)
        names = [d[0] for d in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def lineage(connection: Connection, run_ids: Iterable[str]) -> list[str]:
    """Return run ids with those of everything that is part of them, each once."""
    found: dict[str, None] = {}
    level = list(run_ids)
    while level:
        found.update(dict.fromkeys(level))
        inner = [
            i
            for part, holes in parts(level)
            for (i,) in connection.execute(f"SELECT run_id FROM runs WHERE parent IN ({holes})", part).fetchall()
        ]
        level = [i for i in inner if i not in found]
    return list(found)


def mentioned(connection: Connection) -> frozenset[str]:
    """Return the ids of runs and results, and the digests, that the event chain or a model version mentions."""
    found: set[str] = set()
    for sql in ("SELECT subject, data FROM events", "SELECT run_id, evaluation FROM model_versions"):
        for rows in streamed(connection, sql):
            for row in rows:
                found.update(i for text in row if text for i in SAID.findall(text))
    return frozenset(found)


def streamed(connection: Connection, sql: str, batch: int = 1000) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows by the batch, inside a transaction: a server sends them as they are asked for."""
    if connection.sqlite:
        cursor = connection.execute(sql)
    else:
        cursor = connection.raw.cursor(name="nbmlops_rows")
        cursor.execute(sql)
    with contextlib.closing(cursor):
        while rows := cursor.fetchmany(batch):
            yield rows


def _stamp(connection: Connection, run_ids: Sequence[str], at: str | None) -> list[str]:
    """Write or take off the tombstone where there is none or one; return whose it is."""
    changed = []
    for part, holes in parts(run_ids):
        state = "IS NULL" if at else "IS NOT NULL"
        query = f"SELECT no, run_id FROM runs WHERE run_id IN ({holes}) AND deleted_at {state} ORDER BY no"
        rows = connection.execute(query, part).fetchall()
        connection.executemany("UPDATE runs SET deleted_at = ? WHERE no = ?", [(at, no) for no, _ in rows])
        outdate(connection, [no for no, _ in rows])
        changed += [run_id for _, run_id in rows]
    return changed


def _deleted_at(connection: Connection, part: Sequence[str], holes: str, at: str) -> list[str]:
    query = f"SELECT run_id FROM runs WHERE run_id IN ({holes}) AND deleted_at = ?"
    return [i for (i,) in connection.execute(query, (*part, at)).fetchall()]


def outdate(connection: Connection, numbers: Sequence[int]) -> None:
    """Let the index of columns look at some runs again."""
    rows = [(no,) for no in numbers]
    connection.executemany("INSERT INTO stale (run) VALUES (?) ON CONFLICT DO NOTHING", rows)
