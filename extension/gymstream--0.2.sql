\echo Use "CREATE EXTENSION gymstream" to load this file. \quit

-- The schemas are the extension's own. One that is there already may hold functions of its owner's, which would then be called
-- with the rights of whoever writes or reads a rollup, and its owner could drop it with all that is in it.
DO $$
DECLARE
	taken text := (SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname IN ('gymstream', 'gymstream_internal')
		ORDER BY nspname LIMIT 1);
BEGIN
	IF taken IS NOT NULL THEN
		RAISE EXCEPTION 'schema "%" already exists', taken USING
			ERRCODE = 'duplicate_schema',
			DETAIL = 'The extension gymstream makes this schema. Objects that somebody else has put there would be called with the rights of other users.',
			HINT = pg_catalog.format('Look at what the schema holds. Then run DROP SCHEMA %I or ALTER SCHEMA %I RENAME TO ..., and run CREATE EXTENSION again.', taken, taken);
	END IF;
END
$$;

CREATE SCHEMA gymstream;
COMMENT ON SCHEMA gymstream IS 'rollups, change events and notifications: what people call';
GRANT USAGE ON SCHEMA gymstream TO PUBLIC;

-- The views and triggers of rollups call what is in here with the rights of whoever reads or writes.
CREATE SCHEMA gymstream_internal;
COMMENT ON SCHEMA gymstream_internal IS 'what rollups and topics are made of: not to be called by people, and free to change';
GRANT USAGE ON SCHEMA gymstream_internal TO PUBLIC;

------------------------------------------------------------------------------------------------------------------------
-- Catalogs. The output plugin reads them while it decodes: they are user catalogs, and written by C functions only.
------------------------------------------------------------------------------------------------------------------------

CREATE TABLE gymstream_internal.rollup (
	rollup		regclass NOT NULL PRIMARY KEY,
	definition	regclass NOT NULL UNIQUE,
	partials	regclass NOT NULL UNIQUE,
	created		timestamptz NOT NULL DEFAULT now()
) WITH (user_catalog_table = true);
COMMENT ON TABLE gymstream_internal.rollup IS
	'each rollup and the relations it is made of, as its triggers say; not dumped';
COMMENT ON COLUMN gymstream_internal.rollup.rollup IS 'the view that users read';
COMMENT ON COLUMN gymstream_internal.rollup.definition IS 'a view with the query the rollup was made from';
COMMENT ON COLUMN gymstream_internal.rollup.partials IS 'the table that holds parts of each group''s state';
COMMENT ON COLUMN gymstream_internal.rollup.created IS 'when the rollup was created, or restored';
GRANT SELECT ON gymstream_internal.rollup TO PUBLIC;

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

CREATE TABLE gymstream_internal.topic (
	relation	regclass NOT NULL PRIMARY KEY,
	channel		text NOT NULL UNIQUE,
	notify		text NOT NULL CHECK (notify IN ('position', 'key', 'row', 'none')),
	created		timestamptz NOT NULL DEFAULT now(),
	retain		interval NOT NULL DEFAULT '1 day' CHECK (retain >= '0'),
	retain_bytes	bigint CHECK (retain_bytes > 0),
	key_columns		name[],
	channel_columns	name[]
) WITH (user_catalog_table = true, fillfactor = 50);
COMMENT ON TABLE gymstream_internal.topic IS 'each table or rollup whose changes are published';
COMMENT ON COLUMN gymstream_internal.topic.relation IS 'the table or rollup';
COMMENT ON COLUMN gymstream_internal.topic.channel IS 'the channel to LISTEN on';
COMMENT ON COLUMN gymstream_internal.topic.notify IS 'what a notification carries: position, key or row; none: there are none';
COMMENT ON COLUMN gymstream_internal.topic.created IS 'when the topic was created';
COMMENT ON COLUMN gymstream_internal.topic.retain IS 'how long events are kept at least, to be read later; 0: not at all';
COMMENT ON COLUMN gymstream_internal.topic.retain_bytes IS 'how many bytes of events are kept at most; null: no limit';
COMMENT ON COLUMN gymstream_internal.topic.key_columns IS 'columns of an event''s key; null: primary key, replica identity, or a rollup''s keys';
COMMENT ON COLUMN gymstream_internal.topic.channel_columns IS 'columns by whose values there are channels; null: the topic has one channel';
GRANT SELECT ON gymstream_internal.topic TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gymstream_internal.topic', '');

------------------------------------------------------------------------------------------------------------------------
-- numeric_sum: an exact sum of numerics, from which values can be taken away again
------------------------------------------------------------------------------------------------------------------------

CREATE TYPE gymstream_internal.numeric_sum;
CREATE FUNCTION gymstream_internal.numeric_sum_in(cstring) RETURNS gymstream_internal.numeric_sum
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_numeric_sum_in';
CREATE FUNCTION gymstream_internal.numeric_sum_out(gymstream_internal.numeric_sum) RETURNS cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_numeric_sum_out';
CREATE TYPE gymstream_internal.numeric_sum (
	INPUT = gymstream_internal.numeric_sum_in, OUTPUT = gymstream_internal.numeric_sum_out,
	INTERNALLENGTH = VARIABLE, ALIGNMENT = double, STORAGE = extended);
COMMENT ON TYPE gymstream_internal.numeric_sum IS 'sum of numerics, and how many of them have each display scale; values can be taken away';
COMMENT ON FUNCTION gymstream_internal.numeric_sum_in(cstring) IS 'I/O';
COMMENT ON FUNCTION gymstream_internal.numeric_sum_out(gymstream_internal.numeric_sum) IS 'I/O';

CREATE FUNCTION gymstream_internal.numeric_sum_add(gymstream_internal.numeric_sum, gymstream_internal.numeric_sum) RETURNS gymstream_internal.numeric_sum
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_numeric_sum_add';
COMMENT ON FUNCTION gymstream_internal.numeric_sum_add(gymstream_internal.numeric_sum, gymstream_internal.numeric_sum) IS 'both sums as one';
CREATE FUNCTION gymstream_internal.numeric_sum_accumulate(gymstream_internal.numeric_sum, numeric) RETURNS gymstream_internal.numeric_sum
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_numeric_sum_accumulate';
COMMENT ON FUNCTION gymstream_internal.numeric_sum_accumulate(gymstream_internal.numeric_sum, numeric) IS 'the sum with one value more';
CREATE FUNCTION gymstream_internal.numeric_sum_total(gymstream_internal.numeric_sum) RETURNS numeric
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_numeric_sum_total';
COMMENT ON FUNCTION gymstream_internal.numeric_sum_total(gymstream_internal.numeric_sum) IS 'what sum() gives for the values; null for none';
CREATE FUNCTION gymstream_internal.numeric_sum_average(gymstream_internal.numeric_sum) RETURNS numeric
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_numeric_sum_average';
COMMENT ON FUNCTION gymstream_internal.numeric_sum_average(gymstream_internal.numeric_sum) IS 'what avg() gives for the values; null for none';

CREATE AGGREGATE gymstream_internal.numeric_sum_agg(numeric) (
	SFUNC = gymstream_internal.numeric_sum_accumulate, STYPE = gymstream_internal.numeric_sum,
	INITCOND = '{"sum":0,"count":0,"scales":{}}', COMBINEFUNC = gymstream_internal.numeric_sum_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.numeric_sum_agg(numeric) IS 'sum of values as gymstream_internal.numeric_sum';
CREATE AGGREGATE gymstream_internal.numeric_sum_merge(gymstream_internal.numeric_sum) (
	SFUNC = gymstream_internal.numeric_sum_add, STYPE = gymstream_internal.numeric_sum,
	COMBINEFUNC = gymstream_internal.numeric_sum_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.numeric_sum_merge(gymstream_internal.numeric_sum) IS 'all sums as one';

CREATE AGGREGATE gymstream_internal.total(bigint) (
	SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.total(bigint) IS 'sum of bigints as bigint; error when it is out of range';

CREATE FUNCTION gymstream_internal.keep(anyelement, anyelement) RETURNS anyelement
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_keep';
COMMENT ON FUNCTION gymstream_internal.keep(anyelement, anyelement) IS 'the first of two values';
CREATE AGGREGATE gymstream_internal.sole(anyelement) (
	SFUNC = gymstream_internal.keep, STYPE = anyelement, COMBINEFUNC = gymstream_internal.keep, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.sole(anyelement) IS 'the value that is not null, of which there is one at most';

------------------------------------------------------------------------------------------------------------------------
-- float_sum: an exact sum of floating point numbers, or of products of two, from which values can be taken away again
------------------------------------------------------------------------------------------------------------------------

CREATE TYPE gymstream_internal.float_sum;
CREATE FUNCTION gymstream_internal.float_sum_in(cstring) RETURNS gymstream_internal.float_sum
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_float_sum_in';
CREATE FUNCTION gymstream_internal.float_sum_out(gymstream_internal.float_sum) RETURNS cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_float_sum_out';
CREATE TYPE gymstream_internal.float_sum (
	INPUT = gymstream_internal.float_sum_in, OUTPUT = gymstream_internal.float_sum_out,
	INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);
COMMENT ON TYPE gymstream_internal.float_sum IS 'exact sum of floating point numbers or of their products; values can be taken away';
COMMENT ON FUNCTION gymstream_internal.float_sum_in(cstring) IS 'I/O';
COMMENT ON FUNCTION gymstream_internal.float_sum_out(gymstream_internal.float_sum) IS 'I/O';

CREATE FUNCTION gymstream_internal.float_sum_add(gymstream_internal.float_sum, gymstream_internal.float_sum) RETURNS gymstream_internal.float_sum
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_float_sum_add';
COMMENT ON FUNCTION gymstream_internal.float_sum_add(gymstream_internal.float_sum, gymstream_internal.float_sum) IS 'both sums as one';
CREATE FUNCTION gymstream_internal.float_sum_accumulate(gymstream_internal.float_sum, double precision) RETURNS gymstream_internal.float_sum
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_float_sum_accumulate';
COMMENT ON FUNCTION gymstream_internal.float_sum_accumulate(gymstream_internal.float_sum, double precision) IS 'the sum with one value more';
CREATE FUNCTION gymstream_internal.float_sum_accumulate(gymstream_internal.float_sum, double precision, double precision)
	RETURNS gymstream_internal.float_sum
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_float_sum_accumulate_product';
COMMENT ON FUNCTION gymstream_internal.float_sum_accumulate(gymstream_internal.float_sum, double precision, double precision) IS
	'the sum with one product more';
CREATE FUNCTION gymstream_internal.float_sum_total(gymstream_internal.float_sum) RETURNS double precision
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_float_sum_total';
COMMENT ON FUNCTION gymstream_internal.float_sum_total(gymstream_internal.float_sum) IS 'the sum, rounded once';
CREATE FUNCTION gymstream_internal.float_sum_total_real(gymstream_internal.float_sum) RETURNS real
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_float_sum_total_real';
COMMENT ON FUNCTION gymstream_internal.float_sum_total_real(gymstream_internal.float_sum) IS 'the sum, rounded once, to real';
CREATE FUNCTION gymstream_internal.float_sum_average(gymstream_internal.float_sum, n bigint) RETURNS double precision
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_float_sum_average';
COMMENT ON FUNCTION gymstream_internal.float_sum_average(gymstream_internal.float_sum, bigint) IS 'the average of n values; null for none';

CREATE AGGREGATE gymstream_internal.float_sum_agg(double precision) (
	SFUNC = gymstream_internal.float_sum_accumulate, STYPE = gymstream_internal.float_sum,
	INITCOND = '{"sum":0,"exact":"0x0p0"}', COMBINEFUNC = gymstream_internal.float_sum_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.float_sum_agg(double precision) IS 'sum of values as gymstream_internal.float_sum';
CREATE AGGREGATE gymstream_internal.float_sum_agg(double precision, double precision) (
	SFUNC = gymstream_internal.float_sum_accumulate, STYPE = gymstream_internal.float_sum,
	INITCOND = '{"sum":0,"exact":"0x0p0"}', COMBINEFUNC = gymstream_internal.float_sum_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.float_sum_agg(double precision, double precision) IS
	'sum of products of two values as gymstream_internal.float_sum';
CREATE AGGREGATE gymstream_internal.float_sum_merge(gymstream_internal.float_sum) (
	SFUNC = gymstream_internal.float_sum_add, STYPE = gymstream_internal.float_sum,
	COMBINEFUNC = gymstream_internal.float_sum_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.float_sum_merge(gymstream_internal.float_sum) IS 'all sums as one';

------------------------------------------------------------------------------------------------------------------------
-- bit_counts: the numbers of integers that have each bit set, from which values can be taken away again
------------------------------------------------------------------------------------------------------------------------

CREATE TYPE gymstream_internal.bit_counts;
CREATE FUNCTION gymstream_internal.bit_counts_in(cstring) RETURNS gymstream_internal.bit_counts
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_bit_counts_in';
CREATE FUNCTION gymstream_internal.bit_counts_out(gymstream_internal.bit_counts) RETURNS cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_bit_counts_out';
CREATE TYPE gymstream_internal.bit_counts (
	INPUT = gymstream_internal.bit_counts_in, OUTPUT = gymstream_internal.bit_counts_out,
	INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);
COMMENT ON TYPE gymstream_internal.bit_counts IS
	'for each bit, from the lowest on, the number of integers that have it set; the last number is for all higher bits; values can be taken away';
COMMENT ON FUNCTION gymstream_internal.bit_counts_in(cstring) IS 'I/O';
COMMENT ON FUNCTION gymstream_internal.bit_counts_out(gymstream_internal.bit_counts) IS 'I/O';

CREATE FUNCTION gymstream_internal.bit_counts_add(gymstream_internal.bit_counts, gymstream_internal.bit_counts) RETURNS gymstream_internal.bit_counts
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_bit_counts_add';
COMMENT ON FUNCTION gymstream_internal.bit_counts_add(gymstream_internal.bit_counts, gymstream_internal.bit_counts) IS 'both counts as one';
CREATE FUNCTION gymstream_internal.bit_counts_accumulate(gymstream_internal.bit_counts, bigint) RETURNS gymstream_internal.bit_counts
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_bit_counts_accumulate';
COMMENT ON FUNCTION gymstream_internal.bit_counts_accumulate(gymstream_internal.bit_counts, bigint) IS 'the counts with one value more';
CREATE FUNCTION gymstream_internal.bit_counts_or(gymstream_internal.bit_counts) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_bit_counts_or';
COMMENT ON FUNCTION gymstream_internal.bit_counts_or(gymstream_internal.bit_counts) IS 'the bits that are set in any value';
CREATE FUNCTION gymstream_internal.bit_counts_and(gymstream_internal.bit_counts, n bigint) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_bit_counts_and';
COMMENT ON FUNCTION gymstream_internal.bit_counts_and(gymstream_internal.bit_counts, bigint) IS 'the bits that are set in n values: in all';

CREATE AGGREGATE gymstream_internal.bit_counts_agg(bigint) (
	SFUNC = gymstream_internal.bit_counts_accumulate, STYPE = gymstream_internal.bit_counts,
	INITCOND = '[]', COMBINEFUNC = gymstream_internal.bit_counts_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.bit_counts_agg(bigint) IS 'counts of values as gymstream_internal.bit_counts';
CREATE AGGREGATE gymstream_internal.bit_counts_merge(gymstream_internal.bit_counts) (
	SFUNC = gymstream_internal.bit_counts_add, STYPE = gymstream_internal.bit_counts,
	COMBINEFUNC = gymstream_internal.bit_counts_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.bit_counts_merge(gymstream_internal.bit_counts) IS 'all counts as one';

------------------------------------------------------------------------------------------------------------------------
-- What is made of counts and sums
------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION gymstream_internal.statistic(name text, n bigint, sum numeric, squares numeric) RETURNS numeric
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_statistic_numeric';
COMMENT ON FUNCTION gymstream_internal.statistic(text, bigint, numeric, numeric) IS
	'variance or standard deviation, to the digit that the server''s own gives';
CREATE FUNCTION gymstream_internal.statistic(name text, n bigint, x gymstream_internal.float_sum, xx gymstream_internal.float_sum)
	RETURNS double precision
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_statistic_float';
COMMENT ON FUNCTION gymstream_internal.statistic(text, bigint, gymstream_internal.float_sum, gymstream_internal.float_sum) IS
	'variance or standard deviation, rounded once';
CREATE FUNCTION gymstream_internal.statistic(name text, n bigint, x gymstream_internal.float_sum, xx gymstream_internal.float_sum,
	y gymstream_internal.float_sum, yy gymstream_internal.float_sum, xy gymstream_internal.float_sum) RETURNS double precision
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_statistic_float';
COMMENT ON FUNCTION gymstream_internal.statistic(text, bigint, gymstream_internal.float_sum, gymstream_internal.float_sum, gymstream_internal.float_sum,
	gymstream_internal.float_sum, gymstream_internal.float_sum) IS
	'covariance, correlation or regression, rounded once; sums that it does not need may be null';

CREATE FUNCTION gymstream_internal.interval_months(interval) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_interval_months';
COMMENT ON FUNCTION gymstream_internal.interval_months(interval) IS 'the months of an interval, years included; 0 for an infinite one';
CREATE FUNCTION gymstream_internal.interval_days(interval) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_interval_days';
COMMENT ON FUNCTION gymstream_internal.interval_days(interval) IS 'the days of an interval; 0 for an infinite one';
CREATE FUNCTION gymstream_internal.microseconds_accumulate(gymstream_internal.float_sum, interval) RETURNS gymstream_internal.float_sum
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_microseconds_accumulate';
COMMENT ON FUNCTION gymstream_internal.microseconds_accumulate(gymstream_internal.float_sum, interval) IS
	'the sum with the microseconds of one interval more, or an infinity';
CREATE AGGREGATE gymstream_internal.microseconds_agg(interval) (
	SFUNC = gymstream_internal.microseconds_accumulate, STYPE = gymstream_internal.float_sum,
	INITCOND = '{"sum":0,"exact":"0x0p0"}', COMBINEFUNC = gymstream_internal.float_sum_add, PARALLEL = SAFE);
COMMENT ON AGGREGATE gymstream_internal.microseconds_agg(interval) IS 'sum of the microseconds of intervals as gymstream_internal.float_sum';
CREATE FUNCTION gymstream_internal.interval_total(months bigint, days bigint, microseconds gymstream_internal.float_sum) RETURNS interval
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_interval_total';
COMMENT ON FUNCTION gymstream_internal.interval_total(bigint, bigint, gymstream_internal.float_sum) IS 'what sum() gives for the intervals';
CREATE FUNCTION gymstream_internal.interval_average(months bigint, days bigint, microseconds gymstream_internal.float_sum, n bigint)
	RETURNS interval
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_interval_average';
COMMENT ON FUNCTION gymstream_internal.interval_average(bigint, bigint, gymstream_internal.float_sum, bigint) IS
	'what avg() gives for n intervals; null for none';
CREATE FUNCTION gymstream_internal.money_units(money) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_money_units';
COMMENT ON FUNCTION gymstream_internal.money_units(money) IS 'money in its smallest unit';
CREATE FUNCTION gymstream_internal.money_total(numeric) RETURNS money
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_money_total';
COMMENT ON FUNCTION gymstream_internal.money_total(numeric) IS 'a number of the smallest unit as money';

------------------------------------------------------------------------------------------------------------------------
-- Rollups
------------------------------------------------------------------------------------------------------------------------

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

CREATE FUNCTION gymstream.rebuild_rollup(rollup regclass) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_rebuild_rollup';
COMMENT ON FUNCTION gymstream.rebuild_rollup(regclass) IS
	'computes a rollup anew from its source; writers of the source wait until the transaction ends';

CREATE FUNCTION gymstream.fold_rollup(rollup regclass) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_fold_rollup';
COMMENT ON FUNCTION gymstream.fold_rollup(regclass) IS
	'makes one partial of the several that a group may have, and leaves out partials that somebody holds; returns the number of groups that it has folded';
CREATE FUNCTION gymstream.event_key(of_row record) RETURNS json
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_event_key';
COMMENT ON FUNCTION gymstream.event_key(record) IS
	'the key by which events name the group of a row of a rollup; null where the row does not show it';

CREATE FUNCTION gymstream_internal.rollup_query(rollup regclass) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_rollup_query';
COMMENT ON FUNCTION gymstream_internal.rollup_query(regclass) IS
	'the query that a rollup equals, with exact sums of floating point numbers; null if it is not a rollup';

CREATE FUNCTION gymstream_internal.key_image(VARIADIC keys "any") RETURNS bytea
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_key_image';
COMMENT ON FUNCTION gymstream_internal.key_image("any") IS
	'a group''s keys to the last bit: tells equal ones apart where they differ, as 1.0 and 1.00 do';
CREATE FUNCTION gymstream_internal.rollup_stray_keys(rollup regclass) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'gs_rollup_stray_keys';
COMMENT ON FUNCTION gymstream_internal.rollup_stray_keys(regclass) IS
	'the query for rows of a rollup with keys that no row of its source has; null where equal keys are identical, and for those who may not read the source';

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

CREATE FUNCTION gymstream_internal.rollup_source(rollup regclass) RETURNS regclass
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'gs_rollup_source';
COMMENT ON FUNCTION gymstream_internal.rollup_source(regclass) IS 'the table that a rollup reads';
CREATE FUNCTION gymstream_internal.rollup_definition(rollup regclass) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'gs_rollup_definition';
COMMENT ON FUNCTION gymstream_internal.rollup_definition(regclass) IS
	'the query that a rollup was made from; null if it is not a rollup, or none any more';
CREATE FUNCTION gymstream_internal.count_rollup(rollup regclass, exact_up_to bigint DEFAULT NULL,
	OUT groups bigint, OUT partials bigint, OUT marked bigint)
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'gs_count_rollup';
COMMENT ON FUNCTION gymstream_internal.count_rollup(regclass, bigint) IS
	'counts groups, partials and marked groups, for those who may read the rollup; partials of more bytes are estimated';

CREATE FUNCTION gymstream_internal.rollup_problem(rollup regclass) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'gs_rollup_problem';
COMMENT ON FUNCTION gymstream_internal.rollup_problem(regclass) IS
	'what a rollup lacks to be exact and readable, and what to do; null when all is well';

CREATE VIEW gymstream.rollups AS
	SELECT r.rollup, gymstream_internal.rollup_source(r.rollup) AS source, c.relowner::regrole AS owner,
		gymstream_internal.rollup_definition(r.rollup) AS definition, n.groups, n.partials, n.marked,
		pg_catalog.pg_total_relation_size(r.partials) AS size, r.created, gymstream_internal.rollup_problem(r.rollup) AS problem
	FROM gymstream_internal.rollup r JOIN pg_catalog.pg_class c ON c.oid = r.rollup,
		LATERAL gymstream_internal.count_rollup(r.rollup, 1048576) n;
COMMENT ON VIEW gymstream.rollups IS 'a row for each rollup; cheap to read, however large the rollups are';
COMMENT ON COLUMN gymstream.rollups.rollup IS 'the view that users read';
COMMENT ON COLUMN gymstream.rollups.source IS 'the table that the rollup reads';
COMMENT ON COLUMN gymstream.rollups.owner IS 'who owns the rollup';
COMMENT ON COLUMN gymstream.rollups.definition IS 'the query that the rollup equals';
COMMENT ON COLUMN gymstream.rollups.groups IS
	'number of groups; an estimate where the partials have more than 1 MB';
COMMENT ON COLUMN gymstream.rollups.partials IS
	'number of partials, one for each group that is not busy; an estimate where the partials have more than 1 MB';
COMMENT ON COLUMN gymstream.rollups.marked IS
	'number of groups that are computed from the source when read; null where the partials have more than 1 MB';
COMMENT ON COLUMN gymstream.rollups.size IS 'bytes of the partials with their indexes';
COMMENT ON COLUMN gymstream.rollups.created IS 'when the rollup was created';
COMMENT ON COLUMN gymstream.rollups.problem IS 'what may make the rollup inexact or unreadable, and what to do; null when all is well';
GRANT SELECT ON gymstream.rollups TO PUBLIC;

CREATE FUNCTION gymstream_internal.progress() RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE COST 0.0001 AS 'MODULE_PATHNAME', 'gs_progress';
COMMENT ON FUNCTION gymstream_internal.progress() IS 'true; counts the rows of a source while a rollup is filled from them';
CREATE FUNCTION gymstream_internal.create_progress_rows(
	OUT pid integer, OUT rollup regclass, OUT source regclass, OUT rows_read bigint, OUT rows_total bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'gs_create_progress';
COMMENT ON FUNCTION gymstream_internal.create_progress_rows() IS 'what the view gymstream.progress_create_rollup shows';
CREATE VIEW gymstream.progress_create_rollup AS SELECT * FROM gymstream_internal.create_progress_rows();
COMMENT ON VIEW gymstream.progress_create_rollup IS
	'the progress of rollups that are being filled from their source: in your own sessions, or in all for pg_read_all_stats';
COMMENT ON COLUMN gymstream.progress_create_rollup.pid IS 'the session''s process';
COMMENT ON COLUMN gymstream.progress_create_rollup.rollup IS 'the rollup; a number as long as it is not committed';
COMMENT ON COLUMN gymstream.progress_create_rollup.source IS 'the table that is read';
COMMENT ON COLUMN gymstream.progress_create_rollup.rows_read IS
	'rows read so far; once all are read and grouped, pg_stat_progress_create_index shows the making of the index';
COMMENT ON COLUMN gymstream.progress_create_rollup.rows_total IS 'estimated number of rows';
GRANT SELECT ON gymstream.progress_create_rollup TO PUBLIC;

CREATE FUNCTION gymstream_internal.key_hash(VARIADIC keys "any") RETURNS integer
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gs_key_hash';
COMMENT ON FUNCTION gymstream_internal.key_hash("any") IS
	'hash of a group''s keys, alike for equal ones: indexes on partials whose keys have no place in a btree are on it';

-- What the triggers call runs with the rights of whoever writes the source: everyone's.
CREATE FUNCTION gymstream_internal.collect(partials regclass, tableoid oid, VARIADIC columns "any") RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_collect';
COMMENT ON FUNCTION gymstream_internal.collect(regclass, oid, "any") IS 'in the WHEN of a rollup''s row triggers: collects a change';
CREATE FUNCTION gymstream_internal.collect(partials regclass, tableoid oid) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_collect';
COMMENT ON FUNCTION gymstream_internal.collect(regclass, oid) IS
	'in the WHEN of a rollup''s row triggers: collects a change of a rollup that reads no column';
CREATE FUNCTION gymstream_internal.flush(partials regclass) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_flush';
COMMENT ON FUNCTION gymstream_internal.flush(regclass) IS
	'in the WHEN of a rollup''s statement trigger: applies what the statement collected';
CREATE FUNCTION gymstream_internal.truncated(partials regclass) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_truncated';
COMMENT ON FUNCTION gymstream_internal.truncated(regclass) IS
	'in the WHEN of a rollup''s truncate trigger: empties the rollup with its source';
CREATE FUNCTION gymstream_internal.truncating(partials regclass) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_truncating';
COMMENT ON FUNCTION gymstream_internal.truncating(regclass) IS
	'in the WHEN of a rollup''s trigger before a truncate: says which rollup it is of; true';
CREATE FUNCTION gymstream_internal.flush_pending() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_flush_pending';
COMMENT ON FUNCTION gymstream_internal.flush_pending() IS
	'the function of a rollup''s triggers: applies what was collected where no statement trigger has';

CREATE FUNCTION gymstream_internal.guard_partials() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_guard_partials';
COMMENT ON FUNCTION gymstream_internal.guard_partials() IS
	'the function of the triggers on a rollup''s partials: refuses to let anybody but gymstream write them';
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

CREATE FUNCTION gymstream_internal.on_drop() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_on_drop';
COMMENT ON FUNCTION gymstream_internal.on_drop() IS 'takes away what belonged to a dropped rollup; refuses to drop a single part of a rollup';
-- CASCADE takes rollups away from nearly everything that can be dropped
CREATE EVENT TRIGGER gymstream_drop ON sql_drop EXECUTE FUNCTION gymstream_internal.on_drop();
ALTER EVENT TRIGGER gymstream_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER gymstream_drop IS 'takes away what belonged to a dropped rollup; refuses to drop a single part of a rollup';

-- Looks only at what the command has locked: the tables it altered, their partitions and parents.
CREATE FUNCTION gymstream_internal.on_ddl() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_on_ddl';
COMMENT ON FUNCTION gymstream_internal.on_ddl() IS
	'refuses what would let a rollup''s source change unseen; keeps rollups whole: one owner, triggers that always fire and are the only ones to collect, partials as they were made';
CREATE EVENT TRIGGER gymstream_ddl ON ddl_command_end
	WHEN tag IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE RULE', 'CREATE VIEW',
		'ALTER VIEW', 'CREATE SCHEMA', 'CREATE TRIGGER', 'ALTER TRIGGER', 'CREATE FUNCTION', 'CREATE INDEX')
	EXECUTE FUNCTION gymstream_internal.on_ddl();
ALTER EVENT TRIGGER gymstream_ddl ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER gymstream_ddl IS
	'refuses what would let a rollup''s source change unseen; keeps rollups whole: one owner, triggers that always fire and are the only ones to collect, partials as they were made';

CREATE FUNCTION gymstream_internal.before_partition() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_before_partition';
COMMENT ON FUNCTION gymstream_internal.before_partition() IS
	'takes the rows of a partition that is dropped out of rollups; refuses to detach one concurrently';
CREATE EVENT TRIGGER gymstream_before_partition ON ddl_command_start
	WHEN tag IN ('ALTER TABLE', 'ALTER TYPE', 'DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP EXTENSION', 'DROP ACCESS METHOD',
		'DROP FUNCTION', 'DROP ROUTINE', 'DROP PROCEDURE', 'DROP AGGREGATE', 'DROP LANGUAGE', 'DROP TYPE', 'DROP DOMAIN',
		'DROP COLLATION', 'DROP CAST', 'DROP OPERATOR', 'DROP OPERATOR CLASS', 'DROP OPERATOR FAMILY', 'DROP VIEW',
		'DROP MATERIALIZED VIEW', 'DROP FOREIGN TABLE', 'DROP SEQUENCE', 'DROP SERVER', 'DROP FOREIGN DATA WRAPPER')
	EXECUTE FUNCTION gymstream_internal.before_partition();
ALTER EVENT TRIGGER gymstream_before_partition ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER gymstream_before_partition IS
	'takes the rows of a partition that is dropped out of rollups; refuses to detach one concurrently';
CREATE FUNCTION gymstream_internal.on_partition() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_on_partition';
COMMENT ON FUNCTION gymstream_internal.on_partition() IS
	'takes the rows of a partition that is attached or detached into rollups or out of them';
CREATE EVENT TRIGGER gymstream_partition ON ddl_command_end
	WHEN tag IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA')
	EXECUTE FUNCTION gymstream_internal.on_partition();
ALTER EVENT TRIGGER gymstream_partition ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER gymstream_partition IS
	'takes the rows of a partition that is attached or detached into rollups or out of them';

CREATE FUNCTION gymstream_internal.on_drop_partition() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_on_drop_partition';
COMMENT ON FUNCTION gymstream_internal.on_drop_partition() IS
	'refuses to drop a partition in ways that do not name it, as long as it would be missed in a rollup';
-- the same tags as before_partition has, which says what there was
CREATE EVENT TRIGGER gymstream_drop_partition ON sql_drop
	WHEN tag IN ('ALTER TABLE', 'ALTER TYPE', 'DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP EXTENSION', 'DROP ACCESS METHOD',
		'DROP FUNCTION', 'DROP ROUTINE', 'DROP PROCEDURE', 'DROP AGGREGATE', 'DROP LANGUAGE', 'DROP TYPE', 'DROP DOMAIN',
		'DROP COLLATION', 'DROP CAST', 'DROP OPERATOR', 'DROP OPERATOR CLASS', 'DROP OPERATOR FAMILY', 'DROP VIEW',
		'DROP MATERIALIZED VIEW', 'DROP FOREIGN TABLE', 'DROP SEQUENCE', 'DROP SERVER', 'DROP FOREIGN DATA WRAPPER')
	EXECUTE FUNCTION gymstream_internal.on_drop_partition();
ALTER EVENT TRIGGER gymstream_drop_partition ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER gymstream_drop_partition IS
	'refuses to drop a partition in ways that do not name it, as long as it would be missed in a rollup';

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
-- Topics. Anyone may call these functions: they check that the caller owns the relation.
------------------------------------------------------------------------------------------------------------------------

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

CREATE FUNCTION gymstream.drop_topic(relation regclass) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'gs_drop_topic';
COMMENT ON FUNCTION gymstream.drop_topic(regclass) IS 'no longer publishes the changes of a table or rollup';
GRANT EXECUTE ON FUNCTION gymstream.drop_topic(regclass) TO PUBLIC;

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

CREATE FUNCTION gymstream_internal.topics_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_topics_changed';
COMMENT ON FUNCTION gymstream_internal.topics_changed() IS 'tells the workers of topics that a restored dump brings';
CREATE TRIGGER topics_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gymstream_internal.topic
	FOR EACH STATEMENT EXECUTE FUNCTION gymstream_internal.topics_changed();
COMMENT ON TRIGGER topics_changed ON gymstream_internal.topic IS 'tells the workers of topics that a restored dump brings';

CREATE FUNCTION gymstream_internal.topic_restored() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'gs_topic_restored';
COMMENT ON FUNCTION gymstream_internal.topic_restored() IS 'skips topics of a restored dump that are there already';
CREATE TRIGGER topic_restored BEFORE INSERT ON gymstream_internal.topic
	FOR EACH ROW EXECUTE FUNCTION gymstream_internal.topic_restored();
ALTER TABLE gymstream_internal.topic ENABLE ALWAYS TRIGGER topic_restored;
COMMENT ON TRIGGER topic_restored ON gymstream_internal.topic IS 'skips topics of a restored dump that are there already';

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

------------------------------------------------------------------------------------------------------------------------
-- Status of the current database. Anyone may read it.
------------------------------------------------------------------------------------------------------------------------

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

CREATE VIEW gymstream.status AS SELECT * FROM gymstream_internal.status_row();
COMMENT ON VIEW gymstream.status IS 'the workers of this database, and how far they are';
COMMENT ON COLUMN gymstream.status.preloaded IS 'the library was loaded at server start, as the workers need it';
COMMENT ON COLUMN gymstream.status.wal_level IS
	'what the write-ahead log holds: logical where changes can be decoded. From PostgreSQL 19 on, the first topic turns it on where the setting is replica.';
COMMENT ON COLUMN gymstream.status.launcher_pid IS 'the worker that starts the others';
COMMENT ON COLUMN gymstream.status.publisher_pid IS 'the worker that tells listeners';
COMMENT ON COLUMN gymstream.status.decoder_pid IS 'the worker that reads the write-ahead log; runs while there are topics';
COMMENT ON COLUMN gymstream.status.folder_pid IS
	'the worker that folds the partials of groups; runs while there is something to fold';
COMMENT ON COLUMN gymstream.status.slot_name IS 'the decoder''s replication slot';
COMMENT ON COLUMN gymstream.status.decoded_lsn IS 'the write-ahead log was read up to here';
COMMENT ON COLUMN gymstream.status.published_lsn IS 'listeners know of all commits up to here';
COMMENT ON COLUMN gymstream.status.confirmed_lsn IS 'after a restart, decoding goes on from here';
COMMENT ON COLUMN gymstream.status.lag_bytes IS
	'write-ahead log between this database''s last commit and what listeners know';
COMMENT ON COLUMN gymstream.status.retained_bytes IS 'write-ahead log that is kept for the slot';
COMMENT ON COLUMN gymstream.status.topics IS 'number of topics';
COMMENT ON COLUMN gymstream.status.events IS 'events since the server started';
COMMENT ON COLUMN gymstream.status.notifications IS 'notifications sent; events of a rollup''s group may share one';
COMMENT ON COLUMN gymstream.status.skipped IS
	'notifications not sent because the server''s notification queue was nearly full';
COMMENT ON COLUMN gymstream.status.folded IS 'groups whose partials were folded in the background';
COMMENT ON COLUMN gymstream.status.waiting_for IS 'what holds publishing up';
COMMENT ON COLUMN gymstream.status.last_error IS 'the last error of a worker';
COMMENT ON COLUMN gymstream.status.last_error_at IS 'when the last error of a worker was';
COMMENT ON COLUMN gymstream.status.problem IS 'why changes are not published as they should be, and what to do';
COMMENT ON COLUMN gymstream.status.publisher_since IS
	'when the publisher started: a later publisher may have the same process id, but never the same time';
COMMENT ON COLUMN gymstream.status.incomplete IS
	'events told without something that could not be had: the view gymstream.incidents says why';
COMMENT ON COLUMN gymstream.status.epoch IS 'the epoch of the positions of events';
COMMENT ON COLUMN gymstream.status.missed_at IS
	'when notifications were skipped last; listeners are told to read anew as soon as there is room';
COMMENT ON COLUMN gymstream.status.reset_at IS
	'when the replication slot was made anew, and changes were lost; listeners were told to read anew';
GRANT SELECT ON gymstream.status TO PUBLIC;

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
