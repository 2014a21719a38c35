"""What is told of a run outside its project, where more people read it than may see the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nbmlops.errors import NbmlopsError
from nbmlops.report.gathered.masked import hide, masked_run
from nbmlops.report.gathered.raised import UNREAD, raised
from nbmlops.tracking import session
from nbmlops.tracking.runs import Run

if TYPE_CHECKING:
    from nbmlops.governance.charter import Charter

__all__ = ["columns", "of_file", "of_reason", "of_run"]

UNSAID = "not shown: what it printed may hold values of private columns"
GIVEN = "# Parameters\n"  # how the cell begins that an execution puts in
PLACE = "last_lines"  # the tag of what was printed last


def columns(agreed: Charter | None) -> list[str]:
    """Return what the charter calls private, and what it did when any version was registered.

    Parameters
    ----------
    agreed : Charter, optional
    """
    from nbmlops.store.models import listed

    kept = {name for v in listed(session.store()) for name in v.signature.get("private") or ()}
    return sorted({*(agreed.private if agreed else ()), *kept})


def of_run(run: Run) -> Run:
    """Return a run as it may be told: with private columns, without what it printed and without values in its error.

    Parameters
    ----------
    run : Run

    Examples
    --------
    >>> import nbmlops as nb
    >>> of_run(nb.get_run("retrain")).error  # doctest: +SKIP
    {'name': 'ValueError', 'message': 'unknown customer ...', 'traceback': ''}
    """
    hidden, unread = _private()
    if not hidden and not unread:
        return run
    printed = (run.error or {}).get("output") or run.tags.get(PLACE)
    kept = masked_run({**run.to_dict(curves=False), "source": str(run.source or "")}, hidden, unread)
    return Run({**kept, "tags": {**kept["tags"], **({PLACE: UNSAID} if printed else {})}})


def of_reason(text: str) -> str:
    """Return why a work ended as it may be told: an error keeps its name, and of its message what is no value.

    Parameters
    ----------
    text : str
        ``ValueError: unknown customer Ada``, or words of our own.
    """
    hidden, unread = _private()
    name, colon, said = text.partition(": ")
    if (not hidden and not unread) or not text:
        return text
    if colon and name.isidentifier():
        return f"{name}: {raised({'name': name, 'message': said}, '', hidden, unread)['message']}"
    return UNREAD if unread else hide(text, hidden)


def of_file(path: Path) -> tuple[list[str], bool]:
    """Return the private columns of the project a file lies in, and of this one; and whether a charter is unreadable.

    Parameters
    ----------
    path : Path
    """
    from nbmlops.config import find_project
    from nbmlops.governance.charter import charter
    from nbmlops.registry.targets import FILE

    hidden, unread = _private()
    real = path.resolve()
    root = find_project(real).root
    inside = (p / FILE for p in real.parents if p == root or root in p.parents)
    nearest = next((place for place in inside if place.is_file()), None)
    try:
        agreed = charter(nearest) if nearest else None
    except NbmlopsError:
        return hidden, True
    return sorted({*hidden, *(agreed.private if agreed else ())}), unread


def _private() -> tuple[list[str], bool]:
    """Return the private columns, and whether they are not known since the charter cannot be read."""
    from nbmlops.governance.charter import charter

    try:
        return columns(charter(session.project().root)), False
    except NbmlopsError:
        return columns(None), True
