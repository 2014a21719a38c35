"""``nbmlops store erase``: take personal rows out of what is kept."""

from __future__ import annotations

import click

from nbmlops.cli.output import show

__all__ = ["erase"]


@click.command()
@click.option("--where", required=True, metavar="QUERY", help="The rows, such as: booking = 'B17'.")
@click.option("--table", metavar="TABLE", help="Only predictions, feedback, flags or dataset; all when absent.")
@click.option("--yes", is_flag=True, help="Do it; without this it is only counted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def erase(where: str, table: str | None, yes: bool, as_json: bool) -> None:
    """Erase the rows of a person from predictions, feedback, flags, kept data sets and backgrounds.

    What was derived of them and stays is named. The audit log holds how many and digests, never a value.

    Example: nbmlops store erase --where "booking = 'B17'" --yes
    """
    from nbmlops.governance.erasing import erase as erased

    show(erased(where, table, yes), as_json)
