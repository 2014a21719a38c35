"""What is asked of one registered model: ``nbmlops models history``, and its neighbours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from nbmlops.cli import files
from nbmlops.cli.output import show, show_rows

__all__ = ["COMMANDS", "show_fleet"]

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


@click.command()
@click.argument("ref")
@click.option("--reason", help="Why it may run, for those who read the log; without it the source is shown.")
@as_json
def approve(ref: str, reason: str | None, as_json: bool) -> None:
    """Show the source of a registered function, or say that you have read it and that it may run.

    Example: nbmlops models approve late-rules@2 --reason "compares two columns, reads nothing"
    """
    from nbmlops.registry import review
    from nbmlops.registry.models import model_version

    if reason is None:
        found = review.shown(model_version(ref))
        click.echo(json.dumps(found, ensure_ascii=False) if as_json else found["source"].rstrip())
        return
    show_rows([review.approve_source(ref, reason)], as_json)


@click.command()
@click.argument("ref")
@click.option("--most", default=200, show_default=True, help="Follow at most this many, the nearest first.")
@as_json
def lineage(ref: str, most: int, as_json: bool) -> None:
    """Show where a model version, a run or a data set version comes from, and what came of it.

    Example: nbmlops lineage late-flights@champion --json
    """
    from nbmlops.registry.lineage import lineage as followed

    show(followed(ref, most), as_json)


@click.command()
@click.argument("name")
@click.option("--to", required=True, metavar="PERSON", help="The new owner, as people are named in the charter.")
@click.option("--reason", default="", help="Why, for those who read the log.")
@click.option("-o", "--output", "path", type=click.Path(), help="The page; handover-NAME.md when absent.")
@as_json
def handover(name: str, to: str, reason: str, path: str | None, as_json: bool) -> None:
    """Give a model to somebody, and write the page a newcomer needs.

    Example: nbmlops models handover late-flights --to grace@example.org --reason "ada moves on"
    """
    from nbmlops.governance.handover import handover as given
    from nbmlops.records import plain

    show_rows([plain(given(name, to, reason, path))], as_json)


@click.command()
@click.argument("ref")
def lock(ref: str) -> None:
    """Print the packages a version was registered with, for pip install -r.

    Example: nbmlops models lock late-flights@champion > requirements.txt
    """
    from nbmlops.registry.models import lock as locked

    click.echo(locked(ref), nl=False)


def show_fleet(asked: Mapping[str, Any], as_json: bool, as_csv: bool) -> None:
    """Print the fleet; as text only what fits a line."""
    from nbmlops.registry.fleet import rows
    from nbmlops.store.summary import headlines

    found = rows(**asked)
    if not (as_json or as_csv):
        known = headlines(dict.fromkeys(k.partition(".")[2] for r in found for k in r if k.startswith("metrics.")))
        named = f"{asked['query'] or ''} {asked['sort'] or ''}"
        found = [_brief(row, sorted(known, key=lambda m: m not in named)[:METRICS]) for row in found]
        filled = {k for row in found for k, v in row.items() if v not in (None, "")}
        found = [{k: v for k, v in row.items() if k in filled} for row in found]
    show_rows(found, as_json, as_csv, empty="no version fits the query" if asked["query"] else "nothing yet")


def _brief(row: Mapping[str, Any], metrics: Sequence[str]) -> dict[str, Any]:
    """Return a version as a line: days in place of times."""
    age = row["champion_age_s"]
    short = {k: row[k] for k in ("name", "version", "aliases")} | {"days": None if age is None else int(age // 86_400)}
    short |= {"evaluated": "yes" if row["evaluated"] else "not evaluated"}
    short |= {"checked": (row["checked_at"] or "")[:10], "verdict": row["verdict"], "episodes": row["episodes"]}
    short |= {"override": "not reviewed" if row["override"] else None}
    short |= {"review": (row["review_at"] or "")[:10], "job": row["job"], "owner": row["owner"]}
    return short | {m: row.get(f"metrics.{m}") for m in metrics}


METRICS = 3
COMMANDS = (
    approve,
    handover,
    history,
    lock,
    files.review,
)
