"""What is known otherwise than a report says: what makes an answer to it outdated, and what does not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from nbmlops.errors import NotFound
from nbmlops.report import facts, kept, snapshot
from nbmlops.report.kinds.kind import Subject, subject_of
from nbmlops.store import reports
from nbmlops.tracking import session

__all__ = ["about", "bound", "changed", "meant"]

Json = Mapping[str, Any]
# What a person judged: where a version serves, who owns it and what was answered are no part of that.
JUDGED = {
    "run": "the run",
    "parts": "its cells",
    "results": "what was measured",
    "models": "the versions",
    "deleted": "what was deleted",
    "environment": "the packages",
    "notebook": "the notebook",
    "targets": "the targets",
    "value": "what it is worth",
}
OF_RUN = ("tags", "summary")  # written while other things happen
OF_MODEL = ("aliases", "owner", "decision")
ANSWERS = ("approve", "condition_met", "override_reviewed", "charter")  # what answering writes itself
PASSING = ("lately",)  # of a project, what happened in the last days: another each day
RAISED = ("flag", "flag_answer", "reject")


def meant(ref: Any) -> Subject:
    """Return what a report is about, by what a person types."""
    return subject_of(ref)


def about(digest: str) -> dict[str, str]:
    """Return what a form says of a report that was kept: title, question, answer, why, version, run, author, facts.

    Raises
    ------
    NotFound
        Its facts are not among the artifacts.
    """
    from nbmlops.report.kinds.kind import kind_of

    taken = kept.load(digest)
    kind = kind_of(taken["kind"])
    first = kind.decide(taken)
    version = facts.candidate(taken) if taken["kind"] == "run" else ""
    return {
        "title": kind.head(taken).title,
        "question": first.question,
        "answer": first.answer.word,
        "because": first.because,
        "version": version,
        "run_id": kept.run_of(taken),
        "facts": bound(taken),
        "author": str((taken.get("run") or {}).get("author") or ""),
    }


def bound(taken: Json) -> str:
    """Return the SHA-256 of what a person judged of a report's facts: the same while an answer to it holds."""
    if taken["kind"] != "run":
        events = [e for e in taken.get("events") or () if e["action"] not in ANSWERS]
        return kept.facts_digest({k: v for k, v in taken.items() if k not in PASSING} | {"events": events})
    judged = {key: _judged(taken, key) for key in JUDGED}
    return hashlib.sha256(snapshot.canonical({**judged, "raised": _raised(taken)})).hexdigest()


def changed(row: reports.Kept) -> list[str]:
    """Return in words what is known otherwise now than a report says; nothing where all of it still holds.

    Parameters
    ----------
    row : Kept
        As the store lists it.
    """
    newest = reports.newest(session.store(), row.subject)
    if row.kind in ("drift", "notebook", "comparison"):  # of what is over: the next number is the only change
        return [] if newest is None or newest.data.get("facts") == row.data.get("facts") else ["a newer report"]
    try:
        before = kept.load(row.digest)
        subject = subject_of(row.run_id or row.name)
    except NotFound as gone:
        return [gone.message]
    return _differing(before, snapshot.build(subject, 0))


def _differing(before: Json, now: Json) -> list[str]:
    if before["kind"] != "run":
        return [] if bound(before) == bound(now) else ["its facts"]
    words = [word for key, word in JUDGED.items() if _judged(before, key) != _judged(now, key)]
    return words if _raised(before) == _raised(now) else [*words, "what was flagged or rejected"]


def _judged(taken: Json, key: str) -> Any:
    """Return a part of the facts without what changes by a decision or by the way."""
    found = taken.get(key)
    if key == "results":  # what is flagged is told by its events
        found = [result for result in found or () if result["kind"] != "flags"]
    left = {"run": OF_RUN, "parts": OF_RUN, "models": OF_MODEL}.get(key, ())
    if isinstance(found, list):
        return [_without(part, left) for part in found]
    return _without(found, left)


def _without(part: Any, left: tuple[str, ...]) -> Any:
    return {k: v for k, v in part.items() if k not in left} if isinstance(part, Mapping) else part


def _raised(taken: Json) -> list[Any]:
    return [(e["action"], e["subject"], e["seq"]) for e in taken.get("events") or () if e["action"] in RAISED]
