"""Around a run: who, which notebook, which commit, which packages, which process (see ``nbmlops.process``)."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from nbmlops.process import alive as process_alive
from nbmlops.process import identity as process

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
