"""Segments of journals as files: where they lie, and how their records are read.

A record is ``length, CRC-32, JSON``. Readers stop at the first one that is cut short or damaged.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import struct
import tempfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from nbmlops.store.disk import sync_folder

__all__ = ["HEADER", "SUFFIX", "journals", "make_private", "prepare", "read", "strays", "waiting_folder"]

HEADER = struct.Struct("<II")
SUFFIX = ".journal"
NOTE = "waits-for"  # beside journals that wait: for which folder, which their place does not tell
MAX_RECORD_BYTES = 64 * 2**20
BLOCK_BYTES = 2**16
SHOWN = 200  # of a record that cannot be decoded

_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def waiting_folder(folder: Path) -> Path:
    """Return where a journal waits when ``folder`` cannot be written: one place per user and project."""
    key = zlib.crc32(str(folder.absolute()).encode())
    return _waiting_root() / f"{key:08x}" / "journal"


def strays() -> Iterator[tuple[Path, Path]]:
    """Yield (folder with journals that wait, the journal folder they wait for) where the project is there no more."""
    root = _waiting_root()
    for note in sorted(root.glob(f"*/{NOTE}")) if _is_private(root) else ():
        folder, wanted = note.parent / "journal", Path(note.read_text(encoding="utf-8"))
        if not wanted.parent.exists() and any(folder.glob(f"*{SUFFIX}")):
            yield folder, wanted


def make_private(folder: Path) -> None:
    """Make a place for journals that wait, and the two folders it lies in, so that only this user can write there.

    Raises
    ------
    OSError
        It cannot be made, or is another user's: the name is known to all who may write into the temporary folder.
    """
    for place in (folder.parent.parent, folder.parent, folder):
        with contextlib.suppress(FileExistsError):
            place.mkdir(0o700, parents=True)
        if not _is_private(place):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def _is_private(folder: Path) -> bool:
    """Tell whether this is a folder, not a link to one, in which nobody but this user can write."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    return stat.S_ISDIR(found.st_mode) and mine


def _waiting_root() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"nbmlops-{user}"


def prepare(home: Path) -> None:
    """Make ``.nbmlops`` with its own ``.gitignore``, so that no store is ever committed by accident."""
    if home.is_dir():
        return
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    sync_folder(home.parent)
    (home / ".gitignore").write_text("*\n", encoding="utf-8")


def journals(folder: Path) -> list[Path]:
    """Return the journal files of a project, oldest first, those that wait elsewhere too."""
    waiting = waiting_folder(folder)
    places = (folder, waiting) if _is_private(waiting.parent.parent) and _is_private(waiting) else (folder,)
    found = [p for place in places if place.is_dir() for p in place.glob(f"*{SUFFIX}")]
    return sorted(found, key=lambda p: p.name)


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (offset after the record, event) from a journal, up to the last whole record.

    Where records are damaged and whole ones follow, an event ``damaged`` says how many bytes are left out; so it does
    where a whole record cannot be decoded.

    Parameters
    ----------
    path : Path
        A journal file, possibly still being written.
    offset : int
        Where to go on, in bytes.
    """
    with path.open("rb") as file:
        file.seek(offset)
        block, missing = b"", BLOCK_BYTES
        while True:
            more = file.read(missing)
            block += more
            ends, missing = _whole(block)
            for end, event in zip(ends, _decoded(block, ends), strict=True):
                yield offset + end, event
            used = ends[-1] if ends else 0
            block, offset = block[used:], offset + used
            if missing and more:
                continue
            rest = file.read()
            block += rest
            if missing and rest:  # the writer went on meanwhile: what was half a record may be a whole one now
                continue
            # Half a record ends the journal, unless others follow: then it is a damaged one.
            if not (lost := _next(block)):
                return
            yield offset + lost, {"t": "damaged", "bytes": lost}
            block, offset, missing = block[lost:], offset + lost, BLOCK_BYTES


def _next(block: bytes) -> int:
    """Return where the first whole record behind a damaged one begins; 0 when none follows."""
    first = HEADER.size
    while (first := block.find(b'{"', first + 1)) > 0:
        length, crc = HEADER.unpack_from(block, first - HEADER.size)
        end = first + length
        if 0 < length <= MAX_RECORD_BYTES and end <= len(block) and zlib.crc32(block[first:end]) == crc:
            return first - HEADER.size
    return 0


def _whole(block: bytes) -> tuple[list[int], int]:
    """Return where the whole records of a block end, and how much to read for the next; 0 when one is damaged."""
    ends: list[int] = []
    start = 0
    while (first := start + HEADER.size) <= len(block):
        length, crc = HEADER.unpack_from(block, start)
        if not 0 < length <= MAX_RECORD_BYTES:  # zeros are what a power loss leaves, and their CRC is zero
            return ends, 0
        if (end := first + length) > len(block):
            return ends, max(BLOCK_BYTES, end - len(block))
        if zlib.crc32(block[first:end]) != crc:
            return ends, 0
        ends.append(end)
        start = end
    return ends, BLOCK_BYTES


def _decoded(block: bytes, ends: list[int]) -> list[dict[str, Any]]:
    """Return the events of a block; as one array they are decoded in half the time."""
    texts = [block[start + HEADER.size : end] for start, end in pairwise((0, *ends))]
    with contextlib.suppress(ValueError, RecursionError):
        events: list[dict[str, Any]] = _scan(f"[{b','.join(texts).decode()}]", 0)[0]
        if len(events) == len(ends):
            return events
    return [_decoded_alone(text) for text in texts]


def _decoded_alone(text: bytes) -> dict[str, Any]:
    """Return one event; ``damaged`` where this Python cannot decode it: too many digits, nested too deep."""
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(event := json.loads(text), dict):
            return event
    return {"t": "damaged", "bytes": len(text), "text": text[:SHOWN].decode("utf-8", "replace")}
