"""Artifacts in object storage, or wherever else fsspec reaches; an object appears when its upload is complete."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from nbmlops.errors import Conflict, Invalid, MissingPackage
from nbmlops.store.folder import DIGEST, SIGNED, Entry, copy, digest_of

__all__ = ["Bucket"]

PART_BYTES = 8 * 2**20  # of an upload; what is smaller goes in one request
MAX_PARTS = 9_000  # S3 allows 10,000
MAX_COPY_BYTES = 5 * 10**9  # S3 copies up to this in one request
S3 = {"s3", "s3a"}
DEFERRED = S3 | {"gs", "gcs"}  # an upload can be complete and yet not shown
OBJECT_STORES = DEFERRED | {"abfs", "abfss", "az", "memory"}  # no folders to make there
# Seconds, not minutes: somebody waits for the cell.
S3_OPTIONS = {"config_kwargs": {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 2}}}


class Bucket:
    """An fsspec file system; objects appear when their upload is complete."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.protocol = url.partition("://")[0]

    def put(self, data: bytes, digest: str) -> None:
        """Store bytes under their digest."""
        if len(data) > PART_BYTES and self._renewed(digest, len(data)):
            return
        self._prepare(digest)
        self.fs.pipe_file(self._key(digest), data)  # a small one in one request, there or not: this also mends it

    def put_file(self, file: io.FileIO) -> tuple[str, int]:
        """Hash, then upload under the final name while hashing again; complete the upload only when both agree.

        The name must be known before the upload begins. A temporary name would need a copy on the server, would upload
        what is there already, and would leave files behind when killed.
        """
        start = file.read(PART_BYTES + 1)
        if len(start) <= PART_BYTES:
            self.put(start, digest_of(start))
            return digest_of(start), len(start)
        for _ in range(2):
            file.seek(0)
            digest, size = copy(file)
            if self._renewed(digest, size) or self._upload(file, digest, size):
                return digest, size
        raise Conflict(f"{file.name!s} changed while it was stored.", "Try again when nothing writes to it.")

    def read(self, digest: str) -> AbstractContextManager[Any]:
        """Open a stored file."""
        file: AbstractContextManager[Any] = self.fs.open(self._key(digest), "rb", block_size=PART_BYTES)
        return file

    def find(self, digest: str) -> Entry | None:
        """Return what is known of a stored file; None when it is not there."""
        try:
            return _entry(self.fs.info(self._key(digest)))
        except FileNotFoundError:
            return None

    def list(self) -> Iterator[Entry]:
        """Yield every stored file."""
        try:
            folders = self.fs.ls(self._root(), detail=False)
        except FileNotFoundError:
            return
        for folder in folders:  # one at a time: all files at once may not fit into memory
            if re.fullmatch(r"[0-9a-f]{2}", folder.rstrip("/").rpartition("/")[2]):
                yield from filter(None, map(_entry, self.fs.find(folder, detail=True).values()))

    def reach(self) -> None:
        """Raise where the place does not answer or there is no such bucket: an empty place lists as a missing one."""
        try:
            self.fs.ls(self._root(), detail=False)
        except FileNotFoundError:
            if self.protocol in OBJECT_STORES:
                with contextlib.suppress(PermissionError):  # rights may end at a prefix
                    self.fs.ls(self._root().partition("/")[0], detail=False)

    def delete(self, digest: str, before: float | None) -> bool:
        """Delete a file last put before a time."""
        found = self.find(digest)
        if found is None or (before is not None and found.modified_at >= before):
            return False
        with contextlib.suppress(FileNotFoundError, KeyError):
            self.fs.rm_file(self._key(digest))
        return True

    def clean(self, before: float) -> int:
        """Do nothing: unfinished uploads are not listed as files."""
        return 0

    def sign(self, store: str) -> None:
        """Leave the name of a store that keeps files here."""
        if self.protocol not in OBJECT_STORES:
            self.fs.makedirs(f"{self._root()}/{SIGNED}", exist_ok=True)
        self.fs.pipe_file(f"{self._root()}/{SIGNED}/{store}", store.encode())

    def signed(self) -> set[str]:
        """Return the names of the stores that keep files here."""
        with contextlib.suppress(FileNotFoundError):
            return {str(name).rpartition("/")[2] for name in self.fs.ls(f"{self._root()}/{SIGNED}", detail=False)} - {
                ""
            }
        return set()

    def forget(self) -> None:
        """Drop the client: it would keep the credentials it began with, or their want, for ever."""
        with contextlib.suppress(Exception):
            self.fs.clear_instance_cache()

    def hint(self, error: Exception) -> str:
        """Say what to do about an error."""
        kinds = [kind.__name__ for kind in type(error).__mro__]
        if "NoCredentialsError" in kinds:
            return "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE."
        if isinstance(error, FileNotFoundError):
            return "Make the bucket first; nbmlops never makes one."
        if isinstance(error, PermissionError):
            return "Check the keys, and that they may list, read, write and delete there."
        return "Is the server up? For S3 elsewhere than at AWS, AWS_ENDPOINT_URL must say where."

    @property
    def fs(self) -> Any:
        """The file system; fsspec keeps one per process and thread."""
        import fsspec

        options = S3_OPTIONS if self.protocol in S3 else {}
        try:
            fs = fsspec.core.url_to_fs(self.url, use_listings_cache=False, **options)[0]
        except ImportError as error:
            hint = "pip install 'nbmlops[s3]'" if self.protocol in S3 else "Install that package."
            raise MissingPackage(f"Artifacts at {self.protocol}:// need another package: {error}.", hint) from error
        except ValueError as error:
            hint = "Write a folder, or an address such as s3://bucket/prefix, in NBMLOPS_ARTIFACTS."
            raise Invalid(f"Artifacts cannot lie at {self.protocol}://: {error}.", hint) from error
        return _impatient(fs) if options else fs

    def _root(self) -> str:
        return str(self.fs._strip_protocol(self.url)).rstrip("/")

    def _key(self, digest: str) -> str:
        return f"{self._root()}/{digest[:2]}/{digest}"

    def _renewed(self, digest: str, size: int) -> bool:
        """Mark a stored file as put now, by copying it onto itself where it lies; False where it must be uploaded."""
        found, key = self.find(digest), self._key(digest)
        if found is None or found.size_bytes != size:
            return False
        s3 = self.protocol in S3 and size < MAX_COPY_BYTES
        try:
            self.fs.cp_file(key, key, **({"MetadataDirective": "REPLACE"} if s3 else {}))  # S3 refuses a bare one
        except Exception:  # whatever the reason (no copies here, no right to, just deleted): uploading it says the rest
            return False
        return True

    def _upload(self, file: io.FileIO, digest: str, size: int) -> bool:
        """Upload the first bytes of a file; nothing appears, and False is returned, where their digest is another."""
        file.seek(0)
        self._prepare(digest)
        part_bytes = max(PART_BYTES, size // MAX_PARTS)
        target = self.fs.open(self._key(digest), "wb", block_size=part_bytes, autocommit=False)
        same = False
        try:
            same = copy(file, target, size)[0] == digest
            if same:
                target.close()
                target.commit()
        except BaseException:
            same = False
            raise
        finally:
            if not same:
                _abandon(target)
                self._remove_unless_deferred(digest)
        return same

    def _remove_unless_deferred(self, digest: str) -> None:
        """Remove what a client shows before its upload is committed; no file of that name can be whole."""
        if self.protocol not in DEFERRED:
            with contextlib.suppress(Exception):
                self.fs.rm_file(self._key(digest))

    def _prepare(self, digest: str) -> None:
        if self.protocol not in OBJECT_STORES:
            self.fs.makedirs(self._key(digest).rpartition("/")[0], exist_ok=True)


def _impatient(fs: Any) -> Any:
    """Let an S3 client give up: asking a mute server for leave to send (100-continue) knows no timeout."""
    from botocore.handlers import add_expect_header

    fs.retries = 1  # s3fs's own, around those of its client
    fs.connect().meta.events.unregister("before-call.s3", add_expect_header)
    return fs


def _abandon(target: Any) -> None:
    """End an upload that must not appear, without the client trying once more when it is collected."""
    with contextlib.suppress(Exception):
        target.discard()
    with contextlib.suppress(AttributeError):
        target.closed = True


def _entry(info: dict[str, Any]) -> Entry | None:
    """Read what a file system says of a file; they have different words for its time. None for anything not ours."""
    digest = str(info["name"]).rpartition("/")[2]
    if not DIGEST.fullmatch(digest) or info["type"] != "file":
        return None
    times = (info.get(key) for key in ("LastModified", "last_modified", "mtime", "updated", "modified", "created"))
    at = next((time for time in times if time is not None), 0.0)
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return Entry(digest, int(info["size"] or 0), at.timestamp() if isinstance(at, datetime) else float(at))
