import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, ncx2

from nbmlops.stats import decision
from nbmlops.stats.counts import numeric_bins
from nbmlops.stats.distance import LN2, noise_floor


def counted(reference, current):
    bins = numeric_bins(reference)
    p, q = (np.bincount(bins.codes(v), minlength=bins.size) for v in (reference, current))
    return p, q, bins.regular


def test_the_chance_is_scipys_non_central_chi_square():
    expected = ncx2.sf(200.0, 31, 8 * 1000 * LN2 * 0.1**2)
    assert decision.tolerance_p(200.0, 32, 1000, 0.1) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 1e-12, 2.245e-9, 6.41e-9, 1.187e-8, 2.013e-8, 1e-6, 0.9])
@pytest.mark.parametrize("size", [1e3, 1.217e5, 5.85e5, 2.8e6])
def test_all_but_equal_counts_have_a_chance_of_one(value, size):
    assert decision.tolerance_p(value, 2, size, 0.1) == pytest.approx(1.0, abs=1e-6)


@given(st.floats(0, 60), st.integers(2, 32), st.floats(73, 2000))
def test_the_chance_is_the_same_on_both_sides_of_its_degrees_of_freedom(value, bins, size):
    expected = 1 - ncx2.cdf(value, bins - 1, 8 * size * LN2 * 0.1**2)
    assert decision.tolerance_p(value, bins, size, 0.1) == pytest.approx(expected, abs=1e-10)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.sampled_from([0.01, 0.05, 0.2]))
def test_rejections_are_those_of_scipy(p_values, q):
    expected = false_discovery_control(p_values) <= q
    adjusted = false_discovery_control(p_values)
    found = np.array(decision.benjamini_hochberg(p_values, q))
    apart = np.abs(adjusted - q) > 1e-9  # equality is a matter of rounding
    assert (found == expected)[apart].all()


@pytest.mark.parametrize("n", [200, 2000, 20_000])
def test_rows_of_the_same_distribution_raise_nothing(n):
    rng = np.random.default_rng(n)
    comparisons = []
    for _ in range(200):
        p, q, ordered = counted(rng.lognormal(size=5000), rng.lognormal(size=n))
        comparisons.append(decision.compare(p, q, ordered))
    assert set(decision.judge(comparisons)) == {"passed"}


@pytest.mark.parametrize(("shift", "outcome"), [(0.1, "passed"), (0.4, "warning"), (0.8, "issue")])
def test_a_shift_is_judged_by_its_size_and_not_by_the_rows(shift, outcome):
    rng = np.random.default_rng(1)
    for n in (5000, 50_000):
        p, q, ordered = counted(rng.normal(size=20_000), rng.normal(loc=shift, size=n))
        assert decision.judge([decision.compare(p, q, ordered)]) == [outcome]


def test_few_rows_are_insufficient_and_never_drift():
    comparison = decision.compare([50, 50], [0, 60])
    assert not comparison.enough
    assert decision.judge([comparison]) == ["skipped"]


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=6, max_size=40),
    st.integers(2, 10),
    st.sampled_from([None, 4]),
)
def test_merged_bins_lose_no_row_and_are_few(pairs, most, ordered):
    p, q = np.array(pairs).T
    merged = decision.reduce_bins(p, q, most, ordered)
    assert [m.sum() for m in merged] == [p.sum(), q.sum()]
    assert len(merged[0]) <= most


def test_bins_are_merged_until_the_noise_is_half_the_tolerance():
    rng = np.random.default_rng(2)
    p, q, ordered = counted(rng.normal(size=400), rng.normal(size=400))
    comparison = decision.compare(p, q, ordered)
    assert 2 <= comparison.bins < 32
    assert noise_floor(comparison.bins, comparison.size) <= decision.NOTICE / 2


def test_missing_keeps_its_bin_when_bins_are_merged():
    reference, current = np.array([40] * 10 + [0] * 5), np.array([28] * 10 + [0, 0, 0, 0, 120])
    merged = decision.reduce_bins(reference, current, 5, 10)
    assert merged[0].tolist()[-1] == 0
    assert merged[1].tolist()[-1] == 120


def test_a_reference_that_wanders_widens_what_is_tolerable():
    calm = decision.compare([600, 400], [450, 550])
    wandering = decision.compare([600, 400], [450, 550], wander=0.15)
    assert wandering.p_notice > calm.p_notice
    assert wandering.tolerance == 0.15


def test_six_chunks_make_a_limit():
    assert decision.chunk_limit([0.02] * 5) == 0.0
    assert decision.chunk_limit([0.02, 0.03, 0.02, 0.025, 0.03, 0.02]) > 0.03
    held = decision.compare([900, 100], [400, 600], limit=0.9)
    assert decision.judge([held]) == ["passed"]
