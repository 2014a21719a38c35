"""Runs as a table to look at, which knows what it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import Shown, service
from nbmlops.records import plain
from nbmlops.tracking import session
from nbmlops.tracking.runs import marked, table

__all__ = ["Overview", "overview"]

WORDS = ("word", "quoted")
FOLLOWS = ("=", "==", "!=", "<", "<=", ">", ">=", "is", "in", "like", "not")  # a column, in a query


@dataclass(frozen=True, repr=False)
class Overview(Shown):
    """Runs as a table, for people."""

    shows: ClassVar[str] = "runs"

    runs: tuple[dict[str, Any], ...]
    named: tuple[str, ...] = ()  # the columns it was asked and sorted by
    query: str | None = None
    unmeasured: tuple[str, ...] = ()  # targets of the charter that runs marked so did not measure
    overrides: tuple[str, ...] = ()  # versions moved against the policy, until somebody has reviewed that

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "runs": plain(self.runs),
            "named": list(self.named),
            "query": self.query,
            "unmeasured": list(self.unmeasured),
            "overrides": list(self.overrides),
        }


def overview(
    query: str | None = None, sort: str | None = None, limit: int | None = 20, children: bool = False
) -> Overview:
    """Return runs as a table to look at (:func:`nbmlops.runs` returns the same as a DataFrame).

    Examples
    --------
    >>> overview(sort="-roc_auc")  # doctest: +SKIP
    """
    rows = marked(table(query, sort, limit, children))
    named = tuple(_named(query, sort, {name for row in rows for name in row}))
    return Overview(tuple(rows), named, query, _unmeasured(rows), _overrides())


def _unmeasured(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    if all(row.get("charter") != "not measured" for row in rows):
        return ()
    return tuple(service("governance.marks", "unmeasured")(rows))


def _overrides() -> tuple[str, ...]:
    from nbmlops.store import fleet
    from nbmlops.store.runs import reading

    with reading(session.store()) as connection:
        found = fleet.overridden(connection)
    return tuple(f"{name}@{number} was moved against the policy: {why}" for (name, number), why in found.items())


def _named(query: str | None, sort: str | None, columns: set[str]) -> Iterator[str]:
    """Yield the columns a query and a sort name, among those there are."""
    from nbmlops.store.queries import TOKEN, column

    tokens = [(str(m.lastgroup), m[str(m.lastgroup)]) for m in TOKEN.finditer(query or "")]
    words = [text for (kind, text), (_, after) in pairwise(tokens) if kind in WORDS and after.lower() in FOLLOWS]
    for word in dict.fromkeys([*words, *([sort.removeprefix("-")] if sort else [])]):
        with suppress(NotFound, Invalid):
            yield column(word.strip("`"), columns)
