"""``%profile``, ``%check`` and ``%drift``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbmlops.errors import unknown
from nbmlops.magics.base import Magic, Parser, variable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


def _profile_parser() -> Parser:
    parser = Parser("%profile", "Show what each column of a frame holds.", "%profile flights --target late")
    parser.add_argument("frame", metavar="FRAME", help="a variable, a CSV or Parquet file, a folder of Parquet files")
    parser.add_argument("--target", metavar="COL", help="relate the other columns to this one, and look for leaks")
    parser.add_argument("--chunk", metavar="COL", help="count by this column of time periods")
    parser.add_argument("--by", metavar="COL", help="count by this column of segments")
    return parser


def _profile(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.drift.profile import profile

    return profile(_frame(shell, args.frame), chunk=args.chunk, by=args.by, target=args.target)


def _check_parser() -> Parser:
    parser = Parser(
        "%check",
        "Check a frame against the rules of its data set, or a model for leakage.",
        "%check flights --strict\n  %check flights --accept hour origin\n  %check forest",
    )
    parser.add_argument("frame", metavar="FRAME|MODEL", help="a variable, or a CSV or Parquet file")
    parser.add_argument("--rules", metavar="NAME", help="rules/NAME.yaml, or a file; the frame's own name if absent")
    parser.add_argument("--strict", action="store_true", help="stop the notebook where there is an issue")
    parser.add_argument(
        "--accept", metavar="COL", nargs="*", help="first accept the rules proposed of these columns, or all"
    )
    parser.add_argument(
        "--quarantine",
        metavar="FOLDER",
        nargs="?",
        const=True,
        default=False,
        help="write rows that break a rule aside, with the reasons; .nbmlops/quarantine if no folder is named",
    )
    return parser


def _check(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from pathlib import Path

    from nbmlops.quality.models import is_model
    from nbmlops.quality.rulebook import accept_rules
    from nbmlops.quality.rules import check

    how = {"strict": args.strict, "quarantine": args.quarantine}
    if is_model(found := variable(shell, args.frame)):
        return check(found, args.rules, **how)
    name = args.rules or Path(args.frame).stem
    if args.accept is not None:
        accept_rules(name, args.accept or None)
    rules = variable(shell, name)  # only a mapping holds rules: the frame itself often has the data set's name
    return check(_frame(shell, args.frame), rules if isinstance(rules, Mapping) else name, **how)


def _drift_parser() -> Parser:
    parser = Parser(
        "%drift",
        "Say whether a frame has changed by more than is tolerable.",
        "%drift april --against late-flights@champion --chunk day\n  %drift late-flights@champion",
    )
    parser.add_argument(
        "frame", metavar="FRAME|MODEL", help="a variable, or a CSV or Parquet file; or a model: what is recorded of it"
    )
    parser.add_argument("--against", metavar="REF", help="a model such as NAME@champion, or a variable")
    parser.add_argument("--target", metavar="COL", help="the truth; a model knows its own")
    parser.add_argument("--prediction", metavar="COL", help="what a model said; a model is asked")
    parser.add_argument("--chunk", metavar="COL", help="one more row for each of these time periods")
    parser.add_argument("--by", metavar="COL", help="one more row for each of these segments")
    parser.add_argument(
        "--show", metavar="MEASURE", help="psi, ks, wasserstein, hellinger, chi2: beside the decision, with commas"
    )
    parser.add_argument("--multivariate", action="store_true", help="judge the columns together, too")
    return parser


def _drift(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.drift.report import drift

    current = variable(shell, args.frame) if args.against is None else _frame(shell, args.frame)
    reference = None if args.against is None else variable(shell, args.against)
    how = (args.target, args.prediction, args.chunk, args.by, args.show, args.multivariate)
    return drift(current, reference, *how)


def _frame(shell: InteractiveShell, name: str) -> Any:
    """Return the variable, or the path of a file; a name that is neither is an error with the near ones."""
    from pathlib import Path

    from nbmlops.quality import look

    found = variable(shell, name)
    if found is name and not look.is_file(name) and not Path(name).is_dir():
        frames = [k for k, v in shell.user_ns.items() if hasattr(v, "columns") and not k.startswith("_")]
        error = unknown("frame", name, frames)
        raise type(error)(error.message.replace("in this project", "in this notebook"), error.hint)
    return found


MAGICS = (
    Magic("profile", _profile_parser, _profile),
    Magic("check", _check_parser, _check, form=True),
    Magic("drift", _drift_parser, _drift, form=True),
)
