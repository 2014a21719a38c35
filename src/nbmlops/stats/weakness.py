"""Find the conditions under which rows cost the most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["weakest"]

MOST_CONDITIONS = 80  # the dearest ones, that are tried in pairs
LARGEST_SHARE = 0.5  # a segment with more of the rows is no segment
WORTH = 1.5  # standard errors a second condition has to add
LEAST = 3.0  # standard errors below which nothing is worth measuring
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def weakest(meets: Bools, losses: Floats, fewest: int, most: int = 3) -> list[tuple[int, ...]]:
    """Return where rows cost more than on average: one or two conditions each, the surest first.

    Each further segment is looked for among the rows outside the ones before. How sure is how many standard errors the
    mean loss lies above that of all rows; it chooses, and says nothing of other rows.

    Parameters
    ----------
    meets : bool array of shape (n, c)
        Whether each row meets each condition.
    losses : array of shape (n,)
    fewest : int
        Rows a segment has at least.
    most : int

    Returns
    -------
    list of tuple of int
        The conditions of each segment.

    References
    ----------
    Chung et al., "Slice Finder", ICDE 2019 (arXiv:1807.06068), for the idea; conditions and measure are simpler here.

    Examples
    --------
    >>> meets = np.array([[True, True], [True, False], [False, True], [False, False]] * 100)
    >>> weakest(meets, meets.all(axis=1) + 0.0, fewest=50)
    [(0, 1)]
    """
    found: list[tuple[int, ...]] = []
    left = np.ones(len(meets), dtype=bool)
    while meets.size and len(found) < most and left.sum() >= 2 * fewest:
        chosen, sure = _dearest(meets[left], losses[left], fewest)
        if sure < LEAST:
            break
        found.append(chosen)
        left &= ~meets[:, list(chosen)].all(axis=1)
    return found


def _dearest(meets: Bools, losses: Floats, fewest: int) -> tuple[tuple[int, ...], float]:
    centred = losses - losses.mean()
    spread = float(centred.std()) or 1.0
    single = _sure(meets.sum(axis=0), centred @ meets, spread, len(meets), fewest)
    best = int(single.argmax())
    tried = np.sort(np.argsort(-single, kind="stable")[:MOST_CONDITIONS])
    some = meets[:, tried].astype(np.float32)
    both = _sure(some.T @ some, (some * centred[:, None].astype(np.float32)).T @ some, spread, len(meets), fewest)
    place = int(both.argmax())
    if both.ravel()[place] < single[best] + WORTH:
        return (best,), float(single[best])
    one, two = divmod(place, len(tried))
    return tuple(sorted((int(tried[one]), int(tried[two])))), float(both.ravel()[place])


def _sure(rows: NDArray[np.generic], total: Floats, spread: float, n: int, fewest: int) -> Floats:
    """Return how many standard errors the mean of some rows lies above that of all; nothing for too few or too many."""
    counts = np.asarray(rows, dtype=np.float64)
    fits = (counts >= fewest) & (counts <= LARGEST_SHARE * n)
    return np.where(fits, total / (spread * np.sqrt(np.maximum(counts, 1))), -np.inf)
