"""Schema 5: what was observed of models, episodes and alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["upgrade"]


def upgrade(op: Operations) -> None:
    """Make the tables of monitoring; checks made before have no episode."""
    _observations(op)
    _episodes(op)
    _alerts(op)


def _observations(op: Operations) -> None:
    op.create_table(
        "observations",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("levels", sa.Text, nullable=False),
    )
    op.create_index("observations_name", "observations", ["model", "version", "name"], unique=True)


def _episodes(op: Operations) -> None:
    op.create_table(
        "episodes",
        sa.Column("episode_id", sa.String(36), primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("column", sa.Text, nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_on", sa.Text, nullable=False),
        sa.Column("opened_at", sa.String(32), nullable=False),
        sa.Column("last_on", sa.Text, nullable=False),
        sa.Column("last_at", sa.String(32), nullable=False),
        sa.Column("checks", sa.Integer, nullable=False),
        sa.Column("passes", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("closed_on", sa.Text),
        sa.Column("closed_at", sa.String(32)),
    )
    still_open = sa.text("closed_at IS NULL")
    key = ["model", "version", "code", "column"]
    op.create_index("episodes_open", "episodes", key, unique=True, sqlite_where=still_open, postgresql_where=still_open)


def _alerts(op: Operations) -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(36), primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("tried_at", sa.String(32)),
        sa.Column("sent_at", sa.String(32)),
        sa.Column("error", sa.Text),
    )
