"""Gower's distance: by hand, missing values, times, and what is left out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbmlops.monitoring.explaining.neighbours import nearest

ROWS = pd.DataFrame(
    {
        "age": [20.0, 40.0, 60.0, None],
        "city": ["Ulm", "Bern", "Ulm", None],
        "home": [True, False, True, False],
        "when": pd.to_datetime(["2013-01-01", "2013-01-06", "2013-01-11", "2013-01-11"]),
    }
)


def distances(row, left_out=()):
    return {n.place: n.distance for n in nearest(ROWS, pd.Series(row), 10, left_out)}


def test_by_hand():
    row = {"age": 30.0, "city": "Ulm", "home": True, "when": pd.Timestamp("2013-01-06")}
    assert distances(row) == pytest.approx(
        {0: (0.25 + 0 + 0 + 0.5) / 4, 1: (0.25 + 1 + 1 + 0) / 4, 2: (0.75 + 0 + 0 + 0.5) / 4, 3: (1 + 1 + 1 + 0.5) / 4}
    )


def test_missing_on_both_sides_is_the_same_and_on_one_different():
    row = {"age": None, "city": None, "home": False, "when": pd.Timestamp("2013-01-11")}
    assert distances(row)[3] == 0
    assert distances(row)[2] == pytest.approx(3 / 4)


def test_beyond_the_range_is_no_farther_than_its_end():
    row = {"age": 1e9, "city": "Ulm", "home": True, "when": pd.Timestamp("2050-01-01")}
    assert max(distances(row).values()) <= 1


def test_columns_left_out_do_not_count():
    row = {"age": 20.0, "city": "nowhere", "home": True, "when": pd.Timestamp("2013-01-01")}
    assert distances(row, ["city"])[0] == 0
    assert nearest(ROWS, pd.Series(row), 2, list(ROWS)) == []


def test_of_equally_near_rows_the_earlier_comes_first():
    rows = pd.DataFrame({"a": [1, 1, 1, 5]})
    assert [n.place for n in nearest(rows, pd.Series({"a": 1}), 3)] == [0, 1, 2]


def test_a_column_of_one_value_and_nullable_kinds():
    rows = pd.DataFrame({"a": [3, 3], "b": pd.array([1, None], dtype="Int64"), "c": pd.Categorical(["x", "y"])})
    found = {n.place: n.distance for n in nearest(rows, pd.Series({"a": 4, "b": 1, "c": "y"}), 2)}
    assert found == pytest.approx({0: 2 / 3, 1: 2 / 3})


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from("abc")), min_size=1, max_size=8), st.integers(0, 7))
def test_a_row_of_the_background_is_its_own_neighbour(values, place):
    rows = pd.DataFrame(values, columns=["x", "y"])
    found = nearest(rows, rows.iloc[place % len(rows)], len(rows))
    assert found[0].distance == 0
    assert np.all(np.diff([n.distance for n in found]) >= 0)
