"""Make the agenda of a review: advice on every model first, then a numbered report of the time since the last one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nbmlops.errors import NbmlopsError, tell
from nbmlops.governance.advise import advise
from nbmlops.report.agenda import gathered
from nbmlops.report.page import written
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.report.page import Report

__all__ = ["made", "review_charter"]


def review_charter(since: str | None = None, output: str | Path | None = None) -> Path:
    """Write the agenda of a review as a report: what changed since the last one, what is open, what there is to decide.

    Each model in use is advised on first. The agenda is kept with a number and tells of the time since the one before;
    ``nb.report("agenda")`` shows it again. What is decided is recorded by ``nb.verdict`` and ``nb.decide``.

    Parameters
    ----------
    since : str, optional
        A day or time in UTC from which it tells; that of the last agenda when absent, of the first as long as the
        charter's cadence (a month where it has none).
    output : str or Path, optional
        The file: Markdown where it ends in ``.md``, the facts alone where in ``.json``, else HTML.

    Returns
    -------
    Path

    Raises
    ------
    NotFound
        Nothing is known of the project, or no folder to write into.
    Invalid
        No such day, one that is to come, or a file whose ending is that of no form.

    Examples
    --------
    >>> nb.review_charter("2026-03-01", output="agenda.md")  # doctest: +SKIP
    """
    found = made(since, output)
    if found.note:
        tell(found.note)
    return Path(found.path)


def made(since: str | None = None, output: str | Path | None = None) -> Report:
    """Write the agenda like :func:`review_charter`; say what it says."""
    period = gathered.next_one(since)
    _advise()
    return written(period, output, refresh=True)


def _advise() -> None:
    """Ask for advice on each model in use; what cannot be advised on is told, and the agenda says what was last."""
    from nbmlops.store import models

    for name, pointing in sorted(models.aliases(session.store()).items()):
        if "champion" not in pointing:
            continue
        try:
            advise(name)
        except NbmlopsError as error:
            tell(f"{name} could not be advised on: {error.message}")
