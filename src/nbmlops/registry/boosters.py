"""Boosters of xgboost and lightgbm: their own formats, whose trees are checked for ways that lead nowhere.

Both libraries keep a fitted booster in a format of their own (UBJ and text), and that is what stands in the file. Their
readers check the shape of what they read, not where its trees lead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbmlops.registry.trust import Refusal

__all__ = ["lightgbm", "xgboost"]

Array = np.ndarray[Any, Any]
MOST_CLASSES = 100_000
ROOTS = (2**31 - 1, -1)  # what xgboost calls the parent of a root


def lightgbm(text: str) -> None:
    """Check the trees of a lightgbm model's text before its reader sees it.

    Raises
    ------
    Refusal
        A tree leads out of itself, asks for a feature there is not, or has no such arrays.
    """
    if not text.startswith("tree\n"):
        raise Refusal("a booster of lightgbm in it is none")
    head, *blocks = text.split("\nTree=")
    said = _pairs(head)
    try:
        features, classes = int(said["max_feature_idx"]) + 1, int(said["num_tree_per_iteration"])
        if not (0 < features < 2**31 and 0 < classes < 2**31 and len(blocks) % classes == 0):
            raise Refusal("a booster of lightgbm in it has trees of no class")
        if not 0 < int(said["num_class"]) <= MOST_CLASSES:
            raise Refusal("a booster of lightgbm in it answers for no such classes")
        if any(len(said[k].split(" ")) != features for k in ("feature_names", "feature_infos")):
            raise Refusal("a booster of lightgbm in it has features without names")
        _lightgbm_places(text.encode("utf-8"), [int(size) for size in said["tree_sizes"].split()], len(blocks))
        for block in blocks:
            _lightgbm_tree(_pairs(block.partition("\n\n\n")[0]), features)
    except (KeyError, ValueError, OverflowError) as error:
        raise Refusal("a booster of lightgbm in it cannot be read") from error


def _lightgbm_places(data: bytes, sizes: list[int], count: int) -> None:
    """Every tree begins where the sizes say: the reader jumps there."""
    at = data.find(b"\nTree=0\n") + 1
    if len(sizes) != count:
        raise Refusal("a booster of lightgbm in it has trees where none are")
    for place, size in enumerate(sizes):
        if size <= 0 or not data.startswith(b"Tree=%d\n" % place, at):
            raise Refusal("a booster of lightgbm in it has trees where none are")
        at += size


def _pairs(block: str) -> dict[str, str]:
    return {key: value for key, found, value in (line.partition("=") for line in block.splitlines()) if found}


def _numbers(tree: Mapping[str, str], name: str, size: int) -> Array:
    found = tree[name].strip(" ").split(" ") if size else []
    if len(found) != size:
        raise Refusal("a tree of lightgbm has arrays of other lengths")
    return np.array(found, dtype=np.float64)


def _lightgbm_tree(tree: Mapping[str, str], features: int) -> None:
    """A child at or above zero is a node behind its parent; below, a leaf."""
    leaves, sets = int(tree["num_leaves"]), int(tree["num_cat"])
    if leaves < 1 or leaves > 10**8 or sets < 0:
        raise Refusal("a tree of lightgbm has no leaves")
    _numbers(tree, "leaf_value", leaves)
    float(tree["shrinkage"])
    if leaves > 1:
        for name in ("leaf_weight", "leaf_count"):
            _numbers(tree, name, leaves)
        for name in ("split_gain", "internal_value", "internal_weight", "internal_count"):
            _numbers(tree, name, leaves - 1)
        for side in ("left_child", "right_child"):
            child = _numbers(tree, side, leaves - 1)
            inner = child >= 0
            good = (child[inner] > np.arange(leaves - 1)[inner]).all() and (child < leaves - 1).all()
            if not good or (child < -leaves).any():
                raise Refusal("a tree of lightgbm has a child that is not behind its parent")
        asked = _numbers(tree, "split_feature", leaves - 1)
        if (asked < 0).any() or (asked >= features).any():
            raise Refusal("a tree of lightgbm asks for no such feature")
        _lightgbm_sets(tree, leaves, sets)
    if int(tree["is_linear"]):
        _lightgbm_lines(tree, leaves, features)


def _lightgbm_lines(tree: Mapping[str, str], leaves: int, features: int) -> None:
    """The lines in leaves: as many features and coefficients as each leaf says."""
    _numbers(tree, "leaf_const", leaves)
    counts = _numbers(tree, "num_features", leaves)
    asked, weights = (np.array(tree[k].split(), dtype=np.float64) for k in ("leaf_features", "leaf_coeff"))
    if (counts < 0).any() or not counts.sum() == len(asked) == len(weights):
        raise Refusal("a tree of lightgbm has arrays of other lengths")
    if (asked < 0).any() or (asked >= features).any():
        raise Refusal("a tree of lightgbm asks for no such feature")


def _lightgbm_sets(tree: Mapping[str, str], leaves: int, sets: int) -> None:
    by_set = _numbers(tree, "decision_type", leaves - 1).astype(np.int64) & 1 == 1
    chosen = _numbers(tree, "threshold", leaves - 1)[by_set]
    if (chosen < 0).any() or (chosen >= sets).any():
        raise Refusal("a tree of lightgbm asks for no such categories")
    if sets:
        bounds = _numbers(tree, "cat_boundaries", sets + 1)
        words = len(tree.get("cat_threshold", "").split())
        if bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] != words:
            raise Refusal("a tree of lightgbm has odd categories")


def xgboost(data: bytes) -> None:
    """Check the UBJ of a booster of xgboost before its reader sees it.

    Raises
    ------
    Refusal
        It is malformed, a tree leads out of itself, or asks for a feature there is not.
    """
    content = _Ubj(data).whole()
    try:
        learner = content.get("Model", content)["learner"]
        features = int(learner["learner_model_param"]["num_feature"])
        part = learner["gradient_booster"]
        groups = max(1, *(int(learner["learner_model_param"][k]) for k in ("num_class", "num_target")))
        for tree in _xgboost_trees(part.get("gbtree", part), groups):
            _xgboost_tree(tree, features)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refusal("a booster of xgboost in it cannot be read") from error


class _Ubj:
    """A reader of Universal Binary JSON that believes no length."""

    KINDS: Mapping[bytes, str] = {
        b"i": ">i1",
        b"U": ">u1",
        b"I": ">i2",
        b"l": ">i4",
        b"L": ">i8",
        b"d": ">f4",
        b"D": ">f8",
    }
    PLAIN: Mapping[bytes, Any] = {b"T": True, b"F": False, b"Z": None}
    MAX_DEPTH = 64

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def whole(self) -> dict[str, Any]:
        """Return the one object the bytes are."""
        found = self._value(self._take(1), 0)
        if not isinstance(found, dict) or self.at != len(self.data):
            raise Refusal("a booster of xgboost in it is malformed")
        return found

    def _take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise Refusal("a booster of xgboost in it is malformed")
        self.at += size
        return self.data[self.at - size : self.at]

    def _number(self, kind: bytes) -> Any:
        name = self.KINDS.get(kind)
        if name is None:
            raise Refusal("a booster of xgboost in it is malformed")
        return np.frombuffer(self._take(int(name[2])), name)[0].item()

    def _length(self) -> int:
        kind = self._take(1)
        if kind not in (b"i", b"U", b"I", b"l", b"L"):
            raise Refusal("a booster of xgboost in it is malformed")
        return int(self._number(kind))

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8", errors="replace")

    def _value(self, kind: bytes, depth: int) -> Any:
        if depth > self.MAX_DEPTH:
            raise Refusal("a booster of xgboost in it is nested too deep")
        if kind == b"{":
            return self._object(depth)
        if kind == b"[":
            return self._array(depth)
        if kind in self.PLAIN:
            return self.PLAIN[kind]
        return self._text() if kind == b"S" else self._number(kind)

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.data[self.at : self.at + 1] != b"}":
            name = self._text()
            if name in found:
                raise Refusal("a booster of xgboost in it is malformed")
            found[name] = self._value(self._take(1), depth + 1)
        self.at += 1
        return found

    def _array(self, depth: int) -> Any:
        start = self.data[self.at : self.at + 1]
        if start == b"$":
            self.at += 1
            name = self.KINDS.get(self._take(1), "")
            if not name or self._take(1) != b"#":
                raise Refusal("a booster of xgboost in it is malformed")
            return np.frombuffer(self._take(self._length() * int(name[2])), name)
        if start == b"#":
            self.at += 1
            return [self._value(self._take(1), depth + 1) for _ in range(self._length())]
        found = []
        while self.data[self.at : self.at + 1] != b"]":
            found.append(self._value(self._take(1), depth + 1))
        self.at += 1
        return found


def _xgboost_trees(part: Mapping[str, Any], groups: int) -> list[Mapping[str, Any]]:
    """Return the trees of a booster; one of lines has none."""
    model = part.get("model", {})
    trees = model.get("trees", [])
    group, ends = np.asarray(model.get("tree_info", [])), np.asarray(model.get("iteration_indptr", [0, len(trees)]))
    good = len(group) == len(trees) and ((group >= 0) & (group < groups)).all() and len(ends)
    if not good or ends[0] != 0 or ends[-1] != len(trees) or (np.diff(ends) < 0).any():
        raise Refusal("a booster of xgboost in it has trees of no class")
    if trees and int(model["gbtree_model_param"]["num_trees"]) != len(trees):
        raise Refusal("a booster of xgboost in it has trees of no class")
    return list(trees)


def _xgboost_tree(tree: Mapping[str, Any], features: int) -> None:
    left, right = (np.asarray(tree[k]).astype(np.int64) for k in ("left_children", "right_children"))
    inner, own, count = left != -1, np.arange(len(left)), len(left)
    alike = ("right_children", "split_indices", "split_conditions", "parents", "default_left", "split_type")
    said = tree["tree_param"]
    if not count or int(said["num_nodes"]) != count or any(len(tree[name]) != count for name in alike):
        raise Refusal("a tree of xgboost has arrays of other lengths")
    parents = np.asarray(tree["parents"]).astype(np.int64)
    for side in (left, right):
        if ((side[inner] <= own[inner]) | (side[inner] >= count)).any():
            raise Refusal("a tree of xgboost has a child that is not behind its parent")
        if (parents[side[inner]] != own[inner]).any():
            raise Refusal("a tree of xgboost has a child of another parent")
    if parents[0] not in ROOTS or ((parents < 0) | (parents >= own))[1:].any():  # pruned nodes have one too
        raise Refusal("a tree of xgboost has a child of another parent")
    asked = np.asarray(tree["split_indices"]).astype(np.int64)[inner]
    if (asked < 0).any() or (asked >= features).any() or int(said["num_feature"]) > features:
        raise Refusal("a tree of xgboost asks for no such feature")
    _xgboost_leaves(tree, right[~inner], count)
    _xgboost_sets(tree, count)


def _xgboost_leaves(tree: Mapping[str, Any], right: Array, count: int) -> None:
    """A leaf of several answers says in place of its right child which; of one it has none."""
    width = int(tree["tree_param"]["size_leaf_vector"])
    if width <= 1:
        good = (right == -1).all()
    else:
        said = len(tree.get("leaf_weights", [0] * count * width))
        good = len(tree["base_weights"]) == count * width and said % width == 0
        good = good and ((right >= -1) & (right < said // width)).all()
    if not good:
        raise Refusal("a tree of xgboost has odd leaves")


def _xgboost_sets(tree: Mapping[str, Any], count: int) -> None:
    """Categories are runs of one array, each of a node that asks for them."""
    whole = len(tree["categories"])
    nodes, starts, sizes = (
        np.asarray(tree[f"categories_{k}"]).astype(np.int64) for k in ("nodes", "segments", "sizes")
    )
    by_set = np.flatnonzero(np.asarray(tree["split_type"]) != 0)
    good = len(nodes) == len(starts) == len(sizes) and ((nodes >= 0) & (nodes < count)).all()
    inside = good and ((starts >= 0) & (sizes >= 0) & (sizes <= whole) & (starts <= whole - sizes)).all()
    if not inside or not set(by_set.tolist()) <= set(nodes.tolist()) or (np.asarray(tree["categories"]) < 0).any():
        raise Refusal("a tree of xgboost has odd categories")
