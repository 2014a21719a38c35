"""The pen of the charts: a card, scales, axes, marks and escaped text, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from nbmlops.report.text import visible

__all__ = [
    "BLUE",
    "GREY",
    "INK",
    "ORANGE",
    "QUIET",
    "Frame",
    "Scale",
    "box",
    "boxes",
    "cut",
    "dot",
    "lettering",
    "picture",
    "place",
    "rule",
]

INK, QUIET, GRID, EDGE, CARD = "#1d2733", "#55606e", "#e3e7ec", "#d3d9e0", "#ffffff"
BLUE, ORANGE, GREY = "#0b5c9e", "#b8480b", "#8793a1"  # apart for colour-blind readers, and apart in grey
TINY = 1e-300  # what is closer together has no round ticks between
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


class Scale:
    """Numbers to pixels, with round ticks."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, nice: bool = True, ticks: int = 5) -> None:
        low, high = min(values), max(values)
        if high - low < TINY:
            low, high = (low - 0.5, high + 0.5) if abs(low) < TINY else (low - abs(low) * 0.1, high + abs(high) * 0.1)
        self.step = _nice((high - low) / ticks)
        if nice:
            low, high = math.floor(low / self.step + 1e-9) * self.step, math.ceil(high / self.step - 1e-9) * self.step
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round numbers between the ends."""
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return [i * self.step for i in range(first, last + 1)]

    def label(self, value: float) -> str:
        """Return a tick's text, as fine as the steps are."""
        if abs(value) >= 1e5 or 0 < self.step < 1e-4:
            return f"{value:.3g}"
        return f"{value:,.{max(0, -math.floor(math.log10(self.step)))}f}"


class Frame:
    """A plot area with two scales."""

    def __init__(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        *,
        top: float,
        bottom: float,
        width: float = 480,
        height: float = 220,
        bare: bool = False,
    ) -> None:
        self.left, self.right, self.top, self.base, self.bare = 54.0, width - 18, top, height - bottom, bare
        self.across = Scale(xs, self.left, self.right, nice=not bare, ticks=6)
        self.up = Scale(ys, self.base, self.top, ticks=4)
        self.x, self.y = self.across, self.up

    def axes(self, x_label: str = "", y_label: str = "", x_format: Any = None, y_format: Any = None) -> str:
        """Return grid, tick labels and names of both axes."""
        across = "".join(f"M{place(self.left)} {place(self.y(t))}H{place(self.right)}" for t in self.up.ticks)
        rows = f'<path d="{across}" stroke="{GRID}"/>' + "".join(
            lettering(self.left - 6, self.y(t) + 4, (y_format or self.up.label)(t), anchor="end") for t in self.up.ticks
        )
        columns = (
            ""
            if self.bare
            else "".join(
                lettering(self.x(t), self.base + 15, (x_format or self.across.label)(t), anchor="middle")
                for t in self.across.ticks
            )
        )
        names = lettering((self.left + self.right) / 2, self.base + 32, x_label, anchor="middle") if x_label else ""
        names += lettering(16, self.top - 10, y_label) if y_label else ""
        return rows + columns + names + rule(self.left, self.base, self.right, self.base, QUIET)


def picture(width: int, height: int, title: str, words: str, body: str, *, heading: bool = True) -> str:
    """Return a whole SVG: card, heading, and a description for those who do not see it."""
    ground = f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="6" fill="{CARD}"'
    ground += f' stroke="{EDGE}"/>' if heading else "/>"
    head = lettering(16, 24, cut(title, (width - 32) / 7), size=13, colour=INK, weight=600) if heading else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" fill="{QUIET}" font-family="{FONT}" font-size="11">'
        f"<title>{escaped(title)}</title><desc>{escaped(words)}</desc>"
        f"{ground}{head}{body}</svg>"
    )


def lettering(
    x: float, y: float, text: str, *, anchor: str = "", size: int = 0, colour: str = QUIET, weight: int = 0
) -> str:
    """Return text at a place, escaped; quiet is the colour of the picture."""
    extra = f' fill="{colour}"' if colour != QUIET else ""
    extra += f' text-anchor="{anchor}"' if anchor else ""
    extra += f' font-size="{size}"' if size else ""
    extra += f' font-weight="{weight}"' if weight else ""
    return f'<text x="{place(x)}" y="{place(y)}"{extra}>{escaped(text)}</text>'


def rule(x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: str = "", width: float = 1) -> str:
    """Return a straight line."""
    extra = f' stroke-dasharray="{dash}"' if dash else ""
    extra += f' stroke-width="{place(width)}"' if width != 1 else ""
    return f'<line x1="{place(x1)}" y1="{place(y1)}" x2="{place(x2)}" y2="{place(y2)}" stroke="{colour}"{extra}/>'


def box(x: float, y: float, across: float, down: float, colour: str, *, edge: str = "", width: float = 1) -> str:
    """Return a filled box, with an edge where one has a colour."""
    extra = f' stroke="{edge}"' if edge else ""
    extra += f' stroke-width="{place(width)}"' if edge and width != 1 else ""
    where = f'x="{place(x)}" y="{place(y)}" width="{place(across)}" height="{place(down)}"'
    return f'<rect {where} fill="{colour}"{extra}/>'


def boxes(places: Sequence[tuple[float, float, float, float]], colour: str, edge: str) -> str:
    """Return many boxes of one look as one mark: places are left, top, width and height."""
    path = "".join(f"M{place(x)} {place(y)}h{place(w)}v{place(h)}h{place(-w)}z" for x, y, w, h in places)
    return f'<path d="{path}" fill="{colour}" stroke="{edge}"/>'


def dot(x: float, y: float, radius: float = 3) -> str:
    """Return a dot with a thin light edge, so that dots that touch stay apart."""
    return f'<circle cx="{place(x)}" cy="{place(y)}" r="{place(radius)}" fill="{BLUE}" stroke="{CARD}"/>'


def _nice(step: float) -> float:
    """Return the next of 1, 2, 2.5, 5, 10 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(step))
    return next((m * power for m in (1, 2, 5) if m * power >= step * 0.999), 10 * power)


def place(value: float) -> str:
    """Return a coordinate without needless digits."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def cut(text: str, room: float) -> str:
    """Return text that fits into some letters."""
    return text if len(text) <= room else text[: max(1, int(room) - 1)] + "…"


def escaped(text: str) -> str:
    """Return text for XML, where nothing hides."""
    return escape(visible(text), quote=True)
