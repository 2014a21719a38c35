"""A light page for each run: what it was, its settings, metrics, data and results, and what it led to; no rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from nbmlops.report.blocks import Say, Verdict, verdict
from nbmlops.report.gathered.masked import fits_of, setting
from nbmlops.report.site.known import Known, report_path, run_path, short, status, title
from nbmlops.report.site.part import Cell, Facts, Link, Page, Part, Section, Table, draw, look
from nbmlops.report.text import count, duration, number, percent, size, when
from nbmlops.report.text import stamp as at
from nbmlops.store.outline import RunLine, stamp

__all__ = ["BATCH", "metrics_of", "part"]

BATCH = 200  # runs read at once
MOST = 200  # lines of a table
INNER = ("progress", "last_lines", "output", "upload", "upload_to")  # tags of an execution: not said by anybody
HIDDEN = ("default", "argument")
SYSTEM = "system."

Json = Mapping[str, Any]


def part(known: Known) -> Part:
    """Return the pages of all runs but the folds and trials of a search."""
    stamps = {run_path(run.run_id): _stamp(known, run) for run in known.runs.values()}
    return Part(stamps, lambda paths: _drawn(known, paths))


def metrics_of(known: Known, metrics: Sequence[Json]) -> list[Json]:
    """Return the metrics that may be shown: no private column's values, nor of one, nor samples of the machine."""
    seen = (m for m in metrics if not m["name"].startswith(SYSTEM))
    return [m for m in seen if known.private.isdisjoint([m["name"], *m["context"]])]


def _stamp(known: Known, run: RunLine) -> str:
    """Return what changes when anything on a run's page does."""
    parts = [(part.run_id, part.status, part.name) for part in known.outline.parts.get(run.run_id, ())]
    linked = run.parent in known.runs, run.previous in known.runs
    models = known.models_of.get(run.run_id, ()), known.judged.get(run.run_id, ())
    return stamp(
        look(), known.site, sorted(known.private), run.stamp, parts, linked, models, _reports(known, run.run_id)
    )


def _drawn(known: Known, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    from nbmlops.store.runs import load_many, results_of

    ids = iter([path.partition("/")[2].removesuffix(".html") for path in paths])
    while some := list(islice(ids, BATCH)):
        results: dict[str, list[Json]] = {}
        for result in results_of(known.store, some):
            results.setdefault(str(result["run_id"]), []).append(result)
        for run in load_many(known.store, some):
            page = _page(known, run, results.get(run["run_id"], []))
            yield page.path, draw(known.site, page)


def _page(known: Known, run: Json, results: Sequence[Json]) -> Page:
    line = known.runs[run["run_id"]]
    took = f"started {when(run['started_at'])} · took {duration(run['duration_s'])}"
    about: list[Section] = [("", [_about(known, run)]), *_settings(known, run), *_measured(known, run)]
    about += [*_data(run), *_results(known, results), *_parts(known, line), *_files(run)]
    over = f"{run['kind'] or 'unknown'} run {run['run_id'][-6:]}"
    return Page(run_path(line.run_id), title(line), over, took, about)


def _about(known: Known, run: Json) -> Facts:
    error, git = run["error"] or {}, run["git"] or {}
    items: list[tuple[str, Cell]] = [("Status", status(run["status"]))]
    facts: list[tuple[str, Cell | None]] = [
        ("Cause", run["cause"]),
        ("Error", _error(error)),
        ("Run", run["run_id"]),
        ("Part of", known.run(run["parent"]) if run["parent"] else None),
        ("Again after", known.run(run["previous"]) if run["previous"] else None),
        ("Notebook", run["notebook"]),
        ("Author", run["author"]),
        ("Ended", when(run["ended_at"]) if run["ended_at"] else None),
        (
            "Commit",
            f"{git['commit'][:12]}{', changed since' if git.get('dirty') else ''}" if git.get("commit") else None,
        ),
        *(("Registered", known.model(ref)) for ref in known.models_of.get(run["run_id"], ())),
        *((f"Report {n}", Link(says, path)) for n, says, path in _reports(known, run["run_id"])),
        *((f"Tag {name}", short(value)) for name, value in sorted(run["tags"].items()) if _said(known, name)),
    ]
    return Facts([*items, *((term, what) for term, what in facts if what)])


def _reports(known: Known, run_id: str) -> list[tuple[int, str, str]]:
    """Return number, title and page of the reports of a run, the newest first."""
    return [(kept.number, kept.title, report_path(kept)) for kept in known.reports_of.get(run_id, ())]


def _error(error: Json) -> str | None:
    """Return the kind of an error and where it was; its message may hold a value, and is in the report."""
    where = f" in cell {error['cell']}" if error.get("cell") else ""
    return f"{error['name']}{where}; what it says is in the run's report" if error.get("name") else None


def _said(known: Known, tag: str) -> bool:
    return tag not in INNER and tag not in known.private


def _settings(known: Known, run: Json) -> Iterator[Section]:
    from nbmlops.store.summary import short_param

    chosen = [p for p in run["params"] if p["origin"] not in HIDDEN]
    if chosen:
        fits = fits_of(run)
        rows = [
            (p["name"], short(short_param(setting(p["name"], p["value"], known.private, fits))), p["origin"])
            for p in chosen[:MOST]
        ]
        table = Table(_caption(len(chosen), "setting"), ("Setting", "Value", "Where it was said"), rows)
        yield "Settings", [table]


def _measured(known: Known, run: Json) -> Iterator[Section]:
    shown = metrics_of(known, run["metrics"])
    if shown:
        rows = [(m["name"], _on(m["context"]), number(m["value"]), number(m["count"])) for m in shown[:MOST]]
        headers = ("Metric", "On", "Newest value", "Times logged")
        yield "Metrics", [Table(_caption(len(shown), "metric"), headers, rows, (2, 3))]


def _on(context: Json) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(context.items())) or "-"


def _data(run: Json) -> Iterator[Section]:
    if run["datasets"]:
        rows = [
            (d["name"], d["role"], number(d["rows"]), number(len(d["columns"])), d["fingerprint"][:16])
            for d in run["datasets"][:MOST]
        ]
        headers = ("Data", "It was", "Rows", "Columns", "Fingerprint")
        yield "Data", [Table(_caption(len(run["datasets"]), "data set"), headers, rows, (2, 3), (4,))]


def _results(known: Known, results: Sequence[Json]) -> Iterator[Section]:
    if results:
        rows = [(r["kind"], known.model(r["subject"]), said(r["data"]), tally(r["data"]), at(r["at"])) for r in results]
        headers = ("Result", "About", "Verdict", "Findings", "At")
        yield "Results", [Table(_caption(len(results), "result"), headers, rows[:MOST], (), (4,))]


def said(data: Json) -> Verdict | str:
    """Return the verdict of a result, where it has one."""
    return verdict(data["verdict"]) if isinstance(data.get("verdict"), str) else "-"


def tally(data: Json) -> str:
    """Return how many findings of a result ask for a look, in words.

    >>> tally({"findings": [{"outcome": "issue"}, {"outcome": "passed"}]})
    '1 issue of 2'
    """
    outcomes = [f.get("outcome") for f in data.get("findings") or () if isinstance(f, Mapping)]
    if not outcomes:
        return "-"
    issues, warnings = outcomes.count("issue"), outcomes.count("warning")
    words = [count(n, noun) for n, noun in ((issues, "issue"), (warnings, "warning")) if n]
    return f"{', '.join(words) or 'nothing'} of {len(outcomes):,}"


def _parts(known: Known, run: RunLine) -> Iterator[Section]:
    parts = known.outline.parts.get(run.run_id, ())
    if parts:
        done = sum(p.status == "finished" for p in parts)
        rows = [
            (known.run(p.run_id, title(p)), p.kind or "-", status(p.status), at(p.started_at)) for p in parts[:MOST]
        ]
        table = Table(_caption(len(parts), "run"), ("Part", "Kind", "Status", "Started"), rows, (), (3,))
        yield "Parts", [Say(f"{done:,} of {count(len(parts), 'part')} finished ({percent(done / len(parts))})."), table]


def _files(run: Json) -> Iterator[Section]:
    if run["artifacts"]:
        rows = [(a["name"], a["media_type"], size(a["size_bytes"]), a["digest"][:16]) for a in run["artifacts"][:MOST]]
        headers = ("File", "Type", "Size", "SHA-256")
        yield "Files", [Table(_caption(len(run["artifacts"]), "file"), headers, rows, (2,), (3,))]


def _caption(amount: int, noun: str) -> str:
    """Return how many there are, and how many are shown where these are fewer."""
    return count(amount, noun) + (f", the first {MOST} shown" if amount > MOST else "")
