"""Rows of which some columns are those of one row and the others those of a background row, and what a model says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.monitoring.explaining.asked import Case

__all__ = ["Mixed", "Question", "question"]


class Question:
    """One number that is explained: how it is called, what it counts, and how a model is asked for it.

    Attributes
    ----------
    words : str
        Such as ``the chance of late``.
    unit : {"probability", "share", "value"}
        A share is of answers, where a model names a class and no probability.
    """

    def __init__(self, case: Case, label: Any = None) -> None:
        self.case, self.label = case, label
        self.unit = "value" if case.task == "regression" else "probability" if _gives_chances(case) else "share"
        self.words = _words(case, label)

    def ask(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the number for each row."""
        model = self.case.estimator
        if self.unit == "value":
            return np.asarray(model.predict(frame), float).reshape(len(frame), -1)[:, 0]
        if self.unit == "share":
            return np.asarray(np.asarray(model.predict(frame)) == self.label, float)
        place = [str(c) for c in model.classes_].index(str(self.label))
        said: NDArray[np.float64] = np.asarray(model.predict_proba(frame), float)[:, place]
        return said


def question(case: Case, predicted: Any = None) -> Question:
    """Return what is explained: the positive of two classes, the predicted of many, the value of a number."""
    if case.task == "regression":
        return Question(case)
    return Question(case, case.classes[1] if case.task == "binary" else predicted)


class Mixed:
    """A background and one row, column beside column, so that mixed rows are made by places alone.

    Parameters
    ----------
    background : DataFrame of shape (n, columns)
    row : DataFrame of shape (1, columns)
    moving : sequence of str
        The columns that may be those of either; all others are always the row's own.
    """

    def __init__(self, background: pd.DataFrame, row: pd.DataFrame, moving: Sequence[str]) -> None:
        self.own = len(background)
        self.moving = {name: place for place, name in enumerate(moving)}
        self.columns = {str(name): _joined(background[name], row[name]) for name in row.columns}

    @property
    def same(self) -> NDArray[np.bool_]:
        """Where a background row surely holds what the row itself holds, of shape (n, moving columns)."""
        columns = [_same(self.columns[name], self.own) for name in self.moving]
        return np.array(columns, bool).reshape(len(columns), self.own).T

    def rows(self, taken: NDArray[np.bool_], at: NDArray[np.int64]) -> pd.DataFrame:
        """Return a row for each coalition: the row's own values where it is true, else those of a background row."""
        import pandas as pd

        own = np.full(len(at), self.own)
        found = {
            name: column.take(np.where(taken[:, self.moving[name]], own, at) if name in self.moving else own)
            for name, column in self.columns.items()
        }
        return pd.DataFrame(found, copy=False)


def _same(column: Any, own: int) -> NDArray[np.bool_]:
    """Tell which values are the last one; what is missing is surely the same as nothing."""
    import pandas as pd

    values, missing = np.asarray(column, object), pd.isna(column)
    mine = values[own]
    if missing[own]:
        return np.zeros(own, bool)
    alike = [not gone and type(v) is type(mine) and bool(v == mine) for v, gone in zip(values, missing, strict=True)]
    return np.array(alike[:own], bool)


def _joined(background: pd.Series[Any], own: pd.Series[Any]) -> Any:
    """Return a column's background values and the row's own as one array of the background's kind."""
    import pandas as pd

    if isinstance(background.dtype, pd.CategoricalDtype):
        values = pd.concat([background.astype(object), own.astype(object)], ignore_index=True)
        return values.astype("category").array
    if own.isna().all() and background.dtype.kind in "iub":
        background = background.astype(float if background.dtype.kind != "b" else object)
    if background.dtype == object or own.dtype == object:
        return pd.concat([background.astype(object), own.astype(object)], ignore_index=True).array
    return pd.concat([background, own], ignore_index=True).array


def _gives_chances(case: Case) -> bool:
    return hasattr(case.estimator, "predict_proba") and hasattr(case.estimator, "classes_")


def _words(case: Case, label: Any) -> str:
    if case.task == "regression":
        return case.target or "the answer"
    yes = str(label) in ("1", "True", "yes", "true")
    said = str(label) if not case.target else case.target if yes else f"{case.target} = {label}"
    return f"the chance of {said}" if _gives_chances(case) else f"the share said to be {said}"
