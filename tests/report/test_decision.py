"""Page one says what the facts allow, and no more."""

import json

import pytest

import nbmlops as nb
from nbmlops.report import decision, snapshot
from nbmlops.report.blocks import Missing, Table
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.page_one.decided import event_words
from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run

from .conftest import CHARTER, evaluation, finding, gate, promote, register


def decided(run):
    return decision.decide(snapshot.build(subject_of(run)))


def table_of(page, key):
    return next(b for b in page.part(key).blocks if isinstance(b, Table))


def test_a_promoted_challenger_is_done(retrained):
    promote(2, "better on April")
    page = decided(retrained)
    assert page.question == "Replace champion late-flights@1 by late-flights@2?"
    assert page.answer.word == "Done"
    assert "same 5,495 held-out rows (roc_auc +0.016 [+0.008,\xa0+0.023])" in page.because


def test_a_better_challenger_is_recommended(retrained):
    assert decided(retrained).answer.word == "Recommended: yes"


@pytest.mark.parametrize(
    ("verdict", "word", "tone"),
    [
        ("non-inferior", "No need to change", "quiet"),
        ("inconclusive", "Not recommended yet", "warn"),
        ("worse", "Recommended: no", "bad"),
        ("odd", "Undecided", "warn"),
    ],
)
def test_any_other_verdict_leaves_the_champion(champion, verdict, word, tone):
    with session.run("retrain") as run:
        session.keep("gate", "pair", gate(verdict))
    register(2, run.run_id)
    page = decided(get_run(run.run_id))
    assert (page.answer.word, page.answer.tone) == (word, tone)
    assert "Champion late-flights@1 stays." in page.because


def test_a_first_champion(champion):
    page = decided(champion)
    assert (page.question, page.answer.word) == ("Use late-flights@1 as champion?", "Done")
    assert "5,495 rows it had not seen" in page.because


def test_a_model_without_evaluation_is_not_called_good(project):
    with session.run("train") as run:
        pass
    register(1, run.run_id)
    promote(1, "hurry")
    page = decided(get_run(run.run_id))
    assert (page.answer.word, page.answer.tone) == ("Done", "warn")
    assert "nothing shows how good it is" in page.because


def test_a_failed_run_says_where_since_when_and_what_serves(failed):
    page = decided(failed)
    assert page.question == "Notebook '03_retrain' failed in cell 7 of 12"
    assert page.answer.tone == "bad"
    assert page.because.startswith("ValueError: found 0 rows. Since ")
    assert "late-flights@1 keeps serving as champion." in page.because
    assert not page.signed


def test_a_failed_run_that_promoted_says_so(failed):
    job = session.start("retrain", kind="notebook", name="03_retrain", notebook="03_retrain.ipynb")
    register(2, job.run_id)
    promote(2, "gate: better")
    session.finish(job, "failed", "error", {"name": "ValueError", "message": "found 0 rows"})
    page = decided(get_run(job.run_id))
    assert "While it ran, late-flights@2 became champion (was late-flights@1)." in page.because
    assert "Now late-flights@2 serves as champion." in page.because
    table, said = page.part("meanwhile").blocks
    assert "Not changed" not in table.caption
    assert "nbmlops rollback" in said.text
    promote(1, "as it was")
    assert "Now late-flights@1 serves as champion." in decided(get_run(job.run_id)).because
    assert "Nothing was changed by it" in decided(failed).because


def test_a_failed_run_that_moved_a_model_it_did_not_make_says_so(champion):
    job = session.start("swap", kind="notebook", notebook="swap.ipynb")
    promote(1, "again")
    session.finish(job, "failed", "error", {"name": "ValueError", "message": "found 0 rows"})
    assert "While it ran, late-flights@1 became champion." in decided(get_run(job.run_id)).because


def test_a_failed_run_whose_model_became_champion_later_says_so(champion):
    job = session.start("retrain", kind="notebook", notebook="03_retrain.ipynb")
    register(2, job.run_id)
    session.finish(job, "failed", "error", {"name": "ValueError", "message": "found 0 rows"})
    promote(2, "by hand")
    said = decided(get_run(job.run_id)).because
    assert "Later late-flights@2 became champion (was late-flights@1), made by this run." in said


def test_a_target_crossed_by_its_interval_is_not_shown(retrained):
    page = decided(retrained)
    row = table_of(page, "metrics").rows[0]
    assert row[0] == "roc_auc, higher is better: ranks well enough"
    assert row[1:4] == ["0.685 [0.670,\xa00.700]", "5,495", "at least 0.65"]
    assert (row[4].word, row[4].tone) == ("shown", "good")
    taken = snapshot.build(subject_of(retrained))
    (crossed,) = taken["targets"]
    crossed |= {"outcome": "warning", "effect": 0.66}
    crossed["detail"] |= {"word": "not shown", "low": 0.64, "high": 0.68}
    page = decision.decide(taken)
    row = table_of(page, "metrics").rows[0]
    assert (row[4].word, row[4].tone) == ("not shown", "warn")
    assert page.answer.word == "Recommended: yes, with 1 condition"
    assert "Before that: the target of roc_auc is not shown (scientist)." in page.because


def test_a_target_that_was_tightened_since_is_judged_as_it_is_now(retrained, project):
    path = project / "charter.yaml"
    path.write_text(path.read_text().replace("at_least: 0.65", "at_least: 0.68"))
    page = decided(retrained)
    row = table_of(page, "metrics").rows[0]
    assert row[3] == "at least 0.68 (at least 0.65 when evaluated)"
    assert row[4].word == "not shown"
    assert page.answer.word == "Recommended: yes, with 1 condition"


def test_a_gate_on_other_rows_than_the_evaluation_is_said(retrained):
    taken = snapshot.build(subject_of(retrained))
    assert "the gate's" not in table_of(decision.decide(taken), "metrics").caption
    next(r for r in taken["results"] if r["kind"] == "gate")["data"]["rows"] = 4994
    assert "rests on the gate's 4,994 rows" in table_of(decision.decide(taken), "metrics").caption


def test_a_metric_stands_beside_champion_and_the_run_before(champion, retrained):
    row = table_of(decided(retrained), "metrics").rows[0]
    assert row[5:] == ["0.669", "+0.016 [+0.008,\xa0+0.023]"]
    again = session.start("retrain", kind="notebook", notebook="retrain.ipynb")
    session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
    session.keep("gate", "late-flights@3 against late-flights@1", gate("inconclusive", 0.002, -0.01, 0.014))
    session.finish(again)
    table = table_of(decided(get_run(again.run_id)), "metrics")
    assert table.headers[-1] == "Run before"
    assert table.rows[0][5:] == ["0.669", "+0.002, not shown [-0.010,\xa0+0.014]", "0.685"]


def test_conditions_are_what_is_open_each_with_whose_it_is(project, retrained):
    (project / "charter.yaml").write_text(
        CHARTER + "roles: {manager: [mo@example.org], data_engineer: [dee@example.org]}\n"
        "policy: {champion: {roles: [manager]}}\n"
    )
    with session.run("more") as more:
        pass
    session.keep("check", "weather", {"findings": [finding("range", "issue", "wind below 0")]}, retrained.run_id)
    page = decided(retrained)
    assert (page.answer.word, page.answer.tone) == ("Recommended: yes, with 2 conditions", "warn")
    assert "1 issue of the rules answered (data engineer: dee@example.org)" in page.because
    assert "manager: mo@example.org approves" in page.because
    table = table_of(page, "decided")
    assert table.caption == "Approvals before it becomes champion: the charter asks for manager"
    assert (table.rows[0][:2], table.rows[0][2].word) == (("manager", "mo@example.org"), "missing")
    assert more.run_id != retrained.run_id


def test_an_approval_that_is_there_is_no_condition(project, retrained):
    (project / "charter.yaml").write_text(
        CHARTER + "roles: {manager: [mo@example.org]}\npolicy: {champion: {roles: [manager, compliance]}}\n"
    )
    about = {
        "outcome": "approved with conditions",
        "condition": "look again in May",
        "expires_at": "2099-08-01T00:00:00+00:00",
    }
    with session.store().atomic() as change:
        change.event("approve", "late-flights@2", about, ("mo@example.org", "git"))
    page = decided(retrained)
    assert page.answer.word == "Recommended: yes"
    row = table_of(page, "decided").rows[0]
    assert (row[0], row[1], row[2].word, row[3]) == (
        "manager",
        "mo@example.org (by git)",
        "approved with conditions",
        "look again in May",
    )
    assert "approved until" in dict(page.part("viable").blocks[0].items)["Until"]


def test_an_approval_that_ended_before_the_facts_no_longer_counts_and_says_so(project, retrained):
    (project / "charter.yaml").write_text(
        CHARTER + "roles: {manager: [mo@example.org]}\npolicy: {champion: {roles: [manager]}}\n"
    )
    with session.store().atomic() as change:
        for end in ("2099-08-01T00:00:00+00:00", "2013-08-01"):  # who answers twice is taken at the last word
            about = {"outcome": "approved", "condition": "look again in May", "expires_at": end}
            change.event("approve", "late-flights@2", about, ("mo@example.org", "git"))
    taken = snapshot.build(subject_of(retrained))
    page = decision.decide(taken)
    assert page.answer.word == "Recommended: yes, with 1 condition"
    assert "manager: mo@example.org approves" in page.because
    rows = table_of(page, "decided").rows
    assert [row[2].word for row in rows] == ["approved", "expired", "missing"]
    assert rows[1][3] == "It was approved until 1 August 2013, 00:00 UTC. look again in May"
    assert decision.decide({**taken, "as_of": "2013-07-31T23:59:59.000000+00:00"}).answer.word == "Recommended: yes"


@pytest.mark.parametrize("end", ["2013-08-01T02:00:00+02:00", "soon"])
def test_an_only_approval_that_ended_is_not_nobody_and_no_refusal(retrained, end):
    with session.store().atomic() as change:
        change.event("approve", "late-flights@2", {"outcome": "approved", "expires_at": end}, ("mo@example.org", "git"))
    page = decided(retrained)
    assert page.answer.word == "Recommended: yes"
    assert any("The approval of this has expired" in getattr(b, "what", "") for b in page.part("decided").blocks)
    assert "the approval expired on" in dict(page.part("viable").blocks[0].items)["Until"]


def test_the_trail_says_how_an_answer_was(retrained):
    said = [
        event_words({"action": "approve", "subject": "late@2", "data": data})
        for data in (
            {"outcome": "approved", "expires_at": "2013-08-01T00:00:00+00:00"},
            {"outcome": "rejected"},
            {"outcome": "changes requested"},
            {},
        )
    ]
    assert said == [
        "late@2 was approved until 1 August 2013, 00:00 UTC",
        "late@2 was rejected",
        "late@2 was answered: changes requested",
        "late@2 was approved",
    ]


def test_a_rejection_is_not_an_approval(project, retrained):
    (project / "charter.yaml").write_text(
        CHARTER + "roles: {manager: [mo@example.org]}\npolicy: {champion: {roles: [manager]}}\n"
    )
    with session.store().atomic() as change:
        said = {"outcome": "rejected", "role": "manager", "comment": "too few rows"}
        change.event("approve", "late-flights@2", said, ("mo@example.org", "git"))
    page = decided(retrained)
    assert page.answer.word == "Rejected"
    assert page.because.endswith("Rejected by manager, mo@example.org (by git): too few rows.")
    assert [row[2].word for row in table_of(page, "decided").rows] == ["rejected", "missing"]


def test_what_keeping_it_up_takes(project, retrained):
    (project / "charter.yaml").write_text(CHARTER + "review_days: 90\n")
    promote(2, "better")
    part = decided(retrained).part("viable")
    items = dict(part.blocks[0].items)
    assert items["Data"] == "of flights (336,776 rows) only the fingerprint is kept"
    assert items["Owner"] == "ada@example.org"
    assert items["By hand"] == "a person starts it; every parameter has a default"
    assert items["Review"].startswith("the champion's next one is due ")
    assert items["Review"].endswith(", every 90 days")
    assert items["Until"] == "no expiry was agreed"
    assert part.blocks[1].what == "The rows of flights"
    assert "(data engineer)" in part.blocks[1].do


def test_parameters_without_default_are_work_each_time(project):
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "month: int\nrounds = 100"}
    cell |= {"outputs": [], "execution_count": None}
    run = session.start("train", kind="notebook", notebook="train.ipynb")
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    session.log_artifact("notebook.ipynb", json.dumps(notebook).encode(), run_id=run.run_id)
    session.finish(run)
    items = dict(decided(get_run(run.run_id)).part("viable").blocks[0].items)
    assert items["By hand"] == "a person starts it; month needs a value each time"


def test_a_first_model_is_held_against_its_targets(project):
    (project / "charter.yaml").write_text(CHARTER)
    with session.run("train") as run:
        session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
    register(1, run.run_id)
    assert decided(get_run(run.run_id)).answer.word == "Recommended: yes"
    low = evaluation("LogisticRegression", low=0.6)
    low["findings"][0] |= {"outcome": "warning"}
    session.keep("evaluation", "LogisticRegression", low, run.run_id)
    assert decided(get_run(run.run_id)).answer.word == "Not recommended yet"


def test_a_failed_run_says_how_often_in_a_row(failed):
    error = {"name": "ValueError", "message": "found 0 rows", "cell": 7, "cells": 12}
    for _ in range(2):
        job = session.start("retrain", kind="notebook", name="03_retrain", notebook="03_retrain.ipynb")
        session.finish(job, "failed", "error", error)
    page = decided(get_run(job.run_id))
    assert "It broke off 3 times in a row, the first on" in page.because
    items = dict(page.part("failed").blocks[0].items)
    assert items["Where"] == "cell 7 of 12"
    assert items["Since when"].endswith("3 times in a row, this one counted")
    assert f"--resume {job.run_id[-6:]}" in items["To do"]
    assert isinstance(page.part("failed").blocks[1], Missing)
    table = table_of(page, "meanwhile")
    assert table.rows[0][:2] == ("late-flights@1", "champion")
    assert table.rows[0][2] != "-"


def test_a_failure_after_a_success_says_when_it_last_went_well(project):
    whole = session.start("retrain", kind="notebook", notebook="03_retrain.ipynb")
    session.finish(whole)
    job = session.start("retrain", kind="notebook", notebook="03_retrain.ipynb")
    session.finish(job, "failed", "timed_out")
    items = dict(decided(get_run(job.run_id)).part("failed").blocks[0].items)
    assert items["Since when"] == "this is the first time; the try before it finished"
    assert whole.run_id[-6:] in items["Last that finished"]
    assert items["To do"].startswith("give it more time")


def test_all_six_outcomes_are_counted_open_ones_first(retrained):
    page = decided(retrained)
    assert [(n, v.word) for n, v in page.part("found").tally] == [
        (1, "issue"),
        (1, "warning"),
        (1, "skipped"),
        (1, "muted"),
        (1, "not applicable"),
        (6, "passed"),
    ]
    table = page.part("found").blocks[0]
    assert [row[0].word for row in table.rows] == ["issue", "warning"]


def test_value_has_three_numbers_a_unit_and_how_it_was_reckoned(retrained):
    part = decided(retrained).part("worth")
    table = part.blocks[0]
    assert table.headers[0] == "EUR per 1,000 rows"
    low, expected, high = (float(v.replace(",", "")) for v in table.rows[0][1:])
    assert low < expected < high
    fold = part.blocks[-1]
    worth = {row[0]: row[1:3] for row in fold.blocks[1].rows}
    assert worth["acted on, and it came true"] == ["40", "800"]
    assert "threshold chosen on the other half" in fold.blocks[0].text


def test_value_against_the_champion_has_an_interval_or_says_why_not(retrained):
    taken = snapshot.build(subject_of(retrained))
    taken["value"]["champion"] = {"difference": 120.0, "same_rows": False}
    table = decision.decide(taken).part("worth").blocks[0]
    assert table.rows[0][0] == "against acting on none, the best without a model"
    assert table.rows[1] == ["against the champion (no interval: on other rows)", "-", "+120", "-"]
    taken["value"]["champion"] |= {"same_rows": True, "low": -10.0, "expected": 120.0, "high": 250.0}
    page = decision.decide(taken).part("worth")
    assert page.blocks[0].rows[1] == ["against the champion, on the same rows: not shown", "-10", "+120", "+250"]
    assert "If the champion stays: about 3,240 EUR a month less, which is not shown." in page.blocks[1].text


def test_no_gain_is_claimed_where_acting_on_all_is_worth_as_much(retrained):
    (session.project().root / "charter.yaml").write_text(CHARTER.replace("false_positive: -20", "false_positive: -6"))
    part = decided(retrained).part("worth")
    rows = part.blocks[0].rows
    assert rows[0][0] == "against acting on all, the best without a model"
    assert rows[0][3].startswith("-")  # the whole interval: it costs
    assert len(rows) == 1
    assert "Against acting on none it is " in part.blocks[-1].blocks[0].text
    assert "a month, against acting on all." in part.blocks[1].text
    assert "about -" in part.blocks[1].text


def test_what_is_unknown_is_missing_with_what_to_do(project):
    with session.run("bare") as run:
        pass
    page = decided(get_run(run.run_id))
    assert page.answer.word == "For information"
    for blocks in [page.part(key).blocks for key in ("metrics", "worth", "found")]:
        assert isinstance(blocks[0], Missing)
        assert blocks[0].do


def test_a_comparison_made_beside_the_run_counts(project, fit, held_out):
    for columns in (("noise",), ("age", "city")):
        with nb.run("train") as run:
            made = fit(*columns)
            nb.evaluate(made, held_out, target="late")
            nb.register(made, "late")
        if columns == ("noise",):
            nb.promote("late", 1, to="champion", reason="the first")
    before = decided(get_run(run.run_id))
    assert "It was not compared with the champion, late@1" in before.because
    found = nb.gate("late@2", "late@1", on=held_out, target="late")
    after = decided(get_run(run.run_id))
    assert (found.verdict, after.answer.word) == ("better", "Recommended: yes")
    assert "not compared" not in after.because
    other = decided(get_run(nb.model_version("late@1").run_id))
    assert other.question == "Use late@1 as champion?"  # of the other side of it nothing is asked anew
