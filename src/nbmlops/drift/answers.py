"""What a model says of current rows: brought along, or asked, of a slow one for some rows only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops import hooks
from nbmlops.drift.profile import Profile
from nbmlops.drift.reference import Reference
from nbmlops.quality import look
from nbmlops.records import Finding

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["answered", "is_chance", "of_those_known"]

MOST_S = 20.0  # a model that would take longer for all rows is asked of some
MOST_ROWS = 50_000
TRIED = 1_000  # rows that tell how long all would take


def answered(
    frame: pd.DataFrame,
    reference: Reference,
    target: str | None,
    prediction: str | None,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[pd.DataFrame, Reference, list[Finding]]:
    """Return the frame with target and prediction under the reference's names, the model asked where it must be.

    Returns
    -------
    frame : DataFrame
    reference : Reference
        Marked where the model was asked of some rows only.
    findings : list of Finding
        What could not be asked, or was of some rows only.
    """
    for name, role in ((target, "target"), (prediction, "prediction")):
        look.require(frame, name, role)
    frame = _renamed(_renamed(frame, target, reference.target), prediction, reference.prediction)
    if not reference.model or prediction or not len(frame) or reference.prediction is None:
        return frame, reference, []
    if {"prediction_id", "probability"} <= {*frame.columns}:  # what nb.predict returned
        said = frame["probability"] if is_chance(reference) else frame["prediction"]
        return frame.assign(**{reference.prediction: said}), reference, []
    if reference.prediction in frame.columns or any(c not in frame.columns for c in reference.inputs):
        return frame, reference, []
    return _asked(frame, reference, clock)


def of_those_known(profile: Profile, reference: Reference) -> Profile:
    """Return the profile with answers and outcomes that are awaited counted over the rows that have them."""
    tallies = {name: profile.total[name] for name in reference.awaited if name in profile.columns}
    counted = {name: replace(tally, counts=(*tally.counts[:-1], 0)) for name, tally in tallies.items()}
    return replace(profile, total={**profile.total, **counted})


def _asked(
    frame: pd.DataFrame, reference: Reference, clock: Callable[[], float]
) -> tuple[pd.DataFrame, Reference, list[Finding]]:
    """Ask the model; rows it cannot answer are a finding, not a traceback."""
    try:
        rows, seconds = _rows(frame, reference, clock)
        said = _said(frame if rows is None else frame.iloc[rows], reference)
    except (ValueError, TypeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        unasked = Finding("unanswerable", "issue", f"{reference.model} cannot answer these rows: {first}")
        return frame, reference, [unasked]
    if rows is None:
        return frame.assign(**{str(reference.prediction): said}), reference, []
    told = f"the model was asked of {len(rows):,} of {len(frame):,} rows, evenly taken: all take about {seconds:.0f} s"
    marked = replace(reference, awaited=(str(reference.prediction),))
    return _spread(frame, rows, said, reference), marked, [Finding("sampled", "passed", told)]


def _rows(frame: pd.DataFrame, reference: Reference, clock: Callable[[], float]) -> tuple[Any, float]:
    """Return the rows to ask, None for all, and how many seconds all take: a few tell, evenly taken."""
    if len(frame) <= MOST_ROWS:
        return None, 0.0
    tried = _every(len(frame), TRIED)
    _said(frame.iloc[tried[:1]], reference)  # the first answer reads the model's file
    before = clock()
    _said(frame.iloc[tried], reference)
    seconds = (clock() - before) * len(frame) / len(tried)
    return (_every(len(frame), MOST_ROWS) if seconds > MOST_S else None), seconds


def _every(rows: int, most: int) -> Any:
    return np.linspace(0, rows - 1, most).astype(np.int64)


def _said(frame: pd.DataFrame, reference: Reference) -> Any:
    said, probability = hooks.service("registry.models", "score")(reference.model, frame)
    return probability if probability is not None and is_chance(reference) else said


def _spread(frame: pd.DataFrame, rows: Any, said: Any, reference: Reference) -> pd.DataFrame:
    """Return the frame with answers where the model was asked, and none elsewhere."""
    import pandas as pd

    column = pd.Series(said, index=rows).reindex(range(len(frame)))
    return frame.assign(**{str(reference.prediction): column.to_numpy()})


def is_chance(reference: Reference) -> bool:
    """Tell whether the reference kept probabilities: numbers, while the model answers with a class."""
    column = reference.profile.columns.get(str(reference.prediction))
    metrics = reference.metrics or {}
    return column is not None and column.kind == "numeric" and "mae" not in metrics


def _renamed(frame: pd.DataFrame, here: str | None, there: str | None) -> pd.DataFrame:
    return frame.assign(**{there: frame[here]}) if here and there and here != there else frame
