"""Bring journal events into the database, each journal's watermark in the transaction of its batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nbmlops.records import plain
from nbmlops.store import journal, tables

__all__ = ["pending", "replay"]

BATCH = 5000
SPECIAL = {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}
RUN_JSON = {"error", "git", "process", "defaults"}


def replay(engine: sa.Engine, path: Path) -> int:
    """Apply the events of a journal after its watermark; return how many.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    path : Path
        A journal file, possibly still being written.
    """
    done = 0
    if _read_offset(engine, path) == path.stat().st_size:
        return 0
    while True:
        with engine.execution_options(begin="IMMEDIATE").begin() as connection:
            # The watermark is read again in here: another process may have been faster.
            offset = _offset(connection, path)
            batch = list(islice(journal.read(path, offset), BATCH))
            if not batch:
                return done
            for after, event in batch:
                _apply(connection, path, after, event)
            _set_offset(connection, path, offset, batch[-1][0])
            done += len(batch)


def _apply(connection: sa.Connection, path: Path, after: int, event: Mapping[str, Any]) -> None:
    """Apply one event; one that cannot be stored is set aside, and the others are not held up by it."""
    try:
        with connection.begin_nested():
            APPLY[event["t"]](connection, event)
    except (sa.exc.SQLAlchemyError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
        row = {"journal_id": path.stem, "after": after, "kind": str(event.get("t"))[:40], "reason": reason}
        connection.execute(tables.set_aside.insert().values(**row))


def pending(engine: sa.Engine, path: Path) -> int:
    """Return how many whole events a journal holds beyond its watermark."""
    return sum(1 for _ in journal.read(path, _read_offset(engine, path)))


def _read_offset(engine: sa.Engine, path: Path) -> int:
    with engine.connect() as connection:
        return _offset(connection, path)


def _offset(connection: sa.Connection, path: Path) -> int:
    query = sa.select(tables.journals.c.offset).where(tables.journals.c.journal_id == path.stem)
    return int(connection.scalar(query) or 0)


def _set_offset(connection: sa.Connection, path: Path, before: int, after: int) -> None:
    if before:
        known = tables.journals.c.journal_id == path.stem
        connection.execute(tables.journals.update().where(known).values(offset=after))
    else:
        connection.execute(tables.journals.insert().values(journal_id=path.stem, offset=after))


def _text(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _run_values(event: Mapping[str, Any]) -> dict[str, Any]:
    names = tables.runs.c.keys()
    return {k: _text(v) if k in RUN_JSON else v for k, v in event.items() if k in names}


def _run(connection: sa.Connection, event: Mapping[str, Any]) -> None:
    connection.execute(tables.runs.insert().values(**_run_values(event)))


def _update(connection: sa.Connection, event: Mapping[str, Any]) -> None:
    values = _run_values(event)
    connection.execute(tables.runs.update().where(tables.runs.c.run_id == values.pop("run_id")).values(**values))


def _replace(table: sa.Table) -> Callable[[sa.Connection, Mapping[str, Any]], None]:
    """Return a writer that keeps the newest row per run and name."""

    def write(connection: sa.Connection, event: Mapping[str, Any]) -> None:
        row = _row(table, event)
        connection.execute(table.delete().where(table.c.run_id == row["run_id"], table.c.name == row["name"]))
        connection.execute(table.insert().values(**row))

    return write


def _insert(table: sa.Table) -> Callable[[sa.Connection, Mapping[str, Any]], None]:
    """Return a writer of one row, or of the many that share the event's other fields."""

    def write(connection: sa.Connection, event: Mapping[str, Any]) -> None:
        shared = {k: v for k, v in event.items() if k != "rows" or "rows" in table.c}
        rows = event["rows"] if isinstance(event.get("rows"), list) else [{}]
        connection.execute(table.insert(), [_row(table, {**shared, **row}) for row in rows])

    return write


def _row(table: sa.Table, event: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the event's fields that are columns; a param's value and any container become JSON."""
    as_text = table in (tables.params, tables.predictions, tables.feedback)
    return {
        k: _text(v) if isinstance(v, (dict, list)) or (as_text and k in ("value", "outcome")) else v
        for k, v in event.items()
        if k in table.c
    }


def _metric(connection: sa.Connection, event: Mapping[str, Any]) -> None:
    value = event["value"]
    special = SPECIAL.get(value) if isinstance(value, str) else None
    row = {**event, "value": None if special else value, "special": special}
    _insert(tables.metrics)(connection, row)


APPLY: Mapping[str, Callable[[sa.Connection, Mapping[str, Any]], None]] = {
    "run": _run,
    "update": _update,
    "param": _replace(tables.params),
    "tag": _replace(tables.tags),
    "artifact": _replace(tables.artifacts),
    "metric": _metric,
    "dataset": _insert(tables.datasets),
    "model": _insert(tables.models),
    "result": _insert(tables.results),
    "prediction": _insert(tables.predictions),
    "feedback": _insert(tables.feedback),
}
