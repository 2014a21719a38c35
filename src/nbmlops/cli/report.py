"""``nbmlops report``: a run as one page a person can read and sign."""

from __future__ import annotations

import click

__all__ = ["report"]


@click.command()
@click.argument("ref", metavar="REF")
@click.option("-o", "--output", type=click.Path(), help="The file; in .nbmlops/outputs/reports when absent.")
@click.option("--for", "role", metavar="ROLE", help="For whom: support gets one page on how to use the model.")
@click.option("--json", "as_json", is_flag=True, help="Print where it is and what it says as JSON.")
def report(ref: str, output: str | None, role: str | None, as_json: bool) -> None:
    """Write the report of a run or a model version as one HTML file.

    REF is a run (its id, the end of its id, an experiment) or a model such as late-flights@champion.

    Roles are those of the charter; all but support get the page a reviewer reads.

    Example: nbmlops report late-flights@champion -o report.html
    Example: nbmlops report late-flights --for support
    """
    from nbmlops.cli.output import show
    from nbmlops.report.page import written

    show(written(ref, output, role), as_json)
