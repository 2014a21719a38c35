"""The version that answers: its model, what it takes, and how it is asked.

This is the seam for what comes later. A hot swap puts another :class:`Served` in the place of this one, a canary
chooses between two, a batcher hands :meth:`Served.ask` the rows of several requests; nothing else knows the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbmlops.errors import NotAllowed, UntrustedContent
from nbmlops.records import ModelVersion, plain

__all__ = ["Said", "Served", "resolve"]

TRIED = 64  # rows, drawn over the ranges that were seen


@dataclass(frozen=True)
class Said:
    """What a model said of rows, as plain values."""

    values: list[Any]
    probability: list[float | None]


@dataclass(frozen=True)
class Served:
    """One version of a model, read and ready to answer."""

    version: ModelVersion
    model: Any
    checker: Any
    private: frozenset[str]
    by_place: bool = False  # it answers the same of a bare array, which costs a third

    @property
    def columns(self) -> list[str]:
        """What the model takes, in its order."""
        return [c["name"] for c in self.version.signature["columns"]]

    @property
    def example(self) -> dict[str, Any]:
        """A row that is nobody's, from the signature."""
        found = (self.version.signature.get("example") or [{}])[0]
        columns = [_bare(c) if c["name"] in self.private else c for c in self.version.signature["columns"]]
        return {c["name"]: _example(c, None if c["name"] in self.private else found.get(c["name"])) for c in columns}

    def ask(self, columns: Mapping[str, Any]) -> Said:
        """Return what the model says of checked rows, given by column; called from one thread at a time."""
        from nbmlops.registry import measures, models

        rows = _array(columns) if self.by_place else _frame(columns)
        values, probability = models.in_short(measures.ask(self.model, rows))
        return Said(_plainly(values), [None] * len(values) if probability is None else _plainly(probability))


def resolve(ref: str) -> Served:
    """Read a version and make it ready: its file is verified, trusted, and asked once.

    Parameters
    ----------
    ref : str
        ``NAME@champion``, ``NAME@3``, or ``NAME`` for the newest.

    Raises
    ------
    NotFound
        No such model, or its file is gone.
    NotAllowed
        It is a program nobody has reviewed: a pickle, the source of a function, or a file that was changed.
    """
    from nbmlops.registry import files, inputs, kept, models

    version = models.model_version(ref)
    if version.format == files.PICKLE:
        raise NotAllowed(
            f"{version.ref} is a pickle, and a service runs no pickle.", "Register it without allow_pickle."
        )
    try:
        model = models.cached(version)
    except UntrustedContent as error:
        raise NotAllowed(error.message, error.hint) from error
    private = frozenset({*version.signature.get("private", ()), *kept.private()})
    served = Served(version, model, inputs.checker(version), private)
    return replace(served, by_place=_answers_by_place(version, model))


def _answers_by_place(version: ModelVersion, model: Any) -> bool:
    """Try whether a model says the same of an array as of a frame: it uses no column's name, and all are numbers."""
    known = version.signature["columns"]
    if any(c.get("kind") not in ("number", "boolean") for c in known):
        return False
    import numpy as np

    from nbmlops.registry import measures

    chance = np.random.default_rng(0)
    columns = {c["name"]: _drawn(c, chance) for c in known}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            by_name, by_place = (measures.ask(model, rows) for rows in (_frame(columns), _array(columns)))
        except Exception:  # whatever a model says of rows without names: it is asked with names then
            return False
    pairs = ((by_name.predicted, by_place.predicted), (by_name.probability, by_place.probability))
    return all(np.array_equal(one, other) for one, other in pairs if one is not None and other is not None)


def _drawn(column: Mapping[str, Any], chance: Any) -> Any:
    """Return values of a column, over the range that was seen where it is known."""
    if column["kind"] == "boolean":
        return chance.random(TRIED) < 0.5
    low, high = (column.get(name) for name in ("min", "max"))
    return chance.random(TRIED) if low is None or high is None else chance.uniform(float(low), float(high), TRIED)


def _frame(columns: Mapping[str, Any]) -> Any:
    import pandas as pd

    return pd.DataFrame(dict(columns))


def _array(columns: Mapping[str, Any]) -> Any:
    import numpy as np

    return np.array([np.asarray(values, dtype=float) for values in columns.values()]).T  # laid out as a frame is


def _bare(column: Mapping[str, Any]) -> dict[str, Any]:
    """Return a column without what was seen in it."""
    return {name: column[name] for name in ("name", "kind", "holds") if name in column}


def _example(column: Mapping[str, Any], value: Any) -> Any:
    if value is not None:
        return value
    known = column.get("categories") or [{"numbers": 0, "booleans": False}.get(column.get("holds") or "", "")]
    usual = {"number": column.get("min") or 0, "boolean": False, "time": column.get("min") or "2013-01-01T00:00:00"}
    return usual.get(column.get("kind") or "", known[0])


def _plainly(array: Any) -> list[Any]:
    return [None if v != v else plain(v) for v in array.tolist()]
