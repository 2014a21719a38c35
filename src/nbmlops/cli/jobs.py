"""``nbmlops run`` and ``nbmlops new``: execute a notebook, start one from a template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbmlops.cli.output import CANCELLED, DONE, FAILED, KERNEL_DIED, TIMED_OUT, exit_with, show
from nbmlops.errors import Invalid

if TYPE_CHECKING:
    from nbmlops.tracking.runs import Run

__all__ = ["new", "run"]


@click.command()
@click.argument("notebook", type=click.Path())
@click.argument("output", type=click.Path(), required=False)
@click.option("-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds for the whole notebook."
)
@click.option("--cwd", type=click.Path(), help="The kernel's folder; the notebook's own by default.")
@click.option("--help-notebook", is_flag=True, help="Print which parameters NOTEBOOK has, and run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON.")
def run(
    notebook: str,
    output: str | None,
    parameters: tuple[tuple[str, str], ...],
    timeout: float | None,
    cwd: str | None,
    help_notebook: bool,
    as_json: bool,
) -> None:
    """Execute NOTEBOOK as a run and write the executed copy to OUTPUT.

    \b
    Values are read as the types the cell tagged 'parameters' declares; a secret is
    given by its variable: -p password 'Secret("DB_PASSWORD")'.
    Exit codes: 0 done, 1 failed, 2 wrong usage, 6 kernel died, 7 timed out, 8 cancelled.

    \b
    Example:
      nbmlops run retrain.ipynb -p months "[1, 2, 3]" -p trees 200
    """  # noqa: D301
    from nbmlops.jobs.execution import execute
    from nbmlops.jobs.parameters import parameters as known

    if help_notebook:
        show(known(notebook), as_json)
        exit_with(DONE)
    values = _once(parameters)
    done, error = execute(notebook, values, typed=True, output=output, timeout=timeout, cwd=cwd)
    click.echo(json.dumps(done.to_dict(), ensure_ascii=False) if as_json else block(done, error))
    exit_with(code_of(done))


@click.command()
@click.argument("template")
@click.argument("name", type=click.Path())
@click.option("--data", type=click.Path(), help="CSV or Parquet file the notebook starts with.")
@click.option("--target", help="Column to predict.")
def new(template: str, name: str, data: str | None, target: str | None) -> None:
    """Write NAME.ipynb from a TEMPLATE: explore, train, retrain, drift_check or score.

    \b
    Example:
      nbmlops new train late_flights --data flights.csv --target late
    """  # noqa: D301
    from nbmlops.jobs.templates import start

    path = start(template, Path(name), {k: v for k, v in (("data", data), ("target", target)) if v is not None})
    click.echo(f"Wrote {path}.\nOpen it in Jupyter, or type: nbmlops run {path}")


def block(done: Run, error: BaseException | None) -> str:
    """Return what a person needs to know of an execution: notebook, where it stopped and why, where to look."""
    about = done.error or {}
    rows = [("notebook", done.notebook or done.name), ("run", done.run_id), ("status", _status(done))]
    if "cell" in about:
        count = f", In [{about['count']}]" if about.get("count") else ""
        rows.append(("cell", f"{about['cell']} of {about['cells']}{count}"))
    if about:
        rows.append(("error", f"{about['name']}: {about['message']}".strip(": ")))
    elif error:
        rows.append(("error", str(error).strip().splitlines()[-1]))
    rows.append(("output", done.tags.get("output", "none")))
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def code_of(done: Run) -> int:
    """Return the exit code of a finished execution."""
    if done.status == "interrupted":
        return CANCELLED
    cause = (done.cause or "").partition("(")[0]
    codes = {"finished": DONE, "kernel_died": KERNEL_DIED, "timed_out": TIMED_OUT}
    return codes.get("finished" if done.status == "finished" else cause, FAILED)


def _status(done: Run) -> str:
    why = f", {done.cause}" if done.cause else ""
    return f"{done.status}{why} after {done.duration_s:.1f} s" if done.duration_s else f"{done.status}{why}"


def _once(parameters: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return the parameters as a dict; one given twice is a mistake worth a line."""
    names = [name for name, _ in parameters]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise Invalid(f"Parameter {twice!r} is given twice.", "Give each once; a list is written as -p name '[1, 2]'.")
    return dict(parameters)
