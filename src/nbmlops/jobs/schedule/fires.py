"""A fire of a job as a work of the ledger: what will be run, with what, under which policy."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NbmlopsError
from nbmlops.records import plain

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.jobs.schedule.definition import Job
    from nbmlops.jobs.schedule.plan import Fire

__all__ = ["digest_of", "row_of", "slots_of", "spec_of"]


def row_of(job: Job, fire: Fire, project: Project, at: str, by: str | None = None) -> dict[str, Any]:
    """Return a fire as a row for the ledger.

    Parameters
    ----------
    job : Job
    fire : Fire
    project : Project
    at : str
        The present time.
    by : str, optional
        What made it come, where that is neither clock nor cause.
    """
    from nbmlops.jobs.works.keys import kept

    state, reason = ("due", None) if fire.what == "due" else (fire.what, fire.why)
    try:
        values = kept(job.values(fire.scheduled_for))
    except NbmlopsError as error:
        values, state, reason = {}, "failed", str(error)
    deadline = job.policy.start_deadline
    return {
        "key": fire.key,
        "job": job.name,
        "scheduled_for": fire.scheduled_for.isoformat(),
        "trigger": fire.trigger or by,
        "notebook": job.notebook,
        "parameters": values,
        "digest": digest_of(project.root / job.notebook, values),
        "state": state,
        "reason": reason,
        "slot": job.policy.slot,
        "not_before": at,
        "created_at": at,
        "deadline": None if deadline is None else (fire.scheduled_for + timedelta(seconds=deadline)).isoformat(),
        "most": job.policy.retries + 1,
        "spec": spec_of(job) | ({"because": fire.why} if fire.what == "due" and fire.why else {}),
    }


def spec_of(job: Job) -> dict[str, Any]:
    """Return what an attempt has to know of a job, as it is now: what changes later is for later fires."""
    policy = job.policy
    said = {name: getattr(policy, name) for name in ("timeout", "memory", "cpu", "retry_on", "backoff")}
    about = {**said, "kernel": job.kernel, "then": job.then, "notify": job.notify}
    return {name: plain(value) for name, value in about.items() if value not in (None, (), {})}


def slots_of(project: Project) -> dict[str, int]:
    """Return ``[slots]``: how many works may run at once in each; what is no such number counts as one."""
    found = project.settings.get("slots", {})
    return {name: most if type(most) is int and most > 0 else 1 for name, most in found.items()}


def digest_of(notebook: os.PathLike[str], parameters: Mapping[str, Any]) -> str:
    """Return what tells whether two works are the same; of a notebook that is not there, nothing."""
    try:
        with open(notebook, "rb") as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return ""
    return hashlib.sha256(text + json.dumps(plain(parameters), sort_keys=True).encode()).hexdigest()
