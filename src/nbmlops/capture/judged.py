"""Which data a cell judged a model by, read from its source: what stands in ``predict(X)`` and ``score(X, y)``."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.capture.data import is_data

__all__ = ["Judged", "judged"]

PREDICTS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
MOST_BYTES = 100_000_000  # a part of something larger is not taken


@dataclass(frozen=True)
class Judged:
    """Data a model predicted or was scored on."""

    name: str
    features: Any
    target: Any = None


def judged(python: str, namespace: Mapping[str, Any]) -> list[Judged]:
    """Return what a cell's models were judged by, as far as the source says it in plain words.

    Parameters
    ----------
    python : str
        The cell as Python.
    namespace : mapping
        The user's variables. Only tables and arrays are looked into: no code of the user's runs.

    Examples
    --------
    >>> import numpy as np
    >>> names = {"X": np.zeros((3, 2)), "y": np.zeros(3)}
    >>> [(j.name, j.target is names["y"]) for j in judged("model.score(X, y)", names)]
    [('X', True)]
    """
    try:
        tree = ast.parse(python)
    except (SyntaxError, ValueError):
        return []
    found: dict[str, Judged] = {}
    for features, target in _pairs(tree):
        value = _value(features, namespace)
        if value is not None and is_data(value):
            name = ast.unparse(features)
            known = found.get(name)
            goal = _value(target, namespace) if target is not None else None
            found[name] = Judged(name, value, goal if goal is not None else known.target if known else None)
    return list(found.values())


def _pairs(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Yield the expressions of features, and of the target where it stands beside."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if _method(node) == "score" and node.args:
            yield node.args[0], node.args[1] if len(node.args) > 1 else None
        elif _method(node) in PREDICTS and node.args:
            yield node.args[0], None
        else:
            inner = [n for arg in node.args[1:] for n in ast.walk(arg) if isinstance(n, ast.Call)]
            yield from ((n.args[0], node.args[0]) for n in inner if _method(n) in PREDICTS and n.args)


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _value(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """Return what a name, or a column or a slice of a table or array, stands for; None for anything else."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id)
    if not isinstance(node, (ast.Attribute, ast.Subscript)):
        return None
    base = _value(node.value, namespace)
    if base is None or not is_data(base) or _size(base) > MOST_BYTES:
        return None
    try:
        if isinstance(node, ast.Attribute):
            return base[node.attr] if node.attr in getattr(base, "columns", ()) else None
        return base[_key(node.slice, namespace)]
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _key(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name) and isinstance(namespace.get(node.id), (str, int, list)):
        return namespace[node.id]
    if isinstance(node, ast.Slice):
        parts = (node.lower, node.upper, node.step)
        return slice(*(None if part is None else _key(part, namespace) for part in parts))
    return ast.literal_eval(node)


def _size(value: Any) -> int:
    return 8 * math.prod(getattr(value, "shape", (len(value),)))
