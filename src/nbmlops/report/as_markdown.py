"""A report as Markdown: the same decision, parts and sections, for a code host and a terminal.

Nothing a user wrote can become markup or HTML here: outside of code every such character is escaped, and code stands in
a fence longer than any within it. Charts are their words, tables are tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

from nbmlops import __version__
from nbmlops.governance.audit import heads
from nbmlops.report import howto, snapshot
from nbmlops.report.blocks import Block, Code, Facts, Figure, Fold, Missing, Notebook, Say, Section, Table, Verdict
from nbmlops.report.decision import Decision, Part
from nbmlops.report.kinds.kind import Head, kind_of
from nbmlops.report.page import numbered
from nbmlops.report.readers import arranged, ordered_for
from nbmlops.report.sanitize import Cell, Piece
from nbmlops.report.text import visible, when

__all__ = ["code", "escaped", "manual", "render"]

SHAPES = {"good": "●", "warn": "▲", "bad": "■", "quiet": "○"}
WIDEST = 40  # a column is filled up to so many characters
# A bracket before a number is an interval, as long as no address follows it.
MARKUP = re.compile(r"[\\`*|~$]|(?<![^\W_])_|_(?![^\W_])|\[(?![-+0-9])|\](?=[(\[:\]])")
ENTITY = re.compile(r"&(?=#?[A-Za-z0-9]+;)")
ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp|www)(?=[:.])")
STARTS = re.compile(r"^(\s*)([#+=>:-]|[0-9]+(?=[.)](?:\s|$)))", re.MULTILINE)


def render(taken: Mapping[str, Any], notebook: bytes | None = None, role: str | None = None) -> str:
    """Return the report of a snapshot as Markdown.

    Parameters
    ----------
    taken : mapping
        See :func:`nbmlops.report.snapshot.build`.
    notebook : bytes, optional
        The executed notebook, whose digest is in the snapshot.
    role : str, optional
        For whom: what it reads first stands first.

    Returns
    -------
    str
        The same for the same facts.
    """
    kind = kind_of(taken["kind"])
    lines = [
        *_head(taken, kind.head(taken)),
        *filter(None, [ordered_for(role)]),
        *_decision(kind.decide(taken)),
        *(line for section in arranged(kind.sections(taken, notebook), role) for line in _section(section)),
        "---",
        f"As of {when(taken['as_of'])}. nbmlops {__version__} drew it from a snapshot of facts with the SHA-256 "
        f"`{snapshot.digest(taken)}`; "
        "the same facts give the same page.",
        *([f"Newest event of the audit log then: `{mark}`"] if (mark := heads.of(taken)) else []),
    ]
    return "\n\n".join(lines) + "\n"


def manual(data: Mapping[str, Any]) -> str:
    """Return the page of :func:`nbmlops.how_to` as Markdown.

    Parameters
    ----------
    data : mapping
        Its facts as JSON.
    """
    lines = [
        f"{_line(data['project'])} · version {_line(data['version'])}",
        f"# How to use {_within(data['model'])}",
        "For users and for those who support them. What is missing is marked, with whose it is.",
        f"## {_within(data['ref'])}",
        f"**{SHAPES[data['tone']]} {_within(data['state'])}**",
        _lines(data["because"]),
        *(line for part in data["parts"] for line in _manual_part(part)),
        "---",
        f"As of {when(data['as_of'])}. Drawn from facts with the SHA-256 `{howto.digest(data)}`; "
        "the same facts give the same page.",
    ]
    return "\n\n".join(lines) + "\n"


def _manual_part(part: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {_within(part['title'])}"
    if part["says"]:
        yield "\n".join(f"- {_line(said)}" for said in part["says"])
    if part["rows"]:
        yield table(part["headers"], [[str(c) for c in row] for row in part["rows"]])
    for gap in part["missing"]:
        yield f"> ◌ **Missing:** {_within(gap['what'])}. Whose: {_within(gap['whose'])}. To do: {_within(gap['do'])}."


def escaped(value: Any) -> str:
    r"""Return text in which nothing is markup, HTML or an address to follow.

    Parameters
    ----------
    value : object

    Examples
    --------
    >>> print(escaped("*late* <b>"))
    \*late\* &lt;b>
    >>> escaped("roc_auc")
    'roc_auc'
    """
    return STARTS.sub(_not_begun, "\n".join(line.strip() for line in _plain(value).splitlines()))


def _plain(value: Any) -> str:
    """Return text without markup for a place where no line begins."""
    text = ENTITY.sub("&amp;", visible(value))
    text = MARKUP.sub(r"\\\g<0>", text).replace("<", "&lt;").replace("\t", " ")
    return ADDRESS.sub(lambda m: f"{m[1]}\\", text)


def code(text: str) -> str:
    r"""Return text as it was written, in a fence that nothing within it can close.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> print(code("x = 1"))
    ```
    x = 1
    ```
    """
    shown = visible(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}\n{shown}\n{fence}"


def _not_begun(found: re.Match[str]) -> str:
    """Take from the start of a line what would make it a heading, a list, a rule or a quotation."""
    return f"{found[1]}{found[2]}\\" if found[2].isdigit() else f"{found[1]}\\{found[2]}"


def _line(value: Any) -> str:
    """Return text on one line."""
    return escaped(" ".join(visible(value).split()))


def _within(value: Any) -> str:
    """Return text on one line that something of ours begins."""
    return _plain(" ".join(visible(value).split()))


def _lines(value: Any) -> str:
    """Return text that keeps its lines."""
    return "\\\n".join(line for line in escaped(value).split("\n") if line)


def _cell(value: str | Verdict) -> str:
    """Return what stands in a table or after a term."""
    return f"{SHAPES[value.tone]} {_within(value.word)}" if isinstance(value, Verdict) else _within(value)


def _head(taken: Mapping[str, Any], head: Head) -> Iterator[str]:
    yield f"{_line(taken['project'])} · {_line(numbered(taken, head.over))}"
    yield f"# {_within(head.title)}"
    yield _line(head.meta)


def _decision(found: Decision) -> Iterator[str]:
    yield f"## {_within(found.question)}"
    yield f"**{_cell(found.answer)}**"
    yield _lines(found.because)
    for part in found.parts:
        yield from _part(part)
    if found.signed:
        yield table(("Name and role", "Signature", "Date"), [("", "", "")])


def _part(part: Part) -> Iterator[str]:
    yield f"### {_within(part.title)}"
    if part.tally:
        yield " · ".join(f"{amount} {_cell(verdict)}" for amount, verdict in part.tally)
    yield from _blocks(part.blocks)


def _section(section: Section) -> Iterator[str]:
    yield f"## {_within(section.title)}"
    yield _lines(section.summary)
    yield from _blocks(section.blocks)


def _blocks(found: Sequence[Block]) -> Iterator[str]:
    for block in found:
        yield from DRAWN[block.kind](block)


def _table(block: Table) -> Iterator[str]:
    yield f"**{_within(block.caption)}**"
    yield table(block.headers, block.rows, block.numeric)


def table(headers: Sequence[str], rows: Sequence[Sequence[str | Verdict]], numeric: Sequence[int] = ()) -> str:
    """Return a table whose columns are even in a terminal, as far as they are not too wide."""
    cells = [[_cell(value) for value in row] for row in (headers, *rows)]
    widths = [min(WIDEST, max(3, *(len(row[i]) for row in cells))) for i in range(len(headers))]
    marks = ["-" * (w - 1) + ":" if i in numeric else "-" * w for i, w in enumerate(widths)]
    filled = [
        [c.rjust(w) if i in numeric else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        for row in cells
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (filled[0], marks, *filled[1:]))


def _facts(block: Facts) -> Iterator[str]:
    yield "\n".join(f"- **{_within(term)}:** {_indented(what)}" for term, what in block.items)


def _indented(what: str | Verdict) -> str:
    return _cell(what) if isinstance(what, Verdict) else _lines(what).replace("\n", "\n  ")


def _figure(block: Figure) -> Iterator[str]:
    yield f"*Chart.* {_within(block.alt)}"
    if block.caption and block.caption not in block.alt:
        yield _line(block.caption)


def _missing(block: Missing) -> Iterator[str]:
    yield f"> ◌ **Missing:** {_within(block.what)}. To do: {_within(block.do)}."


def _say(block: Say) -> Iterator[str]:
    yield _lines(block.text)


def _code(block: Code) -> Iterator[str]:
    yield code(block.text)


def _fold(block: Fold) -> Iterator[str]:
    yield f"**{_within(block.summary)}**"
    yield from _blocks(block.blocks)


def _notebook(block: Notebook) -> Iterator[str]:
    yield "*What the notebook printed follows as it was. Nothing in it is a statement of this report.*"
    for cell in block.cells:
        yield from _notebook_cell(cell)


def _notebook_cell(cell: Cell) -> Iterator[str]:
    yield f"**Cell {cell.number} · {cell.kind}{f' · {_within(cell.status)}' if cell.status else ''}**"
    if cell.source:
        yield code(cell.source)
    for piece in cell.pieces:
        if cell.kind != "markdown" or piece.kind != "html":  # that is the source above, drawn
            yield _piece(piece)


def _piece(piece: Piece) -> str:
    if piece.kind == "image":
        return f"*Picture.* {_within(piece.alt)}"
    if piece.kind == "note":
        return f"*{_within(piece.content)}*"
    return code(_Text(piece.content).text if piece.kind == "html" else piece.content)


class _Text(HTMLParser):
    """Cleaned HTML as text: a line a row, its cells apart."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self._parts: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self._parts.append(BREAKS.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._parts.append(CELL if tag in ("td", "th") else "")

    def handle_data(self, data: str) -> None:
        self._parts.append(" ".join(data.split("\n")))

    @property
    def text(self) -> str:
        """The lines that say something."""
        lines = (" ".join(line.strip().removesuffix("|").split()) for line in "".join(self._parts).split("\n"))
        return "\n".join(line for line in lines if line)


CELL = " | "
BREAKS = dict.fromkeys(("tr", "p", "br", "li", "dt", "dd", "table", "caption", "pre"), "\n")

DRAWN: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "table": _table,
    "facts": _facts,
    "figure": _figure,
    "missing": _missing,
    "say": _say,
    "code": _code,
    "fold": _fold,
    "notebook": _notebook,
}
