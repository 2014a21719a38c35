"""``nbmlops review``: rows for a person to judge."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from nbmlops.cli.output import INCONCLUSIVE, exit_with, show, show_rows

__all__ = ["review"]


@click.command()
@click.argument("model")
@click.option("--most", type=int, default=50, show_default=True, help="How many rows.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of those drawn by chance.")
@click.option("--estimate", is_flag=True, help="How often all are right, by the drawn rows that are judged.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write the CSV to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV to fill in: outcome, verdict, expected, reason.")
def review(model: str, most: int, seed: int, estimate: bool, output: str | None, as_json: bool, as_csv: bool) -> None:
    """List predictions of a MODEL for a person to judge; filled in, `nbmlops feedback FILE` takes the file back.

    With --estimate it ends with 4 where too few drawn rows are judged.

    Example: nbmlops review late-flights --csv -o judge.csv
    """
    from nbmlops.monitoring.returning.to_review import review_estimate, to_review

    if estimate:
        told = review_estimate(model)
        show(told, as_json)
        exit_with(0 if told.value is not None else INCONCLUSIVE)
    found = to_review(model, most, seed)
    if output:
        _write(output, found.to_csv_rows())
    if as_csv and not output:
        show_rows(found.to_csv_rows(), as_csv=True)
    elif as_json or not output:
        show(found, as_json)
    else:
        click.echo(f"{len(found.rows)} rows to judge in {output}; then: nbmlops feedback {output}")


def _write(path: str, rows: list[dict[str, Any]]) -> None:
    """Write a CSV; a file that is there is somebody's work."""
    from pathlib import Path

    from nbmlops.errors import Conflict, NotFound

    if not Path(path).resolve().parent.is_dir():
        raise NotFound(f"No folder for {path}.", "Make it first.")
    try:
        with Path(path).open("x", encoding="utf-8", newline="") as file, contextlib.redirect_stdout(file):
            show_rows(rows, as_csv=True)
    except FileExistsError:
        raise Conflict(f"{path} is there already and may be filled in.", "Choose another name.") from None
