"""One prediction asked for again: who, when, which version then and now, of what, and what came of it."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import NotFound
from nbmlops.monitoring.predicting.lookup import open_flags


@pytest.fixture
def late(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late")


@pytest.fixture
def champion(late):
    return nb.promote("late", 1, to="champion", reason="first")


def invoke(*words):
    return CliRunner().invoke(main, list(words))


def test_it_says_who_when_of_what_and_by_which_version(champion, held_out):
    said = nb.predict("late@champion", held_out[:3], batch="june").iloc[2]
    found = nb.prediction(said.prediction_id)
    assert (found.ref, found.batch, found.value) == ("late@1", "june", said.prediction)
    assert found.probability == pytest.approx(said.probability)
    assert found.inputs == pytest.approx(held_out[["age", "city", "noise"]].iloc[2].to_dict())
    assert found["caller"] == found.caller
    assert found.answers == {"target": "late", "task": "binary", "classes": [False, True], "positive": True}
    with pytest.raises(KeyError):
        found["nothing"]


def test_the_version_is_shown_as_it_was_and_as_it_is(champion, model, held_out):
    before = nb.predict("late@1", held_out[:1]).prediction_id[0]
    nb.register(model, "late")
    nb.promote("late", 2, to="champion", reason="newer")
    after = nb.prediction(nb.predict("late@1", held_out[:1]).prediction_id[0])
    found = nb.prediction(before)
    assert (found.then["aliases"], found.now["aliases"], found.now["champion"]) == (["champion"], [], 2)
    assert after.then["aliases"] == []
    assert "champion is version 2" in repr(found)
    nb.delete("late@1")
    assert nb.prediction(before).now["deleted"]
    assert "Version now: deleted" in repr(nb.prediction(before))


def test_private_columns_are_shown_as_masked_also_where_they_became_private_later(project, late, held_out):
    before = nb.predict("late", held_out[:1].assign(city="Ulm")).prediction_id[0]
    (project / "charter.yaml").write_text("private: [city]\n")
    after = nb.predict("late", held_out[:1].assign(city="Ulm")).prediction_id[0]
    for one in (before, after):
        found = nb.prediction(one)
        assert (set(found.inputs), found.masked) == ({"age", "noise"}, ("city",))
        shown = found._repr_mimebundle_()
        assert "Ulm" not in json.dumps(shown)
        assert "masked (private)" in shown["text/plain"]
        assert "masked (private)" in shown["text/html"]


def test_feedback_is_there_oldest_first(late, held_out):
    one = nb.predict("late", held_out[:1]).prediction_id[0]
    for outcome in (True, False):
        nb.feedback(pd.DataFrame({"prediction_id": [one], "outcome": [outcome]}), source="desk")
    found = nb.prediction(one)
    assert [row["outcome"] for row in found.feedback] == [True, False]
    assert found.flags == ()
    assert [row["source"] for row in found.feedback] == ["desk", "desk"]
    assert "outcome True" in repr(found)


def test_feedback_that_came_under_its_key_first_is_there(late, held_out):
    nb.feedback({"booking": 17, "reason": "booked twice"}, kind="flag", model="late", key="booking")
    nb.feedback({"booking": 18, "reason": "another"}, kind="flag", model="late", key="booking")
    one = nb.predict("late", held_out[:1].assign(booking=17), key="booking").prediction_id[0]
    found = nb.prediction(one)
    assert (found.key, [row["reason"] for row in found.flags]) == (17, ["booked twice"])
    nb.feedback({"booking": 17, "outcome": True}, model="late", key="booking")
    assert [row["kind"] for row in nb.prediction(one).feedback] == ["flag", "outcome"]
    assert nb.prediction(one).flags == ()


def test_a_flag_is_open_until_somebody_judges_the_row():
    flag, outcome, opinion = ({"kind": kind} for kind in ("flag", "outcome", "opinion"))
    assert open_flags([outcome, flag]) == (flag,)
    assert open_flags([flag, opinion]) == open_flags([flag, outcome]) == open_flags([]) == ()
    assert len(open_flags([flag, outcome, flag, flag])) == 2


def test_function_and_command_give_the_same_json(champion, held_out):
    one = nb.predict("late@champion", held_out[:2]).prediction_id[1]
    done = invoke("prediction", one, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == json.loads(json.dumps(nb.prediction(one).to_dict()))
    assert invoke("prediction", one).output == repr(nb.prediction(one)) + "\n"


@pytest.mark.parametrize(
    ("spoilt", "hint"),
    [
        (lambda one: one[:-8] + "000000ff", "nb.predict returns the ids"),  # behind the end of its block
        (lambda one: "f" + one[1:], "nb.predict returns the ids"),
        (lambda one: one[:-1], "36 characters"),
        (lambda one: one + "'; drop table predictions", "36 characters"),
        (lambda one: "", "36 characters"),
    ],
)
def test_an_id_nobody_gave_out_is_one_line(late, held_out, spoilt, hint):
    one = nb.predict("late", held_out[:2]).prediction_id[0]
    with pytest.raises(NotFound, match=hint):
        nb.prediction(spoilt(one))
    done = invoke("prediction", spoilt(one))
    assert (done.exit_code, done.output.count("\n")) == (5, 1)


def test_an_id_may_be_pasted_with_blanks_and_capitals(late, held_out):
    one = nb.predict("late", held_out[:1]).prediction_id[0]
    assert nb.prediction(f" {one.upper()}\n").prediction_id == one


def test_where_inputs_are_gone_it_says_so(late, held_out, monkeypatch):
    from nbmlops.monitoring.predicting import recorded

    one = nb.predict("late", held_out[:1]).prediction_id[0]
    whole = recorded.content
    monkeypatch.setattr(recorded, "content", lambda block: {**whole(block), "inputs": None})
    found = nb.prediction(one)
    assert found.inputs is None
    assert "is not kept, or no longer" in repr(found)
    assert "is not kept, or no longer" in found._repr_mimebundle_()["text/html"]


def test_hostile_values_are_text(late, held_out):
    one = nb.predict("late", held_out[:1], batch="<script>alert(1)</script>\u202e").prediction_id[0]
    shown = nb.prediction(one)._repr_mimebundle_()["text/html"]
    assert "<script" not in shown
    assert "\u202e" not in shown
