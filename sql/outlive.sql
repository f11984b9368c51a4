-- What a rollup or topic is of goes in any way there is: nothing of it remains, and the same name can be taken again.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_outlive;
SET search_path = test_outlive, public;
CREATE ROLE gymstream_leaver;

-- A table with a rollup by way of all that can be dropped, and topics on both; then the statement, and what is left.
CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE SCHEMA IF NOT EXISTS test_outlive_made;
	CREATE DOMAIN test_outlive_made.small AS int;
	CREATE COLLATION test_outlive_made.plain FROM "C";
	CREATE FUNCTION test_outlive_made.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
	CREATE TABLE test_outlive_made.t (k int, v test_outlive_made.small, note text COLLATE test_outlive_made.plain);
	CREATE VIEW test_outlive_made.v AS SELECT k, v, note FROM test_outlive_made.t;
	PERFORM gymstream.create_rollup('test_outlive_made.r',
		'SELECT test_outlive_made.twice(k) AS k, count(*), sum(v), max(note) FROM test_outlive_made.v GROUP BY 1');
	PERFORM gymstream.create_topic('test_outlive_made.r');
	PERFORM gymstream.create_topic('test_outlive_made.t');
	INSERT INTO test_outlive_made.t VALUES (1, 1, 'a');
END
$$;
CREATE FUNCTION remains() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT 'rollup ' || rollup FROM gymstream_internal.rollup
	UNION ALL SELECT 'uncounted ' || partials FROM gymstream_internal.uncounted
	UNION ALL SELECT 'topic ' || channel FROM gymstream_internal.topic WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = relation)
	UNION ALL SELECT 'relation ' || oid::regclass FROM pg_class
		WHERE relnamespace = to_regnamespace('test_outlive_made') AND relname ~ '^r($|_)'
	UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE starts_with(tgname, '!gymstream')
$$;
CREATE FUNCTION after_drop(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM test_outlive.make();
	EXECUTE statement;
	RETURN QUERY SELECT statement || ': ' || r FROM test_outlive.remains() r;
	IF to_regclass('test_outlive_made.t') IS NOT NULL THEN
		INSERT INTO test_outlive_made.t (k) VALUES (1);
	END IF;
	DROP SCHEMA IF EXISTS test_outlive_made CASCADE;
	RETURN QUERY SELECT statement || ', then its schema: ' || r FROM test_outlive.remains() r;
END
$$;
CREATE TABLE drops (n serial, statement text);
INSERT INTO drops (statement) VALUES
	('DROP VIEW test_outlive_made.r'),
	('SELECT gymstream.drop_rollup(''test_outlive_made.r'')'),
	('DROP TRIGGER "!gymstream insert r" ON test_outlive_made.t CASCADE'),
	('DROP TRIGGER "!gymstream guard r" ON test_outlive_made.r_partials CASCADE'),
	('DROP TABLE test_outlive_made.t CASCADE'),
	('DROP VIEW test_outlive_made.v CASCADE'),
	('DROP FUNCTION test_outlive_made.twice CASCADE'),
	('DROP DOMAIN test_outlive_made.small CASCADE'),
	('DROP COLLATION test_outlive_made.plain CASCADE'),
	('ALTER TABLE test_outlive_made.t DROP COLUMN v CASCADE'),
	('DROP SCHEMA test_outlive_made CASCADE'),
	('ALTER TABLE test_outlive_made.t OWNER TO gymstream_leaver; DROP OWNED BY gymstream_leaver CASCADE'),
	('ALTER SCHEMA test_outlive_made OWNER TO gymstream_leaver; DROP OWNED BY gymstream_leaver CASCADE'),
	('DROP VIEW test_outlive_made.v, test_outlive_made.r CASCADE'),
	('DROP VIEW test_outlive_made.r_definition, test_outlive_made.r'),
	('DROP TABLE test_outlive_made.r_partials CASCADE'),
	('DROP TABLE test_outlive_made.t, test_outlive_made.r_partials CASCADE');
SELECT after_drop(statement) FROM drops ORDER BY n;
-- what was refused
SELECT make();
SELECT refused('DROP TABLE test_outlive_made.r_partials');
SELECT refused('DROP VIEW test_outlive_made.r_definition');
SELECT refused('DROP VIEW test_outlive_made.r_definition CASCADE');
-- made again, a topic has the channel it had
DROP TABLE test_outlive_made.t CASCADE;
DROP SCHEMA test_outlive_made CASCADE;
SELECT make();
SELECT channel FROM gymstream.topics WHERE starts_with(relation::text, 'test_outlive_made') ORDER BY 1;
TABLE inexact;

-- Dropped while nobody hears of it, what is left can be taken away by a superuser
ALTER EVENT TRIGGER gymstream_drop DISABLE;
DROP TABLE test_outlive_made.t CASCADE;
ALTER EVENT TRIGGER gymstream_drop ENABLE ALWAYS;
SELECT count(*) FROM remains();
SELECT count(*) FROM gymstream.rollups;
SET ROLE gymstream_leaver;
SELECT count(*) > 0 FROM gymstream.topics, refused(format('SELECT gymstream.drop_topic(%s::regclass)', relation::oid));
RESET ROLE;
SELECT gymstream.drop_topic(relation) FROM gymstream.topics WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = relation);
SELECT refused('SELECT gymstream.drop_topic(1)');
DROP TABLE test_outlive_made.r_partials;
SELECT * FROM remains();
DROP SCHEMA test_outlive_made CASCADE;

--
-- Who allowed rows to be sent to everybody owns them no more: they are not sent
--
CREATE ROLE gymstream_comer;
GRANT ALL ON SCHEMA test_outlive TO gymstream_comer, gymstream_leaver;
CREATE TABLE told (k int);
CREATE TABLE told_too (k int);
ALTER TABLE told OWNER TO gymstream_leaver;
ALTER TABLE told_too OWNER TO gymstream_leaver;
SET ROLE gymstream_leaver;
SELECT gymstream.create_rollup('counted', 'SELECT k, count(*) FROM told GROUP BY k');
SELECT gymstream.create_topic(relation, 'row') FROM unnest(ARRAY['told', 'told_too', 'counted']::regclass[]) relation;
RESET ROLE;
ALTER TABLE told RENAME TO told_by;
SELECT relation, notify FROM gymstream.topics ORDER BY 1;
SET client_min_messages = notice;
ALTER TABLE told_by OWNER TO gymstream_comer;
SET client_min_messages = warning;
SELECT relation, notify FROM gymstream.topics ORDER BY 1;
BEGIN;
REASSIGN OWNED BY gymstream_leaver TO gymstream_comer;
SELECT relation, notify FROM gymstream.topics ORDER BY 1;
ROLLBACK;
SELECT relation, notify FROM gymstream.topics ORDER BY 1;
GRANT SELECT, TRIGGER ON told_by TO gymstream_leaver;
ALTER VIEW counted OWNER TO gymstream_comer;
SELECT relation, notify FROM gymstream.topics ORDER BY 1;

DROP SCHEMA test_outlive CASCADE;
DROP ROLE gymstream_leaver, gymstream_comer;
