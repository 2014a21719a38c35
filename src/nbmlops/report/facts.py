"""Questions every section asks of a snapshot: which result counts, what it found, which model it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report.text import as_float, finite

__all__ = [
    "OUTCOMES",
    "all_parts",
    "candidate",
    "champion_evaluation",
    "evaluation",
    "findings",
    "gone",
    "made",
    "making",
    "newest",
    "ordered",
    "results",
    "rival",
    "subject_name",
    "version",
    "whose",
]

OUTCOMES = ("issue", "warning", "skipped", "muted", "not_applicable", "passed")  # open ones first

Json = Mapping[str, Any]


def results(snapshot: Json, kind: str) -> list[dict[str, Any]]:
    """Return the newest result of a kind about each subject, oldest first: an earlier try is history, not evidence.

    What a version was registered with is about that version, whatever its model was called before it had a name.
    """
    found = [r for r in snapshot["results"] if r["kind"] == kind]
    claimed = {m.get("evaluation"): m.get("ref") for m in snapshot.get("models") or ()}
    about = [claimed.get(r["result_id"]) or r["subject"] or r["result_id"] for r in found]
    latest = dict(zip(about, found, strict=True))
    return [dict(r) for subject, r in zip(about, found, strict=True) if latest[subject] is r]


def newest(snapshot: Json, kind: str) -> dict[str, Any] | None:
    """Return the data of the newest result of a kind."""
    found = results(snapshot, kind)
    return found[-1]["data"] if found else None


def made(snapshot: Json) -> list[dict[str, Any]]:
    """Return the model versions these runs registered, newest first."""
    ids = {snapshot["run"]["run_id"], *(p["run_id"] for p in snapshot["parts"])}
    found = [m for m in snapshot["models"] if m.get("run_id") in ids]
    return sorted(found, key=lambda m: str(m.get("created_at")), reverse=True)


def candidate(snapshot: Json) -> str:
    """Return the version the report asks about: the gate's challenger, else the newest made; an empty text for none."""
    challenger = str((newest(snapshot, "gate") or {}).get("challenger") or "")
    if "@" in challenger:
        return challenger
    lost = [d["ref"] for d in snapshot.get("deleted") or [] if d["here"]]
    return next((str(v["ref"]) for v in made(snapshot)), str(lost[-1]) if lost and not challenger else "")


def version(snapshot: Json) -> dict[str, Any] | None:
    """Return what is known of the version the report asks about; None where there is none, or none any more."""
    ref = candidate(snapshot)
    return next((dict(m) for m in snapshot["models"] if m.get("ref") == ref), None)


def gone(snapshot: Json) -> str | None:
    """Return when the version the report asks about was deleted, or None where it was not."""
    ref = candidate(snapshot)
    return next((str(d["at"]) for d in snapshot.get("deleted") or [] if d["ref"] == ref), None)


def rival(snapshot: Json) -> str:
    """Return the version that serves as champion and is not the one asked about; an empty text where there is none."""
    ref = candidate(snapshot)
    serving = [f"{s['name']}@{s['version']}" for s in snapshot["serving"] if s["name"] == ref.rpartition("@")[0]]
    return next((other for other in serving if other != ref), "")


def evaluation(snapshot: Json) -> dict[str, Any] | None:
    """Return the evaluation that counts: of the version the report asks about; else that on the most rows, the newest.

    Which stands for a version, later ones on other rows or a part of them never, is decided where facts are gathered.
    """
    kept = {r["result_id"]: r["data"] for r in snapshot["results"] if r["kind"] == "evaluation"}
    asked = {candidate(snapshot), (newest(snapshot, "gate") or {}).get("challenger")}
    about = version(snapshot) or {}
    own = kept.get(about.get("stands") or about.get("evaluation"))
    named = (d for d in kept.values() if d.get("model") and d["model"] in asked)
    found = own or next(named, None) or _on_most_rows(_unclaimed(snapshot, kept))
    return dict(found) if found else None


def _on_most_rows(known: Sequence[Json]) -> Json | None:
    """Return the evaluation that stands for a run, as ``judged.of_run`` has it: a part never passes for the whole."""
    return max(reversed(known), key=lambda data: int(data.get("rows") or 0), default=None)


def _unclaimed(snapshot: Json, kept: Mapping[str, Json]) -> list[Json]:
    """Return the evaluations that may be of the model asked about, though nothing says so: no other can be meant."""
    ref, here = candidate(snapshot), [v["ref"] for v in made(snapshot)]
    if ref and here != [ref]:
        return []
    champion = (newest(snapshot, "gate") or {}).get("champion")
    taken = {m.get("evaluation") for m in snapshot["models"] if m.get("ref") != ref}
    others = {i: d for i, d in kept.items() if d.get("model") != champion and i not in taken}
    return [d for d in others.values() if not ref or "@" not in str(d.get("model"))]


def champion_evaluation(snapshot: Json) -> dict[str, Any] | None:
    """Return the evaluation of the champion the gate compared with, where this run made one."""
    champion = (newest(snapshot, "gate") or {}).get("champion")
    found = [r["data"] for r in snapshot["results"] if r["kind"] == "evaluation" and r["data"].get("model") == champion]
    return dict(found[-1]) if champion and found else None


def findings(snapshot: Json) -> list[dict[str, Any]]:
    """Return every finding of the newest results, each with where it comes from; open ones first.

    Another model's evaluation is told with that version's name, and not at all where nobody gave it one.
    """
    kinds = dict.fromkeys(r["kind"] for r in snapshot["results"])
    kept = ((kind, r, _subject(snapshot, r)) for kind in kinds for r in results(snapshot, kind))
    return ordered(
        [
            {**f, "kind": kind, "subject": subject}
            for kind, r, subject in kept
            if subject is not None
            for f in r["data"].get("findings") or []
        ]
    )


def _subject(snapshot: Json, result: Json) -> str | None:
    """Return what a result is about; None where that is a model without a name, and not the one asked about."""
    said = result["data"].get("reference") or result["subject"]
    if result["kind"] != "evaluation" or (evaluation(snapshot) or result["data"]) == result["data"]:
        return str(said)
    owner = next((str(m["ref"]) for m in snapshot["models"] if m.get("evaluation") == result["result_id"]), "")
    return owner or (str(said) if "@" in str(said) else None)


def ordered(found: Sequence[Json]) -> list[dict[str, Any]]:
    """Return findings worst first, the larger effect first within an outcome."""

    def rank(finding: Json) -> tuple[int, float]:
        outcome, effect = finding.get("outcome"), as_float(finding.get("effect"))
        return OUTCOMES.index(outcome) if outcome in OUTCOMES else 0, -abs(effect) if finite(effect) else 0.0

    return sorted((dict(f) for f in found), key=rank)


def all_parts(snapshot: Json) -> list[dict[str, Any]]:
    """Return the run and its parts."""
    return [snapshot["run"], *snapshot["parts"]]


def making(snapshot: Json) -> list[dict[str, Any]]:
    """Return the runs a version came from: the notebook and the cell that fitted it; all, where none was registered."""
    ids = {str(v["run_id"]) for v in made(snapshot)} | {str(snapshot["run"]["run_id"])}
    parts = [p for p in all_parts(snapshot) if p["run_id"] in ids]
    return parts if made(snapshot) else all_parts(snapshot)


def subject_name(snapshot: Json) -> str:
    """Return what the report is about: the model registered or judged here, else the experiment."""
    name = candidate(snapshot).rpartition("@")[0] or next((m["name"] for m in snapshot["models"]), "")
    return str(name or snapshot["run"]["experiment"])


def whose(snapshot: Json, role: str) -> str:
    """Return whose something is: the role, with its people where the charter names them.

    >>> whose({"charter": {"roles": {"manager": ["ada@example.org"]}}}, "manager")
    'manager: ada@example.org'
    """
    people = ((snapshot.get("charter") or {}).get("roles") or {}).get(role) or []
    return f"{role.replace('_', ' ')}: {', '.join(people)}" if people else role.replace("_", " ")
