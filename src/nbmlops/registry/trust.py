"""Which types may stand in a model's file, each in the part it may play, and why.

The list is data (``reviewed.toml``), read in the source of scikit-learn for the minor versions it names. What skops
itself trusts (scikit-learn's estimators, numpy's and scipy's element-wise functions, plain containers) is not repeated.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from nbmlops.errors import tell

__all__ = ["PARTS", "Refusal", "listed", "note_version", "reviewed", "why"]

# The loaders of skops that may be used, and the part of the list each takes its types from. What is not here (partial
# functions, bound methods, operators, constructors called with anything) is never built.
PARTS: Mapping[str, str] = {
    "BytearrayNode": "plain",
    "BytesNode": "plain",
    "DTypeNode": "arrays",
    "DefaultDictNode": "containers",
    "DictNode": "containers",
    "FunctionNode": "functions",
    "JsonNode": "plain",
    "ListNode": "plain",
    "LossNode": "losses",
    "MaskedArrayNode": "plain",
    "NdArrayNode": "plain",
    "ObjectNode": "data",
    "RandomGeneratorNode": "plain",
    "RandomStateNode": "plain",
    "SetNode": "plain",
    "SliceNode": "plain",
    "SparseMatrixNode": "arrays",
    "TreeNode": "trees",
    "TupleNode": "containers",
    "TypeNode": "classes",
}
# What skops may go on to judge by its own list, by part: a type of another part is refused even where skops trusts it.
LEFT_TO_SKOPS: Mapping[str, tuple[str, ...]] = {
    "plain": ("builtins.", "numpy."),
    "arrays": (),
    "containers": ("builtins.",),
    "functions": ("numpy.", "scipy."),
    "losses": (),
    "data": ("sklearn.",),
    "trees": (),
    "classes": ("builtins.", "numpy."),
}
WHY: Mapping[str, str] = {
    "plain": "a plain value",
    "arrays": "an array, its indices checked",
    "containers": "a container",
    "functions": "a reviewed function of arrays",
    "losses": "a reviewed loss, built from numbers",
    "data": "reviewed: it keeps its attributes and runs nothing when it is built",
    "trees": "a tree whose nodes are checked",
    "classes": "a class that is only named",
}
WHY_NOT: Mapping[str, str] = {
    "ConstructorFromReduceNode": "calls a class with what the file says",
    "MethodNode": "a method bound to an object, which can call anything the object can",
    "OperatorFuncNode": "reads or calls anything by name",
    "PartialNode": "a function with arguments hidden in it",
}


class Refusal(Exception):
    """A file holds, or is, something that is not built; the message is a clause without a full stop."""


@lru_cache(maxsize=1)
def listed() -> Mapping[str, Any]:
    """Return the reviewed list: part to set of names, and the versions it was reviewed for."""
    content = tomllib.loads(files("nbmlops.registry").joinpath("reviewed.toml").read_text(encoding="utf-8"))
    return {part: frozenset(names) for part, names in content.items()}


@lru_cache(maxsize=1)
def _everything() -> frozenset[str]:
    return frozenset().union(*(names for part, names in listed().items() if part in WHY))


def reviewed(types: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split type names into (reviewed, not reviewed).

    Examples
    --------
    >>> reviewed(["sklearn.tree._tree.Tree", "os.system"])
    (['sklearn.tree._tree.Tree'], ['os.system'])
    """
    names = sorted(set(types))
    return [n for n in names if n in _everything()], [n for n in names if n not in _everything()]


def why(loader: str, name: str) -> tuple[bool, str]:
    """Return whether a type may stand in a file in the part a loader gives it, and why.

    Examples
    --------
    >>> why("ObjectNode", "sklearn.tree._tree.Tree")
    (False, 'reviewed as another part: trees')
    >>> why("PartialNode", "functools.partial")
    (False, 'a function with arguments hidden in it')
    """
    part = PARTS.get(loader)
    if part is None:
        return False, WHY_NOT.get(loader, f"{loader}: a way of building nobody has reviewed")
    if name in listed().get(part, ()):
        return True, WHY[part]
    if name in _everything() and part != "plain":
        others = [p for p in WHY if name in listed().get(p, ())]
        return False, f"reviewed as another part: {', '.join(others)}"
    if name.startswith(LEFT_TO_SKOPS[part]):
        return True, "an estimator of scikit-learn" if part == "data" else WHY[part]
    return False, "nobody has reviewed it"


@lru_cache(maxsize=1)
def note_version() -> None:
    """Say once when scikit-learn is newer than what the list was reviewed for."""
    import sklearn

    minor = ".".join(sklearn.__version__.split(".")[:2])
    newest = max(listed()["scikit-learn"], key=_number)
    if _number(minor) > _number(newest):
        tell(
            f"the types of scikit-learn {minor} are not reviewed yet: the list of {newest} is used, others are refused"
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
