"""JupyterLab in a real browser: a tracked cell, its card, the panel, and nothing that leaves this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000
TRACKED = """\
%%track forest --tag data=january
C = 0.5
import nbmlops as nb
import pandas as pd
from sklearn.linear_model import LogisticRegression
flights = pd.DataFrame({"distance": [1.0, 2.0, 3.0, 4.0], "late": [0, 0, 1, 1]})
model = LogisticRegression(C=C).fit(flights[["distance"]], flights["late"])
nb.log(roc_auc=0.687, late_share=0.2273)
"""
FAILING = """\
%%track broken
raise ValueError("no such month")
"""
LEAKY = """\
%%track leaky
import numpy as np
import nbmlops as nb
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
X = np.random.default_rng(0).normal(size=(200, 3))
y = (X[:, 0] + np.random.default_rng(1).normal(size=200) > 0).astype(int)
X_test, y_test = X[:50], y[:50]
model = LogisticRegression().fit(X, y)
roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])
for step in range(9):
    nb.log(loss=1 / (step + 1), step=step)
"""
FLIGHTS = """\
import numpy as np
import pandas as pd
import nbmlops as nb
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
flights = pd.DataFrame({"hour": rng.uniform(0, 24, 2000), "distance": rng.normal(size=2000)})
flights["late"] = (flights["hour"] + rng.normal(0, 6, 2000) > 16).astype(int)
held_out, spring = flights[:500], flights[500:]
"""
FITTED = """\
%%track late
model = LogisticRegression(C={C}).fit(spring[["hour", "distance"]], spring["late"])
nb.evaluate(model, held_out, target="late")
"""
USED = """\
nb.register(model, "late")
nb.promote("late", 1, to="champion", reason="the first one")
summer = spring.assign(hour=spring["hour"] + 6)
nb.drift(summer, "late@champion", target="late")
"""
# What a person types, and what the card that comes back begins with.
ASKED = {
    "%report late": "Run report: late",
    "%report late~1..late": "Comparison",
    "%report late@champion": "Run report: late",
    "%report drift:late": "Drift report: late",
    "%report project": "Project report",
    "%report executed.ipynb": "Notebook report: executed.ipynb",
    "%report late -o late.html": "Run report: late",
    "%report list": "Has the data of late changed beyond what is tolerable? Yes",
    "%report verify late.html": "whole",
    "%report signatures late": "Signatures: Run report: late",
}
REPORTS = ("%load_ext nbmlops", FLIGHTS, FITTED.format(C=0.1), FITTED.format(C=1.0), USED, *ASKED)
HOSTILE = "<img src=x onerror='window.hostile = 1'>"


@dataclass
class Lab:
    """A running JupyterLab and the folder it shows."""

    url: str
    token: str
    folder: Path


@dataclass
class Seen:
    """What the browser asked for and complained about."""

    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", lambda request: self.note(request.url))
        page.on("websocket", lambda socket: self.note(socket.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(f"{said.text} {said.location}") if ours(said) else None)

    def note(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(url).hostname or url)


def ours(said) -> bool:
    return said.type == "error" and "nbmlops" in f"{said.text} {said.location}"


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory) -> Iterator[Lab]:
    """A JupyterLab of its own: fresh settings, workspaces, runtime folder and token."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "project"
    folder.mkdir()
    (folder / "nbmlops.toml").write_text("")
    write_notebooks(folder)
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    port, token = free_port(), os.urandom(16).hex()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--ServerApp.{k}={v}" for k, v in {"ip": "127.0.0.1", "port": port, "port_retries": 0}.items()]
    command += [f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={token}"]
    command += [f"--LabApp.user_settings_dir={home / 'settings'}", f"--LabApp.workspaces_dir={home / 'workspaces'}"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NBMLOPS_", "JUPYTER", "JPY_"))}
    places = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    server = subprocess.Popen(
        command,
        cwd=folder,
        env={**kept, **places, "IPYTHONDIR": str(home / "ipython"), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        reader = wait_until_up(server)
        yield Lab(f"http://127.0.0.1:{port}", token, folder)
    finally:
        server.terminate()
        server.wait(30)
    reader.join(30)
    server.stderr.close()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(lab, chromium, seen) -> Iterator[Page]:
    """A page on that Lab; at the end nothing left the machine and nothing of ours went wrong."""
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 950})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        seen.watch(page)
        yield page
        browser.close()
    assert seen.hosts <= {"127.0.0.1", "localhost"}
    assert seen.errors == []


def test_a_tracked_cell_shows_its_card_and_the_panel_lists_it(lab, page):
    open_notebook(lab, page, "tracked.ipynb")
    run_all(page)
    card = page.locator(".jp-OutputArea .nbmlops-card").first
    expect(card.locator(".nbmlops-head")).to_contain_text("forest")
    expect(card.locator(".nbmlops-head")).to_contain_text("finished")
    expect(card).to_contain_text("0.687")
    card.get_by_text("Models (1)").click()
    expect(card).to_contain_text("LogisticRegression")

    page.locator('li[data-id="nbmlops-panel"]').click()
    panel = page.get_by_role("region", name="nbmlops: runs of this notebook")
    expect(panel.locator("tbody th button")).to_have_text(["broken", "forest"])
    expect(panel.get_by_role("row").filter(has_text="forest")).to_contain_text("roc_auc 0.687")
    expect(panel.get_by_role("status")).to_have_text("2 runs in tracked.ipynb")
    expect(panel.locator(".nbmlops-bad")).to_contain_text("failed")
    shot(page, "panel-light")

    execute(page, "notebook:run-cell", cell=1)
    expect(panel.locator("tbody th button")).to_have_text(["forest", "broken", "forest"])

    panel.get_by_role("button", name="broken").click()
    expect(panel.locator(".nbmlops-details .nbmlops-card:visible")).to_contain_text("ValueError: no such month")
    panel.get_by_role("button", name="Go to cell").click()
    expect(page.locator(".jp-Notebook .jp-mod-active")).to_contain_text("%%track broken")
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.locator('body[data-jp-theme-light="false"]').wait_for(state="attached")
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    shot(page, "panel-dark")


def test_the_card_tells_findings_changes_curves_and_what_became_of_the_model(lab, page):
    open_notebook(lab, page, "leaky.ipynb")
    run_all(page)
    card = page.locator(".jp-OutputArea .nbmlops-card").first
    expect(card.locator(".nbmlops-finding")).to_have_count(1)
    expect(card.locator(".nbmlops-finding")).to_contain_text("X_test: 50 of 50 rows (100 %) also are training rows")
    expect(card.get_by_role("img", name="loss")).to_have_class("nbmlops-sparkline")
    expect(card.locator(".nbmlops-quiet").first).to_contain_text("model = LogisticRegression · saved in")
    execute(page, "notebook:run-cell", cell=1)
    expect(card.get_by_role("row").filter(has_text="roc_auc")).to_contain_text("as the best")
    shot(page, "card-found")


def test_reports_of_all_kinds_are_made_from_a_notebook(lab, page):
    open_notebook(lab, page, "reports.ipynb")
    run_all(page)
    assert page.locator('.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"]').all_inner_texts() == []
    cells = page.locator(".jp-CodeCell")
    for place, (asked, begins) in enumerate(ASKED.items(), start=5):
        cells.nth(place).scroll_into_view_if_needed()
        expect(cells.nth(place).locator(".jp-OutputArea-output").first, asked).to_contain_text(begins)
        shot(page, f"report-{place}")
    assert {f.suffix for f in (lab.folder / ".nbmlops" / "outputs" / "reports").iterdir()} == {".html"}
    with page.context.expect_page() as opened:
        cells.nth(5).get_by_role("link", name="Open the report").click()
    expect(opened.value.locator("h1").first).to_contain_text("Run report: late")
    opened.value.close()


def test_the_command_opens_the_panel_and_a_closed_one_asks_nothing(lab, page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/nbmlops/api/" in request.url else None)
    open_notebook(lab, page, "untracked.ipynb")
    run_all(page)
    assert asked == []
    page.evaluate("jupyterapp.commands.execute('nbmlops:open-panel')")
    expect(page.locator("#nbmlops-panel")).to_contain_text("No tracked runs yet")
    assert asked
    shot(page, "panel-empty")


def test_an_untrusted_notebook_shows_a_hostile_run_as_text(lab, page):
    open_notebook(lab, page, "hostile.ipynb")
    card = page.locator(".jp-OutputArea .nbmlops-card")
    expect(card.locator(".nbmlops-name")).to_have_text(HOSTILE)
    assert card.locator("img").count() == 0
    assert page.evaluate("window.hostile") is None
    expect(page.locator(".jp-OutputArea").last).to_contain_text("not a run nbmlops knows")
    shot(page, "hostile")


def test_a_missing_server_side_is_said_with_the_way_out(lab, page, seen):
    page.route("**/nbmlops/api/**", lambda route: route.fulfill(status=404, body="<html>404</html>"))
    open_notebook(lab, page, "untracked.ipynb")
    page.evaluate("jupyterapp.commands.execute('nbmlops:open-panel')")
    alert = page.locator("#nbmlops-panel").get_by_role("alert")
    expect(alert).to_contain_text("The server side of nbmlops is missing")
    expect(alert).to_contain_text("jupyter server extension enable nbmlops")
    shot(page, "panel-missing")
    assert seen.errors
    seen.errors.clear()  # the browser itself reports the missing address


def open_notebook(lab: Lab, page: Page, name: str) -> None:
    page.goto(f"{lab.url}/lab/tree/{name}?token={lab.token}&reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.locator("#jupyterlab-splash").wait_for(state="detached")


def run_all(page: Page) -> None:
    """Run every cell; a command given while the kernel connects may be lost, so it is given until it works."""
    ready = "() => jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(ready)
    done = page.locator(".jp-CodeCell .jp-InputPrompt").first
    for _ in range(5):
        execute(page, "notebook:run-all-cells")
        try:
            expect(done).to_have_text("[1]:", timeout=10_000)
            break
        except AssertionError:
            continue
    expect(done).to_have_text("[1]:")
    page.wait_for_function(ready)


def execute(page: Page, command: str, cell: int | None = None) -> None:
    """Give a Lab command, on a cell if one is named, without waiting for what the kernel makes of it."""
    if cell is not None:
        page.evaluate("index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index }", cell)
    page.evaluate("command => { void jupyterapp.commands.execute(command) }", command)


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("NBMLOPS_TEST_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def write_notebooks(folder: Path) -> None:
    v4 = nbformat.v4
    run = {"run_id": "0190-x", "status": "finished", "name": HOSTILE, "summary": {HOSTILE: "NaN"}, "params": "none"}
    run |= {"metrics": None, "datasets": [None, 3, {"name": HOSTILE, "columns": {}}], "error": HOSTILE, "git": []}
    outputs = [
        v4.new_output("display_data", {"application/vnd.nbmlops.run.v1+json": data, "text/plain": "a run"})
        for data in (run, {"not": "a run"})
    ]
    cells = {
        "tracked": [v4.new_code_cell(source) for source in ("%load_ext nbmlops", TRACKED, FAILING)],
        "leaky": [v4.new_code_cell(source) for source in ("%load_ext nbmlops", LEAKY)],
        "reports": [v4.new_code_cell(source) for source in REPORTS],
        "executed": [v4.new_code_cell("1 + 1", execution_count=1)],
        "untracked": [v4.new_code_cell("1 + 1")],
        "hostile": [v4.new_code_cell("", outputs=outputs)],
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, made in cells.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(v4.new_notebook(cells=made, metadata=kernel)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(server: subprocess.Popen[str]) -> threading.Thread:
    """Read the server's log up to the line that names its address, and let a thread read on."""
    log = []
    for line in server.stderr:
        log.append(line)
        if "is running at" in line:
            reader = threading.Thread(target=server.stderr.read, daemon=True)
            reader.start()
            return reader
    pytest.fail("JupyterLab did not start:\n" + "".join(log[-20:]))
