CREATE TABLE meta (
	"key" VARCHAR(40) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY ("key")
);

CREATE TABLE journals (
	journal_id VARCHAR(36) NOT NULL,
	"offset" BIGINT NOT NULL,
	PRIMARY KEY (journal_id)
);

CREATE TABLE set_aside (
	journal_id VARCHAR(36) NOT NULL,
	"after" BIGINT NOT NULL,
	kind VARCHAR(40) NOT NULL,
	reason TEXT NOT NULL,
	event TEXT,
	PRIMARY KEY (journal_id, "after")
);

CREATE TABLE runs (
	no INTEGER NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	experiment TEXT,
	name TEXT,
	kind VARCHAR(16),
	status VARCHAR(16),
	cause VARCHAR(40),
	started_at VARCHAR(32),
	ended_at VARCHAR(32),
	duration_s FLOAT,
	author TEXT,
	parent VARCHAR(36),
	previous VARCHAR(36),
	notebook TEXT,
	cell_id TEXT,
	"order" TEXT,
	source TEXT,
	error TEXT,
	git TEXT,
	environment TEXT,
	process TEXT,
	lease VARCHAR(36),
	defaults TEXT,
	params TEXT,
	tags TEXT,
	deleted_at VARCHAR(32),
	PRIMARY KEY (no),
	UNIQUE (run_id)
);

CREATE TABLE series (
	id INTEGER NOT NULL,
	run INTEGER NOT NULL,
	name TEXT NOT NULL,
	context TEXT NOT NULL,
	count BIGINT NOT NULL,
	value FLOAT,
	step BIGINT,
	at FLOAT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (run, name, context)
);

CREATE TABLE points (
	series BIGINT NOT NULL,
	place BIGINT NOT NULL,
	value FLOAT,
	step BIGINT,
	at FLOAT NOT NULL,
	PRIMARY KEY (series, place)
)
 WITHOUT ROWID
;

CREATE TABLE columns (
	name TEXT NOT NULL,
	chunk INTEGER NOT NULL,
	numbers BLOB,
	codes BLOB,
	texts TEXT,
	PRIMARY KEY (name, chunk)
);

CREATE TABLE stale (
	run INTEGER NOT NULL,
	PRIMARY KEY (run)
);

CREATE TABLE leases (
	lease VARCHAR(36) NOT NULL,
	process TEXT NOT NULL,
	renewed_at FLOAT NOT NULL,
	PRIMARY KEY (lease)
);

CREATE TABLE datasets (
	id INTEGER NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	role VARCHAR(8) NOT NULL,
	name TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	strength VARCHAR(8) NOT NULL,
	rows BIGINT NOT NULL,
	columns TEXT NOT NULL,
	PRIMARY KEY (id)
);

CREATE TABLE artifacts (
	run_id VARCHAR(36) NOT NULL,
	name TEXT NOT NULL,
	digest VARCHAR(64) NOT NULL,
	size_bytes BIGINT NOT NULL,
	media_type TEXT NOT NULL,
	PRIMARY KEY (run_id, name)
);

CREATE TABLE models (
	id INTEGER NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	name TEXT NOT NULL,
	estimator TEXT NOT NULL,
	params TEXT NOT NULL,
	fitted_on TEXT NOT NULL,
	PRIMARY KEY (id)
);

CREATE TABLE executions (
	kernel VARCHAR(36) NOT NULL,
	number INTEGER NOT NULL,
	run_id VARCHAR(36),
	cell_id TEXT,
	notebook TEXT,
	digest VARCHAR(64) NOT NULL,
	reads TEXT NOT NULL,
	writes TEXT NOT NULL,
	mutates TEXT NOT NULL,
	status VARCHAR(16) NOT NULL,
	at VARCHAR(32) NOT NULL,
	PRIMARY KEY (kernel, number)
);

CREATE TABLE results (
	result_id VARCHAR(36) NOT NULL,
	run_id VARCHAR(36),
	kind VARCHAR(16) NOT NULL,
	subject TEXT NOT NULL,
	at VARCHAR(32) NOT NULL,
	data TEXT NOT NULL,
	PRIMARY KEY (result_id)
);

CREATE TABLE model_versions (
	name TEXT NOT NULL,
	version INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	format VARCHAR(16) NOT NULL,
	estimator TEXT NOT NULL,
	signature TEXT NOT NULL,
	run_id VARCHAR(36),
	owner TEXT NOT NULL,
	created_at VARCHAR(32) NOT NULL,
	metrics TEXT NOT NULL,
	evaluation VARCHAR(36),
	profile VARCHAR(64),
	environment VARCHAR(64),
	trusted TEXT NOT NULL,
	size_bytes BIGINT NOT NULL,
	deleted_at VARCHAR(32),
	PRIMARY KEY (name, version)
);

CREATE TABLE dataset_versions (
	name TEXT NOT NULL,
	version INTEGER NOT NULL,
	fingerprint VARCHAR(64) NOT NULL,
	rows BIGINT NOT NULL,
	columns TEXT NOT NULL,
	profile VARCHAR(64) NOT NULL,
	findings TEXT NOT NULL,
	source TEXT NOT NULL,
	"query" TEXT NOT NULL,
	run_id VARCHAR(36),
	author TEXT NOT NULL,
	created_at VARCHAR(32) NOT NULL,
	digest VARCHAR(64),
	size_bytes BIGINT,
	PRIMARY KEY (name, version)
);

CREATE TABLE events (
	seq BIGINT NOT NULL,
	at VARCHAR(32) NOT NULL,
	actor TEXT NOT NULL,
	known_by TEXT NOT NULL,
	action VARCHAR(40) NOT NULL,
	subject TEXT NOT NULL,
	data TEXT NOT NULL,
	previous VARCHAR(64) NOT NULL,
	hash VARCHAR(64) NOT NULL,
	PRIMARY KEY (seq)
);

CREATE TABLE predictions (
	prediction_id VARCHAR(36) NOT NULL,
	last_id VARCHAR(36) NOT NULL,
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	run_id VARCHAR(36),
	at VARCHAR(32) NOT NULL,
	batch TEXT,
	rows INTEGER NOT NULL,
	caller TEXT,
	latency_s FLOAT,
	inputs INTEGER NOT NULL,
	data TEXT,
	digest VARCHAR(64),
	PRIMARY KEY (prediction_id)
);

CREATE TABLE feedback (
	id INTEGER NOT NULL,
	prediction_id VARCHAR(36) NOT NULL,
	outcome TEXT NOT NULL,
	source TEXT NOT NULL,
	at VARCHAR(32) NOT NULL,
	kind VARCHAR(16) DEFAULT 'outcome' NOT NULL,
	verdict VARCHAR(16),
	reason TEXT,
	actor TEXT,
	model TEXT,
	"key" TEXT,
	key_at VARCHAR(32),
	PRIMARY KEY (id)
);

CREATE TABLE observations (
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	number INTEGER NOT NULL,
	name TEXT NOT NULL,
	at VARCHAR(32) NOT NULL,
	levels TEXT NOT NULL,
	PRIMARY KEY (model, version, number)
);

CREATE TABLE reports (
	subject TEXT NOT NULL,
	number INTEGER NOT NULL,
	kind VARCHAR(16) NOT NULL,
	name TEXT NOT NULL,
	run_id VARCHAR(36),
	title TEXT NOT NULL,
	as_of VARCHAR(32) NOT NULL,
	made_at VARCHAR(32) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	data TEXT NOT NULL,
	PRIMARY KEY (subject, number)
);

CREATE TABLE flags (
	flag_id VARCHAR(36) NOT NULL,
	subject TEXT NOT NULL,
	kind VARCHAR(16) NOT NULL,
	state VARCHAR(16) NOT NULL,
	severity VARCHAR(16) NOT NULL,
	role TEXT,
	owner TEXT,
	author TEXT NOT NULL,
	at VARCHAR(32) NOT NULL,
	closed_at VARCHAR(32),
	digest VARCHAR(64) NOT NULL,
	data TEXT NOT NULL,
	PRIMARY KEY (flag_id)
);

CREATE TABLE episodes (
	episode_id VARCHAR(36) NOT NULL,
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	code TEXT NOT NULL,
	"column" TEXT NOT NULL,
	level VARCHAR(16) NOT NULL,
	state VARCHAR(16) NOT NULL,
	opened_on TEXT NOT NULL,
	opened_at VARCHAR(32) NOT NULL,
	last_on TEXT NOT NULL,
	last_at VARCHAR(32) NOT NULL,
	checks INTEGER NOT NULL,
	passes INTEGER NOT NULL,
	message TEXT NOT NULL,
	closed_on TEXT,
	closed_at VARCHAR(32),
	PRIMARY KEY (episode_id)
);

CREATE TABLE alerts (
	alert_id VARCHAR(36) NOT NULL,
	channel TEXT NOT NULL,
	model TEXT NOT NULL,
	version INTEGER NOT NULL,
	at VARCHAR(32) NOT NULL,
	data TEXT NOT NULL,
	tries INTEGER NOT NULL,
	tried_at VARCHAR(32),
	sent_at VARCHAR(32),
	error TEXT,
	PRIMARY KEY (alert_id, channel)
);

CREATE TABLE work (
	id INTEGER NOT NULL,
	"key" TEXT NOT NULL,
	job TEXT,
	scheduled_for VARCHAR(32),
	"trigger" TEXT,
	notebook TEXT NOT NULL,
	parameters TEXT NOT NULL,
	digest VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	reason TEXT,
	slot TEXT,
	not_before VARCHAR(32) NOT NULL,
	deadline VARCHAR(32),
	attempt INTEGER NOT NULL,
	most INTEGER NOT NULL,
	parent TEXT,
	spec TEXT NOT NULL,
	created_at VARCHAR(32) NOT NULL,
	ended_at VARCHAR(32),
	run_id VARCHAR(36),
	PRIMARY KEY (id),
	UNIQUE (job, scheduled_for),
	UNIQUE ("key")
);

CREATE TABLE attempts (
	"key" TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	token VARCHAR(36) NOT NULL,
	run_id VARCHAR(36) NOT NULL,
	owner TEXT NOT NULL,
	process TEXT,
	started_at VARCHAR(32) NOT NULL,
	lease_until VARCHAR(32) NOT NULL,
	ended_at VARCHAR(32),
	status VARCHAR(16),
	cause VARCHAR(40),
	PRIMARY KEY ("key", attempt)
)
 WITHOUT ROWID
;

CREATE TABLE schedules (
	job TEXT NOT NULL,
	digest VARCHAR(64),
	seen_until VARCHAR(32),
	paused_at VARCHAR(32),
	paused_by TEXT,
	failures INTEGER NOT NULL,
	stopped_reason TEXT,
	last_triggered VARCHAR(32),
	state TEXT NOT NULL,
	PRIMARY KEY (job)
);

CREATE TABLE ticks (
	host TEXT NOT NULL,
	at VARCHAR(32) NOT NULL,
	took_s FLOAT NOT NULL,
	what TEXT NOT NULL,
	PRIMARY KEY (host)
);

CREATE INDEX attempts_open ON attempts (lease_until) WHERE ended_at IS NULL;

CREATE INDEX columns_chunk ON columns (chunk);

CREATE INDEX datasets_fingerprint ON datasets (fingerprint);

CREATE INDEX datasets_run ON datasets (run_id);

CREATE UNIQUE INDEX episodes_open ON episodes (model, version, code, "column") WHERE closed_at IS NULL;

CREATE INDEX events_subject ON events (subject, action, seq);

CREATE INDEX executions_digest ON executions (digest);

CREATE INDEX executions_notebook ON executions (notebook);

CREATE INDEX executions_run ON executions (run_id);

CREATE INDEX feedback_key ON feedback (model, "key") WHERE prediction_id = '';

CREATE INDEX feedback_prediction ON feedback (prediction_id);

CREATE INDEX flags_state ON flags (state);

CREATE INDEX flags_subject ON flags (subject);

CREATE INDEX models_run ON models (run_id);

CREATE UNIQUE INDEX observations_name ON observations (model, version, name);

CREATE INDEX predictions_digest ON predictions (digest) WHERE digest IS NOT NULL;

CREATE INDEX predictions_model ON predictions (model, version, at);

CREATE INDEX reports_digest ON reports (digest);

CREATE INDEX reports_run ON reports (run_id);

CREATE INDEX results_run ON results (run_id);

CREATE INDEX results_subject ON results (subject, kind, at);

CREATE INDEX runs_experiment ON runs (experiment, started_at);

CREATE INDEX runs_notebook ON runs (notebook, started_at);

CREATE INDEX runs_parent ON runs (parent);

CREATE INDEX runs_started ON runs (started_at);

CREATE INDEX runs_status ON runs (status, no);

CREATE INDEX work_deadline ON work (state, deadline) WHERE state = 'due' AND deadline IS NOT NULL;

CREATE INDEX work_due ON work (state, not_before, id, slot) WHERE state = 'due';

CREATE INDEX work_job ON work (job, id);

CREATE INDEX work_parent ON work (parent, state, not_before, id) WHERE parent IS NOT NULL;

CREATE INDEX work_slot ON work (state, slot) WHERE state = 'started' AND slot IS NOT NULL;

CREATE INDEX work_state ON work (state, id);

CREATE INDEX work_undone ON work (state, job, id) WHERE job IS NOT NULL AND state IN ('due', 'started');

CREATE VIEW v_runs AS
SELECT run_id, experiment, name, kind, status, cause, started_at, ended_at, duration_s, author, parent, previous,
       notebook, cell_id, "order", source, error, git, environment, process, defaults, params, tags
FROM runs
WHERE deleted_at IS NULL AND experiment IS NOT NULL;

CREATE VIEW v_metrics AS
SELECT runs.run_id, runs.experiment, series.name, series.context, points.step, points.value, strftime('%Y-%m-%dT%H:%M:%f', points.at, 'unixepoch') || '+00:00' AS at
FROM points
JOIN series ON series.id = points.series
JOIN runs ON runs.no = series.run
WHERE runs.deleted_at IS NULL AND runs.experiment IS NOT NULL;

CREATE VIEW v_models AS
SELECT model_versions.name, model_versions.version, aliases.aliases, digest, format, estimator, run_id, owner,
       created_at, metrics, evaluation, size_bytes
FROM model_versions
LEFT JOIN (
    SELECT substr(subject, 1, length(subject) - length(substr(subject, length(rtrim(subject, replace(subject, '@', ''))) + 1)) - 1) AS name,
           CAST(json_extract(data, '$.version') AS INTEGER) AS version,
           group_concat(substr(subject, length(rtrim(subject, replace(subject, '@', ''))) + 1), ',') AS aliases
    FROM (
        SELECT subject, data
        FROM events
        WHERE seq IN (SELECT max(seq) FROM events WHERE action = 'alias' GROUP BY subject)
        ORDER BY subject
    ) AS newest
    GROUP BY 1, 2
) AS aliases ON aliases.name = model_versions.name AND aliases.version = model_versions.version
WHERE model_versions.deleted_at IS NULL;

CREATE VIEW v_findings AS
SELECT results.run_id, results.subject, results.kind, results.at,
       json_extract(finding.value, '$.code') AS code, json_extract(finding.value, '$.column') AS "column", json_extract(finding.value, '$.outcome') AS outcome, json_extract(finding.value, '$.effect') AS effect, json_extract(finding.value, '$.message') AS message
FROM results
CROSS JOIN json_each(CASE json_type(results.data, '$.findings') WHEN 'array' THEN json_extract(results.data, '$.findings') ELSE '[]' END) AS finding
LEFT JOIN runs ON runs.run_id = results.run_id
WHERE runs.deleted_at IS NULL;
