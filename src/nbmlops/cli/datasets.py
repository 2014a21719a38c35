"""Commands about data that is kept in order: versions of data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from nbmlops.cli.data import _read as read
from nbmlops.cli.output import show, show_rows

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


@click.command()
@click.argument("words", nargs=-1, metavar="[NAME DATA | NAME[@VERSION] | diff BEFORE AFTER]")
@click.option("--keep", is_flag=True, help="Keep the rows too, as Parquet.")
@click.option("--rules", metavar="NAME", help="rules/NAME.yaml, or a file; those of the data set's name if absent.")
@click.option("-o", "target", metavar="FILE", help="Write the kept rows of a version to a CSV or Parquet file.")
@as_json
@as_csv
def dataset(
    words: tuple[str, ...], keep: bool, rules: str | None, target: str | None, as_json: bool, as_csv: bool
) -> None:
    """Record a file as the next version of a data set, show one, list all, or say what differs between two.

    Example: nbmlops dataset flights flights.csv --keep

    Example: nbmlops dataset diff flights@6 flights@7
    """
    from nbmlops.quality import versions

    made: dict[int, Callable[[], Any]] = {
        1: lambda: versions.dataset_version(words[0]),
        2: lambda: versions.dataset(words[0], read(words[1]), keep, rules, source=words[1]),
        3: lambda: versions.difference(words[1], words[2]),
    }
    if len(words) > 3 or (len(words) == 3) != (words[:1] == ("diff",)):
        raise click.UsageError("Write NAME DATA, NAME@VERSION, or diff BEFORE AFTER.")
    if target and len(words) == 1:
        _write(versions.load_dataset(words[0]), target)
    elif words:
        show(made[len(words)](), as_json)
    else:
        show_rows(versions.rows(), as_json, as_csv, "no data sets yet: nbmlops dataset NAME DATA")


def _write(frame: Any, target: str) -> None:
    """Write a frame as CSV, or as Parquet where the name says so."""
    frame.to_parquet(target, index=False) if target.endswith((".parquet", ".pq")) else frame.to_csv(target, index=False)
    click.echo(f"{target}: {len(frame):,} rows")
