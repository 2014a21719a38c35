"""``nbmlops run NOTEBOOK --run-key KEY``, or with an executor: what is done is not done again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from nbmlops.cli.output import FAILED, exit_with

__all__ = ["keyed"]


def keyed(
    notebook: str,
    parameters: Mapping[str, str],
    run_key: str | None,
    wait_s: float | None,
    executor: str,
    as_json: bool,
    options: Mapping[str, Any],
) -> NoReturn:
    """Print the run of a key, done now or before; end with 1 while it runs elsewhere."""
    from nbmlops.cli.jobs import code_of
    from nbmlops.jobs.failure import message
    from nbmlops.jobs.works.executors import executor as found
    from nbmlops.jobs.works.keys import StillRunning, run_keyed
    from nbmlops.records import new_id

    away = found(executor) if executor else None
    try:
        done = run_keyed(notebook, parameters, run_key or new_id(), typed=True, wait_s=wait_s, executor=away, **options)
    except StillRunning as running:
        click.echo(f"StillRunning: {running}", err=True)
        exit_with(FAILED)
    finally:
        if away is not None:
            away.close()
    if as_json:
        click.echo(json.dumps(done.run.to_dict(), ensure_ascii=False))
    else:
        before = f"{run_key}: done before.\n" if done.before else ""
        click.echo(before + message(done.run, done.error))
    exit_with(code_of(done.run))
