-- A query over views, subqueries in FROM and WITH queries is kept by triggers on the one table below them.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_flatten;
SET search_path = test_flatten, public;
CREATE TABLE booking (id int PRIMARY KEY, class_id int, member varchar(20), status text, cents int, price numeric(8, 2), day date);
INSERT INTO booking SELECT i, i % 4, 'm' || i % 3, CASE WHEN i % 3 > 0 THEN 'booked' END, i * 10, i / 4.0, '2026-01-01'::date + i % 5
	FROM generate_series(1, 20) i;
CREATE VIEW booked AS SELECT id AS booking_id, class_id AS class, upper(member) AS who, cents, cents / 100.0 AS euros, price, day
	FROM booking WHERE status = 'booked';
CREATE VIEW dear (who, class, amount, month) AS
	SELECT who, class, euros * 2, date_trunc('month', day::timestamp) FROM booked b WHERE cents > 40;
CREATE VIEW everything AS TABLE booking;
CREATE VIEW checked AS SELECT * FROM booking WHERE cents > 0 WITH CHECK OPTION;

-- Views, of views too; renamed columns, expressions, casts
SELECT gymstream.create_rollup('by_class', 'SELECT class, count(*), sum(cents), sum(euros) AS euros FROM booked GROUP BY class');
SELECT gymstream.create_rollup('by_who', 'SELECT who, class::text AS c, count(amount), sum(amount) FROM dear WHERE class <> 1 GROUP BY who, class::text');
SELECT gymstream.create_rollup('by_month', 'SELECT month, count(*) FILTER (WHERE class = 2) FROM dear GROUP BY month HAVING count(*) > 1');
SELECT gymstream.create_rollup('of_all', 'SELECT count(*), sum(e.cents) FROM everything e (a, b) WHERE b > 0');
SELECT gymstream.create_rollup('of_checked', 'SELECT class_id, count(*) FROM checked GROUP BY 1');
-- Subqueries in FROM
SELECT gymstream.create_rollup('sub', $$
	SELECT k, count(*) AS n, sum(x) FROM (SELECT class_id + 1 AS k, cents::bigint * 2 AS x FROM booking WHERE cents % 20 = 0) s WHERE x > 50 GROUP BY k $$);
SELECT gymstream.create_rollup('sub_sub', $$
	SELECT z, count(*) FROM (SELECT y || '!' AS z, c FROM (SELECT who AS y, class AS c FROM booked) a WHERE c > 0) b (z, d) WHERE d < 3 GROUP BY z $$);
SELECT gymstream.create_rollup('sub_case', $$
	SELECT size, sum(price)::text AS total FROM (SELECT CASE WHEN cents > 100 THEN 'big' ELSE 'small' END AS size, price FROM booking) s GROUP BY size $$);
-- WITH queries, of each other, materialized or not, not read at all, hidden by others of the same name
SELECT gymstream.create_rollup('with_one', 'WITH b AS (SELECT * FROM booking WHERE status IS NULL) SELECT day, count(*) FROM b GROUP BY day');
SELECT gymstream.create_rollup('with_two', $$
	WITH a AS MATERIALIZED (SELECT class_id, cents FROM booking), b AS NOT MATERIALIZED (SELECT class_id % 2 AS odd, cents FROM a WHERE cents > 30),
		unread AS (SELECT count(*) FROM booking, booked)
	SELECT odd, sum(cents) FROM b GROUP BY odd $$);
SELECT gymstream.create_rollup('with_nested', $$
	WITH a AS (SELECT class_id AS k, cents AS v FROM booking WHERE cents > 50)
	SELECT k, count(*) FROM (WITH b AS (SELECT k, v FROM a WHERE v < 180) SELECT * FROM (SELECT k FROM b) c) d GROUP BY k $$);
SELECT gymstream.create_rollup('with_hidden', $$
	WITH a AS (SELECT 1 AS k), b AS (WITH a AS (SELECT class_id AS k FROM booking) SELECT * FROM a) SELECT k, count(*) FROM b GROUP BY k $$);
SELECT gymstream.create_rollup('with_recursive_none', 'WITH RECURSIVE a AS (SELECT day FROM booking) SELECT day, count(*) FROM a GROUP BY day');
-- SELECT DISTINCT
SELECT gymstream.create_rollup('distincts', 'SELECT DISTINCT class_id, status FROM booking');
SELECT gymstream.create_rollup('distinct_expressions', 'SELECT DISTINCT cents / 50 AS band, upper(member) FROM booking WHERE cents > 20');
SELECT gymstream.create_rollup('distinct_groups', 'SELECT DISTINCT class_id, count(*) FROM booking GROUP BY class_id HAVING class_id > 1');
SELECT gymstream.create_rollup('distinct_total', 'SELECT DISTINCT count(*), sum(cents) FROM booking');
SELECT gymstream.create_rollup('distinct_of_view', 'SELECT DISTINCT who FROM (SELECT who FROM dear) d');
-- GROUP BY (), constants, and keys that are not shown
SELECT gymstream.create_rollup('no_keys', 'SELECT count(*), sum(cents) FROM booking GROUP BY ()');
SELECT gymstream.create_rollup('some_keys', 'SELECT class_id, count(*) FROM booking GROUP BY class_id, ()');
SELECT gymstream.create_rollup('constant_key', 'SELECT ''x'' AS x, 1 AS one, count(*) + 1 AS more, NULL AS n FROM booking GROUP BY 1, 2, n');
SELECT gymstream.create_rollup('constant_below', 'SELECT kind, class_id, count(*) FROM (SELECT ''b'' AS kind, class_id FROM booking) s GROUP BY kind, class_id');
SELECT gymstream.create_rollup('hidden', 'SELECT count(*), max_class * 10 AS tens FROM (SELECT class_id AS max_class, lower(member) AS m FROM booking) s GROUP BY max_class, m || ''?''');
SELECT gymstream.create_rollup('no_aggregates', 'SELECT class_id IS NULL AS nowhere FROM booking GROUP BY class_id IS NULL, CASE WHEN cents > 50 THEN 1 ELSE 2 END HAVING class_id IS NULL IS NOT NULL');
CREATE FUNCTION half(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 / 2; END';
SELECT gymstream.create_rollup('of_function', 'SELECT half(cents) AS h, count(*) FROM booked GROUP BY half(cents) HAVING half(cents) > 3');
TABLE inexact;

INSERT INTO booking VALUES (21, 1, 'Ann', 'booked', 60, 5, '2026-02-03'), (22, NULL, NULL, 'booked', 80, NULL, NULL), (23, 2, 'bob', NULL, NULL, 1, '2026-02-03');
TABLE inexact;
UPDATE booking SET cents = cents + 30 WHERE id % 2 = 0;
TABLE inexact;
UPDATE booking SET status = 'booked', class_id = 9 WHERE status IS NULL;
TABLE inexact;
INSERT INTO booked (booking_id, class, cents, price) VALUES (24, 3, 99, 3);
UPDATE booked SET class = 7 WHERE class = 2;
DELETE FROM booked WHERE class = 9;
TABLE inexact;
SELECT * FROM by_class ORDER BY class;
SELECT * FROM with_two ORDER BY 1;
TABLE constant_key;
DELETE FROM booking;
TABLE inexact;
TABLE distinct_total;
TABLE constant_key;
INSERT INTO booking SELECT i, i % 4, 'm' || i % 3, 'booked', i * 10, i / 4.0, '2026-01-01'::date + i % 5 FROM generate_series(1, 20) i;
TABLE inexact;
SELECT gymstream.rebuild_rollup('by_who');
TABLE inexact;
-- the definition is as the user wrote it
SELECT pg_get_viewdef('by_who_definition'::regclass) ~ 'FROM dear';
SELECT obj_description('by_who'::regclass);

--
-- A view below a rollup keeps what it shows; its names are free
--
SELECT regexp_replace(refused(ddl), 'rollup ".*"', 'rollup') FROM unnest(ARRAY[
	'CREATE OR REPLACE VIEW booked AS SELECT id AS booking_id, class_id AS class, upper(member) AS who, cents, cents / 100.0 AS euros, price, day FROM booking',
	'CREATE OR REPLACE VIEW dear (who, class, amount, month) AS SELECT who, class, euros, date_trunc(''month'', day::timestamp) FROM booked b',
	'CREATE OR REPLACE VIEW by_class_definition AS SELECT class, count(*), sum(cents), sum(euros) * 2 AS euros FROM booked GROUP BY class',
	'ALTER VIEW booked SET (security_barrier)',
	'ALTER VIEW everything SET (security_invoker = on)',
	'ALTER TABLE booked SET (security_barrier)',
	'CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO everything DO INSTEAD SELECT id + 1 AS id, class_id, member, status, cents, price, day FROM booking']) ddl;
ALTER VIEW booked RENAME TO taken;
ALTER VIEW taken RENAME COLUMN class TO class_number;
ALTER VIEW taken SET (check_option = local);
ALTER VIEW taken ALTER cents SET DEFAULT 5;
ALTER TABLE booking RENAME cents TO price_cents;
ALTER TABLE booking RENAME TO bookings;
CREATE RULE elsewhere AS ON DELETE TO everything DO INSTEAD NOTHING;
UPDATE bookings SET price_cents = price_cents + 1, class_id = class_id + 1;
TABLE inexact;
CREATE VIEW free AS SELECT class_number FROM taken;
CREATE OR REPLACE VIEW free AS SELECT class_number, who FROM taken;
-- also in a transaction that began before the rollup was made
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM bookings;
\setenv PGDATABASE :DBNAME
\! psql -Xqc "SET client_min_messages = error; SET search_path = test_flatten, public; SELECT gymstream.create_rollup('late', 'SELECT who, count(*) FROM free GROUP BY who')" >/dev/null
SELECT refused('CREATE OR REPLACE VIEW free AS SELECT class_number, who || 1 AS who FROM taken');
ROLLBACK;
DROP VIEW taken CASCADE;
SELECT rollup FROM gymstream_internal.rollup ORDER BY rollup::text COLLATE "C";
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'bookings'::regclass AND tgname LIKE '%by_class';

--
-- Who makes it needs SELECT and TRIGGER on the table, and SELECT on the views that the query names
--
CREATE ROLE gymstream_flatten;
CREATE VIEW inner_view AS SELECT class_id AS k, price_cents AS v FROM bookings;
CREATE VIEW outer_view AS SELECT k, v FROM inner_view WHERE v > 0;
CREATE SCHEMA test_made AUTHORIZATION gymstream_flatten;
GRANT USAGE ON SCHEMA test_flatten TO gymstream_flatten;
GRANT SELECT ON outer_view TO gymstream_flatten;
SET ROLE gymstream_flatten;
SELECT refused('SELECT gymstream.create_rollup(''test_made.r'', ''SELECT k, count(*) FROM outer_view GROUP BY k'')');
RESET ROLE;
GRANT SELECT, TRIGGER ON bookings TO gymstream_flatten;
REVOKE SELECT ON outer_view FROM gymstream_flatten;
SET ROLE gymstream_flatten;
SELECT refused('SELECT gymstream.create_rollup(''test_made.r'', ''WITH x AS (SELECT * FROM outer_view) SELECT k, count(*) FROM x GROUP BY k'')');
RESET ROLE;
GRANT SELECT ON outer_view TO gymstream_flatten;
SET ROLE gymstream_flatten;
SELECT gymstream.create_rollup('test_made.r', 'WITH x AS (SELECT * FROM outer_view) SELECT k, count(*) FROM x GROUP BY k');
TABLE test_made.r_definition EXCEPT TABLE test_made.r;
RESET ROLE;
UPDATE bookings SET price_cents = 1 - price_cents WHERE id % 2 = 0;
TABLE inexact;
DROP SCHEMA test_made CASCADE;
DROP OWNED BY gymstream_flatten;
DROP ROLE gymstream_flatten;

DROP SCHEMA test_flatten CASCADE;
