"""Whatever a model was given reads as the same columns."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from nbmlops.quality.table import common, same, table, values

FRAME = pd.DataFrame({"n": [1, 2, 3], "text": ["a", None, "b"]})


@pytest.mark.parametrize(
    ("data", "shape", "texts"),
    [
        (FRAME, (3, 2), 1),
        (pl.DataFrame({"n": [1, 2, 3], "text": ["a", None, "b"]}), (3, 2), 1),
        (FRAME["n"], (3, 1), 0),
        (pl.Series("n", [1, 2]), (2, 1), 1),
        (np.zeros((5, 4)), (5, 4), 0),
        (np.array([["a", "b"]], dtype=object), (1, 2), 2),
        (["a", None], (2, 1), 1),
    ],
)
def test_frames_columns_arrays_and_lists_are_tables(data, shape, texts):
    found = table(data)
    assert (found.shape, found.texts) == (shape, texts)
    assert len(found.column(0)) == shape[0]


@pytest.mark.parametrize(
    "data", [None, 3, "abc", {"a": [1]}, [], [[1, 2]], np.zeros((2, 2, 2)), np.zeros(2, dtype=[("a", int)])]
)
def test_anything_else_is_none(data):
    assert table(data) is None


def test_a_lazy_frame_is_not_run():
    def fail(_):
        raise AssertionError("the frame was run")

    assert table(pl.DataFrame({"a": [1]}).lazy().map_batches(fail)) is None


def test_columns_are_found_by_name_or_where_there_is_none_by_place():
    narrow, other = pd.DataFrame({"n": [1]}), pd.DataFrame({"x": [1], "y": [2], "n": [3]})
    assert common(table(FRAME), table(FRAME[["text", "n"]])) == [(0, 1), (1, 0)]
    assert common(table(FRAME), table(FRAME.to_numpy())) == [(0, 0), (1, 1)]
    assert common(table(FRAME), table(narrow)) == [(0, 0)]
    assert common(table(other), table(FRAME)) == []
    assert common(table(np.zeros((2, 2))), table(np.zeros((2, 3)))) == []


def test_names_that_are_there_twice_are_taken_by_place():
    twice = FRAME.set_axis(["a", "a"], axis=1)
    assert common(table(twice), table(twice)) == [(0, 0), (1, 1)]


def test_numbers_are_the_same_however_they_are_stored():
    stored = [
        np.array([1, 0], dtype="uint8"),
        [1.0, 0.0],
        [True, False],
        pd.Series([1, 0], dtype="Int64"),
        pd.Series([1, 0], dtype=object),
        pd.Series([1, 0], dtype="category"),
    ]
    for column in stored:
        assert values(column).tolist() == [1.0, 0.0]


def test_text_and_times_are_the_same_however_they_are_stored():
    texts = [["a", None, "b"], pd.Series(["a", None, "b"], dtype="category"), pl.Series(["a", None, "b"]).to_numpy()]
    hashes = [values(column).tolist() for column in texts]
    assert hashes[0] == hashes[1] == hashes[2]
    assert hashes[0][1] == 0
    moments = pd.Series(pd.to_datetime(["2013-01-01", None]))
    stored = [values(m).tolist() for m in (moments, moments.dt.as_unit("s"), moments.dt.tz_localize("UTC"))]
    assert stored[0] == stored[1] == stored[2]
    assert stored[0][1] == 0


def test_what_is_neither_number_nor_text_is_none():
    assert values([[1], {2}]) is None
    assert values([1, "a"]) is None


def test_rows_are_the_same_in_the_same_order_only():
    rows = pd.DataFrame({"n": np.arange(3000), "text": [f"t{i % 7}" for i in range(3000)]})
    assert same(table(rows), table(rows.astype({"n": float, "text": "category"})))
    assert not same(table(rows), table(rows[::-1]))
    assert not same(table(rows), table(rows.assign(n=rows.n.where(rows.n < 2999, 0))))
    assert not same(table(rows), table(rows[:2999]))


def test_far_times_are_the_same_in_every_unit_and_warn_of_nothing():
    days = ["2500-01-01", "1084-06-20", "2024-01-01", "1960-02-29"]
    made = {unit: values(pd.Series(np.array(days, f"M8[{unit}]"))) for unit in ("s", "ms", "us")}
    assert len({tuple(found.tolist()) for found in made.values()}) == 1
    assert len(set(made["s"].tolist())) == 4
    assert values(pd.Series(pd.to_datetime(days[2:]))).tolist() == made["s"][2:].tolist()  # as versions kept them
