"""Markdown of a notebook as safe HTML: no raw HTML, no address that can be followed, no picture from elsewhere."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, MutableSequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import mistune

from nbmlops.report import markup, pictures
from nbmlops.report.text import visible

__all__ = ["Heading", "rendered"]

LOWEST, MAX_ADDRESS = 4, 200
DATA = re.compile(r"data:(image/(?:png|jpeg));base64,(.*)", re.DOTALL)
BREAK = re.compile(r"(?i)<br */?>")


@dataclass(frozen=True)
class Heading:
    """A heading of a notebook: its number on the page, how deep it is, and its words."""

    number: int
    level: int
    text: str


def rendered(
    text: str,
    outline: MutableSequence[Heading] | None = None,
    attachments: Mapping[str, Any] | None = None,
    picture_bytes: int = 300_000,
) -> str:
    r"""Return Markdown as HTML of our own tags.

    Raw HTML is shown as the text it is, a link as its words with its address, ``$x$`` as it was written. Pictures must
    be inside: as data, or attached to the cell.

    Parameters
    ----------
    text : str
        The source of a Markdown cell, or of an output.
    outline : list, optional
        Grows by the headings met, which are real ones then (``h2`` to ``h4``, no level skipped); without it they are
        bold paragraphs.
    attachments : mapping, optional
        As nbformat keeps them: name to MIME bundle.
    picture_bytes : int
        What a picture may have.

    Raises
    ------
    RecursionError
        The text nests deeper than Python can follow.

    Examples
    --------
    >>> rendered("# Late *flights*\n\n[more](http://example.org) <b>")
    '<p><strong>Late <em>flights</em></strong></p>\n<p>more (http://example.org) &lt;b&gt;</p>\n'
    """
    writer = _Writer(outline, attachments or {}, picture_bytes)
    read = mistune.create_markdown(renderer=writer, plugins=["table", "strikethrough", "math"])
    writer.register("inline_math", lambda _, text: f"${html.escape(text)}$")
    writer.register("block_math", lambda _, text: f"<p>$${html.escape(text)}$$</p>\n")
    return markup.allowed(str(read(visible(text))), markup.PROSE)


class _Writer(mistune.HTMLRenderer):
    """Writes the tags of ``markup.PROSE`` only; raw HTML is escaped."""

    def __init__(
        self, outline: MutableSequence[Heading] | None, attachments: Mapping[str, Any], picture_bytes: int
    ) -> None:
        super().__init__(escape=True)
        self.outline, self.attachments, self.picture_bytes = outline, attachments, picture_bytes

    def text(self, text: str) -> str:
        return html.escape(html.unescape(text))

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        if self.outline is None:
            return f"<p><strong>{text}</strong></p>\n"
        above = self.outline[-1].level if self.outline else 1
        level = min(level + 1, above + 1, LOWEST)
        words = html.unescape(re.sub(r"<[^>]*>", "", text)).strip() or "Without a title"
        self.outline.append(Heading(len(self.outline) + 1, level, words))
        return f'<h{level} id="part-{len(self.outline)}">{text or words}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        address = html.escape(_shown(url))
        bare = address.removeprefix("mailto:")
        return text if url.startswith("#") or text in (address, bare) else f"{text} ({address})"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        alt = re.sub(r"<[^>]*>", "", text)
        inside, wrong = self._picture(url)
        if inside:
            return f'<img src="{inside}" alt="{alt or "Picture without a description"}">'
        return f"<em>{alt or 'Picture'} ({html.escape(wrong)})</em>"

    def inline_html(self, html: str) -> str:
        return "<br>" if BREAK.fullmatch(html) else self.escape_raw(html)

    def _picture(self, url: str) -> tuple[str, str]:
        if data := DATA.fullmatch(unquote(url)):
            return pictures.source(data[1], data[2], self.picture_bytes)
        if url.startswith("attachment:"):
            bundle = dict(self.attachments.get(unquote(url.removeprefix("attachment:"))) or {})
            for mime in ("image/png", "image/jpeg"):
                if mime in bundle:
                    return pictures.source(mime, str(bundle[mime]), self.picture_bytes)
        return "", f"a picture from elsewhere is not shown: {_shown(url)}"


def _shown(address: str) -> str:
    return address if len(address) <= MAX_ADDRESS else f"{address[:MAX_ADDRESS]}…"
