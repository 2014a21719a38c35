"""Predictions of registered models: each has an id an outcome can come back to, and can be asked for again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nbmlops.capture import environment
from nbmlops.errors import NotFound
from nbmlops.monitoring import blocks
from nbmlops.records import in_block, new_block, now, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion

__all__ = ["predict", "prediction", "record"]

BLOCK_ROWS = 50_000


def predict(ref: str, frame: Any, batch: str | None = None) -> pd.DataFrame:
    """Return a registered model's predictions, each with an id an outcome can come back to.

    What was said is kept in the store, never the rows it was said of.

    Parameters
    ----------
    ref : str
        ``NAME@champion``, ``NAME@3``, or ``NAME`` for the newest.
    frame : pandas.DataFrame of shape (n, columns)
        The columns of the model's signature in any order; others are ignored.
    batch : str, optional
        A label to find these predictions by, such as a month.

    Returns
    -------
    pandas.DataFrame
        ``prediction_id``, ``prediction`` and ``probability`` (of the positive class where there are two, else of the
        predicted one; missing when the model gives none), on the index of ``frame``.

    Raises
    ------
    NotFound
        No such model.
    Invalid
        Columns are missing; the message names them all.

    Examples
    --------
    >>> nb.predict("late-flights@champion", bookings, batch="2013-04").head()  # doctest: +SKIP
    """
    import pandas as pd

    from nbmlops.registry import models, signature

    version = models.model_version(ref)
    rows = signature.select(version.signature, frame, version.ref)
    began = time.perf_counter()
    said, probability = models.score(version, rows)
    found = pd.DataFrame({"prediction": said, "probability": probability}, index=rows.index)
    ids = record(version, found, rows, batch=batch, latency_s=time.perf_counter() - began)
    found.insert(0, "prediction_id", ids)
    return found


def record(
    version: ModelVersion,
    said: pd.DataFrame,
    rows: pd.DataFrame | None,
    *,
    batch: str | None = None,
    caller: str | None = None,
    latency_s: float | None = None,
) -> list[str]:
    """Keep what a version said of rows, in blocks; return the id of each prediction.

    Columns the charter calls private are left out.

    Parameters
    ----------
    version : ModelVersion
    said : DataFrame of shape (n, 2)
        ``prediction`` and ``probability``.
    rows : DataFrame of shape (n, columns), optional
        What it was said of; None keeps nothing of it.
    batch, caller : str, optional
    latency_s : float, optional
        How long the answer took, in seconds.
    """
    from nbmlops.registry import kept

    kept_rows = None if rows is None else rows.drop(columns=[c for c in kept.private() if c in rows])
    opened = session.current()
    about = {
        "t": "prediction",
        "model": version.name,
        "version": version.version,
        "batch": batch,
        "at": now(),
        "run_id": opened.run_id if opened else None,
        "caller": caller or environment.actor()[0],
        "latency_s": latency_s,
        "inputs": int(rows is not None),
    }
    ids: list[str] = []
    for start in range(0, len(said), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        answers = said.iloc[part]
        columns: dict[str, Any] = {"value": answers["prediction"], "probability": answers["probability"]}
        columns["inputs"] = None if kept_rows is None else kept_rows.iloc[part]
        first = new_block()
        session.write({**about, "prediction_id": first, "rows": len(answers), **_content(columns, len(answers))})
        ids += [in_block(first, n) for n in range(len(answers))]
    return ids


def _content(columns: blocks.Said, rows: int) -> dict[str, Any]:
    """Return where a block's columns are: in the event itself, or in a file."""
    if rows <= blocks.FEW:
        return {"data": blocks.plainly(columns), "digest": None}
    return {"data": None, "digest": session.artifacts().put(blocks.packed(columns))}


def prediction(prediction_id: str) -> dict[str, Any]:
    """Return one prediction: model, version, time, caller, what was said and of what, and the feedback it got.

    Raises
    ------
    NotFound
        No prediction has this id.

    Examples
    --------
    >>> nb.prediction("0190...")["value"]  # doctest: +SKIP
    True
    """
    from nbmlops.monitoring.recorded import content
    from nbmlops.store import predictions as stored

    found = stored.find(session.store(), str(prediction_id))
    if found is None:
        raise NotFound(f"No prediction {str(prediction_id)!r} in this project.", "nb.predict returns the ids.")
    block, place = found
    columns = content(block)
    inputs = columns.pop("inputs")
    about = {
        name: getattr(block, name) for name in ("model", "version", "run_id", "at", "batch", "caller", "latency_s")
    }
    return {
        "prediction_id": prediction_id,
        **about,
        **{name: plain(column.iloc[place]) for name, column in columns.items()},
        "inputs": None if inputs is None else plain(inputs.iloc[place].to_dict()),
        "feedback": stored.newest(session.store(), [prediction_id]),
    }
