"""The project's report: what a stakeholder decides on, from facts alone, the same for the same facts."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import NotFound
from nbmlops.report.blocks import Figure
from nbmlops.report.kinds import project as kind
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.project.standing import RULES, Standing, recommended
from nbmlops.report.snapshot import build, canonical
from nbmlops.store import episodes
from nbmlops.tracking import session

from .conftest import CHARTER, evaluation, promote, read, register

PLAN = """
vision: No passenger waits at a gate for nothing.
budget: {amount: 60000, unit: EUR, spent: 21000, per_month: 3000}
deliverables:
  - {name: how-to page, due: 2013-06-30, owner: bo@example.org}
  - {name: first champion, due: 2099-03-31, done: true, owner: ada@example.org}
roles: {stakeholder: [sam@example.org], manager: [mo@example.org]}
"""


def taken():
    return build(subject_of("project"))


def page_one(snapshot):
    return kind.KIND.decide(snapshot)


@pytest.fixture
def planned(project, champion):
    """A project with a champion, a charter, a budget and what is due."""
    (project / "charter.yaml").write_text(CHARTER + PLAN)
    return project


def test_it_asks_whether_to_go_on_and_says_why(planned):
    first = page_one(taken())
    assert first.question == "Continue project, pivot or stop?"
    assert first.answer.word == "Recommended: continue"
    assert first.because.startswith("A gain is shown: late-flights@1 brings ")
    assert (
        "1 of 1 target shown; 39,000 of 60,000 EUR are left, enough for 13 months; 1 deliverable late." in first.because
    )
    assert first.signed


def test_a_quiet_project_says_up_to_when_it_is_told(planned):
    (planned / "charter.yaml").write_text(
        CHARTER + "deliverables: [{name: page, due: 2999-01-01, done: 2999-01-02}, {name: model, due: 2999-01-01}]"
    )
    snapshot = taken()
    plan = page_one(snapshot).part("plan").blocks
    assert plan[1].caption == "Deliverables: 0 of 2 done"
    assert [row[2].word for row in plan[1].rows] == ["open", "open"]
    said = f"As of {snapshot['as_of'][:10]}, the newest thing known: what was due or done since is not counted."
    assert plan[2].text == said
    assert said in read(nb.report("project"))


def test_the_page_says_everything_and_the_same_twice(planned):
    path = nb.report("project")
    page = read(path)
    for said in (
        "Project report: project",
        "No passenger waits at a gate for nothing.",
        "EUR per 1,000 rows, against the best without a model",
        "At the start: late-flights@1",
        "Deliverables: 1 of 2 done",
        "how-to page",
        "late-flights@1 became champion: first model (policy: gate: better)",
        "insufficient data: 2 more needed",
        "Nobody is named as expert",
        "ada@example.org owns 1 model.",
        "No source was named",
    ):
        assert said in page, said
    assert canonical(taken()) == canonical(taken())
    assert nb.report("project").read_bytes() == page.encode()
    assert "<script" not in page


def test_as_of_is_the_newest_fact(planned):
    before = taken()["as_of"]
    with nb.run("later"):
        pass
    assert before < taken()["as_of"] == nb.get_run("later").ended_at


def test_an_empty_project_says_what_to_do(project):
    with pytest.raises(NotFound, match="nothing to report"):
        nb.report("project")


def test_a_charter_alone_is_enough(project):
    (project / "charter.yaml").write_text(PLAN)
    snapshot = taken()
    first = page_one(snapshot)
    assert first.answer.word == "Not known yet"
    assert "no model is in use" in first.part("worth").blocks[0].what
    assert len(kind.KIND.sections(snapshot, None)) == 9


def test_without_a_charter_it_says_whose_it_is(project, champion):
    first = page_one(taken())
    assert first.answer.word == "Not known yet"
    gaps = [b for p in first.parts for b in p.blocks if hasattr(b, "do")]
    assert any("nbmlops charter new" in b.do for b in gaps)
    assert any(b.do.startswith("stakeholder: write value") for b in gaps)


def test_a_broken_charter_is_told_and_the_report_is_written(planned):
    (planned / "charter.yaml").write_text("problme: x")
    page = read(nb.report("project"))
    assert "The charter cannot be read." in page
    assert "&#39;problme&#39; is no key of a charter" in page
    for untrue in ("No budget was agreed", "write value in charter.yaml", "Nobody is named", "says all it should"):
        assert untrue not in page, untrue
    first = page_one(taken())
    assert first.answer.word == "Not known yet"
    assert first.because.endswith("The charter cannot be read.")
    (missing,) = first.part("plan").blocks
    assert missing.what.startswith("What was agreed of budget and deliverables is not known: charter.yaml cannot")


def test_a_broken_charter_alone_is_told_too(project):
    (project / "charter.yaml").write_text("problme: x")
    assert "charter.yaml cannot be read" in read(nb.report("project"))


def test_function_and_command_say_the_same(planned):
    found = CliRunner().invoke(main, ["report", "project", "--json"])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["answer"] == "Recommended: continue"
    assert json.loads(found.stdout)["run_id"] == ""


def test_the_magic_knows_it(planned, shell):
    assert shell.run_line_magic("report", "project").answer == "Recommended: continue"


NOTHING = {
    **dict.fromkeys(Standing.__dataclass_fields__, ()),
    "budget": "",
    "spent": False,
    "alerts": 0,
    "unread": False,
}


@pytest.mark.parametrize(
    ("known", "rule", "recommends"),
    [
        ({}, "unknown", "insufficient data"),
        ({"open": ("auc",), "shown": ("mae",)}, "unknown", "insufficient data"),
        ({"shown": ("auc",)}, "targets", "continue"),
        ({"shown": ("auc",), "unmeasured": ("recall",)}, "unknown", "insufficient data"),
        ({"gains": ("a",), "open": ("auc",)}, "gains", "continue"),
        ({"gains": ("a",), "spent": True}, "overspent", "pivot"),
        ({"gains": ("a",), "costs": ("b",)}, "mixed", "pivot"),
        ({"gains": ("a",), "change": ("a@1",)}, "change", "pivot"),
        ({"gains": ("a",), "lost": ("a",)}, "lost", "pivot"),
        ({"gains": ("a",), "broken": ("auc",), "late": ("page",)}, "broken", "pivot"),
        ({"spent": True, "shown": ("auc",)}, "spent", "stop"),
        ({"gains": ("a",), "stop": ("a@1",), "broken": ("auc",)}, "not_viable", "stop"),
        ({"costs": ("a",), "broken": ("auc",)}, "costs", "stop"),
    ],
)
def test_every_rule_and_their_order(known, rule, recommends):
    found = recommended(Standing(**{**NOTHING, **known}))
    assert (found.code, found.recommends) == (rule, recommends)


def test_the_table_in_the_docs_is_the_one_in_the_code():
    text = (Path(__file__).parents[2] / "docs/project-report.md").read_text(encoding="utf-8")
    for number, rule in enumerate(RULES, 1):
        assert f"| {number} | {rule.when} | *{rule.recommends}* | `{rule.code}` |" in text


def test_a_model_that_costs_more_than_it_brings_is_to_be_stopped(planned):
    dear = CHARTER.replace("true_positive: 40", "true_positive: -900")
    (planned / "charter.yaml").write_text(dear.replace("false_negative: -30", "false_negative: 0"))
    snapshot = taken()
    snapshot["models"][0]["now"]["value"] |= {"low": -300.0, "expected": -200.0, "high": -100.0}
    first = page_one(snapshot)
    assert first.answer.word == "Recommended: stop"
    assert "late-flights@1 is worth -200 EUR per 1,000 rows (-300 to -100)" in first.because


TARGETS = """problem: x
metrics:
  - {name: roc_auc, at_least: 0.65}
  - {name: recall_of_the_sick, at_least: 0.9}
  - {name: reaction_time, at_most: 0.1}
"""


def test_targets_that_were_never_measured_are_not_shown(planned):
    (planned / "charter.yaml").write_text(TARGETS)
    first = page_one(taken())
    assert first.answer.word == "Not known yet"
    assert "1 of 3 targets shown, 2 not measured" in first.because
    assert first.part("use").blocks[0].rows[0][-1].word == "target not measured"


def test_a_champion_without_an_evaluation_keeps_no_target(planned):
    (planned / "charter.yaml").write_text(TARGETS.partition("  - {name: recall")[0])
    register(2, None)
    promote(2, "in haste")
    first = page_one(taken())
    assert first.answer.word == "Not known yet"
    assert "0 of 1 target shown, 1 not measured" in first.because
    assert "Targets of late-flights@2, never evaluated" in read(nb.report("project"))


def test_less_than_at_the_start_is_a_pivot_that_names_both(planned):
    snapshot = taken()
    snapshot["models"][0]["now"]["value"] |= {"low": 10.0, "expected": 20.0, "high": 30.0}
    first = page_one(snapshot)
    assert first.answer.word == "Recommended: pivot"
    assert "late-flights@1 brings 20 EUR per 1,000 rows (10 to 30), and late-flights@1 brought 5,820" in first.because


def test_a_budget_that_is_spent_is_said(planned):
    (planned / "charter.yaml").write_text(CHARTER + "budget: {amount: 100, unit: EUR, spent: 130}")
    first = page_one(taken())
    assert first.answer.word == "Recommended: pivot"
    assert "30 EUR more than the 100 of the budget are spent" in first.because


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ("{amount: 100, unit: EUR, spent: 90, per_month: 20}", "10 of 100 EUR are left, enough for less than a month"),
        ("{amount: 100, unit: EUR}", "of 100 EUR it is not known what is left"),
        ("{amount: 100, spent: 40}", "60 of 100 units are left;"),
    ],
)
def test_what_is_left_is_a_sentence(planned, budget, says):
    (planned / "charter.yaml").write_text(f"{CHARTER}budget: {budget}\ndeliverables: [{{name: page, due: 2013-01-01}}]")
    assert says in page_one(taken()).because.replace("Of 100", "of 100")


def test_advice_on_an_earlier_version_is_history(planned):
    advice = {"advice": "stop", "rule": "not_viable", "because": "x", "at": "2013-05-01T00:00:00+00:00"}
    session.keep("advice", "late-flights", {**advice, "ref": "late-flights@0"})
    assert page_one(taken()).answer.word == "Recommended: continue"
    session.keep("advice", "late-flights", {**advice, "ref": "late-flights@1"})
    assert page_one(taken()).answer.word == "Recommended: stop"


def test_what_came_true_counts_more_than_the_evaluation(project, fit, people, held_out):
    (project / "charter.yaml").write_text(CHARTER)
    model = fit("age", "city")
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    nb.promote("late", 1, to="champion", reason="the first")
    rows = people(1000, 3)
    said = nb.predict("late@champion", rows, batch="2026-01")
    nb.feedback(said.assign(outcome=rows["late"])[["prediction_id", "outcome"]])
    (found,) = taken()["models"]
    assert (found["start"]["rests"], found["start"]["rows"]) == ("evaluation", len(held_out))
    assert (found["now"]["rests"], found["now"]["rows"], found["now"]["period"]) == ("outcomes", 1000, "2026-01")
    assert found["now"]["value"]["n"] == 1000
    assert found["now"]["value"]["low"] < found["now"]["value"]["expected"]
    assert "1,000 answers whose outcome is known, 2026-01" in read(nb.report("project"))


def found_of_salary():
    at = "2013-05-01T00:00:00.000000+00:00"
    row = {"episode_id": "e1", "model": "late-flights", "version": 1, "code": "feature_drift", "column": "salary"}
    row |= {"level": "alert", "state": "opened", "opened_on": "2013-05", "opened_at": at, "last_on": "2013-05"}
    row |= {"last_at": at, "checks": 1, "passes": 0, "message": "salary median 47114711 to 48124812", "closed_on": None}
    with session.store().atomic() as change:
        episodes.put(change, [{**row, "closed_at": None}])
    advice = {"advice": "retrain", "rule": "wins", "because": "salary median 47114711 to 48124812", "at": at}
    session.keep("advice", "late-flights", {**advice, "ref": "late-flights@1"})


def test_where_the_charter_cannot_be_read_every_column_may_be_private(planned):
    (planned / "charter.yaml").write_text("private: [salary")
    found_of_salary()
    page = read(nb.report("project"))
    assert "47114711" not in page + canonical(taken()).decode()
    assert "not shown: charter.yaml cannot be read, so what is private is not known" in page


def test_private_columns_say_nothing_of_what_was_found_or_advised(planned):
    (planned / "charter.yaml").write_text(CHARTER + "private: [salary]")
    found_of_salary()
    page = read(nb.report("project"))
    assert "47114711" not in page + canonical(taken()).decode()
    assert "something about salary, which is private" in page
    assert "1 open alert" in page


def test_episodes_of_a_version_that_was_replaced_are_only_counted(planned):
    at = "2013-05-01T00:00:00.000000+00:00"
    row = {"episode_id": "e1", "model": "late-flights", "version": 1, "code": "roc_auc", "column": ""}
    row |= {"level": "alert", "state": "opened", "opened_on": "2013-05", "opened_at": at, "last_on": "2013-05"}
    row |= {"last_at": at, "checks": 1, "passes": 0, "message": "it ranks worse", "closed_on": None, "closed_at": None}
    with session.store().atomic() as change:
        episodes.put(change, [row])
    register(2, None)
    promote(2, "better")
    assert taken()["episodes"] == {"count": 0, "alerts": 0, "open": [], "replaced": 1}
    page = read(nb.report("project"))
    assert "1 other of versions that were replaced." in page
    assert "open alert" not in page


def test_runs_and_works_of_the_last_days_are_counted_by_what_became_of_them(planned, failed):
    lately = taken()["lately"]
    assert lately["runs"] == {"failed": 1, "finished": 1}
    assert lately["works"] == []


def test_a_model_without_an_evaluation_says_whose_it_is_to_make_one(project):
    (project / "charter.yaml").write_text(CHARTER + "roles: {scientist: [ada@example.org]}")
    register(1, None)
    promote(1, "we begin")
    first = page_one(taken())
    (missing,) = first.part("worth").blocks
    assert missing.what == "What it is worth is not known: it was never evaluated"
    assert missing.do.startswith("scientist: ada@example.org")


def test_an_older_snapshot_without_some_facts_still_reads(planned):
    snapshot = taken()
    for key in ("budget", "deliverables", "events_before", "charter"):
        del snapshot[key]
    assert page_one(snapshot).answer.word == "Recommended: continue"
    assert kind.KIND.sections(snapshot, None)


def test_names_with_markup_are_text(planned):
    (planned / "charter.yaml").write_text("project: <b>x</b>\nvision: <script>alert(1)</script>\n")
    page = read(nb.report("project"))
    assert "<script" not in page
    assert "<b>x" not in page
    assert "&lt;b&gt;x" in page


def test_sources_say_whose_they_are_and_not_where_they_lie(planned):
    (planned / "nbmlops.toml").write_text(
        "[sources.flights]\npath = 'secret-folder/a.csv'\nowner = 'dora'\nevery = '30d'\n"
    )
    session.reset()
    snapshot = taken()
    assert [(r["name"], r["owner"], r["state"]) for r in snapshot["sources"]["rows"]] == [
        ("flights", "dora", "overdue")
    ]
    assert "secret-folder" not in canonical(snapshot).decode()
    (planned / "nbmlops.toml").write_text("[sources.flights]\nwhere = 'a.csv'\n")
    session.reset()
    assert "The sources cannot be read" in read(nb.report("project", refresh=True))


def test_worth_is_shown_from_champion_to_champion(planned):
    for number in (2, 3):
        judged = session.keep("evaluation", "LogisticRegression", evaluation("LogisticRegression"))
        register(number, None, judged)
        promote(number, "better")
    promote(1, "back")
    (found,) = taken()["models"]
    assert [c["ref"] for c in found["champions"]] == ["late-flights@1", "late-flights@2", "late-flights@3"]
    assert (found["start"]["ref"], found["now"]["ref"]) == ("late-flights@1", "late-flights@1")
    figures = [b for b in kind.KIND.sections(taken(), None)[0].blocks if isinstance(b, Figure)]
    assert "late-flights@3 " in figures[0].alt
    assert "Worth of each champion" in figures[0].alt


def test_without_a_charter_it_says_that_there_is_none_and_with_a_broken_one_that_it_cannot_be_read(project, champion):
    (project / "charter.yaml").unlink(missing_ok=True)
    assert taken()["models"][0]["now"]["value"] == {"unknown": "there is no charter"}
    (project / "charter.yaml").write_text("private: [late\n")
    assert taken()["models"][0]["now"]["value"] == {"unknown": "charter.yaml cannot be read"}


def test_an_episode_of_no_column_is_named_without_a_gap(planned):
    snapshot = taken()
    about = {"model": "late-flights", "version": 1, "level": "alert", "message": "", "opened_at": snapshot["as_of"]}
    found = [{**about, "code": "performance", "column": None}, {**about, "code": "target_drift", "column": "late"}]
    snapshot["episodes"] = {"count": 2, "alerts": 2, "open": found, "replaced": 0}
    said = str(page_one(snapshot))
    assert "performance of late-flights@1 and target drift late of late-flights@1" in said
