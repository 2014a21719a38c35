"""Values of a column as the kind a model was fitted on: number, boolean, time or category, and what is none."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality import moments

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ABSENT", "WORDS", "Column", "Read", "fitted", "read", "read_values", "text_of"]

ABSENT: Any = object()  # a record has no such key
WORDS = {"number": "a number", "boolean": "true or false", "time": "a time", "category": "text"}
HELD = {"numbers": "a number", "booleans": "true or false", "mixed": "text or a number"}  # by its categories
TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
NUMBERS = ("floating", "decimal", "boolean", "empty")  # as infer_dtype calls them; whole ones may be too large
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Column:
    """What a model takes in a column.

    Attributes
    ----------
    name : str
    kind : {"number", "boolean", "time", "category"} or None
        None where nobody looked: anything goes.
    dtype : str
        As it was fitted on.
    may_miss : bool
    shown : bool
        Whether a value may be named.
    categories : mapping of str to object, or None
        The values it was fitted on by their text (see :func:`text_of`).
    whole : bool
        These are all there were.
    holds : {"text", "numbers", "booleans", "mixed"} or ""
        What its categories are; empty where that is not known, and they are passed on as they come.
    """

    name: str
    kind: str | None
    dtype: str = ""
    may_miss: bool = True
    shown: bool = True
    categories: Mapping[str, Any] | None = None
    whole: bool = False
    holds: str = ""

    @property
    def word(self) -> str:
        """What a value should be, in words."""
        return HELD.get(self.holds) or WORDS.get(self.kind or "", "another value")


@dataclass(frozen=True)
class Read:
    """A column as its kind, and the places of what is wrong by code."""

    values: Any
    wrong: Sequence[tuple[str, Places]]
    given: Any

    def value(self, place: int) -> Any:
        """Return what stood at a place."""
        found = self.given.iloc[place] if hasattr(self.given, "iloc") else self.given[place]
        return found.item() if isinstance(found, np.generic) else found

    def unknown(self, column: Column) -> Mapping[str, int]:
        """Return how often each category is there that was never seen; empty where not all that were are known."""
        if column.kind != "category" or not column.whole or not column.categories:
            return {}
        counts: Counter[str] = Counter()
        for value, n in _counted(self.given).items():
            if (own := fitted(value, column)) is not ABSENT and (text := text_of(own)) not in column.categories:
                counts[text] += n
        return counts


def read(column: Column, given: pd.Series[Any], texts: bool = False) -> Read:
    """Return a column of a frame as its kind.

    Parameters
    ----------
    column : Column
    given : Series
    texts : bool
        Numbers, times and booleans may come as text.
    """
    make = SERIES.get(column.kind or "")
    if make is None:
        return Read(given, _misses(column, given.isna().to_numpy(bool)), given)
    values, bad = make(given, column, texts)
    missing = given.isna().to_numpy(bool)
    wrong = [] if bad is None else [("wrong_type", np.flatnonzero(bad & ~missing))]
    return Read(values, [*_some(wrong), *_misses(column, missing), *_infinite(values)], given)


def read_values(column: Column, given: Sequence[Any]) -> Read:
    """Return plain values of a column as its kind: what few rows of JSON hold."""
    of_kind = VALUES.get(column.kind or "", lambda value, _: True)
    wrong: dict[str, list[int]] = {}
    for place, value in enumerate(given):
        if code := _wrong(value, column, of_kind):
            wrong.setdefault(code, []).append(place)
    places = [(code, np.array(found, dtype=np.intp)) for code, found in wrong.items()]
    return Read(None if wrong else _as_array(column, given), places, given)


def _wrong(value: Any, column: Column, of_kind: Callable[[Any, Column], bool]) -> str:
    if value is ABSENT:
        return "missing_column"
    if value is None or value != value:
        return "" if column.may_miss else "missing_value"
    if not of_kind(value, column):
        return "wrong_type"
    return "infinite" if isinstance(value, float) and math.isinf(value) else ""


def _as_array(column: Column, given: Sequence[Any]) -> Any:
    """Return values that were found right as an array, or a column where arrays have no such kind."""
    import pandas as pd

    misses = any(value is None for value in given)
    if column.kind == "number":
        whole = not misses and all(isinstance(value, int) for value in given)
        return np.array(given, dtype=np.int64 if whole else np.float64)
    if column.kind == "boolean" and not misses:
        return np.array(given, dtype=bool)
    if column.kind == "time":
        told = [None if value is None else _moment(value) for value in given]
        return moments.zoned(moments.read(pd.Series(told, dtype=object)), column.dtype).array
    own = given if column.kind != "category" else [None if value is None else fitted(value, column) for value in given]
    return _as_fitted(pd.Series([np.nan if value is None else value for value in own], dtype=object), column).array


def _as_fitted(values: pd.Series[Any], column: Column) -> pd.Series[Any]:
    if column.dtype == "category":
        return values.astype("category")
    return values if column.dtype == "object" and column.holds not in ("", "text") else values.infer_objects()


def _numbers(given: pd.Series[Any], column: Column, texts: bool) -> tuple[Any, NDArray[np.bool_] | None]:
    import pandas as pd

    types = pd.api.types
    if isinstance(given.dtype, pd.CategoricalDtype):
        given = given.astype(object).infer_objects()  # a type of whole numbers could hold none that is missing
    if types.is_numeric_dtype(given.dtype) and not types.is_complex_dtype(given.dtype):
        return _without_extension(given), None
    if types.is_datetime64_any_dtype(given.dtype) or types.is_timedelta64_dtype(given.dtype):
        return given, np.ones(len(given), dtype=bool)
    if texts:
        found = pd.to_numeric(given, errors="coerce")
        return found.astype(np.float64), found.isna().to_numpy(bool)
    bad = None
    if types.infer_dtype(given, skipna=True) not in NUMBERS:
        bad = ~_each(given, lambda value: _is_number(value, column))
    found = pd.to_numeric(given.astype(object).where(given.notna(), None), errors="coerce")
    return found.astype(np.float64) if found.dtype == object else found, bad


def _booleans(given: pd.Series[Any], column: Column, texts: bool) -> tuple[Any, NDArray[np.bool_] | None]:
    import pandas as pd

    if pd.api.types.is_bool_dtype(given.dtype) and not given.isna().any():
        return given.astype(bool), None
    if pd.api.types.is_numeric_dtype(given.dtype):
        plain = _without_extension(given)
        return plain, ~plain.isin([0, 1]).to_numpy(bool)
    values = given.map(lambda v: TRUTHS.get(str(v).strip().lower(), v)) if texts else given
    return values.infer_objects(), ~_each(values, lambda value: _is_boolean(value, column))


def _times(given: pd.Series[Any], column: Column, texts: bool) -> tuple[Any, NDArray[np.bool_] | None]:
    import pandas as pd

    given = moments.without_arrow(given)
    if pd.api.types.is_datetime64_any_dtype(given.dtype):
        return moments.zoned(given, column.dtype), None
    if pd.api.types.is_numeric_dtype(given.dtype):
        return given, np.ones(len(given), dtype=bool)
    fits = _each(given, lambda value: isinstance(value, date) or (texts and isinstance(value, str)))
    found = moments.read(given.where(fits, None), "ISO8601" if texts else None)
    return moments.zoned(found, column.dtype), found.isna().to_numpy(bool)


def _categories(given: pd.Series[Any], column: Column, texts: bool) -> tuple[Any, NDArray[np.bool_] | None]:
    import pandas as pd

    types = pd.api.types
    text = _is_str(given) or types.infer_dtype(given, skipna=True) in ("string", "empty")
    if column.holds and not (column.holds == "text" and text):
        return _mapped(given, column)
    if isinstance(given.dtype, pd.CategoricalDtype):
        return given, None
    if types.is_numeric_dtype(given.dtype) or types.is_datetime64_any_dtype(given.dtype):
        fits = column.dtype == "category" and column.categories is not None
        strange = ~given.astype(str).isin(column.categories or ()).to_numpy(bool) if fits else np.ones(len(given), bool)
        return given.astype("category") if fits else given, strange
    bad = None
    if given.dtype == object and not text:
        bad = ~_each(given, lambda value: _is_category(value, column))
    if column.dtype == "category":
        return given.astype("category"), bad
    plain = given.astype(object).where(given.notna(), np.nan) if types.is_extension_array_dtype(given.dtype) else given
    return (given if _is_str(given) else plain), bad


def _mapped(given: pd.Series[Any], column: Column) -> tuple[Any, NDArray[np.bool_]]:
    """Return each value as the one the model was fitted on that reads the same."""
    import pandas as pd

    if isinstance(given.dtype, pd.CategoricalDtype):
        known = given.cat.categories.tolist()
        own = [fitted(value, column) for value in known]
        bad = np.array([value is ABSENT for value in own] + [False])[given.cat.codes.to_numpy()]
        if all(type(one) is type(other) and one == other for one, other in zip(known, own, strict=True)):
            return given, bad
    missing = given.isna().to_numpy(bool)
    pairs = zip(given.astype(object), missing, strict=True)
    values = [ABSENT if gone else fitted(value, column) for value, gone in pairs]
    bad = np.array([value is ABSENT for value in values], dtype=bool) & ~missing
    plain = pd.Series([np.nan if value is ABSENT else value for value in values], given.index, object, given.name)
    return _as_fitted(plain, column), bad


SERIES: Mapping[str, Callable[..., tuple[Any, NDArray[np.bool_] | None]]] = {
    "number": _numbers,
    "boolean": _booleans,
    "time": _times,
    "category": _categories,
}


def _is_number(value: Any, column: Column) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return -(2**63) <= value < 2**63
    return isinstance(value, (float, bool, np.bool_)) or (
        isinstance(value, numbers.Number) and not isinstance(value, complex)
    )


def _is_boolean(value: Any, column: Column) -> bool:
    return isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, float, np.number)) and value in (0, 1))


def _is_time(value: Any, column: Column) -> bool:
    if isinstance(value, date):
        return True
    try:
        return isinstance(value, str) and _moment(value) is not None
    except (ValueError, OverflowError):  # no time, or one that UTC has no year for
        return False


def _moment(value: Any) -> Any:
    """Return a time, text read by itself whatever form others have, in UTC where it has a zone."""
    if not isinstance(value, str):
        return value
    found = datetime.fromisoformat(value)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _is_category(value: Any, column: Column) -> bool:
    return fitted(value, column) is not ABSENT


def fitted(value: Any, column: Column) -> Any:
    """Return a category as the model was fitted on it, one never seen as it would have been; ABSENT where none is."""
    known, text = column.categories or {}, text_of(value)
    if isinstance(value, str) and column.holds in ("", "text"):
        return value
    if column.holds == "text" or not isinstance(value, (str, int, float, bool, np.generic, date)):
        return ABSENT
    if not column.holds:
        return value if str(value) in known else ABSENT
    if text in known:
        return known[text]
    return known.get(text_of(own), own) if (own := OWN[column.holds](value)) is not ABSENT else ABSENT


def _number_of(value: Any) -> Any:
    """Return a number, also of text, a whole one as such; ABSENT where it is none."""
    if isinstance(value, (bool, np.bool_, date)):
        return ABSENT
    try:
        found = float(value)
    except (ValueError, TypeError, OverflowError):
        return ABSENT
    if not math.isfinite(found):
        return ABSENT
    return int(found) if found.is_integer() else found


OWN: Mapping[str, Callable[[Any], Any]] = {
    "numbers": _number_of,
    "booleans": lambda value: TRUTHS.get(str(value).strip().lower(), ABSENT),
    "mixed": lambda value: value,
}


def text_of(value: Any) -> str:
    """Return a category as text: 1 and 1.0 are one.

    >>> text_of(1.0), text_of("01")
    ('1', '01')
    """
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value) if whole else value)


VALUES: Mapping[str, Callable[[Any, Column], bool]] = {
    "number": _is_number,
    "boolean": _is_boolean,
    "time": _is_time,
    "category": _is_category,
}


def _each(given: pd.Series[Any], fits: Callable[[Any], bool]) -> NDArray[np.bool_]:
    """Return for each value whether it fits; each distinct one is asked once where that is possible."""
    return np.fromiter((bool(fits(value)) for value in given.astype(object)), dtype=bool, count=len(given))


def _without_extension(given: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers of a nullable or Arrow type as plain ones."""
    if isinstance(given.dtype, np.dtype):
        return given
    import pandas as pd

    whole = pd.api.types.is_integer_dtype(given.dtype) and not given.isna().any()
    if pd.api.types.is_bool_dtype(given.dtype) and not given.isna().any():
        return given.astype(bool)
    values = given.to_numpy(np.int64) if whole else given.to_numpy(np.float64, na_value=np.nan)
    return pd.Series(values, index=given.index, name=given.name)


def _is_str(given: pd.Series[Any]) -> bool:
    """Tell whether a column is of pandas 3's own type for text, whose missing value is NaN."""
    return str(given.dtype) == "str"


def _misses(column: Column, missing: NDArray[np.bool_]) -> list[tuple[str, Places]]:
    return [] if column.may_miss else _some([("missing_value", np.flatnonzero(missing))])


def _infinite(values: Any) -> list[tuple[str, Places]]:
    dtype = getattr(values, "dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind != "f":
        return []
    return _some([("infinite", np.flatnonzero(np.isinf(values.to_numpy())))])


def _some(found: Iterable[tuple[str, Places]]) -> list[tuple[str, Places]]:
    return [(code, places) for code, places in found if len(places)]


def _counted(given: Any) -> Mapping[Any, int]:
    import pandas as pd

    if isinstance(given, pd.Series):
        counts = given.value_counts()
        return {value: int(n) for value, n in counts.items() if n}
    return Counter(value for value in given if value is not None and value is not ABSENT and value == value)
