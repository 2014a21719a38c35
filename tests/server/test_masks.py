"""What is private by the charter has no value in any answer, and nothing has where the charter cannot be read."""

from __future__ import annotations

import asyncio

import pytest

import nbmlops as nb
from asked import refused, tracked
from nbmlops.tracking import session

PRIVATE = "private: [city]\n"


@pytest.fixture
def known(notebook, model, held_out, people):
    """A model, a run and a check of drift that all know cities, registered before anybody called them private."""
    run = session.start("late", kind="cell", notebook="nb.ipynb", source="fit()", params={"city": "Ulm"})
    session.log({"city": 1234.5})
    session.log({"auc": 0.75}, context={"city": "Ulm"})
    evaluation = nb.evaluate(model, held_out, target="late", by="city")
    nb.register(model, "late", evaluation=evaluation)
    error = {"name": "ValueError", "message": "unknown categories ['Ulm']", "traceback": ""}
    session.finish(run, "failed", "error", error)
    for seed in (3, 4):  # twice, for a notice has to persist
        nb.drift(people(400, seed).assign(city="Genf"), "late@1")
    session.drain()
    return run.run_id


async def everything(ask, run_id):
    """Return every answer about a run and its model, as one text."""
    other = tracked("other", params={"city": "Bern"})
    paths = ("runs", f"runs/{run_id}", "models", "models/late/1", "drift", "drift/late", "questions", "jobs")
    answers = {path: await ask(path) for path in paths}
    answers |= {
        "compare": await ask("compare", runs=f"{run_id},{other}"),
        "lineage": await ask("lineage", ref="late@1"),
    }
    return {path: str(answer) for path, answer in answers.items()}


def telling(said, *values):
    """Return the addresses whose answers hold a value."""
    return {value: found for value in values if (found := [path for path, text in said.items() if value in text])}


async def test_what_is_open_is_shown(ask, known):
    said = await everything(ask, known)
    values = ("Ulm", "Bern", "1234.5", "unknown categories")
    assert set(telling(said, *values)) == set(values)


async def test_no_value_of_a_private_column_is_told(ask, notebook, known):
    (notebook.parent / "charter.yaml").write_text(PRIVATE)
    said = await everything(ask, known)
    assert telling(said, "Ulm", "Bern", "Genf", "1234.5") == {}
    assert "'column': 'city'" in said["drift/late"]  # that something was found of it is told


async def test_nobody_knows_what_is_private_where_the_charter_cannot_be_read(ask, notebook, known):
    (notebook.parent / "charter.yaml").write_text("private: 3\n")
    with pytest.warns(RuntimeWarning):
        said = await everything(ask, known)
    assert telling(said, "Ulm", "Bern", "Genf", "unknown categories") == {}


async def test_an_episode_of_a_private_column_has_no_words_of_it(ask, notebook, known):
    before = (await ask("drift"))["models"][0]["episodes"]
    assert any(e["column"] == "city" and e["message"] for e in before)
    (notebook.parent / "charter.yaml").write_text(PRIVATE)
    after = (await ask("drift"))["models"][0]["episodes"]
    assert [e["id"] for e in after] == [e["id"] for e in before]
    words = {e["message"] for e in after if e["column"] == "city"}
    assert words
    assert all(said.endswith("city, which is private") for said in words)


async def test_what_a_job_printed_or_was_given_is_not_told(ask, notebook, jp_root_dir):
    from asked import written

    written(notebook, "print('Ulm and ' + city)", "1 + 1", parameters="city: str = ''")
    begun = await ask("jobs", body={"notebook": "flights/nb.ipynb", "parameters": {"city": "Bern"}})
    async with asyncio.timeout(90):
        while (await ask("jobs"))["works"][0]["status"] in ("due", "started"):
            await asyncio.sleep(0.1)
    seen = str(await ask(f"jobs/{begun['run_id']}"))
    assert "Ulm and Bern" in seen
    assert "'parameters': {'city': 'Bern'}" in seen
    (notebook.parent / "charter.yaml").write_text(PRIVATE)
    view = await ask(f"jobs/{begun['run_id']}")
    assert "Bern" not in str(view)
    assert list(view["data"]["parameters"]) == ["city"]
    sources = [c["source"] for c in view["data"]["cells"]]
    assert "print('Ulm and ' + city)" in sources  # what somebody wrote is no value of the data
    assert sum("may hold values of private columns" in str(c["pieces"]) for c in view["data"]["cells"]) == 2
    beside = await ask("compare", runs=f"{begun['run_id']},{tracked('other', params={'city': 'X'})}")
    assert "tags.last_lines" in str(beside)
    assert "Bern" not in str(beside)
    code, said = await refused(ask("runs", q="tags.last_lines like '%Bern%'", scope="project"))
    assert (code, "private" in said) == (400, True)


async def test_what_a_program_said_last_is_not_told(ask, notebook):
    from nbmlops.config import find_project
    from nbmlops.records import now
    from nbmlops.store import ledger
    from nbmlops.store.database import open_store

    with ledger.changing(open_store(find_project(notebook))) as change:
        ledger.add(change, [{"key": "k", "notebook": "nb.ipynb"}])
        (claim,) = ledger.claim(change, now(), "here", key="k")
        ledger.close(change, claim, "failed", "process_gone", now(), reason="ValueError: unknown category Bern")
    assert (await ask("jobs"))["works"][0]["reason"] == "ValueError: unknown category Bern"
    (notebook.parent / "charter.yaml").write_text(PRIVATE)
    said = (await ask("jobs"))["works"][0]["reason"]
    assert (said.startswith("ValueError: "), "Bern" in said) == (True, False)


@pytest.mark.parametrize(
    "query",
    ["params.city == 'Ulm'", "`params.city` like 'U%'", "`auc[city=Ulm]` > 0", "C > 1 or not params.city = 'Ulm'"],
)
async def test_how_many_runs_fit_does_not_tell_a_private_value(ask, notebook, known, query):
    tracked("other", params={"city": "Bern", "C": 2.0})
    assert "total" in await ask("runs", q=query)
    (notebook.parent / "charter.yaml").write_text(PRIVATE)
    code, said = await refused(ask("runs", q=query))
    assert code == 400
    assert "private" in said
    assert (await ask("runs", q="C > 1 and name = 'city'"))["total"] == 0


async def test_where_nobody_knows_what_is_private_no_setting_is_asked_for(ask, notebook, known):
    (notebook.parent / "charter.yaml").write_text("private: 3\n")
    for query in ("C > 1", "params.C > 1", "params.city = 'Ulm'", "`auc[city=Ulm]` > 0"):
        code, said = await refused(ask("runs", q=query))
        assert (code, "may be" in said) == (400, True)
    assert "total" in await ask("runs", q="experiment = 'late' and started_at > 2020-01-01")
