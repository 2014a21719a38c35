"""What the titles of the panel's sections say: how much waits for who asks."""

from __future__ import annotations

import nbmlops as nb
from nbmlops.config import find_project
from nbmlops.records import now
from nbmlops.store import ledger
from nbmlops.store.database import open_store

CHARTER = "roles: {manager: [bob@example.org], scientist: [ann@example.org]}\n"


async def test_nothing_waits_where_nothing_was_tracked(ask, notebook):
    assert await ask("waiting") == {"questions": 0, "drift": None, "running": 0, "failed": []}


async def test_open_questions_to_who_asks_are_counted(ask, late, notebook, someone):
    (notebook.parent / "charter.yaml").write_text(CHARTER)
    someone("ann@example.org")
    asked = nb.flag("late@1", "why is July so good?", question=True, to="manager")
    nb.flag("late@1", "and August?", question=True, to="manager")
    assert (await ask("waiting"))["questions"] == 0
    someone("bob@example.org")
    assert (await ask("waiting"))["questions"] == 2
    await ask(f"questions/{asked.flag_id}/answer", body={"text": "few flights", "state": "answered"})
    assert (await ask("waiting"))["questions"] == 1


async def test_the_worst_level_of_drift_is_said(ask, late, people):
    assert (await ask("waiting"))["drift"] is None
    nb.drift(people(400, 3).assign(age=90), "late@1")
    listed = (await ask("drift"))["models"][0]["verdict"]
    assert listed in ("notice", "alert")
    assert (await ask("waiting"))["drift"] == listed


async def test_works_that_run_and_those_that_failed(ask, notebook):
    with ledger.changing(open_store(find_project(notebook))) as change:
        ledger.add(change, [{"key": key, "notebook": "nb.ipynb"} for key in ("broken", "runs", "fine")])
        claims = {key: ledger.claim(change, now(), "here", key=key)[0] for key in ("broken", "runs", "fine")}
        ledger.close(change, claims["broken"], "failed", "error", ended := now())
        ledger.close(change, claims["fine"], "finished", None, now())
    found = await ask("waiting")
    assert (found["running"], found["failed"]) == (1, [ended])
