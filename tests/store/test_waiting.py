"""What is tracked while object storage is away waits in the project, is found there, and is uploaded later."""

import os
import subprocess
import sys
import threading
import warnings

import pytest

import nbmlops as nb
import servers
from nbmlops.cli import doctor
from nbmlops.config import find_project
from nbmlops.errors import Conflict, NbmlopsError, NotFound
from nbmlops.store import garbage, health, waiting
from nbmlops.store.artifacts import Artifacts, digest_of
from nbmlops.store.database import open_store
from nbmlops.tracking import session


@pytest.fixture
def bucket(s3, project, monkeypatch):
    """A project whose artifacts lie in a bucket."""
    s3fs = pytest.importorskip("s3fs")

    monkeypatch.setenv("NBMLOPS_ARTIFACTS", f"{s3}/files")
    monkeypatch.setattr(waiting, "AWAY_S", 0.0)
    s3fs.S3FileSystem.clear_instance_cache()
    yield s3
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def away(bucket, monkeypatch):
    """Take the server away; what is returned brings it back."""
    back = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{servers.free_port()}")
    return lambda: monkeypatch.setenv("AWS_ENDPOINT_URL", back)


def place():
    return Artifacts.of(find_project())


def uploaded():
    """What lies in the bucket, whatever waits."""
    return {entry.digest for entry in Artifacts(find_project().artifacts_url).list()}


def waits():
    return {entry.digest for entry in place().waiting.list()}


def test_the_cell_goes_on_when_storage_is_away_and_the_files_arrive_later(away, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n" * 10)
    with pytest.warns(RuntimeWarning) as told, nb.run("forest"):
        first = nb.log_artifact("notes.txt", b"tried a lower rate")
        second = nb.log_artifact("table.csv", path)
    (said,) = [str(w.message) for w in told if w.category is RuntimeWarning]
    assert said.count("wait in") == 1
    assert "AWS_ENDPOINT_URL" in said
    run = nb.get_run("forest")
    assert run.status == "finished"
    assert {a.digest: a.size_bytes for a in run.artifacts} == {first: 18, second: 40}
    assert waits() == {first, second}

    assert run.artifact("notes.txt") == b"tried a lower rate"
    assert place().fetch(second, tmp_path / "copy").read_bytes() == path.read_bytes()
    assert place().has(first)
    assert place().size(second) == 40

    away()
    assert waiting.upload(place()) == 2
    assert (waits(), uploaded()) == (set(), {first, second})
    assert run.artifact("notes.txt") == b"tried a lower rate"
    assert waiting.upload(place()) == 0


@pytest.mark.parametrize("fault", ["bucket", "keys", "package"])
def test_a_missing_bucket_keys_or_package_counts_as_away(bucket, monkeypatch, tmp_path, fault):
    reason = {"bucket": "Make the bucket first", "keys": "AWS_ACCESS_KEY_ID", "package": "need another package"}[fault]
    if fault == "bucket":
        monkeypatch.setenv("NBMLOPS_ARTIFACTS", "s3://no-such-bucket/files")
    elif fault == "keys":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    else:
        monkeypatch.setenv("NBMLOPS_ARTIFACTS", "gs://bucket/files")
        monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.warns(RuntimeWarning, match=reason), nb.run("forest"):
        digest = nb.log_artifact("notes.txt", b"x")
    assert waits() == {digest}


def test_a_place_that_failed_is_not_asked_again_for_a_while(away, monkeypatch):
    monkeypatch.setattr(waiting, "AWAY_S", 1000.0)
    with pytest.warns(RuntimeWarning, match="wait in"):
        waiting.keep(place(), b"first")
    monkeypatch.setattr(Artifacts, "put", lambda self, data: digest_of(data) if self.local else pytest.fail("asked"))
    assert waiting.keep(place(), b"second") == (digest_of(b"second"), 6)
    waiting._away.clear()


def test_a_file_of_the_user_that_is_missing_is_an_error_as_ever(away):
    with nb.run("forest"), pytest.raises(NotFound, match="There is no file"):
        nb.log_artifact("table.csv", "no/such/table.csv")


def test_artifacts_in_a_local_folder_never_wait(project):
    (project / ".nbmlops").mkdir()
    (project / ".nbmlops" / "artifacts").write_text("in the way")
    with pytest.raises(NbmlopsError, match="cannot be written"):
        waiting.keep(place(), b"x")


def test_the_packages_of_a_run_wait_too(away):
    from nbmlops.tracking import machine

    with pytest.warns(RuntimeWarning, match="wait in"), nb.run("forest") as run:
        looking = machine.note(run.run_id, find_project().root)
        assert looking is not None  # nobody looked yet
        looking.join()
    assert waits() == {nb.get_run("forest").environment}


def test_nothing_is_registered_while_storage_is_away(away, model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(NbmlopsError, match="cannot be written"):
            nb.register(model, "late")
    assert len(nb.models()) == 0


def test_what_a_version_was_judged_by_is_uploaded_before_it_is_registered(away, model, held_out):
    with pytest.warns(RuntimeWarning, match="wait in"):
        judged = nb.evaluate(model, held_out, "late")
    assert judged.values in waits()
    away()
    version = nb.register(model, "late", evaluation=judged)
    assert {judged.values, version.digest, version.profile, version.environment} <= uploaded()


def test_what_waits_is_neither_missing_nor_garbage(away):
    with pytest.warns(RuntimeWarning, match="wait in"), nb.run("forest"):
        kept = nb.log_artifact("notes.txt", b"kept")
    away()
    nobodys = place().waiting.put(b"mentioned by nothing")
    later = place().waiting.list()
    now_s = max(entry.modified_at for entry in later) + garbage.DAY_S * 8
    assert garbage.gc(find_project(), dry_run=True, now_s=now_s).artifacts == 1
    assert garbage.gc(find_project(), dry_run=False, now_s=now_s).artifacts == 1
    assert (waits(), place().has(nobodys)) == ({kept}, False)
    (files,) = [c for c in health.verify(find_project()) if c.what == "files"]
    assert files.right, files
    assert (waits(), uploaded()) == (set(), {kept})


def test_a_damaged_file_is_not_uploaded_and_counts_as_missing(away):
    with pytest.warns(RuntimeWarning, match="wait in"), nb.run("forest"):
        digest = nb.log_artifact("notes.txt", b"as it was")
    place().waiting._path(digest).write_bytes(b"as it is!")
    with pytest.raises(Conflict, match="damaged"):
        place().get(digest)
    away()
    assert waiting.upload(place()) == 0
    assert (waits(), uploaded()) == (set(), set())
    assert "missing" in next(c.says for c in health.verify(find_project()) if c.what == "files")


def test_the_doctor_says_how_many_wait(away):
    assert not [line for line in doctor.diagnose(find_project()) if line.what == "waiting files"]
    with pytest.warns(RuntimeWarning, match="wait in"), nb.run("forest"):
        nb.log_artifact("notes.txt", b"x")
    (line,) = [line for line in doctor.diagnose(find_project()) if line.what == "waiting files"]
    assert line.says.startswith("1 file, 1 B, ")


def test_the_uploader_tries_until_the_place_is_back(away):
    with pytest.warns(RuntimeWarning, match="wait in"):
        digest, _ = waiting.keep(place(), b"x")
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            away()
        return False

    uploader = waiting.Uploader(find_project(), pause=pause)
    uploader.wake()
    uploader._thread.join(60)
    assert (waits(), uploaded(), pauses) == (set(), {digest}, [1.0, 2.0])
    uploader.wake()
    assert uploader._thread is None


def test_an_uploader_that_is_stopped_does_not_sit_out_its_pause(away):
    with pytest.warns(RuntimeWarning, match="wait in"):
        waiting.keep(place(), b"x")
    paused = threading.Event()
    uploader = waiting.Uploader(find_project())
    uploader._pause = lambda seconds: (paused.set(), uploader._stop.wait(1000))[1]
    uploader.wake()
    assert paused.wait(30)
    thread = uploader._thread
    uploader.stop(30)
    assert not thread.is_alive()
    uploader.wake()
    assert len(waits()) == 1


def test_a_later_process_uploads_what_an_earlier_one_left(away):
    with pytest.warns(RuntimeWarning, match="wait in"), nb.run("forest"):
        digest = nb.log_artifact("notes.txt", b"x")
    session.reset()
    away()
    code = (
        "import nbmlops as nb\nfrom nbmlops.tracking import opened\n"
        "with nb.run('next'):\n    thread = opened._session.writer._uploader._thread\n    thread and thread.join(30)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert (waits(), uploaded()) == (set(), {digest})
    assert open_store(find_project()).artifacts.get(digest) == b"x"
