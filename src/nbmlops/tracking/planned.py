"""The how-manyth of the planned runs of its experiment a run is. Looked up off the cell's path."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.hooks import service
from nbmlops.tracking import opened as state
from nbmlops.tracking.opened import project

if TYPE_CHECKING:
    from nbmlops.tracking.runs import Run

__all__ = ["answer", "ask"]

Stamp = tuple[str, int, int]  # of a charter: where, when written, how long

_plans: dict[str, tuple[Stamp, Mapping[str, Any]]] = {}  # by charter: experiment to what is planned
_mine: dict[tuple[str, str], set[str]] = {}  # runs of this kernel that finished
_known: dict[tuple[str, str], dict[str, bool]] = {}  # runs in the database: whether they count


def ask(experiment: str) -> None:
    """Look up how many runs of an experiment are planned and made, by a thread; without a charter nothing is done.

    Parameters
    ----------
    experiment : str
    """
    stamp = _stamp()
    if stamp is None or not state.background or not _worth_asking(stamp, experiment):
        return
    threading.Thread(target=_look_up, args=(stamp, experiment), name="nbmlops-planned", daemon=True).start()


def answer(run: Run) -> dict[str, Any]:
    """Return which of the planned runs this is, as far as that is known by now; nothing where none are planned.

    Parameters
    ----------
    run : Run
        One that ended; it counts from now on, if it finished.

    Returns
    -------
    dict
        ``run``: the how-manyth, ``of``: how many are planned, ``done``, ``stop``: when to stop, in people's words.
    """
    stamp = _stamp()
    if stamp is None:
        return {}
    if not state.background and _worth_asking(stamp, run.experiment):
        _look_up(stamp, run.experiment)
    key = (str(project().home), run.experiment)
    mine = _mine.setdefault(key, set())
    if run.status == "finished":
        mine.add(run.run_id)
    plan = _planned(stamp, run.experiment)
    if plan is None or key not in _known:
        return {}
    known = _known[key]
    done = sum(known.values()) + sum(1 for run_id in mine if run_id not in known)
    return {"run": done if run.status == "finished" else None, "of": plan.runs, "done": done, "stop": plan.stop}


def _stamp() -> Stamp | None:
    """Return which charter there is now; None without one."""
    with suppress(OSError):  # it goes away meanwhile, or a folder above may not be read
        path: Path | None = service("registry.targets", "find")()
        if path is not None:
            found = path.stat()
            return str(path), found.st_mtime_ns, found.st_size
    return None


def _worth_asking(stamp: Stamp, experiment: str) -> bool:
    """Tell whether the charter is another than the one that was read, or plans this experiment."""
    known = _plans.get(stamp[0])
    return known is None or known[0] != stamp or experiment in known[1]


def _planned(stamp: Stamp, experiment: str) -> Any:
    known = _plans.get(stamp[0])
    return known[1].get(experiment) if known and known[0] == stamp else None


def _look_up(stamp: Stamp, experiment: str) -> None:
    """Read the charter, where it is another, and the runs there are; where either cannot be read nothing is said."""
    from nbmlops.store.runs import counted

    with suppress(Exception):  # a broken charter, a database that is away: the card does without
        if stamp[0] not in _plans or _plans[stamp[0]][0] != stamp:
            agreed = service("governance.charter", "charter")(stamp[0])
            _plans[stamp[0]] = stamp, {e.name: e for e in agreed.experiments if e.runs}
        if experiment in _plans[stamp[0]][1]:
            _known[str(project().home), experiment] = counted(project(), experiment)
