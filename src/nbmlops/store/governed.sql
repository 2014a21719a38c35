-- Governed writes on PostgreSQL: accounts change what is governed by these functions only.
-- {schema}: of the tables. {roles}: how the roles of this store begin. {owner}: of the tables.
-- {rights}: a CASE that gives for an action the roles that may record it. {shapes}: what its data holds (see shapes.py).
-- {personal}: how a claimed name is known that is one person's (see events.py).
-- Every name is written out and search_path holds the catalog only, so that nothing of a caller's is found in between.

-- Refuse who plays none of some roles. session_user is who logged in, whatever role was taken on since.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_may(wanted text[], what text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF wanted IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = 'This store knows no governed change ' || what || '.',
            HINT = 'The owner of the store brings its functions up to date: nbmlops store grant --init';
    END IF;
    IF NOT EXISTS (
        SELECT FROM unnest(wanted) AS one WHERE pg_has_role(session_user, ('{roles}_' || one)::name, 'MEMBER')
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01',
            MESSAGE = session_user || ' may not record ' || what || ' in this store.',
            HINT = 'Ask its owner for a role that may: nbmlops store grant ROLE ' || session_user;
    END IF;
END $$;

-- One governed change at a time: what is read in it stays true until it commits.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_begin() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM {schema}.meta AS m WHERE m.key = 'chain_id' FOR UPDATE;
END $$;

-- Return which field the data of an event lacks or has of another kind, as shapes.py says it; NULL where none.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_lacks(new_action text, said json) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    field text;
    kind text;
    held json;
    fits boolean;
BEGIN
    FOR field, kind IN
        SELECT 'results', 'object?' UNION ALL SELECT one.key, one.value FROM json_each_text({shapes}::json -> new_action) AS one
    LOOP
        held := said -> field;
        IF held IS NULL THEN
            fits := right(kind, 1) = '?';
        ELSIF json_typeof(held) = 'null' THEN
            fits := right(kind, 1) IN ('?', '!');
        ELSE
            fits := CASE rtrim(kind, '?!')
                WHEN 'text' THEN json_typeof(held) = 'string'
                WHEN 'hash' THEN json_typeof(held) = 'string' AND said ->> field ~ '^[0-9a-f]{64}$'
                WHEN 'number' THEN json_typeof(held) = 'number' AND said ->> field ~ '^[0-9]{1,18}$'
                WHEN 'real' THEN json_typeof(held) = 'number'
                WHEN 'object' THEN json_typeof(held) = 'object'
                WHEN 'override' THEN json_typeof(held) = 'object' AND json_typeof(held -> 'reason') = 'string'
                WHEN 'texts' THEN CASE WHEN json_typeof(held) = 'array' THEN NOT EXISTS (
                    SELECT FROM json_array_elements(held) AS one WHERE json_typeof(one) <> 'string'
                ) END
                WHEN 'conditions' THEN CASE WHEN json_typeof(held) = 'array' THEN NOT EXISTS (
                    SELECT FROM json_array_elements(held) AS one, unnest(ARRAY['text', 'owner', 'due']) AS part
                    WHERE json_typeof(one -> part) IS DISTINCT FROM 'string'
                ) END
            END;
        END IF;
        IF fits IS NOT TRUE THEN
            RETURN field;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Refuse a text that is no JSON object that every reader can read: too deep or long, or with half a character.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_readable(said text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    left_over text;
BEGIN
    IF octet_length(said) > 1000000 THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'What is said is longer than a million characters.';
    END IF;
    left_over := regexp_replace(regexp_replace(said, '"([^"\\]|\\.)*"', '', 'g'), '[^][{}]', '', 'g');
    FOR depth IN 1..50 LOOP
        left_over := replace(replace(left_over, '[]', ''), '{}', '');
    END LOOP;
    IF left_over <> '' THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The data of an event is a JSON object, at most 50 deep.';
    END IF;
    BEGIN
        IF jsonb_typeof(said::jsonb) IS DISTINCT FROM 'object' THEN
            RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The data of an event is a JSON object.';
        END IF;
    EXCEPTION WHEN invalid_text_representation OR untranslatable_character OR numeric_value_out_of_range THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The data of an event is a JSON object, and this is none.';
    END;
END $$;

-- Append an event: number, time, who and hash are made here. The same text is hashed as in Python (see events.py).
CREATE OR REPLACE FUNCTION {schema}.nbmlops_append(
    new_action text, new_subject text, new_data text, OUT seq bigint, OUT hash text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chain text;
    said text;
    before text;
    new_at text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00';
    who text := session_user;
BEGIN
    PERFORM {schema}.nbmlops_readable(new_data);
    said := {schema}.nbmlops_lacks(new_action, new_data::json);
    IF said IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03',
            MESSAGE = 'The event ' || new_action || ' does not say its ' || said || ' as it should.';
    END IF;
    IF json_typeof(new_data::json -> 'results') = 'object' AND EXISTS (
        SELECT FROM json_each_text(new_data::json -> 'results') AS one
        LEFT JOIN {schema}.results AS r ON r.result_id = one.key
        WHERE r.data IS NULL OR encode(sha256(convert_to(r.data, 'UTF8')), 'hex') IS DISTINCT FROM one.value
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The event names a result that is not there, or another one.';
    END IF;
    SELECT m.value INTO STRICT chain FROM {schema}.meta AS m WHERE m.key = 'chain_id' FOR UPDATE;
    SELECT e.seq, e.hash INTO seq, before FROM {schema}.events AS e ORDER BY e.seq DESC LIMIT 1;
    SELECT m.value INTO said FROM {schema}.meta AS m WHERE m.key = 'head' AND m.value ~ '^[0-9]+ [0-9a-f]{64}$';
    IF said IS NOT NULL AND (seq IS NULL OR split_part(said, ' ', 1)::bigint >= seq) THEN
        seq := split_part(said, ' ', 1)::bigint;
        before := split_part(said, ' ', 2);
    END IF;
    seq := coalesce(seq, 0) + 1;
    before := coalesce(before, encode(sha256(convert_to(chain, 'UTF8')), 'hex'));
    hash := encode(sha256(convert_to('[' || concat_ws(
        ', ', seq::text, to_json(new_at)::text, to_json(who)::text, to_json('database'::text)::text,
        to_json(new_action)::text, to_json(new_subject)::text, to_json(new_data)::text, to_json(before)::text
    ) || ']', 'UTF8')), 'hex');
    INSERT INTO {schema}.events (seq, at, actor, known_by, action, subject, data, previous, hash)
    VALUES (seq, new_at, who, 'database', new_action, new_subject, new_data, before, hash);
    INSERT INTO {schema}.meta AS m (key, value) VALUES ('head', seq || ' ' || hash)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;
END $$;

-- Return the SHA-256 of some values as repeated.py makes it: a JSON list of texts.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_rest(VARIADIC held json[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(sha256(convert_to('[' || string_agg(coalesce(one::text, 'null'), ', ' ORDER BY n) || ']', 'UTF8')), 'hex')
    FROM unnest(held) WITH ORDINALITY AS listed (one, n)
$$;

-- Tell whether an event agrees with the rows and events it is about.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_agrees(new_action text, new_subject text, said json) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE new_action
        WHEN 'alias' THEN new_subject LIKE '%_@_%' AND (said ->> 'version' IS NULL OR EXISTS (
            SELECT FROM {schema}.model_versions AS v
            WHERE v.name = regexp_replace(new_subject, '@[^@]*$', '') AND v.version::text = said ->> 'version'
                AND v.deleted_at IS NULL AND v.digest = coalesce(said ->> 'digest', v.digest)
        ))
        WHEN 'review' THEN EXISTS (
            SELECT FROM {schema}.model_versions AS v
            WHERE v.name || '@' || v.version = new_subject AND v.digest = said ->> 'digest'
        )
        WHEN 'handover' THEN EXISTS (SELECT FROM {schema}.model_versions AS v WHERE v.name = new_subject)
        WHEN 'condition_met' THEN EXISTS (
            SELECT FROM {schema}.events AS e
            WHERE e.seq::text = said ->> 'approve' AND e.action = 'approve' AND e.subject = new_subject
                AND CASE WHEN json_typeof(e.data::json -> 'conditions') = 'array' THEN
                    (said ->> 'condition')::bigint BETWEEN 1 AND json_array_length(e.data::json -> 'conditions')
                END
        )
        WHEN 'approve' THEN said ->> 'report' IS NULL OR EXISTS (
            SELECT FROM {schema}.reports AS r WHERE r.digest = said ->> 'report'
        )
        WHEN 'override_reviewed' THEN EXISTS (
            SELECT FROM {schema}.events AS e
            WHERE e.seq::text = said ->> 'alias' AND e.action = 'alias' AND e.subject = new_subject
                AND json_typeof(e.data::json -> 'override') = 'object'
        )
        WHEN 'dataset' THEN EXISTS (
            SELECT FROM {schema}.dataset_versions AS d
            WHERE d.name || '@' || d.version = new_subject AND d.fingerprint = said ->> 'fingerprint'
                AND d.rows::text IS NOT DISTINCT FROM said ->> 'rows' AND d.source IS NOT DISTINCT FROM said ->> 'source'
                AND d.digest IS NOT DISTINCT FROM said ->> 'digest'
                AND said ->> 'rest' = {schema}.nbmlops_rest(
                    to_json(d.columns), to_json(d.profile), to_json(d.findings), to_json(d.query), to_json(d.run_id),
                    to_json(d.author), to_json(d.created_at)
                )
        )
        WHEN 'dataset_kept' THEN EXISTS (
            SELECT FROM {schema}.dataset_versions AS d
            WHERE d.name || '@' || d.version = new_subject AND d.digest = said ->> 'digest'
        )
        ELSE true
    END
$$;

-- What an account may append by itself; what goes with a row of a table has a function of its own below.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_event(
    new_action text, new_subject text, new_data text, OUT seq bigint, OUT hash text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said json;
BEGIN
    PERFORM {schema}.nbmlops_may({rights}, new_action);
    PERFORM {schema}.nbmlops_readable(new_data);
    said := new_data::json;
    IF new_action = 'approve' AND (
        coalesce(said ->> 'by', session_user) <> session_user OR said ->> 'entered_by' IS NOT NULL
    ) THEN
        PERFORM {schema}.nbmlops_may(ARRAY['steward'], 'the answer of somebody else');
        IF said ->> 'entered_by' IS DISTINCT FROM session_user::text OR said ->> 'by' IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'An answer entered for somebody says who entered it.';
        END IF;
    END IF;
    IF new_action IN ('question_verdict', 'decision') AND NOT {schema}.nbmlops_plays(
        CASE new_action WHEN 'decision' THEN ARRAY['stakeholder', 'manager'] ELSE ARRAY['expert'] END
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = session_user || ' has no account of '
            || CASE new_action WHEN 'decision' THEN 'a stakeholder or manager, who decides.' ELSE 'an expert, who judges.' END,
            HINT = 'Ask the owner of this store: nbmlops store grant ROLE ' || session_user;
    END IF;
    PERFORM {schema}.nbmlops_begin();
    IF NOT {schema}.nbmlops_agrees(new_action, new_subject, said) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03',
            MESSAGE = 'The event ' || new_action || ' says otherwise than what it is about, ' || new_subject || '.';
    END IF;
    IF new_action = 'condition_met' AND EXISTS (
        SELECT FROM {schema}.events AS e
        WHERE e.action = 'condition_met' AND e.subject = new_subject AND e.data::json ->> 'approve' = said ->> 'approve'
            AND e.data::json ->> 'condition' = said ->> 'condition'
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM02', MESSAGE = 'This condition of ' || new_subject || ' was met already.',
            HINT = 'Look: nbmlops approvals ' || new_subject;
    END IF;
    IF new_action = 'override_reviewed' AND EXISTS (
        SELECT FROM {schema}.events AS e
        WHERE e.seq = (said ->> 'alias')::bigint AND lower(e.actor) = ANY ({schema}.nbmlops_me())
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = session_user || ' made this override.',
            HINT = 'Somebody else reviews it.';
    END IF;
    IF new_action = 'review' AND EXISTS (
        SELECT FROM {schema}.events AS e WHERE e.action = 'register' AND e.data::json ->> 'digest' = said ->> 'digest'
            AND lower(e.actor) = ANY ({schema}.nbmlops_me())
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = session_user || ' registered this file.',
            HINT = 'Somebody else reads it.';
    END IF;
    SELECT a.seq, a.hash INTO seq, hash FROM {schema}.nbmlops_append(new_action, new_subject, new_data) AS a;
END $$;

-- Register the next version of a model: its owner is who registers it, and its event says the same file.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_register(
    new_row text, new_data text, OUT number integer, OUT seq bigint, OUT hash text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added {schema}.model_versions := json_populate_record(NULL::{schema}.model_versions, new_row::json);
    said json := new_data::json;
BEGIN
    PERFORM {schema}.nbmlops_may(ARRAY['register'], 'register');
    PERFORM {schema}.nbmlops_begin();
    IF added.owner IS DISTINCT FROM session_user::text THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = session_user || ' may not register in the name of '
            || coalesce(added.owner, 'nobody') || '.', HINT = 'Register it under your own account.';
    END IF;
    PERFORM {schema}.nbmlops_readable(new_data);
    added.deleted_at := NULL;
    IF (said ->> 'digest', said ->> 'owner', said ->> 'run_id', said ->> 'evaluation', said ->> 'profile', said ->> 'rest')
        IS DISTINCT FROM (
            added.digest, added.owner, added.run_id, added.evaluation, added.profile, {schema}.nbmlops_rest(
                to_json(added.format), to_json(added.estimator), to_json(added.signature), to_json(added.created_at),
                to_json(added.metrics), to_json(added.environment), to_json(added.trusted), to_json(added.size_bytes)
            )
        )
    THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The event of a version says another file or owner than it.';
    END IF;
    BEGIN
        IF (jsonb_typeof(added.signature::jsonb), jsonb_typeof(added.metrics::jsonb), jsonb_typeof(added.trusted::jsonb))
            IS DISTINCT FROM ('object', 'object', 'array')
        THEN
            RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'A version has a signature, metrics and types that are no JSON.';
        END IF;
    EXCEPTION WHEN invalid_text_representation OR untranslatable_character OR numeric_value_out_of_range THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'A version has a signature, metrics and types that are no JSON.';
    END;
    SELECT coalesce(max(v.version), 0) + 1 INTO number FROM {schema}.model_versions AS v WHERE v.name = added.name;
    added.version := number;
    INSERT INTO {schema}.model_versions VALUES (added.*);
    SELECT a.seq, a.hash INTO seq, hash
    FROM {schema}.nbmlops_append('register', added.name || '@' || number, new_data) AS a;
END $$;

-- Delete versions of a model that no alias points to, or bring them back.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_stamp(
    model text, numbers integer[], deleted boolean, new_data text, OUT seq bigint, OUT hash text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done bigint;
    of_what text := model || CASE WHEN cardinality(numbers) = 1 THEN '@' || numbers[1] ELSE '' END;
    new_at text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00';
    what text := CASE WHEN deleted THEN 'delete' ELSE 'restore' END;
BEGIN
    PERFORM {schema}.nbmlops_may(ARRAY['register', 'steward'], what);
    PERFORM {schema}.nbmlops_begin();
    PERFORM {schema}.nbmlops_readable(new_data);
    IF (new_data::jsonb -> 'versions') IS DISTINCT FROM (
        SELECT jsonb_agg(one ORDER BY one) FROM unnest(numbers) AS one
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The event ' || what || ' names other versions of ' || model || '.';
    END IF;
    IF deleted AND EXISTS (
        SELECT FROM (
            SELECT DISTINCT ON (e.subject) e.data FROM {schema}.events AS e
            WHERE e.action = 'alias' AND starts_with(e.subject, model || '@') ORDER BY e.subject, e.seq DESC
        ) AS newest WHERE (newest.data::json ->> 'version')::integer = ANY (numbers)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM02',
            MESSAGE = 'An alias of ' || model || ' points to one of these versions, so none is deleted.',
            HINT = 'Move the alias first: nbmlops promote';
    END IF;
    UPDATE {schema}.model_versions AS v SET deleted_at = CASE WHEN deleted THEN new_at END
    WHERE v.name = model AND v.version = ANY (numbers) AND (v.deleted_at IS NULL) = deleted;
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done <> cardinality(numbers) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM02',
            MESSAGE = 'Somebody else changed the versions of ' || model || ' just now.',
            HINT = 'Look again: nbmlops models';
    END IF;
    SELECT a.seq, a.hash INTO seq, hash FROM {schema}.nbmlops_append(what, of_what, new_data) AS a;
END $$;

-- Refuse a time that is not about now; events get theirs here, rows say when somebody said it.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_just(said_at text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF said_at ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$' THEN
        IF abs(extract(epoch FROM clock_timestamp() - said_at::timestamptz)) < 600 THEN
            RETURN;
        END IF;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'It is said at ' || coalesce(said_at, 'no time') || ', which is not now.',
        HINT = 'Set the clock of this machine; the server has ' || date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC') || ' UTC.';
END $$;

-- Return what a flag names: its subject without its part, and what else it says that it is about.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_named(subject text, data jsonb) RETURNS SETOF text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT regexp_replace(subject, '^(report|run):', '')
    UNION SELECT regexp_replace(regexp_replace(subject, '^report:', ''), '[#].*$', '')
    UNION SELECT regexp_replace(regexp_replace(subject, '^report:', ''), '[:#][^@]*$', '')
    UNION SELECT found #>> '{}' FROM jsonb_path_query(data, 'lax $.said.of[*]') AS found
$$;

-- Return whose something is that a flag names: a model's, its newest owner's too, a data set's, a run's.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_owners(names text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH named AS (
        SELECT v.name, v.owner FROM {schema}.model_versions AS v WHERE v.name || '@' || v.version = ANY (names) OR v.name = ANY (names)
    )
    SELECT owner FROM named
    UNION SELECT (
        SELECT e.data::json ->> 'to' FROM {schema}.events AS e
        WHERE e.action = 'handover' AND e.subject = one.name ORDER BY e.seq DESC LIMIT 1
    ) FROM (SELECT DISTINCT name FROM named) AS one
    UNION SELECT d.author FROM {schema}.dataset_versions AS d WHERE d.name || '@' || d.version = ANY (names)
    UNION SELECT r.author FROM {schema}.runs AS r WHERE r.run_id = ANY (names)
$$;

-- Keep what somebody flags, in their own name and now, with its event. A steward enters it for somebody, and says so.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_flag(new_row text, new_data text, OUT seq bigint, OUT hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added {schema}.flags := json_populate_record(NULL::{schema}.flags, new_row::json);
    said json;
    told json;
    owners text[];
BEGIN
    PERFORM {schema}.nbmlops_may(ARRAY['member'], 'flag');
    PERFORM {schema}.nbmlops_begin();
    PERFORM {schema}.nbmlops_readable(new_data);
    PERFORM {schema}.nbmlops_readable(added.data);
    told := new_data::json;
    said := added.data::json -> 'said';
    IF added.author IS DISTINCT FROM session_user::text AND said ->> 'entered_by' IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = session_user || ' may not flag in the name of '
            || coalesce(added.author, 'nobody') || '.', HINT = 'Flag it under your own account.';
    END IF;
    IF added.author IS DISTINCT FROM session_user::text THEN
        PERFORM {schema}.nbmlops_may(ARRAY['steward'], 'the flag of somebody else');
    END IF;
    IF said ->> 'entered_by' IS NOT NULL AND (
        said ->> 'entered_by' <> session_user::text OR said ->> 'known_by' IS DISTINCT FROM 'entered' OR added.author IS NULL
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'A flag entered for somebody says who entered it.';
    END IF;
    PERFORM {schema}.nbmlops_just(added.at);
    IF (
        told ->> 'flag', told ->> 'digest', told ->> 'kind', told ->> 'severity', told ->> 'role', told ->> 'author',
        told ->> 'owner', told ->> 'at', told ->> 'question', 'open', NULL::text
    ) IS DISTINCT FROM (
        added.flag_id, added.digest, added.kind, added.severity, added.role, added.author,
        added.owner, added.at, said ->> 'question', added.state, added.closed_at
    )
        OR encode(sha256(convert_to(said::text, 'UTF8')), 'hex') IS DISTINCT FROM added.digest
        OR json_typeof(said) IS DISTINCT FROM 'object'
        OR json_typeof(said -> 'text') IS DISTINCT FROM 'string'
        OR added.data IS DISTINCT FROM '{"said":' || said::text || ',"thread":[]}' -- what was hashed is found again
    THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The event of a flag says another text than it.';
    END IF;
    owners := ARRAY(
        SELECT one FROM {schema}.nbmlops_owners(ARRAY(
            SELECT {schema}.nbmlops_named(added.subject, added.data::jsonb)
        )) AS one WHERE one <> ''
    );
    IF NOT (coalesce(added.owner, '') = ANY (owners) OR coalesce(added.owner, '') = '' AND (
        cardinality(owners) = 0 OR added.kind = 'report'
    )) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = added.subject || ' is not owned by '
            || coalesce(nullif(added.owner, ''), 'nobody') || ', as the flag says.';
    END IF;
    INSERT INTO {schema}.flags VALUES (added.*);
    SELECT a.seq, a.hash INTO seq, hash FROM {schema}.nbmlops_append('flag', added.subject, new_data) AS a;
END $$;

-- Return the names an account goes by, in small letters: its own, those of git, a CI or a hub that it ever claimed, and
-- the accounts that claimed one of these.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_me() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH claims AS (
        SELECT DISTINCT e.actor, e.data::json -> 'claimed' ->> 'name' AS name FROM {schema}.events AS e
        WHERE e.known_by = 'database' AND e.data LIKE '%"claimed"%'
            AND e.data::json -> 'claimed' ->> 'known_by' = ANY ({personal})
    ), own AS (
        SELECT c.name FROM claims AS c WHERE c.actor = session_user::text AND c.name IS NOT NULL
    )
    SELECT array_agg(DISTINCT lower(one)) FROM (
        SELECT session_user::text AS one UNION SELECT name FROM own
        UNION SELECT c.actor FROM claims AS c WHERE c.name IN (SELECT name FROM own)
    ) AS found
$$;

-- Tell whether an account has one of some roles by the log; the owner of the tables has all.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_plays(wanted text[]) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM unnest(wanted) AS one WHERE coalesce((
            SELECT coalesce(e.data::json ->> 'taken', 'false') = 'false' FROM {schema}.events AS e
            WHERE e.action = 'grant' AND e.subject = session_user::text AND e.data::json ->> 'role' = one
            ORDER BY e.seq DESC LIMIT 1
        ), false)
    ) OR EXISTS (
        SELECT FROM pg_class AS c WHERE c.oid = (SELECT m.tableoid FROM {schema}.meta AS m LIMIT 1)
            AND pg_has_role(session_user, c.relowner, 'MEMBER')
    )
$$;

-- Tell whether a flag holds up what the account made or owns, under whatever name it goes by: a version it names, or a
-- version made by the run or of the data set it names.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_holds_up(flag text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH was AS (
        SELECT * FROM {schema}.flags AS f WHERE f.flag_id = flag
    ), named AS (
        SELECT {schema}.nbmlops_named(was.subject, was.data::jsonb) AS one FROM was
    ), held AS (
        SELECT v.* FROM {schema}.model_versions AS v
        WHERE v.name || '@' || v.version IN (SELECT one FROM named) OR v.name IN (SELECT one FROM named)
            OR v.run_id IN (SELECT one FROM named)
            OR (v.signature::jsonb -> 'datasets') ?| ARRAY(SELECT one FROM named)
    ), holders AS (
        SELECT was.owner AS one FROM was
        UNION SELECT {schema}.nbmlops_owners(ARRAY(SELECT held.name FROM held WHERE held.name IN (SELECT one FROM named)))
        UNION SELECT {schema}.nbmlops_owners(ARRAY(SELECT held.name || '@' || held.version FROM held))
        UNION SELECT r.author FROM {schema}.runs AS r JOIN held ON r.run_id = held.run_id
        UNION SELECT r.author FROM {schema}.runs AS r JOIN {schema}.runs AS one ON r.run_id = one.parent
            JOIN held ON one.run_id = held.run_id
    )
    SELECT EXISTS (SELECT FROM holders WHERE lower(one) = ANY ({schema}.nbmlops_me()))
$$;

-- Say why an account does not settle a blocking flag, nor accept any; NULL where it does. Its author withdraws or answers
-- it, and never accepts it; else the role it is for does, or an expert or manager, who neither entered it nor owns what it
-- holds up. What does not block, its owner accepts too, and anybody answers or dismisses: their name stands in the log.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_unfit(flag text, new_state text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN new_state IN ('open', was.state) OR was.severity <> 'blocking' AND new_state <> 'accepted' THEN NULL
        WHEN lower(was.data::jsonb -> 'said' ->> 'entered_by') = ANY ({schema}.nbmlops_me())
            THEN ' entered this flag, and does not settle it.'
        WHEN was.author = session_user::text AND was.data::jsonb -> 'said' ->> 'entered_by' IS NULL AND new_state <> 'accepted'
            THEN NULL
        WHEN lower(was.author) = ANY ({schema}.nbmlops_me()) AND new_state = 'accepted'
            THEN ' flagged this, and nobody accepts a flag of their own.'
        WHEN was.severity <> 'blocking' AND lower(was.owner) = ANY ({schema}.nbmlops_me()) THEN NULL
        WHEN was.severity = 'blocking' AND {schema}.nbmlops_holds_up(was.flag_id) THEN ' owns what is held up, and does not settle this flag.'
        WHEN NOT {schema}.nbmlops_plays(CASE WHEN was.role IS NULL THEN ARRAY['expert', 'manager'] ELSE ARRAY[was.role] END)
            THEN ' does not settle this flag: ' || coalesce(was.role, 'an expert or manager') || ' does.'
    END
    FROM {schema}.flags AS was WHERE was.flag_id = flag
$$;

-- Append an answer to the thread of a flag; what was said before stays as it is.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_answer(
    flag text, new_state text, new_closed_at text, content text, new_data text, OUT seq bigint, OUT hash text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was {schema}.flags;
    told integer;
    answer json;
    why text;
BEGIN
    PERFORM {schema}.nbmlops_may(ARRAY['member'], 'flag_answer');
    PERFORM {schema}.nbmlops_begin();
    SELECT f.* INTO STRICT was FROM {schema}.flags AS f WHERE f.flag_id = flag;
    PERFORM {schema}.nbmlops_readable(new_data);
    PERFORM {schema}.nbmlops_readable(content);
    told := json_array_length(was.data::json -> 'thread');
    IF (was.data::jsonb -> 'said') IS DISTINCT FROM (content::jsonb -> 'said')
        OR json_array_length(content::json -> 'thread') <> told + 1
        OR (content::jsonb -> 'thread') - told IS DISTINCT FROM (was.data::jsonb -> 'thread')
        OR content::jsonb -> 'thread' -> told ->> 'author' IS DISTINCT FROM session_user::text
    THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = 'An answer adds to what was said, in the name of who says it.',
            HINT = 'Answer under your own account.';
    END IF;
    answer := content::json -> 'thread' -> told;
    PERFORM {schema}.nbmlops_just(answer ->> 'at');
    IF (new_data::json ->> 'flag', new_data::json ->> 'state', answer ->> 'state', new_data::json ->> 'digest', new_closed_at)
        IS DISTINCT FROM (
            was.flag_id, new_state, new_state, encode(sha256(convert_to(answer::text, 'UTF8')), 'hex'),
            CASE WHEN new_state <> 'open' THEN answer ->> 'at' END
        )
        OR new_state NOT IN ('open', 'answered', 'accepted', 'dismissed')
        OR json_typeof(answer -> 'at') IS DISTINCT FROM 'string' OR json_typeof(answer -> 'text') IS DISTINCT FROM 'string'
        OR answer ->> 'known_by' IS DISTINCT FROM 'database'
    THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The event of an answer says another flag, state or text than it.';
    END IF;
    why := {schema}.nbmlops_unfit(flag, new_state);
    IF why IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = session_user || why,
            HINT = 'Say it without settling: state=open (--state open).';
    END IF;
    UPDATE {schema}.flags AS f SET state = new_state, closed_at = new_closed_at, data = (
        SELECT '{"said":' || (was.data::json -> 'said')::text || ',"thread":[' || string_agg(one::text, ',' ORDER BY n) || ']}'
        FROM (
            SELECT * FROM json_array_elements(was.data::json -> 'thread') WITH ORDINALITY AS before (one, n)
            UNION ALL SELECT answer, told + 1
        ) AS thread
    ) WHERE f.flag_id = flag;
    SELECT a.seq, a.hash INTO seq, hash FROM {schema}.nbmlops_append('flag_answer', was.subject, new_data) AS a;
END $$;

-- A result is evidence: it may arrive twice, and never as another one.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_kept() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD IS DISTINCT FROM NEW THEN
        PERFORM {schema}.nbmlops_may(ARRAY['steward'], 'another result in the place of one');
    END IF;
    RETURN NEW;
END $$;

-- Of a flag a steward takes away what was said, not who said it, when, of what, or how it ended.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_forgotten() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was jsonb := OLD.data::jsonb;
    left_over jsonb := NEW.data::jsonb;
    fits boolean;
BEGIN
    IF current_user = '{roles}_keeper' OR EXISTS (
        SELECT FROM pg_class AS c WHERE c.oid = TG_RELID AND pg_has_role(current_user, c.relowner, 'MEMBER')
    ) THEN
        RETURN NEW;
    END IF;
    IF jsonb_typeof(left_over -> 'said') IS DISTINCT FROM 'object' OR jsonb_typeof(left_over -> 'thread') IS DISTINCT FROM 'array' THEN
        left_over := '{"said": {}, "thread": []}';
    END IF;
    SELECT bool_and(
        one.value ->> 'text' = '' AND before.value @> (one.value - 'text')
        AND (SELECT bool_and(before.value -> kept IS NOT DISTINCT FROM one.value -> kept)
            FROM unnest(ARRAY['of', 'entered_by', 'known_by', 'at', 'author', 'state']) AS kept)
    ) AND count(*) = jsonb_array_length(was -> 'thread') + 1 INTO fits
    FROM jsonb_array_elements((left_over -> 'thread') || (left_over -> 'said')) WITH ORDINALITY AS one (value, n)
    JOIN jsonb_array_elements((was -> 'thread') || (was -> 'said')) WITH ORDINALITY AS before (value, n) USING (n);
    IF fits IS NOT TRUE OR jsonb_array_length(left_over -> 'thread') <> jsonb_array_length(was -> 'thread') THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = 'Of a flag only the words are erased.',
            HINT = 'Erase them: nbmlops store erase --table flags';
    END IF;
    RETURN NEW;
END $$;

-- A report that is kept is the next of its subject, and the head in it is one of this log: verify holds the log against it.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_reported() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head json;
BEGIN
    IF {schema}.nbmlops_plays(ARRAY[]::text[]) THEN
        RETURN NEW;
    END IF;
    PERFORM {schema}.nbmlops_readable(NEW.data);
    head := NEW.data::json -> 'head';
    IF NEW.digest !~ '^[0-9a-f]{64}$' OR NEW.number IS DISTINCT FROM (
        SELECT coalesce(max(r.number), 0) + 1 FROM {schema}.reports AS r WHERE r.subject = NEW.subject
    ) OR json_typeof(head) NOT IN ('object', 'null') OR json_typeof(head) = 'object' AND NOT EXISTS (
        SELECT FROM {schema}.events AS e JOIN {schema}.meta AS m ON m.key = 'chain_id' AND m.value = head ->> 'chain_id'
        WHERE json_typeof(head -> 'seq') = 'number' AND e.seq::text = head ->> 'seq' AND e.hash = head ->> 'hash'
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'A report is the next of what it is about, with a head of this log.';
    END IF;
    RETURN NEW;
END $$;

-- A version of a data set has columns with names, and findings: everybody who lists data sets reads them.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_recorded() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fits boolean;
BEGIN
    BEGIN
        fits := CASE WHEN (jsonb_typeof(NEW.columns::jsonb), jsonb_typeof(NEW.findings::jsonb)) = ('array', 'array') THEN
            NOT EXISTS (
                SELECT FROM jsonb_array_elements(NEW.columns::jsonb) AS one, unnest(ARRAY['name', 'dtype', 'fingerprint']) AS part
                WHERE jsonb_typeof(one -> part) IS DISTINCT FROM 'string'
            ) AND NOT EXISTS (
                SELECT FROM jsonb_array_elements(NEW.findings::jsonb) AS one, unnest(ARRAY['code', 'outcome', 'message']) AS part
                WHERE jsonb_typeof(one -> part) IS DISTINCT FROM 'string'
            )
        END;
    EXCEPTION WHEN invalid_text_representation OR untranslatable_character OR numeric_value_out_of_range
        OR statement_too_complex
    THEN
        fits := false;
    END;
    IF fits IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'A version of a data set has columns and findings that are no JSON.';
    END IF;
    RETURN NEW;
END $$;

-- What an alert says stays, and it is taken and sent now: that it was sent is an event of whoever says so.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_alerted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_at text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00';
BEGIN
    IF {schema}.nbmlops_plays(ARRAY[]::text[]) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.tries := 0;
        NEW.tried_at := NULL;
        NEW.sent_at := NULL;
        NEW.error := NULL;
        RETURN NEW;
    END IF;
    IF (OLD.alert_id, OLD.channel, OLD.model, OLD.version, OLD.at, OLD.data)
        IS DISTINCT FROM (NEW.alert_id, NEW.channel, NEW.model, NEW.version, NEW.at, NEW.data)
        OR OLD.sent_at IS NOT NULL OR NEW.sent_at IS NOT NULL AND OLD.tried_at IS NULL
    THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = 'An alert stays as it was said, and is sent once.',
            HINT = 'Send what is not sent yet: nbmlops alerts --send';
    END IF;
    NEW.tries := OLD.tries;
    IF NEW.tried_at IS DISTINCT FROM OLD.tried_at THEN
        NEW.tries := OLD.tries + 1;
        NEW.tried_at := new_at;
    END IF;
    IF NEW.sent_at IS NOT NULL THEN
        NEW.sent_at := new_at;
        PERFORM {schema}.nbmlops_append('alert_sent', concat_ws('@', nullif(OLD.model, ''), nullif(OLD.version, 0)),
            json_build_object('alert', OLD.alert_id, 'channel', OLD.channel)::text);
    END IF;
    RETURN NEW;
END $$;

ALTER FUNCTION {schema}.nbmlops_may OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_begin OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_append OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_lacks OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_readable OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_rest OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_agrees OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_just OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_named OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_owners OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_me OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_plays OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_unfit OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_holds_up OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_event OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_register OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_stamp OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_flag OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_answer OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_kept OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_forgotten OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_reported OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_alerted OWNER TO {roles}_keeper;

CREATE OR REPLACE TRIGGER nbmlops_kept BEFORE UPDATE ON {schema}.results
FOR EACH ROW EXECUTE FUNCTION {schema}.nbmlops_kept();
CREATE OR REPLACE TRIGGER nbmlops_forgotten BEFORE UPDATE ON {schema}.flags
FOR EACH ROW EXECUTE FUNCTION {schema}.nbmlops_forgotten();
CREATE OR REPLACE TRIGGER nbmlops_reported BEFORE INSERT ON {schema}.reports
FOR EACH ROW EXECUTE FUNCTION {schema}.nbmlops_reported();
CREATE OR REPLACE TRIGGER nbmlops_recorded BEFORE INSERT ON {schema}.dataset_versions
FOR EACH ROW EXECUTE FUNCTION {schema}.nbmlops_recorded();
CREATE OR REPLACE TRIGGER nbmlops_alerted BEFORE INSERT OR UPDATE ON {schema}.alerts
FOR EACH ROW EXECUTE FUNCTION {schema}.nbmlops_alerted();

-- Nobody calls or writes anything by default, and nobody makes a table or function beside ours.
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
REVOKE ALL ON FUNCTION
    {schema}.nbmlops_lacks, {schema}.nbmlops_readable, {schema}.nbmlops_rest, {schema}.nbmlops_agrees,
    {schema}.nbmlops_just, {schema}.nbmlops_named, {schema}.nbmlops_owners, {schema}.nbmlops_me, {schema}.nbmlops_plays,
    {schema}.nbmlops_unfit, {schema}.nbmlops_holds_up, {schema}.nbmlops_may, {schema}.nbmlops_append,
    {schema}.nbmlops_kept, {schema}.nbmlops_forgotten, {schema}.nbmlops_reported, {schema}.nbmlops_recorded, {schema}.nbmlops_alerted, {schema}.nbmlops_begin, {schema}.nbmlops_event, {schema}.nbmlops_register, {schema}.nbmlops_stamp, {schema}.nbmlops_flag, {schema}.nbmlops_answer
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    {schema}.nbmlops_begin, {schema}.nbmlops_event, {schema}.nbmlops_register, {schema}.nbmlops_stamp,
    {schema}.nbmlops_flag, {schema}.nbmlops_answer
TO {roles}_member, {owner};

-- The keeper, whose rights the functions have: it owns no table and nobody logs in as it.
GRANT USAGE ON SCHEMA {schema} TO {roles}_keeper, {roles}_member;
GRANT SELECT, INSERT ON {schema}.events TO {roles}_keeper;
GRANT SELECT ON {schema}.results, {schema}.dataset_versions, {schema}.runs, {schema}.reports TO {roles}_keeper;
GRANT SELECT, INSERT, UPDATE ON {schema}.meta, {schema}.model_versions, {schema}.flags TO {roles}_keeper;

-- Everybody with an account reads everything and writes what is tracked.
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {roles}_member;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {roles}_member;
GRANT INSERT, UPDATE ON
    {schema}.journals, {schema}.set_aside, {schema}.runs, {schema}.series, {schema}.points, {schema}.columns,
    {schema}.stale, {schema}.leases, {schema}.datasets, {schema}.artifacts, {schema}.models, {schema}.executions,
    {schema}.results, {schema}.predictions, {schema}.observations, {schema}.episodes, {schema}.alerts, {schema}.work,
    {schema}.attempts, {schema}.schedules, {schema}.ticks, {schema}.meta
TO {roles}_member;
GRANT INSERT ON {schema}.feedback, {schema}.reports TO {roles}_member;
GRANT DELETE ON
    {schema}.columns, {schema}.stale, {schema}.leases, {schema}.work, {schema}.attempts, {schema}.schedules, {schema}.ticks
TO {roles}_member;
GRANT INSERT, UPDATE (digest, size_bytes) ON {schema}.dataset_versions TO {roles}_register;

-- A steward takes away what nothing refers to any more, and personal rows.
GRANT DELETE ON
    {schema}.journals, {schema}.runs, {schema}.series, {schema}.points, {schema}.datasets, {schema}.artifacts,
    {schema}.models, {schema}.executions, {schema}.results, {schema}.predictions, {schema}.feedback, {schema}.reports
TO {roles}_steward;
GRANT UPDATE ON {schema}.feedback TO {roles}_steward;
GRANT UPDATE (digest, size_bytes) ON {schema}.dataset_versions TO {roles}_steward;
GRANT UPDATE (data) ON {schema}.flags TO {roles}_steward; -- what no event `erase` names, verify finds

-- Of meta accounts write what is not governed; chain and head are the functions'.
ALTER TABLE {schema}.meta ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS nbmlops_read ON {schema}.meta;
DROP POLICY IF EXISTS nbmlops_open ON {schema}.meta;
DROP POLICY IF EXISTS nbmlops_keeper ON {schema}.meta;
CREATE POLICY nbmlops_read ON {schema}.meta FOR SELECT USING (true);
CREATE POLICY nbmlops_open ON {schema}.meta TO {roles}_member
    USING (key LIKE 'place %' OR key IN ('verified_at', 'verified_wrong', 'predictions_pruned'))
    WITH CHECK (key LIKE 'place %' OR key IN ('verified_at', 'verified_wrong', 'predictions_pruned'));
CREATE POLICY nbmlops_keeper ON {schema}.meta TO {roles}_keeper USING (true) WITH CHECK (true);
