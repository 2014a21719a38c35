"""Propose rules from data: limits learnt from how much its chunks differ, each with its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.quality import answers, look, pairs
from nbmlops.records import Finding, now, plain
from nbmlops.stats import limits

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Proposal", "Proposed", "propose_rules"]

LEAST_ROWS = 30  # of a frame, and values of a column, to learn from
MOST_CHUNKS = 400
MOST_NAMES = 30  # texts of a set
MOST_NUMBERS = 12  # whole numbers of a set
SEEN = 5  # times a value was there before it counts as one of a set
TRUSTED_SIGN = 1000  # values, none of them negative, before zero counts as a bound
VARIES_TOO_MUCH = 0.9  # a limit of the missing share that promises nothing


@dataclass(frozen=True)
class Proposed:
    """One rule: of which column (none is the table), its setting, and what speaks for it."""

    code: str
    column: str
    setting: Any
    evidence: str
    state: str = "proposed"


@dataclass(frozen=True, repr=False)
class Proposal(Shown):
    """Rules learnt from data, and what could not be learnt."""

    shows: ClassVar[str] = "rules"

    dataset: str
    rows: int
    chunk: str | None
    chunks: int
    proposed: tuple[Proposed, ...]
    left_out: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "left_out": [f.to_dict() for f in self.left_out]}

    def to_yaml(self) -> str:
        """Return the rules as the text of a new ``rules/NAME.yaml``."""
        from nbmlops.quality import document, rulebook

        return document.dumped(rulebook.merged({}, self.dataset, self.proposed))

    def save(self, path: str | Path | None = None) -> Path:
        """Write the rules into a file; what people wrote, accepted or muted there stays.

        Parameters
        ----------
        path : str or Path, optional
            ``rules/NAME.yaml`` of the project if absent.

        Returns
        -------
        Path
        """
        from nbmlops.quality import rulebook

        return rulebook.save(self.dataset, self.proposed, path)

    def accept(self, *names: str, by: str | None = None) -> Proposal:
        """Save the rules and accept those of some columns, or all.

        Parameters
        ----------
        names : str
            Columns, kinds of table rules such as ``rows``, or comparisons; none is all.
        by : str, optional
            Who accepts, if it is not who is working here.

        Returns
        -------
        Proposal
            With the new states.
        """
        from nbmlops.quality import rulebook

        done = rulebook.accept(self.save(), names or None, by)
        accepted = {(one["column"], one["rule"]) for one in done}
        states = [
            replace(p, state="accepted") if (p.column, rulebook.title(p.code, p.setting)) in accepted else p
            for p in self.proposed
        ]
        return replace(self, proposed=tuple(states))


@dataclass(frozen=True)
class History:
    """The rows rules are learnt from, the rows of each chunk, and how evidence names the chunks."""

    frame: pd.DataFrame
    parts: tuple[NDArray[np.int64], ...]
    chunk: str | None
    time: str | None
    target: str | None
    at: str
    unique: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The chunks in words."""
        if self.chunk is None:
            return f"in {len(self.frame):,} rows"
        period = self.chunk in answers.PERIODS
        return f"in {len(self.parts)} {self.chunk}s" if period else f"in {len(self.parts)} chunks of {self.chunk}"

    @property
    def how(self) -> str:
        """How limits were widened, in words."""
        if len(self.parts) >= limits.FEW:
            return "widened by how these differ"
        return "widened by half, for no chunks show how they differ"

    def counted(self, rows: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
        """Return per chunk how many rows are marked, and how many there are."""
        return [int(rows[part].sum()) for part in self.parts], [len(part) for part in self.parts]


def propose_rules(
    frame: Any,
    chunk: str | None = None,
    target: str | None = None,
    time: str | None = None,
    name: str = "data",
    at: str | None = None,
) -> Proposal:
    """Propose rules for a data set from how much its chunks differ, each with its evidence.

    Nothing is written: show the proposal, then ``.accept("column")`` or ``.save()``.

    Parameters
    ----------
    frame : DataFrame or path
        Rows that are as they should be.
    chunk : str, optional
        Column of time periods, or hour, day, week, month, quarter or year of the time column; wider limits without.
    target : str, optional
        What is predicted: how many rows contradict each other is learnt too.
    time : str, optional
        Column of times, for freshness and order; the only one there is if absent.
    name : str
        The data set's name, that of ``rules/NAME.yaml``.
    at : str, optional
        The time to judge freshness by, as ISO 8601 text in UTC; now if absent.

    Returns
    -------
    Proposal

    Raises
    ------
    Invalid, NotFound
        No frame, a chunk with too many values, a column that is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"month": [1, 2, 3] * 20, "hour": list(range(20)) * 3})
    >>> [(p.column, p.code) for p in propose_rules(frame, chunk="month").proposed if p.code == "dtype"]
    [('month', 'dtype'), ('hour', 'dtype')]
    """
    data = look.as_frame(frame)
    for column, role in ((target, "target"), (time, "time")):
        look.require(data, column, role)
    times = [c for c in data.columns if look.holds(data[c]) == "times"]
    when = time or (times[0] if len(times) == 1 else None)
    history = History(data, _parts(data, chunk, when), chunk, when, target, at or now())
    if len(data) < LEAST_ROWS:
        few = Finding("rows", "skipped", f"insufficient data: {len(data)} rows, {LEAST_ROWS} needed")
        return Proposal(name, len(data), chunk, len(history.parts), (), (few,))
    found = list(_learnt(history))
    proposed = tuple(one for one in found if isinstance(one, Proposed))
    left_out = tuple(one for one in found if isinstance(one, Finding))
    return Proposal(name, len(data), chunk, len(history.parts) if chunk else 0, proposed, left_out)


def _parts(frame: pd.DataFrame, chunk: str | None, time: str | None) -> tuple[NDArray[np.int64], ...]:
    """Return the rows of each chunk in their order, all rows where there are none."""
    if chunk is None:
        return (np.arange(len(frame)),)
    codes, names = answers.chunks(frame, chunk, time)
    if len(names) > MOST_CHUNKS:
        raise Invalid(
            f"Column {chunk!r} has {len(names):,} values; chunks are at most {MOST_CHUNKS}.",
            'Name a coarser one, or a period with a time: propose_rules(frame, chunk="month", time="at").',
        )
    order = sorted(range(len(names)), key=lambda i: _natural(names[i]))
    return tuple(np.flatnonzero(codes == i) for i in order)


def _natural(name: str) -> tuple[float, str]:
    try:
        return float(name), ""
    except ValueError:
        return float("inf"), name


def _learnt(history: History) -> Iterator[Proposed | Finding]:
    for name in history.frame.columns:
        for learn in (_dtype, _missing, _unique, _values):
            if (one := learn(history, name)) is not None:
                yield one
    for learn_table in (_rows, _freshness, _ordered, _conflicts):
        if (found := learn_table(history)) is not None:
            yield found
    for left, operator, right, share in pairs.held(history.frame):
        rule = f"{left} {operator} {right}"
        yield Proposed(
            "compare", "", rule, f"held in all {len(history.frame):,} rows; by chance in {100 * share:.2g} % of pairs"
        )


def _dtype(history: History, name: str) -> Proposed | Finding:
    held = look.holds(history.frame[name])
    if held in ("mixed", "nothing"):
        return Finding("dtype", "skipped", f"{name}: holds {held}, so nothing can be promised", name)
    if held == "numbers" and _is_whole(look.numbers(history.frame[name])):
        held = "integers"
    return Proposed("dtype", name, held, f"all {int(history.frame[name].notna().sum()):,} values")


def _missing(history: History, name: str) -> Proposed | Finding | None:
    hits, rows = history.counted(history.frame[name].isna().to_numpy(dtype=bool))
    if sum(hits) == len(history.frame):
        return None
    limit = limits.share_limit(hits, rows)
    if limit > VARIES_TOO_MUCH:
        return Finding("missing_max", "skipped", f"{name}: its missing share varies too much for a limit", name)
    shares = [k / n for k, n in zip(hits, rows, strict=True) if n]
    setting = min(1.0, limits.outward(limit, limit / 10, up=True))
    return Proposed("missing_max", name, setting, f"missing {_span(shares)} {history.where}; {history.how}")


def _unique(history: History, name: str) -> Proposed | None:
    """Propose that values come once, where they could well have come twice."""
    column = history.frame[name].dropna()
    held = look.holds(column)
    if len(column) < LEAST_ROWS or name == history.chunk or held not in ("numbers", "text"):
        return None
    codes, names = look.names(column)
    if len(names) < len(codes):
        return None
    if held == "numbers":
        values = look.numbers(column)
        by_chance = len(values) ** 2 / (2 * (np.ptp(values) + 1))  # twins expected, were they drawn at random
        if not _is_whole(values) or by_chance < SEEN:
            return None
    history.unique.append(name)
    return Proposed("unique", name, True, f"{len(codes):,} values, none twice, {history.where}")


def _values(history: History, name: str) -> Proposed | Finding | None:
    """Propose a set where values are few and stable, else a range of numbers."""
    held = look.holds(history.frame[name])
    if name in (history.chunk, *history.unique) or held not in ("numbers", "text"):
        return None
    codes, names = look.names(history.frame[name])
    if len(names) == 1:
        return Finding("set", "skipped", f"{name}: one value only, so nothing is known of others", name)
    numeric = held == "numbers"
    if len(names) <= (MOST_NUMBERS if numeric else MOST_NAMES) and _is_stable(history, codes, len(names)):
        if not numeric:
            return _of_names(history, name, sorted(names), np.bincount(codes[codes >= 0]))
        if _is_whole(look.numbers(history.frame[name])):
            return _of_names(history, name, sorted(map(int, names)), np.bincount(codes[codes >= 0]))
    if not numeric:
        few = len(names) <= MOST_NAMES
        why = "new values kept coming, or came rarely" if few else f"{len(names):,} different values"
        return Finding("set", "skipped", f"{name}: no set, {why}", name)
    return _range(history, name)


def _of_names(history: History, name: str, values: Sequence[Any], counts: NDArray[np.int64]) -> Proposed:
    new = "none of them new in the later half" if len(history.parts) > 1 else "no chunks to see new ones come"
    evidence = f"{len(values)} values {history.where}, {new}; the rarest {counts.min():,} times"
    return Proposed("set", name, list(values), evidence)


def _is_stable(history: History, codes: NDArray[np.int64], size: int) -> bool:
    """Tell whether every value was there in the earlier half of the chunks, and often enough."""
    early = history.parts[: max(1, len(history.parts) // 2)]
    seen = np.unique(np.concatenate([codes[part] for part in early]))
    return len(seen[seen >= 0]) == size and int(np.bincount(codes[codes >= 0]).min()) >= SEEN


def _range(history: History, name: str) -> Proposed | Finding | None:
    values = look.numbers(history.frame[name])
    known = values[np.isfinite(values)]
    if len(known) < LEAST_ROWS:
        return Finding("range", "skipped", f"{name}: insufficient data: {len(known)} values", name)
    held = [v[np.isfinite(v)] for v in (values[part] for part in history.parts)]
    lows, highs = ([float(f(v)) for v in held if len(v)] for f in (np.min, np.max))
    if _moves(lows) or _moves(highs):
        return Finding("range", "skipped", f"{name}: moves with time, so no range", name)
    low, high = limits.extremes(lows, highs)
    if clipped := low < 0 <= known.min() and _stops_at_zero(known):
        low = 0.0
    kind = int if _is_whole(known) else float
    sign = "; never negative" if clipped else ""
    evidence = f"{known.min():.6g} to {known.max():.6g} {history.where}; {history.how}{sign}"
    return Proposed("range", name, {"min": kind(low), "max": kind(high)}, evidence)


def _moves(ends: Sequence[float]) -> bool:
    steps = np.diff(ends)
    return len(steps) >= limits.FEW and bool((steps > 0).all() or (steps < 0).all())


def _stops_at_zero(known: NDArray[np.float64]) -> bool:
    """Tell whether many values come near zero without crossing it: counts, and what has its long tail above."""
    low, middle, high = float(known.min()), float(np.median(known)), float(known.max())
    counts = low <= 1 and _is_whole(known)
    return len(known) >= TRUSTED_SIGN and (counts or 2 * (middle - low) < high - middle)


def _is_whole(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return bool(len(known)) and bool((np.mod(known, 1) == 0).all())


def _rows(history: History) -> Proposed | Finding:
    counts = [len(part) for part in history.parts]
    found = limits.count_limits(counts) if history.chunk else None
    if found is None:
        return Finding("rows", "skipped", f"rows: {limits.FEW} chunks are needed to see how many come")
    setting: dict[str, Any] = {"min": found[0], "max": found[1], "per": history.chunk}
    if history.chunk not in history.frame.columns:
        setting["time"] = history.time
    return Proposed("rows", "", setting, f"{min(counts):,} to {max(counts):,} rows {history.where}; {history.how}")


def _freshness(history: History) -> Proposed | Finding | None:
    """Propose how old the newest row may be: twice the longest wait so far, where the data is not an old one."""
    import pandas as pd

    if history.time is None:
        return None
    moments = look.times(history.frame[history.time]).dropna().drop_duplicates().sort_values()
    if len(moments) < LEAST_ROWS:
        return Finding("freshness", "skipped", f"freshness: {len(moments)} different times, {LEAST_ROWS} needed")
    longest = moments.diff().max().total_seconds()
    within = answers.span(2 * longest)
    age = (pd.Timestamp(history.at) - moments.iloc[-1]).total_seconds()
    if age > answers.seconds(within):
        old = f"the newest {history.time} is {answers.span(age)} old, so how fresh it comes is not known"
        return Finding("freshness", "skipped", f"freshness: {old}")
    evidence = f"at most {answers.span(longest)} between two times of {len(moments):,}; twice that"
    return Proposed("freshness", "", {"column": history.time, "within": within}, evidence)


def _ordered(history: History) -> Proposed | None:
    if history.time is None:
        return None
    moments = look.times(history.frame[history.time]).dropna()
    if moments.nunique() < LEAST_ROWS or not moments.is_monotonic_increasing:
        return None
    return Proposed("ordered", "", history.time, f"in order in all {len(moments):,} rows")


def _conflicts(history: History) -> Proposed | Finding | None:
    if history.target is None:
        return None
    features = [c for c in history.frame.columns if c not in (history.target, *history.unique)]
    hits, rows = history.counted(answers.conflicts(history.frame, history.target, features))
    limit = limits.share_limit(hits, rows)
    if limit > VARIES_TOO_MUCH or not features:
        return Finding("conflicts", "skipped", "conflicts: too many rows contradict each other for a limit")
    setting: dict[str, Any] = {"target": history.target, "max": limits.outward(limit, limit / 10, up=True)}
    if history.unique:
        setting["columns"] = features
    shares = [k / n for k, n in zip(hits, rows, strict=True) if n]
    return Proposed("conflicts", "", setting, f"{_span(shares)} of rows {history.where}; {history.how}")


def _span(shares: Sequence[float]) -> str:
    low, high = (f"{100 * s:.2g}" for s in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"
