"""``nbmlops report``: what a person can read and sign, as one page; which there are; whether a file is whole."""

from __future__ import annotations

import click

from nbmlops.cli.runs import Verbs

__all__ = ["report"]


@click.group(cls=Verbs, invoke_without_command=True)
@click.pass_context
@click.argument("ref", metavar="REF", required=False)
@click.option("-o", "--output", type=click.Path(), help="The file; in .nbmlops/outputs/reports when absent.")
@click.option("--for", "role", metavar="ROLE", help="For whom: support gets one page on how to use the model.")
@click.option("--refresh", is_flag=True, help="Make the next number, of what is known now.")
@click.option("--json", "as_json", is_flag=True, help="Print where it is and what it says as JSON.")
def report(
    context: click.Context, ref: str | None, output: str | None, role: str | None, refresh: bool, as_json: bool
) -> None:
    """Write the report of a run or a model version as one HTML file.

    REF is a run (its id, the end of its id, an experiment) or a model such as late-flights@champion.

    A report is made once, with a number; asking again gives the same bytes. FILE.json holds its facts alone.

    Roles are those of the charter; all but support get the page a reviewer reads.

    Example: nbmlops report late-flights@champion -o report.html
    Example: nbmlops report late-flights --for support
    """
    from nbmlops.cli.output import show
    from nbmlops.report.page import written

    if context.invoked_subcommand is not None:
        return
    if not ref:
        raise click.UsageError("Missing argument 'REF'.")
    show(written(ref, output, role, refresh), as_json)
