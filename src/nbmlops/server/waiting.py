"""What waits for who asks: the few words the titles of the panel's sections say, also where these are closed."""

from __future__ import annotations

from typing import Any

import tornado.web
from jupyter_server.auth.decorator import authorized

from nbmlops.server.base import Handler, Here
from nbmlops.server.drift import models
from nbmlops.server.questions import questions

__all__ = ["WaitingHandler"]

GRAVE = ("alert", "notice")  # levels of drift, the worst first
MOST = 50  # works that ended
NONE: dict[str, Any] = {"questions": 0, "drift": None, "running": 0, "failed": []}


class WaitingHandler(Handler):
    """``GET waiting``: how much of it there is, in a line."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{questions, drift, running, failed}``."""
        await self.answer(_waiting, without=NONE)


def _waiting(here: Here) -> dict[str, Any]:
    return {"questions": sum(one["to_me"] for one in questions("open")), "drift": _worst(), **_works(here)}


def _worst() -> str | None:
    """Return the worst level among the newest checks and the open episodes; None where none is grave."""
    found = models()
    open_ = (e["level"] for model in found for e in model["episodes"] if not e["closed_at"])
    levels = {*open_, *(model["verdict"] for model in found)}
    return next((level for level in GRAVE if level in levels), None)


def _works(here: Here) -> dict[str, Any]:
    """Return how many works run, and when the failed ones ended, the newest first."""
    from nbmlops.jobs.works import listed

    found = listed.works(here.project, MOST)
    failed = (w["ended_at"] for w in found if w["status"] == "failed" and w["ended_at"])
    return {"running": sum(bool(w["live"]) for w in found), "failed": sorted(failed, reverse=True)}
