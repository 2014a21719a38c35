"""An object within its room: rows that do not fit are dropped and counted, never the whole object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["capped", "first_lines", "left_out", "sendable"]

LONG, SHORT = 20_000, (2_000, 400, 40)  # characters of a text; the others where nothing but texts is left to cut
HALVES = re.compile("[\ud800-\udfff]")
MANY = 20  # entries that make a mapping a list by name
Path = tuple[str, ...]


def capped(data: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return plain JSON of at most so many characters; under ``capped`` how many entries are missing where.

    Parameters
    ----------
    data : mapping
        Plain JSON.
    most : int
        Characters of its JSON.

    Returns
    -------
    dict
        The same data where it fits. Else very long texts lose their ends, then the longest list its last entries, of
        findings those that passed first, and so on: the same for the same data.

    Examples
    --------
    >>> capped({"rows": list(range(100))}, 60)
    {'rows': [0, 1, 2, 3, 4, 5, 6], 'capped': {'rows': 93}}
    """
    if len(whole := json.dumps(data)) <= most:
        return dict(data)
    made: dict[str, Any] = _cut(json.loads(whole), LONG)
    missing: dict[str, int] = dict(made.pop("capped", {}))  # of what was shortened before
    while (over := len(json.dumps(made | {"capped": missing})) - most) > 0:
        if (found := max(_lists(made, ()), default=None)) is None:
            return _only_texts(made, most) | {"capped": missing}
        _shorten(made, *found, over, most, missing)
    return made | ({"capped": missing} if missing else {})


def sendable(value: Any) -> Any:
    r"""Return plain JSON that can be sent: half a character, as odd file names have, becomes a visible mark.

    >>> sendable({"name": "a\ud800b"}) == {"name": "a\ufffdb"}
    True
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return _whole(value)
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return HALVES.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, (list, tuple)) else value


def first_lines(text: str, most: int) -> str:
    r"""Return the first lines of a text, and how many there are besides.

    >>> first_lines("one\ntwo\nthree", 12)
    'one\ntwo\nand 1 more line'
    """
    if len(text) <= most:
        return text
    kept = text[:most].rpartition("\n")[0] or text[:most]
    left = text[len(kept) :].strip("\n").count("\n") + 1
    return f"{kept}\nand {left:,} more {'line' if left == 1 else 'lines'}"


def left_out(data: Mapping[str, Any]) -> str:
    """Return what did not fit, as a sentence.

    >>> left_out({"capped": {"runs": 94}})
    'Too long for an output, in the store only: 94 runs'
    """
    told = ", ".join(f"{count:,} {where}" for where, count in data.get("capped", {}).items())
    return f"Too long for an output, in the store only: {told or 'most of it'}"


def _only_texts(made: dict[str, Any], most: int) -> dict[str, Any]:
    """Return the data with short texts; if that is still too long, what lies in it no deeper than that."""
    for length in SHORT:
        if len(json.dumps(short := _cut(made, length))) < most:
            return dict(short)
    return {key: value for key, value in short.items() if not isinstance(value, (dict, list))}


def _shorten(made: dict[str, Any], weight: int, path: Path, over: int, most: int, missing: dict[str, int]) -> None:
    """Drop as many entries as are too many, yet not below half of all room: another list may be as long by then."""
    held, name = _at(made, path), ".".join(path)
    share = max(min(0.5, most / weight), (weight - over - 2 * len(name) - 20) / weight)
    keep = max(1, min(len(held) - 1, int(len(held) * share)))
    _at(made, path[:-1])[path[-1]] = _first(held, keep)
    missing[name] = missing.get(name, 0) + len(held) - keep


def _lists(value: Any, path: Path) -> Iterator[tuple[int, Path]]:
    """Yield the length as JSON of what may lose entries, with the way to it; what lies in an entry goes with it."""
    if path and len(value) > 1 and (isinstance(value, list) or len(value) > MANY):
        yield len(json.dumps(value)), path
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                yield from _lists(item, (*path, key))


def _first(held: Any, keep: int) -> Any:
    """Return the first entries; of findings those that say something, in their order."""
    if isinstance(held, dict):
        return dict(list(held.items())[:keep])
    said = sorted(range(len(held)), key=lambda i: (isinstance(held[i], dict) and held[i].get("outcome") == "passed", i))
    return [held[i] for i in sorted(said[:keep])]


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= most else value[:most] + "…"
    if isinstance(value, list):
        return [_cut(item, most) for item in value]
    return {key: _cut(item, most) for key, item in value.items()} if isinstance(value, dict) else value
