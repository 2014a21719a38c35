"""Which columns of a model may miss values: what its steps do with them, by scikit-learn's own tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np

__all__ = ["columns_that_may_miss"]

FILLS = (  # leave no missing value behind
    *("SimpleImputer", "KNNImputer", "IterativeImputer", "MissingIndicator"),
    *("OneHotEncoder", "TargetEncoder"),
)
Way = Literal["no", "yes", "on"]  # refused; taken; handed on to the next step


def columns_that_may_miss(model: Any, names: Iterable[str]) -> frozenset[str]:
    """Return the columns in which a model takes missing values.

    Parameters
    ----------
    model : object
        Whose tags nobody wrote, such as a function or a class that is not scikit-learn's, is taken at its word: it
        raises itself where it cannot.
    names : iterable of str
        Columns it takes.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> [columns_that_may_miss(m, ["age"]) for m in (LogisticRegression(), HistGradientBoostingClassifier())]
    [frozenset(), frozenset({'age'})]
    """
    return frozenset(name for name in names if _way(model, name) != "no")


def _way(step: Any, column: str) -> Way:
    """Return what becomes of a missing value of a column in a step."""
    if isinstance(step, str):
        return "yes" if step == "drop" else "on"  # passthrough
    if not type(step).__module__.startswith("sklearn."):
        return "yes"
    if hasattr(step, "steps"):
        return _first_word(_way(inner, column) for _, inner in step.steps)
    if hasattr(step, "transformers_"):
        return _of_columns(step, column)
    if hasattr(step, "transformer_list"):
        ways = [_way(inner, column) for _, inner in step.transformer_list]
        return "no" if "no" in ways else "on" if "on" in ways else "yes"
    if type(step).__name__ == "FunctionTransformer":
        return "on" if step.func is None else "yes"  # as a remainder that is handed on; else somebody's own function
    if not _allows(step):
        return "no"
    if getattr(step, "handle_unknown", "") == "error":
        return "yes" if _knows_missing(step, column) else "no"
    last = not hasattr(step, "transform") or hasattr(step, "predict")
    return "yes" if last or type(step).__name__ in FILLS else "on"


def _knows_missing(encoder: Any, column: str) -> bool:
    """Return whether an encoder that refuses what it never saw saw a missing value in a column."""
    named = getattr(encoder, "feature_names_in_", np.array([])).tolist()
    if column not in named:
        return True  # nobody knows its place: it answers for itself
    return any(value is None or value != value for value in encoder.categories_[named.index(column)].tolist())


def _first_word(ways: Iterator[Way]) -> Way:
    """Return the first step's word that is final; handed on by all means handed on."""
    return next((way for way in ways if way != "on"), "on")


def _of_columns(step: Any, column: str) -> Way:
    """Return what the transformers of a column do with it; a column of none is dropped or handed on."""
    named = step.feature_names_in_.tolist() if hasattr(step, "feature_names_in_") else []
    ways = [_way(inner, column) for _, inner, chosen in step.transformers_ if column in _names(chosen, named)]
    return "no" if "no" in ways else "on" if "on" in ways else "yes"


def _names(chosen: Any, named: list[str]) -> list[str]:
    """Return the names of columns that are chosen by name, by place, by a slice or a mask."""
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        return named[chosen] if not isinstance(chosen.start or chosen.stop, str) else _between(chosen, named)
    listed = list(chosen) if hasattr(chosen, "__iter__") else [chosen]
    if listed and all(isinstance(c, bool) or type(c).__name__ == "bool_" for c in listed):
        return [name for name, taken in zip(named, listed, strict=False) if taken]
    return [c if isinstance(c, str) else named[c] for c in listed if isinstance(c, str) or named]


def _between(chosen: slice, named: list[str]) -> list[str]:
    first = named.index(chosen.start) if chosen.start is not None else 0
    last = named.index(chosen.stop) if chosen.stop is not None else len(named) - 1
    return named[first : last + 1]


def _allows(step: Any) -> bool:
    """Return the tag ``allow_nan``, as scikit-learn keeps it since 1.6 or as it did before."""
    if hasattr(step, "__sklearn_tags__"):
        from sklearn.utils import get_tags

        return bool(get_tags(step).input_tags.allow_nan)
    return bool(step._get_tags().get("allow_nan", False))
