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


def test_arrow_pandas_and_polars_agree_on_the_same_table():
    import polars
    import pyarrow as pa

    data = {"n": [1, 2, None], "f": [0.5, float("inf"), None], "t": ["a", None, "b"], "b": [True, False, None]}
    table = pa.table(data)
    frames = [table, polars.DataFrame(data), table.to_pandas(types_mapper=pd.ArrowDtype)]
    assert len({describe("x", frame).fingerprint for frame in frames}) == 1
    assert describe("x", table).rows == 3
    assert describe("x", table["t"]).columns[0]["fingerprint"] == describe("x", table).columns[2]["fingerprint"]


def test_a_sparse_matrix_is_its_values_however_it_is_kept():
    from scipy import sparse

    dense = np.array([[0.0, 1.0], [2.0, 0.0]])
    kept = [make(dense) for make in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array)]
    assert len({describe("x", one).fingerprint for one in kept}) == 1
    assert describe("x", kept[0]).rows == 2
    assert describe("x", sparse.csr_matrix(dense * 2)).fingerprint != describe("x", kept[0]).fingerprint


def test_an_array_of_three_dimensions_is_one_whole():
    cube = np.arange(24.0).reshape(2, 3, 4)
    other = cube.copy()
    other[1, 2, 3] = -1
    assert describe("x", cube).fingerprint != describe("x", other).fingerprint
    assert describe("x", cube).rows == 2


def test_a_lazy_frame_is_never_computed():
    import polars

    def compute(frame):
        raise AssertionError("computed")

    lazy = polars.LazyFrame({"a": [1]}).map_batches(compute)
    assert describe("x", lazy).strength == "shape"


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "uint64"])
def test_numbers_with_and_without_what_is_missing_have_their_own_way_and_one_answer(dtype, monkeypatch):
    from nbmlops.capture import data

    values = np.arange(1000).astype(dtype)[::-1]
    fast = describe("x", values).fingerprint
    monkeypatch.setattr(data, "_plain", lambda values: None)
    assert describe("x", values).fingerprint == fast
    monkeypatch.undo()
    if dtype.startswith("float"):
        values = values.copy()
        values[500] = np.nan
        assert describe("x", values).fingerprint != fast
        assert describe("x", values).fingerprint == describe("x", pd.Series(values)).fingerprint


TALL = {"number": np.arange(200_000), "text": [f"v{i % 50}" for i in range(200_000)]}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"])
def test_what_would_take_too_long_is_sampled_and_says_so(make):
    whole, part = describe("t", make(TALL), most_s=1.0), describe("t", make(TALL), most_s=0.01)
    assert (whole.strength, part.strength) == ("full", "sampled")
    assert (whole.rows, part.rows) == (200_000, 200_000)
    assert part.fingerprint == describe("t", pd.DataFrame(TALL), most_s=0.01).fingerprint != whole.fingerprint


def test_a_sampled_column_is_never_taken_for_a_whole_one():
    sampled = column_fingerprints(pd.DataFrame(TALL), most_s=0.01)
    part = pd.DataFrame(TALL).iloc[:: int(sampled["number"].split(":")[2])]
    assert sampled["number"] != column_fingerprints(part)["number"]
    assert sampled["number"].endswith(column_fingerprints(part)["number"])


def test_threads_give_the_fingerprints_one_thread_gives(monkeypatch):
    frame = pd.DataFrame(np.arange(60_000.0).reshape(-1, 6), columns=list("abcdef"))
    frame.loc[5, "b"] = np.nan
    frame["text"] = "x"
    alone = column_fingerprints(frame)
    monkeypatch.setattr("nbmlops.capture.data.LARGE", 0)
    assert column_fingerprints(frame) == alone
