"""Which parent process fits a kernel: whatever a fresh interpreter would read at its start must be equal."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from nbmlops.errors import NotAllowed

__all__ = ["digest", "folder", "installed", "key", "known_names", "remember", "standing", "variables"]

# Read by C libraries and by the interpreter, where nobody sees it; what Python code reads is seen (see `standin`).
READ = (
    *("PYTHON", "LD_", "LC_", "LANG", "TZ", "TMPDIR", "MALLOC_", "GLIBC_", "OMP_", "GOMP_", "KMP_", "OPENBLAS_"),
    *("GOTO_", "MKL_", "BLIS_", "VECLIB_", "TBB_", "NUMEXPR_", "NUMBA_", "ARROW_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_"),
    *("IPYTHON", "JUPYTER_", "MPL", "PYDEVD_", "DEBUGPY_"),
)
OF_EACH = ("JPY_PARENT_PID", "JPY_INTERRUPT_EVENT")  # every kernel has its own, and is given it
OURS = "nbmlops"  # reads its variables when it is used; the run's id, one of them, is another one each time
LONGEST = 90  # bytes of a socket's path; the system's limit is 108


def folder() -> Path:
    """Return the user's folder of sockets, made with mode 0700; refuse one that others could write.

    Examples
    --------
    >>> folder().name.startswith("nbmlops")
    True
    """
    place = os.environ.get("XDG_RUNTIME_DIR", "")
    given = Path(place, "nbmlops-warm") if place and Path(place).is_dir() else None
    name = f"nbmlops-warm-{os.getuid()}"
    found = next(
        (p for p in (given, Path(tempfile.gettempdir(), name)) if p and len(str(p)) < LONGEST - 40), Path("/tmp", name)
    )
    found.mkdir(mode=0o700, exist_ok=True)
    about = found.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise NotAllowed(f"{found} is not a folder that only you can enter.", f"Remove it, or: chmod 700 {found}")
    return found


def digest(*parts: object) -> str:
    """Return a short name of anything JSON can hold.

    >>> digest("a", [1]) == digest("a", [1])
    True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def installed() -> str:
    """Return a digest of what is installed: the distributions' folders, and when the folders around them changed.

    >>> installed() == installed()
    True
    """
    places = [Path(p) for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    return digest([(str(p), *_listed(p)) for p in places if p.is_dir()])


def _listed(place: Path) -> tuple[int, list[str]]:
    kept = (".dist-info", ".egg-info", ".egg-link", ".pth")
    return place.stat().st_mtime_ns, sorted(p.name for p in place.iterdir() if p.name.endswith(kept))


def standing() -> dict[str, object]:
    """Return what a process inherits and cannot give itself back: a kernel must stand where its runner stands.

    >>> "uid" in standing()
    True
    """
    import resource

    limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    spaces = ("pid", "mnt", "net", "user", "ipc", "uts")
    return {
        "uid": [os.getuid(), os.geteuid(), os.getgid(), sorted(os.getgroups())],
        "host": socket.gethostname(),
        "cgroup": _text("/proc/self/cgroup"),
        "namespaces": [str(Path("/proc/self/ns", name).readlink()) for name in spaces],
        "most": {name: resource.getrlimit(getattr(resource, name))[1] for name in limits},
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "oom": _text("/proc/self/oom_score_adj"),
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:  # a container may hide it, from parent and kernel alike
        return ""


def variables(env: Mapping[str, str], known: Iterable[str], preload: Iterable[str]) -> dict[str, str]:
    """Return the variables whose values are in force once the preloaded modules are imported.

    >>> variables({"OMP_NUM_THREADS": "1", "DASK_X": "2", "HOME": "/h", "A": "b"}, ["HOME"], ["dask.array"])
    {'OMP_NUM_THREADS': '1', 'DASK_X': '2', 'HOME': '/h'}
    >>> variables({"NBMLOPS_RUN_ID": "1"}, [], ["nbmlops"])
    {}
    """
    seen = set(known)
    others = {name.partition(".")[0] for name in preload} - {OURS}
    starts = (*READ, *sorted(f"{name.upper()}_" for name in others))
    return {n: v for n, v in env.items() if n not in OF_EACH and (n in seen or n.startswith(starts))}


def key(family: str, env: Mapping[str, str], known: Iterable[str], preload: Iterable[str]) -> str:
    """Return the name of the one parent that fits: a family (installation, preload, standing) and its variables."""
    return f"{family}-{digest(variables(env, known, preload))}"


def known_names(place: Path, family: str) -> list[str]:
    """Return the variables an earlier parent of the family saw read at import; none when there was none."""
    try:
        names: list[str] = json.loads((place / f"{family}.names").read_text())
    except (OSError, ValueError):
        return []
    return names


def remember(place: Path, family: str, names: Iterable[str]) -> None:
    """Keep which variables were read at import, for those who look for a parent."""
    part = place / f"{family}.names.{os.getpid()}"
    part.write_text(json.dumps(sorted(names)))
    part.replace(place / f"{family}.names")
