"""Schema 8: reports that were made, by subject and number."""

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["upgrade"]


def upgrade(op: Operations) -> None:
    """Make the table of reports; those written before were not kept."""
    op.create_table(
        "reports",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("run_id", sa.String(36)),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("as_of", sa.String(32), nullable=False),
        sa.Column("made_at", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index("reports_run", "reports", ["run_id"])
    op.create_index("reports_digest", "reports", ["digest"])
