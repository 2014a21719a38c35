"""Frameworks a report is indexed by: what each asks for, point by point. The shipped ones, and a company's own.

A file ``frameworks/<key>.yaml`` of the project takes the place of the shipped one with its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.report.blocks import Block, Fold, Missing, Say, Section, Table, Verdict
from nbmlops.report.fields import BY_KEY, answers, where
from nbmlops.report.text import count
from nbmlops.tracking import session

__all__ = ["FOLDER", "frameworks", "read", "section"]

FOLDER = "frameworks"
KEYS = ("name", "source", "as_of", "points")
POINT = ("point", "title", "fields")
LARGEST_BYTES = 200_000
Json = Mapping[str, Any]


def frameworks() -> list[dict[str, Any]]:
    """Return every framework by its key, the shipped and the project's; a broken file with the reason.

    Returns
    -------
    list of dict
        ``key``, ``name``, ``source``, ``as_of``, ``points`` (each ``point``, ``title``, ``fields``), and where the
        file cannot be used ``broken`` instead of them.

    Examples
    --------
    >>> [one["key"] for one in frameworks()]
    ['eu-ai-act-annex-iv', 'model-card', 'nist-ai-rmf', 'sr-26-2']
    """
    return [found for _, found in sorted(({**dict(_shipped()), **dict(_own())}).items())]


def read(text: str, key: str) -> dict[str, Any]:
    """Return a framework from its YAML.

    Parameters
    ----------
    text : str
    key : str
        The file's name without its ending.

    Raises
    ------
    Invalid
        It is no valid YAML, a key is unknown or missing, or a point names an unknown field.

    Examples
    --------
    >>> read("{name: Ours, points: [{point: 1, title: Harm, fields: [harms]}]}", "ours")["points"][0]["fields"]
    ['harms']
    """
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Invalid(f"{_file(key)} is not valid YAML: {' '.join(str(error).split())}.", "Mend it.") from error
    _keys(content, KEYS, key, "it")
    points = content.get("points")
    if not content.get("name") or not isinstance(points, list) or not points:
        raise Invalid(f"{_file(key)} has no name or no points.", "Write name: and a list under points:.")
    about = {name: str(content.get(name) or "") for name in KEYS[:3]}
    return {"key": key, **about, "points": [_point(point, key) for point in points]}


def _point(content: Any, key: str) -> dict[str, Any]:
    _keys(content, POINT, key, "a point")
    fields = content.get("fields") or []
    if not isinstance(fields, list):
        raise Invalid(f"{_file(key)}: fields is {fields!r}.", "Write a list, such as [risk, harms].")
    for name in fields:
        if str(name) not in BY_KEY:
            raise Invalid(f"{_file(key)}: no field {str(name)!r}.", f"Known: {', '.join(BY_KEY)}.")
    said = {name: str("" if content.get(name) is None else content[name]) for name in POINT[:2]}
    return {**said, "fields": [str(name) for name in fields]}


def _keys(content: Any, allowed: Sequence[str], key: str, what: str) -> None:
    if not isinstance(content, dict):
        raise Invalid(f"{_file(key)}: {what} holds no keys.", f"Write {', '.join(allowed)}.")
    if strange := [str(name) for name in content if name not in allowed]:
        raise Invalid(f"{_file(key)}: {what} has {strange[0]!r}.", f"Allowed: {', '.join(allowed)}.")


def _file(key: str) -> str:
    return f"{FOLDER}/{key}.yaml"


def _shipped() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the shipped ones; it works installed and from a clone."""
    for file in resources.files("nbmlops").joinpath("templates", FOLDER).iterdir():
        key, _, ending = file.name.rpartition(".")
        if ending == "yaml":
            yield key, read(file.read_text(encoding="utf-8"), key)


def _own() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the project's; one that cannot be used says why: a shipped one in its place would claim what is not so."""
    for path in sorted((session.project().root / FOLDER).glob("*.yaml")):
        try:
            yield path.stem, read(_text(path), path.stem)
        except Invalid as error:
            yield path.stem, {"key": path.stem, "name": path.stem, "broken": str(error)}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise Invalid(f"{_file(path.stem)} is larger than {LARGEST_BYTES:,} bytes.", "Make it smaller.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{_file(path.stem)} cannot be read: {error}.", "Mend it.") from error


def section(snapshot: Json, places: Mapping[str, str]) -> Section:
    """Return for each framework which sections answer its points, and how many of their fields are known.

    Parameters
    ----------
    snapshot : mapping
    places : mapping
        Key to title of the sections on the page.
    """
    title, found = "Index by framework", snapshot.get("frameworks")
    if not found:
        missing = Missing("This report was made before frameworks were kept with it", "make it again with --refresh")
        return Section("crosswalk", title, "Which sections answer which framework is not known.", [missing])
    known = {key for key, value in answers(snapshot).items() if value is not None}
    blocks: list[Block] = [_framework(one, known, places) for one in found]
    note = Say("A company's own frameworks lie in frameworks/ of its project, and take the place of these.")
    return Section("crosswalk", title, CLAIM, [*blocks, note])


CLAIM = "Where this report answers which point of a framework: an index, and no claim of conformity with any of them."


def _framework(one: Json, known: set[str], places: Mapping[str, str]) -> Block:
    if one.get("broken"):
        return Missing(f"The framework {one['key']} cannot be shown: {str(one['broken']).rstrip('.')}", "mend the file")
    about = "; ".join(part for part in (one.get("source"), _as_of(one)) if part)
    rows = [_row(point, known, places) for point in one["points"]]
    heads = ("Point", "Asks for", "Answered in", "Known", "Missing")
    caption = f"{one['name']} ({about})" if about else str(one["name"])
    asked = {name for point in one["points"] for name in point["fields"]}
    words = f"{one['name']}: {count(len(rows), 'point')}, {len(asked & known)} of {count(len(asked), 'field')} known"
    return Fold(words, [Table(caption, heads, rows, numeric=(3,))])


def _as_of(one: Json) -> str:
    return f"as of {one['as_of']}" if one.get("as_of") else ""


def _row(point: Json, known: set[str], places: Mapping[str, str]) -> tuple[str | Verdict, ...]:
    fields = [name for name in point["fields"] if name in BY_KEY]
    if not fields:
        return point["point"], point["title"], Verdict("nothing here", "warn"), "-", "-"
    gaps = [BY_KEY[name].title for name in fields if name not in known]
    here = f"{len(fields) - len(gaps)} of {len(fields)}"
    return point["point"], point["title"], where(fields, places), here, "; ".join(gaps) or "-"
