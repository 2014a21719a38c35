"""Around a run: who, which notebook, which commit, which packages, which process."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import os
import platform
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["actor", "git_state", "notebook_path", "packages", "process", "process_alive"]


@cache
def actor() -> tuple[str, str]:
    """Return (name, how known): the CI's identity, JupyterHub's, git's user.email, the OS user.

    Examples
    --------
    >>> name, known_by = actor()
    """
    if os.environ.get("CI"):
        for variable in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
            if name := os.environ.get(variable):
                return name, "ci"
    if name := os.environ.get("JUPYTERHUB_USER"):
        return name, "jupyterhub"
    if email := _git(Path.cwd(), "config", "user.email"):
        return email, "git"
    try:
        return getpass.getuser(), "os"
    except (KeyError, OSError):
        return str(os.getuid()), "os"


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit, branch and whether tracked files differ from it; None outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD"), "dirty": bool(changed)}


@cache
def packages() -> dict[str, Any]:
    """Return Python, platform and every installed distribution with its version."""
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": dict(sorted(found.items(), key=lambda item: item[0].lower())),
    }


def notebook_path(namespace: dict[str, Any] | None = None) -> str | None:
    """Return the notebook this process runs for, or None when nothing says so; the working folder is no evidence.

    Parameters
    ----------
    namespace : dict, optional
        The user's namespace, where VS Code leaves the path.
    """
    if path := os.environ.get("NBMLOPS_NOTEBOOK"):
        return path
    if path := (namespace or {}).get("__vsc_ipynb_file__"):
        return str(path)
    session = os.environ.get("JPY_SESSION_NAME", "")
    return session if session.endswith(".ipynb") and Path(session).is_file() else None


@cache
def process() -> dict[str, Any]:
    """Return what identifies this process even after its id was given to another."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "boot_id": _boot_id(), "pid": pid, "started": _started(pid)}


def process_alive(owner: dict[str, Any] | None) -> bool | None:
    """Tell whether a run's process still lives; None when this machine cannot know.

    Parameters
    ----------
    owner : dict or None
        What :func:`process` returned in that process.
    """
    if not owner or owner.get("host") != socket.gethostname():
        return None
    if owner.get("boot_id") != _boot_id():
        return False
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _started(owner["pid"]) == owner.get("started")


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _started(pid: int) -> str:
    """Return a process's start time in clock ticks since boot (the 22nd field of its stat file)."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _git(folder: Path, *words: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            ["git", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return answer.stdout.strip()
    return ""
