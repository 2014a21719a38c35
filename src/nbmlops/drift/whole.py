"""What only a whole frame tells, and the counts of its parts do not: repeated rows and keys, gaps in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.drift import gaps, repeats
from nbmlops.drift.columns import Column
from nbmlops.quality import look, moments
from nbmlops.records import Finding, plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Whole", "look_at"]

LEAST_KEYS = 100
KEY_SHARE = 0.99  # so many different values a row, and not all: a key that repeats
DENSE = 10  # whole numbers drawn at random from a range this many times the rows repeat in one of twenty rows
GLANCE = 1000


@dataclass(frozen=True)
class Whole:
    """What was found in a frame as a whole; ``parts`` where data came in parts, and it was not looked for."""

    rows: int = 0
    repeated: repeats.Repeats | None = None
    times: Mapping[str, gaps.Times] = field(default_factory=dict)
    keys: Mapping[str, int] = field(default_factory=dict)
    parts: bool = False

    def findings(self) -> Iterator[Finding]:
        """What a person should know of before modelling."""
        if self.parts:
            words = "Repeated rows and gaps in time are not told: the data came in parts."
            yield Finding("in_parts", "not_applicable", words)
        if self.repeated and (found := repeats.told(self.repeated)):
            yield found
        for name, twice in self.keys.items():
            words = f"{name} looks like a key, yet {twice:,} of {self.rows:,} rows repeat a value of it."
            yield Finding("repeated_key", "warning", words, name, twice / self.rows)
        for name, times in self.times.items():
            yield from gaps.told(name, times, self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        if self.parts:
            return {"parts": True}
        times = {name: plain(found._asdict()) for name, found in self.times.items()}
        repeated = plain(self.repeated._asdict()) if self.repeated else None
        return {"rows": self.rows, "repeated": repeated, "times": times, "keys": dict(self.keys)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Whole:
        """Return what a :meth:`to_dict` came from."""
        repeated = data.get("repeated")
        return cls(
            data.get("rows", 0),
            repeats.Repeats(**repeated) if repeated else None,
            {name: _times(found) for name, found in data.get("times", {}).items()},
            data.get("keys", {}),
            data.get("parts", False),
        )


def look_at(frame: pd.DataFrame, columns: Mapping[str, Column]) -> Whole:
    """Look at a whole frame; the columns as they were planned."""
    found = {n: gaps.when(moments.seconds(look.times(frame[n]))) for n, c in columns.items() if c.kind == "datetime"}
    keys = {n: twice for n, c in columns.items() if (twice := _repeated_keys(frame[n], c))}
    times = {n: t for n, t in found.items() if t is not None}
    return Whole(len(frame), repeats.repeated_rows(frame), times, keys)


def _times(found: Mapping[str, Any]) -> gaps.Times:
    return gaps.Times(**{**found, "largest": tuple((a, b) for a, b in found["largest"])})


def _repeated_keys(column: pd.Series[Any], about: Column) -> int:
    """Return how many rows repeat a value of what else looks like a key; 0 where nothing does."""
    whole = about.kind == "numeric" and about.dtype.lower().startswith(("int", "uint"))
    if (
        about.identifier
        or not (whole or about.kind == "text")
        or not _differ(column.iloc[:: len(column) // GLANCE + 1])
    ):
        return 0
    known = column.dropna()
    if len(known) < LEAST_KEYS or not (_is_dense(look.numbers(known)) if whole else _is_code(known)):
        return 0
    twice = len(known) - len(set(look.names(known)[0].tolist()))
    return twice if twice <= (1 - KEY_SHARE) * len(known) else 0


def _differ(some: pd.Series[Any]) -> bool:
    codes = look.names(some)[0]
    known = codes[codes >= 0]
    return len(np.unique(known)) >= KEY_SHARE * len(known)


def _is_dense(values: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    return bool(values.max() - values.min() < DENSE * len(values))


def _is_code(known: pd.Series[Any]) -> bool:
    """Tell whether texts are words without a space: names of things, not notes."""
    return not any(" " in str(value) for value in known.iloc[: 2 * LEAST_KEYS])
