-- the changes of which both speak; each is decoded by Debezium's connector and by gymstream
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
-- rows, keys, several in a transaction
CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL, email varchar(255) DEFAULT 'none', n int NOT NULL DEFAULT 7, at timestamptz);
INSERT INTO customers (name, email) VALUES ('Anne', 'a@example.org'), (E'tab\t"quoted" \\ \u00e9 \U0001f600 \u0001', NULL);
UPDATE customers SET name = 'Anne Marie' WHERE id = 1;
BEGIN;
UPDATE customers SET id = 3 WHERE id = 1;
UPDATE customers SET email = 'x' WHERE id = 3;
DELETE FROM customers WHERE id = 2;
COMMIT;
BEGIN;
INSERT INTO customers VALUES (10, 'kept');
SAVEPOINT s;
INSERT INTO customers VALUES (11, 'undone');
ROLLBACK TO s;
INSERT INTO customers VALUES (12, 'kept');
COMMIT;
-- replica identities
CREATE TABLE full_identity (id int PRIMARY KEY, a text NOT NULL, b numeric(8,3));
ALTER TABLE full_identity REPLICA IDENTITY FULL;
INSERT INTO full_identity VALUES (1, 'one', 1.5), (2, 'two', NULL);
UPDATE full_identity SET a = 'uno' WHERE id = 1;
UPDATE full_identity SET id = 9 WHERE id = 2;
DELETE FROM full_identity;
CREATE TABLE by_index (id int PRIMARY KEY, code text NOT NULL UNIQUE, v int NOT NULL);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_code_key;
INSERT INTO by_index VALUES (1, 'a', 1);
UPDATE by_index SET v = 2;
UPDATE by_index SET code = 'b';
UPDATE by_index SET id = 2;
DELETE FROM by_index;
CREATE TABLE keyless (a int, b text);
INSERT INTO keyless VALUES (1, 'x');
CREATE TABLE composite_key (a int, b uuid, c text, PRIMARY KEY (b, a));
INSERT INTO composite_key VALUES (1, '00000000-0000-0000-0000-00000000000a', 'c');
UPDATE composite_key SET a = 2;
DELETE FROM composite_key;
CREATE TABLE full_keyless (a int, b text);
ALTER TABLE full_keyless REPLICA IDENTITY FULL;
INSERT INTO full_keyless VALUES (1, 'x'), (2, NULL);
UPDATE full_keyless SET a = 3 WHERE b IS NULL;
DELETE FROM full_keyless;
CREATE TABLE no_identity (id int PRIMARY KEY, b text);
ALTER TABLE no_identity REPLICA IDENTITY NOTHING;
INSERT INTO no_identity VALUES (1, 'x');
-- what was replicated from elsewhere
SELECT pg_replication_origin_create('elsewhere') IS NOT NULL, pg_replication_origin_session_setup('elsewhere') IS NOT NULL;
BEGIN;
SELECT pg_replication_origin_xact_setup('0/AB', '2020-01-01 00:00+00') IS NOT NULL;
INSERT INTO keyless VALUES (9, 'from elsewhere');
COMMIT;
SELECT pg_replication_origin_session_reset() IS NOT NULL;
-- rows that stay, to be found again by those who read the events
CREATE TABLE kept (id int PRIMARY KEY, name text NOT NULL, n numeric(10,2), f float8, b bool);
ALTER TABLE kept REPLICA IDENTITY FULL;
INSERT INTO kept SELECT i, 'row "' || i || '" é', nullif(i, 7) * -1.25, i + 0.5, i % 2 = 0 FROM generate_series(1, 20) i;
UPDATE kept SET n = n * 2, b = NULL WHERE id % 3 = 0;
UPDATE kept SET id = id + 100 WHERE id > 15;
DELETE FROM kept WHERE id % 5 = 0;
-- truncate, one and several
TRUNCATE customers;
TRUNCATE customers, by_index CASCADE;
-- partitions
CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (100) TO (200);
INSERT INTO parts VALUES (1, 'low'), (101, 'high');
UPDATE parts SET id = 102 WHERE id = 1;
-- long values that stay where they are
CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'happy');
CREATE TABLE toasted (id int PRIMARY KEY, a text, b bytea, j jsonb, ai int[], ta text[], n numeric, u xml, v int);
ALTER TABLE toasted ALTER a SET STORAGE external, ALTER b SET STORAGE external, ALTER j SET STORAGE external, ALTER ai SET STORAGE external,
  ALTER ta SET STORAGE external, ALTER n SET STORAGE external, ALTER u SET STORAGE external;
INSERT INTO toasted SELECT 1, repeat('x', 4000), decode(repeat('00', 4000), 'hex'), to_jsonb(repeat('y', 4000)), array_agg(i), array_agg(i::text), repeat('7', 9000)::numeric,
  ('<a>' || repeat('z', 4000) || '</a>')::xml, 0 FROM generate_series(1, 2000) i;
UPDATE toasted SET v = 1;
UPDATE toasted SET id = 2;
ALTER TABLE toasted REPLICA IDENTITY FULL;
UPDATE toasted SET v = 2;
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;
CREATE TABLE toasted_types (id int PRIMARY KEY, a8 int8[], a2 int2[], au uuid[], ad date[], av varchar(9)[], an numeric[], aj jsonb[], h hstore, n9 numeric(1000,900), vb varbit, l ltree, tv tsvector, c citext, po polygon, r numrange, v int);
DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE toasted_types ' || string_agg(format('ALTER %I SET STORAGE external', attname), ', ') FROM pg_attribute WHERE attrelid = 'toasted_types'::regclass AND attnum > 1 AND attlen = -1); END $$;
INSERT INTO toasted_types SELECT 1, array_agg(i), array_agg(i), array_agg(md5(i::text)::uuid), array_agg('2020-01-01'::date + i::int), array_agg(i::text), array_agg(i), array_agg(to_jsonb(i)), hstore(array_agg(i::text), array_agg(i::text)), (10^99)::numeric + 1e-900, repeat('10', 20000)::varbit,
  string_agg('l' || i, '.')::ltree, string_agg('w' || i, ' ')::tsvector, string_agg(i::text, ' '), ('(' || string_agg(format('(%s,%s)', i, i), ',') || ')')::polygon, numrange(repeat('1', 9000)::numeric, NULL), 0 FROM generate_series(1, 3000) i;
UPDATE toasted_types SET v = 1;
-- types
CREATE DOMAIN cents AS numeric(10,2);
CREATE DOMAIN short AS varchar(5) NOT NULL DEFAULT 'd';
CREATE TYPE pair AS (a int, b text);
CREATE TABLE numbers (id serial PRIMARY KEY, i2 int2, i4 int4, i8 int8, o oid, f4 float4, f8 float8, n numeric, n52 numeric(5,2), n5 numeric(5), n3 numeric(6,-3), c cents, m money, b bool);
INSERT INTO numbers (i2, i4, i8, o, f4, f8, n, n52, n5, n3, c, m, b) VALUES
  (-2, -3, 9223372036854775807, 4294967295, 0.1, 0.1, 12345678901234567890.123, 1.5, 12345, 123456, -0.01, 12.34, true),
  (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false), (32767, -2147483648, -9223372036854775808, 1, -1e30, 1e-300, 0.0000, -128, -1, -123000, 999999.99, -0.01, NULL),
  (1, 1, 1, 1, 1, 100, 1e20, 999.99, 99999, NULL, 1, 1234567.89, NULL), (DEFAULT, DEFAULT, DEFAULT, DEFAULT, 1e10, 1234567890123456789, 0.00001, 0.01, 128, 1000, 0, 0, NULL);
CREATE TABLE special (id int PRIMARY KEY, f4 float4, f8 float8, n numeric, n52 numeric(5,2));
INSERT INTO special VALUES (1, 'NaN', 'NaN', 'NaN', NULL), (2, 'Infinity', '-Infinity', NULL, 'NaN'), (3, NULL, NULL, 'Infinity', NULL), (4, NULL, NULL, '-Infinity', NULL), (5, 0, '-0', 1.500, 100), (6, 1.5, 1e15, 100, 1e2), (7, 1e7, 12345678.9, -0.50, 0.5);
CREATE TABLE texts (id serial PRIMARY KEY, t text, v varchar(10), c char(5), c1 "char", n name, by bytea, u uuid, j json, jb jsonb, x xml, e mood, s short, ci citext, l ltree, h hstore, tv tsvector, tq tsquery, p pair);
INSERT INTO texts (t, v, c, c1, n, by, u, j, jb, x, e, s, ci, l, h, tv, tq, p) VALUES ('t', 'v', 'c', 'x', 'name', '\x0102ff', '00000000-0000-0000-0000-00000000000a', '{"a":  1, "a": [2]}', '{"b": {"c": null}, "a": 1.50}', '<a b="c"/>', 'so "so"', 'short', 'CiText', 'a.b',
  '"k"=>"v", "n"=>NULL, "q\"\\"=>"tab	", "b"=>"NULL"', 'a fat cat', 'a & b', '(1,"x y")'), ('', '', '', '', '', '', NULL, 'null', '"s"', NULL, 'sad', '', '', '', '', '', '', '(,)');
INSERT INTO texts DEFAULT VALUES;
CREATE TABLE times (id serial PRIMARY KEY, d date, t time, t0 time(0), t3 time(3), t4 time(4), tt timetz, tt3 timetz(3), ts timestamp, ts0 timestamp(0), ts3 timestamp(3), ts6 timestamp(6), tz timestamptz, tz3 timestamptz(3), tz0 timestamptz(0), tz1 timestamptz(1), iv interval, ivd interval day to second(3));
INSERT INTO times (d, t, t0, t3, t4, tt, tt3, ts, ts0, ts3, ts6, tz, tz3, tz0, tz1, iv, ivd)
  SELECT v::date, v::timestamp::time, v::timestamp::time, v::timestamp::time, v::timestamp::time, (v::timestamp::time || '+02')::timetz, (v::timestamp::time || '-05:30')::timetz, v::timestamp, v::timestamp, v::timestamp, v::timestamp, v::timestamptz, v::timestamptz, v::timestamptz, v::timestamptz, i::interval, i::interval
  FROM (VALUES ('2018-06-20 15:13:16.945104', '1 year 2 mons 3 days 04:05:06.78'), ('1969-12-31 23:59:59.999999', '-1 day'), ('1970-01-01', '-1 mon 5 days -00:00:00.000001'),
    ('9999-12-31 23:59:59', '1000 years'), ('0001-01-01', '00:00'), ('2024-02-29 12:00:00.5', '11 mons'), ('2024-03-31 02:30:00.12', '13 mons 40 days 25:00'), ('1500-01-01', NULL)) x (v, i);
CREATE TABLE far_times (id serial PRIMARY KEY, d date, ts timestamp, ts3 timestamp(3), tz timestamptz, t time, tt timetz);
INSERT INTO far_times (d, ts, ts3, tz, t, tt) VALUES ('infinity', 'infinity', 'infinity', 'infinity', '24:00', '24:00+00'), ('-infinity', '-infinity', '-infinity', '-infinity', '00:00', '00:00+15');
INSERT INTO far_times (d, ts, ts3, tz) VALUES ('0044-03-15 BC', '0044-03-15 BC', '0044-03-15 BC', '0044-03-15 00:00+00 BC'), ('12024-01-01', '12024-01-01', '12024-01-01', '12024-01-01 00:00+00');
CREATE TABLE bits (id serial PRIMARY KEY, b1 bit, b3 bit(3), b10 bit(10), b70 bit(70), vb varbit, vb5 varbit(5));
INSERT INTO bits (b1, b3, b10, b70, vb, vb5) VALUES ('1', '011', '1000000001', repeat('1', 70)::bit(70), '101', '1'), ('0', '000', '0000000000', repeat('0', 70)::bit(70), '', ''), ('1', '100', '0011111111', '1'::bit(70), repeat('10', 20)::varbit, '00001');
CREATE TABLE shapes (id int PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
INSERT INTO shapes VALUES (1, '(1,2.5)', '{1,2,3}', '[(1,2),(3,4)]', '(3,4),(1,2)', '[(1,2),(3,4)]', '((1,2),(3,4),(5,6))', '<(1,2),3>');
CREATE TABLE nets (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8, r4 int4range, r8 int8range, nr numrange, dr daterange, tr tsrange, tzr tstzrange, mr int4multirange, pl pg_lsn);
INSERT INTO nets VALUES (1, '::1', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '[1,5)', '[1,5]', '(1.5,)', '[2020-01-01,2020-02-01]', '[2020-01-01 10:00,2020-01-02)', '[2020-01-01 10:00+00,2020-01-02 00:00+00)', '{[1,2),[5,6)}', '0/16B3748');
CREATE TABLE arrays (id serial PRIMARY KEY, ai int[], a2 int2[], a8 int8[], an numeric(5,1)[], anv numeric[], at text[], av varchar(5)[], ac char(3)[], ab bool[], af float8[], ad date[], ats timestamp[], atz timestamptz[], au uuid[], aj jsonb[], ajj json[], ae mood[], aby bytea[], aip inet[], ar int4range[], atm time[], aiv interval[], ao oid[], am money[], acid citext[], adom cents[], abit bit(3)[], ap point[]);
INSERT INTO arrays (ai, a2, a8, an, anv, at, av, ac, ab, af, ad, ats, atz, au, aj, ajj, ae, aip, ar, ao) VALUES ('{1,NULL,3}', '{1}', '{1}', '{1.5,NULL}', '{1.5,10}', '{a,"b c",NULL,"NULL"}', '{v}', '{c}', '{t,f}', '{0.5}', '{2018-06-20}', '{2018-06-20 15:13:16.945104}', '{2018-06-20 15:13:16.945104+02}',
  '{00000000-0000-0000-0000-00000000000a}', '{"{\"a\": 1}"}', '{"{\"a\": 1}"}', '{sad,"so \"so\""}', '{::1}', '{"[1,5)"}', '{1}'), ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
INSERT INTO arrays (aby) VALUES ('{"\\x0102"}');
INSERT INTO arrays (atm) VALUES ('{10:00}');
INSERT INTO arrays (aiv) VALUES ('{1 day}');
INSERT INTO arrays (am) VALUES ('{1.5}');
INSERT INTO arrays (acid) VALUES ('{Ci}');
INSERT INTO arrays (adom) VALUES ('{1.5}');
INSERT INTO arrays (abit) VALUES ('{101}');
INSERT INTO arrays (ap) VALUES ('{"(1,2)"}');
INSERT INTO arrays (ai) VALUES ('[5:6]={1,2}');
INSERT INTO arrays (ai) VALUES ('{{1,2},{3,4}}');
-- defaults and what is NOT NULL
CREATE TABLE defaults (id bigserial PRIMARY KEY, i int NOT NULL DEFAULT 5, j int DEFAULT -1, t text NOT NULL DEFAULT 'x "y"', n numeric(6,2) NOT NULL DEFAULT 1.5, b bool NOT NULL DEFAULT true, d date NOT NULL DEFAULT '2020-01-01', ts timestamp DEFAULT '2020-01-01', tz timestamptz NOT NULL DEFAULT now(),
  by bytea DEFAULT '\x01', js jsonb NOT NULL DEFAULT '{"a": 1}', u uuid DEFAULT gen_random_uuid(), e mood NOT NULL DEFAULT 'sad', f8 float8 NOT NULL DEFAULT 0.5, vn varchar(3) DEFAULT NULL, a int[] DEFAULT '{1}', g int GENERATED ALWAYS AS (5) STORED, iv interval NOT NULL DEFAULT '1 day');
INSERT INTO defaults (tz, u) VALUES ('2020-01-01 00:00+00', NULL);
UPDATE defaults SET id = 2;
DELETE FROM defaults;
-- messages
SELECT pg_logical_emit_message(true, 'prefix', 'content') IS NOT NULL, pg_logical_emit_message(false, 'other', '\x00ff'::bytea) IS NOT NULL;
BEGIN;
INSERT INTO keyless VALUES (2, 'before the message');
SELECT pg_logical_emit_message(true, 'prefix', '') IS NOT NULL;
INSERT INTO keyless VALUES (3, 'behind it');
INSERT INTO composite_key VALUES (3, '00000000-0000-0000-0000-00000000000b', NULL);
COMMIT;
-- columns that change
ALTER TABLE keyless ADD c int NOT NULL DEFAULT 4;
INSERT INTO keyless VALUES (4, 'four', 4);
ALTER TABLE keyless DROP b;
INSERT INTO keyless VALUES (5, 5);
CREATE SCHEMA "Other.s";
CREATE TABLE "Other.s"."Ta ble-xü" ("Col 1" int PRIMARY KEY, "ü" text);
INSERT INTO "Other.s"."Ta ble-xü" VALUES (1, 'x');
CREATE TABLE last (a int);
INSERT INTO last VALUES (1);
