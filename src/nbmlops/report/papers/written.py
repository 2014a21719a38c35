"""How a paper is written: Markdown in which what is missing is as visible as what is known, with whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nbmlops.errors import Invalid, NotFound
from nbmlops.report import page
from nbmlops.report.as_markdown import escaped, table
from nbmlops.report.text import count, joined

__all__ = ["Item", "missing", "part", "saved", "tally"]

ENDINGS = (".md", ".markdown")


class Item(NamedTuple):
    """One question of a paper: what is known of it, from where; else whose it is to say, and how."""

    title: str
    known: str | None
    source: str  # computed, or the file where it is written
    whose: str
    do: str


def part(title: str, items: Sequence[Item]) -> Iterator[str]:
    """Yield a titled part: what is known as a table, then every gap."""
    yield f"## {escaped(title)}"
    rows = [(item.title, item.known, item.source) for item in items if item.known is not None]
    if rows:
        yield table(("What", "What is known", "From"), rows)
    yield from (missing(item) for item in items if item.known is None)


def missing(item: Item) -> str:
    """Return a gap as a quotation that nobody reads over."""
    return f"> ◌ **Missing:** {escaped(item.title)}. Whose: {escaped(item.whose)}. To do: {escaped(item.do)}."


def tally(items: Iterable[Item]) -> str:
    """Return how much is known, and how many gaps each role owes.

    >>> tally([Item("Purpose", None, "", "product", "write it"), Item("Rows", "5", "computed", "", "")])
    '1 of 2 answers are known. Missing: 1 of product.'
    """
    every = list(items)
    gaps = [item.whose for item in every if item.known is None]
    said = f"{len(every) - len(gaps)} of {count(len(every), 'answer')} are known."
    owed = joined([f"{gaps.count(who)} of {who}" for who in sorted(set(gaps))])
    return f"{said} Missing: {owed}." if gaps else said


def saved(text: str, name: str, output: str | Path | None) -> Path:
    """Write a paper where it was asked for, else among the project's reports; return where.

    Raises
    ------
    NotFound
        No such folder.
    Invalid
        The file's name is no Markdown's.
    """
    if output is None:
        target = page.place_of(name, None).with_name(f"{name}.md")
    else:
        target = Path(output)
        target = target / f"{name}.md" if target.is_dir() else target
    if not target.parent.is_dir():
        raise NotFound(f"No folder {str(target.parent)!r}.", f"Make it: mkdir -p {target.parent}")
    if target.suffix.lower() not in ENDINGS:
        raise Invalid(f"A paper is Markdown, not {target.suffix or 'a file without an ending'}.", "Name a file .md.")
    page.write(target, text.encode("utf-8", "replace"))
    return target
