"""Rows are checked before the model is asked: every problem is listed, with its row and its column."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest

from nbmlops.errors import Invalid
from nbmlops.registry import inputs, missing, signature

SEEN = pd.DataFrame(
    {
        "age": [40.0, 41.5, 39.0],
        "city": ["Ulm", "Bern", "Ulm"],
        "member": [True, False, True],
        "since": pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"]),
        "income": [1.0, None, 3.0],
    }
)
KNOWN = {"columns": signature.columns_of(SEEN)}


def check(frame, takes=False, **about):
    return inputs.check_frame(KNOWN, frame, takes, **about)


def found(checked):
    return [(p.row, p.column, p.code) for p in checked.problems]


def good(rows=3):
    return pd.concat([SEEN] * rows, ignore_index=True)[:rows]


def test_what_fits_comes_back_in_the_models_order_on_its_own_index():
    frame = good().set_index(pd.Index([9, 7, 5]))[["since", "income", "city", "member", "age"]]
    checked = check(frame)
    assert (checked.problems, checked.notes) == ((), ())
    pd.testing.assert_frame_equal(checked.frame, frame[list(SEEN)])


def test_extra_columns_are_ignored_and_noted():
    checked = check(good().assign(target=1, name="x"))
    assert checked.problems == ()
    assert list(checked.frame) == list(SEEN)
    assert [(n.code, n.detail["columns"]) for n in checked.notes] == [("extra_columns", ["target", "name"])]


def test_all_that_is_wrong_is_listed_at_once():
    frame = good(8).drop(columns="member")
    frame["age"] = frame["age"].astype(object)
    frame.loc[[2, 5], "age"] = ["old", None]
    frame["city"] = frame["city"].astype(object)
    frame.loc[3, "city"] = 17
    frame.loc[4, "income"] = np.inf
    expected = [
        (None, "member", "missing_column"),
        (2, "age", "wrong_type"),
        (5, "age", "missing_value"),
        (3, "city", "wrong_type"),
        (4, "income", "infinite"),
    ]
    checked = check(frame)
    assert found(checked) == expected
    with pytest.raises(Invalid) as error:
        inputs.refuse(checked.problems, "late@1", list(SEEN))
    assert error.value.problems == checked.problems
    assert str(error.value) == (
        "late@1 needs columns that are not there: member; it cannot take these rows: "
        "age in row 2 is 'old' and should be a number; age in row 5 is missing; "
        "city in row 3 is 17 and should be text; income in row 4 is infinite. "
        "It takes: age, city, member, since, income."
    )


def test_a_missing_value_is_taken_where_some_were_seen_or_the_model_takes_it():
    frame = good().assign(age=None, income=None, city=None)
    assert {(p.column, p.code) for p in check(frame).problems} == {("age", "missing_value"), ("city", "missing_value")}
    assert check(frame, True).problems == ()
    assert {p.column for p in check(frame, {"age"}).problems} == {"city"}


@pytest.mark.parametrize(
    "age",
    [
        pd.array([1, 2, 3], dtype="Int64"),
        pd.array([1.0, 2.0, 3.0], dtype="Float32"),
        pd.array([True, False, True], dtype="boolean"),
        np.array([1, 2, 3], dtype="uint8"),
        np.array([1, 2.5, 3], dtype=object),
        np.array([True, False, True]),
        pd.Categorical([1, 2, 3]),
    ],
    ids=lambda a: str(a.dtype),
)
def test_numbers_of_every_type_are_plain_numbers_for_the_model(age):
    checked = check(good().assign(age=age))
    assert checked.problems == ()
    assert isinstance(checked.frame["age"].dtype, np.dtype)
    assert checked.frame["age"].astype(float).tolist() == [float(v) for v in age]


@pytest.mark.parametrize("dtype", ["Int64", "Float64"])
def test_missing_in_a_nullable_type_is_missing(dtype):
    frame = good().assign(age=pd.array([1, None, 3], dtype=dtype))
    assert found(check(frame)) == [(1, "age", "missing_value")]
    assert np.isnan(check(frame, True).frame["age"].iloc[1])


def test_text_of_every_type_is_text(needed):
    needed("pyarrow")
    for dtype in ("object", "string", "string[pyarrow]", "category"):
        frame = good().assign(city=pd.Series(["Ulm", None, "Bern"], dtype=dtype))
        checked = check(frame, True)
        assert checked.problems == (), dtype
        assert checked.frame["city"].isna().tolist() == [False, True, False]


def test_polars_is_a_frame(needed):
    polars = needed("polars")
    checked = check(polars.from_pandas(good()))
    assert checked.problems == ()
    assert check(polars.from_pandas(good().assign(age=["a", "b", "c"]))).problems[0].code == "wrong_type"


@pytest.mark.parametrize(
    ("column", "values", "rows"),
    [
        ("age", ["1", "2", "3"], [0, 1, 2]),
        ("age", pd.to_datetime(["2020-01-01"] * 3), [0, 1, 2]),
        ("age", [1, 2 + 1j, 3], [1]),
        ("age", [10**30, 1, 1], [0]),
        ("age", [[1], 2, {}], [0, 2]),
        ("city", [1, 2, 3], [0, 1, 2]),
        ("city", [True, "Ulm", b"Ulm"], [0, 2]),
        ("member", [0, 1, 2], [2]),
        ("member", ["yes", True, False], [0]),
        ("since", ["2020-01-01", "x", "y"], [0, 1, 2]),
        ("since", [1, 2, 3], [0, 1, 2]),
    ],
)
def test_another_kind_of_value_is_refused_by_row(column, values, rows):
    frame = good().drop(columns=column)
    frame[column] = pd.Series(values, dtype=object if not hasattr(values, "dtype") else None)
    assert [(p.row, p.code) for p in check(frame).problems if p.column == column] == [(r, "wrong_type") for r in rows]


def test_text_of_a_file_is_read_as_what_it_should_be():
    frame = pd.DataFrame(
        {
            "age": ["1", "x", "3.5", ""],
            "city": ["1", "Ulm", "Bern", "Ulm"],
            "member": ["True", "false", "maybe", "0"],
            "since": ["2020-01-01", "2020-01-01T10:00", "soon", "2020-02-30"],
            "income": ["1", "inf", None, "nan"],
        }
    )
    checked = check(frame, first=1, texts=True)
    assert [(p.row, p.column) for p in checked.problems if p.code == "wrong_type"] == [
        *[(2, "age"), (4, "age"), (3, "member"), (3, "since"), (4, "since"), (4, "income")]
    ]
    assert [(p.row, p.column) for p in checked.problems if p.code == "infinite"] == [(2, "income")]
    fine = check(frame[:1].assign(member="True"), texts=True)
    assert fine.problems == ()
    assert fine.frame.iloc[0].tolist() == [1, "1", True, pd.Timestamp("2020-01-01"), 1]


def test_times_come_in_the_zone_the_model_knows():
    aware = {"columns": signature.columns_of(pd.DataFrame({"t": pd.to_datetime(["2020-01-01"], utc=True)}))}
    naive = {"columns": signature.columns_of(pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])}))}
    one = pd.DataFrame({"t": pd.to_datetime(["2020-01-01T01:00"]).tz_localize("Europe/Berlin")})
    assert inputs.check_frame(naive, one).frame["t"].iloc[0] == pd.Timestamp("2020-01-01")
    assert inputs.check_frame(aware, one).frame["t"].iloc[0] == pd.Timestamp("2020-01-01", tz="UTC")
    days = pd.DataFrame({"t": [datetime.date(2020, 1, 1)]}, dtype=object)
    assert inputs.check_frame(aware, days).frame["t"].iloc[0] == pd.Timestamp("2020-01-01", tz="UTC")


def test_a_column_that_is_there_twice_is_a_problem_only_where_the_model_takes_it():
    frame = good()
    twice = pd.concat([frame, frame[["age"]]], axis=1)
    assert found(check(twice)) == [(None, "age", "duplicate_column")]
    other = pd.concat([frame, pd.DataFrame({"x": [1] * 3}), pd.DataFrame({"x": [2] * 3})], axis=1)
    assert check(other).problems == ()


def test_no_rows_and_no_columns():
    assert check(good()[:0]).problems == ()
    assert len(check(good()[:0]).frame) == 0
    assert [p.code for p in check(pd.DataFrame()).problems] == ["missing_column"] * 5
    with pytest.raises(Invalid, match="list is no table"):
        check([1, 2])


def test_columns_that_are_numbers_are_found_by_their_text():
    known = {"columns": [{"name": "0", "kind": "number"}]}
    assert inputs.check_frame(known, pd.DataFrame(np.ones((2, 2)))).problems == ()


def test_many_wrong_rows_are_listed_up_to_a_thousand_and_counted():
    frame = good(5000).assign(age="x")
    problems = check(frame).problems
    assert (len(problems), problems[-1].row, problems[-1].count) == (1001, None, 4000)
    message = str(inputs.refused(problems, "late@1", list(SEEN)))
    assert "age is of the wrong kind in rows 0, 1, 2, 3, 4 and 4,995 more ('x'; should be a number)" in message


def test_unknown_categories_are_noted_with_counts_and_not_refused():
    checked = check(good(6).assign(city=["Ulm", "Rom", "Rom", "Genf", "Bern", "Ulm"]))
    assert checked.problems == ()
    (note,) = checked.notes
    assert (note.code, note.column) == ("unknown_category", "city")
    assert note.detail == {"rows": 3, "unknown": {"Rom": 2, "Genf": 1}}
    twice = inputs.merged([note, note])
    assert twice[0].detail == {"rows": 6, "unknown": {"Rom": 4, "Genf": 2}}


def test_values_of_a_private_column_are_not_named():
    known = {**KNOWN, "private": ["age"]}
    (problem,) = inputs.check_frame(known, good(1).assign(age="secret-7")).problems
    assert "secret-7" not in problem.message
    assert "age in row 0" in problem.message


def test_a_signature_without_kinds_asks_for_columns_only():
    known = {"columns": [{"name": "age", "kind": None}]}
    assert inputs.check_frame(known, pd.DataFrame({"age": ["x", None]})).problems == ()
    assert [p.code for p in inputs.check_frame(known, pd.DataFrame({"b": [1]})).problems] == ["missing_column"]


@pytest.fixture
def checker():
    columns = inputs._columns(KNOWN, (), {"income"})
    return inputs.Checker(tuple(columns), "late@1")


RECORD = {"age": 40, "city": "Ulm", "member": True, "since": "2020-01-01T00:00:00", "income": None}


def test_a_record_is_as_good_as_a_frame(checker):
    checked = checker.records([RECORD, {**RECORD, "age": 41.5, "more": 1}])
    assert checked.problems == ()
    assert [n.code for n in checked.notes] == ["extra_columns"]
    frame = check(pd.DataFrame([RECORD, {**RECORD, "age": 41.5}]), texts=True).frame
    pd.testing.assert_frame_equal(checked.frame, frame, check_dtype=False)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"age": "40"}, "wrong_type"),
        ({"age": None}, "missing_value"),
        ({"age": float("nan")}, "missing_value"),
        ({"age": float("inf")}, "infinite"),
        ({"age": 10**400}, "wrong_type"),
        ({"age": [1]}, "wrong_type"),
        ({"age": {"a": {}}}, "wrong_type"),
        ({"city": 3}, "wrong_type"),
        ({"city": None}, "missing_value"),
        ({"member": "true"}, "wrong_type"),
        ({"member": 2}, "wrong_type"),
        ({"since": "soon"}, "wrong_type"),
        ({"since": 17}, "wrong_type"),
    ],
)
def test_a_bad_record_is_one_problem(checker, change, code):
    (problem,) = checker.records([RECORD, {**RECORD, **change}]).problems
    assert (problem.row, problem.column, problem.code) == (1, *change, code)


def test_a_record_without_a_key_and_no_records(checker):
    short = {k: v for k, v in RECORD.items() if k != "city"}
    assert found(checker.records([short])) == [(0, "city", "missing_column")]
    assert len(checker.records([]).frame) == 0


def test_a_record_with_an_unknown_category_is_noted(checker):
    (note,) = checker.records([{**RECORD, "city": "Rom"}]).notes
    assert note.detail == {"rows": 1, "unknown": {"Rom": 1}}
    assert note.message == "city holds 1 category the model never saw, in 1 row: Rom"


def test_where_values_may_miss_is_read_from_the_steps():
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    frame, y = SEEN[["age", "city", "income"]].assign(income=1.0), [0, 1, 0]
    numbers, text = ["age"], ["city"]
    filled = make_pipeline(SimpleImputer(), StandardScaler())
    hidden = ((filled, numbers), (OneHotEncoder(handle_unknown="ignore"), text))
    cases = [
        (make_column_transformer(*hidden, remainder="passthrough"), LogisticRegression(), {"age", "city"}),
        (make_column_transformer(*hidden, remainder="drop"), LogisticRegression(), {"age", "city", "income"}),
        (make_column_transformer((OrdinalEncoder(), text), remainder="passthrough"), LogisticRegression(), set()),
        (
            make_column_transformer(
                (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), text), remainder="passthrough"
            ),
            HistGradientBoostingClassifier(),
            {"age", "city", "income"},
        ),
        (make_column_transformer((StandardScaler(), [0, 2]), (OneHotEncoder(), [1])), LogisticRegression(), set()),
    ]
    for codes, last, expected in cases:
        model = make_pipeline(codes, last).fit(frame, y)
        assert missing.columns_that_may_miss(model, frame.columns) == expected
        for name in frame.columns:  # and the model itself says so too
            holed = frame.assign(**{name: frame[name].where([True, True, False])})
            if name in expected:
                model.predict(holed)
            else:
                with pytest.raises(ValueError, match=r"NaN|unknown categories \[nan\]"):
                    model.predict(holed)


def test_what_is_no_sklearn_answers_for_itself():
    assert missing.columns_that_may_miss(object(), ["a"]) == {"a"}


@pytest.mark.parametrize(
    ("fitted", "given", "expected"),
    [
        (pd.Categorical([1, 2, 12]), ["1", 12, "2.0"], [1, 12, 2]),
        (pd.Categorical([1.0, 2.0]), ["1", 2], [1.0, 2.0]),
        (pd.Categorical([1, 2, 12]), ["13", 14], [13, 14]),
        (pd.Categorical([True, False]), ["True", "false", True], [True, False, True]),
        (pd.Series([True, False, None], dtype=object), ["True", False], [True, False]),
        (pd.Series([1, "b"], dtype=object), ["1", "b", 1], [1, "b", 1]),
        (pd.Categorical(["1", "02"]), ["1", "02"], ["1", "02"]),
    ],
)
def test_a_category_is_passed_on_as_the_value_that_was_fitted(fitted, given, expected):
    known = json.loads(json.dumps({"columns": signature.columns_of(pd.DataFrame({"zone": fitted}))}))
    frames = [pd.Series(given, dtype=object), pd.Series(given, dtype=object).astype("category")]
    for column in frames[: 1 + (len(set(map(str, given))) == len(given))]:
        checked = inputs.check_frame(known, pd.DataFrame({"zone": column}))
        assert checked.problems == ()
        assert [(type(v), v) for v in checked.frame.zone.tolist()] == [(type(v), v) for v in expected]
    version = inputs.Checker(tuple(inputs._columns(known, ["zone"], ())), "late@1")
    assert version.records([{"zone": v} for v in given]).frame.zone.tolist() == expected


def test_a_category_that_cannot_be_the_fitted_one_is_refused():
    texts = {"columns": signature.columns_of(pd.DataFrame({"zone": ["1", "2", "3"]}))}
    for column in ([1, 2], pd.Series([1, "2"], dtype=object)[:1], pd.Categorical([1, 2]), [1.0, 2.0]):
        assert {p.code for p in inputs.check_frame(texts, pd.DataFrame({"zone": column})).problems} == {"wrong_type"}
    version = inputs.Checker(tuple(inputs._columns(texts, ["zone"], ())), "late@1")
    assert version.records([{"zone": 1}]).problems[0].message == "zone in row 0 is 1 and should be text"
    months = {"columns": signature.columns_of(pd.DataFrame({"month": pd.Categorical(range(1, 13))}))}
    checked = inputs.check_frame(months, pd.DataFrame({"month": ["1", "May"]}))
    assert [p.message for p in checked.problems] == ["month in row 1 is 'May' and should be a number"]
    checked = inputs.check_frame(months, pd.DataFrame({"month": ["1", "13", None]}))
    assert checked.problems == ()
    assert [n.detail["unknown"] for n in checked.notes] == [{"13": 1}]


def test_a_signature_of_before_with_categories_as_text_is_read():
    old = {"columns": [{"name": "m", "kind": "category", "dtype": "category", "categories": ["1", "2"], "distinct": 2}]}
    for given in ([1, 2], ["1", "2"]):
        checked = inputs.check_frame(old, pd.DataFrame({"m": given}))
        assert (checked.problems, checked.notes, checked.frame.m.tolist()) == ((), (), given)


def test_one_text_of_two_values_tells_neither():
    both = signature.columns_of(pd.DataFrame({"zone": pd.Series([1, "1"], dtype=object)}))
    assert both[0]["holds"] == ""
    checked = inputs.check_frame({"columns": both}, pd.DataFrame({"zone": pd.Series([1, "1"], dtype=object)}))
    assert (checked.problems, checked.frame.zone.tolist()) == ((), [1, "1"])


def test_times_of_different_forms_are_each_read(checker):
    forms = ["2013-12-01", "2013-12-01T06:00:00.5", "20131201T070000+0100", datetime.date(2013, 12, 1)]
    found = checker.records([{**RECORD, "since": form} for form in forms])
    assert found.problems == ()
    assert found.frame.since.dt.hour.tolist() == [0, 6, 6, 0]
    bad = checker.records([{**RECORD, "since": "0001-01-01T00:00:00+14:00"}])
    assert [p.code for p in bad.problems] == ["wrong_type"]


def test_arrow_times_and_categories_that_miss_are_plain_for_the_model(needed):
    needed("pyarrow")
    for dtype in ("timestamp[us][pyarrow]", "timestamp[ns, UTC][pyarrow]"):
        checked = check(good().assign(since=SEEN.since.astype(dtype).where([True, False, True])), True)
        assert (checked.problems, isinstance(checked.frame.since.dtype, np.dtype)) == ((), True)
        assert checked.frame.since.isna().tolist() == [False, True, False]
    checked = check(good().assign(age=pd.Categorical([1, None, 2])), True)
    assert (checked.problems, checked.frame.age.isna().tolist()) == ((), [False, True, False])


def test_an_unknown_value_of_a_private_column_is_counted_and_not_named():
    known = {**KNOWN, "private": ["city"]}
    notes = inputs.check_frame(known, good().assign(city=["Oslo", "Rome", "Oslo"])).notes
    assert [n.detail for n in notes] == [{"rows": 3, "unknown": {}}]
    both = inputs.merged([*notes, *notes])
    assert [n.detail for n in both] == [{"rows": 6, "unknown": {}}]
    assert not any(name in n.message for n in (*notes, *both) for name in ("Oslo", "Rome", ": "))
