"""The report of a drift check: whether, what it means, what is advised; and no value of a private column."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.errors import NotFound
from nbmlops.report import page, snapshot
from nbmlops.report.kinds.kind import kind_of, subject_of
from nbmlops.tracking import session

from .conftest import DRIFT, finding
from .test_page import Page, assert_safe


def taken(ref):
    return snapshot.build(subject_of(ref))


def answer(found):
    first = kind_of(found["kind"]).decide(found)
    return first.question, first.answer.word, first.because


def kept(**change):
    session.keep("drift", "late-flights", {**DRIFT, "reference": "late-flights@1", "reference_rows": 5495, **change})


def test_the_newest_check_of_a_model_decides(champion):
    kept(verdict="ok", findings=[])
    kept()
    found = taken("drift:late-flights")
    assert answer(found) == (
        "Has the data of late-flights changed beyond what is tolerable?",
        "Yes",
        "late share 22 % to 28 %, on 27,000 rows against late-flights@1.",
    )
    assert [e["verdict"] for e in found["earlier"]] == ["ok"]
    assert taken("drift:late-flights@champion")["subject"] == found["subject"]


def test_its_page_says_what_it_means_and_what_is_not_known(champion):
    kept()
    markup = nb.report("drift:late-flights", "r.html").read_text()
    assert_safe(markup)
    text = Page(markup).text
    assert "Drift report: late-flights" in text
    assert "27,000 rows against 5,495 rows of late-flights@1" in text
    assert "Missing: Whether the answers are still as good is not known." in text
    assert "Missing: No advice was asked for. To do: nbmlops advise late-flights." in text
    assert "No episode is open" in text
    assert "late-flights@1 became champion: first model" in text
    assert "1 ■ issue" in text
    assert markup == nb.report("drift:late-flights", "again.html").read_text()


@pytest.mark.parametrize(
    ("verdict", "outcome", "word"),
    [("notice", "warning", "Somewhat"), ("ok", "passed", "No"), ("insufficient data", "skipped", "Not known")],
)
def test_each_verdict_has_its_answer(champion, verdict, outcome, word):
    kept(verdict=verdict, findings=[finding("feature_drift", outcome, "hour: needs 200 rows", "hour")])
    _, said, because = answer(taken("drift:late-flights"))
    assert said == word
    assert ("not enough data" in because) == (verdict == "insufficient data")


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([("performance", "passed")], "Measured on what came true: the answers are no worse than is tolerable."),
        ([("performance", "passed"), ("charter_target", "issue")], "Measured on what came true: the answers are worse"),
        (
            [("performance_estimated", "warning")],
            "Estimated, for what came true is not known: the answers are somewhat",
        ),
        ([("performance", "skipped")], "Whether the answers are still as good is not known"),
    ],
)
def test_what_it_means_for_answers_is_said_first(champion, found, says):
    kept(findings=[finding(code, outcome, "roc_auc 0.61 [0.58, 0.63]") for code, outcome in found])
    assert says in Page(page.render(taken("drift:late-flights"))).text


def test_advice_and_episodes_are_said(champion):
    from nbmlops.store import episodes

    row = {"episode_id": "e1", "model": "late-flights", "version": 1, "code": "target_drift", "column": "late"}
    row |= {"level": "alert", "state": "ongoing", "opened_on": "month 3", "opened_at": "2013-03-31", "last_on": "4"}
    row |= {"last_at": "2013-04-30", "checks": 2, "passes": 0, "message": "late more often"}
    with session.store().atomic() as change:
        episodes.put(change, [row])
    kept()
    about = {"ref": "late-flights@1", "advice": "retrain", "because": "the target moved", "decides": "owner: ada"}
    session.keep("advice", "late-flights", {**about, "needed": [], "do": ["Train a challenger"]})
    text = Page(page.render(taken("drift:late-flights"))).text
    assert "Retrain. The target moved." in text
    assert "(owner: ada)" in text
    assert "Open episodes: what was found and has not gone since" in text
    assert "late more often" in text


def test_a_report_object_is_found_again(project):
    x = np.arange(2000.0)
    first = nb.drift(pd.DataFrame({"x": x + 900}), pd.DataFrame({"x": x}))
    nb.drift(pd.DataFrame({"x": x}), pd.DataFrame({"x": x}))
    found = taken(first)
    assert answer(found)[1] == "Yes"
    assert found["result"]["data"]["verdict"] == "alert"
    assert "Checks against a frame open no episodes" in page.render(found)
    with pytest.raises(NotFound, match="was not kept"):
        subject_of(replace(first, rows=1))


def test_values_of_private_columns_are_nowhere(project, champion):
    (project / "charter.yaml").write_text("private: [late]\n")
    kept()
    markup = page.render(taken("drift:late-flights"))
    assert "late share 22 % to 28 %" not in markup
    assert "which is private" in markup


def test_an_unknown_name_says_what_is_known(champion):
    with pytest.raises(NotFound, match="Known: none yet"):
        subject_of("drift:late-flights")
    kept()
    with pytest.raises(NotFound, match="Did you mean 'late-flights'"):
        subject_of("drift:late-flight")
    with pytest.raises(NotFound, match="Known: 1, champion"):
        subject_of("drift:late-flights@9")
    kept(reference="late-flights@2")
    assert subject_of("drift:late-flights@1").about["data"]["reference"] == "late-flights@1"


def test_a_real_check_of_a_model_opens_episodes_and_is_found_by_every_name(project, people):
    from sklearn.linear_model import LogisticRegression

    train, held_out, now = (people(rows, seed) for rows, seed in ((400, 1), (600, 2), (800, 3)))
    features = ["age", "noise"]
    model = LogisticRegression().fit(train[features], train.late)
    version = nb.register(model, "late", evaluation=nb.evaluate(model, held_out[[*features, "late"]], target="late"))
    checked = nb.drift(now[[*features, "late"]].assign(age=now.age + 15), version.ref)
    found = taken(checked)
    assert found["subject"] == taken("drift:late")["subject"] == taken("drift:late@1")["subject"]
    assert answer(found)[1] == "Yes"
    assert found["model"] == "late@1"
    assert found["episodes"]
    text = Page(page.render(found)).text
    assert "Open episodes: what was found and has not gone since" in text
    assert "Missing: Whether the answers are still as good" not in text
    before = snapshot.digest(found)
    nb.advise("late")
    assert snapshot.digest(taken(checked)) != before
    assert "No advice was asked for" not in page.render(taken(checked))
