-- What a DBA sees of rollups: gymstream.rollups, and the progress of filling one.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_survey;
SET search_path = test_survey, public;
CREATE TABLE booking (id int, class_id int, price int);
INSERT INTO booking SELECT i, i % 5, i FROM generate_series(1, 100) i;
SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n, sum(price) AS revenue FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('some', 'SELECT class_id, sum(price) AS revenue FROM booking WHERE price < 50 GROUP BY class_id HAVING sum(price) > 250');
SELECT gymstream.create_rollup('total', 'SELECT count(*) AS n FROM booking');
SELECT gymstream.create_rollup('empty', 'SELECT count(*) AS n FROM booking WHERE id < 0');
CREATE VIEW mine AS SELECT rollup, source, owner = current_user::regrole AS mine, groups, partials, marked,
		size = pg_total_relation_size(r.partials_table) AS size, age(created) < '1 hour' AS since
	FROM (SELECT v.*, c.partials AS partials_table FROM gymstream.rollups v JOIN gymstream_internal.rollup c USING (rollup)) r
	WHERE starts_with(rollup::text, 'test_survey') OR source = 'test_survey.booking'::regclass ORDER BY rollup::text COLLATE "C";
TABLE mine;
-- some servers print a column's table even where there is only one
SELECT regexp_replace(definition, '\mbooking\.', '', 'g') FROM gymstream.rollups WHERE rollup = 'by_class'::regclass;

-- several partials of a group; groups that are there no more
SELECT FROM tamper('by_class_partials', $$INSERT INTO by_class_partials SELECT * FROM by_class_partials$$);
SELECT FROM tamper('by_class_partials', $$INSERT INTO by_class_partials VALUES (77, 0, 0, 0)$$);
TABLE mine;
SELECT * FROM gymstream_internal.count_rollup('by_class');
SELECT gymstream.rebuild_rollup('by_class');

-- large ones are estimated, and counted by who wants it
CREATE TABLE many (k int);
INSERT INTO many SELECT generate_series(1, 30000);
SELECT gymstream.create_rollup('by_k', 'SELECT k, count(*) AS n FROM many GROUP BY k');
SELECT groups BETWEEN 20000 AND 40000, groups = partials, marked FROM gymstream.rollups WHERE rollup = 'by_k'::regclass;
ANALYZE by_k_partials;
SELECT groups, partials, marked FROM gymstream.rollups WHERE rollup = 'by_k'::regclass;
SELECT * FROM gymstream_internal.count_rollup('by_k');
SELECT groups, marked FROM gymstream_internal.count_rollup('by_k', 100000000);

-- counts are for those who may read the rollup; all else everyone may know
CREATE ROLE test_survey_reader;
GRANT USAGE ON SCHEMA test_survey TO test_survey_reader;
GRANT SELECT ON by_class TO test_survey_reader;
SET ROLE test_survey_reader;
SELECT rollup, source, groups, partials, marked FROM gymstream.rollups WHERE source = 'booking'::regclass ORDER BY rollup::text COLLATE "C";
SELECT * FROM gymstream_internal.count_rollup('total');
SELECT * FROM gymstream.progress_create_rollup;
RESET ROLE;
SELECT * FROM gymstream_internal.count_rollup('booking');
SELECT * FROM gymstream_internal.count_rollup(NULL);
SELECT gymstream_internal.rollup_source('booking') IS NULL;
-- whoever looks runs no function of others: neither by the view, nor where a function was left in the way of the planner
CREATE FUNCTION spy(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
	$$ BEGIN RAISE WARNING 'called by %', session_user = current_user; RETURN x; END $$;
CREATE TABLE watched (k int, v int);
SELECT gymstream.create_rollup('spied', 'SELECT k, max(v) AS m FROM watched GROUP BY k');
INSERT INTO watched SELECT i, i FROM generate_series(1, 3) i;
CREATE STATISTICS spy ON (spy(1)), k FROM spied_partials;
ALTER FUNCTION spy(int) OWNER TO test_survey_reader;
SELECT groups IS NOT NULL AS groups, marked, problem FROM gymstream.rollups WHERE rollup = 'spied'::regclass;
SELECT groups, marked FROM gymstream_internal.count_rollup('spied');
ALTER FUNCTION spy(int) OWNER TO CURRENT_USER;
DROP VIEW spied;
-- an owner who may no longer read the partials hides no other rollup
GRANT CREATE ON SCHEMA test_survey TO test_survey_reader;
GRANT SELECT, TRIGGER ON many TO test_survey_reader;
SET ROLE test_survey_reader;
SELECT gymstream.create_rollup('blind', 'SELECT k % 2 AS parity, count(*) FROM test_survey.many GROUP BY 1');
REVOKE ALL ON blind_partials FROM test_survey_reader;
RESET ROLE;
SELECT groups IS NOT NULL AS groups, marked, problem FROM gymstream.rollups WHERE rollup = 'blind'::regclass;
DROP VIEW blind;
REVOKE CREATE ON SCHEMA test_survey FROM test_survey_reader;
REVOKE ALL ON many FROM test_survey_reader;
-- also in a query that runs in parallel
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT count(*) > 0, count(problem) FROM gymstream.rollups WHERE partials >= 0;
ROLLBACK;

-- progress, as seen by a function that the query calls
CREATE FUNCTION peek(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	p record;
BEGIN
	IF i % 10000 = 0 THEN
		PERFORM pg_stat_clear_snapshot();
		SELECT * INTO p FROM gymstream.progress_create_rollup WHERE pid = pg_backend_pid();
		RAISE WARNING 'row %: % of % read from %', i, p.rows_read, p.rows_total, p.source;
	END IF;
	RETURN i % 3;
END $$;
ANALYZE many;
SELECT gymstream.create_rollup('peeked', 'SELECT test_survey.peek(k) AS p, count(*) AS n FROM many GROUP BY test_survey.peek(k)');
SELECT count(*) FROM gymstream.progress_create_rollup;
SELECT gymstream.rebuild_rollup('peeked');
SELECT refused($$ SELECT gymstream.create_rollup('failed', 'SELECT k / (k - k) AS x, count(*) AS n FROM test_survey.many GROUP BY 1') $$);
SELECT pg_stat_clear_snapshot();
SELECT count(*) FROM gymstream.progress_create_rollup;
SELECT gymstream_internal.progress();
DROP VIEW peeked;
TABLE inexact;

DROP SCHEMA test_survey CASCADE;
DROP ROLE test_survey_reader;
