"""Who decides through the panel: whom the server knows, never a name of a body, never one Jupyter Server made up."""

from __future__ import annotations

import asyncio

import pytest
from jupyter_server.auth import IdentityProvider, User
from jupyter_server.auth.identity import LegacyIdentityProvider, PasswordIdentityProvider

import nbmlops as nb
from asked import Company, refused, tracked, written
from nbmlops.server.base import visitor
from nbmlops.store import events
from nbmlops.tracking import session


@pytest.fixture
def jp_server_config():
    return {"ServerApp": {"jpserver_extensions": {"nbmlops": True}, "identity_provider_class": Company}}


def last(action):
    with session.store().reading() as connection:
        return events.listed(connection, action=action)[-1]


PROMOTE = {"alias": "champion", "reason": "better on March"}


async def test_who_promotes_is_who_the_provider_let_in(ask, late):
    await ask("models/late/1/promote", body=PROMOTE, who="ann@example.org")
    assert (last("alias")["actor"], last("alias")["known_by"]) == ("ann@example.org", "login")


async def test_two_people_on_one_server_are_two_people(ask, late):
    nb.flag("late@1", "why so sure at night?", question=True)
    (asked,) = (await ask("questions"))["questions"]
    for who in ("ann@example.org", "bob@example.org"):
        await ask(f"questions/{asked['id']}/answer", body={"text": f"{who} says so", "state": None}, who=who)
    (asked,) = (await ask("questions"))["questions"]
    assert [a["by"] for a in asked["answers"]] == ["ann@example.org", "bob@example.org"]
    assert nb.actor().name not in ("ann@example.org", "bob@example.org")  # nobody stays


async def test_a_job_is_the_run_of_who_started_it_so_they_do_not_answer_for_it(ask, notebook):
    made = "import nbmlops as nb\nfrom sklearn.dummy import DummyClassifier\nimport pandas as pd\n"
    made += "frame = pd.DataFrame({'a': [1, 2]})\nnb.register(DummyClassifier().fit(frame, [0, 1]), 'made')"
    written(notebook, "%load_ext nbmlops", f"%%track fit\n{made}")
    begun = await ask("jobs", body={"notebook": "flights/nb.ipynb"}, who="bob@example.org")
    async with asyncio.timeout(120):
        while (await ask("jobs"))["works"][0]["status"] == "started":
            await asyncio.sleep(0.2)
    assert nb.get_run(begun["run_id"]).author == "bob@example.org"
    assert nb.get_run(begun["run_id"]).status == "finished", nb.get_run(begun["run_id"]).error
    await ask("reports", body={"ref": "made@1"})
    assert "answers for their own work" in (await ask("models/made/1", who="bob@example.org"))["may"]["approve"]
    assert (await ask("models/made/1", who="eve@example.org"))["may"]["approve"] is None


async def test_a_name_jupyter_made_up_decides_nothing(ask, late):
    status = await ask("status")
    assert status["actor"] is None
    assert "Jupyter Server invents such names" in status["why_nobody"]
    code, said = await refused(ask("models/late/1/promote", body=PROMOTE))
    assert code == 403
    assert "is nobody" in said
    assert nb.model_version("late@1").aliases == ()
    may = (await ask("models/late/1"))["may"]
    assert all("is nobody" in may["promote"][alias] for alias in ("champion", "challenger"))


async def test_a_job_of_a_name_jupyter_made_up_is_nobodys_but_the_servers(ask, notebook):
    begun = await ask("jobs", body={"notebook": "flights/nb.ipynb"})
    async with asyncio.timeout(120):
        while (await ask("jobs"))["works"][0]["status"] == "started":
            await asyncio.sleep(0.2)
    assert nb.get_run(begun["run_id"]).author == nb.actor().name


async def test_a_person_cannot_be_named_in_a_body(ask, late):
    for field in ("by", "actor", "author"):
        code, said = await refused(ask("models/late/1/promote", body={**PROMOTE, field: "eve"}, who="ann@example.org"))
        assert (code, said) == (400, f"The body has {field!r}. It has alias, reason, override, instead_of.")


async def test_who_calls_themselves_anonymous_is_nobody(ask, late):
    code, _ = await refused(ask("models/late/1/promote", body=PROMOTE, who="Anonymous Kore"))
    assert code == 403


async def test_on_a_database_with_accounts_the_account_decides_and_the_name_is_claimed(
    ask, notebook, postgres, monkeypatch, model, held_out
):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
    status = await ask("status", who="ann@example.org")
    assert status["actor"]["known_by"] == "database"
    await ask("models/late/1/promote", body=PROMOTE, who="ann@example.org")
    moved = last("alias")
    assert (moved["actor"], moved["known_by"]) == (status["actor"]["name"], "database")
    assert moved["data"]["claimed"] == {"name": "ann@example.org", "known_by": "login"}
    session.store().close()


def test_the_servers_own_provider_knows_nobody():
    made_up = User(username="7ed9736649b24cbead20d496d4caeeaf", name="Anonymous Kore")
    for provider in (IdentityProvider(), PasswordIdentityProvider()):
        assert visitor(provider, made_up) is None
        assert visitor(provider, User(username="ann", name="ann")) is None  # whoever has the token may write that


def test_on_a_hub_a_guest_is_not_the_owner_of_the_server(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "ann")
    hub = type("JupyterHubIdentityProvider", (IdentityProvider,), {"__module__": "jupyterhub.singleuser.extension"})()
    assert visitor(hub, User(username="bob")) == ("bob", "jupyterhub")
    assert visitor(LegacyIdentityProvider(), User(username="bob")) == ("bob", "jupyterhub")
    assert visitor(LegacyIdentityProvider(), User(username="anonymous")) is None


async def test_the_hubs_person_counts_where_the_server_knows_nobody_better(ask, late, someone):
    tracked("x")
    someone("ann@example.org")
    monkey = nb.actor()
    assert (monkey.name, monkey.known_by) == ("ann@example.org", "jupyterhub")
    found = (await ask("status", who="bob@example.org"))["actor"]
    assert (found["name"], found["known_by"]) == ("bob@example.org", "login")
