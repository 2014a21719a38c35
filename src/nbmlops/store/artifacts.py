"""Artifacts: files found by the SHA-256 of their content, on a local disk or any fsspec place."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from nbmlops.errors import Conflict, Invalid, MissingPackage, NotFound
from nbmlops.store.journal import prepare

__all__ = ["Artifacts", "digest_of"]

DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Artifacts:
    """Put and get bytes by digest; what is read is verified."""

    def __init__(self, url: str) -> None:
        self.url = url.removeprefix("file://")
        self.local = "://" not in self.url

    def put(self, data: bytes) -> str:
        """Store some bytes once and return their digest; a file appears whole or not at all."""
        digest = digest_of(data)
        if not self._whole(digest, data):
            self._write_local(digest, data) if self.local else self._write_remote(digest, data)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest, verified.

        Raises
        ------
        NotFound
            Nothing is stored under that digest.
        Conflict
            What is stored is not what was put there.
        """
        if not self.has(digest):
            raise NotFound(
                f"Artifact {digest[:12]} is not in {self.url}.", "Was the store moved without its artifacts?"
            )
        data = self._path(digest).read_bytes() if self.local else self._fs()[0].cat_file(self._remote(digest))
        if digest_of(data) != digest:
            raise Conflict(
                f"Artifact {digest[:12]} is damaged: its content has another hash.", "Restore it from a backup."
            )
        return bytes(data)

    def has(self, digest: str) -> bool:
        """Tell whether a digest is stored."""
        if not DIGEST.fullmatch(digest):
            raise Invalid(f"{digest!r} is not an artifact's digest.", "A digest is 64 hexadecimal characters.")
        return self._path(digest).is_file() if self.local else bool(self._fs()[0].exists(self._remote(digest)))

    def _whole(self, digest: str, data: bytes) -> bool:
        """Tell whether a digest is stored and, on a local disk, not damaged since."""
        return self.has(digest) and (not self.local or self._path(digest).read_bytes() == data)

    def _path(self, digest: str) -> Path:
        return Path(self.url) / digest[:2] / digest

    def _write_local(self, digest: str, data: bytes) -> None:
        path = self._path(digest)
        prepare(Path(self.url).parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(partial).replace(path)
        finally:
            Path(partial).unlink(missing_ok=True)

    def _write_remote(self, digest: str, data: bytes) -> None:
        fs, root = self._fs()
        fs.makedirs(f"{root}/{digest[:2]}", exist_ok=True)
        fs.pipe_file(self._remote(digest), data)

    def _remote(self, digest: str) -> str:
        return f"{self._fs()[1]}/{digest[:2]}/{digest}"

    def _fs(self) -> tuple[Any, str]:
        import fsspec

        try:
            fs, root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            raise MissingPackage(
                f"Artifacts at {self.url} need another package: {error}.", "pip install 'nbmlops[s3]'"
            ) from error
        return fs, root.rstrip("/")
