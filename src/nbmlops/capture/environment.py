"""Around a run: who, which notebook, which commit, which packages, which process (see ``nbmlops.process``)."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from nbmlops.capture import colab, visit
from nbmlops.capture.secrets import redact
from nbmlops.process import identity as process

__all__ = [
    "acting",
    "actor",
    "ask_git",
    "end_git",
    "git_places",
    "git_state",
    "last_author",
    "notebook_name",
    "notebook_path",
    "packages",
    "peak_memory_bytes",
    "process",
]

TIMEOUT_S = 10.0
FRESH_S = 10.0  # so long a server takes git's word
# What a repository is configured to run is not run for us.
QUIET = ("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.quotepath=false")
# Set where git itself started this process (a hook, an alias): they name another repository than the folder's.
ELSEWHERE = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"),
    *("GIT_PREFIX", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"),
)
HEADER = re.compile(r"^(Name|Version):[ \t]*(\S.*?)[ \t\r]*$", re.M)
NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", re.I)
VERSION = re.compile(  # PEP 440, as loosely as installers read it
    r"v?(?:\d+!)?\d+(?:\.\d+)*(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview)[-_.]?\d*)?"
    r"(?:-\d+|[-_.]?(?:post|rev|r)[-_.]?\d*)?(?:[-_.]?dev[-_.]?\d*)?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?",
    re.I,
)


_asked: set[subprocess.Popen[bytes]] = set()  # that did not answer yet


@dataclass(frozen=True)
class _Package:
    """One installed distribution: what its metadata say, and where it came from (PEP 610)."""

    name: str
    version: str
    origin: Mapping[str, Any]

    @property
    def plain(self) -> str:
        """The name as every index writes it (PEP 503)."""
        return re.sub(r"[-_.]+", "-", self.name).lower()


@cache
def actor() -> tuple[str, str]:
    """Return (name, how known): the CI's identity, JupyterHub's, git's user.email, the OS user.

    Examples
    --------
    >>> name, known_by = actor()
    """
    return _known_as(lambda: _email(None))


def _known_as(by_git: Callable[[], str]) -> tuple[str, str]:
    """Return who this process is; git is asked only where nobody knows better."""
    if os.environ.get("CI"):
        for variable in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
            if name := os.environ.get(variable):
                return name, "ci"
    if name := os.environ.get("JUPYTERHUB_USER"):
        return name, "jupyterhub"
    if email := by_git():
        return email, "git"
    try:
        return getpass.getuser(), "os"
    except (KeyError, OSError):
        return str(os.getuid()), "os"


def acting() -> tuple[str, str]:
    """Return (name, how known) of who acts: a visitor whom a server let in, else :func:`actor` of this process.

    A server lives long and answers for many projects: git is asked in the one it is about, and again after a while.

    >>> acting() == actor()
    True
    """
    found = visit.here()
    if found is None:
        return actor()
    return found.who or _known_as(lambda: _lately(found.project.root, int(time.monotonic() / FRESH_S)))


def _email(folder: Path | None) -> str:
    return _decoded(ask_git(folder, "config", "user.email"))


@lru_cache(maxsize=64)
def _lately(folder: Path, moment: int) -> str:
    """Return what git said in a folder at a moment, asked once for it."""
    return _email(folder)


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit, branch and whether tracked files differ from it; None outside a repository.

    Parameters
    ----------
    folder : Path
        Anywhere in the repository.

    Returns
    -------
    dict or None
        ``dirty`` is None where git could not say in time; before the first commit there is nothing to name.

    Examples
    --------
    >>> git_state(Path("/")) is None
    True
    """
    named = _decoded(ask_git(folder, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")).splitlines()
    if not named:
        return None
    changed = ask_git(folder, "status", "--porcelain", "--untracked-files=no", "-z")
    return {"commit": named[0], "branch": named[-1], "dirty": None if changed is None else bool(changed)}


def git_places(folder: Path) -> tuple[Path, ...]:
    """Return the files that change with every commit, checkout and staged file; none outside a repository.

    >>> git_places(Path("/"))
    ()
    """
    found = _decoded(ask_git(folder, "rev-parse", "--git-path", "HEAD", "--git-path", "index")).splitlines()
    return tuple(folder / name for name in found)


def last_author(file: Path) -> tuple[str, str] | None:
    """Return (email, commit) of the last commit of a file that is now as it was committed; None for any other.

    >>> last_author(Path("/nowhere/charter.yaml")) is None
    True
    """
    changed = ask_git(file.parent, "status", "--porcelain", "-z", "--", file.name)
    asked = ("log", "-1", "--no-show-signature", "--format=%H %ae", "--", file.name)
    said = _decoded(ask_git(file.parent, *asked)) if changed == b"" else ""
    commit, _, email = said.partition(" ")
    return (email, commit) if email else None


def ask_git(folder: Path | None, *words: str | bytes) -> bytes | None:
    """Return what git answers; None where it is not installed, refuses, or takes longer than ten seconds.

    Nothing the repository is configured to run besides filters is run, and its lock is left alone, for the user may
    be committing right now.

    Parameters
    ----------
    folder : Path or None
        Where it is asked; the working folder when None.
    *words : str or bytes
        The command.

    Examples
    --------
    >>> ask_git(Path("/"), "rev-parse", "HEAD") is None
    True
    """
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE} | quiet
    with contextlib.suppress(OSError, ValueError):  # no git, no folder, a name no program can be given
        with subprocess.Popen(
            ["git", *QUIET, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt is meant for the cell
        ) as asked:
            _asked.add(asked)
            try:
                answer, _ = asked.communicate(timeout=TIMEOUT_S)
            except BaseException as error:
                _end(asked)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                return None
            finally:
                _asked.discard(asked)
        return answer if asked.returncode == 0 else None
    return None


def end_git() -> None:
    """End every git that was asked and has not answered: the process ends, and nobody is left to hear it.

    >>> end_git()
    """
    for asked in list(_asked):
        _end(asked)


@cache
def packages() -> dict[str, Any]:
    """Return Python, platform, processor, every installed distribution with its version, and a lock of them.

    It is read once, and is the same for all runs of a process; no package is imported for it. The lock is text that
    ``pip install -r`` and ``uv pip install -r`` read; what nobody else can install stands in it as a comment.

    Examples
    --------
    >>> sorted(packages())
    ['cpu', 'lock', 'packages', 'platform', 'python', 'python_implementation']
    """
    import psutil

    installed = _installed(importlib.metadata.distributions())
    return {
        "python": platform.python_version(),
        "python_implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "cpu": {
            "model": _cpu(),
            "cores": psutil.cpu_count(),
            "physical_cores": psutil.cpu_count(logical=False),
            "memory_bytes": psutil.virtual_memory().total,
        },
        "packages": {package.name: package.version for package in installed},
        "lock": "".join(f"{_locked(package)}\n" for package in installed),
    }


def peak_memory_bytes() -> int:
    """Return the most memory this process has had so far; 0 where the system does not say.

    >>> peak_memory_bytes() > 2**20
    True
    """
    # On Linux getrusage also counts what the parent had when it started this process.
    with contextlib.suppress(OSError, LookupError):
        return int(Path("/proc/self/status").read_bytes().partition(b"VmHWM:")[2].split(maxsplit=1)[0]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def notebook_path(namespace: Mapping[str, Any] | None = None) -> str | None:
    """Return the notebook this process runs for, or None when nothing says so; the working folder is no evidence.

    Colab says it to who asks over the network, which a thread does (see ``colab``): until it has, it is None.

    Parameters
    ----------
    namespace : mapping, optional
        The user's namespace, where VS Code, Jupyter and papermill leave the path.

    Examples
    --------
    >>> notebook_path({"__vsc_ipynb_file__": "/home/me/late.ipynb"})
    '/home/me/late.ipynb'
    """
    if asked := visit.here():
        return str(asked.notebook) if asked.notebook else None
    names = namespace or {}
    if path := os.environ.get("NBMLOPS_NOTEBOOK"):
        return path
    if (path := _text_of(names, "__vsc_ipynb_file__")).endswith(".ipynb"):
        return path
    session = _notebook(os.environ.get("JPY_SESSION_NAME") or _text_of(names, "__session__"))
    read, written = (
        _notebook(_text_of(names, name) or os.environ.get(name, ""))
        for name in ("PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH")  # where it was told to hand them on
    )
    if session is not None and session == written:  # somebody opened what papermill wrote
        return session
    # A kernel papermill starts from within a notebook inherits the session of that notebook.
    return read or written or session or colab.path()


def notebook_name(namespace: Mapping[str, Any] | None = None) -> str | None:
    """Return the notebook this process runs for, also where no file has that name any more: it was renamed since.

    What runs on under the old name is found by the ids of its cells (``store.renamed``).

    Parameters
    ----------
    namespace : mapping, optional
        As :func:`notebook_path` takes it.

    Examples
    --------
    >>> notebook_name({"__vsc_ipynb_file__": "/home/me/late.ipynb"})
    '/home/me/late.ipynb'
    """
    if (path := notebook_path(namespace)) or visit.here():
        return path
    began = os.environ.get("JPY_SESSION_NAME") or _text_of(namespace or {}, "__session__")
    before = Path(began).absolute()
    return str(before) if began.endswith(".ipynb") and before.parent.is_dir() else None


def _text_of(names: Mapping[str, Any], name: str) -> str:
    """Return a name's value if it is text; an object of the user is not asked anything, not even whether it is true."""
    value = names.get(name)
    return value if isinstance(value, str) else ""


def _notebook(path: str) -> str | None:
    """Return a path if there is a notebook: after a rename the one a session began with is stale."""
    if not path.endswith(".ipynb"):
        return None
    notebook = Path(path).absolute()
    return str(notebook) if notebook.is_file() else None


def _installed(distributions: Iterable[importlib.metadata.Distribution]) -> list[_Package]:
    """Return what is installed, by name; of two of one name the one that is imported: the first on the path."""
    found: dict[str, _Package] = {}
    for distribution in distributions:
        package = _package(distribution)
        if package is not None:
            found.setdefault(package.plain, package)
    return [found[name] for name in sorted(found)]


def _package(distribution: importlib.metadata.Distribution) -> _Package | None:
    """Return what a distribution says of itself; None of what an interrupted installation left."""
    if Path(str(getattr(distribution, "_path", ""))).name.startswith("~"):
        return None
    try:
        # The parser of the standard library reads the description too, and takes ten times as long.
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or distribution.read_text("")
        said = dict(HEADER.findall(re.split(r"\r?\n\r?\n", text or "", maxsplit=1)[0]))
        installer = (distribution.read_text("INSTALLER") or "").strip()
        # What conda writes there is where the package was built.
        origin = json.loads(distribution.read_text("direct_url.json") or "{}") if installer != "conda" else {}
    except (OSError, ValueError):
        return None
    if not NAME.fullmatch(said.get("Name", "")) or "Version" not in said:
        return None
    return _Package(said["Name"], said["Version"], origin if isinstance(origin, dict) else {})


def _locked(package: _Package) -> str:
    """Return one line of the lock."""
    address, vcs = str(package.origin.get("url") or ""), package.origin.get("vcs_info") or {}
    comment = f"# {package.plain}=={package.version} was installed from"
    if address.startswith("file:"):
        return f"{comment} a local {'file' if 'archive_info' in package.origin else 'folder'}"
    if not address:
        known = VERSION.fullmatch(package.version)
        return f"{'' if known else '# '}{package.plain}=={package.version}"
    public = _public(address)
    if public is None or (vcs and not {"vcs", "commit_id"} <= set(vcs)):
        return f"{comment} an address that cannot be passed on"
    return f"{package.plain} @ {vcs['vcs']}+{public}@{vcs['commit_id']}{_part(package)}" if vcs else _archive(package)


def _archive(package: _Package) -> str:
    hashed = (package.origin.get("archive_info") or {}).get("hashes") or {}
    mark = f"#sha256={hashed['sha256']}" if "sha256" in hashed else ""
    return f"{package.plain} @ {_public(str(package.origin['url']))}{mark}"


def _part(package: _Package) -> str:
    inside = package.origin.get("subdirectory")
    return f"#subdirectory={inside}" if inside else ""


def _public(address: str) -> str | None:
    """Return an address without who signs in; None where a credential is left, for masked it leads nowhere."""
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    user, at, place = host.rpartition("@")
    kept = "git@" if at and user.partition(":")[0] == "git" and scheme.endswith("ssh") else ""
    plain = f"{scheme}://{kept}{place}{slash}{path}"
    return plain if redact(plain) == plain and not re.search(r"\s", plain) else None


def _cpu() -> str:
    """Return the processor's name as its maker wrote it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        ask = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(ask, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def _end(asked: subprocess.Popen[bytes]) -> None:
    """End git with what it started, such as a filter that hangs."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(asked.pid, signal.SIGKILL)
        else:
            asked.kill()


def _decoded(answer: bytes | None) -> str:
    return (answer or b"").decode("utf-8", "replace").strip()
