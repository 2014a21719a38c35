"""Drift through the server: the newest check of each model, and its episodes."""

from __future__ import annotations

import nbmlops as nb
from asked import refused
from nbmlops.tracking import session


async def test_models_come_with_their_newest_check_and_episodes(ask, late, people):
    (model,) = (await ask("drift"))["models"]
    assert (model["ref"], model["checked_at"], model["verdict"], model["report"]) == ("late@1", None, None, None)
    moved = people(400, 3).assign(age=lambda f: f.age + 60)
    report = nb.drift(moved, "late@1")
    session.drain()
    (model,) = (await ask("drift"))["models"]
    assert (model["verdict"], model["report"]) == (report.verdict, "drift:late@1")
    assert {e["state"] for e in model["episodes"]} == {"opened"}
    assert "age" in {e["column"] for e in model["episodes"]}
    found = await ask("drift/late")
    assert (found["kind"], found["data"]["verdict"]) == ("drift", report.verdict)
    made = await ask("reports", body={"ref": model["report"]})
    assert made["kind"] == "drift"


async def test_what_was_never_checked_is_not_found(ask, late):
    code, said = await refused(ask("drift/late"))
    assert code == 404
    assert "%drift" in said
