"""Drift: the newest check of each model and its episodes."""

from __future__ import annotations

from typing import Any

import tornado.web
from jupyter_server.auth.decorator import authorized

from nbmlops.errors import NotFound
from nbmlops.server import views
from nbmlops.server.base import Handler, Here
from nbmlops.server.masks import Masks
from nbmlops.server.models import name_of

__all__ = ["CheckHandler", "DriftHandler", "models"]

MOST_EPISODES = 20  # of one model
EPISODE = ("opened_at", "closed_at", "state", "column", "level", "message", "code", "version", "checks")


class DriftHandler(Handler):
    """``GET drift``: models with what was found of their data."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{models: [...]}``."""
        await self.answer(_drift, without={"models": []})


class CheckHandler(Handler):
    """``GET drift/NAME``: the newest check of a model."""

    @tornado.web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Send a view of kind ``drift``."""
        await self.answer(_check, lambda: {"name": name_of(name)})


def models() -> list[dict[str, Any]]:
    """Return each model with its newest check and its episodes, those that are open first."""
    from nbmlops.monitoring.episodes import rows
    from nbmlops.registry import fleet

    episodes: dict[str, list[dict[str, Any]]] = {}
    known = rows()
    for row, told in zip(known, Masks.now().found(known), strict=True):
        about = {"id": row["episode_id"], "closed_at": row["closed_at"]}
        episodes.setdefault(str(row["model"]), []).append({**{k: told.get(k) for k in EPISODE}, **about})
    newest: dict[str, dict[str, Any]] = {}
    for row in fleet.rows():
        name, before = str(row["name"]), newest.get(str(row["name"]))
        if before is None or (row["checked_at"] or "") > (before["checked_at"] or ""):
            ref = f"{name}@{row['version']}"
            about = {"name": name, "ref": ref, "checked_at": row["checked_at"], "verdict": row["verdict"]}
            newest[name] = about | {"report": f"drift:{ref}" if row["checked_at"] else None}
    return [{**found, "episodes": _first_open(episodes.get(name, []))} for name, found in newest.items()]


def _drift(here: Here) -> dict[str, Any]:
    return {"models": models()}


def _first_open(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the episodes of a model, those that are open first."""
    return sorted(found, key=lambda e: e["state"] == "closed")[:MOST_EPISODES]


def _check(here: Here, name: str) -> dict[str, Any]:
    from nbmlops.store.runs import results_of
    from nbmlops.tracking import session

    found = results_of(session.store(), kind="drift", subject=name)
    if not found:
        raise NotFound(f"No check of drift of {name!r} was kept.", f"Check it: %drift FRAME --against {name}@champion")
    signed = _version(str(found[-1]["data"].get("reference") or ""))
    return views.of_data("drift", Masks.now().result(found[-1]["data"], signed))


def _version(ref: str) -> dict[str, Any] | None:
    """Return the version a check was against, whose signature says what else is private."""
    from nbmlops.registry.models import model_version

    try:
        return model_version(ref).to_dict() if "@" in ref else None
    except NotFound:
        return None
