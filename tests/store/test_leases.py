"""Which runs show, and are written, as abandoned; real processes here, rows with another host's name elsewhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from nbmlops import process
from nbmlops.config import find_project
from nbmlops.store import driver, ingest, leases

NOW = 1_900_000_000.0  # the clock of these tests, far from the machine's


@pytest.fixture
def connection(project):
    with driver.connect(find_project()) as connection:
        yield connection


@pytest.fixture
def add(connection):
    """Add a run: ``add("a", owner, started=-100, renewed=-70)``, in seconds from NOW; return its number."""

    def add(run_id, owner, *, started=-1000, renewed=None, status="running", lease=None):
        event = {"t": "run", "run_id": run_id, "experiment": "x", "status": status, "started_at": iso(NOW + started)}
        lease = lease or f"lease-{run_id}"
        with connection.writing():
            ingest.write(connection, [{**event, "process": owner, "lease": lease}])
        if renewed is not None:
            leases.renew(connection, lease, owner, now=NOW + renewed)
        return connection.scalar("SELECT no FROM runs WHERE run_id = ?", (run_id,))

    return add


@pytest.fixture
def here():
    return process.identity()


@pytest.fixture
def gone():
    """What identified a process of this machine that was killed."""
    return ended(signal.SIGKILL)


@pytest.fixture
def far(here):
    """What identifies a process of another machine."""
    return {**here, "host": "elsewhere", "boot_id": "another"}


def ended(signum):
    code = "import json, sys; from nbmlops import process; print(json.dumps(process.identity()), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        owner = json.loads(child.stdout.readline())
        assert process.alive(owner)
        child.send_signal(signum)
    assert child.returncode == -signum
    return owner


def iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def row(connection, run_id):
    query = "SELECT status, cause, ended_at, duration_s FROM runs WHERE run_id = ?"
    return tuple(connection.execute(query, (run_id,)).fetchone())


def update(connection, run_id, **values):
    with connection.writing():
        ingest.write(connection, [{"t": "update", "run_id": run_id, **values}])


def stale(connection):
    return {no for (no,) in connection.execute("SELECT run FROM stale").fetchall()}


def test_a_killed_process_of_this_machine_is_gone_at_once(connection, add, gone):
    no = add("a", gone, renewed=-1)
    assert leases.abandoned(connection, now=NOW) == {no: "process_gone"}


def test_a_living_process_of_this_machine_has_its_runs_however_old_its_lease(connection, add, here):
    add("silent", here, renewed=-9000)
    add("never renewed", here)
    add("from the future", here, renewed=9000)
    assert leases.abandoned(connection, now=NOW) == {}


def test_a_number_given_to_another_process_proves_the_first_one_gone(connection, add, here):
    no = add("a", {**here, "started": "1"})
    assert leases.abandoned(connection, now=NOW) == {no: "process_gone"}


def test_elsewhere_the_lease_decides(connection, add, far):
    add("renewed", far, renewed=-59)
    lapsed = add("lapsed", far, renewed=-61)
    assert leases.abandoned(connection, now=NOW) == {lapsed: "lease_lapsed"}


def test_elsewhere_a_run_without_a_lease_counts_from_its_start(connection, add, far):
    add("new", far, started=-59)
    old = add("old", far, started=-61)
    assert leases.abandoned(connection, now=NOW) == {old: "lease_lapsed"}


def test_a_run_of_nobody_counts_from_its_start(connection, add):
    old = add("old", None, started=-61)
    add("new", None, started=-1)
    assert leases.abandoned(connection, now=NOW) == {old: "lease_lapsed"}


def test_a_container_with_its_own_numbers_is_another_place(connection, add, gone):
    add("a", {**gone, "namespace": "pid:[1]"}, renewed=-1)
    assert leases.abandoned(connection, now=NOW) == {}


def test_another_boot_of_this_host_is_a_proof_once_it_is_silent(connection, add, here):
    """Two machines may have one name: the one that renews lives."""
    add("twin", {**here, "boot_id": "another"}, renewed=-1)
    before = add("before", {**here, "boot_id": "another"}, renewed=-61)
    assert leases.abandoned(connection, now=NOW) == {before: "process_gone"}


def test_a_lease_from_before_the_clock_was_set_back_lives_when_it_is_renewed(connection, add, far):
    no = add("a", far, renewed=3600)
    assert leases.abandoned(connection, now=NOW) == {no: "lease_lapsed"}
    leases.renew(connection, "lease-a", far, now=NOW - 5)
    assert leases.abandoned(connection, now=NOW) == {}
    assert leases.abandoned(connection, now=NOW + 56) == {no: "lease_lapsed"}


def test_clocks_that_differ_a_little_do_no_harm(connection, add, far):
    add("a", far, renewed=30)
    assert leases.abandoned(connection, now=NOW) == {}


def test_runs_that_ended_are_not_asked_about(connection, add, gone, far):
    for status in ("finished", "failed", "interrupted", "abandoned"):
        add(status, gone, status=status)
    assert leases.abandoned(connection, now=NOW) == {}
    assert leases.seal(connection, now=NOW) == 0
    assert row(connection, "failed")[0] == "failed"


def test_the_databases_own_clock_is_asked_when_none_is_given(connection, add, far):
    leases.renew(connection, "lease-a", far)
    add("a", far)
    assert abs(connection.scalar("SELECT renewed_at FROM leases") - time.time()) < 60
    assert leases.abandoned(connection) == {}


def test_only_what_is_proven_is_sealed(connection, add, gone, far):
    number = add("gone", gone, started=-100, renewed=-40)
    add("far", far, renewed=-9000)
    connection.execute("DELETE FROM stale")
    assert leases.seal(connection, now=NOW) == 1
    assert row(connection, "gone") == ("abandoned", "process_gone", iso(NOW - 40), 60.0)
    assert row(connection, "far") == ("running", None, None, None)
    assert stale(connection) == {number}
    assert leases.seal(connection, now=NOW) == 0


def test_nothing_to_seal_asks_for_no_write_lock(connection, add, here, far):
    add("here", here)
    add("far", far, renewed=-9000)
    with driver.connect(find_project()) as other, other.writing():
        assert leases.seal(connection, now=NOW) == 0


def test_an_end_that_arrives_while_it_is_sealed_wins(connection, add, gone, monkeypatch):
    """Another process reads the journal of the dead one at this moment."""
    add("a", gone)
    waits, write = threading.Event(), connection.writing

    def writing():
        waits.set()
        return write()

    with driver.connect(find_project()) as other, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(connection, "writing", writing)
        with other.writing():
            sealed = pool.submit(leases.seal, connection, now=NOW)
            assert waits.wait(30)
            ingest.write(other, [{"t": "update", "run_id": "a", "status": "finished", "cause": None}])
        assert sealed.result(30) == 0
        assert row(other, "a")[0] == "finished"


def test_many_that_seal_at_once_write_each_run_once(connection, add, gone):
    for i in range(40):
        add(f"r{i}", gone)

    def seal(_):
        with driver.connect(find_project()) as own:
            return leases.seal(own, now=NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(seal, range(8))) == 40
    assert connection.scalar("SELECT count(*) FROM runs WHERE status = 'abandoned'") == 40


def test_a_sealed_run_ended_when_it_was_last_heard_of(connection, add, gone):
    add("metric", gone, started=-100, renewed=-90)
    add("result", gone, started=-100)
    add("nothing", gone, started=-100)
    metric = {"t": "metric", "name": "loss", "value": 1.0, "step": None, "context": {}}
    result = {"t": "result", "result_id": "r", "kind": "check", "subject": "s", "data": {}}
    with connection.writing():
        ingest.write(connection, [{**metric, "run_id": "metric", "at": NOW - at} for at in (30, 20)])
        ingest.write(connection, [{**result, "run_id": "result", "at": iso(NOW - 50)}])
    assert leases.seal(connection, now=NOW) == 3
    assert row(connection, "metric")[2:] == (iso(NOW - 20), 80.0)
    assert row(connection, "result")[2:] == (iso(NOW - 50), 50.0)
    assert row(connection, "nothing")[2:] == (iso(NOW - 100), 0.0)


def test_no_run_ends_in_the_future_or_before_it_began(connection, add, gone):
    add("future", gone, started=-10, renewed=5000)
    add("ahead", gone, started=500, renewed=-10)
    leases.seal(connection, now=NOW)
    assert row(connection, "future")[2:] == (iso(NOW), 10.0)
    assert row(connection, "ahead")[2:] == (iso(NOW + 500), 0.0)


def test_more_runs_than_one_statement_holds_are_sealed_at_once(connection, gone):
    runs = [
        {"t": "run", "run_id": f"r{i}", "experiment": "x", "status": "running", "started_at": iso(NOW), "process": gone}
        for i in range(1201)
    ]
    with connection.writing():
        ingest.write(connection, runs)
    assert leases.seal(connection, now=NOW) == 1201
    assert connection.scalar("SELECT count(*) FROM runs WHERE status = 'abandoned'") == 1201


def test_a_lease_goes_with_its_last_run(connection, add, gone, here):
    add("a", gone, renewed=-1)
    add("b", here, renewed=-1)
    leases.seal(connection, now=NOW)
    leases.release(connection, "lease-b")  # still has a run open
    assert [lease for (lease,) in connection.execute("SELECT lease FROM leases").fetchall()] == ["lease-b"]
    update(connection, "b", status="finished")
    leases.release(connection, "lease-b")
    assert connection.scalar("SELECT count(*) FROM leases") == 0


def test_reap_writes_what_only_its_lease_calls_abandoned(connection, add, far, here):
    number = add("far", far, started=-500, renewed=-200)
    add("here", here, renewed=-9000)
    told = leases.reap(find_project(), dry_run=True, now=NOW)
    assert [(r.run_id, r.cause, r.host) for r in told] == [("far", "lease_lapsed", "elsewhere")]
    assert row(connection, "far")[0] == "running"
    connection.execute("DELETE FROM stale")
    assert leases.reap(find_project(), now=NOW) == told
    assert row(connection, "far") == ("abandoned", "lease_lapsed", iso(NOW - 200), 300.0)
    assert row(connection, "here")[0] == "running"
    assert stale(connection) == {number}
    assert leases.reap(find_project(), now=NOW) == []


def test_an_owner_that_comes_back_takes_its_open_runs_back(connection, add, far):
    """A laptop that slept: its runs were reaped meanwhile."""
    number = add("open", far, renewed=-200, lease="one")
    add("other", far, lease="one")
    leases.reap(find_project(), now=NOW)
    connection.execute("DELETE FROM stale")
    leases.renew(connection, "one", far, ["open"], now=NOW + 1)
    assert row(connection, "open") == ("running", None, None, None)
    assert row(connection, "other")[0] == "abandoned"  # not open any more, and its end never came
    assert stale(connection) == {number}
    assert leases.abandoned(connection, now=NOW + 2) == {}


def test_what_the_owner_ended_stays_ended(connection, add, far):
    add("a", far, renewed=-200)
    leases.reap(find_project(), now=NOW)
    update(connection, "a", status="finished", cause=None, error=None, ended_at=iso(NOW + 7), duration_s=7.0)
    assert row(connection, "a") == ("finished", None, iso(NOW + 7), 7.0)
    leases.renew(connection, "lease-a", far, ["a"], now=NOW + 8)
    assert row(connection, "a")[0] == "finished"


def test_a_fork_does_not_take_its_parents_runs_back(connection, add, far):
    add("a", far, renewed=-200)
    leases.reap(find_project(), now=NOW)
    leases.renew(connection, "lease-child", far, ["a"], now=NOW)
    assert row(connection, "a")[0] == "abandoned"
