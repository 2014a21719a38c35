"""What is missing has a name and an owner, and a requirement is checked, answered or open: none is ignored."""

import json

import pytest
import yaml
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import NotFound
from nbmlops.governance.agreed_on import changes
from nbmlops.governance.checked import check
from nbmlops.governance.checks import CHECKS

TARGETS = {"metrics": [{"name": "roc_auc", "at_least": 0.6}]}


@pytest.fixture
def agree(project):
    def write(**content):
        (project / "charter.yaml").write_text(yaml.safe_dump(content))

    return write


@pytest.fixture
def late(project, model, held_out):
    made = {}

    def register(**more):
        key = tuple(more)
        if key not in made:
            made[key] = nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"), **more)
        return made[key]

    return register


def told(code, **more):
    return [f for f in check(**more) if f.code == code]


def requirement(model=None, **said):
    return told("requirement", model=model)[0]


def test_what_is_missing_names_whose_it_is(agree):
    agree(roles={"product": ["pia@example.org"]})
    users = next(f for f in check() if f.column == "users")
    assert users.message == "users is missing: who uses the answers (product: pia@example.org)"
    assert users.detail["role"] == "product"
    assert {f.column for f in told("charter")} >= {"goal", "questions", "requirements", "experiments", "review_days"}


@pytest.mark.parametrize(
    ("said", "outcome", "message"),
    [
        ("none applies", "warning", "neither checked nor answered (compliance: cy)"),
        ({"says": "fast", "by": "manager"}, "warning", "neither checked nor answered (manager: mo)"),
        ({"check": "latncy"}, "warning", "there is no check 'latncy'. Did you mean 'latency'? Allowed: targets"),
        ({"check": "latncy"}, "warning", "Did you mean 'latency'?"),
        ({"check": "latency"}, "passed", "checked by latency: nbmlops charter check MODEL"),
        ({"answer": "no law", "by": "compliance", "at": "2026-01-15"}, "passed", "by compliance, 2026-01-15: no law"),
        ({"answer": "no law", "by": "expert"}, "warning", "answered by expert, and nobody plays that role"),
        ({"answer": "no law", "by": "ada"}, "warning", "answered by ada, who left (compliance: cy)"),
        ({"answer": "no law", "by": "bo"}, "passed", "answered by bo: no law"),
    ],
)
def test_a_requirement_is_checked_answered_or_open(agree, said, outcome, message):
    agree(requirements={"law": said}, roles={"compliance": "cy", "manager": "mo"}, left=["ada"])
    found = requirement()
    assert found.outcome == outcome
    assert message in found.message


def test_of_the_six_that_every_project_is_asked_for_none_is_silent(agree):
    agree(requirements={"speed": {"check": "latency", "limit": 50}}, roles={"manager": "mo"})
    said = {f.column: f.message for f in told("requirement") if f.outcome == "warning"}
    assert set(said) == {"accuracy", "transparency", "regulation", "budget", "team_size"}
    assert said["team_size"].endswith("nobody says what is required, or that nothing is (manager: mo)")


@pytest.mark.parametrize("said", [{"check": "targets", "limit": 5}, {"answer": "it is", "by": "bo", "limit": 5}])
def test_a_limit_that_nothing_is_held_against_is_named(agree, said):
    agree(requirements={"speed": said})
    found = [f.message for f in told("requirement") if f.column == "speed" and f.outcome == "warning"]
    assert len(found) == 1
    assert "its limit 5 is held against nothing" in found[0]
    agree(requirements={"speed": {"check": "latency", "limit": 5}})
    assert [f.outcome for f in told("requirement") if f.column == "speed"] == ["passed"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"policy": {"champion": {"roles": ["manager"]}}},
            "policy.champion asks for manager, and nobody plays that role",
        ),
        ({"policy": {"champion": {"roles": ["managr"]}}}, "'managr', which is no role"),
        ({"roles": {"managr": ["mo"]}}, "Did you mean 'manager'?"),
        ({"roles": {"manager": ["mo"]}, "left": ["mo"]}, "mo plays manager and left"),
        ({"questions": [{"id": 1, "question": "a", "owner": "expert"}]}, "question 1 asks for expert, and nobody"),
        ({"deliverables": [{"name": "a", "owner": "b", "problems": [{"name": "c", "who": "user"}]}]}, "problem c asks"),
    ],
)
def test_a_role_nobody_plays(agree, content, message):
    agree(**content)
    assert message in " ".join(f.message for f in told("role"))


def test_a_question_without_owner_or_target_and_a_deliverable_of_nobody(agree):
    agree(
        questions=[{"id": "q1", "question": "a", "metric": "brier"}],
        deliverables=[{"name": "page"}, {"name": "old", "done": True}],
        roles={"expert": "eve"},
    )
    assert [f.message for f in told("question")] == [
        "question q1 is nobody's: write owner (expert: eve)",
        "question q1 rests on brier, which has no target (scientist)",
    ]
    assert [f.message for f in told("deliverable")] == ["deliverable page is nobody's: write owner (manager)"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"aprovals": 2}, "policy.champion.aprovals"),
        ({"approvals": 1, "roles": ["manager"], "expires": "2020-01-01"}, "ended on 2020-01-01"),
    ],
)
def test_a_policy_that_lets_nothing_through_is_named(agree, rule, message):
    agree(policy={"champion": rule}, roles={"manager": "mo"})
    [found] = told("policy")
    assert message in found.message
    assert found.message.endswith("(manager: mo)")


def one(agree, late, check, more=None, limit=None, **register):
    asked = {"check": check} | ({} if limit is None else {"limit": limit})
    agree(**{**(more or {}), "requirements": {"it": asked}})
    ref = late(**register).ref
    found = requirement(ref)
    return found.outcome, found.message


def test_targets_are_held_against_the_evaluation(agree, late):
    assert one(agree, late, "targets", TARGETS) == ("passed", "requirement it: all 1 targets are shown")
    strict = {"metrics": [{"name": "roc_auc", "at_least": 0.99}]}
    assert one(agree, late, "targets", strict)[0] == "issue"
    assert one(agree, late, "targets")[0] == "skipped"
    own = strict | {"models": {"late": TARGETS}}
    assert one(agree, late, "targets", own)[0] == "passed"


def test_rows_columns_people_and_money(agree, late):
    assert one(agree, late, "minimum", limit=400)[0] == "passed"
    assert one(agree, late, "minimum", {"minimum": 401})[0] == "issue"
    own = {"metrics": [{"name": "roc_auc", "at_least": 0.5, "minimum": 401}]}
    assert one(agree, late, "minimum", own)[0] == "issue"
    assert one(agree, late, "minimum")[0] == "skipped"
    assert one(agree, late, "private", {"private": ["city"]}) == (
        "issue",
        "requirement it: it is asked with city, which is private",
    )
    assert one(agree, late, "private", {"private": ["name"]})[0] == "passed"
    assert one(agree, late, "private")[0] == "skipped"
    assert one(agree, late, "team", {"roles": {"manager": ["a"], "expert": ["a", "b"]}, "left": ["b"]})[0] == "issue"
    assert one(agree, late, "team", {"roles": {"manager": ["a"], "expert": ["b"]}})[0] == "passed"
    assert one(agree, late, "budget", {"budget": {"amount": 9, "spent": 12, "unit": "EUR"}}) == (
        "issue",
        "requirement it: the budget is overspent by 3 EUR",
    )
    assert one(agree, late, "budget")[0] == "skipped"


def test_file_explanation_flags_review_and_drift(agree, late, train):
    assert one(agree, late, "file")[0] == "passed"
    assert one(agree, late, "explained")[0] == "issue"
    assert one(agree, late, "explained", background=train)[0] == "passed"
    assert one(agree, late, "flags")[0] == "passed"
    assert one(agree, late, "reviewed", {"review_days": 3})[0] == "passed"
    assert one(agree, late, "reviewed")[0] == "skipped"
    assert one(agree, late, "drift")[0] == "skipped"


def test_gate_and_latency_are_read_from_the_newest_gate(agree, late, held_out, fit):
    assert one(agree, late, "gate")[0] == "skipped"
    assert one(agree, late, "latency", limit=50)[0] == "skipped"
    champion = nb.register(fit("noise"), "late")
    agree(requirements={"speed": {"check": "latency", "limit": 10_000}, "better": {"check": "gate"}})
    nb.gate("late@1", champion.ref, held_out, target="late")
    assert [f.outcome for f in told("requirement", model="late@1")][:2] == ["passed", "passed"]
    agree(requirements={"speed": {"check": "latency", "limit": 0}, "time": {"check": "latency"}})
    assert [f.outcome for f in told("requirement", model=champion.ref)][:2] == ["issue", "skipped"]


def test_every_check_is_tried_here_and_in_the_docs():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "charter.md").read_text(encoding="utf-8")
    assert [name for name in CHECKS if f"`{name}`" not in text] == []


def test_the_command_ends_with_3_or_4_and_records_the_charter(agree, late, project):
    agree(requirements={"it": {"check": "drift"}}, **TARGETS)
    late()
    done = CliRunner().invoke(main, ["charter", "check", "late@1", "--json"])
    assert done.exit_code == 3
    rows = json.loads(done.stdout)
    assert next(r for r in rows if r["key"] == "it")["outcome"] == "skipped"
    assert len(rows) == len(check(model="late@1"))
    assert len(changes()) == 1
    with pytest.raises(NotFound):
        check(model="later@1")
    assert CliRunner().invoke(main, ["charter", "check", "later@1"]).exit_code == 5


def test_who_has_no_name_still_sees_what_is_missing(agree, someone):
    someone("Anonymous Io")
    agree(problem="late")
    done = CliRunner().invoke(main, ["charter", "check"])
    assert done.exit_code == 3
    assert "was not recorded" in done.output
    assert "users is missing" in done.output
