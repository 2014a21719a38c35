"""Where in the text something is wrong: the line of the smallest part that is refused for the same reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nbmlops.errors import Invalid

__all__ = ["line"]


def line(text: bytes, content: Mapping[str, Any], message: str, read: Callable[[dict[str, Any]], Any]) -> int | None:
    """Return the line that is to blame; None where no key alone is.

    Parameters
    ----------
    text : bytes
        The YAML, which can be read.
    content : mapping
        What it holds.
    message : str
        Why the whole was refused.
    read : callable
        Reads a part, or refuses it.
    """
    import yaml

    root: Any = yaml.compose(text.decode("utf-8"), Loader=yaml.SafeLoader)
    for key, node in root.value:
        value = content.get(key.value, content)
        if value is not content and _refused({key.value: value}, message, read):
            parts = _parts(key.value, value, node)
            return next((at for part, at in parts if _refused(part, message, read)), int(key.start_mark.line) + 1)
    return None


def _parts(key: str, value: Any, node: Any) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each item of a list, and each key of a mapping, as a charter of its own, with its line."""
    if isinstance(value, list) and node.id == "sequence":
        yield from (({key: [v]}, n.start_mark.line + 1) for v, n in zip(value, node.value, strict=True))
    if isinstance(value, dict) and node.id == "mapping":
        places = {k.value: k.start_mark.line + 1 for k, _ in node.value}
        yield from (({key: {k: v}}, places[str(k)]) for k, v in value.items() if str(k) in places)


def _refused(part: dict[str, Any], message: str, read: Callable[[dict[str, Any]], Any]) -> bool:
    try:
        read(part)
    except Invalid as error:
        return error.message == message
    return False
