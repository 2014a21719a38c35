"""Charter, flag, approval, status and agenda in a real JupyterLab: what a reviewer sees, and is refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from browser.labs import open_notebook, run_all, shot

pytestmark = pytest.mark.browser

SAM, KIM, MO = "sam@example.org", "kim@example.org", "mo@example.org"
CHARTER = f"""\
problem: Will this flight be late
users: Dispatchers, who need it an hour before
value:
  unit: EUR
  per: {{true_positive: 200, false_positive: -20, false_negative: -150}}
  volume: {{per: week, rows: 4000}}
metrics:
  - {{name: roc_auc, at_least: 0.7}}
roles:
  scientist: ["{SAM}"]
  expert: ["{KIM}"]
  manager: ["{MO}"]
policy:
  champion: {{approvals: 2, roles: [expert, manager], each: true, evidence: [report], expires: 30d}}
questions:
  - {{id: nights, question: Do fewer crews wait at night, kpi: hours waited, metric: roc_auc}}
"""
TRAINED = """
import numpy as np, pandas as pd, nbmlops as nb
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
flights = pd.DataFrame({"hour": rng.uniform(0, 24, 1200), "distance": rng.normal(size=1200)})
flights["late"] = flights["hour"] + rng.normal(0, 6, 1200) > 16
with nb.run("late"):
    rows = nb.dataset("flights", flights[400:])
    model = LogisticRegression().fit(flights[400:][["hour", "distance"]], flights[400:]["late"])
    nb.evaluate(model, flights[:400], target="late")
    nb.register(model, "late")
"""
# What a person types, and what comes back says.
ASKED = {
    f"%%charter\n{CHARTER}": "charter.yaml",
    "%%charter\nproblme: Will this flight be late": "Did you mean 'problem'?",
    "%report late@1": "Use late@1 as champion?",
    '%approve late@1 --comment "reads well"': f"approval by manager ({MO})",
    "%approve late@1 --role manager": f"{KIM} does not play manager by charter.yaml. Plays: expert",
    '%flag late@1:hour "too sure" --where "hour > 20"': "Flag the rows of late@1 alone",
    '%flag late@1 "too sure at night" --where "hour > 20" --severity blocking': "too sure at night",
    "%flag": "too sure at night",
    "%nbmlops approvals late@1": "the report says otherwise: what was flagged or rejected",
    '%promote late 1 --to champion --reason "first"': "late@1 is held up",
    "%nbmlops status": "a blocking flag on the newest version is open",
    "%report agenda": "Continue project, pivot or stop?",
    "%nbmlops audit show --model late": "late@1 was flagged (blocking)",
}


@pytest.fixture(scope="module")
def notebooks() -> dict[str, list[Any]]:
    """The notebook of a reviewer, whose cells go on behind one that is refused."""
    tags = {"tags": ["raises-exception"]}
    cells = [nbformat.v4.new_code_cell(source, metadata=tags) for source in ("%load_ext nbmlops", *ASKED)]
    return {"review": cells}


@pytest.fixture(scope="module")
def prepare(tmp_path_factory) -> Callable[[Path], dict[str, str]]:
    def prepared(folder: Path) -> dict[str, str]:
        home = {"HOME": str(tmp_path_factory.mktemp("home")), "OMP_NUM_THREADS": "1"}
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NBMLOPS_", "CI"))}
        environment |= {**home, "JUPYTERHUB_USER": SAM}
        subprocess.run([sys.executable, "-c", TRAINED], cwd=folder, env=environment, check=True, capture_output=True)
        return {**home, "JUPYTERHUB_USER": KIM}

    return prepared


def test_a_reviewer_approves_flags_and_looks_at_where_things_stand(lab, page):
    open_notebook(lab, page, "review.ipynb")
    run_all(page)
    cells = page.locator(".jp-CodeCell")
    expect(cells.last.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[[0-9]+\]:$"))
    for place, (asked, says) in enumerate(ASKED.items(), start=1):
        cells.nth(place).scroll_into_view_if_needed()
        shot(page, f"governed-{place:02}")
        expect(cells.nth(place).locator(".jp-OutputArea"), asked).to_contain_text(says)
