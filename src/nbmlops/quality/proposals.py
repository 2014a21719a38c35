"""Propose rules from data: limits learnt from how much its chunks differ, each with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.quality import answers, look
from nbmlops.quality.learnt import LEAST_ROWS, History, Proposed, learnt
from nbmlops.records import Finding, now, plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Proposal", "Proposed", "propose_rules"]

MOST_CHUNKS = 400


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


def propose_rules(
    frame: Any,
    chunk: str | None = None,
    target: str | None = None,
    time: str | None = None,
    name: str = "data",
    at: str | None = None,
    apart: str | None = None,
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
    apart : str, optional
        A file, or a version of a data set such as ``flights-test@2``, whose rows should not be among these.

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
    history = History(data, _parts(data, chunk, when), chunk, when, target, at or now(), apart)
    if len(data) < LEAST_ROWS:
        few = Finding("rows", "skipped", f"insufficient data: {len(data)} rows, {LEAST_ROWS} needed")
        return Proposal(name, len(data), chunk, len(history.parts), (), (few,))
    found = list(learnt(history))
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
