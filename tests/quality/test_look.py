import numpy as np
import pandas as pd
import pytest

from nbmlops.errors import Invalid, NotFound
from nbmlops.quality import look


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], "numbers"),
        ([1.5, None], "numbers"),
        ([True, False], "booleans"),
        ([True, None], "booleans"),
        (["a", None], "text"),
        ([1, "a"], "mixed"),
        ([None, None], "nothing"),
        ([], "nothing"),
        (pd.Categorical(["a"]), "text"),
        (pd.Categorical([1]), "numbers"),
        (pd.to_datetime(["2020-01-01"]), "times"),
        (pd.to_timedelta([1], unit="s"), "numbers"),
        (pd.array([1, None], dtype="Int64"), "numbers"),
        (pd.array(["a", None], dtype="string"), "text"),
    ],
)
def test_what_a_column_holds(values, expected):
    assert look.holds(pd.Series(values)) == expected


def test_numbers_leave_out_what_is_none():
    found = look.numbers(pd.Series([1, "2", "x", None], dtype=object))
    np.testing.assert_array_equal(found, [1.0, 2.0, np.nan, np.nan])
    assert look.numbers(pd.Series(pd.to_timedelta([90], unit="s"))).tolist() == [90.0]


def test_a_whole_number_has_one_name_however_it_is_stored():
    for column in ([1, 2], [1.0, 2.0], ["1", "2"]):
        assert look.names(pd.Series(column))[1] == ["1", "2"]


def test_missing_has_no_name():
    codes, names = look.names(pd.Series(["a", None, "a"]))
    assert (codes.tolist(), names) == ([0, -1, 0], ["a"])


def test_csv_and_parquet_are_read(tmp_path):
    frame = pd.DataFrame({"a": [1, 2]})
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame.to_parquet(tmp_path / "data.parquet")
    for name in ("data.csv", "data.parquet"):
        pd.testing.assert_frame_equal(look.read(tmp_path / name), frame)


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.csv", b""), ("torn.csv", b'a,b\n"1,2\n'), ("bytes.csv", b"\xff\xfe\x00\x81"), ("torn.parquet", b"PAR1")],
)
def test_a_damaged_file_is_one_clear_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Invalid, match=f"{name} cannot be read"):
        look.read(tmp_path / name)


def test_a_file_that_is_not_there_is_one_clear_line():
    with pytest.raises(NotFound, match=r"No frame or file 'nix.csv'"):
        look.as_frame("nix.csv")


@pytest.mark.parametrize(
    "forms",
    [
        ["2013-12-01", "2013-12-01T06:00", None],
        ["2013-12-01T06:00", "2013-12-01", "x"],
        ["12/01/2013", "2013-12-01 06:00", "x"],
    ],
)
def test_times_of_different_forms_are_each_read(forms):
    assert look.times(pd.Series(forms)).isna().tolist() == [False, False, True]


def test_a_line_with_more_values_than_names_is_an_error(tmp_path):
    from nbmlops.registry import signature

    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2,3\n4,5,6\n")
    with pytest.raises(Invalid, match=r"rows.csv cannot be read: lines have more values"):
        look.as_frame(path)
    with pytest.raises(NotFound, match="lines have more values"):
        signature.read(str(path))
    path.write_text("a,b\n1,2,\n4,5,\n")
    assert look.as_frame(path).a.tolist() == [1, 4]
