-- A statement that changes many groups keeps no more of them in memory than work_mem says, and is as exact as any.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_bounded;
SET search_path = test_bounded, public;
SET work_mem = '256kB';
ALTER FUNCTION public.inexact() SET work_mem = '100MB';
CREATE TABLE source (id int, k int, t text, n numeric);
SELECT gymstream.create_rollup('many', 'SELECT k, count(*), sum(n), bit_or(id) FROM source GROUP BY k');

-- how much pending deltas take, at the most, when it is asked
CREATE TABLE most (bytes bigint);
INSERT INTO most VALUES (0);
CREATE FUNCTION look(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF i % 1000 = 999 THEN
		UPDATE most SET bytes = greatest(bytes, (SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name = 'gymstream pending deltas'));
	END IF;
	RETURN i;
END
$$;
CREATE FUNCTION bounded() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen bigint;
BEGIN
	SELECT bytes INTO seen FROM most;
	UPDATE most SET bytes = 0;
	RETURN CASE WHEN seen = 0 THEN 'nothing seen' WHEN seen < 4 * 256 * 1024 THEN 'bounded' ELSE seen::text END;
END
$$;

INSERT INTO source SELECT i, look(i), NULL, i FROM generate_series(1, 200000) i;
SELECT bounded();
TABLE inexact;
-- each group has one partial, whatever flush it came with
SELECT partials - groups FROM gymstream_internal.count_rollup('many');

SET work_mem = '64kB';
TRUNCATE source;
SELECT gymstream.create_rollup('texts', 'SELECT t, count(*), max(n), sum(n * 0.5) FROM source GROUP BY t');
INSERT INTO source SELECT i, look(i), md5((i / 2)::text), i FROM generate_series(1, 10000) i;
CREATE INDEX ON source (t);
SELECT bounded();
TABLE inexact;
UPDATE source SET k = look(k) % 1500, n = id + 1;
SELECT bounded();
TABLE inexact;
SELECT partials - groups FROM gymstream_internal.count_rollup('many');

--
-- Isolation levels; a statement that reads the rollup that it changes; an error in the middle
--
BEGIN ISOLATION LEVEL READ COMMITTED;
INSERT INTO source SELECT -m.k, look(m.k + 5000), m.k, m.count FROM many m;
SELECT bounded();
TABLE inexact;
SAVEPOINT a;
INSERT INTO source SELECT i, look(i), md5(i::text), 1 / (i - 6000) FROM generate_series(1, 6000) i;
ROLLBACK TO a;
TABLE inexact;
DELETE FROM source WHERE look(id) % 2 = 0;
TABLE inexact;
COMMIT;
TABLE inexact;
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO source SELECT -m.k, look(m.k + 10000), 's' || m.k, m.count FROM many m;
SELECT bounded();
TABLE inexact;
SAVEPOINT a;
UPDATE source SET n = 1 / (id - (SELECT max(id) FROM source)), k = look(k) + 1;
ROLLBACK TO a;
TABLE inexact;
COMMIT;
TABLE inexact;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE source SET t = md5(id::text), k = look(id) + 1, n = n + 1;
SELECT bounded();
TABLE inexact;
ROLLBACK;
TABLE inexact;

--
-- COPY, a rule, values that are larger than all that is allowed, subtransactions
--
COPY source (k) FROM PROGRAM 'seq 6000';
TABLE inexact;
CREATE RULE also AS ON INSERT TO most DO ALSO INSERT INTO source SELECT i, i % 2000, NULL, NEW.bytes FROM generate_series(1, 3000) i;
INSERT INTO most VALUES (1), (2);
TABLE inexact;
DROP RULE also ON most;
DELETE FROM most WHERE bytes > 0;
INSERT INTO source SELECT i, i, repeat('long ', 20000) || i % 2, i FROM generate_series(1, 4) i;
TABLE inexact;
-- what is remembered of many subtransactions is bounded, too
DO $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		BEGIN
			INSERT INTO source VALUES (i, look(20000 + i), i, 1);
		EXCEPTION WHEN division_by_zero THEN
		END;
	END LOOP;
	RAISE INFO '%', bounded();
END
$$;
TABLE inexact;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA test_bounded CASCADE;
