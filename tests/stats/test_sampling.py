"""Samples with known probabilities: drawn evenly, again the same, and their estimates are unbiased and covered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nbmlops.errors import Invalid
from nbmlops.stats import intervals, sampling


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_numbers_are_uniform_within_and_between_blocks(seed):
    within = sampling.numbers("block", np.arange(20_000), seed)
    between = np.concatenate([sampling.numbers(f"block {i}", [0], seed) for i in range(5_000)])
    for found in (within, between):
        assert stats.kstest(found, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(within[:-1], within[1:])[0, 1]) < 0.03


def test_numbers_stay_when_a_block_is_read_in_parts():
    whole = sampling.numbers("b", np.arange(100))
    assert (sampling.numbers("b", np.arange(40, 60)) == whole[40:60]).all()


def test_seeds_are_independent():
    one, other = (sampling.numbers("b", np.arange(20_000), seed) for seed in (0, 1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.01, 20))
def test_a_threshold_draws_what_was_asked_for(before, more):
    known = np.array(before)
    found = sampling.threshold(known, more)
    gained = np.maximum(0, found - known).sum()
    room = (1 - known).sum()
    assert gained == pytest.approx(min(more, room), abs=1e-6)


def test_nothing_more_is_asked_for():
    assert sampling.threshold([0.1, 0.2], 0) == 0.0
    assert sampling.threshold([], 5) == 0.0


def test_with_equal_probabilities_and_a_large_population_it_is_wilsons_share():
    found = sampling.share([True] * 800 + [False] * 200, [1e-6] * 1000)
    assert found == pytest.approx(intervals.share(800, 1000), abs=1e-3)


def test_a_census_is_certain():
    assert sampling.share([True, True, False], [1, 1, 1]) == pytest.approx((2 / 3,) * 3)


def test_all_right_still_has_a_lower_bound():
    found = sampling.share([True] * 40, [0.05] * 40)
    assert found.high == 1.0
    assert 0.85 < found.low < 0.93


def drawn(rng, population, before):
    """Draw twice from a population that grew, the second time more of what is new."""
    u = rng.random(len(population))
    p = np.maximum(before, sampling.threshold(before, 60))
    return population[u < p], p[u < p]


@pytest.mark.parametrize("rate", [0.6, 0.9])
def test_the_estimate_is_unbiased_and_covered_though_rows_differ_in_probability(rate):
    """Rows drawn with a high probability are wrong more often: without weights the share would be far too low."""
    rng = np.random.default_rng(0)
    before = np.r_[np.full(300, 0.25), np.zeros(3700)]
    population = rng.random(4000) < np.where(before > 0, rate - 0.4, rate)
    found, plain = [], []
    for _ in range(2000):
        right, p = drawn(rng, population, before)
        found.append(sampling.share(right, p))
        plain.append(right.mean())
    value, low, high = np.array(found).T
    error = value.std() / np.sqrt(len(value))
    assert abs(value.mean() - population.mean()) < 4 * error + 0.002  # a ratio is biased by the order of 1 / n
    assert 0.94 < np.mean((low <= population.mean()) & (population.mean() <= high)) < 0.985
    assert np.mean(plain) < population.mean() - 0.1


def test_the_mean_is_unbiased_and_covered():
    rng = np.random.default_rng(1)
    before = np.r_[np.full(300, 0.25), np.zeros(3700)]
    population = rng.gamma(2.0, 1.0, 4000) + 3 * (before > 0)
    found = np.array([sampling.mean(*drawn(rng, population, before)) for _ in range(2000)])
    value, low, high = found.T
    assert abs(value.mean() - population.mean()) < 0.02
    assert np.mean((low <= population.mean()) & (population.mean() <= high)) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("values", "probability"), [([], []), ([True], []), ([True], [0.0]), ([True], [1.5]), ([True], [np.nan])]
)
def test_bad_input(values, probability):
    with pytest.raises(Invalid):
        sampling.share(values, probability)
