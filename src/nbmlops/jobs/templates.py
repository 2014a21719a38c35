"""Notebooks to start from: explore, train, retrain, check for drift, score."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Conflict, Invalid, NotFound, unknown

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["names", "read", "start"]


def names() -> list[str]:
    """Return the names of the templates there are."""
    return sorted(p.name.removesuffix(".ipynb") for p in _folder().iterdir() if p.name.endswith(".ipynb"))


def read(name: str) -> str:
    """Return a template as the text of a notebook; it works installed and from a clone.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Raises
    ------
    NotFound
        There is no such template.

    Examples
    --------
    >>> read("train").startswith("{")
    True
    """
    if name not in names():
        raise unknown("template", name, names())
    return _folder().joinpath(f"{name}.ipynb").read_text(encoding="utf-8")


def start(name: str, path: Path, parameters: Mapping[str, Any] | None = None) -> Path:
    """Write a new notebook from a template, with some of its parameters set; return its path.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    path : Path
        Where it goes; ``.ipynb`` is added. An existing file is never overwritten.
    parameters : mapping, optional
        New defaults for the template's ``parameters`` cell.

    Raises
    ------
    Conflict
        The file is there already.
    Invalid
        The template has no such parameter.
    """
    notebook = json.loads(read(name))
    path = path if path.suffix == ".ipynb" else path.with_name(f"{path.name}.ipynb")
    if not path.parent.is_dir():
        raise NotFound(f"No folder {str(path.parent)!r}.", f"Make it: mkdir -p {path.parent}")
    cell = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
    cell["source"] = _with_defaults(name, cell["source"], parameters or {})
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise Conflict(f"{path} is there already and stays as it is.", "Choose another name.") from None
    return path


def _with_defaults(name: str, lines: list[str], parameters: Mapping[str, Any]) -> list[str]:
    """Return the lines of a parameters cell with other defaults; comments behind them stay."""
    lines = list(lines)
    for key, value in parameters.items():
        at = next((i for i, line in enumerate(lines) if line.startswith(f"{key} = ")), None)
        if at is None:
            raise Invalid(f"Template {name!r} has no parameter {key!r}.", "Leave it out, and edit the notebook.")
        _, mark, comment = lines[at].rstrip("\n").partition("  # ")
        lines[at] = f"{key} = {json.dumps(value, ensure_ascii=False)}{mark}{comment}" + "\n" * lines[at].endswith("\n")
    return lines


def _folder() -> Traversable:
    return resources.files("nbmlops").joinpath("templates", "notebooks")
