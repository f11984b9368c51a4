-- What migrations need that are run twice, or back: drop_rollup, and create_rollup with if_not_exists
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all
\set VERBOSITY default

CREATE ROLE gymstream_migrator;
CREATE ROLE gymstream_migrate_stranger;
CREATE SCHEMA test_migrate AUTHORIZATION gymstream_migrator;
GRANT USAGE ON SCHEMA test_migrate TO gymstream_migrate_stranger;
SET search_path = test_migrate, public;
SET ROLE gymstream_migrator;
CREATE TABLE booking (class_id int, price int);
CREATE VIEW some_view AS SELECT class_id FROM booking;
SET client_min_messages = notice;

--
-- Made if it is not there
--
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking WHERE price > 0 GROUP BY class_id', if_not_exists => true);
INSERT INTO booking VALUES (7, 1), (7, 2);
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking WHERE price > 0 GROUP BY class_id', if_not_exists => true);
-- the same query, written in another way
SELECT gymstream.create_rollup('test_migrate.attendance', 'select b.class_id, COUNT(*) n from test_migrate.booking as b where b.price > 0 group by 1;', true);
-- other ones
SELECT gymstream.create_rollup('attendance', query, true) FROM (VALUES
	('SELECT class_id, count(*) AS visits FROM booking WHERE price > 0 GROUP BY class_id'),
	('SELECT class_id, count(*) AS n FROM booking GROUP BY class_id'),
	('SELECT class_id, count(price) AS n FROM booking WHERE price > 0 GROUP BY class_id'),
	('SELECT class_id, count(*) AS n FROM booking WHERE price > 0 GROUP BY class_id HAVING count(*) > 1')) q (query);
SELECT * FROM attendance;
-- without it an error, as ever
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking WHERE price > 0 GROUP BY class_id');
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking WHERE price > 0 GROUP BY class_id', false);
-- of this name there is something else
SELECT refused(format('SELECT gymstream.create_rollup(%L, ''SELECT class_id, count(*) FROM booking GROUP BY class_id'', true)', name))
	FROM unnest('{booking, some_view, attendance_definition, attendance_partials}'::text[]) name;
SELECT refused($$ SELECT gymstream.create_rollup('attendance', 'SELECT 1', if_not_exists => NULL) $$);
SELECT refused($$ SELECT gymstream.create_rollup('attendance', 'SELECT', if_not_exists => true) $$);
-- nothing is done, so any transaction will do
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking WHERE price > 0 GROUP BY class_id', true);
COMMIT;

--
-- Dropped if it is there
--
SELECT gymstream.drop_rollup('attendance');
SELECT relname FROM pg_class WHERE relnamespace = 'test_migrate'::regnamespace ORDER BY 1;
SELECT gymstream.drop_rollup('attendance', if_exists => true);
SELECT gymstream.drop_rollup('nowhere.attendance', if_exists => true);
SELECT refused($$ SELECT gymstream.drop_rollup('attendance') $$);
SELECT refused($$ SELECT gymstream.drop_rollup('nowhere.attendance', false) $$);
-- what is no rollup is left alone
SELECT refused(format('SELECT gymstream.drop_rollup(%L, true)', name)) FROM unnest('{booking, some_view, pg_catalog.pg_class}'::text[]) name;
SELECT refused(format('SELECT gymstream.drop_rollup(%L, true)', name)) FROM unnest(ARRAY['', '.', 'a.b.c', '"', '"a', 'a b', NULL]) name;
SELECT refused(format('SELECT gymstream.drop_rollup(''booking'', %L, %L)', a, b)) FROM (VALUES (NULL, false), (true, NULL)) v (a, b);
SELECT refused('SELECT gymstream.drop_rollup(NULL::regclass)');
SELECT refused('SELECT gymstream.drop_rollup(1::regclass)');
SELECT gymstream.drop_rollup(1::regclass, if_exists => true);
-- with what depends on it, or not
SELECT gymstream.create_rollup('"Odd "" name"', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
CREATE VIEW above AS SELECT n FROM "Odd "" name";
SELECT gymstream.drop_rollup('"Odd "" name"');
SELECT gymstream.drop_rollup('test_migrate."Odd "" name"', cascade => true);
SELECT to_regclass('above') AS above;
-- by those who may drop the view: whoever owns it or its schema, in the end
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
SET ROLE gymstream_migrate_stranger;
SELECT refused($$ SELECT gymstream.drop_rollup('attendance') $$);
SELECT refused($$ SELECT gymstream.drop_rollup('attendance'::regclass, true, true) $$);
RESET ROLE;
ALTER SCHEMA test_migrate OWNER TO gymstream_migrate_stranger;
SET ROLE gymstream_migrate_stranger;
SELECT gymstream.drop_rollup('attendance');
RESET ROLE;
GRANT USAGE, CREATE ON SCHEMA test_migrate TO gymstream_migrator;
SET ROLE gymstream_migrator;
-- all of them, by the view that lists them; and as part of a transaction
SELECT gymstream.create_rollup('a', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('b', 'SELECT class_id, sum(price) FROM booking GROUP BY class_id');
BEGIN;
SELECT gymstream.drop_rollup(rollup) FROM gymstream.rollups WHERE owner::text = 'gymstream_migrator';
SELECT count(*) FROM gymstream.rollups;
ROLLBACK;
INSERT INTO booking VALUES (7, 3);
SELECT * FROM a NATURAL JOIN b;
-- its topic goes with it
SET client_min_messages = warning;
SELECT gymstream.create_topic('a') AS channel;
SELECT gymstream.drop_rollup('a'), gymstream.drop_rollup('b');
SELECT count(*) FROM gymstream.topics WHERE channel LIKE '%test_migrate%';

RESET ROLE;
DROP SCHEMA test_migrate CASCADE;
DROP ROLE gymstream_migrator, gymstream_migrate_stranger;
