-- Sums and averages of intervals and money; bool_and and its kind: what the server gives.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_interval;
SET search_path = test_interval, public;

CREATE TABLE span (id int, k int, d interval, m money, b bool);
SELECT gymstream.create_rollup('spans', 'SELECT k, sum(d), avg(d), sum(m) AS m FROM span GROUP BY k');
SELECT gymstream.create_rollup('flags', 'SELECT k, bool_and(b), bool_or(b), every(b), bool_or(b) FILTER (WHERE id > 2) AS late FROM span GROUP BY k');
SELECT gymstream.create_rollup('all_spans', 'SELECT sum(d) FILTER (WHERE b), avg(d), bool_and(b), sum(m) AS m FROM span');
-- intervals that are equal may print differently, as 1 month and 30 days: compare texts
CREATE VIEW differing AS
	SELECT 'spans' AS rollup, d::text FROM (SELECT s::text FROM spans s EXCEPT ALL SELECT s::text FROM spans_definition s) d
	UNION ALL SELECT 'spans definition', d::text FROM (SELECT s::text FROM spans_definition s EXCEPT ALL SELECT s::text FROM spans s) d
	UNION ALL SELECT 'all_spans', d::text FROM (SELECT s::text FROM all_spans s EXCEPT ALL SELECT s::text FROM all_spans_definition s) d;
TABLE all_spans;
TABLE differing;
INSERT INTO span VALUES (1, 1, '1 month', 1.5, true), (2, 1, '-31 days 12:00', -0.01, NULL), (3, 1, '0.000001 s', NULL, false), (4, 2, NULL, NULL, NULL);
TABLE differing;
TABLE inexact;
SELECT * FROM spans ORDER BY k;
SELECT * FROM flags ORDER BY k;
DELETE FROM span WHERE id = 3;
TABLE differing;
TABLE inexact;
SELECT * FROM flags ORDER BY k;
UPDATE span SET b = NOT b, d = -d, m = m * 3;
TABLE differing;
TABLE inexact;
INSERT INTO span SELECT i, i % 7, make_interval(i % 5, i % 13, 0, i % 40 - 20, i, -i, i / 7.0), i::money / 3, i % 11 > 3 FROM generate_series(10, 300) i;
TABLE differing;
TABLE inexact;
UPDATE span SET k = k + 1, d = d / 3 WHERE id % 2 = 0;
DELETE FROM span WHERE id % 5 = 0;
TABLE differing;
TABLE inexact;
TRUNCATE span;
TABLE all_spans;
-- sums that pass the range of the type on the way, and come back
INSERT INTO span VALUES (1, 1, '178000000 years', 90000000000000000, true), (2, 1, '178000000 years', 90000000000000000, true), (3, 1, '2147483647 days', 0, true);
SELECT refused('SELECT sum FROM spans');
SELECT refused('SELECT avg FROM spans');
SELECT refused('SELECT m FROM spans');
SELECT * FROM flags;
DELETE FROM span WHERE id = 2;
TABLE differing;
TABLE inexact;
INSERT INTO span VALUES (4, 1, make_interval(secs => 9e12), 0, false), (5, 1, make_interval(secs => 9e12), 0, false);
SELECT refused('SELECT sum FROM spans');
DELETE FROM span WHERE id = 4;
TABLE differing;
DELETE FROM span;
TABLE spans_partials;
TABLE flags_partials;
DROP SCHEMA test_interval CASCADE;
