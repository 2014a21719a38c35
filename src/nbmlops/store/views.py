"""Views for other tools: the store in SQL that stays when the tables change. ``docs/store.md`` describes them."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["VIEWS", "create", "drop"]

RUNS = """
SELECT run_id, experiment, name, kind, status, cause, started_at, ended_at, duration_s, author, parent, previous,
       notebook, cell_id, "order", source, error, git, environment, process, defaults, params, tags
FROM runs
WHERE deleted_at IS NULL AND experiment IS NOT NULL
"""

METRICS = """
SELECT runs.run_id, runs.experiment, series.name, series.context, points.step, points.value, {at} AS at
FROM points
JOIN series ON series.id = points.series
JOIN runs ON runs.no = series.run
WHERE runs.deleted_at IS NULL AND runs.experiment IS NOT NULL
"""

# An alias is where the newest event of its subject, "model@alias", points.
MODELS = """
SELECT model_versions.name, model_versions.version, aliases.aliases, digest, format, estimator, run_id, owner,
       created_at, metrics, evaluation, size_bytes
FROM model_versions
LEFT JOIN (
    SELECT substr(subject, 1, length(subject) - length({alias}) - 1) AS name,
           CAST({number} AS INTEGER) AS version,
           {joined} AS aliases
    FROM (
        SELECT subject, data
        FROM events
        WHERE seq IN (SELECT max(seq) FROM events WHERE action = 'alias' GROUP BY subject)
        ORDER BY subject
    ) AS newest
    GROUP BY 1, 2
) AS aliases ON aliases.name = model_versions.name AND aliases.version = model_versions.version
WHERE model_versions.deleted_at IS NULL
"""

FINDINGS = """
SELECT results.run_id, results.subject, results.kind, results.at,
       {code} AS code, {column} AS "column", {outcome} AS outcome, {effect} AS effect, {message} AS message
FROM results
CROSS JOIN {each}
LEFT JOIN runs ON runs.run_id = results.run_id
WHERE runs.deleted_at IS NULL
"""

SQLITE = {
    "at": "strftime('%Y-%m-%dT%H:%M:%f', points.at, 'unixepoch') || '+00:00'",
    "alias": "substr(subject, length(rtrim(subject, replace(subject, '@', ''))) + 1)",
    "number": "json_extract(data, '$.version')",
    "each": (
        "json_each(CASE json_type(results.data, '$.findings') "
        "WHEN 'array' THEN json_extract(results.data, '$.findings') ELSE '[]' END) AS finding"
    ),
}
NO_NUL = r"replace(results.data, '\u0000', '\ufffd')"  # a text of PostgreSQL cannot hold it
POSTGRES = {
    "at": "to_char(to_timestamp(points.at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"+00:00\"')",
    "alias": "substring(subject from '[^@]*$')",
    "number": "(data::json ->> 'version')",
    "each": (
        rf"LATERAL json_array_elements(CASE json_typeof({NO_NUL}::json -> 'findings') "
        rf"WHEN 'array' THEN {NO_NUL}::json -> 'findings' ELSE '[]'::json END) AS finding"
    ),
}


def _words(dialect: str) -> dict[str, str]:
    """Return what each database calls the same thing."""
    fields = ("code", "column", "outcome", "effect", "message")
    if dialect == "sqlite":
        parts = {name: f"json_extract(finding.value, '$.{name}')" for name in fields}
        return {**SQLITE, **parts, "joined": f"group_concat({SQLITE['alias']}, ',')"}
    parts = {name: f"(finding.value ->> '{name}')" for name in fields}
    number = "CASE json_typeof(finding.value -> 'effect') WHEN 'number' THEN (finding.value ->> 'effect')::float END"
    parts["effect"] = number
    return {**POSTGRES, **parts, "joined": f"string_agg({POSTGRES['alias']}, ',' ORDER BY {POSTGRES['alias']})"}


VIEWS = {"v_runs": RUNS, "v_metrics": METRICS, "v_models": MODELS, "v_findings": FINDINGS}


def create(connection: sa.Connection) -> None:
    """Make the views, in the caller's transaction."""
    words = _words(connection.dialect.name)
    for name, query in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {query.format(**words)}")


def drop(connection: sa.Connection) -> None:
    """Drop the views: a table that one reads cannot be changed."""
    for name in VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
