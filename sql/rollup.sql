-- A rollup equals its query after every statement.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_rollup;
SET search_path = test_rollup, public;
CREATE TABLE booking (
	id			int PRIMARY KEY,
	class_id	int,
	member		text,
	status		text NOT NULL DEFAULT 'booked',
	price_cents	int,
	note		text);
INSERT INTO booking VALUES (1, 7, 'ann', 'booked', 1500), (2, 7, 'bob', 'booked', 1000), (3, 8, 'ann', 'cancelled', 900);

--
-- Made from what is there; read
--
SELECT gymstream.create_rollup('class_attendance', $$
	SELECT class_id, count(*) AS attendance, sum(price_cents) AS revenue_cents
	FROM booking WHERE status = 'booked' GROUP BY class_id $$);
SELECT gymstream.create_rollup('total', 'SELECT count(*), sum(price_cents), avg(price_cents) FROM booking');
SELECT gymstream.create_rollup('rows', 'SELECT count(*) FROM booking');
SELECT gymstream.create_rollup('members', 'SELECT DISTINCT_member.member, count(price_cents) AS paid FROM booking AS DISTINCT_member GROUP BY 1');
SELECT gymstream.create_rollup('by_two', $$
	SELECT class_id, status, count(*) + 1 AS more, sum(price_cents) * 2 + coalesce(sum(price_cents), 0) AS threefold
	FROM booking GROUP BY status, class_id $$);
SELECT gymstream.create_rollup('by_expression', $$
	SELECT price_cents / 500 AS band, upper(member), class_id IS NULL AS nowhere, count(*), avg(price_cents + class_id)
	FROM booking GROUP BY price_cents / 500, upper(member), class_id IS NULL $$);
SELECT gymstream.create_rollup('hidden_key', 'SELECT count(*) AS n FROM booking GROUP BY class_id, note');
SELECT gymstream.create_rollup('popular', $$
	SELECT class_id, sum(price_cents) AS revenue FROM booking GROUP BY class_id
	HAVING count(*) > 1 AND sum(price_cents) > 100 $$);
SELECT gymstream.create_rollup('filtered', $$
	SELECT class_id, count(*) FILTER (WHERE status = 'booked') AS booked, sum(price_cents) FILTER (WHERE price_cents > 1000) AS dear,
		avg(price_cents) FILTER (WHERE status = 'booked'), count(*)
	FROM booking GROUP BY class_id $$);
SELECT gymstream.create_rollup('keys_only', 'SELECT class_id, status FROM booking GROUP BY class_id, status');
TABLE inexact;
SELECT * FROM class_attendance ORDER BY 1;
SELECT * FROM class_attendance WHERE class_id = 7;
TABLE total;
SELECT * FROM by_two ORDER BY 1, 2;
SELECT * FROM filtered ORDER BY 1;

-- each consists of three relations, described
SELECT rollup, definition, partials FROM gymstream_internal.rollup ORDER BY rollup::text COLLATE "C";
SELECT obj_description('class_attendance'::regclass), obj_description('class_attendance_definition'::regclass),
	obj_description('class_attendance_partials'::regclass);
SELECT column_name, data_type FROM information_schema.columns
	WHERE table_name = 'filtered_partials' AND table_schema = 'test_rollup' ORDER BY ordinal_position;

--
-- Every kind of change
--
INSERT INTO booking VALUES (4, 7, 'cat', 'booked', 2000);
TABLE inexact;
INSERT INTO booking VALUES (5, NULL, NULL, 'booked', NULL), (6, NULL, 'cat', 'booked', 700), (7, 9, NULL, 'booked', 400);
TABLE inexact;
SELECT * FROM class_attendance ORDER BY 1;
UPDATE booking SET class_id = 9 WHERE id = 1;
TABLE inexact;
UPDATE booking SET class_id = NULL WHERE id = 2;
TABLE inexact;
UPDATE booking SET price_cents = price_cents + 1;
TABLE inexact;
UPDATE booking SET price_cents = NULL WHERE id = 4;
TABLE inexact;
UPDATE booking SET status = 'cancelled' WHERE class_id IS NULL;
TABLE inexact;
UPDATE booking SET status = 'booked', class_id = 8, price_cents = 5, member = 'dan';
TABLE inexact;
SELECT * FROM class_attendance ORDER BY 1;
DELETE FROM booking WHERE id IN (1, 2);
TABLE inexact;
DELETE FROM booking;
TABLE inexact;
TABLE class_attendance;
TABLE total;
-- groups that are empty leave nothing behind
TABLE class_attendance_partials;
TABLE total_partials;

-- COPY
COPY booking (id, class_id, member, status, price_cents) FROM stdin;
10	1	ann	booked	100
11	1	bob	booked	200
12	2	\N	booked	\N
13	\N	cat	cancelled	300
\.
TABLE inexact;

-- ON CONFLICT
INSERT INTO booking VALUES (10, 1, 'ann', 'booked', 1) ON CONFLICT DO NOTHING;
TABLE inexact;
INSERT INTO booking VALUES (10, 2, 'ann', 'booked', 50), (14, 2, 'eve', 'booked', 60)
	ON CONFLICT (id) DO UPDATE SET class_id = excluded.class_id, price_cents = booking.price_cents + excluded.price_cents;
TABLE inexact;
INSERT INTO booking VALUES (10, 3, 'ann', 'booked', 50)
	ON CONFLICT (id) DO UPDATE SET class_id = 3 WHERE booking.class_id = 1000;
TABLE inexact;

-- MERGE
MERGE INTO booking USING (VALUES (10, 5), (11, 6), (50, 7), (51, NULL)) v (id, class_id) ON booking.id = v.id
	WHEN MATCHED AND v.id = 11 THEN DELETE
	WHEN MATCHED THEN UPDATE SET class_id = v.class_id
	WHEN NOT MATCHED THEN INSERT (id, class_id, price_cents) VALUES (v.id, v.class_id, 10);
TABLE inexact;

-- data-modifying CTEs
WITH gone AS (DELETE FROM booking WHERE id IN (50, 51) RETURNING *),
	changed AS (UPDATE booking SET price_cents = 77 WHERE id = 12 RETURNING *)
	INSERT INTO booking SELECT id + 100, class_id, member, status, price_cents FROM gone UNION ALL
	SELECT id + 100, class_id, member, status, price_cents FROM changed;
TABLE inexact;

-- UPDATE FROM, DELETE USING
UPDATE booking SET price_cents = v.p, class_id = v.c FROM (VALUES (10, 1, 20), (12, 1, 30)) v (id, c, p) WHERE v.id = booking.id;
TABLE inexact;
DELETE FROM booking USING (VALUES (10), (13)) v (id) WHERE v.id = booking.id;
TABLE inexact;

-- many rows in one statement, and many groups
INSERT INTO booking SELECT i, i % 97, 'm' || i % 13, CASE i % 3 WHEN 0 THEN 'cancelled' ELSE 'booked' END, i % 1000
	FROM generate_series(1000, 3999) i;
TABLE inexact;
UPDATE booking SET class_id = class_id + 1, price_cents = price_cents * 2 WHERE id % 2 = 0;
TABLE inexact;
DELETE FROM booking WHERE id % 5 > 0;
TABLE inexact;
SELECT count(*) = (SELECT count(DISTINCT class_id) FROM booking WHERE status = 'booked') FROM class_attendance_partials;

-- TRUNCATE
BEGIN;
TRUNCATE booking;
TABLE inexact;
TABLE total;
INSERT INTO booking VALUES (1, 1, 'ann', 'booked', 1);
TABLE inexact;
SAVEPOINT s;
TRUNCATE booking;
INSERT INTO booking VALUES (1, 1, 'ann', 'booked', 1), (2, 2, 'ann', 'booked', 1);
TABLE inexact;
ROLLBACK TO s;
TABLE inexact;
INSERT INTO booking VALUES (2, 1, 'ann', 'booked', 1);
TABLE inexact;
ROLLBACK;
TABLE inexact;
TRUNCATE booking;
TABLE inexact;
-- of a table that is as new as its rollup, and truncated in its place
BEGIN;
CREATE TABLE young (k int);
SELECT gymstream.create_rollup('youngs', 'SELECT k, count(*) FROM young GROUP BY k');
INSERT INTO young VALUES (1), (2);
TRUNCATE young;
INSERT INTO young VALUES (1), (2), (2);
TABLE inexact;
TRUNCATE young;
SAVEPOINT s;
INSERT INTO young VALUES (1), (2), (2);
RELEASE s;
TRUNCATE young;
INSERT INTO young VALUES (2);
TABLE inexact;
COMMIT;
TABLE youngs;
DROP TABLE young CASCADE;

-- foreign keys: what cascades is collected too
CREATE TABLE class (id int PRIMARY KEY);
INSERT INTO class SELECT generate_series(1, 5);
ALTER TABLE booking ADD FOREIGN KEY (class_id) REFERENCES class ON DELETE CASCADE ON UPDATE CASCADE;
INSERT INTO booking SELECT i, i % 5 + 1, 'ann', 'booked', i FROM generate_series(1, 20) i;
TABLE inexact;
DELETE FROM class WHERE id IN (1, 2);
TABLE inexact;
UPDATE class SET id = id * 10;
TABLE inexact;
ALTER TABLE booking DROP CONSTRAINT booking_class_id_fkey,
	ADD FOREIGN KEY (class_id) REFERENCES class ON DELETE SET NULL ON UPDATE SET NULL;
DELETE FROM class WHERE id = 30;
TABLE inexact;
UPDATE class SET id = id + 1;
TABLE inexact;
SELECT * FROM class_attendance ORDER BY 1;
INSERT INTO class VALUES (1);
INSERT INTO booking VALUES (100, 1);
TRUNCATE class CASCADE;
TABLE inexact;
SELECT count(*) FROM booking;
ALTER TABLE booking DROP CONSTRAINT booking_class_id_fkey;

--
-- What changes nothing of a rollup writes nothing
--
INSERT INTO booking VALUES (1, 1, 'ann', 'booked', 1);
CREATE TEMP TABLE before AS SELECT ctid AS place, xmin AS writer FROM class_attendance_partials;
UPDATE booking SET note = 'paid in cash', id = 5;
UPDATE booking SET class_id = class_id, price_cents = price_cents + 0;
INSERT INTO booking VALUES (6, 1, 'ann', 'cancelled', 1);
UPDATE booking SET price_cents = 1000 WHERE status = 'cancelled';
DELETE FROM booking WHERE id = 6;
SELECT count(*) FROM before JOIN class_attendance_partials p ON place = p.ctid AND writer = p.xmin;
UPDATE booking SET price_cents = 2;
SELECT count(*) FROM before JOIN class_attendance_partials p ON place = p.ctid AND writer = p.xmin;
TABLE inexact;

--
-- One group is read by the index on the keys
--
INSERT INTO booking SELECT i, i, 'ann', 'booked', 1 FROM generate_series(1000, 2999) i;
ANALYZE class_attendance_partials;
CREATE FUNCTION plan_has(query text, wanted text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line LIKE '%' || wanted || '%' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;
SELECT plan_has('SELECT * FROM class_attendance WHERE class_id = 1500', 'Index Cond: (class_id = 1500)');
SELECT plan_has('SELECT * FROM class_attendance', 'Seq Scan on booking');

-- and written: that reads the index, never the whole table
BEGIN;
SELECT pg_stat_get_xact_numscans('class_attendance_partials_class_id_idx'::regclass) AS by_index,
	pg_stat_get_xact_numscans('class_attendance_partials'::regclass) AS whole \gset before_
INSERT INTO booking VALUES (5000, 1500, 'ann', 'booked', 1);
SELECT pg_stat_get_xact_numscans('class_attendance_partials_class_id_idx'::regclass) - :before_by_index AS by_index,
	pg_stat_get_xact_numscans('class_attendance_partials'::regclass) - :before_whole AS whole;
ROLLBACK;

--
-- Verifying and rebuilding
--
SELECT * FROM gymstream.verify_rollup('class_attendance');
SELECT FROM tamper('class_attendance_partials', $$DELETE FROM class_attendance_partials WHERE class_id = 1500$$);
SELECT * FROM gymstream.verify_rollup('class_attendance');
SELECT FROM tamper('class_attendance_partials', $$UPDATE class_attendance_partials SET "sum(price_cents)" = 17 WHERE class_id = 1501$$);
SELECT * FROM gymstream.verify_rollup('class_attendance') ORDER BY content;
SELECT gymstream.rebuild_rollup('class_attendance');
TABLE inexact;
INSERT INTO booking VALUES (5000, 1500, 'ann', 'booked', 1);
TABLE inexact;
SELECT gymstream.rebuild_rollup('total');
SELECT gymstream.rebuild_rollup('by_expression');
TABLE inexact;
-- in a transaction with changes before and after, and undone
BEGIN;
INSERT INTO booking VALUES (5001, 1500, 'ann', 'booked', 1);
SELECT gymstream.rebuild_rollup('class_attendance');
INSERT INTO booking VALUES (5002, 1500, 'ann', 'booked', 1);
TABLE inexact;
ROLLBACK;
TABLE inexact;
TRUNCATE booking;

--
-- Names
--
CREATE SCHEMA "Test ""Names""";
CREATE TABLE "Test ""Names"""."My Table" ("Key Column" text, "select" int, "a""b" bigint);
SELECT gymstream.create_rollup('"Test ""Names"""."My.Roll""up"', $$
	SELECT "Key Column" AS "The Key", count(*), sum("select") AS "select", avg("a""b") AS "a""b" FROM "Test ""Names"""."My Table"
	GROUP BY 1 $$);
INSERT INTO "Test ""Names"""."My Table" VALUES ('x', 1, 2), ('x', 3, 4), (NULL, NULL, NULL);
TABLE inexact;
SELECT * FROM "Test ""Names"""."My.Roll""up" ORDER BY 1;
SELECT gymstream.create_rollup('Unquoted', 'SELECT count(*) FROM booking');
SELECT gymstream.create_rollup('"Test ""Names""".unquoted', 'SELECT count(*) FROM test_rollup.booking');
SELECT gymstream.create_rollup(repeat('n', 63), 'SELECT "select" AS k, count(*) FROM "Test ""Names"""."My Table" GROUP BY 1');
SELECT gymstream.create_rollup('ünïcödé_' || repeat('é', 25), 'SELECT "select" AS k, count(*) FROM "Test ""Names"""."My Table" GROUP BY 1');
INSERT INTO "Test ""Names"""."My Table" VALUES ('x', 1, 2);
INSERT INTO booking VALUES (1, 1, 'ann', 'booked', 1);
TABLE inexact;
-- two outputs of one name's worth, columns named as states are, long expressions
CREATE TABLE odd ("count(*)" int, "sum(x)" int, x int);
SELECT gymstream.create_rollup('odd_rollup', $$
	SELECT "count(*)", "sum(x)", count(*) AS a, sum(x) AS b, sum(x + 1000000000 + 100000000 + 10000000 + 1000000 + 100000) AS c,
		sum(x + 1000000000 + 100000000 + 10000000 + 1000000 + 100001) AS d
	FROM odd GROUP BY 1, 2 $$);
INSERT INTO odd VALUES (1, 2, 3), (1, 2, 4), (NULL, 2, 5);
TABLE inexact;
-- names are taken, and taken again
CREATE TABLE taken_definition ();
CREATE TABLE taken_partials ();
SELECT gymstream.create_rollup('taken', 'SELECT x, count(*) FROM odd GROUP BY x');
SELECT rollup, definition, partials FROM gymstream_internal.rollup WHERE rollup = 'taken'::regclass;

--
-- Renaming
--
ALTER VIEW class_attendance RENAME TO attendance;
ALTER TABLE booking RENAME TO reservation;
ALTER TABLE reservation RENAME class_id TO lesson_id;
ALTER TABLE reservation RENAME price_cents TO cents;
INSERT INTO reservation VALUES (2, 1, 'ann', 'booked', 10);
TABLE inexact;
UPDATE reservation SET lesson_id = 4, cents = 5;
TABLE inexact;
SELECT * FROM attendance;
ALTER VIEW attendance RENAME COLUMN class_id TO lesson_id;
ALTER TABLE class_attendance_partials RENAME TO attendance_parts;
ALTER TABLE attendance_parts RENAME COLUMN class_id TO k;
ALTER SCHEMA test_rollup RENAME TO test_renamed;
SET search_path = test_renamed, public;
DELETE FROM reservation WHERE id = 1;
INSERT INTO reservation VALUES (3, 1, 'ann', 'booked', 10);
TABLE inexact;
SELECT gymstream.rebuild_rollup('attendance');
TABLE inexact;
CREATE SCHEMA test_other;
ALTER TABLE reservation SET SCHEMA test_other;
ALTER VIEW attendance SET SCHEMA test_other;
INSERT INTO test_other.reservation VALUES (4, 1, 'ann', 'booked', 10);
TABLE inexact;
ALTER TABLE test_other.reservation SET SCHEMA test_renamed;
ALTER TABLE test_other.attendance_parts SET SCHEMA test_renamed;

--
-- Altering the source
--
ALTER TABLE reservation ADD COLUMN added int DEFAULT 5, DROP COLUMN note CASCADE;
SELECT to_regclass('hidden_key');
INSERT INTO reservation VALUES (11, 1, 'ann', 'booked', 10);
TABLE inexact;
-- a view, a rule, or a trigger: whichever dependency is found first
\set VERBOSITY sqlstate
ALTER TABLE reservation ALTER lesson_id TYPE bigint;
\set VERBOSITY terse
ALTER TABLE reservation DROP COLUMN cents;
ALTER TABLE reservation ALTER added TYPE bigint;
ALTER TABLE reservation ADD CHECK (added > 0);
CLUSTER reservation USING booking_pkey;
INSERT INTO reservation VALUES (12, 1, 'ann', 'booked', 10);
TABLE inexact;
-- and its parts
VACUUM FULL total_partials;
REINDEX TABLE attendance_parts;
CLUSTER attendance_parts USING class_attendance_partials_class_id_idx;
INSERT INTO reservation VALUES (13, 1, 'ann', 'booked', 10), (14, 2, 'ann', 'booked', 10);
TABLE inexact;
BEGIN;
INSERT INTO reservation VALUES (15, 1, 'ann', 'booked', 10), (16, 2, 'ann', 'booked', 10), (17, 3, 'ann', 'booked', 10);
SAVEPOINT s;
CLUSTER attendance_parts USING class_attendance_partials_class_id_idx;
INSERT INTO reservation VALUES (18, 3, 'ann', 'booked', 10);
RELEASE s;
INSERT INTO reservation VALUES (19, 1, 'ann', 'booked', 10);
UPDATE reservation SET lesson_id = 6 - lesson_id;
TABLE inexact;
COMMIT;
TABLE inexact;
DROP INDEX class_attendance_partials_class_id_idx;
INSERT INTO reservation VALUES (20, 1, 'ann', 'booked', 10);
TABLE inexact;

--
-- Dropping
--
SELECT gymstream.create_rollup('gone', 'SELECT lesson_id, count(*) FROM reservation GROUP BY 1');
CREATE VIEW over_gone AS SELECT * FROM gone;
DROP VIEW gone;
DROP VIEW gone CASCADE;
SELECT to_regclass('gone'), to_regclass('gone_definition'), to_regclass('gone_partials'), to_regclass('over_gone');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'reservation'::regclass AND tgname LIKE '%gone%';
INSERT INTO reservation VALUES (21, 1, 'ann', 'booked', 10);
-- not in parts
DROP VIEW total_definition;
DROP TABLE total_partials;
BEGIN;
DROP TABLE total_partials CASCADE;
SELECT to_regclass('total'), to_regclass('total_definition');
INSERT INTO reservation VALUES (22, 1, 'ann', 'booked', 10);
ROLLBACK;
BEGIN;
DROP VIEW total;
INSERT INTO reservation VALUES (22, 1, 'ann', 'booked', 10);
ROLLBACK;
INSERT INTO reservation VALUES (22, 1, 'ann', 'booked', 10);
TABLE inexact;
-- a rollup of the same name afterwards
DROP VIEW total;
SELECT gymstream.create_rollup('total', 'SELECT sum(lesson_id) FROM reservation');
INSERT INTO reservation VALUES (23, 1, 'ann', 'booked', 10);
TABLE inexact;
DROP TABLE reservation;
DROP TABLE reservation CASCADE;
SELECT to_regclass('test_other.attendance');
SELECT relname FROM pg_class WHERE relnamespace = 'test_renamed'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1;
DROP SCHEMA test_renamed, test_other CASCADE;
DROP SCHEMA "Test ""Names""" CASCADE;
TABLE gymstream_internal.rollup;

-- Partials that are written anew in the middle of a transaction: what it knows of their places is void
CREATE TABLE seat (row_no int, n int);
SELECT gymstream.create_rollup('seats', 'SELECT row_no, count(*), sum(n) FROM seat GROUP BY row_no');
BEGIN;
INSERT INTO seat VALUES (3, 1);
INSERT INTO seat VALUES (2, 10);
INSERT INTO seat VALUES (1, 100);
CLUSTER seats_partials USING seats_partials_row_no_idx;
INSERT INTO seat VALUES (1, 1000), (2, 10000), (3, 100000);
TABLE seats ORDER BY 1;
SELECT * FROM gymstream.verify_rollup('seats');
COMMIT;
DROP TABLE seat CASCADE;
-- with a function of its query, whatever it is called, and with an attribute of a type
CREATE TYPE place AS (floor int, door int);
CREATE FUNCTION doubled(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 2 * $1';
CREATE TABLE room (id int, at place);
SELECT gymstream.create_rollup('by_doubled', 'SELECT doubled(id) AS k, count(*) AS n FROM room GROUP BY 1');
SELECT gymstream.create_rollup('by_floor', 'SELECT (at).floor AS k, count(*) AS n FROM room GROUP BY 1');
SET client_min_messages = warning;
DROP ROUTINE doubled CASCADE;
ALTER TYPE place DROP ATTRIBUTE floor CASCADE;
RESET client_min_messages;
TABLE gymstream_internal.rollup;
SELECT to_regclass('by_doubled_partials'), to_regclass('by_floor_partials');
INSERT INTO room VALUES (1, ROW(1));
DROP TABLE room;
DROP TYPE place;

-- what a session keeps of rollups goes with them
CREATE TABLE short (k int);
\set ECHO errors
SELECT unnest(ARRAY['SELECT gymstream.create_rollup(''lived'', ''SELECT k, count(*) FROM short GROUP BY k'')',
	'INSERT INTO short VALUES (1)', 'DROP VIEW lived']) FROM generate_series(1, 20)
\o /dev/null
\gexec
\o
\set ECHO all
SELECT count(*) < 20 FROM pg_backend_memory_contexts WHERE name LIKE 'gymstream %';
