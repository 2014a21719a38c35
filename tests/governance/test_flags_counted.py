"""Flags are counted in each value of a column, and a rate that rises is an alert, once."""

import json
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.governance.flags.counted import rising
from nbmlops.monitoring import alerts
from nbmlops.records import now
from nbmlops.store.tables import flags, model_versions, predictions
from nbmlops.tracking import session


@pytest.fixture
def late(project, model, held_out):
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    moved(model_versions.update().values(created_at=ago(60)))
    return project


def ago(days):
    return (datetime.fromisoformat(now()) - timedelta(days=days)).isoformat(timespec="microseconds")


def moved(statement):
    """Let something have happened earlier."""
    with session.store().atomic() as change:
        change.connection.execute(statement)


def flagged(count, days, start=0):
    for n in range(start, start + count):
        found = nb.flag("late@1", f"odd {n}", where=f"age > {n}")
        moved(flags.update().where(flags.c.flag_id == found.flag_id).values(at=ago(days)))


def test_flagged_predictions_are_counted_in_each_value_with_an_interval(late, people):
    rows = people(200, 3)
    said = nb.predict("late", rows)
    ulm, bern = (said.prediction_id[rows.city == city].tolist() for city in ("Ulm", "Bern"))
    for prediction_id in ulm[:8]:
        nb.flag(prediction_id, "odd")
    nb.feedback({"prediction_id": bern[0], "reason": "odd"}, kind="flag")
    nb.feedback({"prediction_id": ulm[0], "reason": "odd too"}, kind="flag")  # the same one counts once
    gone = nb.flag(bern[1], "odd")
    nb.answer_flag(gone.flag_id, "no", state="dismissed")
    found = nb.flags("late", by="city").set_index("value")
    assert found.loc["Ulm", ["n", "flagged"]].tolist() == [len(ulm), 8]
    assert found.loc["Bern", ["n", "flagged"]].tolist() == [len(bern), 1]
    assert (found.low < found.share).all()
    assert (found.share < found.high).all()
    done = CliRunner().invoke(main, ["flags", "late", "--by", "city", "--json"])
    assert json.loads(done.output) == nb.flags("late", by="city").to_dict("records")


def test_flagged_rows_of_a_kept_data_set_are_counted(project, needed, people):
    needed("pyarrow")
    rows = people(50, 3)
    nb.dataset("people", rows, keep=True)
    place = int(rows.index[rows.city == "Ulm"][0])
    nb.flag(f"people#{place}", "odd")
    nb.flag(f"people#{place}", "odd again")
    found = nb.flags("people", by="city").set_index("value")
    assert found.flagged.to_dict() == {"Ulm": 1, "Bern": 0}


def test_what_cannot_be_counted_is_said(late, people):
    with pytest.raises(NotFound, match="no predictions"):
        nb.flags("late", by="city")
    nb.predict("late", people(30, 3))
    with pytest.raises(Invalid, match="No column 'colour'"):
        nb.flags("late", by="colour")
    with pytest.raises(Invalid, match="is a feature"):
        nb.flags("late:age", by="city")
    with pytest.raises(Invalid, match="Flags are counted of one model or data set"):
        nb.flags(by="city")
    (late / "charter.yaml").write_text("private: [city]")
    with pytest.raises(Invalid, match="city is private"):
        nb.flags("late", by="city")


def test_few_flags_are_insufficient_data(late):
    flagged(4, 1)
    found = rising("late")
    assert (found.outcome, found.level) == ("skipped", "insufficient data")
    assert "4 flags in 7 days, 5 are needed" in found.message


def test_a_model_that_is_new_has_nothing_before(late):
    moved(model_versions.update().values(created_at=ago(3)))
    flagged(6, 1)
    found = rising("late")
    assert found.outcome == "skipped"
    assert "there is nothing before" in found.message


def test_more_flags_than_before_are_an_alert_and_as_many_are_none(late):
    flagged(4, 10)
    flagged(8, 1, start=4)
    found = rising("late")
    assert (found.outcome, found.detail["now"], found.detail["before"]) == ("issue", 8, 4)
    assert "by days" in found.message
    flagged(28, 20, start=20)
    assert rising("late").outcome == "passed"


def test_twice_the_predictions_explain_twice_the_flags(late, people):
    nb.predict("late", people(20, 3), batch="before")
    moved(predictions.update().values(at=ago(15)))
    nb.predict("late", people(200, 4), batch="now")
    flagged(2, 10)
    flagged(10, 0.001, start=2)
    found = rising("late")
    assert (found.outcome, found.detail["exposed"], found.detail["unit"]) == ("passed", (200.0, 20.0), "predictions")


def test_the_alert_is_sent_once_a_week_and_nothing_for_data(late, held_out):
    (late / "nbmlops.toml").write_text('[alerts]\nfile = "alerts.jsonl"\n')
    (late / "charter.yaml").write_text("roles: {ml_engineer: [mel@x.org]}")
    session.reset()
    nb.dataset("people", held_out)
    flagged(7, 1)
    said = [json.loads(line) for line in (late / "alerts.jsonl").read_text().splitlines()]
    assert [m["title"] for m in said] == ["late is flagged more often than before"]
    assert "mel@x.org" in said[0]["notice"]["people"]
    nb.flag("people", "odd", where="age > 3")
    assert len(alerts.rows()) == 1


def test_one_subject_counts_once(late):
    for _ in range(9):
        nb.flag("late@1:age", "odd")
    assert rising("late").detail["now"] == 1
    with session.store().reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(flags)) == 9
