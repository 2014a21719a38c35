"""Realised performance of what was predicted, on outcomes old enough, and whether people agree."""

import json

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.errors import Invalid, NotFound
from nbmlops.monitoring import performance as judged
from nbmlops.monitoring.performance import agreement, early
from nbmlops.records import now
from nbmlops.stats import intervals
from nbmlops.tracking import session


@pytest.fixture
def weeks(late, block, people):
    """Predictions of four weeks ago, two weeks ago and now: ids and outcomes by week."""
    found = []
    for week, days in enumerate((28, 14, 0)):
        frame = people(100, week)
        at = judged.ago(f"{days}d") if days else now()
        found.append(pd.DataFrame({"prediction_id": block(late, frame, at), "outcome": frame.late.to_numpy()}))
    return found


def test_coverage_has_an_interval(weeks):
    nb.feedback(weeks[0][:60])
    found = nb.performance("late")
    assert (found.predictions, found.known, found.coverage) == (300, 60, 0.2)
    expected = intervals.share(60, 300)
    assert (found.coverage_low, found.coverage_high) == (expected.low, expected.high)
    assert "the outcome of 60 of 300 predictions is known (20.0 %, 95 % interval 15.9 % to 24.9 %)" in repr(found)


def test_only_what_is_old_enough_is_judged(weeks):
    nb.feedback(pd.concat([weeks[0], weeks[1][:50], weeks[2][:10]]))
    assert [nb.performance("late", older_than=age).predictions for age in ("1h", "7d", "3w")] == [200, 200, 100]
    found = nb.performance("late", older_than="3w")
    assert (found.coverage, found.older_than) == (1.0, "3w")
    assert "100 of 100 predictions at least 3w old" in repr(found)
    assert found.to_dict()["older_than"] == "3w"


@pytest.mark.parametrize("span", ["soon", "", "-3d", "0d", 7, None.__class__, "999999999w"])
def test_what_is_no_span_is_refused(weeks, span):
    with pytest.raises(Invalid, match=r"is no span of time\. Write 7d"):
        nb.performance("late", older_than=span)


def test_nothing_so_old_says_so(weeks):
    with pytest.raises(NotFound, match="late made no predictions older than 9w"):
        nb.performance("late", older_than="9w")


def test_outcomes_of_the_newest_that_are_still_to_come_are_a_warning(weeks):
    nb.feedback(pd.concat([weeks[0], weeks[1], weeks[2][:10]]))
    (found,) = [f for f in nb.performance("late").findings if f.code == "early"]
    assert found.outcome == "warning"
    assert "known for 10 % of the 100 predictions since" in found.message
    assert "for 100 % of those before" in found.message
    assert not [f for f in nb.performance("late", older_than="7d").findings if f.code == "early"]


def test_even_coverage_and_few_predictions_are_not_early():
    at = pd.Series([f"2026-01-{d:02}" for d in range(1, 11) for _ in range(10)])
    even = pd.DataFrame({"at": at, "outcome": [True, None] * 50})
    assert early(even) == []
    assert early(even[:20]) == []
    assert early(even.assign(at="2026-01-01")) == []
    sparse = even.assign(outcome=[True] * 60 + [None] * 40)
    assert [f.code for f in early(sparse)] == ["early"]


def test_what_judges_by_itself_waits_for_outcomes_or_so_long_as_they_take(weeks, project):
    nb.feedback(pd.concat([weeks[0][:70], weeks[1][:70], weeks[2][:70]]))
    assert judged.settled("late").early == "outcomes are still to come: 70 % known"
    (project / "nbmlops.toml").write_text('[predictions]\noutcomes_after = "7d"\n')
    session.reset()
    found = judged.settled("late")
    assert (found.early, found.predictions, found.known, found.older_than) == ("", 200, 140, "7d")
    (project / "nbmlops.toml").write_text('[predictions]\noutcomes_after = "9w"\n')
    session.reset()
    assert judged.settled("late").early == "outcomes are still to come: no prediction is 9w old"


def opinion(ids, verdict, actor="ann"):
    return nb.feedback(pd.DataFrame({"prediction_id": ids, "verdict": verdict, "actor": actor}), kind="opinion")


def test_agreement_is_the_share_of_opinions_with_its_interval(weeks):
    ids = weeks[0].prediction_id
    opinion(ids[:20], ["agree"] * 15 + ["disagree"] * 3 + ["unsure"] * 2)
    opinion(ids[:1], "disagree", "bob")
    found = nb.performance("late").agreement
    expected = intervals.share(15, 19)
    assert {k: found[k] for k in ("agree", "disagree", "unsure", "n", "people")} == {
        "agree": 15,
        "disagree": 4,
        "unsure": 2,
        "n": 19,
        "people": 2,
    }
    assert (found["share"], found["low"], found["high"]) == pytest.approx(tuple(expected))
    assert "agreement: 78.9 % of 19 opinions of 2 people" in repr(nb.performance("late"))


def test_the_newest_opinion_of_each_person_counts(weeks):
    ids = weeks[0].prediction_id[:10]
    opinion(ids, "disagree")
    opinion(ids, "agree")
    assert nb.performance("late").agreement["agree"] == 10


def test_few_opinions_are_insufficient_data(weeks):
    assert nb.performance("late").agreement["n"] == 0
    assert "agreement" not in repr(nb.performance("late"))
    opinion(weeks[0].prediction_id[:9], "agree")
    found = nb.performance("late")
    assert (found.agreement["n"], found.agreement["share"], found.agreement["low"]) == (9, None, None)
    assert "agreement: insufficient data (9 opinions, 10 are needed)" in repr(found)
    assert "insufficient data" in found._repr_mimebundle_()["text/html"]


def test_agreement_may_be_a_target(weeks, project):
    (project / "charter.yaml").write_text("metrics: [{name: agreement, at_least: 0.9}]")
    opinion(weeks[0].prediction_id[:9], "agree")
    assert [f.detail["word"] for f in nb.performance("late").findings] == ["not measured"]
    opinion(weeks[0].prediction_id[9:60], "disagree")
    found = nb.performance("late")
    assert found.broken == ("agreement",)
    assert found.findings[0].detail["high"] == found.agreement["high"]


def test_opinions_by_key_count_when_the_prediction_comes(late, block, people):
    rows = pd.DataFrame({"b": [f"B{n}" for n in range(12)], "verdict": "agree"})
    nb.feedback(rows, kind="opinion", model="late", key="b")
    block(late, people(12, 1), key=rows.b)
    assert nb.performance("late").agreement["agree"] == 12


def test_only_opinions_of_the_predictions_in_question_count(late, block, people):
    ids = [*block(late, people(10, 1), batch="a"), *block(late, people(10, 2), batch="b")]
    opinion(ids, ["agree"] * 10 + ["disagree"] * 10)
    assert nb.performance("late", batch="a").agreement["share"] == 1.0
    assert agreement([])["share"] is None


def test_a_performance_is_plain_json(weeks):
    opinion(weeks[0].prediction_id[:20], "agree")
    nb.feedback(weeks[0])
    found = nb.performance("late")
    data = json.loads(json.dumps(found.to_dict()))
    assert data["agreement"]["share"] == 1.0
    assert any(str(data["coverage_low"]) in json.dumps(v) for k, v in found._repr_mimebundle_().items() if "json" in k)
