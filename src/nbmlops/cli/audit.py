"""``nbmlops audit``: what was decided, whether the log of it is whole, its head for others to hold, an export."""

from __future__ import annotations

import json

import click

from nbmlops.cli.output import REFUSED, exit_with, show, show_rows

__all__ = ["audit"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def audit() -> None:
    """Who decided what, when, why, on what evidence; and whether that log is whole.

    Example: nbmlops audit show --model late-flights
    """


@audit.command("show")
@click.option("--model", default="", help="Only of this model or data set; NAME@3 for one version.")
@click.option("--person", default="", help="Only by this person.")
@click.option("--since", default="", metavar="TIME", help="From this day or time on, or so long ago: 7d. UTC.")
@click.option("--until", default="", metavar="TIME", help="Up to this day (the whole of it) or time.")
@click.option("--action", default="", help="Only such events: approve, alias, flag, ...")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1), help="How many of the newest.")
@click.option("--all", "every", is_flag=True, help="All of them.")
@as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def show_log(
    model: str,
    person: str,
    since: str,
    until: str,
    action: str,
    limit: int,
    every: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Tell the log as a story, oldest first: one sentence an event.

    Example: nbmlops audit show --model late-flights --since 2026-03-01 --action approve
    """
    from nbmlops.governance.audit.story import audit as told

    found = told(model, person, since, until, action, None if every else limit)
    if as_csv:
        show_rows(found.to_rows(), as_csv=True)
    else:
        show(found, as_json)


@audit.command()
@click.option(
    "--head", multiple=True, metavar="SEQ:HASH|FILE", help="A head that somebody else holds; may be repeated."
)
@as_json
def verify(head: tuple[str, ...], as_json: bool) -> None:
    """Tell whether the log is whole: broken (and where), consistent but not proven, or proven up to an event.

    FILE is a report, an export of the log, or a text with a head. Ends with 3 when it is broken.

    Example: nbmlops audit verify --head report.html
    """
    from nbmlops.governance.audit.verify import verify_audit

    found = verify_audit(list(head))
    show(found, as_json)
    exit_with(0 if found.whole else REFUSED)


@audit.command("head")
@as_json
def show_head(as_json: bool) -> None:
    """Print number and hash of the newest event, for somebody else to hold.

    Example: nbmlops audit head > head-monday.txt
    """
    from nbmlops.governance.audit.verify import head

    found = head()
    click.echo(json.dumps(found.to_dict()) if as_json else str(found))


@audit.command()
@click.option("--commit", is_flag=True, help="A commit without changes on this branch.")
@click.option("--tag", is_flag=True, help="An annotated tag nbmlops-audit-N; what is made when nothing is said.")
@as_json
def anchor(commit: bool, tag: bool, as_json: bool) -> None:
    """Write the head into git, where others fetch it. Nothing is pushed; index and files are not touched.

    Example: nbmlops audit anchor --tag
    """
    from nbmlops.governance.audit.anchor import anchor as anchored

    if commit and tag:
        raise click.UsageError("Choose one: --commit or --tag.")
    show(anchored(commit), as_json)


@audit.command("export")
@click.argument("path", type=click.Path())
@as_json
def export_log(path: str, as_json: bool) -> None:
    """Write the log as PATH, a zip file or a folder, that checks itself with Python alone.

    Ends with 3 when the log is broken; it is written all the same.

    Example: nbmlops audit export audit.zip
    """
    from nbmlops.governance.audit.export import export_audit

    made = export_audit(path)
    show(made, as_json)
    exit_with(REFUSED if made.verdict == "broken" else 0)
