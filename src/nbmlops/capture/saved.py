"""What a notebook's file says its cells are now, and in which order they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbmlops.records import iso

__all__ = ["SavedNotebook", "notebook_cells"]

MOST_BYTES = 64 << 20  # reading a larger file would be felt after the cell


@dataclass(frozen=True)
class SavedNotebook:
    """The code cells of a notebook's file, by their ids; a cell of an old file, which has none, by ``#`` and place."""

    positions: Mapping[str, int]
    sources: Mapping[str, str]
    saved_at: str


def notebook_cells(path: str | Path) -> SavedNotebook | None:
    """Read the cells of a notebook's file; None when it cannot be read, or is too large to be read after each cell.

    Parameters
    ----------
    path : path
        An ``.ipynb`` file; read again only when it changed.

    Returns
    -------
    SavedNotebook or None

    Examples
    --------
    >>> notebook_cells("no-such.ipynb") is None
    True
    """
    try:
        found = Path(path).stat()
        if found.st_size > MOST_BYTES:
            return None
        return _read(str(path), found.st_mtime_ns, found.st_size)
    except (OSError, ValueError, RecursionError):  # not there, no notebook, or being written
        return None


@lru_cache(maxsize=8)
def _read(path: str, modified_ns: int, _: int) -> SavedNotebook:
    notebook = json.loads(Path(path).read_bytes())
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("no notebook")
    code = {place: c for place, c in enumerate(cells) if isinstance(c, dict) and c.get("cell_type") == "code"}
    ids = {place: str(cell.get("id") or f"#{place}") for place, cell in code.items()}
    sources = {ids[place]: _text(cell.get("source")) for place, cell in code.items()}
    return SavedNotebook({ids[place]: place for place in code}, sources, iso(modified_ns / 1e9))


def _text(source: Any) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")
