"""Note a run's commit and packages, off the path of what it runs."""

from __future__ import annotations

import functools
import json
import threading
from pathlib import Path

from nbmlops.capture import changes, environment
from nbmlops.errors import tell
from nbmlops.store import waiting
from nbmlops.tracking import session
from nbmlops.tracking.log import log_stored

__all__ = ["note", "warn_once"]

_warned: set[str] = set()
_reading, _diffing = threading.Lock(), threading.Lock()  # of several cells' threads one reads, the others find
_diffs: dict[str, tuple[str, str, int]] = {}  # of a repository: its state, digest and size of the diff


def note(run_id: str, place: Path) -> threading.Thread:
    """Start to write git state and packages of a run; return the thread that does.

    Parameters
    ----------
    run_id : str
    place : Path
        The notebook, or a folder of the repository.
    """
    thread = threading.Thread(target=_write, args=(run_id, place), name="nbmlops-about-machine")
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


def _write(run_id: str, place: Path) -> None:
    try:
        folder = place if place.is_dir() else place.parent
        state = environment.git_state(folder)
        with _reading:
            packages = waiting.keep(session.artifacts(), _packages())[0]
        session.write({"t": "update", "run_id": run_id, "git": state, "environment": packages})
        if state is not None and state["dirty"]:
            _write_diff(run_id, folder)
    except Exception as error:
        warn_once(error)


@functools.cache
def _packages() -> bytes:
    return json.dumps(environment.packages(), sort_keys=True).encode()


def _write_diff(run_id: str, folder: Path) -> None:
    """Keep what differs from the commit with a run; what did not change since an earlier run is not read again."""
    state = changes.state_of(folder)
    with _diffing:
        if _diffs.get(str(folder), ("", "", 0))[0] != state:
            digest, size_bytes = waiting.keep(session.artifacts(), changes.diff(folder).encode("utf-8", "replace"))
            _diffs[str(folder)] = (state, digest, size_bytes)
        _, digest, size_bytes = _diffs[str(folder)]
    log_stored(run_id, "git.diff", digest, size_bytes, "text/x-diff")
