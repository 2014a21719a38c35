"""``nbmlops run --each`` and ``--grid``: one notebook over many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from nbmlops.cli.output import CANCELLED, DONE, FAILED, exit_with, show
from nbmlops.errors import Invalid

__all__ = ["fan"]


def fan(
    notebook: str,
    output: str | None,
    each: str | None,
    grid: Sequence[str],
    parameters: Mapping[str, str],
    executor: str,
    run_key: str | None,
    as_json: bool,
    policy: Mapping[str, Any],
) -> NoReturn:
    """Execute a notebook for every row, print what became of them, and end with 1 when one did not finish."""
    from nbmlops.jobs.works import rows
    from nbmlops.jobs.works.fan import fan_out

    if output:
        raise Invalid("OUTPUT is one file, and there are many rows.", "Leave it out: each run says where its own is.")
    given = rows.crossed(rows.of_file(each) if each else [], rows.grid(grid), [rows.Row(texts=parameters)])
    found, error = fan_out(notebook, given, executor, run_key, **policy)
    show(found, as_json)
    if isinstance(error, KeyboardInterrupt):
        exit_with(CANCELLED)
    if error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
    exit_with(FAILED if error or found.failed else DONE)
