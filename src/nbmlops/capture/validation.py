"""Cross-validations and searches: their folds and candidates, read from what scikit-learn returned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from nbmlops.capture import metrics, watch
from nbmlops.capture.settings import short

__all__ = ["Folds", "Trial", "patches", "trials"]

FUNCTIONS = ("cross_val_score", "cross_validate")


@dataclass(frozen=True)
class Folds:
    """A cross-validation: what was measured on each fold.

    Attributes
    ----------
    estimator : object
        The estimator as given; copies of it were fitted.
    test, train : mapping
        Metric name to one value a fold.
    fit_s : tuple of float
        How long each fold's fit took, where it is known.
    """

    estimator: Any
    test: Mapping[str, Sequence[float]]
    train: Mapping[str, Sequence[float]] = field(default_factory=dict)
    fit_s: Sequence[float] = ()


@dataclass(frozen=True)
class Trial:
    """One candidate of a search: what was set, and its mean and spread over the folds."""

    params: Mapping[str, Any]
    mean: Mapping[str, float]
    spread: Mapping[str, float]
    train: Mapping[str, float]
    fit_s: float
    best: bool


def patches(module: str) -> list[watch.Patch]:
    """Return the closure cells of ``sklearn.model_selection`` that are replaced while something is tracked."""
    return [(cell, "cell_contents", _recorded(name)) for name, cell in metrics.closures(module) if name in FUNCTIONS]


def trials(search: Any) -> list[Trial]:
    """Return the candidates of a fitted search, in the order they were tried.

    Parameters
    ----------
    search : object
        A fitted ``GridSearchCV``, ``RandomizedSearchCV``, ``HalvingGridSearchCV`` or one that follows them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]})
    >>> [trial.params for trial in trials(search.fit(*load_iris(return_X_y=True)))]
    [{'DecisionTreeClassifier.max_depth': 1}, {'DecisionTreeClassifier.max_depth': 3}]
    """
    results = search.cv_results_
    names = {key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")}
    known = {name: metric_of(search, None if name == "score" else name) for name in sorted(names)}
    best = getattr(search, "best_index_", None)

    def values(kind: str, place: int) -> dict[str, float]:
        return {m: float(results[f"{kind}_{n}"][place]) for n, m in known.items() if f"{kind}_{n}" in results}

    return [
        Trial(
            labelled(search.estimator, params),
            values("mean_test", place),
            values("std_test", place),
            values("mean_train", place),
            float(results["mean_fit_time"][place]),
            place == best,
        )
        for place, params in enumerate(results["params"])
    ]


def labelled(estimator: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return params such as ``clf__C`` as ``LogisticRegression.C``."""
    inside = estimator.get_params(deep=True)

    def label(path: str) -> str:
        owner, _, name = path.rpartition("__")
        part = params.get(owner, inside.get(owner)) if owner else estimator
        return f"{type(part).__name__}.{name}" if hasattr(part, "get_params") else path

    return {label(path): short(value) for path, value in params.items()}


def metric_of(judged: Any, name: Any) -> str:
    """Return the name of what a scorer measures: as it was asked for, else what the estimator scores by itself.

    Parameters
    ----------
    judged : object
        The search, or the estimator of a cross-validation.
    name : str, callable or None
        The ``scoring`` that was asked for.
    """
    scoring = getattr(judged, "scoring", None) if name is None else name
    if isinstance(scoring, str):
        return scoring
    function = getattr(scoring, "_score_func", scoring)
    if callable(function):
        called = metrics.metric_name(getattr(function, "__name__", "score"))
        return f"neg_{called}" if getattr(scoring, "_sign", 1) < 0 else called
    from sklearn.base import is_classifier, is_regressor

    return "accuracy" if is_classifier(judged) else "r2" if is_regressor(judged) else "score"


def _recorded(name: str) -> Callable[[Any], Any]:
    def make(original: Callable[..., Any]) -> Any:
        @wraps(original)
        def record(*args: Any, **kwargs: Any) -> Any:
            sink = watch.current()
            if sink is None or metrics.users(sys._getframe(1).f_back) is None:
                return original(*args, **kwargs)
            with watch.inner():  # scorers of the user's may compute metrics on the way
                value = original(*args, **kwargs)
            try:
                sink.scored(_folds(args[0] if args else kwargs["estimator"], value, kwargs.get("scoring")))
            except Exception as error:
                sink.error(error)
            return value

        return record

    return make


def _folds(estimator: Any, value: Any, scoring: Any) -> Folds:
    if not isinstance(value, dict):
        return Folds(estimator, {metric_of(estimator, scoring): _floats(value)})
    named = {k: _floats(v) for k, v in value.items() if k.startswith(("test_", "train_"))}

    def chosen(prefix: str) -> dict[str, list[float]]:
        keys = {k.removeprefix(prefix): v for k, v in named.items() if k.startswith(prefix)}
        return {metric_of(estimator, scoring) if k == "score" else k: v for k, v in keys.items()}

    return Folds(estimator, chosen("test_"), chosen("train_"), _floats(value.get("fit_time", ())))


def _floats(values: Any) -> list[float]:
    return [float(v) for v in values]
