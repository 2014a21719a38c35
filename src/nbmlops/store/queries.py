"""The query language of runs: compare columns, combine with and, or, not. It can run nothing.

    roc_auc > 0.6 and (C <= 1 or experiment like "forest%") and started_at >= 2026-11-01

A bare name is a run column, then a metric, then a param. A missing or NaN value makes a comparison unknown, also
under ``not``; only what is surely true is chosen. Numbers compare as numbers, times by date, the rest as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Protocol

import numpy as np

from nbmlops.errors import Invalid, NotFound, unknown
from nbmlops.store.columns import DATES, Column, shown

__all__ = ["Source", "choose", "column", "order"]

Mask = np.ndarray[Any, np.dtype[np.bool_]]

DATE = r"\d{4}-\d{2}(?:-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?)?"
TOKEN = re.compile(
    rf"""\s*(?:(?P<date>{DATE})(?![\w.])
    |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<quoted>`[^`]+`)
    |(?P<op><=|>=|!=|==|=|<|>)
    |(?P<mark>[(),])
    |(?P<word>[A-Za-z_][\w.\-]*(?:\[[^\]]*\])?))""",
    re.X,
)
PREFIXES = ("", "metrics.", "params.")
HINT = 'Write such as: roc_auc > 0.6 and experiment = "forest"'
DEPTH = 100
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class Source(Protocol):
    """What a query is asked of: columns of one length, by name."""

    names: set[str]
    size: int

    def column(self, name: str) -> Column:
        """Return one column."""
        ...


@dataclass(frozen=True)
class Literal:
    """A value as it was written: text, a number when it is one, a boolean, a span of time."""

    text: str
    number: float | None = None
    boolean: bool | None = None
    quoted: bool = False


def choose(
    source: Source, query: str, meant: Callable[[str], str] | None = None, dates: Collection[str] = DATES
) -> Mask:
    """Return where a query is true.

    Parameters
    ----------
    source : Source
    query : str
    meant : callable, optional
        Returns the column a name in the query means; when absent a bare name is a run column, a metric or a param.
    dates : collection of str
        Columns whose numbers are seconds since 1970.

    Returns
    -------
    array of bool, shape (source.size,)

    Raises
    ------
    Invalid
        The query does not parse, or a bare name means two columns.
    NotFound
        A name is no column; the near ones are named.
    """
    return _Parser(query, source, meant, dates).parse()[0]


def order(source: Source, places: np.ndarray[Any, Any], sort: str, limit: int | None = None) -> np.ndarray[Any, Any]:
    """Return some places sorted by a column, missing values last, the newest first among equals.

    Parameters
    ----------
    source : Source
    places : array of int
    sort : str
        A column; a minus before it means largest first.
    limit : int, optional
        Only this many are wanted.
    """
    found = source.column(column(sort.removeprefix("-"), source.names))
    keys = _rank(found)[places]
    keys = -keys if sort.startswith("-") else keys  # NaN is last whichever way
    if limit is not None and 0 < limit < len(places) // 2:
        edge = np.partition(keys, limit - 1)[limit - 1]
        if not np.isnan(edge):
            places, keys = places[keys <= edge], keys[keys <= edge]
    return places[np.lexsort((-places, keys))][:limit]


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


def _rank(found: Column) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return numbers by which a column sorts: its own, texts behind them in their order, NaN where it is missing."""
    if not found.texts:
        return found.numbers
    texts = shown(found.texts)
    places = np.empty(len(texts))
    places[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    if np.isnan(found.numbers).all():
        return np.where(found.codes >= 0, places[found.codes], np.nan)
    _, ranks = np.unique(found.numbers, return_inverse=True)  # mixed: ranks of the numbers, then of the texts
    numbers = np.where(np.isnan(found.numbers), np.nan, ranks)
    return np.where(found.codes >= 0, places[found.codes] + len(found.numbers), numbers)


class _Parser:
    """Recursive descent over the tokens of one query; every step gives (where true, where unknown)."""

    def __init__(self, query: str, source: Source, meant: Callable[[str], str] | None, dates: Collection[str]) -> None:
        self.query, self.source, self.position, self.depth = query, source, 0, 0
        self.meant, self.dates = meant or (lambda name: column(name, source.names)), dates
        self.tokens = self._split()

    def parse(self) -> tuple[Mask, Mask]:
        found = self._or()
        if self._peek() is not None:
            self._fail(f"{self._peek()[1]!r} is one too many")
        return found

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

    def _or(self) -> tuple[Mask, Mask]:
        true, unsure = self._and()
        while self._take("or"):
            also, also_unsure = self._and()
            true = true | also
            unsure = (unsure | also_unsure) & ~true
        return true, unsure

    def _and(self) -> tuple[Mask, Mask]:
        true, unsure = self._not()
        while self._take("and"):
            also, also_unsure = self._not()
            possible = (true | unsure) & (also | also_unsure)
            true = true & also
            unsure = possible & ~true
        return true, unsure

    def _not(self) -> tuple[Mask, Mask]:
        self.depth += 1
        if self.depth > DEPTH:
            self._fail(f"more than {DEPTH} brackets and nots inside each other")
        try:
            if self._take("not"):
                true, unsure = self._not()
                return ~true & ~unsure, unsure
            if self._take("("):
                found = self._or()
                self._expect(")")
                return found
            return self._comparison()
        finally:
            self.depth -= 1

    def _comparison(self) -> tuple[Mask, Mask]:
        name = self._name()
        found, dated = self.source.column(name), name in self.dates
        if self._take("is"):
            negated = self._take("not")
            if not self._take("missing"):
                self._fail("after 'is' only 'missing' or 'not missing' may stand")
            return found.missing != negated, np.zeros(len(found.numbers), bool)
        negated = self._take("not")
        if self._take("in"):
            true = np.zeros(len(found.numbers), bool)
            for value in self._values():
                true |= _compared(found, dated, "=", value)[0]
            return _negated(true, found.missing, negated)
        if self._take("like"):
            true = _matching(found, dated, _like(self._value().text))
            return _negated(true, found.missing, negated)
        kind, operator = self._next()
        if kind != "op" or negated:
            self._fail(f"{operator!r} is no comparison; there are = != < <= > >= in, like, is missing")
        return _compared(found, dated, "=" if operator == "==" else operator, self._value())

    def _name(self) -> str:
        kind, token = self._next()
        if kind not in ("word", "quoted"):
            self._fail(f"{token!r} stands where a column should")
        return self.meant(token.strip("`"))

    def _value(self) -> Literal:
        kind, token = self._next()
        if kind == "number":
            return Literal(token, float(token))
        if kind == "string":
            text = re.sub(r"\\(.)", r"\1", token[1:-1])
            return Literal(text, _number(text), quoted=True)
        if kind == "word" and token.lower() in ("true", "false"):
            return Literal(token.lower(), None, token.lower() == "true")
        if kind == "word" and token.lower() in ("null", "none", "nan"):
            self._fail(f"nothing equals {token}; write 'is missing', or {token!r} in quotes for the text")
        if kind not in ("word", "date"):
            self._fail(f"{token!r} stands where a value should")
        return Literal(token)

    def _values(self) -> list[Literal]:
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


def _compared(found: Column, dated: bool, operator: str, value: Literal) -> tuple[Mask, Mask]:
    """Compare a column with a value: numbers as numbers, times as times, texts as texts; else it is unknown."""
    if dated:
        return _compared_dates(found.numbers, operator, value)
    true, unsure = np.zeros(len(found.numbers), bool), found.missing
    if value.number is not None:
        true = COMPARE[operator](found.numbers, value.number) & found.numeric
    elif operator == "!=":
        true = found.numeric
    elif operator != "=":
        unsure = unsure | found.numeric
    if found.places is not None and _is_text(operator, value):
        is_it = found.codes == found.places.get(value.text, -2)
        true = true | (is_it if operator == "=" else (found.codes >= 0) & ~is_it)
    elif found.texts:  # a place without a text has code -1, the last of each list
        per_text = [_compared_text(text, operator, value) for text in found.texts]
        true = true | np.array([*(t is True for t in per_text), False])[found.codes]
        unsure = unsure | np.array([*(t is None for t in per_text), False])[found.codes]
    return true, unsure


def _is_text(operator: str, value: Literal) -> bool:
    """Tell whether a comparison asks for one text, letter by letter."""
    return operator in ("=", "!=") and value.boolean is None and (value.number is None or value.quoted)


def _compared_text(text: Any, operator: str, value: Literal) -> bool | None:
    ordering = operator not in ("=", "!=")
    if isinstance(text, bool) or value.boolean is not None:
        return None if ordering else bool(COMPARE[operator](shown([text])[0], value.text))
    number = None if value.number is None or value.quoted else _number(text)
    if number is not None:
        return bool(COMPARE[operator](number, value.number))
    if ordering and value.number is not None and not value.quoted:
        return None  # a number is neither more nor less than a word
    return bool(COMPARE[operator](text, value.text))


def _compared_dates(times: np.ndarray[Any, Any], operator: str, value: Literal) -> tuple[Mask, Mask]:
    """Compare times with a month, a day or an instant: ``= 2026-11-01`` is any time of that day."""
    start, end = _span(value.text)
    inside = (times >= start) & (times < end)
    tests = {
        "=": inside,
        "!=": ~inside,
        "<": times < start,
        "<=": times < end,
        ">": times >= end,
        ">=": times >= start,
    }
    missing = np.isnan(times)
    return tests[operator] & ~missing, missing


def _span(text: str) -> tuple[float, float]:
    """Return when a date begins and ends, in seconds since 1970; times without a zone are UTC."""
    try:
        start = datetime.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d{2}", text) else text)
    except ValueError:
        raise Invalid(f"{text!r} is no date.", "Write such as 2026-11-01 or 2026-11-01T08:30.") from None
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    if len(text) == 7:
        end = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    else:
        end = start + (timedelta(days=1) if len(text) == 10 else timedelta(microseconds=1))
    return start.timestamp(), end.timestamp()


def _matching(found: Column, dated: bool, test: Callable[[str], bool]) -> Mask:
    true = np.zeros(len(found.numbers), bool)
    numeric = np.flatnonzero(~np.isnan(found.numbers))
    texts: Iterable[str] = (
        [datetime.fromtimestamp(t, UTC).isoformat() for t in found.numbers[numeric].tolist()]
        if dated
        else [f"{v:.15g}" for v in found.numbers[numeric].tolist()]
    )
    true[numeric] = [test(t) for t in texts]
    if found.texts:
        fits = np.array([test(t) for t in shown(found.texts)])
        true[found.codes >= 0] = fits[found.codes[found.codes >= 0]]
    return true


def _negated(true: Mask, missing: Mask, negated: bool) -> tuple[Mask, Mask]:
    return (~true & ~missing if negated else true), missing


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _like(pattern: str) -> Callable[[str], bool]:
    """Return a test of a SQL pattern, in time proportional to the text: no pattern can make it slow."""
    parts = [re.compile("".join("." if c == "_" else re.escape(c) for c in p), re.I | re.S) for p in pattern.split("%")]
    lengths = [len(p) for p in pattern.split("%")]
    if len(parts) == 1:
        return lambda text: parts[0].fullmatch(text) is not None

    def test(text: str) -> bool:
        at, end = lengths[0], len(text) - lengths[-1]
        if not parts[0].match(text):
            return False
        for part in parts[1:-1]:
            found = part.search(text, at)
            if found is None:
                return False
            at = found.end()
        return at <= end and parts[-1].fullmatch(text, end) is not None

    return test
