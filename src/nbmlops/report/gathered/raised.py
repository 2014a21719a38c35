"""What was raised, without the values it quotes: a library's error names the value and seldom the column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["raised", "unquoted"]

Json = Mapping[str, Any]
QUOTED = re.compile(r"""(?<!\w)(['"])(.*?)\1(?!\w)""", re.DOTALL)
MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
OF_CODE = ("ImportError", "ModuleNotFoundError", "NameError", "AttributeError", "UnboundLocalError")
UNREAD = "not shown: charter.yaml cannot be read, so what is private is not known"
GONE = "'...'"


def raised(error: Json, source: str, hidden: Iterable[str], unread: bool) -> dict[str, Any]:
    """Return an error whose message and traceback quote no value; nothing of the message where the charter is unread.

    Parameters
    ----------
    error : mapping
        ``name``, ``message``, ``traceback``.
    source : str
        The code that raised it: what stands there is no secret of the data.
    hidden : iterable of str
        Private columns.
    unread : bool
        The charter cannot be read.
    """
    names = list(hidden)
    trace = str(error.get("traceback") or "")
    code = "\n".join([source, *(line for line, of_code in _lines(trace) if of_code)])
    shown = str(error.get("message") or "")
    if unread:
        shown = UNREAD
    elif error.get("name") not in OF_CODE:
        shown = _plain(shown, code, names)
    lines = [
        line if of_code else _told(line, str(error.get("name")), code, names, unread) for line, of_code in _lines(trace)
    ]
    return {**error, "message": shown, "traceback": "\n".join(dict.fromkeys(lines) if unread else lines)}


def _lines(trace: str) -> Iterator[tuple[str, bool]]:
    """Yield each line of a traceback, and whether it is of code: a frame, or the line below one."""
    below = False
    for line in trace.splitlines():
        frame = line.startswith('  File "')
        yield line, frame or line.startswith("Traceback (") or (below and line.startswith("    "))
        below = frame or (below and line.strip("~^ ") == "")


def _told(line: str, name: str, code: str, hidden: list[str], unread: bool) -> str:
    """Return a line of what was said at the end of a traceback."""
    if not line.strip():
        return line
    if unread:
        return f"{name}: {UNREAD}"
    return line if line.startswith(OF_CODE) else _plain(line, code, hidden)


def _plain(text: str, code: str, hidden: list[str]) -> str:
    from nbmlops.report.gathered.masked import told

    return told(unquoted(text, code, hidden), hidden)


def unquoted(text: str, code: str = "", hidden: Iterable[str] = ()) -> str:
    """Return text without what it quotes, unless that stands in the code or names a private column.

    >>> unquoted("could not convert string to float: 'Ada'")
    "could not convert string to float: '...'"
    """
    names = set(hidden)

    def gone(found: re.Match[str]) -> str:
        known = found[2] in names or f"'{found[2]}'" in code or f'"{found[2]}"' in code
        return found[0] if known else GONE

    return MAIL.sub("...", QUOTED.sub(gone, text))
