"""Commands about predictions: score a file, list what was predicted, let what it was made of expire."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from nbmlops.cli.output import show, show_rows

__all__ = ["predictions", "score"]

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
    from nbmlops.monitoring.predicting.scoring import score as scored

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


class _OfModel(click.Group):
    """A group whose first word may be a model: what is no command of it is listed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in that lists, where none is named."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_OfModel)
def predictions() -> None:
    """List what a MODEL predicted, by batch or day; prune takes away what expired.

    Example: nbmlops predictions late-flights
    """


@predictions.command("list", hidden=True)
@click.argument("model")
@as_json
@as_csv
def list_(model: str, as_json: bool, as_csv: bool) -> None:
    """List what a MODEL predicted, by batch, or day where there is none.

    Example: nbmlops predictions late-flights --json
    """
    from nbmlops.monitoring.predicting.retention import listed

    found = listed(model)
    short = [{k: str(v)[:16] if k.endswith("_at") else v for k, v in row.items()} for row in found]
    show_rows(found if as_json or as_csv else short, as_json, as_csv)


@predictions.command()
@click.option("--what-if", is_flag=True, help="Only count.")
@as_json
def prune(what_if: bool, as_json: bool) -> None:
    """Take the inputs out of predictions older than [predictions] keep_days; what was said stays.

    A scheduler does so once a day.

    Example: nbmlops predictions prune --what-if
    """
    from nbmlops.monitoring.predicting.retention import prune as pruned

    show(pruned(what_if=what_if), as_json)
