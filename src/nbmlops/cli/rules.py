"""``nbmlops rules``: propose them from data, accept them, print the data dictionary they are."""

from __future__ import annotations

from pathlib import Path

import click

from nbmlops.cli.data import _read
from nbmlops.cli.output import show, show_rows

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


@click.group()
def rules() -> None:
    """Rules of a data set, in rules/NAME.yaml: proposed from data, accepted by people.

    Example: nbmlops rules propose flights.csv --chunk month
    """


@rules.command()
@click.argument("data", metavar="DATA")
@click.option("--chunk", metavar="COLUMN", help="Learn limits from how these time periods differ.")
@click.option("--target", metavar="COLUMN", help="What is predicted: learn how many rows contradict each other.")
@click.option("--time", metavar="COLUMN", help="Column of times, for freshness and order.")
@click.option("--apart", metavar="DATASET", help="A file or NAME@VERSION whose rows should not be among these.")
@click.option("--name", metavar="NAME", help="The data set's; the data file's own name if absent.")
@_json
def propose(data: str, name: str | None, as_json: bool, **how: str | None) -> None:
    """Propose rules from a CSV or Parquet file, and write them into rules/NAME.yaml.

    What people wrote, accepted or muted there stays.

    Example: nbmlops rules propose flights.csv --chunk month --name flights
    """
    from nbmlops.quality.proposals import propose_rules

    named = name or Path(data).name.partition(".")[0]
    proposal = propose_rules(_read(data), name=named, **how)
    path = proposal.save()
    show(proposal, as_json)
    if not as_json:
        click.echo(f"Written to {path.parent.name}/{path.name}. Accept: nbmlops rules accept {named} [COLUMN...]")


@rules.command()
@click.argument("name")
@click.argument("columns", nargs=-1)
@click.option("--by", metavar="PERSON", help="Who accepts, if it is not who types.")
@_json
def accept(name: str, columns: tuple[str, ...], by: str | None, as_json: bool) -> None:
    """Accept what is proposed for some columns, or all: from now on a broken rule is an issue.

    Example: nbmlops rules accept flights dep_delay
    """
    from nbmlops.quality.rulebook import accept_rules

    show_rows(accept_rules(name, columns or None, by), as_json, empty="nothing is proposed there")


@rules.command()
@click.argument("name")
@_json
@_csv
def dictionary(name: str, as_json: bool, as_csv: bool) -> None:
    """Print the data dictionary: what each column means, its unit and owner, who validated it.

    Example: nbmlops rules dictionary flights --csv
    """
    from nbmlops.quality.rulebook import dictionary as said

    show_rows(said(name), as_json, as_csv, empty="the rules name no column")
