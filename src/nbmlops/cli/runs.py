"""Commands that read runs, and those that look after one that is executed."""

from __future__ import annotations

import json

import click

from nbmlops.cli.output import DONE, FAILED, exit_with, show, show_rows


class Verbs(click.Group):
    """A list of its own, with a query, and commands besides."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the first word for a query, unless it is a command."""
        if args and args[0] in self.commands:
            args = ["", *args]
        else:
            ctx.allow_interspersed_args = True
        return super().parse_args(ctx, args)


@click.group(cls=Verbs, invoke_without_command=True)
@click.pass_context
@click.argument("query", required=False)
@click.option("--sort", help="A column; a minus before it means largest first.")
@click.option("--limit", default=20, show_default=True, help="At most this many.")
@click.option("--children", is_flag=True, help="Also runs that are part of another.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def runs(
    context: click.Context,
    query: str | None,
    sort: str | None,
    limit: int,
    children: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List runs, newest first.

    Example: nbmlops runs "roc_auc > 0.6" --sort -roc_auc
    """
    from nbmlops.records import plain
    from nbmlops.tracking.overview import overview

    if context.invoked_subcommand is not None:
        return
    found = overview(query, sort, limit, children)
    if as_json or as_csv:
        show_rows([plain(r) for r in found.runs], as_json, as_csv)
    else:
        show(found)


@runs.command("show")
@click.argument("ref", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_run(ref: str, as_json: bool) -> None:
    """Say where the execution of a notebook is, or how it ended and why.

    Example: nbmlops runs show retrain
    """
    from nbmlops.jobs.failure import message
    from nbmlops.tracking.runs import get_run

    run = get_run(ref)
    if as_json or run.kind != "notebook":
        show(run, as_json)
    else:
        click.echo(message(run))


@runs.command()
@click.argument("ref", metavar="RUN")
@click.option("-o", "--output", type=click.Path(), help="Where to; its own place by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def recover(ref: str, output: str | None, as_json: bool) -> None:
    """Rebuild the notebook of a run whose runner was killed, with every line it had printed.

    Example: nbmlops runs recover retrain -o rescued.ipynb
    """
    from nbmlops.jobs.recover import recover as recovered

    found = recovered(ref, output)
    click.echo(json.dumps(found.to_dict()) if as_json else str(found))


@runs.command()
@click.argument("ref", metavar="RUN", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def upload(ref: str | None, as_json: bool, as_csv: bool) -> None:
    """Upload now what waits: the notebooks whose place could not be written; of one RUN, or of all.

    Ends with 1 if something still waits.

    Example: nbmlops runs upload
    """
    from nbmlops.jobs.outbox import upload as uploaded
    from nbmlops.tracking.runs import resolve

    rows = uploaded(resolve(ref) if ref else None)
    show_rows(rows, as_json, as_csv, empty="no notebook waits to be uploaded")
    exit_with(FAILED if any(row["because"] for row in rows) else DONE)


@click.command()
@click.argument("refs", nargs=-1, required=True, metavar="RUN RUN ...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def compare(refs: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """Set runs side by side and show what differs.

    Example: nbmlops compare forest forest~1
    """
    from nbmlops.tracking.runs import compare as compared

    found = compared(refs)
    if as_csv:
        heads = [r["run_id"] for r in found.runs]
        show_rows([{"name": r["name"], **dict(zip(heads, r["values"], strict=True))} for r in found.rows], as_csv=True)
    else:
        show(found, as_json)
