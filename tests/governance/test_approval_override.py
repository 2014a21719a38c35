"""An emergency is possible, needs a reason, and stays loud until somebody else has looked at it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotAllowed, NotFound
from nbmlops.governance.approval.approve import roles_for
from nbmlops.report.page import written
from nbmlops.store import events
from nbmlops.tracking import session
from nbmlops.tracking.overview import overview

from .conftest import ANN, KIM, SAM, agree


@pytest.fixture
def forced(judged, who):
    (judged / "nbmlops.toml").write_text("[alerts]\nfile = 'alerts.jsonl'\n")
    session.reset()
    who(SAM)
    return nb.promote("late", 1, to="champion", reason="the old one has stopped", override=True)


def test_it_says_what_the_policy_said_and_sends_an_alert(judged, forced):
    assert forced.decision["policy"] == "override"
    assert forced.decision["override"]["refused"].startswith("late@1 lacks approval by manager")
    assert "approvals" not in forced.decision
    sent = (judged / "alerts.jsonl").read_text()
    assert "late@1 became champion against the policy" in sent
    assert nb.alerts().iloc[0].state == "sent"


def test_it_is_loud_until_somebody_else_reviewed_it(forced, who):
    found = nb.approvals("late@1")
    assert [f.outcome for f in found.findings if f.code == "override"] == ["issue"]
    assert "against the policy" in repr(found)
    with pytest.raises(NotAllowed, match=r"sam@example.org made this override"):
        nb.review_override("late@champion", "justified", "it was me")
    who("eve@example.org")
    with pytest.raises(NotAllowed, match="plays no role"):
        nb.review_override("late@champion", "justified", "why not")
    who(ANN)
    with pytest.raises(Invalid, match="'fine' is no verdict"):
        nb.review_override("late@champion", "fine", "why not")
    with pytest.raises(Invalid, match="needs a reason"):
        nb.review_override("late@champion", "justified", " ")
    said = nb.review_override("late", "not justified", "the old one was well")
    assert (said["subject"], said["by"], said["verdict"]) == ("late@champion", ANN, "not justified")
    assert nb.approvals("late@1").overrides == ()
    with pytest.raises(NotFound, match="was not moved by an override that waits"):
        nb.review_override("late@champion", "justified", "again")
    with session.store().reading() as connection:
        assert events.verify(connection) is None
        assert events.latest(connection, "override_reviewed", "late@champion")["actor"] == ANN


def test_it_is_none_where_the_policy_says_yes(judged, who):
    agree(judged, gate="reason")
    moved = nb.promote("late", 1, to="champion", reason="first", override=True)
    assert moved.decision["policy"] == "first champion"
    assert "override" not in moved.decision


def test_it_needs_a_reason_and_a_charter_that_can_be_read(judged, who):
    with pytest.raises(Invalid, match="needs a reason"):
        nb.promote("late", 1, to="champion", reason=" ", override=True)
    (judged / "charter.yaml").write_text("roles: [")
    with pytest.raises(Invalid, match="not valid YAML"):
        nb.promote("late", 1, to="champion", reason="quick", override=True)
    assert not nb.model_version("late@1").aliases


def test_every_place_says_so_until_it_is_reviewed(judged, forced, who):
    def places():
        taken = written("late@1", refresh=True)
        handed = judged / f"h{taken.number}.md"
        nb.handover("late", to=SAM, path=handed)
        return {
            "models": nb.models().loc[0, "override"] or "",
            "models as text": "not reviewed" if "not reviewed" in CliRunner().invoke(main, ["models"]).output else "",
            "how to": nb.how_to("late@1").because + " ".join(nb.how_to("late@1").part("problems").says),
            "handover": handed.read_text(),
            "page one": Path(taken.path).read_text(),
            "runs": repr(overview()),
        }

    loud = places()
    assert loud["models"] == "the old one has stopped"
    for place in ("how to", "handover", "page one", "runs"):
        assert "against the policy" in loud[place], place
        assert "nobody has reviewed" in loud[place], place
    assert loud["models as text"]
    assert overview().to_dict()["overrides"] == ["late@1 was moved against the policy: the old one has stopped"]
    who(ANN)
    nb.review_override("late@champion", "justified", "it had")
    who(SAM)
    quiet = places()
    assert not quiet["models"]
    assert not quiet["models as text"]
    for place in ("how to", "handover", "page one", "runs"):
        assert "nobody has reviewed" not in quiet[place], place
    assert "the override was justified: it had" in quiet["page one"]


@pytest.mark.parametrize("what", ["rejected", "flagged", "not justified", "not reviewed"])
def test_nobody_comes_back_unseen_to_what_was_refused(judged, who, fit, held_out, what):
    agree(judged, approvals=1, roles=["manager", "expert"])
    written("late@1", refresh=True)
    who(KIM)
    nb.approve("late@1")
    who(SAM)
    nb.promote("late", 1, to="champion", reason="first")
    for columns in (["age"], ["city"]):
        with nb.run("more"):
            nb.evaluate(model := fit(*columns), held_out, target="late")
            nb.register(model, "late")
        nb.promote("late", len(nb.models()), to="champion", reason="now", override=True)
    who(ANN)
    if what == "not justified":
        nb.review_override("late", what, "it leaks")
    elif what != "not reviewed":
        nb.review_override("late", "justified", "it was down")
    if what == "rejected":
        written("late@2")
        nb.approve("late@2", "rejected", comment="it leaks")
    if what == "flagged":
        nb.flag("late@2", "it leaks", severity="blocking")
    who("eve@example.org")
    with pytest.raises(NotAllowed, match="plays none of the roles manager, expert, who roll champion back"):
        nb.rollback("late", reason="r")
    who(KIM)
    back = nb.rollback("late", reason="r")
    assert back.version == 1
    assert back.decision["passed_over"][0].startswith("late@2 ")
    assert "leaks" not in str(back.decision["passed_over"])


def left(project, *people):
    """Write into the charter that people left, though they stand under its roles still."""
    path = project / "charter.yaml"
    path.write_text(f"{path.read_text()}left: {[*people]}\n")


def test_who_left_reviews_no_override(judged, forced, who):
    left(judged, ANN)
    who(ANN)
    with pytest.raises(NotAllowed, match=r"ann@example\.org plays no role"):
        nb.review_override("late@champion", "justified", "the old one had stopped")
    assert len(nb.approvals("late@1").overrides) == 1
    who(KIM)
    assert nb.review_override("late@champion", "justified", "the old one had stopped")["by"] == KIM


def test_who_left_answers_no_report_and_meets_no_condition(judged, who):
    who(KIM)
    on = [f"look at May; {SAM}; 2999-05-01"]
    given = nb.approve("late@1", "approved with conditions", conditions=on)
    left(judged, ANN)
    who(ANN)
    with pytest.raises(NotAllowed, match=r"ann@example\.org plays no role"):
        nb.approve("late@1")
    with pytest.raises(NotAllowed, match="neither owns this condition nor plays a role"):
        nb.meet_condition(given.conditions[0]["approve"], 1, "looked at")
    with pytest.raises(NotAllowed, match="plays no role"):
        roles_for("late@1")


def test_who_left_promotes_nothing_and_rolls_nothing_back(judged, who, fit, held_out):
    agree(judged, roles=["manager", "expert"], gate="reason")
    model = fit("age")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    who(KIM)
    for number in (1, 2):
        nb.promote("late", number, to="champion", reason="by word")
    left(judged, KIM)
    for act in (
        lambda: nb.promote("late", 1, to="champion", reason="back"),
        lambda: nb.rollback("late", reason="back"),
    ):
        with pytest.raises(NotAllowed, match=r"kim@example\.org.* plays none of the roles manager, expert"):
            act()
    assert nb.model_version("late@champion").version == 2
    who(ANN)
    assert nb.rollback("late", reason="back").version == 1
