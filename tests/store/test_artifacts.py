import hashlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import servers
from nbmlops.errors import Conflict, Invalid, MissingPackage, NbmlopsError, NotAllowed, NotFound
from nbmlops.store.artifacts import Artifacts, digest_of
from nbmlops.store.folder import Folder

BIG = 9 * 2**20  # more than one part of an upload


@pytest.fixture(params=["local", "memory", "s3"])
def url(request, tmp_path):
    """The address of an empty place of each kind."""
    if request.param == "local":
        return str(tmp_path / "place")
    if request.param == "memory":
        return f"memory://{tmp_path.name}/place"
    return request.getfixturevalue("s3") + "/some/prefix"


@pytest.fixture
def place(url):
    return Artifacts(url)


def damage(place, digest, data):
    """Replace what is stored, behind the store's back."""
    if place.local:
        place._path(digest).parent.mkdir(parents=True, exist_ok=True)
        place._path(digest).write_bytes(data)
    else:
        import fsspec

        fs, root = fsspec.core.url_to_fs(place.url)
        fs.pipe_file(f"{root}/{digest[:2]}/{digest}", data)


def big_file(folder, seed=0, size=BIG):
    import random

    path = folder / f"big-{seed}"
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 50, b"\0" * (BIG + 1)], ids=len)
def test_bytes_come_back_as_they_were_put(place, data):
    digest = place.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert place.get(digest) == data
    assert place.has(digest)
    assert place.size(digest) == len(data)


@pytest.mark.parametrize("size", [0, 1, 8 * 2**20, 8 * 2**20 + 1, BIG * 2])
def test_a_file_comes_back_as_it_was_put(place, tmp_path, size):
    path = big_file(tmp_path, size=size)
    digest, stored = place.put_file(path)
    assert (digest, stored) == (digest_of(path.read_bytes()), size)
    copied = place.fetch(digest, tmp_path / "copy")
    assert copied.read_bytes() == path.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def test_a_file_and_its_bytes_are_one_artifact(place, tmp_path):
    path = big_file(tmp_path)
    assert place.put_file(path)[0] == place.put(path.read_bytes()) == place.put_file(str(path))[0]
    assert len(list(place.list())) == 1


def test_reading_in_pieces_gives_the_whole(place):
    digest = place.put(data := os.urandom(BIG))
    with place.open(digest) as file:
        pieces = list(iter(lambda: file.read(1_000_003), b""))
    assert b"".join(pieces) == data
    text = place.put(b"a\nb\n")
    with place.open(text) as file:
        assert list(file) == [b"a\n", b"b\n"]


def test_what_is_not_there_is_not_found(place, tmp_path):
    missing = "0" * 64
    assert not place.has(missing)
    for read in (place.get, place.size, lambda d: place.fetch(d, tmp_path / "x")):
        with pytest.raises(NotFound, match="000000000000 is not in"):
            read(missing)
    assert list(place.list()) == []
    assert not place.delete(missing)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "0" * 63, "0" * 65, "G" * 64, "0" * 64 + "\n", "A" * 64])
def test_only_a_digest_is_a_digest(place, digest):
    for method in (place.has, place.get, place.size, place.delete):
        with pytest.raises(Invalid, match="64 hexadecimal"):
            method(digest)


@pytest.mark.parametrize("size", [1000, BIG])
@pytest.mark.parametrize("kind", ["flipped", "shorter", "longer", "empty"])
def test_a_damaged_file_never_passes_for_whole(place, tmp_path, size, kind):
    data = os.urandom(size)
    digest = place.put(data)
    flipped = data[: size // 2] + bytes([data[size // 2] ^ 1]) + data[size // 2 + 1 :]
    worse = {"flipped": flipped, "shorter": data[:-1], "longer": data + b"x", "empty": b""}[kind]
    damage(place, digest, worse)
    with pytest.raises(Conflict, match="damaged"):
        place.get(digest)
    target = tmp_path / "target"
    target.write_text("as before")
    with pytest.raises(Conflict, match="damaged"):
        place.fetch(digest, target)
    assert target.read_text() == "as before"
    with place.open(digest) as file, pytest.raises(Conflict, match="damaged"):
        file.read(len(worse) or 1)  # the caller asks for just what is there, and never for the end


@pytest.mark.parametrize("size", [1000, BIG])
def test_putting_it_again_mends_what_was_cut(place, tmp_path, size):
    path = big_file(tmp_path, size=size)
    digest, _ = place.put_file(path)
    for put in (lambda: place.put_file(path), lambda: place.put(path.read_bytes())):
        damage(place, digest, b"cut")
        put()
        assert place.get(digest) == path.read_bytes()


def test_putting_it_again_mends_a_flipped_bit_of_a_large_local_file(tmp_path):
    place, path = Artifacts(str(tmp_path / "place")), big_file(tmp_path)
    digest, size = place.put_file(path)
    damage(place, digest, b"\0" * size)
    place.put_file(path)
    assert place.get(digest) == path.read_bytes()


@pytest.mark.parametrize("size", [10, BIG])
def test_putting_it_again_makes_it_young_and_stores_it_once(place, tmp_path, size):
    path = big_file(tmp_path, size=size)
    digest, _ = place.put_file(path)
    if place.local:
        os.utime(place._path(digest), (1000, 1000))
    first = next(place.list())
    if place.url.startswith("s3"):
        assert within(2, lambda: time.time() > first.modified_at + 1)  # S3 keeps whole seconds
    place.put_file(path)
    (entry,) = place.list()
    assert (entry.digest, entry.size_bytes) == (digest, size)
    assert entry.modified_at > first.modified_at
    assert abs(entry.modified_at - time.time()) < 60


def test_everything_stored_is_listed(place):
    digests = {place.put(str(i).encode()): len(str(i)) for i in range(40)}
    assert {e.digest: e.size_bytes for e in place.list()} == digests


def test_what_is_not_ours_is_not_listed(place):
    digest = place.put(b"ours")
    damage(place, digest[:63], b"a name too short")
    damage(place, "zz" + digest[2:], b"no digest")
    assert [e.digest for e in place.list()] == [digest]


def test_deleting_twice_is_fine_and_says_so(place):
    digest = place.put(b"once")
    assert place.delete(digest)
    assert not place.delete(digest)
    assert not place.has(digest)


def test_what_is_younger_is_spared(place):
    digest = place.put(b"young")
    assert not place.delete(digest, before=time.time() - 60)
    assert place.get(digest) == b"young"
    assert place.delete(digest, before=time.time() + 60)


def test_two_who_put_the_same_at_once_both_succeed(place, tmp_path):
    path = big_file(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: place.put_file(path), range(8)))
    assert len(set(results)) == 1
    assert place.get(results[0][0]) == path.read_bytes()
    assert not place.local or list((tmp_path / "place").glob("partial-*")) == []


@pytest.mark.parametrize("moment", ["looked at", "taken away"])
def test_a_put_in_the_middle_of_a_gc_is_not_lost(tmp_path, monkeypatch, moment):
    place = Artifacts(str(tmp_path / "place"))
    digest = place.put(b"wanted")
    os.utime(place._path(digest), (1000, 1000))
    owner, name = {"looked at": (Folder, "find"), "taken away": (Path, "replace")}[moment]
    step, calls = getattr(owner, name), []

    def and_then_put(*arguments):
        result = step(*arguments)
        if not calls:  # the gc's own; what the put does is left alone
            calls.append(name)
            place.put(b"wanted")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, and_then_put)
        place.delete(digest, before=time.time() - 50)
    assert calls
    assert place.get(digest) == b"wanted"


def test_many_puts_beside_a_gc_all_succeed(tmp_path):
    place, done, taken = Artifacts(str(tmp_path / "place")), threading.Event(), []
    digest = digest_of(b"wanted")

    def collect():
        while not done.is_set():
            taken.append(place.delete(digest, before=time.time() - 50))

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for _ in range(200):
            place.put(b"wanted")
            assert within(1, lambda: place.has(digest))  # the gc may just look at it
            with suppress(FileNotFoundError):
                os.utime(place._path(digest), (1000, 1000))  # old: from here the gc may take it
        assert within(10, lambda: any(taken))
    finally:
        done.set()
        collector.join()


def within(seconds, true):
    """Tell whether something comes true within some seconds."""
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.001)
    return found


def test_half_written_files_are_cleaned_and_taken_ones_come_back(tmp_path):
    place = Artifacts(str(tmp_path / "place"))
    digest = place.put(b"taken by a gc that was killed")
    place._path(digest).replace(tmp_path / "place" / f"partial-0011-{digest}")
    (tmp_path / "place" / "partial-old").write_bytes(b"12345")
    os.utime(tmp_path / "place" / "partial-old", (1000, 1000))
    (tmp_path / "place" / "partial-new").write_bytes(b"123")
    assert place.clean(before=time.time() - 60) == 5
    assert place.get(digest).startswith(b"taken")
    assert [p.name for p in (tmp_path / "place").glob("partial-*")] == ["partial-new"]


class Changing:
    """Change a file each time it was read to its end, as somebody who writes to it would."""

    def __init__(self, path, times):
        self.path, self.times = path, times

    def __call__(self, hashed):
        if self.times:
            self.times -= 1
            with self.path.open("r+b") as file:
                file.write(os.urandom(16))
        return hashed


@pytest.fixture
def changes(monkeypatch):
    """Let a file change in place between the two readings of an upload, so many times."""
    from nbmlops.store import bucket

    def arrange(path, times):
        change, copy = Changing(path, times), bucket.copy

        def copying(source, target=None, size=None):
            return change(copy(source, target, size)) if target is None else copy(source, target, size)

        monkeypatch.setattr(bucket, "copy", copying)

    return arrange


@pytest.mark.parametrize("kind", ["memory", "s3"])
def test_a_file_that_changes_while_uploaded_is_read_again(kind, tmp_path, request, changes):
    url = "memory://changing" if kind == "memory" else request.getfixturevalue("s3")
    place, path = Artifacts(url), big_file(tmp_path, seed=kind)
    changes(path, times=1)
    digest, _ = place.put_file(path)
    assert place.get(digest) == path.read_bytes()
    assert [e.digest for e in place.list()] == [digest]


@pytest.mark.parametrize("kind", ["memory", "s3"])
def test_a_file_that_never_rests_is_refused_and_leaves_nothing(kind, tmp_path, request, changes):
    url = "memory://restless" if kind == "memory" else request.getfixturevalue("s3")
    place, path = Artifacts(url), big_file(tmp_path, seed=kind)
    changes(path, times=10)
    with pytest.raises(Conflict, match=r"big-.* changed while it was stored"):
        place.put_file(path)
    assert list(place.list()) == []
    if kind == "s3":
        assert uploads(url) == []


def test_a_log_that_grows_meanwhile_is_stored_up_to_where_it_was_hashed(place, tmp_path):
    path, done = big_file(tmp_path), threading.Event()

    def grow():
        with path.open("ab", buffering=0) as file:
            while not done.is_set():
                file.write(b"another line\n")
                done.wait(0.001)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        digest, size = place.put_file(path)
    finally:
        done.set()
        writer.join()
    assert place.get(digest) == path.read_bytes()[:size]
    assert size >= BIG


@pytest.mark.parametrize("name", ["missing", "."])
def test_only_a_file_can_be_put(place, tmp_path, name):
    with pytest.raises(NotFound, match="no file"):
        place.put_file(tmp_path / name)


# What the disk says


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_nothing_and_says_why(tmp_path, monkeypatch, call):
    import errno

    place = Artifacts(str(tmp_path / "place"))

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail) if call == "fsync" else patch.setattr(Path, "replace", fail)
        with pytest.raises(NbmlopsError, match=r"cannot be written: No space left on device\. .*doctor"):
            place.put(b"data")
    assert [p for p in (tmp_path / "place").rglob("*") if p.is_file()] == []
    assert place.get(place.put(b"data")) == b"data"


def test_a_stored_file_and_its_folders_are_synced_before_put_returns(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino) or fsync(fd))
    place = Artifacts(str(tmp_path / "place"))
    path = place._path(place.put(b"data"))
    assert synced[-3:] == [p.stat().st_ino for p in (path, path.parent.parent, path.parent)]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_nobody_may_write_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(NotAllowed, match="cannot be written"):
        Artifacts(str(tmp_path / "place")).put(b"data")


STORE = """
import sys
from nbmlops.store.artifacts import Artifacts
print(flush=True)
Artifacts(sys.argv[1]).put_file(sys.argv[2])
"""


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_process_killed_while_it_stores_leaves_nothing_that_looks_whole(kind, tmp_path, request):
    url = str(tmp_path / "place") if kind == "local" else request.getfixturevalue("s3")
    path = tmp_path / "pipe-like"
    with path.open("wb") as file:
        file.truncate(512 * 2**20)
    process = subprocess.Popen([sys.executable, "-c", STORE, url, path], stdout=subprocess.PIPE)
    with process.stdout as said:
        said.readline()
    begun = (lambda: any((tmp_path / "place").glob("partial-*"))) if kind == "local" else (lambda: uploads(url))
    assert within(30, begun)
    process.kill()
    process.wait()
    assert list(Artifacts(url).list()) == []


def uploads(url):
    """The uploads to a bucket that are under way."""
    import boto3

    return boto3.client("s3").list_multipart_uploads(Bucket=url.removeprefix("s3://")).get("Uploads", [])


def test_a_forked_child_reads_and_writes_too(url):
    place = Artifacts(url)
    digest = place.put(b"the parent's")
    child = os.fork()
    if not child:
        signal.alarm(20)  # ends it: a client that hangs in a child would hang the tests
        try:
            os._exit(0 if place.get(place.put(place.get(digest))) == b"the parent's" else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert place.get(digest) == b"the parent's"


# What the network says


@pytest.fixture
def forget():
    """Keep no client of another test."""
    s3fs = pytest.importorskip("s3fs")

    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


def quick(seconds):
    """The time a call may take at most."""
    return pytest.approx(0, abs=seconds)


@pytest.mark.parametrize("method", ["put", "get", "has", "list"])
def test_a_server_that_is_away_is_told_in_seconds(s3, monkeypatch, forget, method):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{servers.free_port()}")
    place, begun = Artifacts(s3), time.monotonic()
    calls = {"put": lambda: place.put(b"x"), "get": lambda: place.get("0" * 64), "has": lambda: place.has("0" * 64)}
    with pytest.raises(NbmlopsError, match=r"cannot be .*AWS_ENDPOINT_URL") as caught:
        calls.get(method, lambda: list(place.list()))()
    assert time.monotonic() - begun == quick(8)
    assert len(caught.value._render_traceback_()) == 1


@pytest.fixture
def mute():
    """The address of a server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("size", [0, 1, BIG])
def test_a_mute_server_does_not_hold_the_cell(s3, mute, monkeypatch, forget, size):
    from nbmlops.store import bucket

    assert bucket.S3_OPTIONS["config_kwargs"]["read_timeout"] <= 10
    monkeypatch.setenv("AWS_ENDPOINT_URL", mute)
    monkeypatch.setitem(bucket.S3_OPTIONS, "config_kwargs", bucket.S3_OPTIONS["config_kwargs"] | {"read_timeout": 0.2})
    begun = time.monotonic()
    with pytest.raises(NbmlopsError, match=r"cannot be written: Read timeout"):
        Artifacts(s3).put(b"x" * size)
    assert time.monotonic() - begun == quick(8)


def test_a_refusal_says_whom_to_ask(s3, monkeypatch, forget):
    said = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

    class Refusing(BaseHTTPRequestHandler):
        def do_PUT(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(403)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(NotAllowed, match=r"Access Denied\. Check the keys"):
                Artifacts(s3).put(b"x")
        finally:
            server.shutdown()


def test_a_server_that_is_back_is_used_again(s3, monkeypatch, forget):
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{servers.free_port()}")
        with pytest.raises(NbmlopsError):
            Artifacts(s3).put(b"x")
    assert Artifacts(s3).put(b"x") == digest_of(b"x")


def test_a_bucket_that_is_not_there_is_told_and_not_made(s3, forget):
    import boto3

    for put in (lambda p: p.put(b"x"), lambda p: p.put(b"x" * BIG)):
        with pytest.raises(NbmlopsError, match="Make the bucket first"):
            put(Artifacts("s3://no-such-bucket/prefix"))
    names = {b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]}
    assert "no-such-bucket" not in names


def test_no_credentials_are_told_and_given_ones_used(s3, monkeypatch, forget, tmp_path):
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        with pytest.raises(NbmlopsError, match="AWS_ACCESS_KEY_ID"):
            Artifacts(s3).put(b"x")
    assert Artifacts(s3).get(Artifacts(s3).put(b"x")) == b"x"


def test_an_upload_cut_off_leaves_nothing_and_no_traceback_later(s3, tmp_path, monkeypatch, forget, recwarn):
    from s3fs.core import S3File

    def cut(self, final=False):
        raise ConnectionError("the line is dead")

    place, path = Artifacts(s3), big_file(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(S3File, "_upload_chunk", cut)
        with pytest.raises(NbmlopsError, match="the line is dead"):
            place.put_file(path)
    assert list(place.list()) == []
    assert not [w for w in recwarn if "unraisable" in str(w.category).lower()]


def test_a_password_in_the_address_is_not_shown():
    with pytest.raises(NotFound) as caught:
        Artifacts("memory://me:secret@bucket/prefix").get("0" * 64)
    assert "secret" not in str(caught.value)


def test_an_unknown_kind_of_address_is_refused():
    with pytest.raises(Invalid, match=r"nonsense://.*s3://bucket/prefix"):
        Artifacts("nonsense://bucket").put(b"x")


def test_a_missing_package_is_named(monkeypatch, forget):
    from fsspec.registry import _registry

    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(MissingPackage, match=r"nbmlops\[s3\]"):
        Artifacts("s3://bucket").put(b"x")


# Size


MEASURE = """
    import resource, sys
    from nbmlops.store.artifacts import Artifacts
    url, path, target = sys.argv[1:]
    place = Artifacts(url)
    place.get(place.put(b"what loads the packages"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    digest, size = place.put_file(path)
    place.fetch(digest, target)
    place.put_file(path)
    print(digest, size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", ["local", pytest.param("s3", marks=pytest.mark.slow)])
def test_a_large_file_needs_little_memory(kind, tmp_path, request):
    url = str(tmp_path / "place") if kind == "local" else request.getfixturevalue("s3")
    path, size = tmp_path / "large", 256 * 2**20
    with path.open("wb") as file:
        file.write(os.urandom(2**20))
        file.truncate(size)
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), url, path, tmp_path / "copy"]
    digest, stored, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    with path.open("rb") as file:
        assert digest == hashlib.file_digest(file, "sha256").hexdigest()
    assert int(stored) == size
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 64 * 2**20
    assert (tmp_path / "copy").stat().st_size == size
