"""``%nbmlops status``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbmlops.magics.base import Magic, Parser

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["MAGICS"]


def _status_parser() -> Parser:
    about = "Say in which phase each model is, whose turn it is and for what, and when it went back a phase and why."
    return Parser("%nbmlops status", about, "%nbmlops status")


def _status(shell: InteractiveShell, args: argparse.Namespace) -> Any:
    from nbmlops.governance.phase import status

    return status()


MAGICS = (Magic("status", _status_parser, _status, umbrella_only=True),)
