"""Runs: the list, one whole, its source, several side by side, and where something comes from."""

from __future__ import annotations

import re
from typing import Any

import tornado.web
from jupyter_server.auth.decorator import authorized

from nbmlops.errors import Invalid
from nbmlops.server import views
from nbmlops.server.asking import verbatim
from nbmlops.server.base import Handler, Here
from nbmlops.server.masks import Masks

__all__ = ["RUN_ID", "CompareHandler", "LineageHandler", "RunHandler", "RunsHandler", "SourceHandler", "checked"]

RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REF = re.compile(r"[^\s/\\\x00-\x1f]{1,300}")
MOST_COMPARED = 6
NONE: dict[str, Any] = {"runs": [], "total": 0, "order": []}


class RunsHandler(Handler):
    """``GET runs``: a line each, the newest first."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{runs, total, order}``."""
        await self.answer(_runs, self._words, without=NONE)

    def _words(self) -> dict[str, Any]:
        return {
            "scope": self.word("scope", "notebook", ("notebook", "project")),
            "query": self.word("q"),
            "limit": self.count("limit", 100, 1000),
            "offset": self.count("offset", 0, 10**8),
        }


class RunHandler(Handler):
    """``GET runs/ID``: one run whole."""

    @tornado.web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        """Send a view of kind ``run``."""
        await self.answer(_run, lambda: {"run_id": checked(run_id)})


class SourceHandler(Handler):
    """``GET runs/ID/source``: what a run was made by."""

    @tornado.web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        """Send ``{cells: [{cell_id, source}]}``."""
        await self.answer(_source, lambda: {"run_id": checked(run_id)})


class CompareHandler(Handler):
    """``GET compare?runs=ID,ID``: what differs."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send a view of kind ``comparison``."""
        await self.answer(_compared, lambda: {"run_ids": self.word("runs").split(",")})


class LineageHandler(Handler):
    """``GET lineage?ref=REF``: where something comes from, and what came of it."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send a view of kind ``lineage``."""
        await self.answer(_lineage, lambda: {"ref": self.word("ref")})


def checked(run_id: str) -> str:
    """Return the id of a run if it can be one."""
    if not RUN_ID.fullmatch(run_id):
        raise Invalid(f"{run_id[:40]!r} is no id of a run.", "Take run_id from GET runs.")
    return run_id


def _runs(here: Here, scope: str, query: str, limit: int, offset: int) -> dict[str, Any]:
    from nbmlops.tracking.headlines import listed

    notebook = here.relative if scope == "notebook" and here.notebook else None
    masks = Masks.now()
    found = listed(masks.query(query) or None, notebook, limit, offset, masks.tells if masks.any else None)
    return {**vars(found), "runs": [{**run, "tags": masks.tags(run["tags"])} for run in found.runs]}


def _run(here: Here, run_id: str) -> dict[str, Any]:
    from nbmlops.tracking.runs import get_run

    return views.of_data("run", views.shown_run(Masks.now().run(get_run(run_id).to_dict())))


def _source(here: Here, run_id: str) -> str:
    from nbmlops.tracking.runs import get_run, source_of

    return verbatim({"cells": [{"cell_id": get_run(run_id).cell_id, "source": source_of(run_id)}]})


def _compared(here: Here, run_ids: list[str]) -> dict[str, Any]:
    from nbmlops.tracking.runs import compare

    if not 2 <= len(run_ids) <= MOST_COMPARED:
        raise Invalid(f"{len(run_ids)} runs to compare.", f"Name 2 to {MOST_COMPARED}: compare?runs=ID,ID")
    found = compare([checked(run_id) for run_id in run_ids])
    return views.of_data("comparison", Masks.now().comparison(found.to_dict()))


def _lineage(here: Here, ref: str) -> dict[str, Any]:
    from nbmlops.registry.lineage import lineage

    if not REF.fullmatch(ref):
        raise Invalid(f"{ref[:40]!r} names nothing.", "Write such as late-flights@3, flights@2 or a run's id.")
    return views.of(lineage(ref))
