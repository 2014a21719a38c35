"""Page one is about the version it asks about: its numbers, its approvals, and where it stands now."""

import pytest

from nbmlops.governance.promotion import reject
from nbmlops.registry.models import model_version
from nbmlops.report import facts, snapshot
from nbmlops.report.blocks import Missing
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.page_one import answer
from nbmlops.report.page_one.decided import approvals
from nbmlops.report.page_one.found import source
from nbmlops.report.sections.changed import changed
from nbmlops.store import models
from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run

from .conftest import CHARTER, DRIFT, evaluation, finding, gate, promote, register
from .test_decision import decided, table_of


def two_candidates(gated):
    """Register two versions in one run, the second much better, and gate one of them."""
    with session.run("candidates") as run:
        for number, value in ((2, 0.61), (3, 0.91)):
            judged = evaluation(f"late-flights@{number}", value - 0.01, value + 0.01)
            judged["metrics"]["roc_auc"]["value"] = judged["findings"][0]["effect"] = value
            register(number, run.run_id, session.keep("evaluation", "LogisticRegression", judged))
        found = gate() | {"challenger": f"late-flights@{gated}"}
        session.keep("gate", "pair", found)
    return get_run(run.run_id)


@pytest.mark.parametrize(("gated", "value", "other"), [(2, "0.610", 3), (3, "0.910", 2)])
def test_the_numbers_are_those_of_the_version_it_asks_about(champion, gated, value, other):
    run = two_candidates(gated)
    page = decided(run)
    assert page.question == f"Replace champion late-flights@1 by late-flights@{gated}?"
    assert table_of(page, "metrics").rows[0][1].startswith(value)
    assert f"late-flights@{other} was registered here too: this does not ask about it." in page.because
    taken = snapshot.build(subject_of(run))
    assert taken["explained"]["ref"] == f"late-flights@{gated}"


@pytest.mark.parametrize("rows", [500, 9000])
def test_a_later_evaluation_on_other_rows_does_not_pass_for_the_models(champion, rows):
    other = evaluation("late-flights@1", 0.4, 0.5) | {"rows": rows, "data": "other"}
    session.keep("evaluation", "late-flights@1", other, run_id=champion.run_id)
    taken = snapshot.build(subject_of(champion.run_id))
    assert facts.evaluation(taken)["rows"] == 5495
    assert all("stands" not in model for model in taken["models"])


def test_a_later_evaluation_on_the_same_rows_takes_the_place_of_the_first(champion):
    again = evaluation("late-flights@1", 0.4, 0.5)
    key = session.keep("evaluation", "late-flights@1", again, run_id=champion.run_id)
    taken = snapshot.build(subject_of(champion.run_id))
    assert [model["stands"] for model in taken["models"]] == [key]
    assert facts.evaluation(taken)["metrics"]["roc_auc"]["low"] == 0.4


def test_a_challenger_that_was_not_evaluated_does_not_borrow_numbers(champion):
    with session.run("candidates") as run:
        register(2, run.run_id)
        judged = evaluation("LogisticRegression")
        register(3, run.run_id, session.keep("evaluation", "LogisticRegression", judged))
        session.keep("gate", "pair", gate())
    missing = decided(get_run(run.run_id)).part("metrics").blocks[0]
    assert isinstance(missing, Missing)
    assert missing.what.startswith("No evaluation on held-out rows")


def gated_elsewhere():
    """Compare two versions in a run that made neither."""
    with session.run("compare") as run:
        session.keep("gate", "pair", gate())
    return get_run(run.run_id)


def test_a_challenger_of_another_run_keeps_its_evaluation(retrained):
    page = decided(gated_elsewhere())
    assert table_of(page, "metrics").rows[0][1].startswith("0.685")


def test_a_challenger_of_another_run_has_something_to_approve(project, retrained):
    (project / "charter.yaml").write_text(CHARTER + "policy: {champion: {roles: [manager]}}\n")
    page = decided(gated_elsewhere())
    assert page.answer.word.startswith("Recommended: yes, with")
    assert page.signed
    said = [getattr(b, "text", "") for b in page.part("decided").blocks]
    assert not any("nothing to approve" in text for text in said)
    assert any(isinstance(b, Missing) and b.what.startswith("Nobody has approved") for b in page.part("decided").blocks)


@pytest.mark.parametrize("rule", ["roles: [manager]", "approvals: 2, roles: [manager, expert], each: true"])
def test_a_run_that_registered_no_model_asks_for_no_approval(project, rule):
    (project / "charter.yaml").write_text(CHARTER + f"policy: {{champion: {{{rule}}}}}\n")
    with session.run("tried") as run:
        pass
    shown = decided(get_run(run.run_id)).part("decided").blocks
    assert any("nothing to approve" in getattr(block, "text", "") for block in shown)
    assert not any("Approvals before" in str(block) for block in shown)
    assert approvals(snapshot.build(subject_of(get_run(run.run_id)))) == []


POLICY = CHARTER + "roles: {manager: [mo@example.org]}\npolicy: {champion: {roles: [manager]}}\n"
MANAGER = ("mo@example.org", "git")


def answered(ref, **said):
    with session.store().atomic() as change:
        change.event("approve", ref, {"role": "manager", **said}, MANAGER)


def test_what_people_said_of_the_champion_is_not_said_of_its_challenger(project, retrained):
    (project / "charter.yaml").write_text(POLICY)
    answered("late-flights@1", outcome="approved")
    page = decided(retrained)
    assert page.answer.word == "Recommended: yes, with 1 condition"
    assert [row[2].word for row in table_of(page, "decided").rows] == ["missing"]
    answered("late-flights@1", outcome="rejected")
    assert decided(retrained).answer.word == "Recommended: yes, with 1 condition"
    answered("late-flights@2", outcome="approved")
    assert decided(retrained).answer.word == "Recommended: yes"


def test_a_version_that_was_rejected_is_not_recommended(project, retrained):
    (project / "charter.yaml").write_text(POLICY)
    reject(model_version("late-flights@2"), "biased", {"gate": "x"})
    page = decided(retrained)
    assert page.answer.word == "Rejected"
    assert "(by " in page.because
    assert page.because.endswith(": biased.")
    answered("late-flights@2", outcome="approved")
    assert decided(retrained).answer.word == "Recommended: yes"


def test_a_job_that_repeats_the_gate_is_no_person_rejecting(champion):
    with session.run("retrain") as run:
        session.keep("gate", "pair", gate("inconclusive"))
    register(2, run.run_id)
    reject(model_version("late-flights@2"), "inconclusive", {"gate": "x", "work": "retrain/1"})
    assert decided(get_run(run.run_id)).answer.word == "Not recommended yet"


def test_a_version_promoted_though_rejected_says_both(retrained):
    promote(2, "better")
    reject(model_version("late-flights@2"), "biased", {"gate": "x"})
    page = decided(retrained)
    assert page.answer.word == "Rejected"
    assert page.because.endswith("It is champion all the same.")


def test_a_version_rolled_back_is_not_done(retrained):
    promote(2, "better")
    assert decided(retrained).answer.word == "Done"
    back("late share off")
    page = decided(retrained)
    assert (page.answer.word, page.answer.tone) == ("Rolled back", "bad")
    assert "Rolled back to late-flights@1 on " in page.because
    assert page.because.endswith(": late share off.")
    promote(2, "mended")
    assert decided(retrained).answer.word == "Done"


def test_a_first_version_rolled_back_or_replaced_says_so(champion, retrained):
    promote(2, "better")
    page = decided(champion)
    assert (page.answer.word, page.answer.tone) == ("Done", "quiet")
    assert "Replaced by late-flights@2 on " in page.because


def test_a_comparison_with_a_champion_of_the_past_decides_nothing(champion, retrained):
    register(3, get_run(champion.run_id).run_id)
    promote(3, "a faster one")
    page = decided(retrained)
    assert page.question == "Replace champion late-flights@3 by late-flights@2?"
    assert page.answer.word == "Not recommended yet"
    assert "compared with late-flights@1" in page.because
    assert "Compare it with the champion, late-flights@3 (%gate)." in page.because


def test_a_version_that_was_not_compared_does_not_replace_the_champion(project, champion):
    (project / "charter.yaml").write_text(CHARTER)
    with session.run("train") as run:
        result_id = session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
    register(2, run.run_id, result_id)
    page = decided(get_run(run.run_id))
    assert page.question == "Replace champion late-flights@1 by late-flights@2?"
    assert page.answer.word == "Not recommended yet"
    assert page.because.endswith("It was not compared with the champion, late-flights@1 (%gate).")
    missing = [b for b in page.part("worth").blocks if isinstance(b, Missing)]
    assert [b.what for b in missing] == ["Value against the champion, late-flights@1"]


def test_a_version_deleted_since_is_not_recommended(retrained):
    delete(2)
    page = decided(retrained)
    assert (page.answer.word, page.answer.tone) == ("Not possible", "bad")
    assert "late-flights@2 was deleted on " in page.because
    assert not page.signed


def test_a_first_version_deleted_since_was_registered(project):
    with session.run("train") as run:
        session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
    register(1, run.run_id)
    delete(1)
    page = decided(get_run(run.run_id))
    assert (page.question, page.answer.word) == ("Use late-flights@1 as champion?", "Not possible")
    assert "late-flights@1 was deleted on " in page.because


def delete(number):
    with session.store().atomic() as change:
        models.delete(change, "late-flights", [number], "by mistake", MANAGER)


def back(reason):
    about = {"reason": reason, "policy": "rollback", "rollback": True}
    with session.store().atomic() as change:
        models.set_alias(change, "late-flights", "champion", 1, about, MANAGER)


def test_what_was_found_of_the_champion_is_not_told_of_its_challenger(project, champion):
    bad = finding("leak", "issue", "hour is the champion's leak", "hour", 0.9)
    run = session.start("retrain", kind="notebook", notebook="retrain.ipynb")
    own = session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression", low=0.68))
    register(2, run.run_id, own)
    session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression", findings=[bad]))  # of who knows
    session.keep("gate", "late-flights@2 against late-flights@1", gate())
    session.finish(run)
    found = snapshot.build(subject_of(run.run_id))
    assert "champion's leak" not in " ".join(str(f["message"]) for f in facts.findings(found))
    assert any(f["kind"] == "evaluation" for f in facts.findings(found))


def test_what_changed_compares_the_findings_of_each_with_its_own(project, champion):
    leak = finding("leak", "issue", "hour leaks in the champion", "hour", 0.9)
    dull = finding("calibration", "warning", "too sure in the challenger")
    run = session.start("retrain", kind="notebook", notebook="retrain.ipynb")
    own = session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression", findings=[dull]))
    register(2, run.run_id, own)
    session.keep("evaluation", "late-flights@1", evaluation("late-flights@1", findings=[leak]))
    session.keep("gate", "late-flights@2 against late-flights@1", gate())
    session.finish(run)
    found = snapshot.build(subject_of(run.run_id))
    shown = str(changed(found).blocks)
    assert "too sure in the challenger" in shown
    assert "leaks in the champion" not in shown
    assert "evaluation of late-flights@1" in {source(f) for f in facts.findings(found)}


@pytest.mark.parametrize(("reference", "conditions"), [("late-flights@2", 1), ("late-flights@1", 0)])
def test_drift_of_the_challenger_is_a_condition_and_of_the_champion_none(champion, reference, conditions):
    run = session.start("retrain", kind="notebook", notebook="retrain.ipynb")
    own = session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
    register(2, run.run_id, own)
    session.keep("drift", "late-flights", {**DRIFT, "reference": reference})
    session.keep("gate", "late-flights@2 against late-flights@1", gate())
    session.finish(run)
    asked = [c for c in answer.conditions(snapshot.build(subject_of(run.run_id))) if "drift" in c]
    assert asked == ["1 issue of the drift since it was registered answered (ml engineer)"] * conditions
