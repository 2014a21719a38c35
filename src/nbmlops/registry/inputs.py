"""Whether rows are such as a model can answer: every problem with its row and column, before the model is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from nbmlops.errors import Invalid
from nbmlops.records import Finding, ModelVersion, plain
from nbmlops.registry import kinds, signature

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Checked",
    "Checker",
    "Columns",
    "Problem",
    "check_frame",
    "checker",
    "joined",
    "merged",
    "refuse",
    "refused",
    "table",
]

MOST_LISTED = 1_000  # rows of one column that are listed one by one
MOST_NAMED = 5  # rows that the message names
MOST_VALUES = 3
MOST_CATEGORIES = 10  # unknown ones that a note counts by name
TEXTS = ("str", "large_string")  # types of columns that hold nothing else
PLURAL = {
    "missing_column": "is not there",
    "missing_value": "is missing",
    "infinite": "is infinite",
    "wrong_type": "is of the wrong kind",
}


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be answered.

    Attributes
    ----------
    row : int or None
        Counted from 0 as ``iloc`` does, in a file from 1 behind its header; None where it is not one row.
    column : str
    code : {"missing_column", "duplicate_column", "wrong_type", "missing_value", "infinite"}
    message : str
        Without a value where the column is private.
    count : int
        How many rows it stands for: more than one behind the first thousand of a column.
    """

    row: int | None
    column: str
    code: str
    message: str
    count: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dict(plain(self))


@dataclass(frozen=True)
class Checked:
    """Rows as the model takes them, what is wrong with them, and what is worth knowing.

    Attributes
    ----------
    frame : pandas.DataFrame
        The columns of the signature in its order; to be asked only where there are no problems.
    problems : tuple of Problem
    notes : tuple of Finding
        Codes ``extra_columns`` (ignored) and ``unknown_category`` (``detail`` counts them, none by name
        where the column is private).
    """

    frame: pd.DataFrame
    problems: tuple[Problem, ...] = ()
    notes: tuple[Finding, ...] = ()


class Columns(NamedTuple):
    """Rows as arrays by column, what is wrong with them (no array then), and what is worth knowing."""

    made: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Checker:
    """What a version takes, ready to check rows.

    Attributes
    ----------
    columns : tuple of Column
    model : str
        How the version is called in errors.
    """

    columns: tuple[kinds.Column, ...]
    model: str

    @cached_property
    def names(self) -> list[str]:
        """The columns it takes, in its order."""
        return [c.name for c in self.columns]

    def extra(self, there: Iterable[Any]) -> Iterator[Finding]:
        """Yield a note of the columns that are there and not taken."""
        yield from _extra(there, self.names)

    def twice(self, there: Sequence[str]) -> list[Problem]:
        """Return a problem for each column it takes that is there more than once."""
        found = [name for name in self.names if there.count(name) > 1]
        return [Problem(None, name, "duplicate_column", f"{name} is there more than once") for name in found]

    def frame(self, frame: Any, *, first: int = 0, texts: bool = False) -> Checked:
        """Check the rows of a frame.

        Parameters
        ----------
        frame : DataFrame
            Other columns are ignored and noted.
        first : int
            The number of its first row.
        texts : bool
            Numbers, times and booleans may come as text, as they do in a CSV file.
        """
        rows = table(frame)
        twice = self.twice(rows.columns.tolist())
        own = {problem.column for problem in twice}
        gone = [Problem(None, n, "missing_column", f"{n} is not there") for n in self.names if n not in rows.columns]
        problems = twice + gone
        notes, made = [*self.extra(rows.columns)], {}
        for column in self.columns:
            if column.name in rows.columns and column.name not in own:
                read = kinds.read(column, rows[column.name], texts)
                made[column.name] = read.values
                problems += _problems(column, read, first)
                notes += _unknown(column, read)
        return Checked(_framed(made, rows), tuple(problems), tuple(notes))

    def records(self, rows: Sequence[Mapping[str, Any]]) -> Checked:
        """Check rows as JSON has them, ``{column: value}`` each."""
        import pandas as pd

        made, problems, notes = self.columns_of(rows)
        return Checked(pd.DataFrame(made, columns=self.names, index=range(len(rows))), problems, notes)

    def columns_of(self, rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Check rows as JSON has them, and return their columns: quick for few, for no frame is made."""
        problems: list[Problem] = []
        made: dict[str, Any] = {}
        notes = [*_extra(dict.fromkeys(name for row in rows for name in row), self.names)]
        for column in self.columns:
            values = [row.get(column.name, kinds.ABSENT) for row in rows]
            read = kinds.read_values(column, values)
            problems += _problems(column, read, 0)
            notes += _unknown(column, read)
            made[column.name] = read.values
        return Columns(made, tuple(problems), tuple(notes))


def checker(version: ModelVersion) -> Checker:
    """Return what checks rows for a registered version; its model is read to know where values may miss.

    Examples
    --------
    >>> checker(nb.model_version("late-flights")).records([{"origin": "JFK"}]).problems  # doctest: +SKIP
    """
    from nbmlops.registry import kept, missing, models

    names = signature.names(version.signature)
    may_miss = missing.columns_that_may_miss(models.cached(version), names)
    hidden = {*version.signature.get("private", ()), *kept.private()}
    return Checker(tuple(_columns(version.signature, may_miss, hidden)), version.ref)


def check_frame(
    known: Mapping[str, Any],
    frame: Any,
    takes_missing: bool | Collection[str] = True,
    *,
    model: str = "The model",
    first: int = 0,
    texts: bool = False,
) -> Checked:
    """Check the rows of a frame against a signature.

    Parameters
    ----------
    known : mapping
        A signature.
    frame : DataFrame
        pandas, or what has ``to_pandas``.
    takes_missing : bool or collection of str
        Whether the model takes missing values, or in which columns. A column that missed some before may do so anyway.
    model : str
    first : int
        The number of the first row.
    texts : bool
        Numbers, times and booleans may come as text.

    Examples
    --------
    >>> import pandas as pd
    >>> known = {"columns": [{"name": "age", "kind": "number", "nullable": False}]}
    >>> [p.message for p in check_frame(known, pd.DataFrame({"age": [1, "x"]})).problems]
    ["age in row 1 is 'x' and should be a number"]
    """
    names = signature.names(known)
    may_miss = frozenset(names if takes_missing is True else takes_missing or ())
    columns = _columns(known, may_miss, set(known.get("private", ())))
    return Checker(tuple(columns), model).frame(frame, first=first, texts=texts)


def refuse(problems: Sequence[Problem], model: str, takes: Sequence[str], rows: str = "") -> None:
    """Raise one error that lists every problem, where there is any.

    Raises
    ------
    Invalid
        With ``problems``.
    """
    if problems:
        raise refused(problems, model, takes, rows)


def refused(problems: Sequence[Problem], model: str, takes: Sequence[str], rows: str = "") -> Invalid:
    """Return the error of rows that cannot be answered, all problems in it."""
    gone = [p.column for p in problems if p.code == "missing_column" and p.row is None]
    said = [f"needs columns that are not there: {', '.join(gone)}"] if gone else []
    if rest := [*_sentences([p for p in problems if p.column not in gone or p.row is not None])]:
        said.append(f"cannot take {rows or 'these rows'}: {'; '.join(rest)}")
    wanted = ", ".join(takes[:30]) + (f" and {len(takes) - 30} more" if len(takes) > 30 else "")
    error = Invalid(f"{model} {'; it '.join(said)}.", f"It takes: {wanted}.")
    error.problems = tuple(problems)
    return error


def _columns(known: Mapping[str, Any], may_miss: Collection[str], hidden: Collection[str]) -> Iterator[kinds.Column]:
    for c in known["columns"]:
        seen, name = c.get("categories"), c["name"]
        whole = seen is not None and (c.get("distinct") or 0) <= len(seen)
        yield kinds.Column(
            name=name,
            kind=c.get("kind"),
            dtype=str(c.get("dtype") or ""),
            may_miss=name in may_miss or bool(c.get("nullable")),
            shown=name not in hidden,
            categories={kinds.text_of(value): value for value in seen} if seen is not None else None,
            whole=whole,
            holds=c.get("holds") or ("text" if str(c.get("dtype")).startswith(TEXTS) else ""),
        )


def table(frame: Any) -> pd.DataFrame:
    """Return a pandas frame whose columns have text names; some may be there twice.

    Raises
    ------
    Invalid
        It is no table.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame) and hasattr(frame, "to_pandas"):
        frame = frame.to_pandas()
    if not isinstance(frame, pd.DataFrame):
        raise Invalid(f"{type(frame).__name__} is no table.", "Pass a pandas or polars DataFrame.")
    wanted = [str(name) for name in frame.columns]
    return frame if wanted == list(frame.columns) else frame.set_axis(wanted, axis=1)


def _framed(made: Mapping[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(made, index=rows.index, copy=False)


def _problems(column: kinds.Column, read: kinds.Read, first: int) -> Iterator[Problem]:
    for code, places in read.wrong:
        shown = places[:MOST_LISTED].tolist()
        for place in shown:
            yield Problem(first + place, column.name, code, _sentence(column, code, first + place, read.value(place)))
        if more := len(places) - len(shown):
            yield _more(column.name, code, more)


def _more(column: str, code: str, rows: int) -> Problem:
    return Problem(None, column, code, f"{column} {PLURAL.get(code, code)} in {rows:,} more rows", rows)


def _sentence(column: kinds.Column, code: str, row: int, value: Any) -> str:
    where = f"{column.name} in row {row}"
    if code == "wrong_type":
        what = repr(value)[:40] if column.shown else "of another kind"
        return f"{where} is {what} and should be {column.word}"
    return f"{where} {PLURAL[code]}"


def _sentences(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield one sentence for each column and kind of problem, the first rows named."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.column, problem.code), []).append(problem)
    for (column, code), found in groups.items():
        rows, total = [p.row for p in found if p.row is not None], sum(p.count for p in found)
        if not rows or total == 1:
            yield found[0].message
        else:
            more = f" and {total - MOST_NAMED:,} more" if total > MOST_NAMED else ""
            values = _examples(found) if code == "wrong_type" else ""
            yield f"{column} {PLURAL[code]} in rows {', '.join(map(str, rows[:MOST_NAMED]))}{more}{values}"


def _examples(found: Sequence[Problem]) -> str:
    """Return at most three of the values as the messages have them, and what they should be."""
    said = [p.message.partition(" is ")[2].rpartition(" and should be ") for p in found if p.row is not None]
    values = list(dict.fromkeys(value for value, _, _ in said))
    return f" ({', '.join(values[:MOST_VALUES])}; should be {said[0][2]})"


def _extra(there: Iterable[Any], names: Sequence[str]) -> Iterator[Finding]:
    known = set(names)
    if extra := [str(name) for name in there if name not in known]:
        more = f" and {len(extra) - 20} more" if len(extra) > 20 else ""
        says = f"columns the model does not take are ignored: {', '.join(extra[:20])}{more}"
        yield Finding("extra_columns", "not_applicable", says, detail={"columns": extra[:100]})


def _unknown(column: kinds.Column, read: kinds.Read) -> Iterator[Finding]:
    counts = read.unknown(column)
    if not counts:
        return
    total = sum(counts.values())
    most = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_CATEGORIES]) if column.shown else {}
    named = _named(most)
    many = f"{len(counts)} categor{'y' if len(counts) == 1 else 'ies'}"
    says = f"{column.name} holds {many} the model never saw, in {total:,} row{'s' * (total != 1)}{named}"
    yield Finding("unknown_category", "warning", says, column.name, detail={"rows": total, "unknown": most})


def _named(values: Iterable[str]) -> str:
    """Return some of the values, nothing where none may be named."""
    named = ", ".join(list(values)[:MOST_VALUES])
    return f": {named}" if named else ""


def joined(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems of several parts as those of the whole: a thousand rows of a column listed, more counted."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.column, problem.code), []).append(problem)
    found: list[Problem] = []
    for (column, code), group in groups.items():
        listed = [p for p in group if p.row is not None][:MOST_LISTED]
        more = sum(p.count for p in group) - len(listed)
        found += [*listed, *([_more(column, code, more)] if more else [])]
    return tuple(found)


def merged(notes: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return notes of several parts as those of the whole: counts added."""
    found: dict[tuple[str, str], Finding] = {}
    for note in notes:
        key = (note.code, note.column)
        found[key] = _added(found[key], note) if key in found else note
    return tuple(found.values())


def _added(one: Finding, other: Finding) -> Finding:
    if one.code != "unknown_category":
        return one
    counts = dict(one.detail["unknown"])
    for value, n in other.detail["unknown"].items():
        counts[value] = counts.get(value, 0) + n
    total = one.detail["rows"] + other.detail["rows"]
    named = _named(sorted(counts, key=lambda v: -counts[v]))
    many = "a category" if len(counts) == 1 else "categories"
    says = f"{one.column} holds {many} the model never saw, in {total:,} rows{named}"
    return replace(one, message=says, detail={"rows": total, "unknown": counts})
