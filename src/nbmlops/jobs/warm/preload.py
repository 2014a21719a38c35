"""Which modules a notebook's kernel will import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbmlops.config import Project

__all__ = ["chosen", "imports"]

LOADED = re.compile(r"^\s*%(?:load_ext|reload_ext)\s+(\w[\w.]*)", re.M)
MAGIC = re.compile(r"^(\s*)[%!?].*$", re.M)
CELL_MAGIC = re.compile(r"\s*%%(\w+)")
MOST_FILES = 50
OF_PYTHON = ("track", "time", "capture")  # cell magics whose cell is Python


def chosen(project: Project, cells: Iterable[Mapping[str, Any]], folder: Path | None = None) -> list[str]:
    """Return the modules to preload: those of ``[warm] preload``, else those the notebook's own lines import.

    Parameters
    ----------
    project : Project
    cells : iterable of mapping
        The notebook's cells.
    folder : Path, optional
        Where the kernel runs: what modules there import is loaded, they themselves are the kernel's to import.

    Returns
    -------
    list of str

    Examples
    --------
    >>> chosen(Project(Path("."), "", {"warm": {"preload": ["pandas"]}}), [])
    ['pandas']
    """
    given = project.setting("warm", "preload")
    if given is not None:
        return [str(name) for name in ([given] if isinstance(given, str) else given)]
    named = imports(str(_text(c)) for c in cells if c.get("cell_type") == "code")
    return _beyond(named, folder) if folder else named


def _beyond(named: list[str], folder: Path) -> list[str]:
    """Return what is imported with the modules of a folder replaced by what they import."""
    found: set[str] = set()
    seen: set[Path] = set()
    waiting = list(named)
    while waiting:
        name = waiting.pop()
        path = _beside(name, folder)
        if path is None:
            found.add(name)
        elif path not in seen and len(seen) < MOST_FILES:
            seen.add(path)
            waiting += _of_file(path)
    return sorted(found)


def _beside(name: str, folder: Path) -> Path | None:
    """Return the file of a module in a folder."""
    parts = name.split(".")
    if not any((folder / p).exists() for p in (f"{parts[0]}.py", f"{parts[0]}/__init__.py")):
        return None
    stem = folder.joinpath(*parts)
    places = (
        stem.with_name(f"{stem.name}.py"),
        stem / "__init__.py",
        folder / f"{parts[0]}.py",
        folder / parts[0] / "__init__.py",
    )
    return next(p for p in places if p.is_file())


def _of_file(path: Path) -> list[str]:
    try:
        return sorted(set(_of_cell(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError):  # what it imports is the kernel's to find out
        return []


def imports(sources: Iterable[str]) -> list[str]:
    r"""Return the modules that cells import when they run, sorted.

    What stands inside functions is not imported by running the cell.

    >>> imports(["import numpy as np\n%matplotlib inline", "from sklearn import tree", "def f():\n import os"])
    ['numpy', 'sklearn', 'sklearn.tree']
    """
    return sorted({name for source in sources for name in _of_cell(source)})


def _text(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _of_cell(source: str) -> Iterator[str]:
    yield from LOADED.findall(source)
    if (magic := CELL_MAGIC.match(source)) and magic[1] not in OF_PYTHON:
        return
    try:
        tree = ast.parse(MAGIC.sub(r"\1pass", source))
    except SyntaxError:  # a cell in another language, or one that fails
        return
    yield from _of_body(tree)


def _of_body(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name.islower())  # a module, perhaps
    elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        for part in ast.iter_child_nodes(node):
            yield from _of_body(part)
