-- Partials and the view over them stay as create_rollup makes them: other DDL on them is refused, and where it got by shows as a
-- problem. Nobody forges figures.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_partials;
SET search_path = test_partials, public;
CREATE TABLE t (k int, note text, v int);
SELECT gymstream.create_rollup('r', 'SELECT k, note, count(*), sum(v), min(v) FROM t GROUP BY k, note');
INSERT INTO t VALUES (1, 'a', 1), (2, NULL, 2);
CREATE VIEW problems AS SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TABLE other (k int PRIMARY KEY);
CREATE TABLE parent (k int);
CREATE TYPE row_type AS (k int, note text);

CREATE TABLE ddl (n serial, statement text);
INSERT INTO ddl (statement) VALUES
	('ALTER TABLE r_partials ALTER k SET NOT NULL'),
	('ALTER TABLE r_partials ALTER note SET DEFAULT ''x'''),
	('ALTER TABLE r_partials ADD CHECK (k < 3)'),
	('ALTER TABLE r_partials ADD CONSTRAINT c CHECK (k < 3) NOT VALID'),
	('ALTER TABLE r_partials ADD EXCLUDE (k WITH =)'),
	('ALTER TABLE r_partials ADD UNIQUE (k)'),
	('ALTER TABLE r_partials ADD PRIMARY KEY (k, note)'),
	('ALTER TABLE r_partials ADD FOREIGN KEY (k) REFERENCES other'),
	('ALTER TABLE r_partials ADD COLUMN x int'),
	('ALTER TABLE r_partials ADD COLUMN x int DEFAULT 1 NOT NULL'),
	('ALTER TABLE r_partials ALTER note TYPE varchar'),
	('ALTER TABLE r_partials ALTER note TYPE text COLLATE "C"'),
	('ALTER TABLE r_partials ALTER k ADD GENERATED ALWAYS AS IDENTITY'),
	('ALTER TABLE r_partials INHERIT parent'),
	('ALTER TABLE r_partials SET UNLOGGED'),
	('ALTER TABLE r_partials ENABLE ROW LEVEL SECURITY'),
	('ALTER TABLE r_partials DISABLE TRIGGER "!gymstream guard r"'),
	('CREATE TABLE child () INHERITS (r_partials)'),
	('CREATE RULE x AS ON INSERT TO r_partials DO ALSO NOTHING'),
	('CREATE TRIGGER x BEFORE INSERT ON r_partials FOR EACH ROW EXECUTE FUNCTION nothing()'),
	('CREATE UNIQUE INDEX ON r_partials (k)'),
	('CREATE INDEX ON r_partials (k) WHERE k > 1'),
	('CREATE INDEX ON r_partials ((k + 1))'),
	('CREATE OR REPLACE VIEW r AS SELECT 1 AS k, ''x''::text AS note, 2::bigint AS count, 3::bigint AS sum, 4 AS min'),
	('CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO r DO INSTEAD SELECT 1 AS k, ''x''::text AS note, 2::bigint AS count, 3::bigint AS sum, 4 AS min'),
	('CREATE OR REPLACE VIEW r_definition AS SELECT k, note, count(*), sum(v), min(v) FROM t WHERE k > 1 GROUP BY k, note');
SELECT r FROM ddl, refused(statement) r WHERE NOT starts_with(r, '  ') ORDER BY n;
SELECT refused('CREATE OR REPLACE VIEW r AS SELECT 1 AS k');
CREATE UNIQUE INDEX CONCURRENTLY ON r_partials (k);
TABLE problems;
TABLE inexact;
-- what changes nothing of that
ALTER TABLE r_partials SET (autovacuum_vacuum_scale_factor = 0.01), ALTER note SET STATISTICS 10, ALTER note SET STORAGE EXTERNAL;
CREATE STATISTICS s ON k, note FROM r_partials;
CREATE INDEX "another" ON r_partials (note);
ALTER INDEX "another" RENAME TO "other one";
CREATE INDEX ON r_partials (k) INCLUDE (note);
ALTER VIEW r SET (security_barrier = true);
ALTER VIEW r ALTER k SET DEFAULT 1;
ALTER VIEW r RENAME COLUMN sum TO total;
COMMENT ON TABLE r_partials IS 'partials';
REINDEX TABLE r_partials;
VACUUM (FULL, ANALYZE) r_partials;
CLUSTER r_partials USING "other one";
INSERT INTO t VALUES (1, 'a', 3), (3, 'c', 3);
TABLE problems;
TABLE inexact;

-- What got by while nobody watched shows, and does no harm
CREATE FUNCTION damage(statement text, repair text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	event name;
BEGIN
	FOREACH event IN ARRAY '{gymstream_ddl, gymstream_drop}'::name[] LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', event);
	END LOOP;
	EXECUTE statement;
	RETURN QUERY SELECT problem FROM gymstream.rollups WHERE rollup = 'test_partials.r'::regclass;
	EXECUTE repair;
	FOREACH event IN ARRAY '{gymstream_ddl, gymstream_drop}'::name[] LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', event);
	END LOOP;
	RETURN QUERY SELECT problem FROM gymstream.rollups WHERE rollup = 'test_partials.r'::regclass AND problem IS NOT NULL;
END
$$;
SELECT damage(statement, repair) FROM (VALUES
	('ALTER TABLE r_partials ADD CHECK (k < 30)', 'ALTER TABLE r_partials DROP CONSTRAINT r_partials_k_check'),
	('ALTER TABLE r_partials ADD COLUMN x int', 'ALTER TABLE r_partials DROP COLUMN x'),
	('ALTER TABLE r_partials ALTER k SET DEFAULT 1', 'ALTER TABLE r_partials ALTER k DROP DEFAULT'),
	('CREATE UNIQUE INDEX x ON r_partials (k, note)', 'DROP INDEX x'),
	('CREATE INDEX x ON r_partials ((k + 1))', 'DROP INDEX x'),
	('CREATE RULE x AS ON INSERT TO r_partials DO ALSO NOTHING', 'DROP RULE x ON r_partials'),
	('CREATE TRIGGER x BEFORE INSERT ON r_partials EXECUTE FUNCTION nothing()', 'DROP TRIGGER x ON r_partials'),
	('ALTER TABLE r_partials ENABLE ROW LEVEL SECURITY', 'ALTER TABLE r_partials DISABLE ROW LEVEL SECURITY'),
	('ALTER TABLE r_partials INHERIT parent', 'ALTER TABLE r_partials NO INHERIT parent')) v (statement, repair)
	WHERE statement NOT LIKE '%COLUMN%';
-- a column that is dropped leaves its place: there the rollup is made again
BEGIN;
SELECT damage('ALTER TABLE r_partials ADD COLUMN x int', 'SELECT');
ROLLBACK;
-- a view that shows something else is made anew
SELECT damage('CREATE OR REPLACE VIEW r AS SELECT 1 AS k, ''x''::text AS note, 2::bigint AS count, 3::bigint AS total, 4 AS min', 'SELECT');
SELECT gymstream.rebuild_rollup('r');
TABLE problems;
TABLE inexact;
SELECT k, note, count, total, min FROM r ORDER BY 1;
-- NOT NULL, which whoever reads believes
BEGIN;
DELETE FROM t WHERE note IS NULL;
SELECT gymstream.rebuild_rollup('r');
SELECT damage('ALTER TABLE r_partials ALTER note SET NOT NULL', 'SELECT');
SELECT refused('INSERT INTO t VALUES (5, NULL, 5)');
SET LOCAL jit_above_cost = 0;
SELECT k, note, count FROM r ORDER BY 1;
ROLLBACK;

--
-- Functions of the query that write partials themselves, while a rollup is made or rebuilt
--
CREATE TABLE s (k int);
INSERT INTO s VALUES (1), (2);
CREATE FUNCTION act() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test_partials.forged_partials VALUES (100, 100);
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '%', SQLERRM;
END
$$;
CREATE FUNCTION forge(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM test_partials.act(); RETURN n; END';
SELECT gymstream.create_rollup('forged', 'SELECT forge(k) AS k, count(*) FROM s GROUP BY 1');
TABLE forged_partials;
SELECT gymstream.rebuild_rollup('forged');
TABLE forged_partials;
-- or the source, which would be counted neither here nor there
CREATE OR REPLACE FUNCTION act() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test_partials.s VALUES (10);
END
$$;
SELECT refused('SELECT gymstream.rebuild_rollup(''forged'')');
SELECT refused('SELECT gymstream.create_rollup(''forged_too'', ''SELECT forge(k) AS k, count(*) FROM s GROUP BY 1'')');
TABLE s;

DROP SCHEMA test_partials CASCADE;
