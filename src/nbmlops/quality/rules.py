"""Check a frame against the rules of its data set: one small rule per promise, every answer a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid, NotAllowed, unknown
from nbmlops.quality import look, models
from nbmlops.records import Check, Finding, Outcome

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMN_RULES", "TABLE_RULES", "Rules", "bad_rows", "check", "load"]

STATES = ("accepted", "proposed", "muted")
DESCRIPTIVE = ("meaning", "unit", "owner", "evidence", "state")
TOP = ("dataset", "columns", "meaning", "owner", "source")
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
    answer: Callable[[Any, Any], Answer | None]
    valid: Callable[[Any], bool]
    form: str


@dataclass(frozen=True)
class Rules:
    """The rules of one data set, read and checked."""

    dataset: str
    columns: Mapping[str, Mapping[str, Any]]
    table: Mapping[str, Any]


def check(frame: Any, rules: str | Path | Mapping[str, Any] | Rules | None = None, strict: bool = False) -> Check:
    """Check a frame against rules, or a model for leakage.

    An accepted rule that is broken is an issue, a proposed one a warning; a column that is not there is an issue.

    Parameters
    ----------
    frame : DataFrame, path or fitted estimator
        A model is checked on the rows this kernel remembers.
    rules : str, Path or mapping, optional
        A data set's name (``rules/NAME.yaml`` here or in the project), a YAML file, its content. A model has none.
    strict : bool
        Raise where there is an issue, so that a scheduled notebook stops.

    Returns
    -------
    Check

    Raises
    ------
    NotFound
        No such rules, or rows of a model that this kernel does not remember.
    Invalid
        A key or value the rules do not know; a frame without rules, a model with some.
    NotAllowed
        ``strict``, and there is an issue; the message says which.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age": [31, 45, 210]})
    >>> found = check(frame, {"columns": {"age": {"range": {"min": 0, "max": 120}}}})
    >>> found.findings[0].message
    'age: 1 of 3 values outside 0 to 120'
    """
    from nbmlops.tracking import session

    model = models.is_model(frame)
    answer = models.check_model(frame, rules) if model else _of_frame(frame, rules)
    session.keep("check", answer.subject, answer.to_dict())
    broken = [f.message for f in answer.findings if f.outcome == "issue"]
    if strict and broken:
        raise models.too_good(broken, answer.subject) if model else _stop(broken, answer.subject)
    return answer


def bad_rows(frame: Any, rules: str | Path | Mapping[str, Any] | Rules) -> pd.Series[bool]:
    """Return True for each row that breaks a rule about rows; muted rules do not count.

    Examples
    --------
    >>> import pandas as pd
    >>> bad_rows(pd.DataFrame({"age": [31, 210]}), {"columns": {"age": {"range": {"max": 120}}}}).tolist()
    [False, True]
    """
    import pandas as pd

    data, known = look.as_frame(frame), load(rules)
    bad = np.zeros(len(data), dtype=bool)
    for _, _, state, answer in _answers(data, known):
        if answer is not None and answer.rows is not None and state != "muted":
            bad |= answer.rows
    found: pd.Series[bool] = pd.Series(bad, index=data.index, name="bad", dtype=bool)
    return found


def load(rules: str | Path | Mapping[str, Any] | Rules) -> Rules:
    """Return rules by name, path or content, every key and value checked."""
    if isinstance(rules, Rules):
        return rules
    if isinstance(rules, Mapping):
        return _parse(rules, "the rules", "data")
    import yaml

    path = _find(str(rules))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"{path.name} is not valid YAML: {' '.join(str(error).split())}.", f"Mend {path}.") from error
    if not isinstance(content, Mapping):
        raise Invalid(f"{path.name} holds no rules.", "It needs columns: {NAME: {range: {min: 0}}}.")
    return _parse(content, path.name, path.stem)


def _of_frame(frame: Any, rules: str | Path | Mapping[str, Any] | Rules | None) -> Check:
    if rules is None:
        raise Invalid("A frame is checked against rules.", 'Name them: nb.check(frame, "flights").')
    data, known = look.as_frame(frame), load(rules)
    return Check(known.dataset, tuple(_findings(data, known)), len(data))


def _stop(broken: Sequence[str], subject: str) -> NotAllowed:
    more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
    return NotAllowed(
        f"The data breaks {len(broken)} of the rules of {subject!r}: {'; '.join(broken[:3])}{more}.",
        "Mend the data, or the rule; nbmlops.quality.rules.bad_rows names the rows.",
    )


def _find(name: str) -> Path:
    from nbmlops.tracking import session

    if Path(name).suffix in (".yaml", ".yml") and Path(name).is_file():
        return Path(name)
    folders = list(dict.fromkeys([Path.cwd() / "rules", session.project().root / "rules"]))
    found = {p.stem: p for folder in reversed(folders) if folder.is_dir() for p in sorted(folder.glob("*.y*ml"))}
    stem = Path(name).stem if name.endswith((".yaml", ".yml")) else name
    if stem not in found:
        raise unknown("rules", name, found, "" if found else f"Write rules/{stem}.yaml first.")
    return found[stem]


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
    if not wanted:
        return None
    return _of_rows((column.duplicated(keep="first") & column.notna()).to_numpy(dtype=bool), "values there already")


def _dtype(column: pd.Series[Any], wanted: str) -> Answer:
    held = look.holds(column)
    fits = held in (wanted, "nothing")
    if wanted == "integers" and held == "numbers":
        values = look.numbers(column)
        fits = bool((np.mod(values[np.isfinite(values)], 1) == 0).all())
    return Answer(not fits, f"holds {held}, {wanted} expected")


def _rows(frame: pd.DataFrame, limits: Mapping[str, Any]) -> Answer:
    n = len(frame)
    low, high = limits.get("min", 0), limits.get("max", np.inf)
    words = f"at least {low:,}" if high == np.inf else f"{low:,} to {high:,}"
    return Answer(not low <= n <= high, f"{n:,} rows, {words} expected", float(n))


def _unique_rows(frame: pd.DataFrame, columns: Sequence[str]) -> Answer | None:
    if any(c not in frame.columns for c in columns):
        return Answer(True, f"column {next(c for c in columns if c not in frame.columns)} is missing")
    rows = frame.duplicated(subset=list(columns), keep="first").to_numpy(dtype=bool)
    return _of_rows(rows, f"rows with the same {', '.join(columns)} as an earlier one")


def _compare(frame: pd.DataFrame, rule: str) -> Answer:
    left, operator, right = _comparison(rule)
    if gone := [c for c in (left, right) if c not in frame.columns and not _is_number(c)]:
        return Answer(True, f"column {gone[0]} is missing")
    sides = [_side(frame, s) for s in (left, right)]
    known = np.logical_and(*(side.notna().to_numpy(dtype=bool) for side in sides))
    try:
        kept = OPERATORS[operator](*sides).to_numpy(dtype=bool, na_value=False)
    except TypeError:
        return Answer(True, f"{left} and {right} cannot be compared")
    return _of_rows(known & ~kept, f"rows break {rule}")


def _is_limits(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and set(value) <= {"min", "max"}
        and all(_is_real(v) for v in value.values())
    )


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


COLUMN_RULES = (
    Rule("dtype", _dtype, lambda v: v in DTYPES, f"one of {', '.join(DTYPES)}"),
    Rule("missing_max", _missing, lambda v: _is_real(v) and 0 <= v <= 1, "a share from 0 to 1"),
    Rule("range", _range, _is_limits, "{min: number, max: number}"),
    Rule("set", _set, lambda v: isinstance(v, list) and bool(v), "a list of values"),
    Rule("unique", _unique, lambda v: isinstance(v, bool), "true or false"),
)
TABLE_RULES = (
    Rule("rows", _rows, _is_limits, "{min: number, max: number}"),
    Rule("unique", _unique_rows, _is_names, "a list of columns"),
    Rule("compare", _compare, lambda v: isinstance(v, str) and _comparison(v) != ("", "", ""), "'left <= right'"),
)


def _parse(content: Mapping[str, Any], where: str, name: str) -> Rules:
    columns = content.get("columns") or {}
    if not isinstance(columns, Mapping):
        raise Invalid(f"{where}: columns is {columns!r}.", "Write columns: {NAME: {range: {min: 0}}}.")
    _known_keys(content, (*TOP, *(r.code for r in TABLE_RULES)), where)
    for column, about in columns.items():
        _parse_column(f"{where}: {column}", about)
    for rule in TABLE_RULES:
        for setting, _ in _settings(rule, content):
            _valid(rule, setting, where)
    return Rules(str(content.get("dataset", name)), {str(k): v or {} for k, v in columns.items()}, content)


def _parse_column(where: str, about: Any) -> None:
    if about is None:
        return
    if not isinstance(about, Mapping):
        raise Invalid(f"{where} is {about!r}.", "Write {range: {min: 0}, state: accepted}.")
    _known_keys(about, (*DESCRIPTIVE, *(r.code for r in COLUMN_RULES)), where)
    _state(about, where)
    for rule in COLUMN_RULES:
        if rule.code in about:
            _valid(rule, about[rule.code], where)


def _known_keys(content: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    for key in content:
        if key not in allowed:
            error = unknown("key", str(key), allowed)
            raise Invalid(f"{where} has an unknown key {key!r}; allowed: {', '.join(allowed)}.", error.hint)


def _valid(rule: Rule, setting: Any, where: str) -> None:
    if not rule.valid(setting):
        raise Invalid(f"{where}: {rule.code} is {setting!r}.", f"Write {rule.form}.")


def _state(about: Mapping[str, Any], where: str) -> str:
    state = about.get("state", "accepted")
    if state not in STATES:
        raise Invalid(f"{where}: state is {state!r}.", f"Allowed: {', '.join(STATES)}.")
    return str(state)


def _settings(rule: Rule, content: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """Return a table rule's settings with their states: one rule, or a list of them, plain or with a state."""
    setting = content.get(rule.code)
    if setting is None:
        return []
    several = rule.code == "compare" or (rule.code == "unique" and isinstance(setting, list) and not _is_names(setting))
    entries = setting if several and isinstance(setting, list) else [setting]
    return [
        (e["rule"], _state(e, rule.code)) if isinstance(e, Mapping) and "rule" in e else (e, "accepted")
        for e in entries
    ]


def _findings(frame: pd.DataFrame, rules: Rules) -> Iterable[Finding]:
    for name, about in rules.columns.items():
        if name not in frame.columns:
            outcome = _outcome(about.get("state", "accepted"), True)
            yield Finding("present", outcome, f"{name} is missing", name)
    for code, column, state, answer in _answers(frame, rules):
        named = f"{column}: " if column else ""
        if answer is None:
            yield Finding(code, "not_applicable", f"{named}{code} does not apply to what the column holds", column)
        elif not len(frame) and code not in ("rows", "dtype"):
            yield Finding(code, "skipped", f"{named}insufficient data: no rows", column)
        else:
            message = f"{named}{answer.words}"
            yield Finding(code, _outcome(state, answer.broken), message, column, answer.effect, detail={"state": state})


def _answers(frame: pd.DataFrame, rules: Rules) -> Iterable[tuple[str, str, str, Answer | None]]:
    """Yield (code, column, state, answer) of every rule that can be asked."""
    for name, about in rules.columns.items():
        for rule in COLUMN_RULES:
            if rule.code in about and name in frame.columns:
                answer = rule.answer(frame[name], about[rule.code])
                yield rule.code, name, about.get("state", "accepted"), answer
    for rule in TABLE_RULES:
        for setting, state in _settings(rule, rules.table):
            yield rule.code, "", state, rule.answer(frame, setting)


def _outcome(state: str, broken: bool) -> Outcome:
    if state == "muted":
        return "muted"
    return ("warning" if state == "proposed" else "issue") if broken else "passed"


def _of_rows(rows: Mask, what: str) -> Answer:
    n = int(rows.sum())
    return Answer(n > 0, f"{n:,} of {len(rows):,} {what}" if n else f"no {what}", n / max(1, len(rows)), rows)


def _such(found: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in found[:3])
    return f", such as {shown}" if shown else ""


def _comparison(rule: str) -> tuple[str, str, str]:
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
