"""The side panel in a real JupyterLab: what it shows, what one does in it, and what it leaves alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from browser.labs import execute, open_notebook, run_all, shot

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CHARTER = """\
problem: Will this flight arrive late?
users: [travel desk]
metrics:
  - {name: roc_auc, at_least: 0.6, meaning: ranks well enough}
promotes: non-inferior
roles: {manager: [ann@example.org], scientist: [sam@example.org]}
policy:
  champion: {approvals: 1, roles: [manager]}
"""
# What sam leaves in the project: two versions compared, a check that found drift, a question to a manager.
PREPARED = """\
import numpy as np
import pandas as pd
import nbmlops as nb
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
flights = pd.DataFrame({"hour": rng.uniform(0, 24, 2000), "distance": rng.normal(size=2000)})
flights["late"] = (flights["hour"] + rng.normal(0, 6, 2000) > 16).astype(int)
held_out, spring = flights[:500], flights[500:]
nb.dataset("held-out", held_out, keep=True)
for C in (0.0001, 1.0):
    with nb.run("late"):
        model = LogisticRegression(C=C).fit(spring[["hour", "distance"]], spring["late"])
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
nb.promote("late", 1, to="champion", reason="the first one", override=True)
nb.gate("late@2", "late@1", on="held-out@1", target="late")
nb.drift(spring.assign(hour=spring["hour"] + 6), "late@1", target="late")
nb.flag("late@2", "Why is the evening so good?", question=True, to="manager")
"""
TRACKED = """\
%%track forest
C = 0.5
import nbmlops as nb
for step in range(9):
    nb.log(loss=1 / (step + 1), step=step)
nb.log(roc_auc=0.687)
"""
BROKEN = """\
%%track broken
raise ValueError("no such month")
"""
WAITING = """\
import time
from pathlib import Path
ends = time.time() + 100
while not Path("seen").exists() and time.time() < ends:
    time.sleep(0.05)
"""
PARAMETERS = """\
months: int = 2
share: float = 0.5  # of the rows
slow: bool = False
"""
GRAVE = ("serious", "critical")
QUOTED = re.compile(r"^[A-Z][a-z ]+: \w")
HOSTILE = "<img src=x onerror='window.hostile = 1'>"
HALF_S = 500


@pytest.fixture(scope="module")
def notebooks() -> dict[str, list[Any]]:
    parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    return {
        "tracked": ["%load_ext nbmlops", TRACKED, BROKEN],
        "untracked": ["1 + 1"],
        "listed": ["%load_ext nbmlops", "%runs \"experiment == 'late'\""],
        "job": [parameters, WAITING, "print(months * share)", "(months, slow)"],
        "failing": ["raise ValueError('no such month')"],
    }


@pytest.fixture(scope="module")
def prepare(tmp_path_factory) -> Callable[[Path], dict[str, str]]:
    def prepared(folder: Path) -> dict[str, str]:
        (folder / "charter.yaml").write_text(CHARTER)
        home = {"HOME": str(tmp_path_factory.mktemp("home")), "OMP_NUM_THREADS": "1"}
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NBMLOPS_", "CI"))}
        environment |= {**home, "JUPYTERHUB_USER": "sam@example.org"}
        subprocess.run([sys.executable, "-c", PREPARED], cwd=folder, env=environment, check=True, capture_output=True)
        return {**home, "JUPYTERHUB_USER": "ann@example.org"}

    return prepared


@pytest.fixture
def asked(page) -> list[str]:
    """What is asked of our server side, as it comes."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if "/nbmlops/api/" in request.url else None)
    return found


@pytest.fixture
def axe(needed) -> str:
    return needed("axe_playwright_python.sync_playwright").Axe().axe_script


def opened(lab, page: Page, notebook: str) -> Locator:
    open_notebook(lab, page, notebook)
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    panel = page.get_by_role("region", name="nbmlops", exact=True)
    expect(panel.locator(".nbmlops-about")).to_contain_text("ann@example.org")
    return panel


def section(panel: Locator, name: str) -> Locator:
    """Return what is in a section, opened."""
    title = panel.get_by_role("button", name=name, exact=True)
    if title.get_attribute("aria-expanded") == "false":
        title.click()
    return panel.get_by_role("region", name=name, exact=True)


def only(panel: Locator, name: str) -> Locator:
    """Return what is in a section, opened, with all others closed."""
    for title in panel.locator(".nbmlops-section:not(.lm-mod-hidden) .nbmlops-section-toggle").all():
        if title.get_attribute("aria-expanded") == "true":
            title.click()
    return section(panel, name)


def names(runs: Locator) -> Locator:
    return runs.locator(".nbmlops-row-head > .nbmlops-link")


def answered(page: Page, address: str, answer: Callable[[dict[str, str]], Any], status: int = 200) -> None:
    """Answer an address in the server's place."""

    def reply(route) -> None:
        query = {k: v[0] for k, v in parse_qs(urlsplit(route.request.url).query).items()}
        route.fulfill(status=status, content_type="application/json", body=json.dumps(answer(query)))

    page.route(re.compile(rf"/nbmlops/api/{address}(\?|$)"), reply)


def headline(number: int, **more: Any) -> dict[str, Any]:
    return {
        "run_id": f"0190-{number:06d}",
        "name": f"run-{number}",
        "status": "finished",
        "started_at": "2026-01-05T10:00:00+00:00",
        "duration_s": 1.5,
        "metric": {"name": "loss", "value": 0.25, "curve": [3, 2, 1]},
        "order": "clean",
        **more,
    }


def page_of(total: int) -> Callable[[dict[str, str]], dict[str, Any]]:
    def answer(query: dict[str, str]) -> dict[str, Any]:
        first = int(query["offset"])
        last = min(total, first + int(query["limit"]))
        return {"runs": [headline(total - i) for i in range(first, last)], "total": total}

    return answer


def test_runs_of_the_notebook_their_cards_cells_and_sources(lab, page, seen):
    panel = opened(lab, page, "tracked.ipynb")
    expect(panel).to_contain_text("No tracked runs yet")
    run_all(page)
    runs = only(panel, "This notebook")
    expect(names(runs)).to_have_text(["broken", "forest"])
    expect(runs.get_by_role("status")).to_have_text("2 runs in tracked.ipynb")
    forest = runs.get_by_role("listitem").filter(has_text="forest")
    expect(forest).to_contain_text("● finished")
    expect(forest).to_contain_text("roc_auc 0.687")
    expect(forest).to_contain_text("clean")
    expect(runs.get_by_role("listitem").filter(has_text="broken")).to_contain_text("■ failed")
    shot(page, "panel-runs")

    execute(page, "notebook:run-cell", cell=1)
    expect(names(runs)).to_have_text(["forest", "broken", "forest"])

    names(runs).nth(1).click()
    expect(page.locator(".jp-Notebook .jp-mod-active")).to_contain_text("%%track broken")
    runs.get_by_role("button", name="Card of broken").click()
    expect(runs.locator(".nbmlops-card")).to_contain_text("ValueError: no such month")

    kernel = "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status"
    runs.get_by_role("button", name="Restore its source").click()
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    expect(cells).to_have_count(4)
    expect(cells.nth(3)).to_contain_text("no such month")
    expect(cells.nth(3).locator(".jp-InputPrompt")).to_have_text("[ ]:")
    assert page.evaluate(kernel) == "idle"
    execute(page, "notebook:undo-cell-action")
    expect(cells).to_have_count(3)

    runs.get_by_label("Filter the runs").fill("status == 'failed'")
    runs.get_by_label("Filter the runs").press("Enter")
    expect(names(runs)).to_have_text(["broken"])
    runs.get_by_label("Filter the runs").fill("status ==")
    runs.get_by_label("Filter the runs").press("Enter")
    expect(runs.get_by_role("alert")).to_be_visible()
    expect(runs.get_by_label("Filter the runs")).to_have_value("status ==")
    runs.get_by_label("Filter the runs").fill("")
    runs.get_by_label("Filter the runs").press("Enter")
    expect(runs.get_by_role("alert")).to_have_count(0)
    seen.errors.clear()  # the browser itself reports what was refused
    runs.get_by_label("Whose runs").select_option("project")
    expect(names(runs).filter(has_text="late")).to_have_count(2)


def test_ticked_runs_are_compared_and_a_reload_forgets_nothing(lab, page):
    panel = opened(lab, page, "tracked.ipynb")
    run_all(page)
    runs = only(panel, "This notebook")
    runs.get_by_label("Whose runs").select_option("notebook")
    expect(names(runs).nth(1)).to_have_text("forest")
    runs.get_by_label("Compare broken").first.check()
    compared = section(panel, "Compare")
    expect(compared).to_contain_text("Tick one more run.")
    runs.get_by_label("Compare forest").first.check()
    expect(compared.locator(".nbmlops-card")).to_contain_text("roc_auc")
    expect(compared.get_by_role("list", name="Ticked runs").get_by_role("listitem")).to_have_count(2)
    shot(page, "panel-compare")

    page.wait_for_timeout(2 * HALF_S)  # Lab keeps its state within a second
    page.goto(f"{lab.url}/lab/tree/tracked.ipynb")
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    page.wait_for_function("window.jupyterapp?.commands.hasCommand('nbmlops:open-panel')")
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    expect(compared.locator(".nbmlops-card")).to_contain_text("roc_auc")
    expect(runs.get_by_label("Compare forest").first).to_be_checked()
    expect(panel.get_by_role("button", name="Models", exact=True)).to_have_attribute("aria-expanded", "false")
    compared.get_by_role("button", name="Untick all").press("Enter")
    expect(compared).to_contain_text("Tick two runs or more")
    expect(panel.get_by_role("button", name="Compare", exact=True)).to_be_focused()  # the button itself is gone
    expect(runs.get_by_label("Compare forest").first).not_to_be_checked()


def test_a_table_of_runs_in_the_notebook_is_sorted_and_compared(lab, page):
    open_notebook(lab, page, "listed.ipynb")
    run_all(page)
    table = page.locator(".jp-OutputArea").last
    head = table.get_by_role("columnheader", name="roc_auc").first
    values = table.locator("tbody tr[aria-rowindex]")
    expect(values).to_have_count(2)
    press = head.get_by_role("button")
    press.click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    rising = values.all_inner_texts()
    press.click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert values.all_inner_texts() == rising[::-1]
    for box in table.get_by_role("checkbox", name="Compare").all():
        box.check()
    table.get_by_role("button", name="Compare", exact=True).click()
    expect(table).to_contain_text("LogisticRegression.C")
    shot(page, "table-compared")


def test_a_version_is_approved_and_promoted_for_a_reason(lab, page, seen):
    panel = opened(lab, page, "untracked.ipynb")
    models = only(panel, "Models")
    second = models.get_by_role("listitem").filter(has=page.get_by_role("button", name="late@2"))
    expect(second).to_contain_text("approvals 0 of 1 ▲ incomplete")
    second.get_by_role("button", name="late@2").press("Enter")
    promote = second.get_by_role("button", name="Promote…")
    promote.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_contain_text("approv")
    dialog.get_by_label("Reason").fill("better")
    expect(dialog.get_by_role("button", name="Promote", exact=True)).to_be_disabled()
    shot(page, "panel-promote-missing")
    page.keyboard.press("Escape")
    expect(promote).to_be_focused()

    second.get_by_role("button", name="Approve…").press("Enter")
    expect(dialog.get_by_label("Outcome")).to_be_focused()
    expect(dialog.get_by_role("button", name="Approve", exact=True)).to_be_disabled()
    expect(dialog.locator("blockquote")).to_contain_text(QUOTED)
    expect(dialog).to_contain_text("You answer as manager.")
    shot(page, "panel-approve")
    report = dialog.get_by_role("link", name="the report")
    expect(report).to_have_attribute("href", re.compile("/nbmlops/report/"))
    dialog.get_by_label("Reason").fill("I read it")
    with page.context.expect_page() as tab:
        report.press("Enter")  # reads it, and answers nothing
    tab.value.close()
    dialog.get_by_label("Outcome").select_option("approved with conditions")
    expect(dialog.get_by_role("status")).to_have_text("Name at least one condition.")
    dialog.get_by_label("Conditions").fill("look at evenings; kim@example.org; yesterday")
    dialog.get_by_role("button", name="Approve", exact=True).press("Enter")
    refused = dialog.get_by_role("alert")
    expect(refused).to_contain_text("yesterday")
    expect(dialog.get_by_label("Reason")).to_have_value("I read it")
    shot(page, "panel-approve-refused")
    seen.errors.clear()  # the browser itself reports what was refused
    dialog.get_by_label("Outcome").select_option("approved")
    dialog.get_by_label("Conditions").fill("")
    dialog.get_by_role("button", name="Approve", exact=True).press("Enter")
    expect(dialog).to_have_count(0)
    assert "approvals 1 of 1 ● complete" in second.text_content()  # at once: the dialog stood until the row said so

    promote.press("Enter")
    expect(dialog.get_by_role("button", name="Promote", exact=True)).to_be_disabled()
    dialog.get_by_label("Reason").fill("as good, and simpler")
    dialog.get_by_role("button", name="Promote", exact=True).press("Enter")
    expect(dialog).to_have_count(0)
    assert second.locator(".nbmlops-chip").filter(has_text="champion").count() == 1
    expect(promote).to_be_focused()
    shot(page, "panel-promoted")
    page.wait_for_timeout(HALF_S)  # a second click would be none
    promote.press("Enter")
    expect(dialog.get_by_label("Alias").locator("option")).to_have_text(["challenger"])  # champion it is already
    page.keyboard.press("Escape")
    expect(promote).to_be_focused()


def test_a_notebook_runs_as_a_job_and_is_seen_to_finish(lab, page):
    panel = opened(lab, page, "job.ipynb")
    jobs = only(panel, "Jobs")
    jobs.get_by_role("button", name="Run this notebook as a job…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("months")).to_have_attribute("type", "number")
    expect(dialog.get_by_label("share")).to_have_value("0.5")
    expect(dialog.get_by_label("slow")).not_to_be_checked()
    dialog.get_by_label("months").fill("1.5")
    expect(dialog.get_by_label("months")).to_have_accessible_description(re.compile("A whole number, such as 3."))
    expect(dialog.get_by_role("button", name="Run")).to_be_disabled()
    shot(page, "panel-job-form-wrong")
    dialog.get_by_label("months").fill("3")
    expect(dialog.get_by_label("months")).not_to_have_accessible_description(re.compile("A whole number"))
    dialog.get_by_label("slow").check()
    shot(page, "panel-job-form")
    dialog.get_by_role("button", name="Run").click()
    work = jobs.get_by_role("listitem").filter(has_text="job.ipynb")
    expect(work).to_contain_text("import time")  # the cell that runs now
    expect(work.get_by_role("progressbar")).to_be_visible()
    shot(page, "panel-job-live")
    (lab.folder / "seen").touch()
    expect(work).to_contain_text("finished")
    work.get_by_role("button", name="job.ipynb").click()
    expect(work.locator(".nbmlops-facts")).to_contain_text('"months": 3, "slow": true')
    shot(page, "panel-job")
    work.get_by_role("button", name="Open its notebook").click()
    expect(page.locator(".jp-Notebook:visible .jp-OutputArea-output")).to_have_text(["1.5", "(3, True)"])


def test_a_job_that_failed_says_why_first(lab, page):
    panel = opened(lab, page, "failing.ipynb")
    jobs = only(panel, "Jobs")
    jobs.get_by_role("button", name="Run this notebook as a job…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It has no parameters")
    dialog.get_by_role("button", name="Run").click()
    first = jobs.locator(".nbmlops-row").first
    expect(first).to_contain_text("failed")
    expect(first).to_contain_text("ValueError: no such month")
    expect(first).to_contain_text("failing.ipynb")
    shot(page, "panel-job-failed")


def test_a_running_job_is_cancelled_and_run_again(lab, page):
    """What the server knows is not asked here: only what is sent to it, and what is shown of what it tells."""
    run = "01a21974-6d2e-7d3a-a8ab-000000000001"
    work = {"work_id": "w", "run_id": run, "job": "nightly", "status": "running", "live": True}
    work |= {"cells": {"done": 1, "total": 4, "current": "fit()"}, "output": None, "error": None, "duration_s": None}
    ended = {**work, "status": "cancelled", "live": False}
    answered(page, "jobs", lambda query: {"works": [ended if sent else work], "schedules": [], "scheduler": None})
    told = f"event: job\ndata: {json.dumps(ended)}\n\n"
    heard: list[str] = []
    sent: list[tuple[str, Any]] = []

    def tell(route) -> None:
        heard.append(route.request.url)
        # What was cancelled is told once somebody did.
        route.fulfill(content_type="text/event-stream", body=told if sent else "event: ping\ndata: {}\n\n")

    def done(route) -> None:
        sent.append((route.request.url.split("/nbmlops/api/")[1].split("?")[0], route.request.post_data_json))
        route.fulfill(json=ended)

    page.route(re.compile("/nbmlops/api/jobs/events"), tell)
    page.route(re.compile(f"/nbmlops/api/jobs/{run}"), lambda route: route.fulfill(json={"kind": "job", "data": {}}))
    page.route(re.compile(f"/nbmlops/api/jobs/{run}/(cancel|retry)"), done)
    panel = opened(lab, page, "untracked.ipynb")
    jobs = only(panel, "Jobs")
    expect(jobs).to_contain_text("cell 2 of 4: fit()")
    jobs.get_by_role("button", name="nightly").click()
    jobs.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Go back")).to_be_focused()  # a second Enter cancels nothing
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(dialog).to_have_count(0)
    panel.get_by_role("button", name="Refresh").click()
    expect(jobs).to_contain_text("cancelled")
    jobs.get_by_role("button", name="Run it again").click()
    page.wait_for_timeout(HALF_S)
    assert sent == [(f"jobs/{run}/cancel", {}), (f"jobs/{run}/retry", {})]
    assert heard


def test_who_may_not_write_is_told_which_right_is_missing(lab, page, asked):
    rights = {"api": 2, "version": "0", "project": "p", "store": "sqlite", "rights": {"read": True, "write": False}}
    answered(page, "status", lambda query: {**rights, "actor": {"name": "ann@example.org", "known_by": "x"}})
    panel = opened(lab, page, "untracked.ipynb")
    models = only(panel, "Models")
    models.get_by_role("button", name="late@2").click()
    models.get_by_role("button", name="Promote…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text('no right to write "nbmlops"')
    dialog.get_by_role("button", name="Close").press("Enter")
    expect(models.get_by_role("button", name="Promote…")).to_be_focused()


def test_a_narrow_bar_cuts_off_a_name_before_the_order_or_a_value(lab, page):
    metric = {"name": "mean_absolute_percentage_error", "value": 0.687, "curve": []}
    rows = [headline(2, order="edited since", metric=metric), headline(1, order="out of order", metric=None)]
    answered(page, "runs", lambda query: {"runs": rows, "total": 2})
    panel = opened(lab, page, "untracked.ipynb")
    runs = only(panel, "This notebook")
    expect(names(runs)).to_have_count(2)
    width = panel.evaluate("node => node.clientWidth")
    shot(page, "panel-narrow-order")
    assert width < 280  # as Lab opens it
    for row, words in ((0, ["edited since", "0.687"]), (1, ["out of order"])):
        below = runs.locator(".nbmlops-row-below").nth(row)
        box = below.bounding_box()
        assert box["height"] == 20
        for said in words:
            at = below.get_by_text(said, exact=True).bounding_box()
            assert at["y"] + at["height"] <= box["y"] + box["height"] + 1, said
            assert at["x"] + at["width"] <= box["x"] + box["width"], said


def test_titles_of_closed_sections_say_what_waits(lab, page):
    panel = opened(lab, page, "untracked.ipynb")
    for title in ("Questions", "Drift"):
        assert panel.get_by_role("button", name=title, exact=True).get_attribute("aria-expanded") == "false"
    expect(panel.get_by_role("button", name="Questions", exact=True)).to_have_accessible_description("1 to you")
    expect(panel.get_by_role("button", name="Drift", exact=True)).to_contain_text("■ alert")
    shot(page, "panel-titles")


def test_a_question_is_answered(lab, page):
    panel = opened(lab, page, "untracked.ipynb")
    questions = only(panel, "Questions")
    question = questions.get_by_role("listitem").filter(has_text="Why is the evening so good?")
    expect(question.first).to_contain_text("to you")
    question.get_by_role("button", name="Why is the evening so good?").click()
    question.get_by_role("button", name="Answer…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Answer")).to_be_disabled()
    dialog.get_by_label("Your answer").fill("Fewer flights wait for others.")
    dialog.get_by_label("What becomes of it").select_option("answered")
    shot(page, "panel-answer")
    dialog.get_by_role("button", name="Answer").click()
    expect(questions).to_contain_text("No question is open")
    questions.get_by_label("Which questions").select_option("all")
    expect(questions).to_contain_text("Fewer flights wait for others.")
    expect(questions).to_contain_text("answered")


def test_drift_and_a_report_in_a_tab_that_knows_nothing_of_ours(lab, page):
    panel = opened(lab, page, "untracked.ipynb")
    drift = only(panel, "Drift")
    expect(drift.locator(".nbmlops-row").first).to_contain_text("■ alert")
    drift.get_by_role("button", name="late@1").click()
    expect(drift.get_by_role("list", name="Episodes of late")).to_contain_text("hour")
    shot(page, "panel-drift")
    with page.context.expect_page() as tab:
        drift.get_by_role("button", name="Open the report").click()
    expect(tab.value.locator("h1").first).to_contain_text("Drift report")
    assert "/nbmlops/report/" in tab.value.url
    assert tab.value.evaluate("window.opener") is None
    tab.value.close()


def test_closed_or_hidden_it_asks_nothing(lab, page, asked):
    open_notebook(lab, page, "untracked.ipynb")
    run_all(page)
    assert asked == []
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    expect(page.locator("#nbmlops-panel")).to_contain_text("late@2")
    page.evaluate("void jupyterapp.commands.execute('filebrowser:activate')")
    expect(page.locator("#nbmlops-panel")).to_be_hidden()
    page.wait_for_timeout(HALF_S)
    asked.clear()
    run_all(page)
    assert asked == []
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    panel = page.locator("#nbmlops-panel")
    expect(panel).to_be_visible()
    only(panel, "Compare")
    page.wait_for_timeout(HALF_S)
    asked.clear()
    panel.get_by_role("button", name="Refresh").click()
    page.wait_for_timeout(HALF_S)
    assert [urlsplit(url).path.rpartition("/")[2] for url in asked] == ["waiting"]  # what the titles say

    section(panel, "Models")
    expect(panel).to_contain_text("late@2")
    hide = "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
    page.evaluate(f"{hide}; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(HALF_S)
    asked.clear()
    run_all(page)
    page.wait_for_timeout(2 * HALF_S)
    assert asked == []
    with page.expect_request("**/nbmlops/api/models*"):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def test_what_is_disposed_listens_to_nothing(lab, page, asked):
    panel = opened(lab, page, "untracked.ipynb")
    expect(panel).to_contain_text("late@2")
    dispose = "[...jupyterapp.shell.widgets('left')].find(w => w.id === 'nbmlops-panel').dispose()"
    page.evaluate(dispose)
    page.wait_for_timeout(HALF_S)
    asked.clear()
    run_all(page)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(HALF_S)
    assert asked == []


def test_ten_thousand_runs_are_a_few_rows_and_come_in_pages(lab, page, asked):
    answered(page, "runs", page_of(10_000))
    open_notebook(lab, page, "untracked.ipynb")
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    runs = only(page.locator("#nbmlops-panel"), "This notebook")
    expect(names(runs).first).to_have_text("run-10000")
    assert runs.get_by_role("listitem").count() < 60
    assert {offset(url) for url in asked if "/runs?" in url} == {"0"}
    names(runs).first.focus()
    page.keyboard.press("ArrowDown")
    expect(names(runs).nth(1)).to_be_focused()
    page.keyboard.press("End")
    last = runs.get_by_role("button", name="run-1", exact=True)
    expect(last).to_be_visible()
    assert runs.get_by_role("listitem").count() < 60
    assert offset(asked[-1]) == "9900"
    expect(runs.get_by_role("listitem").last).to_have_attribute("aria-posinset", "10000")
    page.keyboard.press("Home")
    expect(runs.get_by_role("button", name="run-10000", exact=True)).to_be_visible()
    shot(page, "panel-many")


def offset(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("offset", [""])[0]


def test_an_update_moves_nothing_and_keeps_the_keyboard_where_it_is(lab, page):
    total = [200]
    answered(page, "runs", lambda query: page_of(total[0])(query))
    open_notebook(lab, page, "untracked.ipynb")
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    panel = page.locator("#nbmlops-panel")
    runs = only(panel, "This notebook")
    button = runs.get_by_role("button", name="run-198", exact=True)
    button.focus()
    before = button.bounding_box()
    execute(page, "nbmlops:refresh")
    page.wait_for_timeout(HALF_S)
    expect(button).to_be_focused()
    assert button.bounding_box() == before
    total[0] = 201
    execute(page, "nbmlops:refresh")
    expect(runs.get_by_role("button", name="run-201", exact=True)).to_be_visible()
    expect(button).to_be_focused()  # a row lower: whoever stands on a run does not stand on another one by now
    page.keyboard.press("ArrowUp")
    expect(runs.get_by_role("button", name="run-199", exact=True)).to_be_focused()


def test_hostile_answers_are_shown_as_text(lab, page, seen):
    odd = [None, 3, "x", [], {"__proto__": {"x": 1}}, headline(1, name=HOSTILE, status=HOSTILE, order=[HOSTILE] * 50)]
    answered(page, "runs", lambda query: {"runs": odd, "total": len(odd)})
    version = {
        "version": 3,
        "ref": HOSTILE,
        "aliases": [HOSTILE, {}],
        "metric": HOSTILE,
        "gate": [],
        "flags": {"open": "x"},
    }
    answered(page, "models", lambda query: {"models": [None, {"name": HOSTILE, "versions": [version, None, 7]}]})
    answered(page, "questions", lambda query: {"questions": [{"id": 1, "text": HOSTILE, "answers": {"a": 1}}, None]})
    work = {
        "work_id": HOSTILE,
        "status": HOSTILE,
        "error": HOSTILE,
        "live": True,
        "cells": {"done": "x", "total": 9},
    }
    answered(
        page, "jobs", lambda query: {"works": [work, None], "schedules": "x", "scheduler": {"last_tick_at": HOSTILE}}
    )
    answered(page, "drift", lambda query: {"models": [{"name": HOSTILE, "episodes": [{"message": HOSTILE}, None]}]})
    panel = opened(lab, page, "untracked.ipynb")
    shot(page, "panel-hostile")
    for name in ("This notebook", "Compare", "Models", "Questions", "Jobs", "Drift"):
        section(panel, name)
    expect(panel.get_by_text(HOSTILE, exact=True).first).to_be_visible()
    expect(section(panel, "This notebook").locator(".nbmlops-virtual > .nbmlops-row")).to_have_count(len(odd))
    section(panel, "Drift").locator(".nbmlops-row-title").click()
    section(panel, "Models").locator(".nbmlops-row-title").first.click()
    section(panel, "Questions").locator(".nbmlops-row-title").first.click()
    expect(panel.get_by_role("list", name=f"Episodes of {HOSTILE}")).to_be_visible()
    assert panel.locator("img").count() == 0
    assert page.evaluate("window.hostile") is None
    seen.errors.clear()  # the browser itself reports that the server knows no such names


def test_a_missing_server_side_is_said_with_the_way_out(lab, page, seen):
    page.route("**/nbmlops/api/**", lambda route: route.fulfill(status=404, body="<html>404</html>"))
    open_notebook(lab, page, "untracked.ipynb")
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    alert = page.locator("#nbmlops-panel").get_by_role("alert")
    expect(alert).to_contain_text("The server side of nbmlops is missing")
    expect(alert).to_contain_text("jupyter server extension enable nbmlops")
    shot(page, "panel-missing")
    page.unroute("**/nbmlops/api/**")
    page.locator("#nbmlops-panel").get_by_role("button", name="Refresh").click()
    expect(page.locator("#nbmlops-panel")).to_contain_text("late@2")
    expect(alert).to_have_count(0)
    assert seen.errors
    seen.errors.clear()  # the browser itself reports the missing address


def test_a_server_side_of_another_version_is_said(lab, page):
    answered(page, "status", lambda query: {"api": 99, "version": "9.9"})
    open_notebook(lab, page, "untracked.ipynb")
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    alert = page.locator("#nbmlops-panel").get_by_role("alert")
    expect(alert).to_contain_text("nbmlops 9.9 on the server does not fit this panel")
    expect(alert).to_contain_text("pip install --upgrade")


def test_after_repeated_failures_it_pauses_until_somebody_asks(lab, page, asked, seen):
    fails = re.compile("/nbmlops/api/")
    refuse = {"message": "The project's store cannot be read.", "hint": "Type: nbmlops doctor"}
    page.route(fails, lambda route: route.fulfill(status=503, json=refuse))
    open_notebook(lab, page, "untracked.ipynb")
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    panel = page.locator("#nbmlops-panel")
    for _ in range(5):
        expect(panel.get_by_role("alert")).to_contain_text("store cannot be read")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(HALF_S)
    expect(panel.get_by_role("alert")).to_contain_text("Asking has paused after 5 failures")
    expect(panel.get_by_role("alert")).to_contain_text("nbmlops doctor")
    shot(page, "panel-paused")
    page.unroute(fails)
    panel.get_by_role("button", name="Try again").click()
    expect(panel).to_contain_text("late@2")
    seen.errors.clear()  # the browser itself reports what failed


def test_settings_choose_sections_and_hide_promotion(lab, page):
    panel = opened(lab, page, "untracked.ipynb")
    models = only(panel, "Models")
    models.get_by_role("button", name="late@2").click()
    expect(models.get_by_role("button", name="Promote…")).to_be_visible()
    kept = lab.folder.parent / "settings" / "nbmlops" / "plugin.jupyterlab-settings"
    kept.parent.mkdir(parents=True)
    kept.write_text('{"sections": ["models", "jobs"], "promotion": false}')
    panel = opened(lab, page, "untracked.ipynb")
    expect(panel.locator(".nbmlops-section:visible")).to_have_count(2)
    models = only(panel, "Models")
    models.get_by_role("button", name="late@2").click()
    expect(models.get_by_role("button", name="Where it comes from")).to_be_visible()
    expect(models.get_by_role("button", name="Promote…")).to_have_count(0)
    assert page.evaluate("jupyterapp.commands.isVisible('nbmlops:promote-model')") is False
    kept.unlink()


def test_every_action_is_a_command_of_the_palette(lab, page):
    opened(lab, page, "tracked.ipynb")
    run_all(page)  # before that, the notebook takes the keyboard when its kernel is there
    page.evaluate("void jupyterapp.commands.execute('apputils:activate-command-palette')")
    palette = page.locator(".jp-ModalCommandPalette .lm-CommandPalette")
    expect(palette.locator("input")).to_be_focused()
    palette.locator("input").fill("nbmlops")
    labels = palette.locator(".lm-CommandPalette-itemLabel")
    for label in COMMANDS:
        expect(labels.filter(has_text=label)).to_have_count(1)
    palette.locator("input").fill("Answer a Question")
    page.keyboard.press("Enter")
    expect(page.locator(".jp-toast, .Toastify__toast").or_(page.get_by_role("dialog"))).to_be_visible()
    described = page.evaluate(
        """async () => {
          const all = jupyterapp.commands.listCommands().filter(id => id.startsWith('nbmlops:'));
          const found = await Promise.all(all.map(id => jupyterapp.commands.describedBy(id)));
          return found.map(known => known.args?.type);
        }"""
    )
    assert described == ["object"] * len(COMMANDS)


COMMANDS = (
    "Show the nbmlops Panel",
    "Show a Section of the Panel…",
    "Refresh the Panel",
    "Compare the Ticked Runs",
    "Go to the Cell of a Run…",
    "Restore the Source of a Run…",
    "Open a Report…",
    "Open the Notebook of a Job…",
    "Approve a Model Version…",
    "Reject a Model Version…",
    "Promote a Model Version…",
    "Answer a Question…",
    "Run This Notebook as a Job…",
    "Cancel a Job…",
    "Run a Job Again…",
    "Open the Newest Drift Check of a Model…",
)


@pytest.mark.parametrize("width", [1280, 800])
def test_nobody_is_kept_from_using_it(lab, page, axe, width):
    """All sections with what they hold open: light and dark, wide and narrow."""
    page.set_viewport_size({"width": width, "height": 1000})
    panel = opened(lab, page, "tracked.ipynb")
    run_all(page)
    wrong = {}
    page.evaluate(axe)
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        page.locator(f'body[data-jp-theme-name="{theme}"]').wait_for(state="attached")
        page.locator("#jupyterlab-splash").wait_for(state="detached")
        for name in ("This notebook", "Models", "Questions", "Jobs", "Drift"):
            held = only(panel, name)
            row = held.locator(".nbmlops-caret").first
            expect(row.or_(held.locator(".nbmlops-hint")).first).to_be_visible()
            if row.count() and row.get_attribute("aria-expanded") == "false":
                row.click()
            expect(held.get_by_text("Loading…")).to_have_count(0)
            shot(page, f"panel-{width}-{theme[11:].lower()}-{name.split()[-1]}")
            assert panel.evaluate("node => node.scrollWidth <= node.clientWidth")
            wrong[theme, name] = grave(page)
        execute(page, "nbmlops:promote-model")
        page.get_by_role("dialog").wait_for()
        shot(page, f"panel-{width}-{theme[11:].lower()}-dialog")
        wrong[theme, "dialog"] = grave(page, ".nbmlops-asked")
        page.keyboard.press("Escape")
    assert {where: what for where, what in wrong.items() if what} == {}


def grave(page: Page, where: str = "#nbmlops-panel") -> list[str]:
    """Return what axe finds of ours that is serious, and where."""
    found = page.evaluate("where => axe.run(where, {resultTypes: ['violations']})", where)
    return [
        f"{v['id']}: {node['html'][:120]} {[c['message'][:160] for c in node['any']]}"
        for v in found["violations"]
        if v["impact"] in GRAVE
        for node in v["nodes"][:3]
    ]
