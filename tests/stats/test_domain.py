import numpy as np
import pytest

from nbmlops.stats.domain import importance, regions, tell_apart


def sides(n, p, seed):
    x = np.random.default_rng(seed).normal(size=(2 * n, p))
    return x, np.arange(2 * n) < n


def told(x, current):
    return tell_apart(x, current, np.zeros(x.shape[1], dtype=bool))


def test_the_interval_covers_chance_where_nothing_differs():
    missed = sum(not (t.auc.low <= 0.5 <= t.auc.high) for t in (told(*sides(300, 5, s)) for s in range(40)))
    assert missed <= 6


def test_a_shift_of_one_deviation_has_the_area_of_two_normals():
    x, current = sides(3000, 3, 0)
    x[current, 1] += 1
    assert told(x, current).auc.value == pytest.approx(0.7602, abs=0.02)  # scipy: norm.cdf(1 / sqrt(2))


@pytest.mark.parametrize("columns", [2, 30, 200])
def test_a_relation_that_turned_is_told_among_many_columns(columns):
    x, current = sides(1000, columns, 0)
    x[:, 1] = np.where(current, -0.8, 0.8) * x[:, 0] + 0.6 * x[:, 1]
    found = told(x, current)
    assert found.auc.low > 0.8
    assert set(np.argsort(-importance(found, x, current))[:2]) == {0, 1}


def test_choosing_among_noise_does_not_look_like_a_difference():
    for seed in range(5):
        assert told(*sides(300, 200, seed)).auc.low < 0.53


def test_the_same_rows_give_the_same_answer():
    x, current = sides(300, 4, 0)
    assert (told(x, current).score == told(x, current).score).all()


def test_missing_alone_tells_and_carries():
    x, current = sides(1000, 3, 0)
    x[:700, 2] = np.nan
    found = told(x, current)
    assert found.auc.low > 0.8
    assert np.argmax(importance(found, x, current)) == 2


def test_what_holds_everywhere_or_nowhere_is_no_region():
    current = np.arange(100) < 50
    assert regions(np.column_stack([np.ones(100, bool), np.zeros(100, bool)]), current) == []
    assert regions(np.zeros((100, 0), bool), current) == []


def test_a_second_region_lies_outside_the_first():
    place = np.arange(400) % 4
    current = np.arange(400) >= 200
    meets = np.column_stack([place == k for k in range(4)])
    keep = ~current | (place < 2)
    assert sorted(regions(meets[keep], current[keep])) == [(0,), (1,)]


def test_a_condition_that_adds_nothing_is_left_out():
    rng = np.random.default_rng(0)
    x, current = rng.random((2000, 2)), np.arange(2000) < 1000
    x[current, 0] /= 2
    meets = np.column_stack([x[:, 0] <= 0.5, x[:, 1] <= 0.95, x[:, 1] > 0.05])
    assert regions(meets, current) == [(0,)]
