-- min and max equal their query after every statement, over any ordered type, whatever goes out.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_extreme;
SET search_path = test_extreme, public;
CREATE TABLE sale (id int PRIMARY KEY, shop int, cents int, note text);
INSERT INTO sale VALUES (1, 1, 10), (2, 1, 20), (3, 1, 30), (4, 2, 5), (5, 2, NULL), (6, 3, NULL), (7, NULL, 7);
SELECT gymstream.create_rollup('shops', 'SELECT shop, min(cents), max(cents), count(*) FROM sale GROUP BY shop');
SELECT gymstream.create_rollup('whole', 'SELECT min(cents), max(cents) FROM sale');
SELECT gymstream.create_rollup('spreads', $$
	SELECT shop, max(cents) - min(cents) AS spread, min(cents) FILTER (WHERE cents > 10) AS dear, max(cents * 2), sum(cents)
	FROM sale WHERE note IS NULL GROUP BY shop HAVING min(cents) < 100 $$);
CREATE VIEW marks AS SELECT shop, "min(cents) in" AS min_in, "min(cents) out" AS min_out, "max(cents) in" AS max_in, "max(cents) out" AS max_out
	FROM shops_partials;
TABLE inexact;
SELECT * FROM shops ORDER BY 1;
SELECT column_name, data_type, is_nullable FROM information_schema.columns
	WHERE table_schema = 'test_extreme' AND table_name = 'shops_partials' ORDER BY ordinal_position;

--
-- What goes out: not the minimum, one of two, the minimum, all
--
DELETE FROM sale WHERE id = 2;
TABLE inexact;
SELECT * FROM marks WHERE shop = 1;
SELECT * FROM shops WHERE shop = 1;
INSERT INTO sale VALUES (8, 1, 10);
DELETE FROM sale WHERE id = 1;
TABLE inexact;
SELECT * FROM shops WHERE shop = 1;
DELETE FROM sale WHERE id = 8;
TABLE inexact;
SELECT * FROM shops WHERE shop = 1;
-- the group is marked now, until it is computed anew; a new minimum is known at once
INSERT INTO sale VALUES (9, 1, 3);
TABLE inexact;
SELECT * FROM marks WHERE shop = 1;
DELETE FROM sale WHERE id = 9;
TABLE inexact;
SELECT gymstream.rebuild_rollup('shops');
SELECT * FROM marks WHERE shop = 1;
DELETE FROM sale WHERE shop = 1;
TABLE inexact;
SELECT * FROM shops WHERE shop = 1;
INSERT INTO sale VALUES (10, 1, 50);
TABLE inexact;
SELECT * FROM shops WHERE shop = 1;

--
-- Updates: up, down, to the same, to NULL and back, into another group, of what it does not read
--
UPDATE sale SET cents = 60 WHERE id = 10;
TABLE inexact;
UPDATE sale SET cents = 40 WHERE id = 10;
TABLE inexact;
UPDATE sale SET cents = NULL WHERE shop = 2;
TABLE inexact;
SELECT * FROM shops WHERE shop = 2;
UPDATE sale SET cents = id WHERE shop = 2;
TABLE inexact;
UPDATE sale SET shop = 3 WHERE id = 10;
TABLE inexact;
UPDATE sale SET shop = coalesce(shop, 0) + 1;
TABLE inexact;
UPDATE sale SET cents = 1000;
TABLE inexact;
UPDATE sale SET cents = -id, shop = 5 - shop;
TABLE inexact;
UPDATE sale SET note = 'gone' WHERE id % 2 = 0;
TABLE inexact;
UPDATE sale SET note = NULL;
TABLE inexact;
SELECT gymstream.rebuild_rollup('shops');
UPDATE sale SET note = id, id = id + 100;
TABLE inexact;
SELECT count(*) FROM marks WHERE min_out IS NOT NULL OR max_out IS NOT NULL;
-- neither is there anything to do where the value is replaced by itself
UPDATE sale SET cents = cents, shop = shop;
SELECT count(*) FROM marks WHERE min_out IS NOT NULL OR max_out IS NOT NULL;
UPDATE sale SET cents = cents + 0;
SELECT count(*) FROM marks WHERE min_out IS NOT NULL OR max_out IS NOT NULL;
TRUNCATE sale;
TABLE inexact;
TABLE whole;
TABLE marks;

--
-- Savepoints
--
INSERT INTO sale VALUES (1, 1, 10), (2, 1, 20);
BEGIN;
SAVEPOINT s;
DELETE FROM sale WHERE id = 1;
TABLE inexact;
ROLLBACK TO s;
TABLE inexact;
SELECT * FROM marks;
INSERT INTO sale VALUES (3, 1, 5);
SAVEPOINT t;
DELETE FROM sale WHERE cents = 5;
TABLE inexact;
RELEASE t;
TABLE inexact;
UPDATE sale SET cents = 25 WHERE id = 1;
TABLE inexact;
ROLLBACK TO s;
TABLE inexact;
DELETE FROM sale WHERE id = 2;
TABLE inexact;
COMMIT;
TABLE inexact;
SELECT * FROM shops;
DO $$
BEGIN
	DELETE FROM sale;
	BEGIN
		INSERT INTO sale VALUES (1, 1, 1);
		RAISE EXCEPTION 'back';
	EXCEPTION WHEN OTHERS THEN
		NULL;
	END;
	INSERT INTO sale VALUES (2, 1, 2);
END
$$;
TABLE inexact;
TABLE shops;

-- many rows in one statement
INSERT INTO sale SELECT i, i % 7, (i * 7919) % 1009 FROM generate_series(10, 2000) i;
TABLE inexact;
DELETE FROM sale WHERE cents < 100;
TABLE inexact;
UPDATE sale SET cents = cents + 1 WHERE id % 3 = 0;
TABLE inexact;
DELETE FROM sale WHERE id > 20;
TABLE inexact;
DROP TABLE sale CASCADE;

--
-- Types: each value in, in any order, the least and the greatest out again and again
--
CREATE TYPE grade AS ENUM ('poor', 'fair', 'good');
CREATE DOMAIN odd AS int CHECK (value % 2 <> 0);
CREATE FUNCTION try_type(type text, vals text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	i int;
	wrong text;
BEGIN
	EXECUTE format('CREATE TABLE typed (id int PRIMARY KEY, k int, v %s)', type);
	PERFORM gymstream.create_rollup('typed_rollup', 'SELECT k, min(v), max(v), count(v) FROM typed GROUP BY k');
	FOR round IN 1..3 LOOP
		FOR i IN 1..cardinality(vals) LOOP
			EXECUTE format('INSERT INTO typed VALUES ($1, $1 %% 2, $2::%s), ($1 + 1000, 0, $2::%s)', type, type) USING round * 10000 + i, vals[i];
			FOR wrong IN SELECT to_jsonb(v)::text FROM gymstream.verify_rollup('typed_rollup') v LOOP
				RETURN NEXT type || ': ' || wrong;
			END LOOP;
		END LOOP;
	END LOOP;
	FOR i IN 1..6 * cardinality(vals) LOOP
		EXECUTE format('DELETE FROM typed WHERE id = (SELECT id FROM typed WHERE v IS NOT NULL ORDER BY v %s, id LIMIT 1)',
			CASE i % 3 WHEN 0 THEN 'DESC' END);
		FOR wrong IN SELECT to_jsonb(v)::text FROM gymstream.verify_rollup('typed_rollup') v LOOP
			RETURN NEXT type || ': ' || wrong;
		END LOOP;
	END LOOP;
	DROP TABLE typed CASCADE;
	RETURN;
END
$$;
SELECT try_type('smallint', '{3,-5,7,NULL,3}');
SELECT try_type('bigint', '{9223372036854775807,-9223372036854775808,0}');
SELECT try_type('numeric', '{1.0,1.00,1,-0.5,NaN,Infinity,-Infinity,NULL,1e100}');
SELECT try_type('real', '{0,-0,NaN,Infinity,-Infinity,1e-40,NULL}');
SELECT try_type('double precision', '{1,NaN,-0,0,Infinity,NaN,-Infinity}');
SELECT try_type('text', ARRAY['b', 'A', 'a', 'B', '', NULL, 'ä', repeat('long ', 2000), 'zz' || repeat('long', 3000)]);
SELECT try_type('text COLLATE "C"', '{b,A,a,B,""}');
SELECT try_type('varchar(10)', '{b,A,a,B}');
SELECT try_type('char(5)', '{b,"b ",a,"a  "}');
SELECT try_type('date', '{2026-11-24,-infinity,infinity,0044-03-15 BC}');
SELECT try_type('timestamptz', '{2026-11-24 00:00+00,2026-11-24 01:00+01,2026-11-24 00:00-01}');
SELECT try_type('time', '{12:00,24:00,00:00}');
SELECT try_type('interval', '{1 month,30 days,720 hours,-1 day}');
SELECT try_type('money', '{1,-2,3.5}');
SELECT try_type('inet', '{10.0.0.1,10.0.0.0/8,::1}');
SELECT try_type('grade', '{good,poor,fair,NULL}');
SELECT try_type('odd', '{1,-3,5}');
SELECT try_type('int[]', ARRAY['{2,1}', '{1,9}', '{}', '{1}', '{NULL}', NULL]);
SELECT try_type('text[]', ARRAY['{b}', '{a,zz}', '{}', '{' || repeat('long ', 2000) || '}']);
SELECT try_type('pg_lsn', '{0/1,1/0,0/FFFFFFFF}');

-- which of values that are equal and not the same is shown is free; a value that is there no more is not
CREATE TABLE scaled (v numeric);
SELECT gymstream.create_rollup('scaled_rollup', 'SELECT min(v) FROM scaled');
INSERT INTO scaled VALUES (1.0), (1.00);
DELETE FROM scaled WHERE scale(v) = 1;
TABLE scaled_rollup;
INSERT INTO scaled VALUES (1.000);
DELETE FROM scaled WHERE scale(v) = 2;
TABLE scaled_rollup;
DROP TABLE scaled CASCADE;

--
-- Orders: the collation and the operator of the aggregate itself
--
CREATE COLLATION loud (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE AGGREGATE least_byte(text) (SFUNC = text_smaller, STYPE = text, SORTOP = ~<~);
CREATE TABLE word (id int PRIMARY KEY, k int, w text);
SELECT gymstream.create_rollup('words', $$
	SELECT k, min(w COLLATE "C") AS c_min, max(w COLLATE "C") AS c_max, min(w COLLATE "en-x-icu") AS en_min, max(w COLLATE "en-x-icu") AS en_max,
		upper(min(w COLLATE loud)) AS loud_min, min(w) AS plain
	FROM word GROUP BY k $$);
INSERT INTO word VALUES (1, 1, 'b'), (2, 1, 'A'), (3, 1, 'a'), (4, 1, 'B'), (5, 1, 'ä');
TABLE inexact;
SELECT * FROM words;
DELETE FROM word WHERE w = 'A';
TABLE inexact;
DELETE FROM word WHERE w = 'ä';
TABLE inexact;
DELETE FROM word WHERE w = 'a';
TABLE inexact;
SELECT * FROM words;
-- one input, two orders: they share no state
SELECT gymstream.create_rollup('orders', 'SELECT k, min(w), least_byte(w) FROM word GROUP BY k');
SELECT attname FROM pg_attribute WHERE attrelid = 'orders_partials'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO word VALUES (6, 1, 'B'), (7, 1, 'c');
TABLE inexact;
DELETE FROM word WHERE w IN ('B', 'b');
TABLE inexact;
SELECT * FROM orders;

--
-- A comparison that writes the source of another rollup, in the middle of writing this one
--
CREATE TABLE compared (k int);
SELECT gymstream.create_rollup('comparisons', 'SELECT k, count(*) FROM compared GROUP BY k');
INSERT INTO compared VALUES (1);
CREATE FUNCTION write_compared() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	IF current_setting('test_extreme.write', true) = 'on' THEN
		INSERT INTO test_extreme.compared VALUES (1);
	END IF;
END $$;
CREATE TYPE number;
CREATE FUNCTION number_in(cstring) RETURNS number IMMUTABLE STRICT LANGUAGE internal AS 'int4in';
CREATE FUNCTION number_out(number) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'int4out';
CREATE TYPE number (INPUT = number_in, OUTPUT = number_out, LIKE = int4);
CREATE CAST (number AS int) WITHOUT FUNCTION;
CREATE FUNCTION number_lt(number, number) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	PERFORM test_extreme.write_compared();
	RETURN $1::int < $2::int;
END $$;
CREATE FUNCTION number_cmp(number, number) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	PERFORM test_extreme.write_compared();
	RETURN sign($1::int - $2::int);
END $$;
CREATE FUNCTION number_le(number, number) RETURNS boolean IMMUTABLE LANGUAGE internal AS 'int4le';
CREATE FUNCTION number_eq(number, number) RETURNS boolean IMMUTABLE LANGUAGE internal AS 'int4eq';
CREATE FUNCTION number_ge(number, number) RETURNS boolean IMMUTABLE LANGUAGE internal AS 'int4ge';
CREATE FUNCTION number_gt(number, number) RETURNS boolean IMMUTABLE LANGUAGE internal AS 'int4gt';
CREATE FUNCTION number_smaller(number, number) RETURNS number IMMUTABLE STRICT LANGUAGE internal AS 'int4smaller';
CREATE OPERATOR < (LEFTARG = number, RIGHTARG = number, FUNCTION = number_lt);
CREATE OPERATOR <= (LEFTARG = number, RIGHTARG = number, FUNCTION = number_le);
CREATE OPERATOR = (LEFTARG = number, RIGHTARG = number, FUNCTION = number_eq);
CREATE OPERATOR >= (LEFTARG = number, RIGHTARG = number, FUNCTION = number_ge);
CREATE OPERATOR > (LEFTARG = number, RIGHTARG = number, FUNCTION = number_gt);
CREATE OPERATOR CLASS numbers DEFAULT FOR TYPE number USING btree AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 number_cmp(number, number);
CREATE AGGREGATE min(number) (SFUNC = number_smaller, STYPE = number, SORTOP = <);
CREATE TABLE numbered (k int, n number);
SELECT gymstream.create_rollup('numbers', 'SELECT k, min(n), count(*) FROM numbered GROUP BY k');
INSERT INTO numbered VALUES (1, '5');
SET test_extreme.write = on;
INSERT INTO numbered VALUES (1, '7'), (1, '3');
DELETE FROM numbered WHERE n::int = 3;
DELETE FROM numbered WHERE n::int = 5;
RESET test_extreme.write;
SELECT count(*) > 1 FROM compared;
TABLE inexact;

DROP SCHEMA test_extreme CASCADE;
TABLE gymstream_internal.rollup;
