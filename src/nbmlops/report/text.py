"""Words and numbers for people: visible text, short numbers, times, sizes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "as_float",
    "capped",
    "count",
    "duration",
    "finite",
    "interval",
    "is_over",
    "joined",
    "marked",
    "measured",
    "number",
    "percent",
    "says",
    "short",
    "size",
    "stamp",
    "utc",
    "visible",
    "when",
]

# A terminal's link or title ends on its line and holds no tag: what is between two of its marks may be all of a text.
ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n<>]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
# Marks over and under a letter: no language puts five on one, and a pile paints over what stands around it.
MARKS = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0e34-\u0e3a\u0e47-\u0e4e\u0f71-\u0f7e\u0f80-\u0f84"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u302a-\u302d\ufe20-\ufe2f]"
)
# Controls, bidirectional marks and overrides, invisible separators, halves of characters, what XML may not hold.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    f"\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]|{MARKS}(?<={MARKS}{{5}})"
)
LARGE, SMALL = 1e15, 1e-12  # beyond these a number in full is a row of digits nobody reads


def visible(value: Any) -> str:
    r"""Return a value as text in which nothing hides: terminal codes go, invisible characters become a mark.

    >>> visible("a\x1b[31mred\u202e")
    'ared�'
    """
    return marked(ANSI.sub("", str(value)).replace("\r\n", "\n"))


def marked(text: str) -> str:
    r"""Return a text as long as it was, a mark for every character that hides: safe on finished markup too.

    >>> marked("<b>a\u202e</b>")
    '<b>a�</b>'
    """
    return HIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def capped(text: str, limit: int, *, tail: bool = False) -> tuple[str, int]:
    """Return at most so many characters of a text (its end with ``tail``) and how many were left out."""
    cut = max(0, len(text) - limit)
    return (text[cut:] if tail else text[: len(text) - cut]), cut


def as_float(value: Any) -> float:
    """Return a number, or NaN; stored JSON writes numbers that are not finite as text."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def finite(*values: float) -> bool:
    """Tell whether all values can be drawn."""
    return all(math.isfinite(v) and abs(v) < 1e100 for v in values)


def number(value: Any) -> str:
    """Return a number in at most four significant digits, thousands apart; ``-`` for what is none.

    >>> number(0.68712), number(336776), number(float("nan"))
    ('0.6871', '336,776', '-')
    """
    known = as_float(value)
    if not math.isfinite(known):
        return "-"
    if (isinstance(value, int) or abs(known) >= 1000) and abs(known) < LARGE:
        return f"{known:,.0f}"
    return f"{known:.4g}"


def percent(share: Any) -> str:
    """Return a share in [0, 1] as a percentage.

    >>> percent(0.2273)
    '22.7 %'
    """
    known = 100 * as_float(share)
    if not math.isfinite(known):
        return "-"
    return f"{known:.1f} %" if abs(known) < LARGE else f"{number(known)} %"


def interval(low: Any, high: Any, sign: bool = False) -> str:
    """Return two bounds as ``[low, high]``, or nothing where there are none.

    >>> interval(0.0081, 0.0234)
    '[0.0081, 0.0234]'
    """
    bounds = as_float(low), as_float(high)
    if not finite(*bounds):
        return ""
    return "[" + ", ".join(signed(b) if sign else number(b) for b in bounds) + "]"


def measured(value: Any, low: Any, high: Any, sign: bool = False) -> tuple[str, str]:
    r"""Return a value and its interval, as fine as the interval is wide: more digits would be noise.

    >>> measured(0.691623, 0.675402, 0.707518)
    ('0.692', '[0.675,\xa00.708]')
    """
    numbers = as_float(value), as_float(low), as_float(high)
    if not finite(*numbers) or numbers[2] <= numbers[1]:
        return signed(value) if sign else number(value), interval(low, high, sign) or "-"
    if max(map(abs, numbers)) >= LARGE or (width := numbers[2] - numbers[1]) < SMALL:
        return signed(value) if sign else number(value), interval(low, high, sign)
    places = max(0, 1 - math.floor(math.log10(width)))
    texts = [f"{n:{'+' if sign else ''},.{places}f}" for n in numbers]
    return texts[0], f"[{texts[1]},\N{NO-BREAK SPACE}{texts[2]}]"


def signed(value: Any) -> str:
    """Return a difference with its sign."""
    known = as_float(value)
    return f"{'+' if known > 0 else ''}{number(known)}"


def count(amount: int, noun: str, plural: str = "") -> str:
    """Return an amount with its noun.

    >>> count(1, "run"), count(2, "run")
    ('1 run', '2 runs')
    """
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def joined(words: Sequence[str], last: str = "and") -> str:
    """Return words as a list in a sentence.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def when(at: Any) -> str:
    """Return an ISO time as people write it, in UTC, to the minute.

    >>> when("2013-04-30T23:59:59.000001+00:00")
    '30 April 2013, 23:59 UTC'
    """
    try:
        moment = datetime.fromisoformat(str(at)).astimezone(UTC)
    except (ValueError, OverflowError):
        return str(at or "-")
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment:%Y, %H:%M} UTC"


def stamp(at: Any) -> str:
    r"""Return an ISO time for a table, in UTC.

    >>> stamp("2013-04-30T23:59:59.000001+00:00")
    '2013-04-30\xa023:59'
    """
    try:
        return f"{datetime.fromisoformat(str(at)).astimezone(UTC):%Y-%m-%d\N{NO-BREAK SPACE}%H:%M}"
    except (ValueError, OverflowError):
        return str(at or "-")


def is_over(end: Any, at: Any) -> bool:
    """Tell whether a time is not after another; what cannot be read as a time holds for nobody, so it is over.

    >>> is_over("2013-08-01", "2013-07-31T23:59:59+00:00"), is_over("2013-08-01", "2013-08-01T02:00:00+02:00")
    (False, True)
    """
    last, now = utc(end), utc(at)
    return last is None or now is None or last <= now


def utc(at: Any) -> str | None:
    """Return an ISO time in UTC, which is meant where no zone is said; None for what is no time.

    >>> utc("2013-08-01T02:00:00+02:00"), utc("soon")
    ('2013-08-01T00:00:00.000000+00:00', None)
    """
    try:
        moment = datetime.fromisoformat(str(at))
        known = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the first and last hours of all years are in no year elsewhere
        return None
    return known.isoformat(timespec="microseconds")


def says(question: str, answer: str) -> str:
    """Return what a report asks and answers as one line; an answer the question holds is not said twice.

    >>> says("Replace it?", "Recommended: yes"), says("Notebook 'a.ipynb' failed in cell 8 of 18", "failed")
    ('Replace it? Recommended: yes', "Notebook 'a.ipynb' failed in cell 8 of 18")
    """
    if question.endswith("?"):
        return f"{question} {answer}"
    return question if re.search(rf"\b{re.escape(answer)}\b", question, re.IGNORECASE) else f"{question}: {answer}"


def duration(seconds: Any) -> str:
    """Return seconds as people say them.

    >>> duration(0.4), duration(75), duration(7300)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    known = as_float(seconds)
    if not math.isfinite(known):
        return "-"
    if known < 0.01:
        return "under 0.01 s"
    if known < 60 or known >= LARGE:
        return f"{known:.2g} s"
    minutes, rest = divmod(round(known), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def short(value: Any, most: int = 300) -> str:
    """Return a setting as text, cut where it is long.

    >>> short("linear"), short([1, None]), short("abcdef", 4)
    ('linear', '[1, null]', 'abc…')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def size(size_bytes: Any) -> str:
    """Return bytes as people say them.

    >>> size(1500), size(2_500_000)
    ('1.5 kB', '2.5 MB')
    """
    known = as_float(size_bytes)
    if not math.isfinite(known):
        return "-"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if known >= scale:
            return f"{known / scale:.3g} {unit}"
    return f"{known:.0f} B"


MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
