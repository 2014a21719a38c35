"""Schema 7: predictions are kept in blocks, with what they were made of; feedback of three kinds, also by key."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["upgrade"]

MOST = 5_000  # rows read and written at once


def upgrade(op: Operations) -> None:
    """Turn each prediction into a block of one, and all feedback into outcomes."""
    _predictions(op)
    _move(op.get_bind())
    op.drop_table("predictions")  # its index goes with it
    op.rename_table("predictions_7", "predictions")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX predictions_7_pkey RENAME TO predictions_pkey")
    op.create_index("predictions_model", "predictions", ["model", "version", "at"])
    in_file = sa.text("digest IS NOT NULL")
    op.create_index("predictions_digest", "predictions", ["digest"], sqlite_where=in_file, postgresql_where=in_file)
    _feedback(op)


def _predictions(op: Operations) -> None:
    op.create_table(
        "predictions_7",
        sa.Column("prediction_id", sa.String(36), primary_key=True),
        sa.Column("last_id", sa.String(36), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String(36)),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("batch", sa.Text),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("caller", sa.Text),
        sa.Column("latency_s", sa.Float),
        sa.Column("inputs", sa.Integer, nullable=False),
        sa.Column("data", sa.Text),
        sa.Column("digest", sa.String(64)),
    )


def _move(connection: sa.Connection) -> None:
    names = ("prediction_id", "model", "version", "run_id", "at", "batch")
    listed = ", ".join(f'"{n}"' for n in names)
    page = sa.text(
        f"SELECT {listed}, value, probability FROM predictions WHERE prediction_id > :after "
        f"ORDER BY prediction_id LIMIT {MOST}"
    )
    marks = ", ".join(f":{n}" for n in names)
    insert = sa.text(
        f'INSERT INTO predictions_7 ({listed}, last_id, "rows", inputs, data) '
        f"VALUES ({marks}, :prediction_id, 1, 0, :data)"
    )
    after = ""
    while rows := connection.execute(page, {"after": after}).mappings().all():
        connection.execute(insert, [{**{n: r[n] for n in names}, "data": _data(r)} for r in rows])
        after = rows[-1]["prediction_id"]


def _data(row: sa.RowMapping) -> str:
    said = {"value": [json.loads(row["value"])], "probability": [row["probability"]]}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _feedback(op: Operations) -> None:
    op.add_column("feedback", sa.Column("kind", sa.String(16), nullable=False, server_default="outcome"))
    op.add_column("feedback", sa.Column("verdict", sa.String(16)))
    for name in ("reason", "actor", "model", "key"):
        op.add_column("feedback", sa.Column(name, sa.Text))
    op.add_column("feedback", sa.Column("key_at", sa.String(32)))
    unmatched = sa.text("prediction_id = ''")
    op.create_index("feedback_key", "feedback", ["model", "key"], sqlite_where=unmatched, postgresql_where=unmatched)
