"""Works as a list shows them: what runs first, then what failed, each with the cell it is at and why it ended so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NotFound
from nbmlops.records import now
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.jobs.schedule.byhand import Retrained
    from nbmlops.report.sanitize import Cell
    from nbmlops.store.database import Store
    from nbmlops.store.works import Work

__all__ = ["beside", "cells_of", "shown", "work_of", "works"]

WHERE = re.compile(r"cell (\d+) of (\d+): ?(.*)", re.S)
OF_RUN = ("run_id", "status", "cause", "started_at", "ended_at", "duration_s", "error", "tags", "author")
FIRST = {"started": 0, "due": 1, "failed": 2, "missed": 2}
LONGEST = 300  # characters of an error
Json = dict[str, Any]


def works(project: Project, limit: int = 100, keys: Sequence[str] = ()) -> list[Json]:
    """Return works with their runs: those that run first, then those that failed, then the rest, the newest first.

    Parameters
    ----------
    project : Project
    limit : int
        At most this many; what runs or is due is always there.
    keys : sequence of str
        Only these.

    Returns
    -------
    list of dict
        ``work_id run_id job key status reason notebook started_at ended_at duration_s cells error output live`` and
        what else a work is: ``trigger attempt most parameters``.

    Examples
    --------
    >>> [w["status"] for w in works(find_project())]  # doctest: +SKIP
    ['started', 'failed', 'finished']
    """
    from nbmlops.jobs.schedule.ticker import made_store
    from nbmlops.store import ledger

    store = made_store(project)
    if store is None:
        return []
    if keys:
        found = [held for key in keys if (held := ledger.get(store, key))]
    else:
        open_ = ledger.list(store, state=("started", "due"), limit=1000)
        known = {work.key for work in open_}
        found = [*open_, *(w for w in ledger.list(store, limit=limit) if w.key not in known)][: max(limit, len(open_))]
    runs = _runs(store, [work.run_id for work in found if work.run_id])
    rows = [_row(store, work, runs.get(work.run_id or "", {})) for work in found]
    return sorted(rows, key=lambda row: FIRST.get(str(row["status"]), 3))


def shown(key: str) -> Retrained:
    """Return a work with its run and its cells as they are now, also while it runs.

    Raises
    ------
    NotFound
        There is no such work.
    """
    from nbmlops.jobs.schedule import byhand

    found = byhand.shown(work_of(key))
    if found.run.status != "running":
        return found
    at = cells_of(found.run.tags, "running")
    return replace(found, cells=tuple(_live(cell, at["done"]) for cell in found.cells) if at["total"] else found.cells)


def _live(cell: Cell, done: int) -> Cell:
    """Return a cell of what still runs as it is: the file of the output is saved now and then, and lags behind."""
    if cell.kind != "code" or cell.number > done + 1 or cell.status not in ("pending", "running", None, ""):
        return cell
    return replace(cell, status="running" if cell.number == done + 1 else "completed")


def work_of(key: str) -> Work:
    """Return a work by its key.

    Raises
    ------
    NotFound
        There is none.
    """
    from nbmlops.store import ledger

    held = ledger.get(session.store(), key)
    if held is None:
        raise NotFound(f"No work {key[:80]!r}.", "List them: nbmlops jobs history")
    return held


def beside(key: str) -> Path:
    """Copy what a work's newest attempt has executed so far beside its notebook, where it can be opened; return where.

    The copy is called as the notebook and the end of the run's id. No file is replaced: one that says something else by
    now is somebody's, and the copy gets another number.

    Raises
    ------
    NotFound
        There is no such work, or nothing of it on this machine.

    Examples
    --------
    >>> beside("retrain@2026-03-01T01:00:00+00:00").name  # doctest: +SKIP
    'retrain-5c1a2f.ipynb'
    """
    from nbmlops.jobs import files

    held, root = work_of(key), session.project().root
    tags: Json = next((json.loads(r["tags"] or "{}") for r in _runs(session.store(), [held.run_id or ""]).values()), {})
    output, notebook = root / str(tags.get("output") or ""), root / held.notebook
    if not output.is_file() or not notebook.parent.is_dir():
        raise NotFound(f"Nothing that {key[:80]} executed lies on this machine.", "Look at its run.")
    content, name = output.read_bytes(), f"{notebook.stem}-{(held.run_id or '')[-6:]}"
    names = (notebook.with_name(f"{name}{more}.ipynb") for more in chain([""], (f"-{n}" for n in count(2))))
    target = next(path for path in names if not path.exists() or path.read_bytes() == content)
    if not target.exists():
        files.replace(target, content)
    return target


def cells_of(tags: Mapping[str, Any], status: str) -> Json:
    """Return how far an execution is: cells done, in all, and the one it is at or ended in.

    >>> cells_of({"progress": "cell 3 of 12: fit the forest"}, "running")
    {'done': 2, 'total': 12, 'current': 'fit the forest'}
    """
    found = WHERE.fullmatch(str(tags.get("progress") or ""))
    if found is None:
        return {"done": 0, "total": 0, "current": None}
    at, total, what = int(found[1]), int(found[2]), found[3]
    if status == "finished":
        return {"done": total, "total": total, "current": None}
    return {"done": at - 1, "total": total, "current": what}


def _runs(store: Store, run_ids: Sequence[str]) -> dict[str, Json]:
    from nbmlops.store.runs import heads

    return {row["run_id"]: row for row in heads(store, run_ids, OF_RUN)}


def _row(store: Store, work: Work, run: Mapping[str, Any]) -> Json:
    attempt = _attempt(store, work) if work.state == "started" else None
    tags = json.loads(run.get("tags") or "{}")
    names = ("job", "key", "notebook", "trigger", "attempt", "most", "created_at", "scheduled_for")
    return {
        "work_id": work.key,
        "run_id": work.run_id,
        "status": work.state,
        "reason": work.reason or work.spec.get("because"),
        "started_at": run.get("started_at") or (attempt.started_at if attempt else None),
        "ended_at": work.ended_at or run.get("ended_at"),
        "duration_s": run.get("duration_s"),
        "cells": cells_of(tags, str(run.get("status") or "")),
        "error": _error(run.get("error")),
        "output": tags.get("output"),
        "live": bool(attempt and attempt.ended_at is None and attempt.lease_until >= now()),
        **{name: getattr(work, name) for name in names},
    }


def _attempt(store: Store, work: Work) -> Any:
    from nbmlops.store import ledger

    return next(iter(ledger.attempts_of(store, work.key)[-1:]), None)


def _error(text: str | None) -> str | None:
    """Return the error of a run in one line."""
    said = json.loads(text) if text else None
    line = " ".join(f"{said.get('name')}: {said.get('message')}".split()) if said else None
    return line[:LONGEST] if line else None
