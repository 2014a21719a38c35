"""What a process writes of its runs: how much it keeps in memory, what a fork does, and how it reaches the database."""

import json
import math
import os
import subprocess
import sys
import threading
import tracemalloc
import warnings

import numpy as np
import pytest

import nbmlops as nb
from nbmlops.errors import Invalid
from nbmlops.store import driver, journal
from nbmlops.tracking import fold, opened, session, system

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def background(project, monkeypatch):
    """Turn on the writer's thread, as it is outside tests."""
    monkeypatch.setattr(opened, "background", True)


def written(project):
    return [event for path in journal.journals(project / ".nbmlops" / "journal") for _, event in journal.read(path)]


def metrics(project):
    return [event for event in written(project) if event["t"] == "metric"]


def test_a_point_is_written_as_plain_json(project):
    with nb.run("x") as run:
        nb.log(loss=0.3, step=1)
        nb.log({'odd "name"': np.float32(0.5)}, step=np.int64(2), context={"split": "tést", "fold": 3})
    first, second = metrics(project)
    assert first.items() >= {"run_id": run.run_id, "name": "loss", "value": 0.3, "step": 1}.items()
    assert "context" not in first  # most points have none: the record is shorter
    assert (second["name"], second["value"], second["step"]) == ('odd "name"', 0.5, 2)
    assert second["context"] == {"split": "tést", "fold": 3}
    assert abs(first["at"] - second["at"]) < 60


@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (1e400, "Infinity")]
)
def test_what_is_not_finite_is_written_as_text(project, value, text):
    with nb.run("x") as run:
        nb.log(loss=value)
    (event,) = metrics(project)
    assert event["value"] == text
    (kept,) = session.as_run(run)["metrics"]
    assert kept["value"] == value or math.isnan(value)


@pytest.mark.parametrize("value", [5e-324, 1.7976931348623157e308, -0.0, 0.1 + 0.2, 2**53 + 1, True])
def test_a_number_is_read_back_as_it_was_logged(project, value):
    with nb.run("x"):
        nb.log(v=value)
    (event,) = metrics(project)
    assert (float(event["value"]), math.copysign(1, event["value"])) == (float(value), math.copysign(1, value))


@pytest.mark.parametrize("step", [2**63, -(2**63), 1.5, "1", math.nan])
def test_a_step_is_a_whole_number_of_64_bits(project, step):
    with nb.run("x"), pytest.raises(Invalid, match="step"):
        nb.log(loss=1, step=step)


def test_the_run_has_one_entry_a_series_with_its_newest_point(project):
    with nb.run("x") as run:
        for i in range(5):
            nb.log(loss=i, step=i)
            nb.log({"loss": -i}, step=i, context={"split": "test", "fold": "1"})
            nb.log({"loss": -i}, step=i, context={"fold": "1", "split": "test"})
    plain, test = session.as_run(run)["metrics"]
    assert plain.items() >= {"name": "loss", "context": {}, "value": 4.0, "step": 4, "count": 5}.items()
    assert test.items() >= {"context": {"split": "test", "fold": "1"}, "value": -4.0, "count": 10}.items()
    assert plain["at"].endswith("+00:00")


def test_contexts_that_python_calls_equal_are_two_series(project):
    with nb.run("x") as run:
        for value in (1, True, "1", 1.0):
            nb.log(loss=1, context={"fold": value})
    assert [json.dumps(m["context"]["fold"]) for m in session.as_run(run)["metrics"]] == ["1", "true", '"1"', "1.0"]


def test_a_long_series_takes_little_memory_and_what_is_kept_spans_it(project):
    with nb.run("long") as run:
        nb.log(loss=0.0, step=0)
        tracemalloc.start()
        for i in range(1, 30_000):
            nb.log(loss=float(i), step=i)
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert used < 500_000
    points = run.fold.points("loss", None)
    least, largest = ([place for _, place in ends] for ends in zip(*points.kept, strict=True))
    assert 256 <= len(least) < 512
    assert set(np.diff(least)) == set(np.diff(largest)) == {points.stride}
    assert (least[0], points.count, points.newest[1]) == (0, 30_000, 29_999)
    assert 29_999 - largest[-1] <= points.stride


@pytest.mark.parametrize("at", [0, 1, 511, 512, 54_321, 99_998, 99_999])
def test_the_curve_of_a_long_series_keeps_a_single_spike(project, at):
    points = fold.Points("", "loss", {}, "{}")
    for i in range(100_000):
        points.add({at: 1000.0, (at + 50_000) % 100_000: -7.0}.get(i, 1.0), i, 0.0)
    curve = points.to_dict()["curve"]
    assert (min(curve), max(curve)) == (-7.0, 1000.0)
    assert len(curve) <= 101
    assert curve[-1] == points.newest[0]
    assert (curve.index(1000.0) < curve.index(-7.0)) == (at < 50_000)


@pytest.mark.parametrize("count", [2, 49, 50, 51, 101, 511, 512, 513, 1024, 5000])
def test_a_curve_begins_with_the_first_value_and_ends_with_the_last_of_a_series_that_rises(project, count):
    points = fold.Points("", "loss", {}, "{}")
    for i in range(count):
        points.add(float(i), i, 0.0)
    curve = points.to_dict()["curve"]
    assert (curve[0], curve[-1]) == (0.0, count - 1)
    assert curve == sorted(set(curve))


def test_what_is_not_finite_is_counted_and_hides_no_other_value(project):
    points = fold.Points("", "loss", {}, "{}")
    for i in range(10_000):
        points.add({5000: math.inf, 5001: 9.0, 5002: math.nan, 5003: -math.inf}.get(i, 1.0), i, 0.0)
    found = points.to_dict()
    assert found["not_finite"] == 3
    assert max(found["curve"]) == 9.0
    assert min(found["curve"]) == 1.0


def test_the_card_of_a_run_is_what_the_database_says(project):
    with nb.run("x", params={"a": 1, "list": [1]}, tags={"who": "me"}) as run:
        nb.log(loss=0.5, step=3)
        nb.log_artifact("note.txt", b"hello")
    mine, stored = session.as_run(run), nb.get_run("x").to_dict()
    for name in ("run_id", "experiment", "status", "duration_s", "params", "tags", "artifacts", "metrics", "process"):
        assert mine[name] == stored[name], name


def test_a_file_is_kept_without_being_read_into_memory(project):
    (project / "big.bin").write_bytes(b"x" * 2**24)
    with nb.run("x"):
        tracemalloc.start()
        digest = nb.log_artifact("big.bin", project / "big.bin")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 2**23
    (event,) = [e for e in written(project) if e["t"] == "artifact"]
    assert (event["digest"], event["size_bytes"]) == (digest, 2**24)


def test_where_nothing_can_be_written_the_block_runs_and_one_warning_says_what_is_lost(project, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.warns(RuntimeWarning, match="is lost until") as told, nb.run("x", params={"a": 1}):
        nb.log(loss=1)
        nb.log(loss=2)
    assert len(told) == 1
    monkeypatch.undo()
    with nb.run("later"):
        pass
    assert [e["experiment"] for e in written(project) if e["t"] == "run"] == ["later"]


def test_others_may_bring_a_journal_in_only_between_runs(project):
    probe = "from pathlib import Path; from nbmlops.store import journal\n"
    probe += "for p in journal.journals(Path('.nbmlops/journal')):\n  with journal.claim(p) as mine: print(mine)"
    ask = [sys.executable, "-c", probe]
    with nb.run("outer"):
        with nb.run("inner"):
            pass
        assert subprocess.check_output(ask, text=True) == "False\n"
    assert subprocess.check_output(ask, text=True) == "True\n"


def rows(query):
    with driver.connect(session.project()) as connection:
        return connection.execute(query).fetchall()


def test_every_run_of_a_process_carries_its_lease_and_another_process_has_another(project):
    with nb.run("a"), nb.run("b"):
        pass
    code = "import nbmlops as nb\nwith nb.run('c'): pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    session.store().sync()
    leases = dict(rows("SELECT experiment, lease FROM runs"))
    assert leases["a"] == leases["b"] == opened.lease()
    assert leases["c"] not in (None, leases["a"])


@posix
def test_a_forked_child_logs_into_the_open_run_and_has_its_own_lease(project):
    with nb.run("parent") as run:
        nb.log(who=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if child == 0:
            try:
                nb.log(who=1)
                thread = threading.Thread(target=nb.log, kwargs={"who": 2})  # has no context of its own
                thread.start()
                thread.join()
                with nb.run("child"):
                    pass
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        nb.log(who=3)
    events = written(project)
    assert sorted(e["value"] for e in events if e["t"] == "metric") == [0, 1, 2, 3]
    assert {e["run_id"] for e in events if e["t"] == "metric"} == {run.run_id}
    mother, child = (next(e for e in events if e.get("experiment") == name) for name in ("parent", "child"))
    assert child["parent"] == run.run_id
    assert child["lease"] != mother["lease"]
    assert child["process"]["pid"] != mother["process"]["pid"]


def test_a_run_is_in_the_database_soon_after_it_ended_without_a_reader(project, background):
    with nb.run("x"):
        nb.log(loss=1)
    assert session.drain(60)
    assert written(project) == []
    assert session.store().waiting() == 0


def test_while_a_run_is_open_its_lease_is_in_the_database_and_gone_after(project, background):
    with nb.run("x"):
        assert session.drain(60)
        opened._session.writer.stop()
        opened._session.writer.step()
        assert rows("SELECT lease FROM leases") == [(opened.lease(),)]
        opened._session.writer.gap_s = 0
    while opened._session.writer.step() is not None:
        pass
    assert rows("SELECT lease FROM leases") == []


def test_memory_and_cpu_are_logged_into_runs_that_are_open_for_a_while(project, background, monkeypatch):
    sampler = system.Sampler(10)
    with nb.run("long") as run:
        opened._session.writer.stop()
        with nb.run("short") as short:
            run.began -= 11
            opened._sample(sampler)
    found = {m["name"]: m for m in session.as_run(run)["metrics"]}
    assert found["system.memory_bytes"]["value"] > 2**20
    assert 0 <= found["system.cpu_share"]["value"] <= 1
    assert session.as_run(short)["metrics"] == []
    assert {e["run_id"] for e in metrics(project)} == {run.run_id}


def test_the_share_of_cpu_is_that_of_all_cores_since_the_last_sample(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    wall, cpu = iter([0.0, 10.0, 20.0]), iter([5.0, 25.0, 26.0])
    sampler = system.Sampler(10, clock=lambda: next(wall), cpu=lambda: next(cpu))
    assert [sampler.sample()["system.cpu_share"] for _ in range(2)] == [0.5, 0.025]


def test_sampling_can_be_turned_off(project, background):
    (project / "nbmlops.toml").write_text("[capture]\nsystem_every_s = 0\n")
    session.reset()
    with nb.run("x"):
        assert len(opened._session.writer.chores) == 1


def test_the_end_of_a_process_brings_everything_in(project):
    code = "import nbmlops as nb\nwith nb.run('x'):\n  for i in range(1000): nb.log(loss=i)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert written(project) == []
    assert nb.get_run("x").metrics == {"loss": 999.0}


def test_rows_given_as_a_param_are_not_stored(project):
    import pandas as pd

    frame = pd.DataFrame({"name": ["Ada Lovelace", "Grace Hopper"], "income": [1, 2]})
    with nb.run("x", params={"frame": frame, "names": frame["name"], "incomes": frame["income"].to_numpy(), "C": 0.5}):
        pass
    params = nb.get_run("x").params
    assert params == {
        "frame": "DataFrame of shape (2, 2)",
        "names": "Series of shape (2,)",
        "incomes": "ndarray of shape (2,)",
        "C": 0.5,
    }
    kept = b"".join(path.read_bytes() for path in (project / ".nbmlops").rglob("*") if path.is_file())
    assert b"Lovelace" not in kept
