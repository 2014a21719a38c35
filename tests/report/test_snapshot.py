"""The facts of a report: complete, plain, and the same however often they are taken."""

import json
import threading

from nbmlops.report import snapshot
from nbmlops.report.kept import facts_digest
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import machine, session

from .conftest import promote


def test_holds_the_whole_story_of_a_retraining(retrained):
    taken = snapshot.build(subject_of(retrained))
    assert [p["name"] for p in taken["parts"]] == ["fit"]
    assert sorted(r["kind"] for r in taken["results"]) == ["check", "drift", "evaluation", "gate", "profile"]
    assert {m["ref"] for m in taken["models"]} == {"late-flights@1", "late-flights@2"}
    assert taken["before"]["ref"] == "late-flights@1"
    assert taken["serving"] == [{"name": "late-flights", "alias": "champion", "version": 1}]
    assert taken["charter"]["problem"] == "Will this flight arrive late?"
    assert taken["value"]["unit"] == "EUR"
    assert taken["environment"]["python"] == "3.11.7"
    assert taken["parts"][0]["series"] == {"loss": [0.6, 0.5, 0.45, 0.44]}


def test_leaves_the_counts_of_a_profile_out(retrained):
    assert len(snapshot.canonical(snapshot.build(subject_of(retrained)))) < 21_000


def test_is_plain_json_and_the_same_twice(retrained):
    one, two = snapshot.build(subject_of(retrained)), snapshot.build(subject_of(retrained))
    assert json.loads(snapshot.canonical(one)) == one
    assert snapshot.digest(one) == snapshot.digest(two)


def test_its_time_is_that_of_the_newest_fact(retrained):
    before = snapshot.build(subject_of(retrained))
    assert before["as_of"] >= retrained.ended_at
    promote(2, "better")
    after = snapshot.build(subject_of(retrained))
    assert after["as_of"] == after["events"][-1]["at"] > before["as_of"]
    assert snapshot.digest(after) != snapshot.digest(before)


def test_what_happens_to_other_versions_is_not_its_story(retrained):
    before = facts_digest(snapshot.build(subject_of(retrained)))
    with session.store().atomic() as change:
        change.event("alias", "price@champion", {"version": 9, "from": None}, ("eve", "os"))
        change.event("flag", "late-flights@20", {"text": "odd"}, ("eve", "os"))
    assert facts_digest(snapshot.build(subject_of(retrained))) == before


def test_a_broken_charter_is_said_not_raised(project, retrained):
    (project / "charter.yaml").write_text("metrics: 3")
    taken = snapshot.build(subject_of(retrained))
    assert "metrics is 3" in taken["charter"]["unreadable"]


def test_numbers_that_are_not_finite_stay_json(project):
    with session.run("odd") as run:
        session.log(loss=float("nan"))
    taken = snapshot.build(subject_of(session_run(run.run_id)))
    assert taken["run"]["summary"]["loss"] == "NaN"
    snapshot.canonical(taken)


def session_run(run_id):
    from nbmlops.tracking.runs import get_run

    return get_run(run_id)


def test_waits_for_what_is_still_looked_up_of_the_machine(project, monkeypatch):
    look, snapshots = machine._look, threading.Event()

    def slowly(*words):
        assert snapshots.wait(30)  # until the report is asked for
        return look(*words)

    monkeypatch.setattr(machine, "_look", slowly)
    monkeypatch.setattr(machine, "settle", lambda settle=machine.settle: snapshots.set() or settle())
    run = session.start("late")
    machine.note(run.run_id, project)
    session.finish(run)
    assert snapshot.build(subject_of("late"))["environment"]["packages"]
