"""Rebuild the notebook of a run whose runner was killed: ``nb.recover``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Conflict, NotFound
from nbmlops.jobs import ending, files, outbox, outputs

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["Recovered", "clear", "rebuild", "recover"]

ARTIFACT, NOTEBOOK_TYPE = "notebook.ipynb", "application/x-ipynb+json"


@dataclass(frozen=True)
class Recovered:
    """A notebook that is whole again.

    Attributes
    ----------
    run_id : str
    path : str
        Where it was written.
    cells, completed : int
        How many it has, and how many of them had run to their end.
    stopped_at : int or None
        The cell, counted from 1, that was running when the runner ended.
    damaged_bytes : int
        What could not be read of the journal.
    """

    run_id: str
    path: str
    cells: int
    completed: int
    stopped_at: int | None = None
    damaged_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"; cell {self.stopped_at} was running" if self.stopped_at else ""
        lost = f" {self.damaged_bytes} bytes of the journal could not be read." if self.damaged_bytes else ""
        return f"{self.path}: {self.completed} of {self.cells} cells had ended{where}.{lost}"


def recover(run: str, output: str | Path | None = None) -> Recovered:
    """Rebuild the notebook of a run whose runner was killed, with every line it had printed.

    Cells that ended are as they were, the one that ran then is *interrupted*, later ones are *not_run*. The notebook
    becomes a file of the run; of one that has it already, that file is written.

    Parameters
    ----------
    run : str
        A run as :func:`nbmlops.get_run` takes it.
    output : path, optional
        Where to; the place the run was to write to when absent, unless a later run wrote there.

    Returns
    -------
    Recovered

    Raises
    ------
    Conflict
        The run still goes.
    NotFound
        There is no such run, or none of its outputs were kept.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.recover("retrain").completed  # doctest: +SKIP
    3
    """
    from nbmlops.tracking import session

    home = session.project().home
    run_id = _run_id(run, home)
    paths = outputs.places(home, run_id)
    if not paths:
        return _kept(run_id, output)
    if any(map(outputs.held, paths)):
        raise Conflict(f"Run {run_id[-6:]} still goes.", f"See it: nbmlops runs show {run_id[-6:]}")
    found = next(filter(None, map(rebuild, paths)), None)
    if found is None:
        raise NotFound(f"The journal of run {run_id[-6:]} holds no notebook.", f"Nothing was lost; delete {paths[0]}.")
    target = Path(output) if output else _target(found, home, run_id)
    text = _text(found.nb)
    for place in {target, *outbox.files_of(session.project(), run_id)}:
        place.parent.mkdir(parents=True, exist_ok=True)
        files.replace(place, text, synced=True)
    _keep(run_id, found, text)
    for path in paths:
        path.unlink(missing_ok=True)
    outbox.upload(run_id)
    return _recovered(run_id, target, found.nb, found.damaged_bytes)


def clear(delete: bool = True) -> int:
    """Delete journals of outputs that nobody writes and whose notebook is a file of its run; return how many.

    Parameters
    ----------
    delete : bool
        False only counts them.
    """
    from nbmlops.tracking import session

    home = session.project().home
    kept = [run_id for run_id in outputs.left(home) if _has_notebook(run_id)]
    for path in [p for run_id in kept for p in outputs.places(home, run_id)] if delete else ():
        path.unlink(missing_ok=True)
    return len(kept)


@dataclass
class _Replay:
    """A notebook as its journal tells it."""

    nb: NotebookNode
    output: str | None
    client: Any
    done: bool = False
    damaged_bytes: int = 0

    def start(self, event: Mapping[str, Any]) -> None:
        """A cell began."""
        cell = self.nb.cells[event["cell"]]
        cell.metadata.papermill |= {"start_time": event["at"], "status": ending.RUNNING, "exception": False}
        if cell.cell_type == "code":
            cell.outputs = []
        self.client.clear_before_next_output = False

    def message(self, event: Mapping[str, Any]) -> None:
        """The kernel said something: it is processed as it was then."""
        kind, index = event["type"], event["cell"]
        again = {"msg_type": kind, "header": {"msg_type": kind}, "parent_header": {}, "content": event["content"]}
        again["metadata"] = {}
        self.client.process_message(again, self.nb.cells[index], index)

    def ended(self, event: Mapping[str, Any]) -> None:
        """A cell ended; an error it shows may have been ours to say."""
        from nbformat import from_dict

        cell = self.nb.cells[event["cell"]]
        cell.metadata.papermill = from_dict(event["about"])
        if event["shown"]:
            cell.outputs = [o for o in cell.outputs if o.output_type != "error"] + [from_dict(event["shown"][0])]

    def end(self, event: Mapping[str, Any]) -> None:
        """The notebook ended."""
        self.nb.metadata.papermill |= event["about"]
        self.done = True

    def damaged(self, event: Mapping[str, Any]) -> None:
        """Some bytes cannot be read."""
        self.damaged_bytes += event["bytes"]


def rebuild(path: Path) -> _Replay | None:
    """Return the notebook that a journal of outputs tells, every cell with a status that is true now.

    Parameters
    ----------
    path : Path
        Of a runner that is gone.

    Returns
    -------
    Replay or None
        None where the journal does not even hold the beginning.
    """
    from nbmlops.store.segments import read

    replay: _Replay | None = None
    for _, event in read(path):
        if event["t"] == "notebook":
            replay = _begun(event, replay.damaged_bytes if replay else 0)
        elif replay is not None:
            step: Callable[[Mapping[str, Any]], None] = getattr(replay, event["t"])
            step(event)
    if replay is not None:
        _settle(replay, path)
    return replay


def _begun(event: Mapping[str, Any], damaged_bytes: int) -> _Replay:
    from nbclient import NotebookClient
    from nbformat import from_dict

    nb = from_dict(event["nb"])
    client = NotebookClient(nb, record_timing=False)
    client.clear_before_next_output = False  # a snapshot may stand in the middle of a cell
    return _Replay(nb, event["output"], client, damaged_bytes=damaged_bytes)


def _settle(replay: _Replay, path: Path) -> None:
    """Give the cells their last status, and the notebook the time it was last heard of."""
    from nbmlops.jobs.manager import settle

    settle(replay.nb, ending.GONE)
    if replay.done:
        return
    ended = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    about = replay.nb.metadata.papermill
    about |= {"end_time": ended.isoformat(), "exception": bool(about["exception"])}
    began = datetime.fromisoformat(about["start_time"])
    began = began if began.tzinfo else began.replace(tzinfo=UTC)  # papermill before 2.7 writes no zone
    about["duration"] = (ended - began).total_seconds()


def _run_id(ref: str, home: Path) -> str:
    """Return the run a person means, also one the store has not heard of."""
    from nbmlops.tracking.runs import resolve

    mine = [stem for stem in outputs.left(home) if len(ref) >= 6 and stem.endswith(ref)]
    return mine[0] if len(mine) == 1 else resolve(ref)


def _target(found: _Replay, home: Path, run_id: str) -> Path:
    """Return where the run was to write to, unless another execution's notebook is there now."""
    import json

    if found.output:
        path = Path(found.output)
        try:
            about = json.loads(path.read_text(encoding="utf-8"))["metadata"]["papermill"]
            if about["start_time"] == found.nb.metadata.papermill["start_time"]:
                return path
        except FileNotFoundError:
            return path
        except (OSError, ValueError, KeyError, TypeError):  # somebody else's file
            pass
    return home / "outputs" / "recovered" / f"{run_id}.ipynb"


def _text(nb: NotebookNode) -> bytes:
    import nbformat

    return str(nbformat.writes(nb)).encode("utf-8", "replace")


def _keep(run_id: str, found: _Replay, text: bytes) -> None:
    """Make the notebook a file of the run, and say in the run where it stopped, for good before the journal goes."""
    from nbmlops.tracking import session

    session.log_artifact(ARTIFACT, text, NOTEBOOK_TYPE, run_id)
    stopped = _stopped_at(found.nb)
    if stopped and not found.done:
        cell = found.nb.cells[stopped - 1]
        source = "\n".join(cell.source.splitlines()[:3])[:1000]
        error: dict[str, Any] = {"name": ending.GONE.name, "message": ending.GONE.message, "traceback": ""}
        error |= {"cell": stopped, "cells": len(found.nb.cells), "count": cell.get("execution_count"), "source": source}
        session.write({"t": "update", "run_id": run_id, "error": error})
    if not session.drain():
        raise Conflict(
            "The notebook is rebuilt, but the store cannot be written now.", "Try again: the journal is kept."
        )


def _has_notebook(run_id: str) -> bool:
    """Tell whether a run is over and has kept its notebook."""
    from nbmlops.tracking.runs import get_run

    try:
        run = get_run(run_id)
    except NotFound:
        return False
    return run.status != "running" and ARTIFACT in [a.name for a in run.artifacts]


def _kept(run_id: str, output: str | Path | None) -> Recovered:
    """Write the notebook a run has kept; there is nothing to rebuild."""
    import nbformat

    from nbmlops.tracking import session
    from nbmlops.tracking.runs import get_run

    run = get_run(run_id)
    if ARTIFACT not in [a.name for a in run.artifacts]:
        raise NotFound(
            f"Nothing is kept of the outputs of run {run_id[-6:]}.", "Only the runner's machine has its journal."
        )
    text = run.artifact(ARTIFACT)
    target = Path(output) if output else session.project().home / "outputs" / "recovered" / f"{run_id}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    files.replace(target, text, synced=True)
    return _recovered(run_id, target, nbformat.reads(text.decode(), as_version=4))


def _recovered(run_id: str, target: Path, nb: NotebookNode, damaged_bytes: int = 0) -> Recovered:
    statuses = [cell.metadata.get("papermill", {}).get("status") for cell in nb.cells]
    return Recovered(run_id, str(target), len(statuses), statuses.count("completed"), _stopped_at(nb), damaged_bytes)


def _stopped_at(nb: NotebookNode) -> int | None:
    ended = ("completed", ending.NOT_RUN, ending.PENDING, None)
    found = (i for i, c in enumerate(nb.cells, 1) if c.metadata.get("papermill", {}).get("status") not in ended)
    return next(found, None)
