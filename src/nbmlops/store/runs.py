"""Read runs back: one whole, many as rows, the points of a metric, and the results that belong to them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbmlops.records import iso
from nbmlops.store import leases, renamed
from nbmlops.store.driver import Connection, connect, parts
from nbmlops.store.summary import flat_metrics

if TYPE_CHECKING:
    from nbmlops.config import Project
    from nbmlops.store.database import Store

__all__ = [
    *(
        "below",
        "counted",
        "curves",
        "earlier",
        "experiments",
        "heads",
        "ids_like",
        "judged",
        "latest_results",
        "load",
        "load_many",
        "measured",
        "newest",
        "points",
        "reading",
        "results_of",
        "rows_of",
    ),
    "subjects",
    "summaries",
    "that_kept",
]

Json = dict[str, Any]

JSON_FIELDS = ("error", "git", "process", "defaults")
LISTED = ("run_id", "experiment", "name", "kind", "status", "started_at", "duration_s", "parent", "notebook", "order")
PARTS = ("datasets", "models", "artifacts")
PART_JSON = ("columns", "params", "fitted_on")
SAID = {True: "json_extract(data, '$.{}')", False: "(replace(data, '\\u0000', '')::json ->> '{}')"}


@contextmanager
def reading(store: Store, timeout_s: float = 2) -> Iterator[Connection]:
    """Yield a bare connection that sees everything tracked so far, in one state of the database.

    Parameters
    ----------
    store : Store
    timeout_s : float
        How long a reader retries while another process writes, in seconds.
    """
    store.catch_up()
    with connect(store.project, timeout_s) as connection, connection.reading():
        yield connection


def newest(
    store: Store,
    *,
    experiment: str | None = None,
    notebook: str | None = None,
    parent: str | None = None,
    children: bool = True,
    limit: int | None = None,
) -> list[str]:
    """Return run ids, newest first; those of a notebook also under a name it had before."""
    where, values = ["deleted_at IS NULL", "experiment IS NOT NULL"], []
    for column, value in (("experiment", experiment), ("parent", parent)):
        if value is not None:
            where.append(f"{column} = ?")
            values.append(value)
    if not children:
        where.append("(parent IS NULL OR kind = 'cell')")  # a cell counts wherever it ran
    elif parent is None:
        where.append("(kind IS NULL OR kind NOT IN ('fold', 'trial'))")  # they are asked for by what they are part of
    with reading(store) as connection:
        if notebook is not None:
            names = renamed.names(connection, store.project.root, notebook)
            where.append(f"notebook IN ({', '.join('?' * len(names))})")
            values += names
        query = f"SELECT run_id FROM runs WHERE {' AND '.join(where)} ORDER BY started_at DESC, run_id DESC"
        found = connection.execute(query if limit is None else f"{query} LIMIT {int(limit)}", values)
        return [run_id for (run_id,) in found.fetchall()]


def earlier(store: Store, run: Json, most: int) -> list[str]:
    """Return the ids of the runs before a run, newest first: of its notebook, or else of its experiment and kind.

    Parameters
    ----------
    store : Store
    run : dict
        ``kind``, ``notebook``, ``experiment`` and ``started_at``.
    most : int
    """
    column = "notebook" if run["kind"] == "notebook" and run.get("notebook") else "experiment"
    query = (
        f"SELECT run_id FROM runs WHERE {column} = ? AND kind = ? AND started_at < ? AND deleted_at IS NULL "
        f"AND experiment IS NOT NULL ORDER BY started_at DESC, run_id DESC LIMIT {int(most)}"
    )
    with reading(store) as connection:
        found = connection.execute(query, (run[column], run["kind"], run["started_at"]))
        return [run_id for (run_id,) in found.fetchall()]


def ids_like(store: Store, ending: str) -> list[str]:
    """Return the ids that end in some characters (ids begin with the clock, so their ends tell them apart)."""
    if not set(ending.lower()) <= set("0123456789abcdef-"):
        return []
    query = "SELECT run_id FROM runs WHERE run_id LIKE ? AND deleted_at IS NULL AND experiment IS NOT NULL LIMIT 9"
    with reading(store) as connection:
        return [run_id for (run_id,) in connection.execute(query, (f"%{ending.lower()}",)).fetchall()]


def experiments(store: Store) -> list[str]:
    """Return the names of all experiments."""
    query = "SELECT DISTINCT experiment FROM runs WHERE deleted_at IS NULL AND experiment IS NOT NULL"
    with reading(store) as connection:
        return sorted(name for (name,) in connection.execute(query).fetchall())


def load(store: Store, run_id: str) -> Json | None:
    """Return one run whole, or None."""
    found = load_many(store, [run_id])
    return found[0] if found else None


def load_many(store: Store, run_ids: Sequence[str]) -> list[Json]:
    """Return runs whole, as the JSON every view is drawn from, in the order asked.

    Parameters
    ----------
    store : Store
    run_ids : sequence of str

    Returns
    -------
    list of dict
        The run's own columns, and ``params``, ``metrics`` (the newest point of each, and how many there are),
        ``tags``, ``datasets``, ``models``, ``artifacts``.
    """
    with reading(store) as connection:
        rows = [r for r in _chosen(connection, "runs", "run_id", run_ids) if r["experiment"] and not r["deleted_at"]]
        if any(r["status"] == "running" for r in rows):
            gone = leases.abandoned(connection)
            rows = [{**r, "status": "abandoned", "cause": gone[r["no"]]} if r["no"] in gone else r for r in rows]
        metrics = _metrics(connection, [r["no"] for r in rows])
        belongings = {name: _parts(connection, name, run_ids) for name in PARTS}
    found = {}
    for row in rows:
        run = _decoded(row, metrics[row["no"]]) | {name: belongings[name][row["run_id"]] for name in PARTS}
        run |= {name: json.loads(row[name]) if row[name] else None for name in JSON_FIELDS}
        found[row["run_id"]] = {k: v for k, v in run.items() if k not in ("no", "lease", "deleted_at")}
    return [found[i] for i in run_ids if i in found]


def rows_of(connection: Connection, numbers: Sequence[int], more: Sequence[str] = ()) -> dict[int, Json]:
    """Return what a list shows of some runs, by their numbers: no files, data or sources.

    Parameters
    ----------
    connection : Connection
    numbers : sequence of int
        Places in order of arrival (``runs.no``).
    more : sequence of str
        Further columns, as they are stored.
    """
    names = ("no", *LISTED, "params", "tags", "deleted_at", *more)
    rows = _chosen(connection, "runs", "no", numbers, names)
    metrics = _metrics(connection, numbers)
    return {row["no"]: _decoded(row, metrics[row["no"]]) for row in rows}


def heads(store: Store, run_ids: Sequence[str], names: Sequence[str]) -> list[Json]:
    """Return some columns of some runs, as they are stored; without those that are deleted or not there yet."""
    with reading(store) as connection:
        rows = _chosen(connection, "runs", "run_id", run_ids, [*names, "no", "experiment", "deleted_at"])
        return [{k: row[k] for k in names} for row in rows if row["experiment"] and not row["deleted_at"]]


def summaries(store: Store, **where: Any) -> list[Json]:
    """Return runs whole, newest first (see :func:`newest` for what can be asked)."""
    return load_many(store, newest(store, **where))


def below(store: Store, parents: Sequence[str]) -> dict[str, list[str]]:
    """Return the runs that are part of each of these, the oldest first; those without any are left out."""
    found: dict[str, list[str]] = defaultdict(list)
    query = "SELECT parent, run_id FROM runs WHERE parent IN ({}) AND deleted_at IS NULL ORDER BY started_at, run_id"
    with reading(store) as connection:
        for part, marks in parts(parents):
            for parent, run_id in connection.execute(query.format(marks), part).fetchall():
                found[parent].append(run_id)
    return dict(found)


def points(store: Store, run_id: str, name: str) -> list[tuple[dict[str, str], list[tuple[Any, ...]]]]:
    """Return every point of a metric: for each context, (step, value, seconds since 1970) in the order logged.

    Parameters
    ----------
    store : Store
    run_id, name : str
    """
    of_run = (
        "SELECT s.id, s.context FROM series s JOIN runs r ON r.no = s.run "
        "WHERE r.run_id = ? AND s.name = ? ORDER BY s.id"
    )
    of_series = "SELECT step, value, at FROM points WHERE series = ? ORDER BY place"
    with reading(store) as connection:
        found = connection.execute(of_run, (run_id, name)).fetchall()
        return [(json.loads(context), connection.execute(of_series, (i,)).fetchall()) for i, context in found]


def curves(store: Store, wanted: Iterable[tuple[int, str, str]], most: int = 60) -> dict[tuple[int, str], list[float]]:
    """Return how metrics of some runs went, in at most so many values each: (run's number, name) to every n-th value.

    Parameters
    ----------
    store : Store
    wanted : iterable of tuple
        (run's number, name, context as JSON).
    most : int
    """
    chosen = list(wanted)
    found: dict[tuple[int, str], list[float]] = {}
    of_runs = "SELECT id, run, name, context, count FROM series WHERE run IN ({})"
    of_series = "SELECT value FROM points WHERE series = ? AND place / ? * ? = place ORDER BY place"  # whole numbers
    with connect(store.project, 2) as connection, connection.reading():
        for part, marks in parts(list({run for run, _, _ in chosen})):
            for number, run, name, context, count in connection.execute(of_runs.format(marks), part).fetchall():
                if count > 1 and (run, name, context) in chosen:
                    every = -(-count // most)
                    values = connection.execute(of_series, (number, every, every)).fetchall()
                    found[run, name] = [math.nan if value is None else value for (value,) in values]
    return found


def measured(project: Project, experiment: str, most: int = 1000) -> list[dict[str, float]]:
    """Return the metric columns of an experiment's newest finished runs, as far as they are in the database by now.

    Parameters
    ----------
    project : Project
    experiment : str
    most : int
        How many runs.
    """
    chosen = (
        "SELECT no FROM runs WHERE experiment = ? AND status = 'finished' AND deleted_at IS NULL "
        f"AND (kind IS NULL OR kind NOT IN ('fold', 'trial')) ORDER BY started_at DESC LIMIT {int(most)}"
    )
    query = f"SELECT run, name, context, value FROM series WHERE run IN ({chosen}) AND value IS NOT NULL"
    found: dict[int, list[Json]] = defaultdict(list)
    with connect(project, 2) as connection, connection.reading():
        for run, name, context, value in connection.execute(query, (experiment,)).fetchall():
            found[run].append({"name": name, "context": json.loads(context), "value": value})
    return [flat_metrics(metrics) for metrics in found.values()]


def counted(project: Project, experiment: str) -> dict[str, bool]:
    """Return the runs of an experiment that are in the database by now, and whether each finished and is still there.

    Parameters
    ----------
    project : Project
    experiment : str
    """
    query = (
        "SELECT run_id, status, deleted_at FROM runs WHERE experiment = ? "
        "AND (kind IS NULL OR kind NOT IN ('fold', 'trial'))"
    )
    with connect(project, 2) as connection, connection.reading():
        found = connection.execute(query, (experiment,)).fetchall()
    return {run_id: status == "finished" and deleted_at is None for run_id, status, deleted_at in found}


def that_kept(store: Store, digest: str, name: str) -> list[str]:
    """Return the runs that kept a file of this content under a name, the newest first.

    Parameters
    ----------
    store : Store
    digest, name : str
    """
    query = (
        "SELECT a.run_id FROM artifacts a JOIN runs r ON r.run_id = a.run_id "
        "WHERE a.digest = ? AND a.name = ? AND r.deleted_at IS NULL ORDER BY r.started_at DESC, r.run_id DESC"
    )
    with reading(store) as connection:
        return [run_id for (run_id,) in connection.execute(query, (digest, name)).fetchall()]


def results_of(
    store: Store, run_ids: Iterable[str] | None = None, kind: str | None = None, subject: str | None = None
) -> list[Json]:
    """Return the results (evaluation, drift, check, gate) of some runs or about a subject, oldest first."""
    where, values = ["1 = 1"], []
    for column, value in (("kind", kind), ("subject", subject)):
        if value:
            where.append(f"{column} = ?")
            values.append(value)
    with reading(store) as connection:
        if run_ids is None:
            found = _dicts(connection.execute(f"SELECT * FROM results WHERE {' AND '.join(where)}", values))
        else:
            found = _chosen(connection, "results", "run_id", list(run_ids))
    wanted = [r for r in found if kind in (None, "", r["kind"]) and subject in (None, "", r["subject"])]
    return [{**r, "data": json.loads(r["data"])} for r in sorted(wanted, key=lambda r: (r["at"], r["result_id"]))]


def judged(store: Store, run_ids: Iterable[str]) -> dict[str, Json]:
    """Return the metrics of the evaluation that stands for each run, taken out by the database: the whole is long.

    It is of a model the run made, on the most rows; of some on as many the newest. ``registry.judged`` says the same.

    Parameters
    ----------
    store : Store
    run_ids : iterable of str
    """
    found: list[Any] = []
    with reading(store) as connection:
        said = ", ".join(SAID[connection.sqlite].format(key) for key in ("metrics", "rows", "run_id"))
        for part, holes in parts(list(run_ids)):
            query = f"SELECT at, result_id, run_id, {said} FROM results WHERE kind = 'evaluation'"
            found += connection.execute(f"{query} AND run_id IN ({holes})", part).fetchall()
    own = [(int(rows or 0), at, key, run, said) for at, key, run, said, rows, made in found if made in (None, run)]
    return {run: json.loads(said or "{}") for _, _, _, run, said in sorted(own, key=lambda r: r[:3])}


def subjects(store: Store, kind: str) -> set[str]:
    """Return what there is a result of a kind about."""
    with reading(store) as connection:
        found = connection.execute("SELECT DISTINCT subject FROM results WHERE kind = ?", (kind,)).fetchall()
    return {subject for (subject,) in found}


def latest_results(store: Store, kind: str) -> list[Json]:
    """Return the newest result of a kind about each subject."""
    query = (
        "SELECT r.* FROM results r JOIN (SELECT subject, max(at) AS at FROM results WHERE kind = ? GROUP BY subject) n "
        "ON n.subject = r.subject AND n.at = r.at WHERE r.kind = ? ORDER BY r.subject, r.result_id"
    )
    with reading(store) as connection:
        found = _dicts(connection.execute(query, (kind, kind)))
    return [{**r, "data": json.loads(r["data"])} for r in found]


def _chosen(
    connection: Connection, table: str, key: str, values: Sequence[Any], names: Sequence[str] = ("*",)
) -> list[Json]:
    listed = ", ".join(n if n == "*" else f'"{n}"' for n in names)
    rows: list[Json] = []
    for part, marks in parts(values):
        query = f"SELECT {listed} FROM {table} WHERE {key} IN ({marks})"
        rows += _dicts(connection.execute(query, part))
    return rows


def _dicts(cursor: Any) -> list[Json]:
    names = [d[0] for d in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _metrics(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Json]]:
    """Return the newest point of each series of some runs, in the order they were first logged."""
    names = ("id", "run", "name", "context", "value", "step", "at", "count")
    groups: dict[int, list[Json]] = defaultdict(list)
    for row in sorted(_chosen(connection, "series", "run", numbers, names), key=lambda r: int(r["id"])):
        groups[row["run"]].append(
            {
                "name": row["name"],
                "value": math.nan if row["value"] is None else row["value"],
                "step": row["step"],
                "context": {} if row["context"] == "{}" else json.loads(row["context"]),
                "at": iso(row["at"]),
                "count": row["count"],
            }
        )
    return groups


def _parts(connection: Connection, table: str, run_ids: Sequence[str]) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = defaultdict(list)
    rows = _chosen(connection, table, "run_id", run_ids)
    for row in sorted(rows, key=lambda r: (r.get("id", 0), r["name"])):
        values = {k: json.loads(v) if k in PART_JSON else v for k, v in row.items() if k not in ("id", "run_id")}
        groups[row["run_id"]].append(values)
    return groups


def _decoded(row: Json, metrics: list[Json]) -> Json:
    params = json.loads(row["params"] or "{}")
    return {
        **row,
        "params": [{"name": n, "value": value, "origin": origin} for n, (value, origin) in params.items()],
        "tags": json.loads(row["tags"] or "{}"),
        "metrics": metrics,
    }
