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
from nbmlops.store.segments import HEADER, MAX_RECORD_BYTES, make_private, prepare, waiting_folder

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["KEPT", "OutputJournal", "held", "left", "of_message", "of_notebook", "place", "places"]

SUFFIX = ".outputs"
KEPT = frozenset(
    ("stream", "display_data", "execute_result", "error", "update_display_data", "clear_output", "execute_input")
)

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class OutputJournal:
    """The outputs of one execution; its lock says that the runner lives.

    It never stops a run: where the disk does not take a record, one warning says so, ``gap`` is set, and the next
    snapshot of the whole notebook closes the gap, in the temporary folder where the project's has no room.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gap = False
        self._told = False
        self._fd: int | None = None
        self._held: list[int] = []  # every file that was opened: their locks stay until the end
        with self._tolerant():
            self._fd = self._open(path)

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one event; when this returns, it survives the process."""
        whole = event["t"] == "notebook"
        if self.gap and not whole:
            return
        data = _encode(event).encode("utf-8", "replace")
        if len(data) > MAX_RECORD_BYTES:
            self.gap = True
            return
        record = HEADER.pack(len(data), zlib.crc32(data)) + data
        with self._tolerant():
            if self.gap:
                self._begin_again(record)
            else:
                self._put(record)
            self.gap = False

    def sync(self) -> None:
        """Make what was written survive power loss."""
        if self._fd is not None:
            with self._tolerant():
                sync_file(self._fd)

    def close(self) -> None:
        """Let go of the file; whoever finds it may rebuild the notebook."""
        self._fd = None
        while self._held:
            with contextlib.suppress(OSError):
                os.close(self._held.pop())

    def discard(self) -> None:
        """Delete what there is: the notebook is kept elsewhere."""
        for path in (self.path, _spare(self.path)):
            with contextlib.suppress(OSError):
                path.unlink()
        self.close()

    def _open(self, path: Path) -> int:
        if path == self.path:
            prepare(path.parent.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            make_private(path.parent)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        self._held.append(fd)
        try_lock(fd)
        sync_folder(path.parent)
        return fd

    def _begin_again(self, record: bytes) -> None:
        """Go on with the whole notebook: at home if there is room again, else where journals wait."""
        spare = _spare(self.path)
        try:
            self._fd = self._open(self.path)
            self._put(record)
        except OSError:
            self._fd = self._open(spare)
            self._put(record)
        else:
            spare.unlink(missing_ok=True)  # what it holds is older now

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
                    f"nbmlops cannot keep the outputs in {self.path} ({error.strerror}) and tries the temporary "
                    "folder, too. Should the runner be killed before it can, what the notebook file does not hold yet "
                    "is lost. The run goes on."
                )


def place(home: Path, run_id: str) -> Path:
    """Return where the outputs of a run are kept while it is executed."""
    return home / "journal" / f"{run_id}{SUFFIX}"


def places(home: Path, run_id: str) -> list[Path]:
    """Return the journals there are of a run's outputs, the newest first."""
    path = place(home, run_id)
    return [p for p in (_spare(path), path) if p.is_file()]


def left(home: Path) -> list[str]:
    """Return the runs whose outputs nobody writes any more and nobody made a notebook yet, oldest first."""
    folders = (home / "journal", waiting_folder(home / "journal"))
    found = {path.stem for folder in folders for path in folder.glob(f"*{SUFFIX}")}
    return [run_id for run_id in sorted(found) if not any(map(held, places(home, run_id)))]


def _spare(path: Path) -> Path:
    """Return where a journal goes when its folder has no room."""
    return waiting_folder(path.parent) / path.name


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
