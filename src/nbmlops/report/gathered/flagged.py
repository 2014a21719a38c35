"""What people flagged about what a report is about: of versions and runs as results, else as a list that is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.records import Finding, ModelVersion, Outcome, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.governance.flags.flag import Flag

__all__ = ["ids", "listed", "results"]

KIND = "flags"
MOST = 100  # of a list
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


def results(versions: Iterable[ModelVersion], run_ids: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return one result for each version that somebody flagged, or what it was made of, and for each flagged run.

    Texts are masked. A flag of a run that made one of the versions stands there.

    Parameters
    ----------
    versions : iterable of ModelVersion
    run_ids : iterable of str, optional
    """
    from nbmlops.governance.flags.unsettled import about, concerning
    from nbmlops.store import flags

    rows = flags.listed(session.store())
    if not rows:
        return []
    found = [one for v in versions if (one := _result(v.ref, v.run_id, concerning(v.ref)))]
    known = ids(found)
    rest = [row for row in rows if row["flag_id"] not in known]
    of_runs = (_result(i, i, [row for row in rest if i in about(row)]) for i in run_ids)
    return [*found, *(one for one in of_runs if one)]


def listed(names: Iterable[str] | None = None) -> dict[str, Any]:
    """Return how many flags concern something, how many are still to settle, and the first of them, those first.

    Parameters
    ----------
    names : iterable of str, optional
        Versions, runs and data sets; every flag when absent.
    """
    from nbmlops.governance.flags.unsettled import about
    from nbmlops.store import flags

    asked = None if names is None else set(names)
    rows = [row for row in flags.listed(session.store()) if asked is None or about(row) & asked]
    found = sorted((flag for flag, _ in _told(rows)), key=lambda f: (not f["open"], str(f["at"])))
    return {"count": len(found), "open": sum(f["open"] for f in found), "listed": found[:MOST]}


def ids(found: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the ids of the flags that some results hold."""
    return {flag["flag_id"] for result in found if result["kind"] == KIND for flag in result["data"]["flags"]}


def _result(subject: str, run_id: str | None, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not rows:
        return None
    every = _told(rows)
    findings = [_finding(flag).to_dict() for told, flag in every if told["open"]]
    newest = max(str(a["at"]) for row in rows for a in (row, *row["data"]["thread"]) if a.get("at"))
    about = {"result_id": f"{KIND}:{subject}", "run_id": run_id, "kind": KIND, "subject": subject, "at": newest}
    return {**about, "data": {"findings": findings, "flags": [told for told, _ in every]}}


def _told(rows: Iterable[Mapping[str, Any]]) -> list[tuple[dict[str, Any], Flag]]:
    """Return stored flags as a report tells them, beside themselves; open is what still holds something up too."""
    from nbmlops.governance.flags.flag import of_row
    from nbmlops.governance.flags.masks import Masks
    from nbmlops.governance.flags.unsettled import unsettled, waved_through

    masks = Masks.now()
    every = [(of_row(row, masks), unsettled(row) or waved_through(row)) for row in rows]
    return [
        ({**{k: plain(getattr(flag, k)) for k in KEPT}, "open": still, "answers": len(flag.thread)}, flag)
        for flag, still in every
    ]


def _finding(flag: Flag) -> Finding:
    outcome: Outcome = "issue" if flag.severity in GRAVE else "warning"
    who = f"owner {flag.owner}" if flag.owner else f"by {flag.author}"
    what = f"{flag.severity} question" if flag.question else flag.severity
    about = flag.subject.rpartition(":")[2] if flag.kind == "feature" else flag.subject
    message = f"{flag.subject} ({what}, {who}): {flag.text}"
    return Finding("flag", outcome, message, about, detail={"flag": flag.flag_id})
