"""Labels: what accepted flags say a prediction or a row of a data set should be, each with the flag it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from nbmlops.tracking import session

__all__ = ["Label", "of_predictions", "of_rows"]


class Label(NamedTuple):
    """What something should be, and who says so: ``flag:ID``."""

    value: Any
    source: str


def of_predictions(ids: Iterable[str]) -> dict[str, list[Label]]:
    """Return the labels of predictions by id, the oldest first; a prediction may have several.

    Parameters
    ----------
    ids : iterable of str

    Examples
    --------
    >>> of_predictions(["0190a0b0-0000-7000-8000-000000000011"])  # doctest: +SKIP
    {'0190a0b0-0000-7000-8000-000000000011': [Label(value=True, source='flag:01a2188d-2e39-...')]}
    """
    wanted = set(ids)
    return _grouped((str(row["subject"]), row) for row in _accepted("prediction") if row["subject"] in wanted)


def of_rows(ref: str) -> dict[int, list[Label]]:
    """Return the labels of the rows of a data set version by row number.

    Parameters
    ----------
    ref : str
        ``flights@7``.
    """
    start = f"{ref}#"
    found = _grouped((str(r["subject"]), r) for r in _accepted("row") if str(r["subject"]).startswith(start))
    return {int(subject.removeprefix(start)): labels for subject, labels in found.items()}


def _accepted(kind: str) -> list[dict[str, Any]]:
    from nbmlops.store import flags

    return flags.listed(session.store(), kind=kind, state="accepted")


def _grouped(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, list[Label]]:
    found: dict[str, list[Label]] = {}
    for subject, label in _labels(rows):
        found.setdefault(subject, []).append(label)
    return found


def _labels(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, Label]]:
    """Yield the labels among flags: one that says no value is none."""
    for subject, row in rows:
        value = (row["data"]["said"] or {}).get("value")
        if value is not None:
            yield subject, Label(value, f"flag:{row['flag_id']}")
