-- values of type json and jsonb: every strict parser reads the line, SQL NULL is told apart from a null within, and what a
-- parser cannot hold is there as text
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA decode_json;
SET search_path = decode_json, public;
CREATE FUNCTION events(VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT data FROM pg_logical_slot_peek_changes('decode_json', NULL, NULL, VARIADIC
    ARRAY['include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off', 'include-schemas', 'off'] || options)
  WHERE data::json IS NOT NULL $$;
CREATE DOMAIN document AS json;
CREATE TABLE t (id int PRIMARY KEY, j json, jb jsonb, d document, n numeric);
ALTER TABLE t REPLICA IDENTITY FULL;
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_json', 'gymstream');

-- a null of SQL and one of JSON, in both rows
INSERT INTO t (id, j, jb, d) VALUES (1, NULL, NULL, NULL), (2, 'null', 'null', E' \n\tnull\r '), (3, '"null"', '"null"', '"nul"'), (4, '[null]', '{"a": null}', 'null');
UPDATE t SET jb = NULL, j = 'null' WHERE id IN (1, 2);
DELETE FROM t WHERE id = 2;
SELECT * FROM events();
SELECT * FROM events('json-data-types-as-string', 'on');
SELECT data::json -> 'before' AS before, data::json -> 'after' AS after FROM pg_logical_slot_peek_changes('decode_json', NULL, NULL, 'format', 'debezium', 'actions', 'update');
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_json', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;

-- what is strict enough stays as it is, to the byte: at the edge, and what only looks like more
CREATE TABLE edge (id serial, j json, why text);
INSERT INTO edge (j, why) VALUES
  ('"\ud83c\udfcb \u0000 \\ud800 \\\\ \uD7FF\uE000"', 'pairs, and a backslash before a u'), ('1e307', 'exponent'), ('-123.5E+305', 'exponent'), ('1e-99999999999', 'small'),
  (('0.' || repeat('1', 20000))::json, 'long fraction'), ((repeat('9', 308))::json, 'digits'), (('-' || repeat('9', 308) || '.5')::json, 'digits'),
  ((repeat('1', 400) || 'e-100')::json, 'digits and exponent'), (('"' || repeat('1', 5000) || 'e9999"')::json, 'in a string'), (('{"' || repeat('[{', 300) || '":[1e30,"1e999"]}')::json, 'in strings'),
  ((repeat('[', 100) || repeat(']', 100))::json, 'depth'), ((repeat('{"a":', 100) || 1 || repeat('}', 100))::json, 'depth'), (('[' || repeat('[],{},', 500) || '1]')::json, 'many'),
  (('{"\u00e9":"' || repeat('\"', 100) || '"}')::json, 'escapes'), (to_json(repeat('12345678', 100)), 'digits in a string'), ('[0.5,-0,-0.0,0e0,0E-5,1E5]', 'zeros');
SELECT why, left(j::text, 40) AS j FROM edge WHERE NOT EXISTS (SELECT FROM events('add-tables', '*.edge') data
  WHERE substring(data FROM '"new":\{"id":(\d+),')::int = id AND data !~ 'json_text' AND position('"j":' || j || ',"why"' IN data) > 0);
-- what is not is a string, which is named
CREATE TABLE beyond (id serial, j json, why text);
INSERT INTO beyond (j, why) VALUES
  ('"\ud800"', 'half a pair'), ('"\udfcb\ud83c"', 'a pair turned round'), ('"a\uDBFF"', 'half'), ('{"\uD800x":1}', 'in a name'), ('["\ud800\ud800\udc00"]', 'one and a half'), ('"\ud83c\n"', 'half'),
  ('1e5000', 'exponent'), ('[-1e309]', 'exponent'), ('{"a":12E+99999999999999999999}', 'exponent'), ('0e999', 'exponent'), ((repeat('9', 309))::json, 'digits'), (('[-' || repeat('1', 400) || '.5]')::json, 'digits'),
  ((repeat('1', 350) || 'e-10')::json, 'digits and exponent'), ((repeat('[', 101) || repeat(']', 101))::json, 'depth'), ((repeat('{"a":', 101) || 1 || repeat('}', 101))::json, 'depth'), ((repeat('[', 3000) || repeat(']', 3000))::json, 'depth');
SELECT why, left(j::text, 40) AS j FROM beyond WHERE NOT EXISTS (SELECT FROM events('add-tables', '*.beyond') data
  WHERE (data::json #>> '{new,id}')::int = id AND data::json #>> '{json_text,new}' = '["j"]' AND data::json #>> '{new,j}' = j::text AND json_typeof(data::json #> '{new,j}') = 'string');
SELECT data FROM events('add-tables', '*.beyond') data WHERE length(data) < 120;
SELECT count(*) AS named FROM events('add-tables', '*.beyond', 'json-data-types-as-string', 'on') data WHERE data ~ 'json_text';

-- in a jsonb, of which numbers are numerics, and in numbers themselves
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_json', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;
INSERT INTO t (id, jb, n) VALUES (10, '{"a": 1e5000}', 1e5000), (11, '1e307', -1e307), (12, (repeat('[', 101) || repeat(']', 101))::jsonb, 1e308), (13, '["\ud83c\udfcb"]', -1e308 - 0.5), (14, to_jsonb('NaN'::numeric), 0.1 ^ 400);
SELECT id, json_typeof(new -> 'jb') AS jb, json_typeof(new -> 'n') AS n, note, new ->> 'jb' = jb #>> '{}' AND (new ->> 'n')::numeric = n AS same
FROM t, events('actions', 'insert') data, LATERAL (SELECT data::json -> 'new' AS new, data::json -> 'json_text' AS note) e WHERE (new ->> 'id')::int = id ORDER BY id;
UPDATE t SET j = jb WHERE id IN (10, 12);
SELECT data::json -> 'json_text' AS json_text FROM events('actions', 'update') data;

-- in the key of a group, and in its delta
CREATE TABLE source (k jsonb, v numeric);
SELECT gymstream.create_rollup('sums', 'SELECT k, count(*) AS n, sum(v) AS s FROM source GROUP BY k');
INSERT INTO source VALUES ('null', 1), (NULL, 2), ('{"a": 1e400}', 1e400), ('"x"', 3);
SELECT data::json -> 'json_null' AS json_null, data::json -> 'json_text' AS json_text, left(data::json ->> 'key', 20) AS key FROM events('actions', 'rollup') data ORDER BY 3, data;
-- options hold for rollups too
SELECT data FROM events('actions', 'rollup', 'json-data-types-as-string', 'on', 'numeric-data-types-as-string', 'on') data WHERE data !~ '00000' ORDER BY 1;

SELECT pg_drop_replication_slot('decode_json');
DROP SCHEMA decode_json CASCADE;
