"""JSON of an object within its room: rows that do not fit are dropped and counted, never the whole object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["capped"]

LONG, SHORT = 20_000, (2_000, 400, 40)  # characters of a text; the others where nothing but texts is left to cut
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
    {'rows': [0, 1, 2, 3, 4, 5], 'capped': {'rows': 94}}
    """
    if len(json.dumps(data)) <= most:
        return dict(data)
    made: dict[str, Any] = _cut(json.loads(json.dumps(data)), LONG)
    missing: dict[str, int] = {}
    while (over := len(json.dumps(made | {"capped": missing})) - most) > 0:
        if (found := max(_lists(made, ()), default=None)) is None:
            return _only_texts(made, most) | {"capped": missing}
        _shorten(made, *found, over, missing)
    return made | ({"capped": missing} if missing else {})


def _only_texts(made: dict[str, Any], most: int) -> dict[str, Any]:
    """Return the data with short texts; if that is still too long, what lies in it no deeper than that."""
    for length in SHORT:
        if len(json.dumps(short := _cut(made, length))) < most:
            return dict(short)
    return {key: value for key, value in short.items() if not isinstance(value, (dict, list))}


def _shorten(made: dict[str, Any], weight: int, path: Path, over: int, missing: dict[str, int]) -> None:
    """Drop as many entries as are too many, yet at most half: another list may be as long by then."""
    held, name = _at(made, path), ".".join(path)
    share = max(0.5, (weight - over - 2 * len(name) - 20) / weight)
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
