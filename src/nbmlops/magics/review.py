"""``%review``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbmlops.magics.base import Magic, Parser

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


EXAMPLES = "%review late-flights --most 20\n  %review late-flights --estimate"


def _parser() -> Parser:
    parser = Parser("%review", "List predictions for a person to judge, and why each is listed.", EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="a model's name, or NAME@3 for the predictions of one version")
    parser.add_argument("--most", type=int, default=50, metavar="N", help="how many rows")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of those drawn by chance")
    parser.add_argument("--estimate", action="store_true", help="how often all are right, by the drawn ones judged")
    return parser


def _review(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.monitoring.returning.to_review import review_estimate, to_review

    return review_estimate(args.model) if args.estimate else to_review(args.model, args.most, args.seed)


MAGICS = (Magic("review", _parser, _review, form=True),)
