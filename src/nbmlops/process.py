"""Which process this is, and whether another one still lives: told even after its number was given to another."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["JOB_CELL", "alive", "earlier_boot", "identity"]

JOB_CELL = "nbmlops_cell"  # by which a job's request names its cell: cellId would say that somebody looks
ENDED = ("Z", "X", "x")  # a process that only waits for its parent to take note


def identity() -> dict[str, Any]:
    """Return what identifies this process: host, boot, the numbers it is one of, its number and when it started.

    Examples
    --------
    >>> alive(identity())
    True
    """
    return dict(_identity(os.getpid()))


def alive(owner: Mapping[str, Any] | None) -> bool | None:
    """Tell whether a process still lives; None where this machine cannot know.

    Only the same host, since the same boot and with the same process numbers (a container has its own) can know.

    Parameters
    ----------
    owner : mapping or None
        What :func:`identity` returned in that process.

    Examples
    --------
    >>> alive({**identity(), "host": "elsewhere"}) is None
    True
    """
    here = _place(os.getpid())
    if not owner or any(owner.get(name, "" if name == "host" else value) != value for name, value in here.items()):
        return None
    pid = owner.get("pid")
    if not (isinstance(pid, int) and 0 < pid < 2**31):  # to a system, 0 and less are groups of processes
        return None
    started = _started(pid)
    return started is not None and (started == owner.get("started") or "" in (started, owner.get("started")))


def earlier_boot(owner: Mapping[str, Any] | None) -> bool:
    """Tell whether a process belongs to a host of this name, but to another boot.

    No proof by itself: two machines may have one name.
    """
    here = _place(os.getpid())
    return bool(owner and owner.get("host") == here["host"] and owner.get("boot_id", "") not in ("", here["boot_id"]))


@cache
def _identity(pid: int) -> Mapping[str, Any]:
    # By number: a forked child inherits this cache, and is somebody else.
    return {**_place(pid), "pid": pid, "started": _started(pid) or ""}


@cache
def _place(_pid: int) -> Mapping[str, str]:
    """Return what must be equal before a process number means anything."""
    return {"host": socket.gethostname(), "boot_id": _boot_id(), "namespace": _namespace()}


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _namespace() -> str:
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def _started(pid: int) -> str | None:
    """Return when a process started, "" where that cannot be told; None when there is no such process."""
    return _started_linux(pid) if sys.platform == "linux" else _started_elsewhere(pid)


def _started_linux(pid: int) -> str | None:
    """Return the ticks since boot, the 22nd field of the process's stat file."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # another user's: it is there
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in ENDED else fields[19]
    except ProcessLookupError:
        return None
    except (OSError, IndexError):
        return ""


def _started_elsewhere(pid: int) -> str | None:
    """Return seconds since 1970."""
    import psutil  # on Windows os.kill(pid, 0) would be Ctrl-C

    try:
        found = psutil.Process(pid)
        return None if found.status() == psutil.STATUS_ZOMBIE else f"{found.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return ""
