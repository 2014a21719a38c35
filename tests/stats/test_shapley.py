"""Shapley values against closed forms, brute force over all orders, and the axioms they are defined by."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbmlops.stats.shapley import shapley


def asked(function, row, background):
    """Return how coalitions are asked of a function of rows."""
    return lambda taken, at: function(np.where(taken, row, background[at]))


def by_hand(function, row, background):
    """Return the mean part of each column over all orders and all background rows."""
    found = np.zeros(len(row))
    orders = list(permutations(range(len(row))))
    for order in orders:
        rows = background.copy()
        for column in order:
            before = function(rows).mean()
            rows[:, column] = row[column]
            found[column] += function(rows).mean() - before
    return found / len(orders)


def odd(rows):
    """Depend on columns alone and together."""
    return rows[:, 0] * rows[:, 1] + np.sin(rows[:, 2]) + (rows[:, 3] > 0) * rows[:, 0]


@pytest.mark.parametrize("columns", [1, 3, 10, 11, 30])
def test_of_a_linear_model_it_is_the_weight_times_the_distance_from_the_mean(columns):
    rng = np.random.default_rng(0)
    weights, row, background = rng.normal(size=columns), rng.normal(size=columns), rng.normal(size=(20, columns))
    found = shapley(asked(lambda rows: rows @ weights, row, background), columns, 20)
    assert found.values == pytest.approx(weights * (row - background.mean(axis=0)))
    assert found.errors == pytest.approx(0, abs=1e-9)
    assert found.exact == (columns <= 10)


def test_of_a_sum_of_functions_each_column_has_its_own():
    rng = np.random.default_rng(1)
    row, background = rng.normal(size=3), rng.normal(size=(50, 3))
    found = shapley(asked(lambda r: np.exp(r[:, 0]) + r[:, 1] ** 2 + np.abs(r[:, 2]), row, background), 3, 50)
    parts = [np.exp, np.square, np.abs]
    assert found.values == pytest.approx([f(row[i]) - f(background[:, i]).mean() for i, f in enumerate(parts)])


def test_two_columns_that_only_count_together_share_it():
    background = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    found = shapley(asked(lambda r: r[:, 0] ^ r[:, 1], np.array([1, 0]), background), 2, 4)
    assert found.values.tolist() == [0.25, 0.25]
    assert (found.base, found.answer) == (0.5, 1.0)


def test_all_coalitions_are_the_mean_over_all_orders():
    rng = np.random.default_rng(2)
    row, background = rng.normal(size=4), rng.normal(size=(7, 4))
    found = shapley(asked(odd, row, background), 4, 7)
    assert found.values == pytest.approx(by_hand(odd, row, background))
    assert found.asked == 15 * 7 + 1


@pytest.mark.parametrize("columns", [4, 12])
def test_rows_that_come_out_alike_are_asked_once(columns):
    rng = np.random.default_rng(8)
    row, background = rng.integers(0, 3, columns), rng.integers(0, 3, (30, columns))
    ask = asked(lambda r: r[:, 0] * r[:, 1] + np.sin(r[:, 2] * r[:, 3]) + r[:, -1], row, background)
    whole = shapley(ask, columns, 30, seed=1)
    found = shapley(ask, columns, 30, same=background == row, seed=1)
    assert found.values == pytest.approx(whole.values)
    assert found.errors == pytest.approx(whole.errors)
    assert found.asked < 0.75 * whole.asked


def test_a_background_of_the_row_itself_adds_nothing():
    background = np.array([[1, 2], [1, 2]])
    found = shapley(asked(lambda r: r.sum(axis=1), background[0], background), 2, 2, same=np.ones((2, 2), bool))
    assert (found.values.tolist(), found.base, found.answer, found.asked) == ([0, 0], 3, 3, 1)


def wide(rows):
    """Depend on four of twelve columns, two of them together with a third."""
    return odd(rows[:, [0, 3, 7, 11]])


def test_drawn_orders_come_near_and_say_how_near():
    rng = np.random.default_rng(3)
    row, background = rng.normal(size=12), rng.normal(size=(10, 12))
    found = shapley(asked(wide, row, background), 12, 10)
    true = np.zeros(12)
    true[[0, 3, 7, 11]] = by_hand(odd, row[[0, 3, 7, 11]], background[:, [0, 3, 7, 11]])
    assert not found.exact
    assert found.values.sum() == pytest.approx(found.answer - found.base, abs=1e-12)
    assert (np.abs(found.values - true) <= 4 * found.errors + 1e-9).all()
    assert found.errors.max() > 0


def test_the_standard_error_is_that_of_many_seeds():
    rng = np.random.default_rng(4)
    row, background = rng.normal(size=12), rng.normal(size=(10, 12))

    def of(seed):
        return shapley(asked(lambda r: r.prod(axis=1) + wide(r), row, background), 12, 10, seed=seed)

    many = [of(seed) for seed in range(40)]
    spread = np.std([m.values for m in many], axis=0, ddof=1)
    said = np.sqrt(np.mean([m.errors**2 for m in many], axis=0))
    moves = spread > 1e-9
    assert (said[moves] / spread[moves]).mean() == pytest.approx(1, abs=0.25)


def test_a_part_of_the_background_leaves_an_error_that_covers_the_whole():
    rng = np.random.default_rng(5)
    row, whole = rng.normal(size=4), rng.normal(size=(400, 4))
    true = shapley(asked(odd, row, whole), 4, 400).values
    off = []
    for seed in range(60):
        part = whole[np.random.default_rng(seed).choice(400, 100, replace=False)]
        found = shapley(asked(odd, row, part), 4, 100, kept=400)
        off.append((found.values - true) / found.errors)
    assert np.std(off) == pytest.approx(1, abs=0.25)


def test_the_same_seed_gives_the_same_and_the_global_generator_is_left_alone():
    rng = np.random.default_rng(6)
    row, background = rng.normal(size=12), rng.normal(size=(5, 12))
    before = np.random.get_state()[1].copy()
    one, two = (shapley(asked(wide, row, background), 12, 5, seed=7) for _ in range(2))
    assert (one.values == two.values).all()
    assert (np.random.get_state()[1] == before).all()


def test_large_questions_are_asked_in_parts():
    sizes = []

    def ask(taken, at):
        sizes.append(len(at))
        return taken.sum(axis=1).astype(float)

    found = shapley(ask, 10, 100)
    assert max(sizes) <= 50_000
    assert found.asked == sum(sizes) == 1023 * 100 + 1
    assert found.values == pytest.approx(np.ones(10))


small = st.integers(-3, 3)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(small, min_size=4, max_size=4), st.lists(st.lists(small, min_size=4, max_size=4), min_size=1, max_size=5)
)
def test_efficiency_symmetry_and_dummy(row, background):
    row, background = np.array(row, float), np.array(background, float)
    row[1], background[:, 1] = row[0], background[:, 0]  # two columns that are alike
    found = shapley(
        asked(lambda r: r[:, 0] * r[:, 1] + r[:, 2] * (r[:, 0] + r[:, 1]), row, background), 4, len(background)
    )
    assert found.values.sum() == pytest.approx(found.answer - found.base, abs=1e-9)
    assert found.values[0] == pytest.approx(found.values[1], abs=1e-9)
    assert found.values[3] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_to_explain(shape):
    with pytest.raises(ValueError, match="need a column and a row"):
        shapley(lambda taken, at: np.zeros(len(at)), *shape)
