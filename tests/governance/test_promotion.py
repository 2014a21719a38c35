"""An alias moves for a reason, on evidence, by somebody; what is not understood moves nothing."""

import pytest

import nbmlops as nb
from nbmlops.capture import environment
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.governance import promotion
from nbmlops.store import events
from nbmlops.tracking import session


@pytest.fixture
def versions(project, fit, held_out):
    """Version 1 is weak, 2 strong, 3 strong too."""
    for columns in (["noise"], ["age"], ["age", "city"]):
        model = fit(*columns)
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    return project


def agree(project, text):
    (project / "charter.yaml").write_text(text)


def test_without_a_charter_it_is_recorded_as_no_policy(versions):
    found = nb.promote("late", 1, to="champion", reason="the first")
    assert found.aliases == ("champion",)
    assert found.decision["policy"] == "no policy"
    assert nb.model_version("late@champion").version == 1


def test_the_event_says_who_why_on_what_and_from_where(versions, held_out):
    nb.promote("late", 1, to="champion", reason="the first")
    gate = nb.gate("late@2", "late@champion", on=held_out)
    nb.promote("late", 2, to="champion", reason="better on held-out rows")
    event = promotion.history("late")[-1]
    assert event["actor"] == environment.actor()[0]
    assert event["data"]["reason"] == "better on held-out rows"
    assert (event["data"]["from"], event["data"]["version"]) == (1, 2)
    assert event["data"]["gate"] == gate.result_id
    assert event["data"]["evaluation"] == nb.model_version("late@2").evaluation
    with session.store().reading() as connection:
        assert events.verify(connection) is None


def test_a_charter_that_promotes_what_is_better_needs_a_gate_of_this_pair(versions, held_out):
    agree(versions, "promotes: better")
    assert nb.promote("late", 1, to="champion", reason="the first").decision["policy"] == "first champion"
    with pytest.raises(NotAllowed, match="No gate has compared late@2 with late@1"):
        nb.promote("late", 2, to="champion", reason="surely better")
    nb.gate("late@3", "late@1", on=held_out)
    with pytest.raises(NotAllowed, match="No gate"):  # the gate of another pair is no evidence
        nb.promote("late", 2, to="champion", reason="surely better")
    assert nb.gate("late@2", "late@1", on=held_out).verdict == "better"
    assert nb.promote("late", 2, to="champion", reason="better").decision["policy"] == "gate: better"


def test_a_gate_that_does_not_say_better_promotes_nothing(versions, held_out):
    agree(versions, "promotes: better")
    nb.promote("late", 2, to="champion", reason="the first")
    assert nb.gate("late@1", "late@2", on=held_out).verdict == "worse"
    with pytest.raises(NotAllowed, match="late@1 is worse against late@2, and the charter promotes what is better"):
        nb.promote("late", 1, to="champion", reason="I like it")
    assert nb.model_version("late@champion").version == 2


def test_the_newest_gate_counts(versions, held_out):
    agree(versions, "promotes: better")
    nb.promote("late", 1, to="champion", reason="the first")
    assert nb.gate("late@2", "late@1", on=held_out).verdict == "better"
    assert nb.gate("late@2", "late@1", on=held_out[:20], margin=0.0).verdict != "better"
    with pytest.raises(NotAllowed):
        nb.promote("late", 2, to="champion", reason="it was better once")


def test_gates_of_estimators_that_are_not_registered_are_no_evidence(versions, fit, held_out):
    agree(versions, "promotes: better")
    nb.promote("late", 1, to="champion", reason="the first")
    nb.gate(fit("age"), fit("noise"), on=held_out, target="late")
    with pytest.raises(NotAllowed, match="No gate"):
        nb.promote("late", 2, to="champion", reason="better")


def test_non_inferior_is_enough_where_that_was_agreed(versions, held_out):
    agree(versions, "{promotes: non-inferior, margin: 0.3}")
    nb.promote("late", 3, to="champion", reason="the first")
    assert nb.gate("late@2", "late@3", on=held_out).verdict == "non-inferior"
    assert nb.promote("late", 2, to="champion", reason="simpler").decision["policy"] == "gate: non-inferior"


def test_challenger_needs_only_a_reason(versions):
    agree(versions, "promotes: better")
    nb.promote("late", 1, to="challenger", reason="try")
    assert nb.promote("late", 2, to="challenger", reason="try").decision["policy"] == "by reason"
    assert nb.promote("late", "challenger", to="champion", reason="first").version == 2


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("{champion: {aprovals: 2}}", "policy.champion.aprovals in charter.yaml is not understood, so nothing"),
        ("{champion: {gate: maybe}}", "policy.champion.gate is 'maybe'"),
        ("{champion: {evaluation: yes please}}", "policy.champion.evaluation is 'yes please'"),
        ("{champion: {roles: manager}}", "policy.champion.roles is 'manager'"),
        ("{champion: {roles: [manager]}}", "plays none of the roles manager"),
    ],
)
def test_a_policy_that_is_not_understood_or_not_met_fails_closed(versions, policy, message):
    agree(versions, f"policy: {policy}")
    with pytest.raises(NotAllowed) as error:
        nb.promote("late", 1, to="champion", reason="the first")
    assert message in str(error.value)
    assert promotion.history("late") == []


def test_a_role_the_actor_plays_may(versions):
    agree(versions, f"roles: {{manager: ['{environment.actor()[0]}']}}\npolicy: {{champion: {{roles: [manager]}}}}")
    assert nb.promote("late", 1, to="champion", reason="the first").aliases == ("champion",)


def test_a_broken_charter_fails_closed(versions):
    agree(versions, "promotes: [")
    with pytest.raises(Invalid, match="not valid YAML"):
        nb.promote("late", 1, to="champion", reason="the first")
    assert promotion.history("late") == []


def test_what_was_never_evaluated_where_that_is_required(project, model):
    nb.register(model, "late")
    agree(project, "policy: {champion: {evaluation: required}}")
    with pytest.raises(NotAllowed, match="late@1 was never evaluated"):
        nb.promote("late", 1, to="champion", reason="the first")


def test_an_evaluation_after_the_registration_counts_where_one_is_required(project, model, held_out):
    nb.register(model, "late")
    agree(project, "policy: {champion: {evaluation: required, evidence: [evaluation]}}")
    assert nb.status().items[0].rule == "unjudged"
    with pytest.raises(NotAllowed, match="late@1 was never evaluated"):
        nb.promote("late", 1, to="champion", reason="the first")
    judged = nb.evaluate(nb.load_model("late@1"), held_out, target="late")
    assert nb.model_version("late@1").evaluation is None
    assert "promote" in nb.status().items[0].do
    assert nb.promote("late", 1, to="champion", reason="the first").aliases == ("champion",)
    assert promotion.history("late")[-1]["data"]["evaluation"] == judged.result_id


def test_what_cannot_be_loaded_is_not_promoted(versions):
    version = nb.model_version("late@1")
    path = session.artifacts()._path(version.digest)
    path.write_bytes(b"broken")
    with pytest.raises(Conflict, match="damaged"):
        nb.promote("late", 1, to="champion", reason="the first")
    assert promotion.history("late") == []


def test_an_alias_that_moved_meanwhile_is_a_conflict(versions, monkeypatch):
    real = promotion.allowed

    def slow(*asked):
        monkeypatch.setattr(promotion, "allowed", real)
        nb.promote("late", 3, to="champion", reason="somebody else was faster")
        return real(*asked)

    monkeypatch.setattr(promotion, "allowed", slow)
    with pytest.raises(Conflict, match="moved to version 3 meanwhile"):
        nb.promote("late", 1, to="champion", reason="the first")


def test_an_alias_moves_only_away_from_what_was_seen_there(versions, monkeypatch):
    with pytest.raises(Conflict, match="taken out of use meanwhile"):
        nb.promote("late", 1, to="champion", reason="x", instead_of=2)
    nb.promote("late", 1, to="champion", reason="the first", instead_of=0)
    with pytest.raises(Conflict, match="moved to version 1 meanwhile"):
        nb.promote("late", 2, to="champion", reason="I saw none", instead_of=0)
    real = promotion.evidence_of

    def after(*asked):  # somebody is faster at the last moment before anything is read
        monkeypatch.setattr(promotion, "evidence_of", real)
        nb.promote("late", 3, to="champion", reason="faster")
        return real(*asked)

    monkeypatch.setattr(promotion, "evidence_of", after)
    with pytest.raises(Conflict, match="moved to version 3 meanwhile"):
        nb.promote("late", 2, to="champion", reason="I saw 1", instead_of=1)
    for wrong in (-1, True, "1", 1.0):
        with pytest.raises(Invalid, match="instead_of is"):
            nb.promote("late", 2, to="champion", reason="x", instead_of=wrong)
    assert nb.promote("late", 2, to="champion", reason="I saw 3", instead_of=3).aliases == ("champion",)


def test_rollback_goes_back_step_by_step_and_stops(versions):
    for number in (1, 2, 3):
        nb.promote("late", number, to="champion", reason="next")
    assert [nb.rollback("late", reason="off").version for _ in range(2)] == [2, 1]
    with pytest.raises(NotFound, match="only ever pointed to version 1"):
        nb.rollback("late")
    nb.promote("late", 3, to="champion", reason="mended")
    assert nb.rollback("late").version == 1


def test_rollback_of_nothing(versions):
    with pytest.raises(NotFound, match="late@champion points nowhere"):
        nb.rollback("late")
    with pytest.raises(NotFound, match="No model 'lat'"):
        nb.rollback("lat")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("late", 9, "champion", "why"), NotFound, "No version or alias of late '9'"),
        (("lat", 1, "champion", "why"), NotFound, "Did you mean 'late'"),
        (("late", 1, "the best", "why"), Invalid, "'the best' is no alias"),
        (("late", 1, "3", "why"), Invalid, "'3' is no alias"),
        (("late", 1, "champion", "  "), Invalid, "needs a reason"),
        (("late", 1, "champion", "x" * 4001), Invalid, "has 4,001 characters"),
    ],
)
def test_bad_words(versions, arguments, error, message):
    name, version, to, reason = arguments
    with pytest.raises(error, match=message):
        nb.promote(name, version, to=to, reason=reason)


@pytest.mark.parametrize(
    ("terms", "says"),
    [({"margin": 0.99}, "tolerated 0.99, and the charter's margin is 0.01"), ({"target": "other"}, "answers 'late'")],
)
def test_a_gate_on_other_terms_than_agreed_is_no_evidence(versions, held_out, terms, says):
    agree(versions, "promotes: non-inferior\nmargin: 0.01")
    nb.promote("late", 1, to="champion", reason="the first")
    nb.gate("late@2", "late@1", on=held_out.assign(other=held_out["late"]), **terms)
    with pytest.raises(NotAllowed, match=says):
        nb.promote("late", 2, to="champion", reason="it passed")


def test_a_few_rows_are_no_gate(versions, held_out):
    few = held_out.groupby("late").head(5)
    assert nb.gate("late@2", "late@1", on=few).verdict == "inconclusive"
