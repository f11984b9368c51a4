-- what cannot be rendered, being too long or of a type whose output fails, is told in its place without it, and decoding goes on
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA decode_unrendered;
SET search_path = decode_unrendered, public;
CREATE FUNCTION events(VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT data FROM pg_logical_slot_peek_changes('decode_unrendered', NULL, NULL, VARIADIC
    ARRAY['include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off', 'include-schemas', 'off'] || options)
  WHERE data::jsonb IS NOT NULL AND data !~ '[\n\r]' $$;
CREATE FUNCTION seen() RETURNS void LANGUAGE sql AS $$ SELECT FROM pg_logical_slot_get_changes('decode_unrendered', NULL, NULL, 'skip-output', 'on') $$;
-- shortens what is long
CREATE FUNCTION short(data text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(data, 'x{20,}|y{20,}|k{20,}|0{20,}|1{20,}|(ab){20,}|A{20,}', '...', 'g') $$;
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_unrendered', 'gymstream');
\set VERBOSITY terse

-- types whose output fails: a base type, a domain over it, an array of it, a row that has it, an enum that has lost a label
CREATE TYPE bad;
CREATE FUNCTION bad_in(cstring) RETURNS bad LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION bad_out(bad) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'any_out';
CREATE TYPE bad (INPUT = bad_in, OUTPUT = bad_out, LIKE = text);
CREATE DOMAIN worse AS bad;
CREATE TYPE holder AS (a int, b bad);
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE t (id int PRIMARY KEY, a text, b bad, w worse, bs bad[], h holder, m mood, n int);
INSERT INTO t VALUES (1, 'fine', NULL, NULL, '{}', '(1,)', 'sad', 1);
INSERT INTO t VALUES (2, 'a', 'x', NULL, NULL, NULL, 'sad', 2);
INSERT INTO t VALUES (3, 'b', NULL, 'x', '{x,y}', '(1,x)', 'glad', 3);
UPDATE t SET n = 33 WHERE id = 3;
UPDATE t SET id = 4 WHERE id = 3;
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (5, 'fine', NULL, NULL, NULL, NULL, 'sad', 5);
SELECT * FROM events();
SELECT regexp_replace(data, '"source".*?("op":".").*?("unrendered":.*|$)', '\1,\2') FROM events('format', 'debezium') data;
SELECT f ->> 'field' AS field, f ->> 'type' AS type FROM events('format', 'debezium', 'schemas.enable', 'on') WITH ORDINALITY e (data, n), json_array_elements(data::json #> '{schema,fields}') f WHERE n = 2;
SELECT * FROM events('unrendered', 'error');
SELECT * FROM events('unrendered', 'error', 'format', 'debezium');
SELECT seen();
ALTER TABLE t REPLICA IDENTITY FULL;
UPDATE t SET n = 3, a = 'c' WHERE id IN (2, 5);
DELETE FROM pg_enum WHERE enumtypid = 'mood'::regtype AND enumlabel = 'glad';
UPDATE t SET m = NULL;
DELETE FROM t;
SELECT * FROM events();
SELECT seen();
-- too long: each type by itself, of which a short value may have a long text
CREATE TYPE pair AS (a int, n numeric[]);
CREATE TABLE long (id int PRIMARY KEY, x text, by bytea, n numeric, ns numeric[], j json, jb jsonb, p pair, r numrange, mr nummultirange, ps pair[], bits varbit, note text);
INSERT INTO long (id, x, note) VALUES (1, repeat('y', 9000), 'kept'), (2, repeat(E'\x01', 2000), 'kept'), (3, repeat('y', 6000), 'kept');
INSERT INTO long (id, by, note) VALUES (4, decode(repeat('ab', 5000), 'hex'), 'kept'), (5, decode(repeat('ab', 3000), 'hex'), 'kept');
INSERT INTO long (id, n, note) VALUES (6, 1e9000, 'kept'), (7, 1e-9000::numeric, 'kept'), (8, 1e6000, 'kept');
INSERT INTO long (id, ns, note) VALUES (9, array_fill(1e131071::numeric, ARRAY[500]), 'kept'), (10, '{1,2,3}', 'kept');
INSERT INTO long (id, j, jb, note) VALUES (11, (repeat(' ', 9000) || 'null')::json, NULL, 'kept'), (12, NULL, ('[' || repeat('1e131071,', 499) || '1]')::jsonb, 'kept'), (13, to_json(repeat('y', 8000)), '1', 'kept');
INSERT INTO long (id, p, r, mr, ps, note) VALUES (14, (1, array_fill(1e131071::numeric, ARRAY[500])), NULL, NULL, NULL, 'kept'), (15, NULL, numrange(1, 1e131071::numeric), '{[1,2]}', NULL, 'kept'),
  (16, NULL, 'empty', nummultirange(numrange(1, 1e131071::numeric)), ARRAY[(1, array_fill(1e131071::numeric, ARRAY[500]))]::pair[], 'kept');
INSERT INTO long (id, bits, note) VALUES (17, repeat('1', 9000)::varbit, 'kept');
INSERT INTO long (id, x, by, note) VALUES (18, repeat('y', 5000), decode(repeat('ab', 2500), 'hex'), 'kept');
UPDATE long SET note = 'changed' WHERE id IN (9, 12);
UPDATE long SET x = repeat(E'\x02', 3000) WHERE id = 1;
SELECT short(data) FROM events('max-event-size', '8kB') data;
SELECT short(regexp_replace(data, '"source".*?("op":".").*?("unrendered":.*|$)', '\1,\2')) AS data FROM events('max-event-size', '8192', 'format', 'debezium') data WHERE data ~ '"unrendered":';
SELECT seen();
-- by default there is room for nearly 1 GB
INSERT INTO long (id, jb, ps, note) VALUES (20, ('[' || repeat('1e131071,', 9999) || '1]')::jsonb, ARRAY[(1, array_fill(1e131071::numeric, ARRAY[10000]))]::pair[], 'kept'), (21, NULL, NULL, 'kept');
SELECT short(data) FROM events() data;
SELECT short(regexp_replace(data, '"source".*?("op":".").*?("unrendered":.*|$)', '\1,\2')) AS data FROM events('format', 'debezium') data;
SELECT seen();
INSERT INTO long (id, ns, note) VALUES (22, array_fill(1e131071::numeric, ARRAY[10000]), 'kept');
SELECT short(data) FROM events() data;
-- nor does anyone wait for a number's bytes for longer than a few seconds
SELECT short(regexp_replace(data, '"source".*?("op":".").*?("unrendered":.*|$)', '\1,\2')) AS data FROM events('format', 'debezium') data;
SELECT seen();

-- a key too; what tells rows apart goes first
CREATE TABLE keyed (a text, b text, id int, PRIMARY KEY (id, b));
CREATE TABLE long_key (a int, b text NOT NULL);
INSERT INTO keyed VALUES (repeat('x', 7000), repeat('y', 2000), 1);
INSERT INTO long_key VALUES (1, repeat('k', 9000));
UPDATE keyed SET b = 'short';
SELECT short(data) FROM events('max-event-size', '8kB') data;
SELECT seen();

-- messages, and rollups: a delta that cannot be rendered, a key
SELECT pg_logical_emit_message(t, 'app', m) IS NOT NULL AS sent FROM unnest(ARRAY[true, false]) t, unnest(ARRAY[repeat('x', 9000)::bytea, decode(repeat('00', 5000), 'hex'), 'short']) m;
SELECT short(data) FROM events('max-event-size', '8kB', 'messages', 'on') data;
SELECT short(regexp_replace(data, '^.*("message":\{"prefix.*)$', '\1')) FROM events('max-event-size', '8kB', 'messages', 'on', 'format', 'debezium') data;
SELECT * FROM events('max-event-size', '8kB', 'messages', 'on', 'unrendered', 'error');
SELECT seen();
CREATE TABLE source (k text, v numeric);
SELECT gymstream.create_rollup('sums', 'SELECT k, count(*) AS n, sum(v) AS s FROM source GROUP BY k');
INSERT INTO source VALUES ('a', 1e9000), (repeat('k', 9000), 1), ('b', 2);
SELECT short(data) FROM events('max-event-size', '8kB', 'actions', 'rollup') data ORDER BY 1;
SELECT short(convert_from(decode(data::json #>> '{message,content}', 'base64'), 'UTF8')) AS content FROM events('max-event-size', '8kB', 'actions', 'rollup', 'format', 'debezium') data ORDER BY 1;
SELECT seen();

-- a row filter that fails: nobody knows whether the row passes, so that no value is shown
CREATE TABLE filtered (id int PRIMARY KEY, a int, secret text) ;
CREATE PUBLICATION half FOR TABLE filtered WHERE (100 / id > 1);
INSERT INTO filtered VALUES (1, 1, 'shown'), (0, 2, 'not shown'), (99, 3, 'does not pass'), (2, 4, 'shown');
SELECT * FROM events('publication-names', 'half');
SELECT regexp_replace(data, '"source".*?("op":".").*?("unrendered":.*|$)', '\1,\2') FROM events('publication-names', 'half', 'format', 'debezium') data;
SELECT count(*) FROM events('publication-names', 'half', 'unrendered', 'error');

-- in a transaction in progress, and one that is prepared
SELECT pg_drop_replication_slot('decode_unrendered');
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_unrendered', 'gymstream', false, true);
SET logical_decoding_work_mem = '64kB';
CREATE TABLE streamed (id int, b bad, x text);
BEGIN;
INSERT INTO streamed SELECT i, CASE WHEN i % 100 = 7 THEN 'x'::bad END, repeat('y', 100) FROM generate_series(1, 1000) i;
SAVEPOINT a;
INSERT INTO streamed VALUES (-1, 'x');
ROLLBACK TO a;
COMMIT;
SELECT data::json ->> 'action' AS action, count(*) > 0 AS any, count(*) FILTER (WHERE data ~ '"unrendered":') AS unrendered, count(*) FILTER (WHERE data ~ '"id"') AS rows
FROM events('streaming', 'on') data GROUP BY 1 ORDER BY 1;
SELECT pg_drop_replication_slot('decode_unrendered');
-- sizes that are none
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_unrendered', 'gymstream');
SELECT * FROM events('max-event-size', '1kB');
SELECT * FROM events('max-event-size', '1GB');
SELECT * FROM events('max-event-size', 'large');
SELECT * FROM events('unrendered', 'skip');
SELECT pg_drop_replication_slot('decode_unrendered');
DROP PUBLICATION half;
DROP SCHEMA decode_unrendered CASCADE;
