"""``nbmlops advise``: what to do about a model, and why."""

from __future__ import annotations

import click

from nbmlops.cli.output import DONE, INCONCLUSIVE, REFUSED, exit_with, show

__all__ = ["advise"]

EXIT = {"keep": DONE, "insufficient data": INCONCLUSIVE}


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def advise(model: str, as_json: bool) -> None:
    """Say what to do about a MODEL: keep, retrain, fix the data, change the model, stop, or insufficient data.

    Ends with 0 (keep), 3 (something is to be done) or 4 (insufficient data).

    Example: nbmlops advise late-flights
    """
    from nbmlops.governance.advise import advise as advised

    found = advised(model)
    show(found, as_json)
    exit_with(EXIT.get(found.advice, REFUSED))
