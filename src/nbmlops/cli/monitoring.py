"""Commands that look at what became of models that are watched: episodes and alerts."""

from __future__ import annotations

from collections import Counter

import click

from nbmlops.cli.output import FAILED, exit_with, show_rows

__all__ = ["alerts", "episodes", "standing"]

SHOWN = ("model", "version", "what", "level", "state", "opened_on", "last_on", "checks", "message")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


@click.command()
@click.argument("model", required=False)
@click.option("--state", metavar="STATE", help="Only those: opened, ongoing, closed, or open for both of the first.")
@as_json
@as_csv
def episodes(model: str | None, state: str | None, as_json: bool, as_csv: bool) -> None:
    """List what was found of a MODEL (or NAME@VERSION) in one check after another, and whether it still is.

    Example: nbmlops episodes late-flights@champion --state open
    """
    from nbmlops.monitoring.episodes import rows

    found = rows(model, state)
    short = [{k: row.get(k) for k in SHOWN} for row in ({**r, "what": f"{r['code']} {r['column']}"} for r in found)]
    show_rows(found if as_json or as_csv else short, as_json, as_csv, "no episodes")


@click.command()
@click.option("--send", is_flag=True, help="Send first what is not sent yet; ends with 1 where that fails.")
@as_json
@as_csv
def alerts(send: bool, as_json: bool, as_csv: bool) -> None:
    """List the alerts, a row for each channel, and what became of them.

    Example: nbmlops alerts --send
    """
    from nbmlops.governance.agenda import overdue
    from nbmlops.monitoring import alerts as kept

    if send:
        overdue.remind()
    failed = kept.deliver(wait_s=4 * kept.WAIT_S) if send else ()
    show_rows(kept.rows(), as_json, as_csv, "no alerts")
    for line in failed:
        click.echo(line, err=True)
    if failed:
        exit_with(FAILED)


def standing() -> list[str]:
    """Return how many episodes are open of each model version that is not deleted."""
    from nbmlops.monitoring.episodes import rows
    from nbmlops.report.text import count
    from nbmlops.store import models
    from nbmlops.tracking import session

    known = {version.ref for version in models.listed(session.store())}
    found = Counter(f"{row['model']}@{row['version']}" for row in rows(state="open"))
    return [f"{ref}: {count(n, 'open episode')}" for ref, n in found.items() if ref in known]
