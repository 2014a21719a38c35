"""The champion beside the challenger: on the same rows with an interval, else it says what the rows were."""

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.governance.value import value
from nbmlops.registry.measures import Answers, measure
from nbmlops.registry.values import packed
from nbmlops.report.blocks import Table
from nbmlops.report.gathered import compared
from nbmlops.report.page_one import measured, worth
from nbmlops.tracking import session

from .conftest import CHARTER, evaluation, gate, register

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


def test_what_is_no_mean_of_rows_is_resampled_the_same_each_time(project):
    late = judged("late-flights@1", 0.4), judged("late-flights@2", 0.1)
    told = compared.gather(found(*late))["compared"]["metrics"]["share_gap"]
    gap = told["difference"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert gap["value"] == pytest.approx(told["champion"] - told["challenger"])  # smaller is better
    assert compared.gather(found(*late))["compared"]["metrics"]["share_gap"] == told
    registered(numbers("first", 2.0, "hour"))
    told = compared.gather(found(numbers("late-flights@2", 0.5, "hour")))["compared"]["metrics"]["r2"]
    assert 0 < told["difference"]["low"] < told["difference"]["high"]
    assert told["difference"]["value"] == pytest.approx(told["challenger"] - told["champion"])


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


def numbers(name, wrong, column, truth=None):
    """Return an evaluation of a model of a number that takes one column of the same rows."""
    truth = np.random.default_rng(5).normal(size=ROWS) if truth is None else truth
    answers = Answers("regression", truth + np.random.default_rng(6).normal(0, wrong, ROWS), None, None, (), truth)
    frame = pd.DataFrame({column: np.arange(ROWS)})
    known = {"values": session.artifacts().put(packed(answers, frame)), "rows": ROWS, "task": "regression"}
    known |= {"classes": [], "model": name, "metrics": measure(answers), "data": name}
    return {**known, "findings": []}


def registered(judgement):
    """Keep an evaluation with which version 1 was registered, in a run of its own."""
    with session.run("first") as run:
        kept = session.keep("evaluation", "first", judgement)
    register(1, run.run_id, kept)


def test_a_champion_registered_on_the_same_rows_is_compared_though_it_takes_other_columns(project):
    registered(numbers("first", 1.0, "x"))
    told = compared.gather(found(numbers("late-flights@2", 0.1, "z")))["compared"]["metrics"]
    assert told["rmse"]["same_rows"]
    assert told["rmse"]["difference"]["low"] > 0


def test_a_champion_registered_on_other_rows_is_not_compared(project):
    other = np.random.default_rng(9).normal(size=ROWS)
    registered(numbers("first", 1.0, "x", other))
    told = compared.gather(found(numbers("late-flights@2", 0.1, "z")))["compared"]["metrics"]["rmse"]
    assert (told["same_rows"], told["difference"]) == (False, None)


def test_classes_that_came_true_do_not_tell_whether_rows_are_the_same(project):
    registered(judged("first", 0.4))
    own = judged("late-flights@2", 0.1, pd.DataFrame({"month": np.arange(ROWS)}))
    told = compared.gather(found(own))["compared"]["metrics"]["log_loss"]
    assert (told["same_rows"], told["difference"]) == (None, None)


def beside(known, own):
    """Return the champion's cells of a metric on page one."""
    kept = {"metrics": {"mae": own}, "model": "late-flights@2", "findings": [], "rows": own["n"]}
    asked = found(kept) | {"charter": None, "targets": [], "compared": {"metrics": {"mae": known}}}
    table = next(b for b in measured.blocks(asked) if isinstance(b, Table))
    return table.rows[0][5:7]


def test_numbers_beside_each_other_add_up_or_say_on_which_rows(project):
    gain = {"value": 0.5, "low": 0.4, "high": 0.6}
    known = {"champion": 1.5, "challenger": 1.0, "rows": 800, "same_rows": True, "difference": gain}
    assert beside(known, {"value": 1.0, "n": 800})[0] == "1.5"
    assert beside(known, {"value": 1.2, "n": 800})[0] == "1.5 against 1"
    unknown = {"champion": 1.5, "rows": 800, "same_rows": None, "difference": None}
    assert beside(unknown, {"value": 1.2, "n": 800}) == ["1.5, not known whether on the same rows", "not comparable"]
    assert beside({**unknown, "same_rows": False}, {"value": 1.2, "n": 800})[0] == "1.5 on other rows"


@pytest.mark.parametrize(
    ("other", "same", "words"),
    [
        ({"data": "abd"}, None, "no interval: not known whether on the same rows"),
        ({"data": "abc"}, True, "no interval: answers not kept"),
        ({"data": "abd", "rows": 100}, False, "no interval: on other rows"),
    ],
)
def test_of_the_value_against_the_champion_it_is_said_what_is_known_of_the_rows(project, other, same, words):
    (project / "charter.yaml").write_text(CHARTER)
    told = value(evaluation("late-flights@2"), nb.charter(), {**evaluation("late-flights@1"), **other})
    assert told["champion"]["same_rows"] is same
    shown = worth.blocks({"value": told, "charter": None, "results": [], "models": [], "serving": []})
    assert words in str(next(b for b in shown if isinstance(b, Table)).rows)
