"""``nbmlops report``: what a person can read and sign, as one page; which there are; whether a file is whole."""

from __future__ import annotations

import click

from nbmlops.cli.runs import Verbs

__all__ = ["report"]


def _roles(_context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    from nbmlops.governance.charter import ROLES

    return [role for role in ROLES if role.startswith(begun)]


@click.group(cls=Verbs, invoke_without_command=True)
@click.pass_context
@click.argument("ref", metavar="REF", required=False)
@click.option("-o", "--output", type=click.Path(), help="The file; in .nbmlops/outputs/reports when absent.")
@click.option(
    "--for",
    "role",
    metavar="ROLE",
    shell_complete=_roles,
    help="For whom: what this role reads first is open, the rest folded; support of a model: how to use it.",
)
@click.option("--refresh", is_flag=True, help="Make the next number, of what is known now.")
@click.option(
    "--send",
    metavar="ROLE",
    shell_complete=_roles,
    help="Send the decision to the people of a role through [alerts]; ends with 1 where it could not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print where it is and what it says as JSON.")
def report(
    context: click.Context,
    ref: str | None,
    output: str | None,
    role: str | None,
    refresh: bool,
    send: str | None,
    as_json: bool,
) -> None:
    """Write a report as one file a person can read and sign.

    REF is a run (its id, the end of its id, an experiment), a model such as late-flights@champion, a job, two runs or
    models as A..B, drift:MODEL for its newest drift check, the path of an executed notebook, or project.

    A report is made once, with a number; asking again gives the same bytes. FILE.json holds its facts alone,
    FILE.md is Markdown.

    Roles are those of the charter. Each gets the whole page in its own order; of a model, support gets how to use it.

    Example: nbmlops report late-flights@champion -o report.html
    Example: nbmlops report late-flights --for support
    Example: nbmlops report late-flights@1..late-flights@2 -o what-changed.md
    Example: nbmlops report project --send stakeholder
    """
    from nbmlops.cli.output import FAILED, exit_with, show
    from nbmlops.report.page import written

    if context.invoked_subcommand is not None:
        return
    if not ref:
        raise click.UsageError("Missing argument 'REF'.")
    found = written(ref, output, role, refresh, send)
    show(found, as_json)
    if found.sent and not found.sent["delivered"]:
        exit_with(FAILED)


@report.command()
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(file: str, as_json: bool) -> None:
    """Tell whether a report's file is as it was made, and where it is not.

    Ends with 0 when it is whole, 3 when it was changed, 4 when not all could be compared, 5 when it cannot be read.

    Example: nbmlops report verify report.html
    """
    from nbmlops.cli.output import DONE, INCONCLUSIVE, NO_DATA, REFUSED, exit_with, show
    from nbmlops.report.verify import verify_report

    found = verify_report(file)
    show(found, as_json)
    codes = {"whole": DONE, "changed": REFUSED, "in part": INCONCLUSIVE, "unreadable": NO_DATA}
    exit_with(codes[found.verdict])


SHOWN = ("kind", "name", "number", "answer", "made_at", "digest")


@report.command("list")
@click.argument("ref", metavar="REF", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def list_reports(ref: str | None, as_json: bool, as_csv: bool) -> None:
    """List the reports that were made, or those of REF: the last made first.

    Example: nbmlops report list late-flights@champion
    """
    from nbmlops.cli.output import show_rows
    from nbmlops.report.listed import rows

    found = rows(ref)
    short = [{k: str(row[k])[:16] if k in ("made_at", "digest") else row[k] for k in SHOWN} for row in found]
    show_rows(found if as_json or as_csv else short, as_json, as_csv, "no reports")


@report.command()
@click.argument("ref", metavar="REF")
@click.option("-o", "--output", type=click.Path(), help="Write the page of it into this file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def signatures(ref: str, output: str | None, as_json: bool) -> None:
    """Say who approved, rejected or asked to change the reports of REF, and what the policy still asks for.

    Example: nbmlops report signatures late-flights@champion -o signatures.html
    """
    from nbmlops.cli.output import show
    from nbmlops.report.signatures import signatures as answered

    show(answered(ref, output), as_json)
