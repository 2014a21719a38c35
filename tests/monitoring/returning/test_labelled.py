"""Accepted flags on predictions and rows are labels of the next training set, each with the flag it comes from."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.store.runs import results_of
from nbmlops.tracking import session


@pytest.fixture
def late(project, model, held_out):
    return nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))


@pytest.fixture
def said(late, people):
    return nb.predict("late", people(60, 9), batch="may")


def accepted(subject, value, **more):
    found = nb.flag(subject, "cannot be", value=value, **more)
    return nb.answer_flag(found.flag_id, "right", state="accepted")


def test_an_accepted_flag_on_a_prediction_is_in_the_increment_with_its_source(said):
    wrong, right, open_one, dismissed = said.prediction_id[:4]
    answers = dict(zip(said.prediction_id, said.prediction.astype(bool), strict=True))
    one = accepted(wrong, not answers[wrong])
    accepted(right, answers[right])
    nb.flag(open_one, "odd", value=not answers[open_one])
    no = nb.flag(dismissed, "odd", value=not answers[dismissed])
    nb.answer_flag(no.flag_id, "no", state="dismissed")
    found = nb.training_increment("late")
    rows = found.to_frame()
    assert rows.prediction_id.tolist() == [wrong]
    assert rows.late.tolist() == [not answers[wrong]]
    assert rows.why.tolist() == [f"expert, flag:{one.flag_id}"]
    assert found.why == {"expert": 1, "flag": 1}
    assert "1 of these by a flag that was accepted" in repr(found)


def test_an_outcome_outranks_a_flag_and_flags_that_differ_are_left_out(said):
    first, second, third = said.prediction_id[:3]
    answers = dict(zip(said.prediction_id, said.prediction.astype(bool), strict=True))
    accepted(first, not answers[first])
    nb.feedback({"prediction_id": first, "outcome": answers[first]})
    accepted(second, not answers[second])
    accepted(second, answers[second])
    accepted(third, "Tuesday")
    found = nb.training_increment("late")
    assert found.dataset is None
    assert found.left_out == {"contradicting": 1}


@pytest.fixture
def rows(project, needed, people):
    needed("pyarrow")
    made = people(40, 5)
    nb.dataset("people", made, keep=True)
    return made


def test_training_rows_that_equal_a_flagged_row_get_its_label(rows):
    one = accepted("people@1#3", not bool(rows.late[3]))
    accepted("people@1#5", bool(rows.late[5]))
    train = rows[["late", "noise", "city", "age"]]
    made = nb.with_increment(train, "flags:people@1", target="late")
    assert np.flatnonzero(made.late != train.late).tolist() == [3]
    assert (made.late.dtype, list(made.columns), len(made)) == (bool, list(train.columns), 40)
    pd.testing.assert_frame_equal(made.drop(columns="late"), train.drop(columns="late"))
    assert train.late.equals(rows.late)  # what was handed in is as it was
    (kept,) = results_of(session.store(), kind="labels")
    assert (kept["subject"], kept["data"]["rows"]) == ("people@1", 2)
    assert f"flag:{one.flag_id}" in kept["data"]["sources"]


def test_a_flagged_row_that_is_not_there_joins_unless_it_is_held_out(rows):
    accepted("people@1#3", not bool(rows.late[3]))
    train = rows.drop(index=3).reset_index(drop=True)
    made = nb.with_increment(train, "flags:people", target="late")
    assert len(made) == 40
    assert made.iloc[-1].late == (not rows.late[3])
    assert len(nb.with_increment(train, "flags:people", rows.loc[[3]], target="late")) == 39


def test_rows_of_which_flags_say_different_things_stay(rows):
    accepted("people@1#3", True)
    accepted("people@1#3", False)
    made = nb.with_increment(rows, "flags:people@1", target="late")
    assert made.equals(rows)
    assert results_of(session.store(), kind="labels")[0]["data"]["contradicting"] == 1


def test_an_increment_and_labels_go_together(late, said, rows):
    accepted(said.prediction_id[0], not bool(said.prediction.iloc[0]))
    nb.feedback(pd.DataFrame({"prediction_id": said.prediction_id[1:], "outcome": said.prediction.iloc[1:]}))
    increment = nb.training_increment("late").dataset
    accepted("people@1#3", not bool(rows.late[3]))
    made = nb.with_increment(rows, [increment, "flags:people@1"])
    assert made.late.iloc[3] == (not rows.late[3])
    assert len(made) >= 40


@pytest.mark.parametrize(
    ("ref", "target", "error", "message"),
    [
        ("flags:nix", "late", NotFound, "No dataset 'nix'"),
        ("flags:people@1", None, Invalid, "Which column of the training rows is the truth"),
        ("flags:people@1", "arrival", Invalid, "Not 'arrival'"),
    ],
)
def test_what_is_missing_is_said(rows, ref, target, error, message):
    accepted("people@1#3", True)
    with pytest.raises(error, match=message):
        nb.with_increment(rows, ref, target=target)


def test_no_accepted_flag_is_no_label_and_a_strange_one_is_refused(rows):
    nb.flag("people@1#3", "odd", value=True)
    with pytest.raises(NotFound, match="No accepted flag says what a row of people@1 should be"):
        nb.with_increment(rows, "flags:people@1", target="late")
    accepted("people@1#4", "Tuesday")
    with pytest.raises(Invalid, match="1 labels are no value of late"):
        nb.with_increment(rows, "flags:people@1", target="late")
    numbers = rows.assign(late=rows.late.astype(float))
    with pytest.raises(Invalid, match="1 labels of late are no numbers"):
        nb.with_increment(numbers, "flags:people@1", target="late")
    with pytest.raises(Invalid, match=r"no column of people@1"):
        nb.with_increment(pd.DataFrame({"late": [True]}), "flags:people@1", target="late")


def test_who_flagged_does_not_accept(rows, monkeypatch):
    def be(name):
        monkeypatch.setattr("nbmlops.capture.environment.actor", functools.cache(lambda: (name, "git")))

    Path("charter.yaml").write_text("roles: {expert: [ann, bob]}")
    be("ann")
    found = nb.flag("people@1#3", "cannot be", value=True)
    with pytest.raises(NotAllowed):
        nb.answer_flag(found.flag_id, "so it is", state="accepted")
    be("bob")
    assert nb.answer_flag(found.flag_id, "so it is", state="accepted").state == "accepted"
