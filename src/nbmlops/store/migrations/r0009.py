"""Schema 9: what people flagged, with what others answered."""

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["upgrade"]


def upgrade(op: Operations) -> None:
    """Make the table of flags; feedback of kind flag stays where it is."""
    op.create_table(
        "flags",
        sa.Column("flag_id", sa.String(36), primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("role", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("closed_at", sa.String(32)),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index("flags_subject", "flags", ["subject"])
    op.create_index("flags_state", "flags", ["state"])
