"""What is known of one model version, as the facts of a report of it alone; also of one that no run made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.errors import NotFound
from nbmlops.records import ModelVersion, plain
from nbmlops.report import howto, snapshot
from nbmlops.report.gathered import agreed, explained, flagged, masked, standing, words
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session

__all__ = ["named", "of_version"]

Json = Mapping[str, Any]


def named(ref: Any) -> ModelVersion:
    """Return the version a person means: of a name alone its champion, else the newest.

    Raises
    ------
    NotFound
        It names no model.
    """
    found = howto.meant(ref)
    if found is None:
        raise NotFound(f"No model {str(ref)[:60]!r}.", "Type NAME, NAME@champion or NAME@3: nbmlops models.")
    return found


def of_version(version: ModelVersion) -> dict[str, Any]:
    """Return the facts of a version as a report has them, without what is about other versions of its run."""
    found = _alone(version) if version.run_id is None else snapshot.build(subject_of(version), 0)
    versions = {m["ref"]: m for m in found["models"]}
    others = {ref for ref, m in versions.items() if m.get("run_id") in _ids(found) and ref != version.ref}
    kept = {
        "models": [m for ref, m in versions.items() if ref not in others],
        "results": [r for r in found["results"] if _is_of(r, version.ref, others)],
    }
    return {**found, **kept}


def _ids(found: Json) -> set[Any]:
    return {found["run"].get("run_id"), *(p.get("run_id") for p in found["parts"])}


def _is_of(result: Json, ref: str, others: set[str]) -> bool:
    data = result["data"]
    if result["kind"] == "gate":
        return bool(data.get("challenger") == ref)
    return data.get("model") not in others


def _alone(version: ModelVersion) -> dict[str, Any]:
    """Return what is known of a version that no run made."""
    from nbmlops.store import events
    from nbmlops.store.runs import results_of

    store = session.store()
    with store.reading() as connection:
        told = [e for e in events.listed(connection) if _about(e, version)]
    results = [r for r in results_of(store) if r["result_id"] == version.evaluation or r["subject"] == version.ref]
    results += flagged.results([version])
    found: dict[str, Any] = {
        "project": session.project().name,
        "run": {"run_id": None, "experiment": "", "datasets": []},
        "parts": [],
        "results": [r for r in results if r["kind"] != "profile"],
        "models": standing.described([version], results),
        **{name: [] for name in ("deleted", "serving")},
        "events": told,
        "as_of": max([version.created_at, *(e["at"] for e in told)]),
    }
    for gather in (agreed.gather, masked.gather, explained.gather, words.gather):
        found |= gather(found)
    return dict(plain(found))


def _about(event: Json, version: ModelVersion) -> bool:
    name = str(event["subject"]).rpartition("@")[0]
    return event["subject"] == version.ref or (name, event["data"].get("version")) == (version.name, version.version)
