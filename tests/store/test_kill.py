"""A process killed at any call that changes a file: what it acknowledged is there, once, and the store goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

import faults
import nbmlops as nb
import servers
from nbmlops.errors import Unavailable
from nbmlops.store import events
from nbmlops.tracking import session

SPARSE = 43  # in `make test` one call in this many is a killing one


def calls_of(cases, folder, **about):
    whole = cases.run(folder, "run", **about)
    assert whole["ended"] == 0, whole["lines"][-1]
    (calls,) = [calls for word, calls, _ in whole["lines"] if word == "calls"]
    assert faults.words(whole["lines"], "refused") == []
    assert verified(cases, folder, whole, **about) == []
    return calls


def verified(cases, folder, told, **about):
    found = cases.run(folder, "verify", told=faults.told(told["lines"]) | about, mode=about.get("mode"))
    assert found["ended"] == 0, found["lines"][-1]
    shutil.rmtree(folder)
    return faults.words(found["lines"], "problems")


def sweep(cases, folder, step, first=1, **about):
    """Kill at each of the calls, one process each; return what was wrong by number of the call."""
    wrong = {}
    for k in range(first, calls_of(cases, folder / "whole", **about) + 1, step):
        killed = cases.run(folder / str(k), "run", at=k, what=faults.KILL, **about)
        assert killed["ended"] == -signal.SIGKILL, k
        # Half a record at the end of a dead process's segment is kept, for whoever wants to look at it.
        if problems := verified(cases, folder / str(k), killed, strict=not about.get("half"), **about):
            wrong[k] = problems
    return wrong


@pytest.mark.sqlite
@pytest.mark.parametrize("half", [0, 1], ids=["before", "halfway"])
@pytest.mark.parametrize("mode", ["TRUNCATE", "WAL"])
def test_a_process_killed_at_a_call_leaves_all_it_acknowledged(cases, tmp_path, mode, half):
    first = {("TRUNCATE", 0): 1, ("TRUNCATE", 1): 5, ("WAL", 0): 9, ("WAL", 1): 14}[mode, half]
    assert sweep(cases, tmp_path, SPARSE, first, mode=mode, half=half) == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("half", [0, 1], ids=["before", "halfway"])
@pytest.mark.parametrize("mode", ["TRUNCATE", "WAL"])
def test_a_process_killed_at_every_call_leaves_all_it_acknowledged(cases, tmp_path, mode, half):
    assert sweep(cases, tmp_path, 1, mode=mode, half=half) == {}


LOGS = """
import os, sys
from nbmlops.tracking import session
run = session.start("killed")
step = 0
while True:
    session.log(loss=step * 0.5, step=step)
    os.write(1, b"%d " % step)
    step += 1
"""


@pytest.mark.parametrize("acknowledged", [1, 150, 2500])
def test_a_process_killed_while_its_writer_thread_writes_leaves_all_it_acknowledged(project, acknowledged):
    """At a moment nobody chose: the thread is somewhere between the journal and the database, on either kind of it."""
    child = subprocess.Popen([sys.executable, "-c", LOGS], stdout=subprocess.PIPE)
    said = b""
    while said.count(b" ") < acknowledged:
        said += os.read(child.stdout.fileno(), 2**16)
    child.kill()
    said += child.stdout.read()
    child.wait()
    child.stdout.close()
    last = said.count(b" ") - 1
    run = nb.get_run("killed")
    values = list(run.metric("loss").values)
    assert values == [step * 0.5 for step in range(len(values))]
    assert last < len(values) <= last + 2
    assert (run.status, run.cause) == ("abandoned", "process_gone")


FORKS = """
import os, warnings
warnings.simplefilter("ignore")
from nbmlops.tracking import session
run = session.start("forked")
for step in range(300):
    session.log(before=step)
session.drain()
child = os.fork()
name = "child" if child == 0 else "parent"
for step in range(300):
    session.log({name: step})
if child == 0:
    session.drain()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
session.finish(run)
"""


def test_a_fork_in_the_middle_of_a_run_loses_and_doubles_nothing(project):
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=120)
    run = nb.get_run("forked")
    for name in ("before", "child", "parent"):
        assert list(run.metric(name).values) == list(range(300))
    assert run.status == "finished"
    assert len(nb.runs(limit=None)) == 1


def test_a_clock_set_back_changes_neither_order_nor_status(project, monkeypatch):
    first = session.start("clock")
    for step in range(5):
        session.log(loss=step)
    session.store().sync()
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - 86_400 * 10**9)
    for step in range(5, 10):
        session.log(loss=step)
    session.finish(first)
    with session.run("clock") as second:
        session.log(loss=10.0)
    run = nb.get_run(first.run_id)
    assert list(run.metric("loss").values) == list(range(10))
    assert run.metrics["loss"] == 9
    assert run.duration_s >= 0
    assert [nb.get_run(r.run_id).status for r in (first, second)] == ["finished"] * 2
    assert nb.runs("loss >= 9", limit=None, sort="loss")["run_id"].tolist() == [first.run_id, second.run_id]
    with session.store().atomic() as change:
        assert change.event("advice", "late", {}, ("me", "os")) == 1
    monkeypatch.undo()


@pytest.mark.postgres
def test_a_database_server_killed_while_a_run_is_open_takes_nothing_with_it(project, monkeypatch):
    """Killed with all its processes, while it syncs to disk as it should; the cell goes on, and everything arrives."""
    psutil = pytest.importorskip("psutil")
    if os.environ.get("NBMLOPS_STORE") is None:
        pytest.skip("for a server")
    with servers.run_postgres(None, {}) as server:
        server.execute("CREATE DATABASE killed")
        monkeypatch.setenv("NBMLOPS_STORE", server.url("killed"))
        session.reset()
        run = session.start("killed")
        log(0, 500)
        session.store().sync()
        govern("one")
        log(500, 1000)
        server.process.send_signal(signal.SIGSTOP)  # so that it starts nothing new
        every = [*psutil.Process(server.process.pid).children(recursive=True), psutil.Process(server.process.pid)]
        for process in every:
            process.kill()
        psutil.wait_procs(every[:-1], 30)
        server.process.wait(30)
        log(1000, 1500)
        for refused in (session.store().sync, lambda: govern("two")):
            with pytest.raises(Unavailable):
                refused()
        session.finish(run)
        binaries = servers._readable(servers.postgres_versions()[server.version], server.folder)
        process, port = servers._start(binaries, server.folder, servers.SETTINGS)
        try:
            monkeypatch.setenv("NBMLOPS_STORE", f"postgresql+psycopg://postgres@127.0.0.1:{port}/killed")
            session.reset()
            assert list(nb.get_run("killed").metric("loss").values) == list(range(1500))
            govern("two")
            with session.store().reading() as connection:
                assert events.verify(connection) is None
                assert [e["subject"] for e in events.listed(connection)] == ["one", "two"]
        finally:
            session.store().engine.dispose()
            process.send_signal(signal.SIGINT)
            process.wait(30)


def log(begin, end):
    for step in range(begin, end):
        session.log(loss=step)


def govern(subject):
    with session.store().atomic() as change:
        change.event("advice", subject, {}, ("me", "os"))
