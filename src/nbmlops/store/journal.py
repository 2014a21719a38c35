"""The journal: one append-only file per process, written before anything else.

A record is ``length, CRC-32, JSON``. What :meth:`Journal.append` returned for survives the process; what
:meth:`Journal.sync` returned for survives power loss. Readers stop at the first record that is cut short
or damaged, so a file may be read while it is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import tempfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbmlops.errors import tell
from nbmlops.records import new_id, plain

__all__ = ["Journal", "journals", "read"]

HEADER = struct.Struct("<II")
SUFFIX = ".journal"
MAX_RECORD_BYTES = 64 * 2**20


class Journal:
    """An append-only file of tracking events, owned by one process.

    When the project's folder cannot be written, the file waits in the temporary folder, with one warning:
    tracking never breaks the user's cell.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.waiting = waiting_folder(folder)
        self.journal_id = new_id()
        self._pid = os.getpid()
        self._fd: int | None = None
        self._lock = threading.Lock()

    def append(self, event: dict[str, Any]) -> None:
        """Write one event; when this returns, it survives the process."""
        data = json.dumps(plain(event), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        record = HEADER.pack(len(data), zlib.crc32(data)) + data
        with self._lock:
            try:
                _write(self._descriptor(), record)
            except OSError as error:
                self._move_elsewhere(error)
                _write(self._descriptor(), record)

    def sync(self) -> None:
        """Make what was appended survive power loss."""
        with self._lock, contextlib.suppress(OSError):
            if self._fd is not None and self._pid == os.getpid():
                (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(self._fd)

    def close(self) -> None:
        """Close the file; the next append opens a new one."""
        with self._lock:
            if self._fd is not None and self._pid == os.getpid():
                os.close(self._fd)
            self._fd = None
            self.journal_id = _after(self.journal_id)

    def _descriptor(self) -> int:
        """Return the open file; a forked child opens its own."""
        if self._pid != os.getpid():
            self._pid, self._fd, self.journal_id = os.getpid(), None, new_id()
        if self._fd is not None and not _same_file(self._fd, self._path):  # deleted or moved while we live
            os.close(self._fd)
            self._fd, self.journal_id = None, _after(self.journal_id)
        if self._fd is None:
            prepare(self.folder.parent)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            _sync_folder(self.folder)
        return self._fd

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.journal_id}{SUFFIX}"

    def _move_elsewhere(self, error: OSError) -> None:
        """Go on in the temporary folder after a write failed; where that fails too, nothing more can be done."""
        if self.folder == self.waiting:
            raise error
        blocked, self.folder, self._fd, self.journal_id = self.folder, self.waiting, None, _after(self.journal_id)
        tell(
            f"nbmlops cannot write {blocked} ({error.strerror}); what is tracked waits in {self.waiting}. "
            "Your cell is not affected. `nbmlops doctor` says more."
        )


def waiting_folder(folder: Path) -> Path:
    """Return where a journal waits when ``folder`` cannot be written: one place per user and project."""
    key = zlib.crc32(str(folder.absolute()).encode())
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"nbmlops-{user}" / f"{key:08x}" / "journal"


def prepare(home: Path) -> None:
    """Make ``.nbmlops`` with its own ``.gitignore``, so that no store is ever committed by accident."""
    if home.is_dir():
        return
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / ".gitignore").write_text("*\n", encoding="utf-8")


def journals(folder: Path) -> list[Path]:
    """Return the journal files of a project, oldest first, those that wait elsewhere too."""
    found = [p for place in (folder, waiting_folder(folder)) if place.is_dir() for p in place.glob(f"*{SUFFIX}")]
    return sorted(found, key=lambda p: p.name)


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (offset after the record, event) from a journal, up to the last whole record.

    Parameters
    ----------
    path : Path
        A journal file, possibly still being written.
    offset : int
        Where to go on, in bytes.
    """
    with path.open("rb") as file:
        file.seek(offset)
        while len(head := file.read(HEADER.size)) == HEADER.size:
            length, crc = HEADER.unpack(head)
            data = file.read(length) if length <= MAX_RECORD_BYTES else b""
            if len(data) < length or zlib.crc32(data) != crc:
                return
            yield file.tell(), json.loads(data)


def _write(fd: int, record: bytes) -> None:
    """Write a whole record or none of it: what follows half a record could never be read."""
    before, rest = os.fstat(fd).st_size, memoryview(record)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, before)
        raise


def _after(journal_id: str) -> str:
    """Return a new id that sorts behind another: journals are read in the order of their ids."""
    while (later := new_id()) <= journal_id:
        pass
    return later


def _same_file(fd: int, path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    held = os.fstat(fd)
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
