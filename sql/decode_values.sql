-- each value as its type shows it under fixed settings, whatever formats it: random ones, extremes, and what takes another way
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
CREATE SCHEMA decode_values;
SET search_path = decode_values, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET bytea_output = 'hex';
SET IntervalStyle = 'postgres';
CREATE TABLE v (id serial PRIMARY KEY, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12,2), b bool,
  d date, t time, ts timestamp, tz timestamptz, u uuid, by bytea, x text, a numeric[], iv interval, bits varbit, m money);
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode_values', 'gymstream');
SELECT setseed(0.5) IS NULL AS seeded;

INSERT INTO v (i2, i4, i8, f4, f8, n, n2, b, d, t, ts, tz, u, by, x)
SELECT (random() * 65535 - 32768)::int2, (r - 0.5) * 4294967294, (r - 0.5) * 1.8e19, (r - 0.5) * 10 ^ (i % 75 - 37), (r - 0.5) * 10::float8 ^ (i % 600 - 300),
  round(((random() - 0.5) * 10::numeric ^ (i % 60 - 30))::numeric, i % 40), (random() - 0.5) * 1e9, r > 0.5,
  '0001-01-01'::date + (r * 3652058)::int, '00:00'::time + r * '24 hours'::interval, '0001-01-01'::timestamp + r * '9990 years'::interval,
  date_trunc((ARRAY['microseconds', 'milliseconds', 'second', 'minute', 'hour', 'day'])[1 + i % 6], '2000-01-01'::timestamptz + (r - 0.5) * '1000 years'::interval),
  md5(i::text)::uuid, decode(repeat(md5(i::text), i % 9), 'hex'), left(repeat(chr(1 + (random() * 1000)::int), 40) || chr(1 + i % 300) || 'x"\', 1 + i % 45)
FROM (SELECT i, random() AS r FROM generate_series(1, 2000) i) g;
INSERT INTO v (n) VALUES (0), (0.0), (-0.00000), (1e-1000), (-1e1000), (1e131071), (10 ^ -16383::numeric), (0.0001), (0.00001), (10000), (99999999), (1000000000000),
  (12345.6789), (0.12345678901234567890), (-1.5), (100000000.00000001), ('NaN'), ('Infinity'), ('-Infinity'), (repeat('9', 100000)::numeric);
INSERT INTO v (d) VALUES ('0001-01-01'), ('9999-12-31'), ('0001-12-31 BC'), ('10000-01-01'), ('4713-11-24 BC'), ('5874897-12-31'), ('infinity'), ('-infinity'), ('2000-02-29'), ('1900-02-28');
INSERT INTO v (ts) SELECT unnest('{0001-01-01,9999-12-31 23:59:59.999999,0001-12-31 23:59:59.999999 BC,10000-01-01,4713-11-24 BC,294276-12-31 23:59:59.999999,infinity,-infinity,1999-12-31 23:59:59.999999,2000-01-01,2000-01-01 00:00:00.1,2000-01-01 00:00:00.000001,1970-01-01 00:00:01.5}'::timestamp[]);
INSERT INTO v (tz) SELECT ts FROM v WHERE ts IS NOT NULL ORDER BY id DESC LIMIT 13;
INSERT INTO v (t) VALUES ('00:00'), ('24:00'), ('23:59:59.999999'), ('00:00:00.000001'), ('12:34:56.7');
INSERT INTO v (i2, i4, i8, f4, f8) VALUES (-32768, -2147483648, -9223372036854775808, 'NaN', 'NaN'), (32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity'), (0, 0, 0, 0, '-0');
INSERT INTO v (by, x, a, iv, bits, m) VALUES ('', '', '{}', '1 year -2 days 03:04:05.000006', '', 0), ('\x00', E'\u007f', '{NULL,1.50,NaN}', '-1 mon', '101', '-92233720368547758.08'),
  (decode(repeat('ab', 100000), 'hex'), repeat('é', 100000) || '"', '[2:3]={1,2}', '0', repeat('1', 500)::varbit, 12.34);

-- a line that is no JSON is an error; json ->> gives a number as it is written
CREATE TABLE shown AS SELECT data::json -> 'new' AS row FROM pg_logical_slot_peek_changes('decode_values', NULL, NULL, 'add-tables', 'decode_values.v');
SELECT count(*) > 2000 AS enough, count(*) = (SELECT count(*) FROM v) AS all_rows FROM shown;
CREATE TABLE expected AS SELECT v.id, json_build_object('id', id::text, 'i2', i2::text, 'i4', i4::text, 'i8', i8::text, 'f4', f4::text, 'f8', f8::text,
  'n', n::text, 'n2', n2::text, 'b', b::text, 'd', d::text, 't', t::text, 'ts', ts::text, 'tz', tz::text, 'u', u::text, 'by', by::text, 'x', x, 'a', a::text,
  'iv', iv::text, 'bits', bits::text, 'm', m::text) AS row FROM v;
SELECT s.key, count(*) AS differ, min(left(s.value, 60)) AS shown, min(left(e.value, 60)) AS expected
FROM shown JOIN expected ON id = (shown.row ->> 'id')::int, json_each_text(shown.row) s JOIN json_each_text(expected.row) e USING (key)
WHERE s.value IS DISTINCT FROM e.value GROUP BY s.key ORDER BY s.key;

-- numbers as strings, for readers whose numbers are floating point
CREATE TABLE quoted AS SELECT data::json -> 'new' AS row
FROM pg_logical_slot_peek_changes('decode_values', NULL, NULL, 'numeric-data-types-as-string', 'on', 'add-tables', 'decode_values.v');
SELECT count(*) AS differ FROM shown s JOIN quoted q ON q.row ->> 'id' = s.row ->> 'id', json_each_text(s.row) a JOIN json_each_text(q.row) b USING (key)
WHERE a.value IS DISTINCT FROM b.value;
SELECT key, json_typeof(value) AS type, count(*) > 10 AS many FROM quoted, json_each(row) WHERE key IN ('id', 'i2', 'i4', 'i8', 'f4', 'f8', 'n', 'n2', 'b', 'd') GROUP BY 1, 2 ORDER BY 1, 2;

-- 10 MB, which all need escaping
CREATE TABLE large (x text);
ALTER TABLE large ALTER x SET STORAGE external;
INSERT INTO large VALUES (repeat(E'\n', 10000000));
SELECT length(data), md5(substr(data, 36)) = md5('"new":{"x":"' || repeat('\n', 10000000) || '"}}') AS same FROM pg_logical_slot_peek_changes('decode_values', NULL, NULL,
  'add-tables', '*.large', 'include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off', 'include-schemas', 'off') WHERE length(data) > 1000;

SELECT pg_drop_replication_slot('decode_values');
DROP SCHEMA decode_values CASCADE;
