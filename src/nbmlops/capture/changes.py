"""What differs from the commit: a diff of tracked files, of notebooks only the cells' sources, secrets masked."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nbmlops.capture.environment import ask_git
from nbmlops.capture.secrets import redact

__all__ = ["diff", "state_of"]

MOST_BYTES = 2**20
MOST_NAMES = 200
MOST_READ_BYTES = 8 * MOST_BYTES  # of the files that are diffed, together
MOST_NOTEBOOK_BYTES = 20 * 2**20
# Rows are people's: of files of data only the name is kept.
DATA = (
    *(".csv", ".tsv", ".psv", ".jsonl", ".ndjson", ".parquet", ".feather", ".arrow", ".orc", ".avro", ".dat", ".arff"),
    *(".xls", ".xlsx", ".ods", ".db", ".sqlite", ".sqlite3", ".npy", ".npz", ".pkl", ".pickle", ".joblib", ".geojson"),
)
# The user's settings of git shape no diff of ours; a larger file is named only.
PLAIN = (
    *("-c", f"core.bigFileThreshold={MOST_BYTES}", "diff", "--no-ext-diff", "--no-textconv", "--no-color"),
    *("--no-renames", "--no-relative", "--submodule=short", "--src-prefix=a/", "--dst-prefix=b/", "-U3"),
)


def state_of(folder: Path) -> str:
    """Return what tells one state of the tracked files from another on one commit; empty where nothing differs.

    >>> state_of(Path("/"))
    ''
    """
    root = _root(folder)
    if root is None:
        return ""
    status = ask_git(root, "status", "--porcelain", "--untracked-files=no", "--no-renames", "-z") or b""
    entries = [entry for entry in status.split(b"\0") if entry]
    return "\n".join(f"{_shown(entry)} {_touched(root / os.fsdecode(entry[3:]))}" for entry in entries)


def diff(folder: Path) -> str:
    """Return the changes of tracked files since the commit; what is only named stands before them.

    Parameters
    ----------
    folder : Path
        Anywhere in the repository.

    Returns
    -------
    str
        At most 1 MB, cut at the end of a line, which says so; empty where nothing differs.

    Examples
    --------
    >>> diff(Path("/"))
    ''
    """
    root = _root(folder)
    if root is None:
        return ""
    changed = ask_git(root, *PLAIN, "--name-only", "-z", "HEAD")
    if changed is None:
        return "# the changes could not be read\n"
    notebooks, data, others = _sorted(changed)
    read, left = _readable(root, others)
    named = [f"# {kind}: {_shown(name)}" for kind, names in (("data", data), ("large", left)) for name in names]
    parts = (*_listed(named), *_new(root), *_of_files(root, read), *(_of_notebook(root, name) for name in notebooks))
    return _joined(parts)


def _sorted(changed: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Return the names of notebooks, of data and of everything else."""
    kinds: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
    for name in filter(None, changed.split(b"\0")):
        end = os.path.splitext(os.fsdecode(name))[1].lower()  # noqa: PTH122
        kinds[0 if end == ".ipynb" else 1 if end in DATA else 2].append(name)
    return kinds


def _readable(root: Path, names: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the names of files that are diffed, and of those that would be too much together."""
    read: list[bytes] = []
    size_bytes = 0
    for name in names:
        size_bytes += min(_size_bytes(root / os.fsdecode(name)), MOST_BYTES)
        if size_bytes > MOST_READ_BYTES or len(read) >= 5 * MOST_NAMES:
            break
        read.append(name)
    return read, list(names[len(read) :])


def _of_files(root: Path, names: Sequence[bytes]) -> Iterator[str]:
    if not names:
        return
    text = ask_git(root, *PLAIN, "HEAD", "--", *(b":(top,literal)" + name for name in names))
    if text is None:
        yield f"# {len(names)} files: they could not be read"
        return
    for one in _shown(text).split("\ndiff --git "):
        yield one if one.startswith("diff --git ") else f"diff --git {one}"


def _of_notebook(root: Path, name: bytes) -> str:
    """Return how the sources of a notebook's cells differ; its outputs are no change of the code."""
    shown, path = _shown(name), root / os.fsdecode(name)
    now = _read(path)
    before = None if now is None else _sources(ask_git(root, "cat-file", "blob", b"HEAD:" + name) or b"")
    after = None if now is None else _sources(now)
    if before is None or after is None:
        return f"# {shown}: changed, and not readable as a notebook"
    lines = list(difflib.unified_diff(before, after, f"a/{shown}", f"b/{shown}", lineterm=""))
    return "\n".join([f"# {shown}: sources of its cells", *lines]) if lines else ""


def _read(path: Path) -> bytes | None:
    """Return a notebook's bytes; none of one that is gone, None of a link or of one that is too large to read."""
    if path.is_symlink() or _size_bytes(path) > MOST_NOTEBOOK_BYTES:
        return None
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError:
        return None


def _sources(text: bytes) -> list[str] | None:
    if not text:
        return []
    try:
        sources = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return [line for source in sources for line in ["# %%", *source.split("\n")]]


def _new(root: Path) -> Iterator[str]:
    answer = ask_git(root, "ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z")
    yield from _listed([f"# new: {_shown(name)}" for name in (answer or b"").split(b"\0") if name])


def _listed(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:MOST_NAMES]
    if lines[MOST_NAMES:]:
        yield f"# and {len(lines) - MOST_NAMES} more"


def _joined(parts: Iterable[str]) -> str:
    """Return the parts masked, one by one as far as there is room: what is cut off is not searched for secrets."""
    kept: list[str] = []
    left, cut = MOST_BYTES, 0
    for part in filter(None, parts):
        text = redact(_begin(part, left).rstrip("\n")) + "\n"
        text, whole = _begin(text, left), len(part.encode("utf-8", "replace"))
        cut += max(0, whole - left)
        left = max(0, left - len(text.encode("utf-8", "replace")))
        kept.append(text)
    return "".join(kept) + (f"# cut: {cut} bytes more\n" if cut else "")


def _begin(text: str, most_bytes: int) -> str:
    """Return as many whole lines as have room."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most_bytes:
        return text
    lines, end, _ = data[:most_bytes].decode("utf-8", "ignore").rpartition("\n")
    return lines + end


def _touched(path: Path) -> str:
    try:
        state = path.lstat()
    except OSError:
        return "gone"
    return f"{state.st_mtime_ns} {state.st_size}"


def _size_bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _root(folder: Path) -> Path | None:
    """Return the repository's folder; before the first commit nothing can differ from it."""
    found = (ask_git(folder, "rev-parse", "--show-toplevel", "HEAD") or b"").rpartition(b"\n")[0].rpartition(b"\n")[0]
    return Path(os.fsdecode(found)) if found else None
