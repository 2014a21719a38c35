"""The few pieces every view is built from: escaped text, numbers, tables, cards, images.

Inline styles only: an untrusted notebook strips ``<style>`` and scripts, and keeps these. Colours come with a
word and a shape, and carry their own light ground, for a page's theme cannot reach inside.
"""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["as_text", "card", "esc", "fold", "image", "lines", "note", "number", "percent", "shown", "status", "table"]

FONT = "font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:13px;line-height:1.45"
GOOD, WARN, BAD, QUIET = "#1a6b3c", "#7a5200", "#a3211b", "#4d5560"
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
TEXT, FORMULA, MARK = re.compile(">[^<]+"), re.compile(r"\$[^$]*\$|\\[(\[]|\\begin"), re.compile(r"[$\\]")
EMPTY = re.compile(r"\n(?=[ \t]*\n)")
SHAPES = {GOOD: "●", WARN: "▲", BAD: "■", QUIET: "○"}
WORDS = {  # as in extension/src/draw/nodes.ts
    GOOD: "finished,passed,ok,better,non-inferior,completed,done,shown,keep,complete,approved,accepted,answered,"
    "met,ready",
    WARN: "running,warning,notice,inconclusive,interrupted,abandoned,retrain,incomplete,open,stale,started,"
    "approved with conditions,changes requested,change the model,not shown,partly,untrusted",
    BAD: "failed,issue,alert,worse,kernel_died,timed_out,broken,stop,stopped,missed,rejected,blocking,fix the data,"
    "missing",
}
COLOURS = {word: colour for colour, words in WORDS.items() for word in words.split(",")}


def shown(text: str) -> str:
    r"""Return a text with a visible mark for each character that acts on a screen instead of standing there.

    >>> shown("a\x1b[2Jb\u202e") == "a\ufffd[2Jb\ufffd"
    True
    """
    return HIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def esc(value: Any) -> str:
    """Return any value as HTML text; control and bidirectional override characters become visible marks."""
    return html.escape(shown(str(value)), quote=True)


def note(said: str) -> str:
    """Return words that matter less, below a view."""
    return f'<div style="{FONT};opacity:.75;margin-top:4px">{esc(said)}</div>'


def as_text(page: str) -> str:
    """Return HTML whose text stays text: money is no formula to MathJax, an empty line no end of it in Markdown.

    >>> as_text("<p>$5 a day, $6 a night</p>")
    '<p><span>$</span>5 a day, <span>$</span>6 a night</p>'
    """
    apart = TEXT.sub(lambda t: MARK.sub(r"<span>\g<0></span>", t[0]) if FORMULA.search(t[0]) else t[0], page)
    return EMPTY.sub("&#10;", apart)


def number(value: Any) -> str:
    """Return a number for people: four significant digits, thousands apart, ``-`` for nothing.

    >>> number(0.68712), number(336776), number(None), number(1234.5)
    ('0.6871', '336,776', '-', '1,234')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def percent(share: Any) -> str:
    """Return a share as a percentage.

    >>> percent(0.2273)
    '22.7 %'
    """
    return "-" if share is None else f"{100 * float(share):.1f} %"


def status(word: str) -> str:
    """Return a status as shape, word and colour; where a page takes styles away it is bold, apart from what follows."""
    colour = COLOURS.get(word, QUIET)
    ground = f"color:{colour};background:#fff;border:1px solid {colour};border-radius:3px"
    style = f"{ground};padding:0 6px;white-space:nowrap;font-weight:normal"
    return f'<strong style="{style}">{SHAPES[colour]} {esc(word.replace("_", " "))}</strong>'


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "", raw: bool = False) -> str:
    """Return a table; cells are escaped unless ``raw``."""
    cell = "padding:2px 10px 2px 0;text-align:left;vertical-align:top;border-bottom:1px solid #8884"
    heads = "".join(f'<th scope="col" style="{cell}">{esc(h)}</th>' for h in headers)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cell}">{c if raw else esc(c)}</td>' for c in row) + "</tr>" for row in rows
    )
    title = f'<caption style="text-align:left;padding:2px 0">{esc(caption)}</caption>' if caption else ""
    style = f"border-collapse:collapse;{FONT}"
    return f'<table style="{style}">{title}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def card(title: str, status_word: str = "", body: str = "", hint: str = "") -> str:
    """Return a titled card; ``body`` is HTML already."""
    head = f"<strong>{esc(title)}</strong> {status(status_word) if status_word else ''}"
    foot = f'<div style="opacity:.75;margin-top:4px">{esc(hint)}</div>' if hint else ""
    style = f"{FONT};border:1px solid #8886;border-left:3px solid {COLOURS.get(status_word, QUIET)};padding:8px 12px"
    return f'<div style="{style};border-radius:4px;max-width:960px"><div>{head}</div>{body}{foot}</div>'


def fold(summary: str, body: str) -> str:
    """Return HTML that opens on demand; ``body`` is HTML already."""
    return f'<details style="margin-top:4px"><summary>{esc(summary)}</summary>{body}</details>'


def image(svg: str, alt: str, width: int = 320) -> str:
    """Return an SVG as an image tag: scripts in it cannot run, and untrusted notebooks show it.

    Its height is said too: a page that shows no such pictures leaves room for the words in their place, no more.
    """
    data = base64.b64encode(svg.encode()).decode()
    drawn = SIZE.search(svg)
    size = f'width="{width}"' + (f' height="{width * float(drawn[2]) / float(drawn[1]):.0f}"' if drawn else "")
    return f'<img alt="{esc(alt)}" {size} style="vertical-align:middle" src="data:image/svg+xml;base64,{data}">'


def lines(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table as aligned text."""
    cells = [[str(h) for h in headers], *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)
