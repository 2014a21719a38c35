"""Commands about data that is kept in order: sources, corrections, versions of data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from nbmlops.cli.output import REFUSED, exit_with, show, show_rows
from nbmlops.cli.papers import said

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


@click.command()
@click.argument("name", required=False)
@click.option("-p", "parameters", nargs=2, multiple=True, metavar="KEY VALUE", help="A parameter of the source.")
@click.option("-o", "target", metavar="FILE", help="Write the rows to a CSV or Parquet file.")
@click.option("--strict", is_flag=True, help="End with 3 where a source is overdue, stale or failed.")
@as_json
@as_csv
def sources(
    name: str | None,
    parameters: tuple[tuple[str, str], ...],
    target: str | None,
    strict: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List the sources of nbmlops.toml and how each came last; with a NAME, load it.

    Example: nbmlops sources flights -p since 2024-01-01 -o flights.parquet
    """
    from nbmlops.quality import sources as found
    from nbmlops.tracking import session

    if name:
        frame = found.load_source(name, **dict(parameters))
        click.echo(f"{name}: {len(frame):,} rows, {len(frame.columns)} columns")
        if target:
            _write(frame, target)
        return
    listed = found.rows(session.project())
    show_rows(listed, as_json, as_csv, "no sources yet: write [sources.NAME] into nbmlops.toml")
    if strict and found.overdue(session.project()):
        exit_with(REFUSED)


@click.command()
@click.argument("data", metavar="DATA")
@click.option("--rules", metavar="NAME", required=True, help="rules/NAME.yaml, or a file.")
@click.option("-o", "target", metavar="FILE", required=True, help="Write the corrected rows to a CSV or Parquet file.")
@as_json
def correct(data: str, rules: str, target: str, as_json: bool) -> None:
    """Correct a CSV or Parquet file by the accepted rules that have a fix, and say what was changed.

    Example: nbmlops correct flights.csv --rules flights -o clean.csv
    """
    from pathlib import Path

    from nbmlops.quality.corrections import correct as corrected

    if Path(target).resolve() == Path(data).resolve():
        raise click.UsageError("The file that is read stays as it is: name another behind -o.")
    found = corrected(data, rules)
    found.frame.to_parquet(target, index=False) if target.endswith((".parquet", ".pq")) else found.frame.to_csv(
        target, index=False
    )
    show(found, as_json)


@click.command()
@click.argument("words", nargs=-1, metavar="[NAME DATA | NAME[@VERSION] | diff BEFORE AFTER | sheet REF]")
@click.option("--keep", is_flag=True, help="Keep the rows too, as Parquet.")
@click.option("--rules", metavar="NAME", help="rules/NAME.yaml, or a file; those of the data set's name if absent.")
@click.option(
    "-o",
    "target",
    metavar="FILE",
    help="Write the kept rows of a version to a CSV or Parquet file, or a sheet to an .md file.",
)
@as_json
@as_csv
def dataset(
    words: tuple[str, ...], keep: bool, rules: str | None, target: str | None, as_json: bool, as_csv: bool
) -> None:
    """Record a file as the next version of a data set, show one, list all, say what differs, write its datasheet.

    Example: nbmlops dataset flights flights.csv --keep

    Example: nbmlops dataset diff flights@6 flights@7

    Example: nbmlops dataset sheet flights@7 -o flights.md
    """
    from nbmlops.quality import look, versions

    made: dict[int, Callable[[], Any]] = {
        1: lambda: versions.dataset_version(words[0]),
        2: lambda: versions.dataset(words[0], look.read(words[1]), keep, rules, source=words[1]),
        3: lambda: versions.difference(words[1], words[2]),
    }
    if len(words) > 3 or (len(words) == 3) != (words[:1] == ("diff",)):
        raise click.UsageError("Write NAME DATA, NAME@VERSION, diff BEFORE AFTER, or sheet REF.")
    if words[:1] == ("sheet",) and len(words) == 2:
        from nbmlops.report.papers.datasheet import datasheet

        said(str(datasheet(words[1], target)), as_json)
    elif target and len(words) == 1:
        _write(versions.load_dataset(words[0]), target)
    elif words:
        show(made[len(words)](), as_json)
    else:
        show_rows(versions.rows(), as_json, as_csv, "no data sets yet: nbmlops dataset NAME DATA")


def _write(frame: Any, target: str) -> None:
    """Write a frame as CSV, or as Parquet where the name says so."""
    frame.to_parquet(target, index=False) if target.endswith((".parquet", ".pq")) else frame.to_csv(target, index=False)
    click.echo(f"{target}: {len(frame):,} rows")
