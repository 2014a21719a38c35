"""Classic measures agree with SciPy where it has them, and their expected noise with simulation."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from nbmlops.stats import classic
from nbmlops.stats.counts import numeric_bins


def draws(n, seed, shift=0.0):
    return np.sort(np.random.default_rng(seed).normal(shift, 1, n))


def counted(reference, current):
    bins = numeric_bins(reference)
    return bins.count(np.sort(reference)), bins.count(np.sort(current)), bins.edges


def test_chi_square_is_scipys():
    p, q = [120, 30, 44, 6], [60, 31, 20, 9]
    found = classic.measure("chi2", p, q)
    expected = stats.chi2_contingency([p, q], correction=False)
    assert found.value == pytest.approx(expected.statistic)
    assert found.noise == expected.dof


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_ks_and_wasserstein_are_near_scipys_of_the_rows(shift):
    before, after = draws(20_000, 0), draws(20_000, 1, shift)
    p, q, edges = counted(before, after)
    ks, area = (classic.measure(name, p, q, edges) for name in ("ks", "wasserstein"))
    assert ks.value == pytest.approx(stats.ks_2samp(before, after).statistic, abs=0.01)
    quartile = np.subtract(*np.quantile(before, [0.75, 0.25]))
    assert area.value == pytest.approx(stats.wasserstein_distance(before, after) / quartile, rel=0.1, abs=0.004)


def test_hellinger_lies_beside_jensen_shannon():
    p, q = np.array([300, 500, 200]), np.array([500, 300, 200])
    hellinger = classic.measure("hellinger", p, q).value
    assert hellinger == pytest.approx(np.sqrt(1 - np.sqrt(p * q / 1e6).sum()))
    assert hellinger == pytest.approx(jensenshannon(p, q), rel=0.05)


@pytest.mark.parametrize("name", classic.MEASURES)
def test_the_noise_is_what_chance_makes_of_it(name):
    found = [classic.measure(name, *counted(draws(4000, 2 * s), draws(1000, 2 * s + 1))) for s in range(60)]
    values, noise = np.mean([f.value for f in found]), np.mean([f.noise for f in found])
    assert values == pytest.approx(noise, rel=0.2)


def test_what_has_no_order_has_no_ks_and_nothing_has_no_measure():
    assert classic.measure("ks", [1, 2], [2, 1]) is None
    assert classic.measure("psi", [0, 0], [2, 1]) is None
    edges = [0.0, 1.0]
    assert classic.measure("ks", [0, 0, 0, 0, 0, 9], [0, 0, 0, 0, 0, 9], edges) is None


def test_an_empty_bin_keeps_psi_finite():
    assert np.isfinite(classic.measure("psi", [100, 0], [99, 1]).value)
