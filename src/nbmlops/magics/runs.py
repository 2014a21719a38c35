"""``%runs`` and ``%compare``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid
from nbmlops.magics.base import Magic, Parser

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


def _runs_parser() -> Parser:
    parser = Parser(
        "%runs", "Show runs as a table, newest first.", '%runs "roc_auc > 0.6" --sort -roc_auc\n  %runs --limit 100'
    )
    parser.add_argument("query", nargs="?", metavar="QUERY", help="such as: roc_auc > 0.6 and C <= 1")
    parser.add_argument("--sort", help="a column; a minus before it means largest first")
    parser.add_argument("--limit", type=int, default=20, help="at most so many (20)")
    parser.add_argument("--children", action="store_true", help="also runs that are part of another")
    return parser


def _runs(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.tracking.overview import overview

    return overview(args.query, args.sort, args.limit, args.children)


def _compare_parser() -> Parser:
    parser = Parser("%compare", "Set runs side by side and show what differs.", "%compare forest logistic")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="none: the last run of this notebook and the one before")
    return parser


def _compare(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.tracking.runs import compare, last_repeat

    refs = args.runs or last_repeat()
    if len(refs) < 2:
        raise Invalid(f"%compare needs two runs, not {len(refs)}.", "Type %compare RUN RUN; %runs lists them.")
    return compare(refs)


def _restore_parser() -> Parser:
    parser = Parser("%nbmlops restore", "Put the source of a run into the next cell.", "%nbmlops restore forest~1")
    parser.add_argument("run", metavar="RUN", help="an id, EXPERIMENT or EXPERIMENT~1")
    return parser


def _restore(shell: InteractiveShell, args: argparse.Namespace) -> None:
    from nbmlops.tracking.runs import source_of

    shell.set_next_input(source_of(args.run))


MAGICS = (
    Magic("runs", _runs_parser, _runs),
    Magic("compare", _compare_parser, _compare),
    Magic("restore", _restore_parser, _restore, umbrella_only=True),
)
