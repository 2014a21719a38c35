"""Equal rows, counted and held against chance."""

import numpy as np
import pytest

from nbmlops.stats import twins


def as_rows(table):
    return twins.rows(table.T.astype(float), len(table))


def test_hashes_are_equal_where_the_rows_are():
    table = np.random.default_rng(0).integers(0, 4, (2000, 5))
    hashes = as_rows(table).hashes
    distinct = {*map(tuple, table.tolist())}
    assert len({*hashes.tolist()}) == len(distinct)
    assert len({*zip(map(tuple, table.tolist()), hashes.tolist(), strict=True)}) == len(distinct)


def test_columns_do_not_stand_for_each_other():
    a = twins.rows([np.array([1.0, 2.0]), np.array([2.0, 1.0])], 2).hashes
    assert a[0] != a[1]


def test_zero_has_no_sign_and_every_nan_is_one():
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64).view(float)
    hashes = twins.rows([np.array([0.0, -0.0, np.nan, *odd])], 5).hashes
    assert hashes[0] == hashes[1]
    assert len({*hashes[2:].tolist()}) == 1


def test_a_column_is_left_as_it_was():
    column = np.array([-0.0, np.nan])
    before = column.tobytes()
    twins.rows([column], 2)
    assert column.tobytes() == before


def test_agreement_is_that_of_independent_columns():
    table = np.random.default_rng(0).integers(0, [5, 20], (1000, 2))
    assert as_rows(table).agreement == pytest.approx(1 / 100, rel=0.1)


@pytest.mark.parametrize("values", [2, 3, 5, 10, 30, 100])
def test_chance_is_what_a_new_row_of_the_same_source_meets(values):
    rng = np.random.default_rng(values)
    known, asked = rng.integers(0, values, (4000, 2)), rng.integers(0, values, (2000, 2))
    found = twins.shared(as_rows(known), as_rows(asked))
    assert found.share == pytest.approx(found.expected, abs=0.03)
    assert not found.above


@pytest.mark.parametrize("values", [200, 1000, 10**6])
def test_copies_are_above_chance(values):
    rng = np.random.default_rng(values)
    known, asked = rng.integers(0, values, (4000, 2)), rng.integers(0, values, (2000, 2))
    asked[:200] = known[:200]
    assert twins.shared(as_rows(known), as_rows(asked)).above


def test_a_few_equal_rows_are_none_and_one_more_is():
    known = np.arange(100.0)[:, None] / 7
    assert not twins.shared(as_rows(known), as_rows(np.vstack([known[:3], known[:30] + 1e3]))).above
    assert twins.shared(as_rows(known), as_rows(np.vstack([known[:4], known[:30] + 1e3]))).above


def test_where_most_rows_have_their_equal_anyway_nothing_is_told():
    rng = np.random.default_rng(0)
    known = twins.rows([rng.integers(0, 3000, 30_000).astype(float)], 30_000)
    asked = twins.rows([np.r_[rng.integers(0, 3000, 9_000), np.arange(1000) % 7].astype(float)], 10_000)
    found = twins.shared(known, asked)
    assert found.expected > 0.5
    assert not found.above
