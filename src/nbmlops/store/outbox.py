"""What is on its way to another place: the intent is on the disk before the file is written, and goes when it arrived.

An intent is a small JSON file in ``.nbmlops/outbox``. Whoever finds one that is due sends it, any number of processes
together; sending twice does no harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nbmlops.config import Project
from nbmlops.errors import Invalid, NbmlopsError
from nbmlops.store.bucket import OBJECT_STORES, Bucket
from nbmlops.store.disk import sync_file, sync_folder, try_lock
from nbmlops.store.segments import prepare

__all__ = ["Intent", "due", "intend", "put", "ready", "send", "waiting"]

PAUSES_S = (0.2, 0.6, 1.5)  # between the tries at the end of a run; what fails then waits
WAIT_S = 30.0  # before somebody else tries again, twice as long each time
LONGEST_S = 3600.0
CREDENTIALS = re.compile(r"//[^/@]*:[^/@]*@")


@dataclass(frozen=True)
class Intent:
    """A file that shall be elsewhere: ``ready`` once it is written, ``said`` is why it is not there yet."""

    run_id: str
    file: str
    url: str
    ready: bool = False
    tries: int = 0
    said: str = ""
    not_before: float = 0.0


def intend(project: Project, run_id: str, file: Path, url: str) -> Intent:
    """Write down that a file of a run shall go to an address, before there is such a file.

    Raises
    ------
    Invalid
        The address carries a password, which would be kept in a file.
    """
    if CREDENTIALS.search(url):
        raise Invalid(
            f"The address {CREDENTIALS.sub('//...@', url)} carries a password.",
            "Give credentials where the client looks for them, such as AWS_PROFILE.",
        )
    intent = Intent(run_id, str(file), url)
    _write(project, intent)
    return intent


def ready(project: Project, intent: Intent) -> Intent:
    """Say that the file is written: from now on whoever finds the intent may send it."""
    intent = replace(intent, ready=True)
    _write(project, intent)
    return intent


def waiting(project: Project) -> list[Intent]:
    """Return what is not where it shall be, oldest first."""
    return [intent for path in sorted(_folder(project).glob("*.json")) if (intent := _read(path))]


def due(project: Project, now: float | None = None) -> list[Intent]:
    """Return what can be sent and was not tried just now."""
    now = time.time() if now is None else now
    return [i for i in waiting(project) if i.ready and i.not_before <= now]


def send(project: Project, intent: Intent, pause: Callable[[float], object] = time.sleep, tries: int = 4) -> str:
    """Send a file and forget the intent; return why it could not be sent, or nothing when it arrived.

    Parameters
    ----------
    project : Project
    intent : Intent
    pause : callable
        Waits some seconds between two tries.
    tries : int
    """
    with _taken(project, intent) as mine:
        said = "another process is sending it" if not mine else ""
        for attempt in range(tries if mine else 0):
            said = _try(intent)
            if not said:
                _path(project, intent.run_id).unlink(missing_ok=True)
                return ""
            if attempt < tries - 1:
                pause(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
    if mine:
        wait_s = min(LONGEST_S, WAIT_S * 2 ** min(intent.tries, 9))
        later = {"tries": intent.tries + 1, "said": said, "not_before": time.time() + wait_s}
        _write(project, replace(intent, **later))
    return said


def put(path: Path, url: str) -> None:
    """Copy a file to an address, where it appears whole or not at all.

    Raises
    ------
    NbmlopsError
        The place cannot be reached or written.
    """
    bucket = Bucket(url)
    try:
        fs, key = bucket.fs, str(bucket.fs._strip_protocol(url))
        if bucket.protocol in OBJECT_STORES:
            fs.put_file(str(path), key)
            return
        fs.makedirs(key.rpartition("/")[0], exist_ok=True)
        fs.put_file(str(path), f"{key}.part")
        fs.mv(f"{key}.part", key)
    except NbmlopsError:
        raise
    except Exception as error:
        bucket.forget()
        said = (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
        raise NbmlopsError(f"{url} cannot be written: {said}.", bucket.hint(error)) from error


def _try(intent: Intent) -> str:
    if not Path(intent.file).is_file():
        return f"{intent.file} is not there"
    try:
        put(Path(intent.file), intent.url)
    except NbmlopsError as error:
        return error.message
    return ""


@contextlib.contextmanager
def _taken(project: Project, intent: Intent) -> Iterator[bool]:
    """Hold the intent while it is sent; false when another process does."""
    path = _path(project, intent.run_id)
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # sent by another process
        yield False
        return
    try:
        yield try_lock(fd) is not False
    finally:
        os.close(fd)


def _folder(project: Project) -> Path:
    return project.home / "outbox"


def _path(project: Project, run_id: str) -> Path:
    return _folder(project) / f"{run_id}.json"


def _read(path: Path) -> Intent | None:
    try:
        return Intent(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):  # sent meanwhile, or of a later version
        return None


def _write(project: Project, intent: Intent) -> None:
    """Replace an intent as a whole, for good."""
    prepare(project.home)
    path = _path(project, intent.run_id)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(asdict(intent), file)
        file.flush()
        sync_file(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
