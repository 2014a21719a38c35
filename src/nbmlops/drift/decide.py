"""Hold one profile against another: the contract of the columns, and the shift of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.drift import words
from nbmlops.drift.columns import Column, Tally
from nbmlops.drift.profile import Profile
from nbmlops.quality import look
from nbmlops.records import Finding, Level, Outcome, worst
from nbmlops.stats import counts
from nbmlops.stats.decision import Comparison, chunk_limit, compare, judge
from nbmlops.stats.distance import corrected, distance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEATURES", "STRUCTURE", "Asked", "Pending", "contract", "features", "judged", "one", "verdict"]

STRUCTURE = ("column_missing", "columns_extra", "column_kind", "rows_repeated")
FEATURES = "feature_drift"
STUCK = 0.05  # more of all rows than before in one bin: then it is asked whether one value does it
IMPORTANT = 0.10  # a feature with a larger share of the importance may raise an alert alone


@dataclass(frozen=True)
class Share:
    """One column's rows inside and outside what the reference knew, in reference and current."""

    code: str
    column: str
    reference: tuple[int, int]
    current: tuple[int, int]
    what: str

    @property
    def shares(self) -> tuple[float, float]:
        """The share outside, before and after."""
        before, after = (side[1] / max(1, sum(side)) for side in (self.reference, self.current))
        return before, after


@dataclass(frozen=True)
class Pending:
    """A comparison whose outcome depends on the others of its family, and the finding it then makes."""

    family: str
    comparison: Comparison
    finding: Callable[[Outcome], Finding]


Asked = Finding | Pending


def judged(*parts: Sequence[Asked]) -> list[tuple[Finding, ...]]:
    """Return the findings of each part, false discoveries controlled over each family in all parts together."""
    families: dict[str, list[Pending]] = {}
    for test in (t for part in parts for t in part if isinstance(t, Pending)):
        families.setdefault(test.family, []).append(test)
    outcomes = {name: iter(judge([t.comparison for t in tests])) for name, tests in families.items()}

    def finding(asked: Asked) -> Finding:
        return asked.finding(next(outcomes[asked.family])) if isinstance(asked, Pending) else asked

    return [tuple(map(finding, part)) for part in parts]


def contract(
    frame: pd.DataFrame, current: Profile, reference: Profile, inputs: Sequence[str]
) -> tuple[list[Asked], list[str]]:
    """Return the findings on columns missing, extra, of another kind, and the tests of what is outside the known.

    Parameters
    ----------
    frame : DataFrame
        The current rows.
    current, reference : Profile
        On the same edges.
    inputs : sequence of str
        Columns that have to be there.

    Returns
    -------
    asked : list of Finding and Pending
    comparable : list of str
        Columns that hold what they held.
    """
    there = [name for name in inputs if name in frame.columns]
    kinds = [_kind(reference.columns[name], frame[name]) for name in there]
    odd = {f.column for f in kinds if f.outcome == "issue"}
    comparable = [name for name in there if name not in odd]
    counted = [(reference.columns[n], reference.total[n], current.total[n]) for n in comparable]
    shares = [share for about in counted for share in _shares(*about)]
    shares += filter(None, (_stuck(frame, *about) for about in counted))
    tests = [_share_test(share, frame, reference) for share in shares]
    return [*_presence(inputs, there), _extra(frame, reference), *kinds, *tests], comparable


def features(
    current: Profile, reference: Profile, comparable: Iterable[str], importance: Mapping[str, float] | None
) -> list[Asked]:
    """Return one test per column: whether its distribution moved further than is tolerable."""
    return [_feature(name, current, reference, importance) for name in comparable]


def _feature(name: str, current: Profile, reference: Profile, importance: Mapping[str, float] | None) -> Asked:
    if reason := _not_compared(reference, name):
        return Finding(FEATURES, "not_applicable", f"{name} is not compared: {reason}.", name)
    return one(FEATURES, name, current, reference, importance)


def one(
    code: str, name: str, current: Profile, reference: Profile, importance: Mapping[str, float] | None = None
) -> Pending:
    """Return the test whether one column moved further than is tolerable."""
    comparison = between(reference, current, name)
    return Pending(code, comparison, partial(_shift, code, name, reference, current, comparison, importance))


def between(reference: Profile, current: Profile, name: str) -> Comparison:
    """Compare a column's counts; the reference's own chunks say how much it wanders anyway."""
    column, total = reference.columns[name], np.array(reference.total[name].counts)
    chunks = [np.array(c[name].counts) for c in reference.chunks.values()]
    rests = [(c, total - c) for c in chunks if c.sum() and (total - c).sum()]
    wander = max((corrected(rest, c) for c, rest in rests), default=0.0)
    limit = chunk_limit([distance(rest, c) for c, rest in rests])
    ordered = column.bins.regular if isinstance(column.bins, counts.NumericBins) else None
    return compare(total, current.total[name].counts, ordered, wander, limit)


def verdict(findings: Iterable[Finding]) -> Level:
    """Return the highest level; a feature of little importance raises *notice* at most.

    That the columns are there says nothing of the rows: a frame too small to judge is *insufficient data*.
    """
    spoken = [f for f in findings if f.outcome not in ("not_applicable", "muted")]
    spoken = [f for f in spoken if not (f.code in STRUCTURE and f.outcome == "passed")]
    unimportant = [f for f in spoken if f.code == FEATURES and f.outcome == "issue" and not _important(f)]
    level = worst(f for f in spoken if f not in unimportant)
    return "notice" if unimportant and level != "alert" else level


def _presence(inputs: Sequence[str], there: Sequence[str]) -> list[Finding]:
    gone = [name for name in inputs if name not in there]
    if not gone:
        return [Finding("column_missing", "passed", f"all {len(there)} columns of the reference are there")]
    return [Finding("column_missing", "issue", f"{name} is missing", name) for name in gone]


def _extra(frame: pd.DataFrame, reference: Profile) -> Finding:
    extra = [name for name in frame.columns if name not in reference.columns]
    message = f"not in the reference, not compared: {words.few(extra)}" if extra else "no column is extra"
    return Finding("columns_extra", "passed", message, effect=float(len(extra)))


def _kind(column: Column, series: pd.Series[Any]) -> Finding:
    held, was = look.holds(series), column.holds
    same = held == was or "nothing" in (held, was)
    same = same or {held, was} == {"numbers", "booleans"}
    if not same and was == "times" and held == "text":
        same = bool(look.times(series).notna().sum() == series.notna().sum())  # CSV has no times
    if same and (zones := _zones(column, series)):
        return Finding("column_kind", "warning", f"{column.name}: {zones}; read as UTC", column.name, None, zones)
    if same:
        return Finding("column_kind", "passed", f"{column.name} holds {was}", column.name)
    direction = f"{was} -> {held}"
    sample = _first_odd(series) if was == "numbers" else ""
    return Finding("column_kind", "issue", f"{column.name}: {direction}{sample}", column.name, direction=direction)


def _zones(column: Column, series: pd.Series[Any]) -> str:
    """Say where times had a zone before and have none now, or the other way round: hours apart, and nobody sees it."""
    was, now = ("," in dtype if dtype.startswith("datetime64") else None for dtype in (column.dtype, str(series.dtype)))
    if None in (was, now) or was == now:
        return ""
    return f"times {'with' if was else 'without'} a zone -> {'with' if now else 'without'} one"


def _first_odd(series: pd.Series[Any]) -> str:
    """Return the first value that is no number, for the one who has to mend it."""
    odd = series[np.isnan(look.numbers(series)) & series.notna().to_numpy()]
    return f" (such as {str(odd.iloc[0])[:40]!r})" if len(odd) else ""


def _shares(column: Column, reference: Tally, current: Tally) -> Iterable[Share]:
    def outside(code: str, what: str, bins: Sequence[int], known: Sequence[int] | None = None) -> Share:
        sides = []
        for tally in (reference, current):
            out = sum(tally.counts[i] for i in bins)
            whole = tally.rows if known is None else sum(tally.counts[i] for i in known) + out
            sides.append((whole - out, out))
        return Share(code, column.name, sides[0], sides[1], what)

    n = column.bins.regular
    yield outside("missing_share", "missing", [len(reference.counts) - 1])
    if isinstance(column.bins, counts.NumericBins):
        if column.kind == "numeric" and not column.identifier:
            low, high = column.bins.low, column.bins.high
            yield outside("beyond_range", f"beyond {low:.4g} to {high:.4g}", [n, n + 1, n + 2, n + 3], range(n))
    elif column.kind != "datetime" and column.bins.rare is not None:
        yield outside("unseen", "unseen", [n + 1], range(n + 1))


def _stuck(frame: pd.DataFrame, column: Column, reference: Tally, current: Tally) -> Share | None:
    """Return the rows of one value that fills a bin far more than before, as of a sensor that does not move.

    What the reference held in the whole bin stands for what it held of the value: at least as much.
    """
    bins = column.bins
    if column.kind != "numeric" or not isinstance(bins, counts.NumericBins) or not (current.rows and reference.rows):
        return None
    grown = np.array(current.counts[: bins.regular]) / current.rows
    grown -= np.array(reference.counts[: bins.regular]) / reference.rows
    place = int(grown.argmax())
    if grown[place] < STUCK:
        return None
    values = look.numbers(frame[column.name])
    inside = values[(values >= bins.edges[place]) & (values < bins.edges[place + 1])]
    found, rows = np.unique(inside, return_counts=True)
    most, before = int(rows.max()), reference.counts[place]
    what = f"at exactly {found[rows.argmax()]:.4g} (before: at it or near)"
    known = (reference.rows - before, before)
    return Share("stuck", column.name, known, (current.rows - most, most), what) if 2 * most > len(inside) else None


def _share_test(share: Share, frame: pd.DataFrame, reference: Profile) -> Pending:
    comparison = compare(share.reference, share.current)
    return Pending("contract", comparison, partial(_share_finding, share, comparison, frame, reference))


def _share_finding(
    share: Share, comparison: Comparison, frame: pd.DataFrame, reference: Profile, outcome: Outcome
) -> Finding:
    before, after = share.shares
    direction = f"{share.what} {words.change(before, after)}" if after != before else ""
    if not comparison.enough and after <= before:
        outcome = "skipped"
    elif after <= before:
        outcome = "passed"  # fewer are missing, or unseen: no promise is broken
    new = _unseen(frame, reference.columns[share.column]) if share.code == "unseen" and after else []
    text = direction or f"{share.what} {words.share(after)}"
    message = f"{share.column}: {text}{f' ({words.few(new)})' if new else ''}"
    if outcome == "skipped":
        message += f"; {_needs(sum(share.reference), sum(share.current), comparison)}"
    return Finding(share.code, outcome, message, share.column, after, direction)


def _unseen(frame: pd.DataFrame, column: Column) -> list[str]:
    assert isinstance(column.bins, counts.CategoryBins)
    known = {*column.bins.categories, *(column.bins.rare or ())}
    codes, names = look.names(frame[column.name])
    frequency = np.bincount(codes[codes >= 0], minlength=len(names))
    return [names[i][:40] for i in np.argsort(-frequency, kind="stable") if names[i] not in known]


def _not_compared(reference: Profile, name: str) -> str:
    column = reference.columns[name]
    if column.identifier:
        return "it is an identifier"
    if column.kind == "datetime":
        return "it is a time"
    known = reference.total[name].rows - reference.total[name].missing
    return "" if known else "the reference holds nothing there"


def _shift(
    code: str,
    name: str,
    reference: Profile,
    current: Profile,
    comparison: Comparison,
    importance: Mapping[str, float] | None,
    outcome: Outcome,
) -> Finding:
    column, before, after = reference.columns[name], reference.total[name], current.total[name]
    direction = words.direction(column, before, after)
    detail: dict[str, Any] = {"rows": after.rows, "bins": comparison.bins}
    if importance is not None:
        detail["importance"] = importance.get(name, 0.0)
    if outcome == "skipped":
        message = f"{name}: {_needs(before.rows, after.rows, comparison)}"
        return Finding(code, outcome, message, name, None, direction, detail)
    detail |= {"p_notice": comparison.p_notice, "p_alert": comparison.p_alert}
    means = [words.mean(column, t) for t in (before, after)]
    if code == "prediction_drift" and column.kind == "numeric" and None not in means:
        direction = f"mean {means[0]:.3g} -> {means[1]:.3g}"
    far = f"distance {comparison.effect:.2f}, tolerable {comparison.tolerance:.2g}"
    message = f"{name} {direction or 'as in the reference'} ({far})"
    return Finding(code, outcome, message, name, comparison.effect, direction, detail)


def _needs(reference: int, current: int, comparison: Comparison) -> str:
    """Say what it would take to answer."""
    needed = comparison.needed
    if reference <= needed:
        return f"insufficient data: {reference:,} rows in the reference"
    return f"insufficient data: {current:,} rows, about {int(needed * reference / (reference - needed)) + 1:,} needed"


def _important(finding: Finding) -> bool:
    share = finding.detail.get("importance")
    return share is None or share > IMPORTANT
