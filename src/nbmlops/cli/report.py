"""``nbmlops report``: a run as one page a person can read and sign."""

from __future__ import annotations

import click

__all__ = ["report"]


@click.command()
@click.argument("ref", metavar="REF")
@click.option("-o", "--output", type=click.Path(), help="The file; .nbmlops/outputs/reports/<run>.html when absent.")
@click.option("--json", "as_json", is_flag=True, help="Print where it is and what it says as JSON.")
def report(ref: str, output: str | None, as_json: bool) -> None:
    """Write the report of a run or a model version as one HTML file.

    REF is a run (its id, the end of its id, an experiment) or a model such as late-flights@champion.

    Example: nbmlops report late-flights@champion -o report.html
    """
    from nbmlops.cli.output import show
    from nbmlops.report.page import written

    show(written(ref, output), as_json)
