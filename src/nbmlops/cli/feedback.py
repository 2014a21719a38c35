"""The command that takes in what came back for predictions."""

from __future__ import annotations

import click

from nbmlops.cli.output import show_rows

__all__ = ["feedback"]


@click.command()
@click.argument("data", type=click.Path())
@click.option("--kind", metavar="KIND", help="outcome, opinion or flag; what each row holds where there are verdicts.")
@click.option("--key", metavar="COLUMN", help="The business key the predictions were made under, such as booking.")
@click.option("--model", metavar="NAME", help="Whose predictions a key names.")
@click.option("--source", help="Who or what says so, such as a system; the kind when absent.")
@click.option("--actor", help="Who said it; you when absent.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def feedback(data: str, kind: str | None, as_json: bool, **about: str | None) -> None:
    """Take in outcomes, opinions or flags from a CSV or Parquet file; the same one twice counts once.

    Example: nbmlops feedback outcomes.csv --key booking --model late-flights
    """
    from nbmlops.monitoring.returning.feedback import feedback as received
    from nbmlops.records import plain
    from nbmlops.registry.signature import read

    rows = read(data)
    if kind is None and not {"verdict", "kind"} & {*rows.columns}:
        kind = "outcome"
    counted = plain(received(rows, kind=kind, **about))
    show_rows([counted if as_json else {k: v for k, v in counted.items() if k != "unknown_ids"}], as_json=as_json)
