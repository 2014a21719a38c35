"""What a model does, in sentences and curves, where its data came from, and the rows it was most wrong on.

Read from what is kept. The model itself is asked little, and only where its file is small: a report is no experiment.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NbmlopsError
from nbmlops.records import plain
from nbmlops.report import facts
from nbmlops.report.gathered.masked import private
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["gather"]

Json = Mapping[str, Any]
MOST_BYTES = 20_000_000  # of a model's file; a larger one takes seconds to read
# Of a file that is asked for curves, at most 2,700 answers. No clock decides: the same facts give the same bytes.
MOST_ASKED = 5_000_000
MOST_SENTENCES, MOST_CURVES, MOST_ROWS, MOST_NODES = 30, 3, 10, 40
CAUSES = ("source", "dataset", "data", "run")


def gather(found: Json) -> dict[str, Any]:
    """Return ``explained``: how the model of this run answers; and ``worst``, the rows that cost the most.

    Of a run that registered no version and compared none, only the rows.
    """
    version = _version(found)
    return {"explained": _explained(version, private(found)) if version else None, "worst": _worst(found)}


def _version(found: Json) -> ModelVersion | None:
    """Return the version this report asks about."""
    from nbmlops.registry.models import model_version

    ref = facts.candidate(found)
    try:
        return model_version(ref) if ref else None
    except NbmlopsError:  # the challenger was never registered, or it was deleted since
        return None


def _explained(version: ModelVersion, hidden: Sequence[str]) -> dict[str, Any]:
    asked = {"ref": version.ref, "lineage": _lineage(version), "not_read": "", "sentences": [], "curves": []}
    if not version.signature.get("columns"):
        return asked | {"not_read": "which columns it takes was not recorded"}
    if (version.size_bytes or 0) > MOST_BYTES:
        return asked | {"not_read": "its file is too large to be read for a report"}
    try:
        return asked | _read(version, hidden)
    except NbmlopsError as error:
        return asked | {"not_read": error.message.rstrip(".")}


def _read(version: ModelVersion, hidden: Sequence[str]) -> dict[str, Any]:
    """Return what the model does step by step, and how its answer goes with the columns that matter most."""
    from nbmlops.monitoring.explaining.asked import case_of
    from nbmlops.registry.sentences import sentences

    case = case_of(version)
    said = sentences(case.estimator, case.names, {*case.unsaid, *hidden})
    more = [f"and {len(said) - MOST_SENTENCES:,} more steps"] if len(said) > MOST_SENTENCES else []
    curves, why = _curves(version, case)
    return {"sentences": [*said[:MOST_SENTENCES], *more], "curves": curves, "no_curves": why}


def _curves(version: ModelVersion, case: Any) -> tuple[list[Any], str]:
    """Return how the mean answer goes with each column that matters most, or why that is not shown."""
    from nbmlops.monitoring.explaining.explain import explain
    from nbmlops.registry.models import reference

    if case.background is None:
        return [], "no background was kept to hold the other columns at"
    try:
        reference(version.ref)["importance"]
    except (NbmlopsError, KeyError):
        return [], "which columns matter was not measured"
    if (version.size_bytes or 0) > MOST_ASKED:
        return [], "the model is too large to be asked for a report"
    told = explain(version, most=MOST_CURVES).to_dict()
    notes = [n for n in told["notes"] if not n.startswith("private")]
    return [{**curve, "explains": told["explains"]} for curve in told["dependence"]], " ".join(notes)


def _lineage(version: ModelVersion) -> list[dict[str, Any]]:
    """Return what a version comes from, the nearest first."""
    from nbmlops.registry.lineage import lineage

    try:
        found = lineage(version, MOST_NODES)
    except NbmlopsError as error:
        return [{"label": f"not known: {error.message}", "kind": "", "distance": 0}]
    causes = (n for n in found.nodes if n["distance"] < 0 and n["kind"] in CAUSES)
    ties = {edge["from"]: edge["what"] for edge in reversed(found.edges)}
    return [{k: n[k] for k in ("id", "kind", "label", "distance")} | {"what": ties.get(n["id"], "")} for n in causes]


def _worst(found: Json) -> list[dict[str, Any]]:
    """Return the rows of the evaluation that cost the most: what was said, what came true, what it cost."""
    judged = facts.evaluation(found) or {}
    places = (judged.get("worst") or [])[:MOST_ROWS]
    if not places or judged.get("target") in private(found):
        return [{"row": p["row"], "loss": p["loss"]} for p in places]
    return list(_told(judged, places))


def _told(judged: Json, places: Sequence[Json]) -> Iterator[dict[str, Any]]:
    import numpy as np

    try:
        content = session.artifacts().get(str(judged.get("values")))
    except NbmlopsError:  # removed since, by retention: places and costs are in the evaluation itself
        yield from ({"row": p["row"], "loss": p["loss"]} for p in places)
        return
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        truth, predicted, chance = kept["truth"], kept["predicted"], kept.get("probability")
    classes = [str(c) for c in judged.get("classes") or ()]
    for place in places:
        row = place["row"]
        true = plain(truth[row])
        given = float(chance[row, classes.index(str(true))]) if chance is not None and str(true) in classes else None
        said = {"said": plain(predicted[row]), "truth": true, "chance_of_truth": given}
        yield {"row": row, "loss": place["loss"], **said}
