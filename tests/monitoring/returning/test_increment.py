"""Rows that were wrong come back as a data set to train on, without what judges; what is gone of them is counted."""

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

import nbmlops as nb
from nbmlops.errors import Invalid, NotFound
from nbmlops.monitoring.returning.increment import half

COLUMNS = ["age", "city", "noise"]


@pytest.fixture
def late(project, model, held_out):
    evaluation = nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late", evaluation=evaluation)


@pytest.fixture
def month(people):
    return people(300, 9)


@pytest.fixture
def said(late, month):
    """What was predicted of a month, with what came true."""
    return nb.predict("late", month, batch="may").assign(outcome=month.late)


def outcomes(said):
    return said[["prediction_id", "outcome"]]


def test_what_was_wrong_is_a_version_of_a_data_set(said, month):
    nb.feedback(outcomes(said))
    found = nb.training_increment("late")
    wrong = said[said.prediction != said.outcome]
    rows = found.to_frame().set_index("prediction_id")
    assert found.dataset == "late-increment@1"
    assert set(rows.index) == set(wrong.prediction_id)
    assert (rows.loc[wrong.prediction_id, "late"].to_numpy() == wrong.outcome).all()
    assert rows.late.dtype == bool
    assert (rows.loc[wrong.prediction_id, COLUMNS].to_numpy() == month.loc[wrong.index, COLUMNS].to_numpy()).all()
    assert found.why == {"wrong": len(wrong)}
    assert found.learn + found.check == found.rows == len(wrong)
    assert 0.3 < found.learn / found.rows < 0.7


def test_nothing_wrong_is_an_answer(said):
    nb.feedback(outcomes(said[said.prediction == said.outcome]))
    found = nb.training_increment("late")
    assert (found.dataset, found.rows) == (None, 0)
    assert "nothing new" in repr(found)
    assert nb.datasets().empty
    assert found.to_frame().empty


def test_a_row_returns_once(said):
    nb.feedback(outcomes(said[:200]))
    first = nb.training_increment("late")
    again = nb.training_increment("late")
    assert again.dataset is None
    assert again.left_out == {"earlier_increment": first.rows}
    nb.feedback(outcomes(said[200:]))
    second = nb.training_increment("late")
    assert second.dataset == "late-increment@2"
    assert set(second.to_frame().prediction_id).isdisjoint(first.to_frame().prediction_id)


def test_the_same_rows_scored_twice_come_back_twice(said, late, month):
    again = nb.predict("late", month, batch="june").assign(outcome=month.late)
    nb.feedback(outcomes(pd.concat([said, again])))
    wrong = int((said.prediction != said.outcome).sum())
    assert nb.performance("late").known == 2 * len(month)
    found = nb.training_increment("late")
    assert (found.known, found.rows) == (2 * len(month), 2 * wrong)
    assert set(found.to_frame().prediction_id) > set(again.prediction_id[again.prediction != again.outcome])


def test_rows_of_the_evaluation_stay_out(late, held_out):
    said = nb.predict("late", held_out).assign(outcome=held_out.late)
    nb.feedback(outcomes(said))
    found = nb.training_increment("late")
    assert found.dataset is None
    assert found.left_out == {"evaluation": int((said.prediction != said.outcome).sum())}


def test_rows_a_gate_compared_on_stay_out(late, said, month, project):
    nb.dataset("late-eval", month[:100], keep=True)
    (project / "charter.yaml").write_text("rows: late-eval@1\n")
    nb.feedback(outcomes(said))
    found = nb.training_increment("late")
    assert found.left_out["evaluation"] == int((said.prediction != said.outcome)[:100].sum())


def test_a_revised_outcome_returns_though_the_answer_was_right(said):
    right = said[said.prediction == said.outcome][:1]
    nb.feedback(outcomes(right.assign(outcome=~right.outcome)))
    nb.training_increment("late")
    nb.feedback(outcomes(right))
    found = nb.training_increment("late")
    assert found.why == {"revised": 1}
    assert found.to_frame().late.tolist() == right.outcome.tolist()


def opinions(said, **more):
    return said[["prediction_id"]].assign(verdict="disagree", expected=~said.prediction, **more)


def test_what_an_expert_expects_is_a_truth_where_no_outcome_is_known(said):
    nb.feedback(opinions(said[:3]), kind="opinion")
    found = nb.training_increment("late")
    assert found.why == {"expert": 3}
    rows = found.to_frame().set_index("prediction_id")
    assert (rows.loc[said.prediction_id[:3], "late"].to_numpy() == ~said.prediction[:3].astype(bool)).all()


def test_where_the_charter_names_experts_others_are_none(said, project):
    (project / "charter.yaml").write_text("roles: {expert: [ada@example.org]}\n")
    nb.feedback(opinions(said[:3]), kind="opinion")
    assert nb.training_increment("late").rows == 0


def test_an_expert_who_took_it_back_corrects_nothing(said):
    nb.feedback(opinions(said[:3]), kind="opinion")
    nb.feedback(said[["prediction_id"]][:2].assign(verdict="agree"), kind="opinion")
    found = nb.training_increment("late")
    assert found.to_frame().prediction_id.tolist() == said.prediction_id[2:3].tolist()


def test_an_outcome_outweighs_an_opinion(said):
    nb.feedback(opinions(said[:5]), kind="opinion")
    nb.feedback(outcomes(said[:5].assign(outcome=said.prediction)))
    assert nb.training_increment("late").rows == 0


def test_since_is_a_time_or_a_span(said):
    nb.feedback(outcomes(said))
    ahead = (datetime.now(UTC) + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-11)))
    with pytest.raises(NotFound, match="has made no predictions"):
        nb.training_increment("late", since=ahead.isoformat())  # as text it is before the predictions
    for since in ("yesterday", "-7d", "", 7, float("nan")):
        with pytest.raises(Invalid, match="since is") as told:
            nb.training_increment("late", since=since)
        assert "2026-03-01" in told.value.hint
    assert nb.training_increment("late", since="2026-01-01", most=1).rows == 1
    assert nb.training_increment("late", since="7d").rows == int((said.prediction != said.outcome).sum()) - 1


def test_at_most_so_many_and_the_rest_next_time(said):
    nb.feedback(outcomes(said))
    wrong = int((said.prediction != said.outcome).sum())
    first = nb.training_increment("late", most=10)
    assert (first.rows, first.left_out["for_later"]) == (10, wrong - 10)
    assert nb.training_increment("late").rows == wrong - 10


def test_rows_asked_of_two_versions_come_once(said, month, fit, held_out):
    other = fit("noise", "age", "city")
    nb.register(other, "late", evaluation=nb.evaluate(other, held_out, target="late"))
    again = nb.predict("late@2", month).assign(outcome=month.late)
    nb.feedback(outcomes(pd.concat([said, again])))
    found = nb.training_increment("late")
    frame = found.to_frame()
    assert not frame.duplicated(COLUMNS).any()
    assert found.left_out["twice"] > 0


def test_a_private_column_is_not_in_it_unless_the_rows_are_handed_over(project, late, month):
    (project / "charter.yaml").write_text("private: [city]\n")
    said = nb.predict("late", month).assign(outcome=month.late)
    nb.feedback(outcomes(said))
    found = nb.training_increment("late", most=20)
    assert found.missing == ("city",)
    assert "city: private" in repr(found)
    assert "Bern" not in json.dumps(found.to_dict())
    whole = nb.training_increment("late", data=month.assign(prediction_id=said.prediction_id))
    assert whole.missing == ()
    assert set(whole.to_frame().city) == {"Ulm", "Bern"}


def test_a_column_that_became_private_later_is_not_in_it(project, said, month):
    nb.feedback(outcomes(said))
    (project / "charter.yaml").write_text("private: [city]\n")
    found = nb.training_increment("late")
    assert found.missing == ("city",)
    assert "city: private, so not in it" in found.notes[-1]
    assert "city" not in found.to_frame()


def test_inputs_that_are_gone_are_counted(said, month):
    from nbmlops.monitoring.predicting.blocks import packed, without_inputs
    from nbmlops.monitoring.predicting.recorded import content
    from nbmlops.store import predictions as stored
    from nbmlops.tracking import session

    nb.feedback(outcomes(said))
    (block,) = stored.blocks(session.store(), "late")
    digest = session.artifacts().put(packed(without_inputs(content(block))))
    with session.store().atomic() as change:
        stored.replace(change, block, None, digest)
    wrong = int((said.prediction != said.outcome).sum())
    found = nb.training_increment("late")
    assert (found.rows, found.left_out) == (0, {"inputs_gone": wrong})
    assert nb.training_increment("late", data=month.assign(prediction_id=said.prediction_id)).rows == wrong


def test_numbers_are_wrong_beyond_what_nine_of_ten_rows_are(project, people):
    frame, judging, asked = (people(300, i) for i in (1, 2, 3))
    rng = np.random.default_rng(0)
    model = LinearRegression().fit(frame[["age"]], frame.age * 2 + rng.normal(size=300))
    evaluation = nb.evaluate(model, judging.assign(y=judging.age * 2 + rng.normal(size=300)), target="y")
    nb.register(model, "double", evaluation=evaluation)
    said = nb.predict("double", asked)
    nb.feedback(said.assign(outcome=said.prediction + [0.1, 99] * 150)[["prediction_id", "outcome"]])
    found = nb.training_increment("double")
    assert found.rows == 150
    assert 1 < found.limit < 3


def test_numbers_without_an_evaluation_have_no_limit(project, people):
    frame = people(100, 1)
    nb.register(LinearRegression().fit(frame[["age"]], frame.age), "plain")
    said = nb.predict("plain", frame)
    nb.feedback(said.assign(outcome=0.0)[["prediction_id", "outcome"]])
    with pytest.raises(NotFound, match="has no evaluation whose values were kept"):
        nb.training_increment("plain", target="y")


def test_lineage_leads_from_predictions_to_the_increment(said):
    nb.feedback(outcomes(said))
    found = nb.training_increment("late")
    edge = {"from": "predictions:late@1:may", "to": f"dataset:{found.dataset}", "what": "returned as"}
    assert edge in nb.lineage(f"dataset:{found.dataset}").edges
    assert edge in nb.lineage("late@1").edges


def boosted(train, rows):
    """A model that can learn what a linear one cannot."""
    numbers = [c for c in COLUMNS if c != "city"]
    return make_pipeline(HistGradientBoostingClassifier(random_state=0)).fit(train[numbers], rows)


@pytest.fixture
def returned(project, people):
    """A model that gets all it is asked about wrong where the noise is high, and an increment of it."""
    from sklearn.linear_model import LogisticRegression

    def truth(frame):
        return ((frame.age > 40) ^ (frame.noise > 0.7)).astype(int)

    frames = [people(n, i).assign(y=truth) for n, i in ((800, 1), (400, 2), (1500, 3))]
    model = LogisticRegression().fit(frames[0][["age", "noise"]], frames[0].y)
    nb.register(model, "odd", evaluation=nb.evaluate(model, frames[1][["age", "noise", "y"]], target="y"))
    said = nb.predict("odd", frames[2], batch="may")
    nb.feedback(said.assign(outcome=frames[2].y)[["prediction_id", "outcome"]])
    return nb.training_increment("odd"), frames[0], frames[1]


def test_what_is_gone_is_counted_on_the_part_to_check_with(returned):
    increment, train, held_out = returned
    joined = nb.with_increment(train[["age", "noise", "y"]], increment.dataset, held_out)
    assert len(joined) > len(train) + increment.learn
    features = joined[["age", "noise"]]
    with nb.run("better"):
        better = HistGradientBoostingClassifier(random_state=0).fit(features, joined.y)
    found = nb.errors_gone(better, increment.dataset)
    rows = increment.to_frame().query("part == 'check'")
    gone = int((better.predict(rows[["age", "noise"]]) == rows.y).sum())
    assert (found.n, found.gone) == (len(rows), gone)
    assert found.check["low"] < found.share <= found.check["high"]
    assert found.share > 0.9
    assert found.balance > 0.1
    nb.register(better, "odd", evaluation=nb.evaluate(better, held_out[["age", "noise", "y"]], target="y"))
    known = nb.errors_gone("odd@2")
    assert known.increment == increment.dataset
    assert (known.check["gone"], known.right["wrong"]) == (found.check["gone"], found.right["wrong"])


def test_rows_the_model_was_fitted_on_judge_nothing(returned):
    increment, train, held_out = returned
    rows = pd.concat([train[["age", "noise", "y"]], increment.to_frame()[["age", "noise", "y"]]])
    features = rows[["age", "noise"]]
    with nb.run("cheat"):
        cheat = HistGradientBoostingClassifier(random_state=0).fit(features, rows["y"])
    nb.register(cheat, "odd", evaluation=nb.evaluate(cheat, held_out[["age", "noise", "y"]], target="y"))
    found = nb.errors_gone("odd@2", increment.dataset)
    assert (found.check["seen"], found.learn["seen"]) == ("fitted", "fitted")
    assert found.balance is None
    assert found.findings[-1].code == "learnt"
    assert "the model was fitted on these rows" in repr(found)


def test_a_model_whose_fit_is_not_known_has_passed_nothing(returned):
    increment, train, _ = returned
    unknown = HistGradientBoostingClassifier(random_state=0).fit(train[["age", "noise"]], train.y)
    found = nb.errors_gone(unknown, increment.dataset)
    assert (found.check["seen"], found.right["seen"], found.balance) == ("not known", "not known", None)
    assert "passed" not in {f.outcome for f in found.findings}
    assert "whether the model saw these rows is not known" in repr(found)


@pytest.fixture
def timetable(project):
    """An increment of rows that repeat, and training rows that have most of them too."""

    def rows(n, seed, late):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"hour": rng.integers(0, 24, n), "line": rng.integers(0, 20, n)})
        return frame.assign(y=((frame.hour > 12) ^ ((frame.line > 15) & late)).astype(int))

    train, may = rows(4000, 1, False), rows(1500, 2, True)
    model = HistGradientBoostingClassifier(random_state=0).fit(train[["hour", "line"]], train.y)
    nb.register(model, "bus")
    said = nb.predict("bus", may[["hour", "line"]])
    nb.feedback(said.assign(outcome=may.y)[["prediction_id", "outcome"]])
    return nb.training_increment("bus", target="y"), pd.concat([train, may], ignore_index=True)


def fitted(features, target):
    with nb.run("fit"):
        return HistGradientBoostingClassifier(random_state=0).fit(features, target)


def test_rows_to_check_with_are_taken_out_though_rows_repeat(timetable):
    increment, train = timetable
    frame = increment.to_frame()
    joined = nb.with_increment(train, increment.dataset)
    check, learn = (frame[frame.part == part] for part in ("check", "learn"))
    assert joined.merge(check, on=["hour", "line"]).empty
    features = joined[["hour", "line"]]
    learn = learn[["hour", "line"]].drop_duplicates()
    assert len(features.merge(learn)) > len(train.merge(learn))
    found = nb.errors_gone(fitted(features, joined.y), increment.dataset)
    assert (found.check["seen"], found.right["seen"]) == ("held out", "held out")
    assert found.balance is not None


def test_where_rows_repeat_a_model_that_has_equal_rows_has_passed_nothing(timetable):
    increment, train = timetable
    rows = pd.concat([train, increment.to_frame()[["hour", "line", "y"]]])
    features = rows[["hour", "line"]]
    found = nb.errors_gone(fitted(features, rows.y), increment.dataset)
    assert (found.check["seen"], found.right["seen"], found.balance) == ("not known", "not known", None)
    assert "passed" not in {f.outcome for f in found.findings}


def test_what_was_right_and_is_wrong_now_is_told(returned):
    increment, train, _ = returned
    features = train[["age", "noise"]]
    with nb.run("worse"):
        worse = HistGradientBoostingClassifier(random_state=0).fit(features, 1 - train.y)
    found = nb.errors_gone(worse, increment.dataset)
    assert found.right["share"] > 0.8
    assert found.balance < 0
    assert "are wrong now" in repr(found)


def test_training_rows_that_are_in_the_increment_are_there_once(returned):
    increment, train, _ = returned
    frame = increment.to_frame()
    known = pd.concat([train[["age", "noise", "y"]], frame[["age", "noise", "y"]].assign(y=0)], ignore_index=True)
    joined = nb.with_increment(known, increment.dataset)
    assert not joined.duplicated(["age", "noise"]).any()
    learnt = frame.query("part == 'learn'").merge(joined, on=["age", "noise"])
    assert len(learnt) == increment.learn
    assert (learnt.y_x == learnt.y_y).all()
    assert frame.query("part == 'check'").merge(joined, on=["age", "noise"]).empty


def test_wrong_rows_come_with_right_ones_in_the_proportion_there_was(returned):
    """Wrong rows alone would teach a model to say the opposite wherever it recognizes their month."""
    increment, train, _ = returned
    joined = nb.with_increment(train[["age", "noise", "y"]], increment.dataset)
    right = len(joined) - len(train) - increment.learn
    assert right / (right + increment.learn) == pytest.approx(1 - increment.rows / 1500, abs=0.04)


def test_rows_that_judge_the_model_are_not_among_the_right_ones(late, held_out, month, people, project):
    nb.dataset("late-eval", month[:100], keep=True)
    (project / "charter.yaml").write_text("rows: late-eval@1\n")
    rows = pd.concat([held_out, month], ignore_index=True)
    said = nb.predict("late", rows).assign(outcome=rows.late)
    nb.feedback(outcomes(said))
    increment, train = nb.training_increment("late"), people(50, 77)
    added = nb.with_increment(train, increment.dataset)[len(train) :]
    assert added.merge(pd.concat([held_out, month[:100]]), on=COLUMNS).empty
    free = said[len(held_out) + 100 :]
    assert increment.learn / len(added) == pytest.approx((free.prediction != free.outcome).mean(), abs=0.04)


def test_each_row_comes_once_over_versions_and_increments(said, month, fit, held_out, people):
    other = fit("noise", "age", "city")
    nb.register(other, "late", evaluation=nb.evaluate(other, held_out, target="late"))
    again = nb.predict("late@2", month).assign(outcome=month.late)
    nb.feedback(outcomes(pd.concat([said, again])))
    found = [nb.training_increment("late", most=most) for most in (10, None)]
    train = people(50, 77)
    joined = nb.with_increment(train, [increment.dataset for increment in found])
    assert not joined.duplicated(COLUMNS).any()
    inputs = [column for column in found[0].to_frame() if column in COLUMNS]
    assert len(joined) - len(train) == half(month[inputs]).sum()  # one of each to learn from


def test_a_row_that_was_revised_comes_with_what_is_known_now(said, people):
    nb.feedback(outcomes(said))
    first = nb.training_increment("late")
    learn = first.to_frame().query("part == 'learn'").prediction_id
    right = said[said.prediction_id.isin(learn)].assign(outcome=lambda rows: rows.prediction)
    nb.feedback(outcomes(right[:5]))
    second, train = nb.training_increment("late"), people(50, 77)
    joined = nb.with_increment(train, [second.dataset, first.dataset])
    assert not joined.duplicated(COLUMNS).any()
    now = second.to_frame().merge(joined, on=COLUMNS)
    assert len(now) == 5
    assert (now.late_x == now.late_y).all()


def test_rows_experts_agree_with_were_right(said, people):
    nb.feedback(opinions(said[:40]), kind="opinion")
    increment, train = nb.training_increment("late"), people(50, 77)
    with pytest.raises(Invalid, match="No row of that time is known to be right"):
        nb.with_increment(train, increment.dataset)
    nb.feedback(said[["prediction_id"]][40:160].assign(verdict="agree"), kind="opinion")
    added = nb.with_increment(train, increment.dataset)[len(train) :]
    assert increment.learn / len(added) == pytest.approx(40 / 160, abs=0.08)
    about = [nb.prediction(i)["inputs"] for i in said.prediction_id[40:160]]
    agreed = pd.DataFrame(about).assign(said=said.prediction[40:160].to_numpy())
    right = added.merge(agreed, on=COLUMNS)
    assert len(right) == len(added) - increment.learn
    assert (right.late == right.said).all()


@pytest.mark.parametrize("expected", [True, False])
def test_an_expert_who_agrees_contradicts_one_who_does_not(said, expected):
    nb.feedback(opinions(said[:3]) if expected else opinions(said[:3]).drop(columns="expected"), kind="opinion")
    nb.feedback(said[["prediction_id"]][:2].assign(verdict="agree"), kind="opinion", actor="ada")
    found = nb.training_increment("late")
    assert found.rows == (1 if expected else 0)
    assert found.left_out["contradicting"] == 2


def test_what_is_held_out_is_not_learnt_from(returned):
    increment, train, _ = returned
    held_out = increment.to_frame()[["age", "noise", "y"]]
    joined = nb.with_increment(train[["age", "noise", "y"]], increment.dataset, held_out)
    assert joined.merge(held_out, on=["age", "noise"]).empty


def test_bad_input(said, month):
    with pytest.raises(Invalid, match="most is 0"):
        nb.training_increment("late", most=0)
    with pytest.raises(NotFound, match="Did you mean 'late'"):
        nb.training_increment("lat")
    nb.feedback(outcomes(said))
    with pytest.raises(Invalid, match="no column 'prediction_id'"):
        nb.training_increment("late", data=month)
    nb.dataset("other", month)
    with pytest.raises(NotFound, match="other@1 is no training increment"):
        nb.errors_gone("late", "other@1")
    found = nb.training_increment("late")
    with pytest.raises(Invalid, match="training rows lack noise"):
        nb.with_increment(month.drop(columns="noise"), found.dataset)


def test_a_model_that_predicted_nothing(late):
    with pytest.raises(NotFound, match="has made no predictions"):
        nb.training_increment("late")
