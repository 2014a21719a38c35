"""What people flagged about the versions of a report, as results: what is open are findings, with their owner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nbmlops.records import Finding, ModelVersion, Outcome, plain
from nbmlops.tracking import session

__all__ = ["ids", "results"]

KIND = "flags"
GRAVE = ("high", "blocking")
KEPT = (
    "flag_id",
    "subject",
    "kind",
    "state",
    "severity",
    "text",
    "where",
    "author",
    "owner",
    "role",
    "at",
    "closed_at",
)


def results(versions: Iterable[ModelVersion]) -> list[dict[str, Any]]:
    """Return one result for each version that somebody flagged, or what it was made of; texts are masked.

    Parameters
    ----------
    versions : iterable of ModelVersion
    """
    from nbmlops.store import flags

    if not flags.listed(session.store()):
        return []
    return [found for version in versions if (found := _of(version))]


def ids(found: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the ids of the flags that some results hold."""
    return {flag["flag_id"] for result in found if result["kind"] == KIND for flag in result["data"]["flags"]}


def _of(version: ModelVersion) -> dict[str, Any] | None:
    from nbmlops.governance.flags.flag import of_row
    from nbmlops.governance.flags.masks import Masks
    from nbmlops.governance.flags.unsettled import concerning, unsettled

    rows = concerning(version.ref)
    if not rows:
        return None
    masks = Masks.now()
    every = [(of_row(row, masks), unsettled(row)) for row in rows]
    listed = [
        {**{k: getattr(flag, k) for k in KEPT}, "open": still, "answers": len(flag.thread)} for flag, still in every
    ]
    findings = [_finding(flag).to_dict() for flag, still in every if still]
    newest = max(str(a["at"]) for row in rows for a in (row, *row["data"]["thread"]) if a.get("at"))
    about = {"result_id": f"{KIND}:{version.ref}", "run_id": version.run_id, "kind": KIND, "subject": version.ref}
    return {**about, "at": newest, "data": {"findings": findings, "flags": plain(listed)}}


def _finding(flag: Any) -> Finding:
    outcome: Outcome = "issue" if flag.severity in GRAVE else "warning"
    who = f"owner {flag.owner}" if flag.owner else f"by {flag.author}"
    what = f"{flag.severity} question" if flag.question else flag.severity
    about = flag.subject.rpartition(":")[2] if flag.kind == "feature" else flag.subject
    message = f"{flag.subject} ({what}, {who}): {flag.text}"
    return Finding("flag", outcome, message, about, detail={"flag": flag.flag_id})
