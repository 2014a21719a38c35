"""A fitted pipeline in sentences: what becomes of each column, step by step, and how the answer is made."""

from __future__ import annotations

from collections import UserList
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nbmlops.registry import model_words, step_words
from nbmlops.registry.step_words import Flow

__all__ = ["encoders", "sentences"]

MOST = 200  # sentences; an ensemble of pipelines could go on for ever
NOTHING = ("drop", None)


def sentences(model: Any, columns: Sequence[str] = (), private: Collection[str] = ()) -> list[str]:
    """Return what a fitted model does, step by step; what has no words here is named with what was set of it.

    Parameters
    ----------
    model : estimator
    columns : sequence of str
        What it takes, in its order; those it was fitted on where absent.
    private : collection of str
        Columns of which no value is said. Where the answer is private, that is all of them.

    Returns
    -------
    list of str

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> rows = pd.DataFrame({"age": [20.0, 30, 40, 50], "height": [1.6, 1.7, 1.8, 1.7]})
    >>> for sentence in sentences(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, [0, 0, 1, 1])):
    ...     print(sentence)
    age and height are centred and scaled to a spread of 1
    LogisticRegression gives each of 2 columns a weight, and turns the sum into a chance
    """
    names = tuple(map(str, columns)) or tuple(map(str, getattr(model, "feature_names_in_", ())))
    flow = Flow(names, len(names) or getattr(model, "n_features_in_", None), frozenset(private))
    said = _said(model, flow)
    return said if len(said) <= MOST else [*said[:MOST], f"and {len(said) - MOST:,} more steps"]


def _said(model: Any, flow: Flow) -> list[str]:
    return _walk(model, flow)[0]


def _walk(step: Any, flow: Flow) -> tuple[list[str], Flow]:
    """Return what a step does, and what columns there are behind it: those that are private stay so."""
    told, behind = _step(step, flow)
    return told, replace(behind, private=flow.private)


def _step(step: Any, flow: Flow) -> tuple[list[str], Flow]:
    if isinstance(getattr(step, "steps", None), list):
        return _pipeline(step, flow)
    if hasattr(step, "transformers_"):
        return _column_transformer(step, flow)
    if isinstance(getattr(step, "transformer_list", None), list):
        return _union(step, flow)
    if step is None or isinstance(step, str):
        return ([], flow) if step == "passthrough" or step is None else ([f"{flow.subject} dropped"], Flow((), 0))
    if type(step).__name__ == "FrozenEstimator":
        return _walk(step.estimator, flow)
    if hasattr(step, "transform") and (hasattr(step, "get_support") or not hasattr(step, "predict")):
        return step_words.said(step, flow)
    return _model(step, flow), flow


def _pipeline(pipeline: Any, flow: Flow) -> tuple[list[str], Flow]:
    told: list[str] = []
    for _, step in pipeline.steps:
        said, flow = _walk(step, flow)
        told += said
    return told, flow


def _column_transformer(transformer: Any, flow: Flow) -> tuple[list[str], Flow]:
    """Tell each group of columns by itself; behind it they stand beside each other in this order."""
    told: list[str] = []
    behind: list[Flow] = []
    for _, step, columns in transformer.transformers_:
        part = replace(_chosen(columns, flow), private=flow.private)
        if part.count == 0:
            continue
        if isinstance(step, str) and step == "passthrough":
            said, after = [f"{part.subject} passed on unchanged"], part
        else:
            said, after = _walk(step, part)
        told += said
        behind += [after]
    return told, _beside(behind)


def _union(union: Any, flow: Flow) -> tuple[list[str], Flow]:
    """Tell parts that each look at all columns; what they make stands side by side."""
    told: list[str] = []
    behind: list[Flow] = []
    for name, step in union.transformer_list:
        if step in NOTHING:
            continue
        said, after = _walk(step, flow)
        told += [f"beside it ({name}): {s}" if behind else f"first ({name}): {s}" for s in said]
        behind.append(after)
    return told, _beside(behind)


def _chosen(columns: Any, flow: Flow) -> Flow:
    """Return the columns a part of a column transformer takes."""
    columns = columns.data if isinstance(columns, UserList) else columns  # of the remainder: warns when it is read
    if isinstance(columns, str):
        return Flow((columns,), 1)
    if callable(columns):
        return Flow((), None)
    if isinstance(columns, slice):
        places = list(range(*columns.indices(flow.count or 0)))
    else:
        chosen = np.atleast_1d(np.asarray(columns, dtype=object))
        if all(isinstance(c, str) for c in chosen):
            return Flow(tuple(chosen), len(chosen))
        mask = all(isinstance(c, (bool, np.bool_)) for c in chosen)
        places = np.nonzero(chosen.astype(bool))[0].tolist() if mask else [int(c) for c in chosen]
    known = len(flow.names) == flow.count
    return Flow(tuple(flow.names[p] for p in places) if known else (), len(places))


def _beside(flows: Sequence[Flow]) -> Flow:
    """Return the columns of several parts, one part behind the other."""
    counts = [f.count for f in flows]
    total = None if any(c is None for c in counts) else sum(c for c in counts if c is not None)
    names = [n for f in flows for n in f.names]
    return Flow(tuple(names) if len(names) == total else (), total)


def _model(model: Any, flow: Flow) -> list[str]:
    """Return how an answer is made; models that ask other models are told with these."""
    told = [model_words.said(model, flow)]
    for label, inner in _inner(model):
        told += [f"{label}: {s}" if label else s for s in _said(inner, flow)]
    return told


def _inner(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the models a model asks, with what they are called."""
    for name in ("best_estimator_", "estimator_", "regressor_"):
        if hasattr(model, name) and not model_words.knows(model):
            yield "", getattr(model, name)
            return
    if hasattr(model, "calibrated_classifiers_"):
        yield "", model.calibrated_classifiers_[0].estimator
    elif hasattr(model, "named_estimators_"):
        yield from model.named_estimators_.items()
        if hasattr(model, "final_estimator_"):
            yield "then", model.final_estimator_


def encoders(model: Any, columns: Sequence[str]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield each fitted encoder of categories that takes columns of the model by name, and these.

    Parameters
    ----------
    model : estimator
    columns : sequence of str
        What the model takes, in its order.
    """
    yield from _encoders(model, Flow(tuple(columns), len(columns)))


def _encoders(step: Any, flow: Flow) -> Iterator[tuple[Any, tuple[str, ...]]]:
    if isinstance(getattr(step, "steps", None), list):
        for _, inner in step.steps:
            yield from _encoders(inner, flow)
            flow = _walk(inner, flow)[1]
    elif hasattr(step, "transformers_"):
        for _, inner, chosen in step.transformers_:
            yield from _encoders(inner, _chosen(chosen, flow))
    elif isinstance(getattr(step, "transformer_list", None), list):
        for _, inner in step.transformer_list:
            yield from _encoders(inner, flow)
    elif isinstance(known := getattr(step, "categories_", None), list) and len(known) == len(flow.names):
        yield step, flow.names
