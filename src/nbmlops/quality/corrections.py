"""Correct a frame by the accepted rules that say how: ``fix:`` of ``rules/NAME.yaml``; every change is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.errors import Invalid
from nbmlops.hooks import Shown
from nbmlops.quality import look
from nbmlops.quality import rules as rulebook
from nbmlops.records import plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Corrected", "Correction", "correct"]

ORDER = ("parse", "map", "clip", "impute", "drop")
FORM = "drop, {clip: true}, {map: {a: b}}, {impute: median|mode|{value: 0}}, {parse: number|time}, or several in one"
Made = tuple["pd.Series[Any]", str]  # a column, and why it was changed


@dataclass(frozen=True)
class Correction:
    """One fix of one column: how many values (of ``drop``: rows) it changed, and why."""

    column: str
    fix: str
    changed: int
    why: str


@dataclass(frozen=True, repr=False)
class Corrected(Shown):
    """A corrected frame, and the log of what was changed."""

    shows: ClassVar[str] = "corrected"

    subject: str
    frame: pd.DataFrame
    log: tuple[Correction, ...]
    rows_before: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, without the rows."""
        counts = {"rows_before": self.rows_before, "rows_after": len(self.frame)}
        return {"subject": self.subject, **counts, "log": plain(self.log)}


def correct(frame: Any, rules: str | Path | Mapping[str, Any] | rulebook.Rules) -> Corrected:
    """Return a corrected copy of a frame, and what was changed, how often and why; the given frame stays as it is.

    Only accepted columns with a ``fix`` are touched, in the order parse, map, clip, impute, drop.

    Parameters
    ----------
    frame : DataFrame or path
    rules : str, Path or mapping
        As of :func:`nbmlops.check`.

    Returns
    -------
    Corrected

    Raises
    ------
    Invalid
        A fix that is not known, or that the column's values do not allow.

    Examples
    --------
    >>> import pandas as pd
    >>> found = correct(pd.DataFrame({"age": [31, 210]}), {"columns": {"age": {"range": {"max": 120}, "fix": "drop"}}})
    >>> len(found.frame), found.log[0].changed
    (1, 1)
    """
    data, known = look.as_frame(frame), rulebook.load(rules)
    made, log = data.copy(), []
    for name, about in known.columns.items():
        if "fix" in about and about.get("state", "accepted") == "accepted" and name in made.columns:
            for fix, setting in _fixes(name, about["fix"]):
                made, correction = _drop(made, name, about) if fix == "drop" else _fix(made, name, about, fix, setting)
                log.append(correction)
    answer = Corrected(known.dataset, made, tuple(log), len(data))
    session.keep("correction", answer.subject, answer.to_dict())
    return answer


def _fixes(name: str, fix: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fixes of a column in the order in which they are made."""
    wanted = {"drop": True} if fix == "drop" else fix
    if not isinstance(wanted, Mapping) or not wanted or not set(wanted) <= set(ORDER):
        raise Invalid(f"{name}: fix is {fix!r}.", f"Write {FORM}.")
    yield from ((key, wanted[key]) for key in ORDER if key in wanted)


def _fix(
    frame: pd.DataFrame, name: str, about: Mapping[str, Any], fix: str, setting: Any
) -> tuple[pd.DataFrame, Correction]:
    makers: Mapping[str, Callable[[Any, Any, Any], Made]] = {
        "parse": _parse,
        "map": _map,
        "clip": _clip,
        "impute": _impute,
    }
    before = frame[name]
    after, why = makers[fix](before, setting, about)
    same = (before.astype(object) == after.astype(object)) | (before.isna() & after.isna())
    return frame.assign(**{name: after}), Correction(name, fix, int((~same.astype(bool)).sum()), why)


def _drop(frame: pd.DataFrame, name: str, about: Mapping[str, Any]) -> tuple[pd.DataFrame, Correction]:
    only = rulebook.Rules("", {name: about}, {})
    bad = rulebook.bad_rows(frame, only).to_numpy(dtype=bool)
    return frame[~bad], Correction(name, "drop", int(bad.sum()), f"rows that break a rule of {name}")


def _parse(column: pd.Series[Any], setting: Any, about: Mapping[str, Any]) -> Made:
    import pandas as pd

    if setting not in ("number", "time"):
        raise Invalid(f"{column.name}: parse is {setting!r}.", "Write number or time.")
    made = look.times(column) if setting == "time" else pd.Series(look.numbers(column), column.index, name=column.name)
    lost = int((made.isna() & column.notna()).sum())
    return made, f"read as {setting}" + (f"; {lost:,} could not be read and are missing" if lost else "")


def _map(column: pd.Series[Any], setting: Any, about: Mapping[str, Any]) -> Made:
    if not isinstance(setting, Mapping) or not setting:
        raise Invalid(f"{column.name}: map is {setting!r}.", "Write {map: {old: new}}.")
    made = column.astype(object).map(lambda value: setting.get(value, value), na_action="ignore")
    return made.infer_objects(), f"{len(setting)} values renamed"


def _clip(column: pd.Series[Any], setting: Any, about: Mapping[str, Any]) -> Made:
    limits = about.get("range") or {}
    limits = limits.get("rule", limits)
    if setting is not True or not limits or look.holds(column) not in ("numbers", "nothing"):
        raise Invalid(f"{column.name} cannot be clipped.", "It holds numbers and has a range; write {clip: true}.")
    low, high = limits.get("min"), limits.get("max")
    return column.clip(low, high), f"limits {'-inf' if low is None else low} to {'inf' if high is None else high}"


def _impute(column: pd.Series[Any], setting: Any, about: Mapping[str, Any]) -> Made:
    if isinstance(setting, Mapping) and set(setting) == {"value"}:
        return column.fillna(setting["value"]), f"missing set to {setting['value']!r}"
    if setting not in ("median", "mode"):
        raise Invalid(f"{column.name}: impute is {setting!r}.", "Write median, mode or {value: 0}.")
    if not column.notna().any():
        return column, "insufficient data: every value is missing"
    if setting == "median" and look.holds(column) != "numbers":
        raise Invalid(f"{column.name} has no median: it holds {look.holds(column)}.", "Write {impute: mode}.")
    value = column.median() if setting == "median" else column.mode().iloc[0]
    return column.fillna(value), f"missing set to the {setting} of {int(column.notna().sum()):,} known values"
