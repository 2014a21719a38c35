"""The tables, in SQLAlchemy Core. Times are ISO 8601 text in UTC (of points: seconds since 1970); JSON is text.

Whoever changes a table raises ``SCHEMA`` in ``schema.py`` and adds a migration.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()
BigKey = BigInteger().with_variant(Integer, "sqlite")


def _run_id(primary_key: bool = False) -> Column[str]:
    # No foreign key: two processes may write to one run, and their journals arrive in any order.
    return Column("run_id", String(36), nullable=False, primary_key=primary_key)


meta = Table("meta", metadata, Column("key", String(40), primary_key=True), Column("value", Text, nullable=False))

journals = Table(
    "journals",
    metadata,
    Column("journal_id", String(36), primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

# Events that could not be stored, as they were and why, for people to look at.
set_aside = Table(
    "set_aside",
    metadata,
    Column("journal_id", String(36), primary_key=True),
    Column("after", BigInteger, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("event", Text),
)

# One row a run. `no` is its place in order of arrival; a row without `experiment` waits for the run's own record.
# `params` is {name: [value, origin]}, `tags` {name: text}: one row is one run, and the columns index (below) finds it.
runs = Table(
    "runs",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("run_id", String(36), nullable=False, unique=True),
    Column("experiment", Text),
    Column("name", Text),
    Column("kind", String(16)),
    Column("status", String(16)),
    Column("cause", String(40)),
    Column("started_at", String(32)),
    Column("ended_at", String(32)),
    Column("duration_s", Float),
    Column("author", Text),
    Column("parent", String(36)),
    Column("previous", String(36)),
    Column("notebook", Text),
    Column("cell_id", Text),
    Column("order", Text),
    Column("source", Text),
    Column("error", Text),
    Column("git", Text),
    Column("environment", Text),
    Column("process", Text),
    Column("lease", String(36)),
    Column("defaults", Text),
    Column("params", Text),
    Column("tags", Text),
    Column("deleted_at", String(32)),
    Index("runs_started", "started_at"),
    Index("runs_experiment", "experiment", "started_at"),
    Index("runs_notebook", "notebook", "started_at"),
    Index("runs_parent", "parent"),
    Index("runs_status", "status", "no"),
)

# A metric of a run on one context, with its newest point: lists never read points.
series = Table(
    "series",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=False),
    Column("run", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("context", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("value", Float),
    Column("step", BigInteger),
    Column("at", Float, nullable=False),
    UniqueConstraint("run", "name", "context"),
)

# Every value in the order logged. A NaN is stored as NULL, for SQLite has none; the infinities are themselves.
points = Table(
    "points",
    metadata,
    Column("series", BigInteger, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Float),
    Column("step", BigInteger),
    Column("at", Float, nullable=False),
    sqlite_with_rowid=False,
)

# An index of runs by column (see columns.py): arrays over 512 runs each; rebuilt for the runs that are stale.
columns = Table(
    "columns",
    metadata,
    Column("name", Text, primary_key=True),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("numbers", LargeBinary),
    Column("codes", LargeBinary),
    Column("texts", Text),
    Index("columns_chunk", "chunk"),
)

stale = Table("stale", metadata, Column("run", Integer, primary_key=True, autoincrement=False))

# A process that has runs open renews its lease; the database's clock decides whether it lapsed.
leases = Table(
    "leases",
    metadata,
    Column("lease", String(36), primary_key=True),
    Column("process", Text, nullable=False),
    Column("renewed_at", Float, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", BigKey, primary_key=True),
    _run_id(),
    Column("role", String(8), nullable=False),
    Column("name", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("strength", String(8), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("columns", Text, nullable=False),
    Index("datasets_run", "run_id"),
    Index("datasets_fingerprint", "fingerprint"),
)

artifacts = Table(
    "artifacts",
    metadata,
    _run_id(primary_key=True),
    Column("name", Text, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("id", BigKey, primary_key=True),
    _run_id(),
    Column("name", Text, nullable=False),
    Column("estimator", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("fitted_on", Text, nullable=False),
    Index("models_run", "run_id"),
)

# The order record: what each kernel that tracked something ran. The sources are artifacts, found by their digest.
executions = Table(
    "executions",
    metadata,
    Column("kernel", String(36), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_id", String(36)),
    Column("cell_id", Text),
    Column("notebook", Text),
    Column("digest", String(64), nullable=False),
    Column("reads", Text, nullable=False),
    Column("writes", Text, nullable=False),
    Column("mutates", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("at", String(32), nullable=False),
    Index("executions_run", "run_id"),
    Index("executions_digest", "digest"),
    Index("executions_notebook", "notebook"),
)

# What an evaluation, a drift report, a check or a gate found: the JSON every view is drawn from.
results = Table(
    "results",
    metadata,
    Column("result_id", String(36), primary_key=True),
    Column("run_id", String(36)),
    Column("kind", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("data", Text, nullable=False),
    Index("results_run", "run_id"),
    Index("results_subject", "subject", "kind", "at"),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("format", String(16), nullable=False),
    Column("estimator", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("run_id", String(36)),
    Column("owner", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("metrics", Text, nullable=False),
    Column("evaluation", String(36)),
    Column("profile", String(64)),
    Column("environment", String(64)),
    Column("trusted", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("deleted_at", String(32)),
)

# Versions of data sets; `digest` is a Parquet file of the rows where they were kept, `profile` a file of counts.
dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("columns", Text, nullable=False),
    Column("profile", String(64), nullable=False),
    Column("findings", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("run_id", String(36)),
    Column("author", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("digest", String(64)),
    Column("size_bytes", BigInteger),
)

# Governed changes, in one hash chain (see events.py). Alias history, approvals and audit are views of it.
events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("actor", Text, nullable=False),
    Column("known_by", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("events_subject", "subject", "action", "seq"),
)

# What was predicted at once is one row, a block: its predictions' ids are one prefix and a number, counted from
# `prediction_id`, which is that of the first. Small blocks hold their rows as JSON, others name a file.
IN_FILE = text("digest IS NOT NULL")
predictions = Table(
    "predictions",
    metadata,
    Column("prediction_id", String(36), primary_key=True),
    Column("last_id", String(36), nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("run_id", String(36)),
    Column("at", String(32), nullable=False),
    Column("batch", Text),
    Column("rows", Integer, nullable=False),
    Column("caller", Text),
    Column("latency_s", Float),
    Column("inputs", Integer, nullable=False),
    Column("data", Text),
    Column("digest", String(64)),
    Index("predictions_model", "model", "version", "at"),
    Index("predictions_digest", "digest", sqlite_where=IN_FILE, postgresql_where=IN_FILE),
)

# What came back for predictions: outcomes, experts' flags, users' opinions. Rows are added, never changed; the newest
# of who said it counts. What names a business key belongs to the prediction of that key, once it is known.
UNMATCHED = text("prediction_id = ''")
feedback = Table(
    "feedback",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("prediction_id", String(36), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("kind", String(16), nullable=False, server_default="outcome"),
    Column("verdict", String(16)),
    Column("reason", Text),
    Column("actor", Text),
    Column("model", Text),
    Column("key", Text),
    Column("key_at", String(32)),
    Index("feedback_prediction", "prediction_id"),
    Index("feedback_key", "model", "key", sqlite_where=UNMATCHED, postgresql_where=UNMATCHED),
)

observations = Table(
    "observations",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("levels", Text, nullable=False),
    Index("observations_name", "model", "version", "name", unique=True),
)

# Reports that were made: what each says is an artifact, canonical JSON, and never changed. `data` is JSON of what its
# page says first, and the digest of its facts without its number.
reports = Table(
    "reports",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("run_id", String(36)),
    Column("title", Text, nullable=False),
    Column("as_of", String(32), nullable=False),
    Column("made_at", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("data", Text, nullable=False),
    Index("reports_run", "run_id"),
    Index("reports_digest", "digest"),
)

# What people flagged: `subject` names what, never by its values, for the event chain repeats it. `data` is JSON: what
# was said and shown, and the thread of answers; `digest` is of what was said first, as the event of the flag has it.
flags = Table(
    "flags",
    metadata,
    Column("flag_id", String(36), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("role", Text),
    Column("owner", Text),
    Column("author", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("closed_at", String(32)),
    Column("digest", String(64), nullable=False),
    Column("data", Text, nullable=False),
    Index("flags_subject", "subject"),
    Index("flags_state", "state"),
)

OPEN = text("closed_at IS NULL")
episodes = Table(
    "episodes",
    metadata,
    Column("episode_id", String(36), primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("column", Text, nullable=False),
    Column("level", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_on", Text, nullable=False),
    Column("opened_at", String(32), nullable=False),
    Column("last_on", Text, nullable=False),
    Column("last_at", String(32), nullable=False),
    Column("checks", Integer, nullable=False),
    Column("passes", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("closed_on", Text),
    Column("closed_at", String(32)),
    Index("episodes_open", "model", "version", "code", "column", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", String(36), primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Column("data", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("tried_at", String(32)),
    Column("sent_at", String(32)),
    Column("error", Text),
)

# What the ledger answers for (see ledger.py): one row a fire, a run key or a row of a fan-out. `spec` is the policy as
# it was when the work was added.
DUE = text("state = 'due'")
LIMITED = text("state = 'due' AND deadline IS NOT NULL")
UNDONE = text("state IN ('due', 'started')")
OF_JOB = text("job IS NOT NULL AND state IN ('due', 'started')")
OF_PARENT, HAS_PARENT = ("parent", "state", "not_before", "id"), text("parent IS NOT NULL")
IN_SLOT = text("state = 'started' AND slot IS NOT NULL")
work = Table(
    "work",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("job", Text),
    Column("scheduled_for", String(32)),
    Column("trigger", Text),
    Column("notebook", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("slot", Text),
    Column("not_before", String(32), nullable=False),
    Column("deadline", String(32)),
    Column("attempt", Integer, nullable=False),
    Column("most", Integer, nullable=False),
    Column("parent", Text),
    Column("spec", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("ended_at", String(32)),
    Column("run_id", String(36)),
    UniqueConstraint("job", "scheduled_for"),
    Index("work_job", "job", "id"),
    Index("work_state", "state", "id"),
    Index("work_parent", *OF_PARENT, sqlite_where=HAS_PARENT, postgresql_where=HAS_PARENT),
    # Constants, not bound values, must ask for these: SQLite takes no partial index otherwise. They begin with the
    # state, or it would take work_state and sort.
    Index("work_due", "state", "not_before", "id", "slot", sqlite_where=DUE, postgresql_where=DUE),
    Index("work_undone", "state", "job", "id", sqlite_where=OF_JOB, postgresql_where=OF_JOB),
    Index("work_deadline", "state", "deadline", sqlite_where=LIMITED, postgresql_where=LIMITED),
    Index("work_slot", "state", "slot", sqlite_where=IN_SLOT, postgresql_where=IN_SLOT),
)

# Tries to do a work. Whoever holds the token of the one that is not ended may renew and close it, nobody else.
UNENDED = text("ended_at IS NULL")
attempts = Table(
    "attempts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("token", String(36), nullable=False),
    _run_id(),
    Column("owner", Text, nullable=False),
    Column("process", Text),
    Column("started_at", String(32), nullable=False),
    Column("lease_until", String(32), nullable=False),
    Column("ended_at", String(32)),
    Column("status", String(16)),
    Column("cause", String(40)),
    Index("attempts_open", "lease_until", sqlite_where=UNENDED, postgresql_where=UNENDED),
    sqlite_with_rowid=False,
)

schedules = Table(
    "schedules",
    metadata,
    Column("job", Text, primary_key=True),
    Column("digest", String(64)),
    Column("seen_until", String(32)),
    Column("paused_at", String(32)),
    Column("paused_by", Text),
    Column("failures", Integer, nullable=False),
    Column("stopped_reason", Text),
    Column("last_triggered", String(32)),
    Column("state", Text, nullable=False),
)

ticks = Table(
    "ticks",
    metadata,
    Column("host", Text, primary_key=True),
    Column("at", String(32), nullable=False),
    Column("took_s", Float, nullable=False),
    Column("what", Text, nullable=False),
)
