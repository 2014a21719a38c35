"""Is everything there and whole, how large is it, and what waits."""

from __future__ import annotations

import contextlib
import stat
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.config import Project
from nbmlops.errors import NbmlopsError, Unavailable
from nbmlops.records import now
from nbmlops.store import ingest, journal
from nbmlops.store.driver import Connection, connect, is_sqlite, sqlite_path
from nbmlops.store.garbage import made_s

if TYPE_CHECKING:
    from nbmlops.store.artifacts import Artifacts

__all__ = ["Checked", "Verified", "Waiting", "chain", "sizes", "verified", "verify", "waiting"]

VERIFIED, FOUND_WRONG = "verified_at", "verified_wrong"  # when it was looked last, and what was wrong then
FILES = """
SELECT DISTINCT digest FROM artifacts UNION SELECT digest FROM model_versions UNION SELECT digest FROM executions
UNION SELECT profile FROM model_versions UNION SELECT environment FROM model_versions
UNION SELECT digest FROM dataset_versions UNION SELECT profile FROM dataset_versions
UNION SELECT digest FROM predictions UNION SELECT digest FROM reports
"""
OF_NOTHING = """
SELECT (SELECT count(*) FROM series s WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.no = s.run)),
(SELECT count(DISTINCT p.series) FROM points p WHERE NOT EXISTS (SELECT 1 FROM series s WHERE s.id = p.series))
"""
OF_DELETED = """
SELECT v.name, v.version FROM model_versions v JOIN runs r ON r.run_id = v.run_id
WHERE v.deleted_at IS NULL AND r.deleted_at IS NOT NULL ORDER BY v.name, v.version
"""
SHORT_SERIES = """
SELECT count(*) FROM series s WHERE s.count <>
(SELECT count(*) FROM points p WHERE p.series = s.id)
"""


@dataclass(frozen=True)
class Checked:
    """One thing that was verified, whether it is right, and what was found."""

    what: str
    right: bool
    says: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Verified:
    """When everything was last verified, and what was ``wrong`` then; empty when all was right."""

    at: str
    wrong: str


@dataclass(frozen=True)
class Waiting:
    """What was tracked and is not in the database yet; ``oldest_at`` is when the first of its journals was begun."""

    events: int
    bytes: int
    journals: int
    oldest_at: str | None


def verify(project: Project) -> list[Checked]:
    """Read everything once: the database's file, the chain of events, every stored file against its hash.

    Parameters
    ----------
    project : Project

    Returns
    -------
    list of Checked
        One each for database, chain, flags, metrics, references and files. What was wrong, if anything, is kept for
        ``doctor`` with the time, unless the store cannot be written.

    Examples
    --------
    >>> all(c.right for c in verify(find_project()))  # doctest: +SKIP
    True
    """
    from nbmlops.store.database import open_store

    open_store(project).catch_up()
    with connect(project) as connection:
        looks = (_database, chain, _flags, _metrics, _references, _files)
        found = [look(project, connection) for look in looks]
    wrong = "; ".join(f"{c.what}: {c.says}" for c in found if not c.right)
    with contextlib.suppress(Unavailable), connect(project) as connection:
        _remember(connection, wrong)
    return found


def verified(connection: Connection) -> Verified | None:
    """Return what :func:`verify` found last; None when it never ran."""
    sql = "SELECT key, value FROM meta WHERE key IN (?, ?)"
    found = dict(connection.execute(sql, (VERIFIED, FOUND_WRONG)).fetchall())
    return Verified(found[VERIFIED], found.get(FOUND_WRONG, "")) if VERIFIED in found else None


def sizes(project: Project) -> dict[str, int]:
    """Return how many bytes everything takes: database, what in it is free, journals, artifacts, outputs, backups.

    Parameters
    ----------
    project : Project
        Nothing is made where there is no store.

    Examples
    --------
    >>> sizes(find_project())["journals_bytes"]  # doctest: +SKIP
    0
    """
    from nbmlops.store.artifacts import Artifacts

    database, free = _database_bytes(project)
    kept = [entry.size_bytes for entry in Artifacts.of(project).list()]
    return {
        "database_bytes": database,
        "database_free_bytes": free,
        "journals_bytes": sum(map(_file_bytes, journal.journals(project.home / "journal"))),
        "artifacts": len(kept),
        "artifacts_bytes": sum(kept),
        "outputs_bytes": _folder_bytes(project.home / "outputs"),
        "backups_bytes": _folder_bytes(project.home / "backups"),
    }


def waiting(project: Project, connection: Connection) -> Waiting:
    """Return what the journals hold that is not in the database."""
    events = left = 0
    files = journal.journals(project.home / "journal")
    begun: list[float] = []
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # read in and deleted just now
            if count := ingest.pending(connection, path):
                read = connection.scalar('SELECT "offset" FROM journals WHERE journal_id = ?', (path.stem,))
                left += path.stat().st_size - int(read or 0)
                events += count
                begun.append(made_s(path.stem))
    oldest = datetime.fromtimestamp(min(begun), UTC).isoformat(timespec="seconds") if begun else None
    return Waiting(events, left, len(files), oldest)


def _database(project: Project, connection: Connection) -> Checked:
    if not connection.sqlite:
        return Checked("database", True, "a server; its own tools check it")
    from nbmlops.store import sqlite

    try:
        sqlite.quick_check(connection.raw, sqlite_path(project.store_url))
    except NbmlopsError as error:
        return Checked("database", False, str(error))
    return Checked("database", True, "SQLite found the file whole")


def chain(project: Project, connection: Connection) -> Checked:
    """Tell whether every event fits the one before."""
    from nbmlops.store import events
    from nbmlops.store.database import open_store

    count = connection.scalar("SELECT count(*) FROM events")
    with open_store(project).reading() as reading:
        broken = events.verify(reading)
    says_otherwise = "" if broken else _unsaid(connection)
    says = (
        f"{count} {'event' if count == 1 else 'events'}, each with the hash of the one before"
        if broken is None
        else f"event {broken} was changed or is missing"
    )
    return Checked("chain", not (broken or says_otherwise), says_otherwise or says)


def _unsaid(connection: Connection) -> str:
    """Tell which model versions are not what the chain says."""
    from nbmlops.store import events

    columns, told = ("name", "version", "digest", "owner"), ("action", "subject", "data")
    rows = connection.execute(f"SELECT {', '.join(columns)} FROM model_versions").fetchall()
    said = connection.execute(f"SELECT {', '.join(told)} FROM events WHERE action = 'register'").fetchall()
    found = events.unsaid(
        *([dict(zip(names, r, strict=True)) for r in rows] for names, rows in ((columns, rows), (told, said)))
    )
    return f"{_few(found, 60)}: file or owner is not what was registered" if found else ""


def _remember(connection: Connection, wrong: str) -> None:
    sql = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    with connection.writing():
        for key, value in ((VERIFIED, now()), (FOUND_WRONG, wrong)):
            connection.execute(sql, (key, value))


def _flags(_: Project, connection: Connection) -> Checked:
    """Hold every flag and its answers against the chain, which has their digests."""
    from nbmlops.store import flags

    wrong = flags.unfit(connection)
    says = f"{_few(wrong, 36)}: not what the chain says" if wrong else "every flag and answer is what was said"
    return Checked("flags", not wrong, says)


def _references(_: Project, connection: Connection) -> Checked:
    """Look for metrics of no run, points of no metric, and model versions whose run is deleted."""
    series, points = connection.execute(OF_NOTHING).fetchone()
    versions = [f"{name}@{version}" for name, version in connection.execute(OF_DELETED).fetchall()]
    says = [f"{series} series belong to no run"] if series else []
    says += [f"points of {points} series that are not there"] if points else []
    says += [f"the run of {_few(versions, 60)} is deleted: nbmlops store restore"] if versions else []
    return Checked("references", not says, "; ".join(says) or "what belongs together is there")


def _metrics(_: Project, connection: Connection) -> Checked:
    short = int(connection.scalar(SHORT_SERIES))
    says = f"{short} series have another number of points than they say" if short else "every series has its points"
    return Checked("metrics", not short, says)


def _files(project: Project, connection: Connection) -> Checked:
    """Read every stored file, and look for those that runs and models name."""
    from nbmlops.store.artifacts import Artifacts
    from nbmlops.store.waiting import upload

    place = Artifacts.of(project)
    upload(place)
    named = {digest for (digest,) in connection.execute(FILES).fetchall() if digest}
    there = [entry.digest for entry in place.list()]
    missing = sorted(named.difference(there))
    damaged = [digest for digest in there if not _is_whole(place, digest)]
    says = [f"{len(there)} files have the hash they are named by"] if not damaged else []
    says += [f"{len(part)} {word}: {_few(part)}" for word, part in (("damaged", damaged), ("missing", missing)) if part]
    return Checked("files", not (missing or damaged), "; ".join(says))


def _is_whole(place: Artifacts, digest: str) -> bool:
    try:
        with place.open(digest) as file:
            while file.read(1 << 20):
                pass
    except LookupError:
        return True  # a gc took it just now
    except NbmlopsError:
        return False
    return True


def _few(digests: list[str], wide: int = 12) -> str:
    shown = ", ".join(d[:wide] for d in digests[:3])
    return f"{shown} and {len(digests) - 3} more" if len(digests) > 3 else shown


def _database_bytes(project: Project) -> tuple[int, int]:
    """Return the size of the database and how much of it is free."""
    if is_sqlite(project.store_url):
        path = sqlite_path(project.store_url)
        files = [path.with_name(path.name + end) for end in ("", "-wal", "-shm", "-journal")]
        size = sum(map(_file_bytes, files))
        if not size:
            return 0, 0
        with connect(project) as connection:
            return size, int(connection.scalar("PRAGMA freelist_count")) * int(connection.scalar("PRAGMA page_size"))
    from nbmlops.store.tables import metadata

    sql = "SELECT pg_total_relation_size(to_regclass(?))"
    with connect(project) as connection:
        return sum(int(connection.scalar(sql, (f'"{t.name}"',)) or 0) for t in metadata.sorted_tables), 0


def _folder_bytes(folder: Path) -> int:
    return sum(map(_file_bytes, folder.rglob("*")))


def _file_bytes(path: Path) -> int:
    """Return the size of a file; nothing of a folder, or of a file that is gone by now."""
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
    return 0
