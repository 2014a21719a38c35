"""What a project is worth before any model, what a model is worth, and what came of it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.governance.charter import parsed
from nbmlops.governance.value import value
from nbmlops.governance.worth import before, error
from nbmlops.registry.measures import Answers
from nbmlops.registry.values import packed
from nbmlops.stats import binormal
from nbmlops.store import events
from nbmlops.tracking import session

PER = "per: {true_positive: 12, false_positive: -4, false_negative: 0, true_negative: 0}"
TEXT = f"""
value: {{unit: EUR, {PER}, prevalence: {{low: 0.2, expected: 0.25, high: 0.3}}, volume: {{per: month, rows: 2000}}}}
effort: {{people: 2, weeks: 6, per_week: 2000}}
deliverables:
  - {{name: page, value: 1000, weeks: 2}}
  - {{name: champion, value: 9000, weeks: 6}}
  - {{name: talk}}
roles: {{manager: [mo@example.org]}}
"""
ERROR = b"value: {unit: EUR, error: {cost: 3, per: absolute, within: 1}}"


def charter(text=TEXT):
    return parsed(text.encode())


def run(*words):
    return CliRunner().invoke(main, ["charter", "value", *words])


def test_the_best_threshold_of_a_binormal_curve_is_that_of_a_search():
    found = binormal.best(0.75, 0.25, (12, -4, 0, 0))
    rng = np.random.default_rng(0)
    truth = rng.random(1_000_000) < 0.25
    apart = np.sqrt(2) * 0.6744897501960817  # the normal quantile of 0.75
    score = rng.normal(apart * truth, 1)
    best = max(np.where(score >= t, np.where(truth, 12, -4), 0).mean() for t in np.linspace(-2, 3, 60))
    assert found.value == pytest.approx(best, rel=0.02)


def test_a_model_without_skill_is_worth_nothing_over_the_best_without():
    found = before.estimate(charter(), (0.5, 0.5, 0.5))
    assert (found["low"], found["expected"], found["high"]) == (0, 0, 0)


def test_low_expected_and_high_come_from_quality_and_share():
    found = before.estimate(charter())
    assert 0 < found["low"] < found["expected"] < found["high"]
    assert found["volume"]["expected"] == pytest.approx(2 * found["expected"])
    assert found["year"]["expected"] == pytest.approx(24 * found["expected"])
    assert "has no target of roc_auc from 0.5 to 1" in found["assumed"][0]


def test_break_even_is_where_a_year_covers_the_effort():
    known = before.estimate(charter())["break_even"]
    assert known["cost"] == 24000
    assert known["chance"] == pytest.approx(4 / 16)
    at = before.estimate(charter(), (known["auc"],) * 3)
    assert at["year"]["expected"] == pytest.approx(24000, rel=1e-4)
    never = charter(TEXT.replace("per_week: 2000", "per_week: 2000000"))
    assert before.estimate(never)["break_even"]["reached"] is False


def test_the_range_is_that_of_the_target():
    found = before.estimate(charter(TEXT + "metrics: [{name: roc_auc, at_least: 0.7, viable: 0.55}]"))
    assert found["auc"] == pytest.approx([0.55, 0.7, 0.8])


def test_deliverables_come_by_value_per_week():
    found = before.deliverables(charter())
    assert [(d["name"], d["per_week"]) for d in found] == [("champion", 1500), ("page", 500), ("talk", None)]


def test_what_is_not_said_is_named_with_whose_it_is():
    found = before.gaps(charter("roles: {manager: [mo@example.org]}"))
    assert before.estimate(charter("problem: late")) is None
    assert [g["key"] for g in found] == ["value.per", "value.volume", "effort", "budget"]
    assert next(g for g in found if g["key"] == "effort")["people"] == ["mo@example.org"]


def test_the_first_estimate_is_kept_for_ever(project):
    (project / "charter.yaml").write_text(TEXT)
    one = nb.worth()
    (project / "charter.yaml").write_text(TEXT.replace("true_positive: 12", "true_positive: 40"))
    two = nb.worth()
    assert two.first == one.first
    assert two.first["expected"] == pytest.approx(one.estimated["expected"])
    assert two.estimated["against"] == "acting on all"  # now it pays to act on every row
    assert two.estimated["expected"] != two.first["expected"]
    assert two.first["charter"] == one.charter != two.charter
    with session.store().reading() as connection:
        assert [e["action"] for e in events.listed(connection)] == ["charter", "worth"]


def test_an_estimate_made_after_a_model_does_not_pass_for_one_of_before(project, model):
    (project / "charter.yaml").write_text(TEXT)
    nb.register(model, "late")
    found = nb.worth()
    assert found.first["after"] == "late@1"
    assert "when late@1 was registered already" in repr(found)
    nb.promote("late", 1, to="champion", reason="first")
    page = Path(nb.review_charter(output=project / "a.md")).read_text()
    assert "What was expected first, when late@1 was registered already, and what is known now." in page
    assert "before any model" not in page


def test_the_estimate_of_a_model_is_by_its_own_target(project, model):
    (project / "charter.yaml").write_text(f"{TEXT}models: {{late: {{metrics: [{{name: roc_auc, at_least: 0.9}}]}}}}\n")
    nb.register(model, "late")
    assert nb.worth().estimated["auc"][1] == 0.7
    found = nb.worth("late@1")
    assert found.estimated["auc"][1] == 0.9
    assert found.first["auc"][1] == 0.7


def test_an_estimate_of_before_stays_one(project, model):
    (project / "charter.yaml").write_text(TEXT)
    assert nb.worth().first["after"] == ""
    nb.register(model, "late")
    assert nb.worth("late@1").first["after"] == ""
    assert "before any model" in repr(nb.worth("late@1"))


def test_function_and_command_say_the_same(project):
    (project / "charter.yaml").write_text(TEXT)
    said = nb.worth().to_dict()
    found = run("--json")
    assert found.exit_code == 0, found.output
    assert {**json.loads(found.stdout), "budget": None} == {**json.loads(json.dumps(said)), "budget": None}
    assert "worth it within a year from" in run().output
    assert "<script" not in nb.worth()._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("auc", ["0.6", "0.8,0.7,0.6", "0.4,0.5,0.6", "a,b,c", "nan,nan,nan"])
def test_a_range_that_is_none_is_refused(project, auc):
    (project / "charter.yaml").write_text(TEXT)
    found = run("--auc", auc)
    assert found.exit_code == 2
    assert "Write 0.6,0.7,0.8." in found.output


def test_without_a_charter_or_an_answer_in_it(project):
    with pytest.raises(NotFound, match="nbmlops charter new"):
        nb.worth()
    (project / "charter.yaml").write_text("problem: late")
    assert run().exit_code == 5
    assert "not said: value.per" in run().output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("volume: {per: month, rows: many}", "value.volume.rows is 'many'"),
        ("volume: {per: month, rows: -10}", "value.volume.rows is -10"),
        ("volume: {rows: 10}", "value.volume.per is ''"),
        ("volume: {per: fortnight, rows: 10}", "Allowed: hour, day, week, month, quarter, year."),
        ("unit: [EUR]", "value.unit is ['EUR']"),
    ],
)
def test_a_volume_that_is_none_is_refused(text, says):
    with pytest.raises(Invalid) as refused:
        charter(f"value: {{{PER}, prevalence: 0.3, {text}}}")
    assert says in str(refused.value)


def test_an_outcome_that_nobody_valued_is_named(project):
    text = TEXT.replace(", true_negative: 0}", "}")
    assert before.estimate(charter(text)) is None
    assert before.gaps(charter(text))[0]["key"] == "value.per.true_negative"
    (project / "charter.yaml").write_text(text)
    assert "not said: value.per.true_negative, what a true negative is worth (stakeholder)" in run().output


BUDGET = TEXT.replace("effort: {people: 2, weeks: 6, per_week: 2000}", "budget: {amount: 24000, unit: EUR}")


def test_a_budget_in_another_unit_is_held_against_nothing(project):
    same = before.estimate(charter(BUDGET))["break_even"]
    assert same["cost"] == 24000
    assert same == before.estimate(charter())["break_even"]  # the effort comes to as much
    other = BUDGET.replace("unit: EUR, per", "unit: hours, per")
    found = before.estimate(charter(other))["break_even"]
    assert (found["auc"], found["cost"], found["other_unit"]) == (None, None, "EUR")
    with_effort = before.estimate(charter(other + "effort: {people: 1, weeks: 1, per_week: 2000}"))["break_even"]
    assert with_effort["cost"] is None  # what a person costs is in the budget's unit
    (project / "charter.yaml").write_text(other)
    assert "the budget is in EUR, the value in hours" in run().output


def test_work_that_costs_nothing_is_no_budget():
    found = charter(TEXT.replace("per_week: 2000", "per_week: 0") + "budget: {amount: 24000000, unit: EUR}")
    assert before.estimate(found)["break_even"]["cost"] == 0
    assert "effort" not in [g["key"] for g in before.gaps(found)]


NUMBERS = """
value: {unit: EUR, error: {cost: 3}, without: -2, volume: {per: month, rows: 2000}}
metrics: [{name: mae, at_most: 0.5, viable: 0.6}]
effort: {people: 1, weeks: 1, per_week: 2400}
"""


def test_of_a_model_of_numbers_errors_as_large_as_the_target_are_held_against_today(project):
    found = before.estimate(charter(NUMBERS))
    # a row costs 2 today, and 3 times 0.6, 0.5 and a third of 1 with the model
    assert [found[k] for k in ("low", "expected", "high")] == pytest.approx([200, 500, 1000])
    assert found["year"]["expected"] == pytest.approx(12000)
    # 24,000 rows a year have to bring 2,400, so 0.1 a row: 1.9 are left for errors
    assert found["break_even"]["error"] == pytest.approx(1.9 / 3)
    squared = NUMBERS.replace("{cost: 3}", "{cost: 3, per: squared}").replace("mae", "rmse")
    assert before.estimate(charter(squared))["expected"] == pytest.approx(1000 * (2 - 3 * 0.25))
    assert before.estimate(charter(squared))["break_even"]["error"] == pytest.approx((1.9 / 3) ** 0.5)
    (project / "charter.yaml").write_text(NUMBERS)
    assert run().exit_code == 0
    assert "worth it within a year up to an error of 0.633" in run().output
    assert run("--auc", "0.6,0.7,0.8").exit_code == 2
    dear = before.estimate(charter(NUMBERS.replace("per_week: 2400", "per_week: 240000")))
    assert dear["break_even"]["reached"] is False


def test_of_a_model_of_numbers_it_is_named_what_an_estimate_needs(project):
    (project / "charter.yaml").write_bytes(ERROR)
    found = run()
    assert found.exit_code == 5
    assert "not said: value.without, what a row is worth today" in found.output
    assert "not said: metrics, a target of mae" in found.output


def regression(said, truth):
    answers = Answers("regression", said, truth=truth)
    kept = {"values": session.artifacts().put(packed(answers)), "task": "regression", "rows": len(truth)}
    return {**kept, "data": "one"}


def test_errors_cost_what_is_beyond_what_is_tolerated():
    assert error.cost([0.5, -1, 3, -4], parsed(ERROR)).tolist() == [0, 0, 6, 9]
    squared = parsed(ERROR.replace(b"absolute", b"squared"))
    assert error.cost([0.5, 3, -4], squared).tolist() == [0, 12, 27]


def test_a_regression_is_held_against_the_best_constant_and_the_champion(project):
    truth = np.array([0.0, 10, 20, 30, 40] * 100)
    found = value(regression(truth + 2, truth), parsed(ERROR), regression(truth - 4, truth))
    # each error of 2 costs 3; the median 20 costs 57, 27, 0, 27, 57 in turn, 33.6 on average
    assert found["against"] == "always answering the median"
    assert found["expected"] == pytest.approx(1000 * (33.6 - 3))
    assert found["low"] < found["expected"] < found["high"]
    assert "volume" not in found
    monthly = value(regression(truth + 2, truth), parsed(ERROR[:-1] + b", volume: {per: month, rows: 500}}"))["volume"]
    assert [monthly[k] for k in ("low", "expected", "high")] == [found[k] / 2 for k in ("low", "expected", "high")]
    assert found["champion"]["expected"] == pytest.approx(1000 * (9 - 3))
    with pytest.raises(Invalid, match="what an error costs"):
        value(regression(truth, truth), parsed(b"problem: late"))


def test_estimated_evaluated_and_realised_stand_side_by_side(project, model, held_out):
    (project / "charter.yaml").write_text(TEXT)
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    before_any = nb.worth("late@1")
    assert "no predictions" in before_any.realised["unknown"]
    rows = held_out.drop(columns="late")
    made = nb.predict("late@1", rows)
    nb.feedback(pd.DataFrame({"prediction_id": list(made["prediction_id"]), "outcome": held_out["late"].to_numpy()}))
    found = nb.worth("late@1")
    assert found.realised["n"] == len(held_out) == found.evaluated["n"]
    assert found.realised["expected"] == pytest.approx(found.evaluated["expected"], abs=300)
    assert found.first["per_rows"] == found.evaluated["per_rows"] == found.realised["per_rows"] == 1000
