"""Why a model says what it says: contributions, neighbours, the model as a whole, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound


@pytest.fixture
def late(project, model, train, held_out):
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late", background=train)


def of(found):
    """Return the contributions of the first row by column."""
    return {c["column"]: c["contribution"] for c in found.rows[0]["contributions"]}


def test_contributions_sum_to_the_answer_less_what_is_usual(late, model, held_out):
    found = nb.explain("late", held_out[:3])
    for row, chance in zip(found.rows, model.predict_proba(held_out[:3])[:, 1], strict=True):
        assert row["answer"] == pytest.approx(chance)
        assert sum(c["contribution"] for c in row["contributions"]) == pytest.approx(row["answer"] - row["usual"])
    assert (found.explains, found.unit) == ("the chance of late", "probability")


def test_of_a_linear_model_contributions_are_known(project, people):
    frame = people(300, 1)
    model = LinearRegression().fit(frame[["age", "noise"]], 3 * frame.age + frame.noise)
    found = nb.explain(model, frame[:1], background=frame)
    expected = [3, 1] * (frame[["age", "noise"]].iloc[0] - frame[["age", "noise"]].mean())
    assert of(found) == pytest.approx(expected.to_dict())
    assert found.background == {"rows": 300, "kept": 300}
    assert {c["standard_error"] for c in found.rows[0]["contributions"]} == {0.0}


def test_the_column_that_counts_comes_first_and_in_words(late):
    row = nb.explain("late", {"age": 60, "city": "Ulm", "noise": 0.5}).rows[0]
    assert row["contributions"][0]["column"] == "age"
    assert row["words"][0].startswith("age = 60 raises the chance of late from ")


def test_a_prediction_is_explained_by_its_id(late, held_out):
    said = nb.predict("late", held_out[:5])
    by_id = nb.explain("late", said.prediction_id.iloc[3]).rows[0]
    by_row = nb.explain("late", held_out.iloc[[3]]).rows[0]
    assert by_id["prediction_id"] == said.prediction_id.iloc[3]
    assert by_id["contributions"] == by_row["contributions"]


@pytest.mark.parametrize("door", ["function", "magic", "command"])
@pytest.mark.parametrize("what", ["model", "rows", "id"])
def test_every_door_says_the_same(shell, late, held_out, what, door):
    held_out.to_csv("held_out.csv", index=False)
    read = pd.read_csv("held_out.csv")
    shell.user_ns["held_out"] = read
    one = nb.predict("late", read[:1]).prediction_id.iloc[0]
    asked = {"model": None, "rows": read[:2], "id": one}[what]
    words = {"model": [], "rows": ["--rows", "held_out.csv", "--most", "2"], "id": ["--id", one]}[what]
    if what == "rows":
        asked = read
    expected = nb.explain("late", asked, most=2).to_dict() if what == "rows" else nb.explain("late", asked).to_dict()
    if door == "function":
        found = expected
    elif door == "magic":
        line = {"model": "late", "rows": "late held_out --most 2", "id": f"late {one}"}[what]
        found = shell.run_line_magic("explain", line).to_dict()
    else:
        found = json.loads(CliRunner().invoke(main, ["explain", "late", *words, "--json"]).output)
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(expected))


def test_the_model_as_a_whole(late):
    found = nb.explain("late")
    assert next(iter(found.importance)) == "age"
    assert found.measured_by == "permutation, measured by the evaluation"
    curve = next(c for c in found.dependence if c["column"] == "age")
    means = [p["mean"] for p in curve["points"]]
    assert means == sorted(means)
    assert len(found.sentences) >= 2


def test_without_a_background_rows_are_refused_and_the_model_still_is_told(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "bare")
    with pytest.raises(
        NotFound, match=r"No background was kept of bare@1.*nb\.register\(model, name, background=frame\)"
    ):
        nb.explain("bare", held_out[:1])
    found = nb.explain("bare")
    assert found.importance
    assert found.sentences
    assert "No background was kept" in found.notes[0]


def test_a_service_asks_with_one_record(late, held_out):
    record = {k: v for k, v in held_out.iloc[0].to_dict().items() if k != "late"}
    found = nb.explain(late, [record]).to_dict()
    assert found["rows"][0]["answer"] == pytest.approx(nb.explain("late", held_out[:1]).rows[0]["answer"])
    assert json.loads(json.dumps(found)) == found


def test_nearest_rows_are_those_of_the_background(late, train):
    row = train.iloc[[7]]
    near = nb.explain("late", row).rows[0]["nearest"]
    assert near[0]["distance"] == 0
    assert near[0]["inputs"]["age"] == pytest.approx(row.age.iloc[0])


def test_seeds_are_fixed_and_the_global_generator_is_left_alone(late, held_out):
    before = np.random.get_state()[1].copy()
    one, two = (nb.explain("late", held_out[:1]).to_dict() for _ in range(2))
    assert one == two
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (pd.DataFrame({"age": [1.0]}), Invalid, "late@1 needs columns that are not there: city, noise"),
        (pd.DataFrame({"age": [], "city": [], "noise": []}), Invalid, "There are no rows to explain"),
        ([], Invalid, "There are no rows to explain"),
        ({}, Invalid, "late@1 cannot take these rows: age in row 0 is not there"),
        ([{"age": 1.0}, 3], Invalid, "A row is int"),
        (7, Invalid, "int is no table"),
        ("0190-none", NotFound, "No prediction '0190-none'"),
        ({"age": "old", "city": "Ulm", "noise": 1.0}, Invalid, "age in row 0 is 'old' and should be a number"),
        ({"age": None, "city": "Ulm", "noise": 1.0}, Invalid, "age in row 0 is missing"),
    ],
)
def test_bad_rows(late, rows, error, message):
    with pytest.raises(error, match=message):
        nb.explain("late", rows)


def test_of_rules_the_one_that_fired_is_told_without_any_background(project, held_out):
    rules = nb.rule_model([{"if": "age > 45 and city = Bern", "then": True}, {"else": False}])
    nb.evaluate(rules, held_out, target="late")
    nb.register(rules, "by-rules")
    row = nb.explain("by-rules", {"age": 50.0, "city": "Bern"}).rows[0]
    assert row["rule"] == {"number": 1, "text": "if age > 45 and city = Bern then True"}
    assert row["prediction"] is True
    assert "contributions" not in row
    found = nb.explain("by-rules")
    assert "if age > 45 and city = Bern then True" in found.sentences[0]
    assert "rule 1 fired" in repr(nb.explain("by-rules", {"age": 50.0, "city": "Bern"}))


def late_if_old(frame):
    import numpy as np

    return np.where(frame.age > 40, "late", "on time")


def test_of_a_function_values_are_sampled(project, people):
    frame = people(200, 1)
    model = nb.rule_model(late_if_old, columns=["age", "noise"], classes=["late", "on time"])
    found = nb.explain(model, {"age": 30.0, "noise": 0.1}, background=frame)
    assert (found.explains, found.unit) == ("the share said to be on time", "share")
    assert of(found)["noise"] == 0
    assert of(found)["age"] == pytest.approx(1 - (frame.age <= 40).mean())
    assert "runs the function late_if_old" in nb.explain(model, background=frame).sentences[0]


def test_of_many_classes_the_predicted_one_is_explained(project, people):
    frame = people(300, 1)
    classes = pd.cut(frame.age, [0, 35, 45, 99], labels=["young", "middle", "old"]).astype(str)
    model = LogisticRegression(max_iter=500).fit(frame[["age", "noise"]], classes)
    found = nb.explain(model, frame[["age", "noise"]][:5], background=frame)
    for row in found.rows:
        assert row["explains"] == f"the chance of {row['prediction']}"
        assert row["answer"] == pytest.approx(row["probability"])
    assert len(nb.explain(model, background=frame).dependence) == 2


def test_without_probabilities_the_share_of_answers_is_explained(project, people):
    frame = people(300, 1)
    model = Perceptron().fit(frame[["age", "noise"]], frame.late)
    found = nb.explain(model, frame[["age", "noise"]][:1], background=frame)
    assert found.unit == "share"
    assert found.rows[0]["answer"] == float(model.predict(frame[["age", "noise"]][:1])[0])


def test_many_columns_are_sampled_with_standard_errors(project):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 14)), columns=[f"c{i}" for i in range(14)])
    model = HistGradientBoostingClassifier(max_iter=20).fit(frame, frame.c0 * frame.c1 > 0)
    found = nb.explain(model, frame[:1], background=frame)
    row = found.rows[0]
    assert not row["exact"]
    assert found.background == {"rows": 100, "kept": 200}
    assert sum(of(found).values()) == pytest.approx(row["answer"] - row["usual"])
    assert {row["contributions"][i]["column"] for i in (0, 1)} == {"c0", "c1"}
    assert all(c["standard_error"] > 0 for c in row["contributions"][:2])


@pytest.mark.parametrize(
    ("columns", "rows"), [(1, 1000), (4, 1000), (7, 125), (10, 100), (11, 100), (100, 100), (400, 25)]
)
def test_as_many_background_rows_are_used_as_can_be_asked_quickly(columns, rows):
    from nbmlops.monitoring.explaining.asked import Case
    from nbmlops.monitoring.explaining.reasons import drawn

    case = Case("m", None, None, (), "regression", "", (), background=pd.DataFrame({"a": range(1000)}))
    found = drawn(case, columns, 0)
    assert len(found) == rows
    assert found.a.is_monotonic_increasing


@pytest.fixture
def private(project, fit, train, held_out):
    """A model whose column age is private, and what it said."""
    (project / "charter.yaml").write_text("private: [age]\n")
    columns = ["age", "city", "noise"]
    coded = make_column_transformer((OrdinalEncoder(), ["city"]), remainder="passthrough")
    model = make_pipeline(coded, HistGradientBoostingClassifier(max_iter=20)).fit(train[columns], train.late)
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "private", background=train)
    return nb.predict("private", held_out[:3].assign(age=77.125))


def test_what_is_private_is_held_and_never_shown(private, held_out):
    found = nb.explain("private", held_out[:1].assign(age=77.125))
    assert [c["column"] for c in found.rows[0]["contributions"]] != []
    assert "age" not in of(found)
    assert found.rows[0]["inputs"]["age"] == "masked"
    shown = json.dumps(found.to_dict()) + repr(found) + found._repr_mimebundle_()["text/html"]
    assert "77.1" not in shown
    assert "private, so not shown, and held as the row has it: age" in found.notes
    assert nb.explain("private").importance.keys() == {"age", "city", "noise"}
    assert {c["column"] for c in nb.explain("private").dependence} == {"city", "noise"}


def test_a_prediction_of_which_the_private_part_was_not_recorded(private):
    row = nb.explain("private", private.prediction_id.iloc[0]).rows[0]
    assert row["inputs"]["age"] == "masked"
    assert any("without age, which is private, it says" in note for note in row["notes"])


@pytest.fixture
def no_gaps(project, train, held_out):
    """A model that takes no missing value, and whose column age is private."""
    (project / "charter.yaml").write_text("private: [age]\n")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[["age", "noise"]], train.late)
    nb.register(model, "late", background=train)
    return model


def test_rows_most_like_one_are_asked_with_its_private_values(no_gaps, held_out):
    row = nb.explain("late", held_out[:1]).rows[0]
    for near in row["nearest"]:
        asked = pd.DataFrame({"age": held_out.age.iloc[:1].to_numpy(), "noise": near["inputs"]["noise"]})
        assert near["inputs"]["age"] == "masked"
        assert near["probability"] == pytest.approx(no_gaps.predict_proba(asked)[0, 1])


def test_a_model_that_takes_no_gaps_is_told_of_without_curves(no_gaps):
    found = nb.explain("late")
    assert (found.importance, found.dependence) == ({}, ())
    note = "late@1 cannot answer its background without age, which is private: no curves are drawn"
    assert note in found.notes
    assert found.sentences
    assert found.background == {"rows": 0, "kept": 500}


def test_a_number_that_is_another_without_what_is_private_is_told(project, people):
    frame = people(300, 1)
    model = HistGradientBoostingRegressor(max_iter=20).fit(frame[["age", "noise"]], 3 * frame.age)
    nb.register(model, "n", background=frame)
    (project / "charter.yaml").write_text("private: [age]\n")
    said = nb.predict("n", frame[:1])
    found = nb.explain("n", said.prediction_id[0])
    (note,) = found.rows[0]["notes"]
    now = model.predict(frame[:1][["age", "noise"]].assign(age=np.nan))[0]
    assert note == f"it said {said.prediction[0]:.4g} then; without age, which is private, it says {now:.4g}"
    assert "private, not recorded, so missing: age" in found.notes
    assert not any("held as the row has it" in note for note in found.notes)


def test_what_is_missing_and_what_is_unknown(project, people):
    frame = people(300, 1)
    coded = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((coded, ["city"]), remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20)).fit(frame[["age", "city"]], frame.late)
    row = nb.explain(model, {"age": None, "city": "Rome"}, background=frame).rows[0]
    assert row["notes"] == ["city = Rome is none of the 2 values known of it: it counts as -1"]
    assert row["inputs"] == {"age": None, "city": "Rome"}
    assert any(c["words"].startswith("age = missing ") for c in row["contributions"])


def test_an_unknown_category_that_the_model_refuses_is_said_in_its_words(late):
    with pytest.raises(Invalid, match=r"late@1 cannot answer these rows \(ValueError: Found unknown categories"):
        nb.explain("late", {"age": 40.0, "city": "Rome", "noise": 0.5})


class Picky(BaseEstimator):
    """Knows pairs it has seen, and nothing else."""

    def fit(self, rows, truth):
        self.feature_names_in_ = np.array(rows.columns, dtype=object)
        self.pairs_ = set(map(tuple, rows.to_numpy().tolist()))
        return self

    def predict(self, rows):
        if strange := set(map(tuple, rows.to_numpy().tolist())) - self.pairs_:
            raise ValueError(f"{len(strange)} pairs nobody knows")
        return rows.to_numpy()[:, 0] * 1.0


def test_a_model_that_cannot_answer_mixed_rows_says_so(project):
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [1, 2, 3]})
    with pytest.raises(
        Invalid, match=r"cannot answer this row mixed with rows of its background \(ValueError: .* nobody knows"
    ):
        nb.explain(Picky().fit(frame, [1, 2, 3]), frame[:1], background=frame)


def test_of_many_rows_the_first_are_explained_and_the_rest_is_counted(late, people):
    found = nb.explain("late", people(10_000, 4), most=2)
    assert (len(found.rows), found.left_out) == (2, 9_998)
    assert "9,998 of 10,000 rows are not explained: most=2" in found.notes


def test_an_alias_that_moved_explains_the_version_that_said_it(late, fit, held_out, train):
    nb.promote("late", 1, to="champion", reason="the first")
    one = nb.predict("late@champion", held_out[:1]).prediction_id.iloc[0]
    newer = fit("age", "city", "noise", rows=train[:200])
    nb.register(newer, "late", nb.evaluate(newer, held_out, target="late"), background=train)
    nb.promote("late", 2, to="champion", reason="newer")
    found = nb.explain("late@champion", one)
    assert found.model == "late@1"
    assert found.notes[0] == "late@1 made this prediction and is explained; late@champion is late@2 by now"


def test_a_prediction_of_another_model_is_refused(late, model, train, held_out):
    nb.register(model, "other", background=train)
    one = nb.predict("other", held_out[:1]).prediction_id.iloc[0]
    with pytest.raises(Invalid, match=r"was made by other@1, not by late@1\. Explain other@1"):
        nb.explain("late", one)


def test_a_prediction_whose_inputs_are_not_kept(project, late, held_out):
    from nbmlops.tracking import session

    (project / "nbmlops.toml").write_text("[predictions]\ninputs = false\n")
    session.reset()
    one = nb.predict("late", held_out[:1]).prediction_id.iloc[0]
    with pytest.raises(NotFound, match=r"was made of is not kept\. Pass the row itself"):
        nb.explain("late", one)


def test_an_estimator_needs_rows_to_be_explained_against(project, model, train, held_out):
    with pytest.raises(Invalid, match="is explained against rows, and none are given"):
        nb.explain(model, held_out[:1])
    with pytest.raises(Invalid, match="The background has no rows"):
        nb.explain(model, held_out[:1], background=train[:0])
    with pytest.raises(Invalid, match=r"The background of Pipeline\(.*needs columns that are not there: noise"):
        nb.explain(model, held_out[:1], background=train.drop(columns="noise"))
    with pytest.raises(Invalid, match="most is 0"):
        nb.explain(model, held_out[:1], background=train, most=0)
    with pytest.raises(NotFound, match="No model 'nobody'"):
        nb.explain("nobody")
    with pytest.raises(Invalid, match="is not fitted"):
        nb.explain(LogisticRegression(), held_out[:1], background=train)


def test_columns_of_every_kind_are_mixed(project, people):
    frame = people(200, 1)
    frame = frame.assign(
        city=frame.city.astype("category"),
        when=pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(200), unit="D"),
        home=frame.noise > 0.5,
        visits=pd.array([1, None] * 100, dtype="Int64"),
    )

    class Mixed(BaseEstimator):
        def fit(self, rows, truth):
            self.feature_names_in_ = np.array(rows.columns, dtype=object)
            return self

        def predict(self, rows):
            days = (rows.when - pd.Timestamp("2013-01-01")).dt.days
            return days + 10.0 * rows.home + 100.0 * (rows.city == "Ulm") + 1000.0 * rows.visits.isna()

    names = ["city", "when", "home", "visits"]
    model = Mixed().fit(frame[names], frame.late)
    row = {"city": "Ulm", "when": "2013-01-11T00:00:00", "home": True, "visits": None}
    found = of(nb.explain(model, row, background=frame))
    assert found["when"] == pytest.approx(10 - 99.5)
    assert found["home"] == pytest.approx(10 * (1 - frame.home.mean()))
    assert found["city"] == pytest.approx(100 * (1 - (frame.city == "Ulm").mean()))
    assert found["visits"] == pytest.approx(500)
    curves = {c["column"]: c["points"] for c in nb.explain(model, background=frame).dependence}
    assert len(curves["when"]) > 5
    assert {p["value"] for p in curves["home"]} == {True, False}


def test_the_view_escapes_and_stays_small(late, held_out):
    found = nb.explain("late", held_out[:5])
    shown = found._repr_mimebundle_()
    assert "<script" not in shown["text/html"]
    assert len(shown["text/html"]) < 100_000
    data = found.to_dict()
    data["rows"][0]["inputs"]["city"] = "<script>alert(1)</script>"
    data["notes"] = ["<b>x</b>"]
    from nbmlops.widgets import mimebundle

    html = mimebundle("explanation", data)["text/html"]
    assert "<script" not in html
    assert "&lt;b&gt;x" in html
    assert "raises the chance of late" in html
    assert "What moves an answer is a property of the model" in shown["text/plain"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("late nowhere.csv", "nowhere.csv cannot be read"),
        ("nobody", "No model 'nobody'"),
        ("late held_out --background gone", "No variable 'gone'"),
        ("late held_out[:", "No prediction"),
        ("late held_out.loc[1:2,'age']", "fails|cannot take|are not there|no table"),
        ("late held_out --most none", "invalid int value"),
        ("", "required: MODEL"),
    ],
)
def test_the_magic_refuses_in_one_line(shell, late, held_out, line, message):
    shell.user_ns["held_out"] = held_out
    with pytest.raises((Invalid, NotFound), match=message):
        shell.run_line_magic("explain", line)


def test_the_magic_takes_part_of_a_variable(shell, late, held_out):
    shell.user_ns["held_out"] = held_out
    found = shell.run_line_magic("explain", "late held_out[3:5]")
    assert [row["row"] for row in found.rows] == [3, 4]


def test_the_command_refuses_with_the_code_for_it(late, held_out):
    held_out[["age"]].to_csv("narrow.csv", index=False)
    for words, code in ((["--rows", "narrow.csv"], 2), (["--rows", "gone.csv"], 5), (["--id", "x"], 5)):
        result = CliRunner().invoke(main, ["explain", "late", *words])
        assert (result.exit_code, result.output.count("\n")) == (code, 1), result.output
    both = CliRunner().invoke(main, ["explain", "late", "--rows", "narrow.csv", "--id", "x"])
    assert both.exit_code == 2


def test_models_are_completed(shell, late):
    from nbmlops.magics.complete import offers

    assert "late" in offers("%explain ", shell.user_ns)
