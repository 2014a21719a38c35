"""Make the site: read what there is, plan what changes, write that and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from nbmlops.hooks import Shown
from nbmlops.report.site import front, jobs, known, lists, models, reports, runs
from nbmlops.report.site.folder import Folder, opened
from nbmlops.report.site.known import Known
from nbmlops.report.site.part import Part
from nbmlops.store.outline import store_id
from nbmlops.tracking import session

__all__ = ["Site", "made", "site"]

Progress = Callable[[int, int], None]  # pages done, of how many


@dataclass(frozen=True, repr=False)
class Site(Shown):
    """A site that was made: where it is, and how many of its pages were written, kept as they were and taken away."""

    shows: ClassVar[str] = "site"

    path: str
    written: int
    kept: int
    removed: int
    took_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def site(output: str | Path | None = None) -> Site:
    """Write the project as a static folder of pages, and return what was written.

    The first page says what the project is for, what serves, what is open and what ran last; lists lead to reports,
    runs, models, jobs and drift checks. Any web server can show the folder, and a browser without one. Made again, only
    what changed is written, and the pages of deleted runs go.

    Parameters
    ----------
    output : str or Path, optional
        The folder; ``.nbmlops/outputs/site`` when absent. It is made where it is not there.

    Returns
    -------
    Site
        ``path``, ``written``, ``kept``, ``removed`` (pages and files each), ``took_s``.

    Raises
    ------
    Invalid
        It is a file; or the charter is broken, so that it is not known what is private.
    NotFound
        The folder it should be made in is not there.
    NotAllowed
        It cannot be written.
    Conflict
        It holds files that are no site of this project, or somebody else has been writing it for a minute.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.site("public").written  # doctest: +SKIP
    118
    """
    return made(output)


def made(output: str | Path | None = None, progress: Progress | None = None) -> Site:
    """Write the site like :func:`site`, and say how far it is.

    Parameters
    ----------
    output : str or Path, optional
    progress : callable, optional
        Called with the pages done and how many there are to do.
    """
    began = time.perf_counter()
    target = _target(output)
    charter = known.agreed()
    with opened(target, store_id(session.store())) as folder:
        parts = _parts(known.read(charter))
        wanted = [path for part in parts for path in part.stamps]
        folder.begin(wanted)
        try:
            for _ in _written(folder, parts, progress):
                pass
            folder.keep_only(wanted)
        finally:
            folder.save()
        kept = len(wanted) - folder.written
        return Site(str(target), folder.written, kept, folder.removed, round(time.perf_counter() - began, 3))


def _parts(facts: Known) -> list[Part]:
    """Return all pages; what others lead to is written first, so that no link is dead meanwhile."""
    of_one = front.shared(), reports.whole(facts), runs.part(facts), models.part(facts), jobs.part(facts)
    by_month = reports.listed(facts), lists.runs(facts), lists.drift(facts)
    above = reports.index(facts), lists.runs_index(facts), lists.drift_index(facts)
    return [*of_one, *by_month, *above, front.search(facts), front.front(facts)]


def _written(folder: Folder, parts: list[Part], progress: Progress | None) -> Iterator[str]:
    stale = [[path for path, mark in part.stamps.items() if folder.stale(path, mark)] for part in parts]
    total, done = sum(map(len, stale)), 0
    for part, paths in zip(parts, stale, strict=True):
        for path, content in part.draw(paths):
            folder.put(path, part.stamps[path], content)
            done += 1
            if progress is not None:
                progress(done, total)
            yield path


def _target(output: str | Path | None) -> Path:
    if output is not None:
        return Path(output)
    from nbmlops.store.journal import prepare

    home = session.project().home
    prepare(home)
    (home / "outputs").mkdir(exist_ok=True)
    return home / "outputs" / "site"
