"""How the SQLite file of a store is opened, checked and backed up.

Nothing here opens that file but SQLite itself: closing any other descriptor of it would drop the locks that this
process holds (POSIX locks belong to the process, not to the descriptor).
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from nbmlops.errors import Conflict, NotFound, Unavailable, tell
from nbmlops.store import forks
from nbmlops.store.disk import sync_folder
from nbmlops.store.mounts import filesystem, is_network, read_only, writable

__all__ = ["Damaged", "Mode", "backup", "connect", "emptied", "explain", "holders", "mode", "quick_check"]

SAFE_WAL = (3, 51, 3)  # older libraries can lose commits when two connections checkpoint at once
SAFE_BACKPORTS = {(3, 44): 6, (3, 50): 7}
WITHDRAWN = (3, 52, 0)
REMEDY = "Set NBMLOPS_HOME to a folder on a local disk, or NBMLOPS_STORE to a PostgreSQL database."

BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL))
DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
AWAY = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH))

_seen: set[tuple[int, int]] = set()  # files this process has opened and found whole


class Mode(NamedTuple):
    """How a store's file is journalled, and why."""

    journal_mode: str
    reason: str
    network: bool = False


class Damaged(Unavailable):
    """The file is not what SQLite wrote: nothing is read from it."""


def connect(path: Path, *, timeout_s: float = 20) -> sqlite3.Connection:
    """Open a store's file, or make it; the caller begins and ends transactions.

    Parameters
    ----------
    path : Path
    timeout_s : float
        How long to wait for another process's lock, in seconds.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode, every commit synced to disk. Only for reading where the file cannot be written.

    Raises
    ------
    Damaged
        Looked for after an unclean end.
    Unavailable
        The file cannot be opened, or is locked.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     connection = connect(Path(folder) / "store.sqlite")
    ...     connection.execute("SELECT 1").fetchone()
    ...     connection.close()
    (1,)
    """
    try:
        key = _key(path)
        unclean = key is not None and key not in _seen and _unclean(path)
        connection = _open(path, timeout_s)
        try:
            if key is not None and key not in _seen:
                _look(connection, path, unclean)
                _seen.add(key)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(error, path) or error from error
    return connection


def _open(path: Path, timeout_s: float) -> sqlite3.Connection:
    connection = forks.Connection.opened(_address(path), timeout_s)
    try:
        connection.execute("PRAGMA synchronous=FULL")  # a journal segment is deleted after the commit
        connection.execute("PRAGMA mmap_size=0")
        if sys.platform == "darwin":
            connection.execute("PRAGMA fullfsync=1")  # fsync alone does not reach the disk there
        if writable(path):
            _journal_mode(connection, mode(path).journal_mode, timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection


def _address(path: Path) -> str:
    """Return what SQLite is asked to open: a plain path, or an address that says it will only be read."""
    if writable(path):
        return str(path.absolute())
    # On a disk that nobody can write there is nothing to lock, and WAL's side files cannot be made.
    return path.absolute().as_uri() + ("?immutable=1" if read_only(path) and not _leftover(path) else "?mode=ro")


def _journal_mode(connection: sqlite3.Connection, wanted: str, timeout_s: float) -> None:
    """Set the journal mode; between WAL and the others only when nobody else has the file open."""
    now = connection.execute("PRAGMA journal_mode").fetchone()[0].upper()
    if now == wanted:
        return
    if "WAL" not in (now, wanted):
        connection.execute(f"PRAGMA journal_mode={wanted}")
        return
    connection.execute("PRAGMA busy_timeout=0")
    try:
        connection.execute(f"PRAGMA journal_mode={wanted}")
    except sqlite3.OperationalError as error:
        if _code(error) not in BUSY:
            raise
        # Whoever opens the file alone changes it; until then both sides use what is there.
        if now != "WAL":
            connection.execute("PRAGMA journal_mode=TRUNCATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(timeout_s * 1000)}")


def mode(path: Path) -> Mode:
    """Return how a store's file is to be journalled, and why in words (``nbmlops doctor`` shows them).

    Parameters
    ----------
    path : Path
        It need not exist.

    Returns
    -------
    Mode
        ``journal_mode`` WAL or TRUNCATE, ``reason``, and whether the place is a ``network`` file system.
    """
    kind = filesystem(path)
    if is_network(kind):
        return Mode("TRUNCATE", f"the folder is on a network file system ({kind}), where WAL is not safe", True)
    version = sqlite3.sqlite_version
    if not wal_is_safe(sqlite3.sqlite_version_info):
        return Mode("TRUNCATE", f"SQLite {version} can damage a file in WAL mode; 3.51.3 and newer do not")
    return Mode("WAL", f"a local disk and SQLite {version}")


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Tell whether a version of SQLite has the fix of the WAL-reset fault.

    >>> [wal_is_safe(v) for v in [(3, 40, 1), (3, 50, 7), (3, 51, 2), (3, 51, 3), (3, 52, 0), (3, 53, 0)]]
    [False, True, False, True, False, True]
    """
    if version in (WITHDRAWN, (*WITHDRAWN, 0)):
        return False
    return version >= SAFE_WAL or version[2] >= SAFE_BACKPORTS.get((version[0], version[1]), 10**6)


def _key(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file; None when it is to be made."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def emptied(path: Path) -> bool:
    """Tell whether a file has lain there empty for a while: one that is being made right now is empty too."""
    try:
        found = path.stat()
    except OSError:
        return False
    # To SQLite a file of one byte is an empty one.
    return found.st_size <= 1 and time.time() - found.st_mtime > 60


def _leftover(path: Path) -> bool:
    return _size(path, "-journal") > 0 or _size(path, "-wal") > 0


def _size(path: Path, suffix: str) -> int:
    try:
        return Path(f"{path}{suffix}").stat().st_size
    except OSError:
        return 0


def _unclean(path: Path) -> bool:
    """Tell whether a side file says that a writer was cut off.

    A rollback journal is filled only during a write. A WAL file lies there as long as anybody has the store
    open; one from before the machine started is left from a crash of it. The end of a process alone takes
    nothing from a WAL file: what it wrote is with the operating system.
    """
    if _size(path, "-journal") > 0:
        return True
    started_at = time.time() - time.monotonic()
    return _size(path, "-wal") > 0 and Path(f"{path}-wal").stat().st_mtime < started_at


def _look(connection: sqlite3.Connection, path: Path, unclean: bool) -> None:
    """Say where a file system is not fit, and check a file whose last writer was cut off."""
    found = mode(path)
    if found.network:
        where = f"on a network file system ({filesystem(path)}): slow, and only as safe as its locks"
        tell(f"The store {path} is {where}. {REMEDY}")
    _check_length(connection, path)
    if unclean and writable(path) and not _being_written(connection):
        quick_check(connection, path)


def _check_length(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file whose last page was cut: SQLite reads what is missing as zeros."""
    if _size(path, "-wal") > 0:
        return  # the newest pages are there
    expected = math.prod(connection.execute(f"PRAGMA page_{word}").fetchone()[0] for word in ("count", "size"))
    if (size := _size(path, "")) < expected:
        raise damaged(path, f"{size} bytes long instead of {expected}")


def _being_written(connection: sqlite3.Connection) -> bool:
    """Tell whether a living process holds the write lock; taking it undoes what a dead one left."""
    wait = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout=0")
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if _code(error) not in BUSY:
            raise
        return True
    finally:
        connection.execute(f"PRAGMA busy_timeout={wait}")
    return False


def quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the file is whole.

    Raises
    ------
    Damaged
        The message quotes what SQLite found first.
    """
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise explain(error, path) or error from error
    if found != "ok":
        raise damaged(path, " ".join(found.split()))


def damaged(path: Path, found: str) -> Damaged:
    """Return the error for a damaged file."""
    newest = max((path.parent / "backups").glob("*.sqlite"), key=lambda p: p.stat().st_mtime, default=None)
    back = f"put the newest backup {newest} in its place" if newest else "put a backup in its place"
    return Damaged(
        f"The store {path} is damaged ({found}).",
        f"What is tracked waits in the journal. Move the file away and {back}, or run: nbmlops store import DIR.",
    )


def explain(error: sqlite3.Error, path: Path) -> Unavailable | None:
    """Return a readable error for a fault of the file or its disk; None for a fault of the statement.

    Parameters
    ----------
    error : sqlite3.Error
    path : Path
        The store's file.
    """
    code = _code(error)
    if code in BUSY:
        who = ", ".join(holders(path))
        seen = f"in use by {who}" if who else "in use by another process"
        return Unavailable(f"The store {path} is locked ({seen}).", "Wait for it or stop it, then try again.")
    if code in DAMAGED or "decode to UTF-8" in str(error):  # Python says the latter, without a code
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(f"The disk of the store {path} is full.", "Make room: nbmlops store gc shows what can go.")
    if code == sqlite3.SQLITE_READONLY:
        return Unavailable(f"The store {path} can be read, not written.", "Make its folder writable.")
    if code in AWAY:
        return Unavailable(f"The store {path} cannot be opened ({error}).", "Look at its folder's owner.")
    return None


def _code(error: sqlite3.Error) -> int:
    """Return the primary code of an error, 0 when SQLite gave none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def holders(path: Path) -> list[str]:
    """Return who holds a lock on a store's files, as ``PID (command)``; empty where the system does not say."""
    try:
        inodes = {str(Path(f"{path}{suffix}").stat().st_ino) for suffix in ("", "-shm") if _size(path, suffix)}
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    held = [line.split() for line in lines if "->" not in line]
    found = dict.fromkeys(int(w[4]) for w in held if len(w) > 5 and w[5].split(":")[-1] in inodes)
    return [f"{pid} ({_command(pid)})" for pid in found if pid not in (0, -1, os.getpid())]


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    return " ".join(word.decode("utf-8", "replace") for word in words[:3]).strip()[:60]


def backup(source: Path, target: Path) -> Path:
    """Copy a store's file while others write it, through SQLite; check the copy, then give it its name.

    Parameters
    ----------
    source, target : Path
        The target must not exist; its folder is made.

    Returns
    -------
    Path
        The target, one file without side files.

    Raises
    ------
    NotFound, Conflict
        There is no source; there is a target already.
    Unavailable
        The source is damaged or locked.
    """
    if not source.is_file():
        raise NotFound(f"There is no store at {source}.", "Nothing to back up.")
    if target.exists():
        raise Conflict(f"{target} is there already.", "Name a file that does not exist.")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        _copy(source, part)
        _publish(part, target)
    except sqlite3.Error as error:
        raise explain(error, source) or error from error
    finally:
        for leftover in (part, *(Path(f"{part}{suffix}") for suffix in ("-journal", "-wal", "-shm"))):
            leftover.unlink(missing_ok=True)
    return target


def _copy(source: Path, part: Path) -> None:
    with closing(connect(source)) as reading, closing(sqlite3.connect(part, isolation_level=None)) as writing:
        reading.execute("BEGIN")  # one state of the source: without it every foreign commit starts the copy again
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(writing)
        reading.execute("ROLLBACK")
        writing.execute("PRAGMA journal_mode=DELETE")  # a copy in WAL mode could not be read from a read-only place
        quick_check(writing, part)


def _publish(part: Path, target: Path) -> None:
    """Give a finished file its name, unless there is one by now; both survive a power loss."""
    part.chmod(0o600)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(part, target)  # unlike a rename, this does not overwrite
    except FileExistsError:
        raise Conflict(f"{target} is there already.", "Name a file that does not exist.") from None
    except OSError:  # a file system without hard links
        part.replace(target)
    sync_folder(target.parent)
