"""An object as the panel draws it: the JSON of its MIME bundle, without what belongs to this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nbmlops.hooks import Shown
from nbmlops.widgets import MAX_JSON_BYTES
from nbmlops.widgets.room import capped

__all__ = ["of", "of_data", "said", "shown_run"]

# What identifies a process or a folder of this machine stays here.
LEFT_OUT = ("process", "environment", "system")


def of(record: Shown) -> dict[str, Any]:
    """Return a record as ``{"kind", "mime", "data"}``."""
    return of_data(record.shows, record.to_dict())


def of_data(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a kind as ``{"kind", "mime", "data"}``; what is too long is capped as in a notebook."""
    known = json.loads(json.dumps(data, default=str))
    mime = f"application/vnd.nbmlops.{kind}.v1+json"
    return {"kind": kind, "mime": mime, "data": capped(known, MAX_JSON_BYTES)}


def shown_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a run leaves this machine: no traceback, whose paths are its own, and no process."""
    git = run.get("git") or {}
    return {
        **{key: value for key, value in run.items() if key not in LEFT_OUT},
        "git": {"commit": git.get("commit"), "dirty": git.get("dirty")} if git else None,
        "error": said(run.get("error")),
    }


def said(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what an error says, without its traceback."""
    return {"name": error.get("name"), "message": error.get("message")} if error else None
