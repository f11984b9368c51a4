-- A rollup of somebody else's table: who may end it, and what remains of it when its owner may no longer read the table.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE ROLE gymstream_host;
CREATE ROLE gymstream_lodger;
CREATE ROLE gymstream_lodgers;
CREATE ROLE gymstream_passer;
CREATE SCHEMA test_rights;
GRANT ALL ON SCHEMA test_rights TO gymstream_host, gymstream_lodger;
GRANT USAGE ON SCHEMA test_rights TO gymstream_passer;
SET search_path = test_rights, public;
CREATE VIEW problems AS SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL;
SET ROLE gymstream_host;
CREATE TABLE t (k int, v int);
INSERT INTO t VALUES (1, 1), (2, 2);
GRANT SELECT, TRIGGER ON t TO gymstream_lodgers;
CREATE VIEW v AS SELECT k AS key, v FROM t;
GRANT SELECT ON v TO gymstream_lodger;
RESET ROLE;
GRANT gymstream_lodgers TO gymstream_lodger;
SET ROLE gymstream_lodger;
SELECT gymstream.create_rollup('sums', 'SELECT k, count(*), sum(v) FROM t GROUP BY k');
SELECT gymstream.create_rollup('least', 'SELECT k, min(v), array_agg(v ORDER BY v) AS a FROM t GROUP BY k');
SELECT gymstream.create_rollup('total', 'SELECT count(*) AS n FROM t');
SELECT gymstream.create_rollup('viewed', 'SELECT key, count(*) FROM v GROUP BY key');
GRANT SELECT ON sums, least, total TO gymstream_passer;
CREATE TABLE ours (statement text);
INSERT INTO ours VALUES ('TABLE sums'), ('TABLE least'), ('TABLE total'), ('SELECT * FROM sums WHERE k = 1'),
	('SELECT count(*) FROM sums'), ('SELECT * FROM t JOIN least USING (k)'), ('SELECT gymstream.rebuild_rollup(''sums'')'),
	('SELECT gymstream.fold_rollup(''sums'')'), ('SELECT gymstream.verify_rollup(''sums'')'), ('CREATE TABLE x AS TABLE total');
RESET ROLE;

--
-- The right goes by a membership: whoever reads gets an error, as of a view; nothing more comes to the owner
--
REVOKE gymstream_lodgers FROM gymstream_lodger;
SET ROLE gymstream_lodger;
SELECT refused(statement) FROM ours;
RESET ROLE;
SET ROLE gymstream_passer;
SELECT refused('TABLE sums');
RESET ROLE;
-- a superuser reads with the owner's rights, too
SELECT refused('TABLE sums');
TABLE problems;
-- given back before anything changed, all is as it was
GRANT gymstream_lodgers TO gymstream_lodger;
TABLE problems;
TABLE inexact;
-- one that fails nobody
REVOKE gymstream_lodgers FROM gymstream_lodger;
SET ROLE gymstream_host;
INSERT INTO t VALUES (3, 3);
UPDATE t SET v = v + 1;
DELETE FROM t WHERE k = 2;
RESET ROLE;
SET ROLE gymstream_lodger;
SELECT k, "count(*)" FROM sums_partials ORDER BY 1;
SELECT * FROM least_partials ORDER BY 1;
RESET ROLE;
TABLE problems;
-- given back, it tells what it lacks
GRANT gymstream_lodgers TO gymstream_lodger;
SET ROLE gymstream_lodger;
SELECT refused(statement) FROM ours WHERE statement LIKE '%sums%' AND statement NOT LIKE '%rebuild%';
RESET ROLE;
TABLE problems;
INSERT INTO t VALUES (4, 4);
SET ROLE gymstream_lodger;
SELECT gymstream.rebuild_rollup(r) FROM unnest(ARRAY['sums', 'least', 'total', 'viewed']) r;
SELECT * FROM sums ORDER BY 1;
SELECT * FROM least ORDER BY 1;
RESET ROLE;
TABLE problems;
TABLE gymstream_internal.uncounted;
TABLE inexact;

--
-- By REVOKE, in the middle of a transaction that then gives up; and on a view between
--
BEGIN;
REVOKE SELECT ON t FROM gymstream_lodgers;
INSERT INTO t VALUES (5, 5);
SAVEPOINT s;
GRANT SELECT ON t TO gymstream_lodgers;
SELECT refused('TABLE sums');
ROLLBACK TO s;
SELECT refused('TABLE sums');
ROLLBACK;
TABLE inexact;
BEGIN;
REVOKE SELECT ON t FROM gymstream_lodgers;
SAVEPOINT s;
INSERT INTO t VALUES (5, 5);
ROLLBACK TO s;
GRANT SELECT ON t TO gymstream_lodgers;
COMMIT;
TABLE problems;
TABLE inexact;
SET ROLE gymstream_host;
REVOKE SELECT ON v FROM gymstream_lodger;
RESET ROLE;
SELECT refused('TABLE viewed');
TABLE problems;
INSERT INTO t VALUES (6, 6);
SELECT * FROM sums WHERE k = 6;
GRANT SELECT ON v TO gymstream_lodger;
TABLE problems;
SELECT gymstream.rebuild_rollup('viewed');
-- what the view's own owner may not read
ALTER VIEW v OWNER TO gymstream_passer;
SELECT refused('TABLE viewed');
ALTER VIEW v OWNER TO gymstream_host;
TABLE inexact;

-- TRUNCATE and COPY; partitions that come and go
CREATE TABLE p (k int, v int) PARTITION BY LIST (k);
CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p_2 (k int, v int);
ALTER TABLE p OWNER TO gymstream_host;
ALTER TABLE p_1 OWNER TO gymstream_host;
ALTER TABLE p_2 OWNER TO gymstream_host;
GRANT SELECT, TRIGGER ON p, p_1, p_2 TO gymstream_lodger;
INSERT INTO p_2 VALUES (2, 2);
SET ROLE gymstream_lodger;
SELECT gymstream.create_rollup('parts', 'SELECT k, count(*) FROM p GROUP BY k');
RESET ROLE;
REVOKE SELECT ON p FROM gymstream_lodger;
SET ROLE gymstream_host;
COPY p FROM stdin;
1	1
\.
ALTER TABLE p ATTACH PARTITION p_2 FOR VALUES IN (2);
ALTER TABLE p DETACH PARTITION p_1;
TRUNCATE p;
INSERT INTO p VALUES (2, 1);
RESET ROLE;
GRANT SELECT ON p TO gymstream_lodger;
SELECT refused('TABLE parts');
SELECT gymstream.rebuild_rollup('parts');
TABLE inexact;

--
-- The schema: what is not the owner's business goes on, also for all others in the view of rollups
--
REVOKE ALL ON SCHEMA test_rights FROM gymstream_lodger;
SELECT rollup, groups IS NOT NULL AS groups, problem FROM gymstream.rollups ORDER BY 1;
INSERT INTO t VALUES (7, 7);
SELECT * FROM sums WHERE k = 7;
GRANT ALL ON SCHEMA test_rights TO gymstream_lodger;
TABLE inexact;

--
-- A function of the owner's that fails every write: the table's owner ends it
--
SET ROLE gymstream_lodger;
CREATE FUNCTION fail(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN IF n > 100 THEN RAISE ''no''; END IF; RETURN n; END';
SELECT gymstream.create_rollup(name, 'SELECT test_rights.fail(k) AS k, count(*) FROM t GROUP BY 1') FROM unnest(ARRAY['failing', 'failing2', 'failing3']) name;
CREATE VIEW over AS TABLE failing2;
SET ROLE gymstream_host;
SELECT refused('INSERT INTO t VALUES (101, 1)');
-- without the right to read, it is not run
REVOKE SELECT ON t FROM gymstream_lodgers;
INSERT INTO t VALUES (101, 1);
GRANT SELECT ON t TO gymstream_lodgers;
DELETE FROM t WHERE k = 101;
SELECT gymstream.drop_rollup('failing');
SELECT refused('SELECT gymstream.drop_rollup(''failing2'')');
SELECT gymstream.drop_rollup('failing2', cascade => true);
SELECT refused('DROP TRIGGER "!gymstream insert failing3" ON t');
SELECT refused('DROP VIEW failing3');
SET client_min_messages = notice;
DROP TRIGGER "!gymstream insert failing3" ON t CASCADE;
SET client_min_messages = warning;
INSERT INTO t VALUES (101, 1);
RESET ROLE;
SET ROLE gymstream_passer;
SELECT refused('SELECT gymstream.drop_rollup(''sums'')');
SELECT refused('DROP TRIGGER "!gymstream insert sums" ON t CASCADE');
RESET ROLE;
SELECT relname FROM pg_class WHERE relnamespace = 'test_rights'::regnamespace AND relname ~ 'failing|over';
TABLE problems;
SELECT rollup FROM gymstream_internal.rollup ORDER BY 1;
-- with the table goes all
SET ROLE gymstream_host;
SELECT refused('DROP TABLE t');
DROP TABLE t CASCADE;
RESET ROLE;
SELECT rollup FROM gymstream_internal.rollup ORDER BY 1;
SELECT relname FROM pg_class WHERE relnamespace = 'test_rights'::regnamespace AND relname ~ 'sums|least|total|viewed';

DROP SCHEMA test_rights CASCADE;
DROP ROLE gymstream_host, gymstream_lodger, gymstream_lodgers, gymstream_passer;
