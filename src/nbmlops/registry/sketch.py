"""Remember which rows a model was fitted on, in a few numbers that name none of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality.table import Table, table, values
from nbmlops.records import Finding, Outcome
from nbmlops.stats import intervals, twins

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["finding", "hashes", "made"]

SIZE = 1024  # of the smallest numbers: enough to see a hundredth of rows that were seen
FEWEST_ASKED = 20
ISSUE = 0.1
Hashes = NDArray[np.uint64]


def made(features: Any, names: Iterable[str]) -> dict[str, Any] | None:
    """Return the smallest of the numbers that rows are hashed to, or None where the data is no table.

    Whether a row of the smallest numbers was among them is known for certain, and they are drawn by chance: so their
    share tells that of all rows (bottom-k sketch; Cohen & Kaplan, PODC 2007).

    Parameters
    ----------
    features : DataFrame or array
    names : iterable of str
        Columns, in the order in which later rows have them.
    """
    found = table(features)
    if found is None or not found.rows:
        return None
    rows = _hashed(found, list(names))
    distinct, counts = np.unique(rows, return_counts=True)
    smallest = distinct[:SIZE]
    return {
        "hashes": base64.b85encode(smallest.astype("<u8").tobytes()).decode(),
        "whole": len(distinct) <= SIZE,
        "alike": float(counts[counts > 1].sum() / found.rows),
    }


def finding(known: Mapping[str, Any], features: pd.DataFrame) -> Finding:
    """Return whether rows are among those of a fit, by more than chance, as far as its sketch tells.

    Parameters
    ----------
    known : mapping
        As :func:`made` returned it.
    features : DataFrame
        The columns of the model's signature, in its order.
    """
    smallest = np.frombuffer(base64.b85decode(known["hashes"]), dtype="<u8")
    rows = hashes(features)
    asked = rows if known["whole"] else rows[rows <= smallest.max()]
    if len(asked) < FEWEST_ASKED:
        return Finding("", "skipped", f"insufficient data: {len(features):,} rows say too little of the sketch")
    seen = intervals.share(int(np.isin(asked, smallest).sum()), len(asked))
    above = seen.low > known["alike"] + 1e-3
    outcome: Outcome = "passed" if not above else "issue" if seen.value - known["alike"] > ISSUE else "warning"
    told = (
        f"about {100 * seen.value:.2g} % of these rows [{100 * seen.low:.2g}, {100 * seen.high:.2g}] are training rows"
    )
    message = f"{told} ({len(asked):,} compared); chance gives {100 * known['alike']:.2g} %"
    return Finding("", outcome, message, "", seen.value)


def hashes(features: pd.DataFrame) -> Hashes:
    """Return one number a row: rows that are equal in every column, in this order of columns, have equal numbers.

    >>> import pandas as pd
    >>> one, other = pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [2.0, 3.0]})
    >>> bool(hashes(one)[1] == hashes(other)[0])
    True
    """
    return _hashed(table(features), [str(c) for c in features.columns])  # type: ignore[arg-type]


def _hashed(found: Table, names: list[str]) -> Hashes:
    """Return one number a row over columns by name, or by place where they have none."""
    places = [found.names.index(n) for n in names] if found.named else list(range(len(found.names)))
    return twins.rows(_read(found, places), found.rows).hashes


def _read(found: Table, places: list[int]) -> Iterator[NDArray[Any]]:
    yield from (v for v in (values(found.column(place)) for place in places) if v is not None)
