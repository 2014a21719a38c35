"""What a model takes and gives: the columns it was fitted on, with what was seen in them, and its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import Invalid, NotFound
from nbmlops.quality import look
from nbmlops.records import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["columns_of", "kind_of", "names", "read", "select", "table"]

MAX_CATEGORIES = 100
HOLDS: Mapping[str, set[type]] = {
    "text": {str},
    "booleans": {bool},
    "numbers": {int, float},
    "mixed": {str, bool, int, float},
}
HELD_BY = {"number": {"number", "boolean"}, "boolean": {"boolean", "number"}}  # what a column of a kind may come as


def table(frame: Any) -> pd.DataFrame:
    """Return a pandas DataFrame of what the user passed.

    Raises
    ------
    Invalid
        It is no table, or two columns share a name.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame) and hasattr(frame, "to_pandas"):
        frame = frame.to_pandas()
    if not isinstance(frame, pd.DataFrame):
        raise Invalid(f"{type(frame).__name__} is no table.", "Pass a pandas or polars DataFrame.")
    if not frame.columns.is_unique:
        twice = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
        raise Invalid(f"Columns appear twice: {', '.join(twice)}.", "Give every column its own name.")
    return frame


def read(path: str) -> pd.DataFrame:
    """Return the rows of a CSV or Parquet file.

    Raises
    ------
    NotFound
        There is no such file, or it cannot be read as a table.
    """
    import pandas as pd

    try:
        return pd.read_parquet(path) if str(path).endswith(".parquet") else look.read_csv(path)
    except (OSError, ValueError) as error:
        raise NotFound(f"{path} cannot be read: {error}.", "Pass a CSV or Parquet file.") from error


def kind_of(column: pd.Series[Any]) -> str:
    """Return what a column holds: boolean, number, time or category."""
    from pandas.api import types

    if types.is_bool_dtype(column) and str(column.dtype) != "category":
        return "boolean"
    if types.is_numeric_dtype(column):
        return "number"
    return "time" if types.is_datetime64_any_dtype(column) else "category"


def columns_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return name, kind, dtype, whether values may miss, and the range or the categories of each column."""
    return [
        {
            "name": str(name),
            "kind": kind_of(column),
            "dtype": str(column.dtype),
            "nullable": bool(column.isna().any()),
            **_range(column),
        }
        for name, column in frame.items()
    ]


def names(signature: Mapping[str, Any]) -> list[str]:
    """Return the columns a model takes, in its order."""
    return [c["name"] for c in signature["columns"]]


def select(signature: Mapping[str, Any], frame: Any, model: str) -> pd.DataFrame:
    """Return the columns a model takes, in its order; others are ignored.

    Raises
    ------
    Invalid
        Columns are missing or hold another kind of value; the message names them all.
    """
    rows = table(frame)
    wanted: Sequence[Mapping[str, Any]] = signature["columns"]
    if missing := [c["name"] for c in wanted if c["name"] not in rows.columns]:
        raise Invalid(
            f"{model} needs columns that are not there: {', '.join(missing)}.",
            f"It takes: {', '.join(names(signature))}.",
        )
    chosen = rows[names(signature)]
    wrong = [
        f"{c['name']} is {kind} and should be {c['kind']}"
        for c in wanted
        if c.get("kind") and (kind := kind_of(chosen[c["name"]])) not in HELD_BY.get(c["kind"], {c["kind"]})
    ]
    if wrong and len(chosen):
        raise Invalid(f"{model} cannot take these columns: {'; '.join(wrong)}.", "Convert them as in training.")
    return chosen


def _range(column: pd.Series[Any]) -> dict[str, Any]:
    seen = column.dropna()
    if kind_of(column) == "category":
        return _categories(seen)
    return {"min": plain(seen.min()), "max": plain(seen.max())} if len(seen) else {"min": None, "max": None}


def _categories(seen: pd.Series[Any]) -> dict[str, Any]:
    """Return the most frequent categories, as the values they are where JSON has such, how many, and of what."""
    counts = seen.astype(str).value_counts()
    shown = sorted(counts.index[:MAX_CATEGORIES])
    values = _distinct(seen)
    holds = _held(values)
    if holds in ("numbers", "booleans", "mixed"):
        own = {str(value): value for value in values}
        shown = sorted((own[text] for text in shown), key=str if holds == "mixed" else None)
    return {"categories": shown, "distinct": len(counts), "holds": holds}


def _distinct(seen: pd.Series[Any]) -> list[Any]:
    """Return the values of a column of categories, one alone where all are text."""
    import pandas as pd

    if isinstance(seen.dtype, pd.CategoricalDtype):
        return list(seen.cat.categories.tolist())
    if pd.api.types.infer_dtype(seen, skipna=True) == "string":
        return [""]
    found = {(type(value), str(value)): value for value in seen.tolist()}
    return [value.item() if isinstance(value, np.generic) else value for value in found.values()]


def _held(values: Sequence[Any]) -> str:
    """Return what categories are: text, numbers, booleans, mixed, or nothing where a text would not tell which one."""
    kinds = {type(value) for value in values}
    for name, some in HOLDS.items():
        if kinds and kinds <= some and np.inf not in values:
            return name if len({str(value) for value in values}) == len(values) else ""
    return ""
