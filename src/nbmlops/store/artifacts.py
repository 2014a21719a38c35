"""Artifacts: files found by the SHA-256 of their content, in a local folder or in object storage.

Files are copied block by block and never held in memory; what is read is verified. A file appears whole or not at
all: a local one is written beside its place, synced and renamed; object storage shows an upload when it is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

from nbmlops.config import Project
from nbmlops.errors import Conflict, Invalid, NbmlopsError, NotAllowed, NotFound
from nbmlops.store.bucket import Bucket
from nbmlops.store.folder import BLOCK_BYTES, DIGEST, Entry, Folder, copy, digest_of, partial_file

__all__ = ["Artifacts", "Entry", "digest_of"]


class Artifacts:
    """Put and get files by digest.

    Examples
    --------
    >>> place = Artifacts("memory://example")
    >>> place.get(place.put(b"some bytes"))
    b'some bytes'
    """

    def __init__(self, url: str) -> None:
        self.url = url.removeprefix("file://")
        self.local = "://" not in self.url
        self._place: _Place = Folder(Path(self.url)) if self.local else Bucket(self.url)
        self.waiting: Artifacts | None = None

    @classmethod
    def of(cls, project: Project) -> Self:
        """Return the place of a project's artifacts; files that wait to be uploaded are read, listed, deleted too.

        Needs no database. What waits got there by :func:`nbmlops.store.waiting.keep`.
        """
        place = cls(project.artifacts_url)
        place.waiting = Artifacts(str(project.home / "artifacts-waiting"))
        return place

    def put(self, data: bytes) -> str:
        """Store some bytes once and return their digest.

        Putting what is there already marks it as new, so that ``nbmlops store gc`` spares it, and mends it where it
        was damaged.

        Raises
        ------
        NbmlopsError
            The place cannot be reached or written.
        """
        digest = digest_of(data)
        with self._reaching("written"):
            self._place.put(data, digest)
        return digest

    def put_file(self, path: str | Path) -> tuple[str, int]:
        """Store a file and return its digest and size; what is stored is what was hashed, also while others write.

        Parameters
        ----------
        path : path
            A file of any size.

        Returns
        -------
        tuple of str and int
            The digest, and the number of bytes stored.

        Raises
        ------
        NotFound
            There is no such file.
        Conflict
            Bytes already read were changed while they were uploaded, twice in a row.
        NbmlopsError
            The place cannot be reached or written.
        """
        if not Path(path).is_file():
            raise NotFound(f"There is no file {str(path)!r}.", "Give the path of a file, or its content as bytes.")
        with Path(path).open("rb", buffering=0) as file, self._reaching("written"):
            return self._place.put_file(file)

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest, verified.

        Raises
        ------
        NotFound
            Nothing is stored under that digest.
        Conflict
            What is stored is not what was put there.
        """
        with self.open(digest) as file:
            return file.read()

    @contextmanager
    def open(self, digest: str) -> Iterator[BinaryIO]:
        """Open a stored file for reading from start to end, verified on the way.

        The last bytes are handed out only when the digest of all is right, so a damaged file never looks complete.
        Who stops reading before the end has read unverified bytes. The file cannot be rewound: :meth:`fetch` it where
        that is needed.

        Raises
        ------
        NotFound
            Nothing is stored under that digest.
        Conflict
            On reading the end: what is stored is not what was put there.
        """
        entry, source = self._opened(digest)
        with source as file:
            yield io.BufferedReader(_Verified(file, entry, self._reaching), BLOCK_BYTES)

    def fetch(self, digest: str, target: str | Path) -> Path:
        """Copy a stored file to a local path, where it appears only when it is verified.

        Parameters
        ----------
        digest : str
        target : path
            A file, replaced when it exists; its folder must exist.

        Returns
        -------
        Path
            The target.

        Raises
        ------
        NotFound, Conflict
            As :meth:`get`.

        Examples
        --------
        >>> place.fetch(digest, "model.skops")  # doctest: +SKIP
        PosixPath('model.skops')
        """
        target = Path(target)
        with self.open(digest) as source, partial_file(target.parent, 0o666) as (file, partial):
            copy(source, file)
            file.close()
            partial.replace(target)
        return target

    def has(self, digest: str) -> bool:
        """Tell whether a digest is stored."""
        return self._find(digest) is not None

    def size(self, digest: str) -> int:
        """Return the size of a stored file in bytes.

        Raises
        ------
        NotFound
            Nothing is stored under that digest.
        """
        return self._known(digest).size_bytes

    def list(self) -> Iterator[Entry]:
        """Yield every stored file: digest, size in bytes, when it was last put."""
        waiting = {entry.digest: entry for entry in self.waiting.list()} if self.waiting else {}
        yield from waiting.values()
        with self._reaching("read"):
            yield from (entry for entry in self._place.list() if entry.digest not in waiting)

    @property
    def used(self) -> bool:
        """Whether something may have been put there; of object storage this is not asked."""
        return not self.local or Path(self.url).is_dir()

    def sign(self, store: str) -> None:
        """Leave the name of a store that keeps files here."""
        with self._reaching("written"):
            self._place.sign(store)

    def signed(self) -> set[str]:
        """Return the names of the stores that keep files here."""
        with self._reaching("read"):
            return self._place.signed()

    def reach(self) -> None:
        """Ask whether the place can be reached; a local folder that was not made yet can.

        Raises
        ------
        NbmlopsError
            It does not answer, or there is no such bucket.
        """
        if isinstance(self._place, Bucket):
            with self._reaching("reached"):
                self._place.reach()

    def delete(self, digest: str, before: float | None = None) -> bool:
        """Delete a stored file, and tell whether it was there; somebody else may have been faster.

        Parameters
        ----------
        digest : str
        before : float, optional
            Delete it only when it was last put before this time, in seconds since 1970. In a local folder no put gets
            lost in between; object storage cannot promise that, so leave hours between a put and this time.
        """
        _check(digest)
        waited = self.waiting is not None and self.waiting.delete(digest, before)
        with self._reaching("written"):
            return self._place.delete(digest, before) or waited

    def settle(self, digest: str) -> bool:
        """Upload a file if it waits, and tell whether it did; a damaged one is put aside and counts as missing.

        Raises
        ------
        NbmlopsError
            The place cannot be reached or written; the file waits on.
        """
        if self.waiting is None or not self.waiting.has(digest):
            return False
        path = self.waiting._path(digest)
        try:
            with path.open("rb", buffering=0) as file:
                whole = copy(file)[0] == digest
            if not whole:
                path.replace(path.with_suffix(".damaged"))
                return False
            self.put_file(path)
        except (FileNotFoundError, NotFound):  # another process was faster
            return False
        self.waiting.delete(digest)
        return True

    def clean(self, before: float) -> int:
        """Remove what killed processes left half written before a time, and return its bytes.

        Unfinished uploads to S3 cost money unseen until a rule of the bucket ends them
        (``AbortIncompleteMultipartUpload``).
        """
        waited = self.waiting.clean(before) if self.waiting else 0
        with self._reaching("written"):
            return self._place.clean(before) + waited

    def _opened(self, digest: str) -> tuple[Entry, AbstractContextManager[Any]]:
        if self.waiting is not None:
            with contextlib.suppress(NbmlopsError):  # not there, or uploaded just now
                return self.waiting._opened(digest)
        entry = self._known(digest)
        with self._reaching("read"):
            return entry, self._place.read(digest)

    def _find(self, digest: str) -> Entry | None:
        _check(digest)
        if self.waiting is not None and (found := self.waiting._find(digest)):
            return found
        with self._reaching("read"):
            return self._place.find(digest)

    def _known(self, digest: str) -> Entry:
        if found := self._find(digest):
            return found
        raise NotFound(f"Artifact {digest[:12]} is not in {self._shown}.", "Was the store moved without its artifacts?")

    def _path(self, digest: str) -> Path:
        return Path(self.url) / digest[:2] / digest

    @property
    def _shown(self) -> str:
        return re.sub(r"//[^/@]*@", "//", self.url)  # without a user's name and password

    @contextmanager
    def _reaching(self, doing: str) -> Iterator[None]:
        """Turn what the disk, the network or a client library says into one line that helps."""
        try:
            yield
        except NbmlopsError:
            raise
        except Exception as error:
            self._place.forget()
            kind = NotAllowed if isinstance(error, PermissionError) else NbmlopsError
            said = (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
            raise kind(f"Artifacts in {self._shown} cannot be {doing}: {said}.", self._place.hint(error)) from error


class _Place(Protocol):
    """Where artifacts lie."""

    def put(self, data: bytes, digest: str) -> None: ...
    def put_file(self, file: io.FileIO) -> tuple[str, int]: ...
    def read(self, digest: str) -> AbstractContextManager[Any]: ...
    def find(self, digest: str) -> Entry | None: ...
    def list(self) -> Iterator[Entry]: ...
    def delete(self, digest: str, before: float | None) -> bool: ...
    def clean(self, before: float) -> int: ...
    def sign(self, store: str) -> None: ...
    def signed(self) -> set[str]: ...
    def forget(self) -> None: ...
    def hint(self, error: Exception) -> str: ...


class _Verified(io.RawIOBase):
    """A file read from start to end, whose last bytes come only when the digest of all is right."""

    def __init__(self, source: Any, entry: Entry, reaching: Callable[[str], AbstractContextManager[None]]) -> None:
        self.source, self.entry, self.reaching = source, entry, reaching
        self.hash, self.seen = hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self.reaching("read"):
            data = self.source.read(len(buffer))
        self.hash.update(data)
        self.seen += len(data)
        if (not data or self.seen >= self.entry.size_bytes) and self.hash.hexdigest() != self.entry.digest:
            raise Conflict(
                f"Artifact {self.entry.digest[:12]} is damaged: its content has another hash.",
                "Restore it from a backup, or put the same content again.",
            )
        buffer[: len(data)] = data
        return len(data)


def _check(digest: str) -> None:
    if not DIGEST.fullmatch(digest):
        raise Invalid(f"{digest!r} is not an artifact's digest.", "A digest is 64 hexadecimal characters.")
