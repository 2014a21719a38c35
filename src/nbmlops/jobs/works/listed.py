"""Works, and runs of notebooks that belong to none, as a list shows them: what runs first, then what failed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Conflict, NotFound
from nbmlops.records import now
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.jobs.schedule.byhand import Retrained
    from nbmlops.report.sanitize import Cell
    from nbmlops.store.database import Store
    from nbmlops.store.works import State, Work

__all__ = ["beside", "cells_of", "held", "newest", "rows", "shown", "work_of", "works"]

WHERE = re.compile(r"cell (\d+) of (\d+): ?(.*)", re.S)
OF_RUN = ("run_id", "status", "cause", "started_at", "ended_at", "duration_s", "error", "tags", "author")
STATES: dict[str, State] = {"running": "started", "finished": "finished", "interrupted": "cancelled"}
FIRST = {"started": 0, "due": 1, "failed": 2, "missed": 2}
LONGEST = 300  # characters of an error
Json = dict[str, Any]


def works(project: Project, limit: int = 100, keys: Sequence[str] = ()) -> list[Json]:
    """Return works with their runs: those that run first, then those that failed, then the rest, the newest first.

    What was executed without a key is a run that belongs to no work: it is among them, with no ``work_id`` and no key.

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
    found = [work for key in keys if (work := ledger.get(store, key))] if keys else newest(store, limit)
    return sorted(rows(store, found), key=lambda row: FIRST.get(str(row["status"]), 3))


def rows(store: Store, found: Sequence[Work]) -> list[Json]:
    """Return works with their runs, in the order they have."""
    runs = _runs(store, [work.run_id for work in found if work.run_id])
    return [_row(store, work, runs.get(work.run_id or "", {})) for work in found]


def newest(store: Store, limit: int) -> list[Work]:
    """Return what runs or is due, and then what ended, the newest first, be it a work or a run that belongs to none."""
    from nbmlops.store import ledger
    from nbmlops.store.notebooks import alone

    works = [*ledger.list(store, state=("started", "due"), limit=1000)]
    known = {work.key for work in works}
    works += [work for work in ledger.list(store, limit=limit) if work.key not in known]
    works += [_as_work(run) for run in alone(store, limit)]
    open_ = [work for work in works if work.state in ("started", "due")]
    ended = sorted((w for w in works if w.state not in ("started", "due")), key=lambda w: w.created_at, reverse=True)
    return [*open_, *ended][: max(limit, len(open_))]


def _as_work(run: Mapping[str, Any]) -> Work:
    """Return a run that belongs to no work as a list of works shows it: without a key, for the ledger has none."""
    from nbmlops.store.works import Work

    said = None if run["cause"] in (None, "error") else str(run["cause"]).replace("_", " ")
    return Work(
        key="",
        notebook=run["notebook"] or "",
        state=STATES.get(run["status"], "failed"),
        job=None if run["notebook"] else run["experiment"],
        reason=said,
        attempt=1,
        created_at=run["started_at"],
        ended_at=run["ended_at"],
        run_id=run["run_id"],
    )


def shown(ref: str) -> Retrained:
    """Return a work with its run and its cells as they are now, also while it runs.

    Parameters
    ----------
    ref : str
        The key of a work, or the id of a run: an attempt at a work, or one that belongs to none.

    Raises
    ------
    NotFound
        There is no such work or run.
    """
    from nbmlops.jobs.schedule import byhand

    found = byhand.shown(held(ref))
    if found.run.status != "running":
        return found
    at = cells_of(found.run.tags, "running")
    return replace(found, cells=tuple(_live(cell, at["done"]) for cell in found.cells) if at["total"] else found.cells)


def _live(cell: Cell, done: int) -> Cell:
    """Return a cell of what still runs as it is: the file of the output is saved now and then, and lags behind."""
    if cell.kind != "code" or cell.number > done + 1 or cell.status not in ("pending", "running", None, ""):
        return cell
    return replace(cell, status="running" if cell.number == done + 1 else "completed")


def work_of(ref: str) -> Work:
    """Return a work by its key or the id of a run of it.

    Raises
    ------
    NotFound
        There is none.
    Conflict
        It is a run that belongs to no work: the ledger can neither end it nor try it again.
    """
    found = held(ref)
    if not found.key:
        said = f"Run {ref} belongs to no work: it was executed without a key."
        raise Conflict(said, "End it where it was begun, or execute its notebook anew.")
    return found


def held(ref: str) -> Work:
    """Return a work by its key or the id of a run of it; a run that belongs to none looks like one without a key.

    Raises
    ------
    NotFound
        There is neither.
    """
    from nbmlops.store import ledger
    from nbmlops.store.notebooks import alone

    store = session.store()
    if run := next(iter(alone(store, 1, ref)), None):
        return _as_work(run)
    found = ledger.get(store, ledger.key_of(store, ref) or ref)
    if found is None:
        raise NotFound(f"No work {ref[:80]!r}.", "List them: nbmlops jobs history")
    return found


def beside(ref: str) -> Path:
    """Copy what a work's newest attempt has executed so far beside its notebook, where it can be opened; return where.

    The copy is called as the notebook and the end of the run's id. No file is replaced: one that says something else by
    now is somebody's, and the copy gets another number.

    Raises
    ------
    NotFound
        There is no such work or run, or nothing of it on this machine.

    Examples
    --------
    >>> beside("retrain@2026-03-01T01:00:00+00:00").name  # doctest: +SKIP
    'retrain-5c1a2f.ipynb'
    """
    from nbmlops.jobs import files

    work, root = held(ref), session.project().root
    tags: Json = next((json.loads(r["tags"] or "{}") for r in _runs(session.store(), [work.run_id or ""]).values()), {})
    output, notebook = root / str(tags.get("output") or ""), root / work.notebook
    if not output.is_file() or not notebook.parent.is_dir():
        raise NotFound(f"Nothing that {ref[:80]} executed lies on this machine.", "Look at its run.")
    content, name = output.read_bytes(), f"{notebook.stem}-{(work.run_id or '')[-6:]}"
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
    attempt = _attempt(store, work) if work.key and work.state == "started" else None
    tags = json.loads(run.get("tags") or "{}")
    names = ("job", "notebook", "trigger", "attempt", "most", "created_at", "scheduled_for")
    return {
        "work_id": work.key or None,
        "run_id": work.run_id,
        "key": work.key or None,
        "status": work.state,
        "reason": work.reason or work.spec.get("because"),
        "started_at": run.get("started_at") or (attempt.started_at if attempt else None),
        "ended_at": work.ended_at or run.get("ended_at"),
        "duration_s": run.get("duration_s"),
        "cells": cells_of(tags, str(run.get("status") or "")),
        "error": _error(run.get("error")),
        "output": tags.get("output"),
        "live": _lives(attempt) if work.key else work.state == "started",
        **{name: getattr(work, name) for name in names},
    }


def _lives(attempt: Any) -> bool:
    return bool(attempt and attempt.ended_at is None and attempt.lease_until >= now())


def _attempt(store: Store, work: Work) -> Any:
    from nbmlops.store import ledger

    return next(iter(ledger.attempts_of(store, work.key)[-1:]), None)


def _error(text: str | None) -> str | None:
    """Return the error of a run in one line."""
    said = json.loads(text) if text else None
    line = " ".join(f"{said.get('name')}: {said.get('message')}".split()) if said else None
    return line[:LONGEST] if line else None
