"""Runs that are part of another, written whole: the folds of a cross-validation, the trials of a search."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from nbmlops.capture.validation import Folds, Trial
from nbmlops.process import identity
from nbmlops.records import RunKind, new_ids, now, plain
from nbmlops.tracking import opened as state
from nbmlops.tracking.opened import OpenRun

__all__ = ["write_folds", "write_trials"]

CV: Mapping[str, str] = {"split": "cv"}
SPREAD: Mapping[str, str] = {"split": "cv", "stat": "std"}
TEST: Mapping[str, str] = {"split": "test"}
TRAIN: Mapping[str, str] = {"split": "train"}
Point = tuple[str, float, Mapping[str, str]]


def write_folds(run: OpenRun, folds: Folds) -> list[Point]:
    """Write each fold as a run that is part of ``run``; return what is the parent's: mean and spread.

    Parameters
    ----------
    run : OpenRun
    folds : Folds

    Returns
    -------
    list of (name, value, context)
    """
    count = max((len(v) for v in folds.test.values()), default=0)
    took = [*folds.fit_s] if len(folds.fit_s) == count else [0.0] * count
    for place, (run_id, began) in enumerate(zip(new_ids(count), _starts(took), strict=True)):
        measured: list[Point] = [(n, v[place], TEST) for n, v in folds.test.items()]
        measured += [(n, v[place], TRAIN) for n, v in folds.train.items()]
        about = {"name": f"fold {place + 1} of {count}", "started_at": began, "duration_s": took[place] or None}
        _write(run, run_id, "fold", about, {}, measured)
    return [
        *_told(folds.test, CV, SPREAD),
        *((n, statistics.fmean(v), TRAIN) for n, v in folds.train.items() if len(v)),
    ]


def write_trials(run: OpenRun, found: Sequence[Trial], search: str) -> list[Point]:
    """Write each candidate of a search as a run that is part of ``run``; return what is the parent's: the best one's.

    Parameters
    ----------
    run : OpenRun
    found : sequence of Trial
    search : str
        The search's variable, kept as a tag of each.
    """
    starts = _starts([trial.fit_s for trial in found])
    for place, (run_id, trial, began) in enumerate(zip(new_ids(len(found)), found, starts, strict=True)):
        tags = {"search": search, **({"best": "true"} if trial.best else {})}
        about = {"name": f"trial {place + 1} of {len(found)}", "started_at": began, "duration_s": trial.fit_s}
        _write(run, run_id, "trial", about, trial.params, _measured(trial), tags)
    best = next((trial for trial in found if trial.best), None)
    return _measured(best) if best else []


def _measured(trial: Trial) -> list[Point]:
    parts = ((trial.mean, CV), (trial.spread, SPREAD), (trial.train, TRAIN))
    return [(name, value, context) for values, context in parts for name, value in values.items()]


def _told(values: Mapping[str, Sequence[float]], mean: Mapping[str, str], spread: Mapping[str, str]) -> Iterable[Point]:
    for name, each in values.items():
        if each:
            yield name, statistics.fmean(each), mean
            yield name, statistics.pstdev(each), spread


def _starts(took_s: Sequence[float]) -> list[str]:
    """Return times one after the other, the last of which ends now: what ran is listed in its order."""
    ended = datetime.now(UTC)
    left = [sum(took_s[place:]) for place in range(len(took_s))]
    return [
        (ended - timedelta(seconds=s, microseconds=len(left) - i)).isoformat(timespec="microseconds")
        for i, s in enumerate(left)
    ]


def _write(
    run: OpenRun,
    run_id: str,
    kind: RunKind,
    about: Mapping[str, Any],
    params: Mapping[str, Any],
    measured: Iterable[Point],
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a finished run; it is as safe as its parent when that one ends."""
    head = {"experiment": run.experiment, "kind": kind, "status": "finished", "parent": run.run_id, "ended_at": now()}
    where = {k: run.fold.fields.get(k) for k in ("author", "notebook", "cell_id")}
    state.write({"t": "run", "run_id": run_id, **head, **about, **where, "process": identity()})
    for key, value in params.items():
        state.write({"t": "param", "run_id": run_id, "name": key, "value": plain(value), "origin": "set"})
    for key, text in (tags or {}).items():
        state.write({"t": "tag", "run_id": run_id, "name": key, "value": text})
    at = time.time()
    for metric, value, context in measured:
        point = {"name": metric, "value": plain(value), "step": None, "at": at, "context": dict(context)}
        state.write({"t": "metric", "run_id": run_id, **point})
