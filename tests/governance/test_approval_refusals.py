"""A refusal stands until that person answers again, whatever its author does meanwhile."""

import dataclasses

import pytest

import nbmlops as nb
from nbmlops.capture.data import describe
from nbmlops.errors import Invalid, NotAllowed
from nbmlops.governance.flags.from_file import from_form
from nbmlops.report.page import written
from nbmlops.tracking import session

from .conftest import ANN, KIM, SAM, agree, approve_events


@pytest.fixture
def rejected(judged, who):
    """Kim said no; one approval of an expert or manager is asked for."""
    agree(judged, approvals=1, roles=["manager", "expert"])
    written("late@1", refresh=True)
    who(KIM)
    nb.approve("late@1", "rejected", comment="the labels leak")
    return judged


def flagged(project, who, people):
    nb.flag("late@1", "a typo", severity="low")


def newer(project, who, people):
    nb.dataset("trips", people(500, 9))


def without_role(project, who, people):
    text = (project / "charter.yaml").read_text()
    (project / "charter.yaml").write_text(text.replace(f"'{KIM}', ", ""))


def other_policy(project, who, people):
    agree(project, approvals=1, roles=["manager"])


@pytest.mark.parametrize("act", [flagged, newer, without_role, other_policy])
def test_nothing_its_author_does_takes_a_refusal_back(rejected, who, people, act):
    who(SAM)
    act(rejected, who, people)
    written("late@1", refresh=True)
    who(ANN)
    nb.approve("late@1", role="manager")
    found = nb.approvals("late@1")
    assert [(g["name"], g["state"]) for g in found.given] == [(KIM, "valid"), (ANN, "valid")]
    who(SAM)
    with pytest.raises(NotAllowed, match=r"another answer of kim@example.org \(expert\), who said: rejected"):
        nb.promote("late", 1, to="champion", reason="first")


def test_who_refused_takes_it_back(rejected, who):
    who(KIM)
    assert nb.approve("late@1", comment="I misread").met


def test_a_refusal_a_steward_entered_holds_until_the_person_answers_themselves(judged, who):
    """A claim holds up and lets nothing through: of the two answers the one that says no counts."""
    agree(judged, approvals=1, roles=["manager", "expert"])
    written("late@1", refresh=True)
    who(KIM)
    assert nb.approve("late@1").met
    who(ANN)
    found = nb.approve("late@1", "rejected", comment="she called me", by=KIM)
    assert [(g["outcome"], g["state"]) for g in found.given] == [("approved", "valid"), ("rejected", "valid")]
    who(SAM)
    with pytest.raises(NotAllowed, match=r"kim@example.org \(expert\), for whom ann@example.org entered: rejected"):
        nb.promote("late", 1, to="champion", reason="first")
    who(ANN)  # a claim takes back what was claimed, and nothing that she said herself
    nb.approve("late@1", comment="she called again", by=KIM)
    who(KIM)
    nb.approve("late@1", "rejected", comment="not yet")
    who(ANN)
    assert not nb.approve("late@1", comment="she called again", by=KIM).met
    who(KIM)
    assert nb.approve("late@1", comment="now").met
    who(SAM)
    assert nb.promote("late", 1, to="champion", reason="first").version == 1


def test_the_same_rows_under_another_name_make_nothing_stale(judged, who, train, people):
    who(KIM)
    nb.approve("late@1")
    nb.dataset("copy", train)
    assert [g["state"] for g in nb.approvals("late@1").given] == ["valid"]
    nb.dataset("trips", people(500, 9))
    assert [g["why"] for g in nb.approvals("late@1").given] == ["the data changed (trips@2)"]


def test_data_that_the_fitting_cell_read_itself_is_bound(judged, who, people, fit, held_out):
    who(SAM)
    rows = people(300, 4)
    nb.dataset("own", rows)
    with nb.run("cell") as run:
        about = dataclasses.asdict(describe("frame", rows, "written"))
        session.write({"t": "dataset", "run_id": run.run_id, **about, "columns": []})
        model = fit("age")
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    written("late@2")
    who(KIM)
    assert nb.approve("late@2").given[0]["state"] == "valid"
    nb.dataset("own", people(310, 5))
    assert nb.approvals("late@2").given[0]["why"] == "the data changed (own@2)"


def test_no_secret_gets_into_what_was_answered(judged, who):
    who(KIM)
    said = "password=hunter2hunter2"
    nb.approve("late@1", "approved with conditions", comment=said, conditions=[f"{said}; {ANN}; 2999-01-01"])
    assert "hunter2" not in str(approve_events())


def test_a_name_or_a_hash_means_the_version_it_asks_about(judged, who):
    who(KIM)
    nb.approve("late@1")
    digest = nb.reports("late@1").iloc[0].digest
    for ref in ("late", digest):
        found = nb.approvals(ref)
        assert (found.subject, found.met, found.given[0]["state"]) == ("late@1", False, "valid")


def test_small_letters_make_nobody_another_person(judged, who):
    (judged / "charter.yaml").write_text(f"roles: {{scientist: ['{SAM}'], manager: ['{SAM.title()}']}}\n")
    written("late@1", refresh=True)
    who(SAM.title())
    with pytest.raises(NotAllowed, match="nobody answers for their own work"):
        nb.approve("late@1")


def test_an_end_beyond_all_years_is_none(judged, who):
    who(KIM)
    with pytest.raises(Invalid, match="expires is '9999"):
        nb.approve("late@1", expires="9999-12-31T23:59:59-12:00")


def test_a_form_by_nobody_is_no_flag(judged):
    (judged / "f.txt").write_text("about: late@1\nsays: hm\nby: Anonymous Kore\n")
    with pytest.raises(NotAllowed, match="is nobody"):
        from_form(judged / "f.txt")
