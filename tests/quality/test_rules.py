import numpy as np
import pandas as pd
import pytest
import yaml

import nbmlops as nb
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.quality import rules


def flights(n=100):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "carrier": rng.choice(["UA", "DL"], n),
            "distance": rng.uniform(100, 2000, n),
            "left": np.arange(n),
            "arrived": np.arange(n) + 60,
            "late": rng.integers(0, 2, n),
        }
    )


def only(frame, content):
    (finding,) = nb.check(frame, content).findings
    return finding


def column(name, **about):
    return {"columns": {name: about}}


BROKEN = {
    "missing_max": (lambda f: f.assign(distance=f.distance.where(f.index > 0)), column("distance", missing_max=0.0)),
    "range": (lambda f: f.assign(distance=-1.0), column("distance", range={"min": 0, "max": 6000})),
    "set": (lambda f: f.assign(carrier="ZZ"), column("carrier", set=["UA", "DL"])),
    "unique": (lambda f: f.assign(left=1), column("left", unique=True)),
    "dtype": (lambda f: f.assign(distance="far"), column("distance", dtype="numbers")),
    "rows": (lambda f: f.head(3), {"rows": {"min": 10}}),
    "unique rows": (lambda f: pd.concat([f, f.head(1)]), {"unique": ["left", "carrier"]}),
    "compare": (lambda f: f.assign(arrived=f.left - 1), {"compare": ["left < arrived"]}),
    "present": (lambda f: f.drop(columns="late"), column("late", meaning="arrived late")),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_passes_good_data_and_names_what_is_broken(project, rule):
    spoil, content = BROKEN[rule]
    good = nb.check(flights(), content)
    assert {f.outcome for f in good.findings} <= {"passed"}
    finding = only(spoil(flights()), content)
    assert finding.outcome == "issue"
    assert finding.code == rule.split()[0]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("missing_max", "distance: 1 % missing, at most 0 % allowed"),
        ("range", "distance: 100 of 100 values outside 0 to 6000"),
        ("set", "carrier: 100 of 100 values outside the set, such as 'ZZ'"),
        ("rows", "3 rows, at least 10 expected"),
        ("unique rows", "1 of 101 rows with the same left, carrier as an earlier one"),
        ("compare", "100 of 100 rows break left < arrived"),
        ("present", "late is missing"),
    ],
)
def test_messages_say_which_and_how_many(project, rule, message):
    spoil, content = BROKEN[rule]
    assert only(spoil(flights()), content).message == message


@pytest.mark.parametrize(("state", "outcome"), [("accepted", "issue"), ("proposed", "warning"), ("muted", "muted")])
def test_the_state_says_what_a_broken_rule_means(project, state, outcome):
    assert only(flights().assign(distance=-1.0), column("distance", range={"min": 0}, state=state)).outcome == outcome
    assert only(flights(), {"compare": [{"rule": "arrived < left", "state": state}]}).outcome == outcome


def test_a_rule_that_cannot_be_asked_says_so(project):
    assert only(flights(), column("carrier", range={"min": 0})).outcome == "not_applicable"
    assert only(flights(0), column("distance", range={"min": 0})).outcome == "skipped"


@pytest.mark.parametrize("values", [[True, False], [0, 1], [0.0, 1.0], pd.array([1, None], dtype="Int64")])
def test_truth_is_the_same_however_it_is_stored(project, values):
    for allowed in ([0, 1], [True, False]):
        assert only(pd.DataFrame({"late": values}), column("late", set=allowed)).outcome == "passed"


def test_comparisons_with_a_number_and_with_missing_values(project):
    frame = flights().assign(left=lambda f: f.left.astype(float).where(f.index > 0))
    assert only(frame, {"compare": ["left >= 1"]}).outcome == "passed"
    assert only(frame, {"compare": ["left > 1"]}).message == "1 of 100 rows break left > 1"
    assert only(frame, {"compare": ["carrier < left"]}).message == "carrier and left cannot be compared"
    assert only(frame, {"compare": ["gone < left"]}).message == "column gone is missing"


def test_bad_rows_are_those_of_rules_that_count():
    frame = flights(4).assign(distance=[-1.0, 5.0, 6.0, 7.0], carrier=["UA", "ZZ", "DL", "UA"])
    content = {"columns": {"distance": {"range": {"min": 0}}, "carrier": {"set": ["UA", "DL"]}}}
    assert rules.bad_rows(frame, content).tolist() == [True, True, False, False]
    content["columns"]["carrier"]["state"] = "muted"
    assert rules.bad_rows(frame.set_axis(list("abcd")), content).to_dict() == {
        "a": True,
        "b": False,
        "c": False,
        "d": False,
    }


def test_rules_are_found_by_name_path_and_beside_the_notebook(project, monkeypatch):
    content = {"dataset": "flights", "columns": {"carrier": {"set": ["UA", "DL"]}}}
    (project / "rules").mkdir()
    path = project / "rules" / "flights.yaml"
    path.write_text(yaml.safe_dump(content))
    for name in ("flights", "rules/flights.yaml", "flights.yaml", path):
        assert nb.check(flights(), name).subject == "flights"
    inner = project / "deep"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert nb.check(flights(), "flights").verdict == "ok"
    (inner / "rules").mkdir()
    (inner / "rules" / "flights.yaml").write_text(yaml.safe_dump({"rows": {"min": 1000}}))
    assert nb.check(flights(), "flights").verdict == "alert"


def test_unknown_rules_name_the_near_ones(project):
    (project / "rules").mkdir()
    (project / "rules" / "flights.yaml").write_text("rows: {min: 1}")
    with pytest.raises(NotFound, match=r"Known: flights\. Did you mean 'flights'"):
        nb.check(flights(), "fligths")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"colums": {}}, "unknown key 'colums'.*Did you mean 'columns'"),
        (column("a", rnage={"min": 0}), "a has an unknown key 'rnage'.*Did you mean 'range'"),
        (column("a", state="acepted"), "state is 'acepted'. Allowed: accepted, proposed, muted"),
        (column("a", range={"min": "x"}), "range is"),
        (column("a", range={"minimum": 0}), "Write {min: number, max: number}"),
        (column("a", missing_max=20), "a share from 0 to 1"),
        (column("a", set="UA"), "a list of values"),
        (column("a", dtype="float64"), "one of numbers"),
        (column("a", unique="yes"), "true or false"),
        ({"columns": ["a"]}, "columns is"),
        ({"columns": {"a": 3}}, "a is 3"),
        ({"rows": 3}, "rows is 3"),
        ({"compare": ["a b"]}, "compare is 'a b'"),
        ({"unique": "a"}, "unique is 'a'"),
    ],
)
def test_a_typo_is_one_clear_line(project, content, message):
    with pytest.raises(Invalid, match=message):
        nb.check(flights(), content)


@pytest.mark.parametrize("text", ["columns: [", "just words", "", "- a"])
def test_a_file_that_is_no_mapping_is_one_clear_line(project, text):
    (project / "bad.yaml").write_text(text)
    with pytest.raises(Invalid, match=r"bad\.yaml"):
        nb.check(flights(), "bad.yaml")


def test_strict_raises_with_the_rule_and_keeps_the_answer(project):
    from nbmlops.store.runs import results_of
    from nbmlops.tracking import session

    content = {"dataset": "flights", **column("distance", range={"min": 0})}
    with nb.run("nightly") as run, pytest.raises(NotAllowed, match="'flights': distance: 100 of 100 values outside"):
        nb.check(flights().assign(distance=-1.0), content, strict=True)
    assert nb.check(flights(), content, strict=True).verdict == "ok"
    (kept,) = results_of(session.store(), [run.run_id], "check")
    assert kept["data"]["verdict"] == "alert"


def test_the_answer_shows_itself_worst_first(project):
    content = {"columns": {"late": {"set": [0, 1]}, "<b>": {"state": "proposed"}, "distance": {"range": {"max": 1}}}}
    found = nb.check(flights(), content)
    assert repr(found).splitlines()[1].strip().startswith("issue: distance")
    html = found._repr_mimebundle_()["text/html"]
    assert "<b>" not in html
    assert html.index("distance") < html.index("late")
