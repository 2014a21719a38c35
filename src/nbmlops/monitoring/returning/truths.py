"""What is true of predictions as far as it is known: by an outcome, else by what experts and accepted flags say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbmlops.hooks import service
from nbmlops.monitoring.performance import canonical
from nbmlops.monitoring.returning.returned import Returned, experts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Truths", "candidates", "truths"]


class Truths(NamedTuple):
    """What is true of each prediction of a case, None (NaN) where nobody knows, and what could not be used."""

    values: NDArray[Any]
    known: NDArray[np.bool_]
    by_expert: NDArray[np.bool_]  # no outcome is known
    left_out: dict[str, int]
    sources: dict[int, str]  # by place, the accepted flags that say so


def truths(case: Returned) -> Truths:
    """Return what is true of each prediction: its outcome, else what experts and accepted flags say unanimously.

    Parameters
    ----------
    case : Returned
    """
    said, left_out = case.said, {}
    truth, expected, sources = case.labels(said["outcome"]), _expected(case), dict[int, str]()
    flagged = _flagged(case)
    for prediction_id, labels in flagged.items():
        expected.setdefault(prediction_id, set()).update(value for value, _ in labels)
    unknown = said["outcome"].notna().to_numpy(dtype=bool) & ~_there(truth)
    left_out["no_class"] = int(unknown.sum())
    left_out["contradicting"] = sum(len(v) > 1 for v in expected.values())
    by_expert = np.zeros(len(said), dtype=bool)
    places = {i: n for n, i in enumerate(said["prediction_id"])} if expected else {}
    for prediction_id, values in expected.items():
        place = places.get(prediction_id)
        if place is not None and len(values) == 1 and not _there(truth[place : place + 1])[0] and not unknown[place]:
            truth[place], by_expert[place] = next(iter(values)), True
            if prediction_id in flagged:
                sources[place] = ", ".join(source for _, source in flagged[prediction_id])
    return Truths(truth, _there(truth), by_expert, left_out, sources)


def candidates(case: Returned) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return what was wrong or corrected: id, version, at, key, prediction, truth and why; and what is left out.

    Parameters
    ----------
    case : Returned
    """
    said, answers = case.said, case.labels(case.said["prediction"])
    truth, known, by_expert, left_out, sources = truths(case)
    wrong, revised = case.wrong(answers, truth), said["prediction_id"].isin(_revised(case)).to_numpy(dtype=bool)
    reasons = {"wrong": wrong & ~by_expert, "revised": revised & known, "expert": wrong & by_expert}
    chosen = np.logical_or.reduce(list(reasons.values()))
    why = [_why([k for k, mask in reasons.items() if mask[n]], sources.get(n)) for n in np.flatnonzero(chosen).tolist()]
    kept = said.loc[chosen, ["prediction_id", "version", "batch", "at", "key", "key_at"]]
    return kept.assign(prediction=answers[chosen], truth=truth[chosen], why=why).reset_index(drop=True), left_out


def _why(reasons: list[str], source: str | None) -> str:
    """Return why a row is in an increment, and the flags it comes from."""
    return ", ".join([*reasons, *([source] if source and "expert" in reasons else [])])


def _flagged(case: Returned) -> dict[str, list[tuple[Any, str]]]:
    """Return what accepted flags say of predictions, as the model's own answers; what is none of these is left out."""
    found = service("governance.flags.labels", "of_predictions")(case.said["prediction_id"])
    every = [(i, label) for i, labels in found.items() for label in labels]
    kept: dict[str, list[tuple[Any, str]]] = {}
    for (i, label), value in zip(every, case.labels([label.value for _, label in every]), strict=True):
        if value is not None and value == value:
            kept.setdefault(i, []).append((value, label.source))
    return kept


def _there(values: NDArray[Any]) -> NDArray[np.bool_]:
    import pandas as pd

    return np.asarray(pd.notna(values), dtype=bool)


def _revised(case: Returned) -> set[str]:
    """Return the predictions of which one source told one outcome and later another."""
    outcomes = case.came[case.came["kind"] == "outcome"]
    several = outcomes[outcomes.duplicated(["prediction_id", "source"], keep=False)]
    told: dict[tuple[str, str], set[Any]] = {}
    for prediction_id, source, outcome in several[["prediction_id", "source", "outcome"]].to_numpy().tolist():
        told.setdefault((prediction_id, source), set()).add(canonical(outcome))
    return {prediction_id for (prediction_id, _), values in told.items() if len(values) > 1}


def _expected(case: Returned) -> dict[str, set[Any]]:
    """Return what experts expect, the newest of each, what was said where they agree.

    Everybody is one where the charter names none. Who disagrees and says no more contradicts those who agree.
    """
    known = experts()
    newest = case.came[case.came["kind"] == "opinion"].drop_duplicates(["prediction_id", "actor"], keep="last")
    chosen = newest[newest["actor"].isin(known)] if known else newest
    agrees = (chosen["verdict"] == "agree").to_numpy(dtype=bool)
    told = case.said.set_index("prediction_id")["prediction"].reindex(chosen["prediction_id"][agrees])
    values = chosen["outcome"].to_numpy(dtype=object, copy=True)
    values[agrees] = told.to_numpy(dtype=object)
    agreed = {*chosen["prediction_id"][agrees]}
    found: dict[str, set[Any]] = {}
    about = zip(chosen["prediction_id"], chosen["verdict"], case.labels(values), strict=True)
    for prediction_id, verdict, value in about:
        if value is not None and value == value:
            found.setdefault(prediction_id, set()).add(value)
        elif verdict == "disagree" and prediction_id in agreed:
            found.setdefault(prediction_id, set()).add(None)
    return found
