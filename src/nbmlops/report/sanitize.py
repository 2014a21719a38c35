"""A notebook made safe for a page: the only door by which its outputs enter a report.

Text is escaped by the page and capped here; pictures are checked by their first bytes and encoded again; HTML keeps the
structure of tables and text and nothing that could run, load, link, or look like a verdict of ours; everything else
becomes a visible note. Nothing is dropped in silence.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nbmlops.report.text import capped, count, size, visible

__all__ = ["Cell", "Piece", "cells", "clean_html", "pieces"]

MAX_TEXT, MAX_HTML, MAX_SOURCE, MAX_IMAGE_BYTES, MAX_PIXELS = 2_000, 32_000, 8_000, 300_000, 8_000
MAX_NOTEBOOK = 120_000  # characters of text and HTML over all cells; what is beyond is a note
TAGS = {
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
    *("p", "br", "ul", "ol", "li", "dl", "dt", "dd", "pre", "code", "em", "strong", "b", "i", "sub", "sup"),
}
DROPPED_WHOLE = {"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "head", "title"}
NUMBER = re.compile(r"[1-9][0-9]{0,2}")
PICTURES = (("image/png", b"\x89PNG\r\n\x1a\n"), ("image/jpeg", b"\xff\xd8\xff"))


@dataclass(frozen=True)
class Piece:
    """One thing to show: ``html`` is clean markup, ``image`` a data URI, ``text`` and ``note`` plain text."""

    kind: Literal["text", "html", "image", "note"]
    content: str
    alt: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook, ready for a page."""

    number: int
    kind: Literal["code", "markdown", "raw"]
    source: str
    status: str = ""
    pieces: tuple[Piece, ...] = ()


def cells(notebook: bytes) -> list[Cell]:
    """Return the cells of a notebook file, made safe.

    Parameters
    ----------
    notebook : bytes
        An ``.ipynb`` of format 4; anything else gives one cell that says so.

    Returns
    -------
    list of Cell
        At most ``MAX_NOTEBOOK`` characters in all, pictures not counted.
    """
    try:
        raw = json.loads(notebook)["cells"]
        return _within([_cell(number, cell) for number, cell in enumerate(raw, 1)])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"This notebook could not be read as format 4 ({type(error).__name__}); the file is kept as it is."
        return [Cell(1, "raw", "", pieces=(Piece("note", reason),))]


def pieces(output: Mapping[str, Any], place: str = "", tail: bool = False) -> list[Piece]:
    """Return what one output of a cell becomes.

    Parameters
    ----------
    output : mapping
        An output as nbformat writes it.
    place : str
        Said in the text alternative of pictures, such as ``cell 3``.
    tail : bool
        Keep the end of a text that is too long, not its beginning.

    Examples
    --------
    >>> pieces({"output_type": "stream", "text": "done"})
    [Piece(kind='text', content='done', alt='')]
    """
    kind = output.get("output_type")
    if kind == "stream":
        return _text(_overwritten(_joined(output.get("text", ""))), tail=tail)
    if kind == "error":
        trace = _joined([f"{line}\n" for line in output.get("traceback", [])])
        return _text(trace or f"{output.get('ename')}: {output.get('evalue')}", tail=True)
    if kind in ("display_data", "execute_result"):
        return _chosen({str(k): v for k, v in dict(output.get("data", {})).items()}, place)
    return [Piece("note", f"An output of an unknown kind ({visible(kind)}) is left out.")]


def clean_html(markup: str) -> tuple[str, int]:
    """Return markup reduced to the structure of tables and text, and how many characters were left out.

    Headings become bold paragraphs: the outline of the page stays ours.
    """
    import nh3

    rough, cut = capped(markup, 16 * MAX_HTML)
    rough = re.sub(r"(?i)<(/?)h[1-6]\b[^<>]*>", lambda m: "</strong></p>" if m[1] else "<p><strong>", rough)
    clean = _cleaned(nh3, rough)
    if len(clean) > MAX_HTML:
        end = clean.rfind("</tr>", 0, MAX_HTML)
        end = end + len("</tr>") if end > 0 else MAX_HTML
        cut += len(clean) - end
        clean = _cleaned(nh3, clean[:end])
    return visible(clean), cut


def _cleaned(nh3: Any, markup: str) -> str:
    text: str = nh3.clean(
        markup,
        tags=TAGS,
        clean_content_tags=DROPPED_WHOLE,
        attributes={"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan", "scope"}},
        attribute_filter=_attribute,
        strip_comments=True,
        link_rel=None,
        url_schemes=set(),
    )
    return text


def _attribute(tag: str, name: str, value: str) -> str | None:
    allowed = value in ("col", "row", "colgroup", "rowgroup") if name == "scope" else NUMBER.fullmatch(value)
    return value if allowed else None


def _cell(number: int, raw: Mapping[str, Any]) -> Cell:
    source, cut = capped(_joined(raw.get("source", "")), MAX_SOURCE)
    kind: Any = raw.get("cell_type") if raw.get("cell_type") in ("code", "markdown") else "raw"
    status = str(raw.get("metadata", {}).get("papermill", {}).get("status") or "")
    found = [piece for output in raw.get("outputs", []) for piece in pieces(output, f"cell {number}")]
    if cut:
        found.insert(0, _left_out(cut, "of code"))
    return Cell(number, kind, source, status, tuple(found))


def _within(found: list[Cell]) -> list[Cell]:
    """Keep to the budget: once it is spent, what follows is a note."""
    left, kept = MAX_NOTEBOOK, []
    for cell in found:
        left -= len(cell.source) + sum(len(p.content) for p in cell.pieces if p.kind != "image")
        if left < 0:
            first = f"Cells {cell.number} to {found[-1].number} are left out to keep the page small"
            kept.append(Cell(cell.number, "raw", "", pieces=(Piece("note", f"{first}; the artifact has them."),)))
            break
        kept.append(cell)
    return kept


def _chosen(data: dict[str, Any], place: str) -> list[Piece]:
    """Choose the form that reads best and cannot act: picture, our own text, table, text."""
    plain = _joined(data.get("text/plain", ""))
    found = _picture(data, plain, place)
    if not found and any(mime.startswith("application/vnd.nbmlops.") for mime in data):
        return _text(plain)
    if not found and "text/html" in data:
        clean, cut = clean_html(_joined(data["text/html"]))
        if re.sub(r"<[^>]*>|\s", "", clean):
            found = [Piece("html", clean), *([_left_out(cut, "of HTML")] if cut else [])]
    if not found and "text/markdown" in data:
        found = _text(_joined(data["text/markdown"]))
    if not found and plain:
        found = _text(plain)
    active = sorted(m for m in data if not m.startswith(("text/plain", "text/html", "text/markdown", "image/")))
    if active or not found:
        names = ", ".join(visible(m)[:80] for m in active[:4] or sorted(data)[:4]) or "no form at all"
        found.append(Piece("note", f"A form that cannot be shown on paper is left out ({names})."))
    return found


def _picture(data: dict[str, Any], plain: str, place: str) -> list[Piece]:
    alt = visible(plain)[:200] or f"Picture made by {place or 'the notebook'}"
    for mime, magic in PICTURES:
        if mime in data:
            return [_raster(mime, magic, _joined(data[mime]), alt)]
    if "image/svg+xml" in data:
        return [_vector(_joined(data["image/svg+xml"]), alt)]
    return []


def _raster(mime: str, magic: bytes, encoded: str, alt: str) -> Piece:
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content.startswith(magic):
        return Piece("note", f"Something that calls itself {mime} is no such picture and is left out.")
    if len(content) > MAX_IMAGE_BYTES or _too_wide(mime, content):
        return Piece("note", f"A picture of {size(len(content))} is left out to keep the page small.")
    return Piece("image", f"data:{mime};base64,{base64.b64encode(content).decode()}", alt)


def _vector(markup: str, alt: str) -> Piece:
    """SVG as an image source only: there scripts do not run and nothing is loaded."""
    content = markup.encode("utf-8", "replace")
    if b"<svg" not in content or len(content) > MAX_IMAGE_BYTES:
        return Piece("note", f"A drawing of {size(len(content))} is left out.")
    return Piece("image", f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}", alt)


def _too_wide(mime: str, content: bytes) -> bool:
    if mime != "image/png" or len(content) < 24:
        return False
    return bool(max(struct.unpack(">II", content[16:24])) > MAX_PIXELS)


def _text(text: str, *, tail: bool = False) -> list[Piece]:
    kept, cut = capped(visible(text).strip("\n"), MAX_TEXT, tail=tail)
    found = [Piece("text", kept)] if kept.strip() else []
    return [*found, *([_left_out(cut, "of text")] if cut else [])]


def _left_out(amount: int, what: str) -> Piece:
    return Piece("note", f"{count(amount, 'more character')} {what} left out; the artifact has all of it.")


def _overwritten(text: str) -> str:
    """Keep what a terminal would still show: a progress bar writes its line over and over."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _joined(value: Any) -> str:
    return "".join(str(part) for part in value) if isinstance(value, list) else str(value or "")
