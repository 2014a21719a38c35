"""The journal of outputs: each message of an executing notebook, written before anything else.

One file a run, ``.nbmlops/journal/<run>.outputs``, of the same records as the journal of tracking. The notebook file is
a projection of it, saved now and then; what a killed runner did not save is rebuilt from here.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.errors import tell
from nbmlops.store.disk import LOCKS, same_file, sync_file, sync_folder, try_lock
from nbmlops.store.segments import HEADER, MAX_RECORD_BYTES, prepare

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["KEPT", "OutputJournal", "held", "left", "of_message", "place"]

SUFFIX = ".outputs"
KEPT = frozenset(
    ("stream", "display_data", "execute_result", "error", "update_display_data", "clear_output", "execute_input")
)

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class OutputJournal:
    """The outputs of one execution; its lock says that the runner lives.

    It never stops a run: where the disk does not take a record, one warning says so, ``gap`` is set, and the next
    snapshot of the whole notebook closes the gap.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gap = False
        self._told = False
        self._fd: int | None = None
        with self._tolerant():
            prepare(path.parent.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
            try_lock(self._fd)
            sync_folder(path.parent)

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one event; when this returns, it survives the process."""
        if self._fd is None or (self.gap and event["t"] != "notebook"):
            return
        data = _encode(event).encode("utf-8", "replace")
        if len(data) > MAX_RECORD_BYTES:
            self.gap = self.gap or event["t"] != "notebook"
            return
        with self._tolerant():
            self._put(HEADER.pack(len(data), zlib.crc32(data)) + data)
            self.gap = False

    def sync(self) -> None:
        """Make what was written survive power loss."""
        if self._fd is not None:
            with self._tolerant():
                sync_file(self._fd)

    def close(self) -> None:
        """Let go of the file; whoever finds it may rebuild the notebook."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)

    def discard(self) -> None:
        """Delete the file: the notebook is kept elsewhere."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.close()

    def _put(self, record: bytes) -> None:
        assert self._fd is not None
        written = 0
        try:
            while written < len(record):
                written += os.write(self._fd, record[written:] if written else record)
        except BaseException:  # nothing is read behind half a record
            if written:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            raise

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.gap = True
            if not self._told:
                self._told = True
                tell(
                    f"nbmlops cannot keep the outputs in {self.path} ({error.strerror}); should the runner be killed, "
                    "what the notebook file does not hold yet is lost. The run goes on."
                )


def place(home: Path, run_id: str) -> Path:
    """Return where the outputs of a run are kept while it is executed."""
    return home / "journal" / f"{run_id}{SUFFIX}"


def left(home: Path) -> list[str]:
    """Return the runs whose outputs nobody writes any more and nobody made a notebook yet, oldest first."""
    return [path.stem for path in sorted((home / "journal").glob(f"*{SUFFIX}")) if not held(path)]


def held(path: Path) -> bool:
    """Tell whether the runner that writes a journal of outputs lives."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return LOCKS and same_file(fd, path) and try_lock(fd) is False
    finally:
        os.close(fd)


def of_message(message: Mapping[str, Any], cell_index: int) -> dict[str, Any]:
    """Return what is kept of a kernel's message: enough to process it once more."""
    content = message["content"]
    if message["msg_type"] == "execute_input":
        content = {"execution_count": content.get("execution_count")}
    return {"t": "message", "cell": cell_index, "type": message["msg_type"], "content": content}


def of_notebook(nb: NotebookNode, run_id: str, output: str | None) -> dict[str, Any]:
    """Return the whole notebook as it is now: how a journal begins, and how a gap in it is closed."""
    return {"t": "notebook", "run_id": run_id, "output": output, "nb": nb}
