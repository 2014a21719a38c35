"""The champion beside the model of a run: each metric on the same rows where that is known, and the difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbmlops.registry.values import same_or_unknown
from nbmlops.report import facts
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.registry.measures import Answers
    from nbmlops.stats.paired import Paired

__all__ = ["gather"]

Json = Mapping[str, Any]
COMPARED = ("roc_auc", "accuracy", "log_loss", "brier", "share_gap", "mae", "rmse", "r2")


def gather(found: Json) -> dict[str, Any]:
    """Return ``compared``: the champion, and for each metric its value, the rows, and the difference where it is known.

    A difference is above zero where the challenger is better; ``same_rows`` is None where it is not known.
    """
    gate = facts.newest(found, "gate")
    if gate is None:
        return {"compared": None}
    here = facts.champion_evaluation(found)
    judged = here or _registered(str(gate.get("champion"))) or {}
    own = facts.evaluation(found) or {}
    paired = _paired(own, judged, found.get("charter")) if judged else {}
    # A champion of before was evaluated for another question: there the comparison that decides stays.
    metrics = {**_gated(gate), **paired} if here else {**paired, **_gated(gate)}
    same = True if paired else same_or_unknown(own, judged)
    for name, measured in (judged.get("metrics") or {}).items():
        known = {"champion": measured.get("value"), "rows": measured.get("n")}
        metrics.setdefault(name, {**known, "same_rows": same, "difference": None})
    return {"compared": {"champion": gate.get("champion"), "rows": gate.get("rows"), "metrics": metrics}}


def _paired(own: Json, champion: Json, charter: Json | None) -> dict[str, dict[str, Any]]:
    """Return the metrics both were evaluated in on the same rows; only a gate knows groups of rows."""
    from nbmlops.registry.values import answers_of_same_rows

    both = None if (charter or {}).get("groups") else answers_of_same_rows(own, champion)
    if both is None:
        return {}
    names = [n for n in COMPARED if n in (own.get("metrics") or {}) and n in (champion.get("metrics") or {})]
    return {
        name: {
            "champion": champion["metrics"][name].get("value"),
            "challenger": own["metrics"][name].get("value"),
            "rows": len(both[0].predicted),
            "same_rows": True,
            "difference": {k: getattr(found, k) for k in ("value", "low", "high")},
        }
        for name in names
        for found in (_gain(name, *both),)
    }


def _gain(name: str, one: Answers, two: Answers) -> Paired:
    """Return how much better the challenger is; of what is no mean of rows by resamples, the same each time."""
    from nbmlops.governance.differences import gain, nearer

    return nearer(one, two) if name == "share_gap" else gain(name, one, two, 0.0).difference


def _gated(gate: Json) -> dict[str, dict[str, Any]]:
    """Return the metrics the gate compared, the deciding one first."""
    decided = {
        "champion": gate.get("champion_value"),
        "challenger": gate.get("challenger_value"),
        "rows": gate.get("rows"),
        "same_rows": True,
        "difference": {"value": gate.get("difference"), "low": gate.get("low"), "high": gate.get("high")},
    }
    metrics = {str(gate.get("metric")): decided}
    for finding in gate.get("findings") or []:
        if finding.get("code") == "metric" and isinstance((finding.get("detail") or {}).get("difference"), Mapping):
            metrics.setdefault(str(finding.get("column")), _guarded(finding["detail"]))
    return metrics


def _guarded(detail: Json) -> dict[str, Any]:
    known = {k: detail.get(k) for k in ("champion", "challenger", "rows")}
    difference = {k: detail["difference"].get(k) for k in ("value", "low", "high")}
    return {**known, "same_rows": True, "difference": difference}


def _registered(ref: str) -> dict[str, Any] | None:
    """Return the evaluation the champion was registered with, of other rows."""
    from nbmlops.store.models import find
    from nbmlops.store.runs import results_of

    name, _, number = ref.rpartition("@")
    version = find(session.store(), name, number) if name else None
    if version is None or not version.evaluation or not version.run_id:
        return None
    kept = results_of(session.store(), [version.run_id], kind="evaluation")
    return next((r["data"] for r in kept if r["result_id"] == version.evaluation), None)
