-- Every function of the extension, called with everything that does not belong there: the server stays up, gives no internal error
-- and comes to an end. The functions are those that pg_depend names, in whatever schema: one that comes later is tried as well.
CREATE SCHEMA test_hostile;
SET search_path = test_hostile, public;
SET client_min_messages = warning;

CREATE TABLE source (k int, v numeric, w float8, t text);
INSERT INTO source SELECT i % 3, i, i, i FROM generate_series(1, 9) i;
SELECT gymstream.create_rollup('rollup', 'SELECT k, sum(v), sum(w) AS w, max(t), bit_or(k) FROM source GROUP BY k');
CREATE TABLE parent (k int) PARTITION BY LIST (k);
CREATE TABLE leaf PARTITION OF parent DEFAULT;
SELECT gymstream.create_rollup('of_parent', 'SELECT k, count(*) FROM parent GROUP BY k');
CREATE INDEX an_index ON source (k);
CREATE INDEX parent_index ON parent (k);
CREATE SEQUENCE a_sequence;
CREATE VIEW a_view AS SELECT * FROM source;
CREATE MATERIALIZED VIEW a_snapshot AS SELECT * FROM source;
CREATE TYPE composite AS (a int, b text);
CREATE TYPE mood AS ENUM ('calm');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE a_foreign_table (k int) SERVER nowhere;

--
-- What is tried for each type, as SQL, beside NULL. The first value of a type is one that may well belong there.
--
CREATE TABLE value (id serial, type name, value text);
INSERT INTO value (type, value)
SELECT type, CASE WHEN type IN ('any', 'anyelement') THEN value ELSE
		format('(%s)::%s', value, (SELECT max(t.oid)::regtype FROM pg_type t WHERE t.typname = type)) END
FROM (VALUES
	('bool', 'true; false'),
	('int2', '1; 0; -32768; 32767'),
	('int4', '1; 0; -1; -2147483648; 2147483647'),
	('int8', '3; 0; -1; 1; -9223372036854775808; 9223372036854775807'),
	('float4', $$1.5; 0; 'NaN'; 'Infinity'; '-Infinity'; 3.4e38; 1e-45; '-0'$$),
	('float8', $$1.5; 0; 'NaN'; 'Infinity'; '-Infinity'; 1.7e308; 5e-324; '-0'$$),
	('numeric', $$1.50; 0; 'NaN'; 'Infinity'; '-Infinity'; 9e131071; -9e131071; 1e-16383; 1e1000$$),
	('money', $$1; 0; '92233720368547758.07'; '-92233720368547758.08'$$),
	('interval', $$'1 day'; '0'; '-178000000 years'; '178000000 years'; '2147483647 days -2147483648 months'$$),
	('timestamptz', $$'2026-01-01'; 'infinity'; '-infinity'; 'epoch'$$),
	('pg_lsn', $$'0/1'; '0/0'; 'FFFFFFFF/FFFFFFFF'$$),
	('jsonb', $$'{}'; 'null'; '[1, [2]]'$$),
	('name', $$'a_view'; ''; 'gymstream'$$),
	('text', $$'var_samp'; ''; 'row'; 'test_hostile.rollup'; 'SELECT k, count(*) FROM source GROUP BY k'; 'SELECT * FROM rollup';
		'SELECT'; '%s%n%p'; '"'; E'\U0001F600\u0301'; repeat('x', 300000); repeat('(', 20000); repeat('SELECT ', 1000)$$),
	('cstring', $$'1'; ''; '{"sum":1.50,"count":1,"scales":{"2":1}}'; '{"sum":0.5,"exact":"0x1p-1"}'; '[3,0,1]'; 'NaN';
		repeat('{', 300000); repeat('[1,', 100000); '{"sum":1,"count":1,"scales":{' || repeat('"1":1,', 50000);
		'{"sum":1,"count":1,"scales":{"4294967297":1}}'; '{"sum":1,"count":1,"scales":{"-1":1}}';
		'{"sum":1,"count":1,"scales":{"0":99999999999999999999}}'; '{"sum":1e131071,"count":1,"scales":{"0":1}}';
		'{"sum":1,"exact":"0x1p2147483647"}'; '{"sum":1,"exact":"0x1' || repeat('0', 798) || '1p2147480647"}';
		'{"sum":1,"exact":"0x1p-2147483648"}'; '{"sum":0,"exact":"0x0p0","NaN":9223372036854775808}'$$),
	('oid', $$'source'::regclass; 0; 1; 4294967295; 1259$$),
	('regclass', $$'rollup'; 'source'; 'rollup_partials'; 'rollup_definition'; 'of_parent'; 'parent'; 'leaf'; 'of_parent_partials';
		'an_index'; 'parent_index'; 'a_sequence'; 'a_view'; 'a_snapshot'; 'a_foreign_table'; 'composite'; 'pg_class';
		'pg_class_oid_index'; 'pg_database'; 0; 1; 4294967295$$),
	('any', $$1; NULL; NULL::text; 'x'; 'x'::text; 'x'::cstring; 1.50; 'NaN'::float8; ARRAY[1]; ARRAY[]::text[]; ARRAY[NULL::point];
		ROW(1, NULL); '(1,x)'::composite; 'calm'::mood; 1::positive; point(1, 2); '{"a": 1}'::json; '{"a": 1}'::jsonb; '[1,2)'::int4range;
		'{[1,2)}'::int4multirange; B'101'; source.*; source.tableoid; source.ctid; 'pg_class'::regclass; repeat('x', 300000);
		pg_sleep(0); '\x00'::bytea; xid8 '1'; '1'::"char"; ROW(point(1, 2)); (SELECT stavalues1 FROM pg_statistic LIMIT 1)$$),
	('anyelement', $$1; NULL::int; 'x'::text; ARRAY[1]; ROW(1, NULL); '(1,x)'::composite; point(1, 2)$$),
	('numeric_sum', $$'{"sum":1.50,"count":1,"scales":{"2":1}}'; '{"sum":0,"count":0,"scales":{}}';
		'{"sum":9e131071,"count":1,"scales":{"0":1}}'; '{"sum":-9e131071,"count":-1,"scales":{"0":-1}}';
		'{"sum":1,"count":9223372036854775807,"scales":{"0":9223372036854775807}}';
		'{"sum":1,"count":-9223372036854775808,"scales":{"16383":-9223372036854775808}}';
		'{"sum":0,"count":6,"scales":{"-Infinity":1,"Infinity":2,"NaN":3}}'; '{"sum":0,"count":-1,"scales":{"Infinity":-1}}'$$),
	('float_sum', $$'{"sum":0.5,"exact":"0x1p-1"}'; '{"sum":0,"exact":"0x0p0"}'; '{"sum":1,"exact":"0x1p2190"}';
		'{"sum":1,"exact":"-0x1p-2200"}'; '{"sum":0,"exact":"0x0p0","NaN":1}';
		'{"sum":0,"exact":"0x0p0","Infinity":9223372036854775807,"-Infinity":-9223372036854775808}';
		'{"sum":0,"exact":"0x1p1024"}'$$),
	('bit_counts', $$'[3,0,1]'; '[]'; '[-1]'; '[9223372036854775807]'; '[-9223372036854775808]';
		'[9223372036854775807,-9223372036854775808]'$$)) v (type, list), regexp_split_to_table(list, ';\s+') WITH ORDINALITY u (value, n)
ORDER BY type, n;

-- not create_event_topic: of hundreds of tables that are made and rolled back in one transaction, places in the server's
-- catalogs are used again, which decoding does not expect: "ent->cmin == change->data.tuplecid.cmin" (15.18 with assertions)
CREATE VIEW member AS
	SELECT p.oid, p.oid::regprocedure::text AS name, p.proretset, p.prokind, p.prorettype, p.provariadic,
		format('%s.%s', quote_ident(n.nspname), quote_ident(p.proname)) AS qualified,
		ARRAY(SELECT t.typname FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n) JOIN pg_type t ON t.oid = a.type ORDER BY a.n) AS types
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_depend d ON d.objid = p.oid
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'gymstream') AND p.proname <> 'create_event_topic';

--
-- Calling
--

-- Nothing of what the statement did is left. NULL: it went well, or failed as a statement of a user may.
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
BEGIN
	BEGIN
		EXECUTE statement;
		RAISE EXCEPTION 'back' USING ERRCODE = 'UNDO0';
	EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
		message := SQLSTATE || ': ' || left(SQLERRM, 200);
	END;
	RETURN CASE WHEN message ~ '^(XX|57014|P0004|58)' THEN format('%s in %s', message, left(statement, 500)) END;
END
$$;

-- Values to try in the place of an argument; a variadic one takes several
CREATE FUNCTION choices(type name, is_variadic boolean) RETURNS text[] LANGUAGE sql AS $$
	SELECT CASE WHEN is_variadic THEN v ||
		ARRAY(SELECT a || ', ' || b FROM unnest(v) WITH ORDINALITY x (a, n), unnest(v) WITH ORDINALITY y (b, m)
			WHERE (n * m) % 13 = 5) ||
		ARRAY['VARIADIC ARRAY[1, 2]', 'VARIADIC NULL::text[]', 'VARIADIC ARRAY[]::numeric[]', 'VARIADIC ARRAY[NULL]::text[]',
			array_to_string(array_fill('1'::text, ARRAY[90]), ', ')]
		WHEN choices.type ~ '^any' THEN v || 'NULL'::text
		ELSE v || format('NULL::%s', (SELECT max(t.oid)::regtype FROM pg_type t WHERE t.typname = choices.type)) END
	FROM (SELECT array_agg(h.value ORDER BY h.id) AS v FROM value h WHERE h.type = choices.type) w;
$$;

-- Argument lists: each value in each place among NULLs and among plain values, and a number of others picked by a fixed rule
CREATE FUNCTION arguments(types name[], is_variadic boolean) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	n int := cardinality(types);
	chosen jsonb := '[]';
	plain text[];
	nothing text[];
	list text[];
BEGIN
	FOR i IN 1 .. n LOOP
		chosen := chosen || jsonb_build_array(to_jsonb(choices(types[i], is_variadic AND i = n)));
		plain[i] := chosen -> (i - 1) ->> 0;
		nothing[i] := chosen -> (i - 1) ->> (CASE WHEN is_variadic AND i = n THEN 1 ELSE -1 END);
		IF plain[i] IS NULL THEN
			RAISE 'no values for type %', types[i];
		END IF;
	END LOOP;
	IF n = 0 THEN
		RETURN NEXT '';
	END IF;
	FOR i IN 1 .. n LOOP
		FOR j IN 0 .. jsonb_array_length(chosen -> (i - 1)) - 1 LOOP
			list := plain;
			list[i] := chosen -> (i - 1) ->> j;
			RETURN NEXT array_to_string(list, ', ');
			list := nothing;
			list[i] := chosen -> (i - 1) ->> j;
			RETURN NEXT array_to_string(list, ', ');
		END LOOP;
	END LOOP;
	FOR k IN 1 .. CASE WHEN n > 1 THEN 60 ELSE 0 END LOOP
		FOR i IN 1 .. n LOOP
			list[i] := chosen -> (i - 1) ->> (abs(hashint4(k * 16 + i)::bigint) % jsonb_array_length(chosen -> (i - 1)))::int;
		END LOOP;
		RETURN NEXT array_to_string(list, ', ');
	END LOOP;
END
$$;

-- The result is written out as well. An aggregate is called over rows, over none, and over a window.
CREATE FUNCTION statements(function oid) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	m member;
	call text;
	arguments text;
BEGIN
	SELECT * INTO m FROM member WHERE oid = function;
	FOR arguments IN SELECT DISTINCT a FROM arguments(m.types, m.provariadic <> 0) a ORDER BY a LOOP
		call := format('%s(%s)', m.qualified, arguments);
		IF m.prokind = 'p' THEN
			RETURN NEXT format('CALL %s', call);
		ELSIF m.prokind = 'a' THEN
			RETURN NEXT format('SELECT format(%L, %s) FROM source', '%s', call);
			RETURN NEXT format('SELECT format(%L, %s OVER (ORDER BY k ROWS 1 PRECEDING)) FROM source', '%s', call);
			RETURN NEXT format('SELECT format(%L, %s) FROM source WHERE k > 100', '%s', call);
		ELSE
			RETURN NEXT format('SELECT format(%L, %s) FROM source LIMIT 2', '%s', call);
			IF m.proretset THEN
				RETURN NEXT format('SELECT format(%L, x) FROM source, LATERAL %s x', '%s', call);
			END IF;
		END IF;
	END LOOP;
END
$$;

SET statement_timeout = '2min';
\pset tuples_only on
\pset format unaligned
-- one statement for each function, so that the server's log names the one that crashes it
\set ECHO none
SELECT format('SELECT %L, f FROM statements(%s) s, LATERAL try(s) f WHERE f IS NOT NULL', name, oid) FROM member ORDER BY name \gexec
\set ECHO all
SELECT count(*) > 50, bool_and(EXISTS (SELECT FROM statements(oid))) FROM member;

-- the same by who may do nothing
CREATE ROLE regress_hostile;
GRANT USAGE ON SCHEMA test_hostile TO regress_hostile;
GRANT SELECT ON member, value TO regress_hostile;
SET ROLE regress_hostile;
\set ECHO none
SELECT format('SELECT %L, f FROM statements(%s) s, LATERAL try(s) f WHERE f IS NOT NULL', name, oid) FROM member ORDER BY name \gexec
\set ECHO all
RESET ROLE;

--
-- As the function of triggers and of event triggers of every kind
--
CREATE TABLE with_triggers (k int, t text);
INSERT INTO with_triggers VALUES (1, 'x');
CREATE TABLE parted (k int, t text) PARTITION BY LIST (k);
CREATE TABLE parted_leaf PARTITION OF parted DEFAULT;
CREATE VIEW with_triggers_view AS SELECT * FROM with_triggers;
SELECT name, f FROM member m, unnest('{BEFORE,AFTER,INSTEAD OF}'::text[]) timing, unnest('{ROW,STATEMENT}'::text[]) level,
	unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) event,
	unnest(ARRAY['', 'WHEN (pg_trigger_depth() > 0)', 'WHEN (NEW.k > 0)']) condition,
	unnest('{with_triggers,with_triggers_view,parted}'::text[]) relation, unnest(ARRAY['', quote_literal('rollup_partials')]) arguments,
	LATERAL try(format($$ DO $do$ BEGIN
		CREATE TRIGGER t %s %s ON %s FOR EACH %s %s EXECUTE FUNCTION %s(%s);
		INSERT INTO %3$s VALUES (2, 'y'); UPDATE %3$s SET k = k + 1; DELETE FROM %3$s WHERE k = 3; TRUNCATE with_triggers;
		END $do$ $$, timing, event, relation, level, condition, m.qualified, arguments)) f
	WHERE prorettype = 'trigger'::regtype AND f IS NOT NULL;
SELECT name, f FROM member m, unnest('{ddl_command_start,ddl_command_end,sql_drop,table_rewrite}'::text[]) event,
	LATERAL try(format($$ DO $do$ BEGIN
		CREATE EVENT TRIGGER t ON %s EXECUTE FUNCTION %s();
		CREATE TABLE fresh (k int); ALTER TABLE fresh ALTER k TYPE bigint USING k + 1; ALTER TABLE source ADD extra int;
		CREATE VIEW fresh_view AS TABLE fresh; GRANT SELECT ON fresh TO PUBLIC; DROP TABLE fresh CASCADE; DROP VIEW rollup;
		END $do$ $$, event, m.qualified)) f
	WHERE prorettype = 'event_trigger'::regtype AND f IS NOT NULL;

--
-- As parts of other objects, that anyone can make: each is called from where an expression is evaluated on its own
--
SELECT name, f FROM member m, LATERAL statements(m.oid) s,
	LATERAL (SELECT substring(s FROM 'SELECT format\(''%s'', (.*)\) FROM source LIMIT 2$') AS call) c,
	unnest(ARRAY[
		'CREATE TABLE fresh (k int DEFAULT (length(format(''%%s'', %s)))); INSERT INTO fresh DEFAULT VALUES',
		'CREATE TABLE fresh (k int, CHECK (%s IS NOT NULL)); INSERT INTO fresh VALUES (1)',
		'CREATE INDEX ON with_triggers ((%s IS NULL)); INSERT INTO with_triggers VALUES (1)',
		'ANALYZE with_triggers; PERFORM FROM with_triggers WHERE %s IS NOT NULL',
		'CREATE TRIGGER t AFTER INSERT ON with_triggers WHEN (%s IS NULL) EXECUTE FUNCTION suppress_redundant_updates_trigger(); '
			'INSERT INTO with_triggers VALUES (1)',
		'CREATE TRIGGER t AFTER INSERT ON with_triggers FOR EACH ROW WHEN (%s IS NULL) '
			'EXECUTE FUNCTION suppress_redundant_updates_trigger(); INSERT INTO with_triggers VALUES (1)']) template,
	LATERAL try(format('DO $do$ BEGIN ' || template || '; END $do$', call)) f
	WHERE m.prokind = 'f' AND NOT m.proretset AND call IS NOT NULL AND call !~ 'source|SELECT' AND length(call) < 1000 AND hashtext(call) % 5 = 0
		AND f IS NOT NULL;

-- Transition functions whose state is NULL
CREATE FUNCTION aggregates() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('CREATE AGGREGATE fresh(%s) (SFUNC = %s, STYPE = %s); SELECT fresh(%s) FROM source',
		(SELECT string_agg(a.type::regtype::text, ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n) WHERE n > 1),
		m.qualified, p.proargtypes[0]::regtype,
		(SELECT string_agg((SELECT v.value FROM value v JOIN pg_type t ON t.typname = v.type WHERE t.oid = a.type ORDER BY v.id LIMIT 1), ', '
			ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n) WHERE n > 1))
	FROM member m JOIN pg_proc p USING (oid)
	WHERE p.pronargs > 1 AND p.prorettype = p.proargtypes[0] AND p.prokind = 'f'
$$;
SELECT count(*) > 3, array_agg(f) FILTER (WHERE f IS NOT NULL)
	FROM aggregates() a, LATERAL try(format('DO $do$ BEGIN %s; END $do$', replace(a, '; SELECT', '; PERFORM'))) f;

\pset tuples_only off
\pset format aligned
RESET statement_timeout;
SELECT gymstream.verify_rollup('rollup');
DROP SCHEMA test_hostile CASCADE;
DROP SERVER nowhere;
DROP FOREIGN DATA WRAPPER nothing;
DROP ROLE regress_hostile;
