"""Performance without truth: right under covariate shift, modest with few rows, silent on training rows."""

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.capture import estimators
from nbmlops.stats import intervals

from .conftest import COLUMNS, bookings


def expected(report):
    (found,) = [f for f in report.findings if f.code == "performance_estimated"]
    return found


def answered(n, seed, shift=0.0, columns=("x", "said", "late")):
    """Rows of a model whose probabilities are right, wherever the rows lie."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, n)
    said = 1 / (1 + np.exp(-1.5 * x))
    return pd.DataFrame({"x": x, "said": said, "late": rng.random(n) < said})[list(columns)]


def against(current, reference, **names):
    return nb.drift(current, reference, target="late" if "late" in current else None, prediction="said", **names)


def judged(current, reference):
    """Hold rows without truth against a frame that has it."""
    return expected(nb.drift(current.assign(late=None), reference, target="late", prediction="said"))


def test_without_truth_the_expected_auc_stands_with_interval_and_assumption(champion):
    later = bookings(3000, 7).drop(columns="late")
    found = expected(nb.drift(later, "late-flights@champion"))
    true = nb.drift(bookings(3000, 7), "late-flights@champion")
    (realised,) = [f for f in true.findings if f.code == "performance"]
    assert found.outcome == "passed"
    assert found.detail["low"] <= realised.effect <= found.detail["high"]
    assert found.detail["n"] == 3000
    assert {"accuracy", "expected_share"} <= found.detail["expected"].keys()
    assert found.message.startswith("expected roc_auc 0.")
    assert "assumed: " in found.message
    assert "reference" in found.message


def test_where_the_truth_is_known_nothing_is_estimated(champion):
    found = expected(nb.drift(bookings(3000, 7), "late-flights@champion"))
    assert (found.outcome, found.message) == ("not_applicable", "the truth is known")


def test_rows_that_are_hard_to_tell_apart_lower_what_is_expected(champion):
    hard = bookings(6000, 3).drop(columns="late").query("-0.4 < amount < 0.4")
    report = nb.drift(hard, "late-flights@champion")
    assert expected(report).outcome == "issue"
    assert report.verdict == "alert"
    few = nb.drift(hard[:400], "late-flights@champion")
    assert expected(few).outcome == "warning", "below 500 rows there is no alert"
    none = expected(nb.drift(hard[:150], "late-flights@champion"))
    assert (none.outcome, none.message) == ("skipped", "insufficient data: 150 answers, 200 are needed")


def test_a_frame_as_reference_raises_a_notice_at_most_for_nobody_knows_who_was_fitted_on_it(project):
    hard = answered(6000, 3).query("-0.3 < x < 0.3")
    found = judged(hard, answered(4000, 0))
    assert found.outcome == "warning"
    assert "is not known" in found.message
    assert found.effect == pytest.approx(intervals.auc(hard.late.to_numpy(), hard.said.to_numpy()).value, abs=0.06)


def test_the_rows_a_model_was_fitted_on_judge_nothing(project):
    from sklearn.ensemble import RandomForestClassifier

    rows = answered(1000, 0, columns=("x", "late"))
    with nb.run("forest"):
        forest = RandomForestClassifier(20, random_state=0).fit(rows[["x"]], rows["late"])
    assert estimators.fit_record(forest), "the fit has to be tracked for this"
    reference = rows.assign(said=forest.predict_proba(rows[["x"]])[:, 1])
    later = answered(1000, 1, columns=("x", "late"))
    later["said"] = forest.predict_proba(later[["x"]])[:, 1]
    report = nb.drift(later, reference, target="late", prediction="said")
    for code in ("performance", "prediction_drift"):
        (found,) = [f for f in report.findings if f.code == code]
        assert found.outcome == "skipped"
        assert "insufficient data: the reference's rows are those RandomForestClassifier was fitted on" in found.message
    found = judged(later, reference)
    assert (found.outcome, found.effect) == ("skipped", None)
    held_out = answered(1000, 2, columns=("x", "late"))
    held_out["said"] = forest.predict_proba(held_out[["x"]])[:, 1]
    assert judged(later, held_out).effect is not None


def test_a_registered_model_is_known_by_its_rows_in_another_process(champion, monkeypatch):
    from nbmlops.registry import values

    with nb.run("again"):
        from sklearn.linear_model import LogisticRegression

        rows = bookings(1500, 0)
        model = LogisticRegression().fit(rows[["amount"]], rows["late"])
    nb.register(model, "plain", evaluation=nb.evaluate(model, bookings(500, 1), target="late"))
    monkeypatch.setattr(estimators, "living", list)
    assert values.fitted_on(bookings(1500, 0)) == "plain@1"
    assert values.fitted_on(bookings(1500, 1)) == ""


def test_an_error_that_grows_with_the_answer_is_expected_to_grow(project):
    def prices(n, seed, most):
        rng = np.random.default_rng(seed)
        said = rng.uniform(1, most, n)
        return pd.DataFrame({"x": said, "said": said, "late": said + rng.normal(0, said / 5)})

    found = judged(prices(2000, 1, 10).query("said > 6"), prices(4000, 0, 10))
    true = prices(40_000, 2, 10).query("said > 6")
    assert found.detail["metric"] == "mae"
    assert found.effect == pytest.approx((true.said - true.late).abs().mean(), rel=0.06)
    assert found.outcome == "warning", "it is larger than over all rows"


def test_classes_are_expected_to_be_right_as_often_as_each_was(project):
    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b", "c"], 3000)
    said = np.where((truth == "c") & (rng.random(3000) < 0.5), "a", truth)
    rows = pd.DataFrame({"x": rng.normal(size=3000), "said": said, "late": truth})
    found = judged(rows[:1500].query("said == 'a'"), rows[1500:])
    assert found.detail["metric"] == "accuracy"
    assert found.effect == pytest.approx(2 / 3, abs=0.04)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: f.assign(said=f.said.round()), "the answers are classes, those of the reference probabilities"),
        (lambda f: f.assign(said="late"), "the answers are no probabilities, those of the reference are"),
        (lambda f: f.assign(said=np.nan), "0 answers, 200 are needed"),
    ],
)
def test_answers_of_another_kind_are_insufficient_data(project, spoil, says):
    found = judged(spoil(answered(1000, 1)), answered(1000, 0))
    assert (found.outcome, found.message) == ("skipped", f"insufficient data: {says}")


def test_a_profile_as_reference_holds_no_truth_beside_its_answers(project):
    found = judged(answered(1000, 1), nb.profile(answered(1000, 0)))
    assert (found.outcome, found.message) == (
        "not_applicable",
        "the reference holds no answers with their truth",
    )


def test_an_evaluation_whose_values_are_gone_says_so(champion):
    from nbmlops.tracking import session

    evaluation = next(iter(_results()))
    session.artifacts().delete(evaluation["values"])
    found = expected(nb.drift(bookings(1000, 5)[COLUMNS], "late-flights@champion"))
    assert found.outcome == "skipped"
    assert "insufficient data" in found.message


def test_chunks_show_what_is_expected_of_each(champion):
    later = pd.concat([bookings(600, s).assign(month=s) for s in (1, 2)]).drop(columns="late")
    report = nb.drift(later, "late-flights@champion", chunk="month")
    assert [c["performance"]["estimated"] for c in report.chunks] == [True, True]
    assert " expected" in repr(report)


def _results():
    from nbmlops.store.runs import results_of
    from nbmlops.tracking import session

    return [r["data"] for r in results_of(session.store(), kind="evaluation")]
