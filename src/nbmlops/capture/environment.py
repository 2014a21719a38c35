"""Around a run: who, which notebook, which commit, which packages, which process (see ``nbmlops.process``)."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from nbmlops.capture.secrets import redact
from nbmlops.process import alive as process_alive
from nbmlops.process import identity as process

__all__ = [
    "actor",
    "git_state",
    "notebook_path",
    "packages",
    "peak_memory_bytes",
    "process",
    "process_alive",
]


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
    """Return Python, platform, processor, every installed distribution with its version, and a lock of them.

    The lock is text that ``pip install -r`` and ``uv pip install -r`` read.
    """
    import psutil

    installed = {d.metadata["Name"]: d for d in importlib.metadata.distributions() if d.metadata["Name"]}
    ordered = dict(sorted(installed.items(), key=lambda item: item[0].lower()))
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "cpu": {"model": _cpu(), "cores": psutil.cpu_count(), "memory_bytes": psutil.virtual_memory().total},
        "packages": {name: d.version for name, d in ordered.items()},
        "lock": "".join(f"{_locked(name, d)}\n" for name, d in ordered.items()),
    }


def peak_memory_bytes() -> int:
    """Return the most memory this process has had so far; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _cpu() -> str:
    """Return the processor's name as its maker wrote it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _locked(name: str, distribution: importlib.metadata.Distribution) -> str:
    """Return one line of the lock; what was installed from a folder of this machine nobody else can install."""
    plain = re.sub(r"[-_.]+", "-", name).lower()  # PEP 503
    text = distribution.read_text("direct_url.json")
    origin = json.loads(text) if text else {}
    vcs = origin.get("vcs_info")
    if vcs:
        return f"{plain} @ {vcs['vcs']}+{redact(origin['url'])}@{vcs['commit_id']}"
    if origin.get("url", "").startswith("file:"):
        return f"# {plain}=={distribution.version} was installed from a folder of that machine"
    return f"{plain} @ {redact(origin['url'])}" if origin else f"{plain}=={distribution.version}"


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
    session = os.environ.get("JPY_SESSION_NAME") or str((namespace or {}).get("__session__") or "")
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
