-- Partials are written by gymstream alone, and a rollup's triggers are its own, always there and always firing.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_protect;
SET search_path = test_protect, public;
CREATE TABLE t (k int, v int);
SELECT gymstream.create_rollup('r', 'SELECT k, count(*), sum(v) FROM t GROUP BY k');
SELECT gymstream.create_rollup('total', 'SELECT count(*) FROM t');
INSERT INTO t VALUES (1, 1), (2, 2);
CREATE VIEW problems AS SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';

--
-- Writing partials by hand
--
CREATE TABLE writes (statement text);
INSERT INTO writes VALUES
	('INSERT INTO r_partials VALUES (3, 1, 1, 1)'),
	('INSERT INTO r_partials SELECT * FROM r_partials WHERE false'),
	('INSERT INTO total_partials VALUES (1) ON CONFLICT DO NOTHING'),
	('UPDATE r_partials SET "sum(v)" = 5'),
	('UPDATE ONLY r_partials SET k = 7 WHERE k = 8'),
	('DELETE FROM r_partials'),
	('WITH gone AS (DELETE FROM total_partials RETURNING 1) SELECT count(*) FROM gone'),
	('MERGE INTO r_partials USING t ON t.k = r_partials.k WHEN MATCHED THEN DELETE'),
	('TRUNCATE r_partials'),
	('TRUNCATE t, total_partials'),
	('COPY r_partials FROM PROGRAM ''true''');
SELECT refused FROM writes, refused(statement) WHERE NOT starts_with(refused, '  ');
SELECT refused('DELETE FROM r_partials');
SET session_replication_role = replica;
SELECT count(*), count(DISTINCT refused) FROM writes, refused(statement) WHERE refused LIKE '42809 cannot change "%';
RESET session_replication_role;
-- rows that a restore brings are skipped, once for all of them: the source's rows come too
SET client_min_messages = notice;
COPY r_partials FROM stdin;
3	1	1	1
4	1	1	1
\.
SET client_min_messages = warning;
SELECT count(*) FROM r_partials WHERE k > 2;
TABLE inexact;
-- as the owner
CREATE ROLE gymstream_protector;
GRANT ALL ON SCHEMA test_protect, public TO gymstream_protector;
GRANT SELECT, TRIGGER, TRUNCATE ON t TO gymstream_protector;
ALTER VIEW r OWNER TO gymstream_protector;
SET ROLE gymstream_protector;
SELECT refused('DELETE FROM r_partials');
ALTER TABLE r_partials DISABLE TRIGGER ALL;
SELECT refused('DELETE FROM r_partials');
SELECT gymstream.rebuild_rollup('r');
RESET ROLE;
TABLE inexact;
-- gymstream writes them as before
INSERT INTO t VALUES (1, 1), (4, 4);
SET session_replication_role = replica;
INSERT INTO t VALUES (1, 1), (4, 4);
RESET session_replication_role;
TABLE inexact;
SELECT gymstream.fold_rollup('r');
SELECT gymstream.rebuild_rollup('r'), gymstream.rebuild_rollup('total');
SELECT refused('DELETE FROM r_partials');
SET ROLE gymstream_protector;
TRUNCATE t;
RESET ROLE;
TABLE r;
INSERT INTO t VALUES (1, 1), (2, 2);
TABLE inexact;
-- a function of the query that fails in the middle of a rebuild, or that writes the partials of another rollup
CREATE FUNCTION fails(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1 / (n - 13); END';
SELECT gymstream.create_rollup('failing', 'SELECT fails(v) AS f, count(*) FROM t GROUP BY 1');
CREATE FUNCTION deletes() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM test_protect.r_partials; RETURN 1; END';
CREATE OR REPLACE FUNCTION fails(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN test_protect.deletes(); END';
SELECT refused('SELECT gymstream.rebuild_rollup(''failing'')');
SELECT refused('INSERT INTO failing_partials VALUES (1, 1)');
-- or that truncates another source
CREATE TABLE other (k int);
SELECT gymstream.create_rollup('of_other', 'SELECT count(*) FROM other');
INSERT INTO other VALUES (1);
CREATE OR REPLACE FUNCTION deletes() RETURNS int LANGUAGE plpgsql AS 'BEGIN TRUNCATE test_protect.other; RETURN 1; END';
SELECT gymstream.rebuild_rollup('failing');
TABLE of_other;
TABLE inexact;
SELECT refused('DELETE FROM of_other_partials');
SELECT refused('DELETE FROM failing_partials');
DROP TABLE other CASCADE;
DROP VIEW failing;
TABLE inexact;
-- whoever rebuilds: functions run as the owner
CREATE TABLE who (name text);
CREATE FUNCTION tell(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE INFO 'run as %', current_user; RETURN n; END $$;
SET ROLE gymstream_protector;
SELECT gymstream.create_rollup('told', 'SELECT tell(k) AS k, count(*) FROM t GROUP BY 1');
RESET ROLE;
SELECT gymstream.rebuild_rollup('told');
SELECT current_user = session_user;
DROP VIEW told;

--
-- Partials that would be no ordinary table
--
CREATE TABLE parent (LIKE r_partials);
SELECT refused(ddl) FROM unnest(ARRAY[
	'ALTER TABLE r_partials DISABLE TRIGGER "!gymstream guard r"',
	'ALTER TABLE r_partials ENABLE REPLICA TRIGGER "!gymstream guard rows r"',
	'DROP TRIGGER "!gymstream guard r" ON r_partials',
	'DROP TRIGGER "!gymstream guard rows r" ON r_partials',
	'ALTER TRIGGER "!gymstream guard r" ON r_partials RENAME TO guard',
	'CREATE OR REPLACE TRIGGER "!gymstream guard r" BEFORE INSERT ON r_partials EXECUTE FUNCTION test_protect.nothing()',
	'ALTER TABLE r_partials SET UNLOGGED',
	'ALTER TABLE r_partials ENABLE ROW LEVEL SECURITY',
	'CREATE RULE also AS ON INSERT TO r_partials DO ALSO NOTHING',
	'ALTER TABLE r_partials INHERIT parent',
	'CREATE TABLE child () INHERITS (r_partials)',
	'CREATE SCHEMA child_of CREATE TABLE child () INHERITS (test_protect.r_partials)',
	'CREATE SCHEMA child_of CREATE TABLE child () INHERITS (test_protect.t)']) ddl;
ALTER TABLE r_partials SET (autovacuum_enabled = off);
ALTER TABLE r_partials REPLICA IDENTITY FULL;
CREATE TRIGGER mine BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION gymstream_internal.guard_partials();
SELECT refused('INSERT INTO parent VALUES (1, 1, 1, 1)');
SELECT refused('SELECT gymstream_internal.guard_partials()');
TABLE inexact;

--
-- Triggers that fire always go on doing so
--
CREATE VIEW not_always AS SELECT tgname FROM pg_trigger WHERE starts_with(tgname, '!gymstream') AND tgenabled <> 'A';
ALTER TABLE t ENABLE TRIGGER ALL;
ALTER TABLE r_partials ENABLE TRIGGER USER;
ALTER TABLE t ENABLE TRIGGER "!gymstream flush r";
CREATE OR REPLACE TRIGGER "!gymstream delete total" AFTER DELETE ON t FOR EACH ROW
	WHEN (gymstream_internal.collect('total_partials', old.tableoid)) EXECUTE FUNCTION gymstream_internal.flush_pending();
CREATE OR REPLACE TRIGGER "!gymstream guard r" BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON r_partials
	EXECUTE FUNCTION gymstream_internal.guard_partials();
TABLE not_always;
TABLE problems;
-- what is damaged nevertheless shows, and rebuilding repairs it
CREATE FUNCTION damage(statement text) RETURNS SETOF problems LANGUAGE plpgsql AS $$
DECLARE
	event name;
BEGIN
	FOREACH event IN ARRAY '{gymstream_ddl, gymstream_drop}'::name[] LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', event);
	END LOOP;
	EXECUTE statement;
	FOREACH event IN ARRAY '{gymstream_ddl, gymstream_drop}'::name[] LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', event);
	END LOOP;
	RETURN QUERY TABLE problems;
END
$$;
SELECT damage('ALTER TABLE t DISABLE TRIGGER ALL');
INSERT INTO t VALUES (5, 5);
TABLE inexact;
SELECT gymstream.rebuild_rollup('r');
TABLE problems;
TABLE inexact;
SELECT gymstream.rebuild_rollup('total');
TABLE problems;
TABLE inexact;
SELECT damage('ALTER TABLE t ENABLE TRIGGER "!gymstream flush r"');
SELECT gymstream.rebuild_rollup('r');
SELECT damage('ALTER TABLE r_partials ENABLE REPLICA TRIGGER "!gymstream guard rows r"');
SELECT gymstream.rebuild_rollup('r');
SELECT damage('DROP TRIGGER "!gymstream update r" ON t');
SELECT gymstream.rebuild_rollup('r');
SELECT damage('DROP TRIGGER "!gymstream guard total" ON total_partials');
SELECT gymstream.rebuild_rollup('total');
SELECT damage('CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect(''total_partials'', new.tableoid)) EXECUTE FUNCTION gymstream_internal.flush_pending()');
SELECT gymstream.rebuild_rollup('total');
TABLE problems;
DROP TRIGGER x ON t;
SELECT gymstream.rebuild_rollup('total');
TABLE problems;
TABLE not_always;
INSERT INTO t VALUES (5, 5);
UPDATE t SET v = v + 1;
TABLE inexact;
SELECT refused('DELETE FROM total_partials');
SELECT gymstream_internal.rollup_problem('t'), gymstream_internal.rollup_problem(NULL);
-- a catalog without the rollup's row, as a schema without data has it
BEGIN;
DELETE FROM gymstream_internal.rollup WHERE rollup = 'r'::regclass;
SELECT refused('INSERT INTO r_partials VALUES (1, 1, 1, 1)');
ROLLBACK;

-- in replica mode DDL is the same
SET session_replication_role = replica;
ALTER TABLE t DISABLE TRIGGER ALL;
SELECT refused('DROP TRIGGER "!gymstream flush r" ON t');
ALTER TABLE r_partials DISABLE TRIGGER ALL;
TABLE not_always;
ALTER TABLE t ENABLE TRIGGER ALL;
TABLE not_always;
DROP VIEW r;
RESET session_replication_role;
SELECT relname FROM pg_class WHERE relnamespace = 'test_protect'::regnamespace AND relname LIKE 'r\_%';

DROP SCHEMA test_protect CASCADE;
REVOKE ALL ON SCHEMA public FROM gymstream_protector;
DROP ROLE gymstream_protector;
