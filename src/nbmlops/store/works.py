"""What the ledger keeps, as records, and how they are written as rows (see ledger.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from nbmlops.records import RunStatus, now, plain
from nbmlops.store.database import as_json

__all__ = ["LEASE_S", "Attempt", "Claim", "State", "Work", "as_attempt", "as_work", "later", "stored", "utc"]

State = Literal["due", "started", "finished", "failed", "skipped", "missed", "cancelled"]
LEASE_S = 60.0
TIMES = ("scheduled_for", "not_before", "deadline", "created_at", "ended_at")


@dataclass(frozen=True)
class Work:
    """One unit the ledger answers for: a fire of a job, a run key, or a row of a fan-out."""

    key: str
    notebook: str
    state: State = "due"
    job: str | None = None
    scheduled_for: str | None = None
    trigger: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    reason: str | None = None
    slot: str | None = None
    not_before: str = ""
    deadline: str | None = None
    attempt: int = 0
    most: int = 1
    parent: str | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    created_at: str = ""
    ended_at: str | None = None
    run_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(plain(self))


@dataclass(frozen=True)
class Attempt:
    """One try to do a work; ``status`` and ``cause`` are those of its run."""

    key: str
    attempt: int
    token: str
    run_id: str
    owner: str
    started_at: str
    lease_until: str
    process: Mapping[str, Any] | None = None
    ended_at: str | None = None
    status: RunStatus | None = None
    cause: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(plain(self))


@dataclass(frozen=True)
class Claim:
    """The right to do one attempt; it crosses processes as JSON."""

    key: str
    attempt: int
    token: str
    run_id: str
    lease_s: float = LEASE_S

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Claim:
        """Return the claim that was written as JSON."""
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})


def utc(text: str) -> str:
    """Return a time in the one form in which times compare as texts."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")


def later(at: str, seconds: float) -> str:
    """Return the time some seconds after another."""
    return (datetime.fromisoformat(at) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def stored(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a work as it is stored, with what was not said."""
    given = {**vars(Work(key=row["key"], notebook=row["notebook"])), **row}
    given["created_at"] = given["created_at"] or now()
    given["not_before"] = given["not_before"] or given["created_at"]
    if given["state"] not in ("due", "started"):
        given["ended_at"] = given["ended_at"] or given["created_at"]
    for name in TIMES:
        given[name] = given[name] and utc(given[name])
    return given | {name: as_json(given[name]) for name in ("parameters", "spec")}


def as_work(row: Any) -> Work:
    """Return a row as a work."""
    values = {f.name: row[f.name] for f in fields(Work)}
    return Work(**values | {name: json.loads(values[name]) for name in ("parameters", "spec")})


def as_attempt(row: Any) -> Attempt:
    """Return a row as an attempt."""
    return Attempt(**{**row, "process": json.loads(row["process"]) if row["process"] else None})
