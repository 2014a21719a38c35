"""A model that is to be judged: the estimator, what it was fitted on, the rows it is asked of, and its answers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.capture.estimators import fit_record
from nbmlops.capture.settings import outline
from nbmlops.errors import Invalid, NotAllowed
from nbmlops.registry import loaded, measures, signature
from nbmlops.registry.measures import Answers
from nbmlops.registry.values import same_rows

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.records import ModelVersion

__all__ = ["Subject", "asked", "content_key", "must_be_fitted", "rows_for", "subject_of", "truth_of"]


@dataclass(frozen=True)
class Subject:
    """A model to be judged: the estimator, what it is called, what it was fitted on."""

    name: str
    estimator: Any
    version: ModelVersion | None
    fitted_on: Mapping[str, Any] | None

    @property
    def target(self) -> str | None:
        """The target's name, where the fit or the registered signature knows it."""
        known = (self.version.signature.get("target") if self.version else None) or (self.fitted_on or {}).get("target")
        return str(known) if known else None


def content_key(model: Any) -> str:
    """Return a hash of what a model holds; one that cannot be hashed is only equal to itself."""
    import pickle

    import joblib  # type: ignore[import-untyped]
    from blake3 import blake3

    with contextlib.suppress(pickle.PicklingError, TypeError, AttributeError, ValueError):
        return str(joblib.hash(model))  # the same for equal models; a search's masked arrays are beyond it
    with contextlib.suppress(pickle.PicklingError, TypeError, AttributeError):
        return blake3(pickle.dumps(model)).hexdigest()[:32]
    return f"object {id(model)}"


def subject_of(model: Any) -> Subject:
    """Return a model to be judged: an estimator, or a registered one by what a person types.

    Raises
    ------
    Invalid
        It is no model, or not fitted.
    """
    from nbmlops.records import ModelVersion

    if isinstance(model, (str, ModelVersion)):
        from nbmlops.registry import models

        version = models.model_version(model) if isinstance(model, str) else model
        return Subject(version.ref, models.cached(version), version, version.signature.get("fitted_on"))
    must_be_fitted(model)
    if known := loaded.version_of(model):
        return Subject(known.ref, model, known, known.signature.get("fitted_on"))
    return Subject(outline(model), model, None, fit_record(model))


def must_be_fitted(model: Any) -> None:
    """Refuse what is no model, and one that was not fitted."""
    if isinstance(model, type) or not callable(getattr(model, "predict", None)):
        what = model.__name__ if isinstance(model, type) else type(model).__name__
        raise Invalid(
            f"{what} is no fitted model: it cannot predict.", "Pass an estimator after its fit, or NAME@ALIAS."
        )
    if not hasattr(model, "fit"):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        raise Invalid(f"{outline(model)} is not fitted.", "Fit it first: model.fit(X, y).") from None
    except TypeError:
        return  # a model with fit that is no scikit-learn estimator says so when it predicts


def truth_of(rows: pd.DataFrame, target: str) -> Any:
    """Return the target's values.

    Raises
    ------
    Invalid
        No such column, no rows, or values are missing.
    """
    if target not in rows.columns:
        raise Invalid(f"No column {target!r} in this frame.", f"It has: {', '.join(map(str, rows.columns[:12]))}.")
    column = rows[target]
    if not len(column):
        raise Invalid("This frame has no rows.", "Pass rows the model has not seen.")
    if missing := int(column.isna().sum()):
        raise Invalid(
            f"The target {target!r} is missing in {missing:,} of {len(column):,} rows.",
            f"Leave them out: frame.dropna(subset=[{target!r}]).",
        )
    return np.array(column.tolist(), dtype=object) if signature.kind_of(column) == "category" else column.to_numpy()


def rows_for(subject: Subject, rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """Return the columns the model was fitted on; refuse the very rows it was fitted on."""
    if subject.version:
        features = signature.select(subject.version.signature, rows, subject.name)
    else:
        features = rows[_feature_names(subject.estimator, rows, target)]
    _refuse_seen(subject, features)
    return features


def _feature_names(model: Any, rows: pd.DataFrame, target: str) -> list[str]:
    names = [str(n) for n in getattr(model, "feature_names_in_", [c for c in rows.columns if c != target])]
    if missing := [n for n in names if n not in rows.columns]:
        raise Invalid(
            f"The model was fitted on columns that are not there: {', '.join(missing)}.", "Add them to the frame."
        )
    expected = getattr(model, "n_features_in_", len(names))
    if expected != len(names):
        raise Invalid(
            f"The model was fitted on {expected} columns without names; besides the target there are {len(names)}.",
            "Fit it on a DataFrame, so that it knows its columns.",
        )
    return names


def _refuse_seen(subject: Subject, features: pd.DataFrame) -> None:
    if same_rows(subject.fitted_on, features):
        raise NotAllowed(
            f"These are the rows {subject.name} was fitted on ({len(features):,} rows, every column the same).",
            "Evaluate on held-out rows: what judges a model never saw its training rows.",
        )


def asked(subject: Subject, features: pd.DataFrame, truth: Any) -> Answers:
    """Return what a model says of rows, BLAS and OpenMP pinned to one thread."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1):
        return measures.ask(subject.estimator, features, truth)
