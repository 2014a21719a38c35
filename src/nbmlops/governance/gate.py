"""Is the challenger better than the champion? Both answer the same rows, and the difference has an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nbmlops.errors import Invalid
from nbmlops.governance.charter import DEFAULT_MARGIN, charter
from nbmlops.hooks import Shown
from nbmlops.records import Finding, Outcome, plain
from nbmlops.registry import evaluation, measures, signature
from nbmlops.registry.evaluation import Subject
from nbmlops.registry.measures import Answers
from nbmlops.stats import intervals
from nbmlops.stats.intervals import Interval
from nbmlops.tracking import session

__all__ = ["GateResult", "gate"]

POWER_80 = 0.8416212  # standard normal quantile of 80 %
TWO_SIDED = 1.959964
OUTCOMES: Mapping[str, Outcome] = {
    "better": "passed",
    "non-inferior": "passed",
    "inconclusive": "warning",
    "worse": "issue",
}


@dataclass(frozen=True, repr=False)
class GateResult(Shown):
    """The comparison of two models on the same rows."""

    shows: ClassVar[str] = "gate"

    challenger: str
    champion: str
    verdict: str
    metric: str
    difference: float
    low: float
    high: float
    margin: float
    tolerated: float
    detectable: float
    rows: int
    challenger_value: float
    champion_value: float
    findings: tuple[Finding, ...]
    challenger_digest: str | None = None
    champion_digest: str | None = None
    target: str = ""
    data: str = ""
    result_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "findings": [f.to_dict() for f in self.findings]}


def gate(challenger: Any, champion: Any, on: Any, target: str | None = None, margin: float | None = None) -> GateResult:
    """Compare two models on the same rows, which neither was fitted on.

    Two classes with scores: the difference of the AUCs (paired DeLong). Else the mean of each row's difference in loss
    (0 or 1 for classes, the absolute error for numbers). Rows are taken as independent of each other: where they come
    in groups (days, customers) the interval is too narrow.

    Parameters
    ----------
    challenger, champion : estimator or str
        Fitted, or registered: ``"late-flights@challenger"``. Only registered ones count as evidence for a promotion.
    on : pandas.DataFrame of shape (n, columns)
        Held-out rows with every feature and the target.
    target : str, optional
        Column of the truth; that of the registered models when absent.
    margin : float, optional
        How much worse is tolerable: in points of AUC, else as a share of the champion's loss. The charter's when
        absent, else 0.01.

    Returns
    -------
    GateResult
        ``verdict``: *better* (the whole interval is above zero), *non-inferior* (above minus the margin), *worse*
        (below zero), else *inconclusive*; with the smallest difference these rows could show. Kept in the store.

    Raises
    ------
    NotAllowed
        Either model was fitted on these rows.
    Invalid
        ``on`` is no table, or the models answer different questions.

    Examples
    --------
    >>> nb.gate("late-flights@challenger", "late-flights@champion", on=held_out).verdict  # doctest: +SKIP
    'better'
    """
    from dataclasses import replace

    if isinstance(on, str):
        raise Invalid(f"{on!r} is no table.", "Pass the held-out rows as a DataFrame.")
    rows = signature.table(on)
    first, second = evaluation.subject_of(challenger), evaluation.subject_of(champion)
    target = target or first.target or second.target
    if target is None:
        raise Invalid("Which column is the truth?", "Pass target=.")
    found = _compared(first, second, rows, target, _margin(margin))
    result_id = session.keep("gate", f"{found.challenger} against {found.champion}", found.to_dict())
    return replace(found, result_id=result_id)


def _compared(first: Subject, second: Subject, rows: Any, target: str, margin: float) -> GateResult:
    from nbmlops.capture.data import describe

    truth = evaluation.truth_of(rows, target)
    one, two = (evaluation.asked(s, evaluation.rows_for(s, rows, target), truth) for s in (first, second))
    if one.classes != two.classes:
        raise Invalid(f"{first.name} and {second.name} answer different questions.", "Compare models of one target.")
    metric, difference, values, scale = _difference(one, two)
    error = (difference.high - difference.low) / (2 * TWO_SIDED)
    verdict = _verdict(difference, margin * scale)
    return GateResult(
        challenger=first.name,
        champion=second.name,
        verdict=verdict,
        metric=metric,
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        margin=margin * scale,
        tolerated=margin,
        detectable=(TWO_SIDED + POWER_80) * error,
        rows=len(rows),
        challenger_value=values[0],
        champion_value=values[1],
        findings=(_finding(verdict, metric, difference, margin * scale, len(rows)),),
        challenger_digest=first.version.digest if first.version else None,
        champion_digest=second.version.digest if second.version else None,
        target=target,
        data=describe(target, rows).fingerprint,
    )


def _difference(one: Answers, two: Answers) -> tuple[str, Interval, tuple[float, float], float]:
    """Return (metric, how much better the first is, both values, what the margin is a share of)."""
    happened = one.happened if one.task == "binary" else None
    if happened is not None and one.score is not None and two.score is not None and 0 < happened.mean() < 1:
        values = intervals.auc(happened, one.score).value, intervals.auc(happened, two.score).value
        return "roc_auc", intervals.auc_difference(happened, one.score, two.score), values, 1.0
    both = (measures.loss(one), measures.loss(two))
    if measures.loss_name(one) != measures.loss_name(two):  # one of them gives no probabilities
        both = ((one.predicted != one.truth).astype(float), (two.predicted != two.truth).astype(float))
    name = measures.loss_name(one) if measures.loss_name(one) == measures.loss_name(two) else "share wrong"
    values = float(both[0].mean()), float(both[1].mean())
    return name, intervals.mean_difference(both[1], both[0]), values, values[1]


def _verdict(difference: Interval, margin: float) -> str:
    if difference.low > 0:
        return "better"
    if difference.low > -margin:
        return "non-inferior"
    return "worse" if difference.high < 0 else "inconclusive"


def _finding(verdict: str, metric: str, difference: Interval, margin: float, rows: int) -> Finding:
    message = (
        f"The challenger is {verdict}: {metric} better by {difference.value:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}] on {rows:,} rows, margin {margin:.3g}"
    )
    return Finding("gate", OUTCOMES[verdict], message, metric, difference.value)


def _margin(given: float | None) -> float:
    agreed = charter() if given is None else None
    margin = given if given is not None else agreed.margin if agreed else DEFAULT_MARGIN
    if not 0 <= margin < 1:
        raise Invalid(f"margin is {margin!r}.", "Pass how much worse is tolerable, such as 0.01.")
    return float(margin)
