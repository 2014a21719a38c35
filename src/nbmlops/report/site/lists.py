"""Lists of runs and drift checks, by month, two hundred lines a page: a new line changes the newest page only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from nbmlops.report.blocks import Say
from nbmlops.report.site.known import Known, run_path, status, title
from nbmlops.report.site.part import Link, Page, Part, Table, draw, look, pages, parted
from nbmlops.report.site.runs import metrics_of, said, tally
from nbmlops.report.text import count, duration, number
from nbmlops.report.text import stamp as at
from nbmlops.store.outline import ResultLine, RunLine, results_by_id, stamp
from nbmlops.store.summary import flat_metrics, headlines

__all__ = ["drift", "drift_index", "drift_rows", "run_rows", "runs", "runs_index"]

MOST_METRICS = 4
RUNS = ("Run", "Started", "Status", "Took", "Metrics", "By")
DRIFT = ("Data", "Against", "Verdict", "Findings", "Rows", "At")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip

Line = RunLine | ResultLine
Leaves = Mapping[str, Sequence[Any]]


def runs(known: Known) -> Part:
    """Return the lists of the runs that stand for themselves."""
    return _lists(known, _run_leaves(known), "Runs", RUNS, run_rows, (3,), (1,))


def drift(known: Known) -> Part:
    """Return the lists of drift checks."""
    return _lists(known, _drift_leaves(known), "Drift checks", DRIFT, drift_rows, (4,), (5,))


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
    return _index(known, "runs", "Runs", leaves, [("Experiments", [shown])] if rows else [])


def drift_index(known: Known) -> Part:
    """Return the page of all months of drift checks."""
    return _index(known, "drift", "Drift", _drift_leaves(known), [])


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


def _run_leaves(known: Known) -> Leaves:
    return _leaves("runs", [run for run in known.runs.values() if run.whole], lambda run: run.started_at)


def _drift_leaves(known: Known) -> Leaves:
    return _leaves("drift", known.checks("drift"), lambda line: line.at)


def _leaves(folder: str, lines: Iterable[Any], moment: Callable[[Any], str]) -> Leaves:
    """Return the pages of a list, oldest first: path to lines, oldest first."""
    months: dict[str, list[Any]] = defaultdict(list)
    for line in lines:
        months[moment(line)[:7]].append(line)
    return {
        f"{folder}/{month}-{number}.html": part for month in sorted(months) for number, part in parted(months[month])
    }


def _lists(
    known: Known,
    leaves: Leaves,
    what: str,
    headers: Sequence[str],
    rows: Callable[[Known, Sequence[Any]], list[Sequence[Any]]],
    numeric: Sequence[int],
    tight: Sequence[int],
) -> Part:
    """Return the part of a list's pages; only those asked for read what their lines say."""
    around = _around([*leaves])
    stamps = {
        path: stamp(look(), known.site, sorted(known.private), around[path], lines, _named(known, lines))
        for path, lines in leaves.items()
    }

    def drawn(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            lines = leaves[path]
            table = Table(count(len(lines), "line"), headers, rows(known, lines[::-1]), numeric, tight)
            older, newer = around[path]
            words = f"{what} of {_month(path)}"
            yield path, draw(known.site, Page(path, words, what, _place(path, leaves), [("", [table])], newer, older))

    return Part(stamps, drawn)


def _named(known: Known, lines: Sequence[Line]) -> list[Any]:
    """Return what decides where a page's lines lead: which runs have a page, which models there are."""
    there: list[Any] = [line.run_id in known.runs for line in lines]
    return there if isinstance(lines[0], RunLine) else [*there, *known.models]


def _around(paths: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
    """Return the older and the newer neighbour of each page."""
    older: dict[str, str] = {after: before for before, after in pairwise(paths)}
    newer: dict[str, str] = dict(pairwise(paths))
    return {path: (older.get(path), newer.get(path)) for path in paths}


def _index(known: Known, folder: str, what: str, leaves: Leaves, more: Sequence[Any]) -> Part:
    rows = [
        (Link(f"{_month(path)}{_numbered(path, leaves)}", path), number(len(lines)))
        for path, lines in reversed([*leaves.items()])
    ]
    total = sum(map(len, leaves.values()))
    table = Table(f"{total:,} in all, the newest first", ("Month", "Lines"), rows, (1,))
    blocks = [("Months", [table if rows else Say("Nothing yet.")]), *more]
    return pages(known.site, [Page(f"{folder}/index.html", what, known.site, f"{total:,} in all", blocks)])


def _month(path: str) -> str:
    """Return the month of a list's page.

    >>> _month("runs/2026-11-2.html")
    'November 2026'
    """
    year, month, _ = path.rpartition("/")[2].split("-", 2)
    return f"{MONTHS[int(month) - 1]} {year}"


def _numbered(path: str, leaves: Leaves) -> str:
    """Return which page of its month it is, where there are more."""
    stem, _, number = path.removesuffix(".html").rpartition("-")
    return "" if f"{stem}-2.html" not in leaves else f", part {number}"


def _place(path: str, leaves: Leaves) -> str:
    return f"newest first{_numbered(path, leaves)}"
