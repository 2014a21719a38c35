"""Columns together: seen where no single column moves, quiet where nothing did, and told in words."""

import json

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.drift.multivariate import told_apart
from nbmlops.errors import NotFound


def orders(n, seed, sign=1.0):
    """``price`` and ``demand`` go together, or against each other; each alone is the same."""
    rng = np.random.default_rng(seed)
    price, noise = rng.normal(size=(2, n))
    return pd.DataFrame(
        {
            "price": price,
            "demand": 0.8 * sign * price + 0.6 * noise,
            "age": rng.integers(18, 90, n).astype(float),
            "carrier": rng.choice(["UA", "DL", "MQ", "EV"], n, p=[0.5, 0.3, 0.15, 0.05]),
            "paid": rng.random(n) < 0.3,
        }
    ).assign(age=lambda f: f.age.where(rng.random(n) < 0.9))


def judged(current, reference):
    return told_apart(current, reference, list(reference))


@pytest.mark.parametrize("rows", [500, 3000])
def test_rows_of_the_same_kind_are_not_told_apart(rows):
    for seed in range(20):
        found = judged(orders(rows, 2 * seed), orders(rows, 2 * seed + 1))
        assert found.outcome == "passed"
        assert found.detail["low"] < 0.55
        assert "columns" not in found.detail


@pytest.mark.parametrize("rows", [500, 3000])
def test_a_relation_that_turns_is_seen_where_no_column_moved(project, rows):
    report = nb.drift(orders(rows, 1, sign=-1), orders(3000, 0), multivariate=True)
    single = [f for f in report.findings if f.code == "feature_drift"]
    assert {f.outcome for f in single} == {"passed"}
    assert len(single) == 5
    found = next(f for f in report.findings if f.code == "multivariate")
    assert found.outcome == "issue"
    assert report.verdict == "alert"
    assert "price" in found.direction
    assert "demand" in found.direction
    assert found.direction in found.message
    assert {c["column"] for c in found.detail["columns"][:2]} == {"price", "demand"}
    assert sum(c["share"] for c in found.detail["columns"][:2]) > 0.9


def test_a_turn_is_seen_among_many_columns_in_bounded_time():
    def wide(seed, sign):
        more = np.random.default_rng(seed + 100).normal(size=(1000, 300))
        return orders(1000, seed, sign).join(pd.DataFrame(more, columns=[f"c{i}" for i in range(300)]))

    found = judged(wide(1, -1), wide(0, 1))
    assert found.outcome == "issue"
    assert {c["column"] for c in found.detail["columns"][:2]} == {"price", "demand"}
    assert judged(wide(2, 1), wide(0, 1)).outcome == "passed"


def test_a_region_holds_for_the_shares_it_is_told_with():
    current, reference = orders(3000, 1, sign=-1), orders(3000, 0)
    first = judged(current, reference).detail["regions"][0]
    for side, rows in (("current", current), ("reference", reference)):
        inside = rows.query(first["words"])
        assert len(inside) / len(rows) == pytest.approx(first[side], abs=0.03)
    assert first["current"] > first["reference"] + 0.2


def test_names_that_came_are_in_the_region():
    current = orders(2000, 1)
    current.loc[current.price > -0.5, "carrier"] = "ZZ"
    found = judged(current, orders(2000, 0))
    assert found.detail["regions"][0]["words"] == "carrier is ZZ"
    assert found.detail["regions"][0]["reference"] == 0


def test_the_rows_named_are_those_that_are_new():
    current = orders(1000, 1).set_axis(["same label"] * 1000)
    current.iloc[700:, [0, 1]] = [4.0, -4.0]
    found = judged(current, orders(1000, 0))
    assert len(found.detail["new_looking"]) == 10
    assert min(found.detail["new_looking"]) >= 700
    assert "same label" not in json.dumps(found.to_dict())


def test_of_many_rows_every_nth_is_taken_and_the_places_are_those_of_all():
    current = pd.concat([orders(6000, 1), orders(6000, 2).assign(price=9.0)])
    found = judged(current, orders(500, 0))
    assert found.detail["rows_used"] == {"current": 3000, "reference": 500}
    assert min(found.detail["new_looking"]) >= 6000


def test_times_and_identifiers_are_left_out_and_so_it_is_said():
    def data(seed):
        n = 600
        stamps = pd.date_range(f"20{10 + seed}-01-01", periods=n, tz="Europe/Paris")
        return orders(n, seed).assign(at=stamps, key=[f"k{seed}-{i}" for i in range(n)], row=np.arange(n) + n * seed)

    found = judged(data(1), data(0))
    assert found.outcome == "passed"
    assert found.detail["left_out"] == {"at": "a time", "key": "an identifier", "row": "an identifier"}
    assert "left out: at (a time), key (an identifier)" in found.message
    only = told_apart(data(1), data(0), ["at", "key"])
    assert only.outcome == "not_applicable"
    assert "no column to judge together" in only.message


def test_few_rows_are_insufficient_data():
    for current, reference, said in [
        (150, 500, "150 rows, 200 are needed"),
        (500, 20, "20 rows in the reference"),
        (0, 9, "0 rows"),
    ]:
        found = judged(orders(current, 1), orders(reference, 0))
        assert found.outcome == "skipped"
        assert f"insufficient data: {said}" in found.message


ODD = {
    "constant": [1.0] * 300,
    "all missing": [None] * 300,
    "mixed": [1, "a", None] * 100,
    "lists": [[1], {"b": 2}, None] * 100,
    "infinite": [np.inf, -np.inf, 0.5] * 100,
    "Int64": pd.array([1, None, 3] * 100, dtype="Int64"),
    "boolean": pd.array([True, None, False] * 100, dtype="boolean"),
    "arrow": pd.array(["a", None, "b"] * 100, dtype="string[pyarrow]"),
    "arrow numbers": pd.array([1.5, None, 2.5] * 100, dtype="double[pyarrow]"),
    "categories": pd.Categorical(["a", "b", None] * 100, categories=["b", "a", "never"]),
    "numbered categories": pd.Categorical([3, 1, 2] * 100),
    "durations": pd.to_timedelta([1, 2, None] * 100, unit="h"),
    "texts": [f"a note {i % 280}" for i in range(300)],
    "many names": [f"n{i % 24}" for i in range(300)],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ODD)
def test_odd_columns_are_coded_or_left_out(kind):
    rng = np.random.default_rng(0)
    odd, plain = pd.DataFrame({"x": ODD[kind]}), pd.DataFrame({"x": rng.normal(size=300)})
    assert judged(odd, odd).outcome in ("passed", "not_applicable")
    apart = judged(odd, plain)
    assert apart.outcome != "passed"
    assert judged(plain, odd).outcome == apart.outcome
    json.dumps(apart.to_dict(), allow_nan=False)


def test_a_column_that_is_not_there_is_one_clear_line():
    with pytest.raises(NotFound, match=r"No reference column 'prize' in the data.*Did you mean 'price'"):
        told_apart(orders(300, 1).assign(prize=1), orders(300, 0), ["prize"])


def test_global_chance_is_left_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    judged(orders(500, 1, sign=-1), orders(500, 0))
    assert (np.random.get_state()[1] == before).all()


def test_it_stands_between_the_answers_and_the_features_and_only_where_asked(project):
    report = nb.drift(orders(500, 1), orders(500, 0), target="paid", multivariate=True)
    codes = list(dict.fromkeys(f.code for f in report.findings))
    assert codes[-3:] == ["target_drift", "multivariate", "feature_drift"]
    assert "multivariate" not in {f.code for f in nb.drift(orders(500, 1), orders(500, 0)).findings}


def test_the_column_of_periods_tells_nothing(project):
    report = nb.drift(
        orders(600, 1).assign(month=np.repeat([3, 4], 300)),
        orders(600, 0).assign(month=np.repeat([1, 2], 300)),
        chunk="month",
        multivariate=True,
    )
    assert next(f for f in report.findings if f.code == "multivariate").outcome == "passed"
    assert {f["code"] for c in report.chunks for f in c["findings"]} & {"multivariate"} == set()


def test_a_reference_without_rows_says_what_it_takes(project):
    report = nb.drift(orders(500, 1), nb.profile(orders(500, 0)), multivariate=True)
    found = next(f for f in report.findings if f.code == "multivariate")
    assert found.outcome == "not_applicable"
    assert "rows are not kept: give a frame" in found.message
    assert "not judged: the reference's rows are not kept" in repr(report)


def test_a_person_reads_region_columns_and_rows(project):
    report = nb.drift(orders(500, 1, sign=-1), orders(500, 0), multivariate=True)
    assert "alert: current rows are told from the reference's by columns together: AUC 0." in repr(report)
    html = report._repr_mimebundle_()["text/html"]
    assert "Rows least like the reference" in html
    assert "price &gt;" in html or "price &lt;=" in html
    calm = nb.drift(orders(500, 1), orders(500, 0), multivariate=True)
    assert "ok: current rows are not told from the reference's" in repr(calm)


def test_rows_that_alternate_are_described_too():
    current, reference = pd.DataFrame({"x": ["a", "b"] * 300}), pd.DataFrame({"x": ["a", "c"] * 300})
    assert judged(current, reference).detail["regions"][0]["words"] == "x is b"


def test_the_same_identifiers_on_both_sides_are_identifiers():
    keys = pd.DataFrame({"key": [f"k{i}" for i in range(600)]})
    assert "left out: key (an identifier)" in judged(keys, keys).message


def test_hostile_names_are_cut_and_escaped(project):
    bad = "<script>alert(1)</script>"
    current = pd.DataFrame({bad: np.random.default_rng(0).choice([bad + "y" * 99, "ok"], 600)})
    report = nb.drift(current, pd.DataFrame({bad: ["ok", "no"] * 300}), multivariate=True)
    assert "y" * 40 not in repr(report)
    html = report._repr_mimebundle_()["text/html"]
    assert "<script" not in html
    assert "Columns together" in html
