"""Note a run's commit and packages, off the path of what it runs."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.capture import changes, environment
from nbmlops.errors import tell
from nbmlops.store import waiting
from nbmlops.tracking import session
from nbmlops.tracking.log import log_stored

__all__ = ["note", "settle", "warn_once"]

FRESH_S = 3.0  # cells that follow each other closely share one look at the repository
LAST_S = 2.0  # how long a report, or the end of the process, waits for what is being looked up
DIFF = ("git.diff", "text/x-diff")


@dataclass(frozen=True)
class _Machine:
    """What was found for a folder, when: commit, packages, and the file of what differs from the commit."""

    looked_at: float
    places: tuple[Path, ...]
    stamp: tuple[int, ...]
    git: dict[str, Any] | None
    packages: str
    state: str = ""
    diff: tuple[str, int] | None = None

    def holds(self) -> bool:
        """Tell whether it is still so: a look a moment ago, and nothing committed, checked out or staged since."""
        return time.monotonic() - self.looked_at < FRESH_S and _stamp(self.places) == self.stamp


_warned: set[str] = set()
_looking = threading.Lock()  # of several cells' threads one looks, the others find
_found: dict[tuple[str, str], _Machine] = {}
_threads: set[threading.Thread] = set()


def note(run_id: str, place: Path) -> threading.Thread | None:
    """Write git state and packages of a run: at once where they are known, else by a thread, which is returned.

    A fault is one warning. What is being looked up when the process ends is waited for, for a moment.

    Parameters
    ----------
    run_id : str
    place : Path
        The notebook, or a folder of the repository.

    Returns
    -------
    threading.Thread or None

    Examples
    --------
    >>> with nb.run("forest") as run:  # doctest: +SKIP
    ...     note(run.run_id, Path("forest.ipynb"))
    """
    try:
        folder = place if place.is_dir() else place.parent
        known = _found.get(_key(folder))
        if known is None or not known.holds():
            return _begin(run_id, folder)
        _write(run_id, known)
    except Exception as error:
        warn_once(error)
    return None


def settle() -> None:
    """Wait for what this process is looking up, so that who reads a run next reads all of it; two seconds at most.

    Examples
    --------
    >>> settle()
    """
    until = time.monotonic() + LAST_S
    for thread in list(_threads):
        thread.join(max(0.0, until - time.monotonic()))  # git may hang, and the process shall not


def warn_once(error: Exception) -> None:
    """Say once per kind of fault that tracking failed and the cell did not.

    A store that cannot be written was said already, by the journal, when it moved elsewhere.
    """
    if session.moved() and any(isinstance(e, OSError) for e in (error, error.__cause__)):
        return
    key = f"{type(error).__name__}: {error}"
    if key not in _warned:
        _warned.add(key)
        tell(f"nbmlops could not track everything ({key}). Your cell is not affected.")


def _begin(run_id: str, folder: Path) -> threading.Thread | None:
    _watch_process()
    thread = threading.Thread(target=_look_up, args=(run_id, folder), name="nbmlops-about-machine", daemon=True)
    _threads.add(thread)
    with contextlib.suppress(RuntimeError):  # the interpreter is ending: nothing can be looked up any more
        thread.start()
        return thread
    _threads.discard(thread)
    return None


def _look_up(run_id: str, folder: Path) -> None:
    try:
        with _looking:
            known = _found.get(_key(folder))
            if known is None or not known.holds():
                known = _found[_key(folder)] = _look(folder, known)
        _write(run_id, known)
    except Exception as error:
        warn_once(error)
    finally:
        _threads.discard(threading.current_thread())


def _look(folder: Path, before: _Machine | None) -> _Machine:
    """Look at the repository; what did not change since is not read again."""
    looked_at = time.monotonic()
    places = (before.places if before else ()) or environment.git_places(folder)
    stamp = _stamp(places)  # before the look: a commit meanwhile makes another one
    packages = waiting.keep(session.artifacts(), _packages())[0]
    git = environment.git_state(folder)
    state = changes.state_of(folder) if git is not None and git["dirty"] else ""
    if before is not None and (before.git, before.state) == (git, state):
        diff = before.diff
    else:
        diff = _diff(folder) if state else None
    return _Machine(looked_at, places, stamp, git, packages, state, diff)


def _diff(folder: Path) -> tuple[str, int] | None:
    """Keep what differs from the commit; None where only outputs of notebooks do."""
    text = changes.diff(folder)
    return waiting.keep(session.artifacts(), text.encode("utf-8", "replace")) if text else None


def _write(run_id: str, known: _Machine) -> None:
    session.write({"t": "update", "run_id": run_id, "git": known.git, "environment": known.packages})
    if known.diff is not None:
        log_stored(run_id, DIFF[0], *known.diff, DIFF[1])


def _key(folder: Path) -> tuple[str, str]:
    return str(folder), str(session.project().home)


def _stamp(places: tuple[Path, ...]) -> tuple[int, ...]:
    return tuple(_changed_at(place) for place in places)


def _changed_at(place: Path) -> int:
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return 0


@functools.cache
def _packages() -> bytes:
    return json.dumps(environment.packages(), sort_keys=True).encode()


@functools.cache
def _watch_process() -> None:
    atexit.register(_wait)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forked)


def _wait() -> None:
    settle()
    environment.end_git()


def _forked() -> None:
    """Begin anew in a forked child: a thread of the parent that holds the lock does not exist here."""
    global _looking
    _looking = threading.Lock()
    _threads.clear()
