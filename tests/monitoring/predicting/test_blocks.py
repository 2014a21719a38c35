"""A block comes back as it was, whatever its columns are made of; what cannot be one fails no prediction."""

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.monitoring.predicting import blocks
from nbmlops.monitoring.predicting.recorded import predicted
from nbmlops.monitoring.returning.matching import iso, moments


def back(**said):
    return [blocks.unpacked(form) for form in (blocks.packed(said), blocks.plainly(said))]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_come_back(unit):
    year = "2013" if unit == "ns" else "1500"
    times = pd.Series(np.array([f"{year}-03-01T06:00:00", "NaT"], dtype=f"datetime64[{unit}]"))
    for column in (times, times.dt.tz_localize("UTC")):
        found = blocks.unpacked(blocks.packed({"value": [1, 2], "key_at": column}))["key_at"]
        pd.testing.assert_series_equal(found, column, check_names=False)


def test_a_block_of_before_units_is_read_in_nanoseconds():
    found = blocks._series(np.array([10**9]), {"name": "key_at", "role": "said", "kind": "time", "zone": None})
    assert found.tolist() == [pd.Timestamp("1970-01-01T00:00:01")]


def test_times_far_away_are_not_others():
    for text in ("1500-03-01T06:00:00.000000+00:00", "2500-03-01T06:00:00.000000+00:00"):
        assert iso(int(moments(pd.Series([text], dtype=object))[0])) == text


@pytest.mark.parametrize(
    "key",
    [
        pd.array([9007199254740993, None], dtype="Int64"),
        pd.Series([9007199254740993, None], dtype=object),
        pd.array(["B1", None], dtype="string"),
    ],
)
def test_keys_come_back_as_they_are(key):
    for found in back(value=[1, 2], key=pd.Series(key)):
        kept = found["key"].tolist()
        assert (kept[0], type(kept[0])) == (key[0], type(key[0]) if isinstance(key[0], str) else int)
        assert pd.isna(kept[1])


@pytest.mark.parametrize("count", [3, 60])
def test_keys_that_miss_and_times_of_arrow_are_recorded(project, model, held_out, needed, count):
    needed("pyarrow")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    rows = held_out[:count].assign(booking=pd.array([None, *range(1, count)], dtype="Int64"))
    rows["asked"] = pd.Series(pd.date_range("2500-01-01", periods=count, unit="us"), rows.index)
    nb.predict("late", rows.astype({"asked": "timestamp[us][pyarrow]"}), key="booking", key_at="asked")
    said = predicted("late").said
    assert said["key"].tolist()[1:] == [*range(1, count)]
    assert {pd.Timestamp(at).year for at in said["key_at"]} == {2500}


@pytest.mark.parametrize("count", [3, 60])
def test_what_cannot_be_recorded_fails_no_prediction(project, model, held_out, count):
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    rows = held_out[:count].assign(booking=[{i: {1}} for i in range(count)])
    said = nb.predict("late", rows, key="booking") if count == 3 else None
    if said is None:
        with pytest.warns(RuntimeWarning, match=r"not recorded: their record cannot be made \(TypeError\)"):
            said = nb.predict("late", rows, key="booking")
    assert said.prediction.notna().all()
