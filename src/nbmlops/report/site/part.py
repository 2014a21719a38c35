"""What a site is made of: pages as data, parts that draw only the pages asked for, and the one way a page is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar

from nbmlops.report.blocks import Missing, Say, Verdict
from nbmlops.report.text import visible
from nbmlops.store.outline import stamp

if TYPE_CHECKING:
    import jinja2

__all__ = [
    "PER_PAGE",
    "Facts",
    "Link",
    "Page",
    "Part",
    "Section",
    "Table",
    "draw",
    "look",
    "pages",
    "seen",
    "slug",
    "template",
]

PER_PAGE = 200  # lines of a list on one page
SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
TEMPLATES = ("page.html.j2", "site.css", "search.js")


@dataclass(frozen=True)
class Link:
    """Text that leads to another page of the site; ``path`` is seen from its root."""

    text: str
    path: str


Cell = str | Verdict | Link


@dataclass(frozen=True)
class Table:
    """Rows under headers; ``numeric`` columns are set right, on a phone a row is a card."""

    kind: ClassVar[str] = "table"
    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numeric: Sequence[int] = ()
    tight: Sequence[int] = ()


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, Cell]]


Section = tuple[str, Sequence[Table | Facts | Say | Missing]]  # a heading, "" for none, and what is below it


@dataclass(frozen=True)
class Page:
    """A page as data; ``newer`` and ``older`` lead through a list."""

    path: str
    title: str
    over: str
    meta: str
    blocks: Sequence[Section]
    newer: str | None = None
    older: str | None = None
    searched: bool = False


@dataclass(frozen=True)
class Part:
    """Pages by their paths, each with a stamp of what it is drawn of; ``draw`` yields those asked for."""

    stamps: Mapping[str, str]
    draw: Callable[[Sequence[str]], Iterable[tuple[str, bytes]]]


def pages(site: str, made: Iterable[Page]) -> Part:
    """Return the part of pages whose facts are at hand."""
    known = {page.path: page for page in made}
    stamps = {path: stamp(look(), site, page) for path, page in known.items()}
    return Part(stamps, lambda paths: ((path, draw(site, known[path])) for path in paths))


def draw(site: str, page: Page) -> bytes:
    """Return a page as HTML: everything escaped, the same bytes for the same facts."""
    root = "../" * page.path.count("/")
    return _page().render(page=page, site=site, root=root).encode("utf-8", "replace")


def template(name: str) -> str:
    """Return a file of the site's templates; those of the report are its blocks and its colours."""
    folder = "site" if name in TEMPLATES else "report"
    return resources.files("nbmlops").joinpath("templates", folder, name).read_text(encoding="utf-8")


@cache
def look() -> str:
    """Return the stamp of how pages are drawn: with another version of nbmlops all are drawn again."""
    from nbmlops import __version__

    return stamp(__version__, *map(template, (*TEMPLATES, "page.css", "blocks.html.j2")))


def slug(name: str) -> str:
    """Return a file's name for a model or job: itself where that is safe everywhere, else with a mark of its own.

    >>> slug("late-flights"), slug("Late flights").startswith("Late-flights.")
    ('late-flights', True)
    """
    if SAFE_NAME.fullmatch(name) and name != "index":
        return name
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40].strip("-") or "x"
    return f"{readable}.{stamp(name)}"


def parted(items: Sequence[Any], size: int = PER_PAGE) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield items in parts of so many, numbered from 1: what comes later changes the last part only.

    >>> [(number, list(part)) for number, part in parted([1, 2, 3], 2)]
    [(1, [1, 2]), (2, [3])]
    """
    for number, start in enumerate(range(0, len(items), size), 1):
        yield number, items[start : start + size]


@cache
def _page() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=seen,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["together"] = zip
    return environment.get_template("page.html.j2")


def seen(value: Any) -> Any:
    """Make hidden characters visible; most texts have none, which is fast to tell."""
    return visible(value) if type(value) is str and not (value.isascii() and value.isprintable()) else value
