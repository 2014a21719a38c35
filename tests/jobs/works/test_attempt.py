"""An attempt is carried out once: what it did counts while its token holds, and every way it ends is in the ledger."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import pytest

import nbmlops as nb
from nbmlops.errors import NotFound, Unavailable
from nbmlops.jobs.works import attempt
from nbmlops.jobs.works.attempt import Stale, carry_out
from nbmlops.jobs.works.retry import due_again, reconcile
from nbmlops.records import now
from nbmlops.store import lapses, ledger
from nbmlops.store.ledger import Work
from nbmlops.store.works import later
from nbmlops.tracking import session
from waiting import until

AT = "2026-03-01T01:00:00.000000+00:00"


@pytest.fixture
def write(project):
    """Write a notebook of some cells, the first tagged ``parameters``."""

    def written(*sources, name="job"):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        cells[0].metadata["tags"] = ["parameters"]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), project / f"{name}.ipynb")

    return written


@pytest.fixture
def add(project):
    def added(key="k", notebook="job.ipynb", **more):
        with ledger.changing(session.store()) as change:
            assert ledger.add(change, [{"key": key, "notebook": notebook, **more}]) == [key]

    return added


def claim(key="k", lease_s=60.0, when=None):
    with ledger.changing(session.store()) as change:
        (claimed,) = ledger.claim(change, when or now(), "here", lease_s, key=key)
    return claimed


def held(key="k"):
    return ledger.get(session.store(), key)


def tried(key="k"):
    return [(a.status, a.cause) for a in ledger.attempts_of(session.store(), key)]


def started(claimed, project):
    """Start a process that carries out a claim."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-m", "nbmlops.jobs.works.attempt"], cwd=project, **pipes)
    process.stdin.write(json.dumps(claimed.to_dict()))
    process.stdin.close()
    process.stdin = None
    return process


def test_an_attempt_is_a_run_that_says_what_it_is_an_attempt_of(write, add):
    write("n = 1", "print(n)")
    add(job="J", parameters={"n": 5}, spec={"tags": {"why": "drift"}})
    claimed = claim()
    run = carry_out(claimed)
    assert (run.run_id, run.status, run.experiment, run.params) == (claimed.run_id, "finished", "J", {"n": 5})
    assert {k: run.tags[k] for k in ("key", "attempt", "job", "why")} == {
        "key": "k",
        "attempt": "1",
        "job": "J",
        "why": "drift",
    }
    assert (held().state, held().run_id, tried()) == ("finished", run.run_id, [("finished", None)])
    assert ledger.attempts_of(session.store(), "k")[0].process["pid"] == os.getpid()


def test_the_users_exception_is_not_tried_again_unless_the_policy_says_so(write, add):
    write("n = 1", "raise ValueError('no')")
    add(most=3)
    assert carry_out(claim()).cause == "error"
    assert (held().state, held().reason) == ("failed", "error")
    add("again", most=2, spec={"retry_on": ["error"], "backoff": 0.001})
    first = carry_out(claim("again"))
    assert held("again").state == "due"
    second = carry_out(claim("again", when=held("again").not_before))
    assert (second.previous, second.tags["attempt"]) == (first.run_id, "2")
    assert (held("again").state, tried("again")) == ("failed", [("failed", "error")] * 2)


def test_an_attempt_that_cannot_begin_is_closed_with_the_reason(write, add):
    add(notebook="none.ipynb", most=3)
    with pytest.raises(NotFound, match=r"none\.ipynb"):
        carry_out(claim())
    assert (held().state, tried()) == ("failed", [("failed", "error")])
    assert "No notebook" in held().reason


def test_a_stale_claim_executes_nothing(write, add, project):
    write("open('done', 'w')")
    add(most=2)
    stale = claim(lease_s=1)
    with ledger.changing(session.store()) as change:
        assert [c.token for c in lapses.lapse(change, later(now(), 5))] == [stale.token]
    with pytest.raises(Stale, match="does not count any more: the work is due"):
        carry_out(stale)
    assert not (project / "done").exists()
    assert held().state == "due"


def test_an_attempt_that_loses_its_work_is_stopped_and_does_not_count(write, add, project, monkeypatch):
    monkeypatch.setattr(attempt, "LOOK_S", 0.1)
    write("open('begun', 'w').close()", "import time; time.sleep(60)")
    add(most=2)
    claimed = claim()

    def lapse():
        until((project / "begun").exists)
        with ledger.changing(session.store()) as change:
            lapses.lapse(change, later(now(), 100))
            ledger.claim(change, later(now(), 100), "another")

    thread = threading.Thread(target=lapse)
    thread.start()
    with pytest.warns(RuntimeWarning, match="does not count"):
        run = carry_out(claimed)
    thread.join()
    assert (run.status, run.cause, run.error["name"]) == ("interrupted", "lease_lapsed", "Superseded")
    assert nb.get_run(run.run_id).tags["counted"] == "no"
    assert (held().state, held().attempt) == ("started", 2)
    assert tried() == [("abandoned", "lease_lapsed"), (None, None)]


def test_a_success_that_comes_too_late_does_not_count(write, add, monkeypatch):
    write("n = 1")
    add(most=2)
    claimed, close = claim(), attempt._close

    def late(*args, **more):
        with ledger.changing(session.store()) as change:
            lapses.lapse(change, later(now(), 100), again=lambda work, status, cause: now())
        close(*args, **more)

    monkeypatch.setattr(attempt, "_close", late)
    monkeypatch.setattr(lapses, "run_ending", lambda change, run_id: None)  # its record lies on another machine
    with pytest.warns(RuntimeWarning, match="does not count"):
        run = carry_out(claimed)
    assert (run.status, nb.get_run(run.run_id).tags["counted"]) == ("finished", "no")
    assert (held().state, tried()) == ("due", [("abandoned", "lease_lapsed")])


def test_an_attempt_whose_work_is_cancelled_is_stopped(write, add, project, monkeypatch):
    monkeypatch.setattr(attempt, "LOOK_S", 0.1)
    write("open('begun', 'w').close()", "import time; time.sleep(60)")
    add()
    claimed = claim()

    def cancel():
        until((project / "begun").exists)
        with ledger.changing(session.store()) as change:
            ledger.cancel(change, "k", "ann said so", now())

    thread = threading.Thread(target=cancel)
    thread.start()
    run = carry_out(claimed)
    thread.join()
    assert (run.status, run.cause) == ("interrupted", "cancelled")
    assert (held().state, held().reason) == ("cancelled", "ann said so")


def test_a_lease_is_renewed_while_the_notebook_runs(write, add):
    write("import time; time.sleep(1.5)")
    add()
    claimed = claim(lease_s=0.6)
    before = ledger.attempts_of(session.store(), "k")[0].lease_until
    assert carry_out(claimed).status == "finished"
    assert ledger.attempts_of(session.store(), "k")[0].lease_until > later(before, 1)
    assert held().state == "finished"


def test_killed_with_its_process_it_is_tried_again_by_another_and_succeeds_once(write, add, project):
    write("import os, time", "if not os.path.exists('begun'):\n    open('begun', 'w').close()\n    time.sleep(60)")
    add(most=2, spec={"backoff": 0.001})
    process = started(claim(), project)
    until((project / "begun").exists, process=process)
    process.kill()
    process.communicate()
    assert [c.attempt for c in reconcile(session.store(), now())] == [1]  # without waiting for the lease
    assert tried() == [("abandoned", "process_gone")]
    again = started(claim(when=held().not_before), project)
    said, _ = again.communicate()
    assert (again.returncode, json.loads(said)["status"]) == (0, "finished")
    assert (held().state, tried()) == ("finished", [("abandoned", "process_gone"), ("finished", None)])
    statuses = nb.runs("tags.key == 'k'")["status"]
    assert sorted(statuses) == ["abandoned", "finished"]


def test_preempted_it_is_due_again_and_that_was_no_try(write, add, project):
    write("open('begun', 'w').close()", "import time; time.sleep(60)")
    add()
    process = started(claim(), project)
    until((project / "begun").exists, process=process)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    out, err = process.communicate()
    assert (process.returncode, json.loads(out)["cause"]) == (8, "preempted"), err
    assert time.monotonic() - began < 5
    assert (held().state, held().most, tried()) == ("due", 2, [("interrupted", "preempted")])


def test_told_to_end_before_its_kernel_starts_it_is_due_again(write, add, project):
    write("n = 1")
    add()
    process = started(claim(), project)
    until(lambda: ledger.attempts_of(session.store(), "k")[0].process, process=process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 8
    assert (held().state, tried()) == ("due", [("interrupted", "preempted")])


@pytest.mark.slow
@pytest.mark.parametrize(("source", "code"), [("1 / 0", 1), ("import os; os._exit(3)", 6)])
def test_the_process_of_an_attempt_ends_with_the_code_of_nbmlops_run(write, add, project, source, code):
    write("n = 1", source)
    add()
    process = started(claim(), project)
    out, err = process.communicate()
    assert process.returncode == code, err
    assert json.loads(out)["key"] == "k"


def test_the_process_of_a_stale_attempt_says_so(write, add, project):
    write("n = 1")
    add()
    claimed = claim(lease_s=1)
    with ledger.changing(session.store()) as change:
        lapses.lapse(change, later(now(), 5))
    process = started(claimed, project)
    _, err = process.communicate()
    assert process.returncode == 2
    assert "Stale: Attempt 1 of k does not count any more: the work is failed." in err


def test_a_store_that_is_away_at_the_end_is_waited_for(write, add, monkeypatch):
    write("n = 1")
    add()
    claimed, close, left = claim(), ledger.close, [2]

    def away(*args, **more):
        if left[0]:
            left[0] -= 1
            raise Unavailable("The store does not answer.")
        return close(*args, **more)

    monkeypatch.setattr(ledger, "close", away)
    assert carry_out(claimed).status == "finished"
    assert (held().state, left) == ("finished", [0])


def test_a_fault_of_the_store_that_hides_how_a_run_ended_makes_no_second_success(write, add, monkeypatch):
    write("n = 1")
    add(most=3)
    claimed = claim()
    execute = attempt._executed

    def hidden(*args, **shown):
        execute(*args, **shown)
        raise Unavailable("The store does not answer.")

    monkeypatch.setattr(attempt, "_executed", hidden)
    with pytest.raises(Unavailable):
        carry_out(claimed)
    assert (held().state, tried()) == ("finished", [("finished", None)])


def test_what_follows_a_run_is_done_once_also_when_nobody_was_left_to_say_that_it_finished(write, add, monkeypatch):
    import types

    done = []
    stand_in = types.SimpleNamespace(follow=lambda work, run: done.append((work.key, run.status)))
    monkeypatch.setitem(sys.modules, "nbmlops.jobs.schedule.afterwards", stand_in)
    monkeypatch.setattr("nbmlops.jobs.schedule.afterwards", stand_in, raising=False)
    write("n = 1")
    add(spec={"then": ["gate"]})
    carry_out(claim())
    assert done == [("k", "finished")]
    add("lost", spec={"then": ["gate"]})
    claimed = claim("lost", lease_s=1)
    opened = session.start("job", kind="notebook", run_id=claimed.run_id)
    session.finish(opened, "finished", None)
    reconcile(session.store(), later(now(), 5))
    assert (done, held("lost").state) == ([("k", "finished"), ("lost", "finished")], "finished")


def test_what_follows_and_fails_makes_no_second_run_and_no_success(write, add, monkeypatch):
    def fault(work, run):
        raise OSError("no room for the report")

    monkeypatch.setattr(attempt, "follow", fault)
    write("n = 1")
    add(most=3, spec={"then": ["report"]})
    with pytest.raises(OSError, match="no room"):
        carry_out(claim())
    assert (held().state, held().reason) == ("failed", "OSError: no room for the report")


@pytest.mark.parametrize(
    ("cause", "again"),
    [
        ("kernel_died(SIGKILL)", True),
        ("timed_out", True),
        ("lease_lapsed", True),
        ("process_gone", True),
        ("storage", True),
        ("preempted", True),
        ("out_of_memory", False),
        ("error", False),
        ("cancelled", False),
    ],
)
def test_which_causes_are_tried_again(cause, again):
    work = Work("k", "a.ipynb", attempt=1, most=2)
    assert (due_again(work, "failed", cause, AT) is not None) == again


def test_tries_come_later_and_later_up_to_an_hour_and_end():
    waits = [due_again(Work("k", "a", attempt=n, most=20), "failed", "timed_out", AT) for n in range(1, 21)]
    assert waits[-1] is None
    found = [w for w in waits if w]
    assert found == [due_again(Work("k", "a", attempt=n, most=20), "failed", "timed_out", AT) for n in range(1, 20)]
    for n, when in enumerate(found):
        longest = min(30 * 2**n, 3600)
        assert later(AT, longest / 2) <= when <= later(AT, longest)
    assert due_again(Work("other", "a", attempt=1, most=2), "failed", "timed_out", AT) != found[0]
    listed = Work("k", "a", attempt=1, most=2, spec={"retry_on": ["out_of_memory"]})
    assert due_again(listed, "failed", "out_of_memory", AT)
    assert due_again(listed, "failed", "timed_out", AT) is None


def test_on_postgresql_it_is_the_same_and_a_renewal_waits_for_no_change(write, add, project, postgres, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    write("import time; time.sleep(1)")
    add(most=2)
    claimed = claim(lease_s=0.6)
    with session.store().atomic(), ledger.changing(session.store(), wait_s=1, alone=False) as change:
        assert ledger.renew(change, claimed, now())
    run = carry_out(claimed)
    assert (run.status, held().state, tried()) == ("finished", "finished", [("finished", None)])
    session.store().close()
