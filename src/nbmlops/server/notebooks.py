"""Where a notebook lies that the browser names, and whether anything was kept in its project."""

from __future__ import annotations

from pathlib import Path

from nbmlops.config import Project
from nbmlops.errors import NotFound

__all__ = ["has_store", "located", "store_mode"]


def located(root: Path, contents_path: str, hidden: bool = False) -> Path:
    """Return the file behind a path of the contents service.

    Parameters
    ----------
    root : Path
        The folder the server shows.
    contents_path : str
        As the browser knows it: relative to ``root``.
    hidden : bool
        Whether the contents service gives what lies in hidden folders.

    Raises
    ------
    NotFound
        No such notebook, or it lies outside the server's folder, or in a hidden one.
    """
    root = root.resolve()
    try:
        path = (root / contents_path.lstrip("/")).resolve()
        seen = hidden or not any(part.startswith(".") for part in Path(contents_path).parts)
        if seen and path.is_relative_to(root) and path.suffix == ".ipynb" and path.is_file():
            return path
    except (OSError, ValueError):  # too long a name, a NUL in it, a loop of links
        pass
    raise NotFound(f"No notebook {contents_path[:200]!r} on this server.", "Save the notebook, then refresh.")


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
