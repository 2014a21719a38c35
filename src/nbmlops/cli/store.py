"""``nbmlops store``: delete and bring back, reclaim, export and import, back up, verify."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbmlops.cli.erasing import erase
from nbmlops.cli.grants import grant, grants
from nbmlops.cli.output import CANCELLED, DONE, REFUSED, exit_with, show_rows
from nbmlops.config import find_project

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from nbmlops.store.exchange import Exchanged

__all__ = ["store"]

UNITS = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


class Age(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """A time such as 30d, read as seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        if not (match := re.fullmatch(r"(\d{1,5})([hdw])", str(value))):
            self.fail(f"{value!r} is no time. Write hours, days or weeks: 12h, 30d, 8w.", param, ctx)
        return int(match[1]) * UNITS[match[2]]


class Names(click.ParamType):  # type: ignore[type-arg]
    """What can be deleted, or brought back, by what a person types; a shell completes it."""

    name = "ref"

    def __init__(self, deleted: bool = False) -> None:
        self.deleted = deleted

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so; none when the store cannot be asked."""
        from click.shell_completion import CompletionItem

        try:
            return [CompletionItem(n) for n in names(self.deleted) if n.startswith(incomplete)]
        except Exception:
            return []


def names(deleted: bool = False) -> list[str]:
    """Return what may stand behind ``store delete``, or behind ``store restore``."""
    from nbmlops.governance import deletion
    from nbmlops.store import models, runs
    from nbmlops.tracking import session

    if deleted:
        return [row["ref"] for row in deletion.deleted()]
    versions = models.listed(session.store())
    found = [f"{experiment}~0" for experiment in runs.experiments(session.store())]
    return [*found, *dict.fromkeys(v.name for v in versions), *(v.ref for v in versions)]


@click.group()
def store() -> None:
    """Look after what is kept: delete, reclaim, export, import, back up, verify.

    Example: nbmlops store gc
    """


store.add_command(erase)
store.add_command(grant)
store.add_command(grants)


@store.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...", type=Names())
@click.option("--reason", default="", help="Why, for those who read the log of a model.")
@click.option("--aliases", is_flag=True, help="Take the aliases of a whole model away with it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def delete(refs: tuple[str, ...], reason: str, aliases: bool, yes: bool, as_json: bool) -> None:
    """Delete runs with what is part of them, model versions (NAME@3) or whole models (NAME).

    They are hidden at once and can be brought back until `nbmlops store gc` takes them. A bare experiment is refused:
    EXPERIMENT~0 is its newest run.

    Example: nbmlops store delete forest~0 late-flights@2 --yes
    """
    from nbmlops.governance import deletion

    meant = dict.fromkeys(map(deletion.resolved, refs))  # all of them before the first is deleted
    if not (yes or _agreed(f"Delete {', '.join(refs)}?")):
        exit_with(CANCELLED)
    rows: list[dict[str, Any]] = []
    try:
        for ref in meant:
            rows += deletion.delete(ref, reason, aliases)
    finally:  # where one is refused, what was deleted before it is said too
        if rows:
            show_rows(rows if as_json else _short(rows), as_json)


@store.command()
@click.argument("refs", nargs=-1, metavar="[REF...]", type=Names(deleted=True))
@as_json
@as_csv
def restore(refs: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """Bring back what was deleted; without REF list what can be.

    Example: nbmlops store restore late-flights@2
    """
    from nbmlops.governance import deletion

    rows = [row for ref in refs for row in deletion.restore(ref)] if refs else deletion.deleted()
    rows = [{k: row[k] for k in ("kind", "ref", "name", "deleted_at") if k in row} for row in rows]
    empty = "nothing was deleted that could be brought back"
    show_rows(rows if as_json or as_csv else _short(rows), as_json, as_csv, empty)


@store.command()
@click.option("--older-than", type=Age(), default="30d", show_default=True, help="Only what was deleted so long ago.")
@click.option("--yes", is_flag=True, help="Do it; without this it is only counted.")
@click.option("--vacuum", is_flag=True, help="Give the database's free space back to the disk.")
@as_json
def gc(older_than: float, yes: bool, vacuum: bool, as_json: bool) -> None:
    """Say what nothing refers to any more, and with --yes take it away.

    Runs deleted long ago with what ran in their kernels, files that no run, model, result, event or report mentions,
    traces of journals that are gone.
    What an event mentions stays.

    Example: nbmlops store gc --older-than 8w --yes
    """
    from nbmlops.jobs.recover import clear
    from nbmlops.store.garbage import gc as collected

    found = collected(find_project(), older_than_s=older_than, dry_run=not yes, vacuum=vacuum)
    outputs = clear(delete=yes)
    if as_json:
        click.echo(json.dumps(found.to_dict() | {"outputs": outputs}))
        return
    rows = [
        {"taken away" if yes else "would go": what, "count": getattr(found, what, None), "bytes": size}
        for what, size in (
            ("runs", None),
            ("points", None),
            ("executions", None),
            ("artifacts", found.artifacts_bytes),
            ("watermarks", None),
            ("leases", None),
            ("half written", found.partial_bytes),
        )
    ]
    rows.append({**dict.fromkeys(rows[0]), next(iter(rows[0])): "journals of outputs", "count": outputs})
    show_rows(rows)
    if not yes:
        click.echo("Nothing was changed. To do it: nbmlops store gc --yes")


@store.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--query", help="Only the runs that fit, such as 'roc_auc > 0.6'.")
@as_json
def export(folder: Path, query: str | None, as_json: bool) -> None:
    """Write everything into a new FOLDER as Parquet, JSON lines and files, readable without nbmlops.

    --query leaves out other runs with their metrics, files, data, models and results. Model versions, predictions,
    feedback and events are always whole. Ends with 3 if the chain is broken or files are missing; the rest is written.

    Example: nbmlops store export for-ann --query "roc_auc > 0.6"
    """
    from nbmlops.store.export import export as exported

    _show_exchanged(exported(find_project(), folder, query), "exported to", as_json)


@store.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@as_json
def bring(folder: Path, as_json: bool) -> None:
    """Bring an exported FOLDER into this project, whose store must be empty; ids, dates and chain stay as they are.

    Example: nbmlops store import for-ann
    """
    from nbmlops.store.exchange import load

    done = load(find_project(), folder)
    _show_exchanged(done, "imported from" if done.new else "was imported before from", as_json)


@store.command()
@click.argument("file", type=click.Path(path_type=Path))
@as_json
def backup(file: Path, as_json: bool) -> None:
    """Copy the SQLite database into a new FILE while others work, and check the copy.

    Artifacts are files of their own: copy .nbmlops/artifacts too, or use `nbmlops store export`.

    Example: nbmlops store backup before-the-move.sqlite
    """
    from nbmlops.errors import Invalid
    from nbmlops.store import sqlite
    from nbmlops.store.database import open_store
    from nbmlops.store.driver import is_sqlite, sqlite_path

    project = find_project()
    if not is_sqlite(project.store_url):
        raise Invalid("This store is on a server.", "Use its own backup, such as pg_dump, or nbmlops store export.")
    open_store(project).catch_up()
    made = sqlite.backup(sqlite_path(project.store_url), file)
    show_rows([{"file": str(made), "bytes": made.stat().st_size}], as_json)


@store.command()
@click.option("--dry-run", is_flag=True, help="Only say which.")
@as_json
@as_csv
def reap(dry_run: bool, as_json: bool, as_csv: bool) -> None:
    """Write 'abandoned' for runs whose process did not say that it lives for a minute, on whatever machine.

    Example: nbmlops store reap --dry-run
    """
    from nbmlops.records import plain
    from nbmlops.store.leases import reap as reaped

    rows = [plain(run) for run in reaped(find_project(), dry_run=dry_run)]
    show_rows(rows, as_json, as_csv, empty="no run is abandoned")


@store.command()
@as_json
def verify(as_json: bool) -> None:
    """Read everything once: database, chain of events, points of metrics, files; ends with 3 if something is wrong.

    Example: nbmlops store verify
    """
    from nbmlops.store.health import verify as verified

    found = verified(find_project())
    show_rows([c.to_dict() if as_json else _line(c.what, c.right, c.says) for c in found], as_json)
    exit_with(DONE if all(c.right for c in found) else REFUSED)


def _agreed(question: str) -> bool:
    from nbmlops.errors import Invalid

    try:
        return click.confirm(question, err=True)
    except click.Abort:
        raise Invalid("Nobody answered, so nothing is deleted.", "Add --yes.") from None


def _short(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with runs named as every table names them: by the end of the id."""
    return [row | {"ref": row["ref"][-6:]} if row["kind"] == "run" else row for row in rows]


def _line(what: str, right: bool, says: str) -> dict[str, str]:
    return {"what": what, "is": "right" if right else "wrong", "found": says}


def _nouns(table: str) -> tuple[str, str]:
    """Return what one row of a table is called, and several.

    >>> _nouns("model_versions"), _nouns("aliases"), _nouns("feedback")
    (('model version', 'model versions'), ('alias', 'aliases'), ('feedback', 'feedback'))
    """
    words = table.replace("_", " ")
    return {"aliases": "alias", "series": "series"}.get(words, words.removesuffix("s")), words


def _show_exchanged(done: Exchanged, verb: str, as_json: bool) -> None:
    """Print what an export or import did, and loudly what is wrong with it."""
    if as_json:
        click.echo(json.dumps(done.to_dict(), ensure_ascii=False))
    else:
        _show_counts(done, verb)
    if done.broken_at is not None:
        click.echo(f"The chain is broken: event {done.broken_at} was changed. This cannot be imported.", err=True)
    if done.missing:
        files = "1 file is" if len(done.missing) == 1 else f"{len(done.missing)} files are"
        click.echo(f"{files} missing, the first is {done.missing[0]}.", err=True)
    exit_with(REFUSED if done.missing or done.broken_at is not None else DONE)


def _show_counts(done: Exchanged, verb: str) -> None:
    from nbmlops.report.text import count

    counts = ", ".join(count(n, *_nouns(table)) for table, n in done.counts.items() if n)
    click.echo(f"{verb} {done.folder}: {counts or 'nothing'}, {count(done.artifacts, 'file')}")
