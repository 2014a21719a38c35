"""Why a model says what it says: contributions, neighbours, the model as a whole, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.monitoring.explain import explain_row


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
    found = explain_row(late, record)
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
        ({}, Invalid, "needs columns that are not there"),
        ([{"age": 1.0}, 3], Invalid, "A row is int"),
        (7, Invalid, "int is no table"),
        ("0190-none", NotFound, "No prediction '0190-none'"),
        ({"age": "old", "city": "Ulm", "noise": 1.0}, Invalid, "age is category and should be number"),
        ({"age": None, "city": "Ulm", "noise": 1.0}, Invalid, "late@1 cannot answer these rows"),
    ],
)
def test_bad_rows(late, rows, error, message):
    with pytest.raises(error, match=message):
        nb.explain("late", rows)
