import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from nbmlops.stats import distance

COUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=40)


@given(COUNTS.filter(lambda pairs: all(any(side) for side in zip(*pairs, strict=True))))
def test_the_distance_is_that_of_scipy(pairs):
    p, q = zip(*pairs, strict=True)
    # SciPy takes the root of a sum that rounding can make a little negative
    expected = np.nan_to_num(jensenshannon(p, q, base=2))
    assert distance.distance(p, q) == pytest.approx(expected, abs=1e-7)


def test_an_empty_side_is_no_distance():
    assert distance.distance([0, 0], [3, 4]) == 0.0


def test_when_nothing_changed_the_statistic_is_chi_square():
    rng = np.random.default_rng(0)
    shares = np.full(16, 1 / 16)
    found = [distance.statistic(rng.multinomial(2000, shares), rng.multinomial(3000, shares)) for _ in range(800)]
    assert np.mean(found) == pytest.approx(15, rel=0.05)
    assert np.var(found) == pytest.approx(30, rel=0.15)


def test_the_correction_takes_off_what_chance_makes():
    rng = np.random.default_rng(0)
    shares = np.full(32, 1 / 32)
    pairs = [(rng.multinomial(500, shares), rng.multinomial(500, shares)) for _ in range(200)]
    assert np.mean([distance.distance(p, q) ** 2 for p, q in pairs]) > 0.015
    assert np.mean([distance.corrected(p, q) ** 2 for p, q in pairs]) < 0.003


def test_a_shift_of_a_quarter_sd_is_the_floor():
    from scipy.stats import norm

    edges = norm.ppf(np.arange(1, 32) / 32)
    p, q = (np.diff(np.concatenate([[0], norm.cdf(edges, loc=at), [1]])) for at in (0, 0.24))
    assert distance.distance(p, q) == pytest.approx(0.1, abs=0.005)
