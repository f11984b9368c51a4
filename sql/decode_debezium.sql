-- events as Debezium's connector for PostgreSQL sends them
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA decode_debezium;
SET search_path = decode_debezium, public;
SELECT now() AS start \gset
-- without what differs each time
CREATE FUNCTION events(VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT regexp_replace(regexp_replace(regexp_replace(replace(data, format('"db":"%s"', current_database()), '"db":"..."'), '"(ts_..|lsn|txId)":\d+', '"\1":0', 'g'), '"sequence":"\[(null|\\"\d+\\"),\\"\d+\\"\]"', '"sequence":"..."'), '"id":"\d+:\d+"', '"id":"..."')
  FROM pg_logical_slot_peek_changes('decode_debezium', NULL, NULL, VARIADIC '{format,debezium}' || options)
  WHERE data::jsonb IS NOT NULL AND data !~ '[\n\r]' $$;
CREATE TABLE customers (id serial PRIMARY KEY, first_name text NOT NULL, email varchar(255));
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_debezium', 'gymstream');

INSERT INTO customers VALUES (1004, 'Anne', 'annek@noanswer.org');
BEGIN;
UPDATE customers SET first_name = 'Anne Marie' WHERE id = 1004;
UPDATE customers SET id = 1005;
DELETE FROM customers;
TRUNCATE customers;
COMMIT;
SELECT pg_logical_emit_message(t, 'prefix', 'content') IS NOT NULL AS sent FROM unnest(ARRAY[true, false]) t;
SELECT * FROM events();
SELECT * FROM events('include-transaction', 'on', 'messages', 'on', 'topic.prefix', 'gym "x"');
SELECT * FROM events('schemas.enable', 'on', 'actions', 'insert,message', 'messages', 'on', 'provide.transaction.metadata', 'on');
-- times, positions and transactions are those of the WAL
SELECT bool_and((s ->> 'txId')::int = xid::text::int) AS xid, bool_and('0/0'::pg_lsn + (s ->> 'lsn')::numeric = lsn) AS lsn,
  bool_and((s ->> 'ts_us')::numeric / 1e6 BETWEEN extract(epoch FROM :'start'::timestamptz) AND extract(epoch FROM now()) AND (s ->> 'ts_ns')::numeric / 1000 = (s ->> 'ts_us')::numeric AND trunc((s ->> 'ts_us')::numeric / 1000) = (s ->> 'ts_ms')::numeric) AS times,
  bool_and((data::json ->> 'ts_us')::numeric / 1e6 BETWEEN extract(epoch FROM now()) AND extract(epoch FROM clock_timestamp())) AS sent, bool_and((s ->> 'sequence')::json ->> 1 = s ->> 'lsn') AS sequence,
  bool_and(((s ->> 'sequence')::json ->> 0)::numeric <= ((s ->> 'sequence')::json ->> 1)::numeric) AS order, count(*) FILTER (WHERE (s ->> 'sequence')::json ->> 0 IS NULL) AS first
FROM pg_logical_slot_get_changes('decode_debezium', NULL, NULL, 'format', 'debezium'), LATERAL (SELECT data::json -> 'source' AS s) source;

-- a row whose key changes is deleted and inserted: by the replica identity, by the primary key where that is the whole row
CREATE TABLE by_index (id int PRIMARY KEY, code text NOT NULL UNIQUE, long text);
ALTER TABLE by_index ALTER long SET STORAGE external, REPLICA IDENTITY USING INDEX by_index_code_key;
CREATE TABLE keyless (a int);
ALTER TABLE keyless REPLICA IDENTITY FULL;
CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE, note text);
ALTER TABLE deferred REPLICA IDENTITY FULL;
INSERT INTO deferred VALUES (1, 'x');
CREATE TABLE "n üm" (a int);
INSERT INTO by_index VALUES (1, 'a', repeat('x', 4000));
INSERT INTO keyless VALUES (1);
BEGIN;
UPDATE by_index SET id = 2;
UPDATE by_index SET code = 'b';
ALTER TABLE by_index REPLICA IDENTITY FULL;
UPDATE by_index SET code = 'c';
UPDATE by_index SET id = 3;
UPDATE by_index SET long = NULL;
UPDATE keyless SET a = 2;
UPDATE deferred SET note = 'y';
UPDATE deferred SET id = 2;
COMMIT;
SELECT data::json ->> 'op' AS op, regexp_replace(data::json ->> 'before', 'x+', 'x') AS before, regexp_replace(data::json ->> 'after', 'x+', 'x') AS after, data::json #> '{transaction,total_order}' AS n
FROM events('add-tables', '*.by_index, *.keyless, *.deferred', 'include-transaction', 'on') data WHERE data::json ->> 'op' IS NOT NULL;
-- what came from elsewhere
SELECT pg_replication_origin_create('regress_debezium') IS NOT NULL AS created, pg_replication_origin_session_setup('regress_debezium') IS NOT NULL AS setup;
BEGIN;
SELECT pg_replication_origin_xact_setup('0/AB', '2020-01-01 00:00+00') IS NOT NULL AS setup;
INSERT INTO "n üm" VALUES (1);
COMMIT;
SELECT pg_replication_origin_session_reset() IS NOT NULL AS reset;
SELECT s -> 'payload' #> '{source,origin}' AS origin, s -> 'payload' #> '{source,origin_lsn}' AS origin_lsn, s #>> '{schema,name}' AS name
FROM events('add-tables', '*.n üm', 'schemas.enable', 'on') data, LATERAL (SELECT data::json AS s) s;
SELECT pg_replication_origin_drop('regress_debezium');
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_debezium', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;

-- values, with their schemas
CREATE TYPE mood AS ENUM ('sad', 'so "so"');
CREATE DOMAIN cents AS numeric(10,2);
CREATE TABLE v (b bool, i2 int2, i8 int8, o oid, f8 float8, n numeric, n52 numeric(5,2), n3 numeric(6,-3), c cents, m money, d date, t time, t3 time(3), tt timetz, ts timestamp, ts3 timestamp(3), tz timestamptz, tz0 timestamptz(0), tz3 timestamptz(3),
  iv interval, by bytea, b1 bit, b10 bit(10), vb varbit, p point, u uuid, j jsonb, e mood, ai int[], an numeric(5,1)[], ip inet, r int4range);
INSERT INTO v VALUES (true, -2, 9223372036854775807, 4294967295, 0.5, 12345678901234567890.123, 1.5, 123456, -0.01, 12.34, '2018-06-20', '13:51:30.123456', '13:51:30.123456', '15:51:30.5+02', '2018-06-20 15:13:16.945104',
  '2018-06-20 15:13:16.945', '2018-06-20 15:13:16.945104+02', '2018-06-20 15:13:16.4+02', '2018-06-20 15:13:16.945104+02', '1 year 2 mons 3 days 04:05:06.78', '\x0102ff', '1', '1000000001', '101', '(1,2)', '00000000-0000-0000-0000-00000000000a', '{"a": 1}', 'so "so"', '{1,NULL,3}', '{1.5,NULL}', '::1', '[1,5)');
INSERT INTO v (f8, n, n52, d, ts, tz, t, ai, vb, n3) VALUES ('NaN', 'NaN', 'NaN', 'infinity', '-infinity', 'infinity', '24:00', '{{1,2},{3,4}}', '', -123000),
  ('-Infinity', 0, 0, '1969-12-31', '1969-12-31 23:59:59.999999', '0001-01-01 00:00+00 BC', '00:00', '{}', '0', 0), (1e300, 0.0000, -128, '0044-03-15 BC', '294276-01-01', '9999-12-31 00:00+00', NULL, '[5:6]={1,2}', NULL, NULL);
INSERT INTO v (f8, tz, tz0, tt, b10, m, n) VALUES (-0.0, '0044-03-15 00:00+00 BC', '12024-01-01 00:00+00', '23:59:59+00', '0011111111', -0.05, 'Infinity'), (1e15, NULL, 'infinity', '00:00:00.120+15', '0000000000', -1234.5, '-Infinity'), (NULL, NULL, NULL, '24:00+00', NULL, '-92233720368547758.08', repeat('7', 400)::numeric);
SELECT f ->> 'field' AS field, f - 'field' - 'optional' AS schema, payload -> 'after' -> (f ->> 'field') AS value
FROM events('schemas.enable', 'on') WITH ORDINALITY data (data, n), LATERAL (SELECT data::jsonb -> 'payload' AS payload, data::jsonb -> 'schema' -> 'fields' -> 1 -> 'fields' AS fields) s, jsonb_array_elements(fields) WITH ORDINALITY f (f, i) WHERE n = 1 ORDER BY i;
SELECT regexp_replace(data, '^.*"after":(.*),"source".*', '\1') FROM events() data OFFSET 1;
SELECT k, v FROM events('decimal.handling.mode', 'string') data, json_each(data::json -> 'after') e (k, v) WHERE k IN ('n', 'n52', 'm', 'an', 'c');
SELECT k, v FROM events('decimal.handling.mode', 'double') data, json_each(data::json -> 'after') e (k, v) WHERE k IN ('n', 'n52', 'm', 'an', 'c');
-- whole numbers of any length as bytes: read back they are the same
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_debezium', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;
CREATE TABLE numbers (n numeric PRIMARY KEY);
INSERT INTO numbers SELECT DISTINCT s * (2::numeric ^ e + d) FROM unnest('{0,7,8,15,16,31,32,63,64,95,127,128,500}'::int[]) e, generate_series(-1, 1) d, unnest('{1,-1}'::int[]) s;
INSERT INTO numbers SELECT DISTINCT n / 1000 FROM numbers WHERE n <> 0;
CREATE FUNCTION whole(bytes bytea) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE result numeric := 0;
BEGIN
  FOR i IN 0 .. length(bytes) - 1 LOOP result := result * 256 + get_byte(bytes, i); END LOOP;
  RETURN result - CASE WHEN get_byte(bytes, 0) > 127 THEN 256::numeric ^ length(bytes) ELSE 0 END;
END $$;
SELECT count(*) > 100 AS many, count(*) FILTER (WHERE NOT EXISTS (SELECT FROM numbers WHERE numbers.n = whole(decode(v ->> 'value', 'base64')) / 10::numeric ^ (v ->> 'scale')::int)) AS wrong,
  count(*) FILTER (WHERE length(b) > 1 AND (get_byte(b, 0) = 0 AND get_byte(b, 1) < 128 OR get_byte(b, 0) = 255 AND get_byte(b, 1) > 127)) AS longer_than_needed
FROM events() data, LATERAL (SELECT data::json -> 'after' -> 'n' AS v) v, LATERAL (SELECT decode(v ->> 'value', 'base64') AS b) b;

-- hstore, of an extension that may be missing
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_debezium', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;
DO $$
BEGIN
  CREATE EXTENSION hstore SCHEMA public;
  CREATE TABLE pairs AS SELECT h, hstore_to_jsonb(h) AS j FROM unnest(ARRAY['', 'a=>1', 'a=>NULL, b=>"NULL"', E'"q\\"\\\\"=>"=>, \t\n", ü=>""', 'a=>b, "c d"=>"{\"x\": 1}"']::hstore[]) h;
EXCEPTION WHEN OTHERS THEN RAISE DEBUG '%', SQLERRM;
END
$$;
CREATE TYPE hstore AS ENUM ('"', 'N', 'a');
CREATE TABLE named (h hstore);
INSERT INTO named VALUES ('"'), ('N'), ('a');
SELECT data::json #> '{after,h}' AS h FROM events('add-tables', '*.named') data;
SELECT data FROM events('filter-tables', '*.named') data WHERE (data::json #>> '{after,h}')::jsonb IS DISTINCT FROM (data::json #>> '{after,j}')::jsonb;

-- values that stayed in the TOAST table, and a rollup
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_debezium', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;
CREATE TABLE toasted (id int PRIMARY KEY, a text, b bytea, ai int[], ad date[], at text[], au uuid[], ab bool[], n numeric);
ALTER TABLE toasted ALTER a SET STORAGE external, ALTER b SET STORAGE external, ALTER ai SET STORAGE external, ALTER ad SET STORAGE external, ALTER at SET STORAGE external, ALTER au SET STORAGE external, ALTER ab SET STORAGE external, ALTER n SET STORAGE external;
INSERT INTO toasted SELECT 1, repeat('x', 4000), decode(repeat('00', 4000), 'hex'), array_agg(i), array_agg(date '2020-01-01' + i), array_agg(i::text), array_agg(md5(i::text)::uuid), array_agg(true), repeat('7', 9000)::numeric FROM generate_series(1, 4000) i;
UPDATE toasted SET id = 2;
ALTER TABLE toasted REPLICA IDENTITY FULL;
UPDATE toasted SET b = NULL;
CREATE TABLE booking (class_id int);
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
INSERT INTO booking VALUES (7);
SELECT data::json ->> 'op' AS op, data::json ->> 'before' AS before, data::json ->> 'after' AS after FROM events('actions', 'update') data LIMIT 2;
SELECT data::json #> '{after,n}' AS n FROM events('actions', 'update', 'decimal.handling.mode', 'string') data LIMIT 2;
-- with the whole old row they come from there
SELECT data::json ->> 'op' AS op, length(data::json #>> '{before,b}') AS old_b, data::json #> '{after,b}' AS b, length(data::json #>> '{after,a}') AS a, json_array_length(data::json #> '{after,ai}') AS ai FROM events('actions', 'update') data OFFSET 2;
SELECT data::json #>> '{message,prefix}' AS prefix, convert_from(decode(data::json #>> '{message,content}', 'base64'), 'UTF8') AS content
FROM events('actions', 'rollup', 'include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off') data;

-- what has no room is the largest, or the smallest; labels are those of the moment
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_debezium', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;
CREATE TYPE temper AS ENUM ('calm');
CREATE TABLE bounds (i interval, m temper);
INSERT INTO bounds VALUES ('178000000 years', 'calm'), ('-178000000 years', 'calm'), ('-1 second', 'calm');
ALTER TYPE temper ADD VALUE 'keen';
INSERT INTO bounds VALUES ('1 month', 'keen');
SELECT data::json #> '{payload,after,i}' AS i, data::json #> '{payload,after,m}' AS m, substring(data FROM '"allowed":"[^"]*"') AS labels
FROM events('schemas.enable', 'on', 'add-tables', '*.bounds') data;

-- what the format has no events for
SELECT * FROM pg_logical_slot_peek_changes('decode_debezium', NULL, NULL, 'format', 'debezium', 'streaming', 'on');
SELECT * FROM pg_logical_slot_peek_changes('decode_debezium', NULL, NULL, 'format', 'avro');
SELECT * FROM pg_logical_slot_peek_changes('decode_debezium', NULL, NULL, 'decimal.handling.mode', 'exact');
SELECT pg_drop_replication_slot('decode_debezium');
DROP SCHEMA decode_debezium CASCADE;
