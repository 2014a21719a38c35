"""Advice: every rule of the table and their order, what is not known, the log, the same by function, magic, command."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.governance import advise
from nbmlops.governance.grounds import Grounds, Side
from nbmlops.store import events
from nbmlops.tracking import session

from .conftest import ANN

CHARTER = "metrics: [{name: roc_auc, at_least: 0.7, viable: 0.6}]\nroles: {manager: [mo@example.org]}\n"


@pytest.fixture
def late(project, fit, held_out):
    """A champion on noise and a charter: AUC about 0.5 on any rows."""
    (project / "charter.yaml").write_text(CHARTER)
    register(fit("noise", "city"), held_out)
    nb.promote("late", 1, to="champion", reason="the first")
    return project


@pytest.fixture
def good(project, fit, held_out):
    """A champion that keeps its target."""
    (project / "charter.yaml").write_text(CHARTER)
    register(fit("age", "city"), held_out)
    nb.promote("late", 1, to="champion", reason="the first")
    return project


def register(model, rows):
    return nb.register(model, "late", evaluation=nb.evaluate(model, rows, target="late"))


def live(rows, batch=None, known=None, truth=None):
    """Predict rows with the champion, and let the outcomes of some come back."""
    said = nb.predict("late@champion", rows, batch=batch)
    outcome = rows["late"] if truth is None else truth
    nb.feedback(said.assign(outcome=outcome)[["prediction_id", "outcome"]][:known])


def compare(model, rows):
    version = register(model, rows)
    return nb.gate(version.ref, "late@champion", on=rows, target="late")


def spoken(folder):
    with session.store().reading() as connection:
        return events.listed(connection, "late@", "advice")


def test_what_keeps_its_target_is_kept(good, people):
    live(people(1000, 3), "2026-01")
    found = nb.advise("late")
    assert (found.advice, found.rule, found.ref) == ("keep", "nothing_lost", "late@1")
    (target,) = [f for f in found.findings if f.code == "target"]
    assert target.detail["n"] == 1000
    assert target.detail["low"] < target.effect < target.detail["high"]
    assert re.search(r"roc_auc at least 0.7 is shown: 0\.\d+ \[.+\], on 1,000 outcomes of 2026-01", found.because)
    assert found.decides == "manager: mo@example.org"


def test_a_lost_target_and_no_challenger_is_retrain(late, people):
    live(people(1000, 3), "2026-01")
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("retrain", "not_retrained")
    assert "no challenger was compared" in found.because


def test_a_lost_target_and_a_challenger_that_wins_is_retrain(late, people, fit):
    live(people(1000, 3), "2026-01")
    compare(fit("age", "city"), people(800, 4))
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("retrain", "wins")
    assert found.do == ('Let the challenger take over: nbmlops promote late 2 --to champion --reason "..."',)


def test_a_lost_target_and_a_challenger_that_does_not_win_is_change_the_model(late, people, fit):
    live(people(1000, 3), "2026-01")
    compare(fit("noise"), people(800, 4))
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("change the model", "loses")
    assert "not ready because" in found.because


def test_a_gate_from_before_the_rows_were_predicted_does_not_count(late, people, fit):
    compare(fit("noise"), people(800, 4))
    live(people(1000, 3), "2026-01")
    assert nb.advise("late").rule == "not_retrained"


def test_a_gate_on_few_rows_is_insufficient_data(late, people, fit):
    live(people(1000, 3), "2026-01")
    compare(fit("noise"), people(45, 4))
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("insufficient data", "gate_unclear")
    assert any("more rows to compare on" in line for line in found.needed)


def test_a_ready_challenger_without_a_loss_is_told_and_nothing_more(good, people, fit):
    (good / "charter.yaml").write_text(
        CHARTER.replace("0.7", "0.55").replace("0.6", "0.52") + "promotes: non-inferior\n"
    )
    live(people(1000, 3), "2026-01")
    compare(fit("age", "city", "noise"), people(2000, 4))
    found = nb.advise("late")
    assert found.advice == "keep"
    assert "late@2 is better" in found.do[0]


def test_two_reviews_below_viability_are_stop_and_one_is_not(late, people, fit):
    live(people(1000, 3), "2026-01")
    compare(fit("noise"), people(800, 4))
    assert nb.advise("late").advice == "change the model"
    live(people(1000, 5), "2026-02")
    compare(fit("noise", rows=people(300, 6)), people(800, 7))
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("stop", "not_viable")
    assert found.rests_on["reviews"] == ["2026-02", "2026-01"]


def test_a_review_without_outcomes_is_none(late, people):
    live(people(1000, 3), "2026-01")
    live(people(1000, 5), "2026-02", known=100)
    found = nb.advise("late")
    assert found.rests_on["review"] == "2026-01"
    assert found.advice == "retrain"


def test_outcomes_still_to_come_lose_nothing(late, people):
    live(people(1000, 3), "2026-01", known=480)
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("insufficient data", "unknown")
    assert "Performance in 2026-01: outcomes are still to come: 48 % known" in found.because
    assert any("outcomes_after" in line for line in found.needed)
    live(people(1000, 5), "2026-02")
    assert nb.advise("late").rests_on["review"] == "2026-02"


def test_a_broken_contract_comes_first(late, people, fit):
    live(people(1000, 3), "2026-01")
    compare(fit("age", "city"), people(800, 4))
    nb.drift(people(1000, 3).drop(columns="city"), "late@champion")
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("fix the data", "contract_broken")
    assert "city is missing" in found.because


def test_a_private_column_is_named_and_nothing_of_its_values_told(late, people):
    (late / "charter.yaml").write_text(CHARTER + "private: [noise]\n")
    nb.drift(people(1000, 3).assign(noise=98712345.5), "late@champion")
    found = nb.advise("late")
    assert found.advice == "fix the data"
    assert "something about noise, which is private" in found.because
    assert "98712345" not in json.dumps(found.to_dict())


def test_the_same_on_postgresql(project, postgres, monkeypatch, fit, people, held_out):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    (project / "charter.yaml").write_text(CHARTER)
    register(fit("noise"), held_out)
    nb.promote("late", 1, to="champion", reason="the first")
    live(people(300, 3), "2026-01")
    live(people(300, 5))
    found = nb.advise("late")
    assert (found.advice, found.rests_on["review"]) == ("retrain", "2026-01")
    compare(fit("age", "city"), people(800, 4))
    assert nb.advise("late").rule == "wins"
    session.reset()


def test_broken_rules_of_the_training_data_break_the_contract_until_they_hold(good, people, fit):
    live(people(1000, 3), "2026-01")
    rules = {"columns": {"age": {"range": {"min": 0, "max": 120}}}}
    (good / "rules").mkdir()
    (good / "rules" / "people.yaml").write_text(json.dumps({"dataset": "people", **rules}))
    with nb.run("retrain"):
        nb.check(people(300, 1), "people")
        register(fit("age"), people(300, 9))
    assert nb.advise("late").advice == "keep"
    nb.check(people(300, 1).assign(age=-5.0), "people")  # in another run, after it
    assert nb.advise("late").advice == "fix the data"
    nb.check(people(300, 1), "people")
    assert nb.advise("late").advice == "keep"


def test_drift_of_a_column_alone_changes_nothing(good, people):
    live(people(1000, 3), "2026-01")
    nb.drift(people(3000, 3).query("age > 45 and age < 60"), "late@champion")
    found = nb.advise("late")
    assert found.advice == "keep"
    assert any(f.code == "episode" for f in found.findings)


def test_nothing_known_says_what_is_needed(good):
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("insufficient data", "unknown")
    assert any("200 outcomes" in line for line in found.needed)
    assert any("a check of its data" in line for line in found.needed)


def test_without_a_charter_the_registered_evaluation_is_held_against(good, people):
    (good / "charter.yaml").unlink()
    live(people(1000, 3), "2026-01")
    assert nb.advise("late").advice == "keep"
    rows = people(1000, 5)
    live(rows, "2026-02", truth=np.random.default_rng(0).random(1000) < 0.5)
    found = nb.advise("late")
    assert (found.advice, found.decides.partition(":")[0]) == ("retrain", "owner")
    assert "reference" in found.because


def test_without_a_charter_and_an_evaluation_targets_are_needed(project, fit, people):
    nb.register(fit("age"), "late")
    nb.promote("late", 1, to="champion", reason="the first")
    live(people(500, 3))
    found = nb.advise("late")
    assert found.advice == "insufficient data"
    assert any("charter new" in line for line in found.needed)


def test_truth_in_a_drift_check_counts_where_no_prediction_is_kept(late, people):
    nb.drift(people(1000, 3), "late@champion", target="late")
    found = nb.advise("late")
    assert found.advice == "retrain"
    assert "drift" in found.rests_on


def test_a_drift_check_without_truth_says_nothing_of_performance(good, people):
    nb.drift(people(1000, 3).drop(columns="late"), "late@champion")
    found = nb.advise("late")
    assert (found.advice, found.rule) == ("insufficient data", "unknown")
    assert [f.outcome for f in found.findings if f.code == "contract"] == ["passed"]


def test_predictions_without_labels_are_reviewed_by_days(late, people, monkeypatch):
    from nbmlops.monitoring.predicting import recorder

    (late / "charter.yaml").write_text(CHARTER + "review_days: 10\n")
    for day, seed in (("05", 3), ("14", 5)):
        monkeypatch.setattr(recorder, "now", lambda day=day: f"2026-01-{day}T00:00:00.000000+00:00")
        live(people(400, seed))
    monkeypatch.undo()
    found = nb.advise("late")
    assert found.rests_on["review"] == "2026-01-04 to 2026-01-14"
    assert found.rests_on["known"] == 800
    assert found.rests_on["reviews"] == ["2026-01-04 to 2026-01-14"]


def test_a_review_that_is_due_is_told(good, people):
    (good / "charter.yaml").write_text(CHARTER + "review_days: 90\n")
    live(people(1000, 3), "2026-01")
    version = nb.model_version("late@champion")
    found = advise.advised(version, "2099-01-01T00:00:00.000000+00:00")
    (age,) = [f for f in found.findings if f.code == "age"]
    assert age.outcome == "warning"
    assert "it is due" in age.message


def test_the_advice_is_an_event_once_until_it_changes(late, people, fit):
    live(people(1000, 3), "2026-01")
    first = nb.advise("late")
    nb.advise("late")
    (event,) = spoken(late)
    assert event["data"]["advice"] == "retrain"
    assert event["data"]["result"] == first.result_id
    assert event["data"]["at"] == first.at
    compare(fit("noise"), people(800, 4))
    nb.advise("late")
    assert [e["data"]["advice"] for e in spoken(late)] == ["retrain", "change the model"]


def test_the_newest_version_is_judged_where_there_is_no_champion(project, fit, held_out):
    register(fit("age"), held_out)
    assert nb.advise("late").ref == "late@1"
    with pytest.raises(NotFound, match="late"):
        nb.advise("lat")


def test_a_broken_charter_is_said(good):
    (good / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.6, viable: 0.7}]\n")
    with pytest.raises(Invalid, match=r"viable at 0\.7, and its target is 0\.6"):
        nb.advise("late")


def test_function_magic_and_command_say_the_same(late, people, shell):
    live(people(1000, 3), "2026-01")
    said = {k: v for k, v in nb.advise("late").to_dict().items() if k not in ("at", "result_id")}
    shown = shell.run_line_magic("nbmlops", "advise late")
    assert {k: v for k, v in shown.to_dict().items() if k not in ("at", "result_id")} == said
    done = CliRunner().invoke(main, ["advise", "late", "--json"])
    assert done.exit_code == 3
    assert {k: v for k, v in json.loads(done.output).items() if k not in ("at", "result_id")} == said
    text = CliRunner().invoke(main, ["advise", "late"]).output
    assert text.startswith("Advice on late@1: retrain")
    assert "a person decides (manager: mo@example.org)" in text


def test_the_names_of_models_complete_the_magic(good):
    from nbmlops.magics.complete import offers

    assert offers("%nbmlops advise ") == ["late"]


@pytest.mark.parametrize(("known", "code"), [(1000, 0), (100, 4)])
def test_the_command_ends_by_the_advice(good, people, known, code):
    live(people(1000, 3), "2026-01", known=known)
    assert CliRunner().invoke(main, ["advise", "late"]).exit_code == code


def test_the_card_names_advice_rule_and_what_is_needed(good):
    bundle = nb.advise("late")._repr_mimebundle_()
    assert "insufficient data" in bundle["text/html"]
    assert "200 outcomes" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert bundle["application/vnd.nbmlops.advice.v1+json"]["rule"] == "unknown"


def test_the_table_of_the_page_is_the_table_of_the_code():
    text = (Path(advise.__file__).parents[3] / "docs" / "advice.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| (.+?) \| \*(.+?)\* \| `(\w+)` \|$", text, re.MULTILINE)
    assert rows == [(rule.when, rule.advice, rule.code) for rule in advise.RULES]


STATES = {
    "contract_broken": {"contract": "broken", "performance": "lost", "challenger": "wins", "viability": "lost"},
    "wins": {"performance": "lost", "challenger": "wins", "viability": "lost"},
    "not_viable": {"performance": "lost", "challenger": "loses", "viability": "lost"},
    "gate_unclear": {"performance": "lost", "challenger": "unclear"},
    "loses": {"performance": "lost", "challenger": "loses"},
    "not_retrained": {"performance": "lost"},
    "nothing_lost": {"performance": "kept", "challenger": "loses"},
    "unknown": {"challenger": "wins"},
}


@pytest.mark.parametrize("code", STATES)
def test_the_first_rule_that_holds_decides(code):
    empty = Side("", ())
    known = replace(
        Grounds(None, empty, empty, empty, empty, empty), **{k: Side(v, ()) for k, v in STATES[code].items()}
    )
    assert next(r.code for r in advise.RULES if r.holds(known)) == code
    assert list(STATES) == [rule.code for rule in advise.RULES]


def test_numbers_are_finite_in_json(good, people):
    live(people(1000, 3), "2026-01")
    assert pd.notna(json.loads(json.dumps(nb.advise("late").to_dict()))["findings"][0]["message"])


def test_an_override_nobody_reviewed_is_named_with_what_to_do(judged, who):
    nb.promote("late", 1, to="champion", reason="the old one has stopped", override=True)
    found = nb.advise("late")
    (over,) = [f for f in found.findings if f.code == "override"]
    assert over.outcome == "warning"
    assert "made late@1 champion against the policy" in over.message
    assert "the old one has stopped" in over.message
    assert any("nbmlops approvals override late@champion" in line for line in found.do)
    who(ANN)
    nb.review_override("late@champion", "justified", "it had")
    again = nb.advise("late")
    assert "override" not in [f.code for f in again.findings]
    assert not any("override" in line for line in again.do)
