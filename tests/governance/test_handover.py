"""A model changes hands: the owner in the log, the page for who takes it over, and an owner who left."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.capture import environment
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.governance.handover import ownerless
from nbmlops.store import events, health
from nbmlops.tracking import session

CHARTER = """
problem: Who will be late?
users: [desk]
limits: [Not for freight.]
metrics: [{name: roc_auc, at_least: 0.55}]
roles: {expert: [bo@example.org]}
private: [age]
review_days: 90
left: [ada@example.org]
"""


@pytest.fixture
def late(project, fit, held_out):
    model = fit("age", "city")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="the first | of many")
    return project


def run(*words):
    return CliRunner().invoke(main, ["models", *words])


def test_the_owner_changes_with_an_event(late):
    found = nb.handover("late", to="grace@example.org", reason="ada moves on")
    assert (found.to, found.before) == ("grace@example.org", environment.actor()[0])
    assert nb.model_version("late").owner == "grace@example.org"
    assert nb.models()["owner"].tolist() == ["grace@example.org"]
    with session.store().reading() as connection:
        event = events.latest(connection, "handover", "late")
        assert events.verify(connection) is None
    assert (event["data"]["to"], event["data"]["reason"]) == ("grace@example.org", "ada moves on")


def test_versions_that_come_later_are_theirs_too(late, fit):
    nb.handover("late", to="grace@example.org")
    assert nb.register(fit("age"), "late").owner == "grace@example.org"
    assert set(nb.models("owner = 'grace@example.org'")["version"]) == {1, 2}


def test_open_flags_go_to_the_new_owner(late):
    nb.flag("late@1", "odd at night")
    assert nb.flags()["owner"].tolist() == [environment.actor()[0]]
    nb.handover("late", to="grace@example.org")
    assert nb.flags()["owner"].tolist() == ["grace@example.org"]
    assert nb.verify_audit().verdict == "consistent, not proven"


def test_the_stored_version_still_says_who_registered_it(late):
    nb.handover("late", to="grace@example.org")
    assert "late@1" not in str([found for found in health.verify(session.project()) if not found.right])


def test_the_page_says_what_a_newcomer_needs(late, held_out):
    (late / "charter.yaml").write_text(CHARTER)
    (late / "rules").mkdir()
    (late / "rules" / "people.yaml").write_text("columns: {city: {meaning: where they live, owner: data_engineer}}")
    nb.drift(held_out.assign(age=held_out.age + 40), "late@champion")
    text = Path(nb.handover("late", to="grace@example.org").path).read_text()
    for said in (
        "Who will be late?",
        "Not for: Not for freight.",
        "late@1, champion since 20",
        "where they live",
        "| age | number | - | private | - |",
        "roc\\_auc at least 0.55 is shown",
        "the first \\| of many",
        "last drift check of late@1: 20",
        "something about age, which is private",
        "nbmlops rollback late",
        "expert: bo@example.org",
        "it is grace@example.org's",
    ):
        assert said in text, said
    low = nb.model_version("late").signature["columns"][0]["min"]
    assert f"{low:.4g} to" not in text


def test_a_model_about_which_little_is_known(project, fit):
    nb.register(fit("age"), "late")
    text = Path(nb.handover("late", to="grace@example.org").path).read_text()
    assert "There is no charter" in text
    assert "registered without an evaluation" in text
    assert "No alias was ever moved." in text


def test_function_and_command_do_the_same(late):
    said = json.loads(run("handover", "late", "--to", "grace@example.org", "-o", "one.md", "--json").output)[0]
    assert said["before"] == environment.actor()[0]
    found = nb.handover("late", to="grace@example.org", path="two.md")  # already hers: only the page
    assert found.before == "grace@example.org"
    assert Path("one.md").read_text() == Path("two.md").read_text()
    with session.store().reading() as connection:
        assert len(events.listed(connection, "late", "handover")) == 1


@pytest.mark.parametrize(
    ("name", "to", "kind", "message"),
    [
        ("lat", "grace", NotFound, "No model 'lat' in this project. Known: late"),
        ("late", "  ", Invalid, "names nobody"),
        ("late", "a\nb", Invalid, "names nobody"),
        ("late", "ada@example.org", Invalid, "ada@example.org left, says charter.yaml"),
    ],
)
def test_what_cannot_be_handed_over(late, name, to, kind, message):
    (late / "charter.yaml").write_text(CHARTER)
    with pytest.raises(kind, match=message):
        nb.handover(name, to=to)
    assert not list(late.glob("handover*"))
    assert nb.model_version("late").owner == environment.actor()[0]


def test_a_page_is_never_overwritten_and_nothing_is_handed_over_then(late):
    Path("handover-late.md").write_text("mine")
    with pytest.raises(Conflict, match="is there already"):
        nb.handover("late", to="grace")
    with pytest.raises(NotFound, match="no folder"):
        nb.handover("late", to="grace", path="nowhere/page.md")
    assert Path("handover-late.md").read_text() == "mine"
    assert nb.model_version("late").owner == environment.actor()[0]


def test_an_owner_who_left_is_a_finding_until_it_is_handed_over(late):
    nb.handover("late", to="ada@example.org", path="one.md")
    assert ownerless() == ()
    (late / "charter.yaml").write_text(CHARTER)
    assert [f.message for f in ownerless()] == ["late is owned by ada@example.org, who left"]
    lines = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).output)
    assert [(line["word"], line["says"]) for line in lines if line["what"] == "owner"] == [
        ("problem", "late is owned by ada@example.org, who left")
    ]
    nb.handover("late", to="grace@example.org", path="two.md")
    assert ownerless() == ()


def test_the_lock_is_what_pip_reads(late):
    lines = run("lock", "late").output.splitlines()
    assert lines[0].startswith("# late@1, registered 20")
    assert any(line.startswith("scikit-learn==") for line in lines)
    assert run("lock", "lat").exit_code == 5
