"""The order record in the store: each execution of a kernel that tracked anything, each source once by its content."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.capture.order import Execution, History
from nbmlops.store import waiting
from nbmlops.tracking import session
from nbmlops.tracking.machine import warn_once
from nbmlops.tracking.opened import write

__all__ = ["of_kernel", "write_pending"]

NAMES = ("reads", "writes", "mutates")
_writing: list[threading.Thread] = []


def write_pending(history: History, notebook: str | None) -> None:
    """Write what ran since the last time; where sources are new a thread does, for storing them takes a sync each.

    Parameters
    ----------
    history : History
    notebook : str or None
        Its path in the project.
    """
    pending = history.pending()
    sources = {one.digest: history.sources.pop(one.digest) for one in pending if one.digest in history.sources}
    about = {"kernel": history.kernel, "notebook": notebook}
    if not sources:
        _write(pending, sources, about)
        return
    thread = threading.Thread(target=_write, args=(pending, sources, about), name="nbmlops-order")
    _writing[:] = [*(t for t in _writing if t.is_alive()), thread]
    thread.start()


def of_kernel(run_id: str) -> list[tuple[dict[str, Any], str]]:
    """Return (execution, source) of everything that ran in the kernel of a run, in order.

    Parameters
    ----------
    run_id : str
        A tracked cell's.

    Examples
    --------
    >>> [source for _, source in of_kernel(nb.get_run("forest").run_id)]  # doctest: +SKIP
    """
    from nbmlops.store.executions import executions_of, kernel_of

    for thread in _writing:
        thread.join()
    store, place = session.store(), session.artifacts()
    kernel = kernel_of(store, run_id)
    found = executions_of(store, kernel) if kernel else []
    sources = {digest: place.get(digest).decode() for digest in {one["digest"] for one in found}}
    return [(one, sources[one["digest"]]) for one in found]


def _write(pending: Sequence[Execution], sources: Mapping[str, str], about: Mapping[str, Any]) -> None:
    try:
        for source in sources.values():
            waiting.keep(session.artifacts(), source.encode("utf-8", "replace"))
        for one in pending:
            write({"t": "execution", **about, **_fields(one)})
    except Exception as error:  # what ran is a record beside the run: it costs the record, not the cell
        with contextlib.suppress(Exception):
            warn_once(error)


def _fields(one: Execution) -> dict[str, Any]:
    names = {name: list(getattr(one, name)) for name in NAMES}
    names["writes"] += ["*"] if one.opaque else []
    cell_id = one.cell if one.cell != one.digest else None  # without an id the source stands for the cell
    how = {"status": "finished" if one.succeeded else "failed", "at": one.at}
    return {"number": one.number, "run_id": one.run_id, "cell_id": cell_id, "digest": one.digest, **names, **how}
