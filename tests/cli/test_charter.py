"""``nbmlops charter``: begin, show, check, value."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main

WORTH = """
problem: Will it be late?
value: {unit: EUR, per: {true_positive: 20, false_positive: -5, false_negative: -20, true_negative: 0}}
"""


def run(*words):
    return CliRunner().invoke(main, ["charter", *words])


def test_new_then_show_then_check(project):
    assert run("new").exit_code == 0
    assert run("show").output.startswith("Charter project (charter.yaml)")
    result = run("check", "--json")
    assert result.exit_code == 3
    assert {r["key"] for r in json.loads(result.output) if r["outcome"] == "warning"} >= {"problem", "users"}


def test_new_asks_nothing_and_overwrites_nothing(project):
    run("new")
    (project / "charter.yaml").write_text("project: mine")
    assert run("new").exit_code == 2
    assert (project / "charter.yaml").read_text() == "project: mine"


def test_new_asks_and_keeps_the_comments(project):
    words = ["Will it be late: yes?", "desk, crew", "", "", "nonsense", "roc_auc at least 0.65", "", "", "x", "90"]
    result = CliRunner().invoke(main, ["charter", "new", "--input"], input="\n".join(words) + "\n")
    assert result.exit_code == 0, result.output
    assert "'nonsense' is no target" in result.output
    assert "problem: the question the model answers (stakeholder)" in result.output
    found = nb.charter()
    assert (found.problem, found.users, found.review_days) == ("Will it be late: yes?", ("desk", "crew"), 90)
    assert [t.text for t in found.metrics] == ["roc_auc at least 0.65"]
    assert "# The question, in one sentence" in (project / "charter.yaml").read_text()


def test_new_takes_answers_from_a_file(project):
    (project / "said.yaml").write_text("goal: fewer nights\nbudget: {amount: 60000}\nroles: {manager: [mo]}\n")
    done = run("new", "--answers", "said.yaml", "--json")
    found = nb.charter()
    assert json.loads(done.output) == json.loads(json.dumps(found.to_dict()))
    assert (found.goal, found.budget["amount"], found.roles) == ("fewer nights", 60000.0, {"manager": ("mo",)})


@pytest.mark.parametrize(
    ("text", "message"),
    [("gaol: a", "Did you mean 'goal'?"), ("margin: 3", "margin is 3"), ("a: [", "said.yaml is not valid YAML")],
)
def test_an_answer_no_charter_can_hold_writes_nothing(project, text, message):
    (project / "said.yaml").write_text(text)
    result = run("new", "--answers", "said.yaml")
    assert (result.exit_code, message in result.output) == (2, True)
    assert not (project / "charter.yaml").exists()


def test_nobody_is_asked_where_there_is_one(project):
    (project / "charter.yaml").write_text("project: mine")
    result = run("new", "--input")
    assert result.exit_code == 2
    assert "is there already" in result.output
    assert "problem:" not in result.output


def test_check_passes_when_all_is_said(project):
    (project / "charter.yaml").write_text(
        WORTH + "users: [desk]\ndecision: rebook\nlimits: [none]\nroles: {manager: [ada]}\n"
        "metrics: [{name: roc_auc, at_least: 0.6}]\nrisk: {tier: low, why: a person decides}\noversight: the desk\n"
        "goal: fewer nights in hotels\nquestions: [{id: q1, question: Are fewer missed, owner: ada}]\n"
        "deliverables: [{name: first, owner: ada}]\neffort: {people: 1, weeks: 1}\n"
        "requirements: {accuracy: {check: targets}, speed: {check: latency, limit: 50}, regulation: &none\n"
        "  {answer: none, by: ada}, transparency: *none, budget: *none, team_size: *none}\n"
        "implementation: {kind: batch}\nexperiments: [{name: forest, runs: 3}]\nreview_days: 90\n"
    )
    assert run("check").exit_code == 0


def test_value_of_a_registered_model(project, model, held_out):
    (project / "charter.yaml").write_text(WORTH)
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    found = json.loads(run("value", "late@1", "--json").output)["evaluated"]
    assert found["low"] < found["expected"] < found["high"]
    assert (found["unit"], found["n"]) == ("EUR", 400)
    assert found["against"] in ("acting on none", "acting on all")


def test_value_of_what_was_never_evaluated(project, model):
    (project / "charter.yaml").write_text(WORTH)
    nb.register(model, "late")
    assert run("value", "late@1").exit_code == 5


@pytest.mark.parametrize("words", [["show"], ["check"]])
def test_without_a_charter(project, words):
    result = run(*words)
    assert result.exit_code == 5
    assert "nbmlops charter new" in result.output


def test_a_broken_charter_is_one_line(project):
    (project / "charter.yaml").write_text("problme: x")
    result = run("show")
    assert result.exit_code == 2
    assert "'problme' is no key of a charter" in result.output
