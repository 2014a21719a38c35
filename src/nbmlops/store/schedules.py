"""What is known of schedules, and who ticked last (see ledger.py for their fires)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nbmlops.store.database import Store, Transaction, as_json
from nbmlops.store.ledger import INSERT, reading
from nbmlops.store.tables import UNDONE, schedules, ticks, work
from nbmlops.store.works import later, utc

__all__ = ["forget", "known", "put", "ticked", "tickers", "waiting"]

Row = dict[str, Any]
TIMES = ("seen_until", "paused_at", "last_triggered")
REMEMBERED_S = 30 * 86_400.0  # each pod of a CronJob is a ticker of its own
NEW: Mapping[str, Any] = {"failures": 0, "state": "{}"}


def known(source: Store | Transaction, jobs: Iterable[str] | None = None) -> dict[str, Row]:
    """Return what is known of jobs, by name; ``state`` is a mapping."""
    query = sa.select(schedules).order_by(schedules.c.job)
    if jobs is not None:
        query = query.where(schedules.c.job.in_([*jobs]))
    with reading(source) as connection:
        found = connection.execute(query).mappings().all()
    return {row["job"]: {**row, "state": json.loads(row["state"])} for row in found}


def put(change: Transaction, job: str, **values: Any) -> None:
    """Write some columns of a job's schedule, which is made where there is none; times become UTC."""
    values |= {name: utc(values[name]) for name in TIMES if values.get(name)}
    if "state" in values:
        values["state"] = as_json(values["state"])
    _write(change, schedules, "job", {"job": job, **NEW, **values}, values)


def forget(change: Transaction, job: str) -> None:
    """Drop what is known of a job; its works stay."""
    change.connection.execute(schedules.delete().where(schedules.c.job == job))


def waiting(source: Store | Transaction, jobs: Iterable[str]) -> list[Row]:
    """Return what jobs do or have to do (key, job, state, not_before), the oldest first; no parameters are read."""
    c = work.c
    query = sa.select(c.id, c.key, c.job, c.state, c.not_before).where(c.job.in_([*jobs]), UNDONE)
    with reading(source) as connection:
        found = connection.execute(query).mappings().all()
    # Ordered here: SQLite would rather walk through all a job ever did, in order, than sort the few that are left.
    return [{k: v for k, v in row.items() if k != "id"} for row in sorted(found, key=lambda row: row["id"])]


def ticked(change: Transaction, host: str, at: str, took_s: float, what: Any) -> None:
    """Write the newest tick of a ticker, ``what`` as JSON; tickers that have not ticked for a month are forgotten."""
    change.connection.execute(ticks.delete().where(ticks.c.at < later(utc(at), -REMEMBERED_S)))
    values = {"at": utc(at), "took_s": took_s, "what": as_json(what)}
    _write(change, ticks, "host", {"host": host, **values}, values)


def tickers(source: Store | Transaction) -> list[Row]:
    """Return the newest tick of each ticker (host, at, took_s, what), the newest first."""
    with reading(source) as connection:
        found = connection.execute(sa.select(ticks).order_by(ticks.c.at.desc(), ticks.c.host)).mappings().all()
    return [{**row, "what": json.loads(row["what"])} for row in found]


def _write(change: Transaction, table: sa.Table, key: str, new: Row, values: Row) -> None:
    """Insert a row, or change some columns of the one that is there."""
    adding = INSERT[change.connection.dialect.name](table).values(new)
    if values:
        adding = adding.on_conflict_do_update(index_elements=[key], set_=values)
    else:
        adding = adding.on_conflict_do_nothing()
    change.connection.execute(adding)
