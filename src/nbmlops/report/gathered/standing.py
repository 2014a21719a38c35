"""Versions as facts of a report: each with the evaluation that stands for it, where that is a later one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.registry.judged import of_version

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["described"]


def described(versions: Iterable[ModelVersion], results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return versions as plain JSON, ``stands`` the id of the result that took the place of the ``evaluation``.

    It is decided here, where the rows that were judged can still be read: a page is drawn from its facts alone.

    Parameters
    ----------
    versions : iterable of ModelVersion
    results : sequence of mapping
        Those of the report, oldest first; what is not among them is not told.
    """
    kept = [result for result in results if result["kind"] == "evaluation"]
    return [{**version.to_dict(), **_later(version, kept)} for version in versions]


def _later(version: ModelVersion, kept: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = of_version(version, kept).result
    return {} if found is None or found["result_id"] == version.evaluation else {"stands": found["result_id"]}
