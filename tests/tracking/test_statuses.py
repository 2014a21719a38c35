"""How a run ends: finished, failed, interrupted or abandoned; with real signals and real processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import signal
import subprocess
import sys

import pytest

import nbmlops as nb
from nbmlops.config import find_project
from nbmlops.store import driver
from nbmlops.tracking import opened, session
from nbmlops.tracking.statuses import Preempted, ending

WAITS = """
import os, signal, sys
import nbmlops as nb
from nbmlops.tracking import session
{before}
with nb.run("script"):
    nb.log(loss=1)
    print(session.drain(), flush=True)
    signal.pause()
"""
ENDINGS = [
    (KeyboardInterrupt(), "interrupted", "cancelled"),
    (asyncio.CancelledError(), "interrupted", "cancelled"),
    (concurrent.futures.CancelledError(), "interrupted", "cancelled"),
    (Preempted(), "interrupted", "preempted"),
    (SystemExit(), "finished", None),
    (SystemExit(0), "finished", None),
    (SystemExit(1), "failed", "error"),
    (SystemExit("no data"), "failed", "error"),
    (SystemExit(130), "interrupted", "cancelled"),
    (SystemExit(143), "interrupted", "preempted"),
    (MemoryError(), "failed", "out_of_memory"),
    (ZeroDivisionError(), "failed", "error"),
]


def shown(ref):
    """Return status and cause of a run, where it and the list agree."""
    run = nb.get_run(ref)
    listed = nb.runs(children=True).set_index("run_id").loc[run.run_id]
    assert listed.status == run.status
    return run.status, run.cause


def stored(run_id):
    with driver.connect(find_project()) as connection:
        return connection.execute("SELECT status, cause FROM runs WHERE run_id = ?", (run_id,)).fetchone()


def _listen():
    """Let a script hear an interrupt, also where the tests run in the background of a shell, which ignores them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def stopped(signum, before=""):
    """Run a script that waits inside a run, send it a signal, and return its exit code."""
    command = [sys.executable, "-c", WAITS.format(before=before)]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, preexec_fn=_listen, **quiet) as script:
        try:
            assert script.stdout.readline() == "True\n"
            assert shown("script") == ("running", None)
            script.send_signal(signum)
            return script.wait(60)
        finally:
            script.kill()


@pytest.mark.parametrize(("error", "status", "cause"), ENDINGS, ids=lambda v: repr(v))
def test_what_was_raised_decides(project, error, status, cause):
    with pytest.raises(type(error)), nb.run("block"):
        raise error
    assert shown("block") == (status, cause)
    assert (nb.get_run("block").error is None) == (status == "finished")


def test_nothing_raised_is_finished():
    assert ending(None) == ("finished", None)


def test_a_tracked_function_that_is_interrupted_is_not_failed(project):
    @nb.track("function")
    def stop(error):
        raise error

    for error, status, cause in ENDINGS:
        with pytest.raises(type(error)):
            stop(error)
        assert shown("function") == (status, cause)


def test_a_generator_that_nobody_finishes_is_interrupted(project):
    def batches():
        with nb.run("generator"):
            yield 1

    generator = batches()
    next(generator)
    generator.close()
    assert shown("generator") == ("interrupted", "cancelled")


def test_a_cancelled_task_is_interrupted(project):
    async def work(started):
        with nb.run("task"):
            started.set()
            await asyncio.Event().wait()

    async def main():
        started = asyncio.Event()
        task = asyncio.create_task(work(started))
        await started.wait()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert shown("task") == ("interrupted", "cancelled")


def test_a_tracked_generator_is_open_until_it_ends(project):
    @nb.track("generator")
    def batches(size):
        yield size
        nb.log(loss=0.5)
        yield size + 1

    generator = batches(3)
    assert next(generator) == 3
    assert shown("generator") == ("running", None)
    assert list(generator) == [4]
    assert shown("generator") == ("finished", None)
    assert nb.get_run("generator").metrics == {"loss": 0.5}


def test_a_tracked_coroutine_is_open_until_it_ends(project):
    @nb.track("coroutine")
    async def work(size):
        await asyncio.sleep(0)
        assert shown("coroutine") == ("running", None)
        nb.log(size=size)
        return size

    assert asyncio.run(work(3)) == 3
    assert shown("coroutine") == ("finished", None)
    assert nb.get_run("coroutine").metrics == {"size": 3.0}


def test_control_c_in_a_script_is_interrupted(project):
    assert stopped(signal.SIGINT) == -signal.SIGINT
    assert shown("script") == ("interrupted", "cancelled")


def test_a_script_that_answers_sigterm_is_interrupted(project):
    before = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))"
    assert stopped(signal.SIGTERM, before) == 143
    assert shown("script") == ("interrupted", "preempted")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_a_signal_ends_leaves_an_abandoned_run(project, signum):
    """SIGTERM is the user's: tracking adds no handler, so the process ends as it would without us."""
    assert stopped(signum) == -signum
    assert shown("script") == ("abandoned", "process_gone")
    run = nb.get_run("script")
    assert tuple(stored(run.run_id)) == ("abandoned", "process_gone")
    assert run.ended_at >= run.started_at
    assert run.duration_s >= 0


def test_a_script_that_leaves_early_is_finished(project):
    code = "import sys, nbmlops as nb\nwith nb.run('early'):\n    nb.log(loss=1)\n    sys.exit()"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert shown("early") == ("finished", None)


def test_a_process_that_ends_without_cleaning_up_leaves_an_abandoned_run(project):
    code = "import os, nbmlops as nb\nwith nb.run('gone'):\n    nb.log(loss=1)\n    os._exit(0)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert shown("gone") == ("abandoned", "process_gone")
    assert nb.get_run("gone").metrics == {"loss": 1.0}


def test_a_run_written_off_while_its_process_lives_is_taken_back(project):
    """The lid was closed, and somebody reaped: the next renewal of the lease mends it."""
    renewal = opened._chores()[0]
    with nb.run("open") as run:
        assert nb.get_run("open").status == "running"
        with driver.connect(find_project()) as connection:
            connection.execute("UPDATE runs SET status = 'abandoned', cause = 'lease_lapsed', ended_at = started_at")
        assert shown("open") == ("abandoned", "lease_lapsed")
        renewal.do()
        assert shown("open") == ("running", None)
        assert stored(run.run_id)[0] == "running"
        assert nb.get_run("open").ended_at is None
    assert shown("open") == ("finished", None)


def test_an_end_that_comes_after_it_was_written_off_stands(project):
    with nb.run("late"):
        assert nb.get_run("late").status == "running"
        with driver.connect(find_project()) as connection:
            connection.execute("UPDATE runs SET status = 'abandoned', cause = 'lease_lapsed', ended_at = started_at")
    assert shown("late") == ("finished", None)
    assert nb.get_run("late").duration_s > 0


def test_an_open_run_of_this_process_is_running(project):
    with nb.run("open"):
        assert shown("open") == ("running", None)
    assert shown("open") == ("finished", None)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_leaves_its_parents_run_open(project):
    with nb.run("parent") as parent:
        child = os.fork()
        if child == 0:
            try:
                with nb.run("child"):
                    nb.log(loss=1)
                with ParentsBlock(parent):
                    raise SystemExit(3)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert shown("child") == ("finished", None)
        assert shown("parent") == ("running", None)
        with driver.connect(find_project()) as connection:
            found = connection.execute("SELECT experiment, lease, process FROM runs").fetchall()
        leases = {name: (lease, json.loads(process)["pid"]) for name, lease, process in found}
        assert leases["parent"][0] != leases["child"][0]
        assert [leases[name][1] for name in ("parent", "child")] == [os.getpid(), child]
    assert shown("parent") == ("finished", None)


class ParentsBlock:
    """What the parent's ``with`` does in a child that leaves it."""

    def __init__(self, opened):
        self.opened = opened

    def __enter__(self):
        return self.opened

    def __exit__(self, kind, error, trace):
        session.finish(self.opened, *ending(error))


@pytest.mark.parametrize(("error", "status", "cause"), [e for e in ENDINGS if type(e[0]) is not Preempted])
def test_a_tracked_cell_ends_like_a_block(shell, error, status, cause):
    shell.user_ns["error"] = error
    shell.run_cell("%%track cell\nraise error")
    assert shown("cell") == (status, cause)
    assert (nb.get_run("cell").error is None) == (status == "finished")
