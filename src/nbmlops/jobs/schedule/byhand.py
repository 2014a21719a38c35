"""Run a job now, through the ledger as any fire of it: ``nb.retrain``."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.capture import environment
from nbmlops.errors import Conflict, NotFound, tell
from nbmlops.hooks import Shown
from nbmlops.jobs.schedule import definition, times
from nbmlops.jobs.schedule.plan import Fire
from nbmlops.records import now, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.jobs.progress import Progress
    from nbmlops.jobs.schedule.definition import Job
    from nbmlops.report.sanitize import Cell
    from nbmlops.store.database import Store
    from nbmlops.store.works import Claim, Work
    from nbmlops.tracking.runs import Run

__all__ = ["Retrained", "fire_row", "retrain", "shown"]

LOOK_S = 0.5
NOTICE = "papermill-error-cell-tag"


@dataclass(frozen=True, repr=False)
class Retrained(Shown):
    """What became of a job that was run by hand: its work, its run, its cells with what they showed."""

    shows: ClassVar[str] = "retrained"

    work: Work
    run: Run
    cells: tuple[Cell, ...] = ()
    then: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON; cells are made safe for a page."""
        about = {name: getattr(self.work, name) for name in ("job", "key", "state", "reason", "attempt", "most")}
        names = ("run_id", "status", "cause", "duration_s", "error", "metrics")
        run = {name: plain(getattr(self.run, name)) for name in names}
        output = self.run.tags.get("output")
        return {**about, "run": run, "output": output, "cells": plain(self.cells), "then": plain(self.then)}


def retrain(
    job: str, parameters: Mapping[str, Any] | None = None, progress: Progress | None = None, typed: bool = False
) -> Retrained:
    """Run a job now and show its cells; it is a work of the ledger, with the job's limits, retries and what follows.

    Parameters
    ----------
    job : str
        The name of ``jobs/<job>.yaml``.
    parameters : mapping, optional
        In place of those of the job.
    progress : callable, optional
        As :func:`nbmlops.run_notebook` has it.
    typed : bool
        The parameters are text, to be read as the types the notebook declares.

    Returns
    -------
    Retrained
        ``.run`` is the run of its last attempt, ``.work`` says how it ended.

    Raises
    ------
    NotFound
        No such job.
    Invalid
        Its file is broken, or a parameter does not fit.
    Conflict
        The job runs already, or its slot is full.

    Examples
    --------
    >>> nb.retrain("retrain", {"months": 3}).run.status  # doctest: +SKIP
    'finished'
    """
    from nbmlops.jobs.works.attempt import attempted
    from nbmlops.store import ledger
    from nbmlops.store.database import open_store

    project = session.project()
    found, store = definition.find(job, project), open_store(project)
    row = fire_row(found, parameters or {}, typed, project)
    claim: Claim | None = _begun(store, row, project)
    while claim is not None:
        attempted(claim, progress=progress, project=project)
        claim = _again(store, claim)
    held = ledger.get(store, row["key"])
    assert held is not None
    return shown(held)


def shown(work: Work) -> Retrained:
    """Return a work with its run and the cells of its output as they are now; an attempt may not be a run yet."""
    from nbmlops.tracking.runs import Run, get_run

    try:
        run = get_run(work.run_id or "")
    except NotFound:
        begun = session.as_run(session.OpenRun(work.run_id or "", work.job or work.notebook))
        run = Run({**begun, "status": "running" if work.state == "started" else work.state, "error": None})
        return Retrained(work, run)
    return Retrained(work, run, _cells(run, session.project()), _then(run))


def fire_row(job: Job, parameters: Mapping[str, Any], typed: bool, project: Project) -> dict[str, Any]:
    """Return a fire of a job by hand as a row for the ledger; what does not fit is refused here."""
    from nbmlops.jobs import parameters as declared
    from nbmlops.jobs.schedule.fires import digest_of, row_of
    from nbmlops.jobs.works.keys import kept

    at = times.moment(now())
    notebook = declared.parameters(project.root / job.notebook)
    known = {p.name: p for p in notebook}
    values = job.values(at) | declared.given(notebook.notebook, parameters, known, typed)
    notebook.check(values)
    stored = plain(kept(values))
    row = row_of(job, Fire(job.name, at), project, at.isoformat(), by=f"by hand: {environment.acting()[0]}")
    changed = {"parameters": stored, "digest": digest_of(project.root / job.notebook, stored), "deadline": None}
    return {**row, "state": "due", "reason": None, **changed}


def _begun(store: Store, row: Mapping[str, Any], project: Project) -> Claim:
    """Add the work and begin it, or leave nothing behind where that cannot be now."""
    from nbmlops.store import ledger

    with ledger.changing(store) as change:
        if running := ledger.list(change, job=row["job"], state="started", limit=1):
            key = running[0].key
            raise Conflict(f"{row['job']} runs already: {key}.", f"Wait for it, or: nbmlops jobs cancel {key}")
        ledger.add(change, [row])
        claims = _claim(change, row["key"], project)
        if not claims:
            raise Conflict(f"Slot {row['slot']!r} is full.", "See who holds it: nbmlops jobs history --state started")
    return claims[0]


def _claim(change: Any, key: str, project: Project) -> list[Claim]:
    from nbmlops.jobs.schedule.fires import slots_of
    from nbmlops.jobs.schedule.ticker import ticker
    from nbmlops.store import ledger

    return [*ledger.claim(change, now(), ticker(), key=key, slots=slots_of(project))]


def _again(store: Store, claim: Claim) -> Claim | None:
    """Return the claim to the next attempt once it is due; None when the work has ended."""
    from nbmlops.store import ledger

    told = False
    while (held := ledger.get(store, claim.key)) is not None and held.state in ("due", "started"):
        if held.state == "due" and not told:
            told = True
            tell(f"Attempt {held.attempt} of {held.key} was lost; the next one begins at {held.not_before[11:19]} UTC.")
        if held.state == "due" and held.not_before <= now():
            with ledger.changing(store) as change:
                if claims := _claim(change, claim.key, store.project):
                    return claims[0]
        time.sleep(LOOK_S)
    return None


def _cells(run: Run, project: Project) -> tuple[Cell, ...]:
    """Return the cells of the executed notebook, as reports show them."""
    from nbmlops.report.sanitize import cells

    output = run.tags.get("output")
    path = project.root / output if output and "://" not in output else None
    return tuple(cells(_without_notice(path.read_bytes()))) if path and path.is_file() else ()


def _without_notice(notebook: bytes) -> bytes:
    """Leave out the cells papermill adds above a failed one, so that numbers are those of the notebook."""
    found = json.loads(notebook)
    kept = [c for c in found["cells"] if NOTICE not in c.get("metadata", {}).get("tags", [])]
    return json.dumps({**found, "cells": kept}).encode()


def _then(run: Run) -> tuple[Mapping[str, Any], ...]:
    """Return what followed the run, as findings."""
    return tuple(f for kept in run.results("afterwards")[-1:] for f in kept["data"]["findings"])
