"""What of a notebook's execution is shown to nobody: secret texts, however they are spelled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nbmlops.capture.secrets import SHORTEST, is_secret_name, redact_value, spellings

__all__ = ["hidden_texts", "without"]

REFERENCE = re.compile(r"""\bSecret\(\s*["']([A-Za-z_]\w*)["']\s*\)""")
SHORTEST_GIVEN = 4  # characters; of what is given as a secret even a short one is one


def hidden_texts(parameters: Mapping[str, Any], sources: Iterable[str] = ()) -> dict[str, str]:
    """Return every text that must not be shown, with what is shown instead, the longest first.

    Parameters
    ----------
    parameters : mapping
        Those that hold secrets: by their names, or as :class:`nbmlops.Secret`.
    sources : iterable of str
        The notebook's cells: what they refer to by ``Secret("NAME")`` is secret, and so is what the environment calls
        so.

    Examples
    --------
    >>> found = hidden_texts({"db_password": "hunter2", "trees": 100})
    >>> found["hunter2"]
    '[secret]'
    """
    given = [pair for name, value in parameters.items() for pair in _changed(value, redact_value(name, value))]
    known = [(old, new) for old, new in given if len(old) >= SHORTEST_GIVEN] + list(_of_environment(sources))
    found = {text: new for old, new in known for text in spellings(old)}
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def without(value: Any, hidden: Mapping[str, str]) -> Any:
    """Return a text, or whatever holds texts, with the hidden ones replaced.

    >>> without({"text": ["it is hunter2"]}, {"hunter2": "[secret]"})
    {'text': ['it is [secret]']}
    """
    if isinstance(value, str):
        for old, new in hidden.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, dict):
        return type(value)({key: without(item, hidden) for key, item in value.items()})
    return [without(item, hidden) for item in value] if isinstance(value, list) else value


def _of_environment(sources: Iterable[str]) -> Iterator[tuple[str, str]]:
    referred = {name for source in sources for name in REFERENCE.findall(source)}
    for name in referred:
        value = os.environ.get(name) or _of_file(os.environ.get(f"{name}_FILE"))
        if len(value) >= SHORTEST_GIVEN:
            yield value, f"Secret({name!r})"
    for name, value in os.environ.items():
        if name not in referred and is_secret_name(name) and len(value) >= SHORTEST and not is_secret_name(value):
            yield value, "[secret]"


def _of_file(path: str | None) -> str:
    """Return the secret a file holds; one that cannot be read is the notebook's own trouble."""
    try:
        with open(path or "", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return ""


def _changed(value: Any, shown: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and isinstance(shown, Mapping):
        for key in value:
            yield from _changed(value[key], shown[key])
    elif isinstance(value, (list, tuple, Mapping)):
        masked = shown if isinstance(shown, (list, tuple)) else [shown] * len(value)
        for item, other in zip(value.values() if isinstance(value, Mapping) else value, masked, strict=True):
            yield from _changed(item, other)
    elif value != shown:
        yield str(value), str(shown)
