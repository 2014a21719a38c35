"""Odd data gives findings or one clear error, never a traceback: by profile, check and drift."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.drift.profile import Profile
from nbmlops.errors import Invalid, NbmlopsError, NotFound

N = 60
HOURS = pd.date_range("2020-01-01", periods=N, freq="h")
NOISE = np.random.default_rng(0).normal(size=(N, 2))


def mixed(values):
    return pd.DataFrame({"a": pd.Series(values, dtype=object)})


def arrow(values, kind):
    return pd.DataFrame({"a": pd.arrays.ArrowExtensionArray(pa.array(values, type=kind))})


ODD = {
    "no columns, no rows": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": [], "b": []}),
    "no columns": pd.DataFrame(index=range(5)),
    "one row": pd.DataFrame({"a": [1], "b": ["x"]}),
    "all missing": pd.DataFrame({"a": [None] * N, "b": [np.nan] * N, "c": pd.Series([pd.NaT] * N)}),
    "constant": pd.DataFrame({"a": [1] * N, "b": ["x"] * N}),
    "mixed": mixed([1, "a", None, [1], {"b": 2}, 2.5] * 10),
    "dates and others": mixed([datetime.date(2020, 1, 1), "x", 1, b"b", True, None] * 10),
    "names that are no text": pd.DataFrame(np.c_[NOISE, NOISE[:, 0]], columns=[0, 1.5, None]),
    "names of two levels": pd.DataFrame(NOISE, columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])),
    "names that are times": pd.DataFrame(NOISE, columns=pd.to_datetime(["2020-01-01", "2020-01-02"])),
    "times without zone": pd.DataFrame({"t": HOURS}),
    "times with zone": pd.DataFrame({"t": HOURS.tz_localize("Asia/Tokyo")}),
    "times with and without zone": mixed([*HOURS[:30], *HOURS[30:].tz_localize("UTC")]),
    "times of two zones": mixed([*HOURS[:30].tz_localize("Asia/Tokyo"), *HOURS[30:].tz_localize("UTC")]),
    "times no ns can hold": mixed([datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)] * 30),
    "seconds no ns can hold": pd.DataFrame({"a": np.array(["0001-01-01", "9999-12-31"] * 30, dtype="datetime64[s]")}),
    "times of day": mixed([datetime.time(i % 24) for i in range(N)]),
    "infinite": pd.DataFrame({"a": [np.inf, -np.inf, 1.0] * 20}),
    "only infinite": pd.DataFrame({"a": [np.inf] * N}),
    "complex": pd.DataFrame({"a": NOISE[:, 0] + 1j}),
    "wider than a float": pd.DataFrame({"a": [1e308, -1e308, 0.0] * 20}),
    "huge whole numbers": mixed([10**30 + i for i in range(N)]),
    "larger than a float": mixed([10**400, -(10**400), 1] * 20),
    "at the end of 64 bits": pd.DataFrame({"a": [2**63 - 1, -(2**63), 5] * 20}),
    "periods": pd.DataFrame({"a": pd.period_range("2020-01", periods=N, freq="M")}),
    "intervals": pd.DataFrame({"a": pd.interval_range(0, N), "b": pd.cut(NOISE[:, 0], 5)}),
    "durations": pd.DataFrame({"a": pd.to_timedelta(range(N), unit="s")}),
    "sparse": pd.DataFrame(
        {"a": pd.arrays.SparseArray([0, 0, 1.5] * 20), "b": pd.arrays.SparseArray([True, False] * 30)}
    ),
    "decimals": mixed([decimal.Decimal(i) / 7 for i in range(N - 1)] + [decimal.Decimal("NaN")]),
    "bytes": mixed([b"\xff\xfe" + bytes([i]) for i in range(N)]),
    "broken text": mixed(["\ud800", "b"] * 30),
    "sets": mixed([{1}, frozenset([2]), None] * 20),
    "objects": mixed([object() for _ in range(N)]),
    "arrays": mixed([np.arange(3)] * N),
    "nested lists": arrow([[1, 2], None, [3]] * 20, pa.list_(pa.int64())),
    "nested records": arrow([{"x": 1}, None, {"x": 2}] * 20, pa.struct({"x": pa.int64()})),
    "arrow decimals": arrow([decimal.Decimal("1.5"), None] * 30, pa.decimal128(10, 2)),
    "arrow days": arrow([datetime.date(2020, 1, 1), None] * 30, pa.date32()),
    "polars": pl.DataFrame({"a": [1, None] * 30, "b": [["x"], None] * 30, "c": [{"q": 1}] * N, "d": [None] * N}),
    "polars, lazy": pl.LazyFrame({"a": [1, None] * 30}),
    "arrow table": pa.table({"a": [1, None] * 30, "b": [[1], None] * 30, "n": pa.nulls(N)}),
    "names to escape": pd.DataFrame({"": range(N), "b\nc": range(N), "<script>alert(1)</script>": range(N)}),
}
PLAIN = pd.DataFrame({"a": np.arange(60.0), "t": HOURS})


def whole(shown):
    """See that a result can be printed, drawn and sent; return its JSON."""
    drawn = shown._repr_mimebundle_()["text/html"]
    assert repr(shown)
    assert "<script>" not in drawn
    return json.loads(json.dumps(shown.to_dict(), allow_nan=False))


def answered(ask):
    """Return what was answered, or the clear error's message."""
    try:
        return ask()
    except NbmlopsError as error:
        return error.message


@pytest.mark.parametrize("kind", ODD)
def test_odd_data_is_profiled(project, kind):
    made = nb.profile(ODD[kind])
    assert whole(made)["rows"] == made.rows
    assert Profile.from_json(made.to_json()).to_json() == made.to_json()


@pytest.mark.parametrize("kind", ODD)
def test_odd_data_is_checked_and_rules_of_it_proposed(project, kind):
    rules = {
        "columns": {"a": {"range": {"min": 0}, "missing_max": 0.1, "unique": True}},
        "unique": ["a"],
        "rows": {"min": 1},
    }
    assert whole(nb.check(ODD[kind], rules))["findings"]
    assert repr(nb.propose_rules(ODD[kind]))


@pytest.mark.parametrize("kind", ODD)
def test_odd_data_is_compared(project, kind):
    odd = ODD[kind]
    for current, reference in ((odd, odd), (odd, PLAIN), (PLAIN, odd)):
        found = answered(lambda c=current, r=reference: whole(nb.drift(c, r)))
        assert found["findings"] if isinstance(found, dict) else found.startswith("No column in common")


@pytest.mark.parametrize("kind", ODD)
def test_odd_columns_in_any_role_are_answered(project, kind):
    odd = ODD[kind]
    answered(lambda: whole(nb.profile(odd, target="a")))
    answered(lambda: whole(nb.profile(odd, chunk="a", by="a", target="a")))
    answered(lambda: whole(nb.drift(odd, odd, target="a", prediction="a", chunk="a", by="a")))


@pytest.mark.parametrize("data", [None, 5, [1, 2], {"a": [1]}, pd.Series([1])])
@pytest.mark.parametrize("ask", [nb.profile, lambda d: nb.check(d, {"columns": {}}), lambda d: nb.drift(d, PLAIN)])
def test_what_is_no_frame_is_said(project, ask, data):
    with pytest.raises(Invalid, match="is no frame"):
        ask(data)


@pytest.mark.parametrize(
    "data", [pd.DataFrame([[1, 2]], columns=["a", "a"]), pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])]
)
@pytest.mark.parametrize("ask", [nb.profile, lambda d: nb.check(d, {"columns": {}}), lambda d: nb.drift(d, PLAIN)])
def test_a_name_there_twice_is_said(project, ask, data):
    with pytest.raises(Invalid, match="'a' is there 2 times"):
        ask(data)


@pytest.mark.parametrize(("name", "value"), [("chunk", None), ("by", None), ("chunk", 1), ("by", 1)])
def test_rows_without_a_chunk_or_segment_are_told(project, name, value):
    data = PLAIN.assign(part=[value, *[1] * (N - 1)])
    told = [f.message for f in nb.profile(data, **{name: "part"}).findings if f.code == "no_part"]
    assert told == ([] if value else ["part: 1 of 60 rows have no value, and are in none of its parts."])
    assert nb.drift(data, data, **{name: "part"}).to_dict()["segments" if name == "by" else "chunks"]


def test_a_range_wider_than_a_float_has_a_mean(project):
    made = nb.profile(ODD["wider than a float"])
    assert abs(made.mean("a")) < 1e303
    assert nb.profile(ODD["larger than a float"]).total["a"].counts[-3:-1] == (20, 20)


@pytest.fixture
def files(shell, tmp_path):
    """Write files that are none, and a folder of good ones."""
    from pathlib import Path

    Path("torn.parquet").write_bytes(b"PAR1")
    Path("empty.csv").write_text("")
    Path("broken.csv").write_text("a,b\n1,2\n3,4,5,6\n")
    Path("hollow").mkdir()
    for name, column in (("odd", "b"), ("good", "a")):
        Path(name).mkdir()
        PLAIN.to_parquet(f"{name}/0.parquet")
        PLAIN.rename(columns={"a": column}).to_parquet(f"{name}/1.parquet")
    return shell


ASKED = {"profile": "", "check": "--rules x.yaml", "drift": "--{} good"}
BAD = {
    "torn.parquet": "torn.parquet cannot be read",
    "empty.csv": "empty.csv cannot be read",
    "broken.csv": "broken.csv cannot be read",
    "odd": "1.parquet and 0.parquet differ in column 'a'",
    "nix.parquet": "No frame or file 'nix.parquet'",
    "hollow": "No Parquet file in 'hollow'",
}


@pytest.mark.parametrize("word", ASKED)
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_data_is_one_line_by_function_magic_and_command(files, word, name):
    rules = {"columns": {}}
    ask = {"profile": nb.profile, "check": lambda d: nb.check(d, rules), "drift": lambda d: nb.drift(d, PLAIN)}[word]
    with pytest.raises((Invalid, NotFound), match=BAD[name]):
        ask(name)
    files.user_ns["torn"] = PLAIN
    with pytest.raises((Invalid, NotFound), match=BAD[name]):
        files.run_line_magic(word, f"{name} {ASKED[word].format('against')}".replace("x.yaml", "rules"))
    result = CliRunner().invoke(main, [word, name, *ASKED[word].format("reference").split()])
    assert BAD[name] in result.output
    assert result.exit_code == 5


def test_a_folder_is_answered_by_function_magic_and_command(files):
    expected = nb.profile("good").to_dict()
    assert expected["rows"] == 2 * N
    assert files.run_line_magic("profile", "good").to_dict() == expected
    assert json.loads(CliRunner().invoke(main, ["profile", "good", "--json"]).output) == expected
    compared = nb.drift("good", pd.concat([PLAIN, PLAIN])).to_dict()["findings"]
    assert files.run_line_magic("drift", "good --against good").to_dict()["findings"] == compared
    said = CliRunner().invoke(main, ["drift", "good", "--reference", "good", "--json"])
    assert json.loads(said.output)["findings"] == compared
