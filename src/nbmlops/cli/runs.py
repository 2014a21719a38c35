"""Commands that read runs."""

from __future__ import annotations

import click

from nbmlops.cli.output import show, show_rows


@click.command()
@click.argument("query", required=False)
@click.option("--sort", help="A column; a minus before it means largest first.")
@click.option("--limit", default=20, show_default=True, help="At most this many.")
@click.option("--children", is_flag=True, help="Also runs that are part of another.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def runs(query: str | None, sort: str | None, limit: int, children: bool, as_json: bool, as_csv: bool) -> None:
    """List runs, newest first.

    Example: nbmlops runs "roc_auc > 0.6" --sort -roc_auc
    """
    from nbmlops.records import plain
    from nbmlops.tracking.overview import overview

    found = overview(query, sort, limit, children)
    if as_json or as_csv:
        show_rows([plain(r) for r in found.runs], as_json, as_csv)
    else:
        show(found)


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
