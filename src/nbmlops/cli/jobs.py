"""``nbmlops run`` and ``nbmlops new``: execute a notebook, start one from a template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from nbmlops.cli.output import CANCELLED, DONE, FAILED, INCONCLUSIVE, KERNEL_DIED, REFUSED, TIMED_OUT, exit_with, show
from nbmlops.errors import Invalid

if TYPE_CHECKING:
    from nbmlops.tracking.runs import Run

__all__ = ["new", "run"]


@click.command()
@click.argument("notebook", type=click.Path(), required=False)
@click.argument("output", type=click.Path(), required=False)
@click.option("-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter.")
@click.option("--timeout", metavar="TIME", help="Seconds for the whole notebook, or 90s, 15m, 2h, 1d.")
@click.option("--memory", metavar="SIZE", help="What the kernel may map, such as 4G; more is a MemoryError (Linux).")
@click.option("--cpu", type=float, metavar="N", help="Cores of the kernel, and threads of BLAS and OpenMP.")
@click.option("--cwd", type=click.Path(), help="The kernel's folder; the notebook's own by default.")
@click.option("--each", type=click.Path(), metavar="FILE", help="CSV, JSON lines or Parquet: a run for each row.")
@click.option("--grid", multiple=True, metavar="NAME=V,V", help="Values of a parameter: a run for each combination.")
@click.option("--executor", default="", metavar="URL", help="local:N or dask://HOST:PORT, instead of this process.")
@click.option("--run-key", metavar="KEY", help="What the run is: once it has finished, it is not done again.")
@click.option("--wait", type=click.FloatRange(min=0), metavar="S", help="Seconds to wait where the key is running.")
@click.option("--resume", metavar="RUN", help="Go on behind the last checkpoint of a run that did not finish.")
@click.option("--again", metavar="RUN", help="Run what a run executed once more, and compare: same, or differs.")
@click.option("--log", is_flag=True, help="Print what the cells print, as it comes.")
@click.option("--help-notebook", is_flag=True, help="Print which parameters NOTEBOOK has, and run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON.")
def run(
    notebook: str | None,
    output: str | None,
    parameters: tuple[tuple[str, str], ...],
    timeout: str | None,
    memory: str | None,
    cpu: float | None,
    cwd: str | None,
    each: str | None,
    grid: tuple[str, ...],
    executor: str,
    run_key: str | None,
    wait: float | None,
    resume: str | None,
    again: str | None,
    log: bool,
    help_notebook: bool,
    as_json: bool,
) -> None:
    """Execute NOTEBOOK as a run and write the executed copy to OUTPUT.

    \b
    Values are read as the types the cell tagged 'parameters' declares; a secret is
    given by its variable: -p password 'Secret("DB_PASSWORD")'.
    --again ends with 0 same, 3 differs, 4 nothing to compare.
    Exit codes: 0 done, 1 failed, 2 wrong usage, 6 kernel died, 7 timed out, 8 cancelled.

    \b
    Example:
      nbmlops run retrain.ipynb -p months "[1, 2, 3]" -p trees 200
    """  # noqa: D301
    from nbmlops.cli.fan import fan
    from nbmlops.cli.keyed import keyed
    from nbmlops.jobs.execution import execute
    from nbmlops.jobs.failure import message
    from nbmlops.jobs.parameters import parameters as known
    from nbmlops.jobs.resume import go_on

    if again:
        options = {"cwd": cwd, "log": log, "timeout": timeout, "memory": memory, "cpu": cpu}
        _again(again, notebook or parameters, as_json, options)
    if notebook is None and (help_notebook or not resume):
        raise click.UsageError("Missing argument 'NOTEBOOK'.")
    if help_notebook and notebook is not None:
        show(known(notebook), as_json)
        exit_with(DONE)
    values = _once(parameters)
    limits: dict[str, Any] = {"timeout": timeout, "memory": memory, "cpu": cpu}
    if resume and (run_key is not None or executor or each or grid):
        raise click.UsageError("--resume goes on with one run here: leave --run-key, --executor, --each, --grid out.")
    if resume:
        done, error = go_on(resume, notebook, values, typed=True, output=output, cwd=cwd, log=log, **limits)
        click.echo(json.dumps(done.to_dict(), ensure_ascii=False) if as_json else message(done, error))
        exit_with(code_of(done))
    assert notebook is not None
    if each or grid:
        fan(notebook, output, each, grid, values, executor, run_key, as_json, {**limits, "cwd": cwd})
    if run_key is not None or executor:
        more = {"output": output, "cwd": cwd, "log": log, **limits}
        keyed(notebook, values, run_key, wait, executor, as_json, more)
    done, error = execute(notebook, values, typed=True, output=output, cwd=cwd, log=log, **limits)
    click.echo(json.dumps(done.to_dict(), ensure_ascii=False) if as_json else message(done, error))
    exit_with(code_of(done))


@click.command()
@click.argument("template")
@click.argument("name", type=click.Path())
@click.option("--data", type=click.Path(), help="CSV or Parquet file the notebook starts with.")
@click.option("--target", help="Column to predict.")
@click.option("--model", "model_name", metavar="MODEL", help="The registered model it is about.")
@click.option("--job", is_flag=True, help="Write jobs/NAME.yaml too, the job that runs it.")
def new(template: str, name: str, job: bool, **parameters: str | None) -> None:
    """Write NAME.ipynb from a TEMPLATE: explore, train, retrain, drift_check, score, check or load.

    With --job also jobs/NAME.yaml: when it runs, and what follows (retrain, score, check and load).

    \b
    Example:
      nbmlops new retrain late_flights --data flights.csv --target late --model late-flights --job
    """  # noqa: D301
    from nbmlops.config import find_project
    from nbmlops.jobs.templates import start, start_job

    given = {k: v for k, v in parameters.items() if v is not None}
    path, *more = start_job(template, name, given) if job else (start(template, Path(name), given),)
    wrote = " and ".join([str(path), *map(find_project().relative, more)])
    run = f"nbmlops retrain {path.stem}" if job else f"nbmlops run {path}"
    click.echo(f"Wrote {wrote}.\nOpen it in Jupyter, or type: {run}")


def _again(ref: str, also: Any, as_json: bool, options: dict[str, Any]) -> NoReturn:
    """Run a run again and end with what came out."""
    from nbmlops.jobs.again import repeat
    from nbmlops.jobs.failure import message
    from nbmlops.tracking.runs import get_run

    if also:
        raise click.UsageError("--again takes notebook and parameters from the run; name neither.")
    found, error = repeat(ref, **options)
    done = get_run(found.run_id)
    if done.status != "finished" and not as_json:
        click.echo(message(done, error))
    show(found, as_json)
    exit_with(code_of(done) or {"same": DONE, "differs": REFUSED, "inconclusive": INCONCLUSIVE}[found.verdict])


def code_of(done: Run) -> int:
    """Return the exit code of a finished execution."""
    if done.status == "interrupted":
        return CANCELLED
    cause = (done.cause or "").partition("(")[0]
    if (done.error or {}).get("name") == "DeadKernelError":  # also one the system killed for want of memory
        return KERNEL_DIED
    codes = {"finished": DONE, "kernel_died": KERNEL_DIED, "timed_out": TIMED_OUT}
    return codes.get("finished" if done.status == "finished" else cause, FAILED)


def _once(parameters: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return the parameters as a dict; one given twice is a mistake worth a line."""
    names = [name for name, _ in parameters]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise Invalid(f"Parameter {twice!r} is given twice.", "Give each once; a list is written as -p name '[1, 2]'.")
    return dict(parameters)
