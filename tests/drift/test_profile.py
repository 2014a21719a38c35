import datetime
import json
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbmlops as nb
from nbmlops.drift.profile import Profile, build
from nbmlops.errors import Conflict, Invalid, NotFound


def frame(n=1000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
            "carrier": rng.choice(["UA", "DL", "MQ"], n, p=[0.6, 0.38, 0.02]),
            "paid": rng.random(n) < 0.3,
            "late": rng.integers(0, 2, n),
            "at": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 90 * 24, n), unit="h"),
            "note": [f"note {seed} {i}" for i in range(n)],
            "month": rng.integers(1, 4, n),
        }
    )


ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(float("inf"))),
        st.sampled_from(["a", "b", "c", None, "new"]),
        st.booleans(),
        st.sampled_from([1, 2, 3]),
    ),
    max_size=40,
)
NAMES = ["number", "name", "flag", "month"]


def rows(values):
    made = pd.DataFrame(values, columns=NAMES)
    return made.astype({"number": float, "name": object, "flag": bool, "month": int})


@settings(deadline=None, max_examples=60)
@given(ROWS, ROWS, ROWS)
def test_merged_profiles_are_the_profile_of_the_whole_to_the_byte(reference, first, second):
    like = build(rows(reference), target="flag", chunk="month")
    parts = [build(rows(part), target="flag", chunk="month", like=like) for part in (first, second)]
    whole = build(rows(first + second), target="flag", chunk="month", like=like)
    assert parts[0].merge(parts[1]).to_json() == whole.to_json()


def test_profiles_on_other_edges_do_not_merge(project):
    with pytest.raises(Conflict, match="'amount' differently"):
        nb.profile(frame(seed=1)).merge(nb.profile(frame(seed=2)))


def test_kinds_are_told_apart(project):
    kinds = {name: c.kind for name, c in nb.profile(frame()).columns.items()}
    assert kinds == {
        "amount": "numeric",
        "carrier": "categorical",
        "paid": "boolean",
        "late": "boolean",
        "at": "datetime",
        "note": "text",
        "month": "numeric",
    }


def test_numbers_are_those_of_pandas(project):
    data = frame()
    made = nb.profile(data)
    assert made.missing("amount") == data.amount.isna().mean()
    assert made.mean("amount") == pytest.approx(data.amount.mean(), rel=1e-4)
    assert made.quantile("amount", 0.5) == pytest.approx(data.amount.median(), rel=0.05)
    assert made.mean("paid") == data.paid.mean()
    assert (made.total["amount"].low, made.total["amount"].high) == (data.amount.min(), data.amount.max())


def test_chunks_add_up_to_the_total(project):
    made = nb.profile(frame(), chunk="month")
    assert list(made.chunks) == ["1", "2", "3"]
    assert "month" not in made.columns
    for name, total in made.total.items():
        summed = np.sum([chunk[name].counts for chunk in made.chunks.values()], axis=0)
        assert summed.tolist() == list(total.counts)


def test_the_target_is_shown_in_each_bin(project):
    data = frame(4000)
    data["late"] = (data["carrier"] == "DL").astype(int)
    made = nb.profile(data, target="late")
    bins, relation = made.columns["carrier"].bins, made.relations["carrier"]
    assert dict(zip(bins.labels, relation.means, strict=True))["DL"] == 1.0
    assert [(f.code, f.column, f.outcome) for f in made.findings if f.code == "leak"] == [("leak", "carrier", "issue")]
    assert relation.explained == pytest.approx(1.0)
    assert made.relations["amount"].explained < 0.05


@pytest.mark.parametrize("values", [["x", "y", "z"], [1.5, 2.5, 40.0]])
def test_a_column_that_determines_classes_or_numbers_is_a_leak(project, values):
    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, 900)
    data = pd.DataFrame({"copy": code, "noise": rng.normal(size=900), "truth": np.array(values)[code]})
    leaks = [f.column for f in nb.profile(data, target="truth").findings if f.code == "leak"]
    assert leaks == ["copy"]


def test_what_to_know_before_modelling_is_a_finding(project):
    data = frame().assign(
        same=1, nothing=np.nan, identifier=range(1000), mixed=[1, "a"] * 500, odd=[np.inf] + [0.0] * 999
    )
    found = {(f.code, f.column) for f in nb.profile(data).findings}
    assert {("constant", "same"), ("empty", "nothing"), ("identifier", "identifier"), ("mixed", "mixed")} <= found
    assert ("infinite", "odd") in found
    assert not any(column in ("amount", "carrier", "paid") for _, column in found)


def test_json_comes_back_and_is_small(project):
    wide = pd.concat([frame().add_suffix(f"_{i}") for i in range(7)], axis=1)
    made = nb.profile(wide)
    assert Profile.from_json(made.to_json()).to_json() == made.to_json()
    assert len(made.to_json()) < 30_000


def test_a_chunk_of_fifty_columns_is_small(project):
    rng = np.random.default_rng(0)
    draws = [rng.normal, rng.lognormal, lambda size: rng.integers(0, 90, size), lambda size: rng.gamma(2, size=size)]
    wide = pd.DataFrame({f"n{i}": draws[i % 4](size=30_000) for i in range(40)})
    names = [f"v{j}" for j in range(12)]
    wide = wide.assign(
        **{f"c{i}": rng.choice(names, len(wide)) for i in range(10)}, month=rng.integers(1, 6, len(wide))
    )
    made = nb.profile(wide.mask(rng.random(wide.shape) < 0.02).assign(month=wide.month), chunk="month")
    for key, tallies in made.state()["chunks"].items():
        assert len(json.dumps({key: tallies}, separators=(",", ":"))) < 8_000
    back = Profile.from_json(made.to_json())
    assert back.to_json() == made.to_json()
    assert back.chunks["1"]["n0"].counts == made.chunks["1"]["n0"].counts
    assert back.chunks["1"]["n0"].low == pytest.approx(made.chunks["1"]["n0"].low, rel=1e-9)


def test_a_profile_of_format_1_is_read(project):
    made = nb.profile(frame(), chunk="month", by="carrier")
    old = made.state() | {"format": 1}
    for part in ("chunks", "segments"):
        old[part] = {k: {n: t.to_dict() for n, t in of.items()} for k, of in getattr(made, part).items()}
    assert Profile.from_json(json.dumps(old)) == made
    from nbmlops.widgets.profile import html

    assert html(made.to_dict()) == html(made.to_dict() | {"chunks": old["chunks"]})


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "null"])
def test_what_is_no_profile_is_one_clear_line(text):
    with pytest.raises(Invalid, match="This is no profile"):
        Profile.from_json(text)


def test_a_newer_format_says_so():
    with pytest.raises(Invalid, match="format 99"):
        Profile.from_json('{"format": 99}')


def test_like_needs_its_columns(project):
    with pytest.raises(NotFound, match="'amount' in the data"):
        nb.profile(frame().drop(columns="amount"), like=nb.profile(frame()))


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
        pd.DataFrame({"a": [1]}),
        pd.DataFrame({"a": [None, None]}),
        pd.DataFrame({"a": [np.nan]}),
        pd.DataFrame({"a": [[1], {"b": 2}, None]}),
        pd.DataFrame({"a": [1, "b", 2.5, None, datetime.date(2020, 1, 1)]}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")}),
        pd.DataFrame({"a": pd.Categorical([1, 2, None]), "b": pd.to_timedelta([1, 2, None], unit="s")}),
        pd.DataFrame({"a": pd.to_datetime(["2020-01-01", None]).tz_localize("Europe/Paris")}),
        pd.DataFrame({"a": [1e308, -1e308, 0.0]}),
        pd.DataFrame({"a": [1 + 2j, 3 + 4j]}),
        pd.DataFrame({0: [1, 2], 1: [3, 4]}),
        pd.DataFrame({"a": pd.period_range("2020-01", periods=3, freq="M")}),
    ],
)
def test_odd_frames_are_profiled(project, data):
    made = nb.profile(data)
    assert made.rows == len(data)
    assert Profile.from_json(made.to_json()).to_json() == made.to_json()
    assert "Profile" in repr(made)
    assert "<" in made._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' is there 2 times"),
        (pd.DataFrame([[1, 2]], columns=["1", 1]), "'1' is there 2 times"),
        ({"a": [1]}, "A dict is no frame"),
        (np.zeros((2, 2, 2)), "A ndarray is no frame"),
    ],
)
def test_what_is_no_frame_is_one_clear_line(project, data, message):
    with pytest.raises(Invalid, match=message):
        nb.profile(data)


@pytest.mark.parametrize("option", ["target", "chunk", "by"])
def test_an_unknown_column_names_the_near_one(project, option):
    with pytest.raises(NotFound, match="Did you mean 'carrier'"):
        nb.profile(frame(), **{option: "carier"})


def test_a_chunk_with_too_many_values_says_what_to_do(project):
    with pytest.raises(Invalid, match="to_period"):
        nb.profile(frame(), chunk="at")


def test_polars_and_files_give_the_same_profile(project, needed):
    polars = needed("polars")
    data = frame()[["amount", "carrier", "paid", "month"]]
    data.to_parquet("data.parquet")
    expected = nb.profile(data).total
    assert nb.profile(polars.from_pandas(data)).total == expected
    assert nb.profile("data.parquet").total == expected


def test_neither_data_nor_random_state_is_touched(project):
    data = frame(60_000)
    before = data.copy(), np.random.get_state()[1].tolist(), random.getstate()
    first = nb.profile(data)
    pd.testing.assert_frame_equal(data, before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]
    assert nb.profile(data).to_json() == first.to_json()


def test_a_profile_in_an_open_run_is_kept_with_it(project):
    from nbmlops.store.runs import results_of
    from nbmlops.tracking import session

    with nb.run("look") as run:
        nb.profile(frame(), target="late")
    found = results_of(session.store(), [run.run_id], "profile")
    assert [r["subject"] for r in found] == ["late"]
