"""Notebook 7 and the oldest JupyterLab, served as a hub serves them: behind a prefix, with people who have rights."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import labs

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-elsewhere" / "bin" / "python"
PREFIX = "/user/ann/"
APPS = {"notebook": ("JupyterNotebookApp", "notebooks"), "jupyterlab": ("LabApp", "lab/tree")}
# Whoever a gateway let in is named by a cookie here; ann decides, others look.
SERVED = """\
from jupyter_server.auth import Authorizer, IdentityProvider, User

class Gateway(IdentityProvider):
    def get_user(self, handler):
        name = handler.get_cookie("who")
        return User(username=name, name=name) if name else None

class Deciders(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "nbmlops" or action == "read" or user.username == "ann"

c.ServerApp.identity_provider_class = Gateway
c.ServerApp.authorizer_class = Deciders
c.ServerApp.base_url = "/user/ann/"
"""
TRACKED = """\
%%track forest
import nbmlops as nb
import pandas as pd
from sklearn.linear_model import LogisticRegression
flights = pd.DataFrame({"distance": [1.0, 2.0, 3.0, 4.0], "late": [0, 0, 1, 1]})
model = LogisticRegression().fit(flights[["distance"]], flights["late"])
nb.log(roc_auc=0.687)
"""


@pytest.fixture
def others() -> Path:
    """The Python of an environment with the oldest front ends that are supported."""
    if not PYTHON.exists():
        leave_out = pytest.fail if os.environ.get("CI") else pytest.skip
        leave_out("NOT TESTED: no other front ends on this machine. Type: make elsewhere")
    return PYTHON


@contextmanager
def serving(python: Path, app: str, home: Path) -> Iterator[str]:
    """Start a front end behind a prefix, on a project with one notebook, with the panel of this tree; end it."""
    folder, config = home / "project", home / "config"
    folder.mkdir()
    config.mkdir()
    (folder / "nbmlops.toml").write_text("")
    labs.write_notebooks(folder, {"tracked": ["%load_ext nbmlops", TRACKED, 'nb.register(model, "late")', "%promote"]})
    (config / "jupyter_server_config.py").write_text(SERVED)
    shutil.copytree(ROOT / "src" / "nbmlops" / "labextension", home / "extensions" / "nbmlops")
    port, name = labs.free_port(), APPS[app][0]
    command = [str(python), "-m", app, "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--ServerApp.{k}={v}" for k, v in {"ip": "127.0.0.1", "port": port, "root_dir": folder}.items()]
    command += [f"--{name}.user_settings_dir={home / 'settings'}", f"--{name}.workspaces_dir={home / 'workspaces'}"]
    command += [f"--LabServerApp.extra_labextensions_path={home / 'extensions'}"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NBMLOPS_", "JUPYTER", "JPY_"))}
    places = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    env = {**kept, **places, "HOME": str(home), "IPYTHONDIR": str(home / "ipython"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        reader = labs.wait_until_up(process, home / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
    reader.join(30)
    process.stderr.close()


def opened(browser: Browser, url: str, who: str, path: str, wrong: list[str], asked: set[str]) -> Page:
    """Open the notebook as somebody; what is said of ours in the console and what is asked for is kept."""
    context = browser.new_context(viewport={"width": 1400, "height": 950})
    context.add_cookies([{"name": "who", "value": who, "url": url}])
    page = context.new_page()
    page.set_default_timeout(labs.PATIENCE_MS)
    page.on("pageerror", lambda error: wrong.append(f"{error} {error.stack}"))
    page.on("console", lambda m: wrong.append(f"{m.text} {m.location}") if m.type in ("error", "warning") else None)
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"{url}{PREFIX}{path}/tracked.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.wait_for_function("() => window.jupyterapp?.isPluginActivated('nbmlops:plugin')")
    return page


def asks_to_promote(page: Page):
    page.evaluate("() => { void jupyterapp.commands.execute('nbmlops:promote-model', {model: 'late', version: '1'}) }")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Promote late@1")
    return dialog


@pytest.mark.parametrize("app", APPS)
def test_a_notebook_tracks_shows_and_decides_there_too(others, browser, tmp_path, app):
    expect.set_options(timeout=labs.PATIENCE_MS)
    wrong: list[str] = []
    asked: set[str] = set()
    with serving(others, app, tmp_path) as url:
        ann = opened(browser, url, "ann", APPS[app][1], wrong, asked)
        labs.run_all(ann)
        expect(ann.locator(".jp-OutputArea .nbmlops-card").first).to_contain_text("forest")
        expect(ann.locator(".jp-OutputArea .widget-dropdown").first).to_be_visible()  # the form of %promote is live
        ann.get_by_role("button", name="Open the nbmlops panel").click()
        expect(ann.locator(".nbmlops-about")).to_have_text("project · ann (login)")
        expect(ann.locator("#nbmlops-panel, .nbmlops-panel").first).to_contain_text("1 run in tracked.ipynb")
        labs.shot(ann, f"elsewhere-{app}")
        dialog = asks_to_promote(ann)
        dialog.get_by_role("textbox").last.fill("the first one")
        dialog.get_by_role("button", name="Promote").click()
        expect(ann.locator(".nbmlops-panel, #nbmlops-panel").first).to_contain_text("champion")
        bob = opened(browser, url, "bob", APPS[app][1], wrong, asked)
        expect(asks_to_promote(bob)).to_contain_text('no right to write "nbmlops"')
    ours = [urlsplit(one) for one in asked if "/nbmlops/" in one]
    assert {one.path.startswith(PREFIX) for one in ours} == {True}
    assert {one.hostname for one in map(urlsplit, asked) if one.hostname} == {"127.0.0.1"}
    assert [said for said in wrong if "nbmlops" in said] == []
