"""The first page, the search and the files all pages share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from nbmlops.report.blocks import Missing, Say
from nbmlops.report.site import jobs, lists, models, reports
from nbmlops.report.site.known import Known, job_path, model_path, report_path, run_path, title
from nbmlops.report.site.part import Link, Page, Part, Section, Table, draw, look, pages, seen, template
from nbmlops.report.text import count
from nbmlops.report.text import stamp as at
from nbmlops.store.outline import RunLine, stamp

__all__ = ["front", "search", "shared"]

NEWEST = 20
LISTS = (
    ("Reports", "reports/index.html", "numbered snapshots a person can read and sign"),
    ("Runs", "runs/index.html", "by month, the newest first"),
    ("Models", "models/index.html", "versions, aliases, metrics, episodes"),
    ("Jobs", "jobs/index.html", "when they fire, and what became of it"),
    ("Drift", "drift/index.html", "checks of data and models, by month"),
)


def front(known: Known) -> Part:
    """Return the first page: what the project is for, what serves, what is open, what ran last."""
    lines = _newest(known)
    mark = stamp(
        look(),
        known.site,
        lines,
        _agreed(known),
        models.model_rows(known),
        jobs.job_rows(known),
        _opened(known),
        _made(known),
    )

    def drawn(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        yield from ((path, draw(known.site, _front(known, lines))) for path in paths)

    return Part({"index.html": mark}, drawn)


def search(known: Known) -> Part:
    """Return the search: a page that leads to all lists, and a file of titles that makes it look things up."""
    rows = [(Link(name, path), says) for name, path, says in LISTS]
    found = [("Lists", [Table("what there is", ("List", "Holds"), rows)])]
    page = Page("search.html", "Search", known.site, "every word must be in the line", found, searched=True)
    of_page = pages(known.site, [page])
    data = _data(known)

    def drawn(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            yield from [(path, data)] if path == "search-data.js" else of_page.draw([path])

    return Part({**of_page.stamps, "search-data.js": stamp(data)}, drawn)


def shared() -> Part:
    """Return what all pages load: the look, and the search's program."""
    files = {"site.css": template("page.css") + template("site.css"), "search.js": template("search.js")}
    return Part(
        {path: stamp(text) for path, text in files.items()},
        lambda paths: ((path, files[path].encode()) for path in paths),
    )


def _front(known: Known, lines: Sequence[RunLine]) -> Page:
    whole = sum(run.whole for run in known.runs.values())
    meta = f"{count(whole, 'run')} · {count(len(known.models), 'model')} · {count(len(known.jobs), 'job')}"
    blocks = [
        ("", _agreed(known)),
        *_models(known),
        *_episodes(known),
        *_reports(known),
        *_runs(known, lines),
        *_jobs(known),
    ]
    return Page("index.html", known.site, "Project", meta, blocks)


def _agreed(known: Known) -> list[Any]:
    """Return what the project is for, in the charter's words."""
    if known.charter is None or not known.charter.problem:
        what = "what the project is for; its charter does not say"
        return [Missing(what, "say it as problem: in charter.yaml (nbmlops charter new)")]
    return [Say(known.charter.problem), *([Say(known.charter.decision)] if known.charter.decision else [])]


def _newest(known: Known) -> list[RunLine]:
    return [run for run in known.runs.values() if run.whole][::-1][:NEWEST]


def _opened(known: Known) -> list[Sequence[Any]]:
    return models.episode_rows(known, [e for e in known.episodes if not e["closed_at"]][:NEWEST])


def _models(known: Known) -> Iterator[Section]:
    if rows := models.model_rows(known):
        more = (
            f"{count(len(rows), 'model')}, the first {NEWEST} shown"
            if len(rows) > NEWEST
            else count(len(rows), "model")
        )
        yield "Models", [Table(more, models.MODELS, rows[:NEWEST], (4,), (2,))]


def _episodes(known: Known) -> Iterator[Section]:
    if rows := _opened(known):
        yield "Open episodes", [Table(count(len(rows), "open episode"), models.EPISODES, rows, (), (4, 5))]


def _made(known: Known) -> list[Sequence[Any]]:
    return reports.rows(known, known.reports[:NEWEST])


def _reports(known: Known) -> Iterator[Section]:
    if rows := _made(known):
        yield "Newest reports", [Table(f"the newest {count(len(rows), 'report')}", reports.REPORTS, rows, (2,), (4, 5))]


def _runs(known: Known, lines: Sequence[RunLine]) -> Iterator[Section]:
    rows = lists.run_rows(known, lines)
    shown = Table(f"the newest {count(len(rows), 'run')}", lists.RUNS, rows, (3,), (1,)) if rows else Say("No run yet.")
    yield "Newest runs", [shown]


def _jobs(known: Known) -> Iterator[Section]:
    if rows := jobs.job_rows(known):
        yield "Jobs", [Table(count(len(rows), "job"), jobs.JOBS, rows, (), (3, 5))]


def _data(known: Known) -> bytes:
    """Return what is searched as one small program, for pages opened from a folder may load nothing else."""
    found = [
        ("model", name, ", ".join(filter(None, [count(len(v), "version"), v[0].owner])), "", model_path(name))
        for name, v in known.models.items()
    ]
    found += [("job", row["job"], row["when"], "", job_path(row["job"])) for row in known.jobs]
    found += [
        ("report", kept.title, f"{kept.name} {kept.number}", at(kept.made_at), report_path(kept))
        for kept in known.reports
    ]
    found += [
        (
            "run",
            title(run),
            f"{run.status or 'unknown'} {run.run_id[-12:]}",
            run.started_at[:16].replace("T", " "),
            run_path(run.run_id),
        )
        for run in reversed([*known.runs.values()])
    ]
    lines = [json.dumps([*map(seen, line)], separators=(",", ":")) for line in found]
    body = ",\n".join(lines)
    return f"window.NBMLOPS_SITE = [\n{body}\n];\n".encode()
