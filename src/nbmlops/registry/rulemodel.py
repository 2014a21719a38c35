"""Rules as a model: the first whose condition is true of a row says the answer, the last says it for all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator  # type: ignore[import-untyped]
from sklearn.utils.metaestimators import available_if  # type: ignore[import-untyped]

from nbmlops.errors import Invalid, NotFound
from nbmlops.hooks import Shown
from nbmlops.registry import conditions, rulefile
from nbmlops.registry.rulefile import Rule
from nbmlops.registry.signature import table
from nbmlops.registry.sourcemodel import FunctionModel, function_model

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RuleModel", "read", "rule_model"]


def rule_model(
    rules: Any, columns: Iterable[str] | None = None, classes: Iterable[Any] | None = None
) -> RuleModel | FunctionModel:
    """Return rules as a model: evaluated, registered, gated and watched like any other.

    The first rule whose condition is true of a row says the answer. A missing value makes a comparison unknown, so
    that the rule does not fire. Conditions are in the query language of runs, and can run nothing.

    A function is kept as the text of its source. It runs, so once registered it is loaded only when somebody other
    than who registered it has read it (:func:`nbmlops.approve_source`).

    Parameters
    ----------
    rules : str, Path, list, dict or function
        A YAML file, its text or its content: a list of ``{if: CONDITION, then: VALUE}`` with a last ``{else: VALUE}``,
        or ``{rules: LIST, columns: ..., classes: ...}``. A value is a class (text or boolean, or 0 and 1 where there
        is no other number), a number, or the probability of classes: ``{late: 0.7, on time: 0.3}``. A function takes
        a DataFrame and returns a class or a number for each row; all it needs stands in it, imports of numpy, pandas,
        math, re and datetime too.
    columns : list of str, optional
        What the model takes, when that is more than the conditions name.
    classes : list, optional
        All classes, when no rule says some of them, or when numbers are classes.

    Returns
    -------
    RuleModel or FunctionModel
        With ``predict`` and ``to_yaml``; rules also with ``predict_proba`` where one gives probabilities, ``fired`` and
        ``text``.

    Raises
    ------
    Invalid
        No list of rules, no last ``else``, a condition that does not parse, values of different kinds, a function that
        needs what is outside of it.
    NotFound
        No such file, or a condition names a column that is not among ``columns``.

    Examples
    --------
    >>> import pandas as pd
    >>> model = rule_model([{"if": "delay > 30", "then": "late"}, {"else": "on time"}])
    >>> model.predict(pd.DataFrame({"delay": [45, 5]})).tolist()
    ['late', 'on time']
    """
    if callable(rules):
        return function_model(rules, rulefile.listed(columns, "columns"), rulefile.listed(classes, "classes"))
    content, said_by = rulefile.content(rules)
    return _made(content, said_by, columns, classes)


def read(data: bytes) -> RuleModel:
    """Return the model in a file of rules."""
    return _made(rulefile.parsed(data.decode("utf-8"), "The rules"), "The rules", None, None)


def _made(content: Any, said_by: str, columns: Iterable[str] | None, classes: Iterable[Any] | None) -> RuleModel:
    if not isinstance(content, Mapping):
        content = {"rules": content}
    if strange := [str(k) for k in content if k not in rulefile.ALLOWED]:
        raise Invalid(
            f"{said_by}: {strange[0]!r} is not understood.",
            f"Understood: {', '.join(rulefile.ALLOWED)}. {rulefile.SHAPE}",
        )
    chosen = rulefile.listed(content.get("columns") if columns is None else columns, "columns")
    known = rulefile.listed(content.get("classes") if classes is None else classes, "classes")
    return RuleModel(rulefile.rules(content.get("rules"), said_by), chosen, known)


def _gives_chances(model: RuleModel) -> bool:
    return any(isinstance(rule.then, Mapping) for rule in model.rules)


class RuleModel(Shown, BaseEstimator):  # type: ignore[misc]
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

    shows: ClassVar[str] = "rule_model"

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

    @available_if(_gives_chances)  # type: ignore[untyped-decorator]
    def predict_proba(self, frame: Any) -> np.ndarray[Any, Any]:
        """Return the probability of each class for each row; there only where a rule gives probabilities."""
        return np.asarray(_chances(self.rules, self.classes_.tolist())[self._fired(frame)])

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

    def counts(self, frame: Any) -> list[int]:
        """Return how many rows each rule answers, the *else* last."""
        found: list[int] = np.bincount(self._fired(frame), minlength=len(self.rules)).tolist()
        return found

    def idle(self, frame: Any) -> dict[int, str]:
        """Return the rules that answer no row, by number, and why: never true, or the ones above took those rows."""
        rows = self._rows(frame)
        found = {}
        for number, count in enumerate(self.counts(frame)[:-1], 1):
            if not count:
                true = int(rows.where(str(self.rules[number - 1].condition)).sum())
                found[number] = f"true of {true:,}, all taken by rules above" if true else "true of none"
        return found

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

    @property
    def _estimator_type(self) -> str:  # what scikit-learn 1.5 asks in place of tags
        return "classifier" if hasattr(self, "classes_") else "regressor"

    def __sklearn_tags__(self) -> Any:
        return rulefile.tagged(super().__sklearn_tags__(), hasattr(self, "classes_"))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON: the rules in their order, what the model takes and says."""
        rules = [{"number": n, "if": r.condition, "says": r.says, "text": str(r)} for n, r in enumerate(self.rules, 1)]
        classes = getattr(self, "classes_", np.array([])).tolist()
        return {"kind": self.outline_, "rules": rules, "columns": list(self.feature_names_in_), "classes": classes}

    def _fired(self, frame: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
        rows = self._rows(frame)
        fired = np.full(rows.size, len(self.rules) - 1, np.int32)
        waiting = np.ones(rows.size, bool)
        for place, rule in enumerate(self.rules[:-1]):
            hit = rows.where(str(rule.condition)) & waiting
            fired[hit] = place
            waiting &= ~hit
        return fired

    def _rows(self, frame: Any) -> conditions.Rows:
        said = (one for rule in self.rules[:-1] for one in conditions.compared(str(rule.condition)))
        booleans = {column for column, kind, text in said if kind == "word" and text.lower() in ("true", "false")}
        return conditions.Rows(self._chosen(frame), booleans)

    def _chosen(self, frame: Any) -> pd.DataFrame:
        import pandas as pd

        names = list(self.feature_names_in_)
        if isinstance(frame, np.ndarray) and frame.ndim == 2 and frame.shape[1] == len(names):
            return pd.DataFrame(frame, columns=names)
        rows = table(frame)
        if missing := [n for n in names if n not in rows.columns]:
            raise Invalid(f"The rules need columns that are not there: {', '.join(missing)}.", "Add them to the frame.")
        return rows[names]


def _columns(rules: Sequence[Rule], columns: Sequence[str] | None) -> list[str]:
    """Return what the model takes: the columns the conditions name, or those it was told."""
    asked = [
        (n, name) for n, rule in enumerate(rules, 1) if rule.condition for name in conditions.names(rule.condition)
    ]
    found = list(dict.fromkeys(name for _, name in asked)) if columns is None else list(columns)
    _refuse_columns_as_values(rules, found)
    for number, name in asked:
        if name not in found:
            raise NotFound(f"Rule {number}: no column {name!r}.", f"The columns are: {', '.join(found[:12])}.")
    return found


def _refuse_columns_as_values(rules: Sequence[Rule], columns: Sequence[str]) -> None:
    """Refuse a bare word that is the name of a column: it would be compared as a text, and never fire."""
    for number, rule in enumerate(rules[:-1], 1):
        if found := conditions.columns_as_values(str(rule.condition), columns):
            column, text = found[0]
            raise Invalid(
                f"Rule {number} compares {column} with {text}, which is a column.",
                f"A column is compared with a value; add the difference as a column, or quote the text: '{text}'.",
            )


def _labels(rules: Sequence[Rule], classes: Sequence[Any] | None) -> list[Any]:
    """Return the classes in order; none where the rules say numbers."""
    said = [label for r in rules for label in (r.then if isinstance(r.then, Mapping) else [r.then])]
    kinds = {_kind(label): label for label in [*said, *(classes or ())]}
    if len(kinds) > 1:
        shown = ", ".join(f"{str(label)[:30]!r} ({kind})" for kind, label in kinds.items())
        raise Invalid(f"The rules say values of different kinds: {shown}.", "All are texts, booleans or numbers.")
    numbers = "number" in kinds and set(said) != {0, 1}  # whether, not how much
    if numbers and classes is None and not any(isinstance(r.then, Mapping) for r in rules):
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
