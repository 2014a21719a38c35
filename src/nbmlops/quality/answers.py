"""What a rule can promise of a column or a table, and how each answers: with words, a share and the rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import NbmlopsError
from nbmlops.quality import look, overlap

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMN_RULES", "TABLE_RULES", "Answer", "Rule", "chunks", "comparison", "conflicts"]

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
PERIODS = {"hour": "h", "day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}
DTYPES = ("numbers", "integers", "text", "booleans", "times")
OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """What a rule found: rows that break it (None where the rule is about the whole), and in words."""

    broken: bool
    words: str
    effect: float | None = None
    rows: Mask | None = None


@dataclass(frozen=True)
class Rule:
    """One promise: its key in the file, how it answers, and how its setting must look."""

    code: str
    answer: Callable[..., Answer | None]
    valid: Callable[[Any], bool]
    form: str
    timed: bool = False  # asks what time it is


def _missing(column: pd.Series[Any], most: float) -> Answer:
    rows = column.isna().to_numpy(dtype=bool)
    share = float(rows.mean()) if len(rows) else 0.0
    return Answer(share > most, f"{100 * share:.3g} % missing, at most {100 * most:.3g} % allowed", share, rows)


def _range(column: pd.Series[Any], limits: Mapping[str, Any]) -> Answer | None:
    if look.holds(column) not in ("numbers", "booleans", "nothing"):
        return None
    values = look.numbers(column)
    with np.errstate(invalid="ignore"):
        rows = (values < limits.get("min", -np.inf)) | (values > limits.get("max", np.inf))
    return _of_rows(rows, f"values outside {limits.get('min', '-inf')} to {limits.get('max', 'inf')}")


def _set(column: pd.Series[Any], allowed: Sequence[Any]) -> Answer:
    codes, names = look.names(column)
    known = set(look.names(_series(allowed))[1])
    if {0, 1} <= {v for v in allowed if isinstance(v, int)}:
        known |= {"0", "1", "True", "False"}  # the same truth, stored in two ways
    strange = np.array([name not in known for name in names] + [False])
    found = [name for name, odd in zip(names, strange, strict=False) if odd]
    return _of_rows(strange[codes], f"values outside the set{_such(found)}")


def _unique(column: pd.Series[Any], wanted: bool) -> Answer | None:
    import pandas as pd

    if not wanted:
        return None
    codes = pd.Series(look.names(column)[0])  # of values of any kind: lists and nested ones cannot be hashed
    return _of_rows((codes.duplicated(keep="first") & (codes >= 0)).to_numpy(dtype=bool), "values there already")


def _dtype(column: pd.Series[Any], wanted: str) -> Answer:
    held = look.holds(column)
    fits = held in (wanted, "nothing")
    if wanted == "integers" and held == "numbers":
        values = look.numbers(column)
        fits = bool((np.mod(values[np.isfinite(values)], 1) == 0).all())
    return Answer(not fits, f"holds {held}, {wanted} expected")


def chunks(frame: pd.DataFrame, per: str, time: str | None = None) -> tuple[NDArray[np.int64], list[str]]:
    """Return each row's chunk (-1 for none) and the chunks' names: a column's values, or the periods of a time column.

    Examples
    --------
    >>> import pandas as pd
    >>> chunks(pd.DataFrame({"at": ["2026-01-31", "2026-02-01"]}), "month", "at")[1]
    ['2026-01', '2026-02']
    """
    if per in frame.columns:
        return look.names(frame[per])
    if time is None or per not in PERIODS:
        look.require(frame, per, "chunk")
    moments = look.times(frame[str(time)]).dt.tz_localize(None)
    return look.names(moments.dt.to_period(PERIODS[per]))


def conflicts(frame: pd.DataFrame, target: str, columns: Sequence[str] | None = None) -> Mask:
    """Return the rows that another row contradicts: the same features, another target.

    Examples
    --------
    >>> import pandas as pd
    >>> conflicts(pd.DataFrame({"x": [1, 1, 2], "late": [0, 1, 1]}), "late").tolist()
    [True, True, False]
    """
    import pandas as pd

    features = [c for c in frame.columns if c != target] if columns is None else list(columns)
    coded = pd.DataFrame({c: look.names(frame[c])[0] for c in features}, index=range(len(frame)))
    known = frame[target].notna().to_numpy(dtype=bool)
    keys = pd.util.hash_pandas_object(coded, index=False)
    labels = pd.Series(np.where(known, look.names(frame[target])[0], -1)).where(known)
    return (labels.groupby(keys).transform("nunique") > 1).to_numpy(dtype=bool) & known


def _rows(frame: pd.DataFrame, limits: Mapping[str, Any]) -> Answer:
    low, high = limits.get("min", 0), limits.get("max", np.inf)
    words = f"at least {low:,}" if high == np.inf else f"{low:,} to {high:,}"
    per = limits.get("per")
    if per is None:
        return Answer(not low <= len(frame) <= high, f"{len(frame):,} rows, {words} expected", float(len(frame)))
    if gone := _gone(frame, [limits.get("time", per)]):
        return gone
    codes, names = chunks(frame, per, limits.get("time"))
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    odd = [f"{name} has {n:,}" for name, n in zip(names, counts, strict=True) if not low <= n <= high]
    told = f"{len(odd)} of {len(names)} chunks of {per} have another number of rows" if odd else "each has"
    return Answer(bool(odd), f"{told}: {', '.join([*odd[:3], words + ' expected'])}" if odd else f"{words} per {per}")


def _freshness(frame: pd.DataFrame, setting: Mapping[str, Any], now: str) -> Answer:
    import pandas as pd

    if gone := _gone(frame, [setting["column"]]):
        return gone
    newest = look.times(frame[setting["column"]]).max()
    if pd.isna(newest):
        return Answer(True, f"{setting['column']} holds no time")
    age = (pd.Timestamp(now) - newest).total_seconds()
    told = f"{span(age)} old" if age >= 0 else f"{span(-age)} ahead of now"
    words = f"the newest {setting['column']} is {told}, {setting['within']} allowed"
    return Answer(age > seconds(setting["within"]), words, age)


def _ordered(frame: pd.DataFrame, columns: str | Sequence[str]) -> Answer:
    import pandas as pd

    named = [columns] if isinstance(columns, str) else list(columns)
    if gone := _gone(frame, named):
        return gone
    rows = np.zeros(len(frame), dtype=bool)
    for name in named:
        column = frame[name] if pd.api.types.is_numeric_dtype(frame[name].dtype) else look.times(frame[name])
        rows |= (column < column.cummax().shift()).to_numpy(dtype=bool, na_value=False)
    return _of_rows(rows, f"rows with a {' or '.join(named)} before that of an earlier one")


def _conflicts(frame: pd.DataFrame, setting: Mapping[str, Any]) -> Answer:
    if gone := _gone(frame, [setting["target"], *setting.get("columns", ())]):
        return gone
    rows = conflicts(frame, setting["target"], setting.get("columns"))
    share, most = float(rows.mean()) if len(rows) else 0.0, setting.get("max", 0)
    words = f"{100 * share:.3g} % of rows have the same features as others and another {setting['target']}"
    return Answer(share > most, f"{words}, at most {100 * most:.3g} % allowed", share, rows)


def _overlap(frame: pd.DataFrame, setting: Mapping[str, Any]) -> Answer:
    if gone := _gone(frame, setting.get("columns", ())):
        return gone
    try:
        known = overlap.other(setting["with"])
        if gone := _gone(known, setting.get("columns", ())):
            return Answer(True, f"{gone.words} in {setting['with']}")
        rows = overlap.also_in(frame, known, setting.get("columns", ()))
    except NbmlopsError as error:  # what cannot be looked at is no promise kept
        return Answer(True, f"{setting['with']} cannot be compared: {error}")
    share, most = float(rows.mean()) if len(rows) else 0.0, setting.get("max", 0)
    words = f"{int(rows.sum()):,} of {len(rows):,} rows are in {setting['with']} too"
    return Answer(share > most, f"{words}, at most {100 * most:.3g} % allowed", share, rows)


def _unique_rows(frame: pd.DataFrame, columns: Sequence[str]) -> Answer | None:
    if gone := _gone(frame, columns):
        return gone
    import pandas as pd

    coded = pd.DataFrame({c: look.names(frame[c])[0] for c in columns}, index=frame.index)
    rows = coded.duplicated(keep="first").to_numpy(dtype=bool)
    return _of_rows(rows, f"rows with the same {', '.join(columns)} as an earlier one")


def _compare(frame: pd.DataFrame, rule: str) -> Answer:
    left, operator, right = comparison(rule)
    if gone := _gone(frame, [c for c in (left, right) if not _is_number(c)]):
        return gone
    sides = [_side(frame, s) for s in (left, right)]
    known = np.logical_and(*(side.notna().to_numpy(dtype=bool) for side in sides))
    try:
        kept = OPERATORS[operator](*sides).to_numpy(dtype=bool, na_value=False)
    except TypeError:
        return Answer(True, f"{left} and {right} cannot be compared")
    return _of_rows(known & ~kept, f"rows break {rule}")


def _gone(frame: pd.DataFrame, columns: Sequence[str]) -> Answer | None:
    """Return the answer where a column is not there, else nothing."""
    return next((Answer(True, f"column {c} is missing") for c in columns if c not in frame.columns), None)


def span(length: float) -> str:
    """Return seconds in the largest unit that fits.

    >>> span(172800), span(90)
    ('2d', '1.5min')
    """
    unit = next((u for u in reversed(SECONDS) if u != "w" and length >= SECONDS[u]), "s")
    count = length / SECONDS[unit]
    return f"{count:.0f}{unit}" if count >= 100 else f"{count:.3g}{unit}"


def seconds(text: str) -> float:
    """Return a span such as ``2d``, ``36h`` or ``30min`` in seconds; zero where it is none."""
    found = re.fullmatch(r"([0-9.]+)\s*(s|min|h|d|w)", text.strip())
    return float(found[1]) * SECONDS[found[2]] if found and found[1].count(".") <= 1 and found[1] != "." else 0.0


def _is_limits(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and set(value) <= {"min", "max"}
        and all(_is_real(v) for v in value.values())
    )


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _is_row_limits(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    per = {k: v for k, v in value.items() if k in ("per", "time")}
    named = all(isinstance(v, str) for v in per.values()) and ("time" not in per or per.get("per") in PERIODS)
    return named and _is_limits({k: v for k, v in value.items() if k not in per})


def _is_freshness(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"column", "within"} and _is_span(value["within"])


def _is_span(value: Any) -> bool:
    return isinstance(value, str) and seconds(value) > 0


def _is_conflicts(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("target"), str)
        and set(value) <= {"target", "max", "columns"}
        and _is_share(value.get("max", 0))
        and ("columns" not in value or is_names(value["columns"]))
    )


def _is_share(value: Any) -> bool:
    return _is_real(value) and 0 <= value <= 1


def is_names(value: Any) -> bool:
    """Tell whether a setting is a list of columns."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _of_rows(rows: Mask, what: str) -> Answer:
    n = int(rows.sum())
    return Answer(n > 0, f"{n:,} of {len(rows):,} {what}" if n else f"no {what}", n / max(1, len(rows)), rows)


def _such(found: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in found[:3])
    return f", such as {shown}" if shown else ""


def comparison(rule: str) -> tuple[str, str, str]:
    """Return left side, operator and right side of a comparison; three empty texts where it is none.

    >>> comparison("left <= right")
    ('left', '<=', 'right')
    """
    for operator in OPERATORS:  # the longer ones come first
        left, found, right = rule.partition(operator)
        if found and left.strip() and right.strip():
            return left.strip(), operator, right.strip()
    return "", "", ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _side(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    return frame[name] if name in frame.columns else _series([float(name)] * len(frame)).set_axis(frame.index)


def _series(values: Sequence[Any]) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(list(values), dtype=object if not all(_is_real(v) for v in values) else None)


COLUMN_RULES = (
    Rule("dtype", _dtype, lambda v: v in DTYPES, f"one of {', '.join(DTYPES)}"),
    Rule("missing_max", _missing, _is_share, "a share from 0 to 1"),
    Rule("range", _range, _is_limits, "{min: number, max: number}"),
    Rule("set", _set, lambda v: isinstance(v, list) and bool(v), "a list of values"),
    Rule("unique", _unique, lambda v: isinstance(v, bool), "true or false"),
)
TABLE_RULES = (
    Rule("rows", _rows, _is_row_limits, "{min: number, max: number}, and per: COLUMN, or a period and time: COLUMN"),
    Rule("unique", _unique_rows, is_names, "a list of columns"),
    Rule("compare", _compare, lambda v: isinstance(v, str) and comparison(v) != ("", "", ""), "'left <= right'"),
    Rule("freshness", _freshness, _is_freshness, "{column: NAME, within: 2d}", timed=True),
    Rule("ordered", _ordered, lambda v: isinstance(v, str) or is_names(v), "a column, or a list of them"),
    Rule("conflicts", _conflicts, _is_conflicts, "{target: NAME, max: a share from 0 to 1}"),
    Rule("overlap", _overlap, overlap.is_overlap, "{with: DATASET, columns: [NAME], max: a share from 0 to 1}"),
)
