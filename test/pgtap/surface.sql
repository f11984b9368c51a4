-- What the extension shows of itself: its objects, their signatures, comments and privileges. A change here is a change
-- of the contract with users. People call what is in the schema gymstream; all else is in gymstream_internal.
BEGIN;
SELECT no_plan();

CREATE TEMP TABLE contract (signature text, result text, volatility text);
INSERT INTO contract VALUES
	('create_rollup(name text, query text, if_not_exists boolean DEFAULT false)', 'regclass', 'volatile'),
	('drop_rollup(rollup text, if_exists boolean DEFAULT false, cascade boolean DEFAULT false)', 'void', 'volatile'),
	('drop_rollup(rollup regclass, if_exists boolean DEFAULT false, cascade boolean DEFAULT false)', 'void', 'volatile'),
	('verify_rollup(rollup regclass)', 'TABLE(difference text, content jsonb)', 'stable'),
	('rebuild_rollup(rollup regclass)', 'void', 'volatile'),
	('fold_rollup(rollup regclass)', 'bigint', 'volatile'),
	('event_key(of_row record)', 'json', 'stable'),
	('create_topic(relation regclass, notify text DEFAULT ''position''::text, retain interval DEFAULT NULL::interval, retain_bytes bigint DEFAULT NULL::bigint, key name[] DEFAULT NULL::name[], channel_by name[] DEFAULT NULL::name[], if_not_exists boolean DEFAULT false)', 'text', 'volatile'),
	('alter_topic(relation regclass, notify text DEFAULT NULL::text, retain interval DEFAULT NULL::interval, retain_bytes bigint DEFAULT NULL::bigint, channel_by name[] DEFAULT NULL::name[])', 'void', 'volatile'),
	('create_event_topic(name text, notify text DEFAULT ''position''::text, retain interval DEFAULT NULL::interval, retain_bytes bigint DEFAULT NULL::bigint, channel_by name[] DEFAULT NULL::name[], if_not_exists boolean DEFAULT false)', 'text', 'volatile'),
	('publish_event(topic regclass, key text, value jsonb, headers jsonb DEFAULT NULL::jsonb)', 'void', 'volatile'),
	('topic_channel(topic regclass, key jsonb)', 'text', 'stable'),
	('wait_topic(IN topic regclass, IN lsn pg_lsn DEFAULT NULL::pg_lsn, IN timeout interval DEFAULT NULL::interval)', NULL, 'volatile'),
	('drop_topic(relation regclass)', 'void', 'volatile'),
	('read_topic(topic regclass, after gymstream."position" DEFAULT NULL::gymstream."position", max_events integer DEFAULT 1000)',
		'TABLE("position" gymstream."position", action text, key jsonb, event json, commit_time timestamp with time zone)', 'stable'),
	('first_position(topic regclass)', 'gymstream."position"', 'stable'),
	('last_position(topic regclass)', 'gymstream."position"', 'stable'),
	('snapshot_position(topic regclass)', 'gymstream."position"', 'volatile'),
	('topic_position(topic regclass, at timestamp with time zone)', 'gymstream."position"', 'stable'),
	('create_group(group_name text, topics regclass[], partitions integer DEFAULT 16, start text DEFAULT ''latest''::text, max_attempts integer DEFAULT 5, retry_delay interval DEFAULT ''00:00:01''::interval, takeover interval DEFAULT ''00:05:00''::interval, reset text DEFAULT ''earliest''::text, if_not_exists boolean DEFAULT false)', 'void', 'volatile'),
	('drop_group(group_name text, if_exists boolean DEFAULT false)', 'void', 'volatile'),
	('alter_group(group_name text, partitions integer DEFAULT NULL::integer, max_attempts integer DEFAULT NULL::integer, retry_delay interval DEFAULT NULL::interval, takeover interval DEFAULT NULL::interval, reset text DEFAULT NULL::text)', 'void', 'volatile'),
	('pause_group(group_name text)', 'void', 'volatile'),
	('resume_group(group_name text)', 'void', 'volatile'),
	('seek_group(group_name text, target text, topic regclass DEFAULT NULL::regclass, dry_run boolean DEFAULT false, OUT topic_name regclass, OUT partition integer, OUT from_offset bigint, OUT to_offset bigint)', 'SETOF record', 'volatile'),
	('poll_group(group_name text, max_events integer DEFAULT 100, OUT topic regclass, OUT "position" gymstream."position", OUT key json, OUT event json, OUT commit_time timestamp with time zone, OUT attempt integer, OUT partition integer)', 'SETOF record', 'volatile'),
	('wait_group(IN group_name text, IN timeout interval DEFAULT NULL::interval)', NULL, 'volatile'),
	('reject_event(group_name text, topic regclass, "position" gymstream."position", reason text DEFAULT NULL::text)', 'void', 'volatile'),
	('release_event(group_name text, topic regclass, "position" gymstream."position", delay interval DEFAULT NULL::interval)', 'void', 'volatile'),
	('replay_events(group_name text, topic regclass DEFAULT NULL::regclass, "position" gymstream."position" DEFAULT NULL::gymstream."position", since timestamp with time zone DEFAULT NULL::timestamp with time zone)', 'bigint', 'volatile'),
	('discard_events(group_name text, topic regclass DEFAULT NULL::regclass, "position" gymstream."position" DEFAULT NULL::gymstream."position", since timestamp with time zone DEFAULT NULL::timestamp with time zone)', 'bigint', 'volatile'),
	('position_epoch(gymstream."position")', 'bigint', 'immutable'),
	('position_lsn(gymstream."position")', 'pg_lsn', 'immutable'),
	('position_index(gymstream."position")', 'bigint', 'immutable'),
	('position_offset(gymstream."position")', 'bigint', 'immutable');

CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS description
	FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass
	WHERE e.extname = 'gymstream' AND d.deptype = 'e';
CREATE TEMP VIEW function AS
	SELECT p.*, p.proname || '(' || pg_get_function_arguments(p.oid) || ')' AS signature, pg_get_function_result(p.oid) AS result,
		CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
		has_function_privilege('public', p.oid, 'EXECUTE') AS to_public
	FROM pg_proc p JOIN member m ON m.objid = p.oid AND m.classid = 'pg_proc'::regclass;

SELECT is(extversion, (SELECT default_version FROM pg_available_extensions WHERE name = 'gymstream'), 'the version is the control file''s')
FROM pg_extension WHERE extname = 'gymstream';

-- the schemas: the extension's own, for everyone to use, and for nobody to put anything into
SELECT set_eq($$ SELECT objid::regnamespace::text FROM member WHERE classid = 'pg_namespace'::regclass $$,
	ARRAY['gymstream', 'gymstream_internal'], 'the extension owns its two schemas');
SELECT ok(has_schema_privilege('public', nspname, 'USAGE') AND NOT has_schema_privilege('public', nspname, 'CREATE'),
	'everyone may use the schema ' || nspname || ' and create nothing in it')
FROM pg_namespace WHERE nspname IN ('gymstream', 'gymstream_internal') ORDER BY nspname;
SELECT set_eq($$ SELECT DISTINCT schema::text FROM member, pg_identify_object(classid, objid, 0) WHERE schema IS NOT NULL $$,
	ARRAY['gymstream', 'gymstream_internal'], 'every object is in one of them');

-- what is in the schema gymstream: this and nothing more
SELECT set_eq($$ SELECT signature, result, volatility, to_public FROM function WHERE pronamespace = 'gymstream'::regnamespace $$,
	$$ SELECT signature, result, volatility, true FROM contract $$, 'the functions that people call, each for everyone');
SELECT set_eq($$ SELECT relname::text, relkind::text FROM pg_class WHERE relnamespace = 'gymstream'::regnamespace $$,
	$$ SELECT name, 'v' FROM unnest('{rollups, topics, status, incidents, progress_create_rollup, groups, group_lag, dead_letter}'::text[]) name $$, 'the views');
SELECT set_eq($$ SELECT format_type(oid, NULL) FROM pg_type WHERE typnamespace = 'gymstream'::regnamespace AND typrelid = 0 AND typelem = 0 $$,
	ARRAY['gymstream."position"'], 'the type');
SELECT set_eq($$ SELECT oid::regoperator::text FROM pg_operator WHERE oprnamespace = 'gymstream'::regnamespace $$,
	$$ SELECT format('gymstream.%s(gymstream."position",gymstream."position")', o) FROM unnest('{=,<>,<,<=,>,>=}'::text[]) o $$, 'its operators');
SELECT is_empty($$ SELECT description FROM member, pg_identify_object(classid, objid, 0) i WHERE i.schema = 'gymstream'
	AND i.type NOT IN ('function', 'procedure', 'view', 'type', 'operator') $$, 'and nothing of another kind');
SELECT columns_are('gymstream', 'rollups', ARRAY['rollup', 'source', 'owner', 'definition', 'groups', 'partials', 'marked', 'size', 'created', 'problem']);
SELECT columns_are('gymstream', 'topics', ARRAY['relation', 'channel', 'notify', 'created', 'retain', 'retain_bytes', 'key_columns', 'channel_columns',
	'first_position', 'last_position', 'events', 'bytes']);
SELECT columns_are('gymstream', 'groups', ARRAY['group_name', 'owner', 'topics', 'partitions', 'paused', 'max_attempts', 'retry_delay',
	'takeover', 'reset', 'created', 'events', 'most_events', 'oldest', 'waiting', 'dead', 'lost', 'problem']);
SELECT columns_are('gymstream', 'group_lag', ARRAY['group_name', 'topic', 'partition', 'next_offset', 'events', 'bytes', 'exact', 'lost', 'oldest',
	'seconds', 'owner', 'waiting', 'attempts', 'due', 'dead']);
SELECT columns_are('gymstream', 'dead_letter', ARRAY['group_name', 'topic', 'position', 'key', 'event', 'commit_time', 'attempts', 'cause', 'since']);
SELECT columns_are('gymstream', 'progress_create_rollup', ARRAY['pid', 'rollup', 'source', 'rows_read', 'rows_total']);
SELECT columns_are('gymstream', 'status', ARRAY['preloaded', 'wal_level', 'launcher_pid', 'publisher_pid', 'decoder_pid', 'folder_pid',
	'slot_name', 'decoded_lsn', 'published_lsn', 'confirmed_lsn', 'lag_bytes', 'retained_bytes', 'topics', 'events', 'notifications',
	'skipped', 'folded', 'waiting_for', 'last_error', 'last_error_at', 'problem', 'publisher_since', 'incomplete', 'epoch', 'missed_at',
	'reset_at']);
SELECT is_empty($$ SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
	WHERE relnamespace = 'gymstream'::regnamespace AND attnum > 0 AND atttypid IN ('oid'::regtype, 'name'::regtype) $$,
	'relations are shown as regclass');
-- nobody needs quotes for what the functions take and give, or the views show
SELECT is_empty($$ SELECT name FROM (SELECT unnest(proargnames) FROM function WHERE pronamespace = 'gymstream'::regnamespace
	UNION SELECT attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		WHERE relnamespace IN ('gymstream'::regnamespace, 'gymstream_internal'::regnamespace) AND relkind IN ('r', 'v') AND attnum > 0) n (name)
	WHERE quote_ident(name) <> name AND name <> 'position' $$, 'no name needs quotes: a column may be called position without them');

-- The others are there for views, triggers, types and event triggers. What PUBLIC may execute of them must be safe in any hands.
SELECT set_eq($$ SELECT DISTINCT proname::text FROM function WHERE to_public AND pronamespace = 'gymstream_internal'::regnamespace $$,
	ARRAY['collect', 'flush', 'guards', 'readable', 'topic_restored', 'publish_row', 'skip_row', 'before_drop', 'truncated', 'truncating', 'flush_pending', 'guard_partials', 'on_drop', 'before_partition', 'on_partition',
		'rollup_query', 'rollup_definition', 'rollup_stray_keys', 'rollup_source', 'rollup_problem', 'count_rollup', 'total', 'keep', 'sole',
		'on_drop_partition', 'on_ddl', 'key_hash', 'key_image', 'status_row', 'progress', 'group_lag_rows', 'create_progress_rows', 'incident_rows', 'topics_changed', 'topic_log',
		'numeric_sum_in', 'numeric_sum_out', 'numeric_sum_add', 'numeric_sum_accumulate', 'numeric_sum_total', 'numeric_sum_average',
		'numeric_sum_agg', 'numeric_sum_merge',
		'float_sum_in', 'float_sum_out', 'float_sum_add', 'float_sum_accumulate', 'float_sum_total', 'float_sum_total_real',
		'float_sum_average', 'float_sum_agg', 'float_sum_merge',
		'bit_counts_in', 'bit_counts_out', 'bit_counts_add', 'bit_counts_accumulate', 'bit_counts_or', 'bit_counts_and', 'bit_counts_agg',
		'bit_counts_merge', 'statistic', 'interval_months', 'interval_days', 'microseconds_accumulate', 'microseconds_agg', 'interval_total',
		'interval_average', 'money_units', 'money_total',
		'position_in', 'position_out', 'position_recv', 'position_send', 'position_eq', 'position_ne', 'position_lt', 'position_le',
		'position_gt', 'position_ge', 'position_cmp', 'position_hash', 'position_hash_extended'],
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
SELECT columns_are('gymstream_internal', 'rollup', ARRAY['rollup', 'definition', 'partials', 'created']);
SELECT columns_are('gymstream_internal', 'topic', ARRAY['relation', 'channel', 'notify', 'created', 'retain', 'retain_bytes', 'key_columns', 'channel_columns']);
SELECT ok(has_table_privilege('public', objid, 'SELECT') AND NOT has_table_privilege('public', objid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
	objid::regclass || ' may be read by everyone and written by nobody')
FROM member JOIN pg_class c ON c.oid = objid AND classid = 'pg_class'::regclass
WHERE relkind IN ('r', 'v') AND relname NOT IN ('epoch', 'segment', 'group_bookmark', 'group_layout', 'group_event') ORDER BY objid::regclass::text;
SELECT ok(NOT has_table_privilege('public', 'gymstream_internal.epoch', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'), 'the epochs are nobody else''s');
SELECT ok(NOT has_table_privilege('public', 'gymstream_internal.segment', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'), 'nor are the segments');
SELECT ok(NOT has_table_privilege('public', 'gymstream_internal.' || name, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'), name || ' is nobody else''s')
FROM unnest('{group_bookmark, group_layout, group_event}'::text[]) name;
SELECT ok('user_catalog_table=true' = ANY (reloptions), relname || ' is read while decoding')
FROM pg_class WHERE oid IN ('gymstream_internal.rollup'::regclass, 'gymstream_internal.topic'::regclass) ORDER BY relname;
SELECT set_eq($$ SELECT unnest(extconfig)::regclass FROM pg_extension WHERE extname = 'gymstream' $$,
	ARRAY['gymstream_internal.topic', 'gymstream_internal.group_definition', 'gymstream_internal.group_topic']::regclass[], 'pg_dump keeps what nothing else says');

SELECT * FROM finish();
ROLLBACK;
