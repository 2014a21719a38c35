"""The writer pushes what was appended, waits when it cannot, and never is in the way."""

import shutil
import subprocess
import sys
import threading
import warnings

import pytest

from nbmlops.config import Project, find_project
from nbmlops.errors import Unavailable
from nbmlops.store import writer
from nbmlops.store.journal import Journal, waiting_folder


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Database:
    """Takes a sync, or fails it."""

    def __init__(self):
        self.rounds, self.away = 0, False
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, project):
        self.rounds += 1
        self.entered.set()
        assert self.go_on.wait(20)
        if self.away:
            raise OSError("the database is away")
        return 1


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def project_(tmp_path):
    return Project(tmp_path, "")


@pytest.fixture
def stepped(project_, database, clock, monkeypatch):
    """Make a writer without its thread: the test takes each step at a time it sets."""
    monkeypatch.setattr(writer.Writer, "_launch", lambda self: None)
    return lambda **more: writer.Writer(project_, sync=database, clock=clock, **{"soon_s": 0.0, **more})


@pytest.fixture
def threaded(project_, database):
    made = []

    def make(**more):
        made.append(writer.Writer(project_, sync=database, **{"soon_s": 0.0, **more}))
        return made[-1]

    yield make
    database.go_on.set()
    for one in made:
        one.stop()


def test_the_first_event_waits_for_others(stepped, database, clock):
    pushing = stepped()
    assert pushing.step() is None
    pushing.wake()
    assert pushing.step() == 1.0
    clock.now += 0.6
    pushing.wake()
    assert pushing.step() == pytest.approx(0.4)
    assert database.rounds == 0
    clock.now += 0.4
    assert pushing.step() is None
    assert database.rounds == 1


def test_the_end_of_a_run_is_pushed_at_once(stepped, database):
    pushing = stepped()
    pushing.wake()
    pushing.wake(soon=True)
    pushing.step()
    assert database.rounds == 1


def test_many_short_runs_share_their_rounds(stepped, database, clock):
    pushing = stepped()
    for _ in range(10):
        pushing.wake(soon=True)
        pushing.step()
        clock.now += 0.02
    assert database.rounds == 1
    clock.now += 0.2
    pushing.step()
    assert database.rounds == 2


def test_what_is_appended_during_a_round_is_pushed_in_the_next(stepped, database, clock):
    pushing = stepped()
    pushing.wake(soon=True)
    pushing._sync = lambda project: pushing.wake()
    assert pushing.step() == pytest.approx(1.0)
    pushing._sync = database
    clock.now += 1
    assert pushing.step() is None
    assert database.rounds == 1


def test_a_database_that_is_away_is_one_warning_and_is_tried_again_later_and_later(stepped, database, clock):
    pushing = stepped()
    database.away = True
    pushing.wake(soon=True)
    waits = []
    with pytest.warns(RuntimeWarning, match=r"the database is away.*journal") as told:
        for _ in range(8):
            waits.append(round(pushing.step(), 6))
            clock.now += waits[-1]
            pushing.wake(soon=True)  # runs end meanwhile, and change nothing
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(told) == 1
    database.away = False
    assert pushing.step() is None
    assert database.rounds == 9
    pushing.wake()
    assert pushing.step() == 1.0


def test_the_warning_gives_the_whole_reason_and_where_the_journal_is(project):
    reason = f"The store {'x' * 300} can be read, not written."
    home = find_project()
    other = Journal(waiting_folder(home.home / "journal"))
    other.append({"t": "tag", "run_id": "r", "name": "a", "value": "b"})
    said = writer._waiting(home, Unavailable(reason, "Make its folder writable."))
    other.close()
    shutil.rmtree(other.home.parent)
    assert f"({reason[:-1]}); it waits in {other.home} and" in said


def test_chores_are_done_while_runs_are_open_and_ended_after(stepped, database, clock):
    done, open_runs = [], ["a run"]
    chore = writer.Chore(20, lambda: done.append(clock.now), lambda: done.append("end"))
    pushing = stepped(chores=[chore], busy=lambda: bool(open_runs))
    pushing.wake()
    assert pushing.step() == 1.0
    for _ in range(5):
        clock.now += 10
        pushing.step()
    open_runs.clear()
    assert pushing.step() is None
    pushing.step()
    assert done == [100, 120, 140, "end"]


def test_a_chore_that_fails_is_silent_and_comes_again(stepped, clock):
    calls = []

    def fails():
        calls.append(clock.now)
        raise OSError("away")

    pushing = stepped(chores=[writer.Chore(20, fails)], busy=lambda: True)
    assert pushing.step() == 20
    clock.now += 20
    pushing.step()
    assert calls == [100, 120]


def test_a_thread_pushes_and_a_drain_waits_for_it(threaded, database):
    pushing = threaded(delay_s=0)
    assert pushing.drain(20)
    assert pushing._thread is None
    pushing.wake()
    assert pushing.drain(20)
    assert database.rounds >= 1
    assert pushing._thread.daemon


def test_a_drain_does_not_wait_for_the_delay(threaded, database):
    pushing = threaded(delay_s=1e6, gap_s=1e6)
    for expected in (1, 2):
        pushing.wake()
        assert pushing.drain(20)
        assert database.rounds == expected


def test_a_drain_ends_with_the_first_round_that_fails(threaded, database):
    pushing, database.away = threaded(delay_s=1e6), True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pushing.wake()
        assert not pushing.drain(1e6)
    database.away = False
    assert pushing.drain(20)


def test_a_round_that_asks_to_exit_does_not_end_the_writer(threaded, database):
    pushing, real = threaded(delay_s=0), database

    def leaves(project):
        pushing._sync = real
        raise SystemExit(3)

    pushing._sync = leaves
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pushing.wake()
        pushing.drain(20)
    assert pushing.drain(20)
    assert database.rounds >= 1


def test_a_drain_waits_no_longer_than_it_was_told(threaded, database):
    pushing = threaded(delay_s=0)
    database.go_on.clear()
    pushing.wake()
    assert database.entered.wait(20)
    assert not pushing.drain(0)
    database.go_on.set()
    assert pushing.drain(20)


def test_the_caller_never_waits_for_a_round(threaded, database):
    pushing = threaded(delay_s=0)
    database.go_on.clear()
    pushing.wake()
    assert database.entered.wait(20)
    for _ in range(100):
        pushing.wake()
        pushing.wake(soon=True)
    assert database.rounds == 1


def test_a_stopped_writer_starts_nothing(threaded, database):
    pushing = threaded(delay_s=1e6)
    pushing.wake()
    pushing.stop()
    assert not pushing._thread.is_alive()
    pushing.wake(soon=True)
    assert database.rounds == 0


AT_EXIT = """
import sys, threading, time
from pathlib import Path
from nbmlops.config import Project, find_project
from nbmlops.errors import Unavailable
from nbmlops.store import writer
from nbmlops.store.journal import Journal, waiting_folder
writer.LAST_S = 0.2
def sync(project):
    print("round", flush=True)
    {}
pushing = writer.Writer(Project(Path("."), ""), sync=sync, delay_s={})
pushing.wake()
"""


@pytest.mark.parametrize(
    ("body", "delay_s", "rounds"),
    [
        ("pass", 1e6, 1),
        ("threading.Event().wait()", 1e6, 1),  # for ever: the end of the process does not wait for it
        ("raise SystemExit(3)", 1e6, 1),
        ("raise OSError('away')", 1e6, 1),
    ],
)
def test_the_end_of_a_process_pushes_what_is_unsent_and_never_hangs_or_fails(tmp_path, body, delay_s, rounds):
    code = AT_EXIT.format(body, delay_s)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.count("round") == rounds
    assert "Traceback" not in done.stderr


def test_the_reply_of_a_cell_goes_out_before_its_run_is_pushed(stepped, database, clock):
    pushing = stepped(soon_s=0.1, delay_s=1.0)
    pushing.wake(soon=True)
    assert pushing.step() == pytest.approx(0.1)
    assert database.rounds == 0
    clock.now += 0.1
    pushing.step()
    assert database.rounds == 1
