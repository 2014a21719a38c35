"""Lists by month, two hundred lines a page: a new line changes the newest page only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from nbmlops.report.blocks import Say
from nbmlops.report.site.known import Known
from nbmlops.report.site.part import Link, Page, Part, Section, Table, draw, look, pages, parted
from nbmlops.report.text import MONTHS, count, number
from nbmlops.store.outline import stamp

__all__ = ["Leaves", "index", "leaves", "listing"]

Leaves = Mapping[str, Sequence[Any]]


def leaves(folder: str, lines: Iterable[Any], moment: Callable[[Any], str]) -> Leaves:
    """Return the pages of a list, oldest first: path to lines, oldest first."""
    months: dict[str, list[Any]] = defaultdict(list)
    for line in lines:
        months[moment(line)[:7]].append(line)
    return {
        f"{folder}/{month}-{number}.html": part for month in sorted(months) for number, part in parted(months[month])
    }


def listing(
    known: Known,
    found: Leaves,
    what: str,
    headers: Sequence[str],
    rows: Callable[[Known, Sequence[Any]], list[Sequence[Any]]],
    numeric: Sequence[int],
    tight: Sequence[int],
    also: Any = (),
) -> Part:
    """Return the part of a list's pages; only those asked for read what their lines say.

    ``also`` is what the cells depend on beside the lines.
    """
    around = _around([*found])
    stamps = {
        path: stamp(look(), known.site, sorted(known.private), around[path], lines, _linked(known, lines), also)
        for path, lines in found.items()
    }

    def drawn(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for path in paths:
            lines = found[path]
            table = Table(count(len(lines), "line"), headers, rows(known, lines[::-1]), numeric, tight)
            older, newer = around[path]
            words = f"{what} of {_month(path)}"
            yield path, draw(known.site, Page(path, words, what, _place(path, found), [("", [table])], newer, older))

    return Part(stamps, drawn)


def _linked(known: Known, lines: Sequence[Any]) -> list[bool]:
    """Return which lines lead to a run that has a page."""
    return [line.run_id in known.runs for line in lines]


def _around(paths: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
    """Return the older and the newer neighbour of each page."""
    older: dict[str, str] = {after: before for before, after in pairwise(paths)}
    newer: dict[str, str] = dict(pairwise(paths))
    return {path: (older.get(path), newer.get(path)) for path in paths}


def index(known: Known, folder: str, what: str, found: Leaves, more: Sequence[Section] = ()) -> Part:
    """Return the page of all months of a list, and what else belongs there."""
    rows = [
        (Link(f"{_month(path)}{_numbered(path, found)}", path), number(len(lines)))
        for path, lines in reversed([*found.items()])
    ]
    total = sum(map(len, found.values()))
    table = Table(f"{total:,} in all, the newest first", ("Month", "Lines"), rows, (1,))
    blocks: list[Section] = [("Months", [table if rows else Say("Nothing yet.")]), *more]
    return pages(known.site, [Page(f"{folder}/index.html", what, known.site, f"{total:,} in all", blocks)])


def _month(path: str) -> str:
    """Return the month of a list's page.

    >>> _month("runs/2026-11-2.html")
    'November 2026'
    """
    year, month, _ = path.rpartition("/")[2].split("-", 2)
    return f"{MONTHS[int(month) - 1]} {year}"


def _numbered(path: str, found: Leaves) -> str:
    """Return which page of its month it is, where there are more."""
    stem, _, number = path.removesuffix(".html").rpartition("-")
    return "" if f"{stem}-2.html" not in found else f", part {number}"


def _place(path: str, found: Leaves) -> str:
    return f"newest first{_numbered(path, found)}"
