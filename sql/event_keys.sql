-- Equal values of a key may look different. Whatever the changes had, all events of a group name it by one key, and
-- gymstream.event_key gives that key for a row of the rollup.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TYPE money_pair AS (amount numeric, note text);
CREATE TYPE nested AS (pair money_pair, doc jsonb, list numeric[]);
CREATE DOMAIN price AS numeric;
CREATE DOMAIN prices AS numeric[];
CREATE DOMAIN pair_domain AS money_pair;
CREATE TYPE text_span AS RANGE (subtype = citext);
CREATE TYPE float_span AS RANGE (subtype = float8);
CREATE TYPE pair_span AS RANGE (subtype = money_pair);
CREATE TABLE pair (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, type text, a text, b text);
INSERT INTO pair (type, a, b) VALUES
	('numeric', '1.0', '1.00'), ('numeric', '0', '-0.000'), ('numeric', '1e3', '1000.0'), ('numeric', 'NaN', 'NaN'),
	('float8', '0', '-0'), ('float4', '0', '-0'), ('interval', '1 mon 30 days', '2 mons'), ('bpchar', 'a', 'a  '),
	('citext', 'Abc', 'aBC'), ('price', '1.0', '1.00'), ('prices', '{1.0,NULL,2}', '{1,NULL,2.0}'),
	('numeric[]', '[0:1]={1.0,2}', '[0:1]={1,2.00}'), ('citext[]', '{a,B}', '{A,b}'), ('price[]', '{1.0}', '{1}'),
	('jsonb', '1.0', '1.00'), ('jsonb', '{"a":[1.0,{"b":2.50}],"c":"1.0"}', '{"c":"1.0","a":[1,{"b":2.5}]}'),
	('jsonb', '[]', '[]'), ('jsonb', '"x"', '"x"'), ('jsonb', '[[1.0],{},null,true]', '[[1],{},null,true]'),
	('jsonb[]', '{1.0,"{\"a\":1}"}', '{1,"{\"a\":1.0}"}'),
	('numrange', '[1.0,2.0)', '[1,2.00)'), ('numrange', '(,2.0)', '(,2)'), ('numrange', 'empty', '(1,1)'),
	('nummultirange', '{[1.0,2),[3,4.0)}', '{[1,2.0),[3.0,4)}'), ('nummultirange', '{}', '{(1,1)}'), ('numrange[]', '{"[1.0,2)"}', '{"[1,2.0)"}'),
	('text_span', '[Abc,B)', '[abc,b)'), ('float_span', '[0,1)', '[-0,1)'), ('pair_span', '["(1.0,x)","(2,x)")', '["(1,x)","(2.0,x)")'),
	('money_pair', '(1.0,x)', '(1.00,x)'), ('money_pair', '(,)', '(,)'), ('pair_domain', '(1.0,x)', '(1.00,x)'),
	('money_pair[]', '{"(1.0,x)"}', '{"(1,x)"}'),
	('nested', '("(1.0,)","{""a"": 1.0}","{2.0}")', '("(1,)","{""a"": 1}","{2}")');

-- each pair is one group, and most look different
DO $$
DECLARE
	p pair;
	same boolean;
BEGIN
	FOR p IN SELECT * FROM pair LOOP
		EXECUTE format('SELECT count(*) = 1 FROM (SELECT k FROM (VALUES ($1::%1$s), ($2::%1$s)) v (k) GROUP BY k) g', p.type)
			INTO same USING p.a, p.b;
		ASSERT same, p.type || ' ' || p.a;
		EXECUTE format('CREATE TABLE likeness_%s (id int, k %s)', p.id, p.type);
		PERFORM gymstream.create_rollup('alike_' || p.id, format('SELECT k, count(*) AS n FROM likeness_%s GROUP BY k', p.id));
	END LOOP;
END $$;
SELECT FROM pg_create_logical_replication_slot('event_keys', 'gymstream');
DO $$
DECLARE
	p pair;
BEGIN
	FOR p IN SELECT * FROM pair LOOP
		EXECUTE format('INSERT INTO likeness_%s VALUES (1, %L)', p.id, p.a);
		EXECUTE format('INSERT INTO likeness_%s VALUES (2, %L)', p.id, p.b);
		EXECUTE format('DELETE FROM likeness_%s WHERE id = 1', p.id);
	END LOOP;
END $$;
CREATE TABLE told (id int, key text, varies boolean);
INSERT INTO told SELECT substr(data::json ->> 'table', 7)::int, data::json ->> 'key', data::jsonb ? 'key_varies'
	FROM pg_logical_slot_get_changes('event_keys', NULL, NULL) WHERE data LIKE '%"action":"rollup"%' ORDER BY 1;
SELECT type, a, b, count(*) AS events, count(DISTINCT key) AS keys, bool_or(varies) AS varies, min(key) AS key
FROM pair JOIN told USING (id) GROUP BY pair.id ORDER BY pair.id;

-- the key of each row of the rollups, which show what is left
CREATE FUNCTION key_of(rollup text) RETURNS TABLE (shown text, key text) LANGUAGE plpgsql AS
	$$ BEGIN RETURN QUERY EXECUTE format('SELECT r.k::text, gymstream.event_key(r.*)::text FROM %I r', rollup); END $$;
SELECT type, a, shown, key FROM pair, key_of('alike_' || id) WHERE key IS DISTINCT FROM (SELECT min(t.key) FROM told t WHERE t.id = pair.id);

-- in a transaction that is not yet committed, by a session that has looked at no type before
SELECT FROM pg_create_logical_replication_slot('event_keys_two', 'gymstream', false, true);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE moody (id int, m mood, b bool, u uuid, t tsquery, c text COLLATE "C");
SELECT gymstream.create_rollup('moods', 'SELECT m, b, u, t, c, count(*) AS n FROM moody GROUP BY m, b, u, t, c');
BEGIN;
SELECT format('INSERT INTO likeness_%s VALUES (9, %L)', id, b) FROM pair WHERE a <> b AND type <> 'pair_span' ORDER BY id \gexec
INSERT INTO moody VALUES (1, 'good', true, '00000000-0000-0000-0000-000000000000', 'a & b', 'c');
PREPARE TRANSACTION 'event_keys';
\c -
SELECT data::json ->> 'table' AS rollup, data::json ->> 'key_varies' AS varies FROM pg_logical_slot_peek_changes('event_keys_two', NULL, NULL, 'two-phase', 'on')
	WHERE data LIKE '%"action":"rollup"%' AND data LIKE '%key_varies%' ORDER BY 1;
SELECT count(*) AS told, count(*) FILTER (WHERE p.key = t.key) AS same
	FROM (SELECT substr(data::json ->> 'table', 7)::int AS id, data::json ->> 'key' AS key
		FROM pg_logical_slot_get_changes('event_keys_two', NULL, NULL, 'two-phase', 'on') WHERE data LIKE '%"table":"alike_%') p
	JOIN (SELECT id, min(key) AS key FROM told GROUP BY id) t USING (id);
COMMIT PREPARED 'event_keys';
SELECT pg_drop_replication_slot('event_keys_two');
SELECT count(*) > 0 AS read FROM pg_logical_slot_get_changes('event_keys', NULL, NULL);

-- what has no canonical value says so: texts whose collation is not deterministic, also within others, and what is very long
CREATE COLLATION event_nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE loose AS (name text COLLATE event_nocase, n numeric);
CREATE TABLE vague (id int, a text COLLATE event_nocase, b int, c text[] COLLATE event_nocase, d loose, e jsonb);
SELECT gymstream.create_rollup('vaguely', 'SELECT a, b, c, d, e, count(*) AS n FROM vague GROUP BY a, b, c, d, e');
INSERT INTO vague VALUES (1, 'Abc', 1, '{Abc}', '(Abc,1.0)', '1.0'), (2, 'Abc', 2, NULL, '(,1.0)', '1.0'), (3, NULL, 3, '{}', NULL, NULL),
	(4, NULL, 4, NULL, NULL, (SELECT jsonb_agg(repeat(i::text, 1000)) FROM generate_series(1000, 1400) i));
SELECT data::json #>> '{key,b}' AS b, data::json ->> 'key_varies' AS key_varies, data::json #>> '{key,d}' AS d
FROM pg_logical_slot_get_changes('event_keys', NULL, NULL) WHERE data LIKE '%"action":"rollup"%' ORDER BY 1;
SELECT b, gymstream.event_key(r.*) ->> 'd' AS d FROM vaguely r WHERE b < 4 ORDER BY b;

-- whose row it is: only that of a rollup has a key, and a JSON null is told from no other null
SELECT gymstream.event_key(p.*) FROM pair p;
SELECT gymstream.event_key(ROW(1, 2));
SELECT gymstream.event_key(r.*) FROM (SELECT * FROM alike_1) r;
SELECT gymstream.event_key(NULL::alike_1), gymstream.event_key(NULL);
CREATE TABLE odd (id int, "The ""k""" timestamptz, doc jsonb, v int);
SELECT gymstream.create_rollup('"Odd one"', 'SELECT sum(v) AS s, "The ""k""", doc, count(*) AS r FROM odd GROUP BY 3, 2');
SELECT gymstream.create_rollup('keyless', 'SELECT count(*) AS r FROM odd GROUP BY doc');
SELECT gymstream.create_rollup('whole', 'SELECT count(*) AS r FROM odd');
INSERT INTO odd VALUES (1, '2026-01-31 12:00+02', '{"a": 1.50}', 1), (2, NULL, NULL, 2), (3, '2026-01-31 12:00+02', 'null', 3);
SET DateStyle = German; SET TimeZone = 'Asia/Tokyo';
SELECT gymstream.event_key(r.*), "The ""k""", doc FROM "Odd one" r ORDER BY s;
SELECT gymstream.event_key(r.*) FROM keyless r;
SELECT gymstream.event_key(r.*) FROM whole r;
SHOW DateStyle; SHOW TimeZone;
RESET DateStyle; RESET TimeZone;
SELECT count(*), bool_and(k.key IS NOT DISTINCT FROM data::json ->> 'key') FROM pg_logical_slot_get_changes('event_keys', NULL, NULL),
	LATERAL (SELECT gymstream.event_key(r.*)::text FROM "Odd one" r WHERE s = (data::json #>> '{delta,sum(v)}')::int) k (key)
WHERE data LIKE '%"action":"rollup"%"Odd one"%' AND data NOT LIKE '%json_null%';

-- a type with another field: what is known of it is looked up anew
CREATE TYPE grows AS (a int);
CREATE TABLE growing (id int, k grows);
SELECT gymstream.create_rollup('grown', 'SELECT k, count(*) AS n FROM growing GROUP BY k');
INSERT INTO growing VALUES (1, ROW(1));
ALTER TYPE grows ADD ATTRIBUTE b numeric;
INSERT INTO growing VALUES (2, ROW(1, 1.0)), (3, ROW(1, 1.00)), (4, ROW(1, NULL));
SELECT data::json ->> 'key' AS key, data::json ->> 'delta' AS delta FROM pg_logical_slot_get_changes('event_keys', NULL, NULL)
WHERE data LIKE '%"action":"rollup"%"grown"%' ORDER BY 1;
SELECT pg_drop_replication_slot('event_keys');
