"""Artifacts in a folder of a local or mounted disk, and what all places of artifacts share: digests and copies."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from nbmlops.store.journal import prepare

__all__ = ["Entry", "Folder", "copy", "digest_of", "partial_file"]

DIGEST = re.compile(r"[0-9a-f]{64}")
BLOCK_BYTES = 2**20
PARTIAL = "partial-"
SIGNED = "stores"  # the folder of the names of stores that keep files in a place


class Entry(NamedTuple):
    """One stored file; ``modified_at`` is when it was last put, in seconds since 1970."""

    digest: str
    size_bytes: int
    modified_at: float


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def copy(source: Any, target: Any = None, size: int | None = None) -> tuple[str, int]:
    """Hash a file block by block, up to a size, and write the same blocks to another; return digest and size."""
    hashed, done = hashlib.sha256(), 0
    while block := source.read(BLOCK_BYTES if size is None else min(BLOCK_BYTES, size - done)):
        hashed.update(block)
        done += len(block)
        if target is not None:
            target.write(block)
    return hashed.hexdigest(), done


@contextmanager
def partial_file(folder: Path, mode: int = 0o600) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file that is gone at the end, unless it was given its name."""
    path = folder / f"{PARTIAL}{os.urandom(8).hex()}"
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


class Folder:
    """A folder on a local or mounted disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes, digest: str) -> None:
        """Store bytes under their digest."""
        if not self._renewed(digest, len(data)):
            with self._partial() as (file, partial):
                file.write(data)
                self._keep(file, partial, digest)

    def put_file(self, file: io.FileIO) -> tuple[str, int]:
        """Store a file in one pass: hashed while it is copied."""
        with self._partial() as (written, partial):
            digest, size = copy(file, written)
            if not self._renewed(digest, size):
                self._keep(written, partial, digest)
        return digest, size

    def read(self, digest: str) -> AbstractContextManager[Any]:
        """Open a stored file."""
        return self._path(digest).open("rb", buffering=0)

    def find(self, digest: str) -> Entry | None:
        """Return what is known of a stored file; None when it is not there."""
        try:
            found = self._path(digest).stat()
        except FileNotFoundError:
            return None
        return Entry(digest, found.st_size, found.st_mtime)

    def list(self) -> Iterator[Entry]:
        """Yield every stored file."""
        for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
            if DIGEST.fullmatch(path.name) and (found := self.find(path.name)):
                yield found

    def delete(self, digest: str, before: float | None) -> bool:
        """Take the file away before its time is looked at: a put at the same moment misses it and writes it anew."""
        path, away = self._path(digest), self.root / f"{PARTIAL}{os.urandom(8).hex()}-{digest}"
        found = self.find(digest)
        if found is None or (before is not None and found.modified_at >= before):
            return False
        try:
            path.replace(away)
            if before is None or away.stat().st_mtime < before:
                away.unlink()
                return True
            away.replace(path)
        except FileNotFoundError:  # another gc was faster, or brought it back
            pass
        return False

    def clean(self, before: float) -> int:
        """Remove partial files older than a time, return their bytes, and bring back what a killed gc took away."""
        removed = 0
        for path in self.root.glob(f"{PARTIAL}*"):
            with contextlib.suppress(FileNotFoundError):
                stat, digest = path.stat(), path.name.rpartition("-")[2]
                if DIGEST.fullmatch(digest):
                    path.replace(self._path(digest))
                elif stat.st_mtime < before:
                    path.unlink()
                    removed += stat.st_size
        return removed

    def sign(self, store: str) -> None:
        """Leave the name of a store that keeps files here."""
        (self.root / SIGNED).mkdir(exist_ok=True, parents=True)
        (self.root / SIGNED / store).touch()

    def signed(self) -> set[str]:
        """Return the names of the stores that keep files here."""
        return {path.name for path in (self.root / SIGNED).glob("*")}

    def forget(self) -> None:
        """Do nothing: a folder has no client."""

    def hint(self, error: Exception) -> str:
        """Say what to do about an error."""
        return "`nbmlops doctor` shows the disk; NBMLOPS_ARTIFACTS names another place."

    def _path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def _partial(self) -> AbstractContextManager[tuple[BinaryIO, Path]]:
        prepare(self.root.parent)
        if not self.root.is_dir():
            self.root.mkdir(exist_ok=True, parents=True)
            _sync_folder(self.root.parent)
        return partial_file(self.root)

    def _renewed(self, digest: str, size: int) -> bool:
        """Mark a whole file as put now; False where it is missing, damaged, or just being deleted."""
        path = self._path(digest)
        try:
            if path.stat().st_size != size or _digest_of_file(path) != digest:
                return False
            os.utime(path)
        except OSError:  # gone, or its blocks cannot be read: it is written anew
            return False
        return True

    def _keep(self, file: BinaryIO, partial: Path, digest: str) -> None:
        """Give a written file its name, so that both survive power loss."""
        file.flush()
        os.fsync(file.fileno())
        file.close()
        target = self._path(digest)
        if not target.parent.is_dir():
            target.parent.mkdir(exist_ok=True)
            _sync_folder(self.root)
        partial.replace(target)
        _sync_folder(target.parent)


def _digest_of_file(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return copy(file)[0]


def _sync_folder(folder: Path) -> None:
    """Make names in a folder survive power loss; Windows cannot and need not."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
