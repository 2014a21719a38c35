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


@pytest.fixture
def people():
    """Rows of a question with a known answer: one strong column, one weak, one of noise."""
    import numpy as np
    import pandas as pd

    def make(rows, seed):
        rng = np.random.default_rng(seed)
        columns = {
            "age": rng.normal(40, 10, rows),
            "city": rng.choice(["Ulm", "Bern"], rows),
            "noise": rng.random(rows),
        }
        frame = pd.DataFrame(columns)
        frame["late"] = (frame.age - 40) / 10 + (frame.city == "Bern") * 0.5 + rng.normal(0, 1, rows) > 0.5
        return frame

    return make


@pytest.fixture
def train(people):
    return people(500, 1)


@pytest.fixture
def held_out(people):
    return people(400, 2)


@pytest.fixture
def fit(train):
    """Fit a small pipeline on some columns of the training rows."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    def make(*columns, rows=train):
        text = [c for c in columns if c == "city"]
        coded = make_column_transformer((OneHotEncoder(), text), remainder="passthrough")
        return make_pipeline(coded, LogisticRegression()).fit(rows[list(columns)], rows.late)

    return make


@pytest.fixture
def model(fit):
    return fit("age", "city", "noise")
