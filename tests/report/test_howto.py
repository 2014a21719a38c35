"""How to use a model: what is known in words, what is missing with whose it is, nothing invented, nothing private."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.report import page

from .test_page import Page, assert_safe

CHARTER = """
problem: Will this booking come late?
users: [desk, passengers]
decision: A late one is told at once.
metrics: [{name: roc_auc, at_least: 0.6}]
limits: [Not for groups.]
roles: {support: [sam@example.org], product: [pia@example.org]}
"""
RULES = """
columns:
  age: {meaning: age at booking, unit: years, range: {min: 0, max: 120}}
  city: {meaning: where it is booked, set: [Ulm, Bern]}
  late: {meaning: yes when it came late}
"""


@pytest.fixture
def late(project, model, held_out):
    nb.evaluate(model, held_out, target="late", by="city")
    nb.register(model, "late")
    return nb.promote("late", 1, to="champion", reason="first")


@pytest.fixture
def whole(project, late):
    (project / "charter.yaml").write_text(CHARTER)
    (project / "rules").mkdir()
    (project / "rules" / "late.yaml").write_text(RULES)
    return late


def says(key, ref="late"):
    return "\n".join(nb.how_to(ref).part(key).says)


def missing(key, ref="late"):
    return "\n".join(f"{gap.what} | {gap.whose} | {gap.do}" for gap in nb.how_to(ref).part(key).missing)


def test_it_says_what_was_agreed(whole):
    assert says("answers").splitlines() == [
        "Will this booking come late?",
        "What is done with an answer: A late one is told at once.",
        "Who uses it: desk and passengers",
    ]
    assert "Not for groups." in says("not_for")
    assert nb.how_to("late").limits == ("Not for groups.",)
    assert nb.how_to("late").part("people").rows[1:] == (("support", "sam@example.org"), ("product", "pia@example.org"))
    assert not missing("answers")


def test_inputs_come_with_meaning_unit_and_what_was_seen(whole):
    rows = {row[0]: row[1:] for row in nb.how_to("late").part("inputs").rows}
    assert rows["age"][0] == "age at booking, in years"
    assert rows["age"][1].startswith("a number, seen ")
    assert rows["age"][1].endswith("allowed: range 0 to 120")
    assert rows["city"] == ("where it is booked", "2 known values: Bern and Ulm; allowed: one of Ulm, Bern")
    assert rows["noise"][0] == "not written down"
    assert missing("inputs") == (
        "the meaning of noise | data_engineer | write meaning: and unit: in rules/<dataset>.yaml"
    )


def test_outputs_in_words(whole):
    assert says("outputs").splitlines()[:3] == [
        "late: yes when it came late.",
        "A chance between 0 and 1 that late is True.",
        "Above 0.5 it says True, below that False.",
    ]


def test_the_bound_is_the_one_the_rows_show(project, train, held_out, needed):
    tuned = needed("sklearn.model_selection").FixedThresholdClassifier
    from sklearn.linear_model import LogisticRegression

    model = tuned(LogisticRegression(), threshold=0.2).fit(train[["age", "noise"]], train.late)
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "careful", allow_pickle=True)
    assert "Above 0.5" not in says("outputs", "careful")
    bound = float(says("outputs", "careful").partition("Above ")[2].partition(" ")[0])
    assert bound == pytest.approx(0.2, abs=0.03)


def test_how_often_it_is_wrong_is_the_evaluations_number(whole):
    found = nb.model_version("late").metrics["accuracy"]
    text = says("wrong")
    assert f"{100 * (1 - found['value']):.1f} % of the answers were wrong" in text
    assert f"{found['n']} held-out rows" in text
    assert "For comparison: to say False every time would be wrong in" in text
    assert "Where it said True, that came true in" in text
    assert "Agreed: roc_auc at least 0.6 is shown" in text
    assert "It has made no prediction that was recorded." in text


def test_in_use_it_is_what_came_true(whole, people):
    frame = people(300, 5)
    said = nb.predict("late@champion", frame)
    assert "no outcome of 300 predictions came back | ml_engineer" in missing("wrong")
    outcomes = said.assign(outcome=frame.late)[["prediction_id", "outcome"]]
    nb.feedback(outcomes[:200])
    share = (said.prediction[:200] != frame.late[:200]).mean()
    text = says("wrong")
    assert f"In use: {100 * share:.1f} % of the answers were wrong" in text
    assert "200 of 300 predictions whose outcome is known (66.7 %)" in text
    assert not missing("wrong")


def test_outcomes_still_to_come_break_nothing(whole, people):
    frame = people(300, 5)
    said = nb.predict("late@champion", frame)
    outcomes = said.assign(outcome=~said.prediction.astype(bool))[["prediction_id", "outcome"]]
    nb.feedback(outcomes[:200])
    assert "In use: outcomes are still to come: 67 % known. What comes early" in says("wrong")
    assert "In use, agreed" not in says("wrong")
    assert "in use it breaks" not in nb.how_to("late").because
    nb.feedback(outcomes[200:])
    assert "In use, agreed: roc_auc at least 0.6 is broken" in says("wrong")
    assert "in use it breaks the target of roc_auc" in nb.how_to("late").because


def test_numbers_are_off_by_so_much(project, people):
    from sklearn.linear_model import LinearRegression

    frame = people(300, 1).assign(price=lambda f: f.age * 2 + f.noise)
    model = LinearRegression().fit(frame[["age"]], frame.price)
    nb.evaluate(model, people(200, 2).assign(price=lambda f: f.age * 2 + f.noise), target="price")
    nb.register(model, "price")
    assert "A number: price." in says("outputs", "price")
    assert "Its numbers were off by" in says("wrong", "price")


def test_nothing_known_is_nothing_invented(project, model):
    nb.register(model, "bare")
    found = nb.how_to("bare")
    assert (found.state, found.tone) == ("not in use", "quiet")
    assert "no version is the champion" in found.because
    for key, role in {
        "answers": "stakeholder",
        "not_for": "product",
        "people": "manager",
        "wrong": "scientist",
    }.items():
        assert role in missing(key, "bare"), key
    assert "nbmlops charter new" in missing("answers", "bare")
    assert "never checked" in missing("state", "bare")
    assert found.part("problems").says == ("None is open.",)
    assert "%" not in says("wrong", "bare")


def test_it_stands_as_the_registry_and_the_checks_say(whole, project, model, held_out, people):
    assert nb.how_to("late").state == "in use with care"
    assert "never checked" in nb.how_to("late").because
    nb.drift(people(400, 7), "late@1")
    assert "Its data was last checked" in says("state")
    assert "It is champion since" in says("state")
    assert ": first (" in says("state")
    nb.drift(people(400, 8).assign(age=lambda f: f.age + 30), "late@1")
    found = nb.how_to("late")
    assert (found.state, found.tone) == ("in use with care", "warn")
    assert "alert" in found.because
    (project / "charter.yaml").write_text("promotes: reason\n")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    nb.gate("late@2", "late@1", on=held_out, target="late")
    nb.promote("late", 2, to="champion", reason="newer")
    assert nb.how_to("late").version == 2
    assert nb.how_to("late@1").state == "not in use"
    assert "version 2 is the champion" in nb.how_to("late@1").because


def test_private_values_stay_away(project, late):
    (project / "charter.yaml").write_text("private: [city]\n")
    data = json.dumps(nb.how_to("late").to_dict())
    assert "Ulm" not in data
    assert "Bern" not in data
    assert ("city", "not written down", "private: not shown") in nb.how_to("late").part("inputs").rows


def test_open_flags_are_problems_until_somebody_judges(whole, held_out):
    one, other = nb.predict("late@champion", held_out[:2]).prediction_id
    nb.feedback({"prediction_id": one, "reason": "the age is a typing error"}, kind="flag")
    assert "the age is a typing error" in says("problems")
    assert "1 flag open." in says("state")
    assert len(nb.prediction(one).flags) == 1
    nb.feedback({"prediction_id": one, "outcome": True})
    assert says("problems") == "None is open."
    assert nb.prediction(one).flags == nb.prediction(other).flags == ()


def test_flags_on_the_model_are_problems_until_they_are_settled(whole, held_out):
    one = nb.predict("late@champion", held_out[:1]).prediction_id[0]
    found = [nb.flag("late", "not for night flights"), nb.flag(one, "cannot be")]
    assert "not for night flights (late)" in says("problems")
    assert f"cannot be ({one})" in says("problems")
    assert "2 flags open." in says("state")
    assert [f["reason"] for f in nb.prediction(one).flags] == ["cannot be"]
    for flag in found:
        nb.answer_flag(flag.flag_id, "we know")
    assert says("problems") == "None is open."
    assert nb.prediction(one).flags == ()


def test_opinions_of_users_are_counted(whole, held_out):
    said = nb.predict("late@champion", held_out[:30])
    nb.feedback(said.assign(outcome=held_out.late)[["prediction_id", "outcome"]])
    verdicts = ["agree"] * 20 + ["disagree"] * 10
    nb.feedback(pd.DataFrame({"prediction_id": said.prediction_id, "verdict": verdicts}), kind="opinion")
    assert "Users agreed with 66.7 % of 30 answers" in says("wrong")


def test_the_page_is_one_safe_file_and_the_same_for_the_same_facts(whole, project):
    paths = [nb.report("late", f"{name}.html", role="support") for name in "ab"]
    markup = paths[0].read_text()
    assert markup == paths[1].read_text()
    assert_safe(markup)
    seen = Page(markup)
    for part in nb.how_to("late").parts:
        assert part.title in seen.text
        assert all(" ".join(line.split()) in seen.text for line in part.says)
    assert len(markup) < 60_000


def test_hostile_words_are_text(whole, project):
    nasty = "<img src=x onerror=alert(1)>\u202e{{ 7*7 }}"
    (project / "charter.yaml").write_text(json.dumps({"problem": nasty, "limits": [nasty], "users": [nasty]}))
    markup = nb.report("late", "h.html", role="support").read_text()
    assert_safe(markup)
    assert "\u202e" not in markup
    assert "<img src=x" not in markup
    html = nb.how_to("late")._repr_mimebundle_()["text/html"]
    assert "<img src=x" not in html


def test_function_magic_and_command_say_the_same(whole, shell, project):
    made = CliRunner().invoke(main, ["report", "late@1", "--for", "support", "-o", "c.html", "--json"])
    assert made.exit_code == 0, made.output
    by_magic = shell.run_line_magic("report", "late@1 --for support -o m.html").to_dict()
    by_hand = page.written("late@1", "p.html", "support").to_dict()
    ours = [json.loads(made.output), by_magic, by_hand]
    assert all({**one, "path": ""} == {**ours[0], "path": ""} for one in ours)
    assert (project / "c.html").read_bytes() == (project / "m.html").read_bytes() == (project / "p.html").read_bytes()
    assert ours[0]["title"] == "How to use late@1"


def test_every_role_is_known_and_no_other(whole):
    from nbmlops.governance.charter import ROLES

    for role in ROLES:
        done = CliRunner().invoke(main, ["report", "late@1", "--for", role, "-o", "r.html"])
        assert "is no role" not in done.output
    done = CliRunner().invoke(main, ["report", "late@1", "--for", "boss", "-o", "r.html"])
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert all(role in done.output for role in ROLES)


@pytest.mark.parametrize("ref", ["lat", "late@9", "late@nobody"])
def test_an_unknown_model_is_one_line(whole, ref):
    with pytest.raises(NotFound):
        nb.how_to(ref)
    done = CliRunner().invoke(main, ["report", ref, "--for", "support"])
    assert (done.exit_code, done.output.count("\n")) == (5, 1)


@pytest.mark.parametrize("ref", [None, "", 3, ["late"]])
def test_what_is_no_model_is_refused(whole, ref):
    with pytest.raises(Invalid):
        nb.how_to(ref)
    with pytest.raises((Invalid, NotFound)):
        page.written(ref, role="support")  # then it is asked for a run


def test_broken_files_are_said(whole, project):
    (project / "rules" / "late.yaml").write_text("columns: [")
    assert "the data dictionary: late.yaml is not valid YAML" in missing("inputs")
    (project / "charter.yaml").write_text("problem: [")
    with pytest.raises(Invalid, match="not valid YAML"):
        nb.how_to("late")
