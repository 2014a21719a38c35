"""A profile: what a frame's columns hold, counted so that the profiles of parts add up to that of the whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nbmlops.drift.columns import Column, Measured, Raw, Relation, Tally, TargetValues, measure, plan, relate, target_of
from nbmlops.drift.parts import begun, counted, parts_of, planned, widened
from nbmlops.drift.whole import Whole, look_at
from nbmlops.errors import Conflict, Invalid
from nbmlops.hooks import Shown
from nbmlops.quality import look
from nbmlops.records import Finding
from nbmlops.stats import counts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Profile", "profile"]

FORMAT = 2  # in 1, chunks and segments had names and all zeros: three tenths more bytes
MAX_GROUPS = 400
LARGE = 4_000_000  # values of a frame that are worth threads
THREADS = 4
LEAK = 0.9  # share of the target's variance: all but determines it
SUSPICIOUS = 0.5
Tallies = Mapping[str, Tally]


@dataclass(frozen=True, repr=False)
class Profile(Shown):
    """Counts of every column, in total, per chunk and per segment, and the target in every bin.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age": [31, 45, 28, 60]})
    >>> first, second = (profile(part, like=profile(frame)) for part in (frame[:2], frame[2:]))
    >>> first.merge(second).rows
    4
    """

    shows: ClassVar[str] = "profile"

    rows: int
    columns: Mapping[str, Column]
    total: Tallies
    chunks: Mapping[str, Tallies] = field(default_factory=dict)
    segments: Mapping[str, Tallies] = field(default_factory=dict)
    relations: Mapping[str, Relation] = field(default_factory=dict)
    target: str | None = None
    chunk: str | None = None
    by: str | None = None
    whole: Whole | None = None

    def merge(self, other: Profile) -> Profile:
        """Return the profile of both frames together.

        Parameters
        ----------
        other : Profile
            On the same edges: made with ``nb.profile(frame, like=this)``.

        Raises
        ------
        Conflict
            The edges differ.
        """
        mine, theirs = self._edges(), other._edges()
        if mine != theirs:
            odd = next((c for c in {**mine, **theirs} if mine.get(c) != theirs.get(c)), "")
            raise Conflict(
                f"The two profiles count column {odd!r} differently." if odd else "The two profiles differ in purpose.",
                "Make the second with nb.profile(frame, like=first) and the same target, chunk and by.",
            )
        return Profile(
            self.rows + other.rows,
            self.columns,
            _added(self.total, other.total),
            _merged(self.chunks, other.chunks, _added),
            _merged(self.segments, other.segments, _added),
            _added(self.relations, other.relations),
            self.target,
            self.chunk,
            self.by,
            Whole(parts=True) if self.whole or other.whole else None,
        )

    def select(self, names: Iterable[str]) -> Profile:
        """Return the profile of some columns only."""
        kept = [n for n in names if n in self.columns]

        def only(of: Mapping[str, Any]) -> dict[str, Any]:
            return {n: of[n] for n in kept if n in of}

        return replace(
            self,
            columns=only(self.columns),
            total=only(self.total),
            chunks={k: only(v) for k, v in self.chunks.items()},
            segments={k: only(v) for k, v in self.segments.items()},
            relations=only(self.relations),
            whole=None,
        )

    def missing(self, column: str) -> float | None:
        """Return the share of missing values of a column."""
        tally = self.total[column]
        return tally.missing / tally.rows if tally.rows else None

    def quantile(self, column: str, q: float) -> float | None:
        """Return a quantile of a numeric column, or of the lengths of a text; None for others."""
        bins, tally = self.columns[column].bins, self.total[column]
        if not isinstance(bins, counts.NumericBins):
            return None
        return counts.quantile(bins, tally.counts, q, tally.low, tally.high)

    def mean(self, column: str) -> float | None:
        """Return the mean of a numeric column, or the share of True; None for others."""
        about, tally = self.columns[column], self.total[column]
        if about.kind == "boolean":
            return tally.counts[1] / known if (known := sum(tally.counts[:2])) else None
        if not isinstance(about.bins, counts.NumericBins):
            return None
        return about.bins.mean(tally.steps, sum(tally.counts[: about.bins.regular + 2]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a person should know of before modelling."""
        whole = self.whole.findings() if self.whole else ()
        return (*(f for name in self.columns for f in _findings(self, name)), *_left_out(self), *whole)

    def state(self) -> dict[str, Any]:
        """Return what is stored, as plain JSON: counts and edges, nothing derived."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            **{k: v for k in ("target", "chunk", "by") if (v := getattr(self, k)) is not None},
            "columns": [{**c.to_dict(), **self.total[n].to_dict()} for n, c in self.columns.items()],
            **_groups_to_dict("chunks", self.chunks),
            **_groups_to_dict("segments", self.segments),
            **({"relations": {n: r.to_dict() for n, r in self.relations.items()}} if self.relations else {}),
            **({"whole": self.whole.to_dict()} if self.whole else {}),
        }

    def to_json(self) -> str:
        """Return the profile as JSON text; :meth:`from_json` reads it."""
        return json.dumps(self.state(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes | Mapping[str, Any]) -> Profile:
        """Return the profile a :meth:`to_json` came from.

        Raises
        ------
        Invalid
            The text is no profile, or one of a newer nbmlops.
        """
        try:
            data = text if isinstance(text, Mapping) else json.loads(text)
            if data["format"] > FORMAT:
                raise Invalid(f"The profile has format {data['format']}; known is {FORMAT}.", "pip install -U nbmlops.")
            return cls._from_state(data)
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, Invalid):
                raise
            raise Invalid(
                f"This is no profile: {type(error).__name__} {error}.", "Profile.to_json makes one."
            ) from error

    @classmethod
    def _from_state(cls, data: Mapping[str, Any]) -> Profile:
        columns = {c["name"]: Column.from_dict(c) for c in data["columns"]}
        total = {c["name"]: Tally.from_dict(c) for c in data["columns"]}
        chunks, segments = (
            {key: _tallies(of, columns) for key, of in data.get(part, {}).items()} for part in ("chunks", "segments")
        )
        relations = {n: Relation.from_dict(r) for n, r in data.get("relations", {}).items()}
        target, chunk, by = (data.get(k) for k in ("target", "chunk", "by"))
        whole = Whole.from_dict(data["whole"]) if "whole" in data else None
        return cls(data["rows"], columns, total, chunks, segments, relations, target, chunk, by, whole)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON: what is stored, and per column what people read."""
        state = self.state()
        for column in state["columns"]:
            column["summary"] = _summary(self, column["name"])
        return {**state, "findings": [f.to_dict() for f in self.findings]}

    def _edges(self) -> dict[str, Any]:
        about = {"": (self.target, self.chunk, self.by)}
        return {**{n: (c.kind, c.bins.to_dict()) for n, c in self.columns.items()}, **about}


def profile(
    frame: Any,
    chunk: str | None = None,
    by: str | None = None,
    target: str | None = None,
    like: Profile | None = None,
) -> Profile:
    """Profile a frame: what each column holds, and how it goes with a target.

    Parameters
    ----------
    frame : DataFrame or path
        pandas, polars (eager and lazy), a pyarrow table or reader of record batches, a NumPy array, a Dask DataFrame;
        a CSV or Parquet file, or a folder of Parquet files. What comes in parts is never whole in memory.
    chunk : str, optional
        Column of time periods (such as month) to count by; it is not profiled itself.
    by : str, optional
        Column of segments to count by.
    target : str, optional
        Column to relate the others to: its rate or mean in each bin, and likely leaks.
    like : Profile, optional
        Count on the edges of this profile, so that the two merge and compare.

    Returns
    -------
    Profile

    Raises
    ------
    Invalid, NotFound
        No frame, a column name there twice, a chunk with too many values, a column that is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> profile(pd.DataFrame({"late": [True, False, True, True]})).mean("late")
    0.75
    """
    made = _of_any(frame, chunk, by, target, like)
    from nbmlops.tracking import session

    if session.current():
        session.keep("profile", target or "", made.to_dict())
    return made


def _of_any(data: Any, chunk: str | None, by: str | None, target: str | None, like: Profile | None) -> Profile:
    """Profile data of any kind, in parts where it comes so."""
    found = parts_of(data)
    if found is None:
        frame = look.as_frame(data)
        made = build(frame, chunk, by, target, like)
        return replace(made, whole=look_at(frame, made.columns))
    if found.once:
        head, frames = begun(found)
        like = like or _planned(head, {}, chunk, by, target)
    else:
        like = like or _planned(*planned(found), chunk, by, target)
        frames = found.frames()
    count = partial(build, chunk=chunk, by=by, target=target, like=like)
    return replace(counted(data, frames, count, Profile.merge) or like, whole=Whole(parts=True))


def _planned(head: Any, extremes: Mapping[str, Any], chunk: Any, by: Any, target: Any) -> Profile:
    """Return the empty profile others are counted like: edges from some rows, extremes from all."""
    head = look.as_frame(head)
    made = build(head, chunk, by, target)
    columns = {name: widened(column, head[name], extremes.get(name)) for name, column in made.columns.items()}
    return build(head.iloc[:0], chunk, by, target, replace(made, columns=columns))


def build(
    frame: pd.DataFrame,
    chunk: str | None = None,
    by: str | None = None,
    target: str | None = None,
    like: Profile | None = None,
) -> Profile:
    """Profile a frame and keep nothing; the arguments are those of :func:`profile`."""
    for name, role in ((chunk, "chunk"), (by, "segment"), (target, "target")):
        look.require(frame, name, role)
    if target is not None and target == chunk:
        raise Invalid(f"Column {chunk!r} cannot be both chunk and target.", "A chunk column is not profiled.")
    found = _counted(frame, chunk, like)
    measured = {name: m for name, (m, _) in found.items()}
    related = target_of(measured[target]) if target else None
    return Profile(
        len(frame),
        {name: m.column for name, m in measured.items()},
        {name: tally for name, (_, tally) in found.items()},
        _grouped(measured, groups(frame, chunk)),
        _grouped(measured, groups(frame, by)),
        _relations(measured, related, target),
        target,
        chunk,
        by,
    )


def groups(frame: pd.DataFrame, column: str | None) -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the rows of each value of a column, in the order of the values; rows without one are left out."""
    if column is None:
        return {}
    codes, names = look.names(frame[column])
    if len(names) > MAX_GROUPS:
        raise Invalid(
            f"Column {column!r} has {len(names):,} values; a chunk or segment column has at most {MAX_GROUPS}.",
            f"Make a coarser one, such as frame['month'] = frame[{column!r}].dt.to_period('M').",
        )
    order = sorted(range(len(names)), key=lambda i: _natural(names[i]))
    return {names[i]: np.flatnonzero(codes == i) for i in order}


def _natural(name: str) -> tuple[float, str]:
    try:
        return float(name), ""
    except ValueError:
        return float("inf"), name


def _counted(frame: pd.DataFrame, chunk: str | None, like: Profile | None) -> dict[str, tuple[Measured, Tally]]:
    """Count every column, those of a large frame by a few threads: most of it is sorting."""
    if like is not None:
        for name in like.columns:
            look.require(frame, name, "profiled")
    names = [name for name in frame.columns if name != chunk] if like is None else list(like.columns)
    asked = [(name, Raw(frame[name]), like.columns[name] if like is not None else None) for name in names]
    if frame.size < LARGE:
        return dict(map(_one, asked))
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1), "nbmlops-profile") as pool:
        return dict(pool.map(_one, asked))


def _one(asked: tuple[str, Raw, Column | None]) -> tuple[str, tuple[Measured, Tally]]:
    name, raw, column = asked
    found = measure(column or plan(name, raw), raw)
    vars(raw).clear()  # the values in order are no longer needed, and the list of columns lives on
    return name, found


def _grouped(measured: Mapping[str, Measured], rows: Mapping[str, Any]) -> dict[str, Tallies]:
    return {key: {name: m.tally(index) for name, m in measured.items()} for key, index in rows.items()}


def _relations(
    measured: Mapping[str, Measured], related: TargetValues | None, target: str | None
) -> dict[str, Relation]:
    return {n: relate(m, related) for n, m in measured.items() if n != target} if related else {}


def _added(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: mine[name] + theirs[name] for name in mine}


def _merged(mine: Mapping[str, Any], theirs: Mapping[str, Any], add: Callable[[Any, Any], Any]) -> dict[str, Any]:
    keys = sorted({*mine, *theirs}, key=_natural)
    return {k: reduce(add, [part[k] for part in (mine, theirs) if k in part]) for k in keys}


def _groups_to_dict(part: str, of: Mapping[str, Tallies]) -> dict[str, Any]:
    return {part: {key: [t.to_list() for t in tallies.values()] for key, tallies in of.items()}} if of else {}


def _tallies(of: Any, columns: Mapping[str, Column]) -> dict[str, Tally]:
    """Return the tallies of a chunk or segment: a list in the order of the columns, or by name in format 1."""
    if isinstance(of, Mapping):
        return {name: Tally.from_dict(t) for name, t in of.items()}
    return {n: Tally.from_list(t, c.bins.size) for (n, c), t in zip(columns.items(), of, strict=True)}


def _left_out(of: Profile) -> Iterable[Finding]:
    """Tell of rows that are in no chunk or segment, for they have no value there."""
    for column, parts in ((of.chunk, of.chunks), (of.by, of.segments)):
        inside = sum(max((t.rows for t in tallies.values()), default=0) for tallies in parts.values())
        if column and of.columns and (left := of.rows - inside):
            words = f"{column}: {left:,} of {of.rows:,} rows have no value, and are in none of its parts."
            yield Finding("no_part", "warning", words, column, left / of.rows)


def _summary(of: Profile, name: str) -> dict[str, Any]:
    """What a person reads in one line."""
    column, tally = of.columns[name], of.total[name]
    top = max(range(column.bins.regular), key=lambda i: tally.counts[i], default=None)
    relation = of.relations.get(name)
    summary: dict[str, Any] = {"missing": of.missing(name), "mean": of.mean(name), "median": of.quantile(name, 0.5)}
    if column.kind in ("categorical", "datetime") and top is not None and tally.rows:
        summary |= {"top": column.bins.labels[top], "top_share": tally.counts[top] / tally.rows}
    if relation is not None:
        summary |= {"explained": relation.explained, "target": relation.means}
    return summary


def _findings(of: Profile, name: str) -> Iterable[Finding]:
    column, tally = of.columns[name], of.total[name]
    known = tally.rows - tally.missing
    filled = [i for i, n in enumerate(tally.counts[:-1]) if n]
    if tally.rows and not known:
        yield Finding("empty", "warning", f"{name} holds nothing: every value is missing.", name, 1.0)
    elif known and (tally.low == tally.high if tally.low is not None else len(filled) == 1 and column.distinct == 1):
        yield Finding("constant", "warning", f"{name} is constant.", name)
    if column.identifier:
        yield Finding("identifier", "warning", f"{name} is an identifier: each value once; no distribution.", name)
    if column.holds == "mixed":
        yield Finding("mixed", "issue", f"{name} mixes text and other values in one column.", name)
    if isinstance(column.bins, counts.NumericBins) and (odd := sum(tally.counts[-3:-1])):
        yield Finding("infinite", "warning", f"{name} holds {odd:,} infinite values.", name, odd / tally.rows)
    if (relation := of.relations.get(name)) and (share := relation.explained) and share >= SUSPICIOUS:
        words = f"{name} explains {100 * share:.0f} % of {of.target}"
        yield Finding(
            "leak",
            "issue" if share >= LEAK else "warning",
            f"{words}: is it known when the prediction is made?",
            name,
            share,
        )
