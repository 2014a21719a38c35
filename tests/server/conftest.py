"""A real Jupyter server with our extension, a project below its folder, and short words to ask it."""

from __future__ import annotations

import json
import os

import pytest

from asked import fits, schema_of, written
from nbmlops.tracking import opened, session


def pytest_configure(config):
    """Load the server's fixtures here: `pytest_plugins` may only stand in a conftest above all tests."""
    config.pluginmanager.import_plugin("pytest_jupyter.jupyter_server")


@pytest.fixture
def jp_server_config():
    return {"ServerApp": {"jpserver_extensions": {"nbmlops": True}}}


@pytest.fixture
def notebook(jp_root_dir, monkeypatch):
    """A notebook inside the server's folder, in a project of its own."""
    for name in [n for n in os.environ if n.startswith("NBMLOPS_") or n == "JPY_SESSION_NAME"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NBMLOPS_WARM", "0")
    folder = jp_root_dir / "flights"
    folder.mkdir()
    (folder / "nbmlops.toml").write_text('[project]\nname = "late"\n')
    path = written(folder / "nb.ipynb", "x = 1")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(opened, "background", False)  # what is tracked arrives when it is read, not meanwhile
    session.reset()
    yield path
    session.reset()


@pytest.fixture
def ask(jp_fetch, notebook):
    """Ask an address as the panel does, ``await ask("runs", q="C > 1")``; a body makes it a POST, ``who`` is a header.

    Every answer has to be as ``openapi.yaml`` says.
    """

    async def asked(path, body=None, at="flights/nb.ipynb", who=None, **query):
        words = {**({"notebook": at} if at else {}), **query}
        how = {"method": "POST", "body": json.dumps(body)} if body is not None else {}
        headers = {"headers": {"X-User": who}} if who else {}
        answer = await jp_fetch("nbmlops", "api", *path.split("/"), params=words, **how, **headers)
        found = json.loads(answer.body)
        fits(found, schema_of("get" if body is None else "post", path, answer.code))
        assert str(notebook.parent.parent) not in answer.body.decode()  # no folder of this machine
        return found

    return asked


@pytest.fixture
def late(notebook, model, held_out):
    """A version of a model that a tracked cell made, with its evaluation."""
    import nbmlops as nb

    run = session.start("late", kind="cell", notebook="nb.ipynb", cell_id="c1", source="fit()")
    evaluation = nb.evaluate(model, held_out, target="late")
    version = nb.register(model, "late", evaluation=evaluation)
    session.finish(run)
    return version
