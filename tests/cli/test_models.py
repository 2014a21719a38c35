"""Commands about models: what they print, what they write, how they end."""

import csv
import io
import json

import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main


@pytest.fixture
def late(project, model, fit, held_out):
    """Two versions, the first the champion; a file of held-out rows."""
    for made in (fit("noise"), model):
        nb.evaluate(made, held_out, target="late")
        nb.register(made, "late")
    nb.promote("late", 1, to="champion", reason="the first")
    held_out.to_csv("held_out.csv", index=False)
    return project


def run(*words):
    return CliRunner().invoke(main, list(words))


def test_models_as_text_json_and_csv(late):
    assert "champion" in run("models").output
    rows = json.loads(run("models", "--json").output)
    assert [(r["version"], r["aliases"]) for r in rows] == [(2, ""), (1, "champion")]
    assert [r["version"] for r in csv.DictReader(io.StringIO(run("models", "--csv").output))] == ["2", "1"]


def test_no_models_yet(project):
    assert run("models").output.strip() == "nothing yet"
    assert json.loads(run("models", "--json").output) == []


def test_score_writes_ids_that_feedback_finds(late, held_out):
    result = run("score", "held_out.csv", "--model", "late@2", "-o", "scored.csv", "--batch", "may")
    assert result.exit_code == 0, result.output
    scored = pd.read_csv("scored.csv")
    assert list(scored.columns) == ["prediction_id", "prediction", "probability", "version"]
    scored.assign(outcome=held_out.late).to_csv("outcomes.csv", index=False)
    first, again = (json.loads(run("feedback", "outcomes.csv", "--json").output)[0] for _ in range(2))
    assert (first["new"], again["duplicates"]) == (400, 400)
    assert nb.performance("late", batch="may").known == 400


@pytest.mark.parametrize(("pair", "code"), [(("late@2", "late@1"), 0), (("late@1", "late@2"), 3)])
def test_gate_ends_with_its_verdict(late, pair, code):
    assert run("gate", *pair, "--on", "held_out.csv").exit_code == code


def test_an_inconclusive_gate_ends_with_four(late, held_out):
    held_out[:30].to_csv("few.csv", index=False)
    assert run("gate", "late@1", "late@1", "--on", "few.csv", "--margin", "0").exit_code == 4


def test_a_better_challenger_with_a_guard_that_is_an_issue_is_refused(late):
    from nbmlops.tracking import session

    session.keep("drift", "late", {"reference": "late@2", "verdict": "alert", "findings": []})
    result = run("gate", "late@2", "late@1", "--on", "held_out.csv")
    assert result.exit_code == 3
    assert "not ready because Drift: the newest report against late@2 says alert (ml_engineer" in result.output


def test_rollback(late):
    nb.promote("late", 2, to="champion", reason="better")
    result = run("rollback", "late", "--reason", "late share off", "--json")
    assert json.loads(result.output)["version"] == 1
    assert run("rollback", "late").exit_code == 5


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["score", "held_out.csv", "--model", "lat", "-o", "x.csv"], 5, "Did you mean 'late'"),
        (["score", "nothing.csv", "--model", "late", "-o", "x.csv"], 5, "nothing.csv cannot be read"),
        (["score", "narrow.csv", "--model", "late", "-o", "x.csv"], 2, "not there: age, noise"),
        (["feedback", "held_out.csv"], 2, "without a column 'prediction_id'"),
        (["evaluate", "late", "narrow.csv"], 2, "No column 'late'"),
        (["promote", "late", "9", "--to", "champion", "--reason", "x"], 5, "No version or alias of late '9'"),
        (["promote", "late", "1"], 2, "--to"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(late, held_out, words, code, message):
    held_out[["city"]].to_csv("narrow.csv", index=False)
    result = run(*words)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["models", "evaluate", "gate", "promote", "rollback", "score", "feedback"])
def test_help_has_an_example(name):
    assert f"Example: nbmlops {name}" in run(name, "--help").output
