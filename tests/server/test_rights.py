"""Who may ask what: every verb of every address needs a login and a right, and a page elsewhere cannot post."""

from __future__ import annotations

import inspect
import json
import re

import pytest
import tornado.web
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from asked import refused
from nbmlops.server import handlers

VERBS = ("get", "head", "post", "put", "patch", "delete")
RUN = "01a21965-c9ef-73c3-a3e8-6bfca15c47f3"
NAMES = {"run_id": RUN, "name": "late", "version": "1", "flag_id": RUN}


class Readers(Authorizer):
    """Lets everybody read and nobody write."""

    def is_authorized(self, handler, user, action, resource):
        return action == "read" if resource == "nbmlops" else True


@pytest.fixture
def jp_server_config():
    return {"ServerApp": {"jpserver_extensions": {"nbmlops": True}, "authorizer_class": Readers}}


def addresses(verb):
    """Every address with this verb, with names filled in."""
    found = [name for name, handler in handlers.ADDRESSES.items() if verb in vars(handler)]
    return [re.sub(r"\{(\w+)\}", lambda m: NAMES[m[1]], name) for name in found]


def test_every_verb_asks_who_and_may_they():
    served = [(h, v) for _, h in handlers.routes("/") for v in VERBS if v in vars(h)]
    assert len(served) == sum(len(addresses(verb)) for verb in VERBS) + 1  # and the page of a report
    for handler, verb in served:
        source = inspect.getsource(vars(handler)[verb])
        assert source.split()[:2] == ["@tornado.web.authenticated", "@authorized"], (handler, verb)
        assert handler.auth_resource == "nbmlops"
        assert issubclass(handler, tornado.web.RequestHandler)


def test_no_verb_is_hidden_above_the_addresses():
    """What a handler inherits has no verb of its own but ``options``, which the server answers."""
    for _, handler in handlers.routes("/"):
        own = {v for v in VERBS for c in handler.__mro__ if c.__module__.startswith("nbmlops") and v in vars(c)}
        assert own <= set(vars(handler)), handler


@pytest.mark.parametrize("address", addresses("post"))
async def test_nothing_is_written_without_the_right(ask, address):
    code, said = await refused(ask(address, body={"reason": "because"}))
    assert code == 403
    assert "not authorized to write" in said
    assert "Ask who runs this server" in said


@pytest.mark.parametrize("address", [a for a in addresses("get") if a != "jobs/events"])
async def test_everything_can_be_read_without_it(ask, address):
    code = 200
    try:
        await ask(address, runs=f"{RUN},{RUN}", ref="late@1")
    except HTTPClientError as no:
        code = no.code
    names = address in ("compare", "lineage") or RUN in address or "late" in address
    assert code == (404 if names else 200)  # there is no such thing; the right was there


async def test_status_says_which_rights_there_are(ask):
    assert (await ask("status"))["rights"] == {"read": True, "write": False}


@pytest.mark.parametrize(("verb", "address"), [(v, a) for v in ("get", "post") for a in addresses(v)])
async def test_nobody_unknown_is_answered(jp_fetch, notebook, verb, address):
    how = {"method": "POST", "body": "{}"} if verb == "post" else {}
    asked = jp_fetch("nbmlops", "api", *address.split("/"), headers={"Authorization": "token wrong"}, **how)
    with pytest.raises(HTTPClientError) as caught:
        await asked
    assert caught.value.code == 403
    assert "late" not in caught.value.response.body.decode()


async def test_a_page_elsewhere_cannot_post(jp_fetch, http_server_client, jp_base_url, notebook):
    """A browser that is logged in sends its cookies from any page; without the token beside them we do nothing."""
    seen = await jp_fetch("nbmlops", "api", "status")
    cookies = "; ".join(c.partition(";")[0] for c in seen.headers.get_list("Set-Cookie"))
    assert "username" in cookies
    url = f"{jp_base_url}nbmlops/api/reports"
    sent = {"method": "POST", "body": json.dumps({"ref": "x"}), "headers": {"Cookie": cookies}}
    with pytest.raises(HTTPClientError) as caught:
        await http_server_client.fetch(url, **sent)
    assert caught.value.code == 403
    assert "_xsrf" in caught.value.response.body.decode()


async def test_who_may_not_promote_has_nothing_loaded_for_it(ask, late, monkeypatch):
    from nbmlops.registry import files
    from nbmlops.server import threads

    loaded = []
    monkeypatch.setattr(files, "ready", lambda: loaded.append(1))
    await ask("models/late/1", deciding="1")
    threads.CHANGES.submit(int).result(10)
    assert loaded == []
