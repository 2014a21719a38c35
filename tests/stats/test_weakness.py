import numpy as np
import pytest
from scipy import stats

from nbmlops.stats import intervals
from nbmlops.stats.weakness import weakest


def test_the_dearest_rows_are_found_and_then_those_outside_them():
    rng = np.random.default_rng(0)
    meets = rng.random((4000, 10)) < 0.3
    losses = rng.random(4000) + 1.0 * meets[:, 2] + 0.5 * meets[:, 7]
    assert weakest(meets, losses, 50)[:2] in ([(2,), (7,)], [(2, 7), (2,)])


def test_too_few_rows_or_most_of_them_are_no_segment():
    meets = np.zeros((1000, 2), dtype=bool)
    meets[:30, 0], meets[:800, 1] = True, True
    assert weakest(meets, meets[:, 0] * 5.0 + meets[:, 1], 50) == []


def test_noise_alone_is_not_worth_measuring():
    rng = np.random.default_rng(1)
    found = [weakest(rng.random((500, 5)) < 0.3, rng.random(500), 50) for _ in range(20)]
    assert sum(map(bool, found)) <= 3


def test_a_difference_of_means_is_welchs():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=40), rng.normal(1, 3, size=90)
    found = intervals.between(a, b)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert found[1:] == pytest.approx((expected.low, expected.high))
    assert intervals.between([1], [2, 3]).low == -np.inf
    assert intervals.between([1, 1], [2, 2]) == (-1.0, -1.0, -1.0)
