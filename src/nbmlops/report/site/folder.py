"""The site's folder: whose it is, what lies in it, and how a page is replaced so that no reader meets half of one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.store.disk import try_lock, unlock

__all__ = ["MANIFEST", "Entry", "Folder", "opened"]

MANIFEST, LOCK, PARTIAL = "site.json", ".site.lock", ".site-partial-"
FORMAT = 1
OURS = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9_@-][A-Za-z0-9._@-]*")
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
WAIT_S = 60.0
SAVED_EVERY = 1000  # pages after which a killed build has lost no more


@dataclass(frozen=True)
class Entry:
    """A page as it was written: of what it was drawn, and what it holds; an empty one was begun."""

    stamp: str = ""
    digest: str = ""
    size_bytes: int = -1


class Folder:
    """The folder of one store's site; made by :func:`opened`, which holds its lock."""

    def __init__(self, path: Path, store_id: str) -> None:
        self.path, self.store_id = path, store_id
        self.entries: dict[str, Entry] = self._read()
        self.written = self.removed = 0
        self._there: dict[str, dict[str, int]] = {}

    def begin(self, wanted: Iterable[str]) -> None:
        """Say which pages will be there before the first is: what a killed build left is known as ours then.

        Raises
        ------
        Conflict
            A file that is not ours lies where a page should be.
        """
        new = [path for path in wanted if path not in self.entries]
        for path in new:
            if not OURS.fullmatch(path):
                raise Invalid(f"{path!r} is no name of a page.", "This is a fault of nbmlops: please tell its authors.")
            if self._size(path) is not None:
                raise _not_ours(self.path / path)
        self.entries |= dict.fromkeys(new, Entry())
        for folder in {path.rpartition("/")[0] for path in self.entries} - {""}:
            self._make(folder)
        self.save()

    def stale(self, path: str, stamp: str) -> bool:
        """Tell whether a page has to be drawn: it is new, drawn of something else, or not there as it was written."""
        entry = self.entries.get(path, Entry())
        return entry.stamp != stamp or self._size(path) != entry.size_bytes

    def put(self, path: str, stamp: str, content: bytes) -> None:
        """Write a page whole, unless the very same is there."""
        entry = Entry(stamp, hashlib.sha256(content).hexdigest(), len(content))
        before = self.entries.get(path, Entry())
        if (before.digest, self._size(path)) != (entry.digest, entry.size_bytes):
            self._replace(path, content)
            self.written += 1
            if self.written % SAVED_EVERY == 0:
                self.save()
        self.entries[path] = entry

    def keep_only(self, wanted: Iterable[str]) -> None:
        """Delete our pages that are wanted no more; what others put here stays."""
        for path in sorted(self.entries.keys() - set(wanted)):
            if (self.path / path).is_file():
                (self.path / path).unlink()
                self.removed += 1
            del self.entries[path]

    def save(self) -> None:
        """Write the manifest: which pages there are, of what each was drawn, and its SHA-256."""
        pages = {path: [e.stamp, e.digest, e.size_bytes] for path, e in sorted(self.entries.items())}
        about = {"nbmlops_site": FORMAT, "store": _hidden(self.store_id), "pages": pages}
        self._replace(MANIFEST, json.dumps(about, separators=(",", ":")).encode())

    def _read(self) -> dict[str, Entry]:
        try:
            about = json.loads((self.path / MANIFEST).read_bytes())
            pages = {path: Entry(*entry) for path, entry in about["pages"].items() if OURS.fullmatch(path)}
            known = about["nbmlops_site"], about["store"]
        except FileNotFoundError:
            if any(p.name != LOCK and not p.name.startswith(PARTIAL) for p in self.path.iterdir()):
                raise Conflict(
                    f"{self.path} holds files that are no site of nbmlops.", "Name another folder: nbmlops site -o DIR"
                ) from None
            return {}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Conflict(
                f"{self.path / MANIFEST} cannot be read as the list of a site's pages.",
                "Name another folder, or delete this one.",
            ) from None
        if known != (FORMAT, _hidden(self.store_id)):
            raise Conflict(f"{self.path} is the site of another project.", "Name another folder: nbmlops site -o DIR")
        return pages

    def _size(self, path: str) -> int | None:
        """Return a page's size, None where there is none; each folder is listed once."""
        folder, _, name = path.rpartition("/")
        if folder not in self._there:
            self._there[folder] = dict(_files(self.path / folder))
        return self._there[folder].get(name)

    def _make(self, folder: str) -> None:
        place = self.path / folder
        if place.is_symlink():
            raise _not_ours(place)
        try:
            place.mkdir(exist_ok=True)
        except FileExistsError:
            raise _not_ours(place) from None

    def _replace(self, path: str, content: bytes) -> None:
        partial = f"{self.path}/{PARTIAL}{os.getpid()}"  # the lock is ours, so nobody else writes one
        try:
            with os.fdopen(os.open(partial, NEW, 0o644), "wb") as file:
                os.fchmod(file.fileno(), 0o644)  # a web server is another user
                file.write(content)
            os.replace(partial, f"{self.path}/{path}")  # noqa: PTH105  # ten thousand of them: half the time of a Path
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
        folder, _, name = path.rpartition("/")
        if folder in self._there:
            self._there[folder][name] = len(content)


@contextmanager
def opened(path: Path, store_id: str, wait_s: float = WAIT_S) -> Iterator[Folder]:
    """Yield the folder of a store's site, which nobody else writes into meanwhile.

    Raises
    ------
    Invalid
        It is a file.
    NotFound
        The folder it should be made in is not there.
    NotAllowed
        It cannot be written.
    Conflict
        It holds something else, or somebody else has been writing into it for too long.
    """
    if path.exists() and not path.is_dir():
        raise Invalid(f"{path} is a file, and a site is a folder.", "Name a folder: nbmlops site -o DIR")
    if not path.parent.is_dir():
        raise NotFound(f"No folder {str(path.parent)!r}.", f"Make it: mkdir -p {path.parent}")
    try:
        made = not path.exists()
        path.mkdir(exist_ok=True)
        if not made and not (path / MANIFEST).exists():
            Folder(path, store_id)  # refuses before even a lock is left in what is not ours
        with _locked(path / LOCK, wait_s):
            for left in path.glob(f"{PARTIAL}*"):
                left.unlink(missing_ok=True)
            yield Folder(path, store_id)
    except OSError as error:
        raise NotAllowed(
            f"The site in {path} cannot be written ({error.strerror or type(error).__name__}).",
            "Name another folder, or mend this one: what is there stays usable.",
        ) from error


@contextmanager
def _locked(path: Path, wait_s: float) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        until = time.monotonic() + wait_s
        while try_lock(fd) is False:
            if time.monotonic() > until:
                raise Conflict(f"Somebody else is writing the site in {path.parent}.", "Wait until it is done.")
            time.sleep(0.05)
        yield
    finally:
        unlock(fd)
        os.close(fd)


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as found:
        for entry in found:
            yield entry.name, entry.stat(follow_symlinks=False).st_size


def _hidden(store_id: str) -> str:
    """Return what tells stores apart and says nothing else of them: a site is for everybody."""
    return hashlib.sha256(f"site of {store_id}".encode()).hexdigest()[:16]


def _not_ours(path: Path) -> Any:
    return Conflict(f"{path} is there and was not made by nbmlops site.", "Move it away, or name another folder.")
