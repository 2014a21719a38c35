"""JupyterLab's own Notebook Jobs, clicked in a real browser, over our ledger."""

from __future__ import annotations

import contextlib

import nbformat
import pytest
from playwright.sync_api import expect

from browser import labs
from nbmlops.config import find_project
from nbmlops.store import ledger
from nbmlops.store.database import open_store

pytestmark = pytest.mark.browser
SETTINGS = """
c.SchedulerApp.scheduler_class = "nbmlops.server.scheduler.LedgerScheduler"
c.SchedulerApp.environment_manager_class = "nbmlops.server.scheduler.Kernels"
c.SchedulerApp.db_url = "sqlite://"
"""


@pytest.fixture(scope="module")
def notebooks():
    months = nbformat.v4.new_code_cell("months: int = 1", metadata={"tags": ["parameters"]})
    return {"retrain": [months, "print('learned from', months)"]}


@pytest.fixture(scope="module")
def prepare():
    def prepared(folder):
        (folder.parent / "config").mkdir()
        (folder.parent / "config" / "jupyter_server_config.py").write_text(SETTINGS)
        return {"NBMLOPS_WARM": "0"}

    return prepared


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def test_a_notebook_is_run_and_scheduled_by_the_forms_of_jupyterlab(needed, lab, page):
    needed("jupyter_scheduler")
    labs.open_notebook(lab, page, "retrain.ipynb")
    page.locator('[data-jp-item-name="create-job"]').click()
    expect(page.get_by_text("retrain.ipynb").last).to_be_visible()
    page.get_by_label("Run job with input folder").check()
    button(page, "Create").click()
    expect(page.get_by_text("a job runs in the folder of its notebook")).to_be_visible()
    labs.shot(page, "notebook-jobs-refused")
    page.get_by_label("Run job with input folder").uncheck()
    button(page, "Create").click()
    row = page.locator("tr", has_text="retrain.ipynb")
    for _ in range(60):  # the list is as it was until somebody reloads it
        button(page, "Reload").click()
        with contextlib.suppress(AssertionError):
            expect(row.get_by_text("Completed")).to_be_visible(timeout=1000)
            break
    expect(row.get_by_text("Completed")).to_be_visible()
    labs.shot(page, "notebook-jobs-completed")
    (work,) = ledger.list(open_store(find_project(lab.folder)))
    assert (work.state, work.notebook) == ("finished", "retrain.ipynb")
    labs.open_notebook(lab, page, "retrain.ipynb")
    page.locator('[data-jp-item-name="create-job"]').click()
    page.get_by_label("Job name").fill("Every night")
    page.get_by_label("Run on a schedule").check()
    button(page, "Create").click()
    expect(page.get_by_text("Every-night", exact=True)).to_be_visible()
    labs.shot(page, "notebook-jobs-definitions")
    assert "cron: 0 0 * * MON-FRI" in (lab.folder / "jobs" / "Every-night.yaml").read_text()
