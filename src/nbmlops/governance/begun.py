"""Begin a charter: a commented template, never over one that is there."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

from nbmlops.errors import Conflict
from nbmlops.registry.targets import FILE
from nbmlops.tracking import session

__all__ = ["new", "template"]

PLAIN = re.compile(r"[^\W\d][\w .-]*[\w]|[^\W\d]")  # what YAML reads as text without quotes


def new(folder: str | Path | None = None) -> Path:
    """Write a commented template and return its path; an existing charter is never overwritten.

    Parameters
    ----------
    folder : path, optional
        The project's root when absent.

    Returns
    -------
    Path

    Raises
    ------
    Conflict
        There is one already.

    Examples
    --------
    >>> new()  # doctest: +SKIP
    PosixPath('charter.yaml')
    """
    path = Path(folder or session.project().root) / FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        raise Conflict(f"{path.name} is there already.", f"Edit {path.name}, or remove it first.") from None
    return path


def template() -> str:
    """Return the template, with the project's name in it."""
    text = resources.files("nbmlops").joinpath("templates", FILE).read_text(encoding="utf-8")
    name = session.project().name
    return text.replace("{project}", name if PLAIN.fullmatch(name) else json.dumps(name))
