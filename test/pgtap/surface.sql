-- What the extension shows of itself: its objects, their signatures, comments and privileges. A change here is a change
-- of the contract with users.
BEGIN;
SELECT no_plan();

-- what users call, and nothing else that they could call by accident
CREATE TEMP TABLE contract (signature text, result text, volatility text, to_public boolean);
INSERT INTO contract VALUES
	('create_rollup(name text, query text)', 'regclass', 'volatile', true),
	('rollup_query(rollup regclass)', 'text', 'stable', true),
	('verify_rollup(rollup regclass)', 'TABLE(difference text, "row" jsonb)', 'stable', true),
	('rebuild_rollup(rollup regclass)', 'void', 'volatile', true),
	('fold_rollup(rollup regclass)', 'bigint', 'volatile', true),
	('rollup_source(rollup regclass)', 'regclass', 'stable', true),
	('rollup_problem(rollup regclass)', 'text', 'stable', true),
	('count_rollup(rollup regclass, exact_up_to bigint DEFAULT NULL::bigint, OUT groups bigint, OUT partials bigint, OUT marked bigint)', 'record', 'stable', true),
	('create_topic(relation regclass, notify text DEFAULT ''position''::text)', 'text', 'volatile', true),
	('drop_topic(relation regclass)', 'void', 'volatile', true);

CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS description
	FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass
	WHERE e.extname = 'gymstream' AND d.deptype = 'e';
CREATE TEMP VIEW function AS
	SELECT p.*, p.proname || '(' || pg_get_function_arguments(p.oid) || ')' AS signature, pg_get_function_result(p.oid) AS result,
		CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
		has_function_privilege('public', p.oid, 'EXECUTE') AS to_public
	FROM pg_proc p JOIN member m ON m.objid = p.oid AND m.classid = 'pg_proc'::regclass;

SELECT has_schema('gymstream');
SELECT is(extversion, (SELECT default_version FROM pg_available_extensions WHERE name = 'gymstream'), 'the version is the control file''s')
FROM pg_extension WHERE extname = 'gymstream';
SELECT is_empty($$ SELECT description FROM member JOIN pg_proc p ON objid = p.oid WHERE pronamespace <> 'gymstream'::regnamespace $$,
	'every function is in the schema');
SELECT is(f.result || ' ' || f.volatility || ' ' || f.to_public, c.result || ' ' || c.volatility || ' ' || c.to_public, c.signature)
FROM contract c LEFT JOIN function f USING (signature);

-- Others are there for triggers, types and event triggers. What PUBLIC may execute of them must be safe in any hands.
SELECT set_eq($$ SELECT DISTINCT proname::text FROM function WHERE to_public AND signature NOT IN (SELECT signature FROM contract) $$,
	ARRAY['collect', 'flush', 'truncated', 'truncating', 'flush_pending', 'guard_partials', 'on_drop', 'before_partition', 'on_partition', 'on_drop_partition', 'on_ddl', 'key_hash', 'status_row', 'progress', 'create_progress_rows', 'topics_changed', 'total', 'numeric_sum_in',
		'numeric_sum_out', 'numeric_sum_add',
		'numeric_sum_accumulate', 'numeric_sum_total', 'numeric_sum_average', 'numeric_sum_agg', 'numeric_sum_merge', 'keep', 'sole',
		'float_sum_in', 'float_sum_out', 'float_sum_add', 'float_sum_accumulate', 'float_sum_total', 'float_sum_total_real',
		'float_sum_average', 'float_sum_agg', 'float_sum_merge', 'bit_counts_in', 'bit_counts_out', 'bit_counts_add',
		'bit_counts_accumulate', 'bit_counts_or', 'bit_counts_and', 'bit_counts_agg', 'bit_counts_merge', 'statistic', 'interval_months', 'interval_days',
		'microseconds_accumulate', 'microseconds_agg', 'interval_total', 'interval_average', 'money_units', 'money_total'],
	'nothing else is for everyone');
SELECT is_empty($$ SELECT signature FROM function WHERE prokind <> 'a' AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
	AND NOT coalesce(proconfig::text LIKE '%search_path=%', false) $$, 'functions not in C fix their search_path');
SELECT is_empty($$ SELECT signature FROM function WHERE prosecdef AND NOT coalesce(proconfig::text LIKE '%search_path=%', false) $$,
	'so do all that run as their owner');

-- every object says what it is
SELECT is_empty($$ SELECT description FROM member WHERE obj_description(objid, (SELECT relname FROM pg_class WHERE oid = classid)) IS NULL
	AND classid NOT IN ('pg_type'::regclass, 'pg_cast'::regclass) $$, 'every object has a comment');
SELECT is_empty($$ SELECT format_type(objid, NULL) FROM member JOIN pg_type t ON t.oid = objid AND classid = 'pg_type'::regclass
	WHERE typtype = 'b' AND typelem = 0 AND obj_description(objid, 'pg_type') IS NULL $$, 'so has every type');
SELECT is_empty($$ SELECT objid::regclass, attname FROM member JOIN pg_attribute ON attrelid = objid AND classid = 'pg_class'::regclass
	WHERE attnum > 0 AND NOT attisdropped AND col_description(objid, attnum) IS NULL $$, 'so has every column');

-- catalogs: everyone may read, nobody write; kept by pg_dump; read while decoding
SELECT columns_are('gymstream', 'rollup', ARRAY['rollup', 'definition', 'partials', 'created']);
SELECT columns_are('gymstream', 'rollups', ARRAY['rollup', 'source', 'owner', 'definition', 'groups', 'partials', 'marked', 'size', 'created', 'problem']);
SELECT columns_are('gymstream', 'create_progress', ARRAY['pid', 'rollup', 'source', 'rows_read', 'rows_total']);
SELECT columns_are('gymstream', 'topic', ARRAY['relation', 'channel', 'notify', 'created']);
SELECT has_view('gymstream', 'status', 'there is a view of the status');
SELECT ok(has_table_privilege('public', objid, 'SELECT') AND NOT has_table_privilege('public', objid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
	objid::regclass || ' may be read by everyone and written by nobody')
FROM member JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass WHERE relkind IN ('r', 'v') ORDER BY objid::regclass::text;
SELECT ok('user_catalog_table=true' = ANY (reloptions), relname || ' is read while decoding')
FROM pg_class WHERE oid IN ('gymstream.rollup'::regclass, 'gymstream.topic'::regclass) ORDER BY relname;
SELECT set_eq($$ SELECT unnest(extconfig)::regclass FROM pg_extension WHERE extname = 'gymstream' $$,
	ARRAY['gymstream.rollup', 'gymstream.topic']::regclass[], 'pg_dump keeps what the catalogs say');
SELECT ok(has_schema_privilege('public', 'gymstream', 'USAGE') AND NOT has_schema_privilege('public', 'gymstream', 'CREATE'),
	'everyone may use the schema and create nothing in it');

SELECT * FROM finish();
ROLLBACK;
