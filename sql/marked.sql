-- Aggregates that only the rows of a group give: such a group is marked when it changes, and computed when it is read.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_marked;
SET search_path = test_marked, public;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE visit (id int PRIMARY KEY, gym int, member text, minutes int, fee numeric, rate float8, at date, mood mood, tags text[], note text);
INSERT INTO visit SELECT i, nullif(i % 4, 0), 'm' || i % 3, i * 7 % 11, i / 8.0, i / 3.0, date '2026-11-01' + i % 5,
	CASE i % 3 WHEN 0 THEN 'sad' WHEN 1 THEN 'glad' END::mood, ARRAY['t' || i % 2] FROM generate_series(1, 12) i;

-- user-defined: strict or not, with a final function that errs on no rows, several arguments, variadic, ordered-set
CREATE FUNCTION product_add(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 * $2';
CREATE AGGREGATE product(numeric) (SFUNC = product_add, STYPE = numeric, INITCOND = 1);
CREATE FUNCTION distance_add(bigint, int, int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1 + abs(coalesce($2, 0) - coalesce($3, 0))';
CREATE FUNCTION distance_end(bigint) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF $1 = -1 THEN RAISE EXCEPTION 'no rows'; END IF;
	RETURN $1 || ' apart';
END $$;
CREATE AGGREGATE distance(int, int) (SFUNC = distance_add, STYPE = bigint, FINALFUNC = distance_end, INITCOND = -1);
CREATE FUNCTION pair_add(pair, int) RETURNS pair LANGUAGE sql IMMUTABLE AS 'SELECT ROW(greatest(($1).a, $2), ''n'')::test_marked.pair';
CREATE AGGREGATE pair_agg(int) (SFUNC = pair_add, STYPE = pair);
CREATE FUNCTION most_add(int, VARIADIC int[]) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT greatest($1, cardinality($2) + $2[1])';
CREATE AGGREGATE most(VARIADIC int[]) (SFUNC = most_add, STYPE = int);

SELECT gymstream.create_rollup('sets', $$
	SELECT gym, count(*) AS n, count(DISTINCT member) AS members, sum(DISTINCT minutes) AS distinct_minutes,
		array_agg(DISTINCT minutes) AS all_minutes, string_agg(member, ',' ORDER BY id) AS visits,
		array_agg(fee ORDER BY fee DESC NULLS LAST, id) FILTER (WHERE minutes > 3) AS fees, sum(minutes) AS minutes
	FROM visit GROUP BY gym $$);
SELECT gymstream.create_rollup('ordered', $$
	SELECT gym, percentile_cont(0.5) WITHIN GROUP (ORDER BY rate) AS median, percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY minutes) AS quartiles,
		mode() WITHIN GROUP (ORDER BY mood) AS mood, rank(5) WITHIN GROUP (ORDER BY minutes) AS rank_of_5,
		percent_rank(5, 'm1') WITHIN GROUP (ORDER BY minutes DESC, member) AS rank_of_two,
		percentile_cont(gym / 8.0) WITHIN GROUP (ORDER BY minutes) AS by_key
	FROM visit WHERE note IS NULL GROUP BY gym $$);
SELECT gymstream.create_rollup('own', $$
	SELECT gym, at, product(fee) AS product, distance(minutes, id) AS apart, (pair_agg(minutes)).a AS most, pair_agg(DISTINCT minutes),
		most(minutes, id) AS variadic, most(VARIADIC ARRAY[minutes]) AS array_of, min(at) AS first, max(mood)
	FROM visit GROUP BY gym, at HAVING count(DISTINCT minutes) > 0 AND (product(fee) IS NULL OR product(fee) > -1) $$);
SELECT gymstream.create_rollup('whole', $$
	SELECT count(DISTINCT member) AS members, rank(5) WITHIN GROUP (ORDER BY minutes) AS rank_of_5, max(minutes), count(*),
		range_agg(int4range(id, id + 1)) AS ids, string_agg(DISTINCT member, ',') AS names
	FROM visit WHERE minutes >= 0 $$);
SELECT gymstream.create_rollup('no_column', 'SELECT gym IS NULL AS k, count(DISTINCT 1) AS one, mode() WITHIN GROUP (ORDER BY 2) FROM visit GROUP BY 1');
SELECT gymstream.create_rollup('many_keys', $$
	SELECT gym, mood, at, member, tags, count(DISTINCT minutes) FROM visit GROUP BY gym, mood, at, member, tags $$);
TABLE inexact;
SELECT * FROM sets ORDER BY gym;
SELECT * FROM ordered ORDER BY gym;
SELECT * FROM whole;
SELECT column_name, data_type, is_nullable FROM information_schema.columns
	WHERE table_schema = 'test_marked' AND table_name = 'ordered_partials' ORDER BY ordinal_position;
-- nothing is marked yet; and the values are those that were computed when the rollup was made
SELECT bool_or(changed) FROM sets_partials;

--
-- Changes
--
INSERT INTO visit VALUES (13, 1, 'm9', 100, 2, 2, '2026-11-01', 'sad', '{x}');
TABLE inexact;
SELECT gym FROM sets_partials WHERE changed;
SELECT * FROM sets WHERE gym = 1;
DELETE FROM visit WHERE id = 2;
TABLE inexact;
UPDATE visit SET minutes = minutes + 1 WHERE id = 3;
TABLE inexact;
UPDATE visit SET gym = NULL WHERE id = 5;
TABLE inexact;
UPDATE visit SET gym = 1 WHERE gym IS NULL;
TABLE inexact;
SELECT * FROM sets ORDER BY gym;
UPDATE visit SET fee = NULL, mood = NULL, at = NULL, member = NULL, tags = NULL, minutes = NULL WHERE id IN (1, 7);
TABLE inexact;
UPDATE visit SET note = 'x' WHERE id % 2 = 0;
TABLE inexact;
DELETE FROM visit WHERE gym = 3;
TABLE inexact;
INSERT INTO visit (id, gym) VALUES (20, 3), (21, NULL), (22, 8);
TABLE inexact;
SELECT * FROM ordered ORDER BY gym;
DELETE FROM visit;
TABLE inexact;
SELECT * FROM whole;
SELECT count(*) FROM sets;
INSERT INTO visit (id, gym, minutes) VALUES (1, 1, 1);
TABLE inexact;
TRUNCATE visit;
TABLE inexact;
SELECT * FROM whole;
SELECT count(*) FROM sets_partials;
INSERT INTO visit SELECT i, i % 4, 'm' || i % 3, i * 7 % 11, i / 8.0, i / 3.0, date '2026-11-01' + i % 5, 'sad', ARRAY['t' || i % 2] FROM generate_series(1, 200) i;
TABLE inexact;

--
-- What does not concern an aggregate does not mark its group
--
SELECT gymstream.rebuild_rollup(rollup) FROM gymstream_internal.rollup;
TABLE inexact;
SELECT bool_or(changed) FROM sets_partials;
UPDATE visit SET rate = rate + 1, note = 'y', at = at + 1;
SELECT bool_or(changed) FROM sets_partials;
SELECT bool_and(changed) FROM ordered_partials;
TABLE inexact;
UPDATE visit SET minutes = minutes, member = member, tags = tags;
SELECT bool_or(changed) FROM sets_partials;
-- a value that is stored outside of its row stays the same there
CREATE TABLE long (id int PRIMARY KEY, k int, t text, n int);
ALTER TABLE long ALTER t SET STORAGE external;
INSERT INTO long SELECT i, 1, repeat('long ' || i, 1000), i FROM generate_series(1, 3) i;
SELECT gymstream.create_rollup('longs', 'SELECT k, string_agg(t, '','' ORDER BY t), max(t), sum(n) FROM long GROUP BY k');
UPDATE long SET n = n + 1;
SELECT changed, "max(t) out" IS NULL, "sum(n)" FROM longs_partials;
TABLE inexact;
UPDATE long SET t = t || '!' WHERE id = 2;
SELECT changed, "max(t) out" IS NULL FROM longs_partials;
TABLE inexact;
DELETE FROM long WHERE id = 3;
TABLE inexact;
-- a partial that has no value goes beside the one that has it: sums only, and in a subtransaction
SELECT gymstream.rebuild_rollup('longs');
BEGIN;
SAVEPOINT s;
UPDATE long SET n = n + 1;
TABLE inexact;
ROLLBACK TO s;
UPDATE long SET n = n + 5 WHERE id = 1;
TABLE inexact;
UPDATE long SET t = 'a' WHERE id = 1;
TABLE inexact;
ROLLBACK TO s;
TABLE inexact;
SELECT changed FROM longs_partials;
COMMIT;
DROP TABLE long CASCADE;

--
-- A group is read by an index on its keys: also one whose keys are NULL, and never the whole table
--
SET client_min_messages = notice;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET jit = off;
CREATE TABLE lesson (gym int, coach int NOT NULL, member text, price int);
INSERT INTO lesson SELECT nullif(i % 10, 0), i % 7, 'm' || i, i FROM generate_series(1, 2000) i;
SELECT gymstream.create_rollup('gyms', 'SELECT gym, count(DISTINCT coach) AS coaches, sum(price) AS revenue FROM lesson GROUP BY gym');
SELECT gymstream.create_rollup('halves', 'SELECT gym / 2 AS half, gym % 2 AS part, min(price) FROM lesson WHERE price > 5 GROUP BY gym / 2, gym % 2');
CREATE INDEX by_gym ON lesson (gym, coach);
CREATE INDEX by_half ON lesson ((gym % 2), (gym / 2)) WHERE price > 5;
CREATE INDEX by_member ON lesson (member COLLATE "C");
DROP VIEW gyms, halves;
-- now there are indexes; but not of that collation, nor for all rows
SELECT gymstream.create_rollup('gyms', 'SELECT gym, count(DISTINCT coach) AS coaches, sum(price) AS revenue FROM lesson GROUP BY gym');
SELECT gymstream.create_rollup('halves', 'SELECT gym / 2 AS half, gym % 2 AS part, min(price) FROM lesson WHERE price > 5 GROUP BY gym / 2, gym % 2');
SELECT gymstream.create_rollup('coached', 'SELECT coach, gym, string_agg(member, '','' ORDER BY member) FROM lesson GROUP BY coach, gym');
SELECT gymstream.create_rollup('members', 'SELECT member, max(price) FROM lesson GROUP BY member');
SELECT gymstream.create_rollup('all_halves', 'SELECT gym / 2 AS half, gym % 2 AS part, min(price) FROM lesson GROUP BY gym / 2, gym % 2');
-- what is made of sums needs none
SELECT gymstream.create_rollup('sums', 'SELECT member, sum(price) FROM lesson GROUP BY member');
DROP VIEW members, all_halves, sums;
SET client_min_messages = warning;
ANALYZE lesson, gyms_partials;
-- of a plan what does not depend on the server's version: which index finds what, and when
CREATE FUNCTION finds(query text) RETURNS TABLE (step text) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line ~ 'Scan|Index Cond:|One-Time Filter:' THEN
			step := regexp_replace(line, '^ *(-> *)?', '');
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
SELECT finds('SELECT * FROM gyms WHERE gym = 7');
SELECT finds('SELECT * FROM halves WHERE half = 3 AND part IS NULL');
CREATE FUNCTION reads(query text) RETURNS TABLE (step text) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) ' || query LOOP
		IF line ~ 'on lesson' THEN
			step := regexp_replace(line, ' *-> *(.*) on lesson.*(\(.*)', '\1 \2');
			step := regexp_replace(step, 'rows=(\d+)(\.\d+)?', 'rows=\1');
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
-- not marked: nothing is read; marked: the group's 200 rows, NULL or not
SELECT reads('SELECT * FROM gyms');
UPDATE lesson SET coach = 8 WHERE member = 'm7';
SELECT reads('SELECT * FROM gyms WHERE gym = 3');
SELECT reads('SELECT * FROM gyms WHERE gym = 7');
SELECT reads('SELECT * FROM gyms');
UPDATE lesson SET coach = 8 WHERE member = 'm10';
SELECT reads('SELECT * FROM gyms WHERE gym IS NULL');
TABLE inexact;
-- a key that is declared NOT NULL may be altered
ALTER TABLE lesson ALTER coach DROP NOT NULL;
UPDATE lesson SET coach = NULL WHERE gym = 3 OR gym IS NULL;
TABLE inexact;
SELECT reads('SELECT * FROM halves WHERE half = 3 AND part = 1');
UPDATE lesson SET price = 4 WHERE member = 'm7';
SELECT reads('SELECT * FROM halves WHERE half = 3 AND part = 1');
TABLE inexact;
-- unmarked again
SELECT gymstream.rebuild_rollup('gyms');
SELECT reads('SELECT * FROM gyms');
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET jit;
DROP TABLE lesson CASCADE;

--
-- Names: of the source, of columns that look like the view's own
--
CREATE TABLE g (g int, m int, s int, marked int, "count(DISTINCT m)" int, changed int);
SELECT gymstream.create_rollup('x', 'SELECT g, marked, count(DISTINCT m), min(changed), sum(s) FROM g GROUP BY g, marked');
SELECT gymstream.create_rollup('m', 'SELECT changed, "count(DISTINCT m)" AS marked, count(DISTINCT m) AS changed2, max(g) AS g FROM g GROUP BY 1, 2');
INSERT INTO g VALUES (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6), (NULL, 1, 2, NULL, 3, NULL);
TABLE inexact;
ALTER TABLE g RENAME TO s;
ALTER TABLE s RENAME m TO r;
ALTER TABLE x_partials RENAME changed TO touched;
DELETE FROM s WHERE g = 1 AND ctid = '(0,1)';
TABLE inexact;
UPDATE s SET r = 7, changed = 1;
TABLE inexact;
SELECT * FROM x ORDER BY 1;
SELECT gymstream.rebuild_rollup('x');
TABLE inexact;
ALTER TABLE s DROP COLUMN r;
DROP TABLE s CASCADE;

--
-- Keys equal but not the same, and keys that are NULL in part
--
CREATE TABLE scaled (k numeric, p pair, v int);
SELECT gymstream.create_rollup('by_scaled', 'SELECT k, count(DISTINCT v), percentile_disc(k) WITHIN GROUP (ORDER BY v) FROM scaled WHERE k BETWEEN 0 AND 1 GROUP BY k');
SELECT gymstream.create_rollup('by_pair', 'SELECT p, count(DISTINCT v) FROM scaled GROUP BY p');
INSERT INTO scaled VALUES (1.0, (1, 'a'), 1), (1.00, (NULL, NULL), 2), (0.5, NULL, 3), (0.50, (NULL, NULL), 4), (NULL, NULL, 5), (NULL, (1, NULL), 6);
TABLE inexact;
DELETE FROM scaled WHERE v IN (1, 3, 4);
TABLE inexact;
SELECT p, count FROM by_pair ORDER BY p, count;
DROP TABLE scaled CASCADE;

--
-- What cannot be kept exact
--
ALTER TABLE visit ADD doc xml;
SELECT refused(format('SELECT gymstream.create_rollup(%L, %L)', 'r', 'SELECT gym, ' || aggregate || ' FROM visit GROUP BY gym'))
	FROM unnest(ARRAY['array_agg(minutes)', 'string_agg(member, '','')', 'string_agg(member, '','' ORDER BY at)', 'array_agg(tags)', 'string_agg(member, note ORDER BY member)',
		'json_agg(minutes)', 'jsonb_agg(minutes ORDER BY id)', 'jsonb_object_agg(member, minutes)', 'xmlagg(doc)', 'xmlagg(doc ORDER BY at)',
		'count(DISTINCT minutes + random())']) aggregate;
CREATE FUNCTION loose_add(int, int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $2';
CREATE AGGREGATE loose(int) (SFUNC = loose_add, STYPE = int);
SELECT refused('SELECT gymstream.create_rollup(''r'', ''SELECT loose(minutes) FROM visit'')');
-- an order that leaves no choice
SELECT gymstream.create_rollup('r', 'SELECT gym, array_agg(minutes ORDER BY minutes) FROM visit GROUP BY gym');
SELECT gymstream.create_rollup('s', $$
	SELECT id, array_agg(minutes) AS a, string_agg(member, note ORDER BY member, note), array_agg(DISTINCT fee) AS b, array_agg(tags ORDER BY tags) AS c
	FROM visit GROUP BY id HAVING count(DISTINCT note) < 2 $$);
UPDATE visit SET minutes = 2, fee = 1.00, tags = '{a}' WHERE id < 10;
TABLE inexact;

DROP SCHEMA test_marked CASCADE;
TABLE gymstream_internal.rollup;
