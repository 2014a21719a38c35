"""``nbmlops explain``."""

from __future__ import annotations

from pathlib import Path

import click

from nbmlops.cli.output import show

__all__ = ["explain"]


@click.command()
@click.argument("model")
@click.option("--rows", "path", metavar="FILE", help="A CSV or Parquet file of rows; the first are explained.")
@click.option("--id", "ids", metavar="ID", multiple=True, help="A prediction, by its id (may be repeated).")
@click.option("--background", metavar="FILE", help="Rows that are usual; those kept at registration if absent.")
@click.option("--most", type=click.IntRange(min=1), default=5, show_default=True, help="Rows explained at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn by chance.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    model: str, path: str | None, ids: tuple[str, ...], background: str | None, most: int, seed: int, as_json: bool
) -> None:
    """Say what in rows moved a model's answers; without rows, how the model answers as a whole.

    Example: nbmlops explain late-flights@champion --rows bookings.csv
    """
    from nbmlops.monitoring.explaining.explain import explain as explained
    from nbmlops.quality import look

    if path and ids:
        raise click.UsageError("Name rows by --rows or by --id.")
    rows = Path(path) if path else list(ids) or None
    usual = look.read(background) if background else None
    show(explained(model, rows, background=usual, most=most, seed=seed), as_json)
