import doctest

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from nbmlops.errors import Invalid
from nbmlops.stats import intervals


def sample(n=400, seed=3):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    return y, y + rng.normal(0, 1.2, n), y + rng.normal(0, 1.6, n)


def delong_slow(y, score):
    """The definition of 1988: structural components by comparing every pair."""
    x, z = score[y], score[~y]
    psi = (x[:, None] > z[None, :]) + 0.5 * (x[:, None] == z[None, :])
    return psi.mean(), psi.mean(1), psi.mean(0)


def test_auc_is_sklearns_with_ties():
    y, a, _ = sample()
    assert intervals.auc(y, np.round(a)).value == pytest.approx(roc_auc_score(y, np.round(a)), abs=1e-12)


def test_auc_interval_is_delongs_definition_on_the_logit_scale():
    y, a, _ = sample()
    area, v10, v01 = delong_slow(y, np.round(a, 1))
    error = np.sqrt(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01))
    logit = np.log(area / (1 - area))
    low = 1 / (1 + np.exp(-(logit - 1.959964 * error / (area * (1 - area)))))
    assert intervals.auc(y, np.round(a, 1)).low == pytest.approx(low, abs=1e-6)


def test_auc_interval_agrees_with_the_bootstrap():
    y, a, _ = sample(800)
    rng = np.random.default_rng(0)
    picks = (rng.integers(0, len(y), len(y)) for _ in range(500))
    low, high = np.percentile([roc_auc_score(y[i], a[i]) for i in picks], [2.5, 97.5])
    found = intervals.auc(y, a)
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_paired_difference_is_narrower_than_an_unpaired_one_for_scores_that_agree():
    y, a, _ = sample(800)
    b = a + np.random.default_rng(1).normal(0, 0.2, len(a))
    paired, single = intervals.auc_difference(y, a, b), intervals.auc(y, a)
    assert paired.high - paired.low < 0.5 * (single.high - single.low)
    assert paired.value == pytest.approx(roc_auc_score(y, a) - roc_auc_score(y, b))


def test_paired_difference_agrees_with_the_bootstrap():
    y, a, b = sample(800)
    rng = np.random.default_rng(0)
    picks = (rng.integers(0, len(y), len(y)) for _ in range(500))
    low, high = np.percentile([roc_auc_score(y[i], a[i]) - roc_auc_score(y[i], b[i]) for i in picks], [2.5, 97.5])
    found = intervals.auc_difference(y, a, b)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.012), pytest.approx(high, abs=0.012))


def test_perfect_separation_still_has_a_lower_bound():
    found = intervals.auc([0] * 30 + [1] * 10, range(40))
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(stats.binomtest(10, 10).proportion_ci(method="wilson").low)


def test_one_class_is_one_clear_line():
    with pytest.raises(Invalid, match="both classes, and there are 3 positive and 0 negative"):
        intervals.auc([1, 1, 1], [1, 2, 3])


@pytest.mark.parametrize(("k", "n"), [(0, 20), (8, 10), (20, 20), (333, 1000)])
def test_share_is_scipys_wilson(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    found = intervals.share(k, n)
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)


def test_mean_is_scipys_t_interval():
    x = np.random.default_rng(5).normal(3, 2, 40)
    expected = stats.ttest_1samp(x, 0).confidence_interval()
    assert intervals.mean(x)[1:] == pytest.approx((expected.low, expected.high))


def test_mean_difference_is_scipys_paired_t_interval():
    rng = np.random.default_rng(6)
    a = rng.normal(size=50)
    b = a + rng.normal(0.2, 0.1, 50)
    expected = stats.ttest_rel(a, b).confidence_interval()
    assert intervals.mean_difference(a, b)[1:] == pytest.approx((expected.low, expected.high))


@pytest.mark.skipif(not hasattr(stats, "quantile_test"), reason="NOT TESTED: this SciPy has no quantile_test")
@pytest.mark.parametrize("n", [6, 7, 9, 20, 101])
def test_the_interval_of_a_median_is_the_quantile_tests_of_scipy(n):
    x = np.random.default_rng(n).exponential(size=n)
    expected = stats.quantile_test(x, p=0.5).confidence_interval()
    assert intervals.median(x)[1:] == pytest.approx((expected.low, expected.high))


def test_five_values_enclose_no_median_and_none_have_none():
    assert np.isnan(intervals.median([1, 2, 3, 4, 5])[1:]).all()
    with pytest.raises(Invalid, match="at least one"):
        intervals.median([])


def test_unequal_pairs_are_refused():
    with pytest.raises(Invalid, match="equally many"):
        intervals.mean_difference([1, 2], [1])


def test_examples_run():
    assert doctest.testmod(intervals).failed == 0


def test_few_rows_of_one_class_say_nothing():
    rng = np.random.default_rng(0)
    y = np.r_[np.ones(9), np.zeros(200)]
    assert intervals.auc(y, rng.random(209))[1:] == (0.0, 1.0)
    assert intervals.auc_difference(y, y, rng.random(209))[1:] == (-1.0, 1.0)
    enough = np.r_[np.ones(40), np.zeros(200)]
    assert intervals.auc(enough, rng.random(240)).low > 0.2
