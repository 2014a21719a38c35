"""An alias is taken out of use: for a reason, by who may, and what comes next is held to what stood there."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.governance import promotion
from nbmlops.governance.audit.words import told
from nbmlops.jobs.schedule import triggers
from nbmlops.report.page import written
from nbmlops.store import events
from nbmlops.tracking import session

from .conftest import ANN, SAM, agree

WHY = "the airline shows its own delays now"


@pytest.fixture
def served(project, fit, held_out, who):
    """Version 2 is champion, version 1 weaker."""
    for columns in (["noise"], ["age", "city"]):
        with nb.run("late"):
            nb.evaluate(model := fit(*columns), held_out, target="late")
            nb.register(model, "late")
    nb.promote("late", 2, to="champion", reason="the first")
    return project


def test_nothing_is_champion_and_the_log_says_why(served):
    found = nb.retire("late", reason=WHY)
    assert (found.ref, found.aliases) == ("late@2", ())
    assert (found.decision["from"], found.decision["version"], found.decision["actor"]) == (2, None, SAM)
    event = promotion.history("late")[-1]
    assert event["data"]["digest"] == found.digest
    assert (told(event).what, told(event).why) == ("late@champion was taken out of use (was 2)", WHY)
    last = nb.history("late").iloc[-1]
    assert (bool(last.isna().version), last["from"], last.policy) == (True, 2, "retired")
    with session.store().reading() as connection:
        assert events.verify(connection) is None


def test_who_asks_for_the_alias_is_told_who_took_it_away(served, held_out):
    nb.retire("late", reason=WHY)
    gone = rf"late@champion was taken out of use on \S+ by {SAM}: {WHY}"
    for ask in (
        lambda: nb.predict("late@champion", held_out),
        lambda: nb.score(held_out, "late@champion", "scored.csv"),
        lambda: nb.load_model("late@champion"),
        lambda: nb.drift(held_out, "late@champion"),
        lambda: nb.retire("late", reason="again"),
    ):
        with pytest.raises(NotFound, match=gone):
            ask()
    assert nb.load_model("late@2") is not None  # the version itself stays
    assert nb.models().champion_at.isna().all()


def test_what_comes_next_is_compared_with_what_stood_there(served, fit, held_out):
    (served / "charter.yaml").write_text("promotes: better")
    nb.retire("late", reason=WHY)
    with pytest.raises(NotAllowed, match="No gate has compared late@1 with late@2"):
        nb.promote("late", 1, to="champion", reason="nothing is there to beat")
    nb.delete("late@2", reason="nothing points to it")
    with pytest.raises(NotAllowed, match="No gate has compared late@1 with late@2"):
        nb.promote("late", 1, to="champion", reason="nothing is there to beat")
    nb.restore("late@2")
    assert nb.gate("late@1", "late@2", on=held_out).verdict == "worse"
    with pytest.raises(NotAllowed, match="late@1 is worse against late@2") as refused:
        nb.promote("late", 1, to="champion", reason="nothing is there to beat")
    assert "stays" not in refused.value.hint
    assert nb.promote("late", 2, to="champion", reason="they show none after all").decision["policy"] == "put back"


def test_the_evidence_asked_for_is_a_gate_with_what_stood_there(served, held_out):
    agree(served, evidence=["gate"], gate="reason")
    nb.retire("late", reason=WHY)
    with pytest.raises(NotAllowed, match="late@1 lacks a gate"):
        nb.promote("late", 1, to="champion", reason="why not")
    nb.gate("late@1", "late@2", on=held_out)
    assert nb.promote("late", 1, to="champion", reason="it is enough").version == 1


@pytest.mark.parametrize("policy", [{"roles": ["manager"]}, {"approvals": 1, "roles": ["manager"]}, {}])
def test_only_who_answers_for_it_takes_it_away(served, who, policy):
    agree(served, **policy)
    who("eve@example.org")
    with pytest.raises(NotAllowed, match=r"eve@example.org plays none of the roles .*manager.*, who take champion out"):
        nb.retire("late", reason=WHY)
    who(ANN)
    with (served / "charter.yaml").open("a") as charter:
        charter.write(f"left: ['{ANN}']\n")
    with pytest.raises(NotAllowed, match=r"ann@example\.org plays none"):
        nb.retire("late", reason=WHY)
    agree(served, **policy)
    assert nb.retire("late", reason=WHY).version == 2


@pytest.mark.parametrize(
    ("name", "alias", "why", "error", "message"),
    [
        ("late", "champion", " ", Invalid, "needs a reason"),
        ("late", "the best", WHY, Invalid, "'the best' is no alias"),
        ("late", "challenger", WHY, NotFound, "No version or alias of late 'challenger'"),
        ("lat", "champion", WHY, NotFound, "Did you mean 'late'"),
    ],
)
def test_bad_words_take_nothing_away(served, name, alias, why, error, message):
    with pytest.raises(error, match=message):
        nb.retire(name, alias, why)
    assert nb.model_version("late@champion").version == 2


def test_a_broken_charter_fails_closed(served):
    (served / "charter.yaml").write_text("roles: [")
    with pytest.raises(Invalid, match="not valid YAML"):
        nb.retire("late", reason=WHY)
    assert nb.model_version("late@champion").version == 2


def test_who_promotes_meanwhile_is_not_undone(served, monkeypatch):
    def meanwhile(*asked):
        monkeypatch.undo()
        nb.promote("late", 1, to="champion", reason="somebody was faster")

    monkeypatch.setattr(promotion, "check_retires", meanwhile)
    with pytest.raises(Conflict, match="was moved to version 1 meanwhile"):
        nb.retire("late", reason=WHY)


def test_nobody_rolls_back_to_what_was_taken_out_of_use(served):
    nb.promote("late", 1, to="champion", reason="smaller")
    nb.retire("late", reason=WHY)
    with pytest.raises(NotFound, match="late@champion was taken out of use"):
        nb.rollback("late", reason="back")


def test_the_status_says_so_until_a_newer_version_is_there(served, fit, held_out):
    nb.retire("late", reason=WHY)
    found = nb.status().items[0]
    assert (found.rule, found.phase, found.role, found.champion) == ("retired", "feedback", "stakeholder", "")
    assert (found.back["to"], found.back["why"]) == ("deployment", WHY)
    nb.evaluate(model := fit("age"), held_out, target="late")
    nb.register(model, "late")
    assert nb.status().items[0].rule == "waits"


def test_its_report_and_manual_say_so(served):
    nb.retire("late", reason=WHY)
    taken = written("late@2", refresh=True)
    page = Path(taken.path).read_text()
    assert taken.answer == "Taken out of use"
    assert WHY in taken.because
    assert "late@champion was taken out of use (was 2)" in page
    assert "@None" not in page
    said = " ".join(nb.how_to("late@2").part("state").says)
    assert f"{SAM} (jupyterhub) took late@2 out of use: {WHY}" in said
    assert "None" not in Path(nb.report("project")).read_text()


def test_a_job_watches_nothing_that_is_out_of_use(served):
    assert triggers._has_champion("late")
    nb.retire("late", reason=WHY)
    assert triggers._watched("late") is None


def test_in_one_command(served):
    result = CliRunner().invoke(main, ["retire", "late", "--reason", WHY, "--json"])
    assert json.loads(result.output)["decision"]["policy"] == "retired"
    again = CliRunner().invoke(main, ["retire", "late", "--reason", WHY])
    assert (again.exit_code, "was taken out of use" in again.output) == (5, True)


def test_tab_offers_the_model_and_its_aliases(served):
    from nbmlops.magics.complete import offers

    assert "late" in offers("%nbmlops retire ")
    assert {"champion", "challenger"} <= set(offers("%nbmlops retire late --alias "))
