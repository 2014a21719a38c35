"""Jobs: works with the cell each is at, schedules, and what people do: start, cancel, try again."""

from __future__ import annotations

from typing import Any

import tornado.web
from jupyter_server.auth.decorator import authorized

from nbmlops.errors import Invalid, NbmlopsError, NotAllowed
from nbmlops.server import views
from nbmlops.server.asking import afterwards, verbatim
from nbmlops.server.base import Handler, Here
from nbmlops.server.masks import Masks
from nbmlops.server.notebooks import located

__all__ = [
    *("CancelHandler", "JobHandler", "JobsHandler", "OutputHandler", "ParametersHandler", "RetryHandler"),
    *("scheduler", "works"),
]

MOST = 200  # works in a list
SCHEDULED = ("job", "next_at", "last", "last_at", "state", "says")
Json = dict[str, Any]


class JobsHandler(Handler):
    """``GET jobs``: works and schedules. ``POST jobs``: run a notebook as one."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{works, schedules, scheduler}``."""
        await self.answer(_jobs, needs_store=False)

    @tornado.web.authenticated
    @authorized
    async def post(self) -> None:
        """Start a notebook in a process of its own, and send the id of its run."""
        await self.answer(_started, self._words, needs_store=False, status=202, about=self._notebook)

    def _words(self) -> Json:
        return self.body(notebook=str, parameters=dict)

    def _notebook(self) -> str:
        return self._words()["notebook"] or ""


class JobHandler(Handler):
    """``GET jobs/RUN``: a work with its cells as they are now."""

    @tornado.web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        """Send a view of kind ``retrained``."""
        await self.answer(_job, lambda: {"ref": run_id})


class CancelHandler(Handler):
    """``POST jobs/RUN/cancel``: end a work."""

    @tornado.web.authenticated
    @authorized
    async def post(self, run_id: str) -> None:
        """Cancel a work that is due or running, in the name of who asks; its kernel learns so within seconds."""
        await self.answer(_cancelled, lambda: {"ref": run_id, **self.body(reason=str)})


class RetryHandler(Handler):
    """``POST jobs/RUN/retry``: one more attempt."""

    @tornado.web.authenticated
    @authorized
    async def post(self, run_id: str) -> None:
        """Try a work again that ended without success, and send it."""
        await self.answer(_again, lambda: {"ref": run_id, **self.body()}, status=202)


class OutputHandler(Handler):
    """``POST jobs/RUN/output``: the executed notebook where the contents service opens it."""

    @tornado.web.authenticated
    @authorized
    async def post(self, run_id: str) -> None:
        """Copy the output of a work beside its notebook and send its path; it lies in a hidden folder."""
        await self.answer(_copied, lambda: {"ref": run_id, **self.body()})


class ParametersHandler(Handler):
    """``GET parameters?notebook=PATH``: what a form has to ask before a notebook runs."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{parameters, notebook, why_not}``."""
        await self.answer(_parameters, needs_store=False)


def works(here: Here, *keys: str) -> list[Json]:
    """Return works as the panel lists them: an output is a path of the contents service."""
    from nbmlops.jobs.works import listed

    masks = Masks.now()
    return [_shown(here, row, masks) for row in listed.works(here.project, MOST, keys)]


def _shown(here: Here, row: Json, masks: Masks) -> Json:
    """Return a work; where columns are private its error is a name, for the rest of the line may quote a value."""
    paths = {name: here.contents(row[name]) for name in ("output", "notebook")}
    error = row["error"].partition(":")[0] if masks.any and row["error"] else row["error"]
    said = {"error": error, "reason": masks.reason(row["reason"])}
    return {**row, **paths, "has_output": bool(row["output"]), **said}


def _jobs(here: Here) -> Json:
    from nbmlops.jobs.schedule import manage

    schedules = [_scheduled(row) for row in manage.listed(here.project)]
    return {"works": works(here), "schedules": schedules, "scheduler": scheduler(here)}


def scheduler(here: Here) -> Json | None:
    """Return when the scheduler ticked last, and whether that is too long ago; None where there is no job for it."""
    from nbmlops.jobs.schedule import definition, service

    if not (here.project.root / definition.FOLDER).is_dir():
        return None
    seen = service.last_tick(here.project)
    return {"last_tick_at": seen.at, "late": seen.late, "why": seen.says}


def _scheduled(row: Json) -> Json:
    kept = {name: row.get(name) or None for name in SCHEDULED}
    return {**kept, "trigger": row.get("when") or None, "paused": row.get("state") == "paused"}


def _job(here: Here, ref: str) -> Json:
    from nbmlops.jobs.works import listed

    found, masks = listed.shown(ref), Masks.now()
    data = found.to_dict()
    run = data["run"]
    measured = {k: v for k, v in run["metrics"].items() if not masks.tells(k)}
    run = {**run, "error": views.said(masks.error(run.get("error"))), "metrics": measured}
    shown: Json = {"cells": masks.cells(data["cells"]), "then": masks.found(data["then"])}
    shown["reason"] = masks.reason(data["reason"])
    shown["parameters"] = {name: masks.value(name, value) for name, value in found.work.parameters.items()}
    return views.of_data("retrained", {**data, **shown, "run": run, "output": here.contents(data["output"])})


def _started(here: Here, notebook: str | None, parameters: Json | None) -> Json:
    from nbmlops.jobs.works import apart

    if not notebook:
        raise Invalid("No notebook is named.", "Send {notebook: PATH, parameters: {...}}.")
    claim = apart.start(located(here.root, notebook, here.hidden), parameters or {})
    return {"run_id": claim.run_id, "work_id": claim.key}


def _cancelled(here: Here, ref: str, reason: str | None) -> Json:
    from nbmlops.jobs.schedule import manage
    from nbmlops.jobs.works import listed

    key = listed.work_of(ref).key  # a name of a job would cancel all its works
    manage.cancel(key, here.project, reason=reason or "")
    return afterwards(lambda: works(here, key)[0])


def _again(here: Here, ref: str) -> Json:
    from nbmlops.jobs.works import apart, listed

    key = apart.again(listed.work_of(ref).key).key
    return afterwards(lambda: works(here, key)[0])


def _copied(here: Here, ref: str) -> Json:
    from nbmlops.jobs.works import listed

    work = listed.held(ref)
    if here.contents(work.notebook) is None:
        raise NotAllowed(f"{work.notebook} lies outside the folder of this server.", "Open the output where it lies.")
    return {"path": here.contents(listed.beside(ref))}


def _parameters(here: Here) -> Json | str:
    from nbmlops.jobs.parameters import parameters

    if here.notebook is None:
        raise Invalid("Argument 'notebook' is missing.", "Ask parameters?notebook=PATH.")
    try:
        found = parameters(here.notebook)
    except NbmlopsError as error:
        return {"parameters": [], "notebook": here.contents_path, "why_not": str(error)}
    rows = [{**p.to_dict(), "choices": _choices(p.kind)} for p in found]
    return verbatim({"parameters": rows, "notebook": here.contents_path, "why_not": None})


def _choices(kind: Any) -> list[Any] | None:
    return list(kind.args) if kind.name == "literal" else None
