"""Journals arrive in the database once, whatever reads them and however often."""

import math
import subprocess
import sys

import pytest

from nbmlops.errors import Conflict, Invalid
from nbmlops.store import artifacts, events, runs
from nbmlops.store.database import open_store
from nbmlops.tracking import session


def test_a_run_comes_back_as_it_was_logged(project):
    with session.run("forest", params={"trees": 100, "name": "a", "list": [1, 2]}, tags={"who": "me"}):
        session.log({"loss": 0.5}, step=1)
        session.log({"loss": math.nan, "gain": math.inf, "drop": -math.inf}, step=2, context={"split": "test"})
        session.log_artifact("note.txt", b"hello")
    (run,) = runs.summaries(session.store())
    assert (run["experiment"], run["status"], run["tags"]) == ("forest", "finished", {"who": "me"})
    assert {p["name"]: p["value"] for p in run["params"]} == {"trees": 100, "name": "a", "list": [1, 2]}
    loss, nan, inf, minus = run["metrics"]
    assert (loss["value"], loss["step"], loss["context"]) == (0.5, 1, {})
    assert math.isnan(nan["value"])
    assert (inf["value"], minus["value"]) == (math.inf, -math.inf)
    assert run["artifacts"][0]["name"] == "note.txt"


def test_replay_is_idempotent(project):
    with session.run("once"):
        session.log(loss=1)
    store = session.store()
    assert store.sync() > 0
    assert store.sync() == 0
    assert store.waiting() == 0
    assert len(runs.summaries(store)[0]["metrics"]) == 1


def test_several_processes_reading_at_once_apply_each_event_once(project):
    with session.run("shared"):
        for i in range(200):
            session.log(loss=i)
    code = "from nbmlops.tracking import session; session.store().sync()"
    readers = [subprocess.Popen([sys.executable, "-c", code], cwd=project, stderr=subprocess.PIPE) for _ in range(4)]
    errors = [reader.communicate()[1] for reader in readers]
    assert [r.returncode for r in readers] == [0] * 4, errors
    (run,) = runs.summaries(session.store())
    assert [m["value"] for m in run["metrics"]] == list(range(200))


def test_a_store_of_a_newer_version_is_refused(project):
    store = session.store()
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE meta SET value = '99' WHERE key = 'schema'")
    store._opened = None
    with pytest.raises(Conflict, match=r"schema 99.*pip install -U nbmlops"):
        store.engine  # noqa: B018


def test_the_store_ignores_itself_in_git(project):
    with session.run("x"):
        pass
    assert (project / ".nbmlops" / ".gitignore").read_text() == "*\n"


def test_an_event_commits_with_its_change_or_not_at_all(project):
    store = session.store()
    with pytest.raises(RuntimeError), store.atomic() as change:
        change.event("alias", "m@champion", {"version": 1}, ("me", "os"))
        raise RuntimeError
    with store.reading() as connection:
        assert events.listed(connection) == []


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE events SET data = '{}' WHERE seq = 2",
        "UPDATE events SET actor = 'eve' WHERE seq = 2",
        "DELETE FROM events WHERE seq = 2",
        "UPDATE events SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 2",
    ],
)
def test_the_chain_finds_an_event_that_was_changed(project, tamper):
    store = session.store()
    for i in range(3):
        with store.atomic() as change:
            change.event("flag", f"row {i}", {"i": i}, ("me", "os"))
    with store.reading() as connection:
        assert events.verify(connection) is None
    with store.engine.begin() as connection:
        connection.exec_driver_sql(tamper)
    with store.reading() as connection:
        assert events.verify(connection) == 2


def test_an_artifact_is_stored_once_and_verified_when_read(tmp_path):
    place = artifacts.Artifacts(str(tmp_path / "a"))
    digest = place.put(b"content")
    assert place.put(b"content") == digest
    assert place.get(digest) == b"content"
    (tmp_path / "a" / digest[:2] / digest).write_bytes(b"Content")
    with pytest.raises(Conflict, match="damaged"):
        place.get(digest)


def test_artifacts_through_fsspec_are_the_same(tmp_path):
    place = artifacts.Artifacts("memory://bucket/here")
    assert place.get(place.put(b"far away")) == b"far away"


def test_one_handle_per_project(project):
    assert open_store(session.project()) is session.store()


def test_an_event_that_cannot_be_stored_does_not_hold_up_the_others(project):
    with session.run("good"):
        session.log(a=1)
    with session.run("odd") as opened:
        session.write({"t": "metric", "run_id": opened.run_id, "name": None, "value": 1.0, "context": {}, "at": "x"})
        session.write({"t": "from the future", "run_id": opened.run_id})
        session.log(b=2)
    assert [r["experiment"] for r in runs.summaries(session.store())] == ["odd", "good"]
    assert [m["name"] for m in runs.summaries(session.store())[0]["metrics"]] == ["b"]
    assert len(session.store().set_aside()) == 2


@pytest.mark.parametrize(
    "words", [{"values": {None: 1.0}}, {"a": 1, "step": 2**70}, {"a": 1, "step": "x"}, {"a": 10**400}]
)
def test_a_log_that_could_not_be_stored_is_refused(project, words):
    with session.run("x"), pytest.raises(Invalid):
        session.log(**words)


def test_a_damaged_artifact_is_mended_when_it_is_put_again(tmp_path):
    place = artifacts.Artifacts(str(tmp_path / "a"))
    digest = place.put(b"content")
    (tmp_path / "a" / digest[:2] / digest).write_bytes(b"damaged")
    place.put(b"content")
    assert place.get(digest) == b"content"
