"""Agreement beyond chance, against published numbers and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from nbmlops.errors import Invalid
from nbmlops.stats.agreement import kappa, table_of


def test_the_example_of_fleiss_and_its_standard_error():
    # Fleiss, Statistical Methods for Rates and Proportions (1981), ch. 13; SAS FREQ and statsmodels print the same:
    # kappa 0.4286, ASE 0.0760, 95 % limits 0.2797 and 0.5774
    found = kappa([[53, 5, 2], [11, 14, 5], [1, 6, 3]])
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.4286, 0.2797, 0.5774)
    assert round((found.high - found.low) / 2 / 1.959964, 4) == 0.0760
    assert (found.observed, found.expected, found.n) == (pytest.approx(0.7), pytest.approx(0.475), 100)


@pytest.mark.parametrize("seed", range(5))
def test_the_value_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 4, 200)
    other = np.where(rng.random(200) < 0.5, one, rng.integers(0, 4, 200))
    found = kappa(table_of(one.tolist(), other.tolist(), range(4)))
    assert found.value == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(7)
    cells = np.array([0.4, 0.1, 0.1, 0.4])  # kappa 0.6
    tables = rng.multinomial(200, cells, size=2000).reshape(-1, 2, 2)
    inside = [found.low <= 0.6 <= found.high for found in map(kappa, tables)]
    assert 0.93 < np.mean(inside) < 0.97


def test_two_who_never_differ_are_not_certain_to_agree():
    few, many = kappa([[5, 0], [0, 5]]), kappa([[500, 0], [0, 500]])
    assert (few.value, few.high) == (1.0, 1.0)
    assert few.low == pytest.approx((0.025 ** (1 / 10) - 0.5) / 0.5)
    assert few.low < many.low < 1


def test_two_who_always_differ_are_below_chance():
    found = kappa([[0, 50], [50, 0]])
    assert found.value == -1.0
    assert found.low == -1.0


def test_one_category_alone_says_nothing():
    found = kappa([[40, 0], [0, 0]])
    assert np.isnan([found.value, found.low, found.high]).all()
    assert (found.observed, found.expected, found.n) == (1.0, 1.0, 40)


@pytest.mark.parametrize("table", [[[1, 2]], [[0, 0], [0, 0]], [[1, -1], [0, 1]], [1, 2], []])
def test_what_is_no_table_of_counts_is_refused(table):
    with pytest.raises(Invalid, match="square table of counts"):
        kappa(table)
