"""Reclaim what nothing refers to: old tombstones, files nobody mentions, traces of journals that are gone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.config import Project
from nbmlops.records import iso
from nbmlops.store import ingest, journal
from nbmlops.store.driver import Connection, connect, is_sqlite, marks, parts, sqlite_path
from nbmlops.store.lifecycle import mentioned, outdate, streamed

if TYPE_CHECKING:
    from nbmlops.store.artifacts import Artifacts

__all__ = ["Garbage", "digests_in", "gc", "made_s"]

DAY_S = 86_400.0
KEPT_S = 30 * DAY_S  # how long a tombstone can be brought back
SPARED_S = DAY_S  # an artifact is put before what mentions it is written
SPARED_SHARED_S = 7 * DAY_S  # what mentions it may wait in the journal of a machine that is away
WATERMARK_S = 7 * DAY_S
RUNS_AT_ONCE = 500  # runs purged in one transaction: the write lock is never held for long
BLOCK = 1 << 20

HEX = bytes(ord("h") if chr(i) in "0123456789abcdef" else ord(" ") for i in range(256))
DIGEST = b"h" * 64  # what a SHA-256 looks like after HEX: 25 times faster to find than by a regular expression
DERIVED = ("columns", "stale", "meta", "journals", "leases", "points")  # hold nothing that was put as a file
OF_RUNS = ("datasets", "artifacts", "models", "results")  # tables keyed by run_id
KERNELS = """
SELECT e.kernel, r.run_id, max(e.at) FROM executions e LEFT JOIN runs r ON r.run_id = e.run_id
GROUP BY e.kernel, r.run_id
"""
SPENT = """
DELETE FROM executions WHERE kernel = ? AND NOT EXISTS
(SELECT 1 FROM executions e JOIN runs r ON r.run_id = e.run_id WHERE e.kernel = ?)
"""


@dataclass(frozen=True)
class Garbage:
    """What gc took away, or would take away."""

    dry_run: bool
    runs: int = 0
    points: int = 0
    executions: int = 0
    artifacts: int = 0
    artifacts_bytes: int = 0
    partial_bytes: int = 0  # left half written by killed processes; counted when it is removed
    watermarks: int = 0
    leases: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def gc(
    project: Project,
    *,
    older_than_s: float = KEPT_S,
    dry_run: bool = True,
    vacuum: bool = False,
    now_s: float | None = None,
) -> Garbage:
    """Take away what nothing refers to: old tombstones, artifacts nobody mentions, traces of journals that are gone.

    Safe beside running cells and beside another gc: a file is spared while it is younger than a day, and putting it
    again makes it young.

    Parameters
    ----------
    project : Project
    older_than_s : float
        How long ago a run must have been deleted, in seconds.
    dry_run : bool
        Only count.
    vacuum : bool
        Give the space back to the disk afterwards; needs as much again while it works.
    now_s : float, optional
        The time now, in seconds since 1970.

    Returns
    -------
    Garbage

    Raises
    ------
    Conflict
        Another store keeps files in the same place.

    Examples
    --------
    >>> gc(find_project()).artifacts_bytes  # doctest: +SKIP
    1048576
    """
    from nbmlops.store import sharing
    from nbmlops.store.artifacts import Artifacts

    ingest.sync(project)
    now_s = time.time() if now_s is None else now_s
    place = Artifacts.of(project)
    # Listed before the tables are read: whatever is put again meanwhile is young when it would be deleted.
    spared_s = SPARED_S if is_sqlite(project.store_url) else SPARED_SHARED_S
    old = {digest: size for digest, size, modified_s in place.list() if modified_s < now_s - spared_s}
    with connect(project) as connection:
        sharing.sign(project, connection)
        sharing.check(place, connection)
        gone, rows = _rows(connection, iso(now_s - older_than_s), iso(now_s - spared_s), dry_run)
        used = _used(connection, project, gone)
        files = _files({d: size for d, size in old.items() if d not in used}, place, now_s - spared_s, dry_run)
        traces = _traces(connection, project, now_s, dry_run)
        if vacuum and not dry_run:
            connection.execute("VACUUM")
    return Garbage(dry_run, **rows, **files, **traces)


def _rows(
    connection: Connection, deleted_before: str, quiet_since: str, dry_run: bool
) -> tuple[frozenset[str], dict[str, int]]:
    """Purge old tombstones and kernels that explain nothing any more; return which are left to overlook, and counts."""
    going = _tombstones(connection, deleted_before)
    points = _count_points(connection, going)
    if not dry_run:
        _purge(connection, going)
    gone = frozenset(going.values() if dry_run else ())
    spent = _spent(connection, gone, quiet_since)
    executions = _count_executions(connection, spent)
    if not dry_run:
        _purge_executions(connection, spent)
    return gone.union(spent), {"runs": len(going), "points": points, "executions": executions}


def _files(garbage: dict[str, int], place: Artifacts, before_s: float, dry_run: bool) -> dict[str, int]:
    """Delete the artifacts nobody mentions, by digest and size, and what was left half written; count them."""
    if not dry_run:
        garbage = {digest: size for digest, size in garbage.items() if place.delete(digest, before_s)}
    partial_bytes = 0 if dry_run else place.clean(before_s)
    return {"artifacts": len(garbage), "artifacts_bytes": sum(garbage.values()), "partial_bytes": partial_bytes}


def _traces(connection: Connection, project: Project, now_s: float, dry_run: bool) -> dict[str, int]:
    """Forget journals that were read and deleted, and leases of processes that ended; count them."""
    watermarks, leases = _lost_watermarks(connection, project, now_s), _lapsed_leases(connection, now_s)
    if not dry_run:
        _forget(connection, "journals", "journal_id", watermarks)
        _forget(connection, "leases", "lease", leases)
    return {"watermarks": len(watermarks), "leases": len(leases)}


def digests_in(texts: Iterable[str]) -> set[str]:
    """Return every SHA-256 that some texts mention, also inside a longer word.

    >>> len(digests_in(["sha256:" + "0" * 64, "no more than 0123456789abcdef"]))
    1
    """
    return _digests("\n".join(texts).encode("utf-8", "replace"))


def _tombstones(connection: Connection, before: str) -> dict[int, str]:
    """Return number to id of the runs deleted before a time that no event mentions."""
    with connection.reading():
        kept = mentioned(connection)
        query = "SELECT no, run_id FROM runs WHERE deleted_at IS NOT NULL AND deleted_at < ? ORDER BY no"
        return {no: i for no, i in connection.execute(query, (before,)).fetchall() if i not in kept}


def _count_points(connection: Connection, runs: Mapping[int, str]) -> int:
    counts = [
        connection.scalar(f"SELECT coalesce(sum(count), 0) FROM series WHERE run IN ({holes})", part)
        for part, holes in parts(list(runs))
    ]
    return int(sum(counts))


def _purge(connection: Connection, runs: Mapping[int, str]) -> None:
    """Take runs away for good, some at a time; one that was restored meanwhile stays."""
    numbers = list(runs)
    for start in range(0, len(numbers), RUNS_AT_ONCE):
        part = numbers[start : start + RUNS_AT_ONCE]
        with connection.writing():
            kept = mentioned(connection)  # again in here: an event may name one by now
            query = f"SELECT no, run_id FROM runs WHERE no IN ({marks(part)}) AND deleted_at IS NOT NULL"
            rows = [(no, i) for no, i in connection.execute(query, part).fetchall() if i == runs[no] and i not in kept]
            _purge_rows(connection, rows, kept)


def _purge_rows(connection: Connection, rows: Sequence[tuple[int, str]], kept: frozenset[str]) -> None:
    if not rows:
        return
    numbers, ids = [no for no, _ in rows], [i for _, i in rows]
    of_series = f"SELECT id FROM series WHERE run IN ({marks(numbers)})"
    connection.execute(f"DELETE FROM points WHERE series IN ({of_series})", numbers)
    connection.execute(f"DELETE FROM series WHERE run IN ({marks(numbers)})", numbers)
    for table in OF_RUNS[:-1]:
        connection.execute(f"DELETE FROM {table} WHERE run_id IN ({marks(ids)})", ids)
    found = connection.execute(f"SELECT result_id FROM results WHERE run_id IN ({marks(ids)})", ids).fetchall()
    connection.executemany("DELETE FROM results WHERE result_id = ?", [r for r in found if r[0] not in kept])
    found = connection.execute(f"SELECT subject, number, digest FROM reports WHERE run_id IN ({marks(ids)})", ids)
    forgotten = [(subject, number) for subject, number, digest in found.fetchall() if digest not in kept]
    connection.executemany("DELETE FROM reports WHERE subject = ? AND number = ?", forgotten)
    connection.execute(f"DELETE FROM runs WHERE no IN ({marks(numbers)})", numbers)
    outdate(connection, numbers)


def _spent(connection: Connection, gone: frozenset[str], before: str) -> list[str]:
    """Return the kernels of which no run is left, and that ran nothing since a time: they explain nothing any more."""
    rows = connection.execute(KERNELS).fetchall()
    living = {kernel for kernel, run_id, at in rows if at >= before or (run_id is not None and run_id not in gone)}
    return sorted({kernel for kernel, _, _ in rows} - living)


def _count_executions(connection: Connection, kernels: Sequence[str]) -> int:
    counts = [
        connection.scalar(f"SELECT count(*) FROM executions WHERE kernel IN ({holes})", part)
        for part, holes in parts(kernels)
    ]
    return int(sum(counts))


def _purge_executions(connection: Connection, kernels: Sequence[str]) -> None:
    """Take away what some kernels ran; one that tracked something meanwhile stays."""
    for part, _ in parts(kernels):
        with connection.writing():
            connection.executemany(SPENT, [(kernel, kernel) for kernel in part])


def _used(connection: Connection, project: Project, gone: frozenset[str]) -> set[str]:
    """Return every digest that a table, a journal or a written report mentions; what goes does not count."""
    used: set[str] = set()
    with connection.reading():
        kept = mentioned(connection)
    for table, names in text_columns().items():
        owner = "run_id" if table in (*OF_RUNS, "runs", "reports") else "kernel" if table == "executions" else "NULL"
        result = {"results": "result_id", "reports": "digest"}.get(table, "NULL")
        long = " OR ".join(f'length("{n}") >= 64' for n in names)
        listed = ", ".join(f'"{n}"' for n in names)
        sql = f"SELECT {owner}, {result}, {listed} FROM {table} WHERE {long}"
        with connection.reading():  # a table at a time: nobody who writes waits for long
            for rows in streamed(connection, sql) if names else ():
                staying = [texts for of, result_id, *texts in rows if of not in gone or result_id in kept]
                used |= digests_in(text for texts in staying for text in texts if text)
    files = journal.journals(project.home / "journal")
    files += [p for end in ("*.html", "*.json", "*.md") for p in (project.home / "outputs").rglob(end)]
    return used.union(*map(_digests_of_file, files))


def text_columns() -> dict[str, list[str]]:
    """Return the columns of each table that may mention a file by its digest."""
    from nbmlops.store.tables import metadata

    found = {}
    for table in metadata.sorted_tables:
        if table.name not in DERIVED:
            texts = [c for c in table.columns if c.type.python_type is str]
            found[table.name] = [c.name for c in texts if (getattr(c.type, "length", None) or 64) >= 64]
    return found


def _digests(data: bytes) -> set[str]:
    found, marked, at = set(), data.translate(HEX), -1
    while (at := marked.find(DIGEST, at + 1)) >= 0:
        found.add(data[at : at + len(DIGEST)].decode())
    return found


def _digests_of_file(path: Path) -> set[str]:
    """Return the digests a file mentions, read by the block; none of one that is gone by now."""
    found: set[str] = set()
    tail = b""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        while block := file.read(BLOCK):
            found |= _digests(tail + block)
            tail = (tail + block)[-len(DIGEST) + 1 :]
    return found


def _lost_watermarks(connection: Connection, project: Project, now_s: float) -> list[str]:
    """Return the journals that were read to the end and deleted long ago.

    Only where the store lies in the project: others may write into a shared one from journals not seen from here, and
    without its watermark a journal would be read in twice.
    """
    url = project.store_url
    if not (is_sqlite(url) and sqlite_path(url).absolute().parent == project.home.absolute()):
        return []
    there = {p.stem for p in journal.journals(project.home / "journal")}
    ids = [i for (i,) in connection.execute("SELECT journal_id FROM journals").fetchall()]
    return [i for i in ids if i not in there and made_s(i) < now_s - WATERMARK_S]


def _lapsed_leases(connection: Connection, now_s: float) -> list[str]:
    """Return the leases of processes that ended and left no run open."""
    query = (
        "SELECT lease FROM leases WHERE renewed_at < ? AND lease NOT IN "
        "(SELECT lease FROM runs WHERE status = 'running' AND lease IS NOT NULL)"
    )
    return [i for (i,) in connection.execute(query, (now_s - WATERMARK_S,)).fetchall()]


def _forget(connection: Connection, table: str, key: str, ids: Sequence[str]) -> None:
    if ids:
        with connection.writing():
            connection.executemany(f"DELETE FROM {table} WHERE {key} = ?", [(i,) for i in ids])


def made_s(journal_id: str) -> float:
    """Return when a UUIDv7 was made, in seconds since 1970: its first 48 bits are the clock; never for another id."""
    try:
        return int(journal_id.replace("-", "")[:12], 16) / 1000
    except ValueError:
        return float("inf")
