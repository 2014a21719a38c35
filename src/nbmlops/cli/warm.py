"""``nbmlops warm``: the processes kernels are forked from."""

from __future__ import annotations

import time
from typing import Any

import click

from nbmlops.cli.output import show_rows

__all__ = ["standing", "warm"]


@click.group()
def warm() -> None:
    """See and stop the processes that hold imports for warm kernels; have JupyterLab use them.

    Example: nbmlops warm status
    """


@warm.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def status(as_json: bool, as_csv: bool) -> None:
    """List them: age, memory, kernels that run, what is imported.

    Example: nbmlops warm status --json
    """
    from nbmlops.jobs.warm import parents

    found = parents.running()
    shown = found if as_json else [_row(one) for one in found]
    show_rows(shown, as_json, as_csv, "none runs: the first notebook of a kind starts cold and makes one")


@warm.command()
def stop() -> None:
    """Stop them all; each ends with the last of its kernels, and the next notebook makes a new one.

    Example: nbmlops warm stop
    """
    from nbmlops.jobs.warm import parents
    from nbmlops.report.text import count

    found = parents.running()
    for one in found:
        parents.stop(one["path"])
    click.echo(f"Stopped {count(len(found), 'process', 'processes')}.")


@warm.command()
@click.option("--kernel", default="python3", show_default=True, help="The kernel it is like.")
@click.option("--preload", multiple=True, metavar="MODULE", help="What to import; the notebook's imports by default.")
def install(kernel: str, preload: tuple[str, ...]) -> None:
    """Add a kernel KERNEL-warm to this environment, for JupyterLab and whatever else starts kernels by name.

    Example: nbmlops warm install --preload pandas --preload sklearn.linear_model
    """
    from nbmlops.jobs.warm import spec

    click.echo(f"Wrote {spec.install(kernel, list(preload) or None)}.\nChoose the kernel {kernel}-warm in JupyterLab.")


def standing() -> list[str]:
    """Return a line for each process: its age, memory, kernels and imports."""
    from nbmlops.jobs.warm import parents

    return [
        "{age} old, {memory}, {kernels} now, {started} so far: {preload}".format(**_row(p)) for p in parents.running()
    ]


def _row(one: dict[str, Any]) -> dict[str, Any]:
    from nbmlops.report.text import count, duration, size

    return {
        "pid": one["pid"],
        "age": duration(time.time() - one["began"]),
        "memory": size(one["memory_bytes"]),
        "kernels": count(one["kernels"], "kernel"),
        "started": one["started"],
        "preload": ", ".join(one["preload"]) or "ipykernel",
        "imported by each kernel": ", ".join(one["particular"]),
    }
