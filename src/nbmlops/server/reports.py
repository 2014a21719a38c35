"""A kept report as the server sends it: the page as it was made, and the rules a browser keeps it under."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.config import find_project
from nbmlops.errors import Conflict, NotFound
from nbmlops.server.notebooks import has_store

if TYPE_CHECKING:
    from nbmlops.store.artifacts import Artifacts

__all__ = ["HEADERS", "announce", "page_of"]

# A page opened from a server would be of its origin, with its cookies; in a sandbox it is of none and runs nothing.
POLICY = (
    "sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def announce(base_url: str, root: str) -> None:
    """Tell kernels, which inherit it, where this server sends reports from: its address and its folder."""
    os.environ["NBMLOPS_SERVER"] = base_url
    os.environ["NBMLOPS_SERVER_ROOT"] = str(Path(root).expanduser().resolve())


def page_of(start: Path, run_id: str) -> str:
    """Return the page of the newest report of a run; looking makes no report and no store.

    Parameters
    ----------
    start : Path
        A folder or notebook inside the project.
    run_id : str
        The whole id.

    Raises
    ------
    NotFound
        Nobody has made a report of such a run.
    """
    from nbmlops.report.page import render
    from nbmlops.store import reports
    from nbmlops.store.artifacts import Artifacts
    from nbmlops.store.database import Store

    project = find_project(start)
    kept = None
    if has_store(project):
        store = Store(project)  # opened anew: a project may be deleted and made again while the server runs
        try:
            kept = reports.newest(store, f"run:{run_id}")
        finally:
            store.close()
    if kept is None:
        raise NotFound(f"No report of run {run_id[:60]!r} is kept.", "Make it: nbmlops report RUN")
    place = Artifacts.of(project)
    taken = json.loads(place.get(kept.digest).decode("utf-8", "surrogatepass"))
    return render(taken, _notebook(taken, place))


def _notebook(taken: Mapping[str, Any], place: Artifacts) -> bytes | None:
    """Return the executed notebook; None also where it is lost or damaged: its section says so."""
    notebook = taken.get("notebook")
    try:
        return place.get(notebook["digest"]) if notebook else None
    except (NotFound, Conflict):
        return None
