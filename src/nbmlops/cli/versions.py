"""What is asked of one registered model: ``nbmlops models history``, and its neighbours."""

from __future__ import annotations

import click

from nbmlops.cli.output import show, show_rows

__all__ = ["COMMANDS"]

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
BRIEF = ("at", "alias", "version", "from", "actor", "policy", "reason")


@click.command()
@click.argument("name")
@click.option("--alias", help="Only this alias, such as champion.")
@click.option("--at", metavar="TIME", help="What it pointed to at this time instead; UTC where no zone is said.")
@as_json
@as_csv
def history(name: str, alias: str | None, at: str | None, as_json: bool, as_csv: bool) -> None:
    """Show who moved an alias of a model, when, why and on what evidence, oldest first.

    Example: nbmlops models history late-flights --at 2026-03-03T14:03
    """
    from nbmlops.governance.history import rows

    if at is not None:
        from nbmlops.registry.models import model_version

        model, _, named = name.partition("@")
        show(model_version(f"{model}@{alias or named or 'champion'}", at=at), as_json)
        return
    found = rows(name, alias)
    if not (as_json or as_csv):
        found = [{k: r[k] for k in BRIEF} | {"at": r["at"][:16]} for r in found]
    show_rows(found, as_json, as_csv, empty=f"no alias of {name} was ever moved")


COMMANDS = (history,)
