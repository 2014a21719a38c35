"""What was raised, without the values it holds: an error names the value and seldom the column.

Of a message the words stay that stand in the code that raised it, and those errors are usually told in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["raised", "unquoted"]

Json = Mapping[str, Any]
QUOTED = re.compile(r"""(?<!\w)(['"])(.*?)\1(?!\w)""", re.DOTALL)
MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
HEADER = re.compile(r"(Cell In|Input In|File )\S*.*(, line \d+|:\d+)")  # of a frame, as IPython writes it
NUMBERED = re.compile(r"(-+> ?|\s+)\d+( |$)")
TOKEN = re.compile(r"\d+(?:[.,]\d+)*|\w+|[^\x00-\x7f]")
GAPS = re.compile(r"\.\.\.(?:[^\w'\"()\[\]{}:;,]*\.\.\.)+")
# No value of a column is likely to be called so: no names, colours, answers or amounts.
USUAL = """
already an and any are argument arguments array as at attribute axis be because been before bound bounds but by call
called cannot column columns contain contains convert converted could data dataframe dict dimension dimensions
dimensional division does dtype duplicate either element elements empty encountered error estimator exceeds exist
expected expecting failed feature features file fit fitted float for found frame from function given got greater has
have ignored in inconsistent incorrect index indices infinity input inputs instance instead int integer invalid is
it its key keys keyword label labels large least length less line list literal match maximum minimum mismatch
missing module more most must named names nan neither none nor not number numbers numeric object of on one only
operand operands or out parameter parse passed permission position positional required requires returned row rows
same sample samples sequence series shape shapes should size str string subscriptable such supported target than
that the there this to too truth tuple type types unable undefined unexpected unhashable unpack unseen unsupported
valid value values was were when where which while with within without yet zero
"""
TOLD_IN = frozenset(USUAL.split())
ALONE = "its message may hold values of private columns, and is left out"
UNREAD = "not shown: charter.yaml cannot be read, so what is private is not known"
GONE = "'...'"


def raised(error: Json, source: str, hidden: Iterable[str], unread: bool) -> dict[str, Any]:
    """Return an error whose message and traceback hold no value; nothing of the message where the charter is unread.

    What was printed before it is not shown at all.

    Parameters
    ----------
    error : mapping
        ``name``, ``message``, ``traceback``, and ``source`` of its cell.
    source : str
        The code that raised it: what stands there is no secret of the data.
    hidden : iterable of str
        Private columns.
    unread : bool
        The charter cannot be read.
    """
    names = list(hidden)
    trace = str(error.get("traceback") or "")
    of_frames = (line for line, of_code in _lines(trace) if of_code)
    code = "\n".join([source, str(error.get("source") or ""), str(error.get("name")), *of_frames])
    shown = UNREAD if unread else _plain(str(error.get("message") or ""), code, names)
    lines = [
        line if of_code else _told(line, str(error.get("name")), code, names, unread) for line, of_code in _lines(trace)
    ]
    kept = {k: v for k, v in error.items() if k != "output"}
    return {**kept, "message": shown, "traceback": "\n".join(dict.fromkeys(lines) if unread else lines)}


def _lines(trace: str) -> Iterator[tuple[str, bool]]:
    """Yield each line of a traceback, and whether it is of code: a frame, or the lines below one."""
    below = inside = False
    for line in trace.splitlines():
        frame = line.startswith('  File "')
        inside = bool(HEADER.match(line)) or (inside and bool(NUMBERED.match(line)))  # numbered lines, as IPython does
        title = "Traceback (most recent call last)" in line
        yield line, frame or inside or title or (below and line.startswith("    "))
        below = frame or (below and line.strip("~^ ") == "")


def _told(line: str, name: str, code: str, hidden: list[str], unread: bool) -> str:
    """Return a line of what was said at the end of a traceback."""
    if not line.strip(" -"):
        return line
    return f"{name}: {UNREAD}" if unread else _plain(line, code, hidden)


def _plain(text: str, code: str, hidden: list[str]) -> str:
    from nbmlops.report.gathered.masked import told

    quiet = unquoted(text, code, hidden)
    about = told(quiet, hidden)
    return about if about != quiet else _spoken(quiet, code)


def _spoken(text: str, code: str) -> str:
    """Return text without the words and numbers that may be values: those that are neither of the code nor usual."""
    known = set(TOKEN.findall(code))

    def kept(found: re.Match[str]) -> str:
        word = found[0].lower() if found.start() == 0 else found[0]
        return found[0] if found[0] in known or word in TOLD_IN else "..."

    shown = GAPS.sub("...", TOKEN.sub(kept, text))
    return shown if re.search(r"\w", shown) or not text else ALONE


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
