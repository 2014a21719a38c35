"""What a client sent: strict JSON, the rows in it, and what the rows are called in the business."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from nbmlops.serving.errors import Refused, problem

__all__ = ["Asked", "asked", "parse"]

Json = dict[str, Any]
ENVELOPE = ("rows", "key", "key_at", "batch")
LARGEST = 2**63  # what a column of whole numbers holds
LONGEST = 200  # characters of a label
SHAPE = 'Send {"rows": [{...}]} or one object; /openapi.json has an example.'


class Asked(NamedTuple):
    """The rows of a request, and what goes with them."""

    rows: list[Json]
    key: list[str | int] | None = None
    key_at: list[str] | None = None
    batch: str | None = None


def parse(body: bytes) -> Any:
    """Return what JSON text in UTF-8 says.

    Raises
    ------
    Refused
        400: it is none, holds NaN or Infinity, a name twice, a number of thousands of digits, or is too deep.

    Examples
    --------
    >>> parse(b'{"age": 30}')
    {'age': 30}
    """
    try:
        text = body.decode()
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # half of a pair of code points is no text
        return found
    except RecursionError:
        raise _no_json("The JSON is nested too deeply.") from None
    except UnicodeError:
        raise _no_json("The body is not UTF-8, or holds text that is none.") from None
    except json.JSONDecodeError as error:
        raise _no_json(f"The body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except ValueError:
        raise _no_json("A number in the JSON has too many digits.") from None


def asked(content: Any, columns: Sequence[str], most: int, private: Collection[str] = ()) -> Asked:
    """Return the rows of a request to predict.

    Parameters
    ----------
    content : object
        What the JSON said.
    columns : sequence of str
        What the model takes.
    most : int
        Rows in one request.
    private : collection of str
        Columns no prediction is recorded under.

    Raises
    ------
    Refused
        400, 413 or 422, with every problem.
    """
    if not isinstance(content, dict):
        raise Refused(422, [problem("shape", "The body is no object.")], SHAPE)
    if "rows" not in content:
        return Asked(_flat([content]))
    if strange := [name for name in content if name not in ENVELOPE]:
        raise Refused(422, [problem("unknown_field", f"{s[:LONGEST]!r} is not known here.") for s in strange], SHAPE)
    rows = [content["rows"]] if isinstance(content["rows"], dict) else content["rows"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refused(422, [problem("shape", "rows is no list of objects.")], SHAPE)
    if len(rows) > most:
        raise Refused(413, [problem("too_many_rows", f"{len(rows):,} rows; at most {most:,} in one request.")])
    if not rows:
        raise Refused(422, [problem("no_rows", "There are no rows.")], SHAPE)
    names = {field: _name(content, field) for field in ("key", "key_at", "batch")}
    if hidden := [name for name in (names["key"], names["key_at"]) if name in private]:
        raise Refused(422, [problem("private", f"{n} is private.", None, n) for n in hidden], "Name another key.")
    return _named(_flat(rows), columns, **names)


def _named(rows: list[Json], columns: Sequence[str], key: str | None, key_at: str | None, batch: str | None) -> Asked:
    if key_at and not key:
        raise Refused(422, [problem("key_at", "key_at without key.")], "Name the column of the key: key.")
    problems = [*_without(rows, key), *_without(rows, key_at), *(_no_times(rows, key_at) if key_at else ())]
    if problems:
        raise Refused(422, problems, "Each row needs its key.")
    only_names = tuple(n for n in (key, key_at) if n and n not in columns)
    keys = [row[key] for row in rows] if key else None
    times = [_in_utc(row[key_at]) for row in rows] if key_at else None
    kept = [{n: v for n, v in row.items() if n not in only_names} for row in rows] if only_names else rows
    return Asked(kept, keys, times, batch)


def _flat(rows: list[Json]) -> list[Json]:
    """Return the rows if every value is one that a column can hold."""
    if problems := [p for place, row in enumerate(rows) for p in _unfit(place, row)]:
        raise Refused(422, problems, "A value is text, a number, true, false or null.")
    return rows


def _unfit(place: int, row: Mapping[str, Any]) -> Iterator[Json]:
    for name, value in row.items():
        if isinstance(value, (list, dict)):
            yield problem("nested", f"{_said(name)} holds a list or an object.", place, name)
        elif type(value) is int and not -LARGEST <= value < LARGEST:
            yield problem("too_large", f"{_said(name)} holds a number too large for a column.", place, name)


def _without(rows: list[Json], name: str | None) -> Iterator[Json]:
    for place, row in enumerate(rows if name else ()):
        if type(value := row.get(str(name))) not in (str, int) or value == "":
            yield problem("no_key", f"{_said(str(name))} is missing or neither text nor a whole number.", place, name)


def _no_times(rows: list[Json], name: str) -> Iterator[Json]:
    for place, row in enumerate(rows):
        try:
            _in_utc(row[name])
        except (KeyError, TypeError, ValueError, OverflowError):  # a number is no text, and so no time
            yield problem("no_time", f"{_said(name)} is no time such as 2013-12-01T06:00.", place, name)


def _in_utc(text: str) -> str:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _name(content: Json, field: str) -> str | None:
    found = content.get(field)
    if found is None or (isinstance(found, str) and 0 < len(found) <= LONGEST):
        return found
    raise Refused(422, [problem("shape", f"{field} is no text of 1 to {LONGEST} characters.")], SHAPE)


def _said(name: str) -> str:
    return repr(name[:LONGEST])


def _once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise _no_json(f"The JSON has {_said(twice)} twice in one object.")
    return found


def _no_number(word: str) -> Any:
    raise _no_json(f"{word} is no JSON.", "Send null where a value is missing.")


def _no_json(message: str, hint: str = "") -> Refused:
    return Refused(400, [problem("json", message)], hint or SHAPE)
