"""The order record in the store: each source once by its content, each execution of a kernel that tracked anything."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from nbmlops.capture.order import Execution, History, to_dict
from nbmlops.records import new_id, now, plain
from nbmlops.tracking import session
from nbmlops.tracking.opened import write

__all__ = ["of_kernel", "write_pending"]

SOURCE, EXECUTION = "source", "execution"


def write_pending(history: History, notebook: str | None) -> None:
    """Write what ran since the last time, with the sources that are new.

    Parameters
    ----------
    history : History
    notebook : str or None
        Its path in the project.
    """
    for one in history.pending():
        if text := history.sources.pop(one.digest, ""):
            _write(str(uuid.UUID(one.digest[:32])), None, SOURCE, one.digest, {"text": text})
        about = {"kernel": history.kernel, "notebook": notebook}
        _write(new_id(), one.run_id, EXECUTION, history.kernel, {**plain(to_dict(one)), **about})


def of_kernel(run_id: str) -> list[tuple[Execution, str]]:
    """Return (execution, source) of everything that ran in the kernel of a run, in order.

    Parameters
    ----------
    run_id : str
        A tracked cell's.

    Examples
    --------
    >>> [source for _, source in of_kernel(nb.get_run("forest").run_id)]  # doctest: +SKIP
    """
    from nbmlops.store.runs import results_of

    store = session.store()
    mine = results_of(store, [run_id], EXECUTION)
    if not mine:
        return []
    found = [r["data"] for r in results_of(store, None, EXECUTION, mine[0]["subject"])]
    sources = {d: results_of(store, None, SOURCE, d) for d in {one["digest"] for one in found}}
    ordered = sorted(found, key=lambda one: int(one["number"]))
    return [(_execution(one), sources[one["digest"]][0]["data"]["text"]) for one in ordered]


def _execution(data: Mapping[str, Any]) -> Execution:
    fields: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k not in ("kernel", "notebook")
    }
    return Execution(**fields)


def _write(result_id: str, run_id: str | None, kind: str, subject: str, data: Mapping[str, Any]) -> None:
    about = {"result_id": result_id, "run_id": run_id, "kind": kind, "subject": subject, "at": now()}
    write({"t": "result", **about, "data": dict(data)})
