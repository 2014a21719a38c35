"""A fingerprint changes with any cell and with nothing else."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nbmlops.capture.data import column_fingerprints, describe, is_data

FRAME = pd.DataFrame(
    {
        "number": np.arange(20_000, dtype="int64"),
        "share": np.linspace(0, 1, 20_000),
        "flag": np.arange(20_000) % 3 == 0,
        "text": [f"v{i % 50}" for i in range(20_000)],
        "when": pd.date_range("2020-01-01", periods=20_000, freq="h"),
        "kind": pd.Categorical([f"k{i % 5}" for i in range(20_000)]),
    }
)
CHANGES = {
    "number": -1,
    "share": 0.123,
    "flag": True,
    "text": "other",
    "when": pd.Timestamp("2031-01-01"),
    "kind": "k0",
}


@pytest.mark.parametrize("column", list(CHANGES))
def test_one_changed_cell_far_down_changes_its_column_only(column):
    changed = FRAME.copy()
    changed.loc[15_001, column] = CHANGES[column]
    before, after = column_fingerprints(FRAME), column_fingerprints(changed)
    assert {name for name in before if before[name] != after[name]} == {column}
    assert describe("f", FRAME).fingerprint != describe("f", changed).fingerprint


def test_missing_is_one_value_and_not_a_zero():
    a = column_fingerprints(pd.DataFrame({"x": [1.0, np.nan]}))
    assert a == column_fingerprints(pd.DataFrame({"x": [1.0, float("nan")]}))
    assert a != column_fingerprints(pd.DataFrame({"x": [1.0, 0.0]}))


def test_categories_count_by_value_not_by_code():
    plain = pd.DataFrame({"x": pd.Categorical(["b", "a", "b"], categories=["a", "b"])})
    other = pd.DataFrame({"x": pd.Categorical(["b", "a", "b"], categories=["b", "c", "a"])})
    assert column_fingerprints(plain) == column_fingerprints(other)


def test_row_order_and_column_name_count():
    assert describe("f", FRAME).fingerprint != describe("f", FRAME.iloc[::-1]).fingerprint
    assert describe("f", FRAME).fingerprint != describe("f", FRAME.rename(columns={"number": "n"})).fingerprint


def test_polars_and_pandas_agree():
    data = {"i": [1, 2, 3], "f": [0.5, None, 2.0], "s": ["a", None, "b"], "b": [True, False, True]}
    frame = pd.DataFrame(data)
    assert column_fingerprints(pl.DataFrame(data)) == column_fingerprints(frame)
    assert column_fingerprints(pa.table(data).to_pandas()) == column_fingerprints(frame)


def test_arrays_and_series_are_data_and_lists_and_generators_are_not():
    assert is_data(np.zeros((3, 2)))
    assert is_data(pd.Series([1, 2]))
    assert not is_data([1, 2, 3])
    assert not is_data(i for i in range(3))
    assert not is_data(np.float64(3))


def test_mixed_and_odd_columns_never_raise():
    odd = pd.DataFrame({"mixed": [1, "a", None], "lists": [[1], [2], None], "twice": [1, 2, 3]})
    odd.columns = ["mixed", "lists", "lists"]
    assert len(describe("odd", odd).columns) == 3
