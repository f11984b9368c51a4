-- What a rollup calls may do anything but come back to the same rollup: it is told so before anything is touched, and may
-- catch that; what it left half done by an error is done anew.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_reentry;
SET search_path = test_reentry, public;

-- what f does beside computing its value: the statements of this table, each in a subtransaction, errors caught; while
-- the session changes a source or folds, not while the test makes a rollup or looks at it
CREATE TABLE deed (statement text);
CREATE TABLE outcome (statement text, outcome text);
CREATE FUNCTION act() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	todo text;
BEGIN
	FOR todo IN SELECT statement FROM test_reentry.deed 
		WHERE current_query() ~ '^(INSERT|UPDATE|DELETE|COPY|BEGIN|DO|SELECT gymstream.fold)' LOOP
		BEGIN
			EXECUTE todo;
			INSERT INTO test_reentry.outcome VALUES (todo, 'done');
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO test_reentry.outcome VALUES (todo, SQLERRM);
		END;
	END LOOP;
END
$$;
CREATE FUNCTION f(x anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM test_reentry.act(); RETURN x; END $$;

CREATE TABLE source (k text, v text, n int);
CREATE FUNCTION tell(what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT DISTINCT format('%s: %s', statement, o.outcome) COLLATE "C" FROM outcome o ORDER BY 1;
	DELETE FROM outcome;
	RETURN QUERY SELECT 'inexact: ' || i::text FROM inexact i;
END
$$;

--
-- A change of the source, from the key, the filter and an input
--
SELECT gymstream.create_rollup('of_key', 'SELECT f(k) AS k, max(v) AS m, count(*) FROM source GROUP BY 1');
INSERT INTO deed VALUES ($$INSERT INTO test_reentry.source SELECT 'q', repeat('z', 300)$$), ($$INSERT INTO test_reentry.source SELECT 'q', repeat('z', 300000)$$);
INSERT INTO source SELECT 'b', repeat('x', 500);
SELECT k, left(m, 5), length(m), count FROM of_key;
SELECT tell('insert');
INSERT INTO source SELECT 'c' || i, repeat(i::text, 500) FROM generate_series(1, 3) i;
UPDATE source SET v = repeat('y', 400), k = 'd' WHERE k = 'c1';
UPDATE source SET v = 'w' WHERE k = 'c2';
DELETE FROM source WHERE k = 'c3';
SELECT k, left(m, 5), length(m), count FROM of_key ORDER BY k;
SELECT tell('all kinds');
COPY source FROM stdin;
e	copied	1
e	copied again	2
\.
SELECT * FROM of_key WHERE k = 'e';
SELECT tell('copy');
DROP VIEW of_key;
SELECT gymstream.create_rollup('of_filter', 'SELECT k, max(v) AS m, min(n), count(*) FROM source WHERE f(k) <> ''q'' GROUP BY k');
SELECT gymstream.create_rollup('of_input', 'SELECT k, max(f(v)) AS m, sum(n) FROM source GROUP BY k');
INSERT INTO source SELECT 'f', repeat('x', 500), 5;
UPDATE source SET n = 6 WHERE k = 'f';
DELETE FROM source WHERE k = 'e';
SELECT k, left(m, 5), length(m), min, count FROM of_filter ORDER BY k;
SELECT tell('filter and input');
DROP VIEW of_filter, of_input;
-- a domain's check, an operator
CREATE FUNCTION holds(x text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM test_reentry.act(); RETURN true; END $$;
CREATE DOMAIN checked AS text CHECK (holds(value));
CREATE FUNCTION same(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM test_reentry.act(); RETURN a = b; END $$;
CREATE OPERATOR ~== (FUNCTION = same, LEFTARG = text, RIGHTARG = text);
SELECT gymstream.create_rollup('of_domain', 'SELECT k::checked AS k, max(v) AS m FROM source WHERE v ~== v GROUP BY 1');
INSERT INTO source SELECT 'g', repeat('x', 500), 7;
UPDATE source SET v = 'u' WHERE k = 'g';
SELECT tell('domain and operator');
DROP VIEW of_domain;

--
-- What else comes back: no row, TRUNCATE, rebuilding, folding, dropping, DDL that makes it stale
--
SELECT gymstream.create_rollup('of_key', 'SELECT f(k) AS k, max(v) AS m, count(*) FROM source GROUP BY 1');
TRUNCATE deed;
INSERT INTO deed VALUES ($$INSERT INTO test_reentry.source SELECT 'q' WHERE false$$), ($$UPDATE test_reentry.source SET v = '' WHERE k = 'nobody'$$),
	($$SELECT gymstream.rebuild_rollup('test_reentry.of_key')$$), ($$SELECT gymstream.fold_rollup('test_reentry.of_key')$$),
	($$TRUNCATE test_reentry.source$$), ($$ALTER TABLE test_reentry.source ADD x int$$),
	($$CREATE OR REPLACE FUNCTION test_reentry.other() RETURNS int LANGUAGE sql AS 'SELECT 1'$$), ($$INSERT INTO test_reentry.source VALUES ('stale')$$),
	($$SELECT * FROM test_reentry.of_key$$), ($$CREATE TABLE test_reentry.fresh AS SELECT * FROM test_reentry.of_key$$), ($$DROP TABLE test_reentry.fresh$$);
INSERT INTO source SELECT 'h', repeat(i::text, 300) FROM generate_series(1, 3) i;
UPDATE source SET v = 'v' || v WHERE k = 'h';
DELETE FROM source WHERE k = 'h';
SELECT tell('others');
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO source SELECT 'h', repeat(i::text, 300) FROM generate_series(1, 3) i;
COMMIT;
SELECT tell('serializable');
-- dropping it: by such a function, and by a trigger in the middle; what is collected afterwards is for nobody
TRUNCATE deed;
INSERT INTO deed VALUES ($$DROP VIEW IF EXISTS test_reentry.of_key$$), ($$INSERT INTO test_reentry.source VALUES ('dropped')$$);
BEGIN;
INSERT INTO source SELECT 'h', repeat(i::text, 300) FROM generate_series(1, 3) i;
SELECT tell('dropped');
ROLLBACK;
TRUNCATE deed;
SELECT tell('not dropped');
CREATE FUNCTION drop_in_the_middle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.n = 3 THEN
		BEGIN
			DROP VIEW test_reentry.of_key;
			IF NEW.v = 'back' THEN
				RAISE 'back';
			END IF;
		EXCEPTION WHEN raise_exception THEN
		END;
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER drop_in_the_middle BEFORE INSERT ON source FOR EACH ROW EXECUTE FUNCTION drop_in_the_middle();
INSERT INTO source SELECT 'h', 'back', i FROM generate_series(1, 5) i;
SELECT tell('dropped and back');
BEGIN;
INSERT INTO source SELECT 'h', 'v', i FROM generate_series(1, 5) i;
SELECT tell('dropped in the middle');
ROLLBACK;
DROP TRIGGER drop_in_the_middle ON source;
-- other tables are its own business, also those that have rollups
CREATE TABLE log (k text, n int);
SELECT gymstream.create_rollup('logs', 'SELECT k, count(*), sum(n) FROM log GROUP BY k');
CREATE TABLE log_parent (k text, n int) PARTITION BY LIST (k);
CREATE TABLE log_child PARTITION OF log_parent DEFAULT;
SELECT gymstream.create_rollup('child_logs', 'SELECT k, count(*), sum(n) FROM log_child GROUP BY k');
TRUNCATE deed;
INSERT INTO deed VALUES ($$INSERT INTO test_reentry.log VALUES ('a', 1), ('b', 2)$$), ($$INSERT INTO test_reentry.log_parent VALUES ('c', 3)$$),
	($$UPDATE test_reentry.log SET n = n + 1$$), ($$INSERT INTO test_reentry.log VALUES ('d', 1 / 0)$$);
INSERT INTO source SELECT 'i' || i % 2, repeat(i::text, 300) FROM generate_series(1, 3) i;
SELECT tell('logs');
TABLE logs ORDER BY k;
TABLE child_logs ORDER BY k;
-- and two that write each other's source
CREATE TABLE second (k text, v text);
SELECT gymstream.create_rollup('of_second', 'SELECT f(k) AS k, max(v) AS m FROM second GROUP BY 1');
TRUNCATE deed;
INSERT INTO deed VALUES ($$INSERT INTO test_reentry.second VALUES ('x', repeat('2', 200))$$), ($$INSERT INTO test_reentry.source VALUES ('y', repeat('1', 200))$$);
INSERT INTO source VALUES ('j', repeat('x', 300));
SELECT tell('each other');
DROP VIEW of_second;
DROP VIEW of_key;

--
-- While it is compiled, constants are computed
--
SELECT gymstream.create_rollup('of_constant', 'SELECT k, max(v) AS m FROM source WHERE k <> f(''q''::text) GROUP BY 1');
TRUNCATE deed;
INSERT INTO deed VALUES ($$INSERT INTO test_reentry.source VALUES ('q')$$), ($$CREATE OR REPLACE FUNCTION test_reentry.other() RETURNS int LANGUAGE sql AS 'SELECT 2'$$);
CREATE OR REPLACE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1';
INSERT INTO source VALUES ('l', repeat('x', 300));
SELECT tell('compiling');
DROP VIEW of_constant;

--
-- Folding: what computes a marked group
--
CREATE FUNCTION step(state int, x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM test_reentry.act(); RETURN coalesce(state, 0) + coalesce(x, 0); END $$;
CREATE AGGREGATE acting_sum(int) (SFUNC = step, STYPE = int);
SELECT gymstream.create_rollup('acting', 'SELECT k, acting_sum(n) AS s, count(*) FROM source GROUP BY k');
TRUNCATE deed;
INSERT INTO source VALUES ('m', 'v', 1), ('m', 'v', 2);
INSERT INTO deed VALUES ($$INSERT INTO test_reentry.source VALUES ('m', 'v', 4)$$), ($$SELECT gymstream.fold_rollup('test_reentry.acting')$$),
	($$DROP VIEW test_reentry.acting$$), ($$INSERT INTO test_reentry.log VALUES ('m', 1)$$);
SELECT gymstream.fold_rollup('acting');
TRUNCATE deed;
SELECT tell('folding');
SELECT marked FROM gymstream_internal.count_rollup('acting');
DROP VIEW acting;

--
-- Errors leave functions in the middle. Those of SQL remember where they were.
--
CREATE FUNCTION check_it(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF x = 13 THEN RAISE 'thirteen'; END IF; RETURN x; END $$;
CREATE FUNCTION in_sql(x int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1; SELECT test_reentry.check_it(x) $$;
SELECT gymstream.create_rollup('sql_key', 'SELECT in_sql(n) AS k, count(*) FROM source GROUP BY 1');
SELECT gymstream.create_rollup('sql_rest', 'SELECT k, sum(in_sql(n) + 1) AS s, max(in_sql(-n)) AS m FROM source WHERE in_sql(n) IS DISTINCT FROM 5 GROUP BY 1');
CREATE FUNCTION insert_caught(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO source VALUES ('s', 'v', n);
	RETURN n;
EXCEPTION WHEN OTHERS THEN
	RETURN -n;
END
$$;
BEGIN;
INSERT INTO source VALUES ('s', 'v', 1);
SAVEPOINT a;
INSERT INTO source VALUES ('s', 'v', 13);
ROLLBACK TO a;
INSERT INTO source VALUES ('s', 'v', 2), ('s', 'v', 5);
SELECT insert_caught(i) FROM unnest(ARRAY[3, 13, 4, 13, 13, 5, 6]) i;
UPDATE source SET n = n + 10 WHERE k = 's' AND n < 3;
SAVEPOINT b;
UPDATE source SET n = n + 1 WHERE k = 's';
ROLLBACK TO b;
SELECT tell('within');
COMMIT;
SELECT tell('afterwards');
-- in the middle of a statement on the same source
INSERT INTO source SELECT 't', 'v', insert_caught(i) + 100 FROM unnest(ARRAY[3, 13, 4, 13, 13, 5, 6]) i;
SELECT tell('in the middle');
TABLE sql_key ORDER BY 1;
DROP VIEW sql_key, sql_rest;

--
-- Types whose functions act: only a superuser makes such operator classes
--
CREATE TYPE word AS (w text);
CREATE FUNCTION word_cmp(a word, b word) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM test_reentry.act(); RETURN CASE WHEN (a).w < (b).w THEN -1 WHEN (a).w = (b).w THEN 0 ELSE 1 END; END $$;
CREATE FUNCTION word_lt(a word, b word) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT 1; SELECT test_reentry.word_cmp(a, b) < 0';
CREATE FUNCTION word_le(a word, b word) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT 1; SELECT test_reentry.word_cmp(a, b) <= 0';
CREATE FUNCTION word_eq(a word, b word) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT 1; SELECT test_reentry.word_cmp(a, b) = 0';
CREATE FUNCTION word_ge(a word, b word) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT 1; SELECT test_reentry.word_cmp(a, b) >= 0';
CREATE FUNCTION word_gt(a word, b word) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT 1; SELECT test_reentry.word_cmp(a, b) > 0';
CREATE FUNCTION word_hash(a word) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM test_reentry.act(); RETURN hashtext((a).w) % 2; END $$;
CREATE OPERATOR <# (FUNCTION = word_lt, LEFTARG = word, RIGHTARG = word);
CREATE OPERATOR <=# (FUNCTION = word_le, LEFTARG = word, RIGHTARG = word);
CREATE OPERATOR =# (FUNCTION = word_eq, LEFTARG = word, RIGHTARG = word, HASHES, MERGES, COMMUTATOR = =#);
CREATE OPERATOR >=# (FUNCTION = word_ge, LEFTARG = word, RIGHTARG = word);
CREATE OPERATOR ># (FUNCTION = word_gt, LEFTARG = word, RIGHTARG = word);
CREATE OPERATOR CLASS word_ops DEFAULT FOR TYPE word USING btree AS
	OPERATOR 1 <#, OPERATOR 2 <=#, OPERATOR 3 =#, OPERATOR 4 >=#, OPERATOR 5 >#, FUNCTION 1 word_cmp(word, word);
CREATE OPERATOR CLASS word_hash_ops DEFAULT FOR TYPE word USING hash AS OPERATOR 1 =#, FUNCTION 1 word_hash(word);
CREATE FUNCTION keep_greater(a word, b word) RETURNS word LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE WHEN (a).w > (b).w THEN a ELSE b END $$;
CREATE AGGREGATE max_word(word) (SFUNC = keep_greater, STYPE = word, SORTOP = >#);
TRUNCATE deed;
CREATE TABLE worded (w word, m word, n int);
SELECT gymstream.create_rollup('by_word', 'SELECT w, count(*), max_word(m) AS m FROM worded GROUP BY w');
INSERT INTO worded SELECT ROW('w' || i % 3)::word, ROW('m' || i)::word, i FROM generate_series(1, 6) i;
INSERT INTO deed VALUES ($$INSERT INTO test_reentry.worded VALUES (ROW('w1'), ROW('zz'), 1)$$), ($$DELETE FROM test_reentry.worded WHERE n = 6$$),
	($$INSERT INTO test_reentry.worded SELECT FROM test_reentry.worded WHERE false$$), ($$SELECT gymstream.fold_rollup('test_reentry.by_word')$$),
	($$INSERT INTO test_reentry.log VALUES ('n', 1)$$), ($$CREATE OR REPLACE FUNCTION test_reentry.other() RETURNS int LANGUAGE sql AS 'SELECT 3'$$);
INSERT INTO worded SELECT ROW('w' || i % 3)::word, ROW('m' || i)::word, i FROM generate_series(7, 9) i;
UPDATE worded SET m = ROW('n' || n), w = ROW('w4') WHERE n = 8;
DELETE FROM worded WHERE n = 9;
BEGIN;
SAVEPOINT a;
INSERT INTO worded VALUES (ROW('w1'), ROW('m'), 20);
SAVEPOINT b;
INSERT INTO worded VALUES (ROW('w1'), ROW('m'), 21), (ROW('w2'), ROW('m'), 22);
RELEASE b;
RELEASE a;
INSERT INTO worded VALUES (ROW('w1'), ROW('m'), 23);
COMMIT;
DO $$ BEGIN PERFORM gymstream.fold_rollup('test_reentry.by_word'); END $$;
TRUNCATE deed;
SELECT tell('key type');
SELECT w, count, m FROM by_word ORDER BY (w).w;
SELECT (w).w, count(*), max((m).w) FROM worded GROUP BY 1 ORDER BY 1;
TABLE inexact;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA test_reentry CASCADE;
