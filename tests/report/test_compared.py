"""The champion beside the challenger: on the same rows with an interval, else it says what the rows were."""

import numpy as np
import pandas as pd
import pytest

from nbmlops.registry.measures import Answers, measure
from nbmlops.registry.values import packed
from nbmlops.report.gathered import compared
from nbmlops.tracking import session

from .conftest import gate

ROWS = 1500
RNG = np.random.default_rng(3)
TRUTH = np.where(RNG.random(ROWS) < 0.3, "late", "on time")
CHANCE = 0.3 + 0.4 * ((TRUTH == "on time") - 0.3)


def judged(name, noise, rows=None, **more):
    chance = np.clip(CHANCE + np.random.default_rng(4).normal(0, noise, ROWS), 0.01, 0.99)
    both = np.column_stack([1 - chance, chance])
    classes = ("late", "on time")
    answers = Answers("binary", np.where(chance > 0.5, "on time", "late"), both, chance, classes, TRUTH)
    frame = pd.DataFrame({"hour": np.arange(ROWS)}) if rows is None else rows
    known = {"values": session.artifacts().put(packed(answers, frame)), "rows": ROWS, "task": "binary"}
    known |= {"classes": list(classes), "positive": "on time", "model": name, "metrics": measure(answers), "data": name}
    return {**known, "findings": [], **more}


def found(*evaluations, charter=None):
    results = [
        {"result_id": str(i), "kind": "evaluation", "subject": e["model"], "data": e} for i, e in enumerate(evaluations)
    ]
    results.append({"result_id": "g", "kind": "gate", "subject": "pair", "data": gate()})
    return {"run": {"run_id": "r"}, "parts": [], "models": [], "results": results, "charter": charter}


def test_both_on_the_same_rows_have_a_paired_interval(project):
    told = compared.gather(found(judged("late-flights@1", 0.4), judged("late-flights@2", 0.1)))["compared"]
    for name in ("roc_auc", "log_loss", "accuracy", "brier"):
        metric = told["metrics"][name]
        assert 0 < metric["difference"]["low"] < metric["difference"]["value"] < metric["difference"]["high"], name
        assert (metric["rows"], metric["same_rows"]) == (ROWS, True)
    roc = told["metrics"]["roc_auc"]
    assert roc["difference"]["value"] == pytest.approx(roc["challenger"] - roc["champion"])


def test_on_other_rows_only_the_gate_tells_a_difference(project):
    other = judged("late-flights@1", 0.4, pd.DataFrame({"hour": np.arange(ROWS)[::-1]}))
    metrics = compared.gather(found(other, judged("late-flights@2", 0.1)))["compared"]["metrics"]
    assert metrics["roc_auc"]["difference"] == {"value": 0.0163, "low": 0.0081, "high": 0.0234}
    assert metrics["roc_auc"]["rows"] == 5495
    assert metrics["log_loss"]["difference"] is None
    assert not metrics["log_loss"]["same_rows"]


def test_rows_that_belong_in_groups_are_left_to_the_gate(project):
    both = judged("late-flights@1", 0.4), judged("late-flights@2", 0.1)
    metrics = compared.gather(found(*both, charter={"groups": "day"}))["compared"]["metrics"]
    assert metrics["roc_auc"]["difference"]["value"] == 0.0163
    assert metrics["log_loss"]["difference"] is None


def test_without_a_gate_there_is_nothing_beside_it(project):
    assert compared.gather({"results": []}) == {"compared": None}
