"""``%evaluate``, ``%register``, ``%gate``, ``%promote`` and ``%nbmlops advise``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid, NotFound
from nbmlops.magics.base import Magic, Parser, variable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


def _evaluate_parser() -> Parser:
    parser = Parser(
        "%evaluate",
        "Judge a model on rows it was not fitted on.",
        "%evaluate forest held_out --target late --by origin",
    )
    parser.add_argument("model", metavar="MODEL", help="a fitted variable, or NAME@champion")
    parser.add_argument("frame", metavar="FRAME", help="a DataFrame with the features and the target")
    parser.add_argument("--target", metavar="COL", help="column of the truth")
    parser.add_argument("--by", metavar="COL", action="append", help="slice by this column (may be repeated)")
    return parser


def _evaluate(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.registry.evaluation import evaluate

    return evaluate(variable(shell, args.model), _variable(shell, args.frame), args.target, args.by)


def _register_parser() -> Parser:
    parser = Parser(
        "%register",
        "Register a fitted model as the next version of a name: MODEL NAME, or NAME with --from or --best.",
        "%register forest late-flights\n  %register late-flights --best roc_auc",
    )
    parser.add_argument("what", nargs="+", metavar="MODEL NAME", help="a fitted variable, and the name it gets")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--from", dest="run", metavar="RUN", help="the model this run fitted, while its kernel lives")
    source.add_argument("--best", metavar="METRIC", help="the model of the run with the best value")
    parser.add_argument("--background", metavar="FRAME", help="rows to keep for explanations, at most 1,000 of them")
    return parser


def _register(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.registry import models

    *model, name = args.what
    if len(model) != (0 if args.run or args.best else 1):
        wanted = "%register NAME --from RUN" if args.run or args.best else "%register MODEL NAME"
        raise Invalid(f"%register: {len(args.what)} names given ({' '.join(args.what)}).", f"Usage: {wanted}.")
    rows = _variable(shell, args.background) if args.background else None
    if args.run:
        return models.register(models.of_run(args.run), name, background=rows)
    fitted = models.best_of(args.best) if args.best else _variable(shell, model[0])
    return models.register(fitted, name, background=rows)


def _gate_parser() -> Parser:
    parser = Parser(
        "%gate",
        "Compare two models on the same rows, which neither was fitted on.",
        "%gate late-flights@challenger late-flights@champion --on flights-eval@2 --by origin",
    )
    parser.add_argument("challenger", metavar="CHALLENGER", help="a fitted variable, or NAME@challenger")
    parser.add_argument("champion", metavar="CHAMPION", help="what it is compared with: a variable, or NAME@champion")
    parser.add_argument(
        "--on", metavar="ROWS", required=True, help="held-out rows: a variable, flights-eval@2 or a file"
    )
    parser.add_argument("--target", metavar="COL", help="column of the truth; the registered models know theirs")
    parser.add_argument("--margin", type=float, help="how much worse is tolerable; the charter's when absent")
    parser.add_argument(
        "--metric", action="append", help="the first decides, more are guarded; the charter's when absent"
    )
    parser.add_argument("--by", metavar="COL", action="append", help="slice by this column (may be repeated)")
    parser.add_argument("--groups", metavar="COL", help="column whose rows belong together, such as day")
    return parser


def _gate(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.governance.gate import gate

    challenger, champion = (variable(shell, m) for m in (args.challenger, args.champion))
    rows = variable(shell, args.on)
    return gate(challenger, champion, rows, args.target, args.margin, args.metric, args.by, args.groups)


def _promote_parser() -> Parser:
    parser = Parser(
        "%promote",
        "Move an alias to a version, if the charter allows it.",
        '%promote late-flights 3 --to champion --reason "better on March"',
    )
    parser.add_argument("name", metavar="NAME", help="of the model")
    parser.add_argument("version", metavar="VERSION", help="a number, or an alias such as challenger")
    parser.add_argument("--to", metavar="ALIAS", required=True, help="what it becomes, such as champion")
    parser.add_argument("--reason", required=True, help="for those who read the log")
    parser.add_argument("--override", action="store_true", help="in an emergency, against the policy")
    parser.add_argument("--instead-of", type=int, metavar="N", help="only if the alias names this version now, 0: none")
    return parser


def _promote(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.governance.promotion import promote

    return promote(args.name, args.version, args.to, args.reason, args.override, args.instead_of)


def _advise_parser() -> Parser:
    parser = Parser("%nbmlops advise", "Say what to do about a model, and why.", "%nbmlops advise late-flights")
    parser.add_argument("model", metavar="MODEL", help="its name")
    return parser


def _advise(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.governance.advise import advise

    return advise(args.model)


def _variable(shell: InteractiveShell, name: str) -> Any:
    if name not in shell.user_ns:
        raise NotFound(f"No variable {name!r} in this notebook.", "Run the cell that fits it first.")
    return shell.user_ns[name]


MAGICS = (
    Magic("evaluate", _evaluate_parser, _evaluate),
    Magic("register", _register_parser, _register, explicit_only=True, form=True),
    Magic("gate", _gate_parser, _gate),
    Magic("promote", _promote_parser, _promote, explicit_only=True, form=True),
    Magic("advise", _advise_parser, _advise, umbrella_only=True),
)
