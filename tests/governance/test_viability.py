"""Whether it is viable: one verdict from metrics, data, runs, reviews and budget, the same by every door."""

import json
import time

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import NotFound
from nbmlops.governance.charter import parsed
from nbmlops.governance.viability import metrics_findings, verdict

TARGETS = "metrics: [{name: roc_auc, at_least: 0.7, viable: 0.6}]\n"


def charter(text=TARGETS):
    return parsed(text.encode())


def judged(low, value, high):
    return verdict(metrics_findings({"roc_auc": {"value": value, "low": low, "high": high}}, charter()))[0]


@pytest.mark.parametrize(
    ("low", "value", "high", "word"),
    [
        (0.71, 0.75, 0.8, "viable"),
        (0.65, 0.72, 0.8, "at risk"),  # the target is not shown
        (0.55, 0.62, 0.68, "at risk"),  # broken, and whether it is beyond viability is not shown
        (0.4, 0.5, 0.59, "not viable"),
        (0.4, 0.5, float("nan"), "at risk"),  # an interval of which an end is not known shows nothing
    ],
)
def test_the_verdict_follows_the_interval(low, value, high, word):
    assert judged(low, value, high) == word


def test_what_is_not_measured_is_not_viable_by_default():
    assert verdict(metrics_findings({}, charter()))[0] == "insufficient data"


def test_a_target_that_nobody_measured_is_a_risk():
    two = charter("metrics: [{name: roc_auc, at_least: 0.7}, {name: recall, at_least: 0.5}]")
    found = verdict(metrics_findings({"roc_auc": {"value": 0.75, "low": 0.71, "high": 0.8}}, two))
    assert found == ("at risk", "recall at least 0.5 is not measured")


def test_a_part_of_the_rows_is_told_and_judges_nothing(project, model, held_out, people):
    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.5, viable: 0.3}]")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    whole = nb.viability("late@1")
    wrong = held_out.assign(late=1 - held_out["late"])  # nothing of it comes true
    nb.evaluate("late@1", held_out.head(150).assign(late=wrong["late"]), target="late")
    found = nb.viability("late@1")
    assert found.verdict == whole.verdict == "viable"
    (told,) = [f for f in found.findings if f.code == "rows"]
    assert (told.outcome, told.effect) == ("not_applicable", 150.0)
    assert "judged again on 150 of these rows" in told.message
    assert "roc_auc at least 0.5 is broken" in told.message
    other = people(300, 8)
    nb.evaluate("late@1", other.assign(late=1 - other["late"]), target="late")
    found = nb.viability("late@1")
    assert found.verdict == "at risk"
    assert "judged again on 300 other rows" in found.because


def test_a_version_that_was_evaluated_later_is_measured(project, model, held_out):
    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.5}]")
    nb.register(model, "late")
    assert nb.viability("late@1").verdict == "insufficient data"
    nb.evaluate("late@1", held_out, target="late")
    assert nb.viability("late@1").verdict == "viable"


def test_a_run_is_held_against_those_before_it_whatever_its_experiment_is_called(project, monkeypatch):
    (project / "charter.yaml").write_text(TARGETS)
    ids = []
    for _ in range(24):
        with nb.run('wood, the "big" one') as run:
            nb.log(roc_auc=0.8)
        ids.append(run.run_id)
    said = [next(f for f in nb.viability(i).findings if f.code == "cost").message for i in (ids[2], ids[3])]
    assert "fewer than 3 before to compare" in said[0]
    assert "is usual" in said[1]  # though twenty came after it


def test_a_logged_value_without_interval_shows_nothing(project):
    (project / "charter.yaml").write_text(TARGETS)
    with nb.run("forest"):
        nb.log(roc_auc=0.99)
    found = nb.viability("forest")
    assert found.verdict == "at risk"
    assert "roc_auc at least 0.7 is not shown" in found.because


def test_a_budget_that_is_spent_is_the_end(project):
    (project / "charter.yaml").write_text(TARGETS + "budget: {amount: 10, unit: EUR, spent: 11}")
    found = nb.viability()
    assert (found.verdict, found.because) == ("not viable", "the budget is overspent by 1 EUR")
    (project / "charter.yaml").write_text(TARGETS + "budget: {amount: 10, unit: EUR, spent: 10}")
    assert nb.viability().because == "the budget is spent"


def test_of_a_model_by_function_and_command(project, model, held_out):
    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.5, viable: 0.4}]\nreview_days: 30")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    found = nb.viability("late@1").to_dict()
    assert {f["code"] for f in found["findings"]} >= {"target", "viable", "review"}
    said = CliRunner().invoke(main, ["charter", "viability", "late@1", "--json"])
    assert {**json.loads(said.stdout), "at": ""} == {**json.loads(json.dumps(found)), "at": ""}
    assert said.exit_code == {"viable": 0, "at risk": 3}[found["verdict"]]


def test_of_a_run_it_is_told_at_once(project):
    (project / "charter.yaml").write_text(TARGETS)
    for _ in range(5):
        with nb.run("forest"):
            nb.log(roc_auc=0.8)
    nb.viability("forest")
    began = time.process_time()
    nb.viability("forest")
    assert time.process_time() - began < 0.2


def test_bad_names_are_one_line(project):
    with pytest.raises(NotFound, match="nbmlops charter new"):
        nb.viability()
    (project / "charter.yaml").write_text(TARGETS)
    for name in ("late@9", "nothing"):
        found = CliRunner().invoke(main, ["charter", "viability", name])
        assert found.exit_code == 5
        assert len(found.output.strip().splitlines()) <= 2


def test_of_many_champions_evaluations_are_read_once(project, fit, held_out, monkeypatch):
    from nbmlops.store import runs

    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.6}]\n")
    for name in ("early", "late", "never"):
        nb.evaluate(model := fit("age"), held_out, target="late")
        nb.register(model, name)
        if name != "never":
            nb.promote(name, 1, to="champion", reason="first")
    read, asked = runs.results_of, []
    monkeypatch.setattr(runs, "results_of", lambda *a, **k: asked.append(k.get("kind")) or read(*a, **k))
    found = nb.viability()
    assert [f.message.partition(":")[0] for f in found.findings if f.code == "target"] == ["early@1", "late@1"]
    assert asked.count("evaluation") == 1
