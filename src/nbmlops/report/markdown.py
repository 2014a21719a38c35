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

__all__ = ["Heading", "lifted", "rendered"]

LOWEST, MAX_ADDRESS = 4, 200
DATA = re.compile(r"data:(image/(?:png|jpeg));base64,(.*)", re.DOTALL)
OTHER = re.compile(r"data:([a-z]{1,20}/[a-z0-9.+-]{1,40})")
# A picture written into the text as data, long enough to leave no room for the words after it.
PASTED = re.compile(r"""(\]\(<?|\]:[ \t]*<?)data:(image/(?:png|jpeg));base64,([^\s()<>"']{200,})""")
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
    begun = len(outline or ())
    made = str(read(visible(text)))
    if markup.depth(made) <= markup.MAX_DEPTH:
        return markup.allowed(made, markup.PROSE)
    if outline:
        del outline[begun:]
    return markup.flat(made)


def lifted(text: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Return Markdown with its pasted pictures taken out as attachments, and those.

    What is left is as long as what a person wrote, so a limit of characters cuts that and not a picture.

    Examples
    --------
    >>> lifted("![late](data:image/png;base64," + "A" * 200 + ")")[0]
    '![late](attachment:pasted-1)'
    """
    taken: dict[str, dict[str, str]] = {}

    def name(found: re.Match[str]) -> str:
        taken[f"pasted-{len(taken) + 1}"] = {found[2]: unquote(found[3])}
        return f"{found[1]}attachment:pasted-{len(taken)}"

    return PASTED.sub(name, text), taken


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
        return "<br>" if BREAK.fullmatch(html) else mistune.escape(html)

    def _picture(self, url: str) -> tuple[str, str]:
        if data := DATA.fullmatch(unquote(url)):
            return pictures.source(data[1], data[2], self.picture_bytes)
        if url.startswith("attachment:"):
            bundle = dict(self.attachments.get(unquote(url.removeprefix("attachment:"))) or {})
            for mime in ("image/png", "image/jpeg"):
                if mime in bundle:
                    return pictures.source(mime, str(bundle[mime]), self.picture_bytes)
            kinds = ", ".join(visible(kind)[:40] for kind in list(bundle)[:3])
            return "", f"attached as {kinds}, which is not shown" if kinds else "its attachment is not there"
        if found := OTHER.match(url):
            return "", f"a picture written as {found[1]} is not shown"
        return "", f"a picture from elsewhere is not shown: {_shown(url)}"


def _shown(address: str) -> str:
    return address if len(address) <= MAX_ADDRESS else f"{address[:MAX_ADDRESS]}…"
