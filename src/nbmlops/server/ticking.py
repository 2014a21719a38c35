"""The scheduler inside a Jupyter server, where the project asks for it."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.config import Project, find_project
from nbmlops.errors import NbmlopsError
from nbmlops.jobs.schedule.definition import FOLDER

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__all__ = ["begin", "wanted"]


def begin(server_app: ServerApp) -> threading.Event | None:
    """Start a thread that ticks, where the project of the server's folder wants it; return what ends it."""
    try:
        project = find_project(Path(server_app.root_dir).expanduser())
    except NbmlopsError as error:  # the panel is served all the same
        server_app.log.warning("nbmlops: no jobs are scheduled here: %s", error)
        return None
    if not wanted(project):
        return None
    say: Callable[[str], Any] = server_app.log.info
    stop = threading.Event()
    thread = threading.Thread(target=_serve, args=(project, stop, say), name="nbmlops scheduler", daemon=True)
    thread.start()
    atexit.register(_end, stop, thread)
    say("nbmlops: scheduling the jobs of %s", project.name)  # type: ignore[call-arg]
    return stop


def wanted(project: Project) -> bool:
    """Tell whether a project has jobs and says ``[scheduler] server = true``.

    Off by default: a server that somebody opened to read a notebook must not begin to train models.
    """
    return project.setting("scheduler", "server") is True and (project.root / FOLDER).is_dir()


def _serve(project: Project, stop: threading.Event, say: Callable[[str], Any]) -> None:
    from nbmlops.jobs.schedule import service
    from nbmlops.jobs.works import executors
    from nbmlops.tracking import session

    session.project(project.root)  # this process is that project's, wherever it was started
    service.serve(project, executors.executor("", project), stop, say=say)


def _end(stop: threading.Event, thread: threading.Thread) -> None:
    stop.set()
    thread.join(10)
