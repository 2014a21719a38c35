"""When a kernel must not be forked: looked at before it is asked for, and in the parent once it has its imports."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Cold", "Command", "command", "settle", "threads", "unsafe"]

LAUNCHERS = ("ipykernel_launcher", "ipykernel")
PASSED = {"env", "cwd", "stdout", "stderr", "kernel_id", "extra_arguments"}
HARMLESS = ("jemalloc_bg_thd",)  # Arrow's allocator: it begins anew in a forked process by itself
DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dri")


class Cold(Exception):
    """Why a kernel starts cold; ``expected`` when nobody needs to be told."""

    def __init__(self, reason: str, expected: bool = False) -> None:
        super().__init__(reason)
        self.expected = expected


@dataclass(frozen=True)
class Command:
    """A kernel's command, taken apart: ``python FLAGS -m ipykernel_launcher ARGUMENTS``."""

    python: str
    flags: tuple[str, ...]
    module: str
    arguments: tuple[str, ...]


def command(words: Sequence[str], options: Mapping[str, Any]) -> Command:
    """Take a kernel's command apart.

    Parameters
    ----------
    words : sequence of str
        As the kernel specification has it, filled in.
    options : mapping
        What the process shall be started with, as for ``subprocess.Popen``.

    Raises
    ------
    Cold
        Another language, another Python, a system or an option a forked process cannot have.

    Examples
    --------
    >>> command([sys.executable, "-m", "ipykernel_launcher", "-f", "k.json"], {}).arguments
    ('-f', 'k.json')
    """
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        raise Cold("only Linux forks safely and tells when a process ends", expected=True)
    if more := sorted(name for name in set(options) - PASSED if options[name] is not None):
        raise Cold(f"the kernel is started with {', '.join(more)}")
    if any(not _descriptor(options.get(name)) for name in ("stdout", "stderr")):
        raise Cold("the kernel's output goes through a pipe of its own")
    words = list(words)
    if not words or not _is_this_python(words[0]):
        raise Cold("it is a kernel of another language or another Python", expected=True)
    if "-m" not in words or words[words.index("-m") + 1 : words.index("-m") + 2][0] not in LAUNCHERS:
        raise Cold("it is not ipykernel that is started", expected=True)
    at = words.index("-m")
    return Command(sys.executable, tuple(words[1:at]), words[at + 1], tuple(words[at + 2 :]))


def _descriptor(given: Any) -> bool:
    """Tell whether an output is this process's own or an open file's number: -1 and less ask for something made."""
    return given is None or (isinstance(given, int) and given >= 0)


def _is_this_python(word: str) -> bool:
    found = shutil.which(str(Path(word).expanduser()) if word.startswith("~") else word)
    if found is None:
        return False
    ours, theirs = Path(sys.executable), Path(found)
    # By folder: an environment's python is a link to the one it was made from.
    return ours.parent == theirs.absolute().parent and ours.resolve() == theirs.resolve()


def unsafe() -> str:
    """Return why this process must not be forked; nothing when it may.

    >>> unsafe()
    ''
    """
    settle()
    if held := sorted(target for fd in Path("/proc/self/fd").iterdir() if (target := _target(fd)).startswith(DEVICES)):
        return f"a graphics card is in use ({held[0]})"
    named = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
    if not (left := threads()):
        return ""
    what = "thread runs" if len(left) == 1 else "threads run"
    return f"{len(left)} {what} in the process with the imports ({', '.join(named or sorted(set(left.values())))})"


def threads() -> dict[int, str]:
    """Return this process's threads but the main and the harmless ones, those no Python code knows too.

    >>> threads()
    {}
    """
    found = {}
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            name = (task / "comm").read_text().strip()
            if int(task.name) != os.getpid() and name not in HARMLESS:
                found[int(task.name)] = name
    return found


def settle() -> None:
    """Let libraries end the threads they can start again, as OpenBLAS does whenever the process forks."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _target(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except OSError:  # the folder's own, closed again
        return ""
