"""When an answer goes out, and what happens where the record cannot be written."""

import asyncio
import errno
import threading

import pytest

import nbmlops as nb
from nbmlops.store import journal

ROW = {"age": 44.5, "city": "Bern", "noise": 0.5}


@pytest.fixture
def disk(monkeypatch):
    """Return a disk whose sync waits until it is told to go on; it counts."""

    class Disk:
        syncs, go_on, fails = 0, threading.Event(), None
        began = threading.Event()

    held = Disk()
    usual = journal.sync_file

    def sync(fd):
        held.syncs += 1
        held.began.set()
        assert held.go_on.wait(30)
        if held.fails:
            raise OSError(held.fails, "broken")
        usual(fd)

    monkeypatch.setattr(journal, "sync_file", sync)
    yield held
    held.go_on.set()
    held.fails = None


def test_audit_answers_after_the_disk(serving, disk):
    client = serving(log="audit")

    async def ask():
        asked = asyncio.create_task(client.ask("POST", "/predict", json=ROW))
        await asyncio.to_thread(disk.began.wait, 30)
        assert (await client.ask("GET", "/health")).status_code == 200
        assert not asked.done()
        disk.go_on.set()
        return await asked

    answer = asyncio.run(ask())
    assert answer.status_code == 200
    assert nb.prediction(answer.json()["predictions"][0]["prediction_id"])["value"] in (True, False)


def test_one_sync_serves_all_that_wait(serving, disk):
    client = serving(log="audit")

    async def ask():
        first = asyncio.create_task(client.ask("POST", "/predict", json=ROW))
        await asyncio.to_thread(disk.began.wait, 30)
        others = [asyncio.create_task(client.ask("POST", "/predict", json=ROW)) for _ in range(10)]
        while client.service.log.state()["waiting"] < 10:
            await asyncio.sleep(0)
        disk.go_on.set()
        return await asyncio.gather(first, *others)

    answers = asyncio.run(ask())
    assert [a.status_code for a in answers] == [200] * 11
    assert disk.syncs == 2
    assert len({a.json()["predictions"][0]["prediction_id"] for a in answers}) == 11


def test_audit_does_not_answer_what_the_disk_did_not_take(serving, disk):
    client = serving(log="audit")
    disk.go_on.set()
    disk.fails = errno.EIO
    answer = client.predict(ROW)
    assert (answer.status_code, answer.json()["detail"][0]["code"]) == (503, "unrecorded")
    assert client("GET", "/health").status_code == 503
    disk.fails = None
    assert client.predict(ROW).status_code == 200
    assert client("GET", "/health").status_code == 200


def test_fast_waits_for_no_disk(serving, disk):
    assert serving().predict(ROW).status_code == 200
    assert disk.syncs == 0


@pytest.mark.parametrize(("mode", "status"), [("fast", 200), ("audit", 503)])
def test_a_full_disk(serving, monkeypatch, mode, status):
    client = serving(log=mode)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(journal.os, "write", full)
        answer = client.predict({"rows": [ROW, ROW]})
        assert answer.status_code == status
        if mode == "fast":
            assert [row["prediction_id"] for row in answer.json()["predictions"]] == [None, None]
            assert answer.json()["notes"][-1]["code"] == "unrecorded"
        assert "nbmlops_log_dropped_total 2" in client("GET", "/metrics").text
        assert client("GET", "/health").json()["log"]["state"] == "failing"
    assert client.predict(ROW).json()["predictions"][0]["prediction_id"]
    assert client("GET", "/health").json()["log"]["state"] == "ok"


@pytest.mark.parametrize(("mode", "status"), [("fast", 200), ("audit", 503)])
def test_what_waits_in_the_temporary_folder_is_no_audit(serving, monkeypatch, mode, status):
    client = serving(log=mode)
    one = client.predict(ROW).json()["predictions"][0]["prediction_id"]
    usual = journal.Journal._put

    def only_elsewhere(self, record):
        if self.folder == self.home:
            raise OSError(errno.EROFS, "Read-only file system")
        usual(self, record)

    with monkeypatch.context() as patched, pytest.warns(RuntimeWarning, match="waits in"):
        patched.setattr(journal.Journal, "_put", only_elsewhere)
        assert client.predict(ROW).status_code == status
        assert client("POST", "/feedback", json={"prediction_id": one, "outcome": True}).status_code == status
        answer = client("GET", "/health")
        assert (answer.status_code, answer.json()["log"]["state"]) == (status, "elsewhere")
