"""The reports that were made, by month, and each of them whole: its snapshot drawn as the page a person signs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NbmlopsError, NotFound
from nbmlops.report import text
from nbmlops.report.blocks import Missing
from nbmlops.report.site import months
from nbmlops.report.site.known import Known, report_path, short
from nbmlops.report.site.part import Link, Page, Part, draw, look
from nbmlops.report.text import number, when
from nbmlops.report.text import stamp as at
from nbmlops.store.outline import stamp

if TYPE_CHECKING:
    from nbmlops.store.reports import Kept

__all__ = ["REPORTS", "index", "listed", "rows", "whole"]

REPORTS = ("Report", "Of", "Number", "What it says", "Facts as of", "Made")
LOST = "lost"  # the stamp of a page drawn without its files: the next build tries again


def whole(known: Known) -> Part:
    """Return every report as it was made; one whose files are lost or damaged says so."""
    of = {report_path(kept): kept for kept in known.reports}
    stamps = {path: stamp(look(), known.site, kept.subject, kept.digest) for path, kept in of.items()}

    def drawn(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            content, complete = _drawn(known, path, of[path])
            if not complete:
                stamps[path] = LOST
            yield path, content

    return Part(stamps, drawn)


def listed(known: Known) -> Part:
    """Return the lists of reports."""
    return months.listing(known, _leaves(known), "Reports", REPORTS, rows, (2,), (4, 5))


def index(known: Known) -> Part:
    """Return the page of all months of reports."""
    return months.index(known, "reports", "Reports", _leaves(known))


def rows(known: Known, reports: Sequence[Kept]) -> list[Sequence[Any]]:
    """Return reports as rows of a list, in their order."""
    return [
        (
            *(Link(kept.title, report_path(kept)), _of(known, kept), number(kept.number)),
            *(short(says(kept)), at(kept.as_of), at(kept.made_at)),
        )
        for kept in reports
    ]


def says(kept: Kept) -> str:
    """Return what a report asks and answers."""
    return text.says(str(kept.data.get("question") or ""), str(kept.data.get("answer") or "unknown"))


def _of(known: Known, kept: Kept) -> str | Link:
    """Return what a report is about: its run, where that has a page."""
    return known.run(kept.run_id) if kept.run_id in known.runs else kept.name


def _leaves(known: Known) -> months.Leaves:
    return months.leaves("reports", known.reports[::-1], lambda kept: kept.made_at)


def _drawn(known: Known, path: str, kept: Kept) -> tuple[bytes, bool]:
    """Return the page of a report, and whether all that stands in it could be read."""
    from nbmlops.report import page
    from nbmlops.report.kept import load

    try:
        taken = load(kept.digest)
    except (NbmlopsError, OSError) as error:
        return _without_facts(known, path, kept, error), False
    notebook, complete = _notebook(taken)
    return page.content(taken, notebook, ".html"), complete


def _without_facts(known: Known, path: str, kept: Kept, error: Exception) -> bytes:
    lost = "their file is gone" if isinstance(error, NotFound) else "their file is damaged or cannot be read"
    missing = Missing(f"the facts of this report; {lost}", "bring the artifacts back from a backup")
    meta = f"report {kept.number}, made {when(kept.made_at)}"
    return draw(known.site, Page(path, kept.title, "Report", meta, [("", [missing])]))


def _notebook(taken: Mapping[str, Any]) -> tuple[bytes | None, bool]:
    """Return the notebook of a report, and whether it is there as it should be."""
    from nbmlops.report import page

    try:
        return page.appendix(taken), True
    except (NbmlopsError, OSError):
        return None, False
