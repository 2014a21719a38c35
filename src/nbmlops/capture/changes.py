"""What differs from the commit: a diff of tracked files, of notebooks only the cells' sources, secrets masked."""

from __future__ import annotations

import difflib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from nbmlops.capture.secrets import redact

__all__ = ["diff", "state_of"]

MOST_BYTES = 2**20
MOST_NAMES = 200
TIMEOUT_S = 10
# What a repository is configured to run is not run for us, and its lock is left alone.
QUIET = ("-c", "core.fsmonitor=false", "-c", "core.quotepath=false", "--no-pager")


def state_of(folder: Path) -> str:
    """Return what tells one state of the tracked files from another; empty where nothing differs."""
    root = _root(folder)
    if root is None:
        return ""
    status = _git(root, "status", "--porcelain", "--untracked-files=no")
    names = [line[3:].split(" -> ")[-1].strip('"') for line in status.splitlines()]
    return status and "\n".join([status, *(_touched(root / name) for name in names)])


def diff(folder: Path) -> str:
    """Return the changes of tracked files since the commit; the names of new files stand at the end.

    Parameters
    ----------
    folder : Path
        Anywhere in the repository.

    Returns
    -------
    str
        At most 1 MB, cut at the end of a line, which says so; empty where nothing differs.
    """
    root = _root(folder)
    if root is None:
        return ""
    plain = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")
    text = _git(root, *plain, "--", ".", ":(exclude)*.ipynb")
    changed = _git(root, *plain, "--name-only", "-z", "--", "*.ipynb").split("\0")
    parts = [text, *(_of_notebook(root, name) for name in changed if name), *_new(root)]
    return _cut(redact("\n".join(part.rstrip("\n") for part in parts if part)))


def _cut(text: str) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) <= MOST_BYTES:
        return text
    kept = data[:MOST_BYTES].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{kept}\n# cut: {len(data) - len(kept.encode())} bytes more\n"


def _of_notebook(root: Path, name: str) -> str:
    """Return how the sources of a notebook's cells differ; its outputs are no change of the code."""
    try:
        now = (root / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        now = ""
    before, after = _sources(_git(root, "show", f"HEAD:{name}")), _sources(now)
    if before is None or after is None:
        return f"# {name}: changed, and not readable as a notebook"
    lines = list(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm=""))
    return "\n".join([f"# {name}: sources of its cells", *lines]) if lines else ""


def _sources(text: str) -> list[str] | None:
    if not text:
        return []
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError):
        return None
    return [line for source in sources for line in ["# %%", *source.splitlines()]]


def _new(root: Path) -> Iterator[str]:
    names = [n for n in _git(root, "ls-files", "--others", "--exclude-standard", "-z").split("\0") if n]
    yield from (f"# new: {name}" for name in names[:MOST_NAMES])
    if names[MOST_NAMES:]:
        yield f"# new: {len(names) - MOST_NAMES} more"


def _touched(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return "gone"
    return f"{state.st_mtime_ns} {state.st_size}"


def _root(folder: Path) -> Path | None:
    found = _git(folder, "rev-parse", "--show-toplevel").strip()
    return Path(found) if found else None


def _git(folder: Path, *words: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            ["git", *QUIET, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.decode("utf-8", "replace")
