"""A model's file from outside: ``nbmlops models review FILE``."""

from __future__ import annotations

import click

from nbmlops.cli.output import NO_DATA, REFUSED, exit_with, show

__all__ = ["review"]

EXIT = {"trusted": 0, "untrusted": REFUSED, "not examined": NO_DATA}


@click.command()
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def review(file: str, as_json: bool) -> None:
    """Look through a model's file from outside: its types, and why each is or is not trusted; nothing of it is run.

    Ends with 0 (trusted), 3 (untrusted) or 5 (it could not be examined).

    Example: nbmlops models review from-a-colleague.skops
    """
    from nbmlops.registry.foreign import review_file

    found = review_file(file)
    show(found, as_json)
    exit_with(EXIT[found.verdict])
