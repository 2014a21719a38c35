"""Jobs through the server: started in a process of their own, watched, cancelled, tried again, opened."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import nbmlops as nb
from asked import fits, refused, schema_of, tracked, written
from nbmlops.config import find_project
from nbmlops.jobs.works import apart
from nbmlops.records import now
from nbmlops.server import watching
from nbmlops.store import ledger
from nbmlops.store.database import open_store
from nbmlops.tracking import session

WAITS = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)"


@pytest.fixture(autouse=True)
def ended(tmp_path):
    """End what a test leaves running in its folder: the servers of other tests are children of this process too."""
    yield
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if Path(child.cwd()).is_relative_to(tmp_path):
                child.kill()


async def until(ask, holds, timeout_s=90):
    """Ask for jobs until the newest work is as it shall be."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = (await ask("jobs"))["works"]
        if found and holds(found[0]):
            return found[0]
        await asyncio.sleep(0.1)
    raise AssertionError(found)


def is_over(work):
    return work["status"] not in ("due", "started")


async def start(ask, **values):
    return await ask("jobs", body={"notebook": "flights/nb.ipynb", "parameters": values})


async def test_a_notebook_becomes_a_job_that_outlives_the_request(ask, notebook):
    written(notebook, "print(months)", "import os; print(os.getpid())", parameters="months: int = 1")
    begun = await start(ask, months="3")
    work = await until(ask, is_over)
    assert (work["status"], work["run_id"], work["work_id"]) == ("finished", begun["run_id"], begun["work_id"])
    assert (work["cells"]["done"], work["live"], work["error"]) == (4, False, None)
    run = nb.get_run(begun["run_id"])
    assert (run.status, run.params["months"]) == ("finished", 3)
    view = await ask(f"jobs/{begun['run_id']}")
    assert (view["kind"], view["data"]["state"]) == ("retrained", "finished")
    printed = [p["content"] for c in view["data"]["cells"] for p in c["pieces"]]
    assert "3" in printed
    assert str(os.getpid()) not in printed  # neither in the server nor in a thread of it


async def test_the_cell_a_job_is_at_is_seen_while_it_runs(ask, notebook):
    written(notebook, "# read the flights\nx = 1", f"# fit the forest\n{WAITS}")
    begun = await start(ask)
    work = await until(ask, lambda w: w["cells"]["current"] == "fit the forest")
    assert (work["status"], work["live"], work["cells"]["done"], work["cells"]["total"]) == ("started", True, 1, 2)
    view = await ask(f"jobs/{begun['run_id']}")
    assert [c["status"] for c in view["data"]["cells"]] == ["completed", "running"]
    (notebook.parent / "go").touch()
    assert (await until(ask, is_over))["status"] == "finished"


async def test_a_job_that_fails_says_why_in_a_line_and_is_tried_again(ask, notebook):
    written(notebook, "import pathlib", "assert pathlib.Path('data.csv').exists(), 'no data\\nhere'")
    begun = await start(ask)
    work = await until(ask, is_over)
    assert work["status"] == "failed"
    assert work["error"] == "AssertionError: no data here"
    assert work["cells"]["done"] == 1
    (notebook.parent / "data.csv").touch()
    again = await ask(f"jobs/{begun['run_id']}/retry", body={})
    assert (again["status"], again["attempt"]) == ("started", 2)
    assert again["run_id"] != begun["run_id"]
    work = await until(ask, is_over)
    assert (work["status"], work["run_id"]) == ("finished", again["run_id"])
    assert nb.get_run(again["run_id"]).previous == begun["run_id"]
    code, said = await refused(ask(f"jobs/{begun['run_id']}/retry", body={}))
    assert (code, "is finished" in said) == (409, True)


async def test_a_job_is_cancelled_in_the_name_of_who_asks(ask, notebook, someone):
    someone("ann@example.org")
    written(notebook, f"# wait\n{WAITS}")
    begun = await start(ask)
    await until(ask, lambda w: w["cells"]["current"] == "wait")
    work = await ask(f"jobs/{begun['run_id']}/cancel", body={"reason": "wrong month"})
    assert (work["status"], work["reason"]) == ("cancelled", "cancelled by ann@example.org: wrong month")
    await until(ask, lambda w: w["ended_at"] and w["duration_s"] is not None)
    run = nb.get_run(begun["run_id"])
    assert (run.status, run.cause, run.author) == ("interrupted", "cancelled", "ann@example.org")
    assert nb.audit(action="job_cancelled").events
    code, _ = await refused(ask(f"jobs/{begun['run_id']}/cancel", body={}))
    assert code == 404


async def test_a_notebook_executed_without_a_key_is_listed_and_read_though_no_work(ask, notebook):
    written(notebook, "# wait\n" + WAITS, "assert False, 'no flights'")
    command = (sys.executable, "-c", "import nbmlops; nbmlops.run_notebook('nb.ipynb')")
    begun = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, stderr=-3)
    run = await until(ask, lambda w: w["cells"]["current"] == "wait")
    assert (run["work_id"], run["key"], run["status"], run["live"]) == (None, None, "started", True)
    assert (run["notebook"], run["job"]) == ("flights/nb.ipynb", None)
    for what in ("cancel", "retry"):
        code, said = await refused(ask(f"jobs/{run['run_id']}/{what}", body={}))
        assert (code, "belongs to no work" in said) == (409, True)
    (notebook.parent / "go").touch()
    await begun.wait()
    ended = await until(ask, is_over)
    assert (ended["status"], ended["live"], ended["error"]) == ("failed", False, "AssertionError: no flights")
    view = await ask(f"jobs/{run['run_id']}")
    assert [cell["status"] for cell in view["data"]["cells"]] == ["completed", "failed"]
    copy = await ask(f"jobs/{run['run_id']}/output", body={})
    assert copy["path"] == f"flights/nb-{run['run_id'][-6:]}.ipynb"


async def test_an_attempt_is_listed_once_as_its_work(ask, notebook):
    begun = await start(ask)
    await until(ask, is_over)
    assert [w["work_id"] for w in (await ask("jobs"))["works"]] == [begun["work_id"]]


async def test_the_output_is_opened_beside_the_notebook(ask, notebook):
    begun = await start(ask)
    work = await until(ask, is_over)
    assert (work["has_output"], work["output"]) == (True, None)  # a hidden folder
    first = await ask(f"jobs/{begun['run_id']}/output", body={})
    assert first["path"] == f"flights/nb-{begun['run_id'][-6:]}.ipynb"
    assert await ask(f"jobs/{begun['run_id']}/output", body={}) == first
    copy = notebook.parent.parent / first["path"]
    copy.write_text("what I made of it")
    second = await ask(f"jobs/{begun['run_id']}/output", body={})
    assert second["path"] != first["path"]
    assert copy.read_text() == "what I made of it"


async def test_what_cannot_run_is_refused_before_anything_is_written(ask, notebook):
    written(notebook, "x = 1", parameters="months: int")
    for values, what in (({}, "needs months"), ({"months": "many"}, "months"), ({"years": 1}, "years")):
        code, said = await refused(start(ask, **values))
        assert (code, what in said) == (400, True), said
    code, said = await refused(start(ask, months=3, password="hunter2"))
    assert (code, "hunter2" in said) == (400, False)
    assert not (notebook.parent / ".nbmlops").exists()


async def test_a_process_that_dies_at_once_has_failed_with_what_it_said(ask, notebook, monkeypatch):
    script = "import sys; sys.stdin.read(); sys.exit('no module named nbmlops')"
    monkeypatch.setattr(apart, "COMMAND", (sys.executable, "-c", script))
    await start(ask)
    work = await until(ask, is_over)
    assert (work["status"], work["reason"]) == ("failed", "said: no module named nbmlops")


async def test_a_process_that_is_gone_before_it_is_told_what_to_do_has_failed(ask, notebook, monkeypatch):
    real = apart._process

    def gone(*asked):
        process = real(*asked)
        process.wait()
        return process

    monkeypatch.setattr(apart, "COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    monkeypatch.setattr(apart, "_process", gone)
    await start(ask)
    work = await until(ask, is_over)
    assert (work["status"], work["reason"]) == ("failed", "its process ended with exit code 3")


async def test_what_a_process_said_last_is_not_told_where_columns_are_private(ask, notebook, monkeypatch):
    script = "import sys; sys.stdin.read(); sys.exit('unknown city Bern')"
    monkeypatch.setattr(apart, "COMMAND", (sys.executable, "-c", script))
    (notebook.parent / "charter.yaml").write_text("private: [city]\n")
    await start(ask)
    work = await until(ask, is_over)
    assert (work["reason"].startswith("said: "), "Bern" in work["reason"]) == (True, False)


async def test_a_job_outlives_its_server(notebook, tmp_path):
    """What starts a job and is killed leaves it running."""
    import subprocess

    written(notebook, WAITS, "open('done', 'w').close()")
    code = "from nbmlops.jobs.works import apart; print(apart.start('nb.ipynb').run_id, flush=True); input()"
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=notebook.parent
    )
    run_id = server.stdout.readline().strip()
    os.killpg(server.pid, signal.SIGKILL) if os.getpgid(server.pid) != os.getpgid(0) else server.kill()
    server.wait()
    (notebook.parent / "go").touch()
    end = time.monotonic() + 90
    while not (notebook.parent / "done").exists() and time.monotonic() < end:
        await asyncio.sleep(0.1)
    store = open_store(find_project(notebook))
    while (held := ledger.get(store, ledger.key_of(store, run_id))).state == "started" and time.monotonic() < end:
        await asyncio.sleep(0.1)
    assert held.state == "finished"


async def test_parameters_are_as_the_notebook_declares_them(ask, notebook):
    written(notebook, "x", parameters='from typing import Literal\nkind: Literal["a", "b"] = "a"  # which\nn = 3')
    found = await ask("parameters")
    kind, number = found["parameters"]
    assert (kind["name"], kind["choices"], kind["help"], kind["default"]) == ("kind", ["a", "b"], "which", '"a"')
    assert (number["type"], number["choices"]) == ("int", None)
    assert (found["notebook"], found["why_not"]) == ("flights/nb.ipynb", None)
    assert not (notebook.parent / ".nbmlops").exists()


async def test_a_notebook_that_cannot_run_says_why_not(ask, notebook):
    notebook.write_text("{}")
    found = await ask("parameters")
    assert found["parameters"] == []
    assert "is not a notebook" in found["why_not"]
    code, said = await refused(ask("parameters", at=None))
    assert (code, "'notebook' is missing" in said) == (400, True)


async def test_schedules_and_the_schedulers_last_tick(ask, notebook):
    tracked("x")
    assert (await ask("jobs"))["scheduler"] is None
    folder = notebook.parent / "jobs"
    folder.mkdir()
    (folder / "retrain.yaml").write_text("notebook: nb.ipynb\nwhen: {cron: '0 3 1 * *', zone: UTC}\nowner: ann\n")
    (folder / "broken.yaml").write_text("when: [\n")
    found = await ask("jobs")
    broken, retrain = found["schedules"]
    assert broken["state"] == "broken"
    assert retrain["next_at"]
    assert (retrain["paused"], retrain["last"]) == (False, None)
    assert found["scheduler"] == {"last_tick_at": None, "late": True, "why": "no tick ever came"}
    assert (await ask("status"))["scheduler"] == found["scheduler"]


async def test_running_first_then_failed_then_the_rest(ask, notebook):
    store = open_store(find_project(notebook))
    with ledger.changing(store) as change:
        for key, state in (("a", "finished"), ("b", "failed"), ("c", "due"), ("d", "skipped")):
            ledger.add(change, [{"key": key, "notebook": "nb.ipynb", "state": state}])
        ledger.add(change, [{"key": "e", "notebook": "nb.ipynb"}])
        ledger.claim(change, now(), "here", key="e")
    assert [w["key"] for w in (await ask("jobs"))["works"]] == ["e", "c", "b", "d", "a"]
    cancelled = await ask("jobs/c/cancel", body={})  # what waits has no run yet: by its key
    assert cancelled["status"] == "cancelled"


async def test_cancelling_by_the_name_of_a_job_cancels_nothing(ask, notebook):
    store = open_store(find_project(notebook))
    with ledger.changing(store) as change:
        ledger.add(change, [{"key": "retrain@1", "job": "retrain", "notebook": "nb.ipynb"}])
    code, _ = await refused(ask("jobs/retrain/cancel", body={}))
    assert code == 404
    assert ledger.get(store, "retrain@1").state == "due"


class Stream:
    """The events a client of ``jobs/events`` has read."""

    def __init__(self):
        self.text, self.got = "", asyncio.Event()

    def __call__(self, chunk):
        self.text += chunk.decode()
        self.got.set()

    @property
    def events(self):
        parts = [part.split("\n", 1) for part in self.text.split("\n\n")[:-1]]
        return [(e.removeprefix("event: "), json.loads(d.removeprefix("data: "))) for e, d in parts]

    async def until(self, holds, timeout_s=60):
        async with asyncio.timeout(timeout_s):
            while not any(holds(event, data) for event, data in self.events):
                self.got.clear()
                await self.got.wait()


async def test_events_tell_a_job_from_its_start_to_its_end(ask, jp_fetch, notebook):
    written(notebook, "x = 1", "y = 2")
    stream = Stream()
    words = {"notebook": "flights/nb.ipynb"}
    asked = asyncio.ensure_future(
        jp_fetch("nbmlops", "api", "jobs", "events", params=words, streaming_callback=stream, request_timeout=0)
    )
    await stream.until(lambda event, _: event == "ping")
    begun = await start(ask)
    await stream.until(lambda event, data: event == "job" and data["status"] == "finished")
    told = [data for event, data in stream.events if event == "job"]
    assert {data["run_id"] for data in told} == {begun["run_id"]}
    assert told[0]["status"] == "started"
    for data in told:
        fits(data, schema_of("post", "jobs/x/cancel", 200))
    assert len(told) == len({json.dumps(data, sort_keys=True) for data in told})  # only what changed
    asked.cancel()


def ours():
    """The threads that are not the client's, which looks up names in some of its own."""
    return sorted(t.name for t in threading.enumerate() if "asyncio" not in t.name)


async def test_waiting_for_events_costs_no_thread_and_ends_with_the_client(ask, jp_fetch, notebook, monkeypatch):
    looks = []
    monkeypatch.setattr(watching, "LOOK_S", 0.02)
    monkeypatch.setattr(watching, "_works", lambda here, seen: looks.append(1) or {**seen, "idle": False, "works": []})
    tracked("x")
    await ask("jobs")
    before = ours()
    streams = [Stream() for _ in range(5)]
    asked = [
        asyncio.ensure_future(
            jp_fetch("nbmlops", "api", "jobs", "events", params={}, streaming_callback=s, request_timeout=0)
        )
        for s in streams
    ]
    for stream in streams:
        await stream.until(lambda event, _: event == "ping")
    assert ours() == before
    open_ = list(watching.EventsHandler.listening)
    assert len(open_) == 5
    for one in asked:
        one.cancel()
    for handler in open_:
        handler.on_connection_close()  # what tornado says when a socket is closed
    async with asyncio.timeout(10):
        while watching.EventsHandler.listening:
            await asyncio.sleep(0.01)
    done = len(looks)
    await asyncio.sleep(0.2)
    assert len(looks) == done


async def test_a_store_that_did_not_change_is_not_read_again(ask, notebook, monkeypatch):
    from nbmlops.capture.visit import Visit, visiting
    from nbmlops.server.asking import Here

    project, read = find_project(notebook), []
    monkeypatch.setattr(watching, "works", lambda here: read.append(1) or [])
    here = Here(notebook.parent.parent, project, notebook)
    tracked("x")
    await ask("runs")
    with visiting(Visit(project, notebook)):
        first = watching._works(here, {"stamp": "", "mark": ""})
        again = watching._works(here, first)
        assert (first["works"], again["works"], len(read)) == ([], None, 1)
        with ledger.changing(open_store(project)) as change:
            ledger.add(change, [{"key": "k", "notebook": "nb.ipynb"}])
        watching._looks.clear()
        assert watching._works(here, again)["works"] is None  # read, and the same as before
        assert len(read) == 2


async def test_a_hundred_who_listen_read_the_ledger_once(ask, notebook, monkeypatch):
    from nbmlops.capture.visit import Visit, visiting
    from nbmlops.server.asking import Here

    project, read = find_project(notebook), []
    running = [{"work_id": "k", "status": "started"}]
    monkeypatch.setattr(watching, "works", lambda here: read.append(1) or running)
    monkeypatch.setattr(watching, "SHARED_S", 60)
    here = Here(notebook.parent.parent, project, notebook)
    tracked("x")
    await ask("runs")
    with visiting(Visit(project, notebook)):
        told = [watching._works(here, {"stamp": "", "mark": ""}) for _ in range(100)]
        assert len(read) == 1
        assert all(one["works"] == running for one in told)
        assert watching._works(here, told[0])["works"] is None  # nothing changed: nothing is sent


async def test_who_may_no_longer_read_hears_no_more(ask, jp_fetch, notebook, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_S", 0.02)
    monkeypatch.setattr(watching, "PING_S", 0.0)
    tracked("x")
    may = [True, True]

    async def asked(self, action):
        return bool(may) and may.pop()

    monkeypatch.setattr(watching.EventsHandler, "may", asked)
    words = {"notebook": "flights/nb.ipynb"}
    answer = await jp_fetch("nbmlops", "api", "jobs", "events", params=words, request_timeout=60)
    assert answer.body.decode().count("event: ping") == 3  # the first, and two while it was allowed
    monkeypatch.setattr(watching, "LIVES_S", 0.0)
    may[:] = [True] * 1000
    await jp_fetch("nbmlops", "api", "jobs", "events", params=words, request_timeout=60)  # ends by itself


async def test_a_store_that_goes_away_is_asked_ever_more_seldom_and_the_stream_lives_on(
    ask, jp_fetch, notebook, monkeypatch
):
    monkeypatch.setattr(watching, "LOOK_S", 0.01)
    monkeypatch.setattr(watching, "AWAY_S", 0.05)
    monkeypatch.setattr(watching, "PING_S", 0.0)
    tracked("x")
    pauses, works = [], [{"works": [], "stamp": "a", "mark": "a", "idle": False}]

    def looked(here, seen):
        pauses.extend(handler.pause_s for handler in watching.EventsHandler.listening)
        if works:
            return works.pop()
        if len(pauses) < 8:
            raise OSError("the disk went away")
        return {"works": [{"work_id": "k", "run_id": "r"}], "stamp": "b", "mark": "b", "idle": len(pauses) > 8}

    monkeypatch.setattr(watching, "_works", looked)
    monkeypatch.setattr(watching, "IDLE_S", 0.03)
    stream = Stream()
    asked = asyncio.ensure_future(
        jp_fetch("nbmlops", "api", "jobs", "events", params={}, streaming_callback=stream, request_timeout=0)
    )
    await stream.until(lambda event, _: event == "job")
    async with asyncio.timeout(30):
        while len(pauses) < 12:
            await asyncio.sleep(0.01)
    asked.cancel()
    assert pauses[:5] == [0.01, 0.02, 0.04, 0.05, 0.05]
    assert pauses[8] == 0.01  # it is there again
    assert pauses[10] == 0.03  # and nothing runs
    before_it_came_back = [event for event, _ in stream.events][:7]
    assert before_it_came_back == ["ping"] * 7  # who listens is not cut off meanwhile


async def test_a_database_elsewhere_is_asked_seldom_while_nothing_runs(ask, notebook, monkeypatch):
    from nbmlops.capture.visit import Visit, visiting
    from nbmlops.server.asking import Here

    project, listed = find_project(notebook), [{"work_id": "k", "status": "finished"}]
    monkeypatch.setattr(watching, "_stamp", lambda project: "")
    monkeypatch.setattr(watching, "works", lambda here: listed)
    monkeypatch.setattr(watching, "SHARED_S", -1.0)
    here = Here(notebook.parent.parent, project, notebook)
    with visiting(Visit(project, notebook)):
        assert watching._works(here, {"stamp": "", "mark": ""})["idle"] is True
        listed[0] = {"work_id": "k", "status": "started"}
        assert watching._works(here, {"stamp": "", "mark": ""})["idle"] is False
        monkeypatch.setattr(watching, "_stamp", lambda project: "files of a store")
        listed[0] = {"work_id": "k", "status": "finished"}
        assert watching._works(here, {"stamp": "", "mark": ""})["idle"] is False  # to look at files costs nothing


async def test_events_of_a_store_that_cannot_be_read_are_refused(jp_fetch, notebook):
    home = notebook.parent / ".nbmlops"
    home.mkdir()
    (home / "store.sqlite").write_bytes(b"no database" * 1000)
    code, _ = await refused(jp_fetch("nbmlops", "api", "jobs", "events", params={"notebook": "flights/nb.ipynb"}))
    assert code == 503
    session.reset()
