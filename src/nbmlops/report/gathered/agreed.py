"""What people agreed: the charter, its targets, and what a model is worth by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.errors import NbmlopsError
from nbmlops.report import facts

__all__ = ["gather"]


def gather(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``charter``, its ``targets`` against the evaluation that counts, and what that model is worth by it."""
    from nbmlops.governance.charter import charter
    from nbmlops.governance.value import value

    judged = facts.evaluation(found)
    try:
        agreed = charter()
    except NbmlopsError as error:
        return {"charter": {"unreadable": str(error)}, "targets": [], "value": None}
    if agreed is None:
        return {"charter": None, "targets": [], "value": None}
    agreed = agreed.for_model(facts.candidate(found) or str((judged or {}).get("model") or ""))
    targets = [f.to_dict() for f in agreed.judge(_measured(judged or {}))]
    worth: dict[str, Any] | None = None
    if judged is not None and agreed.value:
        try:
            worth = value(judged, agreed, facts.champion_evaluation(found))
        except NbmlopsError as error:
            worth = {"unknown": str(error)}
    told = {**agreed.to_dict(), "judged_under": _judged_under(judged, facts.newest(found, "gate"))}
    return {"charter": told, "targets": targets, "value": worth}


def _judged_under(judged: Mapping[str, Any] | None, gate: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return what was judged under another charter than the one in force: when that was recorded, what changed."""
    from nbmlops.governance.agreed_on import since

    known = {"evaluation": (judged or {}).get("charter"), "gate": (gate or {}).get("charter")}
    found = [{"what": what, **since(digest)} for what, digest in known.items() if digest]
    return [told for told in found if told["state"] == "changed"]


def _measured(judged: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an evaluation measured, also what it measured for a target alone."""
    asked = [f for f in judged.get("findings") or [] if f.get("code") == "target" and f.get("effect") is not None]
    alone = {f["column"]: {"value": f["effect"], **_bounds(f.get("detail") or {})} for f in asked}
    return alone | dict(judged.get("metrics") or {})


def _bounds(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {key: detail.get(key) for key in ("low", "high")}
