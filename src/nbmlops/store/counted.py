"""How much was done lately, and when anything was last known: counts and times, no rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from nbmlops.store import leases
from nbmlops.store.database import Store
from nbmlops.store.runs import reading

__all__ = ["last_known", "runs", "works"]

# Where the newest fact of each kind is; what is kept about reports and alerts says nothing of the project.
NEWEST = (
    ("runs", "started_at"),
    ("runs", "ended_at"),
    ("results", "at"),
    ("events", "at"),
    ("episodes", "last_at"),
    ("work", "created_at"),
    ("work", "ended_at"),
    ("dataset_versions", "created_at"),
    ("predictions", "at"),
    ("feedback", "at"),
)


def runs(store: Store, since: str) -> dict[str, int]:
    """Return how many runs began since a time, by status; folds, trials and runs that are part of others are left out.

    Parameters
    ----------
    store : Store
    since : str
        An ISO time in UTC.
    """
    query = (
        "SELECT no, status FROM runs WHERE started_at >= ? AND deleted_at IS NULL AND experiment IS NOT NULL "
        "AND (parent IS NULL OR kind = 'cell')"
    )
    with reading(store) as connection:
        gone = leases.abandoned(connection)
        found = connection.execute(query, (since,)).fetchall()
    return dict(sorted(Counter("abandoned" if number in gone else str(status) for number, status in found).items()))


def works(store: Store, since: str) -> list[dict[str, Any]]:
    """Return how many works were added since a time, by job and state, and when the newest of each ended.

    Parameters
    ----------
    store : Store
    since : str
        An ISO time in UTC.
    """
    query = (
        "SELECT job, state, count(*), max(ended_at) FROM work WHERE created_at >= ? AND job IS NOT NULL "
        "GROUP BY job, state ORDER BY job, state"
    )
    with reading(store) as connection:
        found = connection.execute(query, (since,)).fetchall()
    return [{"job": job, "state": state, "count": n, "last_at": at} for job, state, n, at in found]


def last_known(store: Store) -> str | None:
    """Return the newest time of anything that is kept about the project, None where there is nothing.

    Parameters
    ----------
    store : Store
    """
    with reading(store) as connection:
        times = [connection.scalar(f"SELECT max({column}) FROM {table}") for table, column in NEWEST]
    return max((str(t) for t in times if t), default=None)
