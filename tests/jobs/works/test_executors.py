"""Attempts in processes of this machine: how many at once, how they end, and that none outlives who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from nbformat import v4, write

from nbmlops.config import find_project
from nbmlops.errors import Invalid
from nbmlops.jobs.works import drive, environments, executors
from nbmlops.process import identity
from nbmlops.records import now
from nbmlops.store import ledger
from nbmlops.tracking import session
from waiting import until

QUICK = {"backoff": 0.01}
IMPORTS = "import os, time\nfrom pathlib import Path"
SLEEPS = "Path('seen').write_text(str(os.getpid())); time.sleep(60)"


@pytest.fixture
def works(project):
    """Add works of a notebook made of cells to the ledger: ``works(["print(1)"], 3)``."""

    def add(cells, count=1, **more):
        code = [v4.new_code_cell(c) for c in (IMPORTS, *cells)]
        write(v4.new_notebook(cells=code), project / "short.ipynb")
        about = {"notebook": "short.ipynb", "parent": "K", "spec": QUICK, **more}
        with ledger.changing(session.store()) as change:
            ledger.add(change, [{"key": f"K#{n}", **about} for n in range(count)])
        return session.store()

    return add


def claims(store, most=1):
    with ledger.changing(store) as change:
        return ledger.claim(change, now(), "here", parent="K", most=most)


def state(store, key="K#0"):
    return ledger.get(store, key).state


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ray://here:1", "is no executor"),
        ("dask://here", "is no executor"),
        ("local:0", "is no number of processes"),
        ("local:two", "is no number of processes"),
        ("dask://here:1?mode=fast", "has no 'mode'"),
        ("dask://here:1?most=all", "is no number of attempts"),
        ("dask://here:1?resources=GPU", "cannot be read"),
    ],
)
def test_an_address_that_means_nothing_is_refused(project, url, says):
    with pytest.raises(Invalid, match=says):
        executors.executor(url)


def test_the_usual_number_of_processes_is_a_setting(project):
    assert executors.default() == f"local:{max(1, os.cpu_count() - 1)}"
    (project / "nbmlops.toml").write_text("[scheduler]\nworkers = 5\n")
    assert [executors.executor(url, find_project()).free() for url in ("", "local", "local:")] == [5, 5, 5]


def test_claims_are_carried_out_and_answered(works):
    store = works(["print(1)"], 2)
    pool = executors.executor("local:1")
    handles = [pool.submit(claim) for claim in claims(store, 2)]
    assert pool.free() == 0
    done = []
    while len(done) < 2:
        done = pool.wait(handles, 30)
    assert [(h.error, h.gone) for h in done] == [("", False)] * 2
    assert [state(store, f"K#{n}") for n in range(2)] == ["finished"] * 2
    assert pool.free() == 1
    pool.close()


def test_a_process_that_is_killed_costs_an_attempt_and_no_success(works, project):
    store = works([f"if not Path('seen').exists():\n    {SLEEPS}"], most=2)
    pool = executors.executor("local:1")
    handle = pool.submit(claims(store)[0])
    until((project / "seen").exists)
    pool._slots[0].process.kill()
    assert pool.wait([handle], 20) == [handle]
    assert handle.gone
    assert drive.drive(store, pool, parent="K") == {}
    pool.close()
    tries = ledger.attempts_of(store, "K#0")
    assert [(a.status, a.cause) for a in tries] == [("abandoned", "process_gone"), ("finished", None)]
    assert state(store) == "finished"
    with ledger.changing(store) as change:  # what the dead one would still say changes nothing
        assert not ledger.close(change, handle.claim, "failed", "error", now())
    assert state(store) == "finished"


def test_what_cannot_begin_ends_with_the_reason(works, monkeypatch):
    store = works(["print(1)"])
    monkeypatch.setattr(executors.sys, "executable", "/nowhere/python")
    pool = executors.executor("local:1")
    errors = drive.drive(store, pool, parent="K")
    pool.close()
    assert "/nowhere/python" in errors["K#0"]
    assert [(a.status, a.cause) for a in ledger.attempts_of(store, "K#0")] == [("abandoned", "process_gone")]
    assert state(store) == "failed"


def test_what_could_not_begin_once_and_finished_then_is_no_error(works, monkeypatch):
    store = works([], most=2)
    pool = executors.executor("local:1")
    real = pool._slots[0]._ask
    answers = iter([{"error": "no memory", "gone": True}])
    monkeypatch.setattr(pool._slots[0], "_ask", lambda claim: next(answers, None) or real(claim))
    assert drive.drive(store, pool, parent="K") == {}
    pool.close()
    assert [a.status for a in ledger.attempts_of(store, "K#0")] == ["abandoned", "finished"]


def test_cancelling_interrupts_what_runs_and_drops_what_waits(works, project):
    store = works([SLEEPS], 2)
    pool = executors.executor("local:1")
    running, waiting = (pool.submit(claim) for claim in claims(store, 2))
    until((project / "seen").exists)
    drive.cancel(store, "enough", parent="K")
    pool.cancel(waiting)
    pool.cancel(running)
    assert waiting.done
    assert pool.wait([running], 15) == [running]
    pool.close()
    session.drain()
    run = ledger.attempts_of(store, "K#0")[0]
    assert (run.status, run.cause) == ("interrupted", "cancelled")
    assert [(w.state, w.reason) for w in ledger.list(store, parent="K")] == [("cancelled", "enough")] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_no_process_outlives_the_one_that_is_killed_and_the_work_is_due_again(works, project):
    store = works([SLEEPS])
    code = (
        "import sys\nfrom nbmlops.jobs.works import drive, executors\nfrom nbmlops.tracking import session\n"
        "drive.drive(session.store(), executors.executor('local:1'), parent='K')"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=project) as driver:
        until((project / "seen").exists)
        ours = psutil.Process(driver.pid).children(recursive=True)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    _, left = psutil.wait_procs([p for p in ours if "nbmlops.jobs.works.worker" in " ".join(_command(p))], timeout=12)
    assert left == []
    kernel = int((project / "seen").read_text())
    assert not Path(f"/proc/{kernel}").exists() or psutil.Process(kernel).status() == psutil.STATUS_ZOMBIE
    work = ledger.get(store, "K#0")
    assert (work.state, work.attempt) == ("due", 1)
    assert [(a.status, a.cause) for a in ledger.attempts_of(store, "K#0")] == [("interrupted", "preempted")]


def _command(process):
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_claim_that_waits_for_a_worker_keeps_its_lease(works):
    store = works([], 2)
    waiting, begun = claims(store, 2)
    with ledger.changing(store) as change:
        ledger.renew(change, begun, now(), process=identity())
    before = [ledger.attempts_of(store, c.key)[0].lease_until for c in (waiting, begun)]
    drive.hold(store, [executors.Handle(c) for c in (waiting, begun)])
    after = [ledger.attempts_of(store, c.key)[0].lease_until for c in (waiting, begun)]
    assert after[0] > before[0]
    assert after[1] == before[1]


def test_a_pool_that_is_closed_begins_nothing_more(works):
    store = works([], 2)
    pool = executors.executor("local:1")
    pool.close()
    handles = [pool.submit(claim) for claim in claims(store, 2)]
    assert [(h.gone, h.error) for h in pool.wait(handles, 10)] == [(True, "the executor is closed")] * 2
    pool.close()


def test_a_worker_like_this_process_has_no_difference(works):
    works([])
    here = environments.about(str(Path.cwd()))
    pool = executors.executor("local:1")
    found = environments.compared(here, pool.look())
    pool.close()
    assert [f.outcome for f in found] == ["passed"]


def test_every_difference_of_a_worker_is_a_finding():
    here = {"python": "3.12.1", "nbmlops": "1.0", "packages": {"pandas": "3.0", "skops": None}, "store": "a"}
    other = {**here, "worker": "w1", "packages": {"pandas": "2.2", "skops": "1"}, "store": "b"}
    away = {**here, "worker": "w2", "store_error": "OperationalError: refused"}
    bare = {"worker": "w3", "error": "ModuleNotFoundError: No module named 'nbmlops'"}
    found = environments.compared(here, [other, away, bare])
    assert {f.outcome for f in found} == {"issue"}
    assert [f.message for f in found] == [
        "w1 has pandas 2.2, here it is 3.0",
        "w1 has skops 1, here it is not installed",
        "w1 uses another store than this machine",
        "w2 does not reach the store: OperationalError: refused",
        "w3 cannot be asked: ModuleNotFoundError: No module named 'nbmlops'",
    ]
    assert environments.compared(here, [])[0].message == "There is no worker."
