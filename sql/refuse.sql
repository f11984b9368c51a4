-- What cannot be kept exact is refused, with an error that says what it is and what to do, and nothing is left behind.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_refuse;
SET search_path = test_refuse, public;
CREATE TABLE t (id int PRIMARY KEY, k int, v int, s text, j json, f float8, n numeric, at timestamptz);
CREATE TABLE other (id int);
CREATE FUNCTION refuse(query text, name text DEFAULT 'r') RETURNS SETOF text LANGUAGE sql
	AS $$ SELECT public.refused(format('SELECT gymstream.create_rollup(%L, %L)', name, query)) $$;
CREATE TEMP TABLE relations_before AS SELECT oid FROM pg_class;

--
-- Not one SELECT
--
SELECT refuse('');
SELECT refuse('  ; ');
SELECT refuse('SELECT k, count(*) FROM t GROUP BY k; SELECT 1');
SELECT refuse('SELEC k FROM t');
SELECT refuse('SELECT k, count(*) FROM t GROUP BY');
SELECT refuse('INSERT INTO t VALUES (1) RETURNING count(*)');
SELECT refuse('DELETE FROM t');
SELECT refuse('TABLE t');
SELECT refuse('VALUES (1)');
SELECT refuse('CREATE TABLE x AS SELECT count(*) FROM t');
SELECT refuse('SELECT count(*) INTO x FROM t');
SELECT refuse('EXPLAIN SELECT count(*) FROM t');
SELECT refuse('SELECT nothing, count(*) FROM t GROUP BY 1');
SELECT refuse('SELECT count(*) FROM nothing');
SELECT refuse('SELECT k, count(*) FROM t');
SELECT refuse('SELECT k, count(*) FROM t WHERE k = $1 GROUP BY k');

--
-- Clauses
--
SELECT refuse('WITH x AS (INSERT INTO other VALUES (1) RETURNING id) SELECT k, count(*) FROM t GROUP BY k');
SELECT refuse('WITH RECURSIVE x AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM x WHERE i < 3) SELECT count(*) FROM x');
SELECT refuse('SELECT k, count(*) FROM t GROUP BY k UNION ALL SELECT 1, 1');
SELECT refuse('SELECT k, count(*) FROM t WHERE v IN (SELECT id FROM other) GROUP BY k');
SELECT refuse('SELECT k, (SELECT 1), count(*) FROM t GROUP BY k');
SELECT refuse('SELECT k, count(*), row_number() OVER () FROM t GROUP BY k');
SELECT refuse('SELECT k, generate_series(1, 2), count(*) FROM t GROUP BY k');
SELECT refuse('SELECT DISTINCT count(*) FROM t GROUP BY k');
SELECT refuse('SELECT DISTINCT ON (k) k, v FROM t');
SELECT refuse('SELECT DISTINCT ON (k) k, count(*) FROM t GROUP BY k');
SELECT refuse('SELECT k, count(*) FROM t GROUP BY ROLLUP (k)');
SELECT refuse('SELECT k, v, count(*) FROM t GROUP BY GROUPING SETS ((k), (v))');
SELECT refuse('SELECT count(*) FROM t GROUP BY GROUPING SETS ((), ())');
SELECT refuse('SELECT 1 FROM t GROUP BY ()');
SELECT refuse('SELECT k, grouping(k), count(*) FROM t GROUP BY k');
SELECT refuse('SELECT k, count(*) FROM t GROUP BY k ORDER BY k');
SELECT refuse('SELECT k, count(*) FROM t GROUP BY k LIMIT 5');
SELECT refuse('SELECT k, count(*) FROM t GROUP BY k OFFSET 5');
SELECT refuse('SELECT k FROM t FOR UPDATE');
SELECT refuse('SELECT k FROM t');
SELECT refuse('SELECT 1 FROM t HAVING true');

--
-- What it reads
--
SELECT refuse('SELECT count(*)');
SELECT refuse('SELECT count(*) FROM t, other');
SELECT refuse('SELECT count(*) FROM t JOIN other USING (id)');
SELECT refuse('SELECT count(*) FROM t LEFT JOIN other ON true');
SELECT refuse('SELECT count(*) FROM generate_series(1, 3)');
SELECT refuse('SELECT count(*) FROM (VALUES (1)) x');
SELECT refuse('SELECT count(*) FROM t TABLESAMPLE system (50)');
CREATE VIEW v AS SELECT * FROM t;
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
CREATE TEMP TABLE temporary (k int);
CREATE UNLOGGED TABLE unlogged (k int);
CREATE TABLE parent (k int);
CREATE TABLE child () INHERITS (parent);
CREATE TABLE secured (k int);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE TABLE ruled (k int);
CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO other VALUES (new.k);
CREATE SEQUENCE counter;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE far (k int) SERVER nowhere;
SELECT refuse('SELECT count(*) FROM ' || relation) FROM unnest(ARRAY['m', 'temporary', 'unlogged', 'parent', 'secured',
	'ruled', 'counter', 'far', 'pg_class', 'pg_stat_activity', 'information_schema.sql_features', 'gymstream_internal.topic']) relation;
-- without children it is a table like others
DROP TABLE child;
SELECT gymstream.create_rollup('childless', 'SELECT count(*) FROM parent');
SELECT refuse('SELECT count(*) FROM childless');
SELECT refuse('SELECT count(*) FROM childless_partials');
SELECT refuse('SELECT count(*) FROM childless_definition');
DROP VIEW childless;

--
-- Aggregates and expressions
--
SELECT refuse(format('SELECT k, %s FROM t GROUP BY k', aggregate)) FROM unnest(ARRAY['string_agg(s, '','')', 'array_agg(v)', 'json_agg(v)',
	'sum(random())', 'count(DISTINCT random())', 'mode() WITHIN GROUP (ORDER BY random())', 'percentile_cont(random()) WITHIN GROUP (ORDER BY f)']) aggregate;
CREATE FUNCTION settled(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION moody(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
SELECT refuse(format('SELECT count(*) FROM t WHERE %s', filter)) FROM unnest(ARRAY['random() > 0.5', 'at > now()', 'at::date = ''2026-11-23''', 's = current_user',
	'settled(v) = 1', 'moody(v) = 1', 'nextval(''counter'') > 0', 'at::text <> ''''', 's = current_setting(''application_name'')',
	'at > current_timestamp', 'at < localtimestamp', '(at AT TIME ZONE ''UTC'')::date < current_date', 's = current_schema']) filter;
SELECT refuse('SELECT settled(k), count(*) FROM t GROUP BY settled(k)');
SELECT refuse('SELECT k, sum(moody(v)) FROM t GROUP BY k');
SELECT refuse('SELECT k, count(*) FILTER (WHERE moody(v) > 1) FROM t GROUP BY k');
SELECT refuse('SELECT k, moody(count(*)::int) FROM t GROUP BY k');
SELECT refuse('SELECT k, count(*) FROM t GROUP BY k HAVING settled(k) > 1');
SELECT refuse('SELECT date_trunc(''day'', at), count(*) FROM t GROUP BY 1');
-- of UTC it is immutable
SELECT gymstream.create_rollup('days', 'SELECT date_trunc(''day'', at AT TIME ZONE ''UTC''), count(*) FROM t GROUP BY 1');
DROP VIEW days;
SELECT refuse('SELECT ctid, count(*) FROM t GROUP BY ctid');
SELECT refuse('SELECT k, sum(xmin::text::int) FROM t GROUP BY k');
SELECT refuse('SELECT count(t) FROM t');
SELECT refuse('SELECT t, count(*) FROM t GROUP BY t');
SELECT refuse('SELECT j::text, count(*) FROM t GROUP BY j::text, j');
SELECT refuse('SELECT row(k, v), count(*) FROM t GROUP BY 1');
SELECT refuse('SELECT point(f, f), count(*) FROM t GROUP BY 1');
-- functionally dependent on the primary key, but not grouped
SELECT refuse('SELECT id, s, count(*) FROM t GROUP BY id');
-- 1.0 and 1.00 are one group: whose text?
SELECT refuse('SELECT n::text, count(*) FROM t GROUP BY n');
SELECT refuse('SELECT n, scale(n), count(*) FROM t GROUP BY n');
SELECT refuse('SELECT n, count(*) FROM t GROUP BY n HAVING n::text <> ''1.0''');
SELECT refuse('SELECT f + 1, count(*) FROM t GROUP BY f');
SELECT gymstream.create_rollup('scales', 'SELECT n, n::text AS written, scale(n), count(*) FROM t GROUP BY n, n::text, scale(n)');
INSERT INTO t (id, n) VALUES (1, 1.0), (2, 1.00), (3, 1.0);
SELECT written, scale, count FROM scales ORDER BY 2;
TABLE inexact;
DROP VIEW scales;
-- too many
SELECT refuse('SELECT count(*) FROM t GROUP BY ' || string_agg('k + ' || i, ', ')) FROM generate_series(1, 33) i;
DO $$ BEGIN EXECUTE 'CREATE TABLE wide (' || (SELECT string_agg('c' || i || ' int', ', ') FROM generate_series(1, 60) i) || ')'; END $$;
SELECT refuse('SELECT ' || string_agg('sum(c' || i || ') AS c' || i, ', ') || ' FROM wide') FROM generate_series(1, 50) i;
SELECT gymstream.create_rollup('wide_rollup', 'SELECT ' || string_agg('sum(c' || i || ') AS c' || i, ', ') || ' FROM wide') FROM generate_series(1, 49) i;
INSERT INTO wide (c1, c49) VALUES (1, 49);
UPDATE wide SET c49 = 50;
TABLE inexact;
DROP VIEW wide_rollup;

--
-- Names
--
SELECT refuse('SELECT count(*) FROM t', name) FROM unnest(ARRAY['', ' ', '"', '""', 'a.b.c', 'a.', '.a', 'two words', '"a"b"', 'no_schema.r', repeat('n', 64),
	repeat('s', 64) || '.r', 'pg_temp.r', 'pg_catalog.r', 'other', 't', 'test_refuse.counter', 'a b']) name;
SELECT refused('SELECT gymstream.create_rollup(NULL, NULL)');
SELECT refuse('SELECT k, count(*), count(*) FROM t GROUP BY k');
SELECT refuse('SELECT k AS a, v AS a FROM t GROUP BY k, v');
SELECT gymstream.create_rollup('r', 'SELECT count(*) FROM t');
SELECT refuse('SELECT count(*) FROM t');
DROP VIEW r;

--
-- Where it cannot see all that is committed
--
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT refuse('SELECT count(*) FROM t');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT refuse('SELECT count(*) FROM t');
ROLLBACK;
BEGIN READ ONLY;
SELECT refuse('SELECT count(*) FROM t');
ROLLBACK;

--
-- Verifying and rebuilding what is no rollup
--
SELECT refused('SELECT gymstream.verify_rollup(''t'')');
SELECT refused('SELECT gymstream.rebuild_rollup(''t'')');
SELECT refused('SELECT gymstream.rebuild_rollup(''v'')');
SELECT refused('SELECT gymstream.rebuild_rollup(0)');
SELECT refused('SELECT gymstream.verify_rollup(''nothing'')');

-- nothing was left behind, neither relations nor triggers
SELECT relname FROM pg_class WHERE oid NOT IN (TABLE relations_before) AND relname ~ '^r(_|$)|rollup|definition|partials';
SELECT tgname FROM pg_trigger WHERE tgname LIKE '!gymstream%';
TABLE gymstream_internal.rollup;

--
-- Partials and definitions that somebody altered
--
SELECT gymstream.create_rollup('r', 'SELECT k, avg(v) AS a FROM t WHERE n > 0 GROUP BY k');
INSERT INTO t (id, k, v, n) VALUES (10, 1, 1, 1);
BEGIN;
ALTER EVENT TRIGGER gymstream_ddl DISABLE;
ALTER TABLE r_partials ADD COLUMN more int;
SELECT refused('INSERT INTO t (id, k, v, n) VALUES (11, 1, 1, 1)');
ROLLBACK;
BEGIN;
SELECT refused('CREATE OR REPLACE VIEW r_definition AS SELECT k, avg(n) AS a FROM t WHERE v > 0 GROUP BY k');
ROLLBACK;
BEGIN;
ALTER TABLE r_partials ALTER "sum(v)" DROP NOT NULL;
SELECT FROM tamper('r_partials', $$UPDATE r_partials SET "sum(v)" = NULL$$);
SELECT refused('INSERT INTO t (id, k, v, n) VALUES (11, 1, 1, 1)');
ROLLBACK;
BEGIN;
ALTER EVENT TRIGGER gymstream_ddl DISABLE;
CREATE UNIQUE INDEX ON r_partials (k);
SELECT refused('INSERT INTO t (id, k, v, n) VALUES (11, 2, 1, 1)');
ROLLBACK;
INSERT INTO t (id, k, v, n) VALUES (11, 1, 1, 1);
TABLE inexact;
-- a key that has no place in a btree
SELECT gymstream.create_rollup('texts', 'SELECT s, count(*) FROM t GROUP BY s');
INSERT INTO t (id, s) SELECT 20, string_agg(md5(i::text), '') FROM generate_series(1, 300) i;
TABLE inexact;

DROP SCHEMA test_refuse CASCADE;
DROP FOREIGN DATA WRAPPER nowhere CASCADE;
