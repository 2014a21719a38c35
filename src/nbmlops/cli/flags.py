"""``nbmlops flag`` and ``nbmlops flags``: say that something is doubtful, ask, answer, and list."""

from __future__ import annotations

import json
from typing import Any

import click

from nbmlops.cli.output import show, show_rows
from nbmlops.errors import Invalid

__all__ = ["flag", "flags"]

ANSWER = "answer"
LONGEST = 60  # characters of a text in a table
SHORT = ("flag_id", "state", "severity", "subject", "where", "text", "author", "role", "owner", "answers")


@click.command()
@click.argument("words", nargs=-1, metavar="[SUBJECT TEXT | answer ID TEXT]")
@click.option("--severity", metavar="WORD", help="low, medium, high or blocking; medium when absent.")
@click.option("--to", metavar="ROLE", help="The role that is told and asked.")
@click.option("--question", is_flag=True, help="Ask it, instead of saying it.")
@click.option("--where", metavar="CONDITION", help="Which rows: \"origin = 'EWR' and hour > 20\".")
@click.option("--kind", metavar="KIND", help="model, dataset or run, where a name is several.")
@click.option("--should-be", metavar="VALUE", help="What it should be: a label, once accepted.")
@click.option("--evidence", multiple=True, metavar="TEXT", help="A run, address or file; may be repeated.")
@click.option("--state", metavar="STATE", help="Of an answer: answered, accepted, dismissed, or open to only say it.")
@click.option("--file", "file", type=click.Path(), help="A CSV with columns subject and text: all or nothing.")
@click.option("--form", metavar="new|FILE", help="Print an empty text form, or enter a filled-in one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def flag(words: tuple[str, ...], file: str | None, form: str | None, as_json: bool, **about: Any) -> None:
    """Flag a model, feature, row, segment, prediction, run or report, or answer a flag.

    Example: nbmlops flag late-flights@3 "too sure at night" --where "hour > 20" --severity high
    """
    if form == "new":
        from nbmlops.governance.flags.from_file import new_form

        click.echo(new_form(about=words[0] if words else ""), nl=False)
    elif file or form:
        _from_file(words, file, form, as_json)
    elif words[:1] == (ANSWER,) and len(words) == 3:
        from nbmlops.governance.flags.thread import answer_flag

        show(answer_flag(words[1], words[2], about["state"] or "answered"), as_json)
    else:
        _flag(words, about, as_json)


def _from_file(words: tuple[str, ...], file: str | None, form: str | None, as_json: bool) -> None:
    from nbmlops.governance.flags.from_file import from_csv, from_form

    if words or (file and form):
        raise Invalid("A file says everything itself.", "Name nothing beside --file or --form.")
    if form:
        show(from_form(form), as_json)
        return
    found = from_csv(str(file))
    told = {f.told["words"]: None for f in found if f.told}
    if as_json:
        click.echo(json.dumps([f.to_dict() for f in found], ensure_ascii=False))
    else:
        click.echo("\n".join([f"{len(found)} flags kept.", *told]))


def _flag(words: tuple[str, ...], about: dict[str, Any], as_json: bool) -> None:
    from nbmlops.governance.flags.flag import flag as flagged
    from nbmlops.governance.flags.from_file import value_of

    if len(words) != 2:
        raise Invalid("A flag needs a subject and a text.", 'nbmlops flag late-flights@3 "too sure at night"')
    if about["state"]:
        raise Invalid("--state is of an answer.", 'nbmlops flag answer ID "..." --state accepted')
    value = None if about["should_be"] is None else value_of(about["should_be"])
    given = {k: about[k] for k in ("kind", "to", "question", "where")}
    show(
        flagged(*words, severity=about["severity"] or "medium", evidence=about["evidence"], value=value, **given),
        as_json,
    )


@click.command()
@click.argument("subject", required=False)
@click.option("--state", metavar="STATE", help="open, answered, accepted or dismissed.")
@click.option("--role", metavar="ROLE", help="For whom they are.")
@click.option("--by", metavar="COLUMN", help="Count the flagged predictions or rows in each value of a column.")
@click.option("--id", "flag_id", metavar="ID", help="One flag with its thread: its id, or the end of it.")
@click.option("--agreement", nargs=2, metavar="WHO WHO", help="How far two people agree on a model's predictions.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def flags(
    subject: str | None,
    state: str | None,
    role: str | None,
    by: str | None,
    flag_id: str | None,
    agreement: tuple[str, str] | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List flags: of everything, or of a SUBJECT such as late-flights.

    Example: nbmlops flags late-flights --state open
    """
    if flag_id:
        from nbmlops.governance.flags.flag import get

        show(get(flag_id), as_json)
    elif agreement:
        from nbmlops.governance.flags.agreement import agreement as measured

        if subject is None:
            raise Invalid("Agreement on which model's predictions?", "nbmlops flags late-flights --agreement ann bob")
        show(measured(subject, agreement), as_json)
    else:
        from nbmlops.governance.flags.listed import rows

        found = rows(subject, state, role, by)
        short = found if by else [_short(row) for row in found]
        show_rows(found if as_json or as_csv else short, as_json, as_csv, empty="no flags")


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """Return what of a flag fits a line: the end of its id, and how its text begins."""
    text = " ".join(str(row["text"]).split())
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return {k: row[k] for k in SHORT} | {"flag_id": row["flag_id"][-8:], "text": cut}
