"""How commands print: text for people, JSON for programs, and the exit codes they end with."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

import click

from nbmlops.errors import NbmlopsError, NotAllowed, NotFound
from nbmlops.hooks import Shown

__all__ = ["DONE", "FAILED", "INCONCLUSIVE", "NO_DATA", "REFUSED", "USAGE", "exit_with", "of_error", "show"]

DONE, FAILED, USAGE, REFUSED, INCONCLUSIVE, NO_DATA, KERNEL_DIED, TIMED_OUT, CANCELLED = range(9)


def show(shown: Shown, as_json: bool = False) -> None:
    """Print an object: its JSON for a program, its text for a person."""
    click.echo(json.dumps(shown.to_dict(), ensure_ascii=False) if as_json else repr(shown))


def show_rows(
    rows: list[dict[str, Any]], as_json: bool = False, as_csv: bool = False, empty: str = "nothing yet"
) -> None:
    """Print a table as aligned text, JSON or CSV; as text, what to say where it is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
    elif as_csv:
        import csv

        writer = csv.DictWriter(sys.stdout, names)
        writer.writeheader()
        writer.writerows(rows)
    else:
        from nbmlops.widgets.html import lines, number

        click.echo(lines(names, [[number(row.get(n)) for n in names] for row in rows]) if rows else empty)


def exit_with(code: int) -> NoReturn:
    """End the command with one of the exit codes of the design."""
    raise click.exceptions.Exit(code)


def of_error(error: NbmlopsError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, NotAllowed):
        return REFUSED
    return NO_DATA if isinstance(error, NotFound) else int(getattr(error, "exit_code", USAGE))
