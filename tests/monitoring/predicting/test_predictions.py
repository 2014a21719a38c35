"""Every prediction has an id its outcome can come back to; what comes back twice counts once."""

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

import nbmlops as nb
from nbmlops.errors import Invalid, NotFound
from nbmlops.monitoring.performance import same
from nbmlops.monitoring.predicting import blocks
from nbmlops.monitoring.predicting.recorded import predicted
from nbmlops.tracking import session


@pytest.fixture
def late(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late")


@pytest.fixture
def said(late, people):
    """Predictions of two batches and what came true."""
    frame = people(300, 9)
    parts = [nb.predict("late", frame[:100], batch="a"), nb.predict("late", frame[100:], batch="b")]
    found = pd.concat(parts)
    return found.assign(outcome=frame.late, city=frame.city)


def test_ids_are_many_and_the_index_is_the_frames(late, held_out):
    frame = held_out.set_index(held_out.index + 1000)
    found = nb.predict("late", frame)
    assert found.prediction_id.is_unique
    assert (found.index == frame.index).all()
    assert (found.prediction == (found.probability >= 0.5)).all()


def test_a_prediction_is_found_by_its_id_with_what_it_was_made_of(said):
    row = said.iloc[0]
    found = nb.prediction(row.prediction_id)
    assert (found["model"], found["version"], found["batch"]) == ("late", 1, "a")
    assert found["probability"] == pytest.approx(row.probability)
    assert found["inputs"]["city"] == row.city
    assert found["caller"]
    assert found["latency_s"] > 0


def test_a_private_column_is_not_written(project, late, held_out):
    (project / "charter.yaml").write_text("private: [city]\n")
    found = nb.predict("late", held_out[:5].assign(city="Ulm", age=4321.125))
    written = b"".join(p.read_bytes() for p in (session.project().home / "journal").iterdir())
    assert b"4321.125" in written
    assert b"Ulm" not in written
    assert set(nb.prediction(found.prediction_id.iloc[4])["inputs"]) == {"age", "noise"}


def test_feedback_twice_counts_once(said):
    first, again = (nb.feedback(said[["prediction_id", "outcome"]]) for _ in range(2))
    assert (first.new, first.duplicates) == (300, 0)
    assert (again.new, again.duplicates) == (0, 300)
    assert len(nb.prediction(said.prediction_id.iloc[0])["feedback"]) == 1


def test_a_changed_outcome_is_appended_and_the_newest_counts(said):
    nb.feedback(said)
    one = said[:1].assign(outcome=lambda f: ~f.outcome)
    assert nb.feedback(one).changed == 1
    kept = nb.prediction(one.prediction_id.iloc[0])["feedback"]
    assert [f["outcome"] for f in kept] == [not one.outcome.iloc[0], one.outcome.iloc[0]]


def test_two_sources_may_disagree(said):
    one = said[:1]
    nb.feedback(one, source="system")
    assert nb.feedback(one, source="expert").new == 1


def test_unknown_ids_are_counted_named_and_kept(said):
    stranger = pd.DataFrame({"prediction_id": ["not-there"], "outcome": [True]})
    received = nb.feedback(stranger)
    assert (received.unknown, received.unknown_ids) == (1, ("not-there",))
    assert nb.feedback(stranger).duplicates == 1


def test_a_repeat_inside_one_frame_counts_once(said):
    twice = pd.concat([said[:5], said[:5]])
    assert nb.feedback(twice).duplicates == 5


def test_performance_is_that_of_the_rows_whose_outcome_is_known(said):
    nb.feedback(said[:200])
    found = nb.performance("late")
    assert (found.predictions, found.known) == (300, 200)
    assert found.coverage == pytest.approx(2 / 3)
    known = said[:200]
    assert found.metrics["roc_auc"]["value"] == pytest.approx(roc_auc_score(known.outcome, known.probability))
    assert found.metrics["predicted_share"]["value"] == pytest.approx(known.probability.mean())


def test_performance_of_one_batch(said):
    nb.feedback(said)
    assert nb.performance("late", batch="a").known == 100
    assert nb.performance("late@1", batch="b").known == 200


def test_performance_says_what_is_broken(said, project):
    (project / "charter.yaml").write_text(
        "metrics: [{name: roc_auc, at_least: 0.99}, {name: late_share_gap, at_most: 0.9}]"
    )
    nb.feedback(said)
    found = nb.performance("late")
    assert found.broken == ("roc_auc",)
    assert [f.detail["word"] for f in found.findings] == ["broken", "shown"]


def test_without_outcomes_it_says_so(said):
    found = nb.performance("late")
    assert found.metrics == {}
    assert "no outcome has come back yet" in repr(found)


def test_outcomes_read_from_text_mean_the_same(said):
    nb.feedback(said.assign(outcome=said.outcome.map({True: "1", False: "0"})))
    assert nb.performance("late").known == 300


def test_outcomes_that_are_no_class_are_named(said):
    nb.feedback(said.assign(outcome="perhaps"))
    with pytest.raises(Invalid, match="hold perhaps, which is none of its classes"):
        nb.performance("late")


def test_numbers(project, people):
    frame = people(200, 1)
    model = LinearRegression().fit(frame[["age"]], frame.age * 2)
    nb.register(model, "double")
    said = nb.predict("double", frame)
    assert said.probability.isna().all()
    nb.feedback(said.assign(outcome=frame.age * 2))
    assert nb.performance("double").metrics["mae"]["value"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"outcome": [1]}), "without a column 'prediction_id'"),
        (pd.DataFrame({"prediction_id": ["a"]}), "without a column 'outcome'"),
        (pd.DataFrame({"prediction_id": ["a"], "outcome": [None]}), "1 rows of feedback miss"),
        ([1, 2], "list is no table"),
    ],
)
def test_bad_feedback(project, frame, message):
    with pytest.raises(Invalid, match=message):
        nb.feedback(frame)


def test_unknown_things_are_named(said):
    with pytest.raises(NotFound, match=r"No batch of predictions of late 'c' in this project\. Known: a, b"):
        nb.performance("late", batch="c")
    with pytest.raises(NotFound, match="No prediction 'x'"):
        nb.prediction("x")
    with pytest.raises(NotFound, match="Did you mean 'late'"):
        nb.predict("lat", said)


def test_a_model_that_predicted_nothing(late):
    with pytest.raises(NotFound, match="has made no predictions"):
        nb.performance("late")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(True, 1, True), ("True", 1.0, True), ("a", "a", True), (1, 2, False), ("a", "b", False)],
)
def test_same(one, other, expected):
    assert same(one, other) is expected


def test_what_was_said_one_by_one_is_read_back_with_what_was_said_at_once(late, people):
    frame = people(60, 4)
    parts = [nb.predict("late", frame[:2]), nb.predict("late", frame[2:3]), nb.predict("late", frame[3:])]
    made = pd.concat(parts, ignore_index=True)
    nb.feedback(made[:3].assign(outcome=True))
    found = predicted("late", inputs=True)
    assert found.said["prediction_id"].tolist() == made["prediction_id"].tolist()
    assert found.said["probability"].tolist() == made["probability"].tolist()
    assert found.said["outcome"].tolist() == [True] * 3 + [None] * 57
    pd.testing.assert_frame_equal(found.inputs, frame[found.inputs.columns], check_dtype=False)


def test_a_block_is_read_back_as_it_was():
    inputs = pd.DataFrame(
        {
            "whole": [1, 2, 3],
            "share": [0.5, None, 1.5],
            "yes": [True, False, True],
            "maybe": [True, None, False],
            "text": ["a", None, "b"],
            "kind": pd.Categorical(["x", "y", None]),
            "day": pd.to_datetime(["2024-01-01", None, "2024-03-01"]),
            "zoned": pd.to_datetime(["2024-01-01", "2024-02-01", None]).tz_localize("Europe/Berlin"),
        }
    )
    said = {"value": pd.Series(["late", "on time", "late"]), "probability": pd.Series([0.5, 0.25, 1.0])}
    found = blocks.unpacked(blocks.packed({**said, "inputs": inputs}))
    assert found["value"].tolist() == ["late", "on time", "late"]
    assert found["probability"].tolist() == [0.5, 0.25, 1.0]
    back = found["inputs"]
    assert [str(back[c].dtype) for c in ("whole", "share", "yes", "day")][:3] == ["int64", "float64", "bool"]
    known = {name: [None if value != value else value for value in back[name]] for name in ("maybe", "text", "kind")}
    assert known == {"maybe": [True, None, False], "text": ["a", None, "b"], "kind": ["x", "y", None]}
    assert back["day"].dropna().tolist() == inputs["day"].dropna().tolist()
    assert back["zoned"].dropna().tolist() == inputs["zoned"].dropna().tolist()


def test_a_time_of_a_key_is_read_by_itself_and_is_no_number(late, people):
    frame = people(3, 9).assign(booking=[1, 2, 3], asked=["2013-12-01", "2013-12-01T06:00", "2013-12-01 07:00+01:00"])
    said = nb.predict("late", frame, key="booking", key_at="asked")
    hours = [pd.Timestamp(nb.prediction(i)["key_at"]).hour for i in said.prediction_id]
    assert hours == [0, 6, 6]
    for numbers in ([20131201] * 3, pd.Series([20131201] * 3, dtype=object)):
        with pytest.raises(Invalid, match="asked is no time in row 0, 3 in all"):
            nb.predict("late", frame.assign(asked=numbers), key="booking", key_at="asked")
