"""Find runs: the index brought up to date, asked, and the rows it names read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import tell
from nbmlops.store import leases, queries, renamed, runs
from nbmlops.store.columns import LISTED, Table, refresh
from nbmlops.store.driver import connect, is_away
from nbmlops.store.summary import flat

if TYPE_CHECKING:
    from nbmlops.store.database import Store
    from nbmlops.store.driver import Connection

__all__ = ["find", "page"]


def find(
    store: Store,
    query: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    children: bool = False,
) -> list[dict[str, Any]]:
    """Return runs as flat rows, chosen, sorted (the newest first) and cut.

    Parameters
    ----------
    store : Store
    query : str, optional
        Such as ``roc_auc > 0.6 and C <= 1``.
    sort : str, optional
        A column; a minus before it means largest first.
    limit : int, optional
    children : bool
        Also runs that are part of another.
    """
    with _indexed(store) as (connection, table):
        gone = leases.abandoned(connection)
        chosen, _ = _chosen(table, gone, query, sort, children, limit)
        found = runs.rows_of(connection, chosen)
    there = [no for no in chosen if no in found and not found[no]["deleted_at"]]  # an index left behind names the gone
    return [flat(found[no]) | ({"status": "abandoned"} if no in gone else {}) for no in there]


def page(
    store: Store, query: str | None = None, notebook: str | None = None, limit: int = 100, offset: int = 0
) -> tuple[list[dict[str, Any]], int]:
    """Return some of the runs that stand for themselves, the newest first, as lists show them; and how many there are.

    Parameters
    ----------
    store : Store
    query : str, optional
        As :func:`find` takes it.
    notebook : str, optional
        Only runs of this notebook (its path relative to the project), also under a name it had before.
    limit, offset : int
        How many, behind how many.
    """
    with _indexed(store) as (connection, table):
        gone = leases.abandoned(connection)
        names = _names(connection, table, store.project.root, notebook) if notebook is not None else None
        chosen, total = _chosen(table, gone, query, None, False, offset + limit, names)
        some = chosen[offset:]
        found = runs.rows_of(connection, some, ("cause", "author", "cell_id", "previous"))
    there = [found[no] for no in some if no in found and not found[no]["deleted_at"]]
    ended = {no: {"status": "abandoned", "cause": gone[no]} for no in some if no in gone}
    return [row | ended.get(row["no"], {}) for row in there], total


def _chosen(
    table: Table,
    gone: Mapping[int, Any],
    query: str | None,
    sort: str | None,
    children: bool,
    limit: int | None,
    notebooks: list[str] | None = None,
) -> tuple[list[int], int]:
    """Return the numbers of the runs that are asked for, sorted and cut; and how many there are without the cut."""
    table.replace("status", "abandoned", sorted(gone))
    listed = table.column(LISTED).numbers
    wanted = ~np.isnan(listed) if children else listed == 1
    if notebooks is not None:
        column = table.column("notebook")
        wanted &= np.isin(column.codes, [(column.places or {}).get(name, -2) for name in notebooks])
    if query:
        wanted &= queries.choose(table, query)
    places = np.flatnonzero(wanted)
    return queries.order(table, places, sort or "-started_at", limit).tolist(), len(places)


def _names(connection: Connection, table: Table, root: Path, notebook: str) -> list[str]:
    return renamed.names(connection, root, notebook, list(table.column("notebook").places or {}))


@contextmanager
def _indexed(store: Store) -> Iterator[tuple[Connection, Table]]:
    """Yield a reading connection, and the index brought up to date."""
    store.catch_up()
    with connect(store.project, timeout_s=2) as connection:
        try:
            refresh(connection)
        except Exception as fault:
            if not is_away(fault):
                raise
            tell("The store can be read and not written just now: runs that changed last may be missing in this list.")
        with connection.reading():
            yield connection, Table(connection)
