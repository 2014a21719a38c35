import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbmlops.stats import counts

FLOATS = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=60)


@given(FLOATS, FLOATS)
def test_counts_of_parts_add_up_to_the_counts_of_the_whole(first, second):
    bins = counts.numeric_bins(np.array(first, dtype=float))

    def count(values):
        return np.bincount(bins.codes(np.array(values, dtype=float)), minlength=bins.size)

    assert (count(first) + count(second) == count(first + second)).all()
    assert count(second).sum() == len(second)


@given(FLOATS)
def test_no_value_is_beyond_the_edges_made_from_it(values):
    bins = counts.numeric_bins(np.array(values, dtype=float))
    below, above = np.bincount(bins.codes(np.array(values)), minlength=bins.size)[bins.regular : bins.regular + 2]
    assert (below, above) == (0, 0)


def test_special_values_have_their_own_bins():
    bins = counts.NumericBins(0.0, 10.0, cuts=(5.0,))
    found = bins.codes(np.array([-0.1, 10.1, -np.inf, np.inf, np.nan]))
    assert [bins.labels[i] for i in found] == ["below", "above", "-inf", "+inf", "missing"]


def test_a_value_with_more_than_two_percent_has_a_bin_of_its_own():
    values = np.concatenate([np.zeros(300), np.random.default_rng(0).normal(size=9700)])
    bins = counts.numeric_bins(values)
    assert bins.spikes == (0.0,)
    assert np.bincount(bins.codes(values))[bins.labels.index("0")] == 300


def test_at_most_32_quantile_edges_of_about_equal_mass():
    values = np.random.default_rng(0).lognormal(size=20_000)
    bins = counts.numeric_bins(values)
    shares = np.bincount(bins.codes(values), minlength=bins.size)[: bins.regular] / len(values)
    assert bins.regular <= 32
    assert shares.min() > 0.02


def test_bins_survive_json():
    numeric = counts.numeric_bins(np.array([0.0, 0.1, 0.25, 1e9]))
    category = counts.category_bins(["a", "b"], [999, 1])
    for bins in (numeric, category, counts.CategoryBins(("a",), None)):
        assert counts.bins_from_dict(bins.to_dict()) == bins


def test_rare_is_known_and_unseen_is_not():
    names = [f"c{i}" for i in range(100)]
    bins = counts.category_bins([*names, "odd"], [10] * 100 + [1])
    assert bins.regular == 64
    assert bins.labels[bins.codes(["odd"])[0]] == "rare"
    assert bins.labels[bins.codes(["new"])[0]] == "unseen"


def test_with_too_many_rare_values_nothing_is_called_unseen():
    bins = counts.category_bins([str(i) for i in range(1000)], [1] * 1000)
    assert bins.labels[bins.codes(["new"])[0]] == "rare"


@pytest.mark.parametrize("q", [0.1, 0.25, 0.5, 0.9])
def test_quantiles_from_counts_are_those_of_numpy_within_a_bin(q):
    values = np.random.default_rng(1).normal(size=50_000)
    bins = counts.numeric_bins(values)
    counted = np.bincount(bins.codes(values), minlength=bins.size).tolist()
    assert counts.quantile(bins, counted, q) == pytest.approx(np.quantile(values, q), abs=0.02)


def test_quantiles_reach_beyond_the_edges():
    bins = counts.NumericBins(0.0, 10.0)
    counted = [0, 0, 4, 0, 0, 0]
    assert 10 < counts.quantile(bins, counted, 0.5, 100.0, 200.0) < 200


def test_sums_of_steps_give_the_mean_in_any_order():
    values = np.random.default_rng(2).lognormal(size=10_000)
    bins = counts.numeric_bins(values)
    parts = [int(bins.steps(part).sum()) for part in np.array_split(values[::-1], 7)]
    assert sum(parts) == int(bins.steps(values).sum())
    assert bins.mean(sum(parts), len(values)) == pytest.approx(values.mean(), rel=1e-4)


def test_explained_is_the_correlation_ratio_with_chance_taken_off():
    rng = np.random.default_rng(3)
    groups, noise = rng.integers(0, 20, 5000), rng.normal(size=5000)

    def share(y):
        rows = np.bincount(groups, minlength=20).astype(float)
        return counts.explained(rows, np.bincount(groups, weights=y)[None, :], float((y**2).sum()))

    assert share(groups.astype(float)) == pytest.approx(1.0)
    assert share(noise) < 0.005
    assert share(np.ones(5000)) is None
