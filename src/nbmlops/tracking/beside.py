"""What a run's metrics stand beside: the repeat before, and the best of its experiment. Asked off the cell's path."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbmlops.store.summary import headlines, lower_is_better
from nbmlops.tracking import opened as state
from nbmlops.tracking.opened import project

if TYPE_CHECKING:
    from nbmlops.tracking.runs import Run

__all__ = ["answer", "ask"]

MOST = 1000  # runs of this kernel that are remembered

_metrics: dict[str, dict[str, float]] = {}  # of runs of this kernel, by id
_best: dict[tuple[str, str], dict[str, float]] = {}  # of an experiment of a project
_asked: set[tuple[str, str]] = set()


def ask(experiment: str) -> None:
    """Look up the best values of an experiment, by a thread: a cell waits for no database.

    Parameters
    ----------
    experiment : str
    """
    key = (str(project().home), experiment)
    if key in _asked or not state.background:
        return
    _asked.add(key)
    threading.Thread(target=_look_up, args=(key, experiment), name="nbmlops-best", daemon=True).start()


def answer(run: Run) -> dict[str, dict[str, float]]:
    """Return the metrics of the repeat before and the best ones, as far as they are known by now.

    Parameters
    ----------
    run : Run
        One that ended; it counts from now on.

    Returns
    -------
    dict
        ``previous`` and ``best``, each metric name to value.
    """
    key, mine = (str(project().home), run.experiment), _finite(run.metrics)
    before = dict(_metrics.get(run.previous or "", {}))
    best = dict(_best.get(key, {}))
    if run.status == "finished":
        _metrics[run.run_id] = mine
        _best[key] = {n: _better(n, best.get(n), mine.get(n)) for n in {**best, **mine}}
        while len(_metrics) > MOST:
            del _metrics[next(iter(_metrics))]
    return {"previous": before, "best": best}


def _look_up(key: tuple[str, str], experiment: str) -> None:
    """Read the best values; where the database is away there are none."""
    from nbmlops.store.runs import measured

    found: dict[str, float] = {}
    with suppress(Exception):  # the database is away, locked or full: the card does without
        for values in measured(project(), experiment):
            known = _finite(values)
            found |= {n: _better(n, found.get(n), v) for n, v in known.items()}
    _best[key] = {n: _better(n, found.get(n), v) for n, v in {**found, **_best.get(key, {})}.items()}


def _finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    known = {n: v for n, v in metrics.items() if isinstance(v, (int, float)) and v == v and abs(v) != float("inf")}
    return {name: known[name] for name in headlines(known) if "[" not in name}


def _better(name: str, one: float | None, other: float | None) -> float:
    known = [v for v in (one, other) if v is not None]
    return min(known) if lower_is_better(name) else max(known)
