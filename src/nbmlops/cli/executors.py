"""``nbmlops doctor --executor``: are the workers as this machine is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nbmlops.cli.doctor import Line
from nbmlops.config import Project
from nbmlops.records import Finding

__all__ = ["compare_workers"]


def compare_workers(project: Project, url: str) -> list[Line]:
    """Return a line for each worker that is as this machine is, and one for every difference.

    Parameters
    ----------
    project : Project
    url : str
        The executor.

    Raises
    ------
    Unavailable
        Nobody answers there.
    """
    from nbmlops.jobs.works import environments, executors

    found = executors.executor(url, project)
    try:
        here = environments.about(str(project.root))
        return list(_lines(environments.compared(here, found.look())))
    finally:
        found.close()


def _lines(findings: Iterable[Finding]) -> Iterator[Line]:
    for found in findings:
        what, do = found.column or found.code, found.detail.get("do", "")
        yield Line(what, "ok" if found.outcome == "passed" else "problem", found.message, do)
