"""``nbmlops init``: begin a project."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["SETTINGS", "begin", "init"]

SETTINGS = """\
# What is set here holds for everybody who works in this folder. Everything is optional.

[project]
name = {name}

[store]
# Where runs, models and events are kept; the default is .nbmlops/store.sqlite beside this file.
# url = "postgresql+psycopg://user@host/name"   # for a team; a password belongs in ~/.pgpass, not here
# artifacts = "s3://bucket/prefix"              # any fsspec address; the default is .nbmlops/artifacts
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
def init(folder: Path) -> None:
    """Begin a project in FOLDER: a commented nbmlops.toml, and .nbmlops/ which git ignores.

    Nothing needs this command: without it the project is the git repository, else the notebook's folder.
    What is there already stays as it is.

    Example: nbmlops init flights
    """
    for path, made in begin(folder):
        click.echo(f"{'made' if made else 'kept'}  {path}")
    click.echo("Next: begin a notebook's first cell with %load_ext nbmlops and another with %%track NAME.")


def begin(folder: Path) -> list[tuple[Path, bool]]:
    """Make what a project has, never over what is there.

    Parameters
    ----------
    folder : Path
        The project's folder; made when it does not exist.

    Returns
    -------
    list of (Path, bool)
        Each file and folder, and whether it was made now.

    Examples
    --------
    >>> begin(Path("flights"))  # doctest: +SKIP
    [(PosixPath('flights/nbmlops.toml'), True), (PosixPath('flights/.nbmlops'), True)]
    """
    from nbmlops.store.journal import prepare

    folder.mkdir(parents=True, exist_ok=True)
    settings, home = folder / "nbmlops.toml", folder / ".nbmlops"
    fresh = [(settings, not settings.exists()), (home, not home.exists())]
    if not settings.exists():
        name = json.dumps(folder.resolve().name, ensure_ascii=False)  # a JSON string is a TOML string
        settings.write_text(SETTINGS.format(name=name), encoding="utf-8")
    prepare(home)
    return fresh
