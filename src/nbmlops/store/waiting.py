"""Artifacts that were tracked while their place was away: they wait in the project until it takes them.

Only tracking waits. A governed change puts its files where they belong before it commits, or fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from nbmlops.config import Project
from nbmlops.errors import Conflict, NbmlopsError, NotFound, tell
from nbmlops.store.artifacts import Artifacts

__all__ = ["Uploader", "keep", "upload"]

AWAY_S = 30.0  # how long a place that failed is not tried again: each try costs the user's cell seconds
LONGEST_S = 60.0

_away: dict[str, float] = {}  # until when places that failed are left alone
_told: dict[str, object] = {}  # of which it was said


def keep(place: Artifacts, data: bytes | Path) -> tuple[str, int]:
    """Store what was tracked, and return its digest and size; where the place cannot take it, it waits in the project.

    One warning says so, with the reason.

    Parameters
    ----------
    place : Artifacts
        A project's (see :meth:`Artifacts.of`). One in a local folder has nowhere else to wait, and raises.
    data : bytes or Path
        The content, or the path of a file.

    Raises
    ------
    NotFound, Conflict
        There is no such file, or it changed while it was stored.
    NbmlopsError
        The project's folder cannot be written either.

    Examples
    --------
    >>> keep(Artifacts.of(find_project()), b"some bytes")[1]  # doctest: +SKIP
    10
    """
    if place.local or place.waiting is None:
        return _put(place, data)
    if time.monotonic() < _away.get(place.url, 0.0):
        return _put(place.waiting, data)
    try:
        return _put(place, data)
    except (NotFound, Conflict):
        raise
    except NbmlopsError as error:
        kept = _put(place.waiting, data)
        _away[place.url] = time.monotonic() + AWAY_S
        _tell(place.waiting.url, error)
        return kept


def upload(place: Artifacts) -> int:
    """Bring what waits where it belongs, and return how many files that were.

    Raises
    ------
    NbmlopsError
        The place cannot be reached or written; the rest waits on.
    """
    done = sum(place.settle(entry.digest) for entry in place.waiting.list()) if place.waiting else 0
    if done:
        _away.pop(place.url, None)
    return done


class Uploader:
    """Uploads what waits, from a thread of its own: a slow upload holds up neither the database nor the lease.

    Parameters
    ----------
    project : Project
    pause : callable, optional
        Waits some seconds and tells whether to stop.
    """

    def __init__(self, project: Project, *, pause: Callable[[float], bool] | None = None) -> None:
        self.place = Artifacts.of(project)
        self._stop = threading.Event()
        self._pause = pause or self._stop.wait
        self._lock = threading.Lock()
        self._again = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Upload what waits, unless that is going on; where nothing waits, no thread is started."""
        if self._stop.is_set() or self.place.waiting is None or next(self.place.waiting.list(), None) is None:
            return
        with self._lock:
            self._again = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nbmlops-uploader", daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread after its round, which is waited for so long; what is left is for the next process."""
        self._stop.set()
        if thread := self._thread:
            thread.join(timeout_s)

    def _run(self) -> None:
        failures = 0
        while self._more():
            try:
                upload(self.place)
                failures = 0
            except Exception:  # it was told when the first file had to wait
                self._again = True
                if self._pause(min(LONGEST_S, 2.0 ** min(failures, 9))):
                    break
                failures += 1

    def _more(self) -> bool:
        with self._lock:
            if not self._again:
                self._thread = None
                return False
            self._again = False
            return True


def _put(place: Artifacts, data: bytes | Path) -> tuple[str, int]:
    return (place.put(data), len(data)) if isinstance(data, bytes) else place.put_file(data)


def _tell(folder: str, error: NbmlopsError) -> None:
    """Say once per project, whatever thread was first, that files wait."""
    first = object()
    if _told.setdefault(folder, first) is first:
        tell(
            f"{error.message} Files that are tracked wait in {folder} until they can be uploaded. {error.hint} "
            "Your cell is not affected. `nbmlops doctor` says more."
        )
