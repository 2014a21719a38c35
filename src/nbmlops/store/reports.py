"""Reports that were made, in SQL: of each subject numbered from 1, and never changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nbmlops.store.database import Store, as_json
from nbmlops.store.tables import reports, runs

__all__ = ["Kept", "add", "listed", "newest", "newest_number", "with_digest"]

SHOWN = sa.or_(runs.c.run_id.is_(None), runs.c.deleted_at.is_(None))


@dataclass(frozen=True)
class Kept:
    """A report that was made: of what, the how-manyth, and the digest under which what it says is kept."""

    subject: str
    number: int
    kind: str
    name: str
    run_id: str | None
    title: str
    as_of: str
    made_at: str
    digest: str
    data: Mapping[str, Any]


def add(store: Store, report: Kept) -> bool:
    """Keep a report if its number is the next of its subject; False when another was faster.

    Raises
    ------
    Unavailable
        The store cannot be written.
    """
    c = reports.c
    taken = sa.select(sa.func.max(c.number)).where(c.subject == report.subject)
    row = {**dataclasses.asdict(report), "data": as_json(report.data)}
    with store.atomic() as change:
        if int(change.connection.scalar(taken) or 0) + 1 != report.number:
            return False
        change.connection.execute(reports.insert().values(**row))
    return True


def newest(store: Store, subject: str) -> Kept | None:
    """Return the newest report of a subject, None where there is none."""
    found = listed(store, subject)
    return found[0] if found else None


def newest_number(connection: sa.Connection, subject: str) -> int:
    """Return the number of the newest report of a subject, 0 where there is none."""
    return int(connection.scalar(sa.select(sa.func.max(reports.c.number)).where(reports.c.subject == subject)) or 0)


def listed(store: Store, subject: str | None = None) -> list[Kept]:
    """Return the reports of a subject, or all but those of deleted runs; the last made first."""
    c = reports.c
    query = sa.select(reports).select_from(reports.outerjoin(runs, runs.c.run_id == c.run_id)).where(SHOWN)
    order: tuple[Any, ...] = (c.made_at.desc(), c.subject, c.number.desc())
    if subject is not None:  # by number: the clocks of two machines need not agree
        query, order = sa.select(reports).where(c.subject == subject), (c.number.desc(),)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(*order)).mappings()
        return [_kept(row) for row in rows]


def with_digest(store: Store, digest: str) -> Kept | None:
    """Return the report whose facts have a digest, None where there is none."""
    with store.reading() as connection:
        row = connection.execute(sa.select(reports).where(reports.c.digest == digest)).mappings().first()
    return _kept(row) if row else None


def _kept(row: sa.RowMapping) -> Kept:
    return Kept(**{**row, "data": json.loads(row["data"])})
