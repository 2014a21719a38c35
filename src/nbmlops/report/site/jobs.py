"""A page for each job: whether it is on, when it fires next, and its last fires with what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.report.blocks import Say, Verdict
from nbmlops.report.site.known import Known, job_path, short, status
from nbmlops.report.site.part import Facts, Link, Page, Part, Section, Table, pages
from nbmlops.report.text import count, number
from nbmlops.report.text import stamp as at

if TYPE_CHECKING:
    from nbmlops.store.works import Work

__all__ = ["JOBS", "job_rows", "part"]

FIRES = 50  # of each job
JOBS = ("Job", "State", "When", "Next", "Last", "Last at", "Says")
TONES = {"on": "good", "paused": "warn", "stopped": "bad", "broken": "bad", "gone": "bad"}


def part(known: Known) -> Part:
    """Return the pages of all jobs, and their list."""
    rows = job_rows(known)
    shown = Table(count(len(rows), "job"), JOBS, rows, (), (3, 5)) if rows else Say("No job is defined yet.")
    index = Page("jobs/index.html", "Jobs", known.site, count(len(rows), "job"), [("", [shown])])
    return pages(known.site, [index, *(_page(known, row) for row in known.jobs)])


def job_rows(known: Known) -> list[Sequence[Any]]:
    """Return jobs as rows: their state, when they fire next and how the last fire ended."""
    return [(Link(row["job"], job_path(row["job"])), *_cells(known, row)) for row in known.jobs]


def _cells(known: Known, row: Mapping[str, Any]) -> Sequence[Any]:
    last = status(row["last"]) if row["last"] else "never"
    says = known.masked(short(row["says"])) or "-"
    return (_state(row["state"]), row["when"] or "-", at(row["next_at"]), last, at(_utc(row["last_at"])), says)


def _utc(moment: str) -> str:
    """Return a time that says its zone; lists of jobs leave it out."""
    return f"{moment}+00:00" if moment and "+" not in moment else moment


def _state(word: str) -> Verdict:
    return Verdict(word, TONES.get(word, "quiet"))  # type: ignore[arg-type]


def _page(known: Known, row: Mapping[str, Any]) -> Page:
    from nbmlops.store import ledger

    works = ledger.list(known.store, job=row["job"], limit=FIRES)
    cells = _cells(known, row)
    facts = [*zip(JOBS[1:], cells, strict=True), ("Owner", row["owner"] or "unknown"),
             ("Failures in a row", number(row["failures"] or 0))]  # fmt: skip
    fires = _fires(known, works) if works else Say("It has not fired yet.")
    blocks: list[Section] = [("", [Facts(facts)]), ("Last fires", [fires])]
    return Page(job_path(row["job"]), row["job"], "Job", row["when"] or row["state"], blocks)


def _fires(known: Known, works: Sequence[Work]) -> Table:
    rows = [
        (
            *(at(work.scheduled_for or work.created_at), work.trigger or "-", status(work.state)),
            *(f"{work.attempt} of {work.most}", at(work.ended_at)),
            *(known.run(work.run_id, "run") if work.run_id else "-", _why(known, work)),
        )
        for work in works
    ]
    headers = ("Fire", "By", "State", "Attempts", "Ended", "Run", "Why")
    return Table(f"the last {count(len(rows), 'fire')}, the newest first", headers, rows, (3,), (0, 4))


def _why(known: Known, work: Work) -> str:
    return known.masked(short(work.reason or work.spec.get("because") or "-"))
