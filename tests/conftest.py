"""Fixtures shared by all tests: a fresh project, a real shell, small frames."""

from __future__ import annotations

import importlib
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from contextlib import ExitStack
from itertools import count

import pytest

import servers
from nbmlops.tracking import opened, session


@pytest.fixture(scope="session")
def start():
    """Start a server once for all tests of this process: ``start(servers.run_postgres, 16)``; all end with them."""
    running = {}

    def once(run, *what):
        if (run, what) not in running:
            try:
                running[run, what] = stack.enter_context(run(*what))
            except servers.Missing as error:
                running[run, what] = error
        if isinstance(running[run, what], servers.Missing):
            leave_out = pytest.fail if os.environ.get("CI") else pytest.skip
            leave_out(f"NOT TESTED: {running[run, what]}")
        return running[run, what]

    with ExitStack() as stack:
        yield once


@pytest.fixture
def postgres(start):
    """Make a fresh database on a real PostgreSQL server and return its address: ``postgres()``, ``postgres(16)``."""
    with ExitStack() as stack:

        def make(version=None):
            server, name = start(servers.run_postgres, version), f"test_{os.getpid()}_{next(NUMBERS)}"
            server.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY")
            stack.callback(server.execute, f"DROP DATABASE {name} WITH (FORCE)")
            return server.url(name)

        yield make


NUMBERS = count(1)


@pytest.fixture
def s3(start, monkeypatch):
    """Return the address of an empty bucket on a server that speaks S3; the environment holds its place and keys."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", start(servers.run_s3))
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"bucket-{os.getpid()}-{next(NUMBERS)}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A fresh project folder as working directory, with nothing configured."""
    for name in [n for n in os.environ if n.startswith("NBMLOPS_") or n == "JPY_SESSION_NAME"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NBMLOPS_WARM", "0")  # tests/jobs/test_warm.py starts what stays, and ends it
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "nbmlops.toml").write_text("")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(opened, "background", False)  # what is tracked arrives when it is read, not meanwhile
    session.reset()
    yield folder
    session.reset()


@pytest.fixture
def someone(monkeypatch):
    """Act as somebody a hub knows, ``someone("ann@example.org")``; afterwards nobody stays who was played."""
    from nbmlops.capture import environment

    def be(name):
        monkeypatch.setenv("JUPYTERHUB_USER", name)
        environment.actor.cache_clear()

    monkeypatch.delenv("CI", raising=False)
    yield be
    environment.actor.cache_clear()


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


@pytest.fixture
def needed():
    """Import a package, or leave the test out and say so; in CI a missing part is a failure: ``needed("xgboost")``."""

    def load(package):
        try:
            return importlib.import_module(package)
        except ImportError as error:
            leave_out = pytest.fail if os.environ.get("CI") else pytest.skip
            return leave_out(f"NOT TESTED: {error}")

    return load
