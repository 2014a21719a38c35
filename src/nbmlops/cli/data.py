"""Commands that look at data: profile, check, drift."""

from __future__ import annotations

from typing import Any

import click

from nbmlops.cli.output import INCONCLUSIVE, NO_DATA, REFUSED, exit_with, show

ENDS = {"alert": REFUSED, "insufficient data": INCONCLUSIVE}
OURS = "\0"  # no folder can be named so: the option without a value
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_data = click.argument("data", metavar="DATA")


@click.command()
@_data
@click.option("--target", metavar="COLUMN", help="Relate the other columns to this one, and look for leaks.")
@click.option("--chunk", metavar="COLUMN", help="Count by this column of time periods.")
@click.option("--by", metavar="COLUMN", help="Count by this column of segments.")
@_json
def profile(data: str, target: str | None, chunk: str | None, by: str | None, as_json: bool) -> None:
    """Show what each column of a CSV or Parquet file holds, or of a folder of Parquet files: read in parts.

    Example: nbmlops profile flights.csv --target late
    """
    from nbmlops.drift.profile import profile as made

    show(made(_read(data, in_parts=True), chunk=chunk, by=by, target=target), as_json)


@click.command()
@_data
@click.option("--rules", metavar="NAME", help="rules/NAME.yaml, or a file; the data file's own name if absent.")
@click.option(
    "--quarantine",
    metavar="[FOLDER]",
    is_flag=False,
    flag_value=OURS,
    help="Write rows that break a rule aside, with the reasons; .nbmlops/quarantine if no folder is named.",
)
@_json
def check(data: str, rules: str | None, quarantine: str | None, as_json: bool) -> None:
    """Check a CSV or Parquet file against the rules of its data set; exit code 3 where one is broken.

    Example: nbmlops check flights.csv --rules flights
    """
    from pathlib import Path

    from nbmlops.quality.rules import check as checked

    aside = True if quarantine == OURS else quarantine or False
    found = checked(_read(data), rules or Path(data).name.partition(".")[0], quarantine=aside)
    show(found, as_json)
    _end(found.verdict)


@click.command()
@click.argument("data", metavar="[DATA|MODEL]", required=False)
@click.option("--model", metavar="REF", help="Against what this model version was registered with: NAME@champion.")
@click.option("--reference", metavar="FILE", help="Against the rows of another file.")
@click.option("--target", metavar="COLUMN", help="The truth; a model knows its own.")
@click.option("--prediction", metavar="COLUMN", help="What a model said; a model is asked.")
@click.option("--chunk", metavar="COLUMN", help="One more row for each of these time periods.")
@click.option("--by", metavar="COLUMN", help="One more row for each of these segments.")
@click.option("--show", metavar="MEASURES", help="Beside the decision: psi, ks, wasserstein, hellinger, chi2.")
@click.option("--multivariate", is_flag=True, help="Judge the columns together, too.")
@_json
def drift(data: str | None, model: str | None, reference: str | None, as_json: bool, **options: Any) -> None:
    """Say whether a CSV or Parquet file has changed by more than is tolerable; exit code 3 at alert, 4 undecided.

    A model and no file: what is recorded of that version is judged, by day: nbmlops drift late-flights@champion.

    Example: nbmlops drift april.csv --model late-flights@champion --json
    """
    from nbmlops.drift.report import drift as compared
    from nbmlops.quality import look

    if model is None and reference is None and data and not look.is_file(data):
        found = compared(data, **options)
    elif data is None and model and reference is None:
        found = compared(model, **options)
    elif data is None or (model is None) == (reference is None):
        raise click.UsageError("Name what to compare with: --model REF or --reference FILE.")
    else:
        found = compared(_read(data), model or _read(str(reference)), **options)
    show(found, as_json)
    _end(found.verdict)


def _read(path: str, in_parts: bool = False) -> Any:
    """Return a file as a frame, or its path where it is read in parts; if it cannot be, end with the code for data."""
    from nbmlops.drift.parts import parts_of
    from nbmlops.errors import Invalid
    from nbmlops.quality import look

    try:
        return path if in_parts and parts_of(path) else look.read(path)
    except Invalid as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        exit_with(NO_DATA)


def _end(verdict: str) -> None:
    if verdict in ENDS:
        exit_with(ENDS[verdict])
