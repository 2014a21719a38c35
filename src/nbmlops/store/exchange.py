"""The folder a store is exported as (see export.py), and how it comes back: ids, dates and chain intact.

The large tables are Parquet, the others JSON lines, files lie under their SHA-256; ``manifest.json`` holds the hash of
every file. Both ways go row group by row group, so a store need not fit in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbmlops.config import Project
from nbmlops.errors import Conflict, MissingPackage, NotFound
from nbmlops.store import ingest, journal
from nbmlops.store.driver import Connection, connect
from nbmlops.store.schema import SCHEMA

__all__ = ["Exchanged", "columns_of", "file_of", "load", "pyarrow", "read_lines", "sha256"]

FORMAT = 1
MANIFEST = "manifest.json"
PARQUET = ("runs", "series", "points", "predictions")
KEYS: Mapping[str, tuple[str, ...]] = {  # in this order the rows stand in their file
    "runs": ("no",),
    "series": ("id",),
    "points": ("series", "place"),
    "predictions": ("prediction_id",),
    "datasets": ("id",),
    "artifacts": ("run_id", "name"),
    "models": ("id",),
    "results": ("result_id",),
    "model_versions": ("name", "version"),
    "dataset_versions": ("name", "version"),
    "events": ("seq",),
    "feedback": ("id",),
    "executions": ("kernel", "number"),
    "observations": ("model", "version", "number"),
    "episodes": ("episode_id",),
    "alerts": ("alert_id", "channel"),
    "work": ("id",),
    "attempts": ("key", "attempt"),
    "schedules": ("job",),
    "reports": ("subject", "number"),
    "flags": ("flag_id",),
}
# The schema from which on an export has a table.
SINCE = {"executions": 3, "dataset_versions": 4, "observations": 5, "episodes": 5, "alerts": 5} | {
    "work": 6,
    "attempts": 6,
    "schedules": 6,
    "reports": 8,
    "flags": 9,
}
NUMBERED = ("datasets", "models", "feedback", "work")  # their ids are given out by the database
NOT_A_NUMBER = {"series": ("value",), "points": ("value",)}  # NULL in the store
ROWS_OF_TEXT = 2_000
COPY_AGAIN = "Copy it again from where it was made."
UNCHANGED = "Ask for an unchanged export."

Row = dict[str, Any]


@dataclass(frozen=True)
class Exchanged:
    """What an export holds, or an import brought; ``new`` is False when it was there already."""

    folder: str
    chain_id: str
    counts: Mapping[str, int]
    artifacts: int
    missing: Sequence[str] = ()
    new: bool = True
    broken_at: int | None = None  # the event that does not fit the chain

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def load(project: Project, folder: str | Path) -> Exchanged:
    """Bring an exported folder into a store that holds nothing yet; the same export again changes nothing.

    Every file is checked against the manifest and the chain is verified before anything is written; the rows arrive in
    one transaction.

    Parameters
    ----------
    project : Project
    folder : path
        As :func:`export` wrote it.

    Raises
    ------
    Conflict
        The store holds something, or the export is damaged, or of a newer nbmlops.
    NotFound
        There is no export in the folder.

    Examples
    --------
    >>> load(find_project(), "for-ann").new  # doctest: +SKIP
    True
    """
    from nbmlops.store.artifacts import Artifacts
    from nbmlops.store.events import HEAD

    pyarrow()
    source = Path(folder)
    manifest, stamp = _manifest(source)
    done = Exchanged(str(source), manifest["chain_id"], manifest["counts"], manifest["artifacts"], manifest["missing"])
    ingest.sync(project)
    with connect(project) as connection:
        if connection.scalar("SELECT value FROM meta WHERE key = 'imported'") == stamp:
            return Exchanged(**{**done.to_dict(), "new": False})
        _refuse_full(project, connection)
        _check_files(source, manifest)
        _check_chain(source, manifest)
        place = Artifacts(project.artifacts_url)
        for digest in _artifact_names(manifest):
            place.put_file(source / "artifacts" / digest)
        with connection.writing():
            _refuse_full(project, connection)
            for table in _tables(manifest):
                _bring(connection, source, table, manifest)
            connection.execute("INSERT INTO stale (run) SELECT no FROM runs")
            connection.execute("UPDATE meta SET value = ? WHERE key = 'chain_id'", (manifest["chain_id"],))
            sql = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            connection.execute(sql, ("imported", stamp))
            for head in connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchall():
                connection.execute(sql, (HEAD, f"{head[0]} {head[1]}"))
    return done


def _manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the manifest of an export this version can read, and its hash."""
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFound(f"There is no export in {folder}: it has no {MANIFEST}.", "Name the folder export wrote.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        newer = manifest["format"] > FORMAT or manifest["schema"] > SCHEMA
        missing = [k for k in ("chain_id", "counts", "artifacts", "missing", "files") if k not in manifest]
    except (ValueError, KeyError, TypeError):
        newer, missing = False, [MANIFEST]
    if missing:
        raise Conflict(f"The export in {folder} is damaged: {MANIFEST} lacks {', '.join(missing)}.", COPY_AGAIN)
    if newer:
        raise Conflict(
            f"The export in {folder} has schema {manifest['schema']}; this nbmlops knows up to {SCHEMA}.",
            "Install the newer nbmlops: pip install -U nbmlops.",
        )
    return manifest, sha256(path)


def _tables(manifest: Mapping[str, Any]) -> list[str]:
    """Return the tables that an export of its schema has."""
    return [table for table in KEYS if SINCE.get(table, 0) <= manifest["schema"]]


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse an export of which a file is missing, changed, or not where exports have theirs."""
    needed = {file_of(table) for table in _tables(manifest)}
    if absent := needed - manifest["files"].keys():
        raise Conflict(f"The export in {folder} is damaged: {MANIFEST} lacks {', '.join(sorted(absent))}.", COPY_AGAIN)
    for name in [*needed, *(f"artifacts/{d}" for d in _artifact_names(manifest))]:
        path, said = folder / name, manifest["files"][name]
        named = name.removeprefix("artifacts/") in (name, said)  # a file of a run has its hash for a name
        if not (named and path.is_file() and sha256(path) == said):
            raise Conflict(f"The export in {folder} is damaged: {name} is missing or was changed.", COPY_AGAIN)


def _check_chain(folder: Path, manifest: Mapping[str, Any]) -> None:
    from nbmlops.store import events

    if seq := events.broken(manifest["chain_id"], read_lines(folder / "events.jsonl")):
        raise Conflict(f"The event chain of the export in {folder} is broken at {seq}.", UNCHANGED)
    if others := events.unsaid(read_lines(folder / "model_versions.jsonl"), read_lines(folder / "events.jsonl")):
        raise Conflict(f"In the export in {folder}, {others[0]} is not what its event says.", UNCHANGED)


def _refuse_full(project: Project, connection: Connection) -> None:
    """Refuse a store that holds anything: two histories cannot become one chain."""
    held = [t for t in KEYS if connection.scalar(f"SELECT 1 FROM {t} LIMIT 1")]
    waits = False
    for path in journal.journals(project.home / "journal"):
        with contextlib.suppress(FileNotFoundError):  # read in and deleted just now
            waits = waits or ingest.pending(connection, path) > 0
    if held or waits:
        raise Conflict(
            f"This project's store holds {', '.join(held) or 'runs that wait in a journal'} already.",
            "Import into a new project: nbmlops init NAME, cd NAME, nbmlops store import FOLDER.",
        )


def _bring(connection: Connection, folder: Path, table: str, manifest: Mapping[str, Any]) -> None:
    """Insert the rows of a file, and go on numbering behind them."""
    try:
        batches = _raised(table, _batches(folder / file_of(table)), manifest["schema"])
        count = _insert(connection, table, batches)
    except (LookupError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise Conflict(f"The export in {folder} is damaged: {file_of(table)}: {found}.", COPY_AGAIN) from None
    if count != manifest["counts"].get(table):
        raise Conflict(f"The export in {folder} is damaged: {file_of(table)} has {count} rows.", COPY_AGAIN)
    if table in NUMBERED and not connection.sqlite and count:
        connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def _insert(connection: Connection, table: str, batches: Iterable[list[Row]]) -> int:
    columns = columns_of(table)
    listed = ", ".join(f'"{n}"' for n in columns)
    sql = f"INSERT INTO {table} ({listed}) VALUES ({', '.join('?' * len(columns))})"
    count = 0
    for rows in batches:
        connection.executemany(sql, [tuple(_in(table, n, row[n]) for n in columns) for row in rows])
        count += len(rows)
    return count


def _raised(table: str, batches: Iterable[list[Row]], schema: int) -> Iterator[list[Row]]:
    """Yield rows of an older schema as this one has them."""
    raised = RAISED.get(table) if schema < 7 else None
    for rows in batches:
        yield [raised(row) for row in rows] if raised else rows


def _prediction_of_6(row: Row) -> Row:
    """Return one prediction as a block of its own."""
    said = {"value": [json.loads(row["value"])], "probability": [row["probability"]]}
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    alone = {"last_id": row["prediction_id"], "rows": 1, "inputs": 0, "data": text}
    return {**dict.fromkeys(("caller", "latency_s", "digest")), **row, **alone}


def _feedback_of_6(row: Row) -> Row:
    return {**dict.fromkeys(("verdict", "reason", "actor", "model", "key", "key_at")), **row, "kind": "outcome"}


RAISED = {"predictions": _prediction_of_6, "feedback": _feedback_of_6}


def _in(table: str, name: str, value: Any) -> Any:
    is_nan = isinstance(value, float) and math.isnan(value)
    return None if is_nan and name in NOT_A_NUMBER.get(table, ()) else value


def _batches(path: Path) -> Iterator[list[Row]]:
    if path.suffix == ".parquet":
        _, parquet = pyarrow()
        with parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group).to_pylist()
        return
    rows: list[Row] = []
    for row in read_lines(path):
        rows.append(row)
        if len(rows) == ROWS_OF_TEXT:
            yield rows
            rows = []
    yield rows


def read_lines(path: Path) -> Iterator[Row]:
    """Yield the rows of a file of JSON lines."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)


def columns_of(table: str) -> dict[str, type]:
    """Return the columns of a table with the Python type of each."""
    from nbmlops.store.tables import metadata

    return {c.name: c.type.python_type for c in metadata.tables[table].columns}


def _artifact_names(manifest: Mapping[str, Any]) -> list[str]:
    return [name.removeprefix("artifacts/") for name in manifest["files"] if name.startswith("artifacts/")]


def file_of(table: str) -> str:
    """Return the name of a table's file."""
    return f"{table}.parquet" if table in PARQUET else f"{table}.jsonl"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet part, or say how to get them."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingPackage("Export and import need pyarrow.", "pip install 'nbmlops[export]'") from None
    return pa, parquet
