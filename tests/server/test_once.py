"""A request that is sent again: its answer was lost on the way, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json

import pytest

import nbmlops as nb
from asked import refused
from nbmlops.server import once

PROMOTE = {"alias": "champion", "reason": "better on March"}


@pytest.fixture(autouse=True)
def nothing_known():
    once._known.clear()


@pytest.fixture
def send(jp_fetch, notebook):
    """Post something with a key: ``await send("k1", "models/late/1/promote", {...})``."""

    async def sent(key, path, body):
        how = {"method": "POST", "body": json.dumps(body), "headers": {once.HEADER: key} if key else {}}
        answer = await jp_fetch("nbmlops", "api", *path.split("/"), params={"notebook": "flights/nb.ipynb"}, **how)
        return json.loads(answer.body)

    return sent


async def test_a_promotion_that_is_sent_twice_is_one(send, late):
    # Jupyter's own token makes up another user each time, and who runs the server is one person.
    first, second = await asyncio.gather(*(send("k", "models/late/1/promote", PROMOTE) for _ in range(2)))
    third = await send("k", "models/late/1/promote", PROMOTE)
    assert first == second == third
    assert len(nb.history("late")) == 1
    await send("another", "models/late/1/promote", PROMOTE)
    await send(None, "models/late/1/promote", PROMOTE)
    assert len(nb.history("late")) == 3


async def test_a_job_that_is_asked_for_twice_runs_once(send, notebook):
    begun = [await send("k", "jobs", {"notebook": "flights/nb.ipynb"}) for _ in range(2)]
    assert begun[0] == begun[1]


async def test_another_question_with_the_key_is_another_question(send, late):
    await send("k", "models/late/1/promote", PROMOTE)
    await send("k", "models/late/1/promote", {**PROMOTE, "alias": "challenger"})
    assert set(nb.model_version("late@1").aliases) == {"champion", "challenger"}


async def test_what_was_refused_is_tried_again(send, late, notebook):
    charter = notebook.parent / "charter.yaml"
    charter.write_text("policy: 3\n")
    code, _ = await refused(send("k", "models/late/1/promote", PROMOTE))
    assert code == 400
    charter.unlink()
    assert (await send("k", "models/late/1/promote", PROMOTE))["named"] == {"champion": 1}


async def test_a_key_has_a_length(send, late):
    code, said = await refused(send("k" * 101, "models/late/1/promote", PROMOTE))
    assert (code, "Idempotency-Key has 101" in said) == (400, True)


async def test_what_is_known_is_forgotten(monkeypatch):
    done = []

    async def do():
        done.append(1)
        return "x"

    monkeypatch.setattr(once, "MOST", 5)
    for number in range(20):
        await once.once(f"k{number}", (), do)
    assert len(once._known) <= 6
    monkeypatch.setattr(once, "KEPT_S", -1.0)
    await once.once("k19", (), do)
    assert len(done) == 21
