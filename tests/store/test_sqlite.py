"""How a SQLite file is opened, shared, checked and copied: on a sound disk, on a bad one, and after a kill."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from nbmlops.errors import Conflict, NotFound, Unavailable
from nbmlops.store import forks, mounts, sqlite

ROWS = 2000


@pytest.fixture
def path(tmp_path):
    """A store's file with some rows, as yet unknown to this process."""
    path = tmp_path / "ho me?#%41" / "store.sqlite"
    path.parent.mkdir()
    with closing(sqlite.connect(path)) as connection:
        connection.execute("CREATE TABLE t (no INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        connection.execute("CREATE INDEX i ON t (text)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"{n:0200}") for n in range(ROWS)])
        connection.execute("COMMIT")
    sqlite._seen.clear()
    return path


@pytest.fixture
def new_library(monkeypatch):
    """Let this process believe that its SQLite may use WAL."""
    monkeypatch.setattr(sqlite, "wal_is_safe", lambda version: True)


@pytest.fixture
def run_python(tmp_path):
    """Start a Python that does something with a file and says ``ready``; it goes on when its input is closed."""
    running = []

    def start(code, *words):
        head = "import os, signal, sqlite3, sys, time\nfrom pathlib import Path\nfrom nbmlops.store import sqlite\n"
        head += "path = Path(sys.argv[1])\ndef ready():\n    print('ready', flush=True); sys.stdin.read()\n"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, "-c", head + code, *map(str, words)], **pipes)
        running.append(process)
        if "ready()" in code:
            assert process.stdout.readline() == "ready\n", process.communicate()
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def count(path):
    with closing(sqlite.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM t").fetchone()[0]


def asked(connection, name):
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_commit_is_synced_and_nothing_is_mapped(path):
    with closing(sqlite.connect(path, timeout_s=1.5)) as connection:
        assert (asked(connection, "synchronous"), asked(connection, "busy_timeout")) == (2, 1500)
        assert (asked(connection, "mmap_size"), connection.isolation_level) == (0, None)


def test_an_old_library_uses_truncate_and_says_why(path, monkeypatch):
    monkeypatch.setattr(sqlite, "wal_is_safe", lambda version: False)
    with closing(sqlite.connect(path)) as connection:
        assert asked(connection, "journal_mode") == "truncate"
    assert sqlite.mode(path) == ("TRUNCATE", sqlite.mode(path).reason, False)
    assert sqlite3.sqlite_version in sqlite.mode(path).reason


def test_a_new_library_uses_wal(path, new_library):
    with closing(sqlite.connect(path)) as connection:
        assert asked(connection, "journal_mode") == "wal"
    assert sqlite.mode(path).reason.startswith("a local disk")


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "9p"])
def test_a_network_file_system_is_known_and_warned_of_once(path, new_library, monkeypatch, kind):
    monkeypatch.setattr(mounts, "_mounts", lambda: [("/", "ext4"), (str(path.parent), kind), ("/proc", "proc")])
    mounts._filesystem.cache_clear()
    with pytest.warns(RuntimeWarning, match=f"network file system .{kind}.*NBMLOPS_HOME.*NBMLOPS_STORE") as told:
        for _ in range(3):
            with closing(sqlite.connect(path)) as connection:
                assert asked(connection, "journal_mode") == "truncate"
    assert len(told) == 1
    assert sqlite.mode(path).network
    mounts._filesystem.cache_clear()


def test_a_store_in_wal_is_opened_by_an_old_library_while_another_process_has_it(path, run_python, monkeypatch):
    newer = (
        "sqlite.wal_is_safe = lambda version: True\n"
        "c = sqlite.connect(path); c.execute('BEGIN'); c.execute('SELECT count(*) FROM t').fetchone(); ready()\n"
        "c.execute('ROLLBACK'); c.execute(\"INSERT INTO t VALUES (-1, 'theirs')\"); c.close()"
    )
    process = run_python(newer, path)
    monkeypatch.setattr(sqlite, "wal_is_safe", lambda version: False)
    with closing(sqlite.connect(path)) as connection:
        assert asked(connection, "journal_mode") == "wal"
        connection.execute("INSERT INTO t VALUES (-2, 'ours')")
    assert process.communicate()[1] == ""
    with closing(sqlite.connect(path)) as connection:
        assert asked(connection, "journal_mode") == "truncate"
    assert count(path) == ROWS + 2


def test_a_store_in_truncate_is_opened_by_a_new_library_while_another_process_writes(path, run_python, new_library):
    older = (
        "sqlite.wal_is_safe = lambda version: False\n"
        "c = sqlite.connect(path); c.execute('BEGIN IMMEDIATE'); c.execute(\"INSERT INTO t VALUES (-1, 'theirs')\")\n"
        "ready(); c.execute('COMMIT'); c.close()"
    )
    process = run_python(older, path)
    with closing(sqlite.connect(path)) as connection:
        assert asked(connection, "journal_mode") == "truncate"
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (ROWS,)
        assert process.communicate()[1] == ""
        connection.execute("INSERT INTO t VALUES (-2, 'ours')")
    with closing(sqlite.connect(path)) as connection:
        assert asked(connection, "journal_mode") == "wal"
    assert count(path) == ROWS + 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says who holds a lock")
def test_who_holds_the_lock_is_named(path, run_python):
    process = run_python("c = sqlite.connect(path); c.execute('BEGIN IMMEDIATE'); ready()", path)
    with closing(sqlite.connect(path, timeout_s=0.05)) as connection, pytest.raises(sqlite3.OperationalError) as error:
        connection.execute("BEGIN IMMEDIATE")
    said = sqlite.explain(error.value, path)
    assert isinstance(said, Unavailable)
    assert f"in use by {process.pid} (" in str(said)


def test_a_full_disk_is_called_so(path):
    with closing(sqlite.connect(path)) as connection:
        connection.execute(f"PRAGMA max_page_count={asked(connection, 'page_count')}")
        with pytest.raises(sqlite3.OperationalError) as error:
            connection.executemany("INSERT INTO t (text) VALUES (?)", [("x" * 4000,)] * 100)
    assert "is full" in str(sqlite.explain(error.value, path))


def test_a_fault_of_the_statement_is_not_the_disks(path):
    with closing(sqlite.connect(path)) as connection, pytest.raises(sqlite3.OperationalError) as error:
        connection.execute("SELECT nothing FROM t")
    assert sqlite.explain(error.value, path) is None


KILLED = """
sqlite.wal_is_safe = lambda version: {wal}
c = sqlite.connect(path); c.execute('PRAGMA cache_size=5'); c.execute('BEGIN IMMEDIATE')
c.executemany('UPDATE t SET text = text || ? WHERE no = ?', [('x' * 50, n) for n in range(2000)])
{then}
"""


@pytest.fixture
def checks(monkeypatch):
    """Count how often a file is checked."""
    made = []
    real = sqlite.quick_check
    monkeypatch.setattr(sqlite, "quick_check", lambda connection, path: (made.append(path), real(connection, path)))
    return made


def test_a_writer_killed_in_the_middle_is_undone_and_the_file_is_checked_once(path, run_python, checks):
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    assert run_python(KILLED.format(wal=False, then=kill), path).wait() == -signal.SIGKILL
    assert sqlite._size(path, "-journal") > 0
    for _ in range(2):
        with closing(sqlite.connect(path)) as connection:
            assert connection.execute("SELECT count(*), max(length(text)) FROM t").fetchone() == (ROWS, 200)
    assert checks == [path]


def test_a_living_writer_is_no_unclean_end(path, run_python, checks):
    process = run_python(
        "c = sqlite.connect(path); c.execute('BEGIN IMMEDIATE'); c.execute('DELETE FROM t WHERE no < 9'); ready()\n"
        "c.execute('COMMIT')",
        path,
    )
    assert sqlite._size(path, "-journal") > 0
    assert count(path) == ROWS
    assert process.communicate()[1] == ""
    assert count(path) == ROWS - 9
    assert checks == []


def test_a_wal_from_before_the_machine_started_is_an_unclean_end(path, run_python, new_library, checks):
    kill = "c.execute('COMMIT'); os.kill(os.getpid(), signal.SIGKILL)"
    assert run_python(KILLED.format(wal=True, then=kill), path).wait() == -signal.SIGKILL
    assert sqlite._size(path, "-wal") > 0
    shutil.copytree(path.parent, path.parent.with_name("later"))
    assert count(path) == ROWS  # the same boot: what the process wrote is with the operating system
    assert checks == []
    crashed = path.parent.with_name("later") / path.name
    os.utime(f"{crashed}-wal", (1, 1))
    with closing(sqlite.connect(crashed)) as connection:
        assert connection.execute("SELECT count(*), min(length(text)) FROM t").fetchone() == (ROWS, 250)
    assert checks == [crashed]


def test_a_cut_file_is_refused_with_what_to_do(path):
    whole = path.read_bytes()
    newest = sqlite.backup(path, path.parent / "backups" / "b.sqlite")
    for length in (50, 99, 100, 511, 4096, 8192, len(whole) // 2 // 4096 * 4096, len(whole) - 4096, len(whole) - 1):
        path.write_bytes(whole[:length])
        sqlite._seen.clear()
        with pytest.raises((Unavailable, sqlite3.DatabaseError)) as error, closing(sqlite.connect(path)) as connection:
            connection.execute("SELECT count(text) FROM t").fetchone()
        said = error.value if isinstance(error.value, Unavailable) else sqlite.explain(error.value, path)
        assert "is damaged" in said.message, length
        assert str(newest) in said.hint


def test_flipped_bits_never_crash_and_never_pass_the_check_where_they_break_the_structure(path):
    whole = path.read_bytes()
    chance = random.Random(7)
    found = 0
    for _ in range(150):
        flipped = bytearray(whole)
        page = chance.randrange(len(whole) // 4096)
        place = page * 4096 + chance.randrange(12 if page else 100)  # a page's own header, the file's on the first
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        sqlite._seen.clear()
        try:
            with closing(sqlite.connect(path)) as connection:
                sqlite.quick_check(connection, path)
                rows = connection.execute("SELECT no, text FROM t ORDER BY no").fetchall()
        except (Unavailable, sqlite3.DatabaseError):
            found += 1
        else:
            assert rows == [(n, f"{n:0200}") for n in range(ROWS)]
    assert found > 50


def test_an_unclean_end_that_damaged_the_file_is_seen_before_it_is_used(path):
    whole = bytearray(path.read_bytes())
    whole[5 * 4096 : 5 * 4096 + 8] = b"\xff" * 8
    path.write_bytes(whole)
    path.with_name(f"{path.name}-journal").write_bytes(b"\0" * 600)  # a header that was never synced: not hot
    for _ in range(2):
        with pytest.raises(Unavailable, match="is damaged"):
            sqlite.connect(path)


@pytest.mark.parametrize("wal", [False, True])
def test_a_copy_made_while_others_write_is_one_state(path, run_python, monkeypatch, wal):
    monkeypatch.setattr(sqlite, "wal_is_safe", lambda version: wal)
    writing = (
        f"sqlite.wal_is_safe = lambda version: {wal}\n"
        "c = sqlite.connect(path); n = 0; print('ready', flush=True)\n"
        "while True:\n"
        "    n -= 2; c.execute('BEGIN IMMEDIATE')\n"
        "    c.executemany('INSERT INTO t VALUES (?, ?)', [(n, 'x'), (n + 1, 'x')]); c.execute('COMMIT')\n"
        "    time.sleep(0.01)\n"
        "# ready()"
    )
    run_python(writing, path)
    for number in range(2):
        target = sqlite.backup(path, path.parent / "backups" / f"{number}.sqlite")
        with closing(sqlite3.connect(target)) as copy:
            pairs, journal_mode = (
                copy.execute("SELECT count(*) FROM t WHERE no < 0").fetchone()[0],
                asked(copy, "journal_mode"),
            )
        assert pairs % 2 == 0
        assert journal_mode == "delete"
    assert sorted(p.name for p in target.parent.iterdir()) == ["0.sqlite", "1.sqlite"]
    assert target.stat().st_mode & 0o077 == 0


def test_a_copy_overwrites_nothing(path, tmp_path):
    target = tmp_path / "kept.sqlite"
    target.write_text("mine")
    with pytest.raises(Conflict, match="is there already"):
        sqlite.backup(path, target)
    with pytest.raises(NotFound):
        sqlite.backup(tmp_path / "none.sqlite", tmp_path / "new.sqlite")
    assert target.read_text() == "mine"
    assert not (tmp_path / "none.sqlite").exists()


def test_a_target_that_appears_meanwhile_is_not_overwritten(path, tmp_path, monkeypatch):
    target = tmp_path / "kept.sqlite"
    real = sqlite._copy
    monkeypatch.setattr(sqlite, "_copy", lambda source, part: (real(source, part), target.write_text("theirs")))
    with pytest.raises(Conflict, match="is there already"):
        sqlite.backup(path, target)
    assert target.read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["kept.sqlite"]


def test_a_damaged_store_is_not_copied(path, tmp_path):
    whole = bytearray(path.read_bytes())
    whole[5 * 4096 : 5 * 4096 + 8] = b"\xff" * 8
    path.write_bytes(whole)
    with pytest.raises(Unavailable, match="is damaged"):
        sqlite.backup(path, tmp_path / "copy.sqlite")
    assert not list(tmp_path.glob("*copy.sqlite*"))


READ_ONLY = """
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
c = sqlite.connect(path)
print(c.execute('SELECT count(*) FROM t').fetchone()[0])
try:
    c.execute("INSERT INTO t VALUES (-1, 'x')")
except sqlite3.OperationalError as error:
    print(sqlite.explain(error, path))
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
def test_a_folder_that_cannot_be_written_can_be_read(path, run_python, tmp_path):
    for place in path.parents:  # another user has to reach it
        if place.owner() != Path.home().owner() or place.stat().st_mode & 0o1000:
            break
        place.chmod(0o755)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    out, err = run_python(READ_ONLY, path).communicate()
    path.parent.chmod(0o755)
    assert err == ""
    assert out.splitlines()[0] == str(ROWS)
    assert "can be read, not written" in out


FORKING = """
import threading, time
stop = threading.Event()
def write():
    while not stop.is_set():
        c = sqlite.connect(path); c.execute('BEGIN IMMEDIATE')
        c.execute("INSERT INTO t (text) VALUES ('thread')"); c.execute('COMMIT'); c.close()
        time.sleep(0.005)
threads = [threading.Thread(target=write) for _ in range(2)]
[t.start() for t in threads]
for n in range(5):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            c = sqlite.connect(path, timeout_s=20); c.execute('BEGIN IMMEDIATE')
            c.execute("INSERT INTO t (text) VALUES ('child')"); c.execute('COMMIT'); c.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
[t.join() for t in threads]
c = sqlite.connect(path)
print(c.execute("SELECT count(*) FROM t WHERE text = 'child'").fetchone()[0])
print(c.execute('PRAGMA integrity_check').fetchone()[0])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("wal", [False, True])
def test_a_fork_in_the_middle_of_writing_leaves_both_sides_working(path, run_python, wal):
    out, err = run_python(f"sqlite.wal_is_safe = lambda version: {wal}\n{FORKING}", path).communicate(timeout=120)
    assert (out, err) == ("5\nok\n", "")


def test_a_connection_may_be_closed_by_another_thread(path):
    connection = sqlite.connect(path)
    thread = threading.Thread(target=connection.close)
    thread.start()
    thread.join()
    assert connection not in forks._connections
