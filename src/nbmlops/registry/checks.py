"""Why a model is not good, or too good to be true: questions about one evaluation, each with a code and an answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.capture import estimators
from nbmlops.quality import leakage, look
from nbmlops.records import Finding
from nbmlops.registry import measures, sketch
from nbmlops.registry.measures import Answers
from nbmlops.stats import intervals
from nbmlops.stats.intervals import Interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHECKS", "Case", "asked"]

MOST_ROWS = 5_000  # of the training rows, evenly taken
GAP, DEARER = 0.1, 1.25  # of AUC or accuracy; of the mean absolute error
GOLDEN = 0.9  # of all importance
FEWEST_VALUES = 3  # a search over fewer has no edge worth a word
DOCS = "docs/findings.md"


@dataclass(frozen=True)
class Case:
    """A model, the rows that judge it, what it said of them, and what is known of those it was fitted on."""

    name: str
    estimator: Any
    rows: pd.DataFrame
    features: pd.DataFrame
    answers: Answers
    importance: Mapping[str, float]
    fitted_on: Mapping[str, Any] | None

    @cached_property
    def trained_on(self) -> tuple[Any, Any] | None:
        """Features and target of the fit, while a variable of this process holds them."""
        return estimators.training_data(self.estimator)

    @cached_property
    def on_training(self) -> Answers:
        """What the model says of some rows it was fitted on."""
        if self.trained_on is None or self.trained_on[1] is None or not hasattr(self.trained_on[0], "shape"):
            raise Inapplicable("the rows it was fitted on are not at hand")
        features, target = self.trained_on
        step = -(-features.shape[0] // MOST_ROWS)
        part = features.iloc[::step] if hasattr(features, "iloc") else features[::step]
        return measures.ask(self.estimator, part, np.asarray(target)[::step])


class Inapplicable(Exception):
    """The question does not fit; the text says why."""


def asked(case: Case, mute: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return one finding per question, in the order in which they are asked.

    Parameters
    ----------
    case : Case
    mute : collection of str
        Codes that nobody wants to hear of.
    """
    return tuple(_answer(code, check, case, code in mute) for code, check in CHECKS.items())


def _answer(code: str, check: Callable[[Case], Finding], case: Case, muted: bool) -> Finding:
    if muted:
        return Finding(code, "muted", f"{code} is muted")
    try:
        found = check(case)
    except Inapplicable as reason:
        return Finding(code, "not_applicable", str(reason))
    return replace(found, code=code, detail={**found.detail, "docs": f"{DOCS}#{code}"})


def _constant(case: Case) -> Finding:
    """Ask whether the model beats the best constant answer."""
    gain = intervals.mean_difference(measures.dummy_loss(case.answers), measures.loss(case.answers))
    what = measures.loss_name(case.answers)
    if gain.low > 0:
        return Finding("", "passed", f"Better than the best constant answer by {gain.value:.3g} {what}", "", gain.value)
    says = "Worse than" if gain.high < 0 else "Not shown to be better than"
    message = f"{says} the best constant answer ({what} {gain.value:+.3g} gained)"
    return Finding("", "issue" if gain.high < 0 else "warning", message, "", gain.value)


def _overfit(case: Case) -> Finding:
    """Ask whether the model does far better on the rows it was fitted on than on others."""
    name, before = _headline(case.on_training)
    _, here = _headline(case.answers)
    told = f"{name} {before.value:.3g} on training rows, {here.value:.3g} on these"
    if name == "mae":
        far = here.low > before.high and here.value > DEARER * before.value
        gap = here.value - before.value
    else:
        gap = before.value - here.value
        far = before.low > here.high and gap > GAP
    if not far:
        return Finding("", "passed", told, "", gap)
    return Finding("", "warning", f"{told}: it remembers; a simpler model, or more rows, may do as well here", "", gap)


def _underfit(case: Case) -> Finding:
    """Ask whether the model fits even the rows it was fitted on."""
    answers = case.on_training
    gain = intervals.mean_difference(measures.dummy_loss(answers), measures.loss(answers))
    what = measures.loss_name(answers)
    if gain.low > 0:
        message = f"On its training rows better than the best constant answer by {gain.value:.3g} {what}"
        return Finding("", "passed", message, "", gain.value)
    message = (
        f"Even on its training rows not shown to be better than the best constant answer ({gain.value:+.3g} {what})"
    )
    return Finding("", "warning", message, "", gain.value)


def _golden(case: Case) -> Finding:
    """Ask whether one column does nearly all of the work."""
    if len(case.importance) < 2 or not sum(case.importance.values()):
        raise Inapplicable("no two columns, or none of them matters")
    column, share = max(case.importance.items(), key=lambda item: item[1])
    told = f"{column} carries {100 * share:.0f} % of the importance"
    if share <= GOLDEN:
        return Finding("", "passed", told, column, share)
    return Finding("", "warning", f"{told}: is it known before the answer is needed?", column, share)


def _edge(case: Case) -> Finding:
    """Ask whether a search found its best at the edge of what it tried."""
    best = getattr(case.estimator, "best_params_", None)
    tried = getattr(case.estimator, "cv_results_", None)
    if best is None or tried is None:
        raise Inapplicable("no search")
    edges = [told for name, value in best.items() if (told := _at_edge(name, value, tried.get(f"param_{name}", ())))]
    if not edges:
        return Finding("", "passed", f"The best of {len(tried['params']):,} candidates lies inside what was tried")
    return Finding("", "warning", f"The best lies at the edge: {', '.join(edges)}; widen the search there")


def _at_edge(name: str, value: Any, candidates: Any) -> str:
    numbers = {float(v) for v in candidates if isinstance(v, (int, float, np.number)) and not isinstance(v, bool)}
    if len(numbers) < FEWEST_VALUES or not isinstance(value, (int, float, np.number)):
        return ""
    ends = {min(numbers): "smallest", max(numbers): "largest"}
    return f"{name}={value:.6g} is the {ends[float(value)]} tried" if float(value) in ends else ""


def _fires(case: Case) -> Finding:
    """Ask whether every rule of a model of rules is the first to be true of some row."""
    from nbmlops.registry import conditions, rulemodel

    if not isinstance(case.estimator, rulemodel.RuleModel):
        raise Inapplicable("no model of rules")
    counts = case.estimator.counts(case.features)
    if not (idle := case.estimator.idle(case.features)):
        return Finding("", "passed", "Every rule fires on some of these rows", detail={"fired": counts})
    names = set(map(str, case.rows.columns))
    for number in idle:
        for column, word in conditions.columns_as_values(str(case.estimator.rules[number - 1].condition), names)[:1]:
            idle[number] += f"; {column} is compared with the word {word}, not with the column of that name"
    told = "; ".join(f"rule {number} ({why})" for number, why in list(idle.items())[:5])
    more = f"; and {len(idle) - 5} more" if len(idle) > 5 else ""
    message = f"Never fires on these rows: {told}{more}"
    return Finding("", "warning", message, "", float(len(idle)), detail={"fired": counts})


def _time(case: Case) -> Finding:
    """Ask whether the rows that judge come after those of the fit."""
    if case.trained_on is None:
        raise Inapplicable("the rows it was fitted on are not at hand")
    for name, held_out, training in _moments(case.rows, case.trained_on[0]):
        newest, before = training.max(), held_out < training.max()
        share = float(before.mean())
        if not share:
            return Finding("", "passed", f"{name}: all of these rows come after those of the fit", name, 0.0)
        message = f"{name}: {100 * share:.0f} % of these rows lie before {newest}, the newest of the fit"
        return Finding("", "warning", f"{message}: split by time if the model will be asked of the future", name, share)
    raise Inapplicable("no column of times, and no index of times, in both")


def _moments(rows: pd.DataFrame, training: Any) -> list[tuple[str, Any, Any]]:
    """Return the columns of times that both have, and the index where it is one in both."""
    import pandas as pd

    if not isinstance(training, (pd.DataFrame, pd.Series)):
        return []
    names = [c for c in getattr(training, "columns", ()) if c in rows.columns and look.holds(rows[c]) == "times"]
    found = [(str(c), look.times(rows[c]).dropna(), look.times(training[c]).dropna()) for c in names]
    if isinstance(rows.index, pd.DatetimeIndex) and isinstance(training.index, pd.DatetimeIndex):
        found.append(("index", look.times(rows.index.to_series()), look.times(training.index.to_series())))
    return [one for one in found if len(one[1]) and len(one[2])]


def _seen(case: Case) -> Finding:
    """Ask whether rows that judge are among those of the fit, by more than chance."""
    if case.trained_on is not None:
        fitted = leakage.Fitted(case.name, *case.trained_on)
        scored = leakage.Scored("these rows", case.features, case.answers.truth)
        return _tip([fitted], [scored], "test-rows-in-training")
    if known := (case.fitted_on or {}).get("sketch"):
        return sketch.finding(known, case.features)
    raise Inapplicable("the rows it was fitted on are not known")


def _determines(case: Case) -> Finding:
    """Ask whether one column all but gives the target away."""
    return _tip([leakage.Fitted(case.name, case.features, case.answers.truth)], [], "column-determines-target")


def _tip(fitted: list[leakage.Fitted], scored: list[leakage.Scored], code: str) -> Finding:
    others = [c.code for c in leakage.CHECKS if c.code != code]
    found = next(f for f in leakage.tips(fitted, scored, mute=others, full=True) if f.code == code)
    if found.outcome == "not_applicable":
        raise Inapplicable(found.message)
    return found


def _headline(answers: Answers) -> tuple[str, Interval]:
    metrics = measures.measure(answers)
    name = next(m for m in ("roc_auc", "mae", "accuracy") if m in metrics)
    value, low, high = (metrics[name][k] for k in ("value", "low", "high"))
    if value is None or low is None or high is None:
        raise Inapplicable("one class only")
    return name, Interval(value, low, high)


CHECKS: Mapping[str, Callable[[Case], Finding]] = {
    "dummy": _constant,
    "test-rows-in-training": _seen,
    "column-determines-target": _determines,
    "time-overlap": _time,
    "overfit": _overfit,
    "underfit": _underfit,
    "golden-feature": _golden,
    "search-edge": _edge,
    "rule-never-fires": _fires,
}
