"""What identifies a process, and whether it still lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from nbmlops import process

SAYS = "import json; from nbmlops import process; print(json.dumps(process.identity()), flush=True); input()"


@pytest.fixture
def here():
    return process.identity()


@pytest.fixture
def child():
    """Start a process; return it and what identifies it."""
    with subprocess.Popen([sys.executable, "-c", SAYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield child, json.loads(child.stdout.readline())
        child.kill()


@pytest.fixture(params=["linux", "elsewhere"])
def system(request, monkeypatch):
    """Ask once as on Linux, once as on every other system."""
    if request.param == "linux" and sys.platform != "linux":
        pytest.skip("no /proc here")
    if request.param == "elsewhere":
        monkeypatch.setattr(process, "_started_linux", process._started_elsewhere)
        for cached in (process._identity, process._place):
            cached.cache_clear()
    yield
    for cached in (process._identity, process._place):
        cached.cache_clear()


def test_this_process_lives(system):
    assert process.alive(process.identity())


def test_a_process_lives_until_it_ends(system, child):
    running, owner = child
    owner["started"] = process._started(owner["pid"])
    assert process.alive(owner)
    running.kill()
    running.wait()
    assert process.alive(owner) is False


def test_a_number_given_to_another_process_is_another_process(system):
    assert process.alive({**process.identity(), "started": "1"}) is False


@pytest.mark.skipif(
    not hasattr(os, "waitid"), reason="this system cannot look at a child without taking note of its end"
)
def test_a_process_that_only_waits_for_its_parent_to_take_note_is_gone(system, child):
    running, owner = child
    running.stdin.close()
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
    assert process.alive(owner) is False


def test_a_process_of_another_user_lives(here, monkeypatch):
    def refuse(pid, signum):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert process.alive(here)


def test_a_start_that_cannot_be_told_leaves_the_number(here):
    assert process.alive({**here, "started": ""})


@pytest.mark.parametrize("name", ["host", "boot_id", "namespace"])
def test_another_place_cannot_be_asked(here, name):
    assert process.alive({**here, name: "another"}) is None


def test_a_record_of_an_older_version_has_no_namespace(here):
    del here["namespace"]
    assert process.alive(here)


@pytest.mark.parametrize("pid", [None, "x", "1", 2**80, -1, 0, 1.5])
def test_a_record_that_makes_no_sense_is_not_known(here, pid):
    assert process.alive({**here, "pid": pid}) is None


@pytest.mark.parametrize("owner", [None, {}, {"pid": 1}])
def test_nobody_is_not_known(owner):
    assert process.alive(owner) is None
    assert process.earlier_boot(owner) is False


def test_an_earlier_boot_is_one_of_this_host(here):
    assert process.earlier_boot({**here, "boot_id": "another"})
    assert not process.earlier_boot(here)
    assert not process.earlier_boot({**here, "boot_id": ""})
    assert not process.earlier_boot({**here, "host": "elsewhere", "boot_id": "another"})


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_somebody_else(here):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(process.identity()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = json.loads(os.read(reader, 4000))
    os.close(reader)
    os.close(writer)
    assert (said["pid"], said["host"]) == (child, here["host"])


def test_what_is_returned_may_be_changed(here):
    here["pid"] = 0
    assert process.identity()["pid"] == os.getpid()
