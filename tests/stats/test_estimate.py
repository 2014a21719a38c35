"""Estimated performance covers what came true under covariate shift, and errs where concept drift makes it err."""

import numpy as np
import pytest

from nbmlops.errors import Invalid
from nbmlops.stats import estimate, intervals


def rows(n, seed, shift=0.0, power=1.0, concept=1.2):
    """Scores and truth of a known logistic model; ``power`` spoils its probabilities, never its order."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, n)
    said = 1 / (1 + np.exp(-1.2 * x + 1))
    return said**power, rng.random(n) < 1 / (1 + np.exp(-concept * x + 1))


@pytest.mark.parametrize("power", [1.0, 0.5])
@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_intervals_cover_what_came_true_under_covariate_shift(shift, power):
    covered = {"roc_auc": 0, "accuracy": 0, "expected_share": 0}
    for seed in range(20):
        found = estimate.calibrate(*rows(4000, seed, power=power)).performance(
            (said := rows(3000, 1000 + seed, shift, power))[0]
        )
        truth = {
            "roc_auc": intervals.auc(said[1], said[0]).value,
            "accuracy": float(((said[0] > 0.5) == said[1]).mean()),
            "expected_share": float(said[1].mean()),
        }
        for name in covered:
            covered[name] += found[name].low <= truth[name] <= found[name].high
    assert min(covered.values()) >= 17, covered  # 19 of 20 are expected


def test_an_isotonic_fit_is_used_only_where_it_lowers_the_error():
    spoilt = estimate.calibrate(*rows(4000, 1, power=0.3))
    assert spoilt.corrected
    assert spoilt.errors[1] < spoilt.errors[0] / 3
    scores, truth = rows(4000, 1)
    assert estimate.calibrate(np.log(scores / (1 - scores)), truth).corrected  # no probabilities: always
    assert "accuracy" not in estimate.calibrate(10 * scores, truth).performance(10 * scores)


def test_the_rows_a_model_was_fitted_on_flatter_it():
    """Why the reference has to be held out: a forest's own rows claim what other rows do not keep."""
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 5))
    y = rng.random(3000) < 1 / (1 + np.exp(-0.5 * x[:, 0]))
    forest = RandomForestClassifier(50, random_state=0).fit(x[:1000], y[:1000])
    said = forest.predict_proba(x)[:, 1]
    true = intervals.auc(y[2000:], said[2000:]).value
    own, held_out = (
        estimate.calibrate(said[part], y[part]).performance(said[2000:])["roc_auc"]
        for part in (slice(1000), slice(1000, 2000))
    )
    assert held_out.low <= true <= held_out.high
    assert own.low > true + 0.1


def test_concept_drift_is_not_seen():
    said, truth = rows(3000, 2, concept=0.2)
    found = estimate.calibrate(*rows(4000, 1)).performance(said)["roc_auc"]
    assert found.low > intervals.auc(truth, said).value


def test_a_hopeless_sample_has_no_auc():
    found = estimate.calibrate(*rows(1000, 0)).performance(np.full(20, 0.01))
    assert "roc_auc" not in found
    assert found["expected_share"].low >= 0


def test_more_rows_narrow_the_interval_and_nothing_is_drawn_from_the_global_generator():
    state = np.random.get_state()[1].tolist()
    widths = [
        np.ptp(estimate.calibrate(*rows(m, 0)).performance(rows(m, 1)[0])["roc_auc"][1:]) for m in (500, 2000, 8000)
    ]
    assert widths == sorted(widths, reverse=True)
    assert np.random.get_state()[1].tolist() == state


def test_a_calibration_error_is_the_gap_of_its_bins():
    from sklearn.calibration import calibration_curve

    said, truth = rows(5000, 3, power=0.5)
    observed, predicted = calibration_curve(truth, said, n_bins=10, strategy="quantile")
    assert estimate.calibration_error(said, truth) == pytest.approx(np.abs(observed - predicted).mean(), abs=2e-3)


def test_the_absolute_error_follows_the_rows():
    covered = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, there = rng.random((3000, 2)), rng.beta(4, 2, (2000, 2))
        error, true = (np.abs(rng.normal(size=len(v)) * (0.2 + v[:, 0])) for v in (x, there))
        found = estimate.fit_errors(x, error).absolute_error(there)
        assert found.value > error.mean()
        covered += found.low <= true.mean() <= found.high
    assert covered >= 4


def test_missing_inputs_are_no_error():
    x = np.random.default_rng(0).random((400, 1))
    x[::5] = np.nan
    assert np.isfinite(estimate.fit_errors(x, np.ones(400)).absolute_error(x)).all()


def test_the_accuracy_of_classes_follows_their_shares():
    rng, covered = np.random.default_rng(0), 0
    right = np.array([0.9, 0.6, 0.3])
    for _ in range(100):
        before, now = rng.integers(0, 3, 2000), rng.choice(3, 1000, p=[0.1, 0.2, 0.7])
        found = estimate.accuracy(before, rng.random(2000) < right[before], now)
        covered += found.low <= (rng.random(1000) < right[now]).mean() <= found.high
    assert covered >= 88
    never = estimate.accuracy([0] * 500, [1] * 500, [1] * 500)
    assert never.high - never.low > 0.5


@pytest.mark.parametrize(("score", "truth"), [([], []), ([0.1, 0.2], [True])])
def test_rows_without_truth_are_refused(score, truth):
    with pytest.raises(Invalid, match="a truth for each score"):
        estimate.calibrate(score, truth)
