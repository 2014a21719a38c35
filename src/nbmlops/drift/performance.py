"""Realised performance: what a model said, held against what came true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbmlops import hooks
from nbmlops.drift.columns import Column
from nbmlops.quality import look
from nbmlops.records import Finding, Outcome
from nbmlops.stats import counts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MIN_ROWS", "Known", "Metrics", "against", "findings", "measured", "paired", "plain", "texts"]

MIN_ROWS = 200
Metrics = dict[str, dict[str, float]]
SMALLER_IS_BETTER = ("mae",)


class Known(NamedTuple):
    """What a model said and what came true, row by row.

    ``said`` and ``truth`` are the chance of the positive class and whether it came true, two numbers, or two classes
    as text.
    """

    kind: Literal["chance", "number", "class"]
    said: NDArray[Any]
    truth: NDArray[Any]


def findings(
    truth: pd.Series[Any],
    said: pd.Series[Any],
    target: Column,
    reference: Mapping[str, Any] | None,
    charter: bool = False,
) -> list[Finding]:
    """Return the finding on the leading metric against the reference, and one per target of the charter.

    Parameters
    ----------
    truth, said : Series of shape (n,)
        What came true, and the probability (or value, or class) the model gave.
    target : Column
        The truth's column as the reference counted it.
    reference : mapping or None
        Metric name to ``{"value", "low", "high"}``; None where it is not known.
    charter : bool
        Whether the project's charter speaks of this model.
    """
    known = paired(truth, said, target)
    if isinstance(known, str):
        return [Finding("performance", "skipped", f"insufficient data: {known}")]
    found = measured(known)
    name = next(iter(found))
    first = against("performance", name, found[name], (reference or {}).get(name))
    if not charter:
        return [first]
    agreed = hooks.service("registry.targets", "agreed")()
    kept = hooks.service("registry.targets", "judge")(agreed, found)
    return [first, *(replace(f, code="charter_target", column="") for f in kept if f.outcome != "skipped")]


def paired(truth: pd.Series[Any], said: pd.Series[Any], target: Column) -> Known | str:
    """Return the rows in which both are known, or what is lacking."""
    known = (truth.notna() & said.notna()).to_numpy(dtype=bool)
    if (n := int(known.sum())) < MIN_ROWS:
        return f"the truth of {n:,} rows is known, {MIN_ROWS} are needed"
    truth, said = truth[known], said[known]
    happened = _happened(truth, target) if look.holds(said) == "numbers" else None
    if happened is not None:
        one = happened.all() or not happened.any()
        return "only one class came true" if one else Known("chance", look.numbers(said), happened)
    if target.kind == "numeric" and look.holds(said) == "numbers":
        return Known("number", look.numbers(said), look.numbers(truth))
    return Known("class", texts(said), texts(truth))


def measured(known: Known) -> Metrics:
    """Return metrics with 95 % intervals, the leading one first.

    AUC for two classes with a number for each row, accuracy for classes, mean absolute error for numbers.
    """
    from nbmlops.stats import intervals

    said, truth, n = known.said, known.truth, len(known.said)
    if known.kind == "chance":
        return _two_classes(truth, said, n)
    if known.kind == "number":
        return {"mae": plain(intervals.mean(np.abs(truth - said)), n)}
    return {"accuracy": plain(intervals.share(int((said == truth).sum()), n), n)}


def _two_classes(happened: NDArray[np.bool_], chance: NDArray[np.float64], n: int) -> Metrics:
    from nbmlops.stats import intervals

    found = {"roc_auc": plain(intervals.auc(happened, chance), n)}
    if chance.min() < 0 or chance.max() > 1:
        return found
    gap = intervals.mean(chance - happened)
    ends = sorted((abs(gap.low), abs(gap.high)))
    low = 0.0 if gap.low <= 0 <= gap.high else ends[0]
    found["observed_share"] = plain(intervals.share(int(happened.sum()), n), n)
    found["predicted_share"] = plain(intervals.mean(chance), n)
    found["share_gap"] = {"value": abs(gap.value), "low": low, "high": ends[1], "n": n}
    return found


def against(code: str, name: str, current: Mapping[str, float], reference: Mapping[str, Any] | None) -> Finding:
    """Judge a metric: worse than the reference's whole interval is an issue, below its value a warning."""
    value, low, high = (current[k] for k in ("value", "low", "high"))
    seen = f"{name} {value:.3f} [{low:.3f}, {high:.3f}]"
    detail: dict[str, Any] = {"metric": name, **current}
    if not reference or reference.get("value") is None:
        return Finding(code, "passed", f"{seen}; the reference's is not known", "", value, "", detail)
    before = float(reference["value"])
    least, most = (before if reference.get(k) is None else float(reference[k]) for k in ("low", "high"))
    worse, slightly = (low > most, value > most) if name in SMALLER_IS_BETTER else (high < least, value < least)
    outcome: Outcome = "issue" if worse else "warning" if slightly else "passed"
    direction = f"{name} {before:.3f} -> {value:.3f}"
    detail["reference"] = {"value": before, "low": least, "high": most}
    message = f"{seen}, reference {before:.3f} [{least:.3f}, {most:.3f}]"
    return Finding(code, outcome, message, "", value, direction, detail)


def _happened(truth: pd.Series[Any], target: Column) -> NDArray[np.bool_] | None:
    """Return where the positive class, the second of two in order, came true; None for other targets."""
    if target.kind == "boolean":
        return np.asarray(look.numbers(truth) == 1)
    if isinstance(target.bins, counts.NumericBins):
        values = target.bins.spikes
        two = len(values) == 2 and (target.bins.low, target.bins.high) == values and not target.bins.cuts
        return np.asarray(look.numbers(truth) == values[1]) if two else None
    names = [*target.bins.categories, *(target.bins.rare or ())]
    return np.asarray(texts(truth) == sorted(names)[1]) if len(names) == 2 else None


def texts(column: pd.Series[Any]) -> NDArray[Any]:
    """Return each value as text; a whole number is one text, however it is stored."""
    codes, names = look.names(column)
    return np.array(names)[codes]


def plain(interval: Any, n: int) -> dict[str, float]:
    """Return an interval as plain numbers, with the rows behind it."""
    return {"value": float(interval.value), "low": float(interval.low), "high": float(interval.high), "n": n}
