"""How far one column alone determines another: a rule learned on half of the rows, judged on the other half."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Determined", "determined", "is_copy", "is_identifier", "ranks"]

Values = NDArray[Any]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
DISTINCT = 0.9  # a column of whole numbers with more distinct values than this share of its rows names rows
LINEAR = 1 - 1e-9
REPEATS = 10  # so many values that repeat together do so for a reason
MOST_CELLS = 2**20  # of a table of values by classes, which is counted at once


class Determined(NamedTuple):
    """How well a column foretells another on rows the rule has not seen, and by which measure."""

    score: float
    measure: str


def determined(column: Values, target: Values, known: Mask, classes: bool) -> Determined:
    """Return how well a rule on one column foretells the target on rows that were kept back.

    The rule answers with the majority (for numbers, the mean) of the rows with the same value; between values it takes
    the nearest, unless the column names rows (see `is_identifier`) or has no order: then an unseen value foretells
    nothing. So a counter of rows determines nothing, even where the rows lie sorted by the target.

    Parameters
    ----------
    column : array of shape (n,)
        Floats have an order, NaN is missing; 64-bit hashes have none, 0 is missing. Missing is a value of its own.
    target : array of shape (n,)
        Codes from 0 for classes, floats for numbers.
    known : array of bool, shape (n,)
        The rows the rule is learned from.
    classes : bool
        Whether the target is classes: balanced accuracy; else the larger of R² and the rank correlation.

    Returns
    -------
    Determined

    Examples
    --------
    >>> hours = np.tile([1.0, 2.0, 8.0, 9.0], 10)
    >>> late = (hours > 5).astype(int)
    >>> determined(hours, late, np.arange(40) < 20, classes=True)
    Determined(score=1.0, measure='balanced accuracy')
    >>> determined(np.arange(40.0), np.sort(late), np.arange(40) % 2 > 0, classes=True).score
    0.0
    """
    found, missing = _rule(column, target, known, classes), _missing(column)
    if missing.any() and not missing.all():  # that there is a value may say more than which
        found = max(found, _rule(missing.astype(np.uint64), target, known, classes))
    return found


def is_identifier(column: Values) -> bool:
    """Tell whether a column only names rows: whole numbers, nearly all distinct.

    >>> is_identifier(np.arange(100.0)), is_identifier(np.arange(100.0) / 7), is_identifier(np.ones(100))
    (True, False, False)
    """
    if column.dtype != np.float64:
        return False
    there = column[np.isfinite(column)]
    return bool((there == np.floor(there)).all()) and len(np.unique(there)) > DISTINCT * len(there)


def is_copy(column: Values, target: Values) -> bool:
    """Tell whether a column is the target under other names: each value goes with one of the other, both ways.

    Distinct values always go with one of the other; so unless enough values repeat, the column must be the target in
    another unit.

    >>> late = np.arange(20) % 2
    >>> is_copy(7.0 - late, late), is_copy(np.arange(20.0), late), is_copy(2 * np.arange(20.0), np.arange(20.0))
    (True, False, True)
    """
    names, places = np.unique(column, return_inverse=True)
    goals, others = np.unique(target, return_inverse=True)
    if len(target) - len(goals) >= REPEATS:
        return len(names) == len(goals) == len(np.unique(places * len(goals) + others))
    return column.dtype == target.dtype and len(names) > 1 and _pearson(column, target) > LINEAR


def ranks(values: Floats) -> Floats:
    """Return the place of each value among all, from 1; equal values share the mean of theirs.

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: Floats = (last - (counts - 1) / 2)[places]
    return middle


def _rule(column: Values, target: Values, known: Mask, classes: bool) -> Determined:
    ordered = column.dtype == np.float64 and not is_identifier(column)
    values, places = np.unique(column[known], return_inverse=True)
    at = _places(values, column[~known], ordered)
    if classes:
        answers = np.append(_majority(places.astype(np.int64), target[known]), -1)
        return Determined(_balanced_accuracy(target[~known], answers[at]), "balanced accuracy")
    means = np.bincount(places, target[known]) / np.bincount(places)
    found = Determined(_r2(target[~known], np.append(means, target[known].mean())[at]), "R²")
    rank = Determined(_rank_correlation(column[~known], target[~known]) if ordered else 0.0, "rank correlation")
    return max(found, rank)


def _missing(column: Values) -> Mask:
    there: Mask = column == column if column.dtype == np.float64 else column != 0
    return ~there


def _places(values: Values, asked: Values, ordered: bool) -> Codes:
    """Return where each asked value stands among the known ones, or the nearest of them; -1 is nowhere."""
    numbers = values[:-1] if values.dtype == np.float64 and np.isnan(values[-1]) else values
    if not len(numbers):
        return np.where(np.isnan(asked), 0, -1)
    at = np.minimum(np.searchsorted(numbers, asked), len(numbers) - 1).astype(np.int64)
    if ordered:
        before = np.maximum(at - 1, 0)
        at = np.where(asked - numbers[before] < numbers[at] - asked, before, at)
    else:
        at = np.where(numbers[at] == asked, at, -1)
    if values.dtype == np.float64:
        at[np.isnan(asked)] = len(numbers) if len(numbers) < len(values) else -1
    return at


def _majority(places: Codes, target: Codes) -> Codes:
    """Return the most frequent class of each value; of two the smaller."""
    classes = int(target.max()) + 1
    if (cells := (int(places.max()) + 1) * classes) <= MOST_CELLS:
        table = np.bincount(places * classes + target, minlength=cells).reshape(-1, classes)
        frequent: Codes = table.argmax(axis=1)
        return frequent
    pairs, counts = np.unique(places * classes + target, return_counts=True)
    order = np.lexsort((pairs, -counts, pairs // classes))
    owners = pairs[order] // classes
    first = np.append(True, owners[1:] != owners[:-1])
    best: Codes = pairs[order][first] % classes
    return best


def _balanced_accuracy(truth: Codes, answers: Codes) -> float:
    rows = np.bincount(truth)
    right = np.bincount(truth[truth == answers], minlength=len(rows))
    return float((right[rows > 0] / rows[rows > 0]).mean())


def _r2(truth: Floats, answers: Floats) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - answers) ** 2).sum()) / spread if spread else 0.0


def _rank_correlation(column: Floats, target: Floats) -> float:
    """Return Spearman's correlation without its sign; 0 where a tenth of the column is missing or nothing varies."""
    there = np.isfinite(column)
    if there.sum() < max(3, DISTINCT * len(column)):
        return 0.0
    a, b = ranks(column[there]), ranks(target[there])
    return _pearson(a, b) if np.ptp(a) and np.ptp(b) else 0.0


def _pearson(a: Floats, b: Floats) -> float:
    return abs(float(np.corrcoef(a, b)[0, 1]))
