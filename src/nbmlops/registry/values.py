"""What a model said of the rows it was judged on, and what came true: kept without the rows themselves."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import NotFound
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.registry.measures import Answers

__all__ = [
    "answers_of_same_rows",
    "covers",
    "fitted_on",
    "held_out",
    "judged_rows",
    "may_be_same",
    "of_same_rows",
    "packed",
    "same_or_unknown",
    "same_rows",
]

FEWEST = 30  # fewer numbers that came true may be those of other rows
Kept = dict[str, NDArray[Any]]
Told = tuple[str, NDArray[Any], NDArray[Any]]  # what kind of answer, what was said, what came true


def packed(answers: Answers, features: pd.DataFrame | None = None) -> bytes:
    """Return truth, prediction and probability as a compressed npz without pickle; text as text.

    Parameters
    ----------
    answers : Answers
    features : DataFrame of shape (n, columns), optional
        The rows themselves: one number is kept of each, over these columns, so that it is known again.
    """
    from nbmlops.registry import sketch

    buffer = io.BytesIO()
    parts = {"truth": answers.truth, "predicted": answers.predicted, "probability": answers.probability}
    if features is not None and len(features.columns):
        parts |= {"rows": sketch.hashes(features), "row_columns": np.array(list(map(str, features.columns)))}
    arrays = {k: np.asarray(v) for k, v in parts.items() if v is not None}
    plainer: dict[str, Any] = {k: v.astype(str) if v.dtype == object else v for k, v in arrays.items()}
    np.savez_compressed(buffer, **plainer)
    return buffer.getvalue()


def held_out(ref: str) -> Told:
    """Return what a registered version said of the rows of its evaluation, and what came true there.

    Parameters
    ----------
    ref : str

    Returns
    -------
    kind : str
        ``chance``, ``number`` or ``class``.
    said, truth : array of shape (m,)
        The probability of the positive class and whether it came true; two numbers; or two classes as text.

    Raises
    ------
    NotFound
        The version has no evaluation, or its values are no longer there.
    """
    from nbmlops.registry import models

    evaluation = models.evaluation_of(models.model_version(ref))
    if not evaluation or not evaluation.get("values"):
        raise NotFound(
            f"{ref} has no evaluation whose values were kept.", "Evaluate it on held-out rows and register it again."
        )
    return _told(evaluation, _loaded(evaluation))


def same_or_unknown(evaluation: Mapping[str, Any], other: Mapping[str, Any]) -> bool | None:
    """Tell whether two evaluations are of the same rows; None where it is not known.

    The fingerprint of the rows is over the columns a model takes, so another one proves nothing.
    """
    if evaluation.get("data") and evaluation["data"] == other.get("data"):
        return True
    return None if may_be_same(evaluation, other) else False


def may_be_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether nothing speaks against two evaluations being on the same rows: as many, the same came true.

    Parameters
    ----------
    one, other : mapping
        Evaluations as JSON.
    """
    if one.get("rows") != other.get("rows"):
        return False
    if not one.get("values") or not other.get("values"):
        return True
    try:
        first, second = _loaded(one), _loaded(other)
    except NotFound:
        return True
    asked = all("row_columns" in kept for kept in (first, second))
    if asked and np.array_equal(first["row_columns"], second["row_columns"]):
        return np.array_equal(first["rows"], second["rows"])
    return np.array_equal(first["truth"], second["truth"])


def covers(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether one evaluation is known to be of every row of another, and maybe of more.

    Parameters
    ----------
    one, other : mapping
        Evaluations as JSON.
    """
    if one.get("data") and one["data"] == other.get("data"):
        return True
    if (one.get("rows") or 0) < (other.get("rows") or 0):
        return False
    first, second = judged_rows(one), judged_rows(other)
    return first is not None and second is not None and first[0] == second[0] and _holds(first[1], second[1])


def _holds(rows: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> bool:
    """Tell whether rows hold others, each as often."""
    (there, many), (asked, often) = (np.unique(r, return_counts=True) for r in (rows, wanted))
    places = np.searchsorted(there, asked).clip(max=max(len(there) - 1, 0))
    return bool(len(there)) and bool(np.all((there[places] == asked) & (many[places] >= often)))


def of_same_rows(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Told, Told] | None:
    """Return what two models said of each row, where both were evaluated on the very same rows in the same order.

    Parameters
    ----------
    one, other : mapping
        Evaluations as JSON.

    Returns
    -------
    tuple of two, or None
        Each as :func:`held_out` returns it; None where the rows differ or the answers were not kept.
    """
    both = _of_same_rows(one, other)
    told = tuple(_told(evaluation, kept) for evaluation, kept in zip((one, other), both, strict=True)) if both else ()
    return told if told and told[0][0] == told[1][0] else None  # type: ignore[return-value]


def answers_of_same_rows(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Answers, Answers] | None:
    """Return the answers of two models to the very same rows, as :func:`of_same_rows` tells, to be compared in metrics.

    Parameters
    ----------
    one, other : mapping
        Evaluations as JSON.
    """
    from nbmlops.registry.measures import Answers

    both = _of_same_rows(one, other)
    if both is None or (one.get("task"), one.get("classes")) != (other.get("task"), other.get("classes")):
        return None
    found = []
    for evaluation, kept in zip((one, other), both, strict=True):
        text = kept["truth"].dtype.kind == "U"
        classes = tuple(str(c) if text else c for c in evaluation.get("classes") or ())
        chance = kept.get("probability")
        score = chance[:, 1] if chance is not None and evaluation["task"] == "binary" else None
        found.append(Answers(evaluation["task"], kept["predicted"], chance, score, classes, kept["truth"]))
    return found[0], found[1]


def _of_same_rows(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Kept, Kept] | None:
    """Return what was kept of two evaluations, where their rows are the same, in the same order."""
    if not one.get("values") or not other.get("values") or one.get("rows") != other.get("rows"):
        return None
    try:
        first, second = _loaded(one), _loaded(other)
    except NotFound:
        return None
    known = "rows" in first and "rows" in second
    alike = known and all(np.array_equal(first[name], second[name]) for name in ("row_columns", "rows"))
    same_data = bool(one.get("data")) and one["data"] == other.get("data")
    if not (alike or same_data or (known and _told_by_truth(first, second))):
        return None
    return (first, second) if np.array_equal(first["truth"], second["truth"]) else None


def _told_by_truth(first: Kept, second: Kept) -> bool:
    """Tell whether what came true tells rows apart where two models take other columns: numbers that hardly repeat."""
    if np.array_equal(first["row_columns"], second["row_columns"]):
        return False  # then the rows themselves are compared
    truth = first["truth"]
    return truth.dtype.kind == "f" and len(truth) >= FEWEST and np.unique(truth).size >= 0.9 * len(truth)


def _loaded(evaluation: Mapping[str, Any]) -> Kept:
    with np.load(io.BytesIO(session.artifacts().get(evaluation["values"])), allow_pickle=False) as kept:
        return dict(kept)


def _told(evaluation: Mapping[str, Any], kept: Mapping[str, NDArray[Any]]) -> Told:
    truth, said, probability = kept["truth"], kept["predicted"], kept.get("probability")
    if evaluation["task"] == "regression":
        return "number", said.astype(float), truth.astype(float)
    if evaluation["task"] == "binary" and probability is not None:
        return "chance", probability[:, 1], _is(truth, evaluation["positive"])
    return "class", said.astype(str), truth.astype(str)


def judged_rows(evaluation: Mapping[str, Any]) -> tuple[list[str], NDArray[np.uint64]] | None:
    """Return what each row of an evaluation was, as one number over some columns (see :func:`sketch.hashes`).

    Parameters
    ----------
    evaluation : mapping
        Its JSON.

    Returns
    -------
    tuple of list of str and array of uint64, or None
        The columns, those the charter calls private not among them; None where the rows are not known.
    """
    if not evaluation.get("values"):
        return None
    try:
        content = session.artifacts().get(evaluation["values"])
    except NotFound:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return (kept["row_columns"].tolist(), kept["rows"]) if "rows" in kept else None


def fitted_on(frame: pd.DataFrame) -> str:
    """Return the tracked or registered model that was fitted on these very rows, or an empty text.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns the fit did not see are ignored.
    """
    from nbmlops.capture.estimators import living
    from nbmlops.store import models as stored

    registered = stored.fitted_on(session.store(), len(frame))
    return next((name for name, known in (*living(), *registered) if same_rows(known, frame)), "")


def same_rows(known: Mapping[str, Any] | None, frame: pd.DataFrame) -> bool:
    """Tell whether a fit's rows are these: as many, and the fingerprint of every column the same."""
    from nbmlops.capture.data import MOST_S, column_fingerprints

    columns = (known or {}).get("columns")
    if not columns or not isinstance(columns, Mapping) or (known or {}).get("rows") != len(frame):
        return False
    if any(name not in frame.columns for name in columns):
        return False
    now = column_fingerprints(frame[list(columns)], MOST_S)
    return all(now.get(name) == fingerprint for name, fingerprint in columns.items())


def _is(truth: NDArray[Any], positive: Any) -> NDArray[np.bool_]:
    """Tell where the positive class came true; numbers compare as numbers, for 1, 1.0 and True are one class."""
    if truth.dtype.kind in "biuf" and isinstance(positive, (bool, int, float)):
        return np.asarray(truth.astype(float) == float(positive))
    return np.asarray(truth.astype(str) == str(positive))
