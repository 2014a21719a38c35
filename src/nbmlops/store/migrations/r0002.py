"""Schema 2: runs are numbered and hold their params and tags; metrics become series with points."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["upgrade"]

BATCH = 5000
SPECIAL = {"NaN": None, "Infinity": math.inf, "-Infinity": -math.inf}
SAME = (
    *("run_id", "experiment", "name", "kind", "status", "cause", "started_at", "ended_at", "duration_s", "author"),
    *("parent", "previous", "notebook", "cell_id", "order", "source", "error", "git", "environment", "process"),
)
BIG_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade(op: Operations) -> None:
    """Make the new tables, move the rows, drop the old tables."""
    connection = op.get_bind()
    _set_runs_aside(op, connection)
    _make_runs(op)
    _make_points(op)
    _make_indexes(op)
    op.add_column("model_versions", sa.Column("deleted_at", sa.String(32)))
    op.add_column("set_aside", sa.Column("event", sa.Text))
    numbers = _move_runs(connection)
    _fold_params(connection, numbers)
    _fold_tags(connection, numbers)
    _move_metrics(connection, numbers)
    connection.execute(sa.text("INSERT INTO stale (run) SELECT no FROM runs"))
    for table in ("metrics", "tags", "params", "runs_1"):
        op.drop_table(table)


def _set_runs_aside(op: Operations, connection: sa.Connection) -> None:
    for index in ("runs_experiment", "runs_notebook", "runs_parent"):
        op.drop_index(index, table_name="runs")
    op.rename_table("runs", "runs_1")
    if connection.dialect.name == "postgresql":  # the name is wanted by the new table
        op.execute(sa.text("ALTER INDEX runs_pkey RENAME TO runs_1_pkey"))


def _make_runs(op: Operations) -> None:
    op.create_table(
        "runs",
        sa.Column("no", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.String(36), nullable=False, unique=True),
        sa.Column("experiment", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("kind", sa.String(16)),
        sa.Column("status", sa.String(16)),
        sa.Column("cause", sa.String(40)),
        sa.Column("started_at", sa.String(32)),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("duration_s", sa.Float),
        sa.Column("author", sa.Text),
        sa.Column("parent", sa.String(36)),
        sa.Column("previous", sa.String(36)),
        *(sa.Column(name, sa.Text) for name in ("notebook", "cell_id", "order", "source", "error", "git")),
        *(sa.Column(name, sa.Text) for name in ("environment", "process")),
        sa.Column("lease", sa.String(36)),
        *(sa.Column(name, sa.Text) for name in ("defaults", "params", "tags")),
        sa.Column("deleted_at", sa.String(32)),
    )
    op.create_index("runs_started", "runs", ["started_at"])
    op.create_index("runs_experiment", "runs", ["experiment", "started_at"])
    op.create_index("runs_notebook", "runs", ["notebook", "started_at"])
    op.create_index("runs_parent", "runs", ["parent"])
    op.create_index("runs_status", "runs", ["status", "no"])


def _make_points(op: Operations) -> None:
    op.create_table(
        "series",
        sa.Column("id", BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("step", sa.BigInteger),
        sa.Column("at", sa.Float, nullable=False),
        sa.UniqueConstraint("run", "name", "context"),
    )
    op.create_table(
        "points",
        sa.Column("series", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Float),
        sa.Column("step", sa.BigInteger),
        sa.Column("at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )


def _make_indexes(op: Operations) -> None:
    op.create_table(
        "columns",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("numbers", sa.LargeBinary),
        sa.Column("codes", sa.LargeBinary),
        sa.Column("texts", sa.Text),
    )
    op.create_index("columns_chunk", "columns", ["chunk"])
    op.create_table("stale", sa.Column("run", sa.Integer, primary_key=True, autoincrement=False))
    op.create_table(
        "leases",
        sa.Column("lease", sa.String(36), primary_key=True),
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("renewed_at", sa.Float, nullable=False),
    )


def _move_runs(connection: sa.Connection) -> dict[str, int]:
    """Number the runs by their start, those last of which only params, tags or metrics arrived; return the numbers."""
    names = ", ".join(f'"{name}"' for name in (*SAME, "defaults"))
    numbers: dict[str, int] = {}

    def rows() -> Iterator[tuple[Any, ...]]:
        for row in _stream(connection, f"SELECT {names} FROM runs_1 ORDER BY started_at, run_id"):
            numbers[row[0]] = len(numbers) + 1
            yield (*row, numbers[row[0]])
        for table in ("params", "tags", "metrics"):
            for (run_id,) in _stream(connection, f"SELECT DISTINCT run_id FROM {table} ORDER BY run_id"):
                if run_id not in numbers:
                    numbers[run_id] = len(numbers) + 1
                    yield (run_id, *(None for _ in (*SAME, "defaults")[1:]), numbers[run_id])

    _insert(connection, "runs", (*SAME, "defaults", "no"), rows())
    return numbers


def _fold_params(connection: sa.Connection, numbers: Mapping[str, int]) -> None:
    query = f"SELECT run_id, name, value, origin FROM params ORDER BY run_id, {_arrival(connection)}"
    _fold(connection, "params", numbers, query, lambda row: [_loaded(row[2]), row[3]])


def _fold_tags(connection: sa.Connection, numbers: Mapping[str, int]) -> None:
    query = f"SELECT run_id, name, value FROM tags ORDER BY run_id, {_arrival(connection)}"
    _fold(connection, "tags", numbers, query, itemgetter(2))


def _arrival(connection: sa.Connection) -> str:
    """Return the order in which the rows of a table without numbers came, as far as the database knows it."""
    return "ctid" if connection.dialect.name == "postgresql" else "rowid"


def _fold(connection: sa.Connection, column: str, numbers: Mapping[str, int], query: str, value: Any) -> None:
    """Write the rows of each run into one column of its own row, as JSON."""
    groups = groupby(_stream(connection, query), key=itemgetter(0))
    rows = ((_json({row[1]: value(row) for row in group}), numbers[run_id]) for run_id, group in groups)
    update = sa.text(f"UPDATE runs SET {column} = :text WHERE no = :no")
    for batch in _batches(rows):
        connection.execute(update, [{"text": text, "no": no} for text, no in batch])


def _move_metrics(connection: sa.Connection, numbers: Mapping[str, int]) -> None:
    query = (  # series in the order of their first points
        "SELECT run_id, name, context, value, special, step, at FROM (SELECT metrics.*, "
        "MIN(id) OVER (PARTITION BY run_id, name, context) AS began FROM metrics) AS m ORDER BY began, id"
    )
    series: list[tuple[Any, ...]] = []

    def points() -> Iterator[tuple[Any, ...]]:
        for number, (key, group) in enumerate(groupby(_stream(connection, query), key=itemgetter(0, 1, 2)), 1):
            place, value, step, at = -1, None, None, 0.0
            for place, row in enumerate(group):  # the last one is the newest
                value, step, at = (SPECIAL[row[4]] if row[4] else row[3]), row[5], _seconds(row[6], at)
                yield number, place, value, step, at
            series.append((number, numbers[key[0]], key[1], key[2], place + 1, value, step, at))

    _insert(connection, "points", ("series", "place", "value", "step", "at"), points())
    _insert(connection, "series", ("id", "run", "name", "context", "count", "value", "step", "at"), series)


def _stream(connection: sa.Connection, query: str) -> Iterator[Any]:
    """Yield rows without holding them all: a store may have millions of points."""
    yield from connection.execute(sa.text(query).execution_options(stream_results=True, yield_per=BATCH))


def _insert(connection: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    names, marks = ", ".join(f'"{c}"' for c in columns), ", ".join(f":{c}" for c in columns)
    insert = sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})")
    for batch in _batches(rows):
        connection.execute(insert, [dict(zip(columns, row, strict=True)) for row in batch])


def _batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _seconds(at: str, before: float) -> float:
    """Return an ISO time as seconds since 1970; the point before's where it is none."""
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        return before
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
