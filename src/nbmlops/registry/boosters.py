"""Boosters of xgboost and lightgbm: their own formats, whose trees are checked for ways that lead nowhere.

Both libraries keep a fitted booster in a format of their own (UBJ and text), and that is what stands in the file. Their
readers check the shape of what they read, not where its trees lead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbmlops.registry.trust import Refusal

__all__ = ["lightgbm", "xgboost"]

Array = np.ndarray[Any, Any]


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
        for block in blocks:
            _lightgbm_tree(_pairs(block.partition("\n\n\n")[0]), features)
    except (KeyError, ValueError, OverflowError) as error:
        raise Refusal("a booster of lightgbm in it cannot be read") from error


def _pairs(block: str) -> dict[str, str]:
    return {key: value for key, found, value in (line.partition("=") for line in block.splitlines()) if found}


def _numbers(tree: Mapping[str, str], name: str, size: int) -> Array:
    found = np.array(tree.get(name, "").split(), dtype=np.float64)
    if len(found) != size:
        raise Refusal("a tree of lightgbm has arrays of other lengths")
    return found


def _lightgbm_tree(tree: Mapping[str, str], features: int) -> None:
    """A child at or above zero is a node behind its parent; below, a leaf."""
    leaves, sets = int(tree["num_leaves"]), int(tree.get("num_cat", "0"))
    if leaves < 1 or leaves > 10**8 or sets < 0:
        raise Refusal("a tree of lightgbm has no leaves")
    _numbers(tree, "leaf_value", leaves)
    if leaves > 1:
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
    if tree.get("is_linear", "0").strip() == "1":
        linear = np.array(tree.get("leaf_features", "").split(), dtype=np.float64)
        if (linear < 0).any() or (linear >= features).any():
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


def xgboost(booster: Any) -> None:
    """Check the trees of a booster of xgboost that was just read.

    Raises
    ------
    Refusal
        A tree leads out of itself, or asks for a feature there is not.
    """
    learner = json.loads(bytes(booster.save_raw(raw_format="json")))["learner"]
    features = int(learner["learner_model_param"]["num_feature"])
    part = learner["gradient_booster"]
    for tree in _xgboost_trees(part.get("gbtree", part)):
        _xgboost_tree({k: np.asarray(v) for k, v in tree.items() if isinstance(v, list)}, features)


def _xgboost_trees(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the trees of a booster; one of lines has none."""
    model = part.get("model", {})
    trees = model.get("trees", [])
    groups = np.asarray(model.get("tree_info", []))
    if len(groups) != len(trees) or (groups < 0).any():
        raise Refusal("a booster of xgboost in it has trees of no class")
    return list(trees)


def _xgboost_tree(tree: Mapping[str, Array], features: int) -> None:
    left, right = tree["left_children"].astype(np.int64), tree["right_children"].astype(np.int64)
    inner = left != -1
    own, count = np.arange(len(left)), len(left)
    for side in (left, right):
        if len(side) != count or ((side[inner] <= own[inner]) | (side[inner] >= count)).any():
            raise Refusal("a tree of xgboost has a child that is not behind its parent")
    asked = tree["split_indices"][inner]
    if not count or (asked < 0).any() or (asked >= features).any():
        raise Refusal("a tree of xgboost asks for no such feature")
