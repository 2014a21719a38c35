"""Read the order record back: what a kernel ran, and which kernel a run is of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbmlops.store.runs import reading

if TYPE_CHECKING:
    from nbmlops.store.database import Store

__all__ = ["executions_of", "kernel_of"]

NAMES = ("reads", "writes", "mutates")
COLUMNS = ("number", "run_id", "cell_id", "notebook", "digest", *NAMES, "status", "at")


def kernel_of(store: Store, run_id: str) -> str | None:
    """Return the kernel that executed a run's cell; None when no execution of it is recorded.

    Parameters
    ----------
    store : Store
    run_id : str
        A whole id.

    Examples
    --------
    >>> kernel_of(open_store(find_project()), "01a...")  # doctest: +SKIP
    '01b...'
    """
    query = "SELECT kernel FROM executions WHERE run_id = ? ORDER BY at DESC LIMIT 1"
    with reading(store) as connection:
        found = connection.scalar(query, (run_id,))
    return None if found is None else str(found)


def executions_of(store: Store, kernel: str) -> list[dict[str, Any]]:
    """Return every recorded execution of a kernel, in order.

    Parameters
    ----------
    store : Store
    kernel : str

    Returns
    -------
    list of dict
        With ``number``, ``run_id``, ``cell_id``, ``notebook``, ``digest`` (the source is the artifact of that digest),
        the tuples of names ``reads``, ``writes`` and ``mutates``, ``status`` (finished or failed) and ``at``.

    Examples
    --------
    >>> executions_of(open_store(find_project()), "01b...")[0]["writes"]  # doctest: +SKIP
    ('df',)
    """
    query = f"SELECT {', '.join(COLUMNS)} FROM executions WHERE kernel = ? ORDER BY number"
    with reading(store) as connection:
        rows = connection.execute(query, (kernel,)).fetchall()
    found = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return [{**row, **{name: tuple(json.loads(row[name])) for name in NAMES}} for row in found]
