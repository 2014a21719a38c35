"""The verdict is what the interval of the difference says, on rows neither model was fitted on."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

import nbmlops as nb
from nbmlops.capture import estimators
from nbmlops.capture.data import column_fingerprints
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotAllowed
from nbmlops.governance.differences import Gain
from nbmlops.stats.paired import Paired
from nbmlops.store.runs import results_of
from nbmlops.tracking import session


def test_a_strong_model_is_better_than_a_weak_one(project, fit, held_out):
    strong, weak = fit("age", "city"), fit("noise")
    found = nb.gate(strong, weak, on=held_out, target="late")
    assert found.verdict == "better"
    score = {m: m.predict_proba(held_out[list(m.feature_names_in_)])[:, 1] for m in (strong, weak)}
    expected = roc_auc_score(held_out.late, score[strong]) - roc_auc_score(held_out.late, score[weak])
    assert found.difference == pytest.approx(expected)
    assert nb.gate(weak, strong, on=held_out, target="late").verdict == "worse"


def test_a_model_is_non_inferior_to_itself(project, model, held_out):
    found = nb.gate(model, model, on=held_out, target="late")
    assert (found.verdict, found.difference, found.detectable) == ("non-inferior", 0.0, 0.0)


def test_few_rows_are_inconclusive_and_say_what_they_could_show(project, fit, held_out):
    found = nb.gate(fit("age"), fit("age", "city"), on=held_out[:25], target="late", margin=0.0)
    assert found.verdict == "inconclusive"
    assert found.detectable > 0


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.03, "better"),
        (-0.005, 0.005, "non-inferior"),
        (-0.009, -0.001, "non-inferior"),
        (-0.07, -0.03, "worse"),
        (-0.02, 0.02, "inconclusive"),
    ],
)
def test_verdicts(low, high, verdict):
    difference = Paired((low + high) / 2, low, high, 0.01)
    assert Gain("roc_auc", 0.7, 0.7, difference, 0.01, low + 0.01, 0.5, 100, "").verdict == verdict


def test_false_promotions_stay_at_the_level(project, train):
    """Two scores of equal worth: *better* in about 2.5 of 100 cases."""
    from nbmlops.stats.intervals import auc_difference

    rng = np.random.default_rng(0)
    better = 0
    for _ in range(400):
        y = rng.random(300) < 0.3
        better += auc_difference(y, y + rng.normal(0, 1, 300), y + rng.normal(0, 1, 300)).low > 0
    assert better <= 0.05 * 400


def test_the_margin_is_the_charters(project, model, held_out):
    (project / "charter.yaml").write_text("margin: 0.03")
    assert nb.gate(model, model, on=held_out, target="late").margin == 0.03


@pytest.mark.parametrize(
    ("policy", "champion", "ready"),
    [
        ("{}", "late@champion", False),
        ("{champion: {gate: non-inferior}}", "late@champion", True),
        ("{champion: {gate: non-inferior}}", "late@1", True),  # champion points to it
        ("{staging: {gate: better}}", "late@champion", False),
        ("{champion: {gate: non-inferior}, staging: {gate: better}}", "late@staging", False),
    ],
)
def test_it_is_ready_by_the_policy_of_the_alias(project, model, held_out, policy, champion, ready):
    nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="first")
    nb.promote("late", 1, to="staging", reason="first")
    (project / "charter.yaml").write_text(f"policy: {policy}")
    found = nb.gate("late@1", champion, on=held_out, target="late")
    assert (found.verdict, found.ready) == ("non-inferior", ready), found.because


def test_guards_that_are_only_recorded_keep_nobody_back(project, model, held_out):
    nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="first")
    nb.flag("late@1", "ages are guessed", severity="high")
    rule = "policy: {champion: {gate: non-inferior, guards: %s}}"
    (project / "charter.yaml").write_text(rule % "required")
    assert not nb.gate("late@1", "late@champion", on=held_out, target="late").ready
    (project / "charter.yaml").write_text(rule % "recorded")
    assert nb.gate("late@1", "late@champion", on=held_out, target="late").ready
    (project / "charter.yaml").write_text(rule % "perhaps")
    with pytest.raises(NotAllowed, match=r"policy.champion.guards is 'perhaps'"):
        nb.gate("late@1", "late@champion", on=held_out, target="late")


def test_numbers_are_compared_by_their_error(project, people, held_out):
    rows = people(300, 4)
    right = LinearRegression().fit(rows[["age"]], rows.age)
    wrong = LinearRegression().fit(rows[["noise"]], rows.age)
    found = nb.gate(right, wrong, on=held_out, target="age")
    assert (found.verdict, found.metric) == ("better", "mae")


def test_scores_that_are_no_probabilities_rank_all_the_same(project, train, held_out):
    one, two = (m.fit(train[["age"]], train.late) for m in (LinearSVC(), LogisticRegression()))
    assert nb.gate(one, two, on=held_out, target="late").metric == "roc_auc"


@pytest.mark.parametrize("side", [0, 1])
def test_rows_either_was_fitted_on_are_refused(project, fit, train, side):
    seen, other = fit("age", "city"), fit("age")
    with session.run("fit") as run:
        data = {"rows": len(train), "columns": column_fingerprints(train[["age", "city"]]), "target": "late"}
        estimators.bind(run.run_id, seen, data)
    pair = [seen, other] if side == 0 else [other, seen]
    with pytest.raises(NotAllowed, match="These are the rows"):
        nb.gate(*pair, on=train, target="late")


def test_it_is_kept_with_the_digests_of_registered_models(project, fit, held_out):
    for columns in (["noise"], ["age"]):
        model = fit(*columns)
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    found = nb.gate("late@2", "late@1", on=held_out)
    kept = results_of(session.store(), kind="gate")
    assert kept[0]["result_id"] == found.result_id
    assert kept[0]["data"]["challenger_digest"] == nb.model_version("late@2").digest
    assert kept[0]["subject"] == "late@2 against late@1"


def test_different_questions_are_refused(project, fit, train, held_out):
    other = LogisticRegression().fit(train[["age"]], train.late.map({True: "late", False: "on time"}))
    with pytest.raises(Invalid, match=r"different questions|never saw"):
        nb.gate(fit("age"), other, on=held_out, target="late")


@pytest.mark.parametrize(
    ("on", "target", "message"),
    [(None, "late", "no table"), (0, None, "no table")],
)
def test_bad_rows(project, model, on, target, message):
    with pytest.raises(Invalid, match=message):
        nb.gate(model, model, on=on, target=target)


def test_a_bad_margin(project, model, held_out):
    with pytest.raises(Invalid, match="margin is 2"):
        nb.gate(model, model, on=held_out, target="late", margin=2)


def test_function_magic_and_command_say_the_same(shell, fit, held_out):
    for columns in (["noise"], ["age"]):
        model = fit(*columns)
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    nb.dataset("people", held_out.assign(day=np.arange(400) % 40), keep=True)
    terms = {"metrics": ["log_loss", "roc_auc"], "by": ["city"], "groups": "day", "margin": 0.02}
    words = "late@2 late@1 --on people@1 --metric log_loss --metric roc_auc --by city --groups day --margin 0.02"
    nb.gate("late@2", "late@1", on="people@1", **terms)
    result = CliRunner().invoke(main, ["gate", *words.split(), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    found = [
        nb.gate("late@2", "late@1", on="people@1", **terms).to_dict(),
        shell.run_line_magic("gate", words).to_dict(),
        json.loads(result.output),
    ]
    for one in found:  # times differ from call to call
        one["findings"] = [f for f in one["findings"] if f["code"] != "latency"]
        one["result_id"] = ""
    assert found[0] == found[1] == found[2]
    assert (found[0]["verdict"], found[0]["ready"]) == ("better", True)
