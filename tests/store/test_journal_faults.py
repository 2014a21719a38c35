"""The journal under faults: failing writes, killed processes, forks, power loss. What it returned for is there."""

import errno
import math
import os
import random
import signal
import subprocess
import sys
import warnings
from itertools import count
from pathlib import Path

import pytest

from nbmlops.store import disk, journal, segments

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and flock")


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setattr(segments.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    book = journal.Journal(tmp_path / "home" / "journal")
    yield book
    book.close()


def numbers(folder):
    """Return the numbers in every segment of a folder, in the order of reading."""
    return [event["n"] for path in journal.journals(folder) for _, event in journal.read(path)]


def scenario(book):
    """Write as a process does: a run, something between runs, another run; return what was acknowledged."""
    acknowledged = []

    def append(n):
        book.append({"n": n, "text": "x" * 50})
        acknowledged.append(n)

    for n in range(4):
        if n == 0:
            book.hold()
        append(n)
    book.sync()
    book.release()
    for n in range(4, 6):
        append(n)
    book.close()
    book.hold()
    for n in range(6, 9):
        append(n)
    book.sync()
    book.release()
    return acknowledged


class Faults:
    """Makes the k-th call of some functions of the system fail."""

    def __init__(self, monkeypatch, names, number, at, lasting=False, half=False):
        self.calls, self.at = count(1), at
        for name in names:
            monkeypatch.setattr(os, name, self._failing(getattr(os, name), number, half, lasting))

    def _failing(self, real, number, half, lasting):
        def call(*args, **kwargs):
            self.seen = next(self.calls)
            if half and self.seen == self.at:  # some of it arrives, the rest does not
                return real(args[0], bytes(args[1])[: len(args[1]) // 2])
            if self.at is not None and (self.seen == self.at + half or (lasting and self.seen > self.at)):
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        return call


def calls_of(tmp_path, names):
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch, names, 0, None)
        scenario(journal.Journal(tmp_path / "counted" / "journal"))
        return faults.seen


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize(
    ("names", "how"),
    [
        (["write"], "once"),
        (["write"], "half"),
        (["write", "ftruncate"], "half"),
        (["fdatasync", "fsync"], "once"),
        (["open"], "once"),
    ],
    ids=str,
)
@pytest.mark.skipif(not hasattr(os, "fdatasync"), reason="no fdatasync on this system")
def test_whichever_call_fails_nothing_acknowledged_is_lost(tmp_path, monkeypatch, number, names, how):
    monkeypatch.setattr(segments.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    for k in range(1, calls_of(tmp_path, names) + 1):
        folder = tmp_path / f"home {k}" / "journal"
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            Faults(patch, names, number, k, half=how == "half")
            acknowledged = scenario(journal.Journal(folder))
        assert numbers(folder) == acknowledged == list(range(9)), f"call {k}"
        assert len(told) <= 1


def test_a_disk_that_stays_full_costs_one_warning(book, monkeypatch):
    real = os.write

    def full(fd, data):
        if str(Path(f"/proc/self/fd/{fd}").readlink()).startswith(str(book.home)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc on this system")
    monkeypatch.setattr(os, "write", full)
    with pytest.warns(RuntimeWarning, match="waits in") as told:
        acknowledged = scenario(book)
    assert len(told) == 1
    assert numbers(book.home) == acknowledged


def test_what_a_full_disk_sent_away_comes_home_when_there_is_room_again(book, monkeypatch):
    with monkeypatch.context() as patch:
        Faults(patch, ["write"], errno.ENOSPC, 1)
        with pytest.warns(RuntimeWarning, match="waits in"):
            book.append({"n": 1})
    assert book.folder == book.waiting
    book.close()
    book.append({"n": 2})
    assert book.folder == book.home
    assert numbers(book.home) == [1, 2]


def test_where_nothing_can_be_written_the_caller_is_told(book, monkeypatch):
    Faults(monkeypatch, ["write"], errno.EIO, 1, lasting=True)
    with pytest.raises(OSError, match="Input/output"):
        book.append({"n": 1})


def test_an_event_too_large_to_be_read_again_is_refused(book, monkeypatch):
    monkeypatch.setattr(segments, "MAX_RECORD_BYTES", 2**20)
    book.append({"n": 1})
    with pytest.raises(journal.Invalid, match="log_artifact"):
        book.append({"n": 2, "text": "x" * 2**20})
    book.append({"n": 3})
    assert numbers(book.home) == [1, 3]


def test_an_interrupt_in_the_middle_of_a_record_leaves_no_half_of_it(book, monkeypatch):
    book.append({"n": 1})
    real, calls = os.write, count()

    def interrupted(fd, data):
        if next(calls):
            raise KeyboardInterrupt
        return real(fd, data[:5])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            book.append({"n": 2})
    book.append({"n": 3})
    assert numbers(book.home) == [1, 3]
    (first, _) = journal.journals(book.home)
    assert list(journal.read(first))[-1][0] == first.stat().st_size


@pytest.mark.parametrize("kind", ["zeros", "ones", "a header of much"])
def test_what_a_power_loss_leaves_behind_the_last_record_is_not_read(book, kind):
    book.append({"n": 1})
    (path,) = journal.journals(book.home)
    size = path.stat().st_size
    tail = {"zeros": b"\0" * 4096, "ones": b"\xff" * 4096, "a header of much": journal.HEADER.pack(2**25, 1)}[kind]
    with path.open("ab") as file:
        file.write(tail)
    book.close()
    assert numbers(book.home) == [1]
    with journal.claim(path) as mine:
        assert mine
        assert not journal.discard(path, size)
    assert path.exists()


def test_records_across_the_blocks_of_a_read_are_whole(book, monkeypatch):
    monkeypatch.setattr(segments, "BLOCK_BYTES", 64)
    for n in range(50):
        book.append({"n": n, "text": "y" * (n * 7 % 200)})
    assert numbers(book.home) == list(range(50))
    (path,) = journal.journals(book.home)
    ends = [end for end, _ in journal.read(path)]
    assert [e["n"] for _, e in journal.read(path, ends[29])] == list(range(30, 50))


WRITES = """
import os, sys
from pathlib import Path
from nbmlops.store import journal
book = journal.Journal(Path(sys.argv[1]))
real, calls, stop = os.write, 0, int(sys.argv[2])
def write(fd, data):
    global calls
    calls += 1
    if calls == stop:  # killed at a write: some of it arrived
        real(fd, bytes(data)[: len(data) * int(sys.argv[3]) // 4])
        os.kill(os.getpid(), 9)
    return real(fd, data)
os.write = write
book.hold()
n = 0
while True:
    book.append({"n": n, "text": "z" * (n % 90)})
    print(n, flush=True)
    n += 1
"""


@posix
@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("at", [1, 2, 7])
def test_a_process_killed_at_a_write_leaves_all_it_acknowledged(tmp_path, at, part):
    folder = tmp_path / "home" / "journal"
    child = subprocess.run(
        [sys.executable, "-c", WRITES, str(folder), str(at), str(part)], capture_output=True, text=True
    )
    acknowledged = [int(line) for line in child.stdout.splitlines()]
    assert child.returncode == -signal.SIGKILL
    assert acknowledged == list(range(at - 1))
    assert numbers(folder) == acknowledged + ([at - 1] if part == 4 else [])


@posix
@pytest.mark.parametrize("seed", range(6))
def test_a_process_killed_at_any_time_leaves_all_it_acknowledged(tmp_path, seed):
    folder = tmp_path / "home" / "journal"
    words = [sys.executable, "-c", WRITES, str(folder), "-1", "0"]
    wanted = random.Random(seed).randrange(1, 3000)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if int(line) >= wanted:
                break
        child.kill()
        rest = child.stdout.read().splitlines()
    last = max([wanted, *(int(line) for line in rest if line)])
    assert numbers(folder)[: last + 1] == list(range(last + 1))


HOLDS = """
import sys
from pathlib import Path
from nbmlops.store import journal
book = journal.Journal(Path(sys.argv[1]))
for line in sys.stdin:
    word, _, number = line.strip().partition(" ")
    if word == "append":
        book.append({"n": int(number)})
    else:
        getattr(book, word)()
    print("done", flush=True)
"""


@pytest.fixture
def other(tmp_path):
    """Another process with a journal in the same folder; call it with what it shall do."""
    folder = tmp_path / "home" / "journal"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def do(word):
        child.stdin.write(word + "\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n"

    do.child, do.folder = child, folder
    yield do
    child.kill()
    child.communicate()


def size_of(path):
    return path.stat().st_size


@posix
def test_a_segment_is_left_to_its_owner_while_a_run_is_open(other):
    other("hold")
    other("append 1")
    (path,) = journal.journals(other.folder)
    with journal.claim(path) as mine:
        assert not mine
        assert not journal.discard(path, size_of(path))
    other("release")
    with journal.claim(path) as mine:
        assert mine
    other("hold")
    other("append 2")
    with journal.claim(path) as mine:
        assert not mine
    other.child.kill()
    other.child.wait()
    with journal.claim(path) as mine:
        assert mine
    assert numbers(other.folder) == [1, 2]


@posix
def test_an_owner_whose_segment_is_being_read_goes_on_in_another(other):
    other("append 1")
    (path,) = journal.journals(other.folder)
    with journal.claim(path) as mine:
        assert mine
        other("hold")
        other("append 2")
        assert journal.discard(path, size_of(path))
    other("append 3")
    assert numbers(other.folder) == [2, 3]


@posix
def test_an_owner_whose_segment_was_discarded_between_runs_opens_a_new_one(other):
    other("append 1")
    (path,) = journal.journals(other.folder)
    with journal.claim(path) as mine:
        assert mine
        assert journal.discard(path, size_of(path))
    other("append 2")
    assert numbers(other.folder) == [2]


def test_a_segment_that_goes_on_is_not_discarded(book):
    book.append({"n": 1})
    (path,) = journal.journals(book.home)
    before = size_of(path)
    book.append({"n": 2})
    with journal.claim(path) as mine:
        assert mine
        assert not journal.discard(path, before)
    assert numbers(book.home) == [1, 2]


def test_nothing_is_discarded_without_a_claim(book, tmp_path):
    book.append({"n": 1})
    book.close()
    (path,) = journal.journals(book.home)
    assert not journal.discard(path, size_of(path))
    assert path.exists()


def test_the_own_segment_is_discarded_between_runs_or_when_it_is_large(book, monkeypatch):
    book.hold()
    book.append({"n": 1})
    (path,) = journal.journals(book.home)
    with journal.claim(path) as mine:
        assert mine
        assert not journal.discard(path, size_of(path))
        monkeypatch.setattr(journal, "LARGE_BYTES", 10)
        book.append({"n": 2})  # the owner writes while it reads
        assert journal.discard(path, size_of(path))
    book.append({"n": 3})
    book.release()
    (path,) = journal.journals(book.home)
    monkeypatch.undo()
    with journal.claim(path):
        assert journal.discard(path, size_of(path))
    assert journal.journals(book.home) == []


def test_a_segment_that_was_deleted_is_followed_by_a_new_one(book, monkeypatch):
    monkeypatch.setattr(journal, "LOOK_S", 0)
    book.hold()
    book.append({"n": 1})
    (path,) = journal.journals(book.home)
    path.unlink()
    book.append({"n": 2})
    assert numbers(book.home) == [2]


READS = """
import sys
from pathlib import Path
from nbmlops.store import journal
folder, done = Path(sys.argv[1]), {}
while True:
    files = journal.journals(folder)
    for path in files:
        with journal.claim(path) as mine:
            if not mine:
                continue
            offset = done.get(path, 0)
            for offset, event in journal.read(path, offset):
                print(event["n"], flush=True)
            done[path] = offset
            journal.discard(path, offset)
    if Path(sys.argv[2]).exists() and not journal.journals(folder):
        break
"""


@posix
def test_a_reader_that_discards_at_once_misses_nothing_and_reads_nothing_twice(tmp_path):
    folder, end = tmp_path / "home" / "journal", tmp_path / "end"
    reader = subprocess.Popen([sys.executable, "-c", READS, str(folder), str(end)], stdout=subprocess.PIPE, text=True)
    book = journal.Journal(folder)
    chance = random.Random(1)
    try:
        for n in range(3000):
            if n % 10 == 0:
                book.hold()
            book.append({"n": n})
            if n % 10 == chance.randrange(3, 10) or n % 10 == 9:
                while book._runs:
                    book.release()
        book.close()
        end.touch()
        read = [int(line) for line in reader.communicate(timeout=120)[0].splitlines()]
    finally:
        reader.kill()
        reader.wait()
    assert sorted(read) == list(range(3000))


def test_a_thread_that_reads_and_one_that_writes_share_a_journal(book):
    import threading

    read, stop = [], threading.Event()

    def reader():
        done = {}
        while True:
            last = stop.is_set()
            for path in journal.journals(book.home):
                with journal.claim(path) as mine:
                    assert mine or not path.exists()
                    if mine:
                        for offset, event in journal.read(path, done.get(path, 0)):
                            read.append(event["n"])
                            done[path] = offset
                        journal.discard(path, done.get(path, 0))
            if last:
                return

    thread = threading.Thread(target=reader)
    thread.start()
    for n in range(5000):
        if n % 100 == 0:
            book.hold()
        book.append({"n": n})
        if n % 100 == 60:
            book.release()
    stop.set()
    thread.join()
    assert read == list(range(5000))


@posix
def test_a_child_neither_has_nor_ends_its_parents_lock(book):
    book.hold()
    book.append({"n": 1})
    (path,) = journal.journals(book.home)
    said, say = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            with journal.claim(path) as mine:
                os.write(say, b"mine" if mine else b"not mine")
            book.append({"n": 2})
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(said, 20) == b"not mine"
    os.close(said)
    os.close(say)
    probe = "import sys; from pathlib import Path; from nbmlops.store import journal\n"
    probe += "with journal.claim(Path(sys.argv[1])) as mine: print(mine)"
    assert subprocess.check_output([sys.executable, "-c", probe, str(path)], text=True) == "False\n"
    book.append({"n": 3})
    assert sorted(numbers(book.home)) == [1, 2, 3]
    assert [e["n"] for _, e in journal.read(path)] == [1, 3]


@posix
def test_a_child_forked_while_a_segment_is_claimed_does_not_keep_it(other):
    other("append 1")
    (path,) = journal.journals(other.folder)
    journal.Journal(other.folder)
    stay, leave = os.pipe()
    ready, say = os.pipe()
    with journal.claim(path) as mine, warnings.catch_warnings():
        assert mine
        warnings.simplefilter("ignore")
        child = os.fork()
        if child == 0:
            os.write(say, b".")
            os.read(stay, 1)
            os._exit(0)
    os.read(ready, 1)
    other("hold")
    other("append 2")
    os.write(leave, b".")
    os.waitpid(child, 0)
    for fd in (stay, leave, ready, say):
        os.close(fd)
    assert journal.journals(other.folder) == [path]


@posix
def test_a_child_forked_while_another_thread_writes_can_write(book):
    import threading

    book.append({"n": 0})
    stop = threading.Event()
    thread = threading.Thread(target=lambda: [book.append({"n": 0}) for _ in iter(stop.is_set, True)])
    thread.start()
    try:
        for _ in range(20):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                child = os.fork()
            if child == 0:
                signal.alarm(20)
                book.append({"n": 1})
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()
    assert numbers(book.home).count(1) == 20


@posix
def test_where_there_are_no_locks_segments_are_read_and_never_deleted(book, monkeypatch):
    def unsupported(fd, how):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(disk.fcntl, "flock", unsupported)
    book.hold()
    book.append({"n": 1})
    book.close()
    (path,) = journal.journals(book.home)
    with journal.claim(path) as mine:
        assert mine
        assert not journal.discard(path, size_of(path))
    assert numbers(book.home) == [1]


def test_times_of_ids_put_segments_in_order(book):
    for n in range(30):
        book.append({"n": n})
        book.close()
    assert numbers(book.home) == list(range(30))


def test_a_segment_that_grows_without_end_is_followed_by_another(book, monkeypatch):
    monkeypatch.setattr(journal, "LARGE_BYTES", 100)
    monkeypatch.setattr(journal, "LOOK_S", 0)
    book.hold()
    for n in range(20):
        book.append({"n": n})
    first, *others = journal.journals(book.home)
    assert others
    assert first.stat().st_size < 200
    assert numbers(book.home) == list(range(20))
    with journal.claim(first):
        assert journal.discard(first, size_of(first))


def test_a_record_read_while_it_is_written_is_not_damaged(book, monkeypatch):
    book.append({"n": 1})
    (path,) = journal.journals(book.home)
    first = len(path.read_bytes())
    book.append({"n": 2, "text": "x" * 50})
    book.append({"n": 3})
    content = path.read_bytes()
    path.write_bytes(content[: first + 30])
    real = Path.open

    class Torn:
        """The file while it is written: the rest arrives behind the last block that is read, before the last look."""

        def __init__(self, file):
            self.file, self.seek, self.calls = file, file.seek, count()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def read(self, *size):
            if next(self.calls) == 2:
                with real(path, "wb") as whole:
                    whole.write(content)
            return self.file.read(*size)

    monkeypatch.setattr(Path, "open", lambda self, how: Torn(real(self, how)))
    assert [event.get("n") for _, event in journal.read(path)] == [1, 2, 3]


@pytest.mark.parametrize("text", [f'{{"n":{"7" * 5000}}}', '{"n":' + "[" * 200_000 + "]" * 200_000 + "}", "1,2"])
def test_a_record_that_cannot_be_decoded_is_damaged_and_blocks_no_other(book, text):
    book.append({"n": 1})
    book.append_text(text)
    book.append({"n": 2})
    (path,) = journal.journals(book.home)
    before, found, after = [event for _, event in journal.read(path)]
    assert (before["n"], after["n"]) == (1, 2)
    assert found == {"t": "damaged", "bytes": len(text), "text": text[:200]}


def deep():
    value = []
    for _ in range(200_000):
        value = [value]
    return value


@pytest.mark.parametrize("digits", [4300, 0])
@pytest.mark.parametrize("make", [lambda: 10**5000, lambda: {"a": [10**5000]}, deep], ids=["long", "inside", "deep"])
def test_a_value_that_cannot_be_read_again_is_kept_as_text(book, make, digits):
    kept = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(digits)
    try:
        book.append({"n": 1, "value": make(), "other": math.nan})
    finally:
        sys.set_int_max_str_digits(kept)
    (path,) = journal.journals(book.home)
    ((_, event),) = journal.read(path)
    assert event["n"] == 1
    assert isinstance(event["value"], str)
    assert len(event["value"]) <= 200


@posix
def test_a_place_in_the_temporary_folder_that_others_can_write_is_not_used(book, monkeypatch):
    root = book.waiting.parent.parent
    forged = journal.Journal(book.waiting)
    forged.append({"n": 0})
    forged.close()
    assert numbers(book.home) == [0]
    root.chmod(0o777)
    assert numbers(book.home) == []
    with monkeypatch.context() as patch:
        Faults(patch, ["write"], errno.ENOSPC, 1, lasting=True)
        with pytest.raises(OSError, match="No space"):
            book.append({"n": 1})
    real = root.rename(root.with_name("real"))
    real.chmod(0o700)
    root.symlink_to(real)
    assert numbers(book.home) == []


@posix
def test_what_waits_lies_where_only_its_user_can_write(book, monkeypatch):
    before = os.umask(0)
    try:
        with monkeypatch.context() as patch, pytest.warns(RuntimeWarning, match="waits in"):
            Faults(patch, ["write"], errno.ENOSPC, 1)
            book.append({"n": 1})
    finally:
        os.umask(before)
    for place in (book.waiting, book.waiting.parent, book.waiting.parent.parent):
        assert place.stat().st_mode & 0o777 == 0o700
