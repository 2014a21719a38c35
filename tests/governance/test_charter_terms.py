"""What the charter says of one model, or of one metric, holds instead of the default."""

import pytest
import yaml

import nbmlops as nb
from nbmlops.errors import NotAllowed
from nbmlops.registry import targets

OWN = {
    "metrics": [{"name": "accuracy", "at_least": 0.5}],
    "models": {"late": {"metrics": [{"name": "roc_auc", "at_least": 0.6}], "minimum": 300, "margin": 0.03}},
}


@pytest.fixture
def agree(project):
    def write(**content):
        (project / "charter.yaml").write_text(yaml.safe_dump(content))

    return write


@pytest.fixture
def two(model, fit, held_out):
    nb.register(fit("noise"), "late")
    nb.register(model, "late")
    return held_out


def test_a_gate_takes_the_terms_of_its_model(agree, two):
    agree(**OWN)
    found = nb.gate("late@2", "late@1", two, target="late")
    assert (found.metric, found.tolerated, found.charter) == ("roc_auc", 0.03, targets.digest())
    with pytest.raises(NotAllowed, match="200 rows are fewer than the 300"):
        nb.gate("late@2", "late@1", two.head(200), target="late")


def test_a_metric_may_have_a_margin_and_a_minimum(agree, two):
    agree(metrics=[{"name": "roc_auc", "at_least": 0.6, "margin": 0.05, "minimum": 350}], margin=0.01)
    assert nb.gate("late@2", "late@1", two, target="late").tolerated == 0.05
    assert nb.gate("late@2", "late@1", two, target="late", margin=0.02).tolerated == 0.02
    with pytest.raises(NotAllowed, match="fewer than the 350"):
        nb.gate("late@2", "late@1", two.head(300), target="late")


def test_a_promotion_asks_for_the_terms_of_its_model(agree, two):
    agree(metrics=OWN["metrics"])
    nb.promote("late", 1, to="champion", reason="first")
    nb.gate("late@2", "late@1", two, target="late")
    agree(**OWN)
    with pytest.raises(NotAllowed, match="The gate compared accuracy, and the charter's metric is roc_auc"):
        nb.promote("late", 2, to="champion", reason="better")
    nb.gate("late@2", "late@1", two, target="late")
    assert nb.promote("late", 2, to="champion", reason="better").decision["charter"] == targets.digest()


def test_an_evaluation_of_a_registered_model_is_held_against_its_own_targets(agree, two):
    agree(**OWN)
    found = nb.evaluate("late@2", two, target="late")
    assert [f.column for f in found.findings if f.code == "target"] == ["roc_auc"]
    assert found.charter == targets.digest()


def test_what_was_measured_on_too_few_rows_is_not_measured(agree, two):
    agree(metrics=[{"name": "roc_auc", "at_least": 0.6, "minimum": 5000}])
    found = next(f for f in nb.evaluate("late@2", two, target="late").findings if f.code == "target")
    assert found.outcome == "skipped"
    assert found.message.endswith("on 400 rows, 5,000 are asked for")
