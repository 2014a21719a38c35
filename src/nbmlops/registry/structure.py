"""A model that was just built, walked once: what compiled code would follow blindly is checked where it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from nbmlops.registry import trees
from nbmlops.registry.trust import Refusal

__all__ = ["check"]


def check(model: Any) -> None:
    """Check every array in a model that is followed without bounds checks.

    Raises
    ------
    Refusal
        One points outside what it indexes, so asking the model could end the process.
    """
    found = [(thing, checks) for thing in _inside(model) if (checks := _checks(thing.__class__))]
    for thing, checks in sorted(found, key=lambda f: f[1][0][0]):  # arrays first, then those that ask them
        for _, judge in checks:
            try:
                judge(thing)
            except Refusal:
                raise
            except Exception as error:  # an array of another kind, or none at all
                raise Refusal(f"a {type(thing).__name__} in it is not as it was written") from error


def _inside(model: Any) -> Iterator[Any]:
    """Yield every object of a model once."""
    seen: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        thing = waiting.pop()
        if thing.__class__ in LEAVES or id(thing) in seen:
            continue
        seen[id(thing)] = thing
        yield thing
        waiting += _held(thing)


LEAVES = (str, int, float, bool, type(None), bytes, bytearray, np.float64, np.int64, type)


def _held(thing: Any) -> Any:
    if isinstance(thing, np.ndarray):
        return thing.ravel().tolist() if thing.dtype == object else ()
    if isinstance(thing, dict):
        return list(thing.values()) + (list(vars(thing).values()) if hasattr(thing, "__dict__") else [])
    if isinstance(thing, (list, tuple, set, frozenset)):
        return thing
    if isinstance(thing, type) or (callable(thing) and not hasattr(thing, "get_params")):
        return ()
    return list(vars(thing).values()) if hasattr(thing, "__dict__") else ()


@lru_cache(maxsize=1024)
def _checks(kind: Any) -> tuple[tuple[int, Callable[[Any], None]], ...]:
    return tuple(CHECKS[name] for c in kind.__mro__ if (name := f"{c.__module__}.{c.__qualname__}") in CHECKS)


def _need(good: Any, what: str) -> None:
    if not good:
        raise Refusal(what)


def _decision_tree(model: Any) -> None:
    at = vars(model)
    if "tree_" in at:
        trees.forest([model], at["n_features_in_"])


def _forest(model: Any) -> None:
    at = vars(model)
    if "estimators_" in at:
        trees.forest(at["estimators_"], at["n_features_in_"])


def _isolation_forest(model: Any) -> None:
    at = vars(model)
    if "estimators_" not in at:
        return
    features = at["n_features_in_"]
    chosen = at["estimators_features_"]
    if at["_max_features"] == features:
        _need(all(len(c) == features for c in chosen), "an ensemble has trees of other columns")
    _need(all(trees.number(c, features) for c in chosen), "an ensemble asks for no such column")
    trees.forest(at["estimators_"], features, chosen)


def _gradient_boosting(model: Any) -> None:
    """Compiled code writes one column a class: there are as many as the first guess has."""
    at = vars(model)
    if "estimators_" not in at:
        return
    stages = at["estimators_"]
    _need(isinstance(stages, np.ndarray) and stages.ndim == 2 and stages.shape[1] >= 1, "boosting has no stages")
    trees.forest(stages.ravel(), at["n_features_in_"])
    first = model._raw_predict_init(np.zeros((1, at["n_features_in_"]), np.float32))
    _need(first.shape == (1, stages.shape[1]) and first.dtype == np.float64, "boosting has stages for no such class")


def _hist_gradient_boosting(model: Any) -> None:
    at = vars(model)
    if "_predictors" not in at:
        return
    mapper, features = vars(at["_bin_mapper"]), at["_n_features"]
    categorical = mapper.get("is_categorical_")
    _need(len(mapper["bin_thresholds_"]) == features, "boosting has bins of other columns")
    trees.hist_features([p for stage in at["_predictors"] for p in stage], categorical, features)


def _neighbours(model: Any) -> None:
    at = vars(model)
    rows = at.get("_fit_X")
    if rows is None or not hasattr(rows, "shape"):
        return
    _need(
        len(rows.shape) == 2 and at.get("n_samples_fit_", rows.shape[0]) == rows.shape[0], "neighbours are miscounted"
    )
    if at.get("effective_metric_") != "precomputed":
        _need(rows.shape[1] == at["n_features_in_"], "neighbours have other columns")
    truth = at.get("_y")
    if truth is not None:
        _need(len(truth) == rows.shape[0], "neighbours have no answer")
    if truth is not None and "classes_" in at and np.ndim(truth) == 1:
        _need(trees.number(truth, len(at["classes_"])), "neighbours are of no such class")


def _libsvm(model: Any) -> None:
    at = vars(model)
    if "support_vectors_" not in at:
        return
    total, of_classes = len(at["support_"]), "classes_" in at
    classes = len(at["classes_"]) if of_classes else 2
    if at["kernel"] != "precomputed" and not callable(at["kernel"]):
        _need(at["support_vectors_"].shape == (total, at["n_features_in_"]), "support vectors have other columns")
    counts, pairs = at["_n_support"], classes * (classes - 1) // 2
    good = len(counts) == classes and (counts >= 0).all() and (counts.sum() if of_classes else counts.max()) == total
    _need(good, "support vectors are miscounted")
    good = at["_dual_coef_"].shape == (classes - 1, total) and len(at["_intercept_"]) == pairs
    _need(good and all(len(at[k]) in (0, 1, pairs) for k in ("_probA", "_probB")), "support vectors have odd weights")


def _k_means(model: Any) -> None:
    at = vars(model)
    if "cluster_centers_" in at:
        centres = at["cluster_centers_"]
        _need(centres.ndim == 2 and centres.shape[1] == at["n_features_in_"], "clusters have other columns")
    if "_bisecting_tree" in at:
        trees.bisecting(at["_bisecting_tree"], at["n_features_in_"])


def _agglomeration(model: Any) -> None:
    """Columns are counted by their label, up to the largest."""
    at = vars(model)
    if "labels_" in at:
        _need(trees.number(at["labels_"], len(at["labels_"])), "features are of no such cluster")


def _vocabulary(model: Any) -> None:
    known = vars(model).get("vocabulary_")
    if known is not None:
        good = sorted(known.values()) == list(range(len(known)))
        _need(good, "a vocabulary points to no such column")


# Arrays are 0, what asks them 1, what is asked for an answer 2.
CHECKS: dict[str, tuple[int, Callable[[Any], None]]] = {
    "sklearn.tree._tree.Tree": (0, trees.tree),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": (0, trees.hist_predictor),
    "sklearn.neighbors._kd_tree.BinaryTree64": (0, trees.neighbours_tree),
    "sklearn.neighbors._kd_tree.BinaryTree32": (0, trees.neighbours_tree),
    "sklearn.neighbors._kd_tree.BinaryTree": (0, trees.neighbours_tree),
    "sklearn.neighbors._ball_tree.BinaryTree64": (0, trees.neighbours_tree),
    "sklearn.neighbors._ball_tree.BinaryTree32": (0, trees.neighbours_tree),
    "sklearn.neighbors._ball_tree.BinaryTree": (0, trees.neighbours_tree),
    "scipy.interpolate._bsplines.BSpline": (0, trees.spline),
    "scipy.sparse._compressed._cs_matrix": (0, trees.sparse),
    "numpy.random.mtrand.RandomState": (0, trees.state),
    "sklearn.tree._classes.BaseDecisionTree": (1, _decision_tree),
    "sklearn.ensemble._forest.BaseForest": (1, _forest),
    "sklearn.ensemble._iforest.IsolationForest": (1, _isolation_forest),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting": (1, _hist_gradient_boosting),
    "sklearn.neighbors._base.NeighborsBase": (1, _neighbours),
    "sklearn.svm._base.BaseLibSVM": (1, _libsvm),
    "sklearn.cluster._kmeans._BaseKMeans": (1, _k_means),
    "sklearn.cluster._agglomerative.FeatureAgglomeration": (1, _agglomeration),
    "sklearn.feature_extraction.text._VectorizerMixin": (1, _vocabulary),
    "sklearn.feature_extraction._dict_vectorizer.DictVectorizer": (1, _vocabulary),
    "sklearn.ensemble._gb.BaseGradientBoosting": (2, _gradient_boosting),
}
