-- What the triggers call, everyone may call: nobody can change a rollup by it.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_forge;
SET search_path = test_forge, public;
CREATE TABLE t (k int, v int);
CREATE TABLE copy (k int, v int);
SELECT gymstream.create_rollup('r', 'SELECT k, count(*), sum(v) FROM t GROUP BY k');
SELECT gymstream.create_rollup('bare', 'SELECT count(*) FROM t');
INSERT INTO t VALUES (1, 1), (2, 2);
INSERT INTO copy VALUES (1, 1);

--
-- Expressions of queries
--
SELECT refused(query) FROM unnest(ARRAY[
	'SELECT gymstream_internal.collect(''r_partials'', ''t''::regclass)',
	'SELECT gymstream_internal.collect(''r_partials'', ''t''::regclass, 1, 2)',
	'SELECT gymstream_internal.collect(''bare_partials'', ''t''::regclass)',
	'SELECT gymstream_internal.collect(NULL, NULL)',
	'SELECT gymstream_internal.collect(''r_partials'', tableoid, k, v) FROM t',
	'SELECT gymstream_internal.collect(''bare_partials'', tableoid) FROM t',
	'SELECT gymstream_internal.collect(''r_partials'', tableoid, VARIADIC ARRAY[k, v]) FROM t',
	'SELECT count(*) FROM t WHERE gymstream_internal.collect(''r_partials'', tableoid, k, v)',
	'SELECT k FROM t GROUP BY k, tableoid, v HAVING gymstream_internal.collect(''r_partials'', tableoid, k, v)',
	'SELECT 1 FROM t a JOIN t b ON gymstream_internal.collect(''r_partials'', a.tableoid, b.k, b.v)',
	'SELECT 1 FROM t a LEFT JOIN t b ON gymstream_internal.collect(''r_partials'', b.tableoid, b.k, b.v)',
	'SELECT gymstream_internal.collect(''r_partials'', tableoid, k, v) FROM (SELECT * , tableoid FROM t OFFSET 0) x',
	'SELECT gymstream_internal.collect(''r_partials'', tableoid, k, v) OVER () FROM t',
	'SELECT count(*) FILTER (WHERE gymstream_internal.collect(''r_partials'', tableoid, k, v)) FROM t',
	'SELECT * FROM t, LATERAL gymstream_internal.collect(''r_partials'', t.tableoid, t.k, t.v)',
	'SELECT * FROM t ORDER BY gymstream_internal.collect(''r_partials'', tableoid, k, v)',
	'WITH x AS MATERIALIZED (SELECT tableoid, * FROM t) SELECT gymstream_internal.collect(''r_partials'', tableoid, k, v) FROM x',
	'INSERT INTO copy VALUES (1, 1) RETURNING gymstream_internal.collect(''r_partials'', tableoid, k, v)',
	'INSERT INTO t VALUES (1, 1) RETURNING gymstream_internal.collect(''r_partials'', tableoid, k, v)',
	'UPDATE t SET v = 5 RETURNING gymstream_internal.collect(''r_partials'', tableoid, k, v)',
	'UPDATE t SET v = 5 FROM copy RETURNING gymstream_internal.collect(''r_partials'', t.tableoid, t.k, t.v)',
	'UPDATE t SET v = gymstream_internal.collect(''r_partials'', tableoid, k, v)::int',
	'DELETE FROM t RETURNING gymstream_internal.collect(''r_partials'', tableoid, k, v)',
	'DELETE FROM t WHERE gymstream_internal.collect(''r_partials'', tableoid, k, v)',
	'MERGE INTO t USING (SELECT 1 AS x) s ON t.k = s.x WHEN MATCHED AND gymstream_internal.collect(''r_partials'', t.tableoid, t.k, t.v) THEN DELETE',
	'MERGE INTO t USING copy s ON t.k = 99 WHEN NOT MATCHED AND gymstream_internal.collect(''r_partials'', s.tableoid, s.k, s.v) THEN INSERT VALUES (1, 1)',
	'DO $x$ BEGIN PERFORM gymstream_internal.collect(''r_partials'', ''t''::regclass, 1, 1); END $x$',
	'DO $x$ DECLARE tableoid oid := ''t''::regclass; k int := 1; v int := 1; BEGIN IF gymstream_internal.collect(''r_partials'', tableoid, k, v) THEN END IF; END $x$'
	]) query;
TABLE inexact;
-- where the order and the plan are others
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT refused('SELECT 1 FROM t a LEFT JOIN t b ON a.k = b.k AND gymstream_internal.collect(''r_partials'', a.tableoid, a.k, a.v)');
SET enable_nestloop = off;
SET enable_mergejoin = on;
SELECT refused('SELECT 1 FROM t a FULL JOIN t b ON a.k = b.k WHERE gymstream_internal.collect(''r_partials'', b.tableoid, b.k, b.v)');
SELECT refused('SELECT gymstream_internal.collect(''r_partials'', b.tableoid, b.k, b.v) FROM t a LEFT JOIN t b ON a.k = b.k');
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_nestloop;
CREATE TABLE keyed (k int PRIMARY KEY, v int);
SELECT gymstream.create_rollup('rk', 'SELECT k, sum(v) FROM keyed GROUP BY k');
INSERT INTO keyed VALUES (1, 1);
SELECT refused('INSERT INTO keyed VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = gymstream_internal.collect(''rk_partials'', keyed.tableoid, excluded.k, excluded.v)::int');
SELECT refused('INSERT INTO keyed VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = 3 WHERE gymstream_internal.collect(''rk_partials'', keyed.tableoid, excluded.k, excluded.v)');
SELECT refused('INSERT INTO keyed VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = 3 RETURNING gymstream_internal.collect(''rk_partials'', tableoid, k, v)');
SELECT refused('INSERT INTO keyed VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = gymstream_internal.collect(''rk_partials'', excluded.tableoid, excluded.k, excluded.v)::int');
TABLE inexact;

--
-- Expressions that are stored
--
ALTER TABLE copy ADD CONSTRAINT c CHECK (gymstream_internal.collect('r_partials', tableoid, k, v));
INSERT INTO copy VALUES (1, 1);
ALTER TABLE copy DROP CONSTRAINT c;
ALTER TABLE t ADD CONSTRAINT c CHECK (gymstream_internal.collect('r_partials', tableoid, k, v));
ALTER TABLE t ADD CONSTRAINT c CHECK (gymstream_internal.collect('r_partials', tableoid, k, v)) NOT VALID;
INSERT INTO t VALUES (1, 1);
ALTER TABLE t DROP CONSTRAINT c;
CREATE TABLE defaults (k int, b boolean DEFAULT gymstream_internal.collect('r_partials', 't'::regclass, 1, 1));
INSERT INTO defaults VALUES (1);
CREATE TABLE generated (k int, v int, b boolean GENERATED ALWAYS AS (gymstream_internal.collect('r_partials', 't'::regclass, k, v)) STORED);
-- some servers say also where in the statement
DO $$ BEGIN CREATE INDEX ON copy (gymstream_internal.collect('r_partials', 't'::regclass, k, v));
EXCEPTION WHEN invalid_object_definition THEN RAISE '%', sqlerrm; END $$;
CREATE POLICY p ON copy USING (gymstream_internal.collect('r_partials', tableoid, k, v));
CREATE RULE ru AS ON UPDATE TO copy WHERE gymstream_internal.collect('r_partials', old.tableoid, old.k, old.v) DO ALSO NOTHING;
INSERT INTO copy VALUES (1, 1);
UPDATE copy SET v = 2;
DROP RULE ru ON copy;
CREATE VIEW seen AS SELECT gymstream_internal.collect('r_partials', tableoid, k, v) FROM t;
TABLE seen;
DROP VIEW seen;
CREATE DOMAIN checked AS int CHECK (gymstream_internal.collect('r_partials', 't'::regclass, VALUE, VALUE));
SELECT 1::checked;
TABLE inexact;

--
-- Other triggers, also of who has the TRIGGER privilege only: refused when they are made
--
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE ROLE gymstream_forger;
GRANT USAGE, CREATE ON SCHEMA test_forge TO gymstream_forger;
GRANT TRIGGER, INSERT, SELECT ON t TO gymstream_forger;
SET ROLE gymstream_forger;
SELECT refused(definition) FROM unnest(ARRAY[
	'CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect(''r_partials'', new.tableoid, new.k, new.v)) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect(''r_partials'', new.tableoid, new.k, new.v)) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect(''r_partials'', new.tableoid, new.k, new.v)) EXECUTE FUNCTION nothing()',
	'CREATE TRIGGER "!gymstream x" AFTER UPDATE ON t FOR EACH ROW WHEN (gymstream_internal.collect(''bare_partials'', new.tableoid)) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" AFTER UPDATE ON t FOR EACH ROW WHEN (gymstream_internal.collect(''r_partials'', new.tableoid, new.k, new.v)) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" AFTER UPDATE OF v ON t FOR EACH ROW WHEN (gymstream_internal.collect(''r_partials'', new.tableoid, new.k, new.v, old.k, old.v)) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" AFTER INSERT OR UPDATE ON t FOR EACH ROW WHEN (gymstream_internal.collect(''bare_partials'', new.tableoid)) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" BEFORE INSERT ON t FOR EACH ROW WHEN (new.v > 3 AND gymstream_internal.collect(''r_partials'', new.tableoid, new.k, new.v)) EXECUTE FUNCTION nothing()',
	'CREATE TRIGGER "!gymstream x" AFTER INSERT ON t FOR EACH ROW WHEN (NOT gymstream_internal.flush(''r_partials'')) EXECUTE FUNCTION nothing()',
	'CREATE TRIGGER "!gymstream x" BEFORE TRUNCATE ON t WHEN (gymstream_internal.truncated(''r_partials'')) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" AFTER INSERT OR UPDATE OR DELETE ON t WHEN (gymstream_internal.flush(''r_partials'')) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" AFTER INSERT OR UPDATE OR DELETE ON t REFERENCING NEW TABLE AS n WHEN (gymstream_internal.flush(''r_partials'')) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE CONSTRAINT TRIGGER "!gymstream x" AFTER INSERT ON t DEFERRABLE FOR EACH ROW WHEN (gymstream_internal.collect(''r_partials'', new.tableoid, new.k, new.v)) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE TRIGGER "!gymstream x" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing()',
	'CREATE OR REPLACE TRIGGER "!gymstream insert r" AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing()',
	'CREATE OR REPLACE TRIGGER "!gymstream insert r" AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect(''bare_partials'', new.tableoid)) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE OR REPLACE TRIGGER "!gymstream flush r" AFTER INSERT ON t WHEN (gymstream_internal.flush(''r_partials'')) EXECUTE FUNCTION gymstream_internal.flush_pending()',
	'CREATE FUNCTION atomic(o oid, k int, v int) RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT gymstream_internal.collect(''r_partials'', o, k, v); END',
	'CREATE FUNCTION atomic() RETURNS boolean LANGUAGE sql RETURN gymstream_internal.truncated(''r_partials'')'
	]) definition;
RESET ROLE;
SELECT refused('ALTER TRIGGER "!gymstream insert r" ON t RENAME TO x');
SELECT refused('CREATE TRIGGER x AFTER INSERT ON copy FOR EACH ROW WHEN (gymstream_internal.collect(''r_partials'', new.tableoid, new.k, new.v)) EXECUTE FUNCTION gymstream_internal.flush_pending()');
-- a function's body that is put where a WHEN calls it
SET ROLE gymstream_forger;
CREATE FUNCTION inlined(o oid, k int, v int) RETURNS boolean LANGUAGE sql AS $$ SELECT gymstream_internal.collect('r_partials', $1, $2, $3) $$;
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (inlined(new.tableoid, new.k, new.v)) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
RESET ROLE;
DROP TRIGGER x ON t;
CREATE FUNCTION atomic(o oid, k int, v int) RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT inlined(o, k, v); END;
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (atomic(new.tableoid, new.k, new.v)) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
DROP TRIGGER x ON t;
CREATE OPERATOR === (LEFTARG = regclass, RIGHTARG = oid, FUNCTION = gymstream_internal.collect);
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN ('bare_partials'::regclass === new.tableoid) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
DROP TRIGGER x ON t;
-- what is ours may be made again as it was, and others are nobody's business
CREATE OR REPLACE TRIGGER "!gymstream insert bare" AFTER INSERT ON t FOR EACH ROW
	WHEN (gymstream_internal.collect('bare_partials', new.tableoid)) EXECUTE FUNCTION gymstream_internal.flush_pending();
CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW WHEN (new.v > 3) EXECUTE FUNCTION nothing();
ALTER TRIGGER x ON t RENAME TO y;
DROP TRIGGER y ON t;
INSERT INTO t VALUES (1, 1), (5, 5);
TABLE inexact;

--
-- WHEN of such triggers, where they are there nevertheless
--
ALTER EVENT TRIGGER gymstream_ddl DISABLE;
-- of another table
CREATE TRIGGER x AFTER INSERT ON copy FOR EACH ROW WHEN (gymstream_internal.collect('r_partials', new.tableoid, new.k, new.v)) EXECUTE FUNCTION nothing();
INSERT INTO copy VALUES (1, 1);
DROP TRIGGER x ON copy;
CREATE TRIGGER x AFTER INSERT ON copy FOR EACH ROW WHEN (gymstream_internal.collect('r_partials', 't'::regclass, new.k, new.v)) EXECUTE FUNCTION nothing();
INSERT INTO copy VALUES (1, 1);
DROP TRIGGER x ON copy;
-- with a column that says it is the source
CREATE TABLE pretender (k int, v int, tableoid_ oid);
CREATE TRIGGER x AFTER INSERT ON pretender FOR EACH ROW
	WHEN (gymstream_internal.collect('r_partials', new.tableoid_, new.k, new.v)) EXECUTE FUNCTION nothing();
INSERT INTO pretender VALUES (1, 1, 't'::regclass);
DROP TRIGGER x ON pretender;
-- of the source, with values that are none of the row's
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect('r_partials', new.tableoid, 1, 1)) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
DROP TRIGGER x ON t;
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect('r_partials', new.tableoid, new.k, new.v + 1)) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
DROP TRIGGER x ON t;
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect('r_partials', new.tableoid, new.k)) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
DROP TRIGGER x ON t;
CREATE TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (gymstream_internal.collect('r_partials', old.tableoid, new.k, old.v)) EXECUTE FUNCTION nothing();
UPDATE t SET v = 1;
DROP TRIGGER x ON t;
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect('r_partials', new.tableoid, new.k, new.tableoid)) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
DROP TRIGGER x ON t;
CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect('r_partials', new.tableoid, new.k, new.v)) EXECUTE FUNCTION nothing();
CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW WHEN (gymstream_internal.collect('copy', new.tableoid, new.k, new.v)) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
DROP TRIGGER x ON t;
CREATE TRIGGER x AFTER INSERT ON t FOR EACH STATEMENT WHEN (gymstream_internal.collect('bare_partials', 't'::regclass)) EXECUTE FUNCTION nothing();
INSERT INTO t VALUES (1, 1);
DROP TRIGGER x ON t;
TABLE inexact;

ALTER EVENT TRIGGER gymstream_ddl ENABLE ALWAYS;

--
-- What changes nothing when it is called
--
SELECT gymstream_internal.flush('r_partials'), gymstream_internal.flush('t'), gymstream_internal.flush(0), gymstream_internal.flush(NULL);
INSERT INTO t SELECT i, gymstream_internal.flush('r_partials')::int FROM generate_series(1, 5) i;
TABLE inexact;
INSERT INTO t SELECT i, i FROM generate_series(1, 5) i RETURNING gymstream_internal.flush('r_partials'), gymstream_internal.flush('bare_partials');
TABLE inexact;
UPDATE t SET v = v + 1 WHERE NOT gymstream_internal.flush('r_partials');
TABLE inexact;
SELECT refused('SELECT gymstream_internal.truncated(''r_partials'')');
SELECT refused('SELECT gymstream_internal.truncated(''t'')');
BEGIN;
LOCK TABLE t IN ACCESS EXCLUSIVE MODE;
SELECT refused('SELECT gymstream_internal.truncated(''r_partials'')');
ROLLBACK;
BEGIN;
LOCK TABLE t;
DELETE FROM t;
SELECT refused('SELECT gymstream_internal.truncated(''r_partials'')');
ROLLBACK;
TRUNCATE t;
BEGIN;
LOCK TABLE t;
SELECT gymstream_internal.truncated('r_partials');
COMMIT;
TABLE inexact;
SELECT refused('SELECT gymstream_internal.flush_pending()');
SELECT refused('SELECT gymstream_internal.on_drop()');
CREATE TRIGGER x AFTER INSERT ON copy FOR EACH ROW EXECUTE FUNCTION gymstream_internal.flush_pending();
INSERT INTO copy VALUES (1, 1);
CREATE TRIGGER y BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION gymstream_internal.flush_pending();
INSERT INTO t VALUES (1, 1), (2, 2);
DROP TRIGGER y ON t;
INSERT INTO t VALUES (1, 1), (2, 2);
TABLE inexact;

DROP SCHEMA test_forge CASCADE;
DROP ROLE gymstream_forger;
