"""Runs compared: only differences, better only on the same rows, and why not where that cannot be said."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

import nbmlops as nb
from nbmlops.errors import Invalid, NotFound
from nbmlops.report import as_markdown, page, snapshot
from nbmlops.report.kinds.kind import kind_of, subject_of
from nbmlops.tracking import session

from .conftest import evaluation, finding, register
from .test_page import NASTY, Page, assert_safe

FEATURES = ["age", "noise"]


def taken(ref):
    return snapshot.build(subject_of(ref))


def answer(found):
    first = kind_of(found["kind"]).decide(found)
    return first.question, first.answer.word, first.because


@pytest.fixture
def judge(people):
    """Fit and judge a model in a run: ``judge("weak", model, rows)``."""
    train, held_out = people(400, 1), people(600, 2)

    def made(name, model, rows=slice(None), **params):
        with nb.run(name, params=params) as opened:
            model.fit(train[FEATURES], train.late)
            nb.evaluate(model, held_out.iloc[rows].reset_index(drop=True), target="late")
        return nb.get_run(opened.run_id)

    return made


def test_better_is_said_on_the_same_rows_with_an_interval(project, judge):
    judge("weak", DummyClassifier(strategy="prior"), C=1)
    judge("strong", LogisticRegression(), C=2)
    found = taken("weak..strong")
    question, word, because = answer(found)
    assert (question, word) == ("Is strong better than weak?", "Yes")
    assert because.startswith("On the same rows. strong: roc_auc +0.")
    assert because.endswith("on 600 rows, positive is better; log_loss and brier are better.")
    gain = found["gains"][0]["gains"][0]
    assert gain["low"] > 0
    assert gain["value"] - gain["before"] == pytest.approx(gain["difference"])
    assert answer(taken("strong..weak"))[1] == "No, it is worse"
    assert found["differs"]["settings"]["C"] == ["1", "2"]


def test_one_that_is_the_same_is_not_shown_to_be_better(project, judge):
    judge("one", LogisticRegression(C=1.0))
    judge("other", LogisticRegression(C=1.01))
    assert answer(taken("one..other"))[1] == "Not shown"


def test_other_rows_cannot_be_compared(project, judge):
    judge("one", LogisticRegression())
    judge("other", LogisticRegression(), slice(0, 500))
    found = taken("one..other")
    assert answer(found)[1:] == (
        "Not comparable",
        "It cannot be said: they were judged on other rows (500 and 600).",
    )
    text = Page(page.render(found)).text
    assert "other cannot be compared with one: they were judged on other rows" in text
    assert "Each on rows of its own: not to be held against each other" in text


def test_other_questions_cannot_be_compared(project):
    for name, target in (("one", "late"), ("other", "cancelled")):
        with nb.run(name):
            session.keep("evaluation", "LogisticRegression", {**evaluation("LogisticRegression"), "target": target})
    assert "they answer different questions: cancelled and late" in answer(taken("one..other"))[2]
    with nb.run("none"):
        session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
    assert "the answers row by row were not kept of both" in answer(taken("one..none"))[2]
    with nb.run("none"):
        pass
    assert "no evaluation on held-out rows is known of both" in answer(taken("one..none"))[2]


def test_many_runs_are_held_against_the_first(project, judge):
    judge("weak", DummyClassifier(strategy="prior"))
    judge("same", DummyClassifier(strategy="prior"))
    judge("strong", LogisticRegression())
    assert answer(taken(["weak", "same", "strong"]))[:2] == ("Which is better than weak?", "strong")
    assert answer(taken(["weak", "same"]))[1] == "Not shown"
    assert answer(taken(["strong", "weak", "same"]))[1] == "None is shown to be"


def test_only_differences_are_told(project):
    for number in (1, 2):
        with nb.run("try", params={"C": number, "alike": 0}):
            nb.log(auc=0.6 + number / 10, same=1)
    found = taken("try~1..try")
    assert found["differs"]["settings"] == {"C": ["1", "2"]}
    assert found["differs"]["metrics"] == {"auc": [0.7, 0.8]}
    text = Page(page.render(found)).text
    assert "1 setting differs." in text
    assert "alike" not in text


def test_six_runs_that_differ_in_everything_stay_small_and_say_how_much(project):
    for number in range(6):
        with nb.run("try", params={f"p{i}": f"{'x' * 200}{number}" for i in range(150)}):
            pass
    found = taken([f"try~{i}" for i in range(6)])
    assert found["counts"]["settings"] == 150
    assert len(found["differs"]["settings"]) == 100
    assert len({*found["differs"]["settings"]["p0"]}) == 6
    markup = page.render(found)
    assert len(markup) < 300_000
    assert "150 settings differ." in markup
    assert "The first 100 of what differs" in markup


def test_models_and_runs_may_be_named(retrained):
    found = taken("late-flights@1..late-flights@2")
    _, word, because = answer(found)
    assert word == "Yes"
    assert "roc_auc +0.016 [+0.008,\xa0+0.023] on 5,495 rows by a gate, positive is better." in because
    assert answer(taken("late-flights@2..late-flights@1"))[1] == "No, it is worse"
    assert found["names"] == ["late-flights@1", "late-flights@2"]
    assert found["subject"] == taken([nb.model_version("late-flights@1"), retrained])["subject"]
    markup = nb.report("late-flights@1..late-flights@2", "r.html").read_text()
    assert_safe(markup)
    assert markup == nb.report("late-flights@1..late-flights@2", "again.html").read_text()
    assert "late share 22 % to 28 %" in markup
    assert "# Comparison: late-flights@1 and late-flights@2" in as_markdown.render(found)


def test_what_was_not_recorded_is_not_a_difference(project, retrained):
    with nb.run("cell"):
        pass
    found = taken(["retrain", "cell"])
    sides = {one["name"]: one["recorded"] for one in found["sides"]}
    assert found["code"]["known"] is False
    assert found["code"]["cells"] == []
    text = Page(page.render(found)).text
    assert "The code of a side was not kept" in text
    assert ("environment" in found["differs"]) == all(sides.values())


def test_names_of_users_stay_text(project):
    for value in (NASTY, "b"):
        with nb.run("try", params={NASTY: value}):
            pass
    assert_safe(page.render(taken("try~1..try")))


@pytest.mark.parametrize(
    ("ref", "error", "says"),
    [
        ("try..", Invalid, "one side only"),
        ("..try", Invalid, "one side only"),
        ("try..try", Invalid, "'try' is named twice"),
        (["try"], Invalid, "1 run cannot be compared"),
        ([], Invalid, "0 runs cannot"),
        (["try", "try~1", "try", "try", "try", "try", "try"], Invalid, "7 runs cannot"),
        ("try..gone", NotFound, "No run or experiment 'gone'"),
        (["try", 3], Invalid, "int is neither"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(project, ref, error, says):
    for _ in range(2):
        with nb.run("try"):
            pass
    with pytest.raises(error, match=says):
        subject_of(ref)


def test_an_experiment_may_have_dots_in_its_name(project):
    with nb.run("a..b"):
        pass
    assert subject_of("a..b").kind == "run"


def test_the_difference_is_that_of_a_gate(project, judge, people):
    held_out = people(600, 2)
    weak, strong = LogisticRegression(C=0.001), LogisticRegression()
    judge("weak", weak)
    judge("strong", strong)
    mine = taken("weak..strong")["gains"][0]["gains"][0]
    gate = nb.gate(strong, weak, on=held_out, target="late")
    assert (mine["metric"], mine["difference"]) == (gate.metric, pytest.approx(gate.difference))
    assert np.allclose([mine["low"], mine["high"]], [gate.low, gate.high])


def test_a_setting_named_like_a_private_column_has_no_value(project):
    (project / "charter.yaml").write_text("problem: x\nprivate: [zip]\n")
    for name, code in (("one", "471147111"), ("two", "481248122")):
        session.finish(session.start(name, params={"zip": code, "C": code[-1]}))
    page = nb.report("one..two").read_text()
    assert "471147111" not in page
    assert "481248122" not in page
    assert ">C<" in page


def kept(number, run_id, model, message):
    judged = evaluation(model, findings=[finding("slice_gap", "issue", message)])
    return register(number, run_id, session.keep("evaluation", "LogisticRegression", judged))


def test_two_versions_are_told_each_its_own_findings(project):
    own = {1: "only of the first", 2: "only of the second"}
    with session.run("first") as one:
        kept(1, one.run_id, "LogisticRegression", own[1])
    with session.run("second") as two:
        kept(2, two.run_id, "LogisticRegression", own[2])
        again = evaluation("late-flights@1", findings=[finding("slice_gap", "issue", own[1])])
        session.keep("evaluation", "late-flights@1", again)
    sides = taken("late-flights@1..late-flights@2")["sides"]
    assert [one["ref"] for one in sides] == ["late-flights@1", "late-flights@2"]
    told = [[f["message"] for f in one["findings"] if f["kind"] == "evaluation"] for one in sides]
    assert told == [[own[1]], [own[2]]]
    text = Page(page.render(taken("late-flights@1..late-flights@2"))).text
    assert text.count(own[1]) == text.count(own[2]) > 0


def test_two_versions_of_one_run_are_told_by_its_own_report(project):
    with session.run("both") as both:
        kept(1, both.run_id, "LogisticRegression", "one")
        kept(2, both.run_id, "LogisticRegression", "two")
    with pytest.raises(Invalid, match="late-flights@1' and 'late-flights@2' are of one run") as refused:
        taken("late-flights@1..late-flights@2")
    assert "nbmlops report" in refused.value.hint
