-- An error about the query of a rollup points at its place in it.
CREATE SCHEMA test_place;
SET search_path = test_place, public;
CREATE TABLE t (id int PRIMARY KEY, k int, v int, s text, n numeric, at timestamptz);
CREATE TABLE other (id int);
CREATE VIEW grouped AS SELECT k, count(*) FROM t GROUP BY k;
CREATE VIEW joined AS SELECT k FROM t JOIN other USING (id);
CREATE VIEW moody AS SELECT k, random() AS r, clock_timestamp() AS at FROM t;
CREATE VIEW shut WITH (security_barrier) AS SELECT k FROM t;
CREATE VIEW asking WITH (security_invoker) AS SELECT k FROM t;
CREATE VIEW over AS SELECT k FROM grouped;
CREATE VIEW catalog AS SELECT oid FROM pg_class;
\pset format unaligned
\pset tuples_only on
\set ECHO none
\set SHOW_CONTEXT never
SELECT format('SELECT gymstream.create_rollup(''r'', %L)', q) FROM unnest(ARRAY[
	'SELECT k, count(*) FROM t, other GROUP BY k',
	'SELECT k, count(*) FROM t LEFT JOIN other USING (id) GROUP BY k',
	'SELECT count(*) FROM generate_series(1, 3)',
	'SELECT count(*) FROM (VALUES (1), (2)) x',
	'SELECT count(*) FROM t TABLESAMPLE system (50)',
	'SELECT count(*) FROM other, LATERAL (SELECT other.id) x',
	'SELECT k, count(*) FROM t GROUP BY k UNION ALL SELECT 1, 1',
	'SELECT k, count(*) FROM t GROUP BY k ORDER BY k',
	'SELECT k, count(*) FROM t GROUP BY k LIMIT 5',
	'SELECT k, count(*) FROM t GROUP BY k OFFSET 5',
	'SELECT DISTINCT ON (k) k, v FROM t',
	'SELECT DISTINCT count(*) FROM t GROUP BY k',
	'SELECT k FROM t FOR UPDATE OF t',
	'SELECT k, count(*) FROM t WHERE v IN (SELECT id FROM other) GROUP BY k',
	'SELECT k, count(*) FROM t GROUP BY k HAVING count(*) > (SELECT count(*) FROM other)',
	'SELECT k, count(*), row_number() OVER (ORDER BY k) FROM t GROUP BY k',
	'SELECT k, 1 + generate_series(1, 2), count(*) FROM t GROUP BY k',
	'SELECT k, count(*) FROM t GROUP BY ROLLUP (k)',
	'SELECT k, grouping(k), count(*) FROM t GROUP BY k',
	'SELECT k, count(*) AS n, sum(v) AS n FROM t GROUP BY k',
	'SELECT k FROM t WHERE k > 0',
	'WITH RECURSIVE x AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM x WHERE i < 3) SELECT count(*) FROM x',
	'WITH x AS (SELECT 1), y AS (INSERT INTO other VALUES (1) RETURNING id) SELECT k, count(*) FROM t GROUP BY k',
	'WITH x AS (SELECT k FROM t LIMIT 3) SELECT k, count(*) FROM x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k FROM t ORDER BY v) x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k FROM t UNION SELECT id FROM other) x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k, count(*) FROM t GROUP BY k) x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k FROM t GROUP BY k) x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT DISTINCT k FROM t) x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k, lag(v) OVER w FROM t WINDOW w AS (ORDER BY id)) x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k, unnest(ARRAY[1, 2]) FROM t) x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k, (SELECT 1) FROM t) x GROUP BY k',
	'SELECT k, count(*) FROM (SELECT * FROM (SELECT k FROM t, other) y) x GROUP BY k',
	'SELECT k, count(x) FROM (SELECT k FROM t) x GROUP BY k',
	'SELECT k, count(*) FROM grouped GROUP BY k',
	'SELECT k, count(*) FROM over GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k + 1 AS k FROM joined) x GROUP BY k',
	'SELECT k, sum(r::int) FROM moody GROUP BY k',
	'SELECT at, count(*) FROM moody GROUP BY at',
	'SELECT k, count(*) FROM shut GROUP BY k',
	'SELECT k, count(*) FROM asking GROUP BY k',
	'SELECT count(*) FROM catalog',
	'SELECT k, count(*) FROM t WHERE at > now() GROUP BY k',
	'SELECT k, count(*) FROM (SELECT k FROM t WHERE s > current_user) x GROUP BY k',
	'SELECT k, sum(xmin::text::int) FROM t GROUP BY k',
	'SELECT k, count(t) FROM t GROUP BY k',
	'SELECT id, s, count(*) FROM t GROUP BY id',
	'SELECT k, count(*) FROM t GROUP BY k; SELECT 1',
	'SELEC k FROM t',
	E'-- Größe\nSELECT k, count(*) FROM t GROUP BY k\n\tORDER BY k',
	'SELECT count(*) FROM nothing']) q \gexec
\set ECHO all
TABLE gymstream_internal.rollup;
SET client_min_messages = warning;
DROP SCHEMA test_place CASCADE;
