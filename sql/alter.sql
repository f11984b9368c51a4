-- DDL that would let a source change unseen by its rollups is refused; all other DDL goes on as ever.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_alter;
SET search_path = test_alter, public;
CREATE TABLE t (id int PRIMARY KEY, k int, v int);
CREATE TABLE other (id int NOT NULL, k int, v int);
SELECT gymstream.create_rollup('r', 'SELECT k, count(*), sum(v) FROM t GROUP BY k');
INSERT INTO t VALUES (1, 1, 1);

SELECT refused(ddl) FROM unnest(ARRAY[
	'ALTER TABLE t DISABLE TRIGGER "!gymstream insert r"',
	'ALTER TABLE t ENABLE REPLICA TRIGGER "!gymstream flush r"',
	'ALTER TABLE t ENABLE ROW LEVEL SECURITY',
	'ALTER TABLE t SET UNLOGGED',
	'CREATE TABLE child () INHERITS (t)',
	'CREATE TEMP TABLE child () INHERITS (t)',
	'ALTER TABLE other INHERIT t',
	'CREATE RULE also AS ON INSERT TO t DO ALSO NOTHING',
	'DROP TRIGGER "!gymstream insert r" ON t',
	'DROP TRIGGER "!gymstream truncate r" ON t',
	'ALTER TABLE t DROP COLUMN v']) ddl;
TABLE inexact;

-- all triggers are disabled, but those of rollups, and enabled as they were: what is loaded meanwhile is counted
CREATE TABLE referenced (id int PRIMARY KEY);
CREATE FUNCTION noisy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''noisy''; END';
CREATE TRIGGER noisy BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noisy();
ALTER TABLE t ADD FOREIGN KEY (k) REFERENCES referenced NOT VALID;
SET client_min_messages = notice;
ALTER TABLE t DISABLE TRIGGER ALL;
INSERT INTO t VALUES (10, 10, 10);
ALTER TABLE t ENABLE TRIGGER ALL;
ALTER TABLE t DISABLE TRIGGER USER;
UPDATE t SET v = 11 WHERE id = 10;
ALTER TABLE r_partials DISABLE TRIGGER ALL;
ALTER TABLE r_partials ENABLE TRIGGER ALL;
ALTER TABLE t ENABLE TRIGGER USER;
ALTER TABLE other DISABLE TRIGGER ALL;
ALTER TABLE other ENABLE TRIGGER ALL;
SET client_min_messages = warning;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid IN ('t'::regclass, 'r_partials'::regclass) AND NOT tgisinternal ORDER BY 1;
SELECT refused('INSERT INTO t VALUES (11, 11, 11)');
DELETE FROM t WHERE id = 10;
DROP TRIGGER noisy ON t;
ALTER TABLE t DROP CONSTRAINT t_k_fkey;
TABLE inexact;

-- a trigger of anybody's that calls what rollups' triggers call does not make a table a source
CREATE TABLE strange (k int);
CREATE TRIGGER strange AFTER INSERT ON strange EXECUTE FUNCTION gymstream_internal.flush_pending();
ALTER TABLE strange ENABLE ROW LEVEL SECURITY;
CREATE RULE also AS ON INSERT TO strange DO ALSO NOTHING;
DROP TABLE strange;

-- the rest is nobody's business
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER mine BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER "!gymstream mine" BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE t DISABLE TRIGGER mine;
ALTER TABLE t ENABLE TRIGGER mine;
DROP TRIGGER mine ON t;
DROP TRIGGER "!gymstream mine" ON other;
ALTER TABLE t ADD COLUMN w int DEFAULT 7, ADD CHECK (v > 0);
ALTER TABLE t ALTER w TYPE bigint, ALTER w SET NOT NULL;
ALTER TABLE t DROP COLUMN w;
ALTER TABLE t FORCE ROW LEVEL SECURITY;
ALTER TABLE t NO FORCE ROW LEVEL SECURITY;
ALTER TABLE t SET (fillfactor = 50);
ALTER TABLE t REPLICA IDENTITY FULL;
CREATE TABLE child () INHERITS (other);
CREATE RULE also AS ON INSERT TO other DO ALSO NOTHING;
ALTER TABLE other ENABLE ROW LEVEL SECURITY;
CREATE TABLE parent (id int NOT NULL, k int, v int);
ALTER TABLE t INHERIT parent;
INSERT INTO t VALUES (2, 1, 2);
UPDATE parent SET v = v + 1;
TABLE inexact;
ALTER TABLE t NO INHERIT parent;
-- another session's; the parent has no column at all
CREATE TABLE bare ();
INSERT INTO t VALUES (3, 1, 3);
\setenv PGDATABASE :DBNAME
\! psql -Xqc 'ALTER TABLE test_alter.t INHERIT test_alter.bare'
BEGIN;
DELETE FROM bare;
TABLE r;
TABLE inexact;
ROLLBACK;
ALTER TABLE t NO INHERIT bare;
CREATE TABLE copy (LIKE t INCLUDING ALL);
TABLE inexact;

-- other values of a generated column, where the server can do that
CREATE TABLE generated (id int, k int GENERATED ALWAYS AS (id % 2) STORED, free int GENERATED ALWAYS AS (id) STORED) PARTITION BY LIST (id);
CREATE TABLE generated_1 PARTITION OF generated DEFAULT;
INSERT INTO generated SELECT generate_series(1, 10);
CREATE VIEW over_generated AS SELECT k AS key FROM generated;
SELECT gymstream.create_rollup('keys', 'SELECT key, count(*) FROM over_generated GROUP BY key');
SELECT gymstream.create_rollup('keys_1', 'SELECT k, count(*) FROM generated_1 GROUP BY k');
CREATE FUNCTION try(ddl text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE ddl;
EXCEPTION WHEN syntax_error OR object_not_in_prerequisite_state THEN
END $$;
SELECT try('ALTER TABLE generated ALTER COLUMN k SET EXPRESSION AS (id % 3)');
TABLE inexact;
SELECT try('ALTER TABLE generated_1 ALTER COLUMN k SET EXPRESSION AS (id % 3)');
TABLE inexact;
SELECT try('ALTER TABLE generated ALTER COLUMN free SET EXPRESSION AS (id + 1)');
SELECT current_setting('server_version_num')::int < 170000 OR max(free) = 11 FROM generated;
DROP VIEW keys;
SELECT try('ALTER TABLE generated ALTER COLUMN k SET EXPRESSION AS (id % 3)');
TABLE inexact;
DROP VIEW keys_1;
SELECT try('ALTER TABLE generated ALTER COLUMN k SET EXPRESSION AS (id % 3)');
SELECT current_setting('server_version_num')::int < 170000 OR max(k) = 2 FROM generated;

-- also of somebody who may not even use the schema gymstream
CREATE ROLE gymstream_stranger;
GRANT CREATE, USAGE ON SCHEMA test_alter TO gymstream_stranger;
REVOKE USAGE ON SCHEMA gymstream FROM PUBLIC;
SET ROLE gymstream_stranger;
CREATE TABLE theirs (id int);
CREATE TRIGGER theirs BEFORE INSERT ON theirs FOR EACH ROW EXECUTE FUNCTION nothing();
DROP TRIGGER theirs ON theirs;
ALTER TABLE theirs ADD COLUMN k int;
DROP TABLE theirs;
RESET ROLE;
GRANT USAGE ON SCHEMA gymstream TO PUBLIC;
DROP OWNED BY gymstream_stranger;
DROP ROLE gymstream_stranger;

-- a partition that is not what the command called it any more when it ends, in an event trigger of somebody else
CREATE TABLE list (id int, k int) PARTITION BY LIST (id);
SELECT gymstream.create_rollup('listed', 'SELECT k, count(*) FROM list GROUP BY k');
CREATE TABLE one (id int, k int);
INSERT INTO one VALUES (1, 1), (1, 2);
CREATE FUNCTION rename() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass('test_alter.uno') IS NULL THEN
		ALTER TABLE test_alter.one RENAME TO uno;
		CREATE TABLE test_alter.one (id int, k int);
	END IF;
END $$;
CREATE EVENT TRIGGER earlier ON ddl_command_end WHEN tag IN ('ALTER TABLE') EXECUTE FUNCTION rename();
SELECT refused('ALTER TABLE list ATTACH PARTITION one FOR VALUES IN (1)');
ALTER EVENT TRIGGER earlier RENAME TO later;
ALTER TABLE list ATTACH PARTITION one FOR VALUES IN (1);
TABLE inexact;
DROP TABLE one;
DROP EVENT TRIGGER later;
ALTER TABLE uno RENAME TO one;
CREATE EVENT TRIGGER earlier ON ddl_command_end WHEN tag IN ('ALTER TABLE') EXECUTE FUNCTION rename();
SELECT refused('ALTER TABLE list DETACH PARTITION one');
DROP EVENT TRIGGER earlier;
ALTER TABLE list DETACH PARTITION one;
TABLE inexact;
TABLE listed;

-- without a rollup a table is free again
DROP VIEW r;
ALTER TABLE t DISABLE TRIGGER ALL;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE TABLE child_of_t () INHERITS (t);

DROP SCHEMA test_alter CASCADE;
