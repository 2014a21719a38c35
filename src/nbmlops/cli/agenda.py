"""``nbmlops charter review``, ``verdict`` and ``decide``, and ``nbmlops status``: reviews, and where each model is."""

from __future__ import annotations

import click

from nbmlops.cli.output import show

__all__ = ["decide", "review", "status", "verdict"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
because = click.option("--why", required=True, help="Why, in a sentence.")


@click.command()
@click.option("--since", metavar="DAY", help="From when on it tells; since the last agenda when absent.")
@click.option("-o", "--output", metavar="FILE", help="The file: .html, .md or .json.")
@as_json
def review(since: str | None, output: str | None, as_json: bool) -> None:
    """Make the agenda of a review as a report: what changed, what is open, what there is to decide.

    Example: nbmlops charter review
    Example: nbmlops charter review --since 2026-03-01 -o agenda.md
    """
    from nbmlops.report.agenda.review import made

    found = made(since, output)
    if found.note:
        click.echo(found.note, err=True)
    show(found, as_json)


@click.command()
@click.argument("question")
@click.argument("answer", metavar="yes|partly|no")
@because
@as_json
def verdict(question: str, answer: str, why: str, as_json: bool) -> None:
    """Answer a QUESTION of the business (its id in the charter), as an expert: yes, partly or no.

    Example: nbmlops charter verdict q1 partly --why "fewer trips are missed, though not at night"
    """
    from nbmlops.governance.agenda.decided import verdict as answered

    show(answered(question, answer, why), as_json)


@click.command()
@click.argument("decision", metavar="continue|pivot|stop")
@because
@click.option("--to", metavar="WHAT", help="What a pivot turns to.")
@as_json
def decide(decision: str, why: str, to: str | None, as_json: bool) -> None:
    """Decide what becomes of the project, as stakeholder or manager: continue, pivot or stop.

    Example: nbmlops charter decide continue --why "it brings more than it costs"
    Example: nbmlops charter decide pivot --to "cancelled flights only" --why "the gain is too small"
    """
    from nbmlops.governance.agenda.decided import decide as decided

    show(decided(decision, why, to), as_json)


@click.command()
@as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV.")
def status(as_json: bool, as_csv: bool) -> None:
    """Say in which phase each model is, whose turn it is and for what, and when it went back a phase and why.

    Example: nbmlops status
    """
    from nbmlops.cli.output import show_rows
    from nbmlops.governance.phase import rows
    from nbmlops.governance.phase import status as standing

    found = standing()
    if as_csv:
        show_rows(rows(found), as_csv=True)
    else:
        show(found, as_json)
