"""``%retrain``: run a job now."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbmlops.magics.base import Magic, Parser

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


def _parser() -> Parser:
    about = "Run a job of jobs/ now, with its limits, retries and what follows it, and show its cells."
    parser = Parser("%retrain", about, "%retrain retrain -p months 3")
    parser.add_argument("job", metavar="JOB", help="the name of jobs/JOB.yaml")
    parser.add_argument(
        "-p", dest="parameters", metavar=("NAME", "VALUE"), nargs=2, action="append", default=[], help="a parameter"
    )
    return parser


def _retrain(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.jobs.schedule.byhand import retrain

    return retrain(args.job, dict(args.parameters), typed=True)


MAGICS = (Magic("retrain", _parser, _retrain),)
