"""The class a model names, taken from the probabilities it gave already: asking it twice takes twice as long."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["chosen"]

NEAR = 1e-6  # two classes as likely as that: which one it names is rounding, so it is asked
LIKELIEST = (  # whose predict names the class their predict_proba finds likeliest; others have a rule of their own
    *("HistGradientBoostingClassifier", "GradientBoostingClassifier", "RandomForestClassifier", "ExtraTreesClassifier"),
    *("DecisionTreeClassifier", "ExtraTreeClassifier", "LogisticRegression", "LogisticRegressionCV", "GaussianNB"),
    *("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis", "MLPClassifier"),
)


def chosen(model: Any, features: Any, probability: NDArray[Any]) -> NDArray[Any]:
    """Return what ``model.predict`` says of rows whose probabilities are known.

    Parameters
    ----------
    model : object
        With ``predict`` and ``predict_proba``.
    features : DataFrame or array of shape (n, columns)
    probability : array of shape (n, classes)
    """
    classes = np.asarray(getattr(model, "classes_", ()))
    if not _names_the_likeliest(model) or probability.ndim != 2 or classes.shape != probability.shape[1:]:
        return np.asarray(model.predict(features))
    found: NDArray[Any] = classes[probability.argmax(axis=1)]
    if near := _near(probability).tolist():
        found[near] = model.predict(features.iloc[near] if hasattr(features, "iloc") else features[near])
    return found


def _names_the_likeliest(model: Any) -> bool:
    kind = type(model)
    if kind.__name__ == "Pipeline" and kind.__module__ == "sklearn.pipeline":
        return _names_the_likeliest(model.steps[-1][1])
    return kind.__module__.startswith("sklearn.") and kind.__name__ in LIKELIEST


def _near(probability: NDArray[Any]) -> NDArray[np.intp]:
    """Return the rows in which two classes are the likeliest, and those that have none."""
    if probability.shape[1] < 2:
        return np.empty(0, dtype=np.intp)
    top = probability if probability.shape[1] == 2 else np.partition(probability, -2, axis=1)[:, -2:]
    return np.flatnonzero(~(np.abs(top[:, 1] - top[:, 0]) > NEAR))
