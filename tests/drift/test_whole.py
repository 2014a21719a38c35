"""What only a whole frame tells: repeated rows and keys, gaps in time."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.drift import repeats
from nbmlops.drift.profile import Profile
from nbmlops.drift.repeats import repeated_rows


def frame(n=1000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
            "carrier": rng.choice(["UA", "DL", None], n),
            "big": 2**60 + 1000 * (np.arange(n) % 7),
            "at": pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(n), unit="h"),
        }
    )


def told(data, code):
    return [f for f in nb.profile(data).findings if f.code == code]


def test_repeated_rows_are_counted_as_pandas_does(project):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        data = frame(seed=seed).iloc[rng.integers(0, 1000, 1300)]
        assert repeated_rows(data).rows == data.duplicated().sum()
    (found,) = told(data, "repeated_rows")
    assert (found.outcome, found.effect) == ("warning", data.duplicated().mean())
    assert f"{data.duplicated().sum()} of 1,300 rows repeat another" in found.message


@pytest.mark.parametrize("column", [[[1], [1], {"a": 2}], ["x", "x", None], [2**60, 2**60, 2**60 + 1], [True, True, 0]])
def test_rows_of_any_values_repeat(column):
    assert repeated_rows(pd.DataFrame({"a": column, "b": 1.5})).rows == 1


def test_rows_that_differ_raise_nothing(project):
    assert nb.profile(frame()).findings == ()


def test_values_that_are_few_repeat_by_chance(project):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": rng.integers(0, 9, 500), "b": rng.choice(["x", "y"], 500)})
    (found,) = told(data, "repeated_rows")
    assert found.outcome == "passed"
    assert "by chance" in found.message


def test_rows_of_a_large_frame_are_told_of_some_groups(project, monkeypatch):
    monkeypatch.setattr(repeats, "MOST_VALUES", 400)
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(4000, 9))).add_prefix("x")
    data = pd.concat([data, data.iloc[:1000]], ignore_index=True)
    found = repeated_rows(data)
    assert not found.exact
    assert found.rows == pytest.approx(1000, rel=0.3)
    assert "about" in told(data, "repeated_rows")[0].message


def test_a_key_that_repeats_is_told(project):
    data = pd.DataFrame(
        {"id": [*range(1, 500), 7], "code": [f"k{i}" for i in (*range(499), 3)], "paid": [True, False] * 250}
    )
    assert [(f.column, f.effect) for f in told(data, "repeated_key")] == [("id", 0.002), ("code", 0.002)]
    measured = pd.DataFrame({"cents": np.random.default_rng(0).integers(0, 20_000, 1000)})
    assert told(measured, "repeated_key") == []


def test_gaps_are_told_with_the_usual_step_and_the_largest_three(project):
    data = frame().drop(index=[*range(100, 103), *range(300, 310), *range(500, 550), *range(700, 702)])
    made = nb.profile(data)
    (found,) = [f for f in made.findings if f.code == "time_gaps"]
    assert found.message == (
        "at: 4 gaps in time, usually 1 h a step; the longest 2.12 d after 2013-01-21 19:00; "
        "11 h after 2013-01-13 11:00; 4 h after 2013-01-05 03:00."
    )
    assert made.to_dict()["whole"]["times"]["at"]["step"] == 3600
    assert "2013-01-01 to 2013-02-11, every 1 h" in repr(made)
    assert "every 1 h" in made._repr_mimebundle_()["text/html"]


def test_what_comes_at_random_or_on_working_days_has_no_gaps(project):
    for seed in range(10):
        waits = np.random.default_rng(seed).exponential(60.0, 2000)
        events = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.cumsum(waits), unit="s")
        assert told(pd.DataFrame({"at": events}), "time_gaps") == []
    assert told(pd.DataFrame({"at": pd.bdate_range("2020-01-01", periods=300)}), "time_gaps") == []


def test_rows_out_of_order_are_told_where_the_others_are_in_order(project):
    data = frame()
    order = np.arange(1000)
    order[[10, 500]] = order[[500, 10]]
    (found,) = told(data.iloc[order], "out_of_order")
    assert "2 rows are earlier than the row before" in found.message
    assert told(data.sample(frac=1.0, random_state=0), "out_of_order") == []


def test_what_parts_do_not_tell_is_said(project):
    first = nb.profile(frame())
    both = first.merge(nb.profile(frame(seed=1), like=first))
    (found,) = both.findings
    assert (found.code, found.outcome) == ("in_parts", "not_applicable")
    assert Profile.from_json(both.to_json()).findings == both.findings


def test_a_profile_comes_back_with_it_and_one_without_it_is_read(project):
    made = nb.profile(frame().drop(index=range(300, 400)))
    assert Profile.from_json(made.to_json()).findings == made.findings
    old = {k: v for k, v in made.state().items() if k != "whole"}
    assert Profile.from_json(json.dumps(old)).findings == ()


def test_function_magic_and_command_say_the_same(shell):
    data = pd.concat([frame(), frame().iloc[:30]], ignore_index=True)
    data.to_parquet("data.parquet")
    expected = nb.profile("data.parquet").to_dict()
    assert {f["code"] for f in expected["findings"]} == {"repeated_rows", "out_of_order"}
    assert shell.run_line_magic("profile", "data.parquet").to_dict() == expected
    assert json.loads(CliRunner().invoke(main, ["profile", "data.parquet", "--json"]).output) == expected
