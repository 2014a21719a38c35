"""What watches a model once it answers: jobs and their clocks, alert channels, how long outcomes take, what is open."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from nbmlops.hooks import service
from nbmlops.report.gathered.masked import masked, unsaid
from nbmlops.tracking import session

__all__ = ["gather"]

Json = Mapping[str, Any]
EPISODE = ("model", "version", "code", "column", "level", "opened_on", "opened_at", "last_at", "message")
MOST_EPISODES = 20


def gather(found: Json) -> dict[str, Any]:
    """Return ``watch``: what would notice that a model of this run gets worse; None for a run without models.

    ``looked_at`` stands apart: it moves with every check, and a report is not out of date because its model is watched.
    """
    names = sorted({m["name"] for m in found["models"]})
    if not names:
        return {"watch": None, "looked_at": {}}
    charter = found.get("charter") or {}
    return {
        "watch": {
            "models": names,
            "jobs": _jobs(names),
            "channels": _channels(),
            "outcomes_after": session.project().setting("predictions", "outcomes_after"),
            "review_days": charter.get("review_days"),
            "people": list((charter.get("roles") or {}).get("ml_engineer") or ()),
            "episodes": _episodes(names, unsaid(found)),
        },
        "looked_at": _checked(found["models"]),
    }


def _jobs(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the jobs whose file names one of these models, with when they run and what the store knows of them."""
    from nbmlops.store import schedules

    jobs, _ = service("jobs.schedule.definition", "load")(session.project())
    known = schedules.known(session.store())
    chosen = [(job.to_dict(), known.get(job.name) or {}) for job in jobs]
    return [_job(job, state) for job, state in chosen if _names(job, names)]


def _names(job: Json, names: Iterable[str]) -> bool:
    """Tell whether a job's file names a model, alone, with a version or alias, or with a metric."""
    texts = json.dumps([job["when"], job["parameters"], job["then"]], ensure_ascii=False)
    return any(f'"{name}{mark}' in texts for name in names for mark in ('"', "@", "."))


def _job(job: Json, state: Json) -> dict[str, Any]:
    steps = [step if isinstance(step, str) else next(iter(step)) for step in job["then"]]
    return {
        "name": job["name"],
        "notebook": job["notebook"],
        "when": job["when_text"],
        "kind": (job["when"] or {}).get("kind") or "by hand",
        "then": steps,
        "owner": job["owner"],
        "paused_at": state.get("paused_at"),
        "stopped": state.get("stopped_reason"),
    }


def _channels() -> list[dict[str, str]]:
    from nbmlops.monitoring.alerts import channels

    return [{"name": c.name, "problem": c.problem} for c in channels(session.project())]


def _episodes(names: Iterable[str], hidden: Iterable[str]) -> list[dict[str, Any]]:
    from nbmlops.store import episodes

    rows = [row for name in names for row in episodes.listed(session.store(), name) if row["closed_at"] is None]
    return [masked({k: row[k] for k in EPISODE if k in row}, list(hidden)) for row in rows[:MOST_EPISODES]]


def _checked(models: Iterable[Json]) -> dict[str, dict[str, str]]:
    """Return when the data of each version was last looked at for drift, and what was said."""
    from nbmlops.store.fleet import checks
    from nbmlops.store.runs import reading

    with reading(session.store()) as connection:
        known = checks(connection)
    return {m["ref"]: dict(zip(("at", "verdict"), known[m["ref"]], strict=True)) for m in models if m["ref"] in known}
