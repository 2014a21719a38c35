"""The addresses under ``/nbmlops``, in one table: every verb needs a login and a right to ``nbmlops``."""

from __future__ import annotations

import tornado.web
from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join

import nbmlops
from nbmlops.errors import NbmlopsError
from nbmlops.server import drift, jobs, models, questions, reports, runs, waiting, watching
from nbmlops.server.base import Handler, Here
from nbmlops.server.notebooks import has_store, store_mode

__all__ = ["ADDRESSES", "API", "StatusHandler", "routes"]

API = 2  # the panel refuses to talk to another version


class StatusHandler(Handler):
    """``GET status``: that we are here, which version of us, who asks, and what they may."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send versions, the project's name, the kind of its store, actor, rights and the scheduler's last tick."""
        write = await self.may("write")
        await self.answer(_status, lambda: {"write": write}, needs_store=False)


# Address below ``nbmlops/api``, as openapi.yaml names it, and who answers there.
ADDRESSES: dict[str, type[Handler]] = {
    "status": StatusHandler,
    "waiting": waiting.WaitingHandler,
    "runs": runs.RunsHandler,
    "runs/{run_id}": runs.RunHandler,
    "runs/{run_id}/source": runs.SourceHandler,
    "compare": runs.CompareHandler,
    "lineage": runs.LineageHandler,
    "models": models.ModelsHandler,
    "models/{name}/{version}": models.ModelHandler,
    "models/{name}/{version}/answer": models.AnswerHandler,
    "models/{name}/{version}/promote": models.PromoteHandler,
    "questions": questions.QuestionsHandler,
    "questions/{flag_id}/answer": questions.AnswerHandler,
    "jobs": jobs.JobsHandler,
    "jobs/events": watching.EventsHandler,
    "jobs/{run_id}": jobs.JobHandler,
    "jobs/{run_id}/cancel": jobs.CancelHandler,
    "jobs/{run_id}/retry": jobs.RetryHandler,
    "jobs/{run_id}/output": jobs.OutputHandler,
    "parameters": jobs.ParametersHandler,
    "drift": drift.DriftHandler,
    "drift/{name}": drift.CheckHandler,
    "reports": reports.ReportsHandler,
}


def routes(base_url: str) -> list[tuple[str, type[Handler]]]:
    """Return every address of ours with its handler; a name in it is anything without a slash."""
    found = [(_pattern(base_url, "api", name), handler) for name, handler in ADDRESSES.items()]
    return [*found, (_pattern(base_url, "report", "{ref}"), reports.PageHandler)]


def _pattern(base_url: str, part: str, name: str) -> str:
    said = ["([^/]+)" if word.startswith("{") else word for word in name.split("/")]
    return url_path_join(base_url, "nbmlops", part, *said)


def _status(here: Here, write: bool) -> dict[str, object]:
    return {
        "api": API,
        "version": nbmlops.__version__,
        "project": here.project.name,
        "store": store_mode(here.project),
        **_actor(here),
        "rights": {"read": True, "write": write},
        "scheduler": jobs.scheduler(here) if has_store(here.project) else None,
    }


def _actor(here: Here) -> dict[str, object]:
    """Return who a decision would be recorded for, or why that is nobody."""
    from nbmlops.tracking import actor

    try:
        name, known_by = actor.actor()
    except NbmlopsError as error:
        return {"actor": None, "why_nobody": str(error)}
    return {"actor": {"name": name, "known_by": known_by, "proves": actor.proves(known_by)}, "why_nobody": None}
