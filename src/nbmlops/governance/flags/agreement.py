"""How far two experts agree: Cohen's kappa of what both said of the same predictions or rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.records import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEWEST", "Agreement", "agreement"]

FEWEST = 30  # things judged by both, below which the interval of a kappa says too little to be shown
MOST = 50  # categories


@dataclass(frozen=True, repr=False)
class Agreement(Shown):
    """How far two people agree beyond chance; kappa is None where the data does not say."""

    shows: ClassVar[str] = "agreement"

    subject: str
    by: tuple[str, str]
    n: int  # judged by both
    kappa: float | None
    low: float | None
    high: float | None
    observed: float | None  # share of which both say the same
    expected: float | None  # share by chance alone
    categories: tuple[str, ...] = ()
    table: tuple[tuple[int, ...], ...] = ()  # rows: what the first said
    needed: str = ""  # what is missing, where kappa is None

    @property
    def words(self) -> str:
        """What it says, in a sentence."""
        who = f"{self.by[0]} and {self.by[1]}"
        if self.kappa is None:
            return f"Insufficient data: {self.needed}"
        return (
            f"{who} say the same of {100 * (self.observed or 0):.0f} % of {self.n:,}, by chance alone "
            f"{100 * (self.expected or 0):.0f} %: kappa {self.kappa:.2f} ({self.low:.2f} to {self.high:.2f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**plain(self), "words": self.words}


def agreement(subject: Any, by: Sequence[str]) -> Agreement:
    """Measure how far two experts agree: Cohen's kappa with its 95 % interval and n.

    Parameters
    ----------
    subject : str or DataFrame
        A model whose predictions both judged (``late-flights``, ``late-flights@3``): the newest verdict of each is
        taken, agree, disagree or unsure. Or rows with a column of verdicts for each.
    by : sequence of two str
        Who, as they are known to the store; or the two columns.

    Returns
    -------
    Agreement
        ``kappa`` is None, and ``needed`` says why, where fewer than 30 were judged by both or all verdicts are one.

    Raises
    ------
    NotFound
        No such model, or it made no predictions that were kept.
    Invalid
        Not two people, or a column that is not there.

    Examples
    --------
    >>> nb.agreement("late-flights", by=("ann", "bob")).words  # doctest: +SKIP
    'ann and bob say the same of 81 % of 120, by chance alone 52 %: kappa 0.60 (0.46 to 0.75)'
    """
    names = [str(name) for name in by] if isinstance(by, Sequence) and not isinstance(by, str) else [str(by)]
    if len(names) != 2 or names[0] == names[1]:
        raise Invalid("Agreement is between two people.", 'Name both: by=("ann", "bob").')
    if isinstance(subject, str):
        return _measured(subject, (names[0], names[1]), *_verdicts(subject, names))
    return _measured("rows", (names[0], names[1]), *_columns(subject, names))


def _verdicts(ref: str, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the newest verdicts of two people on the predictions of a model that both judged."""
    from nbmlops.monitoring.returning.returned import returned

    came = returned(ref).came
    said = came[(came["kind"] == "opinion") & came["verdict"].notna()]
    newest = [
        dict(zip(mine["prediction_id"], mine["verdict"], strict=True))  # oldest first, so the newest stays
        for mine in (said[said["actor"] == name] for name in names)
    ]
    both = sorted(newest[0].keys() & newest[1].keys())
    return [newest[0][i] for i in both], [newest[1][i] for i in both]


def _columns(rows: Any, names: Sequence[str]) -> tuple[list[str], list[str]]:
    from nbmlops.registry.signature import table

    frame: pd.DataFrame = table(rows)
    if absent := [n for n in names if n not in frame.columns]:
        raise Invalid(
            f"The rows have no column {absent[0]!r}.", f"They have: {', '.join(map(str, frame.columns[:9]))}."
        )
    both = frame[list(names)].dropna().astype(str)
    return both[names[0]].tolist(), both[names[1]].tolist()


def _measured(subject: str, by: tuple[str, str], one: Sequence[str], other: Sequence[str]) -> Agreement:
    import math

    from nbmlops.stats.agreement import kappa, table_of

    categories = sorted({*one, *other})
    if len(categories) > MOST:
        raise Invalid(f"{len(categories):,} different verdicts are no categories.", f"At most {MOST}.")
    counted = table_of(one, other, categories)
    shown: Mapping[str, Any] = {
        "categories": tuple(categories),
        "table": tuple(tuple(int(v) for v in row) for row in counted),
    }
    if len(one) < FEWEST:
        needed = f"{len(one)} judged by both, {FEWEST} are needed."
        return Agreement(subject, by, len(one), None, None, None, None, None, **shown, needed=needed)
    found = kappa(counted)
    if math.isnan(found.value):
        needed = f"both said {categories[0]} of all {len(one):,}, so chance alone explains it."
        return Agreement(subject, by, found.n, None, None, None, found.observed, found.expected, **shown, needed=needed)
    bounds = (found.value, found.low, found.high, found.observed, found.expected)
    return Agreement(subject, by, found.n, *bounds, **shown)
