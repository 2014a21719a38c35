"""Rules are a model like any other: they answer, are judged, registered, gated and watched; they can run nothing."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_score

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound, UntrustedContent
from nbmlops.registry import files
from nbmlops.registry.subject import content_key

OLD = [
    {"if": "age > 60 and city = Bern", "then": {True: 0.9}},
    {"if": "age > 45", "then": {True: 0.6}},
    {"else": {True: 0.2}},
]


@pytest.fixture
def rules():
    return nb.rule_model(OLD)


def by_hand(frame):
    return np.select([(frame.age > 60) & (frame.city == "Bern"), frame.age > 45], [0.9, 0.6], 0.2)


def answers(rules, **columns):
    return nb.rule_model(rules).predict(pd.DataFrame(columns)).tolist()


def when(condition, **columns):
    return answers([{"if": condition, "then": True}, {"else": False}], **columns)


def test_the_first_rule_that_is_true_says_the_answer(rules, held_out):
    assert rules.predict_proba(held_out)[:, 1] == pytest.approx(by_hand(held_out))
    assert (rules.predict(held_out) == (by_hand(held_out) > 0.5)).all()
    assert (rules.fired(held_out) == np.select([by_hand(held_out) == 0.9, by_hand(held_out) == 0.6], [1, 2], 3)).all()


def test_missing_values_make_a_condition_unknown_also_under_not():
    assert when("not (x > 1)", x=[2, 1, None]) == [False, True, False]
    assert when("x > 1 or y = a", x=[None, None], y=["a", None]) == [True, False]
    assert when("x is missing", x=[1, None]) == [False, True]


def test_every_kind_of_column_is_compared():
    times = pd.to_datetime(["2013-01-31", "2013-02-01", None])
    assert when("t >= 2013-02", t=times) == [False, True, False]
    assert when("t < 2013-02-01", t=times.tz_localize("UTC")) == [True, False, False]
    assert when("t > 60", t=pd.to_timedelta([1, 90], unit="s")) == [False, True]
    assert when("c in (a, 'b c')", c=pd.Categorical(["a", "b c", "d", None])) == [True, True, False, False]
    assert when("c > 2", c=pd.Categorical([1, 3, 2])) == [False, True, False]
    assert when("b = true", b=[True, False]) == [True, False]
    assert when("b = true", b=pd.array([True, None], dtype="boolean")) == [True, False]
    assert when("n >= 2", n=pd.array([1, 2, None], dtype="Int64")) == [False, True, False]
    assert when("m = 2", m=[2, "x", None]) == [True, False, False]
    assert when('`home port` like "zü%"', **{"home port": ["Zürich", "Bern"]}) == [True, False]


def test_equal_texts_of_different_kinds_are_equal():
    days = [pd.Timestamp("2013-01-02").date(), "2013-01-02", "other", None]
    assert when("d = 2013-01-02", d=days) == [True, True, False, False]
    assert when("d != '2013-01-02'", d=days) == [False, False, True, False]


def test_true_is_one_where_a_table_says_so():
    assert when("b = true", b=[1, 0, None]) == [True, False, False]
    assert when("b = 1", b=[True, False]) == [True, False]
    assert when("b in (true) and b >= 0", b=pd.array([True, None], dtype="boolean")) == [False, False]
    assert when("b = true", b=[1, 2]) == [False, False]


def test_arrow_columns_are_compared_like_others(needed):
    pa = needed("pyarrow")

    def column(kind, *values):
        return pd.array(list(values), dtype=pd.ArrowDtype(kind))

    assert when("x > 1", x=column(pa.int64(), 1, 2, None)) == [False, True, False]
    assert when("b = true", b=column(pa.bool_(), True, None)) == [True, False]
    assert when("s = a", s=column(pa.string(), "a", None)) == [True, False]
    times = column(pa.timestamp("us"), pd.Timestamp("2013-01-02"), None)
    assert when("t = 2013-01-02", t=times) == [True, False]
    assert when("d >= 2013-01-02", d=column(pa.date32(), pd.Timestamp("2013-01-02").date(), None)) == [True, False]


def test_values_are_classes_numbers_or_probabilities():
    rules = nb.rule_model([{"if": "x > 1", "then": 2.5}, {"else": 1}])
    assert rules.predict(pd.DataFrame({"x": [0, 2]})).tolist() == [1.0, 2.5]
    assert not hasattr(rules, "classes_")
    assert not hasattr(rules, "predict_proba")
    named = nb.rule_model([{"if": "x > 1", "then": "b"}, {"else": "a"}], classes=["c", "b", "a"])
    assert named.classes_.tolist() == ["a", "b", "c"]
    assert not hasattr(named, "predict_proba")
    mixed = nb.rule_model([{"if": "x > 1", "then": "late"}, {"else": {"late": 0.25}}], classes=["late", "on time"])
    assert mixed.predict_proba(pd.DataFrame({"x": [0, 2]})).tolist() == [[0.25, 0.75], [1.0, 0.0]]
    coded = nb.rule_model([{"if": "x > 1", "then": {1: 0.7}}, {"else": 0}])
    assert coded.classes_.tolist() == [0, 1]


def test_yaml_text_file_and_content_are_the_same_model(rules, tmp_path, held_out):
    path = tmp_path / "late.yaml"
    path.write_text("# the desk's own\n" + rules.to_yaml())
    for again in (nb.rule_model(path), nb.rule_model(str(path)), nb.rule_model(rules.to_yaml()), clone(rules)):
        assert again.rules == rules.rules
        assert content_key(again) == content_key(rules)
    more = nb.rule_model(OLD, columns=["noise", "city", "age"], classes=[True, False])
    again = nb.rule_model(more.to_yaml())
    assert list(again.feature_names_in_) == ["noise", "city", "age"]
    assert again.predict(held_out).tolist() == more.predict(held_out).tolist()


def test_scikit_learn_takes_rules_for_what_they_are(rules, held_out):
    proba = by_hand(held_out)
    parts = cross_val_score(rules, held_out, held_out.late, scoring="roc_auc", cv=KFold(2))
    assert parts == pytest.approx([roc_auc_score(held_out.late[p], proba[p]) for p in (slice(0, 200), slice(200, 400))])
    assert is_classifier(rules)
    assert is_regressor(nb.rule_model([{"if": "age > 45", "then": 2}, {"else": 1.5}]))


def test_the_rules_say_themselves_in_words(rules):
    assert rules.text(1) == "if age > 60 and city = Bern then True with probability 0.9"
    assert repr(rules).splitlines()[:2] == ["rules (3)", f"   1  {rules.text(1)}"]
    shown = rules._repr_mimebundle_()
    assert "age &gt; 60 and city = Bern" in shown["text/html"]
    assert shown["application/vnd.nbmlops.rule_model.v1+json"]["columns"] == ["age", "city"]
    with pytest.raises(NotFound, match="No rule 4"):
        rules.text(4)


ELSE = {"else": "b"}
THEN = {"then": "a"}


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("a: [1", "No file of rules"),
        ("- if: [1\n", "not valid YAML"),
        ("- {if: x > 1, then: a\n- b", "not valid YAML"),
        ("- if: x > 1\n  then: a\n  if: y > 1\n- else: b", "stands twice in the rule of line 1"),
        ("just words\n", "no list of rules"),
        ("- " * 5000 + "\n", "not valid YAML"),
        ([], "no list of rules"),
        (7, "no list of rules"),
        ({"rulez": []}, "'rulez' is not understood"),
        ([{"if": "x > 1", **THEN}], "no else"),
        ([ELSE, {"if": "x > 1", **THEN}], "rule 1 is the else, and rule 2 stands after it"),
        ([{"if": "x > 1"}, ELSE], "Rule 1 has if"),
        ([{"if": "x > 1", **THEN, "else": "b"}], "Rule 1 has"),
        ([{"if": True, **THEN}, ELSE], "condition of rule 1 is 'True'"),
        ([{"if": "x >> 1", **THEN}, ELSE], "Rule 1: The query 'x >> 1' cannot be read"),
        ([{"if": "x ~ 1", **THEN}, ELSE], "Rule 1: .*~ 1' is not understood"),
        ([{"if": "x + y > 1", **THEN}, ELSE], "Rule 1: "),
        ([{"if": "__import__('os').system('touch marker')", **THEN}, ELSE], "is not understood"),
        ([{"if": "x > system('ls')", **THEN}, ELSE], "is one too many"),
        ([{"if": "abs(x) > 1", **THEN}, ELSE], "is no comparison"),
        ([{"if": "x > (lambda: 1)()", **THEN}, ELSE], "is not understood"),
        ([{"if": "(" * 200 + "x > 1" + ")" * 200, **THEN}, ELSE], "inside each other"),
        ([{"if": "x > y", **THEN}, {"if": "y > 1", **THEN}, ELSE], "Rule 1 compares x with y, which is a column"),
        ("- &a [x]\n- *a\n", "line 2 points to another part"),
        ("- else: " + "x" * 400_000 + "\n", "over 300,000 characters"),
        ([{"if": "x > 1", "then": 3}, ELSE], "values of different kinds: '3' .number., 'b' .text."),
        ([{"if": "x > 1", "then": None}, ELSE], "Rule 1 says 'None'"),
        ([{"if": "x > 1", "then": float("nan")}, {"else": 1}], "Rule 1 says 'nan'"),
        ([{"if": "x > 1", "then": [1]}, ELSE], "Rule 1 says"),
        ([{"if": "x > 1", "then": {"a": 1.2}}, ELSE], "probabilities of rule 1"),
        ([{"if": "x > 1", "then": {"a": 0.7, "b": 0.7}}, ELSE], "probabilities of rule 1"),
        ([{"if": "x > 1", "then": {"a": 0.7}}, {"if": "x > 0", "then": "c"}, ELSE], "rule 1 sum to 0.7, of 3 classes"),
        ([{"if": "x > 1", "then": {"a": 0.7}}, {"else": "a"}], "one class only"),
    ],
)
def test_what_is_no_model_is_one_clear_line(rules, says, project):
    with pytest.raises((Invalid, NotFound), match=says) as error:
        nb.rule_model(rules)
    assert "\n" not in str(error.value)
    assert not (project / "marker").exists()


def test_columns_that_are_not_there_are_named_at_once(rules, held_out):
    with pytest.raises(Invalid, match="columns that are not there: age, city"):
        rules.predict(held_out[["noise"]])
    with pytest.raises(NotFound, match="Rule 1: no column 'city'"):
        nb.rule_model(OLD, columns=["age"])
    with pytest.raises(Invalid, match="is no date"):
        nb.rule_model([{"if": "t > soon", "then": 1}, {"else": 0}]).predict(
            pd.DataFrame({"t": pd.to_datetime(["2013"])})
        )


def test_rules_are_evaluated_and_registered_as_text(project, rules, held_out):
    found = nb.evaluate(rules, held_out, target="late")
    assert found.estimator == "rules (3)"
    assert found.metrics["brier"]["value"] == pytest.approx(np.mean((by_hand(held_out) - held_out.late) ** 2))
    assert next(iter(found.importance)) == "age"
    version = nb.register(rules, "late-rules")
    assert version.format == "rules"
    assert version.estimator == "rules (3)"
    assert version.metrics == found.to_dict()["metrics"]
    assert [c["name"] for c in version.signature["columns"]] == ["age", "city"]
    assert nb.models().estimator.tolist() == ["rules (3)"]
    again = nb.load_model("late-rules@1")
    assert again.rules == rules.rules
    assert nb.evaluate("late-rules@1", held_out).metrics == found.metrics


def test_rules_predict_are_promoted_and_rolled_back(project, rules, held_out):
    nb.evaluate(rules, held_out, target="late")
    nb.register(rules, "late-rules")
    said = nb.predict("late-rules@1", held_out)
    assert said.probability.tolist() == pytest.approx(by_hand(held_out))
    nb.feedback(said[["prediction_id"]].assign(outcome=held_out.late))
    assert nb.performance("late-rules").known == len(held_out)
    assert nb.promote("late-rules", 1, to="champion", reason="the desk's own").aliases == ("champion",)


def test_rules_stand_against_a_fitted_model_in_the_gate(project, rules, model, people):
    later = people(2000, 5)
    nb.register(model, "late")
    nb.register(rules, "late-rules")
    found = nb.gate("late@1", "late-rules@1", on=later, target="late")
    assert found.metric == "roc_auc"
    assert found.verdict == "better"
    assert nb.gate(rules, "late-rules@1", on=later, target="late").difference == 0


def test_drift_is_told_against_rules(project, rules, people):
    held_out = people(3000, 2)
    nb.evaluate(rules, held_out, target="late")
    nb.register(rules, "late-rules")
    same, moved = people(3000, 7), people(3000, 8)
    assert nb.drift(same, "late-rules@1").verdict == "ok"
    told = nb.drift(moved.assign(age=moved.age + 40), "late-rules@1")
    assert told.verdict == "alert"
    assert "prediction" in json.dumps(told.to_dict())


def test_a_damaged_file_of_rules_is_refused(rules):
    data = files.write(rules).data
    for broken in (b"", data[:20], b"\xff\xfe", b"!!python/object/apply:os.system ['touch marker']"):
        with pytest.raises((UntrustedContent, Invalid)):
            files.load(broken, [], "late-rules@1", files.RULES)


def test_rules_that_never_fire_are_told_and_why(project, held_out):
    rules = nb.rule_model(
        [
            {"if": "age > 40", "then": {True: 0.7}},
            {"if": "age > 50", "then": {True: 0.9}},
            {"if": "city = bern", "then": {True: 0.5}},
            {"if": "age > noise", "then": {True: 0.5}},
            {"else": {True: 0.2}},
        ]
    )
    found = {f.code: f for f in nb.evaluate(rules, held_out, target="late").findings}["rule-never-fires"]
    assert found.outcome == "warning"
    taken = (held_out.age > 50).sum()
    assert f"rule 2 (true of {taken}, all taken by rules above); rule 3 (true of none)" in found.message
    assert "rule 4 (true of none; age is compared with the word noise, not with the column" in found.message
    assert sum(found.detail["fired"]) == len(held_out)
    good = nb.evaluate(nb.rule_model(OLD), held_out, target="late")
    assert [f.outcome for f in good.findings if f.code == "rule-never-fires"] == ["passed"]


def told(door, shell):
    """Evaluate, compare and watch registered rules through one of three doors."""
    frame = shell.user_ns["held_out"]
    if door == "function":
        found = (
            nb.evaluate("late-rules@1", frame, by=["city"]),
            nb.gate("late@1", "late-rules@1", on=frame, target="late"),
            nb.drift(frame, "late-rules@1"),
        )
        return [f.to_dict() for f in found]
    if door == "magic":
        lines = (
            ("evaluate", "late-rules@1 held_out --by city"),
            ("gate", "late@1 late-rules@1 --on held_out --target late"),
            ("drift", "held_out --against late-rules@1"),
        )
        return [shell.run_line_magic(*line).to_dict() for line in lines]
    lines = (
        ("evaluate", "late-rules@1", "held_out.parquet", "--by", "city"),
        ("gate", "late@1", "late-rules@1", "--on", "held_out.parquet", "--target", "late"),
        ("drift", "held_out.parquet", "--model", "late-rules@1"),
    )
    return [json.loads(CliRunner().invoke(main, [*line, "--json"], catch_exceptions=False).output) for line in lines]


def test_function_magic_and_command_say_the_same_of_rules(shell, rules, model, held_out):
    shell.user_ns.update(rules=rules, held_out=held_out)
    held_out.to_parquet("held_out.parquet")
    nb.register(model, "late")
    by_magic = shell.run_line_magic("evaluate", "rules held_out --target late").to_dict()
    assert by_magic == nb.evaluate(rules, held_out, target="late").to_dict()
    assert shell.run_line_magic("register", "rules late-rules").ref == "late-rules@1"
    doors = [plainly(told(door, shell)) for door in ("function", "magic", "command")]
    assert doors[0] == doors[1] == doors[2]


def plainly(found):
    """Return results without what says when, how often and after what they were asked for."""
    drop = ("at", "result_id", "run_id", "comparisons", "by", "created_at")

    def clean(value):
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items() if k not in drop}
        if isinstance(value, list):
            return [
                clean(v) for v in value if not (isinstance(v, dict) and v.get("code") in ("reuse", "latency", "drift"))
            ]
        return value

    return clean(json.loads(json.dumps(found)))


def test_rules_and_functions_written_in_a_notebook_are_models_there(shell, held_out):
    shell.user_ns.update(held_out=held_out)
    cells = (
        "%%track desk\nimport nbmlops as nb\n"
        "rules = nb.rule_model([{'if': 'age > 45', 'then': True}, {'else': False}])\n"
        "found = nb.evaluate(rules, held_out, target='late')",
        "%register rules late-rules",
        "def old(frame):\n    return frame.age > 45\n",
        "same = nb.rule_model(old, columns=['age'])",
        "%evaluate same held_out --target late",
        "%register same late-function",
    )
    for cell in cells:
        shell.run_cell(cell).raise_error()
    run = nb.get_run("desk")
    assert run.metrics["accuracy"] == shell.user_ns["found"].metrics["accuracy"]["value"]
    assert nb.model_version("late-rules").run_id == run.run_id
    both = nb.models().set_index("name")
    assert both.estimator.to_dict() == {"late-rules": "rules (2)", "late-function": "function old"}
    assert both["metrics.accuracy"].nunique() == 1


def test_nothing_but_0_and_1_are_classes_and_other_numbers_a_regression():
    assert nb.rule_model([{"if": "x > 0", "then": 1}, {"else": 0}]).classes_.tolist() == [0, 1]
    assert not hasattr(nb.rule_model([{"if": "x > 0", "then": 2}, {"else": 0}]), "classes_")
