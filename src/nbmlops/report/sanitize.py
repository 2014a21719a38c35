"""A notebook made safe for a page: the only door by which its outputs enter a report.

Text is escaped by the page and capped here; pictures are written anew from their own bytes (``pictures``); HTML keeps
the structure of tables and text and nothing that could run, load, link, or look like a verdict of ours (``markup``);
Markdown is rendered without raw HTML (``markdown``); all else becomes a visible note. Nothing is dropped in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from nbmlops.report import pictures
from nbmlops.report.markup import clean_html
from nbmlops.report.text import capped, count, visible

if TYPE_CHECKING:
    from nbmlops.report.markdown import Heading

__all__ = ["ALONE", "APPENDIX", "Cell", "Limits", "Piece", "cells", "pieces"]

NOTICE = "papermill-error-cell-tag"  # a cell papermill puts above the one that failed: a sentence in HTML
HEADING = re.compile(r'<h[2-4] id="part-([0-9]+)">')
WRONG_SHAPE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
MOST_IN_HTML = 20  # pictures shown of one output
FRAMES = re.compile(r"<(?:img|svg|canvas|video|audio|iframe|object|embed)\b", re.IGNORECASE)
IN_HTML = re.compile(
    r"""<img\b[^<>]{0,2000}?\ssrc\s{0,9}=\s{0,9}["']?data:(image/(?:png|jpeg));base64,([A-Za-z0-9+/=\s]+)""",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limits:
    """How much of a notebook a page takes: characters of one output and of one cell's source, bytes of one picture."""

    text: int
    html: int
    source: int
    picture: int
    whole: int  # characters over all cells, pictures not counted; what is beyond is a note
    rest: str


APPENDIX = Limits(2_000, 32_000, 8_000, 300_000, 100_000, "the artifact has all of it")
ALONE = Limits(60_000, 250_000, 40_000, 5_000_000, 3_000_000, "the notebook has all of it")


@dataclass(frozen=True)
class Piece:
    """One thing to show: ``html`` is clean markup, ``image`` a data URI, ``text`` and ``note`` plain text."""

    kind: Literal["text", "html", "image", "note"]
    content: str
    alt: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook, ready for a page; what a Markdown cell says is its first piece."""

    number: int
    kind: Literal["code", "markdown", "raw"]
    source: str
    status: str = ""
    pieces: tuple[Piece, ...] = ()


def cells(
    notebook: bytes | Mapping[str, Any],
    limits: Limits = APPENDIX,
    outline: MutableSequence[Heading] | None = None,
) -> list[Cell]:
    """Return the cells of a notebook file, made safe.

    Parameters
    ----------
    notebook : bytes or mapping
        An ``.ipynb`` of format 4, or what it holds; anything else gives one cell that says so.
    limits : Limits
        How much of it is wanted.
    outline : list, optional
        Grows by the headings of Markdown cells, which are real headings then; what is left out has none there.

    Returns
    -------
    list of Cell
        At most ``limits.whole`` characters in all, pictures not counted.
    """
    try:
        raw = (json.loads(notebook) if isinstance(notebook, bytes) else notebook)["cells"]
        made = (_cell_or_note(number, cell, limits, outline) for number, cell in enumerate(raw, 1))
        kept = _within(made, len(raw), limits)
    except WRONG_SHAPE as error:
        reason = f"This notebook could not be read as format 4 ({type(error).__name__}); the file is kept as it is."
        kept = [Cell(1, "raw", "", pieces=(Piece("note", reason),))]
    if outline:
        shown = {int(n) for cell in kept for piece in cell.pieces for n in HEADING.findall(piece.content)}
        outline[:] = [heading for heading in outline if heading.number in shown]
    return kept


def pieces(output: Mapping[str, Any], place: str = "", tail: bool = False, limits: Limits = APPENDIX) -> list[Piece]:
    """Return what one output of a cell becomes.

    Parameters
    ----------
    output : mapping
        An output as nbformat writes it.
    place : str
        Said in the text alternative of pictures, such as ``cell 3``.
    tail : bool
        Keep the end of a text that is too long, not its beginning.
    limits : Limits
        How much of it is wanted.

    Examples
    --------
    >>> pieces({"output_type": "stream", "text": "done"})
    [Piece(kind='text', content='done', alt='')]
    """
    kind = output.get("output_type")
    if kind == "stream":
        return _text(_overwritten(_joined(output.get("text", ""))), limits, tail=tail)
    if kind == "error":
        trace = _joined([f"{line}\n" for line in output.get("traceback", [])])
        return _text(trace or f"{output.get('ename')}: {output.get('evalue')}", limits, tail=True)
    if kind in ("display_data", "execute_result"):
        return _chosen({str(k): v for k, v in dict(output.get("data", {})).items()}, place, limits)
    return [Piece("note", f"An output of an unknown kind ({visible(kind)}) is left out.")]


def _cell_or_note(
    number: int, raw: Mapping[str, Any], limits: Limits, outline: MutableSequence[Heading] | None
) -> Cell:
    """Return a cell; one of another shape is a note and costs the others nothing."""
    try:
        return _cell(number, raw, limits, outline)
    except WRONG_SHAPE as error:
        reason = f"Cell {number} could not be read as format 4 ({type(error).__name__}); {limits.rest}."
        return Cell(number, "raw", "", pieces=(Piece("note", reason),))


def _cell(number: int, raw: Mapping[str, Any], limits: Limits, outline: MutableSequence[Heading] | None) -> Cell:
    kind: Any = raw.get("cell_type") if raw.get("cell_type") in ("code", "markdown") else "raw"
    status = str(raw.get("metadata", {}).get("papermill", {}).get("status") or "")
    written = _joined(raw.get("source", ""))
    if NOTICE in raw.get("metadata", {}).get("tags", ()):
        written = re.sub(r"<[^>]*>", "", written)
    if kind == "markdown":
        source, found = _prose(written, limits, outline, raw.get("attachments"))
    else:
        source, cut = capped(written, limits.source)
        found = [_left_out(cut, "of code", limits)] if cut else []
    for output in raw.get("outputs", []):
        found += pieces(output, f"cell {number}", limits=limits)
    return Cell(number, kind, source, status, tuple(found))


def _within(made: Iterable[Cell], amount: int, limits: Limits) -> list[Cell]:
    """Keep to the budget: once it is spent, what follows is a note and is not looked at."""
    left, kept = limits.whole, []
    for cell in made:
        left -= sum(_characters(piece) for piece in cell.pieces) + (len(cell.source) if cell.kind != "markdown" else 0)
        if left < 0:
            first = f"Cells {cell.number} to {amount} are left out to keep the page small"
            kept.append(Cell(cell.number, "raw", "", pieces=(Piece("note", f"{first}; {limits.rest}."),)))
            break
        kept.append(cell)
    return kept


def _characters(piece: Piece) -> int:
    pictures_left = re.sub(r'src="[^"]*"', "", piece.content) if piece.kind == "html" else piece.content
    return 0 if piece.kind == "image" else len(pictures_left)


def _chosen(data: dict[str, Any], place: str, limits: Limits) -> list[Piece]:
    """Choose the form that reads best and cannot act: picture, our own text, table, text."""
    plain = _joined(data.get("text/plain", ""))
    found = _picture(data, plain, place, limits)
    if not found and any(mime.startswith("application/vnd.nbmlops.") for mime in data):
        return _text(plain, limits)
    for form in _forms(data, plain, limits):
        found = found or form
    shown = ("text/plain", "text/html", "text/markdown", *(("image/",) if {*data} & {*PICTURES} else ()))
    active = sorted(m for m in data if not m.startswith(shown))
    if active or not found:
        names = ", ".join(visible(m)[:80] for m in active[:4] or sorted(data)[:4]) or "no form at all"
        found.append(Piece("note", f"A form that cannot be shown on paper is left out ({names})."))
    return found


def _forms(data: dict[str, Any], plain: str, limits: Limits) -> Iterator[list[Piece]]:
    """Give what is read, the best form first; a form with nothing in it is empty."""
    notes: list[Piece] = []
    if "text/html" in data:
        found, notes = _html(_joined(data["text/html"]), limits)
        if found:
            yield [*found, *notes]
    if "text/markdown" in data:
        yield _prose(_joined(data["text/markdown"]), limits)[1]
    yield [*_text(plain, limits), *notes]


def _html(markup: str, limits: Limits) -> tuple[list[Piece], list[Piece]]:
    """Return what is shown of HTML, the pictures it holds below it, and what is said of the rest."""
    clean, cut = clean_html(markup, limits.html)
    found = [Piece("html", clean)] if re.sub(r"<[^>]*>|\s", "", clean) else []
    notes = [_left_out(cut, "of HTML", limits)] if cut and found else []
    held = islice(IN_HTML.finditer(markup), MOST_IN_HTML)
    sources = (pictures.source(mime.lower(), encoded, limits.picture) for mime, encoded in (m.groups() for m in held))
    images = [
        Piece("image", source, "Picture in HTML, without a description") for source, wrong in sources if not wrong
    ]
    if more := len(FRAMES.findall(markup)) - len(images):
        notes.append(Piece("note", f"{count(more, 'picture or frame', 'pictures or frames')} in HTML left out."))
    return [*found, *images], notes


def _prose(
    written: str, limits: Limits, outline: MutableSequence[Heading] | None = None, attachments: Any = None
) -> tuple[str, list[Piece]]:
    """Return as much of Markdown as a page takes, pasted pictures not counted, and what it becomes."""
    from nbmlops.report.markdown import lifted, rendered

    short, pasted = lifted(written)
    source, cut = capped(short, limits.source)
    rest = [_left_out(cut, "of text", limits)] if cut else []
    try:
        clean = rendered(source, outline, {**(attachments or {}), **pasted}, limits.picture)
    except RecursionError:
        return source, [*_text(source, limits), *rest]
    return source, [*([Piece("html", clean)] if re.sub(r"<(?!img)[^>]*>|\s", "", clean) else []), *rest]


def _picture(data: dict[str, Any], plain: str, place: str, limits: Limits) -> list[Piece]:
    mime = next((m for m in PICTURES if m in data), None)
    if mime is None:
        return []
    source, wrong = pictures.source(mime, _joined(data[mime]), limits.picture)
    alt = visible(plain)[:200] or f"Picture made by {place or 'the notebook'}"
    return [Piece("note", wrong) if wrong else Piece("image", source, alt)]


def _text(text: str, limits: Limits, *, tail: bool = False) -> list[Piece]:
    kept, cut = capped(visible(text).strip("\n"), limits.text, tail=tail)
    found = [Piece("text", kept)] if kept.strip() else []
    return [*found, *([_left_out(cut, "of text", limits)] if cut else [])]


def _left_out(amount: int, what: str, limits: Limits) -> Piece:
    return Piece("note", f"{count(amount, 'more character')} {what} left out; {limits.rest}.")


def _overwritten(text: str) -> str:
    """Keep what a terminal would still show: a progress bar writes its line over and over."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _joined(value: Any) -> str:
    return "".join(str(part) for part in value) if isinstance(value, list) else str(value or "")
