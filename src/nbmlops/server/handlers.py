"""The addresses under ``/nbmlops``: every verb needs a login and the right to read ``nbmlops``."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import tornado.web
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join

import nbmlops
from nbmlops.capture.secrets import redact
from nbmlops.config import find_project
from nbmlops.errors import NbmlopsError, NotFound, Unavailable
from nbmlops.server import notebooks, reports

__all__ = ["API", "ReportHandler", "RunsHandler", "StatusHandler", "routes"]

API = 1  # the panel refuses to talk to another version


class Handler(APIHandler):
    """What our addresses share: the resource's name, the server's folder, work off the event loop."""

    auth_resource = "nbmlops"

    @property
    def root(self) -> Path:
        """The folder the server shows."""
        return Path(self.settings["server_root_dir"]).expanduser()

    async def answer(self, ask: Callable[..., Any], *words: Any) -> None:
        """Do blocking work on our thread and send what it gives; what goes wrong is said in one line."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(_thread(), ask, *words)
        except Unavailable:  # its message names places on this machine
            self.refuse(503, "The project's store cannot be read. Type: nbmlops doctor")
        except NbmlopsError as error:
            self.refuse(404 if isinstance(error, NotFound) else 400, str(error))
        except Exception as error:
            self.log.exception("nbmlops could not answer %s", self.request.path)
            self.refuse(503, f"The project's store cannot be read ({type(error).__name__}). Type: nbmlops doctor")
        else:
            self.send(found)

    def send(self, found: Any) -> None:
        """Send what was found, as JSON."""
        self.finish(json.dumps(found))

    def refuse(self, status: int, message: str) -> None:
        """Send an error as JSON, without this machine's folders or a secret in it."""
        self.set_status(status)
        self.finish(json.dumps({"message": redact(message.replace(f"{self.root}{os.sep}", ""))}))


class RunsHandler(Handler):
    """``GET runs?notebook=PATH``: the runs of a notebook, newest first."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{"runs": [...]}``."""
        path = self.get_query_argument("notebook", "")
        if not path:
            self.refuse(400, "Argument 'notebook' is missing. Ask runs?notebook=PATH.")
            return
        await self.answer(_runs, self.root, path)


class StatusHandler(Handler):
    """``GET status``: that we are here, and which version of us."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send versions, the project's name and the kind of its store."""
        await self.answer(_status, self.root)


class ReportHandler(Handler):
    """``GET /nbmlops/report/RUN?notebook=PATH``: the newest report of a run, in a sandbox."""

    @tornado.web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        """Send the page; the project is that of the notebook, else that of the server's folder."""
        await self.answer(_report, self.root, self.get_query_argument("notebook", ""), run_id)

    def send(self, found: Any) -> None:
        """Send a page that is of no origin: not this server's, whose cookies it would have."""
        for name, value in reports.HEADERS.items():
            self.set_header(name, value)
        self.finish(found, set_content_type="text/html; charset=utf-8")


def routes(base_url: str) -> list[tuple[str, type[Handler]]]:
    """Return every address of ours with its handler."""
    named: dict[str, type[Handler]] = {"runs": RunsHandler, "status": StatusHandler}
    found = [(url_path_join(base_url, "nbmlops", "api", name), handler) for name, handler in named.items()]
    return [*found, (url_path_join(base_url, "nbmlops", "report", "([^/]+)"), ReportHandler)]


def _runs(root: Path, path: str) -> dict[str, Any]:
    return {"runs": notebooks.runs_of(notebooks.located(root, path))}


def _status(root: Path) -> dict[str, Any]:
    project = find_project(root)
    return {
        "api": API,
        "version": nbmlops.__version__,
        "project": project.name,
        "store": notebooks.store_mode(project),
    }


def _report(root: Path, notebook: str, run_id: str) -> str:
    return reports.page_of(notebooks.located(root, notebook) if notebook else root, run_id)


@cache
def _thread() -> ThreadPoolExecutor:
    """Return the one lasting thread that reads stores: SQLite connections stay with it."""
    return ThreadPoolExecutor(1, thread_name_prefix="nbmlops")
