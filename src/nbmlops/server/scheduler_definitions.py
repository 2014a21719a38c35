"""Files of jobs that *Notebook Jobs* writes: ``jobs/<name>.yaml`` with a first line that says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nbmlops.config import Project
from nbmlops.errors import Conflict, NbmlopsError, NotAllowed
from nbmlops.jobs.files import replace
from nbmlops.jobs.schedule import definition, expressions
from nbmlops.jobs.works import apart
from nbmlops.server.scheduler_forms import as_typed, unmasked

__all__ = ["change", "file_of", "new", "values"]

MADE = "# Made in Notebook Jobs.\n"


def new(name: str, content: Mapping[str, Any], project: Project) -> str:
    """Write the file of a new job; return what it is called, which is the form's name without spaces and the like.

    Raises
    ------
    Conflict
        There is such a file.
    Invalid
        The job would be broken; no file is left.
    """
    named = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:100] or "job"
    path = project.root / definition.FOLDER / f"{named}.yaml"
    if path.exists():
        raise Conflict(f"{project.relative(path)} is there already.", "Choose another name.")
    path.parent.mkdir(exist_ok=True)
    _write(path, content, project)
    return named


def change(name: str, changed: Mapping[str, Any], project: Project) -> None:
    """Write some keys of a job's file anew; one that would be broken stays as it was."""
    path = file_of(name, project)
    _write(path, yaml.safe_load(path.read_text(encoding="utf-8")) | changed, project)


def file_of(name: str, project: Project) -> Path:
    """Return the file of a job the form made; those that people keep under git are theirs to edit.

    Raises
    ------
    NotAllowed
        Somebody wrote it by hand.
    """
    path = project.root / definition.find(name, project).path
    if not path.read_text(encoding="utf-8").startswith(MADE):
        raise NotAllowed(f"{project.relative(path)} was written by hand.", "Edit or remove it there.")
    return path


def values(notebook: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a form's texts as a job's file has them; what the notebook does not take is refused."""
    given = {n: expressions.render(text, definition.EXAMPLE, notebook.stem) for n, text in unmasked(texts).items()}
    checked = apart.row_of(notebook, given)["parameters"]
    return {n: text if "{{" in text else as_typed(checked[n]) for n, text in texts.items()}


def _write(path: Path, content: Mapping[str, Any], project: Project) -> None:
    before = path.read_bytes() if path.exists() else None
    replace(path, (MADE + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)).encode())
    try:
        definition.read(path, project)
    except NbmlopsError:
        replace(path, before) if before is not None else path.unlink()
        raise
