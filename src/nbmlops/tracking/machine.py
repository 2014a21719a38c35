"""Note a run's commit and packages, off the path of what it runs."""

from __future__ import annotations

import functools
import json
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

__all__ = ["note", "warn_once"]

FRESH_S = 3.0  # cells that follow each other closely share one look at the repository
DIFF = ("git.diff", "text/x-diff")


@dataclass(frozen=True)
class _Machine:
    """What was found for a folder, when: commit, packages, and the file of what differs from the commit."""

    looked_at: float
    git: dict[str, Any] | None
    packages: str
    state: str = ""
    diff: tuple[str, int] | None = None


_warned: set[str] = set()
_looking = threading.Lock()  # of several cells' threads one looks, the others find
_found: dict[tuple[str, str], _Machine] = {}


def note(run_id: str, place: Path) -> threading.Thread | None:
    """Write git state and packages of a run: at once where they are known, else by a thread, which is returned.

    Parameters
    ----------
    run_id : str
    place : Path
        The notebook, or a folder of the repository.
    """
    folder = place if place.is_dir() else place.parent
    known = _found.get(_key(folder))
    if known is not None and time.monotonic() - known.looked_at < FRESH_S:
        _write(run_id, known)
        return None
    thread = threading.Thread(target=_look_up, args=(run_id, folder), name="nbmlops-about-machine")
    thread.start()
    return thread


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


def _look_up(run_id: str, folder: Path) -> None:
    try:
        with _looking:
            known = _found.get(_key(folder))
            if known is None or time.monotonic() - known.looked_at >= FRESH_S:
                known = _found[_key(folder)] = _look(folder, known)
        _write(run_id, known)
    except Exception as error:
        warn_once(error)


def _look(folder: Path, before: _Machine | None) -> _Machine:
    """Look at the repository; what did not change since is not read again."""
    git = environment.git_state(folder)
    packages = waiting.keep(session.artifacts(), _packages())[0]
    state = changes.state_of(folder) if git is not None and git["dirty"] else ""
    diff = before.diff if before is not None and before.state == state else None
    if state and diff is None:
        diff = waiting.keep(session.artifacts(), changes.diff(folder).encode("utf-8", "replace"))
    return _Machine(time.monotonic(), git, packages, state, diff)


def _write(run_id: str, known: _Machine) -> None:
    session.write({"t": "update", "run_id": run_id, "git": known.git, "environment": known.packages})
    if known.diff is not None:
        log_stored(run_id, DIFF[0], *known.diff, DIFF[1])


def _key(folder: Path) -> tuple[str, str]:
    return str(folder), str(session.project().home)


@functools.cache
def _packages() -> bytes:
    return json.dumps(environment.packages(), sort_keys=True).encode()
