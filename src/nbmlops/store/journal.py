"""The journal: append-only segments of a process, written before anything else.

A record is ``length, CRC-32, JSON``. What :meth:`Journal.append` returned for survives the process; what
:meth:`Journal.sync` returned for survives power loss. Readers stop at the first record that is cut short
or damaged, so a segment may be read while it is written.

Whoever writes a segment, or brings it into the database, holds a lock on it. A process keeps the lock while it
has a run open, and lets go of it between runs; the lock of a dead process is gone with it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import threading
import time
import weakref
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from nbmlops.errors import Invalid, tell
from nbmlops.records import new_id, plain
from nbmlops.store import segments
from nbmlops.store.disk import LOCKS, same_file, sync_file, sync_folder, try_lock, unlock
from nbmlops.store.segments import HEADER, SUFFIX, journals, prepare, read, waiting_folder

__all__ = ["Journal", "claim", "discard", "journals", "prepare", "read", "waiting_folder"]

LARGE_BYTES = 4 * 2**20  # a segment this large is followed by another, and may be discarded while a run is open
LOOK_S = 0.25  # how often a journal that is written looks whether its segment is still there

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode

DIGITS = 4300  # of a whole number: Python reads no more
CUT = 200  # how much is kept as text of a value that JSON cannot hold
_too_long = re.compile(rf"[:\[,]-?\d{{{DIGITS + 1}}}").search

_claiming = threading.RLock()  # one thread of a process brings journals in, the others wait for it
_claimed: dict[Path, int] = {}  # segments of others this process holds, with their descriptors
_owned: weakref.WeakValueDictionary[Path, Journal] = weakref.WeakValueDictionary()
_every: weakref.WeakSet[Journal] = weakref.WeakSet()


class Journal:
    """The tracking events of one process, in segments of which one is open.

    When the project's folder cannot be written, the events wait in the temporary folder, with one warning:
    tracking never breaks the user's cell.

    Parameters
    ----------
    folder : Path
        The project's ``.nbmlops/journal``.

    Examples
    --------
    >>> import tempfile
    >>> book = Journal(Path(tempfile.mkdtemp()) / "journal")
    >>> book.append({"t": "tag", "run_id": "1", "name": "who", "value": "me"})
    >>> [event["name"] for path in journals(book.folder) for _, event in read(path)]
    ['who']
    >>> book.close()
    """

    def __init__(self, folder: Path) -> None:
        self.home = self.folder = folder
        self.waiting = waiting_folder(folder)
        self.journal_id = new_id()
        self._lock = threading.RLock()  # a signal's handler may log in the middle of an append
        self._fd: int | None = None
        self._path: Path | None = None
        self._locked = self._told = self._told_sync = False
        self._runs = self._claims = 0
        self._look_at = 0.0
        self._unsynced: OSError | None = None  # why a segment that was left is perhaps not on the disk
        _watch_forks()
        _every.add(self)

    def append(self, event: dict[str, Any]) -> None:
        """Write one event; when this returns, it survives the process.

        Parameters
        ----------
        event : dict
            ``t`` says what it is; values JSON does not know are made plain, and those it cannot hold are cut short.

        Raises
        ------
        Invalid
            The event is larger than a record may be.
        OSError
            Neither the project's folder nor the temporary one can be written.
        """
        try:
            text = _encode(event)
        except (TypeError, ValueError, RecursionError):  # arrays, dataclasses, NaN: rare, and slower
            text = ""
        if not text or (len(text) > DIGITS and _too_long(text)):
            text = _encode({name: _storable(value) for name, value in event.items()})
        self.append_text(text)

    def append_text(self, text: str) -> None:
        """Write one event that is JSON text already (see :meth:`append`)."""
        data = text.encode("utf-8", "replace")
        if len(data) > segments.MAX_RECORD_BYTES:
            raise Invalid(
                f"What is tracked is {len(data) / 2**20:.0f} MB in one piece.",
                f"At most {segments.MAX_RECORD_BYTES >> 20} MB; keep it as a file: nb.log_artifact(name, path).",
            )
        record = HEADER.pack(len(data), zlib.crc32(data)) + data
        with self._lock:
            try:
                self._put(record)
            except OSError as error:
                self._put_elsewhere(record, error)
            if not self._runs:
                self._let_go()

    def sync(self) -> None:
        """Make what was appended survive power loss."""
        with self._lock:
            if self._fd is None:
                return
            try:
                sync_file(self._fd)
            except OSError as error:  # what the disk did not take now it may never take: go on in another segment
                self._leave()
                self._warn_of_sync(error)

    def settle(self) -> None:
        """Make what was appended survive power loss, while other threads go on appending.

        Raises
        ------
        OSError
            The disk did not take it, or a segment that was left since the last call.
        """
        with self._lock:
            path, fd = self._path, None if self._fd is None else os.dup(self._fd)
            size = 0 if fd is None else os.fstat(fd).st_size
        failed: OSError | None = None
        try:
            if fd is not None:
                sync_file(fd)
        except OSError as error:
            failed = error
        with self._lock:  # of two descriptors of one file, a disk's error may be told to the other one only
            failed, self._unsynced = failed or self._unsynced, None
            if failed and self._path == path:
                self._leave()
                if fd is None or os.fstat(fd).st_size == size:  # what came meanwhile hears of it at its own call
                    self._unsynced = None
            if fd is not None:
                os.close(fd)
        if failed:
            raise failed

    def hold(self) -> None:
        """Keep the lock from the next append on: a run is open."""
        with self._lock:
            self._runs += 1

    def release(self) -> None:
        """Undo one :meth:`hold`; when it was the last, other processes may bring the segment in."""
        with self._lock:
            self._runs = max(0, self._runs - 1)
            if not self._runs:
                self._let_go()

    def close(self) -> None:
        """Close the segment; the next append opens a new one."""
        with self._lock:
            self._leave()

    def _put(self, record: bytes) -> None:
        if not self._locked or time.monotonic() >= self._look_at:
            self._take()
        fd, written = self._fd, 0
        assert fd is not None
        try:
            written = os.write(fd, record)
            while written < len(record):
                more = os.write(fd, record[written:])
                if not more:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                written += more
        except BaseException:  # what follows half a record could never be read: cut it off, and leave the segment
            if written:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, os.fstat(fd).st_size - written)
            self._leave()
            raise

    def _put_elsewhere(self, record: bytes, error: OSError) -> None:
        """Go on after a failed write: in the temporary folder, else in a new segment at home."""
        for folder in (self.waiting, self.home):
            self._leave()
            self.folder = folder
            with contextlib.suppress(OSError):
                self._put(record)
                break
        else:
            raise error
        if not self._told and self.folder == self.waiting:
            self._told = True
            with contextlib.suppress(OSError):
                (self.waiting.parent / segments.NOTE).write_text(str(self.home.absolute()), encoding="utf-8")
            tell(
                f"nbmlops cannot write {self.home} ({error.strerror}); what is tracked waits in {self.waiting}. "
                "Your cell is not affected. `nbmlops doctor` says more."
            )

    def _warn_of_sync(self, error: OSError) -> None:
        if not self._told_sync:
            self._told_sync = True
            tell(
                f"nbmlops could not sync {self.folder} to disk ({error.strerror}): what was tracked just now survives "
                "this process, but perhaps not a power loss. Your cell is not affected."
            )

    def _take(self) -> None:
        """Open the segment and its lock; start a new one when it is gone, or another process has it."""
        if self._fd is not None and not self._locked:
            self._locked = try_lock(self._fd) is not False
        if self._fd is not None and not (self._locked and (same_file(self._fd, self._path) or self._moved())):
            self._leave()
        if self._fd is not None and os.fstat(self._fd).st_size >= LARGE_BYTES:
            self._leave()  # or it could not be discarded while a run logs on and on
        if self._fd is None:
            self._open()
        self._look_at = time.monotonic() + LOOK_S

    def _moved(self) -> bool:
        """Tell whether the whole project went elsewhere, our segment with it: writing goes on there."""
        assert self._fd is not None
        return not self.home.parent.parent.exists() and os.fstat(self._fd).st_nlink > 0

    def _open(self) -> None:
        made = not self.folder.is_dir()
        if self.folder == self.waiting:
            segments.make_private(self.folder)
        elif made:
            prepare(self.folder.parent)
            self.folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self.folder.parent)
        folder, path = self.folder, self.folder / f"{self.journal_id}{SUFFIX}"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        self._path = path
        _owned[path] = self
        self._locked = try_lock(self._fd) is not False
        if self._locked and same_file(self._fd, path):
            return sync_folder(folder)
        self._leave()  # a reader took it in between
        self.folder = folder
        return self._open()

    def _leave(self) -> None:
        """Close the segment for good; its lock goes with it."""
        fd, path, self._fd, self._path, self._locked = self._fd, self._path, None, None, False
        if fd is None:
            return
        try:
            sync_file(fd)
        except OSError as error:
            self._unsynced = error
        with contextlib.suppress(OSError):
            os.close(fd)
        if path is not None:
            _owned.pop(path, None)
        self.journal_id, self.folder = _after(self.journal_id), self.home

    def _let_go(self) -> None:
        if self._locked and not self._claims:
            self._locked = False
            if self._fd is not None:
                unlock(self._fd)

    @contextlib.contextmanager
    def _lent(self, path: Path) -> Iterator[bool]:
        """Let this process's own reader have the segment, while it may go on to write."""
        with self._lock:
            mine = self._fd is not None and self._path == path
            if self._fd is not None and mine and not self._locked:
                self._locked = try_lock(self._fd) is not False
            mine = mine and self._locked and path.is_file()
            self._claims += mine
        try:
            yield mine
        finally:
            with self._lock:
                self._claims = max(0, self._claims - mine)
                if not self._runs:
                    self._let_go()

    def _discard(self, path: Path, offset: int) -> bool:
        with self._lock:
            if self._fd is None or self._path != path or (self._runs and offset < LARGE_BYTES):
                return False
            if os.fstat(self._fd).st_size != offset:
                return False
            if not LOCKS:  # Windows deletes no open file
                self._leave()
            path.unlink(missing_ok=True)
            self._leave()
            return True

    def _forget(self) -> None:
        """Begin anew in a forked child; the lock is the parent's, and closing does not undo it."""
        self._lock = threading.RLock()
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd, self._path, self._locked, self._runs, self._claims = None, None, False, 0, 0
        self.folder, self.journal_id = self.home, new_id()


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Take a segment, to bring it into the database; held until the block ends.

    Parameters
    ----------
    path : Path
        A journal file.

    Yields
    ------
    bool
        Whether it is ours: false while another process writes or reads it, or when it is gone.

    Examples
    --------
    >>> with claim(Path("gone.journal")) as mine:
    ...     mine
    False
    """
    with _claiming:
        owner = _owned.get(path)
        with owner._lent(path) if owner is not None else _borrowed(path) as mine:
            yield mine


def discard(path: Path, offset: int) -> bool:
    """Delete a segment all of which is in the database for good; inside :func:`claim` only.

    Parameters
    ----------
    path : Path
        A journal file.
    offset : int
        How far it was read, in bytes; a segment that goes on behind it is kept.

    Returns
    -------
    bool
        Whether it is deleted. The own segment of a process with a run open is kept until it is large.
    """
    with contextlib.suppress(OSError):
        if (owner := _owned.get(path)) is not None:
            return owner._discard(path, offset)
        if (path in _claimed or not LOCKS) and path.stat().st_size == offset:
            path.unlink()
            return True
    return False


@contextlib.contextmanager
def _borrowed(path: Path) -> Iterator[bool]:
    """Take the segment of another process, living or dead."""
    if not LOCKS or path in _claimed:
        yield path.is_file()
        return
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:  # gone, or another user's
        yield False
        return
    try:
        locked = try_lock(fd)
        if locked and same_file(fd, path):
            _claimed[path] = fd
        # Where the file system has no locks, reading is safe (the watermark sees to that) and deleting is not.
        yield path in _claimed or locked is None
    finally:
        _claimed.pop(path, None)
        os.close(fd)


@cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forked)


def _forked() -> None:
    global _claiming
    _claiming = threading.RLock()
    for fd in _claimed.values():
        with contextlib.suppress(OSError):
            os.close(fd)
    _claimed.clear()
    _owned.clear()
    for journal in list(_every):
        journal._forget()


def _storable(value: Any) -> Any:
    """Return a value as plain JSON; one that cannot be written, or not be read again, as the beginning of its text."""
    with contextlib.suppress(ValueError, RecursionError):
        found = plain(value)
        if not _too_long(f":{_encode(found)}"):
            return found
    with contextlib.suppress(ValueError, RecursionError):
        return str(value)[:CUT]
    return f"a value of type {type(value).__name__} that has no text"


def _after(journal_id: str) -> str:
    """Return a new id that sorts behind another, for journals are read in the order of their ids."""
    if (later := new_id()) > journal_id:
        return later
    from uuid import UUID  # the same millisecond, or the clock was set back

    return str(UUID(int=UUID(journal_id).int + 1))
