"""The version that answers: its model, what it takes, and how it is asked.

This is the seam for what comes later. A hot swap puts another :class:`Served` in the place of this one, a canary
chooses between two, a batcher hands :meth:`Served.ask` the rows of several requests; nothing else knows the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.errors import NotAllowed, UntrustedContent
from nbmlops.records import ModelVersion, plain

__all__ = ["Said", "Served", "resolve"]


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

    @property
    def columns(self) -> list[str]:
        """What the model takes, in its order."""
        return [c["name"] for c in self.version.signature["columns"]]

    @property
    def example(self) -> dict[str, Any]:
        """A row that is nobody's, from the signature."""
        found = (self.version.signature.get("example") or [{}])[0]
        return {c["name"]: _example(c, found.get(c["name"])) for c in self.version.signature["columns"]}

    def ask(self, frame: Any) -> Said:
        """Return what the model says of checked rows; called from one thread at a time."""
        from nbmlops.registry import measures, models

        values, probability = models.in_short(measures.ask(self.model, frame))
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
    return Served(version, model, inputs.checker(version), frozenset(kept.private()))


def _example(column: Mapping[str, Any], value: Any) -> Any:
    if value is not None:
        return value
    known = column.get("categories") or [""]
    usual = {"number": column.get("min") or 0, "boolean": False, "time": column.get("min") or "2013-01-01T00:00:00"}
    return usual.get(column.get("kind") or "", known[0])


def _plainly(array: Any) -> list[Any]:
    return [None if v != v else plain(v) for v in array.tolist()]
