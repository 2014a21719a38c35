"""Schema 6: the ledger of works and their attempts, what is known of schedules, and the newest ticks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["upgrade"]


def upgrade(op: Operations) -> None:
    """Make the tables of jobs; runs made before are of no work."""
    _work(op)
    _indexes(op)
    _attempts(op)
    _schedules(op)
    _ticks(op)


def _work(op: Operations) -> None:
    op.create_table(
        "work",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("job", sa.Text),
        sa.Column("scheduled_for", sa.String(32)),
        sa.Column("trigger", sa.Text),
        sa.Column("notebook", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("slot", sa.Text),
        sa.Column("not_before", sa.String(32), nullable=False),
        sa.Column("deadline", sa.String(32)),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("most", sa.Integer, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("run_id", sa.String(36)),
        sa.UniqueConstraint("job", "scheduled_for"),
    )


def _indexes(op: Operations) -> None:
    for name in ("job", "state"):
        op.create_index(f"work_{name}", "work", [name, "id"])
    for name, columns, where in (
        ("due", ["state", "not_before", "id", "slot"], "state = 'due'"),
        ("undone", ["state", "job", "id"], "job IS NOT NULL AND state IN ('due', 'started')"),
        ("parent", ["parent", "state", "not_before", "id"], "parent IS NOT NULL"),
        ("deadline", ["state", "deadline"], "state = 'due' AND deadline IS NOT NULL"),
        ("slot", ["state", "slot"], "state = 'started' AND slot IS NOT NULL"),
    ):
        chosen = sa.text(where)
        op.create_index(f"work_{name}", "work", columns, sqlite_where=chosen, postgresql_where=chosen)


def _attempts(op: Operations) -> None:
    op.create_table(
        "attempts",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("token", sa.String(36), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("process", sa.Text),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("lease_until", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("status", sa.String(16)),
        sa.Column("cause", sa.String(40)),
        sqlite_with_rowid=False,
    )
    unended = sa.text("ended_at IS NULL")
    op.create_index("attempts_open", "attempts", ["lease_until"], sqlite_where=unended, postgresql_where=unended)


def _schedules(op: Operations) -> None:
    op.create_table(
        "schedules",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("digest", sa.String(64)),
        sa.Column("seen_until", sa.String(32)),
        sa.Column("paused_at", sa.String(32)),
        sa.Column("paused_by", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("stopped_reason", sa.Text),
        sa.Column("last_triggered", sa.String(32)),
        sa.Column("state", sa.Text, nullable=False),
    )


def _ticks(op: Operations) -> None:
    op.create_table(
        "ticks",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("took_s", sa.Float, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
    )
