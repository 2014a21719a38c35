"""The files of a job as *Notebook Jobs* offers them: what was executed, as a page, and the notebook it was before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbmlops.config import Project
from nbmlops.errors import NotFound
from nbmlops.jobs.files import replace
from nbmlops.jobs.injected import INJECTED
from nbmlops.report import executed as notebooks
from nbmlops.report.alone import drawn
from nbmlops.report.gathered.masked import SHOWN
from nbmlops.report.gathered.outside import GIVEN, UNSAID

__all__ = ["as_html", "as_it_was", "executed"]

NOTICE = "papermill-error-cell-tag"
Json = Mapping[str, Any]


def executed(row: Json, project: Project) -> Path:
    """Return the notebook a work's newest attempt has executed so far.

    Parameters
    ----------
    row : mapping
        The work as lists show it.
    project : Project

    Raises
    ------
    NotFound
        There is none, or not on this machine.
    """
    place = str(row["output"] or "")
    if "://" in place:
        raise NotFound(f"The output lies at {place}, not on this machine.", "Open it there.")
    path = project.root / place
    if not place or not path.is_file():
        raise NotFound(f"Nothing was executed yet, or its output is gone (it is {row['status']}).", "Look at its run.")
    return path


def as_html(path: Path, hide: bool) -> Path:
    """Write an executed notebook as a page beside it; what it printed is left out where columns are private."""
    content = notebooks.read(path).content
    page = path.with_suffix(".html")
    replace(page, drawn(_hidden(content) if hide else content, path.stem).encode())
    return page


def as_it_was(path: Path, source: Path) -> Path:
    """Return the notebook that was executed: its file, or one made of the output where that says something else now."""
    before = _before(notebooks.read(path).content)
    if source.is_file() and _sources(json.loads(source.read_bytes())) == _sources(before):
        return source
    made = path.with_name(f"{path.stem}.input.ipynb")
    replace(made, json.dumps(before, ensure_ascii=False, indent=1).encode())
    return made


def _before(content: Json) -> dict[str, Any]:
    """Return an executed notebook without what its execution put in."""
    cells = [c for c in content["cells"] if not {INJECTED, NOTICE} & {*c.get("metadata", {}).get("tags", ())}]
    metadata = {k: v for k, v in content.get("metadata", {}).items() if k != "papermill"}
    return {**content, "metadata": metadata, "cells": [_unrun(cell) for cell in cells]}


def _unrun(cell: Json) -> dict[str, Any]:
    kept = {**cell, "metadata": {k: v for k, v in cell.get("metadata", {}).items() if k != "papermill"}}
    return kept | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})


def _sources(content: Json) -> list[tuple[str, str]]:
    return [(c["cell_type"], "".join(c["source"])) for c in content["cells"]]


def _hidden(content: Json) -> dict[str, Any]:
    """Return a notebook without what its cells printed and were given."""
    metadata = dict(content.get("metadata", {}))
    if "papermill" in metadata:
        metadata["papermill"] = {**metadata["papermill"], "parameters": {}}
    return {**content, "metadata": metadata, "cells": [_unprinted(cell) for cell in content["cells"]]}


def _unprinted(cell: Json) -> Json:
    if cell["cell_type"] != "code":
        return cell
    said = [{"output_type": "stream", "name": "stdout", "text": UNSAID}] if cell.get("outputs") else []
    given = INJECTED in cell.get("metadata", {}).get("tags", ())
    return {**cell, "outputs": said, **({"source": f"{GIVEN}# {SHOWN}"} if given else {})}
