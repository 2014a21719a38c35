"""The lists of runs and of drift checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report.site import months
from nbmlops.report.site.known import Known, run_path, status, title
from nbmlops.report.site.part import Link, Part, Table
from nbmlops.report.site.runs import metrics_of, said, tally
from nbmlops.report.text import count, duration, number
from nbmlops.report.text import stamp as at
from nbmlops.store.outline import ResultLine, RunLine, results_by_id
from nbmlops.store.summary import flat_metrics, headlines

__all__ = ["drift", "drift_index", "drift_rows", "run_rows", "runs", "runs_index"]

MOST_METRICS = 4
RUNS = ("Run", "Started", "Status", "Took", "Metrics", "By")
DRIFT = ("Data", "Against", "Verdict", "Findings", "Rows", "At")


def runs(known: Known) -> Part:
    """Return the lists of the runs that stand for themselves."""
    return months.listing(known, _run_leaves(known), "Runs", RUNS, run_rows, (3,), (1,))


def drift(known: Known) -> Part:
    """Return the lists of drift checks."""
    return months.listing(known, _drift_leaves(known), "Drift checks", DRIFT, drift_rows, (4,), (5,), [*known.models])


def runs_index(known: Known) -> Part:
    """Return the page of all months of runs, and of experiments."""
    leaves = _run_leaves(known)
    newest: dict[str, RunLine] = {}
    amount: dict[str, int] = defaultdict(int)
    for line in (line for lines in leaves.values() for line in lines):
        amount[line.experiment] += 1
        newest[line.experiment] = max(newest.get(line.experiment, line), line, key=lambda run: run.started_at)
    rows = [
        (name, number(amount[name]), known.run(run.run_id, at(run.started_at)), status(run.status))
        for name, run in sorted(newest.items(), key=lambda pair: pair[1].started_at, reverse=True)
    ]
    headers = ("Experiment", "Runs", "Newest", "Status")
    shown = Table(f"{count(len(rows), 'experiment')}, the newest 200 shown", headers, rows[:200], (1,), (2,))
    return months.index(known, "runs", "Runs", leaves, [("Experiments", [shown])] if rows else [])


def drift_index(known: Known) -> Part:
    """Return the page of all months of drift checks."""
    return months.index(known, "drift", "Drift", _drift_leaves(known))


def run_rows(known: Known, lines: Sequence[RunLine]) -> list[Sequence[Any]]:
    """Return runs as rows of a list, in their order."""
    from nbmlops.store.runs import load_many

    found = {run["run_id"]: run for run in load_many(known.store, [line.run_id for line in lines])}
    return [_run_row(known, line, found[line.run_id]) for line in lines if line.run_id in found]


def _run_row(known: Known, line: RunLine, run: Mapping[str, Any]) -> Sequence[Any]:
    link = Link(title(line), run_path(line.run_id))
    about = at(run["started_at"]), status(run["status"]), duration(run["duration_s"])
    return (link, *about, _metrics(known, run["metrics"]), run["author"] or "-")


def _metrics(known: Known, metrics: Sequence[Any]) -> str:
    values = flat_metrics(metrics_of(known, metrics))
    names = headlines(values)
    more = f" · {len(names) - MOST_METRICS} more" if len(names) > MOST_METRICS else ""
    return " · ".join(f"{name} {number(values[name])}" for name in names[:MOST_METRICS]) + more or "-"


def drift_rows(known: Known, lines: Sequence[ResultLine]) -> list[Sequence[Any]]:
    """Return drift checks as rows of a list, in their order."""
    found = {r["result_id"]: r for r in results_by_id(known.store, [line.result_id for line in lines])}
    return [_drift_row(known, found[line.result_id]) for line in lines if line.result_id in found]


def _drift_row(known: Known, result: Mapping[str, Any]) -> Sequence[Any]:
    data = result["data"]
    reference = str(data.get("reference") or "-")
    subject = known.run(result["run_id"], result["subject"])
    about = said(data), tally(data), number(data.get("rows")), at(result["at"])
    return (subject, known.model(reference), *about)


def _run_leaves(known: Known) -> months.Leaves:
    return months.leaves("runs", [run for run in known.runs.values() if run.whole], lambda run: run.started_at)


def _drift_leaves(known: Known) -> months.Leaves:
    return months.leaves("drift", known.checks("drift"), lambda line: line.at)
