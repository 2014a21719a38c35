"""In which phase each model is, whose turn it is, and when it went back: rules of one table, read from the store."""

import json
import time

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.governance.phase import BACK, PHASES, RULES, Known, _phase, status, went_back
from nbmlops.store import models
from nbmlops.tracking import session

from .conftest import ANN, CHARTER, KIM, SAM


def one():
    return status().items[0]


def test_a_project_without_anything_begins_with_its_charter(project):
    found = one()
    assert (found.phase, found.rule, found.do) == ("design", "charter", "nbmlops charter new")
    (project / "charter.yaml").write_text("roles: {stakeholder: [sam]}\n")
    assert (one().rule, one().turn) == ("problem", "stakeholder (sam)")
    (project / "charter.yaml").write_text("problem: late\nmetrics: [{name: roc_auc, at_least: 0.6}]\n")
    assert (one().phase, one().rule, one().turn) == ("data", "data", "data engineer (nobody is named)")
    with nb.run("try"):
        pass
    assert (one().phase, one().rule) == ("development", "model")


def test_a_charter_that_cannot_be_read_is_said(project):
    (project / "charter.yaml").write_text("problme: x\n")
    found = status()
    assert found.items[0].rule == "data"
    assert "charter.yaml cannot be read" in repr(found)


def test_a_version_waits_for_who_has_to_approve(judged, who):
    found = one()
    assert (found.phase, found.rule, found.version) == ("deployment", "unapproved", "late@1")
    assert found.role == "manager or expert"
    assert set(found.people) >= {ANN, KIM}
    who(ANN)
    nb.approve("late@1", role="manager")
    assert one().role == "expert"
    who(KIM)
    nb.approve("late@1", "changes requested", role="expert", comment="look at the night")
    found = one()
    assert (found.phase, found.rule) == ("development", "turned_down")
    assert found.because == f"the newest version was turned down: {KIM}: look at the night"
    assert {k: found.back[k] for k in ("from", "to", "why", "by")} == {
        "from": "deployment", "to": "development", "why": "look at the night", "by": KIM,
    }  # fmt: skip
    nb.approve("late@1", role="expert")
    assert (one().rule, one().turn) == ("waits", f"manager ({ANN})")


def test_a_champion_is_used_then_watched_then_taken_back(project, fit, held_out):
    for columns in (["age"], ["age", "city"]):
        model = fit(*columns)
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="the first")
    assert (one().phase, one().rule, one().version) == ("retraining", "challenges", "late@2")
    nb.promote("late", 2, to="champion", reason="better")
    assert (one().phase, one().rule) == ("deployment", "unused")
    nb.predict("late@champion", held_out.head(20))
    assert (one().phase, one().rule, one().turn) == ("monitoring", "used", "nobody's")
    nb.rollback("late", reason="it was slow")
    back = one().back
    assert (back["from"], back["to"], back["why"]) == ("monitoring", "deployment", "it was slow")
    assert one().champion == "late@1"


def test_a_champion_nobody_checked_is_told_where_an_older_version_has_an_alert(project, fit, held_out, people):
    for number, columns in enumerate((["age", "city"], ["age"]), 1):
        model = fit(*columns)
        nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
        nb.promote("late", number, to="champion", reason="a try")
        if number == 1:
            moved = people(2000, 7)
            moved["age"] += 60
            assert nb.drift(moved, reference="late@1").verdict == "alert"
            assert one().rule == "alert"
    found = one()
    assert (found.version, found.rule, found.phase, found.role) == ("late@2", "unchecked", "monitoring", "ml_engineer")
    assert found.because.startswith("it was never checked")
    assert found.do == "nbmlops drift DATA --model late@2"
    nb.drift(people(2000, 8), reference="late@2")
    assert one().rule == "used"


def test_never_evaluated_is_the_scientists_turn(project, fit):
    nb.register(fit("age"), "late")
    assert (one().rule, one().phase, one().do) == ("unjudged", "development", "nbmlops evaluate late@1")


def test_a_blocking_flag_is_the_owners(judged):
    nb.flag("late@1", "too sure at night", severity="blocking")
    found = one()
    assert (found.phase, found.rule, found.role, found.people) == ("development", "flagged", "owner", (SAM,))
    assert found.back["why"] == "a blocking flag"


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"advice": "stop", "alerts": 2}, "stop"),
        ({"advice": "fix the data"}, "fix"),
        ({"advice": "retrain", "late": True}, "retrain"),
        ({"advice": "change the model"}, "retrain"),
        ({"alerts": 1, "late": True, "unchecked": True}, "alert"),
        ({"unchecked": True, "late": True, "used": True}, "unchecked"),
        ({"late": True, "answered": True}, "review"),
        ({"answered": True, "used": True, "advice": "keep"}, "answered"),
        ({"used": True}, "used"),
        ({}, "unused"),
    ],
)
def test_of_a_champion_the_first_rule_decides(project, known, code):
    assert _phase(Known("late", "late@1", "ann", champion="late@1", **known), None).rule == code


def test_the_tables_know_their_phases():
    assert {rule.phase for rule in RULES} <= set(PHASES)
    assert len({rule.code for rule in RULES}) == len(RULES)
    for _, _, before, after in BACK:
        assert PHASES.index(after) < PHASES.index(before)


def test_a_pivot_takes_all_back_and_an_alias_that_is_no_champion_none():
    at = {"at": "2026-01-01", "actor": "ann"}
    pivot = {**at, "action": "decision", "subject": "p", "data": {"decision": "pivot", "to": "trains", "why": "so"}}
    other = {**at, "action": "alias", "subject": "late@challenger", "data": {"version": None}}
    assert went_back([other], ["late"]) == {}
    found = went_back([pivot], ["late", "early"])
    assert (found["early"]["to"], found["late"]["why"]) == ("design", "pivot to trains: so")


def test_function_command_and_magic_say_the_same(judged, shell):
    found = {**status().to_dict(), "at": ""}
    done = CliRunner().invoke(main, ["status", "--json"])
    assert {**json.loads(done.output), "at": ""} == found
    assert {**shell.run_line_magic("nbmlops", "status").to_dict(), "at": ""} == found
    table = CliRunner().invoke(main, ["status", "--csv"]).output.splitlines()
    assert table[0].startswith("model,version,champion,phase")
    assert table[1].startswith("late,late@1,,deployment")
    assert "late@1" in CliRunner().invoke(main, ["status"]).output


def test_a_hundred_models_take_less_than_a_second(project):
    store = session.store()
    (project / "charter.yaml").write_text(CHARTER + "review_days: 30\n")
    with store.atomic() as change:
        for n in range(100):
            for version in (1, 2):
                row = {"name": f"model-{n}", "digest": f"{version:064d}", "format": "skops", "estimator": "X"}
                row |= {"signature": {}, "run_id": None, "owner": SAM, "created_at": "2026-01-01T00:00:00+00:00"}
                row |= {"metrics": {}, "evaluation": None, "profile": None, "environment": None, "size_bytes": 1}
                models.add_version(change, row, [], (SAM, "git"))
            for _ in range(20):  # a log is longer than what a phase rests on
                change.event("dataset", "flights", {"rows": 1}, (SAM, "git"))
            models.set_alias(change, f"model-{n}", "champion", 1, {"reason": "x"}, (SAM, "git"))
    status()
    began = time.process_time()
    found = status()
    took = time.process_time() - began
    assert len(found.items) == 100
    assert took < 1, took
