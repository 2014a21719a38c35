"""HTML of others made safe: tables and text stay, nothing that could run, load, link or look like ours.

A browser's parser makes the tree and an allow-list says what is written of it (``nh3``). How much it is given is
bounded before, because deep nesting costs it time with the square of the depth.
"""

from __future__ import annotations

import html
import re
from collections.abc import Set

from nbmlops.report.text import capped, marked, visible

__all__ = ["MAX_DEPTH", "MAX_ELEMENTS", "PROSE", "TAGS", "allowed", "clean_html", "depth", "flat"]

TAGS = {
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
    *("p", "br", "ul", "ol", "li", "dl", "dt", "dd", "pre", "code", "em", "strong", "b", "i", "sub", "sup"),
}
PROSE = TAGS | {
    "blockquote",
    "hr",
    "del",
    "h2",
    "h3",
    "h4",
    "img",
}  # of our own writer
DROPPED_WHOLE = {"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "head", "title"}
MAX_ELEMENTS, MAX_DEPTH = 1_000, 40
OPENED = re.compile(r"<(?!(?:t[dhr]|br|hr)\b)[a-z]", re.IGNORECASE)  # cells and rows do not nest by themselves
CELLS: dict[str, Set[str]] = {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan", "scope"}}
OURS: dict[str, Set[str]] = {**CELLS, "img": {"src", "alt"}, **{tag: {"id"} for tag in ("h2", "h3", "h4")}}
VALUES = {
    "colspan": re.compile(r"[1-9][0-9]{0,2}"),
    "rowspan": re.compile(r"[1-9][0-9]{0,2}"),
    "scope": re.compile(r"(?:col|row)(?:group)?"),
    "src": re.compile(r"data:image/(?:png|jpeg|svg\+xml);base64,[A-Za-z0-9+/=]+"),
    "id": re.compile(r"part-[1-9][0-9]*"),
    "alt": re.compile(r".*", re.DOTALL),
}


def clean_html(markup: str, most: int = 32_000) -> tuple[str, int]:
    """Return markup reduced to the structure of tables and text, and how many characters were left out.

    Headings become bold paragraphs: the outline of the page stays ours.

    Parameters
    ----------
    markup : str
        HTML as a notebook's output holds it.
    most : int
        Characters of what is returned, about.

    Examples
    --------
    >>> clean_html("<h1 onclick='x()'>Approved</h1><script>x()</script>")
    ('<p><strong>Approved</strong></p>', 0)
    """
    rough, cut = capped(markup, 16 * most)
    rough, more = _few(visible(rough))
    rough = re.sub(r"(?i)<(/?)h[1-6]\b[^<>]*>", lambda m: "</strong></p>" if m[1] else "<p><strong>", rough)
    clean = allowed(rough)
    if len(clean) > most:
        end = clean.rfind("</tr>", 0, most)
        end = end + len("</tr>") if end > 0 else most
        cut += len(clean) - end
        clean = allowed(clean[:end])
    return clean, cut + more


def allowed(markup: str, tags: Set[str] = TAGS) -> str:
    """Return what the allow-list leaves of markup, balanced; what nests too deep becomes its text.

    Parameters
    ----------
    markup : str
        HTML in few elements (see :func:`clean_html`), or balanced and not deep: time grows with the depth of it.
    tags : set of str
        ``TAGS``, or ``PROSE`` for what our own writer of Markdown made.

    Examples
    --------
    >>> allowed("<p><a href='javascript:x()'>here</a>")
    '<p>here</p>'
    """
    import nh3

    text: str = nh3.clean(
        markup,
        tags=set(tags),
        clean_content_tags=DROPPED_WHOLE,
        attributes={tag: set(names) for tag, names in (OURS if tags is PROSE else CELLS).items() if tag in tags},
        attribute_filter=_attribute,
        strip_comments=True,
        link_rel=None,
        url_schemes={"data"} if tags is PROSE else set(),
    )
    if depth(text) > MAX_DEPTH:
        return flat(text)
    return marked(text)  # an entity may have been what hides; nothing may go now, only be replaced


def flat(markup: str) -> str:
    """Return balanced markup as a paragraph of its text.

    >>> flat("<ul><li>a &lt; b</li></ul>")
    '<p>a &lt; b</p>'
    """
    return f"<p>{marked(html.escape(html.unescape(re.sub(r'<[^>]*>', ' ', markup)).strip()))}</p>"


def _attribute(tag: str, name: str, value: str) -> str | None:
    return value if name in VALUES and VALUES[name].fullmatch(value) else None


def _few(markup: str) -> tuple[str, int]:
    """Return markup up to the element that is one too many, and how many characters follow."""
    for amount, found in enumerate(OPENED.finditer(markup)):
        if amount == MAX_ELEMENTS:
            return markup[: found.start()], len(markup) - found.start()
    return markup, 0


def depth(balanced: str) -> int:
    """Return how deep the elements of balanced markup nest.

    >>> depth("<ul><li>a<br></li></ul>")
    2
    """
    deepest = now = 0
    for closing, _ in re.findall(r"<(/?)(?!br\b|hr\b|img\b)([a-z])", balanced):
        now += -1 if closing else 1
        deepest = max(deepest, now)
    return deepest
