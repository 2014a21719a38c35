"""Find runs: the index brought up to date, asked, and the rows it names read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import tell
from nbmlops.store import leases, queries, runs
from nbmlops.store.columns import LISTED, Table, refresh
from nbmlops.store.driver import connect, is_away
from nbmlops.store.summary import flat

if TYPE_CHECKING:
    from nbmlops.store.database import Store

__all__ = ["find"]


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
    store.catch_up()
    with connect(store.project, timeout_s=2) as connection:
        try:
            refresh(connection)
        except Exception as fault:
            if not is_away(fault):
                raise
            tell("The store can be read and not written just now: runs that changed last may be missing in this list.")
        with connection.reading():
            table = Table(connection)
            gone = leases.abandoned(connection)
            table.replace("status", "abandoned", sorted(gone))
            listed = table.column(LISTED).numbers
            wanted = ~np.isnan(listed) if children else listed == 1
            if query:
                wanted &= queries.choose(table, query)
            chosen = queries.order(table, np.flatnonzero(wanted), sort or "-started_at", limit).tolist()
            found = runs.rows_of(connection, chosen)
    there = [no for no in chosen if no in found and not found[no]["deleted_at"]]  # an index left behind names the gone
    return [flat(found[no]) | ({"status": "abandoned"} if no in gone else {}) for no in there]
