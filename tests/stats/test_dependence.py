"""One column against another, judged on rows the rule has not seen."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from nbmlops.stats import dependence
from nbmlops.stats.dependence import determined, is_copy, is_identifier, ranks

RNG = np.random.default_rng(0)
KNOWN = np.random.default_rng(1).random(400) < 0.5


def test_classes_are_judged_as_by_the_nearest_neighbour():
    column = RNG.normal(size=400)
    target = (column + RNG.normal(size=400) > 0).astype(int)
    peer = KNeighborsClassifier(1).fit(column[KNOWN, None], target[KNOWN]).predict(column[~KNOWN, None])
    expected = balanced_accuracy_score(target[~KNOWN], peer)
    assert determined(column, target, KNOWN, classes=True).score == pytest.approx(expected)


def test_numbers_are_judged_as_by_the_nearest_neighbour():
    column = RNG.uniform(-1, 1, 400)
    target = column**2
    peer = KNeighborsRegressor(1).fit(column[KNOWN, None], target[KNOWN]).predict(column[~KNOWN, None])
    found = determined(column, target, KNOWN, classes=False)
    assert found == ("R²", pytest.approx(r2_score(target[~KNOWN], peer)))[::-1]


def test_the_rank_correlation_is_spearmans():
    a, b = RNG.integers(0, 30, 400) * 1.0, RNG.integers(0, 30, 400) * 1.0
    assert dependence._rank_correlation(a, b) == pytest.approx(abs(stats.spearmanr(a, b).statistic))
    assert ranks(a).tolist() == stats.rankdata(a).tolist()


def test_the_most_frequent_class_answers_and_of_two_the_smaller():
    places, target = np.array([0, 0, 0, 1, 1, 2]), np.array([2, 2, 1, 3, 1, 0])
    assert dependence._majority(places, target).tolist() == [2, 1, 0]


def test_an_unseen_value_without_order_foretells_nothing():
    names = np.arange(1, 401).astype(np.uint64)
    assert determined(names, np.repeat([0, 1], 200), KNOWN, classes=True).score == 0.0
    assert determined(names, np.arange(400.0), KNOWN, classes=False).score <= 0.0


def test_a_name_that_repeats_foretells_its_class():
    names = RNG.integers(1, 20, 400).astype(np.uint64)
    assert determined(names, (names % 3).astype(np.int64), KNOWN, classes=True).score == 1.0


def test_that_a_value_is_missing_can_say_all():
    target = RNG.integers(0, 2, 400)
    numbers = np.where(target == 1, RNG.permutation(400) * 1.0, np.nan)
    names = np.where(target == 1, np.arange(1, 401), 0).astype(np.uint64)
    assert determined(numbers, target, KNOWN, classes=True).score == 1.0
    assert determined(names, target, KNOWN, classes=True).score == 1.0


def test_infinite_and_missing_values_are_no_fault():
    column = np.array([np.inf, -np.inf, np.nan, 1.0] * 100)
    target = np.arange(400) % 4
    with np.errstate(invalid="ignore"):
        assert determined(column, target, np.arange(400) < 200, classes=True).score == 1.0
        assert determined(np.full(400, np.nan), target, KNOWN, classes=True).score == pytest.approx(0.25)
        assert determined(np.ones(400), target * 1.0, KNOWN, classes=False).score <= 0.0


def test_whole_numbers_that_hardly_repeat_name_rows():
    assert is_identifier(np.append(np.arange(99.0), np.nan))
    assert not is_identifier(np.arange(100.0) + 0.5)
    assert not is_identifier(np.repeat(np.arange(50.0), 2))
    assert not is_identifier(np.arange(5).astype(np.uint64))


def test_a_copy_is_the_target_under_other_names_or_in_another_unit():
    target = RNG.integers(0, 3, 400)
    assert is_copy((5 - target).astype(np.uint64), target)
    assert not is_copy(np.where(np.arange(400) == 7, 9.0, target * 1.0), target)
    assert not is_copy(np.minimum(target, 1) * 1.0, target)
    numbers = RNG.normal(size=400)
    assert is_copy(-100 * numbers + 3, numbers)
    assert not is_copy(numbers**3, numbers)
