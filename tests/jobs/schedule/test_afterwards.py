"""What follows a finished run: each step, a no that is no failure, a step that fails, what is kept of it."""

import json

import pytest

import nbmlops as nb
from nbmlops.errors import Invalid
from nbmlops.jobs.schedule.afterwards import Failed, asked, follow
from nbmlops.store import events
from nbmlops.store.works import Work
from nbmlops.tracking import session

CHARTER = "metrics: [{name: roc_auc, at_least: 0.7}]\nroles: {manager: [mo@example.org]}\n"
ALL = ["gate", "challenger", "report", "advice", "notify"]


@pytest.fixture
def late(project, fit, held_out, people):
    """A champion on noise, and rows kept to compare on."""
    (project / "charter.yaml").write_text(CHARTER)
    (project / "nbmlops.toml").write_text("[alerts]\nfile = 'alerts.jsonl'\n")
    register(fit("noise", "city"), held_out)
    nb.promote("late", 1, to="champion", reason="the first")
    nb.dataset("late-eval", people(800, 4), keep=True)
    return project


def register(model, rows):
    return nb.register(model, "late", evaluation=nb.evaluate(model, rows, target="late"))


def retrain(model, rows, *then, gate=False):
    """Register a model in a cell of a run, and do what follows the run."""
    with nb.run("retrain") as outer, nb.run("fit"):
        version = register(model, rows)
        if gate:
            nb.gate(version.ref, "late@champion", on=rows, target="late")
    return done(outer.run_id, *then)


def done(run_id, *then):
    work = Work("retrain@2026-03-01", "retrain.ipynb", job="retrain", spec={"then": list(then)}, run_id=run_id)
    return {f.code: f for f in follow(work, nb.get_run(run_id))}


def logged(action):
    with session.store().reading() as connection:
        return events.listed(connection, "late@", action)


ON = {"gate": {"on": "late-eval@1"}}


def test_a_challenger_that_wins_is_challenger_and_the_champion_stays(late, fit, people):
    found = retrain(fit("age", "city"), people(300, 9), ON, *ALL[1:])
    assert {f.outcome for f in found.values() if f.code != "advice"} == {"passed"}
    assert nb.model_version("late@challenger").version == 2
    assert nb.model_version("late@champion").version == 1
    assert "better" in found["gate"].message
    assert "on 800 rows" in found["gate"].message
    assert logged("reject") == []


def test_what_followed_is_kept_with_the_run(late, fit, people):
    retrain(fit("age", "city"), people(300, 9), ON, *ALL[1:])
    run = nb.get_run("retrain")
    kept = {f["code"]: f for f in run.findings}
    assert {"gate", "challenger", "report", "advice", "notify"} <= kept.keys()
    assert (run.tags["gate"], run.tags["challenger"]) == ("better", "late@2")
    assert run.tags["advice"] == "insufficient data"  # no outcome is known yet
    assert run.results("gate")[0]["data"]["dataset"] == "late-eval@1"
    assert run.results("advice")[0]["data"]["ref"] == "late@1"
    assert run.tags["report"] == f".nbmlops/outputs/retrain/{run.run_id}.html"
    assert "Retraining report" in (late / run.tags["report"]).read_text()


def test_a_challenger_that_does_not_win_is_rejected_with_the_reason(late, fit, people):
    found = retrain(fit("noise"), people(300, 9), ON, *ALL[1:])
    assert (found["gate"].outcome, found["challenger"].outcome) == ("warning", "warning")
    assert "not ready because" in found["gate"].message
    (event,) = logged("reject")
    assert event["subject"] == "late@2"
    assert "what promotes is better" in event["data"]["reason"]
    assert event["data"]["gate"] == nb.get_run("retrain").results("gate")[0]["result_id"]
    assert "challenger" not in {a for aliases in nb.models()["aliases"] for a in aliases}


def test_the_report_shows_advice_and_rejection_among_the_decisions(late, fit, people):
    found = retrain(fit("noise"), people(300, 9), ON, "challenger", "advice", "report")
    page = (late / found["report"].detail["tag"]).read_text()
    assert "late@1: advised, insufficient data" in page
    assert "late@2 was rejected: It is" in page


def test_after_a_retirement_the_last_champion_is_compared_with(late, fit, people, someone):
    someone("mo@example.org")
    nb.retire("late", reason="the airline merged")
    found = retrain(fit("noise"), people(300, 9), ON, *ALL[1:])
    assert "against late@1" in found["gate"].message
    assert (found["gate"].outcome, found["challenger"].outcome) == ("warning", "warning")
    found = retrain(fit("age", "city"), people(300, 9), ON, *ALL[1:])
    assert found["challenger"].message.startswith("late@3 is challenger: better than late@1")
    nb.promote("late", 3, to="champion", reason="better")  # the gate of the job is the one a promotion asks for


def test_a_margin_of_the_job_is_that_of_the_gate(late, fit, people):
    retrain(fit("age"), people(300, 9), {"gate": {"on": "late-eval@1", "margin": 0.2}})
    assert nb.get_run("retrain").results("gate")[0]["data"]["tolerated"] == 0.2


def test_the_charter_says_on_which_rows(late, fit, people):
    (late / "charter.yaml").write_text(CHARTER + "rows: late-eval\n")
    assert retrain(fit("age"), people(300, 9), "gate")["gate"].outcome == "passed"
    assert nb.get_run("retrain").results("gate")[0]["data"]["dataset"] == "late-eval@1"


def test_a_gate_the_notebook_made_itself_counts(late, fit, people):
    found = retrain(fit("age", "city"), people(600, 9), "gate", "challenger", gate=True)
    assert found["challenger"].message.startswith("late@2 is challenger: better than late@1")


def test_rows_nobody_named_fail_the_step_and_the_work(late, fit, people):
    with pytest.raises(Failed, match="gate, which follows the run, failed: Nobody said on which rows") as raised:
        retrain(fit("age"), people(300, 9), "gate", "challenger", "report")
    assert "rows: flights-eval@2" in raised.value.hint
    kept = {f["code"]: f["outcome"] for f in nb.get_run("retrain").results("afterwards")[0]["data"]["findings"]}
    assert kept == {"gate": "issue", "challenger": "skipped", "report": "skipped"}


def test_rows_the_challenger_was_fitted_on_fail_the_step(late, fit, people, train):
    nb.dataset("late-eval", train, keep=True)
    with nb.run("retrain") as run:
        register(fit("age"), people(300, 9))
    with pytest.raises(Failed, match="fitted on"):
        done(run.run_id, {"gate": {"on": "late-eval@2"}})


def test_the_first_version_is_challenger_without_a_gate(project, fit, people):
    found = retrain(fit("age"), people(300, 9), "gate", "challenger")
    assert found["gate"].outcome == "not_applicable"
    assert nb.model_version("late@challenger").version == 1


def test_a_charter_that_asks_for_roles_rejects_and_does_not_fail(late, fit, people):
    (late / "charter.yaml").write_text(CHARTER + "policy: {challenger: {roles: [manager]}}\n")
    found = retrain(fit("age", "city"), people(300, 9), ON, "challenger")
    assert found["challenger"].outcome == "warning"
    assert "plays none of the roles" in logged("reject")[0]["data"]["reason"]


def test_a_run_that_registered_nothing_still_gets_advice(late):
    with nb.run("check", params={"model_name": "late"}) as run:
        pass
    found = done(run.run_id, "gate", "challenger", "advice")
    assert [f.outcome for f in found.values()] == ["not_applicable", "not_applicable", "skipped"]
    assert found["advice"].message.startswith("late@1: insufficient data")


def test_advice_about_no_model_says_how_to_name_one(late, fit, held_out):
    nb.register(fit("age"), "other")
    with nb.run("check") as run:
        pass
    with pytest.raises(Failed, match="which model"):
        done(run.run_id, "advice")
    assert done(run.run_id, {"advice": {"model": "late"}})["advice"].detail["tag"] == "insufficient data"


def test_people_are_told_what_followed(late, fit, people):
    retrain(fit("age", "city"), people(300, 9), ON, "challenger", "advice", {"notify": {"to": ["manager"]}})
    (told,) = [json.loads(line) for line in (late / "alerts.jsonl").read_text().splitlines()]
    assert told["title"] == "retrain: advice: insufficient data"
    assert "late@2 is challenger" in told["text"]
    assert "To: manager (mo@example.org)" in told["text"]
    assert told["model"] == "late"


def test_without_a_channel_the_message_is_kept(late, fit, people):
    (late / "nbmlops.toml").write_text("")
    session.reset()
    found = retrain(fit("age", "city"), people(300, 9), "notify")
    assert found["notify"].outcome == "not_applicable"
    assert nb.alerts()["title"].tolist() == ["retrain: finished"]


def test_a_step_that_breaks_says_where_to_look(late, fit, people, monkeypatch):
    from nbmlops.report import page

    monkeypatch.setattr(page, "written", lambda *_: 1 / 0)
    with pytest.raises(Failed, match="ZeroDivisionError") as raised:
        retrain(fit("age"), people(300, 9), "report", "advice")
    assert "nbmlops runs show" in raised.value.hint


@pytest.mark.parametrize(
    ("then", "says"),
    [
        (["gates"], "'gates', which is no step"),
        ([{"gate": {"rows": 1}}], "then.gate has 'rows'"),
        ([{"report": "now"}], "then.report is 'now'"),
        ([{"gate": {}, "report": {}}], "no step"),
        ([3], "no step"),
    ],
)
def test_what_is_no_step_is_refused(then, says):
    with pytest.raises(Invalid, match=says):
        asked(then)


def test_a_failed_step_ends_with_one():
    from nbmlops.cli.output import of_error

    assert of_error(Failed("no")) == 1
