"""A job or a model by its name alone: the report of the run that ended last, or that made the newest version."""

from __future__ import annotations

from typing import Any

from nbmlops.errors import NotFound, unknown
from nbmlops.report.kinds import run
from nbmlops.report.kinds.kind import Kind, Subject
from nbmlops.tracking import session

__all__ = ["KIND", "find"]

ENDED = ("finished", "failed")
MOST = 100  # works that are looked through for one whose run is there
NOT_A_NAME = "@:/~"  # what is typed for a model, another kind, a path or an earlier run


def find(ref: Any) -> Subject | None:
    """Return the newest run of a job that finished or failed, or of a model the run that made its newest version.

    None for a name that is a run's: a job, a run and an experiment win over a model of the same name.

    Raises
    ------
    NotFound
        A job that has not run yet; or no job, run, experiment or model of that name.
    """
    from nbmlops.store import models

    if not isinstance(ref, str) or not ref or any(mark in ref for mark in NOT_A_NAME):
        return None
    if found := _newest(ref):
        return run.find(found)
    if _is_run(ref):
        return None
    known = _known()
    if ref in known:
        raise NotFound(f"Job {ref!r} has not run to an end yet.", f"Run it now: nbmlops retrain {ref}")
    if version := models.find(session.store(), ref, ""):
        return run.find(version)
    raise unknown("run, experiment, model or job", ref, {*_experiments(), *known, *models.names(session.store())})


def _newest(job: str) -> Any:
    """Return the run of the work that ended last; a work that never became a run has none."""
    from nbmlops.store import ledger
    from nbmlops.store.runs import load_many
    from nbmlops.tracking.runs import Run

    works = [w for w in ledger.list(session.store(), job=job, state=ENDED, limit=MOST) if w.run_id]
    works.sort(key=lambda w: (str(w.ended_at), w.key), reverse=True)
    found = load_many(session.store(), [str(w.run_id) for w in works])
    return Run(found[0]) if found else None


def _is_run(ref: str) -> bool:
    from nbmlops.store.runs import ids_like, newest

    return bool(newest(session.store(), experiment=ref, limit=1) or (len(ref) >= 6 and ids_like(session.store(), ref)))


def _known() -> set[str]:
    """Return the jobs of the ledger, those with a clock, and those with a file."""
    from nbmlops.store import ledger, schedules

    store, home = session.store(), session.project().root
    files = {path.stem for path in (home / "jobs").glob("*.yaml")}
    return {*schedules.known(store), *(str(w.job) for w in ledger.list(store, limit=1000) if w.job), *files}


def _experiments() -> list[str]:
    from nbmlops.store.runs import experiments

    return experiments(session.store())


KIND = Kind(find, run.KIND.gather, run.KIND.head, run.KIND.decide, run.KIND.sections)
