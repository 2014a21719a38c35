"""Conditions over the columns of a table, in the query language of runs: they compare and combine, and run nothing."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import Invalid
from nbmlops.quality import moments
from nbmlops.store.columns import Column
from nbmlops.store.queries import TOKEN, choose

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LONGEST", "Rows", "columns_as_values", "compared", "names"]

WORDS = ("not", "in", "like", "is", "missing")
LONGEST = 10_000  # characters of one condition
Mask = np.ndarray[Any, np.dtype[np.bool_]]


class Rows:
    """A table as conditions are asked of it: each column is read once, when the first condition names it.

    Parameters
    ----------
    frame : pandas.DataFrame
    booleans : collection of str
        Columns that are compared with true or false: there 0 and 1 are these, as databases give them. In others true
        and false are 1 and 0.
    """

    def __init__(self, frame: pd.DataFrame, booleans: Collection[str] = ()) -> None:
        self.booleans = frozenset(booleans)
        self.size = len(frame)
        self._columns = {str(name): values for name, values in frame.items()}
        self.names = set(self._columns)
        self.dates = {name for name, values in self._columns.items() if values.dtype.kind == "M"}
        self._read: dict[str, Column] = {}

    def column(self, name: str) -> Column:
        """Return one column."""
        if name not in self._read:
            self._read[name] = _column(name, self._columns[name], name in self.booleans)
        return self._read[name]

    def where(self, condition: str) -> Mask:
        """Return the rows of which a condition is surely true: a missing value makes a comparison unknown.

        Parameters
        ----------
        condition : str

        Returns
        -------
        array of bool, shape (size,)

        Raises
        ------
        Invalid
            It does not parse, names a column that is not there, or compares times with what is no date.

        Examples
        --------
        >>> import pandas as pd
        >>> Rows(pd.DataFrame({"delay": [40, None, 5]})).where("delay > 30").tolist()
        [True, False, False]
        """
        return choose(self, condition, self._meant, self.dates)

    def _meant(self, name: str) -> str:
        if name not in self.names:
            raise Invalid(f"No column {name!r} here.", f"There are: {', '.join(sorted(self.names)[:12])}.")
        return name


class _Asked:
    """A table without rows, of whatever columns a condition names."""

    size = 0

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.asked: dict[str, None] = {}

    def column(self, name: str) -> Column:
        """Return an empty column, and remember that it was asked for."""
        self.asked[name] = None
        return Column(np.empty(0), np.empty(0, np.int32))


def names(condition: str) -> list[str]:
    """Return the columns a condition names, in its order.

    Raises
    ------
    Invalid
        It does not parse.

    Examples
    --------
    >>> names("delay > 30 and not (`home port` = EWR or delay is missing)")
    ['delay', 'home port']
    """
    asked = _Asked()
    choose(asked, condition, str)
    return list(asked.asked)


def compared(condition: str) -> Iterator[tuple[str, str, str]]:
    """Yield the column of each comparison, and kind and text of each value it is compared with.

    Parameters
    ----------
    condition : str
        One that parses.

    Examples
    --------
    >>> list(compared("late = true or not (`home port` in (EWR, 3))"))
    [('late', 'word', 'true'), ('home port', 'word', 'EWR'), ('home port', 'number', '3')]
    """
    column = ""
    for kind, text in ((str(t.lastgroup), t[str(t.lastgroup)]) for t in TOKEN.finditer(condition)):
        if column and kind == "word" and text.lower() in ("and", "or"):
            column = ""
        elif kind == "quoted" or (not column and kind == "word" and text.lower() != "not"):
            column = text.strip("`")
        elif kind not in ("op", "mark", "quoted") and text.lower() not in WORDS:
            yield column, kind, text


def columns_as_values(condition: str, columns: Collection[str]) -> list[tuple[str, str]]:
    """Return each column of a condition that is compared with a bare word which names a column, and that word."""
    return [(column, text) for column, kind, text in compared(condition) if kind == "word" and text in columns]


def _column(name: str, values: pd.Series[Any], boolean: bool) -> Column:
    import pandas as pd
    from pandas.api import types

    nothing = np.full(len(values), -1, np.int32)
    if types.is_bool_dtype(values.dtype) and not isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype("boolean").astype("Float64")
    if boolean and types.is_numeric_dtype(values.dtype) and values.dropna().isin((0, 1)).all():
        codes = values.to_numpy("float64", na_value=np.nan)
        coded = np.where(np.isnan(codes), -1, codes).astype(np.int32)
        return Column(np.full(len(values), np.nan), coded, (False, True))
    if types.is_complex_dtype(values.dtype):
        raise Invalid(f"The column {name!r} holds complex numbers.", "Compare their parts.")
    if types.is_numeric_dtype(values.dtype):
        return Column(values.to_numpy("float64", na_value=np.nan), nothing)
    if values.dtype.kind == "M":
        return Column(moments.seconds(moments.read(values)), nothing)
    if values.dtype.kind == "m":
        return Column(values.dt.total_seconds().to_numpy("float64"), nothing)
    return _coded(name, values)


def _coded(name: str, values: pd.Series[Any]) -> Column:
    """Return categories, texts and mixed values: what is compared is done once for each distinct one."""
    import pandas as pd

    try:
        codes, distinct = pd.factorize(values)
    except TypeError:
        raise Invalid(f"The column {name!r} holds values that cannot be compared.", "Make them texts.") from None
    held = [v.item() if isinstance(v, np.generic) else v for v in distinct.tolist()]
    numeric = [isinstance(v, (numbers.Real, Decimal)) and not isinstance(v, bool) for v in held]
    values_of = np.array([float(v) if n else np.nan for v, n in zip(held, numeric, strict=True)] + [np.nan])
    texts = tuple(v if isinstance(v, (str, bool)) else str(v) for v, n in zip(held, numeric, strict=True) if not n)
    places = np.append(np.where(numeric, -1, np.cumsum(~np.array(numeric, bool)) - 1), -1).astype(np.int32)
    return Column(values_of[codes], places[codes], texts)
