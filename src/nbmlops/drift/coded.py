"""Columns of two frames as numbers a classifier takes, and the conditions on them a person reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.drift import columns
from nbmlops.quality import look
from nbmlops.stats.domain import MOST_CODES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Coded", "code", "conditions"]

MOST_NAMES = MOST_CODES - 2  # names with a code of their own; all others share one
SINGLE_NAMES, SET_NAMES = 12, 4  # names a condition is made of: the most frequent ones, and at most so many of them
FEW_VALUES = 12
LARGEST = 1e150  # infinite is larger than anything, and still a number whose square is one
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Condition = tuple[str, Bools]


@dataclass(frozen=True)
class Coded:
    """A column of both sides, current first: numbers, or the codes of its names."""

    name: str
    label: str
    values: Floats
    names: tuple[str, ...] | None = None
    boolean: bool = False


def code(name: str, current: pd.Series[Any], reference: pd.Series[Any]) -> Coded | str:
    """Return a column of both sides as numbers, or why it is left out.

    Parameters
    ----------
    name : str
    current, reference : Series

    Returns
    -------
    Coded or str

    Examples
    --------
    >>> import pandas as pd
    >>> code("carrier", pd.Series(["MQ", "UA"]), pd.Series(["UA", None])).values
    array([ 1.,  0.,  0., nan])
    """
    sides = [current, reference]
    held = {look.holds(side) for side in sides} - {"nothing"}
    if not held:
        return "holds nothing"
    if "times" in held:
        return "a time"
    if held <= {"numbers", "booleans"} and not any(str(side.dtype) == "category" for side in sides):
        values = np.concatenate([look.numbers(side) for side in sides])
        return Coded(name, name, np.clip(values, -LARGEST, LARGEST), None, held == {"booleans"})
    return _names(name, *(look.names(side) for side in sides))


def _names(name: str, *sides: tuple[NDArray[np.int64], list[str]]) -> Coded | str:
    counts = [np.bincount(codes[codes >= 0], minlength=len(texts)) for codes, texts in sides]
    frequency: Counter[str] = Counter()
    for (_, texts), rows in zip(sides, counts, strict=True):
        for text, count in zip(texts, rows.tolist(), strict=True):
            frequency[text] += count
    if all(len(rows) > max(columns.MIN_DISTINCT, columns.TEXT_SHARE * rows.sum()) for rows in counts if len(rows)):
        if all((rows <= 1).all() for rows in counts):
            return "an identifier"
        lengths = {text: float(len(text)) for text in frequency}
        return Coded(name, f"length of {name}", _placed(sides, lengths))
    ordered = sorted(frequency, key=lambda text: (-frequency[text], text))
    places = {text: float(min(i, MOST_NAMES)) for i, text in enumerate(ordered)}
    return Coded(name, name, _placed(sides, places), tuple(ordered[:MOST_NAMES]))


def _placed(sides: Iterable[tuple[NDArray[np.int64], list[str]]], number: dict[str, float]) -> Floats:
    """Return the number of each value's text; what is missing is NaN."""
    return np.concatenate([np.array([*(number[t] for t in texts), np.nan])[codes] for codes, texts in sides])


def conditions(column: Coded, current: Bools, known: Bools) -> list[Condition]:
    """Return what can be said of the values of a column in words, and for which rows it holds.

    Parameters
    ----------
    column : Coded
    current : bool array of shape (n,)
        Which rows are current: sets of names are made of those that are more, or less, frequent in them.
    known : bool array of shape (n,)
        Which rows the sets may be chosen on.

    Returns
    -------
    list of (str, bool array)

    Examples
    --------
    >>> every = np.array([True] * 4)
    >>> [words for words, _ in conditions(Coded("x", "x", np.array([1.0, 1, 2, 2])), every, every)]
    ['x > 1', 'x <= 1']
    """
    missing = np.isnan(column.values)
    found = [(f"{column.name} is missing", missing), (f"{column.name} is there", ~missing)] if missing.any() else []
    if column.boolean:
        return found + [(f"{column.label} is {bool(v)}", column.values == v) for v in (0, 1)]
    return found + (_of_numbers(column) if column.names is None else _of_names(column, column.names, current, known))


def _of_numbers(column: Coded) -> list[Condition]:
    found: list[Condition] = []
    for limit in _limits(column.values[np.abs(column.values) < LARGEST]):
        found.append((f"{column.label} > {limit:.10g}", column.values > limit))
        found.append((f"{column.label} <= {limit:.10g}", column.values <= limit))
    return found


def _limits(values: Floats) -> list[float]:
    """Return a few values to cut at, with no more digits than their spread is worth."""
    distinct = np.unique(values)
    if len(distinct) <= FEW_VALUES:
        return [float(value) for value in distinct[:-1]]
    cuts = np.quantile(values, np.linspace(0.05, 0.95, 19))
    digits = 2 - math.floor(math.log10(cuts[-1] - cuts[0])) if cuts[-1] > cuts[0] else 10
    return list(dict.fromkeys(round(cut, digits) for cut in cuts.tolist()))


def _of_names(column: Coded, names: Sequence[str], current: Bools, known: Bools) -> list[Condition]:
    there = ~np.isnan(column.values)
    more, fewer = _moved(column.values[there & known & current], column.values[there & known & ~current], len(names))
    inside = [[i] for i in range(min(SINGLE_NAMES, len(names)))] + [more[:size] for size in _sizes(more)[1:]]
    found = [(f"{column.label} {_in(names, chosen)}", np.isin(column.values, chosen)) for chosen in inside]
    outside = [fewer[:size] for size in _sizes(fewer)]
    return found + [(f"{column.label} {_out(names, c)}", there & ~np.isin(column.values, c)) for c in outside]


def _moved(now: Floats, before: Floats, size: int) -> tuple[list[int], list[int]]:
    """Return the names that are more, and less, frequent by more than chance, the furthest first."""
    n, m = max(1, len(now)), max(1, len(before))
    after, first = (np.bincount(side.astype(int), minlength=size)[:size] for side in (now, before))
    both = (after + first) / (n + m)
    error, change = np.sqrt(both * (1 - both) * (1 / n + 1 / m)), after / n - first / m
    order = np.argsort(-np.abs(change), kind="stable")
    order = order[np.abs(change[order]) > 2 * error[order]]
    return order[change[order] > 0].tolist(), order[change[order] < 0].tolist()


def _sizes(names: Sequence[int]) -> range:
    return range(1, min(SET_NAMES, len(names)) + 1)


def _in(names: Sequence[str], chosen: list[int]) -> str:
    return f"is {_short(names[chosen[0]])}" if len(chosen) == 1 else f"in {_set(names, chosen)}"


def _out(names: Sequence[str], chosen: list[int]) -> str:
    return f"is not {_short(names[chosen[0]])}" if len(chosen) == 1 else f"not in {_set(names, chosen)}"


def _set(names: Sequence[str], chosen: list[int]) -> str:
    return "{" + ", ".join(_short(names[i]) for i in chosen) + "}"


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"
