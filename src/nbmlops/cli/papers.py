"""Papers that write themselves: ``nbmlops models card``, ``nbmlops models bundle``."""

from __future__ import annotations

import json

import click

from nbmlops.cli.output import show

__all__ = ["COMMANDS", "said"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
output = click.option("-o", "output", metavar="FILE", help="The file, or its folder; outputs/reports when absent.")


@click.command()
@click.argument("ref")
@output
@as_json
def card(ref: str, output: str | None, as_json: bool) -> None:
    """Write the model card of a version: every field known, or missing with whose it is.

    Example: nbmlops models card late-flights@champion -o card.md
    """
    from nbmlops.report.papers.model_card import model_card

    said(str(model_card(ref, output)), as_json)


@click.command()
@click.argument("ref")
@output
@click.option("--no-model", is_flag=True, help="Leave the model's own file out.")
@as_json
def bundle(ref: str, output: str | None, no_model: bool, as_json: bool) -> None:
    """Write all the evidence for a version as one zip that opens without nbmlops.

    Example: nbmlops models bundle late-flights@champion -o evidence.zip
    """
    from nbmlops.report.papers.bundle import bundle as bundled

    show(bundled(ref, output, not no_model), as_json)


def said(path: str, as_json: bool) -> None:
    """Print where a paper was written."""
    click.echo(json.dumps({"path": path}, ensure_ascii=False) if as_json else path)


COMMANDS = (card, bundle)
