"""Fixtures shared by all tests: a fresh project, a real shell, small frames."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from nbmlops.tracking import session


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A fresh project folder as working directory, with nothing configured."""
    for name in [n for n in os.environ if n.startswith("NBMLOPS_") or n == "JPY_SESSION_NAME"]:
        monkeypatch.delenv(name)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "nbmlops.toml").write_text("")
    monkeypatch.chdir(folder)
    session.reset()
    yield folder
    session.reset()


@pytest.fixture
def shell(project):
    """A real IPython shell with the extension loaded, in a fresh project."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.terminal.interactiveshell import TerminalInteractiveShell

    InteractiveShell.clear_instance()
    shell = TerminalInteractiveShell.instance(colors="nocolor")
    shell.run_line_magic("load_ext", "nbmlops")
    yield shell
    shell.run_line_magic("unload_ext", "nbmlops")
    shell.reset()
    TerminalInteractiveShell.clear_instance()
