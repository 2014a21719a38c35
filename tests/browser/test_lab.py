"""JupyterLab in a real browser: a tracked cell, its card, and nothing that leaves this machine."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from browser.labs import execute, open_notebook, run_all, shot

pytestmark = pytest.mark.browser

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


@pytest.fixture(scope="module")
def notebooks() -> dict[str, list[Any]]:
    run = {"run_id": "0190-x", "status": "finished", "name": HOSTILE, "summary": {HOSTILE: "NaN"}, "params": "none"}
    run |= {"metrics": None, "datasets": [None, 3, {"name": HOSTILE, "columns": {}}], "error": HOSTILE, "git": []}
    outputs = [
        nbformat.v4.new_output("display_data", {"application/vnd.nbmlops.run.v1+json": data, "text/plain": "a run"})
        for data in (run, {"not": "a run"})
    ]
    return {
        "tracked": ["%load_ext nbmlops", TRACKED, FAILING],
        "leaky": ["%load_ext nbmlops", LEAKY],
        "reports": list(REPORTS),
        "executed": [nbformat.v4.new_code_cell("1 + 1", execution_count=1)],
        "hostile": [nbformat.v4.new_code_cell("", outputs=outputs)],
    }


def test_a_tracked_cell_shows_its_card(lab, page):
    open_notebook(lab, page, "tracked.ipynb")
    run_all(page)
    card = page.locator(".jp-OutputArea .nbmlops-card").first
    expect(card.locator(".nbmlops-head")).to_contain_text("forest")
    expect(card.locator(".nbmlops-head")).to_contain_text("finished")
    expect(card).to_contain_text("0.687")
    card.get_by_text("Models (1)").click()
    expect(card).to_contain_text("LogisticRegression")


def test_the_card_tells_findings_changes_curves_and_what_became_of_the_model(lab, page):
    open_notebook(lab, page, "leaky.ipynb")
    run_all(page)
    card = page.locator(".jp-OutputArea .nbmlops-card").first
    expect(card.locator(".nbmlops-finding")).to_have_count(1)
    expect(card.locator(".nbmlops-finding")).to_contain_text("X_test: 50 of 50 rows (100 %) are also training rows")
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


def test_an_untrusted_notebook_shows_a_hostile_run_as_text(lab, page):
    open_notebook(lab, page, "hostile.ipynb")
    card = page.locator(".jp-OutputArea .nbmlops-card")
    expect(card.locator(".nbmlops-name")).to_have_text(HOSTILE)
    assert card.locator("img").count() == 0
    assert page.evaluate("window.hostile") is None
    expect(page.locator(".jp-OutputArea").last).to_contain_text("not a run nbmlops knows")
    shot(page, "hostile")
