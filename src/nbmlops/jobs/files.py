"""Write notebooks so that a reader, or a crash, never meets half a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from nbmlops.store.disk import sync_file

__all__ = ["AtomicLocal", "finish", "make_atomic", "replace", "resolve", "rewrite"]

_finished: list[tuple[Path, bytes]] = []  # the newest, in this thread's hope: papermill writes it once more


class AtomicLocal:
    """Papermill's handler of local files with one thing changed: a write replaces the file as a whole.

    Papermill writes the last state of a notebook itself, after the engine returned, so the handler is the
    only place where every write passes. It shares the wrapped handler's idea of the working folder.
    """

    def __init__(self, local: Any) -> None:
        self.local = local

    def __getattr__(self, name: str) -> Any:
        return getattr(self.local, name)

    def write(self, text: str, path: str) -> None:
        """Write a notebook; its folder must exist."""
        rewrite(self.resolve(path), text.encode())

    def resolve(self, path: str) -> Path:
        """Return the absolute path papermill means."""
        return Path(self.local._cwd or Path.cwd()) / path


def make_atomic() -> None:
    """Let papermill write local files through :class:`AtomicLocal`, once per process."""
    from papermill.iorw import papermill_io

    local = papermill_io.get_handler("local")
    if not isinstance(local, AtomicLocal):  # register() would not do: of several local handlers the oldest is used
        papermill_io._handlers = [(s, AtomicLocal(h) if h is local else h) for s, h in papermill_io._handlers]


def resolve(path: str) -> Path | None:
    """Return the local file papermill means by a path, or None for an address, a stream or a text."""
    from papermill.iorw import papermill_io

    handler = papermill_io.get_handler(path)
    return handler.resolve(path) if isinstance(handler, AtomicLocal) and "://" not in path else None


def finish(path: Path, content: bytes) -> None:
    """Write a notebook for the last time, and remember it: papermill writes the same behind the engine."""
    replace(path, content, synced=True)
    _finished[:] = [(path, content)]


def rewrite(path: Path, content: bytes) -> None:
    """Write a notebook unless it is there already, as :func:`finish` left it."""
    if _finished[:1] != [(path, content)] or not path.is_file():
        replace(path, content, synced=True)
    _finished.clear()


def replace(path: Path, content: bytes, synced: bool = False) -> None:
    """Write a file beside its place and move it there; on any error the old one stays.

    Parameters
    ----------
    path : Path
    content : bytes
    synced : bool
        Have it survive power loss, which takes its time.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"output folder {path.parent} doesn't exist.")
    fd, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            if synced:
                sync_file(file.fileno())
        Path(part).chmod(path.stat().st_mode if path.exists() else 0o666 & ~_umask())
        os.replace(part, path)  # noqa: PTH105
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
