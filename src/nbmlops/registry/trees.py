"""Arrays that compiled code follows without looking: every index in them is checked before a model answers.

scikit-learn indexes into these arrays without a bounds check, so a file that was changed on its way could end the
process at the first prediction. Each check reads arrays only; what is wrong raises Refusal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nbmlops.registry.trust import Refusal

__all__ = ["bisecting", "forest", "hist_predictor", "neighbours_tree", "number", "sparse", "spline", "state", "tree"]

Array = np.ndarray[Any, Any]
MT19937_WORDS = 624


def _need(good: Any, what: str) -> None:
    if not good:
        raise Refusal(what)


def _children(left: Array, right: Array, inner: Array, what: str) -> None:
    """Each inner node has both children behind it: no way leads out or round."""
    own = np.arange(len(left))[inner]
    for side in (left[inner].astype(np.int64), right[inner].astype(np.int64)):
        _need((side > own).all() and (side < len(left)).all(), f"{what} has a child that is not behind its parent")


def tree(found: Any) -> None:
    """A tree of scikit-learn: children, features and depth."""
    _need(1 <= found.node_count == found.capacity, "a tree counts nodes it does not have")
    left, right, feature = found.children_left, found.children_right, found.feature
    inner = left != -1
    _need(((right != -1) == inner).all(), "a tree has a node with one child")
    _children(left, right, inner, "a tree")
    _need((feature[inner] >= 0).all() and (feature[inner] < found.n_features).all(), "a tree asks for no such feature")
    deepest = int(found.compute_node_depths().max()) - 1
    _need(deepest <= found.max_depth <= found.node_count, "a tree is deeper than it says")


def hist_predictor(found: Any) -> None:
    """A tree of histogram gradient boosting: children and the sets of categories."""
    nodes = found.nodes
    _need(nodes.ndim == 1 and len(nodes) and nodes.dtype.names, "a boosted tree has no nodes")
    inner = nodes["is_leaf"] == 0
    _children(nodes["left"], nodes["right"], inner, "a boosted tree")
    for sets in (found.raw_left_cat_bitsets, found.binned_left_cat_bitsets):
        _need(sets.ndim == 2 and sets.shape[1] == 8 and sets.dtype == np.uint32, "a boosted tree has odd categories")
        chosen = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
        _need((chosen < len(sets)).all(), "a boosted tree asks for no such categories")


def hist_features(predictors: list[Any], categorical: Array | None, features: int) -> None:
    """Trees of histogram gradient boosting ask for features there are, by category only where they are categories."""
    for found in predictors:
        inner = found.nodes["is_leaf"] == 0
        asked = found.nodes["feature_idx"][inner].astype(np.int64)
        _need((asked >= 0).all() and (asked < features).all(), "a boosted tree asks for no such feature")
        by_set = asked[found.nodes["is_categorical"][inner] != 0]
        known = np.zeros(features, bool) if categorical is None else np.asarray(categorical, bool)
        _need(known.shape == (features,) and known[by_set].all(), "a boosted tree takes a number for a category")


def neighbours_tree(found: Any) -> None:
    """A k-d or ball tree: rows, nodes and bounds."""
    data, order, nodes, bounds, leaf_size, levels, n_nodes, *_, metric, weights = found.__getstate__()
    rows, columns = data.shape
    good = rows and leaf_size >= 1 and order.shape == (rows,) and (order >= 0).all() and (order < rows).all()
    _need(good, "a tree of neighbours points to no such row")
    good = n_nodes == len(nodes) == 2**levels - 1 and bounds.shape[1:] == (n_nodes, columns)
    _need(
        good and bounds.shape[0] == (2 if "kd_tree" in type(found).__module__ else 1),
        "a tree of neighbours has odd nodes",
    )
    start, end, leaf = (nodes[k].astype(np.int64) for k in ("idx_start", "idx_end", "is_leaf"))
    _need((start >= 0).all() and (start <= end).all() and (end <= rows).all(), "a tree of neighbours has odd nodes")
    inner = np.arange(n_nodes)[leaf == 0]
    _need((2 * inner + 2 < n_nodes).all(), "a tree of neighbours has a node without children")
    _need(weights is None or np.shape(weights) == (rows,), "a tree of neighbours has odd weights")
    _metric(metric, columns)


def _metric(metric: Any, columns: int) -> None:
    """The vector or matrix of a distance is as wide as the rows."""
    name, (_, vector, matrix, *_) = type(metric).__name__, metric.__getstate__()
    wide = {"SEuclidean": (columns,), "Minkowski": (0, columns), "Mahalanobis": (columns,), "Haversine": (2,)}
    sizes = next((v for k, v in wide.items() if name.startswith(k)), None)
    if sizes is None:
        return
    said = (
        np.shape(matrix)
        if name.startswith("Mahalanobis")
        else (columns,)
        if name.startswith("Hav")
        else np.shape(vector)
    )
    _need(said[0] in sizes and len(set(said)) == 1, "a distance in it is of other columns")


def forest(estimators: Any, features: int, chosen: list[Any] | None = None) -> None:
    """Every tree of an ensemble asks for the columns it is handed, which compiled code does not look at."""
    for place, estimator in enumerate(estimators):
        handed = features if chosen is None else len(chosen[place])
        _need(_width(estimator) == handed, "an ensemble has trees of other columns")


def _width(estimator: Any) -> int:
    found = vars(estimator).get("tree_") if hasattr(estimator, "__dict__") else None
    return int(found.n_features) if found is not None and hasattr(found, "n_features") else -1


def bisecting(node: Any, features: int) -> None:
    """A tree of clusters: two children or none, centres as wide as the rows."""
    waiting = [node]
    while waiting:
        at = vars(waiting.pop())
        _need(np.shape(at.get("center")) == (features,), "a tree of clusters has odd centres")
        children = [at[k] for k in ("left", "right") if at.get(k) is not None]
        _need(len(children) in (0, 2), "a tree of clusters has a node with one child")
        waiting += children


def spline(found: Any) -> None:
    """A spline: as many coefficients as its knots ask for."""
    at = vars(found)
    knots, values = (np.asarray(at[k] if k in at else at[f"_{k}"]) for k in "tc")  # SciPy renamed them in 1.17
    degree = at["k"]
    _need(isinstance(degree, (int, np.integer)) and 0 <= degree < 100 and knots.ndim == 1, "a spline has no degree")
    count = len(knots) - degree - 1
    good = count >= degree + 1 and np.isfinite(knots).all() and (np.diff(knots) >= 0).all()
    _need(good and values.ndim and values.shape[0] >= count, "a spline has odd knots")


def sparse(found: Any) -> None:
    """A sparse matrix: every index inside its shape."""
    try:
        found.check_format(full_check=True)
    except (ValueError, TypeError) as error:
        raise Refusal("a sparse matrix in it points outside its shape") from error


def state(found: Any) -> None:
    """A random state: its position inside its words."""
    said = found.get_state(legacy=False)["state"]
    good = len(said["key"]) == MT19937_WORDS and 0 <= int(said["pos"]) <= MT19937_WORDS
    _need(good, "a random state in it is out of range")


def number(values: Any, size: int) -> bool:
    """Return whether whole numbers index into something of a size."""
    found = np.asarray(values)
    return bool(found.dtype.kind in "iu" and (found.size == 0 or (found.min() >= 0 and found.max() < size)))
