"""What predictions were made of goes after so many days; what was said stays, once and for all."""

import json
import os

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.monitoring.predicting import recorder, retention
from nbmlops.store import events
from nbmlops.store import predictions as stored
from nbmlops.tracking import session

OLD, NOW = "2023-01-01T00:00:00.000000+00:00", "2023-04-10T00:00:00.000000+00:00"


@pytest.fixture
def late(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late")


@pytest.fixture
def said(late, people, monkeypatch):
    """Predictions of January, few and many, and of now."""
    frame = people(300, 9)
    monkeypatch.setattr(recorder, "now", lambda: OLD)
    old = [nb.predict("late", frame[:10]), nb.predict("late", frame[10:200], batch="a")]
    monkeypatch.setattr(recorder, "now", lambda: NOW)
    return [*old, nb.predict("late", frame[200:])]


def pruned_events():
    with session.store().reading() as connection:
        return [e["data"] for e in events.listed(connection, action="prune")]


def test_old_inputs_go_and_what_was_said_stays(said):
    digests = {b.digest for b in stored.blocks(session.store(), "late") if b.digest}
    for path in (session.project().home / "artifacts").glob("*/*"):
        os.utime(path, (0, 0))
    found = retention.prune(at=NOW)
    assert (found.blocks, found.rows, found.models) == (2, 200, ("late",))
    few, many, new = (nb.prediction(frame.prediction_id.iloc[7]) for frame in said)
    assert (few["inputs"], many["inputs"]) == (None, None)
    assert set(new["inputs"]) == {"age", "city", "noise"}
    assert [p["probability"] for p in (few, many)] == pytest.approx([f.probability.iloc[7] for f in said[:2]])
    left = {b.digest for b in stored.blocks(session.store(), "late") if b.digest}
    assert [session.artifacts().has(d) for d in digests - left] == [False]
    assert pruned_events() == [{"blocks": 2, "rows": 200, "before": found.before, "models": ["late"]}]


def test_again_changes_nothing_and_what_if_neither(said):
    assert retention.prune(at=NOW, what_if=True).rows == 200
    assert nb.prediction(said[0].prediction_id.iloc[0])["inputs"]
    retention.prune(at=NOW)
    assert retention.prune(at=NOW).blocks == 0
    assert len(pruned_events()) == 1


def test_a_file_that_younger_predictions_share_stays(late, people, monkeypatch):
    frame = people(100, 9)
    for at in (OLD, NOW):
        monkeypatch.setattr(recorder, "now", lambda at=at: at)
        last = nb.predict("late", frame)
    for path in (session.project().home / "artifacts").glob("*/*"):
        os.utime(path, (0, 0))
    assert retention.prune(at=NOW).blocks == 1
    assert nb.prediction(last.prediction_id.iloc[0])["inputs"]["age"] == pytest.approx(frame.age.iloc[0])


def test_a_block_whose_file_is_gone_holds_up_nothing(said):
    (old,) = [b for b in stored.blocks(session.store(), "late") if b.batch == "a"]
    session.artifacts().delete(old.digest)
    assert retention.prune(at=NOW).blocks == 2
    assert retention.prune(at=NOW).blocks == 0


def test_a_damaged_file_holds_up_no_other_and_is_said(said, monkeypatch):
    from nbmlops.jobs.schedule.ticker import tick

    monkeypatch.setattr(retention, "AT_ONCE", 1)
    (old,) = [b for b in stored.blocks(session.store(), "late") if b.batch == "a"]
    (path,) = (p for p in (session.project().home / "artifacts").glob("*/*") if old.digest.endswith(p.name[-20:]))
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    with pytest.warns(RuntimeWarning, match="expired predictions are damaged, 1 in all"):
        found = retention.prune(at=NOW)
    assert (found.blocks, found.rows, found.damaged) == (1, 10, (old.digest,))
    assert "damaged files that keep theirs: 1" in repr(found)
    assert nb.prediction(said[0].prediction_id.iloc[0])["inputs"] is None
    (still,) = [b for b in stored.blocks(session.store(), "late") if b.batch == "a"]
    assert still == old
    with pytest.warns(RuntimeWarning, match="damaged"):
        told = tick(session.project(), "2023-04-12T00:00:00+00:00")
    assert [f.code for f in told.findings] == ["pruned"]


def test_what_expired_is_read_in_pages(said, monkeypatch):
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    pages = list(stored.expired(session.store(), NOW, 1))
    assert [len(page) for page in pages] == [1, 1]
    assert retention.prune(at=NOW).rows == 200
    assert pruned_events()[0]["rows"] == 200


def test_who_else_is_in_a_file_is_asked_of_an_index(said):
    with session.store().reading() as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN SELECT count(*) FROM predictions WHERE digest = 'x'")
        assert "predictions_digest" in str(plan.fetchall())


def test_days_are_the_projects(said, project):
    (project / "nbmlops.toml").write_text("[predictions]\nkeep_days = 1000\n")
    session.reset()
    assert retention.prune(at=NOW).blocks == 0
    (project / "nbmlops.toml").write_text("[predictions]\nkeep_days = 'long'\n")
    session.reset()
    with pytest.raises(Invalid, match="keep_days is 'long'"):
        retention.prune(at=NOW)


def test_no_inputs_are_kept_where_the_project_says_so(late, people, project):
    (project / "nbmlops.toml").write_text("[predictions]\ninputs = false\n")
    session.reset()
    said = nb.predict("late", people(100, 9))
    assert nb.prediction(said.prediction_id.iloc[0])["inputs"] is None
    assert [b.inputs for b in stored.blocks(session.store(), "late")] == [False]


def test_a_tick_prunes_once_a_day(said):
    from nbmlops.jobs.schedule.ticker import tick

    tick(session.project(), NOW, what_if=True)
    assert pruned_events() == []
    tick(session.project(), NOW)
    assert [e["rows"] for e in pruned_events()] == [200]
    assert retention.prune_daily(session.project(), "2023-04-10T12:00:00+00:00") is None
    assert retention.prune_daily(session.project(), "2023-04-11T12:00:00+00:00").blocks == 0


def test_what_a_model_predicted_is_listed(said):
    nb.feedback(said[1][:40].assign(outcome=True)[["prediction_id", "outcome"]])
    retention.prune(at=NOW)
    rows = retention.listed("late")
    assert [(r["batch"], r["day"], r["rows"], r["known"], r["inputs"]) for r in rows] == [
        (None, "2023-01-01", 10, 0, "none"),
        ("a", "", 190, 40, "none"),
        (None, "2023-04-10", 100, 0, "all"),
    ]
    run = CliRunner().invoke(main, ["predictions", "late", "--json"])
    assert json.loads(run.output) == rows
    assert "2023-04-10" in CliRunner().invoke(main, ["predictions", "late"]).output
    assert CliRunner().invoke(main, ["predictions", "late", "--csv"]).output.count("\n") == 4


def test_the_command_prunes_and_bad_names_are_one_line(said):
    run = CliRunner().invoke(main, ["predictions", "prune", "--what-if", "--json"])
    assert json.loads(run.output)["blocks"] == retention.prune(what_if=True).blocks == 3  # now is long behind NOW
    assert "would be taken" in CliRunner().invoke(main, ["predictions", "prune", "--what-if"]).output
    with pytest.raises(NotFound, match="Did you mean 'late'"):
        retention.listed("lat")
    run = CliRunner().invoke(main, ["predictions", "lat"])
    assert (run.exit_code, "Traceback" in run.output) == (5, False)
