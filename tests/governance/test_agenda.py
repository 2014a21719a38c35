"""What a review records: verdicts and decisions by who may, closed to everybody else; what is overdue is an alert."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.governance.agenda import overdue
from nbmlops.governance.agenda.decided import decisions, verdicts
from nbmlops.store import events
from nbmlops.tracking import session

from .conftest import ANN, KIM, SAM

CHARTER = f"""
problem: late flights
roles: {{scientist: ['{SAM}'], manager: ['{ANN}'], expert: ['{KIM}']}}
questions:
  - {{id: q1, question: "Are fewer trips missed?", kpi: trips missed, unit: a month, metric: roc_auc, owner: ann}}
"""


@pytest.fixture
def agreed(project, who):
    (project / "charter.yaml").write_text(CHARTER)
    return project


def said(action=None):
    with session.store().reading() as connection:
        assert events.verify(connection) is None
        return events.listed(connection, action=action)


def test_an_expert_answers_a_question_of_the_business(agreed, who):
    who(KIM)
    found = nb.verdict("q1", "partly", "not at night")
    assert (found.answer, found.by, found.role, found.agenda) == ("partly", KIM, "expert", None)
    assert "q1 (Are fewer trips missed?): partly" in repr(found)
    event = said("question_verdict")[-1]
    assert (event["subject"], event["actor"], event["seq"]) == ("q1", KIM, found.seq)
    assert (event["data"]["verdict"], event["data"]["why"]) == ("partly", "not at night")
    assert event["data"]["charter"] == nb.charter().digest
    nb.verdict("q1", "yes", "now at night too")
    assert verdicts(said())["q1"]["answer"] == "yes"  # the newest counts


def test_who_left_says_nothing_any_more(agreed, who, project):
    text = (project / "charter.yaml").read_text()
    (project / "charter.yaml").write_text(f"{text}\nleft: ['{ANN}', '{KIM}']\n")
    for person, call in ((ANN, lambda: nb.decide("stop", "so")), (KIM, lambda: nb.verdict("q1", "yes", "so"))):
        who(person)
        with pytest.raises(NotAllowed):
            call()


def test_a_manager_decides_and_a_pivot_says_to_what(agreed, who):
    who(ANN)
    nb.decide("continue", "it pays")
    found = nb.decide("pivot", "the gain is too small", to="cancelled flights")
    assert (found.to, found.subject) == ("cancelled flights", session.project().name)
    assert [(d["answer"], d["to"], d["by"]) for d in decisions(said())] == [
        ("continue", None, ANN),
        ("pivot", "cancelled flights", ANN),
    ]


@pytest.mark.parametrize(
    ("person", "call", "error", "message"),
    [
        (KIM, ("verdict", "q1", "maybe", "so"), Invalid, "'maybe' is no verdict. Allowed: yes, partly, no."),
        (KIM, ("verdict", "q1", "yes", " "), Invalid, "A verdict needs a reason."),
        (KIM, ("verdict", "q2", "yes", "so"), NotFound, "No question 'q2' of the charter"),
        (SAM, ("verdict", "q1", "yes", "so"), NotAllowed, f"{SAM} is no expert by charter.yaml"),
        (ANN, ("verdict", "q1", "yes", "so"), NotAllowed, f"Named: {KIM}."),
        (ANN, ("decide", "go on", "so"), Invalid, "'go on' is no decision. Allowed: continue, pivot, stop."),
        (ANN, ("decide", "continue", ""), Invalid, "A decision needs a reason."),
        (ANN, ("decide", "pivot", "so"), Invalid, "A pivot needs what to turn to."),
        (ANN, ("decide", "stop", "so", "else"), Invalid, "Stop turns to nothing."),
        (ANN, ("decide", "continue", "x" * 1001), Invalid, "A text has 1,001 characters."),
        (KIM, ("decide", "continue", "so"), NotAllowed, f"{KIM} is no stakeholder or manager"),
        ("Anonymous Io", ("decide", "continue", "so"), NotAllowed, "is nobody"),
    ],
)
def test_what_may_not_be_said_is_one_line_and_changes_nothing(agreed, who, person, call, error, message):
    who(person)
    with pytest.raises(error) as caught:
        getattr(nb, call[0])(*call[1:])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert said() == []


def test_nobody_decides_without_a_charter_or_roles(project, who):
    with pytest.raises(NotFound, match="charter new"):
        nb.decide("continue", "so")
    (project / "charter.yaml").write_text("problem: late\n")
    with pytest.raises(NotAllowed, match=r"Nobody is named: write roles in charter\.yaml"):
        nb.decide("continue", "so")
    (project / "charter.yaml").write_text("roles: [\n")
    with pytest.raises(Invalid, match="not valid YAML"):
        nb.decide("continue", "so")


def test_the_command_does_what_the_function_does(agreed, who):
    who(KIM)
    done = CliRunner().invoke(main, ["charter", "verdict", "q1", "no", "--why", "none", "--json"])
    assert done.exit_code == 0, done.output
    again = nb.verdict("q1", "no", "none").to_dict()
    assert {**json.loads(done.output), "seq": 0} == {**again, "seq": 0}
    done = CliRunner().invoke(main, ["charter", "decide", "continue", "--why", "so"])
    assert done.exit_code == 3
    assert "is no stakeholder or manager" in done.output
    who(ANN)
    done = CliRunner().invoke(main, ["charter", "decide", "pivot", "--why", "so", "--to", "trains"])
    assert "pivot to trains" in done.output


def champion(at, version=1):
    about = {"subject": "late@champion", "action": "alias", "at": at, "actor": ANN}
    return {**about, "data": {"version": version}}


def test_a_review_of_a_champion_is_overdue_by_its_days(agreed):
    (agreed / "charter.yaml").write_text(CHARTER + "review_days: 30\n")
    moved = [champion("2026-01-01T00:00:00+00:00")]
    asked = nb.charter()
    assert overdue.due(asked, moved, [], "2026-01-31T00:00:00+00:00") == []
    found = overdue.due(asked, moved, [], "2026-02-12T00:00:00+00:00")[0]
    assert (found.code, found.outcome, found.column, found.effect) == ("review_overdue", "issue", "late@1", 12.0)
    assert found.message == "late@1: its review was due on 2026-01-31, 12 days ago"
    decided = {"subject": "project", "action": "decision", "at": "2026-02-01T00:00:00+00:00", "actor": ANN, "data": {}}
    assert overdue.due(asked, [*moved, decided], [], "2026-02-12T00:00:00+00:00") == []
    later = [*moved, champion("2026-02-01T00:00:00+00:00", 2)]
    assert overdue.due(asked, later, [], "2026-02-12T00:00:00+00:00") == []  # the one that was replaced is nobody's
    gone = [*moved, champion("2026-01-05T00:00:00+00:00", None)]
    assert overdue.due(asked, gone, [], "2026-02-12T00:00:00+00:00") == []


def test_an_agenda_is_overdue_by_its_cadence(agreed):
    (agreed / "charter.yaml").write_text(CHARTER + "reviews: {agenda: weekly}\n")
    began = [{"subject": "p", "action": "charter", "at": "2026-01-01T00:00:00+00:00", "actor": ANN, "data": {}}]
    found = overdue.due(nb.charter(), began, [], "2026-01-09T00:00:00+00:00")
    assert [f.message for f in found] == ["The weekly agenda was due on 2026-01-08, 1 day ago"]
    assert overdue.due(nb.charter(), began, ["2026-01-05T00:00:00+00:00"], "2026-01-09T00:00:00+00:00") == []
    assert overdue.due(nb.charter(), [], [], "2026-01-09T00:00:00+00:00") == []


def test_the_manager_is_told_once(agreed, who):
    (agreed / "nbmlops.toml").write_text("[alerts]\nfile = 'alerts.jsonl'\n")
    session.reset()
    (agreed / "charter.yaml").write_text(CHARTER + "reviews: {agenda: weekly}\n")
    nb.charter_changes()
    CliRunner().invoke(main, ["charter", "check"])
    assert overdue.remind() == []
    told = overdue.remind("2099-01-01T00:00:00+00:00")
    assert [t.people for t in told] == [(ANN,)]
    assert overdue.remind("2099-01-02T00:00:00+00:00") == []
    rows = nb.alerts()
    assert list(rows.title) == [t for t in rows.title if t.startswith("The weekly agenda was due on")]
    assert len(rows) == 1
    assert "nbmlops charter review" in (agreed / "alerts.jsonl").read_text()


def test_what_may_follow_is_offered(agreed):
    from nbmlops.magics.complete import offers

    def words(line):
        return [word for word in offers(line) if not word.startswith("-")]

    assert words("%nbmlops charter decide ") == ["continue", "pivot", "stop"]
    assert words("%nbmlops charter verdict ") == ["q1"]
    assert words("%nbmlops charter verdict q1 ") == ["yes", "partly", "no"]
    assert {"review", "verdict", "decide"} <= set(words("%nbmlops charter "))


def test_the_scheduler_and_alerts_send_remind(agreed, monkeypatch):
    from nbmlops.jobs.schedule.ticker import tick

    told = []
    monkeypatch.setattr(overdue, "remind", lambda: told.append("told"))
    tick(session.project())
    CliRunner().invoke(main, ["alerts"])
    assert told == ["told"]
    assert CliRunner().invoke(main, ["alerts", "--send"]).exit_code == 0
    assert told == ["told", "told"]
