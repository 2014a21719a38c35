"""Columns together: whether current rows can be told from the reference's where each column alone may pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.drift import coded, columns, words
from nbmlops.drift.coded import Coded
from nbmlops.quality import look
from nbmlops.records import Finding, Outcome
from nbmlops.stats import domain
from nbmlops.stats.intervals import Interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CODE", "told_apart"]

CODE = "multivariate"
MIN_ROWS = 200  # a side
MOST_ROWS = 3_000  # a side: every n-th row
NOTICE, ALERT = 0.6, 0.7  # the whole interval of the area lies above: the same for every data set
MOST_COLUMNS, MOST_EXAMPLES = 5, 10
LITTLE = 0.05  # of what carries the difference: a column with less is not named in the regions
Bools = NDArray[np.bool_]
Json = dict[str, Any]


def told_apart(current: pd.DataFrame, reference: pd.DataFrame, names: Sequence[str]) -> Finding:
    """Say whether a classifier tells current rows from those of a reference, by some columns together.

    Parameters
    ----------
    current, reference : DataFrame
        At most 3,000 rows of each are taken: every n-th.
    names : sequence of str
        Columns of both; times and identifiers are left out, and so it is said.

    Returns
    -------
    Finding
        Its effect is the area under the ROC curve on rows the classifier had not seen: 0.5 cannot be told apart. Its
        detail holds the interval, the columns that carry the difference, the regions where current rows are more
        frequent, and the places (``iloc``) of those that look least like the reference.

    Raises
    ------
    NotFound
        A column that one of the frames does not have.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> x = np.random.default_rng(0).normal(size=1000)
    >>> told_apart(pd.DataFrame({"x": x, "y": x}), pd.DataFrame({"x": x, "y": -x}), ["x", "y"]).outcome
    'issue'
    """
    for name in names:
        look.require(current, name, "current")
        look.require(reference, name, "reference")
    steps = [max(1, -(-len(frame) // MOST_ROWS)) for frame in (current, reference)]
    used, left_out = _coded(current, reference, names, steps)
    if not used:
        return Finding(CODE, "not_applicable", f"no column to judge together{_without(left_out)}")
    if (rows := min(len(current), len(reference))) < MIN_ROWS:
        where = "" if rows == len(current) else " in the reference"
        return Finding(CODE, "skipped", f"insufficient data: {rows:,} rows{where}, {MIN_ROWS} are needed")
    is_current = np.repeat(
        [True, False], [-(-len(side) // n) for side, n in zip((current, reference), steps, strict=True)]
    )
    return _finding(used, is_current, steps[0], left_out)


def _coded(
    current: pd.DataFrame, reference: pd.DataFrame, names: Sequence[str], steps: Sequence[int]
) -> tuple[list[Coded], dict[str, str]]:
    used, left_out = [], {}
    for name in names:
        found: Coded | str = coded.code(name, current[name].iloc[:: steps[0]], reference[name].iloc[:: steps[1]])
        if isinstance(found, Coded) and _numbers_rows(found, reference[name]):
            found = "an identifier"
        if isinstance(found, str):
            left_out[name] = found
        else:
            used.append(found)
    return used, left_out


def _numbers_rows(column: Coded, series: pd.Series[Any]) -> bool:
    """Tell whether whole numbers, each there once, are numbers of rows; looked at only where it may be so."""
    if column.names is not None or not str(series.dtype).lower().startswith(("int", "uint")):
        return False
    return bool(series.is_unique) and columns.plan(column.name, columns.Raw(series)).identifier


def _finding(used: list[Coded], current: Bools, step: int, left_out: Mapping[str, str]) -> Finding:
    x = np.column_stack([c.values for c in used])
    told = domain.tell_apart(x, current, np.array([c.names is not None for c in used]))
    sides = {"current": int(current.sum()), "reference": int((~current).sum())}
    detail: Json = {"low": told.auc.low, "high": told.auc.high, "rows_used": sides, "columns_used": len(used)}
    detail |= {"left_out": dict(left_out)} if left_out else {}
    outcome, area = _outcome(told.auc), "AUC {:.2f} ({:.2f} to {:.2f})".format(*told.auc)
    if outcome == "passed":
        message = f"current rows are not told from the reference's by columns together: {area}"
        return Finding(CODE, outcome, message + _without(left_out), "", told.auc.value, "", detail)
    carriers = _carriers(domain.importance(told, x, current), used)
    named = [c for c in used if any(c.name == k["column"] and k["share"] >= LITTLE for k in carriers)]
    regions = _regions(named, current)
    new = np.argsort(-told.score[current], kind="stable")[:MOST_EXAMPLES]
    detail |= {"columns": carriers, "regions": regions, "new_looking": (new * step).tolist()}
    direction = f"{regions[0]['words']}: {_change(regions[0])} of rows" if regions else ""
    carried = ", ".join(f"{k['column']} {words.share(k['share'])}" for k in carriers[:3] if k["share"] >= LITTLE)
    parts = [f"current rows are told from the reference's by columns together: {area}", direction]
    message = "; ".join(filter(None, [*parts, f"carried by {carried}" if carried else ""]))
    return Finding(CODE, outcome, message + _without(left_out), "", told.auc.value, direction, detail)


def _outcome(area: Interval) -> Outcome:
    return "issue" if area.low > ALERT else "warning" if area.low > NOTICE else "passed"


def _carriers(lost: NDArray[np.float64], used: list[Coded]) -> list[Json]:
    """Return the columns that carry the difference, each with its share of what the area loses without them."""
    whole = float(lost.clip(0).sum())
    order = [i for i in np.argsort(-lost, kind="stable")[:MOST_COLUMNS].tolist() if lost[i] > 0]
    return [{"column": used[i].name, "share": float(lost[i]) / whole, "lost": float(lost[i])} for i in order]


def _regions(named: list[Coded], current: Bools) -> list[Json]:
    """Return where current rows are more frequent: found on one half of the rows, measured on the other."""
    first: Bools = np.random.default_rng(0).random(len(current)) < 0.5
    found = [c for column in named for c in coded.conditions(column, current, first)]
    if not found:
        return []
    meets: Bools = np.column_stack([rows for _, rows in found])
    chosen = domain.regions(meets[first], current[first])
    measured = [_measured(found, each, meets[~first], current[~first]) for each in chosen]
    return [region for region in measured if region["current"] > region["reference"]]


def _measured(found: list[coded.Condition], chosen: tuple[int, ...], meets: Bools, current: Bools) -> Json:
    inside: Bools = np.logical_and.reduce(meets[:, list(chosen)], axis=1)
    shares = {"current": float(inside[current].mean()), "reference": float(inside[~current].mean())}
    return {"words": " and ".join(found[i][0] for i in chosen), **shares}


def _change(region: Mapping[str, Any]) -> str:
    return words.change(region["reference"], region["current"])


def _without(left_out: Mapping[str, str]) -> str:
    return f"; left out: {words.few([f'{name} ({why})' for name, why in left_out.items()])}" if left_out else ""
