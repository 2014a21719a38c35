"""Runs are marked by the charter: an interval meets it, a single value only reaches it; without targets nothing is."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.tracking import session
from nbmlops.tracking.overview import overview

TARGETS = "metrics: [{name: roc_auc, at_least: 0.7}, {name: log_loss, at_most: 0.5}]\n"


def tracked(name, judged=None, **metrics):
    with nb.run(name) as run:
        if metrics:
            nb.log(**metrics)
        if judged:
            found = {k: {"value": v, "low": low, "high": high} for k, (low, v, high) in judged.items()}
            session.keep("evaluation", name, {"metrics": found}, run_id=run.run_id)


@pytest.fixture
def five(project):
    """Runs of every kind."""
    good, bad, wide = (0.71, 0.75, 0.8), (0.5, 0.55, 0.6), (0.65, 0.72, 0.8)
    tracked("meets", {"roc_auc": good, "log_loss": (0.3, 0.35, 0.4)}, roc_auc=0.75, log_loss=0.35)
    tracked("broken", {"roc_auc": bad, "log_loss": (0.3, 0.35, 0.4)}, roc_auc=0.55, log_loss=0.35)
    tracked("unsure", {"roc_auc": wide, "log_loss": (0.3, 0.35, 0.4)}, roc_auc=0.72, log_loss=0.35)
    tracked("reached", roc_auc=0.9, log_loss=0.2)
    tracked("missed", roc_auc=0.9, log_loss=0.9)
    tracked("other", accuracy=0.9)
    return project


def test_each_run_has_its_word(five):
    (five / "charter.yaml").write_text(TARGETS)
    found = nb.runs().set_index("experiment")["charter"].to_dict()
    assert found == {
        "meets": "meets",
        "broken": "broken",
        "unsure": "not shown",
        "reached": "reached",
        "missed": "missed",
        "other": "not measured",
    }


def test_function_magic_and_command_say_the_same(five, shell):
    (five / "charter.yaml").write_text(TARGETS)
    said = [r["charter"] for r in overview().runs]
    assert nb.runs()["charter"].tolist() == said
    assert [r["charter"] for r in shell.run_line_magic("runs", "").runs] == said
    printed = CliRunner().invoke(main, ["runs", "--json"])
    assert [r["charter"] for r in json.loads(printed.stdout)] == said
    assert "not shown" in repr(overview())
    assert "not shown" in overview()._repr_mimebundle_()["text/html"]


def test_which_target_was_not_measured_is_said_below_the_table(five):
    (five / "charter.yaml").write_text(TARGETS.replace("}]", "}, {name: accuracy, at_least: 0.5}]"))
    found = overview()
    assert {r["experiment"]: r["charter"] for r in found.runs}["reached"] == "not measured"
    assert found.unmeasured == ("accuracy", "roc_auc", "log_loss")  # of five runs two say so of nothing worse
    for shown in (repr(found), found._repr_mimebundle_()["text/html"]):
        assert "Not measured of the charter: accuracy, roc_auc, log_loss." in shown
    assert overview('experiment = "broken"').unmeasured == ()


def test_two_runs_are_compared_by_their_word_though_it_is_the_same(five):
    (five / "charter.yaml").write_text(TARGETS)
    rows = {r["name"]: r["values"] for r in nb.compare(["meets", "broken"]).to_dict()["rows"]}
    assert rows["charter"] == ["meets", "broken"]
    same = {r["name"]: r["values"] for r in nb.compare(["meets", "meets"]).to_dict()["rows"]}
    assert same["charter"] == ["meets", "meets"]


@pytest.mark.parametrize("text", [None, "problem: late"])
def test_without_targets_there_is_no_column(five, text):
    if text:
        (five / "charter.yaml").write_text(text)
    assert "charter" not in nb.runs()
    assert "charter" not in {r["name"] for r in nb.compare(["meets", "broken"]).rows}


def test_a_charter_that_cannot_be_read_hides_no_run(five):
    (five / "charter.yaml").write_text("metrics: auc")
    with pytest.warns(RuntimeWarning, match="Runs are not held against the charter"):
        assert len(nb.runs()) == 6


def test_no_run_is_no_column(project):
    (project / "charter.yaml").write_text(TARGETS)
    assert isinstance(nb.runs(), pd.DataFrame)


OWN = TARGETS + "models: {strict: {metrics: [{name: roc_auc, at_least: 0.95}]}}\n"


def registers(name, *models):
    from sklearn.linear_model import LogisticRegression

    with nb.run(name):
        nb.log(roc_auc=0.9, log_loss=0.2)
        for model in models:
            nb.register(LogisticRegression().fit(pd.DataFrame({"x": [0.0, 1.0]}), [0, 1]), model)


@pytest.mark.parametrize(
    ("experiment", "models", "word"),
    [
        ("strict", (), "missed"),
        ("forest", ("strict",), "missed"),
        ("strict", ("other",), "reached"),
        ("forest", ("other", "strict"), "missed"),
        ("forest", (), "reached"),
    ],
)
def test_a_models_own_targets_count_for_what_registered_it_or_is_called_so(project, experiment, models, word):
    (project / "charter.yaml").write_text(OWN)
    registers(experiment, *models)
    assert nb.runs()["charter"].tolist() == [word]
    assert {r["name"]: r["values"] for r in nb.compare([experiment]).rows}["charter"] == [word]


def test_only_a_model_has_targets(five):
    (five / "charter.yaml").write_text("models: {meets: {metrics: [{name: roc_auc, at_least: 0.7}]}}")
    found = nb.runs().set_index("experiment")["charter"]
    assert found.dropna().to_dict() == {"meets": "meets"}
    assert "meets" in repr(overview())
    (five / "charter.yaml").write_text("models: {nobody: {metrics: [{name: roc_auc, at_least: 0.7}]}}")
    assert "charter" not in nb.runs()


def test_the_newest_evaluation_of_a_run_counts(project):
    (project / "charter.yaml").write_text(TARGETS)
    with nb.run("twice") as run:
        nb.log(roc_auc=0.8, log_loss=0.4)
        for value in (0.5, 0.8):
            found = {
                "roc_auc": {"value": value, "low": value, "high": value},
                "log_loss": {"value": 0.4, "low": 0.4, "high": 0.4},
            }
            session.keep("evaluation", "twice", {"metrics": found}, run_id=run.run_id)
    assert nb.runs()["charter"].tolist() == ["meets"]


def kept(run, rows, value, made=None):
    found = {n: {"value": v, "low": v, "high": v} for n, v in (("roc_auc", value), ("log_loss", 0.4))}
    session.keep("evaluation", "twice", {"metrics": found, "rows": rows, "run_id": made}, run_id=run.run_id)


@pytest.mark.parametrize("last", [(50, None), (9000, "another run")])
def test_a_part_of_the_rows_or_the_model_of_another_run_marks_nothing(project, last):
    (project / "charter.yaml").write_text(TARGETS)
    with nb.run("twice") as run:
        nb.log(roc_auc=0.8, log_loss=0.4)
        kept(run, 900, 0.8, run.run_id)
        kept(run, last[0], 0.5, last[1])
    assert nb.runs()["charter"].tolist() == ["meets"]
    assert nb.viability("twice").verdict == "viable"


@pytest.mark.postgres
def test_postgres_marks_alike(project, postgres, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    (project / "charter.yaml").write_text(OWN)
    tracked("meets", {"roc_auc": (0.71, 0.75, 0.8), "log_loss": (0.3, 0.35, 0.4)}, roc_auc=0.75, log_loss=0.35)
    registers("strict", "strict")
    assert nb.runs()["charter"].tolist() == ["missed", "meets"]
