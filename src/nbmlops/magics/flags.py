"""``%flag``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid
from nbmlops.magics.base import Magic, Parser, variable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]

EXAMPLE = '%flag late-flights@3 "too sure at night" --where "hour > 20" --severity high'


def _parser() -> Parser:
    parser = Parser(
        "%flag", "Flag a model, feature, row, segment, prediction, run or report; none: list them.", EXAMPLE
    )
    what = "late-flights@3, late-flights@3:hour, flights@7#17, a prediction's id, a run, report:REF or a frame"
    parser.add_argument("subject", nargs="?", metavar="SUBJECT", help=f"{what}; or answer, before an ID and a text")
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what is doubtful and why")
    parser.add_argument("--severity", default="medium", metavar="WORD", help="low, medium, high or blocking")
    parser.add_argument("--to", metavar="ROLE", help="the role that is told and asked")
    parser.add_argument("--question", action="store_true", help="ask it, instead of saying it")
    parser.add_argument("--where", metavar="CONDITION", help="which rows: \"origin = 'EWR' and hour > 20\"")
    parser.add_argument("--row", type=int, metavar="N", help="one row of a frame or data set, from 0")
    parser.add_argument("--kind", metavar="KIND", help="model, dataset or run, where a name is several")
    parser.add_argument("--should-be", metavar="VALUE", help="what it should be: a label, once accepted")
    parser.add_argument("--evidence", action="append", metavar="TEXT", help="a run, address or file; may be repeated")
    parser.add_argument("--by", metavar="COLUMN", help="count what is flagged in each value of a column")
    parser.add_argument("--state", metavar="STATE", help="of an answer: answered, accepted, dismissed or open")
    return parser


def _flag(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.governance.flags.flag import flag
    from nbmlops.governance.flags.from_file import value_of
    from nbmlops.governance.flags.listed import flag_list

    if args.subject == "answer" and len(args.text) == 2:
        return _answer(args)
    if args.subject is None or not args.text:
        return flag_list(None if args.subject is None else variable(shell, args.subject), args.state, by=args.by)
    if len(args.text) > 1 or args.state:
        wrong = "--state is of an answer" if args.state else f"{args.text[1]!r} is one word too many"
        raise Invalid(f"%flag: {wrong}.", f"Quote the text: {EXAMPLE}")
    value = None if args.should_be is None else value_of(args.should_be)
    given = {k: getattr(args, k) for k in ("kind", "severity", "evidence", "to", "question", "where", "row")}
    return flag(variable(shell, args.subject), args.text[0], value=value, **given)


def _answer(args: argparse.Namespace) -> Any:
    from nbmlops.governance.flags.thread import answer_flag

    flag_id, text = args.text
    return answer_flag(flag_id, text, args.state or "answered")


MAGICS = (Magic("flag", _parser, _flag, explicit_only=True),)
