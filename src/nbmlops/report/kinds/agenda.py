"""The agenda of a review: what changed since the last one, what is open, and what there is to decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report.agenda import gathered, page, sections
from nbmlops.report.kinds.kind import Head, Kind, Subject
from nbmlops.report.project import decision
from nbmlops.report.text import stamp, visible

__all__ = ["KIND", "NAME"]

NAME = "agenda"  # what a person types


def _find(ref: Any) -> Subject | None:
    """Return the agenda: the one that was made last, or of a period the next one."""
    if isinstance(ref, gathered.Period):
        return Subject(NAME, NAME, NAME, ref)
    if not (isinstance(ref, str) and ref == NAME):
        return None
    return Subject(NAME, NAME, NAME, gathered.newest() or gathered.next_one())


def _gather(subject: Subject) -> dict[str, Any]:
    return gathered.gather(subject.about)


def _head(snapshot: Mapping[str, Any]) -> Head:
    every = f"{snapshot['every']} agenda" if snapshot["every"] else "agenda"
    period = f"{every}, {stamp(snapshot['since'])[:10]} to {stamp(snapshot['as_of'])[:10]}"
    return Head(f"Review of {visible(decision.name(snapshot))}", "the agenda", period)


KIND = Kind(_find, _gather, _head, page.decide, sections.build)
