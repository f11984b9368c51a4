-- events as Debezium's connector for PostgreSQL sends them
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA decode_debezium;
SET search_path = decode_debezium, public;
-- without what differs each time
CREATE FUNCTION events(VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT regexp_replace(regexp_replace(regexp_replace(data, '"(ts_..|lsn|txId)":\d+', '"\1":0', 'g'), '"sequence":"\[\\"\d+\\",\\"\d+\\"\]"', '"sequence":"..."'), '"id":"\d+:\d+"', '"id":"..."')
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
  bool_and(abs((s ->> 'ts_us')::numeric / 1e6 - extract(epoch FROM now())) < 600 AND (s ->> 'ts_ns')::numeric / 1000 = (s ->> 'ts_us')::numeric AND trunc((s ->> 'ts_us')::numeric / 1000) = (s ->> 'ts_ms')::numeric) AS times,
  bool_and(abs((data::json ->> 'ts_ms')::numeric / 1000 - extract(epoch FROM now())) < 600) AS sent, bool_and((s ->> 'sequence')::json ->> 1 = s ->> 'lsn') AS sequence,
  bool_and(((s ->> 'sequence')::json ->> 0)::numeric < ((s ->> 'sequence')::json ->> 1)::numeric) AS order
FROM pg_logical_slot_get_changes('decode_debezium', NULL, NULL, 'format', 'debezium'), LATERAL (SELECT data::json -> 'source' AS s) source;

-- values, with their schemas
CREATE TYPE mood AS ENUM ('sad', 'so "so"');
CREATE DOMAIN cents AS numeric(10,2);
CREATE TABLE v (b bool, i2 int2, i8 int8, o oid, f8 float8, n numeric, n52 numeric(5,2), n3 numeric(6,-3), c cents, m money, d date, t time, t3 time(3), tt timetz, ts timestamp, ts3 timestamp(3), tz timestamptz,
  iv interval, by bytea, b1 bit, b10 bit(10), vb varbit, p point, u uuid, j jsonb, e mood, ai int[], an numeric(5,1)[], ip inet, r int4range);
INSERT INTO v VALUES (true, -2, 9223372036854775807, 4294967295, 0.5, 12345678901234567890.123, 1.5, 123456, -0.01, 12.34, '2018-06-20', '13:51:30.123456', '13:51:30.123456', '15:51:30.5+02', '2018-06-20 15:13:16.945104',
  '2018-06-20 15:13:16.945', '2018-06-20 15:13:16.945104+02', '1 year 2 mons 3 days 04:05:06.78', '\x0102ff', '1', '1000000001', '101', '(1,2)', '00000000-0000-0000-0000-00000000000a', '{"a": 1}', 'so "so"', '{1,NULL,3}', '{1.5,NULL}', '::1', '[1,5)');
INSERT INTO v (f8, n, n52, d, ts, tz, t, ai, vb, n3) VALUES ('NaN', 'NaN', 'NaN', 'infinity', '-infinity', 'infinity', '24:00', '{{1,2},{3,4}}', '', -123000),
  ('-Infinity', 0, 0, '1969-12-31', '1969-12-31 23:59:59.999999', '0001-01-01 00:00+00 BC', '00:00', '{}', '0', 0), (1e300, 0.0000, -128, '0044-03-15 BC', '294276-01-01', '9999-12-31 00:00+00', NULL, '[5:6]={1,2}', NULL, NULL);
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

-- values that stayed in the TOAST table, and a rollup
SELECT 1 AS created FROM pg_logical_slot_get_changes('decode_debezium', NULL, NULL, 'skip-output', 'on') HAVING count(*) = 0;
CREATE TABLE toasted (id int PRIMARY KEY, a text, b bytea);
ALTER TABLE toasted ALTER a SET STORAGE external, ALTER b SET STORAGE external;
INSERT INTO toasted VALUES (1, repeat('x', 4000), decode(repeat('00', 4000), 'hex'));
UPDATE toasted SET id = 2;
CREATE TABLE booking (class_id int);
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
INSERT INTO booking VALUES (7);
SELECT * FROM events('actions', 'update');
SELECT data::json #>> '{message,prefix}' AS prefix, convert_from(decode(data::json #>> '{message,content}', 'base64'), 'UTF8') AS content
FROM events('actions', 'rollup', 'include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off') data;

-- what the format has no events for
SELECT * FROM pg_logical_slot_peek_changes('decode_debezium', NULL, NULL, 'format', 'debezium', 'streaming', 'on');
SELECT * FROM pg_logical_slot_peek_changes('decode_debezium', NULL, NULL, 'format', 'avro');
SELECT * FROM pg_logical_slot_peek_changes('decode_debezium', NULL, NULL, 'decimal.handling.mode', 'exact');
SELECT pg_drop_replication_slot('decode_debezium');
DROP SCHEMA decode_debezium CASCADE;
