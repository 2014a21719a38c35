"""The model as a whole: which columns matter, and how the answer goes with each (partial dependence, Friedman 2001)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import NotFound
from nbmlops.monitoring.explaining.asked import Case, answering
from nbmlops.monitoring.explaining.mixed import Question
from nbmlops.monitoring.explaining.reasons import reasons
from nbmlops.records import plain
from nbmlops.registry import models

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["dependence", "importance"]

ROWS = 100  # of the background, for each point of a curve
EXPLAINED = 20  # rows whose contributions are averaged where no importance was measured
AGAINST = 30  # rows of the background they are explained against
POINTS = 9
MOST_CATEGORIES = 10


def importance(case: Case, question: Question | None, seed: int) -> tuple[dict[str, float], str]:
    """Return each column's share of importance, the largest first, and how it was measured.

    That of the evaluation where one is kept; else the mean size of contributions over rows of the background.
    """
    if kept := _evaluated(case):
        return kept, "permutation, measured by the evaluation"
    if case.background is None or question is None or not case.open:
        return {}, ""
    shares = _mean_size(case, question, seed)
    return shares, f"mean size of the contributions to {question.words}, over {EXPLAINED} rows of the background"


def _evaluated(case: Case) -> dict[str, float]:
    if case.version is None or case.version.profile is None:
        return {}
    try:
        found = models.reference(case.version.ref)["importance"]
    except (NotFound, KeyError):
        return {}
    return {str(k): float(v) for k, v in sorted(found.items(), key=lambda item: -item[1])}


def _mean_size(case: Case, question: Question, seed: int) -> dict[str, float]:
    assert case.background is not None
    generator = np.random.default_rng(seed)
    rows = case.background.iloc[_some(generator, len(case.background), EXPLAINED)]
    against = case.background.iloc[_some(generator, len(case.background), AGAINST)]
    found = [reasons(case, question, rows.iloc[[i]], against, seed).values for i in range(len(rows))]
    sizes = np.abs(found).mean(axis=0)
    total = float(sizes.sum())
    shares = {name: float(size / total) if total else 0.0 for name, size in zip(case.open, sizes, strict=True)}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def dependence(case: Case, question: Question, columns: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Return how the mean answer goes with each of some columns, the others as they are in the background.

    Each has ``column``, ``kind``, ``rows`` and ``points``: ``value``, ``mean``, and ``standard_error`` of the mean.
    """
    assert case.background is not None
    rows = case.background.iloc[_some(np.random.default_rng(seed), len(case.background), ROWS)]
    kinds = {c["name"]: c.get("kind") for c in case.columns}
    found = []
    for name in columns:
        grid = _grid(case.background[name])
        if len(grid):
            points = _points(case, question, rows, name, grid)
            found.append({"column": name, "kind": kinds.get(name), "rows": len(rows), "points": points})
    return found


def _points(case: Case, question: Question, rows: pd.DataFrame, name: str, grid: Any) -> list[Mapping[str, Any]]:
    import pandas as pd

    every = rows.iloc[np.tile(np.arange(len(rows)), len(grid))].reset_index(drop=True)
    every[name] = pd.Series(np.repeat(np.arange(len(grid)), len(rows))).map(dict(enumerate(grid))).astype(grid.dtype)
    with answering(case, f"cannot answer rows of its background with other values of {name}"):
        said = question.ask(every).reshape(len(grid), len(rows))
    spread = said.std(axis=1, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.zeros(len(grid))
    return [
        {"value": plain(v), "mean": float(m), "standard_error": float(s)}
        for v, m, s in zip(grid.tolist(), said.mean(axis=1), spread, strict=True)
    ]


def _grid(column: pd.Series[Any]) -> Any:
    """Return the values a curve is drawn at: quantiles of numbers and times, the most frequent categories."""
    import pandas as pd
    from pandas.api import types

    seen = column.dropna()
    if types.is_numeric_dtype(seen.dtype) and not types.is_bool_dtype(seen.dtype):
        distinct = np.sort(seen.unique())
        if len(distinct) <= POINTS:
            return pd.Series(distinct, dtype=column.dtype)
        shares = np.linspace(0.05, 0.95, POINTS)
        return pd.Series(seen.quantile(shares, interpolation="nearest").unique(), dtype=column.dtype)
    if types.is_datetime64_any_dtype(seen.dtype):
        shares = np.linspace(0.05, 0.95, POINTS)
        return pd.Series(seen.quantile(shares, interpolation="nearest").unique(), dtype=column.dtype)
    return pd.Series(seen.value_counts().index[:MOST_CATEGORIES].tolist(), dtype=column.dtype)


def _some(generator: np.random.Generator, rows: int, most: int) -> Any:
    return np.arange(rows) if rows <= most else np.sort(generator.choice(rows, most, replace=False))
