"""How well predictions came true, on those whose outcome is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid, NotFound, unknown
from nbmlops.hooks import Shown
from nbmlops.records import Finding, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion
    from nbmlops.registry.measures import Answers

__all__ = ["Performance", "canonical", "judged", "performance", "same"]


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
    from nbmlops.monitoring.recorded import predicted
    from nbmlops.registry import models

    chosen = models.model_version(name if version is None else f"{name.partition('@')[0]}@{version}")
    version = chosen.version if "@" in name or version is not None else None
    said = predicted(chosen.name, version, batch).said
    if said.empty:
        raise _no_predictions(chosen.name, version, batch)
    return judged(chosen, version, batch, said)


def judged(chosen: ModelVersion, version: int | None, batch: str | None, said: pd.DataFrame) -> Performance:
    """Return the performance of predictions, as :func:`recorded.predicted` returns them.

    Parameters
    ----------
    chosen : ModelVersion
        Whose signature says what the answers mean.
    version : int, optional
        The version that made all of them.
    batch : str, optional
        What they are called together.
    said : DataFrame
        ``prediction``, ``probability`` and ``outcome``, missing where none is known.
    """
    from nbmlops.registry import measures, targets

    known = said[said["outcome"].notna()]
    metrics = measures.measure(_answers(known, chosen)) if len(known) else {}
    found = targets.judge(targets.agreed(), metrics)
    return Performance(
        chosen.name,
        version,
        batch,
        len(said),
        len(known),
        len(known) / len(said),
        str(chosen.signature["task"]),
        metrics,
        found,
    )


def same(one: Any, other: Any) -> bool:
    """Tell whether two outcomes are one: a number is its value (True is 1), anything else its text.

    >>> same(True, 1.0), same("late", "late"), same("1", 1)
    (True, True, True)
    """
    return bool(one == other or canonical(one) == canonical(other))


def canonical(value: Any) -> Any:
    """Return a label so that equal ones are equal: numbers and truth values by value, anything else as text."""
    text = str(value).strip()
    named = {"True": 1.0, "true": 1.0, "False": 0.0, "false": 0.0}
    if text in named:
        return named[text]
    try:
        return float(text)
    except ValueError:
        return text


def _answers(known: pd.DataFrame, version: ModelVersion) -> Answers:
    """Return predictions and outcomes as answers, labels brought to those of the signature."""
    import numpy as np

    from nbmlops.registry.measures import Answers

    task, classes = version.signature["task"], tuple(version.signature["classes"])
    if task == "regression":
        said, truth = (known[k].to_numpy(dtype=float) for k in ("prediction", "outcome"))
        return Answers(task, said, truth=truth)
    said, truth = (_labels(known[k], classes, version.name) for k in ("prediction", "outcome"))
    chance = known["probability"].to_numpy(dtype=float)
    if task != "binary" or np.isnan(chance).any():
        return Answers(task, said, classes=classes, truth=truth)
    return Answers(task, said, np.column_stack([1 - chance, chance]), chance, classes, truth)


def _labels(column: pd.Series[Any], classes: tuple[Any, ...], model: str) -> Any:
    """Return answers as the classes of a signature; a few distinct values are looked at, not each row."""
    import numpy as np

    label = {canonical(c): c for c in classes}
    found = {value: label.get(canonical(value)) for value in column.unique()}
    if strange := sorted(str(value) for value, known in found.items() if known is None):
        raise Invalid(
            f"Outcomes of {model} hold {', '.join(strange[:5])}, which is none of its classes.",
            f"It knows: {', '.join(map(str, classes[:8]))}.",
        )
    return np.array([found[value] for value in column.tolist()])


def _no_predictions(name: str, version: int | None, batch: str | None) -> NotFound:
    from nbmlops.store.predictions import batches

    if batch is not None and (known := batches(session.store(), name)):
        return unknown(f"batch of predictions of {name}", batch, known)
    which = name if version is None else f"{name}@{version}"
    return NotFound(f"{which} has made no predictions that were kept.", f'Make some: nb.predict("{name}", frame).')
