"""One column of a profile: how it is counted, fixed once, and what was counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality import look, moments
from nbmlops.stats import counts

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Column",
    "Kind",
    "Measured",
    "Raw",
    "Relation",
    "Tally",
    "TargetValues",
    "measure",
    "plan",
    "relate",
    "target_of",
]

Kind = Literal["numeric", "boolean", "categorical", "text", "datetime"]

BOOLEAN = counts.CategoryBins(("False", "True"))
HOURS = counts.CategoryBins(tuple(f"{h:02d} h" for h in range(24)))
WEEKDAYS = counts.CategoryBins(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
TEXT_SHARE = 0.5  # more distinct values than this per row is text or an identifier, not a category
MIN_DISTINCT = 20
MAX_CLASSES = 20
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """How a column is counted: decided where the reference is made, the same ever after."""

    name: str
    kind: Kind
    bins: counts.Bins
    dtype: str
    holds: str
    distinct: int | None = None
    identifier: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        about = {"name": self.name, "kind": self.kind, "dtype": self.dtype, "holds": self.holds}
        known = {"distinct": self.distinct, "identifier": self.identifier}
        return {**about, **{k: v for k, v in known.items() if v}, "bins": self.bins.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Column:
        """Return the column a :meth:`to_dict` came from."""
        fields = {k: data[k] for k in ("name", "kind", "dtype", "holds", "distinct", "identifier") if k in data}
        return cls(bins=counts.bins_from_dict(data["bins"]), **fields)


@dataclass(frozen=True)
class Tally:
    """What was counted in a column; two of the same column add up."""

    counts: tuple[int, ...]
    steps: int = 0
    low: float | None = None
    high: float | None = None

    def __add__(self, other: Tally) -> Tally:
        lows = [v for v in (self.low, other.low) if v is not None]
        highs = [v for v in (self.high, other.high) if v is not None]
        added = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return Tally(added, self.steps + other.steps, min(lows, default=None), max(highs, default=None))

    @property
    def rows(self) -> int:
        """Rows counted, missing ones too."""
        return sum(self.counts)

    @property
    def missing(self) -> int:
        """Rows without a value: the last bin of every column."""
        return self.counts[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, empty parts left out."""
        extremes = {"steps": self.steps or None, "low": self.low, "high": self.high}
        return {"counts": list(self.counts), **{k: v for k, v in extremes.items() if v is not None}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tally:
        """Return the tally a :meth:`to_dict` came from."""
        return cls(tuple(data["counts"]), data.get("steps", 0), data.get("low"), data.get("high"))

    def to_list(self) -> list[Any]:
        """Return plain JSON in few bytes: counts to the last that is not 0, steps, extremes to ten digits.

        >>> Tally((3, 0, 1, 0), 7, 1.0, 2.5).to_list(), Tally((3, 0, 1, 0)).to_list()
        ([[3, 0, 1], 7, 1, 2.5], [[3, 0, 1]])
        """
        last = max((i for i, n in enumerate(self.counts, 1) if n), default=0)
        extremes = [] if self.low is None or self.high is None else [_short(self.low), _short(self.high)]
        return [list(self.counts[:last]), *([self.steps] if self.steps or extremes else []), *extremes]

    @classmethod
    def from_list(cls, data: Sequence[Any], size: int) -> Tally:
        """Return the tally a :meth:`to_list` came from; ``size`` is that of the column's bins."""
        counted, steps, low, high = [*data, None, None, None][:4]
        return cls((*counted, *[0] * (size - len(counted))), steps or 0, low, high)


@dataclass(frozen=True)
class Measured:
    """A column's values as bins, and as numbers where it has an order; of numbers the bins are found when needed."""

    column: Column
    values: Floats | None = None
    known: Ints | None = None

    @cached_property
    def codes(self) -> Ints:
        """The bin of each value."""
        if self.known is not None:
            return self.known
        assert isinstance(self.column.bins, counts.NumericBins)
        assert self.values is not None
        return self.column.bins.codes(self.values)

    def tally(self, rows: Ints | None = None) -> Tally:
        """Count all rows, or the given ones."""
        values = self.values if rows is None or self.values is None else self.values[rows]
        if values is None or not isinstance(self.column.bins, counts.NumericBins):
            codes = self.codes if rows is None else self.codes[rows]
            counted = tuple(np.bincount(codes, minlength=self.column.bins.size).tolist())
            return Tally(counted, 0, *(_extremes(np.sort(values)) if values is not None else (None, None)))
        return _counted(self.column.bins, np.sort(values))


def _short(value: float) -> float:
    """Round to ten digits: the order of two values stays, so least and largest do not depend on when it is done."""
    short = float(f"{value:.10g}")
    return int(short) if short.is_integer() and abs(short) < 2**53 else short


def _counted(bins: counts.NumericBins, ordered: Floats) -> Tally:
    """Count numbers in order."""
    finite = ordered[slice(*np.searchsorted(ordered, [-np.finfo(float).max, np.inf], side="left"))]
    return Tally(tuple(bins.count(ordered).tolist()), bins.total(finite), *_extremes(finite))


def _extremes(ordered: Floats) -> tuple[float | None, float | None]:
    """Return the least and the largest of values in order, NaN last."""
    finite = ordered[slice(*np.searchsorted(ordered, [-np.finfo(float).max, np.inf], side="left"))]
    return (float(finite[0]), float(finite[-1])) if len(finite) else (None, None)


@dataclass(frozen=True)
class Relation:
    """The target in each bin of a column: rows with a known target, and its sum (or rows of each class)."""

    rows: tuple[int, ...]
    sums: tuple[tuple[float, ...], ...]
    squares: float | None = None

    def __add__(self, other: Relation) -> Relation:
        rows = tuple(a + b for a, b in zip(self.rows, other.rows, strict=True))
        sums = tuple(
            tuple(a + b for a, b in zip(x, y, strict=True)) for x, y in zip(self.sums, other.sums, strict=True)
        )
        squares = None if self.squares is None or other.squares is None else self.squares + other.squares
        return Relation(rows, sums, squares)

    @property
    def explained(self) -> float | None:
        """Share of the target's variance the column's bins explain; classes one by one."""
        return counts.explained(np.array(self.rows, dtype=float), np.array(self.sums, dtype=float), self.squares)

    @property
    def means(self) -> list[float | None]:
        """The target's mean (a rate, for a boolean) in each bin; of the first class where there are several."""
        return [s / n if n else None for s, n in zip(self.sums[0], self.rows, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"rows": list(self.rows), "sums": [list(s) for s in self.sums], "squares": self.squares}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Relation:
        """Return the relation a :meth:`to_dict` came from."""
        return cls(tuple(data["rows"]), tuple(tuple(s) for s in data["sums"]), data["squares"])


@dataclass(frozen=True)
class TargetValues:
    """A target ready to be related to: known rows, and one line of weights per class (or its values)."""

    known: NDArray[np.bool_]
    lines: tuple[Floats, ...]
    numeric: bool


class Raw:
    """One column as it came; what planning and counting both need is worked out once, and gone with this.

    Parameters
    ----------
    series : Series
    """

    def __init__(self, series: pd.Series[Any]) -> None:
        self.series, self.dtype = series, str(series.dtype)

    @cached_property
    def numbers(self) -> Floats:
        """The values as numbers."""
        return look.numbers(self.series)

    @cached_property
    def ordered(self) -> Floats:
        """The numbers in order, NaN last."""
        return np.sort(self.numbers)

    @cached_property
    def names(self) -> tuple[Ints, list[str]]:
        """The place of each value among the distinct ones, and those."""
        return look.names(self.series)


def plan(name: str, raw: Raw) -> Column:
    """Decide how a column is counted."""
    held = look.holds(raw.series)
    if held == "booleans":
        return Column(name, "boolean", BOOLEAN, raw.dtype, held, 2)
    if held == "times":
        return _plan_times(name, raw)
    number_like = raw.dtype.lower().startswith(("float", "int"))
    if (held == "numbers" and raw.dtype != "category") or (held == "nothing" and number_like):
        return _plan_numbers(name, raw, held)
    return _plan_names(name, raw, held)


def measure(column: Column, raw: Raw) -> tuple[Measured, Tally]:
    """Return the bin of each value, its number where the column has an order, and what that counts."""
    if column.kind == "numeric" and isinstance(column.bins, counts.NumericBins):
        return Measured(column, raw.numbers), _counted(column.bins, raw.ordered)
    measured = _measured(column, raw)
    return measured, measured.tally()


def _measured(column: Column, raw: Raw) -> Measured:
    if column.kind == "boolean":
        return Measured(column, None, _boolean_codes(raw.numbers))
    if column.kind == "datetime":
        return _measure_times(column, raw.series)
    codes, names = raw.names
    if isinstance(column.bins, counts.NumericBins):
        lengths = np.array([len(n) for n in names] + [np.nan])[codes]
        return Measured(column, lengths)
    return Measured(column, None, column.bins.codes([*names, None])[codes])


def target_of(measured: Measured) -> TargetValues | None:
    """Return a target ready to be related to, or None where it is neither number, boolean nor a few classes."""
    column = measured.column
    if column.kind == "boolean":
        return TargetValues(measured.codes < 2, ((measured.codes == 1).astype(float),), False)
    if column.kind == "numeric" and measured.values is not None:
        known = np.isfinite(measured.values)
        return TargetValues(known, (np.where(known, measured.values, 0.0),), True)
    if column.kind == "categorical" and 1 < column.bins.regular <= MAX_CLASSES:
        known, classes = measured.codes < column.bins.regular, range(column.bins.regular)
        return TargetValues(known, tuple((measured.codes == k).astype(float) for k in classes), False)
    return None


def relate(measured: Measured, target: TargetValues) -> Relation:
    """Sum a target up in each bin of a column."""
    size, codes = measured.column.bins.size, measured.codes[target.known]
    lines = [line[target.known] for line in target.lines]
    sums = tuple(tuple(np.bincount(codes, weights=line, minlength=size).tolist()) for line in lines)
    squares = float((lines[0] ** 2).sum()) if target.numeric else None
    return Relation(tuple(np.bincount(codes, minlength=size).tolist()), sums, squares)


def _plan_numbers(name: str, raw: Raw, held: str) -> Column:
    finite = raw.ordered[slice(*np.searchsorted(raw.ordered, [-np.finfo(float).max, np.inf], side="left"))]
    if not len(finite):
        return Column(name, "numeric", counts.NumericBins(0.0, 0.0), raw.dtype, held)
    low, high = float(finite[0]), float(finite[-1])
    if low == 0 and high == 1 and np.searchsorted(finite, 0, side="right") == np.searchsorted(finite, 1):
        return Column(name, "boolean", BOOLEAN, raw.dtype, held, 2)
    # Every n-th of the values in order stands for all of them better than rows that are drawn.
    drawn = finite[:: max(1, -(-len(finite) // counts.SAMPLE_ROWS))]
    bins = counts.numeric_bins(drawn, low, high)
    return Column(name, "numeric", bins, raw.dtype, held, None, _is_identifier(raw, finite))


def _is_identifier(raw: Raw, ordered: Floats) -> bool:
    """Tell whether whole numbers, each there once, are dense or in order: numbers of rows, not measurements."""
    n = len(ordered)
    if n < 5 * MIN_DISTINCT or not raw.dtype.lower().startswith(("int", "uint")) or not (np.diff(ordered) > 0).all():
        return False
    step = np.diff(raw.numbers[np.isfinite(raw.numbers)])
    return bool((step > 0).all() or (step < 0).all() or ordered[-1] - ordered[0] < 10 * n)


def _plan_names(name: str, raw: Raw, held: str) -> Column:
    codes, names = raw.names
    present = codes[codes >= 0]
    distinct = len(names)
    if distinct > MIN_DISTINCT and distinct > TEXT_SHARE * len(present):
        lengths = np.array([float(len(n)) for n in names])[present]
        bins = counts.numeric_bins(lengths[: counts.SAMPLE_ROWS], lengths.min(), lengths.max())
        return Column(name, "text", bins, raw.dtype, held, distinct, distinct == len(present))
    frequency: dict[str, int] = {}
    for text, count in zip(names, np.bincount(present, minlength=distinct).tolist(), strict=True):
        frequency[text] = frequency.get(text, 0) + count  # 1 and "1" are one category
    bins_ = counts.category_bins(list(frequency), list(frequency.values()))
    return Column(name, "categorical", bins_, raw.dtype, held, distinct)


def _plan_times(name: str, raw: Raw) -> Column:
    present = look.times(raw.series).dropna()
    daily = bool((present.dt.normalize() == present).all())
    return Column(name, "datetime", WEEKDAYS if daily else HOURS, raw.dtype, "times")


def _measure_times(column: Column, series: pd.Series[Any]) -> Measured:
    times = look.times(series)
    part = times.dt.day_of_week if column.bins.regular == len(WEEKDAYS.categories) else times.dt.hour
    codes = part.fillna(column.bins.size - 1).to_numpy(dtype=np.int64)
    return Measured(column, moments.seconds(times), codes)


def _boolean_codes(values: Floats) -> Ints:
    codes = np.full(len(values), BOOLEAN.regular + 1, dtype=np.int64)  # any other number is unseen
    codes[values == 0], codes[values == 1], codes[np.isnan(values)] = 0, 1, BOOLEAN.size - 1
    return codes
