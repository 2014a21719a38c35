"""A YAML file that people and programs both write: what changes is written anew, every other line stays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.records import plain

__all__ = ["dumped", "read", "updated", "write"]

SHORT = 72  # characters a mapping may have to stand in one line
Json = Mapping[str, Any]


def read(path: Path) -> tuple[str, dict[Any, Any]]:
    """Return a file's text and content; nothing where it is not there yet."""
    import yaml

    if not path.is_file():
        return "", {}
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"{path.name} is not valid YAML: {' '.join(str(error).split())}.", f"Mend {path}.") from error
    if content is not None and not isinstance(content, dict):
        raise Invalid(f"{path.name} holds no rules.", "It needs columns: {NAME: {range: {min: 0}}}.")
    return text, content or {}


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def updated(text: str, new: Mapping[Any, Any]) -> str:
    r"""Return the text with what differs written anew; other lines stay, with their comments.

    Parameters
    ----------
    text : str
        YAML whose top is a mapping.
    new : mapping
        What it shall hold.

    Returns
    -------
    str
        Where the old text cannot be kept, the content alone.

    Examples
    --------
    >>> print(updated("a: 1  # ours\nb: {c: 2}\n", {"a": 1, "b": {"c": 3}, "d": [4]}), end="")
    a: 1  # ours
    b: {c: 3}
    d: [4]
    """
    import yaml

    node, old = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return dumped(new)
    lines = text.splitlines(keepends=True)
    first = node.value[0][0].start_mark.line if node.value else len(lines)
    kept = "".join([*lines[:first], *_merged(lines, node, len(lines), old, new)])
    try:
        same = yaml.safe_load(kept) == _plain(new)
    except yaml.YAMLError:  # an anchor whose key was written anew
        same = False
    return kept if same else dumped(new)


def dumped(content: Mapping[Any, Any], indent: int = 0) -> str:
    """Return content as YAML in the order given, short parts in one line.

    >>> print(dumped({"rows": {"min": 3}, "columns": {"a": {"range": {"min": 0}}}}), end="")
    rows: {min: 3}
    columns:
      a:
        range: {min: 0}
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes short leaves in one line, and lists indented."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            return super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    class Block(dict[Any, Any]):
        """The top, which is never one line."""

    Dumper.add_representer(Block, lambda d, v: d.represent_mapping("tag:yaml.org,2002:map", v, False))
    Dumper.add_representer(dict, lambda d, v: d.represent_mapping("tag:yaml.org,2002:map", v, _is_short(v)))
    Dumper.add_representer(list, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, _are_leaves(v)))
    text = yaml.dump(Block(_plain(content)), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return "".join(f"{' ' * indent}{line}" for line in text.splitlines(keepends=True))


def _is_short(mapping: Json) -> bool:
    return _are_leaves(mapping.values()) and len(str(mapping)) <= SHORT


def _are_leaves(values: Iterable[Any]) -> bool:
    return all(not isinstance(v, (dict, list)) for v in values)


def _plain(value: Any) -> Any:
    """Return plain values, the keys as they are: a column may be named by a number."""
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else plain(value)


def _merged(lines: Sequence[str], node: Any, end: int, old: Json, new: Json) -> list[str]:
    """Return the lines of a block mapping, its changed keys written anew and its new ones at the end."""
    starts = [key.start_mark.line for key, _ in node.value] + [end]
    indent = node.value[0][0].start_mark.column if node.value else 0
    made: list[str] = []
    for (_, value), key, start, stop in zip(node.value, old, starts, starts[1:], strict=False):
        body = _without_tail(lines, start, stop)
        if key in new:
            made += _entry(lines, value, (start, body), key, old[key], new[key], indent)
        made += lines[body:stop]
    fresh = {k: v for k, v in new.items() if k not in old}
    if fresh and made and not made[-1].endswith("\n"):
        made[-1] += "\n"
    return made + ([dumped(fresh, indent)] if fresh else [])


def _entry(
    lines: Sequence[str], value: Any, span: tuple[int, int], key: Any, old: Any, new: Any, indent: int
) -> list[str]:
    start, body = span
    if old == new:
        return list(lines[start:body])
    below = getattr(value, "flow_style", True) is False and isinstance(old, dict) and isinstance(new, Mapping)
    if below and old and (first := value.value[0][0].start_mark.line) > start:
        return [*lines[start:first], *_merged(lines, value, body, old, new)]
    comment = lines[start][value.end_mark.column :].strip() if value.end_mark.line == start else ""
    written = dumped({key: new}, indent)
    if comment.startswith("#") and written.count("\n") == 1:
        written = f"{written.rstrip()}  {comment}\n"
    return [written]


def _without_tail(lines: Sequence[str], start: int, stop: int) -> int:
    """Return where a key's lines end: comments and empty lines behind it belong to what follows."""
    while stop > start + 1 and (not lines[stop - 1].strip() or lines[stop - 1].lstrip().startswith("#")):
        stop -= 1
    return stop
