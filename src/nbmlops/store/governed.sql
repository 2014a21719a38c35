-- Governed writes on PostgreSQL: accounts change what is governed by these functions only.
-- {schema}: of the tables. {roles}: how the roles of this store begin. {owner}: of the tables.
-- {rights}: a CASE that gives for an action the roles that may record it.
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
    IF json_typeof(new_data::json) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The data of an event is a JSON object.';
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

-- What an account may append by itself; what goes with a row of a table has a function of its own below.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_event(
    new_action text, new_subject text, new_data text, OUT seq bigint, OUT hash text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {schema}.nbmlops_may({rights}, new_action);
    IF new_action = 'approve' AND coalesce(new_data::json ->> 'by', session_user) <> session_user THEN
        PERFORM {schema}.nbmlops_may(ARRAY['steward'], 'the answer of somebody else');
        IF new_data::json ->> 'entered_by' IS DISTINCT FROM session_user::text THEN
            RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'An answer entered for somebody says who entered it.';
        END IF;
    END IF;
    SELECT a.seq, a.hash INTO seq, hash FROM {schema}.nbmlops_append(new_action, new_subject, new_data) AS a;
END $$;

-- Register the next version of a model: its owner is who registers it, and its event says the same file.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_register(
    new_row text, new_data text, OUT number integer, OUT seq bigint, OUT hash text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added {schema}.model_versions := json_populate_record(NULL::{schema}.model_versions, new_row::json);
BEGIN
    PERFORM {schema}.nbmlops_may(ARRAY['register'], 'register');
    PERFORM {schema}.nbmlops_begin();
    IF added.owner IS DISTINCT FROM session_user::text THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = session_user || ' may not register in the name of '
            || coalesce(added.owner, 'nobody') || '.', HINT = 'Register it under your own account.';
    END IF;
    IF new_data::json ->> 'digest' IS DISTINCT FROM added.digest OR new_data::json ->> 'owner' <> added.owner THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The event of a version says another file or owner than it.';
    END IF;
    SELECT coalesce(max(v.version), 0) + 1 INTO number FROM {schema}.model_versions AS v WHERE v.name = added.name;
    added.version := number;
    added.deleted_at := NULL;
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

-- Keep what somebody flags, in their own name, with its event.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_flag(new_row text, new_data text, OUT seq bigint, OUT hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added {schema}.flags := json_populate_record(NULL::{schema}.flags, new_row::json);
BEGIN
    PERFORM {schema}.nbmlops_may(ARRAY['member'], 'flag');
    PERFORM {schema}.nbmlops_begin();
    IF added.author IS DISTINCT FROM session_user::text THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = session_user || ' may not flag in the name of '
            || coalesce(added.author, 'nobody') || '.', HINT = 'Flag it under your own account.';
    END IF;
    IF new_data::json ->> 'digest' IS DISTINCT FROM added.digest OR added.state <> 'open' THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM03', MESSAGE = 'The event of a flag says another text than it.';
    END IF;
    INSERT INTO {schema}.flags VALUES (added.*);
    SELECT a.seq, a.hash INTO seq, hash FROM {schema}.nbmlops_append('flag', added.subject, new_data) AS a;
END $$;

-- Append an answer to the thread of a flag; what was said before stays as it is.
CREATE OR REPLACE FUNCTION {schema}.nbmlops_answer(
    flag text, new_state text, new_closed_at text, content text, new_data text, OUT seq bigint, OUT hash text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was {schema}.flags;
    told integer;
BEGIN
    PERFORM {schema}.nbmlops_may(ARRAY['member'], 'flag_answer');
    PERFORM {schema}.nbmlops_begin();
    SELECT f.* INTO STRICT was FROM {schema}.flags AS f WHERE f.flag_id = flag;
    told := json_array_length(was.data::json -> 'thread');
    IF (was.data::jsonb -> 'said') IS DISTINCT FROM (content::jsonb -> 'said')
        OR json_array_length(content::json -> 'thread') <> told + 1
        OR (content::jsonb -> 'thread') - told IS DISTINCT FROM (was.data::jsonb -> 'thread')
        OR content::jsonb -> 'thread' -> told ->> 'author' IS DISTINCT FROM session_user::text
    THEN
        RAISE EXCEPTION USING ERRCODE = 'NBM01', MESSAGE = 'An answer adds to what was said, in the name of who says it.',
            HINT = 'Answer under your own account.';
    END IF;
    UPDATE {schema}.flags AS f SET state = new_state, closed_at = new_closed_at, data = content WHERE f.flag_id = flag;
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

ALTER FUNCTION {schema}.nbmlops_may OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_begin OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_append OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_event OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_register OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_stamp OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_flag OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_answer OWNER TO {roles}_keeper;
ALTER FUNCTION {schema}.nbmlops_kept OWNER TO {roles}_keeper;

CREATE OR REPLACE TRIGGER nbmlops_kept BEFORE UPDATE ON {schema}.results
FOR EACH ROW EXECUTE FUNCTION {schema}.nbmlops_kept();

-- Nobody calls or writes anything by default, and nobody makes a table or function beside ours.
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
REVOKE ALL ON FUNCTION
    {schema}.nbmlops_may, {schema}.nbmlops_append, {schema}.nbmlops_kept, {schema}.nbmlops_begin, {schema}.nbmlops_event,
    {schema}.nbmlops_register, {schema}.nbmlops_stamp, {schema}.nbmlops_flag, {schema}.nbmlops_answer
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    {schema}.nbmlops_begin, {schema}.nbmlops_event, {schema}.nbmlops_register, {schema}.nbmlops_stamp,
    {schema}.nbmlops_flag, {schema}.nbmlops_answer
TO {roles}_member, {owner};

-- The keeper, whose rights the functions have: it owns no table and nobody logs in as it.
GRANT USAGE ON SCHEMA {schema} TO {roles}_keeper, {roles}_member;
GRANT SELECT, INSERT ON {schema}.events TO {roles}_keeper;
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
GRANT UPDATE ON {schema}.feedback, {schema}.reports TO {roles}_steward;
GRANT UPDATE (digest, size_bytes) ON {schema}.dataset_versions TO {roles}_steward;
GRANT UPDATE (data), DELETE ON {schema}.flags TO {roles}_steward; -- what no event `erase` names, verify finds

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
