"""SVG made safe: written anew from an allow-list of elements and attributes, whole or not at all.

As an image a drawing cannot act; saved and opened alone it could. What draws nothing (notes of an editor, another
vocabulary, an attribute of a tool) is not written; what could act or load makes the whole drawing be left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from xml.parsers import expat

from nbmlops.report.text import marked

__all__ = ["drawing"]

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
OF_XML, MAX_DEPTH = "http://www.w3.org/XML/1998/namespace", 200
SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "textPath", "image"}
STRUCTURE = {"svg", "g", "defs", "symbol", "use", "clipPath", "mask", "marker", "pattern", "style", "switch", "a"}
PAINT = {"linearGradient", "radialGradient", "stop", "filter", "feComposite", "feColorMatrix", "feGaussianBlur"}
EFFECTS = {"feOffset", "feMerge", "feMergeNode", "feBlend", "feFlood"}
ELEMENTS = SHAPES | STRUCTURE | PAINT | EFFECTS
NOTES = {"metadata", "title", "desc"}  # draw nothing
PLAIN = {
    *("id", "class", "d", "points", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "dx"),
    *("dy", "width", "height", "viewBox", "version", "preserveAspectRatio", "pathLength", "rotate", "textLength"),
    *("lengthAdjust", "startOffset", "offset", "gradientUnits", "gradientTransform", "spreadMethod", "patternUnits"),
    *("patternContentUnits", "patternTransform", "clipPathUnits", "maskUnits", "maskContentUnits", "markerUnits"),
    *("markerWidth", "markerHeight", "refX", "refY", "orient", "filterUnits", "primitiveUnits", "in", "in2", "result"),
    *("operator", "k1", "k2", "k3", "k4", "type", "values", "mode", "stdDeviation", "space"),
}
STYLED = {
    *("style", "transform", "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity"),
    *("stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "opacity"),
    *("color", "display", "visibility", "overflow", "clip-path", "clip-rule", "mask", "filter", "marker-start"),
    *("marker-mid", "marker-end", "stop-color", "stop-opacity", "flood-color", "flood-opacity", "font", "font-family"),
    *("font-size", "font-style", "font-weight", "font-variant", "font-stretch", "text-anchor", "text-decoration"),
    *("dominant-baseline", "alignment-baseline", "baseline-shift", "letter-spacing", "word-spacing", "writing-mode"),
    *("shape-rendering", "text-rendering", "image-rendering", "color-interpolation-filters", "vector-effect"),
    *("paint-order", "mix-blend-mode", "white-space"),
}
FUNCTIONS = {
    *("rgb", "rgba", "hsl", "hsla", "matrix", "translate", "translatex", "translatey", "scale", "scalex", "scaley"),
    *("rotate", "skewx", "skewy", "calc", "url"),
}
LINKS = {"href", "src", "srcset"}
DATA = re.compile(r"data:(image/(?:png|jpeg));base64,(.*)", re.DOTALL)
CALLED = re.compile(r"([^\s(){}:;,/*!>+~'\"]*)\(")
INSIDE = re.compile(r"""(?i)url\(\s*(["']?)#[^\s"'()]+\1\s*\)""")

Picture = Callable[[str, str], str]


class _Refused(Exception):
    """A drawing could act or load, or is more than a drawing."""


def drawing(content: bytes, picture: Picture) -> tuple[bytes, str]:
    """Return a drawing written anew, or nothing and why it is left out.

    Parameters
    ----------
    content : bytes
        The markup of an SVG.
    picture : callable
        Given the MIME type and the base64 of a picture within it, returns its safe address, or an empty text.

    Examples
    --------
    >>> drawing(b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0" data-x="1"/></svg>', lambda mime, data: "")[0]
    b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><path d="M0 0"></path></svg>'
    """
    writer = _Writer(picture)
    try:
        writer.read(content)
    except _Refused:
        return b"", "A drawing that carries code, addresses or parts that are not known is left out."
    except (expat.ExpatError, UnicodeError):
        return b"", "Something that calls itself a drawing is none and is left out."
    return "".join(writer.written).encode(), ""


class _Writer:
    """Writes what the lists allow of the elements it is told of."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.written: list[str] = []
        self.open: list[str] = []
        self.beside = 0  # how deep within what draws nothing
        self.css: list[str] = []

    def read(self, content: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = parser.ProcessingInstructionHandler = _refuse
        parser.Parse(content, True)

    def _begin(self, full: str, attributes: Mapping[str, str]) -> None:
        space, _, name = full.rpartition(" ")
        foreign = space not in ("", SVG) or name in NOTES
        if self.beside or (foreign and self.open):
            self.beside += 1
            return
        if foreign or name not in ELEMENTS or (not self.open and name != "svg"):
            raise _Refused
        if "style" in self.open or len(self.open) >= MAX_DEPTH:
            raise _Refused
        self.open.append(name)
        kept = [] if len(self.open) > 1 else [f'xmlns="{SVG}"', f'xmlns:xlink="{XLINK}"']
        kept += self._attributes(name, attributes)
        self.written.append(f"<{' '.join([name, *kept])}>")

    def _end(self, full: str) -> None:
        if self.beside:
            self.beside -= 1
            return
        if self.open[-1] == "style":
            self.written.append(escape(_style("".join(self.css))))
            self.css.clear()
        self.written.append(f"</{self.open.pop()}>")

    def _text(self, text: str) -> None:
        if self.beside:
            return
        (self.css if self.open[-1] == "style" else self.written).append(
            text if self.open[-1] == "style" else escape(marked(text))
        )

    def _attributes(self, element: str, attributes: Mapping[str, str]) -> list[str]:
        """Return attributes as they are written, each name once: a plain link goes before one of XLink."""
        kept: dict[str, str] = {}
        for full, value in attributes.items():
            written = self._attribute(element, full, value)
            name = written.partition("=")[0]
            if " " not in full or name not in kept:
                kept[name] = written
        return [written for written in kept.values() if written]

    def _attribute(self, element: str, full: str, value: str) -> str:
        """Return an attribute as it is written, or nothing where the list does not have it."""
        space, _, name = full.rpartition(" ")
        if name.lower().startswith("on"):
            raise _Refused
        if name.lower() in LINKS:
            inside = _nowhere(value) if element == "a" else self._address(element, name, value)
            return f'xlink:href="{escape(inside)}"' if inside and space in ("", XLINK) else ""
        if space != (OF_XML if name == "space" else "") or name not in PLAIN | STYLED:
            return ""
        kept = _style(value) if name in STYLED else marked(value)
        return f'{"xml:space" if space else name}="{escape(kept)}"'

    def _address(self, element: str, name: str, value: str) -> str:
        if name == "href" and value.startswith("#"):
            return marked(value)
        found = DATA.fullmatch(value) if element == "image" and name == "href" else None
        if found is None or not (inside := self.picture(found[1], found[2])):
            raise _Refused
        return inside


def _nowhere(value: str) -> str:
    """Leave a link its drawing and not its address, unless the address leads out."""
    if not value.startswith("#"):
        raise _Refused
    return ""


def _style(css: str) -> str:
    """Return a style that loads nothing: no escape, no rule that imports, known functions, addresses within."""
    rest = INSIDE.sub("", css)
    called = {name.lower() for name in CALLED.findall(rest)} - {""}
    if "\\" in css or "@" in css or "url" in called or called - FUNCTIONS:
        raise _Refused
    return marked(css)


def _refuse(*_: object) -> None:
    raise _Refused
