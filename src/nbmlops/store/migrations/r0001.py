"""Schema 1: one row each param, tag and metric point."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

__all__ = ["upgrade"]

BIG_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade(op: Operations) -> None:
    """Make the tables of schema 1 in an empty database."""
    _make_bookkeeping(op)
    _make_runs(op)
    _make_logged(op)
    _make_governed(op)
    _make_predictions(op)


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null, primary_key=key)


def _short(name: str, length: int, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=null, primary_key=key)


def _big(name: str, *, null: bool = False, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null, primary_key=key, autoincrement=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", BIG_KEY, primary_key=True)


def _make_bookkeeping(op: Operations) -> None:
    op.create_table("meta", _short("key", 40, key=True), _text("value"))
    op.create_table("journals", _short("journal_id", 36, key=True), _big("offset"))
    aside = (_short("journal_id", 36, key=True), _big("after", key=True), _short("kind", 40), _text("reason"))
    op.create_table("set_aside", *aside)


def _make_runs(op: Operations) -> None:
    op.create_table(
        "runs",
        _short("run_id", 36, key=True),
        _text("experiment"),
        _text("name"),
        _short("kind", 16),
        _short("status", 16),
        _short("cause", 40, null=True),
        _short("started_at", 32),
        _short("ended_at", 32, null=True),
        sa.Column("duration_s", sa.Float),
        _text("author", null=True),
        _short("parent", 36, null=True),
        _short("previous", 36, null=True),
        *(_text(name, null=True) for name in ("notebook", "cell_id", "order", "source", "error", "git")),
        *(_text(name, null=True) for name in ("environment", "process", "defaults")),
    )
    op.create_index("runs_experiment", "runs", ["experiment", "started_at"])
    op.create_index("runs_notebook", "runs", ["notebook", "started_at"])
    op.create_index("runs_parent", "runs", ["parent"])


def _make_logged(op: Operations) -> None:
    run_key, name_key = _short("run_id", 36, key=True), _text("name", key=True)
    op.create_table("params", run_key, name_key, _text("value"), _short("origin", 16))
    op.create_table("tags", _short("run_id", 36, key=True), _text("name", key=True), _text("value"))
    op.create_table(
        "metrics",
        _id(),
        _short("run_id", 36),
        _text("name"),
        sa.Column("value", sa.Float),
        _short("special", 9, null=True),
        _big("step", null=True),
        _text("context"),
        _short("at", 32),
    )
    op.create_index("metrics_run", "metrics", ["run_id", "name"])
    op.create_table(
        "datasets",
        _id(),
        _short("run_id", 36),
        _short("role", 8),
        _text("name"),
        _text("fingerprint"),
        _short("strength", 8),
        _big("rows"),
        _text("columns"),
    )
    op.create_index("datasets_run", "datasets", ["run_id"])
    op.create_index("datasets_fingerprint", "datasets", ["fingerprint"])
    op.create_table(
        "artifacts",
        _short("run_id", 36, key=True),
        _text("name", key=True),
        _short("digest", 64),
        _big("size_bytes"),
        _text("media_type"),
    )
    texts = (_text(name) for name in ("name", "estimator", "params", "fitted_on"))
    op.create_table("models", _id(), _short("run_id", 36), *texts)
    op.create_index("models_run", "models", ["run_id"])
    op.create_table(
        "results",
        _short("result_id", 36, key=True),
        _short("run_id", 36, null=True),
        _short("kind", 16),
        _text("subject"),
        _short("at", 32),
        _text("data"),
    )
    op.create_index("results_run", "results", ["run_id"])
    op.create_index("results_subject", "results", ["subject", "kind", "at"])


def _make_governed(op: Operations) -> None:
    op.create_table(
        "model_versions",
        _text("name", key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        _short("digest", 64),
        _short("format", 16),
        _text("estimator"),
        _text("signature"),
        _short("run_id", 36, null=True),
        _text("owner"),
        _short("created_at", 32),
        _text("metrics"),
        _short("evaluation", 36, null=True),
        _short("profile", 64, null=True),
        _short("environment", 64, null=True),
        _text("trusted"),
        _big("size_bytes"),
    )
    op.create_table(
        "events",
        _big("seq", key=True),
        _short("at", 32),
        _text("actor"),
        _text("known_by"),
        _short("action", 40),
        _text("subject"),
        _text("data"),
        _short("previous", 64),
        _short("hash", 64),
    )
    op.create_index("events_subject", "events", ["subject", "action", "seq"])


def _make_predictions(op: Operations) -> None:
    op.create_table(
        "predictions",
        _short("prediction_id", 36, key=True),
        _text("model"),
        sa.Column("version", sa.Integer, nullable=False),
        _short("run_id", 36, null=True),
        _short("at", 32),
        _text("batch", null=True),
        _text("value"),
        sa.Column("probability", sa.Float),
    )
    op.create_index("predictions_model", "predictions", ["model", "version", "at"])
    answer = (_short("prediction_id", 36), _text("outcome"), _text("source"), _short("at", 32))
    op.create_table("feedback", _id(), *answer)
    op.create_index("feedback_prediction", "feedback", ["prediction_id"])
