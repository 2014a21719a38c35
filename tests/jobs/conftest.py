"""Notebooks of the tests, copied into the fresh project."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from warm_kernels import site, warm, warm_folder  # noqa: F401 (fixtures)

FOLDER = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def notebook(project):
    """Copy ``job_<name>.ipynb`` into the project and return its path."""

    def copy(name: str) -> Path:
        return Path(shutil.copy(FOLDER / f"job_{name}.ipynb", project / f"{name}.ipynb"))

    return copy


@pytest.fixture
def executed():
    """Read an executed notebook: its node, the statuses of its cells, and its text."""

    def read(path):
        text = Path(path).read_text()
        nb = nbformat.reads(text, as_version=4)
        marker = "papermill-error-cell-tag"
        cells = [c for c in nb.cells if marker not in c.metadata.get("tags", [])]
        return nb, [c.metadata.papermill.status for c in cells], text

    return read
