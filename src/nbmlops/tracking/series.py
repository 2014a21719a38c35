"""The values of one metric as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Series"]


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """The values of one metric in the order logged: arrays of one length.

    ``steps`` are whole numbers (floats with NaN where a point has none), ``values`` floats, ``times`` UTC.
    """

    name: str
    context: Mapping[str, str]
    steps: np.ndarray[Any, Any]
    values: np.ndarray[Any, np.dtype[np.float64]]
    times: np.ndarray[Any, np.dtype[np.datetime64]]

    @classmethod
    def of(cls, name: str, context: Mapping[str, str], points: Sequence[tuple[Any, ...]]) -> Series:
        """Make a series of points as they are stored: (step, value, seconds since 1970); a missing value is NaN."""
        steps, values, times = zip(*points, strict=True)
        whole = all(s is not None for s in steps)
        return cls(
            name,
            context,
            np.array(steps, np.int64 if whole else np.float64),
            np.array(values, np.float64),
            (np.array(times) * 1e6).round().astype("int64").view("datetime64[us]"),
        )

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        on = f" on {dict(self.context)}" if self.context else ""
        last = f", the last {self.values[-1]:.6g}" if len(self) else ""
        return f"<Series {self.name!r}{on}: {len(self):,} value{'s' * (len(self) != 1)}{last}>"

    def thinned(self, most: int = 1000) -> Series:
        """Return at most so many points that look the same when drawn, but never fewer than four.

        They are the first, the last, and of each stretch the least and the largest finite value.

        Examples
        --------
        >>> run.metric("loss").thinned(500)  # doctest: +SKIP
        """
        if len(self) <= most:
            return self
        stretches = np.array_split(np.arange(len(self)), max(1, most // 2 - 1))
        ends = {int(i) for s in stretches for i in (s[_low(self.values[s])], s[_high(self.values[s])])}
        kept = sorted(ends | {0, len(self) - 1})
        return Series(self.name, self.context, self.steps[kept], self.values[kept], self.times[kept])

    def drawn(self) -> dict[str, Any]:
        """Return what a card draws: a ``curve``, and how many values are ``not_finite``."""
        return {"curve": self.thinned(100).values, "not_finite": int((~np.isfinite(self.values)).sum())}


def _low(values: np.ndarray[Any, Any]) -> int:
    return int(np.argmin(np.where(np.isfinite(values), values, np.inf)))


def _high(values: np.ndarray[Any, Any]) -> int:
    return int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
