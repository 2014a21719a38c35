"""A cell that is run again: which run was before, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmlops.capture import secrets
from nbmlops.errors import NbmlopsError
from nbmlops.tracking import opened as state
from nbmlops.tracking import session
from nbmlops.tracking.machine import warn_once
from nbmlops.tracking.opened import OpenRun

if TYPE_CHECKING:
    from nbmlops.tracking.cell import Header

__all__ = ["PRIMARY", "Place", "start"]

PRIMARY = "primary_metric"  # the tag that names an experiment's primary metric
_previous: dict[tuple[str | None, str], OpenRun] = {}
_last: dict[str | None, str] = {}  # the last run of a notebook's cells that is part of none


@dataclass(frozen=True)
class Place:
    """Where a cell stands: its notebook, its id, and the experiment it names."""

    notebook: str | None
    cell_id: str | None
    experiment: str

    @property
    def key(self) -> tuple[str | None, str]:
        """What makes two executions repeats of one cell."""
        return self.notebook, self.cell_id or self.experiment


def start(place: Place, run_id: str, header: Header, source: str) -> OpenRun:
    """Open the run of a cell: a new one, or the one before where the cell says ``--append``.

    Parameters
    ----------
    place : Place
    run_id : str
        Of a new run.
    header : Header
    source : str
        The cell, secrets masked.
    """
    before = _previous.get(place.key)
    before_id = before.run_id if before is not None else None
    if header.mode == "append" and before is not None:
        run = _reopen(before, header.experiment, source)
    else:
        tags = dict(header.tags) | ({PRIMARY: header.metric} if header.metric else {})
        parent = _last.get(place.notebook) if header.mode == "nested" else None
        about: Any = {"notebook": place.notebook, "cell_id": place.cell_id, "source": source, "previous": before_id}
        run = session.start(
            header.experiment, kind="cell", name=header.name, tags=tags, parent=parent, run_id=run_id, **about
        )
        if header.mode == "replace" and before_id is not None:
            _delete(before_id)
    _previous[place.key] = run
    if header.mode != "nested":
        _last[place.notebook] = run.run_id
    return run


def _reopen(before: OpenRun, experiment: str, source: str) -> OpenRun:
    """Go on with a run that ended: what is tracked now is added to it, and its card shows all of it."""
    run = OpenRun(before.run_id, experiment)
    run.fold = before.fold
    again: dict[str, Any] = {"status": "running", "ended_at": None, "source": secrets.redact(source)}
    experiment = secrets.redact(experiment)
    about = {"experiment": experiment, "name": experiment, "kind": "cell", "lease": state.lease()}
    state.begin(run, {"t": "update", "run_id": run.run_id, **about, **again})
    state.enter(run)
    return run


def _delete(run_id: str) -> None:
    """Hide the repeat this one stands for, as ``nbmlops store delete`` does; one that must stay stays."""
    from nbmlops.store.lifecycle import delete_runs

    try:
        delete_runs(session.project(), [run_id])
    except NbmlopsError as error:
        warn_once(error)
