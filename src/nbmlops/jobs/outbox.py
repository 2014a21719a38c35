"""Notebooks written to an address: executed against a local file, uploaded afterwards, again until it works.

A place that cannot be written never stops a run: the run's tag ``upload`` says *pending*, and the next run, the next
tick of the scheduler or ``nbmlops runs upload`` tries again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbmlops.config import Project
from nbmlops.errors import tell
from nbmlops.jobs import files
from nbmlops.store import outbox as store
from nbmlops.store.outbox import Intent

__all__ = ["Posted", "deliver", "files_of", "is_address", "post", "posting", "retry", "retrying", "tags", "upload"]

DONE, PENDING = "done", "pending"
JOIN_S = 2.0


class Posted:
    """The output of one execution: a local file now, an address later. It is papermill's handler of that address.

    Parameters
    ----------
    project : Project
    intent : Intent
    """

    def __init__(self, project: Project, intent: Intent) -> None:
        self.project, self.intent = project, intent
        self.file = Path(intent.file)
        self.ended = False  # the engine is done: what papermill writes now is the last

    def write(self, text: str, path: str) -> None:
        """Write the notebook beside us; the last time, send it."""
        files.rewrite(self.file, text.encode())
        if self.ended:
            self.send()

    def send(self) -> None:
        """Upload what is there; where that fails, say once that it waits."""
        _unregister(self)
        if said := deliver(self.project, store.ready(self.project, self.intent)):
            tell(f"The notebook waits to be uploaded: {said} `nbmlops runs upload` tries again, as the next run does.")

    def pretty_path(self, path: str) -> str:
        """Return the address for papermill's log."""
        return path

    def read(self, path: str) -> str:
        """Return what was written last."""
        return self.file.read_text(encoding="utf-8")

    def listdir(self, path: str) -> list[str]:
        """Return the one file there is."""
        return [path]


def is_address(output: Any) -> bool:
    """Tell whether an output goes elsewhere than to a local file.

    >>> is_address("s3://bucket/out.ipynb"), is_address("out.ipynb"), is_address("file:///tmp/out.ipynb")
    (True, False, False)
    """
    return isinstance(output, str) and "://" in output and not output.startswith("file://")


def post(project: Project, run_id: str, name: str, url: str) -> Posted:
    """Write down that the notebook of a run shall go to an address, and let papermill write it here first.

    Parameters
    ----------
    project : Project
    run_id : str
    name : str
        Of the job or notebook, for the local file's folder.
    url : str
        Any address fsspec knows.
    """
    from papermill.iorw import papermill_io

    file = project.home / "outputs" / name / f"{run_id}.ipynb"
    posted = Posted(project, store.intend(project, run_id, file, url))
    file.parent.mkdir(parents=True, exist_ok=True)
    papermill_io.register(url, posted)
    return posted


@contextmanager
def posting(posted: Posted | None) -> Iterator[None]:
    """Send the notebook of an execution that was cut short; behind another papermill writes once more."""
    try:
        yield
    except BaseException:
        if posted:
            posted.send()
        raise
    if posted:
        posted.ended = True


def tags(project: Project, run_id: str) -> dict[str, str]:
    """Return what a run says from its start of where its notebook goes."""
    found = next((i for i in store.waiting(project) if i.run_id == run_id), None)
    return {"upload_to": found.url, "upload": PENDING} if found else {}


def files_of(project: Project, run_id: str) -> list[Path]:
    """Return the local file a run's upload begins from, if there is one."""
    return [Path(i.file) for i in store.waiting(project) if i.run_id == run_id]


def deliver(project: Project, intent: Intent, **options: Any) -> str:
    """Send a notebook and say in its run what became of that; return why it waits, or nothing."""
    from nbmlops.tracking import session

    said = store.send(project, intent, **options)
    value = PENDING if said else DONE
    session.write({"t": "tag", "run_id": intent.run_id, "name": "upload", "value": value})
    return said


def upload(run_id: str | None = None) -> list[dict[str, str]]:
    """Try now to upload every notebook that waits, or that of one run; return a row for each.

    Parameters
    ----------
    run_id : str, optional
    """
    from nbmlops.tracking import session

    project = session.project()
    intents = [i for i in _over(project) if run_id in (None, i.run_id)]
    return [_row(intent, deliver(project, intent)) for intent in intents]


def retry(project: Project) -> int:
    """Upload what is due, up to the first that fails; return how many arrived."""
    done = 0
    for intent in store.due(project):
        if deliver(project, intent, tries=1):
            break
        done += 1
    return done


@contextmanager
def retrying(project: Project) -> Iterator[None]:
    """Upload what is due beside an execution, which waits for none of it."""
    if not store.due(project):
        yield
        return
    thread = threading.Thread(target=retry, args=(project,), name="nbmlops-outbox", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(JOIN_S)


def _over(project: Project) -> list[Intent]:
    """Return what waits and is written for good: also of runs whose runner was killed and whose notebook is whole."""
    from nbmlops.jobs import outputs

    return [i for i in store.waiting(project) if i.ready or not outputs.places(project.home, i.run_id)]


def _row(intent: Intent, said: str) -> dict[str, str]:
    return {"run": intent.run_id[-6:], "upload": PENDING if said else DONE, "to": intent.url, "because": said}


def _unregister(posted: Posted) -> None:
    from papermill.iorw import papermill_io

    papermill_io._handlers = [(scheme, handler) for scheme, handler in papermill_io._handlers if handler is not posted]
