"""By how much one model's answers are better than another's on the same rows, with a paired interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.governance.terms import Terms
from nbmlops.registry import measures
from nbmlops.registry.measures import Answers
from nbmlops.stats import intervals, paired
from nbmlops.stats.intervals import Interval
from nbmlops.stats.paired import Paired

__all__ = ["IN_POINTS", "METRICS", "Gain", "chosen", "gain", "measured", "nearer"]

METRICS: Mapping[str, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "brier", "accuracy"),
    "multiclass": ("log_loss", "accuracy"),
    "regression": ("mae", "rmse", "r2"),
}
IN_POINTS = ("roc_auc", "accuracy", "r2")  # the margin is in points of these, of the others a share of the champion's
HOW: Mapping[str, str] = {
    "roc_auc": "paired DeLong",
    "accuracy": "Tango's interval, McNemar's exact test",
    "rmse": "delta method",
    "r2": "resamples",
}
Array = NDArray[Any]


@dataclass(frozen=True)
class Gain:
    """How much better the challenger is in a metric, both values, and where the margin lies."""

    metric: str
    challenger: float
    champion: float
    difference: Paired
    margin: float  # in the metric's own unit
    reserve: float  # lower bound of difference plus margin: above zero is non-inferior
    p_worse: float  # against "worse by the margin at most"
    rows: int
    how: str

    @property
    def verdict(self) -> str:
        """*better*, *non-inferior*, *worse* or *inconclusive*."""
        if self.difference.low > 0:
            return "better"
        if self.reserve > 0:
            return "non-inferior"
        return "worse" if self.difference.high < 0 else "inconclusive"


def chosen(one: Answers, two: Answers, terms: Terms) -> tuple[str, ...]:
    """Return the metrics to compare, the deciding one first.

    Raises
    ------
    Invalid
        A metric that does not fit the task, or that one of the models gives no answers for.
    """
    fitting, possible = METRICS[one.task], _possible(one, two)
    wanted = [m for m in dict.fromkeys(terms.metrics) if terms.asked or m in fitting]
    if strange := [m for m in wanted if m not in fitting]:
        raise Invalid(f"{strange[0]!r} cannot be compared here.", f"Allowed: {', '.join(fitting)}.")
    if missing := [m for m in wanted if m not in possible]:
        needs = "scores" if missing[0] == "roc_auc" else "probabilities"
        raise Invalid(
            f"{missing[0]} needs {needs}, and one of the models gives none.", f"Possible: {', '.join(possible)}."
        )
    return tuple(wanted) or possible[:1]


def gain(metric: str, one: Answers, two: Answers, tolerated: float, groups: Array | None = None) -> Gain:
    """Compare two models' answers in one metric.

    Parameters
    ----------
    metric : str
    one, two : Answers
        The challenger's and the champion's, of the same rows.
    tolerated : float
        How much worse is tolerable, in points or as a share of the champion's loss.
    groups : array of shape (n,), optional
        Which rows belong together.
    """
    found, how = _difference(metric, one, two, groups), _how(metric, groups)
    challenger, champion = (measured(metric, a).value for a in (one, two))
    if metric in IN_POINTS:
        margin, reserve, p_worse = tolerated, found.low + tolerated, found.p_below(-tolerated)
    else:  # the champion's loss is an estimate too, so the margin goes into what is averaged
        above = _reserve(metric, one, two, tolerated, groups)
        margin, reserve, p_worse = tolerated * champion, above.low, above.p_below()
    return Gain(metric, challenger, champion, found, margin, reserve, p_worse, len(one.predicted), how)


def nearer(one: Answers, two: Answers) -> Paired:
    """Return how much nearer the challenger's predicted share is to the observed one than the champion's, by resamples.

    Parameters
    ----------
    one, two : Answers
        The challenger's and the champion's, of the same rows, with probabilities of two classes.
    """
    off = np.column_stack([np.asarray(a.chance) - np.asarray(a.happened, dtype=float) for a in (one, two)])
    return paired.resampled(off, lambda means: np.abs(means[:, 1]) - np.abs(means[:, 0]))[0]


def measured(metric: str, answers: Answers) -> Interval:
    """Return a metric of one model's answers with its interval."""
    if metric == "roc_auc":
        return intervals.auc(answers.happened, answers.score)  # type: ignore[arg-type]
    losses = _losses(metric, answers)
    if metric == "accuracy":
        return intervals.share(int((losses == 0).sum()), len(losses))
    if metric == "rmse":
        return Interval(*(float(np.sqrt(max(v, 0.0))) for v in intervals.mean(losses)))
    if metric == "r2":
        spread = float(np.var(np.asarray(answers.truth, dtype=float))) or np.nan
        squared = intervals.mean(losses**2)
        return Interval(*(1 - v / spread for v in (squared.value, squared.high, squared.low)))
    return intervals.mean(losses)


def _possible(one: Answers, two: Answers) -> tuple[str, ...]:
    needs = {"roc_auc": "score", "log_loss": "probability", "brier": "probability"}
    have = {m: all(getattr(a, needs[m]) is not None for a in (one, two)) for m in needs}
    return tuple(m for m in METRICS[one.task] if have.get(m, True))


def _how(metric: str, groups: Array | None) -> str:
    if groups is None:
        return HOW.get(metric, "mean of paired losses")
    return f"{'resamples' if metric == 'r2' else 'variance of sums'} of {len(np.unique(groups)):,} groups"


def _difference(metric: str, one: Answers, two: Answers, groups: Array | None) -> Paired:
    if metric == "roc_auc":
        return paired.area(one.happened, one.score, two.score, groups)  # type: ignore[arg-type]
    if metric == "r2":
        return paired.resampled(_sums(one, two), lambda m: _r2(m, 0) - _r2(m, 1), groups)[0]
    lost, before = _losses(metric, one), _losses(metric, two)
    if metric == "rmse":
        return paired.root(lost, before, groups)
    if metric == "accuracy" and groups is None:
        return paired.shares(lost == 0, before == 0)
    return paired.gain(before - lost, groups)


def _reserve(metric: str, one: Answers, two: Answers, tolerated: float, groups: Array | None) -> Paired:
    """Return the mean of what the champion loses with the margin on top, less what the challenger loses."""
    factor = (1 + tolerated) ** 2 if metric == "rmse" else 1 + tolerated
    return paired.gain(factor * _losses(metric, two) - _losses(metric, one), groups)


def _losses(metric: str, answers: Answers) -> Array:
    """Return each row's loss, squared for ``rmse``."""
    if metric == "accuracy":
        return np.asarray(answers.predicted != answers.truth, dtype=float)
    if metric == "brier":
        return np.asarray((answers.chance - answers.happened) ** 2)
    found = measures.loss(answers)
    return found**2 if metric == "rmse" else found


def _sums(one: Answers, two: Answers) -> Array:
    truth = np.asarray(one.truth, dtype=float)
    centred = truth - truth.mean()
    return np.column_stack([measures.loss(one) ** 2, measures.loss(two) ** 2, centred, centred**2])


def _r2(means: Array, side: int) -> Array:
    return np.asarray(1 - means[:, side] / (means[:, 3] - means[:, 2] ** 2))
