"""What a page weighs and costs: a run with drift of sixty columns and a notebook of forty cells."""

import json
import time

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.report import page, snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session

from .conftest import CHARTER, CHECK, code, evaluation, gate, read
from .test_page import BUDGET, assert_safe

SECONDS = 0.3
FRAME = "<table>" + ("<tr>" + "<td>0.123456</td>" * 10 + "</tr>") * 10 + "</table>"
STEP = code(
    "model = fit(flights)\n" * 10,
    {"output_type": "execute_result", "data": {"text/html": FRAME}},
    {"output_type": "stream", "name": "stdout", "text": "epoch 1 loss 0.6\n" * 20},
)
NOTE = {"cell_type": "markdown", "metadata": {}, "source": "## A step\nWith some words."}


@pytest.fixture
def large(project, champion, request):
    """A retraining of sixty columns, a third of which moved, and its notebook."""
    (project / "charter.yaml").write_text(CHARTER)
    drawn = np.random.default_rng(0).normal(size=(2000, 60))
    before = pd.DataFrame(drawn, columns=[f"column_{i}" for i in range(60)])
    now = before.iloc[:1000] + np.repeat([1.0, 0.0], [20, 40])
    run = session.start("large", kind="notebook", params={"months": [1, 2, 3]}, notebook="retrain.ipynb")
    nb.drift(now, before)
    session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
    session.keep("gate", "late-flights@2 against late-flights@1", gate())
    session.keep("check", "flights", CHECK)
    session.log_artifact("notebook.ipynb", json.dumps({"cells": request.param}).encode())
    session.finish(run)
    return run


MIXED = [STEP if i % 3 else NOTE for i in range(40)]
WIDE = code("flights.head(99)\n" * 99, *[{"output_type": "execute_result", "data": {"text/html": FRAME * 16}}] * 9)
both = pytest.mark.parametrize("large", [MIXED, [STEP] * 40], indirect=True, ids=["mixed", "frames"])


@both
def test_all_of_it_stays_within_the_budget_and_is_one_safe_file(large, tmp_path):
    markup = read(nb.report("large", tmp_path / "r.html"))
    seen = assert_safe(markup)
    assert len(markup.encode()) < BUDGET
    assert seen.text.count("Cell ") >= 40
    assert "column_19" in seen.text


@pytest.mark.parametrize("large", [[WIDE] * 40], indirect=True, ids=["wide"])
def test_the_most_a_notebook_may_show_stays_within_the_budget(large, tmp_path):
    markup = read(nb.report("large", tmp_path / "r.html"))
    assert "are left out to keep the page small" in markup
    assert len(markup.encode()) < BUDGET


@both
def test_it_is_drawn_quickly(large):
    taken = snapshot.build(subject_of("large"))
    notebook = page.appendix(taken)
    assert min(seconds(lambda: page.render(taken, notebook)) for _ in range(4)) < SECONDS
    assert min(seconds(lambda: page.render(snapshot.build(subject_of("large")), notebook)) for _ in range(4)) < SECONDS


def seconds(act):
    """Return processor time: another process may be at work beside the tests."""
    began = time.process_time()
    act()
    return time.process_time() - began
