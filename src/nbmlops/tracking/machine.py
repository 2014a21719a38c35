"""Note a run's commit and packages, off the path of what it runs."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from nbmlops.capture import environment
from nbmlops.errors import tell
from nbmlops.store import waiting
from nbmlops.tracking import session

__all__ = ["note", "warn_once"]

_warned: set[str] = set()


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
        state = environment.git_state(place if place.is_dir() else place.parent)
        data = json.dumps(environment.packages(), sort_keys=True).encode()
        packages = waiting.keep(session.artifacts(), data)[0]
        session.write({"t": "update", "run_id": run_id, "git": state, "environment": packages})
    except Exception as error:
        warn_once(error)
