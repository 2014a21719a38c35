"""What a new version says of its model and keeps of its evaluation: signature, numbers, reference for later data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid
from nbmlops.records import plain
from nbmlops.registry import kept
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.registry.evaluation import Evaluation
    from nbmlops.store.artifacts import Artifacts

__all__ = ["about", "belonging", "evidence"]


def about(model: Any, fitted_on: Mapping[str, Any], evaluation: Evaluation | None, background: Any) -> dict[str, Any]:
    """Return what a version says of its estimator: outline, signature and the run it is of."""
    from nbmlops.capture.settings import outline

    known, profile = _signature(model, evaluation, fitted_on), evaluation.profile if evaluation else None
    return {
        "estimator": outline(model),
        "signature": kept.completed(known, model, profile, background, fitted_on),
        "run_id": fitted_on.get("run_id") or (evaluation.run_id if evaluation else None) or _open_run(),
    }


def evidence(evaluation: Evaluation | None, place: Artifacts) -> dict[str, Any]:
    """Return what a version keeps of its evaluation, with the files it names in their place."""
    if evaluation is None:
        return {"metrics": {}, "evaluation": None, "profile": None}
    if evaluation.values:  # tracked, so it may wait; a version's evidence may not
        place.settle(evaluation.values)
    profile = place.put(_reference_bytes(evaluation))
    return {"metrics": plain(evaluation.metrics), "evaluation": evaluation.result_id, "profile": profile}


def belonging(evaluation: Evaluation, model: Any) -> Evaluation:
    """Return an evaluation that somebody passed; one of another model, or of this one before, is refused."""
    from nbmlops.registry.evaluation import Evaluation
    from nbmlops.registry.subject import content_key

    if not isinstance(evaluation, Evaluation):
        raise Invalid(f"evaluation is {type(evaluation).__name__}.", "Pass what nb.evaluate returned.")
    if evaluation.key != content_key(model):
        raise Invalid(
            f"This evaluation is of {evaluation.model}, not of this model as it is now.",
            "Evaluate this model: nb.evaluate(model, held_out, target=...).",
        )
    return evaluation


def _signature(model: Any, evaluation: Evaluation | None, fitted_on: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns and answers; what was seen in the columns only after an evaluation."""
    known = {k: fitted_on[k] for k in ("rows", "columns", "target") if k in fitted_on}
    if evaluation and (seen := _sketch(model, evaluation.signature)):
        known["sketch"] = seen
    if evaluation:
        return {**evaluation.signature, "fitted_on": known}
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        raise Invalid(
            f"{type(model).__name__} does not know its columns' names.",
            "Evaluate it on held-out rows first, or fit it on a DataFrame.",
        )
    classes = plain(getattr(model, "classes_", []))
    task = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    return {
        "columns": [{"name": str(n), "kind": None} for n in names],
        "target": fitted_on.get("target") or None,
        "task": task,
        "classes": classes,
        "positive": classes[1] if task == "binary" else None,
        "fitted_on": known,
    }


def _sketch(model: Any, signature: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what tells later rows from those of the fit, while a variable holds them."""
    from nbmlops.capture.estimators import training_data
    from nbmlops.registry import sketch

    known = training_data(model)
    return sketch.made(known[0], [c["name"] for c in signature["columns"]]) if known else None


def _reference_bytes(evaluation: Evaluation) -> bytes:
    """Return the one JSON later data is held against."""
    from nbmlops.registry.evaluation import PREDICTION

    profile = evaluation.profile.to_json()
    content = {
        "profile": json.loads(profile) if isinstance(profile, str) else profile,
        "metrics": evaluation.metrics,
        "target": evaluation.target,
        "prediction": PREDICTION,
        "columns": [c["name"] for c in evaluation.signature["columns"]],
        "importance": evaluation.importance,
    }
    return json.dumps(plain(content), sort_keys=True, separators=(",", ":")).encode()


def _open_run() -> str | None:
    opened = session.current()
    return opened.run_id if opened else None
