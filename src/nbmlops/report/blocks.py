"""What a section is made of: plain records, so that no section, ours or another's, can pass HTML to the page."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from nbmlops.report import charts
from nbmlops.report.sanitize import Cell

__all__ = [
    "Block",
    "Code",
    "Facts",
    "Figure",
    "Fold",
    "Links",
    "Missing",
    "Notebook",
    "Say",
    "Section",
    "Table",
    "Verdict",
    "verdict",
]

Tone = Literal["good", "warn", "bad", "quiet"]
TONES: dict[str, Tone] = {
    **dict.fromkeys(
        ("passed", "ok", "shown", "better", "non-inferior", "finished", "completed", "yes", "done"), "good"
    ),
    **dict.fromkeys(("warning", "notice", "not shown", "inconclusive", "running", "interrupted", "abandoned"), "warn"),
    **dict.fromkeys(("issue", "alert", "worse", "failed", "broken", "no"), "bad"),
}


@dataclass(frozen=True)
class Verdict:
    """A judgement: the page shows it as shape, word and colour."""

    word: str
    tone: Tone = "quiet"


class Links(str):
    """Titles of sections, as text; on a page each leads to its section."""

    to: tuple[tuple[str, str], ...]  # key and title

    @classmethod
    def to_those(cls, keys: Iterable[str], places: Mapping[str, str]) -> Links:
        """Return links to those of the sections that are there; ``-`` without one.

        >>> Links.to_those(["data", "none"], {"data": "Data"})
        'Data'
        """
        to = tuple((key, places[key]) for key in keys if key in places)
        made = cls(", ".join(title for _, title in to) or "-")
        made.to = to
        return made


@dataclass(frozen=True)
class Table:
    """Rows under headers. ``numeric`` columns are set right, ``tight`` ones never wrap; on a phone a row is a card."""

    kind: ClassVar[str] = "table"
    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str | Verdict]]
    numeric: Sequence[int] = ()
    tight: Sequence[int] = ()


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str | Verdict]]


@dataclass(frozen=True)
class Figure:
    """A chart as SVG, with what it says in words."""

    kind: ClassVar[str] = "figure"
    svg: str
    caption: str = ""

    @property
    def source(self) -> str:
        """The chart as an image source: what is inside cannot act."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"

    @property
    def alt(self) -> str:
        """The chart in words, computed from its numbers."""
        return charts.alt(self.svg)


@dataclass(frozen=True)
class Missing:
    """Something a reader would look for and that is not there, with what to do."""

    kind: ClassVar[str] = "missing"
    what: str
    do: str


@dataclass(frozen=True)
class Say:
    """A paragraph."""

    kind: ClassVar[str] = "say"
    text: str


@dataclass(frozen=True)
class Code:
    """Text as it was written."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Notebook:
    """The cells of a notebook, made safe."""

    kind: ClassVar[str] = "notebook"
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Fold:
    """Blocks that open on demand."""

    kind: ClassVar[str] = "fold"
    summary: str
    blocks: Sequence[Block]


Block = Table | Facts | Figure | Missing | Say | Code | Notebook | Fold


@dataclass(frozen=True)
class Section:
    """A titled part of the report; ``summary`` says in one line what the blocks show. ``folded``: opens on demand."""

    key: str
    title: str
    summary: str
    blocks: Sequence[Block]
    folded: bool = False


def verdict(word: object) -> Verdict:
    """Return the judgement of a word: what is not known is quiet.

    >>> verdict("issue").tone
    'bad'
    """
    return Verdict(str(word or "unknown").replace("_", " "), TONES.get(str(word), "quiet"))
