"""Numbers against scikit-learn, and what they say at the edges."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix, mean_squared_error, r2_score

from nbmlops.registry import measures
from nbmlops.registry.measures import Answers


@pytest.fixture
def binary():
    rng = np.random.default_rng(4)
    p = rng.random(300)
    truth = rng.random(300) < p
    return Answers("binary", p >= 0.5, np.column_stack([1 - p, p]), p, (False, True), truth)


def test_brier_is_scikit_learns(binary):
    assert measures.measure(binary)["brier"]["value"] == pytest.approx(brier_score_loss(binary.truth, binary.chance))


def test_counts_at_a_threshold_are_the_confusion_matrix(binary):
    counts = measures.confusion(binary)
    at = counts["threshold"].index(0.3)
    tn, fp, fn, tp = confusion_matrix(binary.truth, binary.chance >= 0.3).ravel()
    assert [counts[k][at] for k in ("true_negative", "false_positive", "false_negative", "true_positive")] == [
        tn,
        fp,
        fn,
        tp,
    ]


def test_calibration_bins_hold_every_row_once_and_fit_a_calibrated_model(binary):
    bins = measures.calibration(binary)
    assert sum(b["n"] for b in bins) == 300
    assert sum(b["low"] <= b["predicted"] <= b["high"] for b in bins) >= 8


def test_one_class_only_has_no_auc(binary):
    found = measures.measure(binary.take(np.flatnonzero(binary.truth)))
    assert "roc_auc" not in found
    assert found["observed_share"]["value"] == 1.0


def test_a_certain_error_costs_much_but_not_infinitely():
    sure = Answers(
        "binary", np.array([True]), np.array([[0.0, 1.0]]), np.array([1.0]), (False, True), np.array([False])
    )
    assert np.isfinite(measures.loss(sure)).all()
    assert measures.far_off(sure)["n"] == 1


def test_numbers_are_scikit_learns():
    rng = np.random.default_rng(5)
    truth = rng.normal(size=200)
    said = truth + rng.normal(0, 0.3, 200)
    found = measures.measure(Answers("regression", said, truth=truth))
    assert found["rmse"]["value"] == pytest.approx(mean_squared_error(truth, said) ** 0.5)
    assert found["r2"]["value"] == pytest.approx(r2_score(truth, said))
    assert found["r2"]["low"] < found["r2"]["value"] < found["r2"]["high"]


def test_a_gap_that_may_be_none_starts_at_zero(binary):
    assert measures.measure(binary)["share_gap"]["low"] == 0.0


@pytest.mark.parametrize("kind", ["chance", "margin", "classes", "number"])
def test_quality_of_is_the_quality_of_what_is_asked_in_full(kind):
    from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    truth = x[:, 0] + rng.normal(size=300)
    truth = {"number": truth, "classes": np.digitize(truth, [-1, 1])}.get(kind, truth > 0)
    made = {"chance": LogisticRegression, "margin": RidgeClassifier, "classes": LogisticRegression}
    model = made.get(kind, LinearRegression)().fit(x, truth)
    like = measures.ask(model, x, truth)
    for rows in (slice(None), slice(0, 1)):  # one row is of one class
        wanted = measures.quality(measures.ask(model, x[rows], truth[rows]))
        assert measures.quality_of(model, x[rows], truth[rows], like) == wanted
