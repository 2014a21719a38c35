"""``nbmlops site``: the project as a folder of pages for any web server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["site"]


@click.command()
@click.option("-o", "--output", metavar="DIR", type=click.Path(), help="The folder; .nbmlops/outputs/site when absent.")
@click.option("--json", "as_json", is_flag=True, help="Print where it is and what was written as JSON.")
def site(output: str | None, as_json: bool) -> None:
    """Write the project as a static folder of pages: reports, runs, models, jobs, drift, with a search.

    Made again, only what changed is written, and the pages of deleted runs go. Any web server can show it.

    Example: nbmlops site -o public
    """
    from nbmlops.cli.output import show
    from nbmlops.report.site.build import made

    with _progress() as progress:
        done = made(output, progress)
    show(done, as_json)


@contextmanager
def _progress() -> Iterator[Any]:
    """Yield what shows how far it is: a bar in a terminal, nothing in a log."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc="site", unit=" pages", file=sys.stderr, dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
