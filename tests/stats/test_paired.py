"""Paired differences agree with SciPy, with DeLong's definition and with resampling; what is too little says so."""

import doctest

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.metrics import root_mean_squared_error

from nbmlops.stats import intervals, paired


def scores(n=600, seed=3, noise=(1.0, 1.2)):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    return y, y + rng.normal(0, noise[0], n), y + rng.normal(0, noise[1], n)


def answers(first, second, both=50, neither=50):
    """Return who was right in each row, from the four counts."""
    a = [True] * first + [False] * second + [True] * both + [False] * neither
    return a, [False] * first + [True] * second + [True] * both + [False] * neither


@pytest.mark.parametrize(("first", "second"), [(0, 0), (9, 1), (8, 2), (30, 12), (12, 30), (6, 0), (5, 0), (200, 150)])
def test_shares_are_mcnemars_exact_test(first, second):
    found = paired.shares(*answers(first, second))
    expected = stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert (found.low > 0 or found.high < 0) == (expected < 0.05)
    if first + second:
        less = stats.binomtest(first, first + second, 0.5, alternative="less").pvalue
        assert found.p_below() == pytest.approx(less)


@pytest.mark.parametrize("bound", [-0.2, -0.05, 0.03])
def test_the_score_is_tangos(bound):
    """The share only the second has right is the most likely one under the bound; here it is searched for."""
    first, second, n = 12, 19, 100

    def unlikely(q):
        p = q + bound
        return -(first * np.log(p) + second * np.log(q) + (n - first - second) * np.log(1 - p - q))

    least = max(0.0, -bound) + 1e-9
    q = optimize.minimize_scalar(unlikely, bounds=(least, (1 - bound) / 2 - 1e-9), method="bounded").x
    expected = (first - second - n * bound) / np.sqrt(n * (2 * q + bound * (1 - bound)))
    assert paired._score(bound, first, second, n, 0) == pytest.approx(expected, abs=1e-4)


def test_no_disagreement_is_no_proof_of_equality():
    few, many = (paired.shares([True] * n, [True] * n) for n in (30, 3000))
    assert few.low < -0.1
    assert -0.01 < many.low < 0


def test_areas_are_delongs_with_a_few_degrees_of_freedom():
    y, a, b = scores()
    found, normal = paired.area(y, a, b), intervals.auc_difference(y, a, b)
    assert found.value == pytest.approx(normal.value)
    assert found.error == pytest.approx((normal.high - normal.low) / (2 * 1.959964))
    assert found.low < normal.low
    assert min(y.sum(), (~y).sum()) - 1 <= found.freedom <= len(y)


def test_areas_of_groups_of_one_row_are_those_of_rows():
    y, a, b = scores()
    alone, grouped = paired.area(y, a, b), paired.area(y, a, b, np.arange(len(y)))
    assert grouped.error == pytest.approx(alone.error, rel=0.01)


def test_areas_agree_with_the_bootstrap():
    y, a, b = scores(500)
    rng = np.random.default_rng(0)
    found = paired.area(y, a, b)
    drawn = []
    for _ in range(400):
        i = rng.integers(0, len(y), len(y))
        drawn.append(intervals.auc_difference(y[i], a[i], b[i]).value)
    assert found.error == pytest.approx(np.std(drawn), rel=0.15)


def test_areas_of_two_perfect_scores_keep_a_width():
    y = np.arange(40) % 2
    other = y + np.linspace(0, 0.5, 40)
    assert paired.area(y, y, y).low == 0
    assert paired.area(y, y, other).low < -0.1
    assert not np.isfinite(paired.area(y[:10], y[:10], other[:10]).error)


def test_gains_are_students_t_a_little_wider():
    x = np.random.default_rng(0).normal(0.1, 1, 2000)
    found, t = paired.gain(x), stats.ttest_1samp(x, 0).confidence_interval()
    assert found.value == pytest.approx(x.mean())
    assert found.low < t.low < t.high < found.high
    assert found.high - found.low == pytest.approx(t.high - t.low, rel=0.12)


def test_a_tail_on_one_side_moves_that_bound():
    x = np.random.default_rng(0).lognormal(size=500)
    found = paired.gain(x)
    assert found.high - found.value > 1.1 * (found.value - found.low)
    mirrored = paired.gain(-x)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize("bound", [-0.05, 0.0, 0.1])
def test_p_values_are_those_of_the_interval(bound):
    x = np.random.default_rng(1).normal(0.05, 1, 800)
    found = paired.gain(x)
    at = paired.gain(x - found.high)
    assert at.p_below() == pytest.approx(0.025, abs=0.002)
    assert found.p_below(bound) == pytest.approx(paired.gain(x - bound).p_below(), abs=0.01)


def test_groups_of_rows_that_agree_widen_the_interval():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(40), 25)
    x = rng.normal(size=40)[days] + rng.normal(size=1000)
    alone, grouped = paired.gain(x), paired.gain(x, days)
    assert grouped.error > 3 * alone.error
    assert grouped.error == pytest.approx(stats.sem([x[days == d].mean() for d in range(40)]), rel=1e-6)
    assert not np.isfinite(paired.gain(x, np.zeros(1000)).error)


def test_groups_may_have_any_names():
    x = np.arange(6.0)
    assert paired.gain(x, list("aabbcc")) == paired.gain(x, [0, 0, 1, 1, 2, 2])


def test_roots_are_the_difference_of_rmse():
    rng = np.random.default_rng(0)
    y, a, b = rng.normal(size=(3, 400))
    found = paired.root((y - a) ** 2, (y - b) ** 2)
    assert found.value == pytest.approx(root_mean_squared_error(y, b) - root_mean_squared_error(y, a))


def test_resamples_of_a_mean_are_its_interval():
    x = np.random.default_rng(0).normal(size=(400, 1))
    found, drawn = paired.resampled(x, lambda means: means[:, 0])
    assert drawn == "400 rows"
    assert found.value == pytest.approx(x.mean())
    assert found.error == pytest.approx(x.std() / 20, rel=0.1)
    assert paired.resampled(x, lambda means: means[:, 0])[0] == found


def test_many_rows_are_drawn_by_groups_of_rows_and_it_says_so():
    x = np.random.default_rng(0).normal(size=(30_000, 1))
    found, drawn = paired.resampled(x, lambda means: means[:, 0])
    assert drawn == "2,000 groups of rows"
    assert found.error == pytest.approx(x.std() / np.sqrt(30_000), rel=0.1)
    assert paired.resampled(x, lambda means: means[:, 0], np.arange(30_000) % 7)[1] == "7 groups"


def test_resampling_leaves_the_global_generator_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    paired.resampled([[1.0], [2.0]], lambda means: means[:, 0])
    assert (np.random.get_state()[1] == before).all()


def test_holm_is_its_definition():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(6) ** 2
        order, rejected = np.argsort(p), set()
        for place, i in enumerate(order):
            if p[i] > 0.05 / (6 - place):
                break
            rejected.add(i)
        assert {i for i, a in enumerate(paired.holm(p)) if a <= 0.05} == rejected
    assert paired.holm([]) == []


@pytest.mark.parametrize("draw", ["normal", "rare"])
def test_a_challenger_of_equal_worth_is_seldom_better(draw):
    """Losses with rare large values are where Student's t says *better* in 8 of 100 cases."""
    rng, better = np.random.default_rng(0), 0
    for _ in range(600):
        a, b = rng.normal(size=(2, 300))
        if draw == "rare":
            a = a * np.where(rng.random(300) < 0.05, 4.0, np.sqrt(0.2 / 0.95))
        better += paired.root(a**2, b**2).low > 0
    assert better <= 0.04 * 600


def test_examples():
    assert doctest.testmod(paired).failed == 0
