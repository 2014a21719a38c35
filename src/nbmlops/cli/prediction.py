"""``nbmlops prediction``: one answer, asked for again."""

from __future__ import annotations

import json

import click

__all__ = ["prediction"]


@click.command()
@click.argument("prediction_id", metavar="ID")
@click.option("--reasons", is_flag=True, help="Say why, too: which inputs moved this answer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prediction(prediction_id: str, reasons: bool, as_json: bool) -> None:
    """Show one prediction: who asked, when, which version, of what, what was said, what came back for it.

    Example: nbmlops prediction 0190a0b0-0000-7000-8000-000000000011 --reasons
    """
    from nbmlops.monitoring.predicting.lookup import prediction as found
    from nbmlops.widgets import text

    data = found(prediction_id).to_dict(reasons)
    click.echo(json.dumps(data, ensure_ascii=False) if as_json else text("prediction", data))
