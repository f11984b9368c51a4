-- the output plugin: every change as one line of valid JSON
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gymstream;
RESET client_min_messages;
CREATE SCHEMA decode;
SET search_path = decode, public;

-- all events since the last call; a line that is no JSON is an error, one with a line break is not shown
CREATE FUNCTION events(VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
  SELECT data
  FROM pg_logical_slot_get_changes('decode', NULL, NULL, VARIADIC
    ARRAY['include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off'] || options)
  WHERE data::jsonb IS NOT NULL AND data !~ '[\n\r]' $$;

CREATE TABLE member (id int PRIMARY KEY, name text, balance numeric);
SELECT 1 AS created FROM pg_create_logical_replication_slot('decode', 'gymstream');

-- insert, update, delete; an update of the key names the old one
INSERT INTO member VALUES (1, 'Anna', 10.50), (2, NULL, NULL);
UPDATE member SET balance = balance + 1 WHERE id = 1;
UPDATE member SET id = 3 WHERE id = 2;
DELETE FROM member WHERE id = 3;
SELECT * FROM events();

-- all the ways to write
INSERT INTO member VALUES (1, 'Bert', 0), (4, 'Bert', 0) ON CONFLICT (id) DO UPDATE SET name = excluded.name;
MERGE INTO member m USING (VALUES (4, 'Carla'), (5, 'Dora')) v (id, name) ON m.id = v.id
  WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.name, 1);
COPY member FROM stdin;
6	Emil	\N
7	Frida	0.00
\.
SELECT * FROM events();

-- nothing for what did not happen, for what is empty, and for what is no row
BEGIN;
INSERT INTO member VALUES (100);
ROLLBACK;
BEGIN;
SAVEPOINT a;
INSERT INTO member VALUES (101);
ROLLBACK TO a;
INSERT INTO member VALUES (102);
SAVEPOINT b;
INSERT INTO member VALUES (103);
RELEASE b;
COMMIT;
CREATE TABLE empty (id int);
CREATE TEMP TABLE temporary AS SELECT 1;
CREATE UNLOGGED TABLE unlogged AS SELECT 1;
CREATE MATERIALIZED VIEW matview AS SELECT 1 AS one;
CREATE UNIQUE INDEX ON matview (one);
REFRESH MATERIALIZED VIEW CONCURRENTLY matview;
SELECT txid_current() IS NOT NULL AS empty_transaction;
SELECT * FROM events('include-transaction', 'on');
DROP TABLE empty, temporary, unlogged;
DROP MATERIALIZED VIEW matview;

-- the members that name the transaction
INSERT INTO member VALUES (8);
SELECT json_object_keys(data::json),
       (data::json ->> 'xid')::xid = xid AS xid,
       (data::json ->> 'lsn')::pg_lsn <= pg_current_wal_lsn() AND (data::json ->> 'lsn')::pg_lsn >= lsn AS lsn,
       now() - (data::json ->> 'commit_time')::timestamptz BETWEEN '-1 min' AND '1 min' AS commit_time,
       data::json ->> 'commit_time' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$' AS format
FROM pg_logical_slot_get_changes('decode', NULL, NULL);
BEGIN;
INSERT INTO member VALUES (9);
INSERT INTO member VALUES (10);
COMMIT;
SELECT regexp_replace(data, '"xid":\d+|"lsn":"[^"]*"|"commit_time":"[^"]*"', '...', 'g') AS data, data::json ->> 'xid' = xid::text AS xid
FROM pg_logical_slot_get_changes('decode', NULL, NULL, 'include-transaction', 'yes');

-- every character that JSON has to escape, and some that it has not
INSERT INTO member
SELECT 1000 + c, 'x' || chr(c) || 'y' FROM generate_series(1, 160) c;
INSERT INTO member VALUES (2000, E'"quotes" \\ back / slash \u007f \u00e9 \u05d0\u2028 \U0001F3CB'), (2001, '');
SELECT count(*), bool_and(data::jsonb -> 'new' ->> 'name' = name) AS same, bool_or(data ~ '[\x01-\x1f\x7f]') AS control
FROM events() data JOIN member ON id = (data::jsonb -> 'new' ->> 'id')::int;
INSERT INTO member VALUES (2002, E'\x01\b\t\n\f\r\x1f"\\/\x7f' || repeat('a', 50));
SELECT * FROM events();

-- types
CREATE TYPE mood AS ENUM ('so "so"', 'fine');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN percent AS int CHECK (VALUE <= 100);
CREATE DOMAIN document AS jsonb;
CREATE TABLE types (
  b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, t text, v varchar, c char(3), nm name, ch "char", o oid,
  j json, jb jsonb, d percent, dd document, u uuid, by bytea, ts timestamp, tz timestamptz, da date, ti time, iv interval,
  e mood, p pair, a int[], ta text[], tza timestamptz[], fa float8[], r tstzrange, bits bit(3), ip inet, pt point, rc regclass);
INSERT INTO types VALUES (
  true, -32768, -2147483648, -9223372036854775808, 1.1, 0.1, 123456789012345678901234567890.10, E'a\tb', 'v', 'c', 'name', E'\\351', 4294967295,
  E'{"a":\n\t[1,\r\n"\\u0041\\n"]}', '{"k": "line\nbreak"}', 100, '[1]', '00000000-0000-0000-0000-00000000000a', '\x00ff5c',
  '2026-11-23 02:00:00.5', '2026-11-23 02:00:00+02', '2026-11-23', '02:00', '1 year 2 days 03:00:00.5',
  'so "so"', '(1,"a b")', '{1,NULL}', '{"a b","c\"d"}', '{2026-11-23 02:00:00+02}', '{0.1,NaN}', '[2026-11-23 00:00+00,)', '101',
  '::1/64', '(1.5,2)', 'decode.member');
INSERT INTO types (f4, f8, n, ts, tz, da) VALUES
  ('NaN', 'NaN', 'NaN', 'infinity', '-infinity', 'infinity'), ('Infinity', '-Infinity', 'Infinity', NULL, NULL, '0044-03-15 BC'),
  (3.4e38, 1.7976931348623157e308, '-Infinity', NULL, NULL, NULL), (1e-45, '-0', 1e-20, NULL, NULL, NULL),
  (1e15, 123456789012345678, -0.0, NULL, NULL, NULL), (16777216, 5e-324, 1e30, NULL, NULL, NULL);
-- the session's settings change nothing
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'iso_8601';
SET TimeZone = 'Asia/Kolkata';
SET bytea_output = 'escape';
SET extra_float_digits = -10;
SET quote_all_identifiers = on;
SELECT * FROM events();
SHOW DateStyle;
SHOW TimeZone;
SHOW search_path;
RESET DateStyle;
RESET IntervalStyle;
RESET TimeZone;
RESET bytea_output;
RESET extra_float_digits;
RESET quote_all_identifiers;

-- a value that stayed in the TOAST table is named, never dropped or shown as NULL
CREATE TABLE toasted (id int PRIMARY KEY, big text, small text);
ALTER TABLE toasted ALTER big SET STORAGE external;
INSERT INTO toasted VALUES (1, repeat('x', 4000), 'a');
UPDATE toasted SET small = 'b';
ALTER TABLE toasted REPLICA IDENTITY FULL;
UPDATE toasted SET small = 'c';
UPDATE toasted SET big = repeat('y', 4000);
UPDATE toasted SET big = NULL;
SELECT regexp_replace(data, '(x{10,}|y{10,})', '...', 'g') FROM events() data;

-- replica identities
CREATE TABLE identity (id int PRIMARY KEY, a int NOT NULL, b int);
CREATE UNIQUE INDEX identity_a ON identity (a);
INSERT INTO identity VALUES (1, 1, 1), (2, 2, NULL);
SELECT count(*) FROM events();
ALTER TABLE identity REPLICA IDENTITY USING INDEX identity_a;
UPDATE identity SET id = 11 WHERE id = 1;
UPDATE identity SET a = 11 WHERE id = 11;
DELETE FROM identity WHERE id = 11;
ALTER TABLE identity REPLICA IDENTITY FULL;
UPDATE identity SET b = 5 WHERE id = 2;
UPDATE identity SET b = 5 WHERE id = 2;
UPDATE identity SET id = 3, b = NULL;
DELETE FROM identity;
ALTER TABLE identity REPLICA IDENTITY NOTHING;
INSERT INTO identity VALUES (4, 4, 4);
UPDATE identity SET id = 5;
DELETE FROM identity;
CREATE TABLE keyless (a int);
INSERT INTO keyless VALUES (NULL);
UPDATE keyless SET a = 1;
DELETE FROM keyless;
SELECT * FROM events();

-- what tells rows apart is named: the primary key, deferrable or not, where asked for; another replica identity always
CREATE TABLE deferred (b int, a int, note text, PRIMARY KEY (a, b) DEFERRABLE);
CREATE TABLE unique_only (code text NOT NULL UNIQUE, "n ""x""" int NOT NULL, note text, CONSTRAINT two UNIQUE ("n ""x""", code));
ALTER TABLE unique_only REPLICA IDENTITY USING INDEX two;
ALTER TABLE identity REPLICA IDENTITY USING INDEX identity_a;
INSERT INTO deferred VALUES (1, 2, 'x');
UPDATE deferred SET note = 'y';
ALTER TABLE deferred REPLICA IDENTITY FULL;
UPDATE deferred SET note = 'z';
UPDATE deferred SET a = 3;
INSERT INTO unique_only VALUES ('a', 1, 'x');
UPDATE unique_only SET note = 'y';
UPDATE unique_only SET code = 'b';
INSERT INTO identity VALUES (1, 1, 1);
UPDATE identity SET id = 2;
SELECT data FROM pg_logical_slot_peek_changes('decode', NULL, NULL, 'include-xids', 'off', 'include-lsn', 'off', 'include-timestamp', 'off', 'actions', 'update');
SELECT * FROM events('include-pk', 'on', 'actions', 'update');
ALTER TABLE identity REPLICA IDENTITY DEFAULT;
UPDATE identity SET b = 2;
ALTER TABLE identity REPLICA IDENTITY NOTHING;
UPDATE identity SET b = 3;
UPDATE keyless SET a = 1;
INSERT INTO keyless VALUES (1);
SELECT * FROM events('include-pk', 'on');

-- truncate: one line a table
CREATE TABLE gym (id serial PRIMARY KEY);
CREATE TABLE class (id serial PRIMARY KEY, gym int REFERENCES gym);
TRUNCATE gym CASCADE;
TRUNCATE keyless, class RESTART IDENTITY;
BEGIN;
INSERT INTO gym DEFAULT VALUES;
TRUNCATE gym, class;
INSERT INTO gym VALUES (7);
COMMIT;
SELECT * FROM events();

-- the table as it was at the time of the change
CREATE TABLE history (a int, gone int DEFAULT 1, b int);
INSERT INTO history VALUES (1, 2, 3);
ALTER TABLE history DROP gone;
INSERT INTO history VALUES (4, 5);
ALTER TABLE history ADD added text DEFAULT 'x', ADD doubled int GENERATED ALWAYS AS (a * 2) STORED;
UPDATE history SET b = 6 WHERE a = 4;
BEGIN;
INSERT INTO history VALUES (7, 8);
ALTER TABLE history RENAME a TO "A ""quoted"" name";
ALTER TABLE history ALTER b TYPE text;
INSERT INTO history VALUES (9, 'ten');
ALTER TABLE history RENAME TO "Odd"" table";
INSERT INTO "Odd"" table" VALUES (11, 'twelve');
ALTER TABLE "Odd"" table" SET SCHEMA public;
INSERT INTO public."Odd"" table" VALUES (13, 'fourteen');
COMMIT;
CREATE SCHEMA "first";
CREATE TABLE "first".one (a int);
INSERT INTO "first".one VALUES (1);
ALTER SCHEMA "first" RENAME TO "sec ond";
INSERT INTO "sec ond".one VALUES (2);
DROP TABLE public."Odd"" table";
DROP SCHEMA "sec ond" CASCADE;
SELECT * FROM events();
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY LIST (a);
CREATE TABLE part_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted VALUES (1);
UPDATE parted SET a = 2;
TRUNCATE parted;
SELECT * FROM events();

-- messages of others only where asked for
SELECT count(pg_logical_emit_message(t, 'app', m))
FROM unnest(ARRAY[true, false]) t, unnest(ARRAY['hello "you"'::bytea, '\x00ff', convert_to(E'\u00e9', 'UTF8'), '']) m;
SELECT * FROM events();
SELECT count(pg_logical_emit_message(t, 'app "quoted"', m))
FROM unnest(ARRAY[true, false]) t, unnest(ARRAY['hello "you"'::bytea, '\x00ff', convert_to(E'\u00e9', 'UTF8'), '']) m;
SELECT * FROM events('include-messages', 'on', 'include-transaction', 'on');
-- one with our prefix that nobody of us wrote is like any other
SELECT count(pg_logical_emit_message(t, 'gymstream', decode(repeat(m, 60), 'hex')))
FROM unnest(ARRAY[true, false]) t, unnest(ARRAY['', '00', 'ff', '01']) m;
SELECT * FROM events();
SELECT pg_logical_emit_message(true, 'gymstream', 'forged') IS NOT NULL AS sent;
SELECT * FROM events('include-messages', 'on');

-- options
SELECT * FROM pg_logical_slot_peek_changes('decode', NULL, NULL, 'include-everything', 'on');
SELECT * FROM pg_logical_slot_peek_changes('decode', NULL, NULL, 'include-xids', 'perhaps');
SELECT * FROM pg_logical_slot_peek_changes('decode', NULL, NULL, 'include-xids', '');
SELECT * FROM pg_logical_slot_peek_changes('decode', NULL, NULL, 'include-lsn', 'on', 'include-lsn', 'on');
SELECT * FROM pg_logical_slot_peek_changes('decode', NULL, NULL, 'Include-Lsn', 'on');
SELECT * FROM pg_logical_slot_peek_changes('decode', NULL, NULL, 'include-messages', '1', 'include-xids', 'no', 'include-lsn', 'false');

-- gymstream's own tables and a rollup's partials are no events, from the moment they are that; a truncate of partials is one
-- of their rollup
SET client_min_messages = warning;
CREATE VIEW totals AS SELECT 1 AS a;
CREATE VIEW totals_definition AS SELECT 1 AS a;
CREATE TABLE totals_partials (a int PRIMARY KEY, "count(*)" int8);
INSERT INTO totals_partials VALUES (1, 1);
TRUNCATE totals_partials;
BEGIN;
INSERT INTO totals_partials VALUES (2, 1);
INSERT INTO gymstream_internal.rollup VALUES ('totals', 'totals_definition', 'totals_partials');
GRANT SELECT ON totals_partials TO PUBLIC;
INSERT INTO totals_partials VALUES (3, 1);
UPDATE totals_partials SET a = 4 WHERE a = 3;
COMMIT;
INSERT INTO totals_partials VALUES (5, 1);
DELETE FROM totals_partials;
TRUNCATE totals_partials;
ALTER VIEW totals RENAME TO sums;
TRUNCATE totals_partials;
DELETE FROM gymstream_internal.rollup WHERE rollup = 'sums'::regclass;
ALTER TABLE totals_partials RESET (fillfactor);
-- decoding what was before finds gymstream's tables also when they were written anew
VACUUM FULL gymstream_internal.rollup;
REINDEX TABLE gymstream_internal.topic;
INSERT INTO totals_partials VALUES (6, 1);
RESET client_min_messages;
SELECT * FROM events();

-- a SERIALIZABLE transaction that decodes does not lock gymstream's tables, and their history is no conflict
CREATE TABLE serial (a int PRIMARY KEY);
INSERT INTO serial VALUES (1);
VACUUM FULL gymstream_internal.topic;
INSERT INTO serial VALUES (2);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM pg_logical_slot_peek_changes('decode', NULL, NULL);
SELECT DISTINCT relation::regclass FROM pg_locks WHERE mode = 'SIReadLock' AND pid = pg_backend_pid() AND relation >= 16384;
COMMIT;

SELECT pg_drop_replication_slot('decode');
SET client_min_messages = warning;
DROP SCHEMA decode CASCADE;
