"""Numbers that merely look like metrics: kept as inferred, shown so, never ranked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from nbmlops.capture.cell import CellSource
from nbmlops.capture.metrics import scalar

__all__ = ["INFERRED", "metrics"]

INFERRED: Mapping[str, str] = {"origin": "inferred"}
METRIC = re.compile(
    r"(?:^|_)(?:acc|accuracy|auc|roc_auc|f1|score|loss|error|err|rmse|mse|mae|mape|r2|precision|recall|logloss|brier)"
    r"(?:_|\d|$)",
    re.I,
)
TABLE = re.compile(r"(?:^|_)(?:metrics|scores|results|evaluation|report)(?:_|$)", re.I)
MOST = 50


def metrics(cell: CellSource, namespace: Mapping[str, Any], known: Collection[float]) -> Iterator[tuple[str, float]]:
    """Yield (name, value) of what a cell computed and called like a metric, unless it was seen being measured.

    Parameters
    ----------
    cell : CellSource
    namespace : mapping
        The user's variables after the cell.
    known : collection of float
        Values of metrics that were measured.
    """
    for name in cell.writes:
        if name in (cell.literals or {}) or name.startswith("_"):
            continue
        value = namespace.get(name)
        if METRIC.search(name) and (number := scalar(value)) is not None:
            if number not in known:
                yield name, number
        elif TABLE.search(name) and type(value) is dict and len(value) <= MOST:
            numbers = ((key, scalar(v)) for key, v in value.items() if isinstance(key, str))
            yield from ((key, n) for key, n in numbers if n is not None and n not in known)
