"""How well a model answers rows whose truth is not known yet, judged by rows whose truth is.

Nothing here can see concept drift: each function says what has to have stayed the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from nbmlops.errors import Invalid
from nbmlops.stats.intervals import MIN_CLASS, Interval

__all__ = ["Calibration", "ErrorModel", "accuracy", "calibrate", "calibration_error", "fit_errors"]

CELLS, CELL_ROWS = 200, 15  # held-out rows are counted in at most so many cells, of at least so many rows
BOOTSTRAPS = 100
FOLDS = 5
MOST_SCORES = 2000  # distinct scores over which the calibration's own uncertainty is measured
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often the positive class came true at each score, counted on held-out rows.

    Parameters
    ----------
    scores : array of float, shape (cells,)
        Mean score of each cell, rising.
    happened, rows : array of int, shape (cells,)
    corrected : bool
        Whether scores are corrected by an isotonic fit; else they are taken as the probabilities they claim to be.
    errors : tuple of float
        Calibration error of the scores as they are and, on rows left out of the fit, of the corrected ones.
    """

    scores: Floats
    happened: Ints
    rows: Ints
    corrected: bool
    errors: tuple[float, float]

    def chances(self, score: ArrayLike) -> Floats:
        """Return the probability of the positive class at each score."""
        score = np.asarray(score, dtype=np.float64)
        return self._at(self._fit, score) if self.corrected else score

    def performance(self, score: ArrayLike, confidence: float = 0.95) -> dict[str, Interval]:
        """Return the expected AUC, accuracy and share of the positive class of rows without truth.

        Confidence-based performance estimation (CBPE): with a probability for each row, the expected confusion
        matrix at every threshold is known. It holds while the probabilities do: covariate shift is seen, concept
        drift is not. The interval covers what the truth of so many rows leaves to chance (DeLong's variance with
        expected classes) and what the held-out rows leave open of the calibration (bootstrap).

        Parameters
        ----------
        score : array of shape (n,)
        confidence : float

        Returns
        -------
        dict
            ``roc_auc`` where both classes can be expected, ``accuracy`` at 0.5 and ``expected_share``; the accuracy
            only where scores are probabilities.

        References
        ----------
        NannyML, "Confidence-based Performance Estimation" (documentation, how it works); Białek et al., "Estimating
        Model Performance Under Covariate Shift Without Labels", arXiv 2401.08348; Kivimäki et al., arXiv 2505.05295.

        Examples
        --------
        >>> said = np.linspace(0.01, 0.99, 500)
        >>> came_true = np.random.default_rng(0).random(500) < said
        >>> round(calibrate(said, came_true).performance(said)["roc_auc"].value, 2)
        0.83
        """
        scores, n = np.unique(np.asarray(score, dtype=np.float64), return_counts=True)
        chance = self.chances(scores)
        values = _expected(scores, chance, n)
        thin = slice(None, None, -(-len(scores) // MOST_SCORES))
        again = [_expected(scores[thin], self._at(fit, scores[thin]), n[thin]) for fit in self._refits]
        spread = {name: float(np.var([a[name] for a in again])) for name in values}
        if self.corrected:  # an isotonic fit puts scores too far apart; how far, the fits drawn from it tell
            drawn = _expected(scores[thin], chance[thin], n[thin])
            apart = {name: float(np.mean([a[name] for a in again])) - drawn[name] for name in values}
            values = {name: float(np.clip(value - apart[name], 0, 1)) for name, value in values.items()}
            spread = {name: spread[name] + apart[name] ** 2 for name in values}
        z, total = float(stats.norm.ppf((1 + confidence) / 2)), float(n.sum())
        found = {
            name: _within(value, z * np.sqrt(value * (1 - value) / total + spread[name]))
            for name, value in values.items()
            if name != "roc_auc"
        }
        positive = float(n @ chance)
        if min(positive, total - positive) < MIN_CLASS:
            return found
        error = float(np.sqrt(_delong(chance, n, values["roc_auc"]) + spread["roc_auc"]))
        return {"roc_auc": _on_logits(values["roc_auc"], z * error), **found}

    @cached_property
    def _fit(self) -> Floats:
        return _isotonic(self.happened, self.rows)

    @cached_property
    def _refits(self) -> list[Floats]:
        """The isotonic fits of held-out rows drawn again: how well such rows pin the probabilities down."""
        rng, m = np.random.default_rng(0), int(self.rows.sum())
        rows = rng.multinomial(m, self.rows / m, size=BOOTSTRAPS)
        return [_isotonic(happened, n) for happened, n in zip(rng.binomial(rows, self._fit), rows, strict=True)]

    def _at(self, fit: Floats, score: Floats) -> Floats:
        return np.asarray(np.interp(score, self.scores, fit))


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """What the absolute error of a prediction is expected to be, given the row: one model per fold left out."""

    models: tuple[Any, ...]
    noise: float
    rows: int

    def absolute_error(self, inputs: ArrayLike, confidence: float = 0.95) -> Interval:
        """Return the expected mean absolute error of rows without truth.

        The interval covers the chance in so many rows and, by the jackknife over folds, what the held-out rows leave
        open of the error model.

        Parameters
        ----------
        inputs : array of shape (n, columns)
            As given to :func:`fit_errors`.
        confidence : float

        Returns
        -------
        Interval
        """
        each = np.array([np.maximum(m.predict(np.asarray(inputs, dtype=float)), 0.0) for m in self.models])
        means, k = each.mean(axis=1), len(each)
        value = float(means.mean())
        chance = (float(each.mean(axis=0).var()) + self.noise) / each.shape[1]
        learnt = (k - 1) / k * float(((means - value) ** 2).sum())
        half = float(stats.norm.ppf((1 + confidence) / 2)) * float(np.sqrt(chance + learnt))
        return Interval(value, max(0.0, value - half), value + half)


def calibrate(score: ArrayLike, happened: ArrayLike) -> Calibration:
    """Learn from held-out rows how often the positive class comes true at a score.

    Scores are corrected by an isotonic fit only where that lowers the calibration error of rows left out of the fit;
    scores that are no probabilities always are.

    Parameters
    ----------
    score : array of shape (m,)
    happened : array of bool, shape (m,)

    Returns
    -------
    Calibration

    Raises
    ------
    Invalid
        No rows, or not as many scores as truths.

    Examples
    --------
    >>> said = np.linspace(0.01, 0.99, 500)
    >>> calibrate(said, np.random.default_rng(0).random(500) < said**3).corrected
    True
    """
    s, y = np.asarray(score, dtype=np.float64), np.asarray(happened, dtype=bool)
    if not len(s) or s.shape != y.shape:
        raise Invalid(f"A calibration needs a truth for each score, not {y.size} for {s.size}.")
    cells = _cells(s)
    size = int(cells.max()) + 1
    folds = np.random.default_rng(0).permutation(len(s)) % FOLDS
    rows = np.array([np.bincount(cells[folds == k], minlength=size) for k in range(FOLDS)])
    true = np.array([np.bincount(cells[(folds == k) & y], minlength=size) for k in range(FOLDS)])
    scores = np.bincount(cells, weights=s, minlength=size) / rows.sum(axis=0)
    fits = [_isotonic((true.sum(axis=0) - true[k]), (rows.sum(axis=0) - rows[k])) for k in range(FOLDS)]
    left_out = np.array([np.interp(s, scores, fit) for fit in fits])[folds, np.arange(len(s))]
    claimed = calibration_error(s, y) if s.min() >= 0 and s.max() <= 1 else float("inf")
    errors = (claimed, calibration_error(left_out, y))
    return Calibration(scores, true.sum(axis=0), rows.sum(axis=0), errors[1] < errors[0], errors)


def calibration_error(chance: ArrayLike, happened: ArrayLike, bins: int = 10) -> float:
    """Return the expected calibration error: the mean distance of predicted and observed share, in equal bins.

    >>> calibration_error([0.2] * 10, [1, 0, 0, 0, 0] * 2, bins=2)
    0.0
    """
    p, y = np.asarray(chance, dtype=float), np.asarray(happened, dtype=float)
    parts = np.array_split(np.argsort(p, kind="stable"), min(bins, len(p)))
    return round(float(sum(abs(p[part].sum() - y[part].sum()) for part in parts)) / len(p), 12)


def fit_errors(inputs: ArrayLike, error: ArrayLike) -> ErrorModel:
    """Learn from held-out rows how large the absolute error is, given the row (direct loss estimation).

    Parameters
    ----------
    inputs : array of shape (m, columns)
        Features and the prediction; NaN where missing.
    error : array of shape (m,)
        Absolute error of each prediction.

    Returns
    -------
    ErrorModel

    References
    ----------
    NannyML, "Direct Loss Estimation" (documentation, how it works).

    Examples
    --------
    >>> x = np.random.default_rng(0).random((600, 1))
    >>> round(fit_errors(x, 2 * x[:, 0]).absolute_error(x[x > 0.5][:, None]).value, 1)
    1.5
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    x, e = np.asarray(inputs, dtype=float), np.asarray(error, dtype=float)
    folds = np.random.default_rng(0).permutation(len(e)) % FOLDS
    settings = {"max_iter": 50, "max_leaf_nodes": 8, "early_stopping": False, "random_state": 0}
    models = [HistGradientBoostingRegressor(**settings).fit(x[folds != k], e[folds != k]) for k in range(FOLDS)]
    residuals = np.concatenate([e[folds == k] - m.predict(x[folds == k]) for k, m in enumerate(models)])
    return ErrorModel(tuple(models), float(np.mean(residuals**2)), len(e))


def accuracy(said: ArrayLike, right: ArrayLike, now: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the expected accuracy of answers without truth, from how often each answer was right before.

    Parameters
    ----------
    said : array of int, shape (m,)
        The class given to each held-out row, by number.
    right : array of bool, shape (m,)
    now : array of int, shape (n,)
        The class given to each row to be judged.
    confidence : float

    Returns
    -------
    Interval

    Examples
    --------
    >>> accuracy([0, 0, 1, 1] * 50, [1, 1, 1, 0] * 50, [1] * 100).value
    0.5
    """
    before, here = np.asarray(said, dtype=np.int64), np.asarray(now, dtype=np.int64)
    size = int(max(before.max(), here.max())) + 1
    n = np.bincount(before, minlength=size)
    k = np.bincount(before, weights=np.asarray(right, dtype=float), minlength=size)
    each = (k + 0.5) / (n + 1)  # a class never given before is right as often as not, with all the doubt of it
    weight = np.bincount(here, minlength=size) / len(here)
    value = float(weight @ each)
    variance = float(weight**2 @ (each * (1 - each) / (n + 1))) + value * (1 - value) / len(here)
    return _within(value, float(stats.norm.ppf((1 + confidence) / 2)) * float(np.sqrt(variance)))


def _cells(score: Floats) -> Ints:
    """Return the cell of each score, none of them empty."""
    cells = min(CELLS, max(2, len(score) // CELL_ROWS))
    cuts = np.unique(np.quantile(score, np.arange(1, cells) / cells))
    codes = np.searchsorted(cuts, score, side="right")
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _isotonic(happened: NDArray[Any], rows: NDArray[Any]) -> Floats:
    """Return rising shares; a cell without rows takes those of its neighbours."""
    from sklearn.isotonic import isotonic_regression

    filled = np.flatnonzero(rows)
    fit = isotonic_regression(happened[filled] / rows[filled], sample_weight=rows[filled].astype(float))
    return np.asarray(np.interp(np.arange(len(rows)), filled, fit))


def _expected(scores: Floats, chance: Floats, n: NDArray[Any]) -> dict[str, float]:
    """Return what is expected of rows grouped by score, rising; no row is paired with itself."""
    up, down = n * chance, n * (1 - chance)
    alone = float(up @ (1 - chance))
    pairs = float(up.sum() * down.sum()) - alone
    found = {"roc_auc": (float(up @ _below(down)) - alone / 2) / pairs if pairs > 0 else 0.5}
    if scores[0] >= 0 and scores[-1] <= 1:
        found["accuracy"] = float(np.where(scores > 0.5, up, down).sum() / n.sum())
    return {**found, "expected_share": float(up.sum() / n.sum())}


def _below(mass: Floats) -> Floats:
    """Return the mass at lower scores, and half of that at the same."""
    return np.asarray(mass.cumsum() - mass / 2)


def _delong(chance: Floats, n: NDArray[Any], area: float) -> float:
    """Return DeLong's variance with each row counted by its chance in both classes."""
    up, down = n * chance, n * (1 - chance)
    won = _below(down) / down.sum()
    lost = 1 - _below(up) / up.sum()
    return float(up @ (won - area) ** 2 / up.sum() ** 2 + down @ (lost - area) ** 2 / down.sum() ** 2)


def _within(value: float, half: float) -> Interval:
    return Interval(value, float(max(0.0, value - half)), float(min(1.0, value + half)))


def _on_logits(area: float, half: float) -> Interval:
    inside = min(max(area, 1e-6), 1 - 1e-6)
    centre, width = np.log(inside / (1 - inside)), half / (inside * (1 - inside))
    return Interval(area, float(1 / (1 + np.exp(width - centre))), float(1 / (1 + np.exp(-width - centre))))
