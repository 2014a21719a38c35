"""A domain classifier: can two sets of rows be told apart, by which columns, and where do they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nbmlops.stats import intervals
from nbmlops.stats.intervals import Interval

__all__ = ["MOST_CODES", "Told", "importance", "regions", "tell_apart"]

MOST_CODES = 64  # bins of the classifier: a category's code lies below
MOST_COLUMNS = 64  # with more, each fold chooses its own by what differs on its training rows
MOST_PAIRS, PAIR_ERRORS = 8, 3.0  # products of two columns whose correlation differs by so many standard errors
FOLDS, ROUNDS, LEAVES = 3, 20, 8
CONFIDENCE = 0.99  # DeLong's covers 95 % of repetitions then: it takes the fits as given, which vary too
PERMUTED_ROWS = 400  # of each fold: enough for an order of the columns
BATCH_CELLS = 2_000_000
SMALL = 0.1  # phi of a small effect (Cohen 1988): less is no region
WORTH = 0.02  # or a standard error: one more condition has to add more
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Fit:
    """A classifier, the rows it never saw, and what it takes: columns, and products of some about their centre."""

    model: Any
    rows: Ints
    columns: Ints
    pairs: tuple[Ints, Ints]
    centre: Floats

    def taken(self, x: Floats) -> Floats:
        """Return what the classifier takes of some rows."""
        left, right = ((x[:, side] - self.centre[side]) for side in self.pairs)
        return np.hstack([x[:, self.columns], left * right])


@dataclass(frozen=True)
class Told:
    """How well two sets of rows were told apart by classifiers that had not seen them.

    ``score`` holds for each row the chance that it is current; ``auc`` is between bounds that cover 95 % of
    repetitions with other rows.
    """

    auc: Interval
    score: Floats
    fits: tuple[Fit, ...]


def tell_apart(x: Floats, current: Bools, categorical: Bools) -> Told:
    """Score each row by a classifier of current against reference rows that was fitted without it.

    Parameters
    ----------
    x : array of shape (n, p)
        NaN is missing; a category is its code, below ``MOST_CODES``.
    current : bool array of shape (n,)
    categorical : bool array of shape (p,)

    Returns
    -------
    Told

    References
    ----------
    Lopez-Paz & Oquab, Revisiting classifier two-sample tests, ICLR 2017 (arXiv:1610.06545).

    Examples
    --------
    >>> x = np.arange(400.0)[:, None]
    >>> tell_apart(x, x[:, 0] < 200, np.array([False])).auc.value > 0.9
    True
    """
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    score, ranks = np.empty(len(x)), _ranks(x)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, current)
    with threadpool_limits(limits=1):  # the fits are small
        fits = tuple(_fit(x, ranks, current, categorical, known, unseen) for known, unseen in folds)
        for fit in fits:
            score[fit.rows] = _scored(fit, x[fit.rows])
    return Told(intervals.auc(current, score, CONFIDENCE), score, fits)


def importance(told: Told, x: Floats, current: Bools) -> Floats:
    """Return what the area loses when the values of one column are shuffled, on rows the classifier had not seen.

    Parameters
    ----------
    told : Told
    x : array of shape (n, p)
    current : bool array of shape (n,)

    Returns
    -------
    array of shape (p,)
    """
    from threadpoolctl import threadpool_limits

    lost, rng = np.zeros(x.shape[1]), np.random.default_rng(0)
    with threadpool_limits(limits=1):
        for fit in told.fits:
            rows = fit.rows[:: -(-len(fit.rows) // PERMUTED_ROWS)]
            lost += _lost(fit, x[rows], current[rows], rng) / len(told.fits)
    return lost


def regions(meets: Bools, current: Bools, most: int = 3) -> list[tuple[int, ...]]:
    """Return where current rows are more frequent than those of the reference, as conditions that hold together.

    One to three conditions; each further region is looked for among the rows outside the ones before.

    Parameters
    ----------
    meets : bool array of shape (n, c)
        Whether each row meets each condition.
    current : bool array of shape (n,)
    most : int

    Returns
    -------
    list of tuple of int
        The conditions of each region.

    References
    ----------
    Subgroup discovery, with the phi coefficient for its quality: Herrera et al., Knowl. Inf. Syst. 29 (2011) 495-525.

    Examples
    --------
    >>> meets = np.array([[True, True], [True, False], [False, True], [False, False]] * 100)
    >>> regions(meets, meets.all(axis=1))
    [(0, 1)]
    """
    found: list[tuple[int, ...]] = []
    left = np.ones(len(meets), dtype=bool)
    while meets.size and len(found) < most:
        chosen, phi = _region(meets & left[:, None], current)
        if phi < SMALL:
            break
        found.append(chosen)
        left &= ~meets[:, list(chosen)].all(axis=1)
    return found


def _fit(x: Floats, ranks: Floats, current: Bools, categorical: Bools, known: Ints, unseen: Ints) -> Fit:
    """Fit on the known rows: splits one at a time do not see that only the relation of two columns changed.

    So the products of the pairs that differ most are taken too; all choices are made on the known rows.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns, pairs = _chosen(ranks[known], current[known])
    names = np.r_[categorical[columns], np.zeros(len(pairs[0]), dtype=bool)]
    model = HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        max_leaf_nodes=LEAVES,
        max_bins=MOST_CODES,
        early_stopping=False,
        categorical_features=names,
        random_state=0,
    )
    fit = Fit(model, unseen, columns, pairs, _centre(x[known]))
    model.fit(fit.taken(x[known]), current[known])
    return fit


def _centre(x: Floats) -> Floats:
    """Return the median of each column, 0 where there is none."""
    ordered, there = np.sort(x, axis=0), (~np.isnan(x)).sum(axis=0)
    middle = ordered[np.maximum(there - 1, 0) // 2, np.arange(x.shape[1])]
    return np.where(there > 0, middle, 0.0)


def _ranks(x: Floats) -> Floats:
    """Return the place of each value in its column, from 0 to 1; what is missing stands last."""
    ranks: Floats = stats.rankdata(np.where(np.isnan(x), np.inf, x).T, axis=1).T / len(x)
    return ranks


def _chosen(ranks: Floats, current: Bools) -> tuple[Ints, tuple[Ints, Ints]]:
    """Return the columns, and the pairs of columns, that differ most in place or in relation."""
    together = np.triu(np.abs(_correlations(ranks[current]) - _correlations(ranks[~current])), 1)
    columns = np.arange(ranks.shape[1])
    if len(columns) > MOST_COLUMNS:
        moved = np.abs(ranks[current].mean(axis=0) - ranks[~current].mean(axis=0))
        related = np.maximum(together.max(axis=0), together.max(axis=1))
        differs = np.maximum(2 * moved, related)
        columns = np.sort(np.argsort(-differs, kind="stable")[:MOST_COLUMNS])
    error = np.sqrt(1 / current.sum() + 1 / (~current).sum())
    furthest = np.argsort(-together, axis=None, kind="stable")[:MOST_PAIRS]
    furthest = furthest[together.ravel()[furthest] > PAIR_ERRORS * error]
    left, right = np.unravel_index(furthest, together.shape)
    return columns, (left, right)


def _correlations(ranks: Floats) -> Floats:
    centred = ranks - ranks.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(size > 0, size, 1.0)
    correlations: Floats = scaled.T @ scaled
    return correlations


def _scored(fit: Fit, x: Floats) -> Floats:
    chances: Floats = fit.model.predict_proba(fit.taken(x))[:, 1]
    return chances


def _lost(fit: Fit, x: Floats, current: Bools, rng: np.random.Generator) -> Floats:
    """Return the loss of area per column; many shuffled copies are scored in one call."""
    whole = _areas(_scored(fit, x)[None, :], current)[0]
    lost, (n, p) = np.zeros(x.shape[1]), x.shape
    used = np.union1d(fit.columns, np.concatenate(fit.pairs))
    for part in np.array_split(used, -(-len(used) * n * p // BATCH_CELLS)):
        copies = np.tile(x, (len(part), 1, 1))
        for copy, j in zip(copies, part.tolist(), strict=True):
            copy[:, j] = rng.permutation(copy[:, j])
        lost[part] = whole - _areas(_scored(fit, copies.reshape(-1, p)).reshape(len(part), n), current)
    return lost


def _areas(scores: Floats, current: Bools) -> Floats:
    """Return the area under the curve of each line of scores."""
    n = int(current.sum())
    ranks = stats.rankdata(scores, axis=1)[:, current].sum(axis=1)
    areas: Floats = (ranks - n * (n + 1) / 2) / (n * (len(current) - n))
    return areas


def _region(meets: Bools, current: Bools) -> tuple[tuple[int, ...], float]:
    """Return up to three conditions that go together with being current, and how closely."""
    sides = [meets[side].astype(np.float32) for side in (current, ~current)]
    worth = max(WORTH, float(np.sqrt(sum(1 / len(side) for side in sides)) / 2))
    both = [side.T @ side / len(side) for side in sides]
    one, phi = _closest([side.diagonal() for side in both])
    place, more = _closest([side.ravel() for side in both])
    if more < phi + worth:
        return (one,), phi
    i, j = sorted(divmod(place, meets.shape[1]))
    phi = more
    third, more = _closest([(side[:, i] * side[:, j]) @ side / len(side) for side in sides])
    return ((i, j), phi) if more < phi + worth else ((i, j, third), more)


def _closest(shares: Sequence[NDArray[Any]]) -> tuple[int, float]:
    """Return the place and size of the largest phi coefficient, both sides weighing the same."""
    now, before = shares
    both = (now + before) / 2
    phi = (now - before) / 2 / np.sqrt(np.maximum(both * (1 - both), 1e-9))
    place = int(phi.argmax())
    return place, float(phi[place])
