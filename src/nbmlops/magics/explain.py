"""``%explain``."""

from __future__ import annotations

import argparse
import ast
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid, NotFound
from nbmlops.magics.base import Magic, Parser, variable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


def _parser() -> Parser:
    parser = Parser(
        "%explain",
        "Say what in rows moved a model's answers; without rows, how the model answers.",
        "%explain late-flights@champion bookings[:3]",
    )
    parser.add_argument("model", metavar="MODEL", help="NAME@champion, or a fitted variable with --background")
    parser.add_argument(
        "rows",
        metavar="ROWS",
        nargs="?",
        help="a variable or part of one such as df[:3] (quoted where it has blanks), a file, the id of a prediction",
    )
    parser.add_argument(
        "--background", metavar="FRAME", help="rows that are usual; those kept at registration if absent"
    )
    parser.add_argument("--most", metavar="N", type=int, default=5, help="explain at most so many rows (5)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of what is drawn by chance (0)")
    return parser


def _explain(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.monitoring.explaining.explain import explain

    rows = None if args.rows is None else _rows(shell, args.rows)
    background = None if args.background is None else _value(shell, args.background)
    return explain(variable(shell, args.model), rows, background=background, most=args.most, seed=args.seed)


def _rows(shell: InteractiveShell, said: str) -> Any:
    """Return a variable or a part of one, the rows of a file, else the text itself: the id of a prediction."""
    from pathlib import Path

    from nbmlops.quality import look

    if _names_a_variable(shell, said):
        return _value(shell, said)
    return Path(said) if look.is_file(said) else said


def _value(shell: InteractiveShell, said: str) -> Any:
    """Return a variable, or an expression that begins with one, such as ``df[:3]``."""
    if not _names_a_variable(shell, said):
        raise NotFound(f"No variable {said!r} in this notebook.", "Run the cell that makes it first.")
    if said in shell.user_ns:
        return shell.user_ns[said]
    try:
        return eval(compile(said, "<%explain>", "eval"), shell.user_ns)  # what the person typed, in their notebook
    except Exception as error:
        raise Invalid(f"{said} fails: {type(error).__name__}: {error}.", "Try it in a cell.") from None


def _names_a_variable(shell: InteractiveShell, said: str) -> bool:
    try:
        node: ast.AST = ast.parse(said, mode="eval").body
    except SyntaxError:
        return False
    while isinstance(node, (ast.Subscript, ast.Attribute, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in shell.user_ns


MAGICS = (Magic("explain", _parser, _explain),)
