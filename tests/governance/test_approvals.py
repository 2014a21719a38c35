"""Who answers for a model: what an alias asks for, what people answered, and when an answer counts no more."""

import json
from pathlib import Path

import pytest

import nbmlops as nb
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.report.page import written
from nbmlops.tracking import session

from .conftest import ANN, CHARTER, KIM, MO, SAM, agree, approve_events, both


def test_an_answer_binds_report_model_data_code_and_policy(judged, who):
    who(KIM)
    found = nb.approve("late@1", comment="reads well", expires="10d")
    (event,) = approve_events()
    report = nb.reports("late@1").iloc[0]
    assert (event["subject"], event["actor"], event["known_by"]) == ("late@1", KIM, "jupyterhub")
    assert event["data"]["report"] == report.digest
    assert event["data"]["bound"]["model"] == nb.model_version("late@1").digest
    assert all(len(event["data"]["bound"][k]) == 64 for k in ("data", "code"))
    assert len(event["data"]["policy_digest"]) == 64
    assert event["data"]["role"] == "expert"  # the one she plays
    (given,) = found.given
    assert (given["name"], given["state"], given["number"]) == (KIM, "valid", 1)
    assert found.missing == (f"approval by manager ({ANN})",)
    assert not found.met


def test_nothing_is_promoted_before_everybody_the_policy_names_has_approved(judged, who):
    with pytest.raises(NotAllowed, match=r"late@1 lacks approval by manager \(ann@example.org\); approval by expert"):
        nb.promote("late", 1, to="champion", reason="first")
    seqs = [g["seq"] for g in both(who).given]
    who(SAM)
    moved = nb.promote("late", 1, to="champion", reason="first")
    assert moved.decision["approvals"] == seqs
    assert nb.approvals("late@champion").met  # being promoted makes nothing stale


@pytest.mark.parametrize(
    ("person", "said", "error", "message"),
    [
        (SAM, {}, NotAllowed, "sam@example.org ran what made late@1, and nobody answers for their own work"),
        (ANN, {"role": "expert"}, NotAllowed, "ann@example.org does not play expert by charter.yaml. Plays: manager"),
        (ANN, {"role": "manger"}, NotFound, "Did you mean 'manager'"),
        ("eve@example.org", {}, NotAllowed, "eve@example.org plays no role by charter.yaml"),
        ("Anonymous Themisto", {}, NotAllowed, "'Anonymous Themisto' is nobody"),
        (ANN, {"by": "Anonymous Carpo"}, NotAllowed, "Anonymous Carpo cannot answer for a model"),
        (ANN, {"by": "\ud800"}, Invalid, "by has characters that are no text"),
        (ANN, {"comment": "\ud800"}, Invalid, "comment has characters that are no text"),
        (ANN, {"conditions": 5}, Invalid, "'5' is no list of conditions"),
        (ANN, {"role": []}, NotFound, "No role"),
        (ANN, {"by": SAM}, NotAllowed, "sam@example.org ran what made late@1"),
        (SAM, {"by": ANN}, NotAllowed, "sam@example.org ran what made late@1"),  # a steward of their own work
        (ANN, {"outcome": "ok"}, Invalid, "'ok' is no outcome. Allowed: approved, approved with conditions"),
        (ANN, {"outcome": "approved with conditions"}, Invalid, "says no condition"),
        (ANN, {"conditions": ["look; ann; 2999-01-01"]}, Invalid, "conditions are said"),
        (
            ANN,
            {"outcome": "approved with conditions", "conditions": ["look again"]},
            Invalid,
            "lacks its owner and due",
        ),
        (ANN, {"outcome": "approved with conditions", "conditions": ["look; ann; soon"]}, Invalid, "'soon' is no day"),
        (ANN, {"outcome": "approved with conditions", "conditions": ["a; b; 2001-01-01"]}, Invalid, "is over"),
        (ANN, {"expires": "2001-01-01"}, Invalid, "expires is '2001-01-01'"),
        (ANN, {"expires": "1000d"}, NotAllowed, "The policy lets an approval hold until"),
    ],
)
def test_what_is_refused_writes_nothing(judged, who, person, said, error, message):
    who(person)
    with pytest.raises(error) as refused:
        nb.approve("late@1", **said)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert approve_events() == []


def test_a_report_is_named_by_file_hash_object_or_what_it_is_about(judged, who):
    made = written("late@1", judged / "r.html")
    who(KIM)
    for report in (
        judged / "r.html",
        str(judged / "r.html"),
        made.digest,
        made.digest[:12],
        made,
        "late@1",
        made.run_id,
    ):
        nb.approve(report)
    assert {e["data"]["report"] for e in approve_events()} == {made.digest}
    with pytest.raises(NotFound, match="No report of this store has the hash 0123456789ab"):
        nb.approve("0123456789abcdef")


def test_a_file_that_was_changed_is_answered_by_nobody(judged, who):
    written("late@1", judged / "r.html")
    path = Path(judged / "r.html")
    path.write_text(path.read_text().replace("</main>", "<p>Approved.</p></main>"))
    who(KIM)
    with pytest.raises(NotAllowed, match="is changed, so nobody answers it"):
        nb.approve(path)
    assert approve_events() == []


def test_nothing_is_answered_that_nobody_named(judged, who):
    who(ANN)
    for nothing in (None, "", " "):
        with pytest.raises(Invalid, match="No report is named"):
            nb.approve(nothing)
    assert approve_events() == []


def test_a_report_that_is_not_the_newest_or_not_up_to_date_is_refused(judged, who):
    first = written("late@1")
    written("late@1", refresh=True)
    who(KIM)
    with pytest.raises(Conflict, match="is not the newest: report 2 was made since"):
        nb.approve(first)
    (judged / "charter.yaml").write_text(CHARTER + "metrics: [{name: roc_auc, at_least: 0.99}]\n")
    with pytest.raises(Conflict, match=r"is not up to date: the targets changed since.*report late@1 --refresh"):
        nb.approve("late@1")
    assert approve_events() == []


@pytest.mark.parametrize("outcome", ["approved", "rejected"])
def test_what_still_runs_is_answered_when_it_has_ended(project, who, fit, held_out, outcome):
    (project / "charter.yaml").write_text(CHARTER)
    with nb.run("late"):
        model = fit("age", "city")
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
        written("late@1")
        who(ANN)
        with pytest.raises(Conflict, match=r"has not ended.*nbmlops report late@1 --refresh\..*flag late@1 "):
            nb.approve("late@1", outcome=outcome)
        who(SAM)
    written("late@1", refresh=True)
    who(ANN)
    assert nb.approve("late@1", outcome=outcome).given[0]["state"] == "valid"


def test_a_cell_that_ended_is_not_answered_while_its_notebook_runs(project, who, fit, held_out):
    (project / "charter.yaml").write_text(CHARTER)
    with nb.run("job"):
        with nb.run("late") as cell:
            model = fit("age", "city")
            nb.evaluate(model, held_out, target="late")
            nb.register(model, "late")
        assert nb.get_run(cell.run_id).parent
        kept = written(cell.run_id)
        who(ANN)
        with pytest.raises(Conflict, match="is of a run that has not ended"):
            nb.approve(kept.path)
        who(SAM)
    who(ANN)
    assert nb.approve(kept.path).given[0]["state"] == "valid"


def test_newer_data_makes_an_approval_stale_and_stops_the_promotion(judged, who, people):
    both(who)
    nb.dataset("trips", people(500, 9))
    found = nb.approvals("late@1")
    assert [(g["state"], g["why"]) for g in found.given] == [("stale", "the data changed (trips@2)")] * 2
    who(SAM)
    with pytest.raises(NotAllowed, match=r"lacks approval by manager .*\(that of kim@example.org is stale: the data"):
        nb.promote("late", 1, to="champion", reason="first")
    assert both(who).met  # they looked again


def test_a_flag_is_told_as_a_flag(judged, who):
    both(who)
    nb.flag("late@1", "too sure")
    why = "the report says otherwise: what was flagged or rejected"
    assert {g["why"] for g in nb.approvals("late@1").given} == {why}


def test_newer_data_counts_where_nobody_saw_the_fit(project, who, fit, held_out, train, people):
    (project / "charter.yaml").write_text(CHARTER)
    model = fit("age", "city")
    nb.dataset("trips", train)
    nb.dataset("prices", train[["age", "noise"]])
    with nb.run("late"):
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    written("late@1")
    both(who)
    nb.dataset("prices", people(500, 8)[["age", "noise"]])  # lacks a column of the model
    assert nb.approvals("late@1").met
    nb.dataset("trips", people(500, 9))
    assert [g["why"] for g in nb.approvals("late@1").given] == ["the data changed (trips@2)"] * 2


def test_another_policy_another_fact_or_a_lost_role_makes_it_count_no_more(judged, who):
    both(who)
    agree(judged, approvals=1, roles=["manager"])
    assert {g["why"] for g in nb.approvals("late@1").given} == {"the policy of the charter changed"}
    (judged / "charter.yaml").write_text(CHARTER + "metrics: [{name: roc_auc, at_least: 0.5}]\n")
    assert {g["why"] for g in nb.approvals("late@1").given} == {"the report says otherwise: the targets"}
    (judged / "charter.yaml").write_text(CHARTER.replace(KIM, "liv@example.org"))
    found = nb.approvals("late@1")
    assert [(g["name"], g["state"]) for g in found.given] == [(ANN, "valid"), (KIM, "void")]
    assert found.missing == (f"approval by expert (liv@example.org, {MO})",)


def test_a_newer_answer_of_the_same_person_withdraws_the_one_before(judged, who):
    both(who)
    nb.approve("late@1", outcome="rejected", comment="the labels are wrong")
    found = nb.approvals("late@1")
    assert [g["state"] for g in found.given] == ["valid", "withdrawn", "valid"]
    assert found.missing[-1] == f"another answer of {KIM} (expert), who said: rejected"
    assert nb.approve("late@1", comment="I misread").met


def test_a_refusal_by_another_in_a_role_stops_it_though_enough_approved(judged, who):
    both(who)
    who(MO)
    nb.approve("late@1", outcome="changes requested", comment="say what is late")
    who(SAM)
    with pytest.raises(NotAllowed, match=r"another answer of mo@example.org \(expert\), who said: changes requested"):
        nb.promote("late", 1, to="champion", reason="first")


def test_an_approval_and_a_policy_end(judged, who, monkeypatch):
    both(who)
    from nbmlops.governance.approval import standing

    monkeypatch.setattr(standing, "now", lambda: "2999-01-01T00:00:00.000000+00:00")
    assert [g["state"] for g in nb.approvals("late@1").given] == ["expired", "expired"]
    monkeypatch.undo()
    agree(judged, approvals=1, roles=["manager"], expires="2001-01-01")
    who(ANN)
    for act in (lambda: nb.approve("late@1"), lambda: nb.promote("late", 1, to="champion", reason="first")):
        with pytest.raises(NotAllowed, match=r"policy.champion in charter.yaml ended on 2001-01-01"):
            act()


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"approvals": "two"}, "policy.champion.approvals is 'two', so nothing is promoted. Write how many"),
        ({"approvals": 0}, "policy.champion.approvals is 0"),
        ({"approvals": True}, "policy.champion.approvals is True"),
        ({"roles": []}, "policy.champion.roles is []"),
        ({"each": True}, "policy.champion.each is True"),
        ({"approvals": 1, "distinct_from": "me"}, "policy.champion.distinct_from is 'me'"),
        ({"evidence": ["hearsay"]}, "policy.champion.evidence is ['hearsay']"),
        ({"approvals": 1, "expires": "someday"}, "policy.champion.expires is 'someday'"),
        ({"aproval": 1}, "policy.champion.aproval in charter.yaml is not understood"),
    ],
)
def test_a_policy_that_is_not_understood_approves_and_promotes_nothing(judged, who, policy, message):
    agree(judged, **policy)
    who(KIM)
    for act in (lambda: nb.approve("late@1"), lambda: nb.promote("late", 1, to="champion", reason="first")):
        with pytest.raises((NotAllowed, Invalid)) as error:  # the charter may refuse it first
            act()
        assert message in str(error.value)
    assert approve_events() == []


def test_evidence_is_asked_for(judged, who, fit, held_out):
    agree(judged, evidence=["evaluation", "drift"])
    with pytest.raises(NotAllowed, match=r"late@1 lacks a check of drift \(nbmlops drift late --against late@1\)"):
        nb.promote("late", 1, to="champion", reason="first")
    nb.drift(held_out, "late@1")
    nb.promote("late", 1, to="champion", reason="first")


def test_conditions_are_listed_met_and_overdue(judged, who, monkeypatch):
    who(ANN)
    found = nb.approve("late@1", "approved with conditions", conditions=[f"look again; {KIM}; 2999-05-01"])
    (owed,) = found.conditions
    assert (owed["text"], owed["owner"], owed["due"], owed["state"]) == ("look again", KIM, "2999-05-01", "open")
    assert approve_events()[0]["data"]["condition"] == f"look again ({KIM}, by 2999-05-01)"
    from nbmlops.governance.approval import standing

    with monkeypatch.context() as later:
        later.setattr(standing, "now", lambda: "2999-05-02T00:00:00.000000+00:00")
        found = nb.approvals("late@1")
    assert found.given[0]["state"] == "expired"  # and what it was given for is still owed
    assert [f.outcome for f in found.findings if f.code == "condition"] == ["issue"]
    who("eve@example.org")
    with pytest.raises(NotAllowed, match="neither owns this condition nor plays a role"):
        nb.meet_condition(owed["approve"], 1, "done")
    who(KIM)
    assert nb.meet_condition(owed["approve"], 1, "no change").conditions[0]["state"] == "met"
    with pytest.raises(Conflict, match="was met on"):
        nb.meet_condition(owed["approve"], 1, "again")
    with pytest.raises(NotFound, match="has no condition 2"):
        nb.meet_condition(owed["approve"], 2, "what")
    with pytest.raises(NotFound, match="Event 1 is no approval"):
        nb.meet_condition(1, 1, "what")


def left(project, *people):
    text = (project / "charter.yaml").read_text()
    (project / "charter.yaml").write_text(f"{text}left: {list(people)}\n")


def test_a_condition_whose_owner_left_falls_to_the_managers(judged, who):
    who(ANN)
    found = nb.approve("late@1", "approved with conditions", conditions=[f"look again; {KIM}; 2999-05-01"])
    (owed,) = found.conditions
    assert "falls_to" not in owed
    left(judged, KIM)
    found = nb.approvals("late@1")
    assert found.conditions[0]["falls_to"] == [ANN]
    (told,) = [f for f in found.findings if f.code == "condition"]
    assert (told.outcome, told.message) == (
        "warning",
        f"Due 2999-05-01: look again ({KIM} left; it falls to {ANN})",
    )
    who(KIM)
    with pytest.raises(NotAllowed) as refused:
        nb.meet_condition(owed["approve"], 1, "I did before I left")
    assert f"{KIM} left. It is met by {SAM} or {ANN}" in refused.value.hint
    who(ANN)
    found = nb.meet_condition(owed["approve"], 1, "no change")
    assert (found.conditions[0]["state"], found.conditions[0].get("falls_to")) == ("met", None)


def test_a_condition_falls_to_who_asked_for_it_where_nobody_plays_a_role():
    from nbmlops.governance.approval.given import meeting
    from nbmlops.governance.charter import parsed

    nobody = parsed(b"left: [kim]")
    assert meeting(nobody, "kim", "ann") == ("ann",)
    assert meeting(nobody, "mo", "ann") == ("mo",)
    assert meeting(parsed(b"left: [kim]\nroles: {expert: [eve, kim]}"), "kim", "ann") == ("eve",)
    assert meeting(parsed(b"left: [kim, ann]"), "kim", "ann") == ()


def test_what_was_met_first_counts():
    from nbmlops.governance.approval import given

    owed = [{"text": "look", "owner": "kim", "due": "2999-05-01"}]
    approved = said_by(1, "kim", "approved with conditions", conditions=owed)
    met = [
        {**approved, "seq": seq, "at": at, "action": "condition_met", "actor": who,
         "data": {"approve": 1, "condition": 1, "why": why}}
        for seq, at, who, why in ((2, "2027", "kim", "seen"), (3, "2028", "eve", "not at all"))
    ]  # fmt: skip
    (found,) = given.of_events([approved, *met])
    assert (found.conditions[0]["met_by"], found.conditions[0]["why"]) == ("kim", "seen")


def test_without_a_charter_anybody_else_may_answer_and_nobody_has_to(judged, who):
    (judged / "charter.yaml").unlink()
    written("late@1", refresh=True)
    with pytest.raises(NotAllowed, match="nobody answers for their own work"):
        nb.approve("late@1")
    who(KIM)
    found = nb.approve("late@1", role="expert")
    assert (found.met, found.given[0]["state"]) == (True, "valid")
    assert nb.promote("late", 1, to="champion", reason="first").decision["policy"] == "no policy"


def test_a_small_team_may_agree_that_nobody_is_left_out(judged, who):
    agree(judged, approvals=1, roles=["scientist"], distinct_from="nobody")
    assert nb.approve("late@1").met
    agree(judged, approvals=1, roles=["scientist"])
    assert nb.approvals("late@1").given[0]["state"] == "void"


def test_those_who_are_missing_are_asked_once(judged, who):
    (judged / "nbmlops.toml").write_text("[alerts]\nfile = 'alerts.jsonl'\n")
    session.reset()
    who(KIM)
    nb.approve("late@1")
    who(SAM)
    (told,) = nb.approvals("late@1", ask=True).asked
    assert (told["role"], told["people"], told["delivered"]) == ("manager", [ANN], True)
    (sent,) = [json.loads(line) for line in (judged / "alerts.jsonl").read_text().splitlines()]
    assert sent["title"] == "late@1 needs an approval before it becomes champion"
    assert nb.reports("late@1").iloc[0].digest in sent["text"]
    assert nb.approvals("late@1", ask=True).asked == ()
    assert len((judged / "alerts.jsonl").read_text().splitlines()) == 1


def test_a_gate_is_evidence_for_the_pair_it_compared(judged, who, fit, held_out):
    agree(judged, evidence=["gate"])
    nb.promote("late", 1, to="champion", reason="there is no other")
    other = fit("age")
    nb.evaluate(other, held_out, target="late")
    nb.register(other, "late")
    assert nb.approvals("late@2").missing == ("a gate (nbmlops gate late@2 late@champion --on ROWS)",)
    with pytest.raises(NotAllowed, match="late@2 lacks a gate"):
        nb.promote("late", 2, to="champion", reason="simpler")
    nb.gate("late@2", "late@1", on=held_out)
    assert nb.approvals("late@2").evidence[0]["which"].endswith("against late@1")
    nb.promote("late", 2, to="champion", reason="simpler")


def test_a_report_that_somebody_answered_is_evidence(judged, who):
    agree(judged, evidence=["report"])
    with pytest.raises(NotAllowed, match=r"late@1 lacks a report \(nbmlops report late@1, and have it answered\)"):
        nb.promote("late", 1, to="champion", reason="first")
    who(KIM)
    nb.approve("late@1")
    nb.promote("late", 1, to="champion", reason="first")


def test_what_becomes_challenger_has_a_policy_of_its_own(judged, who):
    assert nb.approvals("late@1", "challenger").met
    assert nb.promote("late", 1, to="challenger", reason="try").aliases == ("challenger",)
    assert not nb.approvals("late@challenger").met


def test_an_alias_that_any_model_or_the_policy_knows_may_be_asked_for(judged, who):
    with pytest.raises(NotFound, match="No alias 'shadow'"):
        nb.approvals("late@1", "shadow")
    nb.promote("late", 1, to="shadow", reason="watch it")
    assert nb.approvals("late@1", "shadow").alias == "shadow"
    agree(judged, evidence=["report"])
    assert not nb.approvals("late@1", "champion").met


def test_the_project_and_a_check_of_drift_are_answered_too(judged, who, held_out):
    nb.drift(held_out, "late@1")
    for ref in ("project", "drift:late"):
        written(ref)
        who(ANN)
        found = nb.approve(ref, comment="go on")
        assert [(g["state"], g["why"]) for g in found.given] == [("valid", "")]
        assert nb.approvals(ref).given[0]["comment"] == "go on"
        assert nb.signatures(ref).reports[0]["signatures"][0]["state"] == "valid"


def test_owner_is_left_out_where_that_was_agreed(judged, who):
    agree(judged, approvals=1, roles=["manager"], distinct_from=["author", "owner"])
    nb.handover("late", to=ANN, path=judged / "h.md")
    who(ANN)
    with pytest.raises(NotAllowed, match=r"ann@example.org owns late@1, and nobody answers for their own work"):
        nb.approve("late@1")


def said_by(seq, name, outcome, **more):
    """An event that answers, as kim's unless a steward entered it."""
    data = {"report": "r", "bound": {"model": "m"}, "role": "expert", "outcome": outcome, **more}
    known_by = "database" if name in ("kim", "stew") else "git"
    return {"seq": seq, "at": "2026", "actor": name, "known_by": known_by, "action": "approve", "data": data}


@pytest.mark.parametrize(
    ("later", "withdrawn"),
    [
        (said_by(2, "stew", "approved", by="kim", entered_by="stew"), False),
        (said_by(2, "stew", "approved", by="kim"), False),  # whoever leaves out that it was entered
        (said_by(2, "kim", "approved"), True),
    ],
)
def test_a_claim_stands_beside_what_somebody_said_and_never_against_it(later, withdrawn):
    from nbmlops.governance.approval import given

    found = given.of_events([said_by(1, "kim", "rejected"), later])
    assert [a.name for a in found] == ["kim", "kim"]
    assert bool(given._withdrawn(found[0], found[1:])) is withdrawn
    assert found[1].entered_by == ("" if later["actor"] == "kim" else "stew")


def test_copies_of_a_notebook_share_their_answers_and_another_byte_has_none(project, who):
    """What is answered is what the file holds: each answer names the report, and so the copy, it was given to."""
    cell = {"cell_type": "code", "metadata": {}, "source": "1", "execution_count": 1, "outputs": []}
    text = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    for name, content in (("a.ipynb", text), ("b.ipynb", text), ("c.ipynb", text + " ")):
        Path(name).write_text(content)
        assert name in Path(nb.report(name)).read_text()
    who(ANN)
    nb.approve("b.ipynb", comment="read")
    (one,), (other,) = nb.approvals("a.ipynb").given, nb.approvals("b.ipynb").given
    assert one == other
    assert nb.reports("b.ipynb").set_index("digest").loc[one["report"]].number == one["number"] == 2
    assert nb.approvals("c.ipynb").given == ()
