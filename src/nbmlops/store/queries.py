"""The query language of runs: compare columns, combine with and, or, not. It can run nothing.

    roc_auc > 0.6 and (C <= 1 or experiment like "forest%") and not `params.depth` is missing

A bare name is a run column, then a metric, then a param. A missing or NaN value makes a comparison unknown, also
under ``not``; only what is surely true is chosen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from nbmlops.errors import Invalid, NotFound, unknown

__all__ = ["choose", "ordered"]

Row = Mapping[str, Any]
Test = Callable[[Row], bool | None]

TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<quoted>`[^`]+`)
    |(?P<op><=|>=|!=|==|=|<|>)
    |(?P<mark>[(),])
    |(?P<word>[A-Za-z_][\w.\-]*(?:\[[^\]]*\])?))""",
    re.X,
)
PREFIXES = ("", "metrics.", "params.")
HINT = 'Write such as: roc_auc > 0.6 and experiment = "forest"'


def choose(rows: Sequence[dict[str, Any]], query: str) -> list[dict[str, Any]]:
    """Return the rows for which a query is true.

    Parameters
    ----------
    rows : sequence of dict
        Flat rows: run columns, ``metrics.*``, ``params.*``, ``tags.*``.
    query : str

    Raises
    ------
    Invalid
        The query does not parse, or a bare name means two columns.
    NotFound
        A name is no column; the near ones are named.

    Examples
    --------
    >>> choose([{"metrics.auc": 0.7}, {"metrics.auc": float("nan")}], "not auc < 0.6")
    [{'metrics.auc': 0.7}]
    """
    names = {name for row in rows for name in row}
    if not rows:
        return []
    test = _Parser(query, names).parse()
    return [row for row in rows if test(row) is True]


def ordered(rows: Sequence[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """Return rows sorted by a column, missing values last; ``-name`` means largest first."""
    if not rows:
        return []
    name = column(sort.removeprefix("-"), {n for row in rows for n in row})
    present = [r for r in rows if not _missing(r.get(name))]
    absent = [r for r in rows if _missing(r.get(name))]
    return sorted(present, key=lambda r: _sortable(r[name]), reverse=sort.startswith("-")) + absent


def column(name: str, names: set[str]) -> str:
    """Return the column a bare name means.

    Raises
    ------
    Invalid
        It is a metric and a param.
    """
    found = [prefix + name for prefix in PREFIXES if prefix + name in names]
    if not found:
        bare = {n.partition(".")[2] if n.startswith(PREFIXES[1:]) else n for n in names}
        error = unknown("column", name, bare)
        raise NotFound(error.message, error.hint)
    if len(found) > 1 and name not in names:
        raise Invalid(f"{name!r} is two columns: {' and '.join(found)}.", f"Write `{found[0]}` or `{found[1]}`.")
    return found[0]


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, query: str, names: set[str]) -> None:
        self.query, self.names, self.position = query, names, 0
        self.tokens = self._split()

    def parse(self) -> Test:
        test = self._or()
        if self._peek() is not None:
            self._fail(f"{self._peek()[1]!r} is one too many")
        return test

    def _split(self) -> list[tuple[str, str]]:
        tokens, at = [], 0
        text = self.query.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                self._fail(f"{text[at : at + 12]!r} is not understood")
            tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()
        return tokens

    def _or(self) -> Test:
        tests = [self._and()]
        while self._take("or"):
            tests.append(self._and())
        return _either(tests)

    def _and(self) -> Test:
        tests = [self._not()]
        while self._take("and"):
            tests.append(self._not())
        return _all(tests)

    def _not(self) -> Test:
        if self._take("not"):
            inner = self._not()
            return lambda row: None if (value := inner(row)) is None else not value
        if self._take("("):
            inner = self._or()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        name = self._name()
        if self._take("is"):
            negated = self._take("not")
            self._expect("missing")
            return lambda row: _missing(row.get(name)) != negated
        negated = self._take("not")
        if self._take("in"):
            values = self._values()
            return _known(name, lambda v: any(_compare("=", v, x) for x in values) != negated)
        if self._take("like"):
            pattern = _pattern(str(self._value()))
            return _known(name, lambda v: bool(pattern.fullmatch(str(v))) != negated)
        kind, operator = self._next()
        if kind != "op" or negated:
            self._fail(f"{operator!r} is no comparison; there are = != < <= > >= in, like, is missing")
        value = self._value()
        return _known(name, lambda v: _compare(operator, v, value))

    def _name(self) -> str:
        kind, token = self._next()
        if kind not in ("word", "quoted"):
            self._fail(f"{token!r} stands where a column should")
        return column(token.strip("`"), self.names)

    def _value(self) -> Any:
        kind, token = self._next()
        if kind == "number":
            return float(token)
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        if kind == "word" and token.lower() in ("true", "false"):
            return token.lower() == "true"
        if kind != "word":
            self._fail(f"{token!r} stands where a value should")
        return token

    def _values(self) -> list[Any]:
        self._expect("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _peek(self) -> Any:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _next(self) -> tuple[str, str]:
        token: tuple[str, str] | None = self._peek()
        if token is None:
            self._fail("it ends too early")
        self.position += 1
        return token

    def _take(self, word: str) -> bool:
        token = self._peek()
        if token is None or token[0] not in ("word", "mark") or token[1].lower() != word:
            return False
        self.position += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._take(word):
            self._fail(f"{word!r} is missing")

    def _fail(self, why: str) -> NoReturn:
        raise Invalid(f"The query {self.query!r} cannot be read: {why}.", HINT)


def _either(tests: list[Test]) -> Test:
    def test(row: Row) -> bool | None:
        values = [t(row) for t in tests]
        return True if True in values else None if None in values else False

    return test


def _all(tests: list[Test]) -> Test:
    def test(row: Row) -> bool | None:
        values = [t(row) for t in tests]
        return False if False in values else None if None in values else True

    return test


def _known(name: str, test: Callable[[Any], bool | None]) -> Test:
    return lambda row: None if _missing(row.get(name)) else test(row[name])


def _compare(operator: str, left: Any, right: Any) -> bool | None:
    """Compare as numbers when both are, as text when both are; anything else is unknown."""
    if isinstance(right, float) and isinstance(left, (int, float)):
        pass
    elif isinstance(right, str) or isinstance(left, str):
        left, right = str(left), str(right) if not isinstance(right, float) else f"{right:g}"
    elif type(left) is not type(right):
        return None
    operators: dict[str, Callable[[Any, Any], bool]] = {
        "=": lambda a, b: a == b,
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    return bool(operators[operator](left, right))


def _pattern(like: str) -> re.Pattern[str]:
    return re.compile("".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in like), re.I | re.S)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, (int, float)) else (1, str(value))
