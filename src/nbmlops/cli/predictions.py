"""Commands about predictions: score a file, list what was predicted, let what it was made of expire."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from nbmlops.cli.output import show

__all__ = ["score"]

COSTS = (
    "Not recorded, as --no-log says: the predictions have no ids, so no outcome can come back to them, "
    "and drift and support see nothing of them."
)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


@click.command()
@click.argument("data", type=click.Path())
@click.option("--model", "ref", required=True, help="NAME@champion, NAME@3, or NAME for the newest.")
@click.option("-o", "--output", required=True, type=click.Path(), help="CSV or Parquet file to write.")
@click.option("--batch", help="A label to find these predictions by, such as a month.")
@click.option("--key", metavar="COLUMN", help="Column that names a row in the business; outcomes may come under it.")
@click.option("--key-at", metavar="COLUMN", help="Column of time that tells rows of the same key apart.")
@click.option("--no-log", is_flag=True, help="Record nothing: no ids, no outcomes later, no drift without data.")
@click.option("--dask", is_flag=True, help="Read with Dask: patterns such as '2013-*.csv', and addresses.")
@click.option("--caller", help="For whom; you when absent.")
@as_json
def score(data: str, ref: str, output: str, no_log: bool, as_json: bool, **about: Any) -> None:
    """Predict every row of a CSV or Parquet file, or of a folder of Parquet files, whatever its size.

    Each answer gets an id its outcome can come back to. Rows that cannot be answered are all named, and nothing is
    written then.

    Example: nbmlops score bookings.csv --model late-flights@champion -o scored.csv
    """
    from nbmlops.monitoring.scoring import score as scored

    if no_log:
        click.echo(COSTS, err=True)
    with _progress(Path(data).name) as progress:
        found = scored(data, ref, output, log=not no_log, progress=progress, **about)
    show(found, as_json)


@contextmanager
def _progress(name: str) -> Iterator[Any]:
    """Yield what shows how far it is: a bar in a terminal, nothing in a log."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=name, unit=" rows", unit_scale=True, file=sys.stderr, dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield show
