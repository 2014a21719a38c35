"""``%%charter``: the text of the charter in a cell, kept as ``charter.yaml``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from nbmlops.magics.base import Parser

__all__ = ["cell", "parser"]


@functools.cache
def parser() -> Parser:
    """Return the parser of what stands behind ``%%charter``."""
    parser = Parser(
        "%%charter",
        "Keep the YAML below as charter.yaml, the charter of this project, and say what changed.",
        "%%charter\n  problem: Will this flight be late\n  metrics:\n    - {name: roc_auc, at_least: 0.65}",
    )
    parser.add_argument("--force", action="store_true", help="overwrite one that is newer than this cell")
    return parser


def cell() -> Callable[[str, str], Any]:
    """Return the magic of one shell, which remembers the charter it kept last: what the next text is made from."""
    seen: list[str] = []

    def charter(line: str, body: str) -> Any:
        from nbmlops.governance.agreed_on import agree
        from nbmlops.governance.charter import parsed

        asked = parser().parse_line(line)
        parsed(f"\n{body}".encode(), "the cell")  # lines are counted from the magic's own
        kept = agree(body, base=seen[-1] if seen else None, force=asked.force)
        seen[:] = [kept.digest]
        return kept

    charter.__doc__ = parser().format_help()
    return charter
