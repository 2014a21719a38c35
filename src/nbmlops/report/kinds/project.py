"""The project as a whole: value, budget, deliverables, models, throughput; for who pays for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report.kinds.kind import Head, Kind, Subject
from nbmlops.report.project import decision, gathered, sections
from nbmlops.report.text import count, visible
from nbmlops.tracking import session

__all__ = ["KIND", "NAME"]

NAME = "project"  # what a person types


def _find(ref: Any) -> Subject | None:
    if not (isinstance(ref, str) and ref == NAME):
        return None
    return Subject(NAME, NAME, NAME, session.project().name)


def _gather(_: Subject) -> dict[str, Any]:
    return gathered.gather()


def _head(snapshot: Mapping[str, Any]) -> Head:
    charter = snapshot.get("charter") or {}
    used = sum(bool(m.get("champion")) for m in snapshot["models"])
    about = [
        charter.get("vision") or charter.get("problem"),
        f"{count(len(snapshot['models']), 'model')}, {used} in use",
    ]
    title = f"Project report: {visible(decision.name(snapshot))}"
    return Head(title, "the project", " · ".join(visible(part) for part in about if part))


KIND = Kind(_find, _gather, _head, decision.decide, sections.build)
