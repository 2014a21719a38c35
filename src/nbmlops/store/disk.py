"""What a journal asks of the operating system: locks on files, and that they reach the disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows needs no lock: it refuses to delete a file its writer has open
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOCKS", "same_file", "sync_file", "sync_folder", "try_lock", "unlock"]

LOCKS = fcntl is not None


def try_lock(fd: int) -> bool | None:
    """Take the lock if nobody has it; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def unlock(fd: int) -> None:
    """Let go of a lock."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)


def same_file(fd: int, path: Path | None) -> bool:
    """Tell whether an open file is still the one at a path: not deleted, moved or replaced."""
    try:
        found, held = os.stat(path or ""), os.fstat(fd)  # noqa: PTH116  # half the time of Path.stat
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


def sync_file(fd: int) -> None:
    """Have what was written survive power loss."""
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(fd)


def sync_folder(folder: Path) -> None:
    """Have the files made in a folder be there after power loss; some systems cannot."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
