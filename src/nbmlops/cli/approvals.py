"""``nbmlops approve`` and ``nbmlops approvals``: answer a report, see what is given and missing."""

from __future__ import annotations

import json
from typing import Any

import click

from nbmlops.cli.runs import Verbs

__all__ = ["approvals", "approve"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("report", metavar="[REPORT]", required=False)
@click.option(
    "--outcome",
    default="approved",
    show_default=True,
    help="Or: approved with conditions, ...",
)
@click.option("--role", help="The role in which you answer; the one you play where it is only one.")
@click.option("--comment", default="", help="Why.")
@click.option("--condition", "conditions", multiple=True, metavar="'WHAT; WHO; DAY'", help="May be repeated.")
@click.option(
    "--expires", metavar="SPAN|DAY", help="Until when it holds, such as 30d; what the policy says when absent."
)
@click.option("--by", metavar="NAME", help="Who answers, where you enter it for them: recorded as a claim.")
@click.option(
    "--form", metavar="new|FILE", help="new writes a text form for REPORT; a FILE that was filled in is read back."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Where the new form goes.")
@as_json
def approve(report: str | None, form: str | None, output: str | None, as_json: bool, **said: Any) -> None:
    """Answer a REPORT: its file, its hash, or such as late-flights@3 (the newest report of it).

    It is refused, and nothing is written, where it is your own work, a role you do not play by the charter, or a report
    that is not the newest or not up to date.

    Example: nbmlops approve late-flights@3 --role expert --comment "reads well"
    Example: nbmlops approve report.html --outcome "approved with conditions" --condition "look again; ann; 2026-05-01"
    Example: nbmlops approve late-flights@3 --form new -o form.txt
    Example: nbmlops approve --form form.txt
    """
    from nbmlops.cli.output import show
    from nbmlops.governance.approval import forms
    from nbmlops.governance.approval.approve import approve as answered

    if form is not None and form != "new":
        if report:
            raise click.UsageError("A form names its report itself.")
        show(answered(forms.read_form(form)), as_json)
        return
    if not report:
        raise click.UsageError("Missing argument 'REPORT'.")
    if form == "new":
        path = forms.approval_form(report, output)
        click.echo(
            json.dumps({"path": str(path)}) if as_json else f"{path}: fill it in; then: nbmlops approve --form {path}"
        )
        return
    show(answered(report, **said), as_json)


@click.group(cls=Verbs, invoke_without_command=True)
@click.pass_context
@click.argument("ref", metavar="REF", required=False)
@click.option("--to", "alias", metavar="ALIAS", help="What it shall become; champion when absent.")
@click.option("--ask", is_flag=True, help="Ask the people of the missing roles through [alerts], once for a report.")
@as_json
def approvals(context: click.Context, ref: str | None, alias: str | None, ask: bool, as_json: bool) -> None:
    """Say which approvals REF needs, which it has, and what is missing; ends with 3 where something is.

    Example: nbmlops approvals late-flights@3
    Example: nbmlops approvals late-flights@3 --ask
    """
    from nbmlops.cli.output import REFUSED, exit_with, show
    from nbmlops.governance.approval.standing import approvals as standing

    if context.invoked_subcommand is not None:
        return
    if not ref:
        raise click.UsageError("Missing argument 'REF'.")
    found = standing(ref, alias, ask)
    show(found, as_json)
    exit_with(0 if found.met else REFUSED)


@approvals.command()
@click.argument("approval", type=int)
@click.argument("condition", type=int)
@click.option("--why", required=True, help="How it was met.")
@as_json
def met(approval: int, condition: int, why: str, as_json: bool) -> None:
    """Say that CONDITION (1, 2, ...) of an APPROVAL (the number of its event) is met.

    Example: nbmlops approvals met 17 1 --why "looked at in May: no change"
    """
    from nbmlops.cli.output import show
    from nbmlops.governance.approval.approve import meet_condition

    show(meet_condition(approval, condition, why), as_json)


@approvals.command()
@click.argument("ref", metavar="NAME@ALIAS")
@click.argument("verdict")
@click.option("--why", required=True, help="Why it was, or was not.")
@as_json
def override(ref: str, verdict: str, why: str, as_json: bool) -> None:
    """Say of an emergency, as somebody else, whether moving the alias was "justified" or "not justified".

    Example: nbmlops approvals override late-flights@champion justified --why "the old one had stopped"
    """
    from nbmlops.governance.approval.override import review_override

    found = review_override(ref, verdict, why)
    click.echo(json.dumps(found) if as_json else f"{found['subject']}: the override was {found['verdict']}.")
