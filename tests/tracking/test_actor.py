"""Who does a governed change: the database's account before what the environment says, and never an invented name."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import NotAllowed
from nbmlops.store import events
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor


def newest(action):
    with session.store().reading() as connection:
        return events.listed(connection, action=action)[-1]


def test_a_file_knows_people_by_the_environment(project, someone):
    someone("ann")
    (project / "charter.yaml").write_text("roles: {expert: [ann], manager: [bob]}")
    found = nb.actor()
    assert (found.name, found.known_by, found.roles, found.claimed) == ("ann", "jupyterhub", ("expert",), None)
    assert "same container" in found.proves
    assert actor() == ("ann", "jupyterhub")


@pytest.mark.parametrize("name", ["Anonymous Kore", "anonymous", " Anonymous Io "])
def test_an_invented_name_changes_nothing(project, someone, fit, held_out, name):
    someone("ann")
    model = fit("age")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    someone(name)
    for change in (
        nb.actor,
        lambda: nb.promote("late", 1, to="champion", reason="why"),
        lambda: nb.register(model, "x"),
    ):
        with pytest.raises(NotAllowed, match=r"is nobody.*git config user.email"):
            change()
    assert not nb.model_version("late@1").aliases
    assert len(nb.models()) == 1


@pytest.mark.postgres
def test_the_account_of_a_database_is_who_acts_and_the_rest_is_claimed(project, someone, postgres, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    someone("Anonymous Kore")
    found = nb.actor()
    assert (found.name, found.known_by) == ("postgres", "database")
    assert found.claimed == ("Anonymous Kore", "jupyterhub")
    assert "password or key" in found.proves
    with session.store().atomic() as change:
        change.event("advice", "late@1", {"why": "é"}, actor())
    event = newest("advice")
    assert (event["actor"], event["known_by"]) == ("postgres", "database")
    assert event["data"] == {"why": "é", "claimed": {"name": "Anonymous Kore", "known_by": "jupyterhub"}}


@pytest.mark.postgres
def test_a_role_taken_on_is_not_the_account(project, postgres, monkeypatch):
    address = postgres()
    for role in ("", "?options=-crole%3Dpg_read_all_data"):
        monkeypatch.setenv("NBMLOPS_STORE", address + role)
        session.reset()
        assert session.store().account() == "postgres"


def test_it_shows_itself_and_the_doctor_says_the_same(project, someone):
    someone("<ann>")
    found = nb.actor()
    bundle = found._repr_mimebundle_()
    assert bundle["application/vnd.nbmlops.actor.v1+json"] == found.to_dict()
    assert "&lt;ann&gt;" in bundle["text/html"]
    assert "No role by the charter." in bundle["text/plain"]
    lines = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).output)
    says = next(line["says"] for line in lines if line["what"] == "identity")
    assert says.startswith("<ann> (known by: jupyterhub)")
    assert found.proves in says
