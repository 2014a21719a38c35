"""Two rates against each other, exactly: published numbers, and how often it is wrong."""

import numpy as np
import pytest
from scipy import stats

from nbmlops.errors import Invalid
from nbmlops.stats.rate import ratio


def test_the_example_of_stata():
    # [R] Epitab, `iri 41 15 28010 19017`: ratio 1.855759, exact 95 % interval 1.005684 to 3.609305
    found = ratio(41, 28010, 15, 19017)
    assert found.value == pytest.approx(1.855759, abs=1e-6)
    assert (found.low, found.high) == (pytest.approx(1.005684, abs=1e-6), pytest.approx(3.6093, abs=1e-4))


def test_the_p_value_is_that_of_an_exact_binomial_test():
    found = ratio(11, 7, 6, 28)
    assert found.p == pytest.approx(stats.binomtest(11, 17, 7 / 35, alternative="greater").pvalue)


def test_where_nothing_changed_it_is_rarely_said():
    rng = np.random.default_rng(3)
    now, before = rng.poisson(7, 4000), rng.poisson(28, 4000)
    assert np.mean([ratio(int(a), 7, int(b), 28).p < 0.01 for a, b in zip(now, before, strict=True)]) < 0.01


def test_nothing_before_and_nothing_at_all():
    fresh, empty = ratio(5, 7, 0, 28), ratio(0, 7, 0, 28)
    assert (fresh.value, fresh.high) == (np.inf, np.inf)
    assert 1 < fresh.low < np.inf
    assert fresh.p == pytest.approx(0.2**5)
    assert np.isnan(empty.value)
    assert empty.p == 1.0
    assert ratio(0, 7, 5, 28).low == 0.0


@pytest.mark.parametrize("counts", [(-1, 7, 1, 28), (1, 0, 1, 28), (1, 7, 1, -1)])
def test_what_is_no_rate_is_refused(counts):
    with pytest.raises(Invalid, match="A rate needs counts"):
        ratio(*counts)
