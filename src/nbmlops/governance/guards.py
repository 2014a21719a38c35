"""What a gate looks at beside the deciding metric: slices, the gap between them, calibration, the time of an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nbmlops.errors import Invalid
from nbmlops.governance.differences import IN_POINTS, Gain, gain, measured
from nbmlops.records import Finding, Outcome, plain
from nbmlops.registry import measures
from nbmlops.registry.measures import Answers
from nbmlops.stats import paired
from nbmlops.stats.intervals import Interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Part", "calibration", "gaps", "guarded", "latency", "parts"]

LEVEL = 0.05  # the chance of any false alarm among all guarded metrics and slices
FEWEST_ROWS = 50  # of a slice
MOST_SLICES = 50
BINS = 10
SLOWER = 2.0  # times as slow as the champion is told
SLOW_S = 0.1  # and from here on a person waits: then it is an issue
ASKED = 11
MOST_S = 1.0
Array = NDArray[Any]


@dataclass(frozen=True)
class Part:
    """A slice: which rows, and how both models do there in the deciding metric; no gain where that cannot be said."""

    column: str
    label: str
    rows: int
    gain: Gain | None = None
    errors: tuple[float, float] = (np.nan, np.nan)  # standard errors of the challenger's and the champion's value
    why_not: str = ""


def parts(
    rows: pd.DataFrame,
    by: Sequence[str],
    one: Answers,
    two: Answers,
    first: Gain,
    tolerated: float,
    groups: Array | None,
) -> tuple[Part, ...]:
    """Return how both models do in each value of some columns, the largest first."""
    if missing := [c for c in by if c not in rows.columns]:
        known = ", ".join(map(str, rows.columns[:12]))
        raise Invalid(f"No column {missing[0]!r} to slice by.", f"The rows have: {known}.")
    found: list[Part] = []
    for column in by:
        codes, labels = rows[column].factorize(use_na_sentinel=False)
        if len(labels) > 20 * MOST_SLICES:
            raise Invalid(f"{column!r} has over {20 * MOST_SLICES:,} values.", "Slice by a column with few values.")
        places = sorted(((np.flatnonzero(codes == i), v) for i, v in enumerate(labels)), key=lambda p: -len(p[0]))
        for chosen, value in places[:MOST_SLICES]:
            label = f"{column}={'missing' if value is None or value != value else value}"
            found.append(_part(column, label, chosen, one, two, first.metric, tolerated, groups))
    return tuple(found)


def guarded(others: Sequence[Gain], slices: Sequence[Part]) -> Iterator[Finding]:
    """Yield a finding for each guarded metric and slice; Holm covers all of them.

    Worse by more than the margin is an issue. A warning is a metric that is not shown to be non-inferior, and a slice
    that is worse and not shown to be so by less than the margin.
    """
    compared = [("metric", g.metric, g) for g in others]
    compared += [("slice", p.label, p.gain) for p in slices if p.gain is not None]
    beyond = paired.holm([g.p_worse for _, _, g in compared])
    worse = paired.holm([g.difference.p_below() for _, _, g in compared])
    for (code, name, found), p_beyond, p_worse in zip(compared, beyond, worse, strict=True):
        doubtful = found.reserve <= 0 and (code == "metric" or p_worse < LEVEL)
        outcome: Outcome = "issue" if p_beyond < LEVEL else "warning" if doubtful else "passed"
        yield _compared(code, name, found, outcome, p_beyond)
    for part in slices:
        if part.gain is None:
            yield Finding("slice", "skipped", f"{part.label}: {part.why_not}", part.label, detail={"rows": part.rows})


def gaps(slices: Sequence[Part], by: Sequence[str], margin: float) -> Iterator[Finding]:
    """Yield for each column the distance of its best and its worst slice, and whether the challenger widens it."""
    for column in by:
        known = [p for p in slices if p.column == column and p.gain is not None and np.isfinite(p.errors[0])]
        if len(known) < 2:
            yield Finding("gap", "skipped", f"{column}: fewer than two slices with enough rows", column)
        else:
            yield _gap(column, known, margin)


def calibration(one: Answers, two: Answers, tolerated: float, groups: Array | None) -> Iterator[Finding]:
    """Yield whether predicted and observed shares are further apart than the champion's: over all rows, and in bins.

    Of more than two classes the probability of the predicted class is held against how often it was right. An issue
    where the whole interval of the increase lies above the margin, a warning where it lies above zero and across it.
    """
    if one.probability is None or two.probability is None:
        yield Finding("calibration", "not_applicable", "Calibration: not both models give probabilities")
        return
    sides = [_said(a) for a in (one, two)]
    columns = [v for said, came in sides for v in _bin_sums(said, said - came)]
    for name, statistic in (("share gap", _share_gap), ("calibration error", _calibration_error)):
        found, drawn = paired.resampled(np.column_stack(columns), partial(_more, statistic), groups)
        yield _calibrated(name, found, [float(statistic(np.array([c]))[0]) for c in _halves(columns)], tolerated, drawn)


def latency(models: Sequence[Any], rows: Sequence[Any], spend_s: float = MOST_S) -> Finding:
    """Return how long one row takes, both models in turn: twice the champion's time is told.

    The quickest of the calls counts: what else the machine was busy with slows the others.

    Parameters
    ----------
    models : sequence of estimator
        The challenger and the champion.
    rows : sequence of pandas.DataFrame
        One row each, with the columns of either.
    spend_s : float
    """
    times: list[list[float]] = [[], []]
    began = time.perf_counter()
    while len(times[1]) < ASKED + 1 and time.perf_counter() - began < spend_s:
        for place, (model, row) in enumerate(zip(models, rows, strict=True)):
            start = time.perf_counter()
            measures.ask(model, row)
            times[place].append(time.perf_counter() - start)
    new, old = map(min, times)
    ratio = new / old
    outcome: Outcome = "passed" if ratio <= SLOWER else "issue" if new > SLOW_S else "warning"
    message = f"One row takes {1000 * new:.3g} ms, the champion {1000 * old:.3g} ms ({ratio:.2f} times"
    limit = f"; told above {SLOWER:g}, an issue above {1000 * SLOW_S:g} ms as well)"
    return Finding(
        "latency", outcome, message + limit, effect=ratio, detail={"ms": 1000 * new, "champion_ms": 1000 * old}
    )


def _part(
    column: str,
    label: str,
    places: Array,
    one: Answers,
    two: Answers,
    metric: str,
    tolerated: float,
    groups: Array | None,
) -> Part:
    here = one.take(places), two.take(places)
    if len(places) < FEWEST_ROWS:
        return Part(column, label, len(places), why_not=f"insufficient data, {len(places)} of {FEWEST_ROWS} rows")
    if metric == "roc_auc" and not 0 < here[0].happened.mean() < 1:
        return Part(column, label, len(places), why_not="only one class is there")
    found = gain(metric, *here, tolerated, None if groups is None else groups[places])
    if not np.isfinite(found.difference.error):
        return Part(column, label, len(places), why_not="insufficient data, too few rows of a class or too few groups")
    errors = [_error(measured(metric, a)) for a in here]
    return Part(column, label, len(places), found, (errors[0], errors[1]))


def _error(interval: Interval) -> float:
    return (interval.high - interval.low) / (2 * float(stats.norm.ppf(1 - paired.ALPHA)))


def _compared(code: str, name: str, found: Gain, outcome: Outcome, p_beyond: float) -> Finding:
    d = found.difference
    where = name if code == "metric" else f"{found.metric} in {name}"
    says = {"issue": "worse by more than the margin", "warning": "not shown to be as good", "passed": "not worse"}
    if code == "slice" and outcome == "warning":
        says["warning"] = "worse, by no more than the margin as far as can be said"
    message = f"{where}: {says[outcome]}, {d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}] on {found.rows:,} rows"
    detail = {**plain(found), "p_holm": p_beyond, "level": LEVEL}
    return Finding(code, outcome, message, name, d.value, "up" if d.value > 0 else "down", detail)


def _gap(column: str, known: Sequence[Part], margin: float) -> Finding:
    """Return the distance of the challenger's extreme slices; looking for the extremes is paid for by Bonferroni."""
    metric = known[0].gain.metric  # type: ignore[union-attr]
    sign = 1.0 if metric in IN_POINTS else -1.0
    ordered = sorted(known, key=lambda p: sign * p.gain.challenger)  # type: ignore[union-attr]
    low, high = ordered[0], ordered[-1]
    pairs = len(known) * (len(known) - 1) / 2
    z = float(stats.norm.ppf(1 - paired.ALPHA / pairs))
    gap = abs(high.gain.challenger - low.gain.challenger)  # type: ignore[union-attr]
    before = sign * (high.gain.champion - low.gain.champion)  # type: ignore[union-attr]
    half = z * float(np.hypot(high.errors[0], low.errors[0]))
    widened = high.gain.difference.value - low.gain.difference.value  # type: ignore[union-attr]
    wide = z * float(np.hypot(high.gain.difference.error, low.gain.difference.error))  # type: ignore[union-attr]
    outcome: Outcome = "issue" if widened - wide > margin else "warning" if gap - half > margin else "passed"
    message = (
        f"{column}: {metric} apart by {gap:.3g} [{max(gap - half, 0):.3g}, {gap + half:.3g}] between {high.label} and "
        f"{low.label}, the champion's by {before:.3g}"
    )
    if outcome == "issue":
        message += f": widened by more than the margin {margin:.3g}"
    detail = {"low": max(gap - half, 0.0), "high": gap + half, "champion": before, "widened": widened, "pairs": pairs}
    return Finding("gap", outcome, message, column, gap, "up" if widened > 0 else "down", detail)


def _said(answers: Answers) -> tuple[Array, Array]:
    """Return a probability for each row, and 1 where what it is of came true."""
    if answers.chance is not None:
        return answers.chance, answers.happened.astype(float)
    probability = np.asarray(answers.probability)
    return probability.max(axis=1), np.asarray(answers.predicted == answers.truth, dtype=float)


def _bin_sums(said: Array, off: Array) -> list[Array]:
    """Return each row's distance of probability and outcome in its bin's column; bins of equally many rows."""
    edges = np.quantile(said, np.arange(1, BINS) / BINS)
    place = np.searchsorted(edges, said, side="right")
    return [np.where(place == i, off, 0.0) for i in range(BINS)]


def _halves(columns: Sequence[Array]) -> Iterable[list[float]]:
    means = [float(c.mean()) for c in columns]
    return means[:BINS], means[BINS:]


def _more(statistic: Callable[[Array], Array], means: Array) -> Array:
    """Return by how much a statistic of the challenger's columns is above the champion's."""
    return statistic(means[:, :BINS]) - statistic(means[:, BINS:])


def _share_gap(means: Array) -> Array:
    return np.asarray(np.abs(means.sum(axis=1)))


def _calibration_error(means: Array) -> Array:
    return np.asarray(np.abs(means).sum(axis=1))


def _calibrated(name: str, found: paired.Paired, values: Sequence[float], tolerated: float, drawn: str) -> Finding:
    outcome: Outcome = (
        "issue" if found.low > tolerated else "warning" if found.low > 0 and found.high > tolerated else "passed"
    )
    message = (
        f"{name[0].upper()}{name[1:]} {values[0]:.4f}, the champion's {values[1]:.4f}: {found.value:+.4f} "
        f"[{found.low:+.4f}, {found.high:+.4f}] by resampling {drawn}"
    )
    detail = {"low": found.low, "high": found.high, "champion": values[1], "value": values[0], "margin": tolerated}
    return Finding("calibration", outcome, message, name, found.value, "up" if found.value > 0 else "down", detail)
