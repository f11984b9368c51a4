-- Keys that are equal and not the same: what a rollup shows is a key that some row has.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_key_images;
SET search_path = test_key_images, public;
CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE amount AS (n numeric, t text);
CREATE DOMAIN known_amount AS amount CHECK (VALUE IS NULL OR (VALUE).n > 0);
CREATE TYPE amountrange AS RANGE (subtype = amount);

--
-- Each type: one of two equal keys comes, changes into the other, both are there, one goes, in each order
--
CREATE TABLE pair (type text PRIMARY KEY, one text, other text);
INSERT INTO pair VALUES ('text COLLATE anycase', 'abc', 'ABC'), ('varchar(9) COLLATE anycase', 'abc', 'ABC'), ('numeric', '1.0', '1.00'),
	('jsonb', '{"a": 1}', '{"a": 1.0}'), ('interval', '1 day', '24:00'), ('float8', '0', '-0'), ('float4', '0', '-0'),
	('numeric[]', '{1.0,2}', '{1.00,2}'), ('text[] COLLATE anycase', '{a}', '{A}'), ('numrange', '[1.0,2)', '[1.00,2)'),
	('nummultirange', '{[1.0,2)}', '{[1.00,2)}'), ('amount', '(1.0,a)', '(1.00,a)'), ('known_amount', '(1.0,a)', '(1.00,a)'),
	('amount[]', '{"(1.0,a)"}', '{"(1.00,a)"}'), ('amountrange', '["(1.0,a)","(2,b)")', '["(1.00,a)","(2,b)")'),
	('amountmultirange', '{["(1.0,a)","(2,b)")}', '{["(1.00,a)","(2,b)")}');
DO $$
BEGIN
	CREATE EXTENSION citext SCHEMA public;
	INSERT INTO pair VALUES ('citext', 'abc', 'ABC');
EXCEPTION WHEN OTHERS THEN NULL;
END
$$;

-- prints what must not be: a rollup that is inexact, or that shows what the table's rows do not have
CREATE PROCEDURE expect(place text, keys text[]) LANGUAGE plpgsql AS $$
DECLARE
	shown text[];
	more text;
BEGIN
	SELECT array_agg(k::text ORDER BY k::text COLLATE "C") INTO shown FROM r;
	IF (CASE WHEN keys = '{}' THEN shown IS NOT NULL ELSE coalesce(cardinality(shown) <> 1 OR shown[1] <> ALL (keys), true) END) THEN
		RAISE WARNING '%: shows %, where rows have %', place, shown, keys;
	END IF;
	FOR more IN SELECT i::text FROM inexact i LOOP
		RAISE WARNING '%: %', place, more;
	END LOOP;
END
$$;
CREATE PROCEDURE check_pair(pair) LANGUAGE plpgsql AS $$
DECLARE
	base text := split_part($1.type, ' COLLATE', 1);
	one text;
	other text;
	swap text;
	kept int;
BEGIN
	EXECUTE format('CREATE TABLE source (id int, k %s, n int)', $1.type);
	PERFORM gymstream.create_rollup('r', 'SELECT k, count(*), sum(n) FROM source GROUP BY k');
	PERFORM gymstream.create_rollup('of_two', 'SELECT n % 2 AS half, k, count(*) FROM source GROUP BY n % 2, k');
	PERFORM gymstream.create_rollup('hidden', 'SELECT count(*), max(n) FROM source GROUP BY k');
	PERFORM gymstream.create_rollup('marked', $m$SELECT k, min(n), max(id), string_agg(n::text, ',' ORDER BY n::text) AS all_n, count(*)
		FROM source GROUP BY k HAVING count(*) < 10$m$);
	EXECUTE format('SELECT %L::%s::text, %L::%2$s::text', $1.one, base, $1.other) INTO one, other;
	FOR turn IN 1 .. 2 LOOP
		EXECUTE format('INSERT INTO source VALUES (1, %L::%s, 1)', one, base);
		CALL expect($1.type || ' insert', ARRAY[one]);
		EXECUTE format('UPDATE source SET k = %L::%s', other, base);
		CALL expect($1.type || ' update', ARRAY[other]);
		EXECUTE format('INSERT INTO source VALUES (2, %L::%s, 2)', one, base);
		CALL expect($1.type || ' both', ARRAY[one, other]);
		PERFORM gymstream.fold_rollup(oid) FROM pg_class WHERE relname IN ('r', 'of_two', 'hidden', 'marked') AND relkind = 'v';
		CALL expect($1.type || ' folded', ARRAY[one, other]);
		DELETE FROM source WHERE id = 1;
		CALL expect($1.type || ' one left', ARRAY[one]);
		EXECUTE format('INSERT INTO source VALUES (3, %L::%s, 3), (4, %1$L::%2$s, 3), (5, %3$L::%2$s, 5)', other, base, one);
		PERFORM gymstream.rebuild_rollup(oid) FROM pg_class WHERE relname IN ('r', 'of_two', 'hidden', 'marked') AND relkind = 'v';
		CALL expect($1.type || ' rebuilt', ARRAY[one, other]);
		EXECUTE 'SELECT count(*) FROM r_partials' INTO kept;
		IF kept <> 2 THEN
			RAISE WARNING '%: % partials of two keys', $1.type, kept;
		END IF;
		DELETE FROM source WHERE id IN (2, 5);
		CALL expect($1.type || ' the other left', ARRAY[other]);
		UPDATE source SET n = n + 1;
		DELETE FROM source WHERE id = 3;
		CALL expect($1.type || ' one row left', ARRAY[other]);
		DELETE FROM source;
		CALL expect($1.type || ' empty', '{}');
		EXECUTE 'SELECT count(*) FROM r_partials' INTO kept;
		IF kept <> 0 THEN
			RAISE WARNING '%: % partials of no key', $1.type, kept;
		END IF;
		swap := one;
		one := other;
		other := swap;
	END LOOP;
	DROP TABLE source CASCADE;
END
$$;
DO $$
DECLARE
	p pair;
BEGIN
	FOR p IN SELECT * FROM pair ORDER BY type LOOP
		CALL check_pair(p);
	END LOOP;
END
$$;

-- of a char without a length, whose blanks no cast shows
CREATE TABLE blank (k bpchar);
SELECT gymstream.create_rollup('blanks', 'SELECT k, count(*) FROM blank GROUP BY k');
INSERT INTO blank VALUES ('a');
UPDATE blank SET k = 'a  ';
SELECT octet_length(k), count FROM blanks;
INSERT INTO blank VALUES ('a');
SELECT count FROM blanks WHERE k = 'a';
DELETE FROM blank WHERE octet_length(k) = 3;
SELECT octet_length(k), count FROM blanks;
DROP TABLE blank CASCADE;

--
-- A key's bytes may differ without a difference that anybody could see: compressed, or stored elsewhere, or not.
--
CREATE TABLE long (id int, t text, more text);
ALTER TABLE long ALTER t SET STORAGE MAIN;
SELECT gymstream.create_rollup('of_rows', 'SELECT ROW(1.0, t)::amount AS k, ARRAY[ROW(2, t)::amount] AS a, count(*), sum(id) FROM long GROUP BY 1, 2');
INSERT INTO long SELECT i, repeat('long' || i % 2, 1000), 'more' FROM generate_series(1, 10) i;
UPDATE long SET t = t || '' WHERE id < 5;
UPDATE long SET id = id + 100;
SELECT count(*), min(c), max(c) FROM (SELECT count(*) AS c FROM of_rows_partials GROUP BY k) g;
TABLE inexact;
DELETE FROM long WHERE id <> 101;
SELECT (k).n, length((k).t), count, sum FROM of_rows;
SELECT count(*) FROM of_rows_partials;
-- fields come and go
ALTER TYPE amount ADD ATTRIBUTE added int;
INSERT INTO pair VALUES ('amount and more', '(1.0,a,)', '(1.00,a,)');
CREATE TABLE fields (k amount);
INSERT INTO fields VALUES ('(1.0,a,)'), ('(1.00,a,1)');
SELECT gymstream.create_rollup('of_fields', 'SELECT k, count(*) FROM fields GROUP BY k');
ALTER TYPE amount DROP ATTRIBUTE added;
ALTER TYPE amount ADD ATTRIBUTE again int;
INSERT INTO fields VALUES ('(1.0,a,)');
TABLE inexact;
DELETE FROM fields WHERE k::text = '(1.0,a,)';
SELECT * FROM of_fields;
DROP TABLE fields, long CASCADE;

--
-- Reading: conditions go down to the partials and their index
--
CREATE TABLE visit (id int, who text COLLATE anycase, price float8, n numeric(6, 2));
SELECT gymstream.create_rollup('by_who', 'SELECT who, count(*), sum(id) FROM visit GROUP BY who');
SELECT gymstream.create_rollup('by_price', 'SELECT price, count(*), max(id) FROM visit GROUP BY price');
-- of as many digits each: equal ones are the same, and an expression over them is nothing else than one over an integer
SELECT gymstream.create_rollup('by_n', 'SELECT n, n::text || ''!'' AS told, count(*) FROM visit GROUP BY n');
SELECT pg_get_viewdef('by_n') ~ 'key_image', pg_get_viewdef('by_price') ~ 'key_image';
SELECT refused($$ SELECT gymstream.create_rollup('told', 'SELECT price, price::text || ''!'' AS told, count(*) FROM visit GROUP BY price') $$);
SELECT refused($$ SELECT gymstream.create_rollup('told', 'SELECT upper(who), count(*) FROM visit GROUP BY who') $$);
INSERT INTO visit SELECT i, CASE i % 3 WHEN 0 THEN 'ann' WHEN 1 THEN 'Ann' END || i % 500, CASE WHEN i % 100 > 1 THEN i % 100 WHEN i % 2 = 0 THEN 0 ELSE '-0'::float8 END, i % 7
	FROM generate_series(1, 3000) i;
ANALYZE by_who_partials, by_price_partials;
SELECT lower(who), count, sum FROM by_who WHERE who = 'ANN7';
SELECT lower(who), count, sum FROM by_who WHERE who IN ('ANN7', 'aNN8') ORDER BY who;
SELECT * FROM by_who WHERE who IS NULL;
SELECT abs(price), count, max FROM by_price WHERE price < 2 ORDER BY price;
SELECT abs(price), count, max FROM by_price WHERE price = 0;
CREATE FUNCTION scans(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Scan.* on .*partials|Cond' THEN
			RETURN NEXT regexp_replace(line, '^[ ->]*', '');
		END IF;
	END LOOP;
END
$$;
SET enable_bitmapscan = off;
SET enable_seqscan = off;
SELECT scans($$ SELECT * FROM by_who WHERE who = 'ann7' $$);
-- from 18 on a condition on a key whose collation is not deterministic is not taken into the grouping
SELECT CASE WHEN current_setting('server_version_num')::int < 180000 THEN scan ELSE 'Index Scan using by_who_partials_who_idx1 on by_who_partials' END
	FROM scans($$ SELECT * FROM by_who WHERE who IS NULL $$) scan;
SELECT scans($$ SELECT * FROM by_price WHERE price = 0 $$);
SELECT scans($$ SELECT * FROM by_price WHERE price BETWEEN 2 AND 3 $$);
SELECT scans($$ SELECT * FROM by_price WHERE price IN (1, 2) $$);
RESET enable_bitmapscan;
RESET enable_seqscan;
SELECT groups, partials, marked FROM gymstream.rollups WHERE rollup = 'by_who'::regclass;
SELECT groups, partials, marked FROM gymstream.rollups WHERE rollup = 'by_price'::regclass;
TABLE inexact;

--
-- Marked: values that only the rows give are kept for each key, and those of two say nothing of all
--
CREATE TABLE mark (k numeric, n int, t text);
SELECT gymstream.create_rollup('marks', $$SELECT k, min(n), percentile_cont(0.5) WITHIN GROUP (ORDER BY n) AS middle, string_agg(t, '' ORDER BY t) AS t
	FROM mark GROUP BY k$$);
SELECT gymstream.create_rollup('least', 'SELECT k, min(n), max(n) FROM mark GROUP BY k');
INSERT INTO mark VALUES (1.0, 1, 'a'), (1.00, 2, 'b'), (1.00, 3, 'c'), (2, 4, 'd');
SELECT gymstream.rebuild_rollup('marks'), gymstream.rebuild_rollup('least');
SELECT groups, partials, marked FROM gymstream.rollups WHERE rollup = 'marks'::regclass;
SELECT groups, partials, marked FROM gymstream.rollups WHERE rollup = 'least'::regclass;
SELECT * FROM marks ORDER BY k;
TABLE inexact;
-- the one with the least goes
DELETE FROM mark WHERE k::text = '1.0';
SELECT groups, partials, marked FROM gymstream.rollups WHERE rollup = 'marks'::regclass;
SELECT * FROM marks ORDER BY k;
SELECT * FROM least ORDER BY k;
TABLE inexact;
SELECT gymstream.fold_rollup('marks') > 0, gymstream.fold_rollup('least') > 0;
SELECT groups, partials, marked FROM gymstream.rollups WHERE rollup = 'marks'::regclass;
SELECT groups, partials, marked FROM gymstream.rollups WHERE rollup = 'least'::regclass;
TABLE inexact;

--
-- In one transaction, with savepoints
--
BEGIN;
INSERT INTO mark VALUES (5.0, 1);
SAVEPOINT a;
UPDATE mark SET k = 5.00 WHERE k = 5;
SELECT k, min FROM least WHERE k = 5;
ROLLBACK TO a;
SELECT k, min FROM least WHERE k = 5;
UPDATE mark SET k = 5.000 WHERE k = 5;
RELEASE a;
SELECT k, min FROM least WHERE k = 5;
COMMIT;
TABLE inexact;

--
-- verify_rollup sees a key that no row has, for those who may read the rows
--
CREATE TABLE shown (k numeric, n int);
SELECT gymstream.create_rollup('shows', 'SELECT k, sum(n) FROM shown WHERE n > 0 GROUP BY k');
INSERT INTO shown VALUES (1.0, 1), (1.000, -1), (2, 2);
SELECT tamper('shows_partials', 'UPDATE shows_partials SET k = 1.000 WHERE k = 1');
SELECT * FROM gymstream.verify_rollup('shows');
CREATE ROLE regress_key_reader;
GRANT USAGE ON SCHEMA test_key_images TO regress_key_reader;
GRANT SELECT ON shows, shows_definition TO regress_key_reader;
SET ROLE regress_key_reader;
SELECT * FROM shows ORDER BY k;
SELECT * FROM gymstream.verify_rollup('shows');
RESET ROLE;
SELECT gymstream.rebuild_rollup('shows');
SELECT * FROM shows ORDER BY k;
TABLE inexact;

-- what tells keys apart, for use in views
SELECT gymstream_internal.key_image(1.0) = gymstream_internal.key_image(1.00), gymstream_internal.key_image(1.0) = gymstream_internal.key_image(1.0),
	gymstream_internal.key_image(NULL::int, 'a'::text) = gymstream_internal.key_image('a'::text, NULL::int), gymstream_internal.key_image(NULL::int) IS NULL;
SELECT gymstream_internal.key_image('a'::text, 'b'::text) = gymstream_internal.key_image('ab'::text, ''::text);
SELECT refused('SELECT gymstream_internal.key_image(VARIADIC ARRAY[1])');
SELECT octet_length(gymstream_internal.key_image('a', NULL)), octet_length(gymstream_internal.key_image(repeat('x', 100000)));

SET client_min_messages = error;
DROP SCHEMA test_key_images CASCADE;
DROP OWNED BY regress_key_reader;
DROP ROLE regress_key_reader;
DROP EXTENSION IF EXISTS citext;
