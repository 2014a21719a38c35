"""Write a store as a folder anybody can read without nbmlops.

It goes row group by row group, so a store need not fit in memory.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.config import Project
from nbmlops.errors import Conflict, NotFound
from nbmlops.records import now
from nbmlops.store.driver import Connection, connect
from nbmlops.store.exchange import (
    FORMAT,
    KEYS,
    MANIFEST,
    NOT_A_NUMBER,
    PARQUET,
    ROWS_OF_TEXT,
    Exchanged,
    Row,
    columns_of,
    file_of,
    pyarrow,
    read_lines,
    sha256,
)
from nbmlops.store.garbage import OF_RUNS, digests_in
from nbmlops.store.lifecycle import lineage, mentioned, streamed
from nbmlops.store.schema import SCHEMA

__all__ = ["export"]

ROWS = {"points": 50_000, "series": 50_000}


@dataclass(frozen=True)
class _Chosen:
    """The runs that are exported: everything else follows them."""

    numbers: Collection[int]
    run_ids: Collection[str]
    series: Collection[int]
    kept: Collection[str]  # what the chain mentions is exported whatever run it is of
    kernels: Mapping[str, int]  # the last execution of each kernel that a run is of: those before it may explain it

    def has(self, table: str, row: Mapping[str, Any]) -> bool:
        """Tell whether a row belongs to what is exported."""
        if table == "runs":
            return row["no"] in self.numbers
        if table == "series":
            return row["run"] in self.numbers
        if table == "points":
            return row["series"] in self.series
        if table == "executions":
            return bool(row["number"] <= self.kernels.get(row["kernel"], -1))
        if table == "reports":
            return row["run_id"] is None or row["run_id"] in self.run_ids or row["digest"] in self.kept
        if table in OF_RUNS:
            return row["run_id"] is None or row["run_id"] in self.run_ids or row.get("result_id") in self.kept
        return True


def export(project: Project, folder: str | Path, query: str | None = None) -> Exchanged:
    """Write a store into a new folder: Parquet, JSON lines, the files, and a page that says how to read them.

    Deleted runs are left out; events, flags, model versions, predictions and feedback are always whole. What is broken
    or missing is exported as it is, and said: an export may be all that is left.

    Parameters
    ----------
    project : Project
    folder : path
        It must not exist; it appears when it is complete.
    query : str, optional
        Only the runs that fit, with what is part of them, their metrics, files, data, models and results, and the cells
        their kernels ran up to them. Results that a version or an event mentions come along.

    Returns
    -------
    Exchanged
        ``missing`` names the files that the store mentions and does not have; ``broken_at`` is the event that does not
        fit the chain, and such an export cannot be imported.

    Raises
    ------
    Conflict
        The folder is there already.
    NotFound
        No run fits the query.
    MissingPackage
        pyarrow is not installed.

    Examples
    --------
    >>> export(find_project(), "for-ann").counts["runs"]  # doctest: +SKIP
    12
    """
    pyarrow()
    target = Path(folder).absolute()
    _refuse_existing(target)
    from nbmlops.store.database import open_store

    open_store(project).catch_up()
    found = None if query is None else _found(project, query)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        done = _write(project, partial, found, query)
        _refuse_existing(target)
        if target.exists():
            target.rmdir()  # an empty folder: not every system renames over one
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exchanged(str(target), **done)


def _write(project: Project, folder: Path, found: Collection[str] | None, query: str | None) -> dict[str, Any]:
    """Write every file of an export; return what the manifest says of it."""
    digests: set[str] = set()
    counts = {}
    from nbmlops.store import events

    with connect(project) as connection, connection.reading():
        chain_id = str(connection.scalar("SELECT value FROM meta WHERE key = 'chain_id'"))
        chosen = _chosen(connection, found)
        for table in KEYS:
            write = _write_parquet if table in PARQUET else _write_lines
            counts[table] = write(folder, table, _rows(connection, table, chosen, digests))
    kept, missing = _write_artifacts(project, folder, digests, _of_artifacts(folder))
    broken = events.broken(chain_id, read_lines(folder / "events.jsonl"))
    about = {"chain_id": chain_id, "counts": counts, "artifacts": kept, "missing": missing, "broken_at": broken}
    page = README.format(**about, rows=_listed(counts), covers=_covers(query, broken, missing))
    (folder / "README.md").write_text(page, encoding="utf-8")
    files = {p.relative_to(folder).as_posix(): sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    manifest = {"format": FORMAT, "schema": SCHEMA, "exported_at": now(), "query": query, **about, "files": files}
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    return about


def _found(project: Project, query: str) -> list[str]:
    from nbmlops.store.database import open_store
    from nbmlops.store.search import find

    found = [row["run_id"] for row in find(open_store(project), query, None, None, True)]
    if not found:
        raise NotFound(f"No run fits {query!r}, so nothing is exported.", "See what is there: nbmlops runs")
    return found


def _chosen(connection: Connection, found: Collection[str] | None) -> _Chosen:
    wanted = None if found is None else set(lineage(connection, found))
    rows = connection.execute("SELECT no, run_id FROM runs WHERE deleted_at IS NULL").fetchall()
    runs = {no: run_id for no, run_id in rows if wanted is None or run_id in wanted}
    ids = set(runs.values())
    series = {i for i, run in connection.execute("SELECT id, run FROM series").fetchall() if run in runs}
    return _Chosen(runs.keys(), ids, series, mentioned(connection), _kernels(connection, ids))


def _kernels(connection: Connection, run_ids: Collection[str]) -> dict[str, int]:
    rows = connection.execute("SELECT kernel, number, run_id FROM executions WHERE run_id IS NOT NULL ORDER BY number")
    return {kernel: number for kernel, number, run_id in rows.fetchall() if run_id in run_ids}


def _rows(connection: Connection, table: str, chosen: _Chosen, digests: set[str]) -> Iterator[list[Row]]:
    """Yield the rows of a table by the batch, in a fixed order, and collect the digests they mention."""
    names, texts = list(columns_of(table)), [n for n, kind in columns_of(table).items() if kind is str]
    listed = ", ".join(f'"{n}"' for n in names)
    sql = f"SELECT {listed} FROM {table} ORDER BY {_order(connection, table)}"
    for batch in streamed(connection, sql, batch=ROWS.get(table, ROWS_OF_TEXT)):
        rows = [dict(zip(names, row, strict=True)) for row in batch]
        rows = [row for row in rows if chosen.has(table, row)]
        if texts:
            digests |= digests_in(row[n] for row in rows for n in texts if row[n])
        yield rows


def _order(connection: Connection, table: str) -> str:
    """Return the order of a table's rows, the same on every database: texts by their bytes, as SQLite does."""
    columns = columns_of(table)
    plain = "" if connection.sqlite else ' COLLATE "C"'
    return ", ".join(f"{key}{plain if columns[key] is str else ''}" for key in KEYS[table])


def _write_parquet(folder: Path, table: str, batches: Iterable[list[Row]]) -> int:
    pa, parquet = pyarrow()
    kinds = {int: pa.int64(), float: pa.float64(), str: pa.string()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns_of(table).items()])
    count = 0
    with parquet.ParquetWriter(folder / f"{table}.parquet", schema, compression="zstd") as writer:
        for rows in filter(None, batches):
            columns = [pa.array(_out(table, f.name, [r[f.name] for r in rows]), f.type) for f in schema]
            writer.write_batch(pa.record_batch(columns, schema))
            count += len(rows)
    return count


def _write_lines(folder: Path, table: str, batches: Iterable[list[Row]]) -> int:
    count = 0
    with (folder / f"{table}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for rows in batches:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            count += len(rows)
    return count


def _out(table: str, name: str, values: list[Any]) -> list[Any]:
    """Return NaN where the store has NULL for it."""
    return [math.nan if v is None else v for v in values] if name in NOT_A_NUMBER.get(table, ()) else values


def _of_artifacts(folder: Path) -> set[str]:
    """Return the digests that must be there: files of runs, models, data sets and what was registered with them."""
    found = {row["digest"] for table in ("artifacts", "executions") for row in read_lines(folder / f"{table}.jsonl")}
    for table in ("model_versions", "dataset_versions", "reports"):
        for row in read_lines(folder / f"{table}.jsonl"):
            found.update(row[k] for k in ("digest", "profile", "environment") if row.get(k))
    _, parquet = pyarrow()
    blocks = parquet.read_table(folder / "predictions.parquet", columns=["digest"])["digest"]
    return found.union(filter(None, blocks.to_pylist()))


def _write_artifacts(project: Project, folder: Path, digests: set[str], must: set[str]) -> tuple[int, list[str]]:
    """Copy the files that are mentioned; return how many, and the digests that should be there and are not."""
    from nbmlops.store.artifacts import Artifacts

    place = Artifacts.of(project)
    there = {digest for digest, _, _ in place.list()} & (digests | must)
    (folder / "artifacts").mkdir()
    for digest in sorted(there):
        place.fetch(digest, folder / "artifacts" / digest)
    return len(there), sorted(must - there)


def _refuse_existing(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise Conflict(f"{folder} is there already, and nothing is overwritten.", "Name a new folder.")


def _covers(query: str | None, broken: int | None, missing: list[str]) -> str:
    """Say what an export holds, and what is wrong with it."""
    said = "All runs that are not deleted, and everything else."
    if query is not None:
        said = (
            f"Only the runs that fit `{query}`, with what is part of them, their metrics, files, data, models and "
            "results, and the cells their kernels ran up to them. Model versions, predictions, feedback, flags and "
            "events are whole, with the results they mention."
        )
    if broken is not None:
        said += f"\n\nThe audit log does not hold: event {broken} was changed. nbmlops does not import this folder."
    if missing:
        said += f"\n\n{len(missing)} files were not there; `manifest.json` names them under `missing`."
    return said


def _listed(counts: Mapping[str, int]) -> str:
    return "\n".join(f"| `{file_of(table)}` | {count} | {SAYS[table]} |" for table, count in counts.items())


SAYS = {
    "runs": "one row a run; `params` is JSON {name: [value, origin]}, `tags` is JSON {name: text}",
    "series": "one row for each metric of a run (`run` = `runs.no`) and context, with its newest point and count",
    "points": "every value logged, by series (`series` = `series.id`) and place; `at` is seconds since 1970",
    "predictions": "what registered models said, in blocks of ids that count from `prediction_id`; small ones hold "
    "their rows in `data`, JSON by column, others as arrays of numpy in `artifacts/<digest>`",
    "datasets": "data that runs read or wrote: fingerprint, rows, columns; never the rows themselves",
    "artifacts": "files of runs; the content is `artifacts/<digest>`",
    "models": "estimators that runs fitted",
    "results": "evaluations, drift, checks, gates; `data` is JSON",
    "model_versions": "registered models; the file is `artifacts/<digest>`",
    "dataset_versions": "versions of data sets; where the rows were kept they are Parquet, `artifacts/<digest>`",
    "events": "the audit log: who changed what, when; each holds the hash of the one before",
    "feedback": "what came back for predictions: outcomes, flags, opinions; `outcome` is JSON",
    "executions": "cells that kernels ran, in order, with the names they read and made; the source is "
    "`artifacts/<digest>`",
    "observations": "checks of model versions; `levels` is JSON, what did not pass",
    "episodes": "what was seen of a model version in one check after another, from its opening to its close",
    "alerts": "messages about episodes, once for each channel; `data` is JSON",
    "work": "fires of jobs, run keys and rows of fan-outs, and what became of each; `parameters` and `spec` are JSON",
    "attempts": "tries to do a work, each a run of its own (`run_id`)",
    "reports": "reports that were made, by subject and number; what each says is `artifacts/<digest>`, JSON",
    "flags": "what people flagged and others answered; `data` is JSON, `digest` is of its `said`",
    "schedules": "jobs: how far their fires are in `work`, who paused them, failures in a row",
}
README = """\
# An export of nbmlops

Nothing of nbmlops is needed to read it. `manifest.json` holds the SHA-256 of every file here.
Times are ISO 8601 in UTC, sizes bytes, durations seconds.

{covers}

| file | rows | what |
| --- | --- | --- |
{rows}

`artifacts/` holds {artifacts} files, each under the SHA-256 of its content.

Runs with their metrics, in Python:

    import pandas as pd
    runs, series = pd.read_parquet("runs.parquet"), pd.read_parquet("series.parquet")
    series["metric"] = series["name"] + " " + series["context"]
    runs.join(series.pivot(index="run", columns="metric", values="value"), on="no")

Every point of a metric, in DuckDB:

    SELECT r.experiment, s.name, s.context, p.step, p.value
    FROM 'points.parquet' p JOIN 'series.parquet' s ON p.series = s.id JOIN 'runs.parquet' r ON s.run = r.no;

The audit log is whole when this prints nothing:

    import hashlib, json
    previous = hashlib.sha256(b"{chain_id}").hexdigest()
    with open("events.jsonl", encoding="utf-8", newline="\\n") as file:
        for e in map(json.loads, file):
            fields = [e[k] for k in ("seq", "at", "actor", "known_by", "action", "subject", "data", "previous")]
            found = hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()
            if (e["previous"], e["hash"]) != (previous, found):
                print("broken at", e["seq"])
            previous = e["hash"]

Back into an empty project: `nbmlops store import FOLDER`.
"""
