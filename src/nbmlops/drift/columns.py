"""One column of a profile: how it is counted, fixed once, and what was counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality import look
from nbmlops.stats import counts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "Kind", "Measured", "Relation", "Tally", "TargetValues", "measure", "plan", "relate", "target_of"]

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


@dataclass(frozen=True)
class Measured:
    """A column's values as bins, and as numbers where it has an order."""

    codes: Ints
    values: Floats | None
    column: Column

    def tally(self, rows: Ints | None = None) -> Tally:
        """Count all rows, or the given ones."""
        codes = self.codes if rows is None else self.codes[rows]
        counted = tuple(np.bincount(codes, minlength=self.column.bins.size).tolist())
        if self.values is None:
            return Tally(counted)
        values = self.values if rows is None else self.values[rows]
        finite = values if (whole := np.isfinite(values)).all() else values[whole]
        if not len(finite):
            return Tally(counted)
        bins = self.column.bins
        steps = int(bins.steps(finite).sum()) if isinstance(bins, counts.NumericBins) else 0
        return Tally(counted, steps, float(finite.min()), float(finite.max()))


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


def plan(name: str, series: pd.Series[Any], sample: Ints) -> Column:
    """Decide how a column is counted.

    Parameters
    ----------
    name : str
    series : Series
    sample : array of int
        Rows to take quantiles from.
    """
    held, dtype = look.holds(series), str(series.dtype)
    if held == "booleans":
        return Column(name, "boolean", BOOLEAN, dtype, held, 2)
    if held == "times":
        return _plan_times(name, series, dtype)
    number_like = dtype.lower().startswith(("float", "int"))
    if (held == "numbers" and dtype != "category") or (held == "nothing" and number_like):
        return _plan_numbers(name, look.numbers(series), sample, dtype, held)
    return _plan_names(name, series, dtype, held)


def measure(column: Column, series: pd.Series[Any]) -> Measured:
    """Return the bin of each value, and its number where the column has an order."""
    if column.kind == "numeric" and isinstance(column.bins, counts.NumericBins):
        values = look.numbers(series)
        return Measured(column.bins.codes(values), values, column)
    if column.kind == "boolean":
        return Measured(_boolean_codes(look.numbers(series)), None, column)
    if column.kind == "datetime":
        return _measure_times(column, series)
    codes, names = look.names(series)
    if isinstance(column.bins, counts.NumericBins):
        lengths = np.array([len(n) for n in names] + [np.nan])[codes]
        return Measured(column.bins.codes(lengths), lengths, column)
    return Measured(column.bins.codes([*names, None])[codes], None, column)


def target_of(column: Column, series: pd.Series[Any], measured: Measured) -> TargetValues | None:
    """Return a target ready to be related to, or None where it is neither number, boolean nor a few classes."""
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


def _plan_numbers(name: str, values: Floats, sample: Ints, dtype: str, held: str) -> Column:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    if len(finite) and low == 0 and high == 1 and np.isin(finite, (0.0, 1.0)).all():
        return Column(name, "boolean", BOOLEAN, dtype, held, 2)
    bins = counts.numeric_bins(values[sample], low, high) if len(finite) else counts.NumericBins(0.0, 0.0)
    return Column(name, "numeric", bins, dtype, held, None, _is_identifier(finite, dtype, low, high))


def _is_identifier(finite: Floats, dtype: str, low: float, high: float) -> bool:
    """Tell whether whole numbers, each there once, are dense or in order: numbers of rows, not measurements."""
    n = len(finite)
    if n < 5 * MIN_DISTINCT or not dtype.lower().startswith(("int", "uint")):
        return False
    step = np.diff(finite)
    if (step > 0).all() or (step < 0).all():
        return True
    return high - low < 10 * n and len(np.unique(finite)) == n


def _plan_names(name: str, series: pd.Series[Any], dtype: str, held: str) -> Column:
    codes, names = look.names(series)
    present = codes[codes >= 0]
    distinct = len(names)
    if distinct > MIN_DISTINCT and distinct > TEXT_SHARE * len(present):
        lengths = np.array([float(len(n)) for n in names])[present]
        bins = counts.numeric_bins(lengths[: counts.SAMPLE_ROWS], lengths.min(), lengths.max())
        return Column(name, "text", bins, dtype, held, distinct, distinct == len(present))
    frequency: dict[str, int] = {}
    for text, count in zip(names, np.bincount(present, minlength=distinct).tolist(), strict=True):
        frequency[text] = frequency.get(text, 0) + count  # 1 and "1" are one category
    bins_ = counts.category_bins(list(frequency), list(frequency.values()))
    return Column(name, "categorical", bins_, dtype, held, distinct)


def _plan_times(name: str, series: pd.Series[Any], dtype: str) -> Column:
    present = look.times(series).dropna()
    daily = bool((present.dt.normalize() == present).all())
    return Column(name, "datetime", WEEKDAYS if daily else HOURS, dtype, "times")


def _measure_times(column: Column, series: pd.Series[Any]) -> Measured:
    times = look.times(series)
    part = times.dt.day_of_week if column.bins.regular == len(WEEKDAYS.categories) else times.dt.hour
    codes = part.fillna(column.bins.size - 1).to_numpy(dtype=np.int64)
    seconds = times.astype("datetime64[ns, UTC]").astype("int64").to_numpy(dtype=np.float64) / 1e9
    return Measured(codes, np.where(times.isna(), np.nan, seconds), column)


def _boolean_codes(values: Floats) -> Ints:
    codes = np.full(len(values), BOOLEAN.regular + 1, dtype=np.int64)  # any other number is unseen
    codes[values == 0], codes[values == 1], codes[np.isnan(values)] = 0, 1, BOOLEAN.size - 1
    return codes
