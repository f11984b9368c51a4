-- Who may do what: who makes a rollup, who writes its source, who reads it.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE ROLE gymstream_owner;
CREATE ROLE gymstream_maker;
CREATE ROLE gymstream_writer;
CREATE ROLE gymstream_reader;
CREATE SCHEMA test_privileges AUTHORIZATION gymstream_owner;
CREATE SCHEMA test_made AUTHORIZATION gymstream_maker;
GRANT USAGE ON SCHEMA test_privileges TO PUBLIC;
GRANT USAGE ON SCHEMA test_made TO PUBLIC;
SET search_path = test_privileges, public;
SET ROLE gymstream_owner;
CREATE TABLE t (k int, v int);

--
-- Making needs SELECT and TRIGGER on the source, and CREATE on the schema
--
SET ROLE gymstream_maker;
SELECT refused('SELECT gymstream.create_rollup(''test_made.r'', ''SELECT k, count(*), sum(v) FROM t GROUP BY k'')');
RESET ROLE;
GRANT SELECT ON t TO gymstream_maker;
SET ROLE gymstream_maker;
SELECT refused('SELECT gymstream.create_rollup(''test_made.r'', ''SELECT k, count(*), sum(v) FROM t GROUP BY k'')');
RESET ROLE;
GRANT TRIGGER ON t TO gymstream_maker;
REVOKE SELECT ON t FROM gymstream_maker;
SET ROLE gymstream_maker;
SELECT refused('SELECT gymstream.create_rollup(''test_made.r'', ''SELECT k, count(*), sum(v) FROM t GROUP BY k'')');
RESET ROLE;
GRANT SELECT ON t TO gymstream_maker;
SET ROLE gymstream_maker;
SELECT refused('SELECT gymstream.create_rollup(''test_privileges.r'', ''SELECT k, count(*), sum(v) FROM t GROUP BY k'')');
SELECT gymstream.create_rollup('test_made.r', 'SELECT k, count(*), sum(v) FROM t GROUP BY k');
RESET ROLE;
SELECT c.relname, c.relowner::regrole FROM gymstream_internal.rollup r, pg_class c WHERE c.oid IN (r.rollup, r.definition, r.partials) ORDER BY 1;

--
-- Writing the source needs nothing more than before
--
GRANT INSERT ON t TO gymstream_writer;
SET ROLE gymstream_writer;
INSERT INTO t VALUES (1, 1), (2, 2);
SELECT refused('SELECT * FROM test_made.r');
SELECT refused('SELECT * FROM test_made.r_partials');
SELECT refused('SELECT * FROM test_made.r_definition');
SELECT refused('INSERT INTO test_made.r_partials VALUES (1, 1, 1, 1)');
RESET ROLE;
TABLE inexact;
GRANT UPDATE, DELETE, TRUNCATE, SELECT ON t TO gymstream_writer;
SET ROLE gymstream_writer;
UPDATE t SET v = 5 WHERE k = 1;
DELETE FROM t WHERE k = 2;
RESET ROLE;
TABLE inexact;
SET ROLE gymstream_writer;
TRUNCATE t;
INSERT INTO t VALUES (3, 3);
RESET ROLE;
TABLE inexact;
-- somebody who cannot even use the schema of the rollup
REVOKE USAGE ON SCHEMA test_made FROM PUBLIC;
SET ROLE gymstream_writer;
INSERT INTO t VALUES (3, 3);
TRUNCATE t;
INSERT INTO t VALUES (3, 3);
RESET ROLE;
TABLE inexact;
GRANT USAGE ON SCHEMA test_made TO PUBLIC;

--
-- Reading needs SELECT on the view only
--
GRANT SELECT ON test_made.r TO gymstream_reader;
SET ROLE gymstream_reader;
SELECT * FROM test_made.r;
SELECT refused('SELECT * FROM t');
SELECT refused('SELECT * FROM test_made.r_partials');
SELECT refused('SELECT * FROM gymstream.verify_rollup(''test_made.r'')');
SELECT refused('SELECT gymstream.rebuild_rollup(''test_made.r'')');
SELECT refused('DROP VIEW test_made.r');
SELECT refused('DELETE FROM gymstream_internal.rollup');
SELECT refused('INSERT INTO gymstream_internal.rollup VALUES (''t'', ''t'', ''t'')');
SELECT refused('CREATE TABLE gymstream.mine ()');
SELECT rollup FROM gymstream_internal.rollup;
RESET ROLE;
-- the source's owner has no part in somebody else's rollup
SET ROLE gymstream_owner;
SELECT refused('SELECT gymstream.rebuild_rollup(''test_made.r'')');
SELECT refused('SELECT * FROM test_made.r');
RESET ROLE;
SET ROLE gymstream_maker;
SELECT gymstream.rebuild_rollup('test_made.r');
SELECT * FROM gymstream.verify_rollup('test_made.r');
RESET ROLE;

--
-- The query's functions run as the rollup's owner, and see a fixed search_path
--
SET ROLE gymstream_maker;
CREATE FUNCTION test_made.key(n int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN n % 2 || ' ' || current_user || ' ' || current_setting('search_path');
END
$$;
CREATE FUNCTION test_made.inlined(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + 1';
CREATE DOMAIN test_made.checked AS int CHECK (test_made.key(VALUE) LIKE '% gymstream_maker %');
REVOKE EXECUTE ON FUNCTION test_made.key(int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION test_made.inlined(int) FROM PUBLIC;
SELECT gymstream.create_rollup('test_made.owned', $$
	SELECT test_made.key(k), v::test_made.checked AS checked, sum(test_made.inlined(v)), count(*) FROM t GROUP BY 1, 2 $$);
RESET ROLE;
SET ROLE gymstream_writer;
SELECT refused('SELECT test_made.key(1)');
SELECT refused('SELECT test_made.inlined(1)');
INSERT INTO t VALUES (1, 1), (2, 2);
UPDATE t SET v = v + 1;
RESET ROLE;
SELECT key, sum FROM test_made.owned_partials, LATERAL (SELECT "sum(test_made.inlined(v))" AS sum) s ORDER BY 1, 2;
SELECT current_user = session_user, current_setting('search_path');
-- also where they are run once, when a session compiles the query
BEGIN;
SET ROLE gymstream_maker;
CREATE FUNCTION test_made.weight(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN CASE current_setting('search_path') WHEN 'pg_catalog, pg_temp' THEN n ELSE -n END;
END
$$;
SELECT gymstream.create_rollup('test_made.weighed', 'SELECT sum(v * test_made.weight(2)) FROM t');
RESET ROLE;
ALTER TABLE t SET (fillfactor = 90);
SET ROLE gymstream_writer;
INSERT INTO t VALUES (3, 3);
RESET ROLE;
SELECT * FROM gymstream.verify_rollup('test_made.weighed');
ROLLBACK;
-- and so do those that fail
SET ROLE gymstream_maker;
CREATE OR REPLACE FUNCTION test_made.key(n int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF n = 13 THEN
		RAISE 'unlucky';
	END IF;
	SET LOCAL ROLE gymstream_owner;
	RETURN 'x';
END
$$;
RESET ROLE;
SET ROLE gymstream_writer;
INSERT INTO t VALUES (13, 1);
SELECT current_user, current_setting('search_path');
INSERT INTO t VALUES (14, 1);
SELECT current_user, current_setting('search_path');
RESET ROLE;
DROP VIEW test_made.owned;
TABLE inexact;

--
-- A superuser who writes the source runs nothing of the maker's as superuser
--
SET ROLE gymstream_maker;
CREATE OR REPLACE FUNCTION test_made.key(n int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN current_setting('is_superuser') || ' ' || current_user;
END
$$;
SELECT gymstream.create_rollup('test_made.owned', 'SELECT test_made.key(k), count(*) FROM t GROUP BY 1');
RESET ROLE;
INSERT INTO t VALUES (1, 1);
SELECT DISTINCT key LIKE '% gymstream_maker' FROM test_made.owned_partials;
DROP VIEW test_made.owned;

--
-- Owners come and go
--
-- the view's owner reads the partials and the definition reads the source with the rights of its owner
CREATE VIEW owners AS SELECT c.relname, c.relnamespace::regnamespace, c.relowner::regrole, p.problem
	FROM gymstream_internal.rollup r, gymstream_internal.rollup_problem(r.rollup) p (problem), pg_class c
	WHERE c.oid IN (r.rollup, r.definition, r.partials) ORDER BY 1;
ALTER VIEW test_made.r OWNER TO gymstream_owner;
TABLE owners;
SET ROLE gymstream_owner;
SELECT k, count FROM test_made.r ORDER BY 1;
RESET ROLE;
ALTER TABLE test_made.r_partials OWNER TO gymstream_maker;
TABLE owners;
-- who owns it needs the rights that making it needs
SELECT refused('ALTER VIEW test_made.r OWNER TO gymstream_reader');
GRANT SELECT ON t TO gymstream_reader;
SELECT refused('ALTER VIEW test_made.r OWNER TO gymstream_reader');
GRANT TRIGGER ON t TO gymstream_reader;
ALTER VIEW test_made.r OWNER TO gymstream_reader;
TABLE owners;
INSERT INTO t VALUES (3, 3);
TABLE inexact;
ALTER VIEW test_made.r OWNER TO gymstream_maker;
SELECT refused('ALTER VIEW test_made.r OWNER TO gymstream_writer');
SET ROLE gymstream_maker;
SELECT left(refused, 5) FROM refused('ALTER VIEW test_made.r OWNER TO gymstream_owner');
RESET ROLE;
-- where the rights go later it shows
REVOKE SELECT ON t FROM gymstream_maker;
TABLE owners;
GRANT SELECT ON t TO gymstream_maker;
-- the schema follows too, so that the old one can go
CREATE SCHEMA test_moved;
ALTER VIEW test_made.r SET SCHEMA test_moved;
TABLE owners;
DELETE FROM t WHERE k = 3;
TABLE inexact;
ALTER TABLE test_moved.r_partials SET SCHEMA test_made;
ALTER VIEW test_moved.r_definition RENAME TO what_r_is;
ALTER TABLE test_made.r_partials RENAME TO parts_of_r;
INSERT INTO t VALUES (3, 3);
TABLE owners;
TABLE inexact;
CREATE TABLE test_made.what_r_is ();
SELECT refused('ALTER VIEW test_moved.r SET SCHEMA test_made');
DROP TABLE test_made.what_r_is;
ALTER VIEW test_moved.r SET SCHEMA test_made;
DROP SCHEMA test_moved;
TABLE owners;
TABLE inexact;
REASSIGN OWNED BY gymstream_maker TO gymstream_owner;
SET ROLE gymstream_writer;
INSERT INTO t VALUES (1, 1), (2, 2);
RESET ROLE;
TABLE inexact;
SET ROLE gymstream_owner;
SELECT k, count FROM test_made.r ORDER BY 1;
SELECT gymstream.rebuild_rollup('test_made.r');
RESET ROLE;
DROP OWNED BY gymstream_maker, gymstream_owner CASCADE;
TABLE gymstream_internal.rollup;
SELECT relname FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'test\_%');

-- DROP OWNED of who made a rollup of somebody else's table
CREATE SCHEMA test_privileges;
CREATE SCHEMA test_made AUTHORIZATION gymstream_maker;
CREATE TABLE t (k int, v int);
GRANT SELECT, TRIGGER ON t TO gymstream_maker;
GRANT USAGE ON SCHEMA test_privileges TO PUBLIC;
SET ROLE gymstream_maker;
SELECT gymstream.create_rollup('test_made.r', 'SELECT k, count(*), sum(v) FROM t GROUP BY k');
RESET ROLE;
DROP OWNED BY gymstream_maker;
DROP OWNED BY gymstream_maker CASCADE;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
INSERT INTO t VALUES (1, 1);
TABLE gymstream_internal.rollup;

-- A function of a rollup's owner leaves nothing behind in the sessions that it runs in: not in their temporary schemas, nor
-- anywhere that its owner may write. It may catch the error, and the rollup is what the rest of it makes.
CREATE SCHEMA test_made AUTHORIZATION gymstream_maker;
GRANT CREATE ON SCHEMA test_privileges TO gymstream_maker;
GRANT INSERT, SELECT, TRIGGER ON t TO gymstream_maker;
SET ROLE gymstream_maker;
CREATE FUNCTION test_made.act() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	command text;
BEGIN
	FOREACH command IN ARRAY ARRAY['CREATE DOMAIN pg_temp.text AS pg_catalog.text', 'CREATE TYPE pg_temp.e AS ENUM ()',
		'CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS ''SELECT 1''', 'CREATE TABLE test_privileges.left_behind ()',
		'GRANT ALL ON FUNCTION test_made.leave(int) TO PUBLIC', 'DO ''BEGIN CREATE DOMAIN pg_temp.d AS int; END''']
	LOOP
		BEGIN
			EXECUTE command;
			RAISE WARNING 'done: %', command;
		EXCEPTION WHEN insufficient_privilege THEN
			RAISE WARNING '%', sqlerrm;
		END;
	END LOOP;
END $$;
CREATE FUNCTION test_made.leave(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM test_made.act(); RETURN x; END';
SELECT gymstream.create_rollup('test_made.left_behind', 'SELECT test_made.leave(k) AS k, count(*) AS n FROM test_privileges.t GROUP BY 1');
RESET ROLE;
INSERT INTO t VALUES (5, 5);
SELECT 'x'::text, count(*) FROM pg_type WHERE typnamespace = pg_my_temp_schema();
SELECT * FROM test_made.left_behind WHERE k = 5;
DROP SCHEMA test_made CASCADE;

--
-- A transaction that may only read
--
CREATE TABLE test_privileges.looked_at (k int);
SELECT gymstream.create_rollup('test_privileges.look', 'SELECT k, count(*) AS n FROM test_privileges.looked_at GROUP BY k');
BEGIN READ ONLY;
SELECT refused(call) FROM unnest(ARRAY[
	'SELECT gymstream.create_rollup(''test_privileges.another'', ''SELECT count(*) AS n FROM test_privileges.looked_at'')',
	'SELECT gymstream.rebuild_rollup(''test_privileges.look'')', 'SELECT gymstream.fold_rollup(''test_privileges.look'')',
	'SELECT gymstream.drop_rollup(''test_privileges.look'')', 'SELECT gymstream.drop_rollup(''test_privileges.look''::regclass)',
	'SELECT gymstream.create_topic(''test_privileges.looked_at'')', 'SELECT gymstream.drop_topic(''test_privileges.looked_at'')']) call;
SELECT count(*) FROM gymstream.verify_rollup('test_privileges.look');
COMMIT;

DROP SCHEMA test_privileges CASCADE;
DROP ROLE gymstream_owner, gymstream_maker, gymstream_writer, gymstream_reader;
