"""What the panel asks about a notebook: where it lies, and which runs it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbmlops.config import Project, find_project
from nbmlops.errors import NotFound

__all__ = ["MAX_RUNS", "located", "runs_of", "store_mode"]

MAX_RUNS = 100
# What identifies a process or a folder of this machine stays here, and what the panel does not draw is not sent.
LEFT_OUT = ("process", "source", "environment", "git", "metrics", "defaults")


def located(root: Path, contents_path: str) -> Path:
    """Return the file behind a path of the contents service.

    Parameters
    ----------
    root : Path
        The folder the server shows.
    contents_path : str
        As the browser knows it: relative to ``root``.

    Raises
    ------
    NotFound
        No such notebook, or it lies outside the server's folder.
    """
    root = root.resolve()
    try:
        path = (root / contents_path.lstrip("/")).resolve()
        if path.is_relative_to(root) and path.suffix == ".ipynb" and path.is_file():
            return path
    except (OSError, ValueError):  # too long a name, a NUL in it, a loop of links
        pass
    raise NotFound(f"No notebook {contents_path[:200]!r} on this server.", "Save the notebook, then refresh.")


def runs_of(notebook: Path) -> list[dict[str, Any]]:
    """Return the runs of a notebook, newest first, as JSON; looking makes no store where there is none."""
    from nbmlops.store.database import Store
    from nbmlops.store.runs import summaries
    from nbmlops.tracking.runs import Run

    project = find_project(notebook)
    if not has_store(project):
        return []
    store = Store(project)  # opened anew: a project may be deleted and made again while the server runs
    try:
        found = summaries(store, notebook=project.relative(notebook), limit=MAX_RUNS)
    finally:
        store.close()
    return [_sent(Run(run).to_dict(curves=False)) for run in found]


def has_store(project: Project) -> bool:
    """Tell whether anything was tracked in a project, or its database lies elsewhere."""
    from nbmlops.store.database import Store
    from nbmlops.store.journal import journals

    url = Store(project).url
    if url.get_backend_name() != "sqlite":
        return True
    return Path(url.database or "").is_file() or bool(journals(project.home / "journal"))


def store_mode(project: Project) -> str:
    """Return the kind of database, never its address: that may hold a password."""
    return project.store_url.partition(":")[0].partition("+")[0]


def _sent(run: dict[str, Any]) -> dict[str, Any]:
    """Return what the panel draws of a run: no traceback, whose paths are this machine's."""
    kept = {key: value for key, value in run.items() if key not in LEFT_OUT}
    git = run.get("git") or {}
    error = run.get("error")
    return {
        **kept,
        "git": {"commit": git.get("commit"), "dirty": git.get("dirty")} if git else None,
        "error": {"name": error.get("name"), "message": error.get("message")} if error else None,
    }
