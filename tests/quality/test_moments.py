"""Times are the same whatever pandas reads them in, nanoseconds or not."""

from datetime import UTC, date, datetime
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from nbmlops.quality import look, moments
from nbmlops.registry import kinds
from nbmlops.registry.conditions import Rows

FAR = pd.Timestamp("2500-03-01T05:00", tz="UTC")


@pytest.mark.parametrize(
    "value",
    [
        "2500-03-01T06:00+01:00",
        "25000301T050000",
        datetime(2500, 3, 1, 5, tzinfo=UTC),
        datetime(2500, 3, 1, 5),
        np.datetime64("2500-03-01T05", "h"),
        FAR,
    ],
)
def test_a_time_beyond_nanoseconds_is_read(value):
    column = pd.Series([value, None, "2020-01-01T01:00:00.123456", "x"], dtype=object, index=[7, 8, 9, 7], name="at")
    found = moments.read(column, "ISO8601")
    assert [found.iloc[0], found.iloc[2]] == [FAR, pd.Timestamp("2020-01-01T01:00:00.123456", tz="UTC")]
    assert found.isna().tolist() == [False, True, False, True]
    assert (found.index.tolist(), found.name) == ([7, 8, 9, 7], "at")
    pd.testing.assert_series_equal(look.times(column), found)


FORMS = ["2020-03-01T06:00+01:00", "2020-01-01T01:00:00.123456", "2020-06-01T05:06:07.1+0530", "2020-02-01T05"]


@pytest.mark.parametrize("texts", list(permutations([*FORMS, "2020-01-02 02:03:04Z"], 3)))
def test_each_text_is_read_in_its_own_zone(texts):
    expected = [pd.Timestamp(text) for text in texts]
    expected = [time if time.tz else time.tz_localize("UTC") for time in expected]
    assert moments.read(pd.Series(texts, dtype=object), "ISO8601").tolist() == expected
    assert look.times(pd.Series(texts)).tolist() == expected


def test_a_day_beyond_nanoseconds_is_read():
    assert moments.read(pd.Series([date(1500, 3, 1)])).tolist() == [pd.Timestamp("1500-03-01", tz="UTC")]


@pytest.mark.parametrize("value", ["2500-13-01", "soon", ["2500-03-01"], "2500 nights", ""])
def test_what_is_no_time_is_missing(value):
    assert moments.read(pd.Series([value, "2500-03-01"], dtype=object), "ISO8601").isna()[0]


@pytest.mark.parametrize("kind", ["timestamp[us]", "timestamp[s, tz=Europe/Berlin]", "date32[day]"])
def test_times_of_arrow_are_plain_ones(needed, kind):
    needed("pyarrow")
    days = pd.Series(np.array(["2500-03-01", "NaT"], "datetime64[s]"), [3, 4], name="at")
    column = days.astype("timestamp[s][pyarrow]").astype(f"{kind}[pyarrow]")
    found = moments.without_arrow(column)
    assert (found.dtype.kind, found.index.tolist(), found.name) == ("M", [3, 4], "at")
    assert look.times(column).dt.year.tolist()[0] == 2500
    assert Rows(pd.DataFrame({"at": column})).where("at > 2499-12-31").tolist() == [True, False]


def test_a_model_gets_times_beyond_nanoseconds():
    column = kinds.Column("at", "time", "datetime64[us, Europe/Berlin]", may_miss=True)
    for found in (
        kinds.read_values(column, ["2500-03-01T06:00+01:00", None]),
        kinds.read(column, pd.Series(["2500-03-01T06:00+01:00", None], dtype=object), texts=True),
    ):
        given = pd.Series(found.values)
        assert (given[0], str(given.dtype.tz), list(found.wrong)) == (FAR, "Europe/Berlin", [])
