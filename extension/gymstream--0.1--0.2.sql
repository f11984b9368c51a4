\echo Use "ALTER EXTENSION gymstream UPDATE TO '0.2'" to load this file. \quit

-- Version 0.1 was in the schema gymstream, with all of its objects, and does not own it. From now on the extension is in
-- pg_catalog and owns two schemas. Objects that are moved stay what they are: views, triggers and indexes of users go on.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What else is in the schema would be dropped with the extension, and whoever owns the schema could drop the extension.
DO $$
DECLARE
	stray text := (SELECT string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ') FROM pg_depend d
		WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = 'gymstream'::regnamespace AND d.deptype = 'n'
		AND d.classid <> 'pg_extension'::regclass AND NOT EXISTS (
			SELECT FROM pg_depend e JOIN pg_extension x ON e.refclassid = 'pg_extension'::regclass AND e.refobjid = x.oid
			WHERE x.extname = 'gymstream' AND e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e'));
	owner text := (SELECT rolname FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
		WHERE n.nspname = 'gymstream' AND NOT r.rolsuper);
BEGIN
	IF stray IS NOT NULL THEN
		RAISE EXCEPTION 'schema "gymstream" holds objects that are not of the extension' USING
			ERRCODE = 'object_not_in_prerequisite_state',
			DETAIL = stray,
			HINT = 'Move these objects to another schema, or drop them.';
	END IF;
	IF owner IS NOT NULL THEN
		RAISE EXCEPTION 'schema "gymstream" is owned by "%", who is not a superuser', owner USING
			ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'Run ALTER SCHEMA gymstream OWNER TO the superuser who owns the extension.';
	END IF;
	IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'gymstream_internal') THEN
		RAISE EXCEPTION 'schema "gymstream_internal" already exists' USING
			ERRCODE = 'duplicate_schema',
			DETAIL = 'The extension gymstream makes this schema. Objects that somebody else has put there would be called with the rights of other users.',
			HINT = 'Look at what the schema holds. Then run DROP SCHEMA gymstream_internal or ALTER SCHEMA gymstream_internal RENAME TO ..., and run ALTER EXTENSION gymstream UPDATE again.';
	END IF;
END
$$;

COMMENT ON SCHEMA gymstream IS
	'rollups, change events and notifications: what people call';

-- The views and triggers of rollups call what is in here with the rights of whoever reads or writes.
CREATE SCHEMA gymstream_internal;
COMMENT ON SCHEMA gymstream_internal IS 'what rollups and topics are made of: not to be called by people, and free to change';
GRANT USAGE ON SCHEMA gymstream_internal TO PUBLIC;

------------------------------------------------------------------------------------------------------------------------
-- What moves
------------------------------------------------------------------------------------------------------------------------

ALTER TYPE gymstream.numeric_sum SET SCHEMA gymstream_internal;
ALTER TYPE gymstream.float_sum SET SCHEMA gymstream_internal;
ALTER TYPE gymstream.bit_counts SET SCHEMA gymstream_internal;
ALTER TABLE gymstream.rollup SET SCHEMA gymstream_internal;
ALTER TABLE gymstream.topic SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.numeric_sum_in(cstring) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.numeric_sum_out(gymstream_internal.numeric_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.numeric_sum_add(gymstream_internal.numeric_sum, gymstream_internal.numeric_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.numeric_sum_accumulate(gymstream_internal.numeric_sum, numeric) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.numeric_sum_total(gymstream_internal.numeric_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.numeric_sum_average(gymstream_internal.numeric_sum) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.numeric_sum_agg(numeric) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.numeric_sum_merge(gymstream_internal.numeric_sum) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.total(bigint) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.keep(anyelement, anyelement) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.sole(anyelement) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.float_sum_in(cstring) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.float_sum_out(gymstream_internal.float_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.float_sum_add(gymstream_internal.float_sum, gymstream_internal.float_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.float_sum_accumulate(gymstream_internal.float_sum, double precision) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.float_sum_accumulate(gymstream_internal.float_sum, double precision, double precision) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.float_sum_total(gymstream_internal.float_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.float_sum_total_real(gymstream_internal.float_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.float_sum_average(gymstream_internal.float_sum, bigint) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.float_sum_agg(double precision) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.float_sum_agg(double precision, double precision) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.float_sum_merge(gymstream_internal.float_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.bit_counts_in(cstring) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.bit_counts_out(gymstream_internal.bit_counts) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.bit_counts_add(gymstream_internal.bit_counts, gymstream_internal.bit_counts) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.bit_counts_accumulate(gymstream_internal.bit_counts, bigint) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.bit_counts_or(gymstream_internal.bit_counts) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.bit_counts_and(gymstream_internal.bit_counts, bigint) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.bit_counts_agg(bigint) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.bit_counts_merge(gymstream_internal.bit_counts) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.statistic(text, bigint, numeric, numeric) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.statistic(text, bigint, gymstream_internal.float_sum, gymstream_internal.float_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.statistic(text, bigint, gymstream_internal.float_sum, gymstream_internal.float_sum, gymstream_internal.float_sum, gymstream_internal.float_sum, gymstream_internal.float_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.interval_months(interval) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.interval_days(interval) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.microseconds_accumulate(gymstream_internal.float_sum, interval) SET SCHEMA gymstream_internal;
ALTER AGGREGATE gymstream.microseconds_agg(interval) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.interval_total(bigint, bigint, gymstream_internal.float_sum) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.interval_average(bigint, bigint, gymstream_internal.float_sum, bigint) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.money_units(money) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.money_total(numeric) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.rollup_query(regclass) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.rollup_source(regclass) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.count_rollup(regclass, bigint) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.rollup_problem(regclass) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.progress() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.create_progress_rows() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.key_hash("any") SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.collect(regclass, oid, "any") SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.collect(regclass, oid) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.flush(regclass) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.truncated(regclass) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.truncating(regclass) SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.flush_pending() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.guard_partials() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.on_drop() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.on_ddl() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.before_partition() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.on_partition() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.on_drop_partition() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.topics_changed() SET SCHEMA gymstream_internal;
ALTER FUNCTION gymstream.status_row() RENAME TO status_row_before;

------------------------------------------------------------------------------------------------------------------------
-- What has other arguments or results now
------------------------------------------------------------------------------------------------------------------------

DROP FUNCTION gymstream.create_rollup(text, text);
CREATE FUNCTION gymstream.create_rollup(name text, query text, if_not_exists boolean DEFAULT false) RETURNS regclass
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_create_rollup';
COMMENT ON FUNCTION gymstream.create_rollup(text, text, boolean) IS
	'makes a rollup: a view of this name that always equals the query, kept by triggers on the table that it reads';

CREATE FUNCTION gymstream.drop_rollup(rollup text, if_exists boolean DEFAULT false, cascade boolean DEFAULT false) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_drop_rollup';
COMMENT ON FUNCTION gymstream.drop_rollup(text, boolean, boolean) IS
	'drops a rollup with all that it is made of, and with cascade also what depends on it';
CREATE FUNCTION gymstream.drop_rollup(rollup regclass, if_exists boolean DEFAULT false, cascade boolean DEFAULT false) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_drop_rollup_by_oid';
COMMENT ON FUNCTION gymstream.drop_rollup(regclass, boolean, boolean) IS
	'drops a rollup with all that it is made of, and with cascade also what depends on it';

CREATE FUNCTION gymstream.event_key(of_row record) RETURNS json
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_event_key';
COMMENT ON FUNCTION gymstream.event_key(record) IS
	'the key by which events name the group of a row of a rollup; null where the row does not show it';

DROP FUNCTION gymstream.verify_rollup(regclass);
CREATE FUNCTION gymstream_internal.key_image(VARIADIC keys "any") RETURNS bytea
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_key_image';
COMMENT ON FUNCTION gymstream_internal.key_image("any") IS
	'a group''s keys to the last bit: tells equal ones apart where they differ, as 1.0 and 1.00 do';
CREATE FUNCTION gymstream_internal.rollup_stray_keys(rollup regclass) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'gs_rollup_stray_keys';
COMMENT ON FUNCTION gymstream_internal.rollup_stray_keys(regclass) IS
	'the query for rows of a rollup with keys that no row of its source has; null where equal keys are identical, and for those who may not read the source';

CREATE FUNCTION gymstream_internal.rollup_definition(rollup regclass) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'gs_rollup_definition';
COMMENT ON FUNCTION gymstream_internal.rollup_definition(regclass) IS
	'the query that a rollup was made from; null if it is not a rollup, or none any more';
CREATE OR REPLACE VIEW gymstream.rollups AS
	SELECT r.rollup, gymstream_internal.rollup_source(r.rollup) AS source, c.relowner::regrole AS owner,
		gymstream_internal.rollup_definition(r.rollup) AS definition, n.groups, n.partials, n.marked,
		pg_catalog.pg_total_relation_size(r.partials) AS size, r.created, gymstream_internal.rollup_problem(r.rollup) AS problem
	FROM gymstream_internal.rollup r JOIN pg_catalog.pg_class c ON c.oid = r.rollup,
		LATERAL gymstream_internal.count_rollup(r.rollup, 1048576) n;

CREATE FUNCTION gymstream.verify_rollup(rollup regclass) RETURNS TABLE (difference text, content jsonb)
	LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	query text := gymstream_internal.rollup_query($1);
	stray text := gymstream_internal.rollup_stray_keys($1);
BEGIN
	IF query IS NULL THEN
		RAISE EXCEPTION '"%" is not a rollup', $1
			USING ERRCODE = 'wrong_object_type', HINT = 'The view gymstream.rollups lists all rollups.';
	END IF;
	RETURN QUERY EXECUTE format(
		'SELECT %1$L, to_jsonb(d) FROM (SELECT * FROM (%3$s) q EXCEPT ALL SELECT * FROM %4$s) d UNION ALL '
		'SELECT %2$L, to_jsonb(d) FROM (SELECT * FROM %4$s EXCEPT ALL SELECT * FROM (%3$s) q) d',
		'missing', 'unexpected', rtrim(query, ';'), $1);
	IF stray IS NOT NULL THEN
		RETURN QUERY EXECUTE format('SELECT %L, to_jsonb(d) FROM (%s) d', 'key of no row', stray);
	END IF;
EXCEPTION WHEN insufficient_privilege THEN
	RAISE EXCEPTION '%', sqlerrm
		USING ERRCODE = 'insufficient_privilege',
			DETAIL = format('%s is compared with its query, which reads more than the rollup.', $1),
			HINT = 'Verify it as its owner, or with SELECT on its definition and its source too.';
END
$$;
COMMENT ON FUNCTION gymstream.verify_rollup(regclass) IS
	'rows in which a rollup differs from its query, both seen in one snapshot: none';

DROP FUNCTION gymstream.create_topic(regclass, text);
CREATE FUNCTION gymstream.create_topic(relation regclass, notify text DEFAULT 'position', retain interval DEFAULT NULL,
	retain_bytes bigint DEFAULT NULL, key name[] DEFAULT NULL, channel_by name[] DEFAULT NULL, if_not_exists boolean DEFAULT false)
	RETURNS text
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_create_topic';
COMMENT ON FUNCTION gymstream.create_topic(regclass, text, interval, bigint, name[], name[], boolean) IS
	'publishes the changes of a table or rollup, or changes what is told of them; returns the channel to LISTEN on';
GRANT EXECUTE ON FUNCTION gymstream.create_topic(regclass, text, interval, bigint, name[], name[], boolean) TO PUBLIC;

CREATE FUNCTION gymstream.alter_topic(relation regclass, notify text DEFAULT NULL, retain interval DEFAULT NULL,
	retain_bytes bigint DEFAULT NULL, channel_by name[] DEFAULT NULL)
	RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_alter_topic';
COMMENT ON FUNCTION gymstream.alter_topic(regclass, text, interval, bigint, name[]) IS
	'changes what is told of a topic, and what is kept of it; what is null stays as it is';
GRANT EXECUTE ON FUNCTION gymstream.alter_topic(regclass, text, interval, bigint, name[]) TO PUBLIC;

------------------------------------------------------------------------------------------------------------------------
-- What has another name, or says something else
------------------------------------------------------------------------------------------------------------------------

ALTER VIEW gymstream.create_progress RENAME TO progress_create_rollup;
ALTER TABLE gymstream_internal.topic SET (fillfactor = 50);
ALTER TABLE gymstream_internal.topic
	DROP CONSTRAINT topic_notify_check, ADD CHECK (notify IN ('position', 'key', 'row', 'none')),
	ADD retain interval NOT NULL DEFAULT '0' CHECK (retain >= '0'), ADD retain_bytes bigint CHECK (retain_bytes > 0),
	ADD key_columns name[], ADD channel_columns name[];
-- topics that there are keep nothing, as before
ALTER TABLE gymstream_internal.topic ALTER retain SET DEFAULT '1 day';
COMMENT ON COLUMN gymstream_internal.topic.notify IS 'what a notification carries: position, key or row; none: there are none';
COMMENT ON COLUMN gymstream_internal.topic.created IS 'when the topic was created';
COMMENT ON COLUMN gymstream_internal.topic.retain IS 'how long events are kept at least, to be read later; 0: not at all';
COMMENT ON COLUMN gymstream_internal.topic.retain_bytes IS 'how many bytes of events are kept at most; null: no limit';
COMMENT ON COLUMN gymstream_internal.topic.key_columns IS 'columns of an event''s key; null: primary key, replica identity, or a rollup''s keys';
COMMENT ON COLUMN gymstream_internal.topic.channel_columns IS 'columns by whose values there are channels; null: the topic has one channel';
COMMENT ON AGGREGATE gymstream_internal.numeric_sum_agg(numeric) IS
	'sum of values as gymstream_internal.numeric_sum';
COMMENT ON AGGREGATE gymstream_internal.float_sum_agg(double precision) IS
	'sum of values as gymstream_internal.float_sum';
COMMENT ON AGGREGATE gymstream_internal.float_sum_agg(double precision, double precision) IS
	'sum of products of two values as gymstream_internal.float_sum';
COMMENT ON AGGREGATE gymstream_internal.bit_counts_agg(bigint) IS
	'counts of values as gymstream_internal.bit_counts';
COMMENT ON AGGREGATE gymstream_internal.microseconds_agg(interval) IS
	'sum of the microseconds of intervals as gymstream_internal.float_sum';
COMMENT ON COLUMN gymstream.rollups.groups IS
	'number of groups; an estimate where the partials have more than 1 MB';
COMMENT ON FUNCTION gymstream_internal.create_progress_rows() IS
	'what the view gymstream.progress_create_rollup shows';
COMMENT ON VIEW gymstream.progress_create_rollup IS
	'the progress of rollups that are being filled from their source: in your own sessions, or in all for pg_read_all_stats';
COMMENT ON COLUMN gymstream.status.wal_level IS
	'what the write-ahead log holds: logical where changes can be decoded. From PostgreSQL 19 on, the first topic turns it on where the setting is replica.';
COMMENT ON FUNCTION gymstream.drop_topic(regclass) IS
	'no longer publishes the changes of a table or rollup';
COMMENT ON TYPE gymstream_internal.numeric_sum IS
	'sum of numerics, and how many of them have each display scale; values can be taken away';
COMMENT ON TYPE gymstream_internal.bit_counts IS
	'for each bit, from the lowest on, the number of integers that have it set; the last number is for all higher bits; values can be taken away';
COMMENT ON FUNCTION gymstream.fold_rollup(regclass) IS
	'makes one partial of the several that a group may have, and leaves out partials that somebody holds; returns the number of groups that it has folded';
COMMENT ON FUNCTION gymstream_internal.rollup_problem(regclass) IS
	'what a rollup lacks to be exact and readable, and what to do; null when all is well';
COMMENT ON VIEW gymstream.rollups IS
	'a row for each rollup; cheap to read, however large the rollups are';
COMMENT ON COLUMN gymstream.rollups.source IS
	'the table that the rollup reads';
COMMENT ON COLUMN gymstream.rollups.owner IS
	'who owns the rollup';
COMMENT ON COLUMN gymstream.rollups.definition IS
	'the query that the rollup equals';
COMMENT ON COLUMN gymstream.rollups.partials IS
	'number of partials, one for each group that is not busy; an estimate where the partials have more than 1 MB';
COMMENT ON COLUMN gymstream.rollups.created IS
	'when the rollup was created';
COMMENT ON COLUMN gymstream.rollups.problem IS
	'what may make the rollup inexact or unreadable, and what to do; null when all is well';
COMMENT ON COLUMN gymstream.status.last_error_at IS
	'when the last error of a worker was';
COMMENT ON FUNCTION gymstream_internal.money_total(numeric) IS
	'a number of the smallest unit as money';
COMMENT ON COLUMN gymstream.status.folder_pid IS
	'the worker that folds the partials of groups; runs while there is something to fold';
COMMENT ON FUNCTION gymstream_internal.on_drop() IS
	'takes away what belonged to a dropped rollup; refuses to drop a single part of a rollup';
COMMENT ON EVENT TRIGGER gymstream_drop IS
	'takes away what belonged to a dropped rollup; refuses to drop a single part of a rollup';

------------------------------------------------------------------------------------------------------------------------
-- position: where an event stands. Ordered as events are; its text sorts in the same order.
------------------------------------------------------------------------------------------------------------------------

CREATE TYPE gymstream.position;
CREATE FUNCTION gymstream_internal.position_in(cstring) RETURNS gymstream.position
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_in';
CREATE FUNCTION gymstream_internal.position_out(gymstream.position) RETURNS cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_out';
CREATE FUNCTION gymstream_internal.position_recv(internal) RETURNS gymstream.position
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_recv';
CREATE FUNCTION gymstream_internal.position_send(gymstream.position) RETURNS bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_send';
CREATE TYPE gymstream.position (
	INPUT = gymstream_internal.position_in, OUTPUT = gymstream_internal.position_out,
	RECEIVE = gymstream_internal.position_recv, SEND = gymstream_internal.position_send,
	INTERNALLENGTH = 24, ALIGNMENT = double, STORAGE = plain);
COMMENT ON TYPE gymstream.position IS 'where an event stands: epoch, commit LSN, index in the transaction; perhaps its offset in a topic';
COMMENT ON FUNCTION gymstream_internal.position_in(cstring) IS 'I/O';
COMMENT ON FUNCTION gymstream_internal.position_out(gymstream.position) IS 'I/O';
COMMENT ON FUNCTION gymstream_internal.position_recv(internal) IS 'I/O';
COMMENT ON FUNCTION gymstream_internal.position_send(gymstream.position) IS 'I/O';

CREATE FUNCTION gymstream.position_epoch(gymstream.position) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_epoch';
COMMENT ON FUNCTION gymstream.position_epoch(gymstream.position) IS 'the epoch: it grows when the log of events begins anew';
CREATE FUNCTION gymstream.position_lsn(gymstream.position) RETURNS pg_lsn
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_lsn';
COMMENT ON FUNCTION gymstream.position_lsn(gymstream.position) IS 'where in the write-ahead log the transaction was committed';
CREATE FUNCTION gymstream.position_index(gymstream.position) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_index';
COMMENT ON FUNCTION gymstream.position_index(gymstream.position) IS 'the number of the event in its transaction, from 1';
CREATE FUNCTION gymstream.position_offset(gymstream.position) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_offset';
COMMENT ON FUNCTION gymstream.position_offset(gymstream.position) IS 'the number of the event in its topic; null where the position does not say it';

CREATE FUNCTION gymstream_internal.position_eq(gymstream.position, gymstream.position) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_eq';
COMMENT ON FUNCTION gymstream_internal.position_eq(gymstream.position, gymstream.position) IS 'implementation of an operator: equal';
CREATE FUNCTION gymstream_internal.position_ne(gymstream.position, gymstream.position) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_ne';
COMMENT ON FUNCTION gymstream_internal.position_ne(gymstream.position, gymstream.position) IS 'implementation of an operator: not equal';
CREATE FUNCTION gymstream_internal.position_lt(gymstream.position, gymstream.position) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_lt';
COMMENT ON FUNCTION gymstream_internal.position_lt(gymstream.position, gymstream.position) IS 'implementation of an operator: less than';
CREATE FUNCTION gymstream_internal.position_le(gymstream.position, gymstream.position) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_le';
COMMENT ON FUNCTION gymstream_internal.position_le(gymstream.position, gymstream.position) IS 'implementation of an operator: less than or equal';
CREATE FUNCTION gymstream_internal.position_gt(gymstream.position, gymstream.position) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_gt';
COMMENT ON FUNCTION gymstream_internal.position_gt(gymstream.position, gymstream.position) IS 'implementation of an operator: greater than';
CREATE FUNCTION gymstream_internal.position_ge(gymstream.position, gymstream.position) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_ge';
COMMENT ON FUNCTION gymstream_internal.position_ge(gymstream.position, gymstream.position) IS 'implementation of an operator: greater than or equal';
CREATE FUNCTION gymstream_internal.position_cmp(gymstream.position, gymstream.position) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_cmp';
COMMENT ON FUNCTION gymstream_internal.position_cmp(gymstream.position, gymstream.position) IS 'less than, equal to, greater than: -1, 0, 1';
CREATE FUNCTION gymstream_internal.position_hash(gymstream.position) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_hash';
COMMENT ON FUNCTION gymstream_internal.position_hash(gymstream.position) IS 'hash';
CREATE FUNCTION gymstream_internal.position_hash_extended(gymstream.position, bigint) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_position_hash_extended';
COMMENT ON FUNCTION gymstream_internal.position_hash_extended(gymstream.position, bigint) IS 'hash with a seed';

CREATE OPERATOR gymstream.= (
	FUNCTION = gymstream_internal.position_eq, LEFTARG = gymstream.position, RIGHTARG = gymstream.position,
	COMMUTATOR = OPERATOR(gymstream.=), NEGATOR = OPERATOR(gymstream.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR gymstream.= (gymstream.position, gymstream.position) IS 'the same event';
CREATE OPERATOR gymstream.<> (
	FUNCTION = gymstream_internal.position_ne, LEFTARG = gymstream.position, RIGHTARG = gymstream.position,
	COMMUTATOR = OPERATOR(gymstream.<>), NEGATOR = OPERATOR(gymstream.=), RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR gymstream.<> (gymstream.position, gymstream.position) IS 'another event';
CREATE OPERATOR gymstream.< (
	FUNCTION = gymstream_internal.position_lt, LEFTARG = gymstream.position, RIGHTARG = gymstream.position,
	COMMUTATOR = OPERATOR(gymstream.>), NEGATOR = OPERATOR(gymstream.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR gymstream.< (gymstream.position, gymstream.position) IS 'before';
CREATE OPERATOR gymstream.<= (
	FUNCTION = gymstream_internal.position_le, LEFTARG = gymstream.position, RIGHTARG = gymstream.position,
	COMMUTATOR = OPERATOR(gymstream.>=), NEGATOR = OPERATOR(gymstream.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR gymstream.<= (gymstream.position, gymstream.position) IS 'before, or the same';
CREATE OPERATOR gymstream.> (
	FUNCTION = gymstream_internal.position_gt, LEFTARG = gymstream.position, RIGHTARG = gymstream.position,
	COMMUTATOR = OPERATOR(gymstream.<), NEGATOR = OPERATOR(gymstream.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR gymstream.> (gymstream.position, gymstream.position) IS 'after';
CREATE OPERATOR gymstream.>= (
	FUNCTION = gymstream_internal.position_ge, LEFTARG = gymstream.position, RIGHTARG = gymstream.position,
	COMMUTATOR = OPERATOR(gymstream.<=), NEGATOR = OPERATOR(gymstream.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR gymstream.>= (gymstream.position, gymstream.position) IS 'after, or the same';

CREATE OPERATOR FAMILY gymstream_internal.position_ops USING btree;
COMMENT ON OPERATOR FAMILY gymstream_internal.position_ops USING btree IS 'order of positions';
CREATE OPERATOR CLASS gymstream_internal.position_ops DEFAULT FOR TYPE gymstream.position
	USING btree FAMILY gymstream_internal.position_ops AS
	OPERATOR 1 gymstream.<, OPERATOR 2 gymstream.<=, OPERATOR 3 gymstream.=, OPERATOR 4 gymstream.>=, OPERATOR 5 gymstream.>,
	FUNCTION 1 gymstream_internal.position_cmp(gymstream.position, gymstream.position);
COMMENT ON OPERATOR CLASS gymstream_internal.position_ops USING btree IS 'order of positions';
CREATE OPERATOR FAMILY gymstream_internal.position_ops USING hash;
COMMENT ON OPERATOR FAMILY gymstream_internal.position_ops USING hash IS 'hashes of positions';
CREATE OPERATOR CLASS gymstream_internal.position_ops DEFAULT FOR TYPE gymstream.position
	USING hash FAMILY gymstream_internal.position_ops AS
	OPERATOR 1 gymstream.=,
	FUNCTION 1 gymstream_internal.position_hash(gymstream.position),
	FUNCTION 2 gymstream_internal.position_hash_extended(gymstream.position, bigint);
COMMENT ON OPERATOR CLASS gymstream_internal.position_ops USING hash IS 'hashes of positions';

------------------------------------------------------------------------------------------------------------------------
-- What is new
------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION gymstream_internal.topic_restored() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_topic_restored';
COMMENT ON FUNCTION gymstream_internal.topic_restored() IS 'skips topics of a restored dump that are there already';
CREATE TRIGGER topic_restored BEFORE INSERT ON gymstream_internal.topic
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.topic_restored();
ALTER TABLE gymstream_internal.topic ENABLE ALWAYS TRIGGER topic_restored;
COMMENT ON TRIGGER topic_restored ON gymstream_internal.topic IS 'skips topics of a restored dump that are there already';

CREATE FUNCTION gymstream_internal.publish_row() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_publish_row';
COMMENT ON FUNCTION gymstream_internal.publish_row() IS
	'the function of the trigger on the table of a topic of no table: publishes what is inserted, and keeps no row';
CREATE FUNCTION gymstream.create_event_topic(name text, notify text DEFAULT 'position', retain interval DEFAULT NULL,
	retain_bytes bigint DEFAULT NULL, channel_by name[] DEFAULT NULL, if_not_exists boolean DEFAULT false)
	RETURNS text
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_create_event_topic';
COMMENT ON FUNCTION gymstream.create_event_topic(text, text, interval, bigint, name[], boolean) IS
	'makes a topic of no table, for events that are published by themselves; returns the channel to LISTEN on';
GRANT EXECUTE ON FUNCTION gymstream.create_event_topic(text, text, interval, bigint, name[], boolean) TO PUBLIC;
CREATE FUNCTION gymstream.publish_event(topic regclass, key text, value jsonb, headers jsonb DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_publish_event';
COMMENT ON FUNCTION gymstream.publish_event(regclass, text, jsonb, jsonb) IS
	'publishes an event into a topic of no table, once the transaction is committed';
GRANT EXECUTE ON FUNCTION gymstream.publish_event(regclass, text, jsonb, jsonb) TO PUBLIC;
CREATE FUNCTION gymstream.topic_channel(topic regclass, key jsonb) RETURNS text
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_topic_channel';
COMMENT ON FUNCTION gymstream.topic_channel(regclass, jsonb) IS
	'the channel to LISTEN on for events with these values, where a topic has channels by them';
GRANT EXECUTE ON FUNCTION gymstream.topic_channel(regclass, jsonb) TO PUBLIC;
CREATE PROCEDURE gymstream.wait_topic(topic regclass, lsn pg_lsn DEFAULT NULL, timeout interval DEFAULT NULL)
	LANGUAGE c AS 'MODULE_PATHNAME', 'gs_wait_topic';
COMMENT ON PROCEDURE gymstream.wait_topic(regclass, pg_lsn, interval) IS
	'returns when all is published that was committed up to a position of the write-ahead log: by this session, where none is given';
GRANT EXECUTE ON PROCEDURE gymstream.wait_topic(regclass, pg_lsn, interval) TO PUBLIC;

CREATE FUNCTION gymstream.read_topic(topic regclass, after gymstream.position DEFAULT NULL, max_events integer DEFAULT 1000)
	RETURNS TABLE ("position" gymstream.position, action text, key jsonb, event json, commit_time timestamptz)
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 1000
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_read_topic';
COMMENT ON FUNCTION gymstream.read_topic(regclass, gymstream.position, integer) IS
	'the events of a topic after a position, or from the first one that is kept, in commit order; for whoever may select from the table or rollup';
GRANT EXECUTE ON FUNCTION gymstream.read_topic(regclass, gymstream.position, integer) TO PUBLIC;
CREATE FUNCTION gymstream.first_position(topic regclass) RETURNS gymstream.position
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_first_position';
COMMENT ON FUNCTION gymstream.first_position(regclass) IS 'the position of the first event of a topic that is kept; null: none is';
GRANT EXECUTE ON FUNCTION gymstream.first_position(regclass) TO PUBLIC;
CREATE FUNCTION gymstream.last_position(topic regclass) RETURNS gymstream.position
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_last_position';
COMMENT ON FUNCTION gymstream.last_position(regclass) IS 'the position of the last event of a topic: reading after it gives what comes next';
GRANT EXECUTE ON FUNCTION gymstream.last_position(regclass) TO PUBLIC;
CREATE FUNCTION gymstream.topic_position(topic regclass, at timestamptz) RETURNS gymstream.position
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_topic_position';
COMMENT ON FUNCTION gymstream.topic_position(regclass, timestamptz) IS
	'the position after which the first event follows that was committed at this time or later';
GRANT EXECUTE ON FUNCTION gymstream.topic_position(regclass, timestamptz) TO PUBLIC;
CREATE FUNCTION gymstream.snapshot_position(topic regclass) RETURNS gymstream.position
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_snapshot_position';
COMMENT ON FUNCTION gymstream.snapshot_position(regclass) IS
	'the position that the rows in the transaction''s snapshot are as of: reading after it gives each later change, and none earlier';
GRANT EXECUTE ON FUNCTION gymstream.snapshot_position(regclass) TO PUBLIC;
CREATE FUNCTION gymstream_internal.topic_log(
	topic regclass, OUT first_position gymstream.position, OUT last_position gymstream.position, OUT events bigint, OUT bytes bigint)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_topic_log';
COMMENT ON FUNCTION gymstream_internal.topic_log(regclass) IS 'what the view gymstream.topics shows of the events that are kept';
GRANT EXECUTE ON FUNCTION gymstream_internal.topic_log(regclass) TO PUBLIC;

CREATE VIEW gymstream.topics AS
	SELECT topic.relation, topic.channel, topic.notify, topic.created, topic.retain, topic.retain_bytes, topic.key_columns,
		topic.channel_columns, log.first_position, log.last_position, log.events, log.bytes
	FROM gymstream_internal.topic LEFT JOIN LATERAL gymstream_internal.topic_log(topic.relation) log ON true;
COMMENT ON VIEW gymstream.topics IS 'each table or rollup whose changes are published';
COMMENT ON COLUMN gymstream.topics.relation IS 'the table or rollup';
COMMENT ON COLUMN gymstream.topics.channel IS 'the channel to LISTEN on';
COMMENT ON COLUMN gymstream.topics.notify IS 'what a notification carries: position, key or row; none: there are none';
COMMENT ON COLUMN gymstream.topics.created IS 'when the topic was created';
COMMENT ON COLUMN gymstream.topics.retain IS 'how long events are kept at least, to be read later; 0: not at all';
COMMENT ON COLUMN gymstream.topics.retain_bytes IS 'how many bytes of events are kept at most; null: no limit';
COMMENT ON COLUMN gymstream.topics.key_columns IS 'columns of an event''s key; null: primary key, replica identity, or a rollup''s keys';
COMMENT ON COLUMN gymstream.topics.channel_columns IS 'columns by whose values there are channels; null: the topic has one channel';
COMMENT ON COLUMN gymstream.topics.first_position IS 'position of the first event that is kept; null: none is';
COMMENT ON COLUMN gymstream.topics.last_position IS 'position of the last event';
COMMENT ON COLUMN gymstream.topics.events IS 'number of events that are kept';
COMMENT ON COLUMN gymstream.topics.bytes IS 'what they take on disk';
GRANT SELECT ON gymstream.topics TO PUBLIC;

-- A view can get columns at its end while others read it; a function cannot.
CREATE FUNCTION gymstream_internal.status_row(
	OUT preloaded boolean, OUT wal_level text, OUT launcher_pid integer, OUT publisher_pid integer,
	OUT decoder_pid integer, OUT folder_pid integer, OUT slot_name text, OUT decoded_lsn pg_lsn, OUT published_lsn pg_lsn,
	OUT confirmed_lsn pg_lsn, OUT lag_bytes bigint, OUT retained_bytes bigint, OUT topics integer, OUT events bigint,
	OUT notifications bigint, OUT skipped bigint, OUT folded bigint, OUT waiting_for text, OUT last_error text,
	OUT last_error_at timestamptz, OUT problem text, OUT publisher_since timestamptz, OUT incomplete bigint,
	OUT epoch bigint, OUT missed_at timestamptz, OUT reset_at timestamptz)
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_status';
COMMENT ON FUNCTION gymstream_internal.status_row() IS 'what the view gymstream.status shows';
GRANT EXECUTE ON FUNCTION gymstream_internal.status_row() TO PUBLIC;

CREATE OR REPLACE VIEW gymstream.status AS SELECT * FROM gymstream_internal.status_row();
COMMENT ON COLUMN gymstream.status.publisher_since IS
	'when the publisher started: a later publisher may have the same process id, but never the same time';
COMMENT ON COLUMN gymstream.status.incomplete IS
	'events told without something that could not be had: the view gymstream.incidents says why';
COMMENT ON COLUMN gymstream.status.epoch IS 'the epoch of the positions of events';
COMMENT ON COLUMN gymstream.status.missed_at IS
	'when notifications were skipped last; listeners are told to read anew as soon as there is room';
COMMENT ON COLUMN gymstream.status.reset_at IS
	'when the replication slot was made anew, and changes were lost; listeners were told to read anew';
DROP FUNCTION gymstream.status_row_before();

CREATE FUNCTION gymstream_internal.incident_rows(
	OUT last_at timestamptz, OUT first_at timestamptz, OUT times bigint, OUT relation regclass,
	OUT "position" gymstream.position, OUT what text, OUT sqlstate text, OUT message text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_incident_rows';
COMMENT ON FUNCTION gymstream_internal.incident_rows() IS 'what the view gymstream.incidents shows';
GRANT EXECUTE ON FUNCTION gymstream_internal.incident_rows() TO PUBLIC;

CREATE VIEW gymstream.incidents AS
	SELECT * FROM gymstream_internal.incident_rows() ORDER BY last_at DESC;
COMMENT ON VIEW gymstream.incidents IS
	'what the workers of this database could not do since the server was started, the latest first';
COMMENT ON COLUMN gymstream.incidents.last_at IS 'when it happened last';
COMMENT ON COLUMN gymstream.incidents.first_at IS 'when it happened first';
COMMENT ON COLUMN gymstream.incidents.times IS 'how often it happened';
COMMENT ON COLUMN gymstream.incidents.relation IS
	'the table or rollup; null where it concerns all topics';
COMMENT ON COLUMN gymstream.incidents."position" IS 'the event that it happened to last';
COMMENT ON COLUMN gymstream.incidents.what IS 'what could not be done';
COMMENT ON COLUMN gymstream.incidents.sqlstate IS 'the code of the error, if there was one';
COMMENT ON COLUMN gymstream.incidents.message IS
	'the message of the error, for members of pg_read_all_stats';
COMMENT ON COLUMN gymstream.incidents.hint IS 'what to do';
GRANT SELECT ON gymstream.incidents TO PUBLIC;

CREATE TABLE gymstream_internal.epoch (
	epoch				bigint NOT NULL,
	system_identifier	bigint NOT NULL,
	timeline			integer NOT NULL,
	since				timestamptz NOT NULL
);
COMMENT ON TABLE gymstream_internal.epoch IS
	'the epochs of the positions of events, of which the largest is in use; not dumped: a restored database has a new one';
COMMENT ON COLUMN gymstream_internal.epoch.epoch IS 'the epoch: seconds since 1970 when it began, or more';
COMMENT ON COLUMN gymstream_internal.epoch.system_identifier IS 'the server''s';
COMMENT ON COLUMN gymstream_internal.epoch.timeline IS 'of the write-ahead log';
COMMENT ON COLUMN gymstream_internal.epoch.since IS 'when it began';
REVOKE ALL ON gymstream_internal.epoch FROM PUBLIC;

CREATE TABLE gymstream_internal.segment (
	topic		oid NOT NULL,
	created		timestamptz NOT NULL,
	number		integer NOT NULL,
	segment		oid NOT NULL,
	before		gymstream.position NOT NULL,
	opened		timestamptz NOT NULL,
	closed		timestamptz,
	last		gymstream.position NOT NULL,
	newest		timestamptz NOT NULL,
	bytes		bigint NOT NULL,
	ended		boolean NOT NULL,
	dropping	boolean NOT NULL
);
CREATE INDEX ON gymstream_internal.segment (topic);
COMMENT ON TABLE gymstream_internal.segment IS 'the tables that hold the events of topics; not dumped: a restored database has no events';
COMMENT ON COLUMN gymstream_internal.segment.topic IS 'the table or rollup';
COMMENT ON COLUMN gymstream_internal.segment.created IS 'when its topic was created';
COMMENT ON COLUMN gymstream_internal.segment.number IS 'which of the topic''s segments it is';
COMMENT ON COLUMN gymstream_internal.segment.segment IS 'the segment''s table; 0: its events are gone';
COMMENT ON COLUMN gymstream_internal.segment.before IS 'position of the event before its first one';
COMMENT ON COLUMN gymstream_internal.segment.opened IS 'when it was begun';
COMMENT ON COLUMN gymstream_internal.segment.closed IS 'since when nothing is added to it; null: it is the one that events go to';
COMMENT ON COLUMN gymstream_internal.segment.last IS 'position of its last event, once it is closed';
COMMENT ON COLUMN gymstream_internal.segment.newest IS 'the newest commit time up to its last event, once it is closed';
COMMENT ON COLUMN gymstream_internal.segment.bytes IS 'its size, once it is closed';
COMMENT ON COLUMN gymstream_internal.segment.ended IS 'events after it were not stored';
COMMENT ON COLUMN gymstream_internal.segment.dropping IS 'it is about to be dropped';
REVOKE ALL ON gymstream_internal.segment FROM PUBLIC;

------------------------------------------------------------------------------------------------------------------------
-- A rollup's triggers say what it is made of: the table only repeats it, and is not dumped any more.
------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION gymstream_internal.readable(partials regclass) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_readable';
COMMENT ON FUNCTION gymstream_internal.readable(regclass) IS
	'in a rollup''s view: true, or an error where the rollup may not be read';
CREATE FUNCTION gymstream_internal.group_selectivity(internal, oid, internal, integer) RETURNS double precision
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_group_selectivity';
COMMENT ON FUNCTION gymstream_internal.group_selectivity(internal, oid, internal, integer) IS
	'the part of the groups with partials that have rows: nearly all';
REVOKE EXECUTE ON FUNCTION gymstream_internal.group_selectivity(internal, oid, internal, integer) FROM PUBLIC;
CREATE OPERATOR gymstream_internal.?> (
	LEFTARG = bigint, RIGHTARG = integer, FUNCTION = int84gt, RESTRICT = gymstream_internal.group_selectivity);
COMMENT ON OPERATOR gymstream_internal.?>(bigint, integer) IS
	'in a rollup''s view: whether a group has rows; as >, and the planner knows that nearly all have';
CREATE FUNCTION gymstream_internal.renew_rollups() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_renew_rollups';
COMMENT ON FUNCTION gymstream_internal.renew_rollups() IS
	'brings what all rollups are made of to this version: the last step of an upgrade';
REVOKE EXECUTE ON FUNCTION gymstream_internal.renew_rollups() FROM PUBLIC;
CREATE FUNCTION gymstream_internal.guards(rollup regclass, definition regclass) RETURNS boolean
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_guards';
COMMENT ON FUNCTION gymstream_internal.guards(regclass, regclass) IS
	'in the WHEN of the trigger on a rollup''s partials: says which rollup they are of; true';
DROP EVENT TRIGGER gymstream_ddl;
CREATE EVENT TRIGGER gymstream_ddl ON ddl_command_end
	WHEN tag IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE RULE', 'CREATE VIEW',
		'ALTER VIEW', 'CREATE SCHEMA', 'CREATE TRIGGER', 'ALTER TRIGGER', 'CREATE FUNCTION', 'CREATE INDEX')
	EXECUTE FUNCTION gymstream_internal.on_ddl();
ALTER EVENT TRIGGER gymstream_ddl ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER gymstream_ddl IS
	'refuses what would let a rollup''s source change unseen; keeps rollups whole: one owner, triggers that always fire and are the only ones to collect, partials as they were made';

CREATE FUNCTION gymstream_internal.before_drop() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_before_drop';
COMMENT ON FUNCTION gymstream_internal.before_drop() IS
	'locks what a rollup is made of in the order of its writers, before it is dropped or altered as a whole';
CREATE EVENT TRIGGER gymstream_before_drop ON ddl_command_start
	WHEN tag IN ('DROP VIEW', 'DROP TABLE', 'DROP SCHEMA', 'DROP TRIGGER', 'ALTER TABLE', 'ALTER VIEW', 'CREATE INDEX')
	EXECUTE FUNCTION gymstream_internal.before_drop();
ALTER EVENT TRIGGER gymstream_before_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER gymstream_before_drop IS
	'locks what a rollup is made of in the order of its writers, before it is dropped or altered as a whole';

ALTER EXTENSION gymstream DROP TABLE gymstream_internal.rollup;
ALTER EXTENSION gymstream ADD TABLE gymstream_internal.rollup;
COMMENT ON TABLE gymstream_internal.rollup IS
	'each rollup and the relations it is made of, as its triggers say; not dumped';
COMMENT ON COLUMN gymstream_internal.rollup.created IS 'when the rollup was created, or restored';

CREATE TABLE gymstream_internal.uncounted (
	partials	regclass NOT NULL,
	since		timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON gymstream_internal.uncounted (partials);
COMMENT ON TABLE gymstream_internal.uncounted IS
	'rollups that lack changes of their source, made while their owner was not allowed to read it; not dumped';
COMMENT ON COLUMN gymstream_internal.uncounted.partials IS 'the partials of the rollup';
COMMENT ON COLUMN gymstream_internal.uncounted.since IS 'when the transaction began that made the first such change';
GRANT SELECT ON gymstream_internal.uncounted TO PUBLIC;

------------------------------------------------------------------------------------------------------------------------
-- The schema belongs to the extension now, and not the extension to the schema. There is no command for it.
------------------------------------------------------------------------------------------------------------------------

UPDATE pg_extension SET extnamespace = 'pg_catalog'::regnamespace WHERE extname = 'gymstream';
DELETE FROM pg_depend WHERE classid = 'pg_extension'::regclass
	AND objid = (SELECT oid FROM pg_extension WHERE extname = 'gymstream')
	AND refclassid = 'pg_namespace'::regclass AND refobjid = 'gymstream'::regnamespace AND deptype = 'n';
ALTER EXTENSION gymstream ADD SCHEMA gymstream;

------------------------------------------------------------------------------------------------------------------------
-- Consumer groups. All tables are written by C functions only; only who owns a group sees its events. Anyone may call the
-- functions: they check that the caller is a member of the group's owner.
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE gymstream_internal.group_definition (
	id				integer NOT NULL PRIMARY KEY,
	name			text NOT NULL UNIQUE,
	owner			regrole NOT NULL,
	partitions		integer NOT NULL CHECK (partitions BETWEEN 1 AND 1024),
	generation		integer NOT NULL,
	paused			boolean NOT NULL,
	max_attempts	integer NOT NULL,
	retry_ms		bigint NOT NULL,
	takeover_ms		bigint NOT NULL,
	reset			text NOT NULL CHECK (reset IN ('earliest', 'latest', 'error')),
	start			text NOT NULL CHECK (start IN ('earliest', 'latest')),
	created			timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE gymstream_internal.group_definition IS 'each consumer group';
COMMENT ON COLUMN gymstream_internal.group_definition.id IS 'what its locks and rows are known by';
COMMENT ON COLUMN gymstream_internal.group_definition.name IS 'the group''s name';
COMMENT ON COLUMN gymstream_internal.group_definition.owner IS 'whose it is: members of this role use it';
COMMENT ON COLUMN gymstream_internal.group_definition.partitions IS 'how many workers can share a topic';
COMMENT ON COLUMN gymstream_internal.group_definition.generation IS 'grows when its partitions are divided anew, or sent elsewhere';
COMMENT ON COLUMN gymstream_internal.group_definition.paused IS 'polls give nothing';
COMMENT ON COLUMN gymstream_internal.group_definition.max_attempts IS 'after so many an event is a dead letter';
COMMENT ON COLUMN gymstream_internal.group_definition.retry_ms IS 'the pause before the second attempt, in milliseconds; twice as long each time';
COMMENT ON COLUMN gymstream_internal.group_definition.takeover_ms IS 'how long a worker may be silent in a transaction, in milliseconds; 0: as long as it likes';
COMMENT ON COLUMN gymstream_internal.group_definition.reset IS 'where it goes on when events that it had not polled are gone';
COMMENT ON COLUMN gymstream_internal.group_definition.start IS 'where it begins in a database that a dump was restored into';
COMMENT ON COLUMN gymstream_internal.group_definition.created IS 'when the group was created';
GRANT SELECT ON gymstream_internal.group_definition TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gymstream_internal.group_definition', '');

CREATE TABLE gymstream_internal.group_topic (
	group_id	integer NOT NULL,
	topic		regclass NOT NULL,
	number		integer NOT NULL,
	PRIMARY KEY (group_id, topic)
);
COMMENT ON TABLE gymstream_internal.group_topic IS 'the topics of each consumer group';
COMMENT ON COLUMN gymstream_internal.group_topic.group_id IS 'the group';
COMMENT ON COLUMN gymstream_internal.group_topic.topic IS 'the table or rollup';
COMMENT ON COLUMN gymstream_internal.group_topic.number IS 'what the locks of its partitions are known by';
GRANT SELECT ON gymstream_internal.group_topic TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gymstream_internal.group_topic', '');

CREATE TABLE gymstream_internal.group_bookmark (
	group_id	integer NOT NULL,
	topic		oid NOT NULL,
	partition	integer NOT NULL,
	serial		bigint NOT NULL,
	next		bigint NOT NULL,
	created		timestamptz NOT NULL
);
CREATE INDEX ON gymstream_internal.group_bookmark (group_id, topic, partition, serial);
COMMENT ON TABLE gymstream_internal.group_bookmark IS
	'how far each partition of a group is: the row with the highest serial counts; not dumped: a restored database has other events';
COMMENT ON COLUMN gymstream_internal.group_bookmark.group_id IS 'the group';
COMMENT ON COLUMN gymstream_internal.group_bookmark.topic IS 'the table or rollup';
COMMENT ON COLUMN gymstream_internal.group_bookmark.partition IS 'the partition, from 0';
COMMENT ON COLUMN gymstream_internal.group_bookmark.serial IS 'one more than the row before';
COMMENT ON COLUMN gymstream_internal.group_bookmark.next IS 'the offset with which the partition goes on';
COMMENT ON COLUMN gymstream_internal.group_bookmark.created IS 'when the topic was created that the offset is of';
REVOKE ALL ON gymstream_internal.group_bookmark FROM PUBLIC;

CREATE TABLE gymstream_internal.group_layout (
	group_id	integer NOT NULL,
	topic		oid NOT NULL,
	partitions	integer NOT NULL,
	next		bigint[] NOT NULL,
	created		timestamptz NOT NULL
);
CREATE INDEX ON gymstream_internal.group_layout (group_id, topic);
COMMENT ON TABLE gymstream_internal.group_layout IS
	'how far the partitions of a group were when there was another number of them; until all are past that; not dumped';
COMMENT ON COLUMN gymstream_internal.group_layout.group_id IS 'the group';
COMMENT ON COLUMN gymstream_internal.group_layout.topic IS 'the table or rollup';
COMMENT ON COLUMN gymstream_internal.group_layout.partitions IS 'how many there were';
COMMENT ON COLUMN gymstream_internal.group_layout.next IS 'of each, the offset with which it would have gone on';
COMMENT ON COLUMN gymstream_internal.group_layout.created IS 'when the topic was created that the offsets are of';
REVOKE ALL ON gymstream_internal.group_layout FROM PUBLIC;

CREATE TABLE gymstream_internal.group_event (
	group_id		integer NOT NULL,
	topic			oid NOT NULL,
	dead			boolean NOT NULL,
	event_offset	bigint NOT NULL,
	key_hash		bigint NOT NULL,
	attempts		integer NOT NULL,
	due				timestamptz NOT NULL,
	since			timestamptz NOT NULL,
	"position"		gymstream.position NOT NULL,
	commit_time		timestamptz NOT NULL,
	cause			text,
	key				text,
	event			text NOT NULL
);
CREATE INDEX ON gymstream_internal.group_event (group_id, topic, dead, event_offset);
COMMENT ON TABLE gymstream_internal.group_event IS
	'events that a group has set aside: those that wait for another attempt, those that wait behind one of their key, and dead letters; not dumped';
COMMENT ON COLUMN gymstream_internal.group_event.group_id IS 'the group';
COMMENT ON COLUMN gymstream_internal.group_event.topic IS 'the table or rollup';
COMMENT ON COLUMN gymstream_internal.group_event.dead IS 'a dead letter: it is not tried any more';
COMMENT ON COLUMN gymstream_internal.group_event.event_offset IS 'the event''s number in the topic';
COMMENT ON COLUMN gymstream_internal.group_event.key_hash IS 'of its key';
COMMENT ON COLUMN gymstream_internal.group_event.attempts IS 'how many have failed';
COMMENT ON COLUMN gymstream_internal.group_event.due IS 'when the next one may be';
COMMENT ON COLUMN gymstream_internal.group_event.since IS 'when it was set aside last';
COMMENT ON COLUMN gymstream_internal.group_event."position" IS 'where it stands';
COMMENT ON COLUMN gymstream_internal.group_event.commit_time IS 'when it was committed';
COMMENT ON COLUMN gymstream_internal.group_event.cause IS 'why it was set aside';
COMMENT ON COLUMN gymstream_internal.group_event.key IS 'its key, as JSON';
COMMENT ON COLUMN gymstream_internal.group_event.event IS 'the event, as JSON';
REVOKE ALL ON gymstream_internal.group_event FROM PUBLIC;

CREATE FUNCTION gymstream.create_group(group_name text, topics regclass[], partitions integer DEFAULT 16, start text DEFAULT 'latest',
	max_attempts integer DEFAULT 5, retry_delay interval DEFAULT '1 second', takeover interval DEFAULT '5 minutes',
	reset text DEFAULT 'earliest', if_not_exists boolean DEFAULT false) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_create_group';
COMMENT ON FUNCTION gymstream.create_group(text, regclass[], integer, text, integer, interval, interval, text, boolean) IS
	'makes a consumer group, whose workers share the events of topics';
GRANT EXECUTE ON FUNCTION gymstream.create_group(text, regclass[], integer, text, integer, interval, interval, text, boolean) TO PUBLIC;

CREATE FUNCTION gymstream.drop_group(group_name text, if_exists boolean DEFAULT false) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_drop_group';
COMMENT ON FUNCTION gymstream.drop_group(text, boolean) IS 'drops a consumer group with its bookmarks and dead letters';
GRANT EXECUTE ON FUNCTION gymstream.drop_group(text, boolean) TO PUBLIC;

CREATE FUNCTION gymstream.alter_group(group_name text, partitions integer DEFAULT NULL, max_attempts integer DEFAULT NULL,
	retry_delay interval DEFAULT NULL, takeover interval DEFAULT NULL, reset text DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_alter_group';
COMMENT ON FUNCTION gymstream.alter_group(text, integer, integer, interval, interval, text) IS
	'changes a consumer group; what is null stays as it is';
GRANT EXECUTE ON FUNCTION gymstream.alter_group(text, integer, integer, interval, interval, text) TO PUBLIC;

CREATE FUNCTION gymstream.pause_group(group_name text) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_pause_group';
COMMENT ON FUNCTION gymstream.pause_group(text) IS 'lets polls of a consumer group give nothing until it is resumed';
GRANT EXECUTE ON FUNCTION gymstream.pause_group(text) TO PUBLIC;

CREATE FUNCTION gymstream.resume_group(group_name text) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_resume_group';
COMMENT ON FUNCTION gymstream.resume_group(text) IS 'lets a paused consumer group go on';
GRANT EXECUTE ON FUNCTION gymstream.resume_group(text) TO PUBLIC;

CREATE FUNCTION gymstream.seek_group(group_name text, target text, topic regclass DEFAULT NULL, dry_run boolean DEFAULT false,
	OUT topic_name regclass, OUT partition integer, OUT from_offset bigint, OUT to_offset bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_seek_group';
COMMENT ON FUNCTION gymstream.seek_group(text, text, regclass, boolean) IS
	'lets a consumer group go on at the earliest or latest event, at a position or at a time; shows each partition''s move';
GRANT EXECUTE ON FUNCTION gymstream.seek_group(text, text, regclass, boolean) TO PUBLIC;

CREATE FUNCTION gymstream.poll_group(group_name text, max_events integer DEFAULT 100,
	OUT topic regclass, OUT "position" gymstream.position, OUT key json, OUT event json, OUT commit_time timestamptz,
	OUT attempt integer, OUT partition integer)
	RETURNS SETOF record
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 100
	AS 'MODULE_PATHNAME', 'gs_poll_group';
COMMENT ON FUNCTION gymstream.poll_group(text, integer) IS
	'gives events that no other worker of the group has; the commit of the transaction acks them';
GRANT EXECUTE ON FUNCTION gymstream.poll_group(text, integer) TO PUBLIC;

CREATE PROCEDURE gymstream.wait_group(group_name text, timeout interval DEFAULT NULL)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'gs_wait_group';
COMMENT ON PROCEDURE gymstream.wait_group(text, interval) IS
	'returns when there may be something to poll, or the time is over; holds no snapshot meanwhile';
GRANT EXECUTE ON PROCEDURE gymstream.wait_group(text, interval) TO PUBLIC;

CREATE FUNCTION gymstream.reject_event(group_name text, topic regclass, "position" gymstream.position, reason text DEFAULT NULL)
	RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_reject_event';
COMMENT ON FUNCTION gymstream.reject_event(text, regclass, gymstream.position, text) IS
	'makes an event that this transaction has polled a dead letter';
GRANT EXECUTE ON FUNCTION gymstream.reject_event(text, regclass, gymstream.position, text) TO PUBLIC;

CREATE FUNCTION gymstream.release_event(group_name text, topic regclass, "position" gymstream.position, delay interval DEFAULT NULL)
	RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_release_event';
COMMENT ON FUNCTION gymstream.release_event(text, regclass, gymstream.position, interval) IS
	'lets an event that this transaction has polled come again later';
GRANT EXECUTE ON FUNCTION gymstream.release_event(text, regclass, gymstream.position, interval) TO PUBLIC;

CREATE FUNCTION gymstream.replay_events(group_name text, topic regclass DEFAULT NULL, "position" gymstream.position DEFAULT NULL,
	since timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_replay_events';
COMMENT ON FUNCTION gymstream.replay_events(text, regclass, gymstream.position, timestamptz) IS
	'lets dead letters be tried again: one, those since a time, or all; returns how many';
GRANT EXECUTE ON FUNCTION gymstream.replay_events(text, regclass, gymstream.position, timestamptz) TO PUBLIC;

CREATE FUNCTION gymstream.discard_events(group_name text, topic regclass DEFAULT NULL, "position" gymstream.position DEFAULT NULL,
	since timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_discard_events';
COMMENT ON FUNCTION gymstream.discard_events(text, regclass, gymstream.position, timestamptz) IS
	'throws dead letters away: one, those since a time, or all; returns how many';
GRANT EXECUTE ON FUNCTION gymstream.discard_events(text, regclass, gymstream.position, timestamptz) TO PUBLIC;

CREATE FUNCTION gymstream_internal.group_lag_rows(
	OUT group_id integer, OUT topic regclass, OUT partition integer, OUT claim bigint, OUT next bigint, OUT events bigint,
	OUT bytes bigint, OUT exact boolean, OUT oldest timestamptz, OUT lost bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_group_lag_rows';
COMMENT ON FUNCTION gymstream_internal.group_lag_rows() IS 'what the view gymstream.group_lag counts in the logs';
GRANT EXECUTE ON FUNCTION gymstream_internal.group_lag_rows() TO PUBLIC;

CREATE VIEW gymstream.group_lag AS
	SELECT d.name AS group_name, l.topic, l.partition, l.next AS next_offset, l.events, l.bytes, l.exact, l.lost, l.oldest,
		extract(epoch FROM clock_timestamp() - l.oldest)::double precision AS seconds, c.pid AS owner,
		coalesce(e.waiting, 0) AS waiting, coalesce(e.attempts, 0) AS attempts, e.due, coalesce(e.dead, 0) AS dead
	FROM gymstream_internal.group_lag_rows() l
		JOIN gymstream_internal.group_definition d ON d.id = l.group_id
		LEFT JOIN (SELECT classid, objid, min(pid) AS pid FROM pg_catalog.pg_locks
			WHERE locktype = 'advisory' AND objsubid = 7 AND granted
				AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
			GROUP BY classid, objid) c ON c.classid = d.id::oid AND c.objid = l.claim::oid
		LEFT JOIN (SELECT v.group_id, v.topic, (v.key_hash % g.partitions)::integer AS partition,
				count(*) FILTER (WHERE NOT v.dead) AS waiting, max(v.attempts) FILTER (WHERE NOT v.dead) AS attempts,
				min(v.due) FILTER (WHERE NOT v.dead AND v.attempts > 0) AS due, count(*) FILTER (WHERE v.dead) AS dead
			FROM gymstream_internal.group_event v JOIN gymstream_internal.group_definition g ON g.id = v.group_id
			GROUP BY 1, 2, 3) e ON e.group_id = l.group_id AND e.topic = l.topic::oid AND e.partition = l.partition;
COMMENT ON VIEW gymstream.group_lag IS 'what consumer groups have not done yet, by topic and partition';
COMMENT ON COLUMN gymstream.group_lag.group_name IS 'the group';
COMMENT ON COLUMN gymstream.group_lag.topic IS 'the table or rollup';
COMMENT ON COLUMN gymstream.group_lag.partition IS 'the partition, from 0';
COMMENT ON COLUMN gymstream.group_lag.next_offset IS 'the offset with which the partition goes on';
COMMENT ON COLUMN gymstream.group_lag.events IS 'events that are not acked, without those that wait';
COMMENT ON COLUMN gymstream.group_lag.bytes IS 'their size as JSON';
COMMENT ON COLUMN gymstream.group_lag.exact IS 'false: too many were behind to be counted, and the rest is estimated';
COMMENT ON COLUMN gymstream.group_lag.lost IS
	'about how many events the topic''s retention has dropped that the partition had not polled; the next poll does what the group''s reset says, and forgets them';
COMMENT ON COLUMN gymstream.group_lag.oldest IS 'when the oldest of them was committed';
COMMENT ON COLUMN gymstream.group_lag.seconds IS 'how long ago that is';
COMMENT ON COLUMN gymstream.group_lag.owner IS 'the process that has the partition; null: nobody, or a prepared transaction';
COMMENT ON COLUMN gymstream.group_lag.waiting IS 'events that were set aside and will be tried again';
COMMENT ON COLUMN gymstream.group_lag.attempts IS 'the most failed attempts of one of them';
COMMENT ON COLUMN gymstream.group_lag.due IS 'when one that failed is tried again';
COMMENT ON COLUMN gymstream.group_lag.dead IS 'dead letters';
GRANT SELECT ON gymstream.group_lag TO PUBLIC;

CREATE VIEW gymstream.groups AS
	SELECT d.name AS group_name, d.owner, t.topics, d.partitions, d.paused, d.max_attempts,
		d.retry_ms * interval '1 millisecond' AS retry_delay,
		CASE WHEN d.takeover_ms > 0 THEN d.takeover_ms * interval '1 millisecond' END AS takeover, d.reset, d.created,
		coalesce(l.events, 0) AS events, coalesce(l.most, 0) AS most_events, l.oldest,
		coalesce(l.waiting, 0) AS waiting, coalesce(l.dead, 0) AS dead, coalesce(l.lost, 0) AS lost,
		CASE WHEN t.missing IS NOT NULL THEN format('no topic any more: %s', t.missing)
			WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = d.owner::oid)
				THEN 'its owner is no role any more: only a superuser can use it or drop it'
			WHEN l.lost > 0 THEN format('events dropped by retention before it had polled them: about %s', l.lost)
			WHEN l.dead > 0 THEN format('dead letters: %s, shown by gymstream.dead_letter', l.dead) END AS problem
	FROM gymstream_internal.group_definition d
		LEFT JOIN (SELECT m.group_id, array_agg(m.topic ORDER BY m.number) AS topics,
				string_agg(m.topic::text, ', ' ORDER BY m.number) FILTER (WHERE k.relation IS NULL) AS missing
			FROM gymstream_internal.group_topic m LEFT JOIN gymstream_internal.topic k ON k.relation = m.topic
			GROUP BY 1) t ON t.group_id = d.id
		LEFT JOIN (SELECT group_name, sum(events)::bigint AS events, max(events) AS most, min(oldest) AS oldest,
				sum(waiting)::bigint AS waiting, sum(dead)::bigint AS dead, sum(lost)::bigint AS lost
			FROM gymstream.group_lag GROUP BY 1) l ON l.group_name = d.name;
COMMENT ON VIEW gymstream.groups IS 'each consumer group';
COMMENT ON COLUMN gymstream.groups.group_name IS 'the group''s name';
COMMENT ON COLUMN gymstream.groups.owner IS 'whose it is: members of this role use it';
COMMENT ON COLUMN gymstream.groups.topics IS 'the tables and rollups whose events it shares';
COMMENT ON COLUMN gymstream.groups.partitions IS 'how many workers can share a topic';
COMMENT ON COLUMN gymstream.groups.paused IS 'polls give nothing';
COMMENT ON COLUMN gymstream.groups.max_attempts IS 'after so many an event is a dead letter';
COMMENT ON COLUMN gymstream.groups.retry_delay IS 'the pause before the second attempt; twice as long each time';
COMMENT ON COLUMN gymstream.groups.takeover IS 'how long a worker may be silent in a transaction; null: as long as it likes';
COMMENT ON COLUMN gymstream.groups.reset IS 'where it goes on when events that it had not polled are gone';
COMMENT ON COLUMN gymstream.groups.created IS 'when the group was created';
COMMENT ON COLUMN gymstream.groups.events IS 'events that are not acked';
COMMENT ON COLUMN gymstream.groups.most_events IS 'the same of the partition that has most: a stuck one shows here, and not in a sum';
COMMENT ON COLUMN gymstream.groups.oldest IS 'when the oldest of them was committed';
COMMENT ON COLUMN gymstream.groups.waiting IS 'events that were set aside and will be tried again';
COMMENT ON COLUMN gymstream.groups.dead IS 'dead letters';
COMMENT ON COLUMN gymstream.groups.lost IS
	'about how many events the topics'' retention has dropped that the group had not polled, until its next poll';
COMMENT ON COLUMN gymstream.groups.problem IS 'what is wrong with it';
GRANT SELECT ON gymstream.groups TO PUBLIC;

CREATE VIEW gymstream.dead_letter WITH (security_barrier) AS
	SELECT d.name AS group_name, e.topic::regclass AS topic, e."position", e.key::json AS key, e.event::json AS event,
		e.commit_time, e.attempts, e.cause, e.since
	FROM gymstream_internal.group_event e JOIN gymstream_internal.group_definition d ON d.id = e.group_id
	WHERE e.dead AND pg_catalog.pg_has_role(d.owner::oid, 'USAGE')
		AND pg_catalog.has_table_privilege(e.topic, 'SELECT')
		AND NOT pg_catalog.row_security_active(e.topic);
COMMENT ON VIEW gymstream.dead_letter IS
	'events that groups have given up: those of the groups of your roles, on topics that you may read';
COMMENT ON COLUMN gymstream.dead_letter.group_name IS 'the group';
COMMENT ON COLUMN gymstream.dead_letter.topic IS 'the table or rollup';
COMMENT ON COLUMN gymstream.dead_letter."position" IS 'where the event stands';
COMMENT ON COLUMN gymstream.dead_letter.key IS 'its key';
COMMENT ON COLUMN gymstream.dead_letter.event IS 'the event';
COMMENT ON COLUMN gymstream.dead_letter.commit_time IS 'when it was committed';
COMMENT ON COLUMN gymstream.dead_letter.attempts IS 'how many have failed';
COMMENT ON COLUMN gymstream.dead_letter.cause IS 'why it was given up';
COMMENT ON COLUMN gymstream.dead_letter.since IS 'when it was given up';
GRANT SELECT ON gymstream.dead_letter TO PUBLIC;

------------------------------------------------------------------------------------------------------------------------
-- Publications of all tables have those of gymstream too, and their subscribers need not: decoding passes over them.
------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION gymstream_internal.skip_row() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_skip_row';
COMMENT ON FUNCTION gymstream_internal.skip_row() IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.rollup
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.rollup ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.rollup IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.uncounted
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.uncounted ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.uncounted IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.epoch
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.epoch ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.epoch IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.segment
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.segment ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.segment IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.group_definition
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.group_definition ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.group_definition IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.group_topic
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.group_topic ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.group_topic IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.group_bookmark
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.group_bookmark ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.group_bookmark IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.group_layout
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.group_layout ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.group_layout IS 'skips rows that a subscription to all tables copies from another server';
CREATE TRIGGER skip_row BEFORE INSERT ON gymstream_internal.group_event
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.skip_row();
ALTER TABLE gymstream_internal.group_event ENABLE ALWAYS TRIGGER skip_row;
COMMENT ON TRIGGER skip_row ON gymstream_internal.group_event IS 'skips rows that a subscription to all tables copies from another server';

SELECT gymstream_internal.renew_rollups();
