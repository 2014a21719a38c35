"""``nbmlops charter``: begin one, show it, see what is missing, what a model is worth by it."""

from __future__ import annotations

from typing import Any

import click

from nbmlops.cli import agenda
from nbmlops.cli.output import INCONCLUSIVE, NO_DATA, REFUSED, exit_with, show, show_rows
from nbmlops.errors import Invalid

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def charter() -> None:
    """What people agreed before the first model.

    Example: nbmlops charter new
    """


charter.add_command(agenda.review)
charter.add_command(agenda.verdict)
charter.add_command(agenda.decide)


@charter.command()
@click.option("--answers", metavar="FILE", help="Take the answers from a YAML file with the keys of a charter.")
@click.option("--input/--no-input", "asks", default=None, help="Ask, or do not; on a terminal it asks.")
@as_json
def new(answers: str | None, asks: bool | None, as_json: bool) -> None:
    """Begin a charter: ask what it shall say, and write a commented template with the answers, charter.yaml.

    Example: nbmlops charter new
    """
    import sys

    from nbmlops.governance import begun
    from nbmlops.governance.charter import required

    begun.check_none()
    said = begun.read_answers(answers) if answers else {}
    if asks if asks is not None else sys.stdin.isatty() and not answers:
        said |= {key: value for key in begun.ASKED if key not in said and (value := _ask(key)) is not None}
    path = begun.new(answers=said)
    if as_json:
        show(required(path), as_json)
    else:
        click.echo(f"{path.name} is written. Fill in the rest, then: nbmlops charter check")


def _ask(key: str) -> Any:
    """Ask for a key until the answer is one; nothing is no answer."""
    from nbmlops.governance import begun

    def read(words: str) -> Any:
        try:
            return begun.answered(key, words) if words.strip() else None
        except Invalid as error:
            raise click.BadParameter(str(error)) from None

    return click.prompt(begun.question(key), default="", show_default=False, value_proc=read, err=True)


@charter.command("show")
@as_json
def show_charter(as_json: bool) -> None:
    """Show the charter of this project.

    Example: nbmlops charter show
    """
    from nbmlops.governance.charter import required

    show(required(), as_json)


@charter.command()
@click.argument("model", required=False)
@as_json
def check(model: str | None, as_json: bool) -> None:
    """Name what the charter does not say yet, and whose it is to say; with a MODEL, check its requirements too.

    Ends with 3 when something is missing or a requirement is not kept, with 4 when only data for a check is missing.
    What the charter says now is recorded (nbmlops charter changes).

    Example: nbmlops charter check late-flights@champion
    """
    from nbmlops.governance.checked import check as checked

    found = checked(model=model)
    rows = [{"outcome": f.outcome, "key": f.column, "message": f.message} for f in found]
    show_rows(rows, as_json=as_json)
    _note()
    outcomes = {f.outcome for f in found}
    exit_with(REFUSED if outcomes & {"warning", "issue"} else INCONCLUSIVE if "skipped" in outcomes else 0)


def _note() -> None:
    """Record the charter; who cannot write to the store is told so, and still sees what is missing."""
    from nbmlops.errors import NotAllowed, Unavailable
    from nbmlops.governance.agreed_on import note

    try:
        note()
    except (NotAllowed, Unavailable) as error:
        click.echo(f"The charter was not recorded. {error}", err=True)


@charter.command()
@as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def changes(as_json: bool, as_csv: bool) -> None:
    """List every change of the charter, oldest first: who changed what when, in words.

    Example: nbmlops charter changes
    """
    from nbmlops.governance.agreed_on import changes as recorded

    found = recorded()
    if not as_json:
        found = [row | {"changed": "; ".join(row["changed"])} for row in found]
    if not (as_json or as_csv):
        found = [
            {"at": r["at"], "by": r["edited_by"] or f"found by {r['actor']}", "changed": r["changed"]} for r in found
        ]
    show_rows(found, as_json, as_csv, empty="no charter was recorded yet: nbmlops charter check records it")


@charter.command()
@click.argument("model", required=False)
@click.option("--auc", metavar="LOW,EXPECTED,HIGH", help="Areas under the ROC curve to reckon with before a model.")
@as_json
def value(model: str | None, auc: str | None, as_json: bool) -> None:
    """Tell what the project is worth by the charter before any model, or what a registered MODEL is worth.

    Ends with 5 when the charter does not say enough, or the model was never evaluated.

    Example: nbmlops charter value late-flights@champion
    """
    from nbmlops.governance.worth.told import worth

    found = worth(model, _areas(auc) if auc else None)
    show(found, as_json)
    side = found.estimated if model is None else found.evaluated
    exit_with(NO_DATA if side is None or "unknown" in side else 0)


def _areas(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise Invalid(f"--auc is {text[:40]!r}.", "Write 0.6,0.7,0.8.") from None


@charter.command()
@click.argument("ref", required=False)
@as_json
def viability(ref: str | None, as_json: bool) -> None:
    """Tell whether a run, a model or the project (nothing named) is still viable, and why.

    Ends with 3 when it is at risk or not viable, with 4 when too little is known.

    Example: nbmlops charter viability late-flights@champion
    """
    from nbmlops.governance.viability import AT_RISK, LOST, UNKNOWN
    from nbmlops.governance.viability import viability as told

    found = told(ref)
    show(found, as_json)
    exit_with({AT_RISK: REFUSED, LOST: REFUSED, UNKNOWN: INCONCLUSIVE}.get(found.verdict, 0))
