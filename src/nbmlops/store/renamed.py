"""A notebook that was renamed: the names it had before. Cells keep their ids through a rename, and runs name both."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nbmlops.store.driver import parts

if TYPE_CHECKING:
    from nbmlops.store.driver import Connection

__all__ = ["cell_ids", "names"]

DISTINCT = "SELECT DISTINCT notebook FROM runs WHERE notebook IS NOT NULL"
OF_CELLS = "SELECT DISTINCT notebook, cell_id FROM runs WHERE cell_id IS NOT NULL AND notebook IN ({})"


def names(connection: Connection, root: Path, notebook: str, known: Iterable[str] | None = None) -> list[str]:
    """Return a notebook's name, then those it had before: no file has them now, and cells of theirs are in it.

    A copy takes nothing, for the file it was made of is there.

    Parameters
    ----------
    connection : Connection
    root : Path
        Of the project.
    notebook : str
        Its path relative to the project.
    known : iterable of str, optional
        The notebooks that runs name, where that is known.
    """
    if known is None:
        known = [name for (name,) in connection.execute(DISTINCT).fetchall()]
    gone = sorted(name for name in known if name != notebook and _is_gone(root, name))
    ids = cell_ids(root / notebook) if gone else set()
    found: set[str] = set()
    for part, marks in parts(gone) if ids else ():
        pairs = connection.execute(OF_CELLS.format(marks), part).fetchall()
        found |= {name for name, cell_id in pairs if cell_id in ids}
    return [notebook, *sorted(found)]


def _is_gone(root: Path, name: str) -> bool:
    """Tell whether no file has a name any more; what lies at an address is not looked for."""
    return ":/" not in name and not (root / name).is_file()


def cell_ids(notebook: Path) -> set[str]:
    """Return the ids of the cells in a file; none of what is no notebook, or one older than ids."""
    try:
        cells = json.loads(notebook.read_bytes())["cells"]
        return {cell["id"] for cell in cells if isinstance(cell.get("id"), str)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()
