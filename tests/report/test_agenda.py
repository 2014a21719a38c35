"""The agenda: what changed since the last one, what is open, what there is to decide; the same bytes again."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.report.agenda import gathered
from nbmlops.report.agenda.pictures import over_time
from nbmlops.report.blocks import Figure, Missing, Table
from nbmlops.report.kinds.kind import kind_of, subject_of
from nbmlops.report.project.standing import rounded
from nbmlops.report.snapshot import build
from nbmlops.store import reports
from nbmlops.tracking import session

from .conftest import CHARTER, read
from .test_project import PLAN

KIND = kind_of("agenda")
ASKS = """
reviews: {agenda: weekly, champion_days: 30}
questions:
  - {id: q1, question: "Are fewer trips missed?", kpi: trips missed, unit: a month, metric: roc_auc, owner: ann}
"""


@pytest.fixture
def planned(project, champion, someone):
    """A champion, a charter with a question, a budget and what is due; the manager acts."""
    (project / "charter.yaml").write_text(
        CHARTER + PLAN.replace("manager: [mo", "expert: [mo@example.org], manager: [mo") + ASKS
    )
    someone("mo@example.org")
    return project


def taken():
    return build(subject_of("agenda"))


def test_a_part_of_the_rows_is_no_reason_to_pivot(project, model, held_out):
    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.5}]\nroles: {scientist: [ada]}")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="the first")
    part = held_out.head(150)
    nb.evaluate("late@1", part.assign(late=1 - part["late"]), target="late")
    page = read(nb.review_charter())
    assert "Recommended: continue" in page
    assert "1 of 1 target shown" in page
    assert "late@1, judged again on 150 of these rows" in page
    now = taken()["models"][0]["now"]
    assert (now["rows"], [(a["rows"], a["part"]) for a in now["apart"]]) == (400, [(150, True)])


def test_a_models_own_targets_are_what_it_is_held_against(project, model, held_out):
    own = "models: {late: {metrics: [{name: roc_auc, at_least: 0.999}]}}"
    (project / "charter.yaml").write_text("metrics: [{name: roc_auc, at_least: 0.5}]\n" + own)
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="the first")
    page = read(nb.review_charter())
    assert "Recommended: pivot" in page
    assert "A target is broken: roc_auc of late@1" in page


def test_what_a_regression_realised_is_told(project):
    from sklearn.linear_model import LinearRegression

    (project / "charter.yaml").write_text(
        "value: {unit: EUR, error: {cost: 3}, volume: {per: month, rows: 2000}}\nmetrics: [{name: mae, at_most: 2}]"
    )
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"hour": rng.normal(size=400)})
    rows["delay"] = 2 * rows["hour"] + rng.normal(size=400)
    model = LinearRegression().fit(rows[["hour"]][:100], rows["delay"][:100])
    nb.evaluate(model, rows[100:], target="delay")
    nb.register(model, "delay")
    nb.promote("delay", 1, to="champion", reason="the first")
    made = nb.predict("delay@1", rows[["hour"]])
    nb.feedback(pd.DataFrame({"prediction_id": list(made["prediction_id"]), "outcome": rows["delay"]}))
    now = taken()["models"][0]["now"]
    answers = (model.predict(rows[["hour"]]), rows["delay"].median())
    errors, constant = (np.abs(rows["delay"] - said) for said in answers)
    assert (now["rests"], now["rows"]) == ("outcomes", 400)
    assert now["value"]["expected"] == pytest.approx(3000 * (constant - errors).mean())
    page = read(nb.review_charter())
    assert "true positive" not in page
    low, expected, high = (rounded(now["value"]["volume"][k]) for k in ("low", "expected", "high"))
    assert f"about {expected} EUR a month ({low} to {high})" in page


def test_what_is_left_out_is_counted(planned):
    for n in range(60):
        nb.verdict("q1", "yes", f"so, {n}")
    found = nb.review_charter(since="2020-01-01", output=planned / "a.json")
    changed = json.loads(found.read_text())["changed"]
    assert len(changed["events"]) == 50
    rest = sum(n for action, n in changed["counts"].items() if action not in gathered.OF_PEOPLE)
    assert changed["left_out"]["events"] == sum(changed["counts"].values()) - rest - 50
    assert f"{changed['left_out']['events']} earlier ones are left out" in read(nb.report("agenda"))


def test_a_question_that_was_worded_anew_is_asked_again(planned):
    nb.verdict("q1", "yes", "the desk says so")
    assert "worded anew" not in read(nb.review_charter(since="2020-01-01"))
    text = (planned / "charter.yaml").read_text()
    (planned / "charter.yaml").write_text(text.replace("Are fewer trips missed?", "Do more people fly?"))
    page = read(nb.review_charter(since="2020-01-01"))
    assert "worded anew" in page
    assert "yes was said when it was: Are fewer trips missed?" in page
    assert "A verdict of this time on q1" in page


def open_points(snapshot):
    return {row[1].partition(":")[0]: row for row in kind_of("agenda").sections(snapshot, None)[3].blocks[0].rows}


def test_the_page_decides_from_facts_and_asks_the_expert(planned):
    page = read(nb.review_charter())
    for said in (
        "Review of project",
        "Continue project, pivot or stop?",
        "Recommended: continue",
        "A decision: continue, pivot or stop",
        "Are fewer trips missed?",
        "trips missed, a month (roc_auc stands for it)",
        "not answered",
        "At the start: late-flights@1",
        "39,000 of 60,000 EUR are left",
        "Deliverable how-to page, due 2013-06-30",
        "roc_auc of late-flights",
        "weekly agenda",
    ):
        assert said in page, said
    assert "the newest thing known: what was due" not in page  # an agenda tells of its own day
    assert "<script" not in page


def test_it_is_numbered_and_tells_of_the_time_since_the_last_one(planned):
    nb.review_charter()
    nb.verdict("q1", "partly", "not at night")
    made = nb.decide("continue", "it pays")
    assert made.number == 1
    first, second = reports.newest(session.store(), "agenda"), nb.review_charter()
    assert read(second).count("Report 2 of the agenda")
    snapshot = taken()
    assert (snapshot["since"], snapshot["last"]["number"]) == (first.as_of, 1)
    assert made.agenda == first.digest == snapshot["last"]["digest"]
    done = [e["action"] for e in snapshot["changed"]["events"]]
    assert done == ["charter", "question_verdict", "decision"] or done == ["question_verdict", "decision"]
    page = KIND.decide(snapshot)
    assert not any(isinstance(b, Missing) for b in page.part("decide").blocks)
    assert not any(isinstance(b, Missing) for b in page.part("questions").blocks)
    assert page.part("questions").blocks[0].rows[0][3].word == "partly"
    read(nb.review_charter())
    third = taken()  # nobody has said anything since the second
    assert any(isinstance(b, Missing) for b in KIND.decide(third).part("questions").blocks)
    assert third["changed"]["events"] == []


def test_the_same_agenda_is_shown_again_and_goes_stale_by_what_is_new(planned):
    path = nb.review_charter()
    assert nb.report("agenda").read_bytes() == path.read_bytes()
    nb.decide("continue", "it pays")
    with pytest.warns(RuntimeWarning, match="changed since"):
        assert nb.report("agenda").read_bytes() == path.read_bytes()


def test_markdown_and_facts_say_the_same(planned, tmp_path):
    text = read(nb.review_charter(output=tmp_path / "agenda.md"))
    assert "Are fewer trips missed?" in text
    assert "### Whose turn it is" in text
    found = json.loads(read(nb.report("agenda", output=tmp_path / "agenda.json")))
    assert (found["kind"], found["number"], found["questions"][0]["id"]) == ("agenda", 1, "q1")


def test_what_is_owed_asked_and_unreviewed_is_open(planned):
    run_id = nb.model_version("late-flights@1").run_id
    nb.flag(run_id, "Why so late at night?", question=True, to="expert")
    found = open_points(taken())
    assert found[f"Question on {run_id}, asked by mo@example.org"][2] == "expert"
    assert found["Deliverable how-to page, due 2013-06-30"][0].word == "overdue"


def test_an_emergency_nobody_reviewed_is_open(planned):
    with session.store().atomic() as change:
        said = {"version": 1, "from": None, "reason": "it burns", "override": {"reason": "it burns", "refused": "no"}}
        change.event("alias", "late-flights@champion", said, ("ada@example.org", "git"))
    found = open_points(taken())["Emergency"]
    assert (found[0].word, found[1]) == ("not reviewed", "Emergency: late-flights@1 by ada@example.org: it burns")
    nb.review_override("late-flights@champion", "justified", "it did")
    assert "Emergency" not in open_points(taken())


def test_advice_on_a_private_column_says_no_value(planned):
    about = {"advice": "fix the data", "rule": "contract_broken", "because": "home: 'Ulm' is not known", "at": "2026"}
    (planned / "charter.yaml").write_text((planned / "charter.yaml").read_text() + "private: [home]\n")
    session.keep("advice", "late-flights", {**about, "ref": "late-flights@1"}, None)
    with session.store().atomic() as change:
        change.event("advice", "late-flights@1", about, ("ada@example.org", "git"))
    snapshot = taken()
    assert snapshot["status"][0]["rule"] == "fix"
    assert snapshot["status"][0]["back"]["why"] == "advised: fix the data"
    assert "Ulm" not in str(KIND.decide(snapshot)) + str([s for s in KIND.sections(snapshot, None) if s.key != "audit"])


def test_conditions_of_the_newest_answer_are_owed_until_they_are_met():
    from nbmlops.report.agenda.gathered import _conditions

    data = {"outcome": "approved with conditions", "report": "d", "bound": {"facts": "f"}, "role": "expert"}
    data["conditions"] = [{"text": "look again", "owner": "ann", "due": "2026-02-01"}]
    said = {"action": "approve", "subject": "late@1", "actor": "kim", "known_by": "git", "at": "2026-01-01"}
    first = {**said, "seq": 1, "data": data}
    owed = _conditions([first], "2026-03-01")
    assert [(c["text"], c["owner"], c["late"], c["subject"]) for c in owed] == [("look again", "ann", True, "late@1")]
    met = {**said, "seq": 2, "action": "condition_met", "data": {"approve": 1, "condition": 1, "why": "done"}}
    assert _conditions([first, met], "2026-03-01") == []
    again = {**said, "seq": 3, "data": {**data, "outcome": "approved", "conditions": []}}
    assert _conditions([first, again], "2026-03-01") == []


def test_targets_are_drawn_over_time_with_a_line(planned):
    section = next(s for s in KIND.sections(taken(), None) if s.key == "metrics")
    assert any(isinstance(b, Figure) and "Target 0.65" in b.alt for b in section.blocks)
    table = next(b for b in section.blocks if isinstance(b, Table))
    assert table.caption == "roc_auc of late-flights: roc_auc at least 0.65"
    assert over_time([{"of": "late@1", "value": None}], title="x") == ""


def test_without_a_charter_or_with_a_broken_one_it_says_so(project, champion):
    first = KIND.decide(taken())
    assert first.answer.word == "Not known yet"
    assert "asks no question" in first.part("questions").blocks[0].what
    (project / "charter.yaml").write_text("problme: x\n")
    assert "charter.yaml cannot be read" in read(nb.review_charter())


def test_what_cannot_be_made_is_one_line(project):
    with pytest.raises(NotFound, match="nothing to report"):
        nb.review_charter()
    for day in ("tomorrow", "2999-01-01"):
        with pytest.raises(Invalid) as error:
            nb.review_charter(day)
        assert "\n" not in str(error.value)


def test_the_command_does_what_the_function_does(planned, tmp_path):
    line = ["charter", "review", "--since", "2026-01-01", "-o", str(tmp_path / "a.html"), "--json"]
    done = CliRunner().invoke(main, line)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["question"], found["number"]) == ("Continue project, pivot or stop?", 1)
    assert taken()["since"].startswith("2026-01-01")
    assert "no zone" not in done.stderr
    bad = CliRunner().invoke(main, ["charter", "review", "--since", "soon"])
    assert bad.exit_code == 2
    assert len(bad.output.strip().splitlines()) == 1
