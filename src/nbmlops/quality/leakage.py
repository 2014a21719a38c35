"""Tips about leakage: what a model was fitted on, held against what it was judged by. Three questions, all answered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from nbmlops.quality.table import Places, Table, common, same, table, values
from nbmlops.records import Finding, Outcome
from nbmlops.stats import dependence, twins

__all__ = ["CHECKS", "Fitted", "Scored", "tips"]

DOCS = "docs/findings.md"
AGAIN, OVERLAP, COLUMN = "metric-on-training-rows", "test-rows-in-training", "column-determines-target"
MOST_ROWS = 20_000  # that a column is judged on
FEWEST_ROWS = 30
FEWEST_SCORED = 10  # fewer are looked at, not judged
MOST_CLASSES = 20  # whole numbers with more distinct values are numbers
DETERMINED = 0.99
LEAST_SHARE = 1e-5  # that is told
SHARED_ISSUE = 0.1  # more shared rows than this, above chance, are an issue
MOST_TOLD = 5  # findings of one code
MOST_CHARS = 60  # of a name
MOST_ANSWERS = 10_000  # that are remembered
HASH_S, TEXT_S, SORT_S, JUDGE_S = 12e-9, 50e-9, 50e-9, 200e-9  # for one value, on one slow core
COLUMN_S = 250e-6  # for one column, however short
ROW_BYTES, TEXT_BYTES, JUDGE_BYTES = 72, 100, 300  # for one row at once, and more where there is text
Values = NDArray[Any]
Answer = tuple[dependence.Determined, bool]  # how well a column foretells the target, and whether it is a copy of it


@dataclass(frozen=True)
class Fitted:
    """What a model was fitted on, under the model's name; references only."""

    name: str
    features: Any
    target: Any


@dataclass(frozen=True)
class Scored:
    """Data a model predicted or was scored on, under the variable's name; references only."""

    name: str
    features: Any
    target: Any | None
    metric: str = ""


@dataclass(frozen=True)
class _Data:
    """One set of rows: its features, its target as a table of one column, and the object it came as."""

    name: str
    features: Table
    target: Table | None
    origin: Any


@dataclass(frozen=True)
class _Case:
    """All that is asked about; what is no table, or has no target, is left out."""

    fitted: tuple[_Data, ...]
    scored: tuple[_Data, ...]


@dataclass(frozen=True)
class _Check:
    """One question: its code, how it is answered, and what that costs in seconds and bytes."""

    code: str
    answer: Callable[[_Case], list[Finding]]
    cost: Callable[[_Case], tuple[float, float]]


class _Inapplicable(Exception):
    """The question does not fit; the text says why."""


def tips(
    fitted: Sequence[Fitted],
    scored: Sequence[Scored],
    *,
    mute: Collection[str] = (),
    budget_s: float = 0.2,
    budget_bytes: float = 100e6,
    full: bool = False,
) -> list[Finding]:
    """Say where a model's score may be too good: rows seen before, or a column that gives the answer away.

    Parameters
    ----------
    fitted : sequence of Fitted
        What was fitted; without a target there is nothing to leak.
    scored : sequence of Scored
        What was predicted or scored.
    mute : collection of str
        Codes not to look into.
    budget_s, budget_bytes : float
        What it may cost, estimated from shapes before anything is read.
    full : bool
        Whatever it costs.

    Returns
    -------
    list of Finding
        At least one of each code, in all six outcomes. It never raises, and never names a value of a row.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(200, 3))
    >>> late = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    >>> found = tips([Fitted("model", rows[:150], late[:150])], [Scored("X_test", rows[120:], late[120:])])
    >>> [f.outcome for f in found]
    ['passed', 'issue', 'passed']
    >>> found[1].message
    'X_test: 30 of 80 rows (37.5 %) also are training rows; chance gives 0 %'
    """
    try:
        case = _case(fitted, scored)
    except Exception as fault:  # a tip is never worth an error; its text could hold values of rows
        return [_finding(c.code, "not_applicable", f"the data cannot be read: {type(fault).__name__}") for c in CHECKS]
    found, left = [], budget_s
    for check in CHECKS:
        seconds, size = check.cost(case)
        if check.code in mute:
            found.append(_finding(check.code, "muted", f"{check.code} is muted"))
        elif not full and (seconds > left or size > budget_bytes):
            found.append(_finding(check.code, "skipped", _too_large(case)))
        else:
            found += _asked(check, case)
            left -= seconds
    return found


def _asked(check: _Check, case: _Case) -> list[Finding]:
    try:
        if not case.fitted:
            raise _Inapplicable("no table was fitted with a target")
        with np.errstate(all="ignore"):
            return check.answer(case)
    except _Inapplicable as reason:
        return [_finding(check.code, "not_applicable", str(reason))]
    except Exception as fault:  # a tip is never worth an error; its text could hold values of rows
        return [_finding(check.code, "not_applicable", f"the data cannot be compared: {type(fault).__name__}")]


def _again(case: _Case) -> list[Finding]:
    """Ask whether all that was scored are the very rows that were fitted."""
    _need_scored(case)
    again = [s for s in case.scored if any(_same(f, s) for f in case.fitted)]
    if not again:
        return [_finding(AGAIN, "passed", "what was scored are not the rows that were fitted")]
    if len(again) < len(case.scored):
        return [_finding(AGAIN, "passed", f"{_short(again[0].name)} was fitted, and other rows were scored beside it")]
    message = "{}: scored on the {:,} rows that were fitted; the score on rows kept back will be lower"
    return [_finding(AGAIN, "warning", message.format(_short(s.name), s.features.rows)) for s in again[:MOST_TOLD]]


def _overlap(case: _Case) -> list[Finding]:
    """Ask whether rows that were scored are among those that were fitted, by more than chance."""
    _need_scored(case)
    hashes: dict[Any, Any] = {}
    answers = [(s, _shared(s, case, hashes)) for s in case.scored if s.features.rows >= FEWEST_SCORED]
    told = [(s, shared) for s, shared in answers if shared is not None]
    if not told:
        raise _Inapplicable("only the fitted rows, other columns or a few rows were scored")
    bad = [_of_shared(s, shared) for s, shared in told if shared.above]
    return bad[:MOST_TOLD] or [_of_shared(*max(told, key=lambda pair: pair[1].share))]


def _columns(case: _Case) -> list[Finding]:
    """Ask of each column that was fitted whether it all but determines the target."""
    found = [finding for data in case.fitted for finding in _of_columns(data)]
    bad = [f for f in found if f.outcome in ("warning", "issue")]
    if bad:
        ordered = sorted(bad, key=lambda f: (f.outcome != "issue", -(f.effect or 0)))
        return list({(f.column, f.message): f for f in ordered}.values())[:MOST_TOLD]
    return sorted(found, key=lambda f: ("passed", "skipped", "not_applicable").index(f.outcome))[:1]


def _of_shared(scored: _Data, shared: twins.Shared) -> Finding:
    above = shared.share - shared.expected
    outcome: Outcome = "passed" if not shared.above else "issue" if above > SHARED_ISSUE else "warning"
    told = f"{shared.rows:,} of {shared.of:,} rows ({_percent(shared.share)}) are also training rows"
    chance = ", as chance explains: it gives" if outcome == "passed" else "; chance gives"
    said = f"{told}{chance} {_percent(shared.expected)}" if shared.rows else f"none of {shared.of:,} is a training row"
    message = f"{_short(scored.name)}: {said}"
    known = {"rows": shared.rows, "of": shared.of, "expected": shared.expected}
    return _finding(OVERLAP, outcome, message, effect=shared.share, detail=known)


def _shared(scored: _Data, case: _Case, hashes: dict[Any, Any]) -> twins.Shared | None:
    """Return the fewest rows shared with a fit: of several fits, the others may have been of other folds."""
    fits = [(f, common(f.features, scored.features)) for f in case.fitted]
    if any(places and _same(f, scored) for f, places in fits):
        return None
    answers = [_between(f, scored, places, hashes) for f, places in fits if places]
    return min(answers, key=lambda one: (one.above, one.share), default=None)


def _between(fitted: _Data, scored: _Data, places: Places, hashes: dict[Any, Any]) -> twins.Shared:
    target = fitted.target is not None and scored.target is not None
    known = _hashes(fitted, [i for i, _ in places], target, hashes)
    return twins.shared(known, _hashes(scored, [j for _, j in places], target, hashes))


def _hashes(data: _Data, places: list[int], target: bool, known: dict[Any, Any]) -> Any:
    key = id(data), tuple(places), target
    if key not in known:
        columns = [data.features.column(i) for i in places]
        columns += [data.target.column(0)] if target and data.target else []
        known[key] = twins.rows(_read(columns), data.features.rows)
    return known[key]


def _read(columns: Iterable[Any]) -> Iterator[Values]:
    """Yield the values of columns, one in memory at a time; what can be no number or text tells no rows apart."""
    yield from (found for found in map(values, columns) if found is not None)


def _same(fitted: _Data, scored: _Data) -> bool:
    return fitted.origin is scored.origin or same(fitted.features, scored.features)


def _of_columns(data: _Data) -> list[Finding]:
    rows = _sample(data.features.rows)
    target, classes = _goal(_taken(data.target, 0, rows)) if data.target else (None, False)
    if target is None:
        return [_finding(COLUMN, "not_applicable", "the target is neither classes nor numbers")]
    rng = np.random.default_rng(0)
    known = rng.permutation(len(target)) < len(target) / 2
    kept = _in_both(target, known) if classes else np.isfinite(target)
    if (why := _unfit(target[kept], classes)) is not None:
        return [why]
    rows, target, known = rows[kept], target[kept], known[kept]
    goal = np.unique(target, return_inverse=True)[1] if classes else target
    question = _Question(goal, known, classes)
    judged = {i: question.of(_taken(data.features, i, rows)) for i in range(len(data.features.names))}
    best = max((d.score for d, _ in judged.values()), default=0.0)
    bad = [_of_column(data, i, *found) for i, found in judged.items() if found[0].score >= DETERMINED]
    return bad or [_finding(COLUMN, "passed", f"no column alone determines {_goal_name(data)}", effect=max(0.0, best))]


class _Question:
    """How well a column foretells one target; asked once of the same values, for a cell is run again and again."""

    answers: ClassVar[dict[bytes, Answer]] = {}

    def __init__(self, goal: Values, known: Values, classes: bool) -> None:
        self.goal, self.known, self.classes = goal, known, classes
        self.digest = blake3(goal.tobytes() + known.tobytes() + bytes([classes]))

    def of(self, column: Values | None) -> Answer:
        """Return the answer, that of an earlier cell where nothing changed."""
        digest = self.digest.copy()
        digest.update(b"" if column is None else column.dtype.str.encode() + column.tobytes())
        key = digest.digest()
        if key not in self.answers:
            while len(self.answers) >= MOST_ANSWERS:
                del self.answers[next(iter(self.answers))]
            self.answers[key] = _judged(column, self.goal, self.known, self.classes)
        return self.answers[key]


def _judged(column: Values | None, goal: Values, known: Values, classes: bool) -> Answer:
    """Return the worse of the two halves, and whether the column is the target under another name."""
    if column is None:
        return dependence.Determined(0.0, ""), False
    found = dependence.determined(column, goal, known, classes)
    if found.score >= DETERMINED:
        found = min(found, dependence.determined(column, goal, ~known, classes))
    elif classes:  # of a copy every class was seen in both halves, so it foretells them all
        return found, False
    if dependence.is_copy(column, goal):
        return dependence.Determined(1.0, found.measure), True
    return found, False


def _of_column(data: _Data, place: int, found: dependence.Determined, copy: bool) -> Finding:
    name, goal = _short(data.features.names[place]), _goal_name(data)
    if copy:
        message = f"{name} is {goal} under another name"
    else:
        message = (
            f"{name} all but determines {goal}: alone it reaches {found.measure} {found.score:.3f} on rows kept back"
        )
    outcome: Outcome = "issue" if copy else "warning"
    return _finding(COLUMN, outcome, message, name, found.score, detail={"measure": found.measure})


def _goal(target: Values | None) -> tuple[Values | None, bool]:
    """Return a target as sorted values, and whether they are classes; None where it is neither classes nor numbers."""
    if target is None:
        return None, False
    distinct = np.unique(target[~_missing(target)])
    if target.dtype != np.float64:
        return (target, True) if len(distinct) <= len(target) / 2 else (None, False)
    whole = bool((distinct == np.floor(distinct)).all())
    return target, whole and len(distinct) <= MOST_CLASSES


def _in_both(target: Values, known: Values) -> Values:
    """Return the rows whose class is in both halves; a class of one row can be learned or judged, not both."""
    there = ~_missing(target)
    both = np.intersect1d(target[there & known], target[there & ~known])
    return np.isin(target, both)


def _unfit(target: Values, classes: bool) -> Finding | None:
    """Return why a target cannot be judged, or None where it can."""
    if len(target) < FEWEST_ROWS:
        needed = f"insufficient data: {len(target):,} rows, {FEWEST_ROWS} needed"
        return _finding(COLUMN, "skipped", needed, detail={"needed": FEWEST_ROWS})
    largest = float(np.unique(target, return_counts=True)[1].max()) / len(target)
    if classes and largest >= DETERMINED:
        return _finding(COLUMN, "not_applicable", f"one class has {_percent(largest)} of the rows")
    return None


def _missing(target: Values) -> Values:
    return np.isnan(target) if target.dtype == np.float64 else target == 0


def _sample(n: int) -> Values:
    return np.sort(np.random.default_rng(0).choice(n, MOST_ROWS, replace=False)) if n > MOST_ROWS else np.arange(n)


def _taken(data: Table, place: int, rows: Values) -> Values | None:
    column = data.column(place)
    if len(rows) == data.rows:
        return values(column)
    if isinstance(column, list):
        return values([column[i] for i in rows])
    return values(column.iloc[rows] if hasattr(column, "iloc") else column[rows])


def _case(fitted: Sequence[Fitted], scored: Sequence[Scored]) -> _Case:
    known = [d for d in map(_data, _distinct(fitted)) if d is not None and d.target is not None]
    return _Case(tuple(known), tuple(d for d in map(_data, _distinct(scored)) if d is not None))


def _distinct(given: Sequence[Any]) -> list[Any]:
    """Return the given without what is there again; of scored features those with a target are kept."""
    ordered = sorted(given, key=lambda one: one.target is not None)
    kept = {(id(one.features), id(one.target) if isinstance(one, Fitted) else 0): one for one in ordered}
    return list(kept.values())


def _data(given: Fitted | Scored) -> _Data | None:
    features, target = table(given.features), table(given.target)
    if features is None or not features.rows or not features.names:
        return None
    fits = target is not None and target.shape == (features.rows, 1)
    return _Data(given.name, features, target if fits else None, given.features)


def _need_scored(case: _Case) -> None:
    if not case.scored:
        raise _Inapplicable("no table was scored")


def _cost_again(case: _Case) -> tuple[float, float]:
    pairs = [(f, s) for f in case.fitted for s in case.scored if f.origin is not s.origin]
    alike = [f for f, s in pairs if f.features.shape == s.features.shape]
    return sum(2 * _read_s(f, f.features.rows) for f in alike), 2 * max(map(_bytes, alike), default=0.0)


def _cost_overlap(case: _Case) -> tuple[float, float]:
    every = (*case.fitted, *case.scored) if case.scored else ()
    return sum(_read_s(d, d.features.rows) + SORT_S * d.features.rows for d in every), sum(map(_bytes, every))


def _cost_columns(case: _Case) -> tuple[float, float]:
    rows = [(d, min(MOST_ROWS, d.features.rows)) for d in case.fitted]
    seconds = sum(_read_s(d, n) + JUDGE_S * n * (len(d.features.names) + 1) for d, n in rows)
    return seconds, max((JUDGE_BYTES * n for _, n in rows), default=0.0)


def _read_s(data: _Data, rows: int) -> float:
    columns = len(data.features.names) + 1
    return COLUMN_S * columns + rows * (HASH_S * columns + TEXT_S * data.features.texts)


def _bytes(data: _Data) -> float:
    return data.features.rows * (ROW_BYTES + TEXT_BYTES * bool(data.features.texts))


def _too_large(case: _Case) -> str:
    rows = max((d.features.rows for d in (*case.fitted, *case.scored)), default=0)
    name = case.fitted[0].name if case.fitted and case.fitted[0].name.isidentifier() else "MODEL"
    return f"skipped (too large): {rows:,} rows; %check {name} runs it in full"


def _finding(
    code: str,
    outcome: Outcome,
    message: str,
    column: str = "",
    effect: float | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Finding:
    return Finding(code, outcome, message, column, effect, detail={"docs": f"{DOCS}#{code}", **(detail or {})})


def _goal_name(data: _Data) -> str:
    return _short(data.target.names[0]) if data.target and data.target.named else "the target"


def _short(name: str) -> str:
    return name if len(name) <= MOST_CHARS else f"{name[: MOST_CHARS - 3]}..."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %" if share >= LEAST_SHARE else "0 %"


CHECKS = (
    _Check(AGAIN, _again, _cost_again),
    _Check(OVERLAP, _overlap, _cost_overlap),
    _Check(COLUMN, _columns, _cost_columns),
)
