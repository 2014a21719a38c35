"""What a model takes and gives: the columns it was fitted on, with what was seen in them, and its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid, NotFound
from nbmlops.records import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["columns_of", "kind_of", "names", "read", "select", "table"]

MAX_CATEGORIES = 100
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
        return pd.read_parquet(path) if str(path).endswith(".parquet") else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise NotFound(f"{path} cannot be read: {error}.", "Pass a CSV or Parquet file.") from error


def kind_of(column: pd.Series[Any]) -> str:
    """Return what a column holds: boolean, number, time or category."""
    from pandas.api import types

    if types.is_bool_dtype(column):
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
        counts = seen.astype(str).value_counts()
        shown = sorted(counts.index[:MAX_CATEGORIES])
        return {"categories": shown, "distinct": len(counts)}
    return {"min": plain(seen.min()), "max": plain(seen.max())} if len(seen) else {"min": None, "max": None}
