"""The parent processes of this user: find one, start one, see and stop them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.jobs.warm import keys
from nbmlops.jobs.warm.checks import Cold, Command
from nbmlops.jobs.warm.kernel import Talk
from nbmlops.jobs.warm.parent import words

__all__ = ["Wanted", "running", "stop"]

MOST = 4  # parents of a user; each holds its imports in memory
RETRY_S = 3600.0  # a parent that could not be made is tried again


@dataclass(frozen=True)
class Wanted:
    """The parent a kernel needs.

    Parameters
    ----------
    command : Command
    env : mapping
        The kernel's variables.
    preload : sequence of str
    most : int
        Parents there may be.
    """

    command: Command
    env: Mapping[str, str]
    preload: Sequence[str]
    most: int = MOST

    def reach(self) -> Talk:
        """Return a conversation with the parent.

        Raises
        ------
        Cold
            There is none yet, and one is being made now; or it cannot be.
        """
        folder, family = keys.folder(), self._family()
        name = keys.key(family, self.env, keys.known_names(folder, family), self.preload)
        path = folder / f"{name}.sock"
        try:
            return Talk(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            pass
        with _locked(folder / f"{name}.lock") as lock:
            _not_off(folder / f"{name}.off")
            path.unlink(missing_ok=True)
            _make_room(self.most)
            self._start(folder, family, name, lock)
        raise Cold("the process with its imports is being made for the next one", expected=True)

    def _family(self) -> str:
        python = [self.command.python, os.path.realpath(self.command.python), *self.command.flags]
        return keys.digest(python, keys.installed(), sorted(self.preload), keys.standing())

    def _start(self, folder: Path, family: str, name: str, lock: int) -> None:
        """Start a parent that is no child of this process: nobody here would take note of its end."""
        fd = os.memfd_create("nbmlops-warm", 0)
        os.set_inheritable(fd, True)
        spec = {"folder": str(folder), "family": family, "asked": name, "lock": lock}
        os.write(fd, json.dumps({**spec, "preload": list(self.preload), "first": list(self.preload)}).encode())
        os.lseek(fd, 0, os.SEEK_SET)
        shell = ["/bin/sh", "-c", '"$@" &', "sh", *words(self.command.python, self.command.flags, fd)]
        try:
            subprocess.run(
                shell,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(fd, lock),
                check=True,
            )
        except subprocess.SubprocessError as error:
            raise Cold(f"no process could be started ({error})") from error
        finally:
            os.close(fd)


def running() -> list[dict[str, Any]]:
    """Return the parents of this user that answer, the longest unused first.

    Returns
    -------
    list of dict
        ``pid``, ``began`` and ``used`` (seconds since 1970), ``kernels`` that run, ``started`` so far, ``preload``,
        ``particular`` (modules each kernel imports itself), ``memory_bytes``, ``path``.

    Examples
    --------
    >>> isinstance(running(), list)
    True
    """
    if sys.platform != "linux":
        return []
    found = (_asked(path, "status") for path in sorted(keys.folder().glob("*.sock")))
    return sorted((s for s in found if s), key=lambda s: float(s["used"]))


def stop(path: str) -> None:
    """Let a parent take no more requests; it ends with the last of its kernels."""
    _asked(Path(path), "stop")


def _asked(path: Path, what: str) -> dict[str, Any] | None:
    try:
        talk = Talk(str(path))
    except OSError:
        return None
    try:
        talk.ask({"ask": what}, [0])
        answer = talk.hear()
    except OSError:
        return None
    finally:
        talk.close()
    return {**answer, "path": str(path), "memory_bytes": _memory(answer.get("pid", 0))} if answer else None


def _memory(pid: int) -> int:
    """Return the memory a process holds."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _make_room(most: int) -> None:
    """Stop the parents that were unused for longest, so that one more is not too many."""
    there = running()
    for one in there[: max(0, len(there) - most + 1)]:
        stop(one["path"])


class _locked:  # noqa: N801
    """Hold the lock of a parent that is being made; its file goes to the new process, and keeps it locked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> int:
        import fcntl  # Windows has none, and gets no further than its import

        self.fd = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.fd)
            raise Cold("the process with its imports is still being made", expected=True) from None
        return self.fd

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


def _not_off(path: Path) -> None:
    """Refuse what an earlier parent of the same kind found out."""
    with contextlib.suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime < RETRY_S:
            raise Cold(path.read_text())
