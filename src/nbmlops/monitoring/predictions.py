"""Predictions with an id, outcomes that come back for them, and how well the two fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid, NotFound, unknown
from nbmlops.hooks import Shown
from nbmlops.records import Finding, new_ids, now, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion
    from nbmlops.registry.measures import Answers

__all__ = ["Performance", "Received", "feedback", "judged", "performance", "predict", "prediction"]

SLICE_ROWS = 5000  # rows in one journal event


@dataclass(frozen=True)
class Received:
    """What became of outcomes that were handed in; nothing of it is lost."""

    rows: int
    new: int
    changed: int
    duplicates: int
    unknown: int
    unknown_ids: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Performance(Shown):
    """How well predictions came true, on the rows whose outcome is known."""

    shows: ClassVar[str] = "performance"

    model: str
    version: int | None
    batch: str | None
    predictions: int
    known: int
    coverage: float
    task: str
    metrics: Mapping[str, Mapping[str, Any]]
    findings: tuple[Finding, ...] = ()

    @property
    def broken(self) -> tuple[str, ...]:
        """The targets that are broken, by name."""
        return tuple(f.column for f in self.findings if f.outcome == "issue")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}


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

    rows = signature.table(frame)
    version = models.model_version(ref)
    said, probability = models.score(version, rows)
    found = pd.DataFrame(
        {"prediction_id": new_ids(len(rows)), "prediction": said, "probability": probability}, index=rows.index
    )
    _write(found, version, batch)
    return found


def prediction(prediction_id: str) -> dict[str, Any]:
    """Return one prediction: model, version, time, what was said, and the feedback it got.

    Raises
    ------
    NotFound
        No prediction has this id.

    Examples
    --------
    >>> nb.prediction("0190...")["value"]  # doctest: +SKIP
    True
    """
    from nbmlops.store.predictions import find

    found = find(session.store(), str(prediction_id))
    if found is None:
        raise NotFound(f"No prediction {str(prediction_id)!r} in this project.", "nb.predict returns the ids.")
    return found


def feedback(frame: Any, source: str = "outcome") -> Received:
    """Keep outcomes that came back for predictions; the same one twice counts once.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``prediction_id`` and ``outcome``; a column ``source`` where it differs between rows.
    source : str
        Who says so.

    Returns
    -------
    Received
        How many were new, changed an earlier outcome, were there already, or belong to no prediction known here
        (these are kept, and join should the prediction arrive later).

    Raises
    ------
    Invalid
        A column is missing, or an outcome is.

    Examples
    --------
    >>> nb.feedback(outcomes).new  # doctest: +SKIP
    27004
    """
    from nbmlops.store import predictions as stored

    rows = _outcomes(frame, source)
    ids = list(dict.fromkeys(row["prediction_id"] for row in rows))
    latest = stored.newest_outcomes(session.store(), ids)
    strangers = sorted(set(ids) - stored.known(session.store(), ids))
    kept, changed = [], 0
    for row in rows:
        key = (row["prediction_id"], row["source"])
        if key in latest and same(latest[key], row["outcome"]):
            continue
        changed += key in latest
        latest[key] = row["outcome"]
        kept.append(row)
    at = now()
    for start in range(0, len(kept), SLICE_ROWS):
        session.write({"t": "feedback", "at": at, "rows": kept[start : start + SLICE_ROWS]})
    return Received(len(rows), len(kept) - changed, changed, len(rows) - len(kept), len(strangers), tuple(strangers))


def performance(name: str, version: int | None = None, batch: str | None = None) -> Performance:
    """Tell how well a model's predictions came true, against the targets of the charter.

    Parameters
    ----------
    name : str
        The model's name, or ``NAME@3`` / ``NAME@champion`` for one version.
    version : int, optional
    batch : str, optional
        The label the predictions were made under.

    Returns
    -------
    Performance
        Metrics with intervals and the rows behind them; each target is *shown*, *not shown* or *broken*.

    Raises
    ------
    NotFound
        No such model, or it made no such predictions.

    Examples
    --------
    >>> nb.performance("late-flights", batch="2013-04").metrics["roc_auc"]  # doctest: +SKIP
    """
    from nbmlops.registry import models
    from nbmlops.store import predictions as stored

    chosen = models.model_version(name if version is None else f"{name.partition('@')[0]}@{version}")
    version = chosen.version if "@" in name or version is not None else None
    rows = stored.joined(session.store(), chosen.name, version, batch)
    if not rows:
        raise _no_predictions(chosen.name, version, batch)
    return judged(chosen, version, batch, rows)


def judged(chosen: ModelVersion, version: int | None, batch: str | None, rows: list[dict[str, Any]]) -> Performance:
    """Return the performance of predictions with their outcomes, as the store joins them.

    Parameters
    ----------
    chosen : ModelVersion
        Whose signature says what the answers mean.
    version : int, optional
        The version that made all of them.
    batch : str, optional
        What they are called together.
    rows : list of dict
    """
    from nbmlops.registry import measures, targets

    known = [row for row in rows if row["outcome"] is not None]
    metrics = measures.measure(_answers(known, chosen)) if known else {}
    found = targets.judge(targets.agreed(), metrics)
    return Performance(
        chosen.name,
        version,
        batch,
        len(rows),
        len(known),
        len(known) / len(rows),
        str(chosen.signature["task"]),
        metrics,
        found,
    )


def same(one: Any, other: Any) -> bool:
    """Tell whether two outcomes are one: a number is its value (True is 1), anything else its text.

    >>> same(True, 1.0), same("late", "late"), same("1", 1)
    (True, True, True)
    """
    return bool(one == other or _canonical(one) == _canonical(other))


def _canonical(value: Any) -> Any:
    text = str(value).strip()
    named = {"True": 1.0, "true": 1.0, "False": 0.0, "false": 0.0}
    if text in named:
        return named[text]
    try:
        return float(text)
    except ValueError:
        return text


def _write(found: pd.DataFrame, version: ModelVersion, batch: str | None) -> None:
    opened = session.current()
    about = {
        "t": "prediction",
        "model": version.name,
        "version": version.version,
        "run_id": opened.run_id if opened else None,
        "at": now(),
        "batch": batch,
    }
    columns = zip(found["prediction_id"], found["prediction"].tolist(), found["probability"].tolist(), strict=True)
    rows = [{"prediction_id": i, "value": v, "probability": p} for i, v, p in columns]
    for start in range(0, len(rows), SLICE_ROWS):
        session.write({**about, "rows": rows[start : start + SLICE_ROWS]})


def _outcomes(frame: Any, source: str) -> list[dict[str, Any]]:
    from nbmlops.registry.signature import table

    rows = table(frame)
    if missing := [c for c in ("prediction_id", "outcome") if c not in rows.columns]:
        raise Invalid(
            f"Feedback without a column {missing[0]!r}.", "It needs prediction_id and outcome; source is optional."
        )
    if gaps := int(rows[["prediction_id", "outcome"]].isna().any(axis=1).sum()):
        raise Invalid(f"{gaps:,} rows of feedback miss their id or outcome.", "Hand in what is known: frame.dropna().")
    sources = rows["source"].fillna(source) if "source" in rows.columns else [source] * len(rows)
    values = zip(rows["prediction_id"].astype(str), rows["outcome"].tolist(), map(str, sources), strict=True)
    return [{"prediction_id": i, "outcome": plain(o), "source": s} for i, o, s in values]


def _answers(rows: list[dict[str, Any]], version: ModelVersion) -> Answers:
    """Return stored predictions and outcomes as answers, labels brought to those of the signature."""
    import numpy as np

    from nbmlops.registry.measures import Answers

    task, classes = version.signature["task"], tuple(version.signature["classes"])
    if task == "regression":
        return Answers(task, _floats(rows, "value"), truth=_floats(rows, "outcome"))
    label = {_canonical(c): c for c in classes}
    if strange := sorted({str(r["outcome"]) for r in rows if _canonical(r["outcome"]) not in label}):
        raise Invalid(
            f"Outcomes of {version.name} hold {', '.join(strange[:5])}, which is none of its classes.",
            f"It knows: {', '.join(map(str, classes[:8]))}.",
        )
    said, truth = (np.array([label[_canonical(r[k])] for r in rows]) for k in ("value", "outcome"))
    chance = _floats(rows, "probability")
    if task != "binary" or np.isnan(chance).any():
        return Answers(task, said, classes=classes, truth=truth)
    return Answers(task, said, np.column_stack([1 - chance, chance]), chance, classes, truth)


def _floats(rows: Iterable[Mapping[str, Any]], key: str) -> Any:
    import numpy as np

    return np.array([np.nan if r[key] is None else float(r[key]) for r in rows], dtype=float)


def _no_predictions(name: str, version: int | None, batch: str | None) -> NotFound:
    from nbmlops.store.predictions import batches

    if batch is not None and (known := batches(session.store(), name)):
        return unknown(f"batch of predictions of {name}", batch, known)
    which = name if version is None else f"{name}@{version}"
    return NotFound(f"{which} has made no predictions that were kept.", f'Make some: nb.predict("{name}", frame).')
