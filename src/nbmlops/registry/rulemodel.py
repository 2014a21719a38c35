"""Rules as a model: the first whose condition is true of a row says the answer, the last says it for all others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator  # type: ignore[import-untyped]

from nbmlops.errors import Invalid, NotFound
from nbmlops.registry import conditions
from nbmlops.registry.signature import table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rule", "RuleModel", "read", "rule_model"]

MOST_RULES, MOST_BYTES = 1_000, 1_000_000
ALLOWED = ("rules", "columns", "classes")
SHAPE = "Write a list: - {if: delay > 30, then: late} and last - {else: on time}."
WRITE = "Write such as: delay > 30 and origin in (JFK, LGA); a name with blanks stands in backticks."


@dataclass(frozen=True)
class Rule:
    """One rule: a condition (none of the last one), and a class, a number, or the probability of each class."""

    condition: str | None
    then: Any

    def __str__(self) -> str:
        when = "else" if self.condition is None else f"if {self.condition} then"
        if not isinstance(self.then, Mapping):
            return f"{when} {self.then}"
        return f"{when} {', '.join(f'{label} with probability {p:g}' for label, p in self.then.items())}"


def rule_model(rules: Any, columns: Iterable[str] | None = None, classes: Iterable[Any] | None = None) -> RuleModel:
    """Return rules as a model: evaluated, registered, gated and watched like any other.

    The first rule whose condition is true of a row says the answer. A missing value makes a comparison unknown, so
    that the rule does not fire. Conditions are in the query language of runs, and can run nothing.

    Parameters
    ----------
    rules : str, Path, list or dict
        A YAML file, its text or its content: a list of ``{if: CONDITION, then: VALUE}`` with a last ``{else: VALUE}``,
        or ``{rules: LIST, columns: ..., classes: ...}``. A value is a class (text or boolean), a number, or the
        probability of classes: ``{late: 0.7, on time: 0.3}``.
    columns : list of str, optional
        What the model takes, when that is more than the conditions name.
    classes : list, optional
        All classes, when no rule says some of them, or when numbers are classes.

    Returns
    -------
    RuleModel
        With ``predict``, ``predict_proba`` where a rule gives probabilities, ``fired``, ``text`` and ``to_yaml``.

    Raises
    ------
    Invalid
        No list of rules, no last ``else``, a condition that does not parse, values of different kinds.
    NotFound
        No such file, or a condition names a column that is not among ``columns``.

    Examples
    --------
    >>> import pandas as pd
    >>> model = rule_model([{"if": "delay > 30", "then": "late"}, {"else": "on time"}])
    >>> model.predict(pd.DataFrame({"delay": [45, 5]})).tolist()
    ['late', 'on time']
    """
    content, said_by = _content(rules)
    if not isinstance(content, Mapping):
        content = {"rules": content}
    if strange := [str(k) for k in content if k not in ALLOWED]:
        raise Invalid(f"{said_by}: {strange[0]!r} is not understood.", f"Understood: {', '.join(ALLOWED)}. {SHAPE}")
    columns = _listed(content.get("columns") if columns is None else columns, "columns")
    classes = _listed(content.get("classes") if classes is None else classes, "classes")
    return RuleModel(_rules(content.get("rules"), said_by), columns, classes)


def read(data: bytes) -> RuleModel:
    """Return the model in a file of rules."""
    return rule_model(_parsed(data.decode("utf-8"), "The rules"))


class RuleModel(BaseEstimator):  # type: ignore[misc]
    """Rules that answer like a fitted model. Made by :func:`rule_model`.

    Parameters
    ----------
    rules : tuple of Rule
        The last without a condition.
    columns : tuple of str, optional
    classes : tuple, optional

    Attributes
    ----------
    feature_names_in_ : array of str
    classes_ : array
        Only where the rules name classes, not numbers.
    """

    def __init__(
        self, rules: tuple[Rule, ...], columns: tuple[str, ...] | None = None, classes: tuple[Any, ...] | None = None
    ) -> None:
        self.rules, self.columns, self.classes = rules, columns, classes
        self.feature_names_in_ = np.array(_columns(rules, columns), dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        labels = _labels(rules, classes)
        if labels:
            self.classes_ = np.array(labels)
            _chances(rules, labels)  # so that what is wrong in them is said now

    @property
    def outline_(self) -> str:
        """What kind of model this is, in lists."""
        return f"rules ({len(self.rules)})"

    @property
    def predict_proba(self) -> Callable[[Any], np.ndarray[Any, Any]]:
        """Probability of each class for each row; there only where a rule gives probabilities."""
        if not any(isinstance(rule.then, Mapping) for rule in self.rules):
            raise AttributeError("These rules give no probabilities: write then: {late: 0.7, on time: 0.3}.")
        return self._probabilities

    def fit(self, features: Any = None, truth: Any = None) -> RuleModel:
        """Return the model as it is: rules learn nothing."""
        return self

    def predict(self, frame: Any) -> np.ndarray[Any, Any]:
        """Return what the first rule that fires says of each row.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n, columns)

        Raises
        ------
        Invalid
            A column the rules need is not there, or cannot be compared.
        """
        if not hasattr(self, "classes_"):
            said = np.array([rule.then for rule in self.rules])
        else:
            said = self.classes_[_chances(self.rules, self.classes_.tolist()).argmax(axis=1)]
        return np.asarray(said[self._fired(frame)])

    def fired(self, frame: Any) -> pd.Series[int]:
        """Return the number of the rule that fired for each row, from 1; the last is the *else*.

        Examples
        --------
        >>> import pandas as pd
        >>> model = rule_model([{"if": "delay > 30", "then": "late"}, {"else": "on time"}])
        >>> model.fired(pd.DataFrame({"delay": [45, None]})).tolist()
        [1, 2]
        """
        import pandas as pd

        return pd.Series(self._fired(frame) + 1, index=getattr(frame, "index", None), name="rule")

    def text(self, number: int) -> str:
        """Return a rule in words.

        Raises
        ------
        NotFound
            There is no rule of this number.

        Examples
        --------
        >>> rule_model([{"if": "delay > 30", "then": {True: 0.7}}, {"else": False}]).text(1)
        'if delay > 30 then True with probability 0.7'
        """
        if not 1 <= number <= len(self.rules):
            raise NotFound(f"No rule {number}.", f"They are numbered 1 to {len(self.rules)}.")
        return str(self.rules[number - 1])

    def to_yaml(self) -> str:
        r"""Return the rules as YAML; :func:`rule_model` makes the same model of it.

        Examples
        --------
        >>> rule_model([{"if": "delay > 30", "then": 1.5}, {"else": 0}]).to_yaml()
        '- if: delay > 30\n  then: 1.5\n- else: 0\n'
        """
        import yaml

        content: Any = [
            {"else": _plain(r.then)} if r.condition is None else {"if": r.condition, "then": _plain(r.then)}
            for r in self.rules
        ]
        more = {k: list(v) for k, v in (("columns", self.columns), ("classes", self.classes)) if v is not None}
        content = {**more, "rules": content} if more else content
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)

    def __repr__(self, N_CHAR_MAX: int = 0) -> str:  # scikit-learn's own name
        lines = [f"{number:>4}  {rule}" for number, rule in enumerate(self.rules, 1)]
        return "\n".join([self.outline_, *lines])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": repr(self)}

    def _probabilities(self, frame: Any) -> np.ndarray[Any, Any]:
        return np.asarray(_chances(self.rules, self.classes_.tolist())[self._fired(frame)])

    def _fired(self, frame: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
        rows = conditions.Rows(self._chosen(frame))
        fired = np.full(rows.size, len(self.rules) - 1, np.int32)
        waiting = np.ones(rows.size, bool)
        for place, rule in enumerate(self.rules[:-1]):
            hit = rows.where(str(rule.condition)) & waiting
            fired[hit] = place
            waiting &= ~hit
        return fired

    def _chosen(self, frame: Any) -> pd.DataFrame:
        import pandas as pd

        names = list(self.feature_names_in_)
        if isinstance(frame, np.ndarray) and frame.ndim == 2 and frame.shape[1] == len(names):
            return pd.DataFrame(frame, columns=names)
        rows = table(frame)
        if missing := [n for n in names if n not in rows.columns]:
            raise Invalid(f"The rules need columns that are not there: {', '.join(missing)}.", "Add them to the frame.")
        return rows[names]


def _content(rules: Any) -> tuple[Any, str]:
    """Return what was written, and what it is called in messages."""
    if isinstance(rules, str) and "\n" in rules:
        return _parsed(rules, "The rules"), "The rules"
    if not isinstance(rules, (str, Path)):
        return rules, "The rules"
    path = Path(rules)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid(f"{path.name} has over {MOST_BYTES:,} bytes.", "That is no file of rules.")
        return _parsed(path.read_text(encoding="utf-8"), path.name), path.name
    except OSError as error:
        raise NotFound(f"No file of rules {str(path)!r}: {error.strerror}.", SHAPE) from None
    except UnicodeDecodeError:
        raise Invalid(f"{path.name} is no text.", SHAPE) from None


def _parsed(text: str, said_by: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML in which no key stands twice: of two, one would be lost without a word."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = Counter(k.value for k, _ in node.value if isinstance(k, yaml.ScalarNode))
            if twice := [k for k, count in keys.items() if count > 1]:
                at = node.start_mark.line + 1
                raise Invalid(f"{said_by}: {twice[0]!r} stands twice in the rule of line {at}.", SHAPE)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except Invalid:
        raise
    except yaml.YAMLError as error:
        raise Invalid(f"{said_by}: not valid YAML: {' '.join(str(error).split())}.", SHAPE) from error
    except (RecursionError, ValueError, TypeError) as error:  # nested without end; a date that is none; a list as key
        raise Invalid(f"{said_by}: not valid YAML: {type(error).__name__}.", SHAPE) from None


def _listed(values: Any, what: str) -> tuple[Any, ...] | None:
    if values is None:
        return None
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise Invalid(f"{what} is {values!r}.", f"Write a list: {what}=[...].")
    found = tuple(_value(v) for v in values)
    if len(set(found)) != len(found):
        raise Invalid(f"{what} names something twice.", "Name each once.")
    if what == "columns" and not all(isinstance(v, str) for v in found):
        raise Invalid(f"{what} are names of columns: {found!r}.", f"Write a list of texts: {what}=[...].")
    return found


def _rules(content: Any, said_by: str) -> tuple[Rule, ...]:
    if isinstance(content, (str, bytes, Mapping)) or not isinstance(content, Sequence) or not content:
        raise Invalid(f"{said_by}: no list of rules.", SHAPE)
    if len(content) > MOST_RULES:
        raise Invalid(f"{said_by}: {len(content):,} rules.", f"At most {MOST_RULES:,}.")
    found = [_rule(entry, number) for number, entry in enumerate(content, 1)]
    early = next((number for number, rule in enumerate(found[:-1], 1) if rule.condition is None), None)
    if early is not None:
        raise Invalid(
            f"{said_by}: rule {early} is the else, and rule {early + 1} stands after it.", "The else is last."
        )
    if found[-1].condition is not None:
        raise Invalid(f"{said_by}: no else.", "The last rule says what holds of all other rows: - else: on time.")
    return tuple(found)


def _rule(entry: Any, number: int) -> Rule:
    if not isinstance(entry, Mapping) or set(entry) not in ({"if", "then"}, {"else"}):
        has = f"has {', '.join(map(str, entry))}" if isinstance(entry, Mapping) else f"is {str(entry)[:60]!r}"
        raise Invalid(f"Rule {number} {has}.", SHAPE)
    if "else" in entry:
        return Rule(None, _then(entry["else"], number))
    condition = entry["if"]
    if not isinstance(condition, str) or len(condition) > conditions.LONGEST:
        raise Invalid(f"The condition of rule {number} is {str(condition)[:60]!r}.", WRITE)
    try:
        conditions.names(condition)
    except Invalid as error:
        raise Invalid(f"Rule {number}: {error.message}", WRITE) from None
    return Rule(condition.strip(), _then(entry["then"], number))


def _then(value: Any, number: int) -> Any:
    """Return what a rule says as plain values, probabilities checked."""
    if not isinstance(value, Mapping):
        return _value(value, f"Rule {number} says")
    found = {_value(label, f"Rule {number} names the class"): p for label, p in value.items()}
    if not found or not all(_is_chance(p) for p in found.values()) or sum(found.values()) > 1 + 1e-6:
        raise Invalid(
            f"The probabilities of rule {number} are {str(dict(value))[:80]}.",
            "Each lies between 0 and 1, and together they are at most 1.",
        )
    return {label: float(p) for label, p in found.items()}


def _value(value: Any, what: str = "This is") -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, (bool, int, float, str)) or (isinstance(value, float) and not math.isfinite(value)):
        raise Invalid(
            f"{what} {str(value)[:60]!r}.", "Say a class (text or boolean), a number, or {class: probability}."
        )
    return value


def _is_chance(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and 0 <= float(value) <= 1


def _columns(rules: Sequence[Rule], columns: Sequence[str] | None) -> list[str]:
    """Return what the model takes: the columns the conditions name, or those it was told."""
    asked = [
        (n, name) for n, rule in enumerate(rules, 1) if rule.condition for name in conditions.names(rule.condition)
    ]
    if columns is None:
        return list(dict.fromkeys(name for _, name in asked))
    for number, name in asked:
        if name not in columns:
            raise NotFound(f"Rule {number}: no column {name!r}.", f"The columns are: {', '.join(columns[:12])}.")
    return list(columns)


def _labels(rules: Sequence[Rule], classes: Sequence[Any] | None) -> list[Any]:
    """Return the classes in order; none where the rules say numbers."""
    said = [label for r in rules for label in (r.then if isinstance(r.then, Mapping) else [r.then])]
    kinds = {_kind(label): label for label in [*said, *(classes or ())]}
    if len(kinds) > 1:
        shown = ", ".join(f"{str(label)[:30]!r} ({kind})" for kind, label in kinds.items())
        raise Invalid(f"The rules say values of different kinds: {shown}.", "All are texts, booleans or numbers.")
    if "number" in kinds and classes is None and not any(isinstance(r.then, Mapping) for r in rules):
        return []
    if classes is not None and (strange := [label for label in said if label not in classes]):
        raise Invalid(f"The rules say {strange[0]!r}, which is none of the classes.", "Add it to classes=.")
    found: list[Any] = sorted(set(said if classes is None else classes))
    if len(found) < 2 and classes is None:
        usual: dict[str, list[Any]] = {"boolean": [False, True], "number": [0, 1]}
        found = usual.get(next(iter(kinds)), found)
    if len(found) < 2 or not set(said) <= set(found):
        raise Invalid(f"The rules name one class only: {said[0]!r}.", "Name the others: classes=[...].")
    return found


def _kind(value: Any) -> str:
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def _chances(rules: Sequence[Rule], labels: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the probability each rule gives to each class; what is left goes to the one it does not name."""
    found = np.zeros((len(rules), len(labels)))
    for place, rule in enumerate(rules):
        given = rule.then if isinstance(rule.then, Mapping) else {rule.then: 1.0}
        found[place] = [given.get(label, np.nan) for label in labels]
        left, open_ = 1 - sum(given.values()), np.isnan(found[place])
        if left > 1e-6 and open_.sum() != 1:
            raise Invalid(
                f"The probabilities of rule {place + 1} sum to {1 - left:.3g}, of {len(labels)} classes.",
                "Name every class, or all but one.",
            )
        found[place, open_] = max(left, 0.0)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _plain(then: Any) -> Any:
    return dict(then) if isinstance(then, Mapping) else then
