"""Schema 3: what each kernel ran, and in which order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["upgrade"]


def upgrade(op: Operations) -> None:
    """Make the table of executions; nobody knows what ran before."""
    op.create_table(
        "executions",
        sa.Column("kernel", sa.String(36), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.String(36)),
        sa.Column("cell_id", sa.Text),
        sa.Column("notebook", sa.Text),
        sa.Column("digest", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("reads", "writes", "mutates")),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
    op.create_index("executions_run", "executions", ["run_id"])
    op.create_index("executions_digest", "executions", ["digest"])
    op.create_index("executions_notebook", "executions", ["notebook"])
