"""Shapley values: what each column adds to an answer, against rows that are usual.

A *coalition* says which columns are those of the row that is explained; the others are those of a background row. The
value of a column is its mean part in the answer over all orders in which columns may join (Strumbelj and Kononenko
2014; Lundberg and Lee 2017). With few columns every coalition is asked; with many, orders are drawn in pairs, each
with its reverse (antithetic, Mitchell et al. 2022), as many for every background row, so that the values always sum to
the answer less the mean answer of the background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALL_COALITIONS", "SAMPLE_ROWS", "Shapley", "shapley"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
Ask = Callable[[Mask, Places], Floats]

ALL_COALITIONS = 10  # columns up to which all coalitions are asked: 1,024 of them
CHUNK_ROWS = 50_000  # asked at once
SAMPLE_ROWS = 40_000  # asked in all where orders are drawn
FEWEST_PAIRS = 2  # of orders for each background row: with one, nobody knows how far chance goes


class Shapley(NamedTuple):
    """What each column adds, and how far chance may be off.

    ``errors`` are standard errors: zero where every coalition and every kept row of the background was asked. ``base``
    is the mean answer of the background, ``answer`` that of the row, ``exact`` whether every coalition was asked,
    ``asked`` how many rows were.
    """

    values: Floats
    errors: Floats
    base: float
    answer: float
    exact: bool
    asked: int


def shapley(
    ask: Ask, columns: int, background: int, *, same: Mask | None = None, kept: int | None = None, seed: int = 0
) -> Shapley:
    """Return the Shapley values of one row.

    Parameters
    ----------
    ask : function
        Of coalitions, bool of shape (m, columns), and places of background rows, int of shape (m,): the answers of m
        rows, each of the explained row where the coalition is true and of its background row elsewhere.
    columns : int
    background : int
        Rows to explain against.
    same : array of bool, shape (background, columns), optional
        Where a background row holds what the explained row holds: which of both is taken makes no difference there, so
        rows that come out alike are asked once.
    kept : int, optional
        Of how many rows these are a random part; the standard errors count what that leaves open.
    seed : int
        Of the orders that are drawn, where there are over 10 columns.

    Returns
    -------
    Shapley

    Raises
    ------
    ValueError
        No column, or no row of background.

    Examples
    --------
    >>> row, usual = np.array([3.0, 1.0]), np.array([[0.0, 0.0], [2.0, 0.0]])
    >>> found = shapley(lambda taken, at: np.where(taken, row, usual[at]).sum(axis=1), 2, 2)
    >>> found.values.tolist(), found.base, found.answer
    ([2.0, 1.0], 1.0, 4.0)
    """
    if columns < 1 or background < 1:
        raise ValueError("Shapley values need a column and a row of background.")
    counted = _Counted(ask)
    exact = columns <= ALL_COALITIONS
    alike = np.zeros((background, columns), bool) if same is None else np.asarray(same, bool)
    found = _of_all(counted, alike) if exact else _of_drawn(counted, alike, seed)
    errors = _errors(found.each, found.within, max(kept or background, background))
    return Shapley(found.each.mean(axis=0), errors, float(found.base), float(found.answer), exact, counted.rows)


class _Found(NamedTuple):
    each: Floats  # (background, columns): the values against one background row
    within: Floats  # (background, columns): the variance that drawing orders leaves in each of them
    base: float
    answer: float


class _Counted:
    """Asks in parts, and counts."""

    def __init__(self, ask: Ask) -> None:
        self.ask, self.rows = ask, 0

    def __call__(self, taken: Mask, places: Places) -> Floats:
        self.rows += len(places)
        parts = [
            np.asarray(self.ask(taken[i : i + CHUNK_ROWS], places[i : i + CHUNK_ROWS]), float)
            for i in range(0, len(places), CHUNK_ROWS)
        ]
        return np.concatenate(parts)


def _of_all(ask: _Counted, same: Mask) -> _Found:
    """Ask every coalition with every background row, and the row itself once; of mixed rows that are alike, one."""
    background, columns = same.shape
    powers = 2 ** np.arange(columns)
    taken = (np.arange(2**columns)[:, None] & powers) > 0
    codes = np.arange(2**columns) | (same @ powers)[:, None]  # (background, coalitions)
    rows = np.where(codes == 2**columns - 1, 0, np.arange(background)[:, None]) * 2**columns + codes
    distinct, places = np.unique(rows, return_inverse=True)
    worth = ask(taken[distinct % 2**columns], distinct // 2**columns)[places.reshape(rows.shape)]
    each = worth @ _weights(taken)
    return _Found(each, np.zeros_like(each), float(worth[:, 0].mean()), float(worth[0, -1]))


def _weights(taken: Mask) -> Floats:
    """Return how much the worth of each coalition counts for each column, of shape (coalitions, columns)."""
    columns = taken.shape[1]
    size = taken.sum(axis=1)
    share = np.array([factorial(s) * factorial(columns - 1 - s) / factorial(columns) for s in range(columns)])
    joined, apart = share[np.maximum(size - 1, 0)], share[np.minimum(size, columns - 1)]
    weights: Floats = np.where(taken, joined[:, None], -apart[:, None])
    return weights


def _of_drawn(ask: _Counted, same: Mask, seed: int) -> _Found:
    """Let the columns join in drawn orders and in their reverses, as many pairs for every background row."""
    background, columns = same.shape
    pairs = max(FEWEST_PAIRS, SAMPLE_ROWS // (2 * (columns - 1) * background))
    answer = ask(np.ones((1, columns), bool), np.zeros(1, np.int64))[0]
    usual = ask(np.zeros((background, columns), bool), np.arange(background))
    found = np.empty((pairs, background, columns))
    for pair, orders in enumerate(_orders(np.random.default_rng(seed), pairs, background, columns)):
        both = [_walk(ask, walked, same, usual, answer) for walked in (orders, orders[:, ::-1])]
        found[pair] = (both[0] + both[1]) / 2
    return _Found(found.mean(axis=0), found.var(axis=0, ddof=1) / pairs, float(usual.mean()), float(answer))


def _orders(generator: np.random.Generator, pairs: int, background: int, columns: int) -> Iterator[Places]:
    for _ in range(pairs):
        yield generator.permuted(np.tile(np.arange(columns), (background, 1)), axis=1)


def _walk(ask: _Counted, orders: Places, same: Mask, usual: Floats, answer: float) -> Floats:
    """Return what each column adds when they join in an order, for each background row."""
    background, columns = orders.shape
    rank = np.argsort(orders, axis=1)
    taken = rank[:, None, :] < np.arange(1, columns)[None, :, None]  # (background, columns - 1, columns)
    moves = ~np.take_along_axis(same, orders, axis=1)[:, :-1]  # whether a step makes another row
    worth = np.empty((background, columns + 1))
    worth[:, 0], worth[:, -1] = usual, answer
    worth[:, 1:-1][moves] = ask(taken[moves], np.nonzero(moves)[0])
    last = np.maximum.accumulate(np.where(moves, np.arange(1, columns), 0), axis=1)
    worth[:, 1:-1] = np.take_along_axis(worth, last, axis=1)
    return np.take_along_axis(np.diff(worth, axis=1), rank, axis=1)


def _errors(each: Floats, within: Floats, kept: int) -> Floats:
    """Return standard errors of two stages: which background rows, and which orders for each (Cochran 1977, 10.4)."""
    rows = len(each)
    part = rows / kept
    between = each.var(axis=0, ddof=1) if rows > 1 else np.zeros(each.shape[1])
    found: Floats = np.sqrt((1 - part) * between / rows + part * within.mean(axis=0) / rows)
    return found
