"""The file of a data set: rules and data dictionary in one; what programs propose, people accept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from nbmlops.errors import unknown
from nbmlops.quality import document, rules
from nbmlops.quality.answers import COLUMN_RULES, TABLE_RULES
from nbmlops.records import plain

if TYPE_CHECKING:
    from nbmlops.quality.learnt import Proposed

__all__ = ["accept", "accept_rules", "dictionary", "merged", "save", "title", "words"]

COLUMN_CODES = tuple(rule.code for rule in COLUMN_RULES)
TABLE_CODES = tuple(rule.code for rule in TABLE_RULES)
DISJOINT = {"range": "set", "set": "range"}  # a column has one of them
Json = dict[str, Any]


def accept_rules(name: str | Path, columns: Iterable[str] | None = None, by: str | None = None) -> list[dict[str, str]]:
    """Accept proposed rules of a data set: from now on a broken one is an issue.

    Parameters
    ----------
    name : str or Path
        The data set's name, or the file of its rules.
    columns : list of str, optional
        Columns, kinds of table rules such as ``rows``, or comparisons; all that are proposed if absent.
    by : str, optional
        Who accepts, recorded as claimed; who is working here if absent.

    Returns
    -------
    list of dict
        ``column`` (none for the table), ``rule`` and ``validated_by`` of what was accepted now.

    Raises
    ------
    NotFound
        No such rules, or no such column in them.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "people.yaml"
    >>> _ = path.write_text("columns: {age: {range: {min: 0}, state: proposed}}")
    >>> accept_rules(path, ["age"], by="ann")[0]["rule"]
    'range'
    """
    return accept(rules.find(str(name)), [columns] if isinstance(columns, str) else columns, by)


def accept(path: Path, names: Iterable[str] | None, by: str | None) -> list[dict[str, str]]:
    """Accept proposed rules in a file; the arguments are those of :func:`accept_rules`."""
    text, content = document.read(path)
    rules.load(path)  # whatever is wrong in the file is said before anything is written
    wanted = None if names is None else list(dict.fromkeys(names))
    _require(content, wanted or (), path.stem)
    new, who = _copied(content), _actor(by)
    done = [*_accept_columns(new, wanted, who), *_accept_table(new, wanted, who)]
    if done:
        document.write(path, document.updated(text, new))
    return [{"column": column, "rule": rule, "validated_by": who} for column, rule in done]


def save(name: str, proposed: Sequence[Proposed], path: str | Path | None = None) -> Path:
    """Write proposed rules into a file, beside what people wrote there; the file's path."""
    from nbmlops.tracking import session

    place = Path(path) if path is not None else session.project().root / "rules" / f"{name}.yaml"
    text, content = document.read(place)
    if content:
        rules.load(place)
    new = merged(content, name, proposed)
    if new != content:
        document.write(place, document.updated(text, new) if content else text + document.dumped(new))
    return place


def merged(content: Mapping[str, Any], name: str, proposed: Sequence[Proposed]) -> Json:
    """Return a file's content with proposed rules: nothing accepted or muted changes.

    Parameters
    ----------
    content : mapping
        Of the file as it is.
    name : str
        Of the data set, where the file names none.
    proposed : list of Proposed
        Each with a setting and its evidence.

    Returns
    -------
    dict
    """
    new: Json = _copied(content)
    new.setdefault("dataset", name)
    for one in proposed:
        if one.column:
            _propose_column(new, one)
        else:
            _propose_table(new, one)
    return new


def title(code: str, setting: Any) -> str:
    """Return what a rule is called: a comparison by itself, others by their kind."""
    return str(setting) if code == "compare" else code


def dictionary(name: str | Path) -> list[dict[str, str]]:
    """Return the data dictionary of a data set: for each column what it means, and who says so.

    Parameters
    ----------
    name : str or Path
        The data set's name, or the file of its rules.

    Returns
    -------
    list of dict
        ``column``, ``meaning``, ``unit``, ``owner``, ``rules``, ``state``, ``validated_by``; empty where not said.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "people.yaml"
    >>> _ = path.write_text("columns: {age: {meaning: age at entry, unit: years, range: {min: 0, max: 120}}}")
    >>> [(row["column"], row["unit"], row["rules"]) for row in dictionary(path)]
    [('age', 'years', 'range 0 to 120')]
    """
    known = rules.load(name)
    said = ("meaning", "unit", "owner")
    return [
        {
            "column": column,
            **{key: str(about.get(key) or "") for key in said},
            "rules": "; ".join(_words(code, about[code]) for code in COLUMN_CODES if code in about),
            "state": ", ".join(dict.fromkeys(_states(about))),
            "validated_by": str(about.get("validated_by") or ""),
        }
        for column, about in known.columns.items()
    ]


def words() -> dict[str, Mapping[str, str]]:
    """Return what the data dictionaries of the project say of each column, by its name; the first file that has one."""
    from nbmlops.tracking import session

    paths = sorted((session.project().root / "rules").glob("*.yaml"), reverse=True)
    return {row["column"]: row for path in paths for row in dictionary(path)}


def _states(about: Mapping[str, Any]) -> Iterator[str]:
    state = str(about.get("state", "accepted"))
    for code in COLUMN_CODES:
        if code in about:
            yield str(about[code].get("state", "accepted")) if _is_wrapped(about[code]) else state


def _words(code: str, setting: Any) -> str:
    value = setting["rule"] if _is_wrapped(setting) else setting
    if code == "missing_max":
        return f"at most {100 * value:.3g} % missing"
    if code == "range":
        return f"range {value.get('min', '-inf')} to {value.get('max', 'inf')}"
    if code == "set":
        return "one of " + ", ".join(map(str, value))
    return str(value) if code == "dtype" else code


def _propose_column(new: Json, one: Proposed) -> None:
    columns = new.get("columns") or {}
    new["columns"] = columns
    name = next((key for key in columns if str(key) == one.column), one.column)
    about = columns[name] = dict(columns.get(name) or {})
    owned = [code for code in COLUMN_CODES if code in about and not _is_open(about[code])]
    if about.get("state") == "muted":
        return
    if about.get("state") == "proposed" or not ("state" in about or owned):
        _propose_flat(about, one)
    elif one.code not in owned and DISJOINT.get(one.code) not in owned:
        about[one.code] = _wrapped(one)


def _propose_flat(about: Json, one: Proposed) -> None:
    """Set a rule of a column nobody has accepted yet, its evidence beside that of the others."""
    other = DISJOINT.get(one.code, "")
    if _is_closed(about.get(one.code)) or _is_closed(about.get(other)):
        return
    evidence = about.get("evidence") or {}
    about.pop(other, None)
    if not isinstance(evidence, dict):  # a person's words
        about.update({one.code: _wrapped(one), "state": "proposed"})
        return
    kept = {code: words for code, words in evidence.items() if code != other}
    last = {"state": "proposed", "evidence": {**kept, one.code: one.evidence}}
    about[one.code] = plain(one.setting)
    for key, value in last.items():
        about.pop(key, None)
        about[key] = value


def _propose_table(new: Json, one: Proposed) -> None:
    entry = _wrapped(one)
    if one.code != "compare":
        if one.code not in new or _is_open(new[one.code]):
            new[one.code] = entry
        return
    there = list(new.get("compare") or ())
    same = [i for i, e in enumerate(there) if (e["rule"] if _is_wrapped(e) else e) == one.setting]
    if not same:
        new["compare"] = [*there, entry]
    elif _is_open(there[same[0]]):
        there[same[0]] = entry
        new["compare"] = there


def _wrapped(one: Proposed) -> Json:
    return {"rule": plain(one.setting), "state": "proposed", "evidence": one.evidence}


def _is_wrapped(setting: Any) -> bool:
    return isinstance(setting, Mapping) and "rule" in setting


def _is_open(setting: Any) -> TypeGuard[Json]:
    return _is_wrapped(setting) and setting.get("state") == "proposed"


def _is_closed(setting: Any) -> bool:
    return _is_wrapped(setting) and not _is_open(setting)


def _accept_columns(new: Json, wanted: Sequence[str] | None, who: str) -> Iterator[tuple[str, str]]:
    for name, about in (new.get("columns") or {}).items():
        if not about or (wanted is not None and str(name) not in wanted):
            continue
        flat = about.get("state") == "proposed"
        for code in COLUMN_CODES:
            if _is_open(about.get(code)):
                about[code] |= {"state": "accepted", "validated_by": who}
                yield str(name), code
            elif flat and code in about and not _is_wrapped(about[code]):
                yield str(name), code
        if flat:
            about |= {"state": "accepted", "validated_by": who}


def _accept_table(new: Json, wanted: Sequence[str] | None, who: str) -> Iterator[tuple[str, str]]:
    for code in TABLE_CODES:
        entries = new.get(code)
        for entry in entries if isinstance(entries, list) else [entries]:
            if _is_open(entry) and (wanted is None or code in wanted or str(entry["rule"]) in wanted):
                entry |= {"state": "accepted", "validated_by": who}
                yield "", title(code, entry["rule"])


def _require(content: Mapping[str, Any], wanted: Iterable[str], name: str) -> None:
    """Raise where a name is no column and no table rule of the file."""
    comparisons = [str(e["rule"] if _is_wrapped(e) else e) for e in content.get("compare") or ()]
    known = [*map(str, content.get("columns") or ()), *(c for c in TABLE_CODES if c in content), *comparisons]
    for one in wanted:
        if one not in known:
            raise unknown("column or rule", one, known, where=f"in the rules of {name!r}")


def _actor(by: str | None) -> str:
    from nbmlops.tracking import actor as identity

    name, known_by = identity.actor()
    return f"{by} (claimed by {name})" if by else f"{name} ({known_by})"


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
