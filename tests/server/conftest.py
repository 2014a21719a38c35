"""A real Jupyter server with our extension, a project below its folder, and short words to ask it."""

from __future__ import annotations

import json
import os

import pytest

from asked import written
from nbmlops.tracking import opened, session

pytest_plugins = ["pytest_jupyter.jupyter_server"]


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
    monkeypatch.setattr(opened, "background", False)
    session.reset()
    yield path
    session.reset()


@pytest.fixture
def ask(jp_fetch, notebook):
    """Ask an address as the panel does: ``await ask("runs", q="C > 1")``; a body makes it a POST."""

    async def asked(*path, body=None, at="flights/nb.ipynb", **query):
        words = {**({"notebook": at} if at else {}), **query}
        how = {"method": "POST", "body": json.dumps(body)} if body is not None else {}
        answer = await jp_fetch("nbmlops", "api", *path, params=words, **how)
        return json.loads(answer.body)

    return asked
