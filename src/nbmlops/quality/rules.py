"""Check a frame against the rules of its data set: one small rule per promise, every answer a finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmlops.errors import Invalid, NotAllowed, unknown
from nbmlops.quality import look, models
from nbmlops.quality.answers import COLUMN_RULES, TABLE_RULES, Answer, Rule, is_names
from nbmlops.quality.quarantine import write_aside
from nbmlops.records import Check, Finding, Outcome, now

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rules", "bad_rows", "check", "find", "load", "reasons", "settings"]

STATES = ("accepted", "proposed", "muted")
DESCRIPTIVE = ("meaning", "unit", "owner", "validated_by", "evidence", "state", "fix")
TOP = ("dataset", "columns", "meaning", "owner", "source")
WRAPPED = ("rule", "state", "evidence", "validated_by")  # a rule with a state of its own


@dataclass(frozen=True)
class Rules:
    """The rules of one data set, read and checked."""

    dataset: str
    columns: Mapping[str, Mapping[str, Any]]
    table: Mapping[str, Any]


def check(
    frame: Any,
    rules: str | Path | Mapping[str, Any] | Rules | None = None,
    strict: bool = False,
    quarantine: bool | str | Path = False,
    at: str | None = None,
) -> Check:
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
    quarantine : bool, str or Path
        Write the rows that break a rule aside, with the reasons: into this folder, or ``.nbmlops/quarantine``.
    at : str, optional
        The time to judge freshness by, as ISO 8601 text in UTC; now if absent.

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
    if model and quarantine:
        raise Invalid("A model has no rows to write aside.", "Quarantine is for a frame.")
    answer = models.check_model(frame, rules) if model else _of_frame(frame, rules, quarantine, at or now())
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
    return (reasons(look.as_frame(frame), load(rules)) != "").rename("bad")


def reasons(frame: pd.DataFrame, rules: Rules) -> pd.Series[str]:
    """Return for each row which rules it breaks, as ``range age, set city``; nothing for a good one.

    >>> import pandas as pd
    >>> reasons(pd.DataFrame({"age": [31, 210]}), load({"columns": {"age": {"range": {"max": 120}}}})).tolist()
    ['', 'range age']
    """
    import pandas as pd

    told = np.full(len(frame), "", dtype=object)
    for code, column, state, answer in _answers(frame, rules):
        if answer is not None and answer.broken and answer.rows is not None and state != "muted":
            told[answer.rows] += f"{code} {column}".strip() + ", "
    found: pd.Series[str] = pd.Series(told, index=frame.index, name="reasons", dtype=object).str.removesuffix(", ")
    return found


def load(rules: str | Path | Mapping[str, Any] | Rules) -> Rules:
    """Return rules by name, path or content, every key and value checked."""
    if isinstance(rules, Rules):
        return rules
    if isinstance(rules, Mapping):
        return _parse(rules, "the rules", "data")
    import yaml

    path = find(str(rules))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"{path.name} is not valid YAML: {' '.join(str(error).split())}.", f"Mend {path}.") from error
    if not isinstance(content, Mapping):
        raise Invalid(f"{path.name} holds no rules.", "It needs columns: {NAME: {range: {min: 0}}}.")
    return _parse(content, path.name, path.stem)


def _of_frame(
    frame: Any, rules: str | Path | Mapping[str, Any] | Rules | None, quarantine: bool | str | Path, at: str
) -> Check:
    if rules is None:
        raise Invalid("A frame is checked against rules.", 'Name them: nb.check(frame, "flights").')
    data, known = look.as_frame(frame), load(rules)
    findings = tuple(_findings(data, known, at))
    aside = write_aside(data, reasons(data, known), known.dataset, quarantine, at) if quarantine else {}
    return Check(known.dataset, findings, len(data), aside)


def _stop(broken: Sequence[str], subject: str) -> NotAllowed:
    more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
    return NotAllowed(
        f"The data breaks {len(broken)} of the rules of {subject!r}: {'; '.join(broken[:3])}{more}.",
        "Mend the data, or the rule; nbmlops.quality.rules.bad_rows names the rows.",
    )


def find(name: str) -> Path:
    """Return the file of the rules of that name, or the file itself."""
    from nbmlops.tracking import session

    if Path(name).suffix in (".yaml", ".yml") and Path(name).is_file():
        return Path(name)
    folders = list(dict.fromkeys([Path.cwd() / "rules", session.project().root / "rules"]))
    found = {p.stem: p for folder in reversed(folders) if folder.is_dir() for p in sorted(folder.glob("*.y*ml"))}
    stem = Path(name).stem if name.endswith((".yaml", ".yml")) else name
    if stem not in found:
        raise unknown("rules", name, found, "" if found else f"Write rules/{stem}.yaml first.")
    return found[stem]


def _parse(content: Mapping[str, Any], where: str, name: str) -> Rules:
    columns = content.get("columns") or {}
    if not isinstance(columns, Mapping):
        raise Invalid(f"{where}: columns is {columns!r}.", "Write columns: {NAME: {range: {min: 0}}}.")
    _known_keys(content, (*TOP, *(r.code for r in TABLE_RULES)), where)
    for column, about in columns.items():
        _parse_column(f"{where}: {column}", about)
    for rule in TABLE_RULES:
        for setting, _ in settings(rule, content):
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
            _valid(rule, _one(about[rule.code], where)[0], where)


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


def settings(rule: Rule, content: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """Return a table rule's settings with their states: one rule, or a list of them, plain or with a state."""
    setting = content.get(rule.code)
    if setting is None:
        return []
    several = rule.code in ("compare", "unique", "freshness", "ordered", "overlap") and isinstance(setting, list)
    entries = setting if several and (rule.code == "compare" or not is_names(setting)) else [setting]
    return [_one(entry, rule.code) for entry in entries]


def _one(setting: Any, where: str, state: str = "accepted") -> tuple[Any, str]:
    """Return a setting and its state; ``{rule: ..., state: proposed}`` has one of its own."""
    if not isinstance(setting, Mapping) or "rule" not in setting:
        return setting, state
    _known_keys(setting, WRAPPED, where)
    return setting["rule"], _state(setting, where)


def _findings(frame: pd.DataFrame, rules: Rules, at: str) -> Iterable[Finding]:
    for name, about in rules.columns.items():
        if name not in frame.columns:
            outcome = _outcome(about.get("state", "accepted"), True)
            yield Finding("present", outcome, f"{name} is missing", name)
    for code, column, state, answer in _answers(frame, rules, at):
        named = f"{column}: " if column else ""
        if answer is None:
            yield Finding(code, "not_applicable", f"{named}{code} does not apply to what the column holds", column)
        elif not len(frame) and code not in ("rows", "dtype"):
            yield Finding(code, "skipped", f"{named}insufficient data: no rows", column)
        else:
            message = f"{named}{answer.words}"
            yield Finding(code, _outcome(state, answer.broken), message, column, answer.effect, detail={"state": state})


def _answers(frame: pd.DataFrame, rules: Rules, at: str = "") -> Iterable[tuple[str, str, str, Answer | None]]:
    """Yield (code, column, state, answer) of every rule that can be asked; without a time none about it."""
    for name, about in rules.columns.items():
        for rule in COLUMN_RULES:
            if rule.code in about and name in frame.columns:
                setting, state = _one(about[rule.code], name, about.get("state", "accepted"))
                yield rule.code, name, state, rule.answer(frame[name], setting)
    for rule in TABLE_RULES:
        for setting, state in settings(rule, rules.table):
            if not rule.timed:
                yield rule.code, "", state, rule.answer(frame, setting)
            elif at:
                yield rule.code, "", state, rule.answer(frame, setting, at)


def _outcome(state: str, broken: bool) -> Outcome:
    if state == "muted":
        return "muted"
    return ("warning" if state == "proposed" else "issue") if broken else "passed"
