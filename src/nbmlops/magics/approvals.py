"""``%approve`` and ``%nbmlops approvals``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbmlops.magics.base import Magic, Parser, variable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


def _approve_parser() -> Parser:
    about = "Answer a report: approve it, with conditions or without, ask for changes, or reject it."
    parser = Parser("%approve", about, '%approve late-flights@3 --role expert --comment "reads well"')
    parser.add_argument("report", metavar="REPORT", help="its file, its hash, or NAME@3 for its newest report")
    parser.add_argument(
        "--outcome", default="approved", help="approved, approved with conditions, changes requested or rejected"
    )
    parser.add_argument("--role", help="the role in which you answer; the one you play where it is only one")
    parser.add_argument("--comment", default="", help="why")
    parser.add_argument(
        "--condition",
        dest="conditions",
        action="append",
        default=[],
        metavar="'WHAT; WHO; DAY'",
        help="may be repeated",
    )
    parser.add_argument("--expires", metavar="SPAN|DAY", help="until when it holds, such as 30d")
    parser.add_argument("--by", metavar="NAME", help="who answers, where you enter it for them")
    return parser


def _approve(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.governance.approval.approve import approve

    said = vars(args) | {"report": variable(shell, args.report)}
    return approve(**said)


def _approvals_parser() -> Parser:
    about = "Say which approvals a version needs, which it has, and what is missing."
    parser = Parser("%nbmlops approvals", about, "%nbmlops approvals late-flights@3")
    parser.add_argument("ref", metavar="REF", help="NAME@3, NAME@challenger, or a report's subject")
    parser.add_argument("--to", metavar="ALIAS", help="what it shall become; champion when absent")
    parser.add_argument("--ask", action="store_true", help="ask the people of the missing roles through [alerts]")
    return parser


def _approvals(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.governance.approval.standing import approvals

    return approvals(variable(shell, args.ref), args.to, args.ask)


MAGICS = (
    Magic("approve", _approve_parser, _approve, explicit_only=True),
    Magic("approvals", _approvals_parser, _approvals, umbrella_only=True),
)
