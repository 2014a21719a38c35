"""Learn what can be promised of each column and of the whole table, from rows that are as they should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality import answers, look, overlap, pairs
from nbmlops.records import Finding
from nbmlops.stats import limits

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEAST_ROWS", "History", "Proposed", "learnt"]

LEAST_ROWS = 30  # of a frame, and values of a column, to learn from
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


@dataclass(frozen=True)
class History:
    """The rows rules are learnt from, the rows of each chunk, and how evidence names the chunks."""

    frame: pd.DataFrame
    parts: tuple[NDArray[np.int64], ...]
    chunk: str | None
    time: str | None
    target: str | None
    at: str
    apart: str | None = None
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


def learnt(history: History) -> Iterator[Proposed | Finding]:
    """Yield each rule with its evidence, and a finding for each that cannot be learnt."""
    for name in history.frame.columns:
        for learn in (_dtype, _missing, _unique, _values):
            if (one := learn(history, name)) is not None:
                yield one
    for learn_table in (_rows, _freshness, _ordered, _conflicts, _overlap):
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
        values = look.numbers(history.frame[name])
        if _is_whole(values) and not np.isinf(values).any():
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


def _overlap(history: History) -> Proposed | None:
    """Propose that no more rows are in the other data set than now are; none is what is hoped for."""
    if history.apart is None:
        return None
    hits, rows = history.counted(overlap.also_in(history.frame, overlap.other(history.apart)))
    limit = limits.outward(limits.share_limit(hits, rows), 1e-4, up=True) if sum(hits) else 0.0
    evidence = f"{sum(hits):,} of {len(history.frame):,} rows are in {history.apart} too"
    return Proposed("overlap", "", {"with": history.apart, "max": min(1.0, limit)}, evidence)


def _span(shares: Sequence[float]) -> str:
    low, high = (f"{100 * s:.2g}" for s in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"
