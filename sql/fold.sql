-- Folding: many partials of a group become one, and nobody sees a difference.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_fold;
SET search_path = test_fold, public;
CREATE TABLE booking (id int, class_id int, member text, price numeric, note bigint);
SELECT gymstream.create_rollup('by_class', $$
	SELECT class_id, count(*) AS n, sum(price) AS revenue, avg(note) AS note FROM booking GROUP BY class_id $$);
SELECT gymstream.create_rollup('by_two', 'SELECT member, class_id, count(price) AS n FROM booking GROUP BY class_id, member');
SELECT gymstream.create_rollup('total', 'SELECT count(*) AS n, sum(price) AS revenue FROM booking');
INSERT INTO booking SELECT i, nullif(i % 7, 0), CASE i % 3 WHEN 0 THEN 'ann' WHEN 1 THEN 'bob' END, i / 4.0, i FROM generate_series(1, 100) i;
TABLE inexact;
SELECT gymstream.fold_rollup('by_class'), gymstream.fold_rollup('by_two'), gymstream.fold_rollup('total');

-- More partials, by hand: each group's value doubles with it.
CREATE FUNCTION split(partials regclass, times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP
		PERFORM tamper(partials, format('INSERT INTO %s SELECT * FROM %1$s', partials));
	END LOOP;
END $$;
CREATE VIEW parts AS
	SELECT 'by_class' AS rollup, count(*), count(DISTINCT (class_id, 1)) AS groups FROM by_class_partials
	UNION ALL SELECT 'by_two', count(*), count(DISTINCT (class_id, member)) FROM by_two_partials
	UNION ALL SELECT 'total', count(*), 1 FROM total_partials;
SELECT split('by_class_partials', 3), split('by_two_partials', 1), split('total_partials', 2);
TABLE parts;

-- what the rollups add up to before and after
CREATE TABLE before AS SELECT * FROM by_class;
CREATE TABLE before_two AS SELECT * FROM by_two;
CREATE TABLE before_total AS SELECT * FROM total;
SELECT gymstream.fold_rollup('by_class'), gymstream.fold_rollup('by_two'), gymstream.fold_rollup('total');
TABLE parts;
(TABLE before EXCEPT ALL TABLE by_class) UNION ALL (TABLE by_class EXCEPT ALL TABLE before);
(TABLE before_two EXCEPT ALL TABLE by_two) UNION ALL (TABLE by_two EXCEPT ALL TABLE before_two);
(TABLE before_total EXCEPT ALL TABLE total) UNION ALL (TABLE total EXCEPT ALL TABLE before_total);
SELECT gymstream.fold_rollup('by_class'), gymstream.fold_rollup('by_two'), gymstream.fold_rollup('total');
SELECT gymstream.rebuild_rollup('by_class'), gymstream.rebuild_rollup('by_two'), gymstream.rebuild_rollup('total');
TABLE inexact;

-- an empty group, and parts that add up to nothing, leave nothing
SELECT FROM tamper('total_partials', $$INSERT INTO total_partials SELECT 0, '{"sum":0,"count":0,"scales":{}}' FROM generate_series(1, 3)$$);
SELECT FROM tamper('by_class_partials', $$INSERT INTO by_class_partials VALUES (500, 1, '{"sum":1.0,"count":1,"scales":{"1":1}}', 7, 1),
	(500, -1, '{"sum":-1.0,"count":-1,"scales":{"1":-1}}', -7, -1), (600, 0, '{"sum":0,"count":0,"scales":{}}', 0, 0)$$);
SELECT gymstream.fold_rollup('by_class'), gymstream.fold_rollup('total');
TABLE parts;
TABLE inexact;

-- in a transaction: seen at once, and taken back
BEGIN;
INSERT INTO booking VALUES (101, 1, 'ann', 1, 1);
SELECT split('by_class_partials', 1);
SAVEPOINT s;
SELECT gymstream.fold_rollup('by_class');
INSERT INTO booking VALUES (102, 1, 'ann', 1, 1);
SELECT count(*) FROM by_class_partials;
ROLLBACK TO s;
SELECT count(*) FROM by_class_partials;
INSERT INTO booking VALUES (103, 2, 'ann', 1, 1);
ROLLBACK;
TABLE parts;
TABLE inexact;

-- a cursor goes on seeing what it saw
BEGIN;
SELECT split('by_class_partials', 1);
DECLARE c CURSOR FOR SELECT count(*), sum("count(*)") FROM by_class_partials;
SELECT gymstream.fold_rollup('by_class');
FETCH c;
ROLLBACK;

-- a sum that does not fit stays two partials, as writers leave it
CREATE TABLE big (k int, v int);
SELECT gymstream.create_rollup('by_k', 'SELECT k, count(*) AS n, sum(v) AS total FROM big GROUP BY k');
SELECT FROM tamper('by_k_partials', 'INSERT INTO by_k_partials VALUES (1, 1, 9223372036854775807, 1), (1, 1, 9223372036854775807, 1), (1, 1, -5, 1)');
SELECT gymstream.fold_rollup('by_k');
SELECT * FROM by_k_partials ORDER BY 2;
SELECT gymstream.rebuild_rollup('by_k');
-- and they become one as soon as it fits, when their group's turn comes again in the same fold
SELECT FROM tamper('by_k_partials', 'INSERT INTO by_k_partials VALUES (1, 1, 9223372036854775807, 1), (1, 1, 9223372036854775807, 1), (1, 1, -9223372036854775807, 1), (1, 1, -9223372036854775807, 1)');
SELECT gymstream.fold_rollup('by_k');
SELECT * FROM by_k_partials;
SELECT gymstream.rebuild_rollup('by_k');

-- without the index it is slow and right
SELECT split('by_class_partials', 1);
DROP INDEX by_class_partials_class_id_idx;
SELECT gymstream.fold_rollup('by_class');
SELECT gymstream.rebuild_rollup('by_class');
TABLE parts;
TABLE inexact;

-- many groups, in more than a piece of a sweep
CREATE TABLE many (k int, v int);
INSERT INTO many SELECT i, i FROM generate_series(1, 30000) i;
SELECT gymstream.create_rollup('by_many', 'SELECT k, sum(v) AS total FROM many GROUP BY k');
SELECT split('by_many_partials', 1);
SELECT gymstream.fold_rollup('by_many');
SELECT count(*) FROM by_many_partials;
SELECT gymstream.rebuild_rollup('by_many');
TABLE inexact;

-- who may
SELECT refused($$ SELECT gymstream.fold_rollup('booking') $$);
SELECT refused($$ SELECT gymstream.fold_rollup(0) $$);
CREATE ROLE test_fold_reader;
GRANT USAGE ON SCHEMA test_fold TO test_fold_reader;
GRANT SELECT ON by_class TO test_fold_reader;
SET ROLE test_fold_reader;
SELECT refused($$ SELECT gymstream.fold_rollup('by_class') $$);
RESET ROLE;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT refused($$ SELECT gymstream.fold_rollup('by_class') $$);
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT refused($$ SELECT gymstream.fold_rollup('by_class') $$);
COMMIT;
SELECT gymstream.fold_rollup(NULL);

DROP SCHEMA test_fold CASCADE;
DROP ROLE test_fold_reader;
