"""``%report``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid
from nbmlops.magics.base import Magic, Parser, variable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


def _parser() -> Parser:
    about = "Write the report of a run or a model as one HTML file; none: the last run of this notebook."
    parser = Parser("%report", about, "%report late-flights@champion -o report.html")
    what = "a run, model, job, A..B, drift:MODEL, FILE.ipynb or project"
    parser.add_argument("ref", nargs="?", metavar="REF", help=what)
    verbs = "list [REF], verify FILE or signatures REF instead of a run"
    parser.add_argument("of", nargs="?", metavar="OF", help=f"what a verb is about: {verbs}")
    parser.add_argument("-o", "--output", metavar="FILE", help=".nbmlops/outputs/reports/<run>.html when absent")
    parser.add_argument("--for", dest="role", metavar="ROLE", help="for whom it is ordered; support: how to use it")
    parser.add_argument("--send", metavar="ROLE", help="send the decision to the people of a role through [alerts]")
    parser.add_argument("--refresh", action="store_true", help="make the next number, of what is known now")
    return parser


def _report(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.report.page import written

    if args.ref in VERBS:
        return _other(args.ref, variable(shell, args.of) if args.of else None, args.output)
    if args.of is not None:
        raise Invalid(f"%report: {args.of!r} is one word too many.", f"Verbs: {', '.join(VERBS)}.")
    return written(variable(shell, args.ref) if args.ref else None, args.output, args.role, args.refresh, args.send)


VERBS = ("list", "verify", "signatures")


def _other(verb: str, of: Any, output: str | None) -> Any:
    """List reports, verify a file, or say who signed."""
    from nbmlops.report.listed import listed
    from nbmlops.report.signatures import signatures
    from nbmlops.report.verify import verify_report

    if verb == "list":
        return listed(of)
    if of is None:
        raise Invalid(
            f"%report {verb} needs to know of what.", f"%report {verb} {'FILE' if verb == 'verify' else 'REF'}"
        )
    return verify_report(of) if verb == "verify" else signatures(of, output)


MAGICS = (Magic("report", _parser, _report),)
