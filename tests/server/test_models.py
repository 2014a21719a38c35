"""Models through the server: the list, all that who decides has to see, answers to reports, and aliases that move."""

from __future__ import annotations

import pytest

import nbmlops as nb
from asked import refused
from nbmlops.store import events
from nbmlops.tracking import session

CHARTER = """
roles: {manager: [bob@example.org], expert: [kim@example.org, bob@example.org], scientist: [ann@example.org]}
policy: {champion: {gate: reason, approvals: 1, roles: [manager]}, challenger: {gate: reason}}
"""
YES = {"outcome": "approved", "reason": "reads well", "role": "manager", "conditions": []}


@pytest.fixture
def agreed(notebook, someone):
    """A charter that asks for the approval of a manager, and ann at work."""
    someone("ann@example.org")
    (notebook.parent / "charter.yaml").write_text(CHARTER)


async def test_models_are_listed_with_what_stands_about_them(ask, late, fit, held_out):
    other = fit("age")
    nb.register(other, "late", evaluation=nb.evaluate(other, held_out, target="late"))
    nb.promote("late", 1, to="champion", reason="the first")
    nb.flag("late@2", "too few columns", severity="blocking")
    (model,) = (await ask("models"))["models"]
    assert (model["name"], model["aliases"], model["total"]) == ("late", {"champion": 1}, 2)
    newest, first = model["versions"]
    assert (newest["ref"], newest["flags"]) == ("late@2", {"open": 1, "blocking": 1})
    assert (first["aliases"], first["flags"]) == (["champion"], {"open": 0, "blocking": 0})
    assert newest["metric"]["value"] == pytest.approx(
        nb.model_version("late@2").metrics[newest["metric"]["name"]]["value"]
    )
    assert newest["phase"]


async def test_the_champion_is_listed_however_old_it_is(ask, late, notebook, model, monkeypatch):
    from nbmlops.server import models

    monkeypatch.setattr(models, "MOST_VERSIONS", 2)
    nb.promote("late", 1, to="champion", reason="the first")
    for _ in range(4):
        nb.register(model, "late")
    (found,) = (await ask("models"))["models"]
    assert [v["version"] for v in found["versions"]] == [5, 4, 1]
    assert found["total"] == 5


async def test_the_metric_that_counts_is_the_charters(ask, late, notebook):
    (notebook.parent / "charter.yaml").write_text("metrics: [{name: brier, at_most: 0.3}]\n")
    (model,) = (await ask("models"))["models"]
    assert model["versions"][0]["metric"]["name"] == "brier"


async def test_without_a_charter_the_metric_is_the_one_its_run_is_listed_with(ask, notebook, model, held_out):
    run = session.start("late", kind="cell", notebook="nb.ipynb", source="fit()")
    session.log({"roc_auc": 0.5})  # what the cell looked at first: by the alphabet it is the last
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    session.finish(run)
    (version,) = (await ask("models"))["models"][0]["versions"]
    (listed,) = (await ask("runs"))["runs"]
    assert next(iter(nb.model_version("late@1").metrics)) != "roc_auc"
    assert version["metric"]["name"] == listed["metric"]["name"] == "roc_auc"


async def test_a_gate_is_listed_with_its_verdict(ask, late, fit, held_out):
    other = fit("age", "city")
    nb.register(other, "late", evaluation=nb.evaluate(other, held_out, target="late"))
    result = nb.gate("late@2", "late@1", held_out, target="late")
    session.drain()
    (model,) = (await ask("models"))["models"]
    assert model["versions"][0]["gate"] == {"verdict": result.verdict, "ready": result.ready}
    assert model["versions"][1]["gate"] is None
    assert (await ask("models/late/2"))["gate"]["data"]["challenger"] == "late@2"


async def test_approval_and_promotion_from_the_first_look_to_the_move(ask, agreed, late, someone):
    found = await ask("models/late/1")
    assert found["report"] is None
    assert "No report of late@1" in found["may"]["approve"]
    assert "lacks approval by manager" in found["may"]["promote"]["champion"]
    assert found["may"]["promote"]["challenger"] is None
    assert found["says"] is None
    made = await ask("reports", body={"ref": "late@1"})
    found = await ask("models/late/1")
    assert found["says"].startswith("Open: It was evaluated on 400 rows")
    assert found["report"] == {"url": made["url"], "ref": "late@1", "number": 1, "digest": made["digest"]}
    assert "nobody answers for their own work" in found["may"]["approve"]  # ann made it
    someone("bob@example.org")
    found = await ask("models/late/1")
    assert (found["may"]["approve"], found["may"]["roles"]) == (None, ["manager"])
    answered = await ask("models/late/1/answer", body={**YES, "report_digest": made["digest"]})
    assert answered["may"]["promote"]["champion"] is None
    (approvals,) = [v for v in answered["approvals"] if v["data"]["alias"] == "champion"]
    assert (approvals["data"]["met"], approvals["data"]["given"][0]["name"]) == (True, "bob@example.org")
    (model,) = (await ask("models"))["models"]
    assert model["versions"][0]["approvals"] == {"state": "complete", "given": 1, "needed": 1}
    moved = await ask("models/late/1/promote", body={"alias": "champion", "reason": "better on March"})
    assert moved["view"]["data"]["aliases"] == ["champion"]
    with session.store().reading() as connection:
        event = events.listed(connection, action="alias")[-1]
    assert (event["actor"], event["known_by"]) == ("bob@example.org", "jupyterhub")
    assert event["data"]["reason"] == "better on March"


async def test_a_rejection_needs_a_reason_and_holds_the_version_up(ask, agreed, late, someone):
    made = await ask("reports", body={"ref": "late@1"})
    someone("bob@example.org")
    no = {"outcome": "rejected", "report_digest": made["digest"], "role": "manager"}
    assert await refused(ask("models/late/1/answer", body=no)) == (
        400,
        "The answer has no reason. Say why in a sentence: reason.",
    )
    found = await ask("models/late/1/answer", body={**no, "reason": "wrong at night"})
    assert "who said: rejected" in found["may"]["promote"]["champion"]
    listed = (await ask("models"))["models"][0]["versions"][-1]
    assert (listed["ref"], listed["refused"], listed["answers"]) == ("late@1", "rejected", 1)
    await ask("models/late/1/answer", body={**no, "outcome": "approved", "reason": "it was the clock"})
    listed = (await ask("models"))["models"][0]["versions"][-1]
    assert (listed["refused"], listed["answers"]) == (None, 2)


async def test_conditions_have_what_who_and_a_day(ask, agreed, late, someone):
    made = await ask("reports", body={"ref": "late@1"})
    someone("bob@example.org")
    yes = {**YES, "outcome": "approved with conditions", "report_digest": made["digest"]}
    due = {"what": "look at night flights", "owner": "ann@example.org", "due": "2099-05-01"}
    code, said = await refused(ask("models/late/1/answer", body={**yes, "conditions": [{**due, "due": ""}]}))
    assert (code, "lacks its due" in said) == (400, True)
    code, said = await refused(ask("models/late/1/answer", body={**yes, "conditions": ["look; ann; soon"]}))
    assert (code, "what, owner and due" in said) == (400, True)
    found = await ask("models/late/1/answer", body={**yes, "conditions": [due]})
    assert [c["text"] for c in found["conditions"]] == ["look at night flights"]


async def test_a_report_of_another_version_is_not_answered_here(ask, agreed, late, someone, fit, held_out):
    run = session.start("late", kind="cell", notebook="nb.ipynb", source="fit again()")
    other = fit("age")
    nb.register(other, "late", evaluation=nb.evaluate(other, held_out, target="late"))
    session.finish(run)
    made = await ask("reports", body={"ref": "late@1"})
    someone("bob@example.org")
    code, said = await refused(ask("models/late/2/answer", body={**YES, "report_digest": made["digest"]}))
    assert code == 409
    assert "asks about late@1, not late@2" in said
    code, _ = await refused(ask("models/late/1/answer", body={**YES, "report_digest": "0" * 64}))
    assert code == 404


async def test_somebody_who_plays_no_role_is_told_so_before_they_try(ask, agreed, late, someone):
    made = await ask("reports", body={"ref": "late@1"})
    someone("eve@example.org")
    found = await ask("models/late/1")
    assert "plays no role" in found["may"]["approve"]
    code, _ = await refused(ask("models/late/1/answer", body={**YES, "report_digest": made["digest"]}))
    assert code == 403


async def test_an_approval_of_what_changed_since_is_refused(ask, agreed, late, someone):
    made = await ask("reports", body={"ref": "late@1"})
    someone("bob@example.org")
    nb.flag("late@1", "what of the night?")
    code, said = await refused(ask("models/late/1/answer", body={**YES, "report_digest": made["digest"]}))
    assert code == 409
    assert "not up to date" in said
    may = (await ask("models/late/1"))["may"]
    assert ("not up to date" in may["approve"], may["outdated"]) == (True, True)
    await ask("reports", body={"ref": "late@1", "refresh": True})
    may = (await ask("models/late/1"))["may"]
    assert (may["approve"], may["outdated"]) == (None, False)


async def test_a_promotion_needs_a_reason(ask, late):
    for reason in ("", "  ", None):
        code, said = await refused(ask("models/late/1/promote", body={"alias": "champion", "reason": reason}))
        assert (code, "needs a reason" in said) == (400, True)
    assert nb.model_version("late@1").aliases == ()


async def test_an_override_says_so_wherever_the_version_is(ask, agreed, late):
    body = {"alias": "champion", "reason": "the old one is down"}
    code, said = await refused(ask("models/late/1/promote", body=body))
    assert (code, "lacks approval by manager" in said) == (403, True)
    await ask("models/late/1/promote", body={**body, "override": True})
    (model,) = (await ask("models"))["models"]
    assert model["versions"][0]["override"] == "the old one is down"


async def test_what_is_not_there_is_not_found(ask, late):
    for path in ("models/late/9", "models/early/1"):
        code, said = await refused(ask(path))
        assert code == 404
        assert "Known: " in said


async def test_a_charter_that_cannot_be_read_promotes_nothing_and_hides_nothing(ask, late, notebook):
    (notebook.parent / "charter.yaml").write_text("policy: 3\n")
    found = await ask("models/late/1")
    assert "policy" in found["may"]["promote"]["champion"]
    assert (await ask("models"))["models"][0]["name"] == "late"
    code, _ = await refused(ask("models/late/1/promote", body={"alias": "champion", "reason": "x"}))
    assert code == 400


async def test_an_alias_somebody_else_moved_meanwhile_stays(ask, late, fit, held_out, notebook):
    other = fit("age")
    nb.register(other, "late", evaluation=nb.evaluate(other, held_out, target="late"))
    seen = await ask("models/late/1")
    assert seen["named"] == {}
    nb.promote("late", 2, to="champion", reason="bob was faster")
    body = {"alias": "champion", "reason": "I saw none there", "instead_of": seen["named"].get("champion", 0)}
    code, said = await refused(ask("models/late/1/promote", body=body))
    assert (code, "moved to version 2 meanwhile" in said) == (409, True)
    assert nb.model_version("late@champion").version == 2
    moved = await ask("models/late/1/promote", body={**body, "instead_of": 2})
    assert moved["named"] == {"champion": 1}
