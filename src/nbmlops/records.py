"""What nbmlops keeps, as frozen dataclasses; the words are those of ``docs/design.md``."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar, Literal

from nbmlops.hooks import Shown

__all__ = [
    "Artifact",
    "CapturedModel",
    "Check",
    "Dataset",
    "Finding",
    "Level",
    "Metric",
    "ModelVersion",
    "Outcome",
    "Param",
    "iso",
    "new_id",
    "new_ids",
    "now",
    "plain",
    "worst",
]

RunKind = Literal["cell", "script", "notebook", "trial", "fold", "search"]
RunStatus = Literal["running", "finished", "failed", "interrupted", "abandoned"]
Origin = Literal["assigned", "argument", "set", "default", "papermill", "logged"]
Outcome = Literal["passed", "warning", "issue", "not_applicable", "skipped", "muted"]
Level = Literal["ok", "notice", "alert", "insufficient data"]

LEVELS: tuple[Level, ...] = ("insufficient data", "ok", "notice", "alert")
LEVEL_OF: Mapping[str, Level] = {
    "passed": "ok",
    "warning": "notice",
    "issue": "alert",
    "skipped": "insufficient data",
}


def new_id() -> str:
    """Return a UUIDv7 as text: the first characters are the clock, the last are chance (RFC 9562).

    >>> len(new_id())
    36
    """
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """Return many ids of one instant.

    >>> len(set(new_ids(1000)))
    1000
    """
    clock, chance = time.time_ns() // 1_000_000 << 80, os.urandom(10 * count)
    return [_uuid7(clock | int.from_bytes(chance[i : i + 10], "big")) for i in range(0, 10 * count, 10)]


BLOCK = 28  # characters of an id that are those of its block; the eight after them count, in hexadecimal


def new_block() -> str:
    """Return the first id of a block of ids that differ in their last eight characters only.

    >>> new_block()[BLOCK:]
    '00000000'
    """
    return f"{new_id()[:BLOCK]}00000000"


def in_block(first: str, place: int) -> str:
    """Return the id at a place of a block, counted from its first.

    >>> in_block("0190a0b0-0000-7000-8000-000000000000", 17)
    '0190a0b0-0000-7000-8000-000000000011'
    """
    return f"{first[:BLOCK]}{int(first[BLOCK:], 16) + place:08x}"


def ids_of_block(first: str, count: int) -> list[str]:
    """Return the ids of a block in order.

    >>> ids_of_block("0190a0b0-0000-7000-8000-000000000000", 2)[1]
    '0190a0b0-0000-7000-8000-000000000001'
    """
    if first[BLOCK:] != "00000000":  # one of an older store, which is a block of its own
        return [in_block(first, place) for place in range(count)]
    stem = first[:BLOCK]
    return [stem + ending for ending in _endings(1 << count.bit_length())[:count]]


@cache
def _endings(count: int) -> list[str]:
    """Return how the ids of a block end, made once: a million ids take no time then."""
    return [f"{place:08x}" for place in range(count)]


def _uuid7(value: int) -> str:
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def now() -> str:
    """Return the present time in UTC as ISO 8601 text with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def iso(seconds: float) -> str:
    """Return seconds since 1970 as the text times have everywhere.

    >>> iso(0.0)
    '1970-01-01T00:00:00.000000+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def plain(value: Any) -> Any:
    """Return a value as plain JSON: dataclasses, NumPy scalars and odd floats become what JSON can hold.

    Floats that are not finite become the text ``NaN``, ``Infinity`` or ``-Infinity``.

    >>> plain({"a": float("inf"), "b": (1, 2)})
    {'a': 'Infinity', 'b': [1, 2]}
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if not f.name.startswith("_")}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


@dataclass(frozen=True)
class Param:
    """A setting of a run, where it came from, and its typed value."""

    name: str
    value: Any
    origin: Origin = "logged"


@dataclass(frozen=True)
class Metric:
    """One value of a metric, with its step and context."""

    name: str
    value: float
    step: int | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    at: str = ""


@dataclass(frozen=True)
class Dataset:
    """Data a run read or wrote: what it was, never its rows."""

    name: str
    fingerprint: str
    strength: Literal["full", "sampled", "shape"]
    rows: int
    columns: tuple[Mapping[str, str], ...]
    role: Literal["read", "written"] = "read"


@dataclass(frozen=True)
class Artifact:
    """A file of a run, found by the SHA-256 of its content."""

    name: str
    digest: str
    size_bytes: int
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class CapturedModel:
    """An estimator a run fitted: its variable's name, class, what was set, and what it was fitted on."""

    name: str
    estimator: str
    params: Mapping[str, Any]
    fitted_on: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What a check found: its outcome, how large, in which direction, in words."""

    code: str
    outcome: Outcome
    message: str
    column: str = ""
    effect: float | None = None
    direction: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """The outcome in the words used for data."""
        return LEVEL_OF.get(self.outcome, "ok")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, with the level."""
        return {**plain(self), "level": self.level}


def worst(findings: Iterable[Finding]) -> Level:
    """Return the highest level among findings; *ok* outranks *insufficient data*, for it says something.

    >>> worst([Finding("a", "passed", ""), Finding("b", "warning", "")])
    'notice'
    """
    return max((f.level for f in findings), key=LEVELS.index, default="insufficient data")


@dataclass(frozen=True, repr=False)
class Check(Shown):
    """The answer of a set of rules to a frame: findings in all six outcomes."""

    shows: ClassVar[str] = "check"

    subject: str
    findings: tuple[Finding, ...]
    rows: int = 0
    quarantine: Mapping[str, Any] = field(default_factory=dict)  # where broken rows were written, and how many

    @property
    def verdict(self) -> Level:
        """The highest level among the findings."""
        return worst(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "subject": self.subject,
            "rows": self.rows,
            "verdict": self.verdict,
            "findings": [f.to_dict() for f in self.findings],
            **({"quarantine": dict(self.quarantine)} if self.quarantine else {}),
        }


@dataclass(frozen=True, repr=False)
class ModelVersion(Shown):
    """A registered model: what it is, where it came from, who owns it."""

    shows: ClassVar[str] = "model"

    name: str
    version: int
    digest: str
    format: str
    signature: Mapping[str, Any]
    run_id: str | None
    owner: str
    created_at: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    evaluation: str | None = None
    profile: str | None = None
    environment: str | None = None
    estimator: str = ""
    size_bytes: int = 0
    decision: Mapping[str, Any] = field(default_factory=dict)  # what a promotion or rollback just decided about it

    @property
    def ref(self) -> str:
        """What a person types: ``late-flights@3``."""
        return f"{self.name}@{self.version}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "ref": self.ref}
