-- Sums and averages to the last digit, and in the display scale, that the query itself gives.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_numeric;
SET search_path = test_numeric, public;
-- EXCEPT takes 1.0 and 1.00 for equal: compare texts
CREATE FUNCTION differing() RETURNS TABLE (what text, line text) LANGUAGE plpgsql AS $$
DECLARE
	r gymstream_internal.rollup;
BEGIN
	FOR r IN SELECT * FROM gymstream_internal.rollup LOOP
		RETURN QUERY EXECUTE format('SELECT ''missing'', d::text FROM %2$s d EXCEPT ALL SELECT ''missing'', v::text FROM %1$s v',
			r.rollup, r.definition);
		RETURN QUERY EXECUTE format('SELECT ''unexpected'', v::text FROM %1$s v EXCEPT ALL SELECT ''unexpected'', d::text FROM %2$s d',
			r.rollup, r.definition);
	END LOOP;
END
$$;
CREATE VIEW differing AS SELECT * FROM differing();

CREATE TABLE amount (id int, k int, v numeric, fixed numeric(12, 2));
SELECT gymstream.create_rollup('amounts', 'SELECT k, sum(v), avg(v), count(v), sum(fixed) AS f, avg(fixed) AS af FROM amount GROUP BY k');
SELECT gymstream.create_rollup('all_amounts', 'SELECT sum(v), avg(v), sum(fixed) AS f FROM amount');
SELECT gymstream.create_rollup('derived', $$
	SELECT k, sum(v * 2) AS twice, sum(v) FILTER (WHERE v > 0) AS plus, sum(-v) FILTER (WHERE v < 0) AS minus, round(avg(v), 3) AS rounded
	FROM amount GROUP BY k $$);

--
-- Display scale
--
INSERT INTO amount VALUES (1, 1, 1, 1), (2, 1, 1.5, 2), (3, 1, 1.2500, 3.5);
TABLE differing;
SELECT * FROM amounts;
DELETE FROM amount WHERE id = 3;
TABLE differing;
SELECT * FROM amounts;
UPDATE amount SET v = 1.50 WHERE id = 2;
TABLE differing;
UPDATE amount SET v = 1.5000000000 WHERE id = 2;
TABLE differing;
SELECT * FROM amounts;
DELETE FROM amount WHERE id = 2;
TABLE differing;
SELECT * FROM amounts;
UPDATE amount SET v = NULL;
TABLE differing;
SELECT * FROM amounts;
DELETE FROM amount;
TABLE differing;
TABLE amounts_partials;
INSERT INTO amount VALUES (1, 1, 0.00, 0), (2, 1, 0.0, 0);
TABLE differing;
DELETE FROM amount WHERE id = 1;
TABLE differing;
INSERT INTO amount VALUES (3, 1, -0.0000, -1), (4, 1, 5, 1), (5, 1, -5.000, 0);
TABLE differing;
DELETE FROM amount;
TABLE amounts_partials;
INSERT INTO amount SELECT i, i % 3, round(i * 1.23456789, i % 9), i / 3.0 FROM generate_series(1, 500) i;
TABLE differing;
DELETE FROM amount WHERE id % 9 >= 4;
TABLE differing;
UPDATE amount SET v = round(v, 2), k = k + 1;
TABLE differing;
TRUNCATE amount;

--
-- NaN and the infinities
--
INSERT INTO amount VALUES (1, 1, 10, 1), (2, 1, 'NaN', 'NaN');
TABLE differing;
SELECT * FROM amounts;
DELETE FROM amount WHERE id = 2;
TABLE differing;
INSERT INTO amount VALUES (3, 1, 'Infinity', 1);
TABLE differing;
SELECT k, sum, avg FROM amounts;
INSERT INTO amount VALUES (4, 1, '-Infinity', 1);
TABLE differing;
SELECT k, sum, avg FROM amounts;
DELETE FROM amount WHERE id = 3;
TABLE differing;
SELECT k, sum, avg FROM amounts;
UPDATE amount SET v = 'Infinity' WHERE id = 4;
TABLE differing;
INSERT INTO amount VALUES (5, 1, 'NaN', 1), (6, 1, 'NaN', 1);
DELETE FROM amount WHERE id = 5;
TABLE differing;
DELETE FROM amount WHERE id = 6;
TABLE differing;
UPDATE amount SET v = 5.5 WHERE id = 4;
TABLE differing;
SELECT k, sum, avg FROM amounts;
DELETE FROM amount WHERE id = 1;
UPDATE amount SET v = 'NaN';
TABLE differing;
DELETE FROM amount;
TABLE amounts_partials;
TABLE differing;

--
-- Huge and tiny
--
INSERT INTO amount VALUES (1, 1, 1e1000, 0), (2, 1, 1, 0), (3, 1, 1e-1000, 0);
TABLE differing;
DELETE FROM amount WHERE id = 1;
TABLE differing;
SELECT length(sum::text) FROM amounts;
DELETE FROM amount WHERE id = 3;
TABLE differing;
SELECT sum FROM amounts;
INSERT INTO amount VALUES (4, 1, 1e131000, 0), (5, 1, 3.0 / 7, 0), (6, 1, 1e-16000, 0);
TABLE differing;
DELETE FROM amount WHERE id IN (4, 6);
TABLE differing;
SELECT sum FROM amounts;
TRUNCATE amount;
-- a sum that is out of range is an error for who reads it, as from the query, and comes back
CREATE TABLE extreme (id int, v numeric);
SELECT gymstream.create_rollup('extremes', 'SELECT sum(v) FROM extreme');
INSERT INTO extreme VALUES (1, 6e131071);
INSERT INTO extreme VALUES (2, 6e131071);
SELECT refused('SELECT sum(v) FROM extreme');
SELECT refused('TABLE extremes');
INSERT INTO extreme VALUES (3, -6e131071);
TABLE differing;
SELECT length(sum::text) FROM extremes;

--
-- Integers
--
CREATE TABLE number (id int, k int, s smallint, i int, b bigint);
SELECT gymstream.create_rollup('numbers', $$
	SELECT k, sum(s) AS s, avg(s) AS avs, sum(i) AS i, avg(i) AS avi, sum(b) AS b, avg(b) AS avb, count(b),
		sum(s + i) AS si, sum(b * 2 - 1) FILTER (WHERE i > 0) AS f, sum(k) AS kk
	FROM number GROUP BY k $$);
SELECT gymstream.create_rollup('all_numbers', 'SELECT sum(s) AS s, avg(s) AS avs, sum(i) AS i, avg(i) AS avi, sum(b) AS b, avg(b) AS avb FROM number');
TABLE differing;
TABLE all_numbers;
INSERT INTO number VALUES (1, 1, 32767, 2147450000, 4000000000000000000), (2, 1, -32768, -2147450000, -4600000000000000000),
	(3, 2, 32767, 2147450000, 0), (4, 2, 0, 0, NULL), (5, 3, NULL, NULL, NULL);
TABLE differing;
SELECT * FROM numbers ORDER BY k;
UPDATE number SET s = -5, i = i / 2, b = b + 7;
TABLE differing;
UPDATE number SET b = 4611686018427387904 - id;
INSERT INTO number SELECT 5 + g, 1, -1, -1, 4611686018427387904 - g FROM generate_series(1, 50) g;
TABLE differing;
SELECT b FROM all_numbers;
UPDATE number SET b = -b;
TABLE differing;
SELECT b, avb FROM all_numbers;
DELETE FROM number WHERE id > 5;
TABLE differing;
UPDATE number SET s = NULL WHERE k = 1;
TABLE differing;
DELETE FROM number;
TABLE differing;
TABLE all_numbers;
TABLE numbers_partials;
-- a bigint sum of ints that is out of range is out of range for the query too
CREATE TABLE word (b int);
SELECT gymstream.create_rollup('words', 'SELECT sum(b) FROM word');
INSERT INTO word VALUES (2147483647);
SELECT FROM tamper('words_partials', $$UPDATE words_partials SET "sum(b)" = 9223372036854775807 - 5, "count(b)" = 4294967298, "count(*)" = 4294967298$$);
INSERT INTO word VALUES (7);
SELECT refused('SELECT * FROM words');
INSERT INTO word VALUES (-3);
SELECT * FROM words;

--
-- The state's type
--
SELECT '{"sum":12.50,"count":3,"scales":{"2":3}}'::gymstream_internal.numeric_sum;
SELECT gymstream_internal.numeric_sum_total('{"sum":12.50,"count":3,"scales":{"3":3}}');
SELECT gymstream_internal.numeric_sum_average('{"sum":12.50,"count":4,"scales":{"1":1,"3":3}}');
SELECT gymstream_internal.numeric_sum_agg(v) FROM (VALUES (1.0), (NULL), ('NaN'), ('-Infinity'), (2.25)) t (v);
SELECT gymstream_internal.numeric_sum_agg(v) FROM (VALUES (1.0)) t (v) WHERE false;
SELECT gymstream_internal.numeric_sum_total('{"sum":0,"count":0,"scales":{}}') IS NULL;
SELECT gymstream_internal.numeric_sum_add('{"sum":12.50,"count":3,"scales":{"2":3}}', '{"sum":-12.50,"count":-3,"scales":{"2":-3}}');
SELECT refused(format('SELECT %L::gymstream_internal.numeric_sum', bad)) FROM (VALUES (''), ('{}'), ('{"sum":NaN,"scales":{}}'), ('{"sum":1,"scales":{"2":0}}'),
	('{"sum":1,"scales":{"2":1,"1":1}}'), ('{"sum":1,"scales":{"2":1},}'), ('{"sum":1,"scales":{"2":1,}}'), ('{"sum":x,"scales":{}}'), ('{"sum":1,"scales":{"-2":1}}'),
	('{"sum":1,"scales":{"2":1}} ')) t (bad);


--
-- Beyond the range of numeric: writing succeeds, and reading shows what sum() shows, or fails as that does
--
DROP VIEW derived;
DROP VIEW words;
TRUNCATE amount;
INSERT INTO amount VALUES (1, 1, 9e131071, 0), (2, 1, 9e131071, 0), (3, 2, -9e131071, 0), (4, 2, -9e131071, 0), (5, 3, 9e131071, 0), (6, 3, -9e131071, 0);
SELECT sum(v) FROM amount WHERE k = 1;
SELECT sum FROM amounts WHERE k = 1;
SELECT avg(v) FROM amount WHERE k = 2;
SELECT avg FROM amounts WHERE k = 2;
SELECT sum(v), avg(v) FROM amount WHERE k = 3;
SELECT sum, avg FROM amounts WHERE k = 3;
SELECT sum(v), avg(v) FROM amount;
SELECT sum, avg FROM all_amounts;
-- and comes back
DELETE FROM amount WHERE id IN (1, 4);
SELECT k, sum = sign(sum) * 9e131071, scale(sum), avg = sum FROM amounts WHERE k < 3 ORDER BY k;
TABLE differing;
UPDATE amount SET v = v / 9 * 5 WHERE k < 3;
INSERT INTO amount SELECT i, 4, 4.99e131071 * (1 - i % 3), 0 FROM generate_series(10, 30) i;
TABLE differing;
INSERT INTO amount SELECT i, 5, 1e131071 + 0.25, 0 FROM generate_series(40, 52) i;
DELETE FROM amount WHERE id BETWEEN 44 AND 52;
TABLE differing;
DELETE FROM amount WHERE k = 5;
TABLE differing;
SELECT count(*) FROM amounts_partials WHERE k = 5;

-- as text: what is beyond half of the range stands beside the sum
CREATE VIEW sums AS SELECT regexp_replace(gymstream_internal.numeric_sum_agg(x)::text, '(0|9){100,}', '<many \1>', 'g') AS text,
	gymstream_internal.numeric_sum_agg(x)::text::gymstream_internal.numeric_sum::text = gymstream_internal.numeric_sum_agg(x)::text AS same
	FROM (VALUES (1, 9e131071), (1, 9e131071), (2, 9e131071), (2, -9e131071), (3, -5e131071), (4, 5e131071), (4, -1), (5, -5e131071), (5, 1), (6, 9e131071), (6, -4e131071)) v (k, x)
	GROUP BY k ORDER BY k;
TABLE sums;
SELECT regexp_replace('{"sum":-9e131071,"count":1,"scales":{"0":1}}'::gymstream_internal.numeric_sum::text, '0{100,}', '<many 0>');
SELECT gymstream_internal.numeric_sum_total('{"sum":1,"excess":1,"count":1,"scales":{"0":1}}') = 5e131071 + 1;
SELECT gymstream_internal.numeric_sum_total('{"sum":-1,"excess":1,"count":1,"scales":{"0":1}}') = 5e131071 - 1;
SELECT gymstream_internal.numeric_sum_total('{"sum":0,"excess":2,"count":1,"scales":{"0":1}}');
SELECT gymstream_internal.numeric_sum_add('{"sum":0,"excess":9223372036854775807,"count":1,"scales":{"0":1}}', '{"sum":0,"excess":1,"count":1,"scales":{"0":1}}');
-- counts that do not fit
SELECT gymstream_internal.numeric_sum_add('{"sum":0,"count":9223372036854775807,"scales":{"0":9223372036854775807}}', '{"sum":0,"count":1,"scales":{"0":1}}');
SELECT gymstream_internal.numeric_sum_add('{"sum":0,"count":9223372036854775807,"scales":{"0":9223372036854775807}}', '{"sum":0,"count":1,"scales":{"1":1}}');
SELECT gymstream_internal.numeric_sum_accumulate('{"sum":0,"count":9223372036854775807,"scales":{"0":9223372036854775807}}', 1);
SELECT gymstream_internal.numeric_sum_average('{"sum":1,"count":-9223372036854775808,"scales":{"0":-9223372036854775808}}');

-- what the text cannot be
CREATE FUNCTION read_as(type regtype, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT %L::%s::text', value, type) INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT text, read_as('gymstream_internal.numeric_sum', text) FROM (VALUES
	('{"sum":1,"count":1,"scales":{"4294967297":1}}'), ('{"sum":1,"count":1,"scales":{"16383":1}}'), ('{"sum":1,"count":1,"scales":{"16384":1}}'),
	('{"sum":1,"count":1,"scales":{"-1":1}}'), ('{"sum":1,"count":1,"scales":{"-4":1}}'), ('{"sum":1,"count":1,"scales":{" 1":1}}'), ('{"sum":1,"count":1,"scales":{"+1":1}}'),
	('{"sum":1,"count":1,"scales":{"1":0}}'), ('{"sum":1,"count":1,"scales":{"1": 1}}'), ('{"sum":1,"count":1,"scales":{"1":9223372036854775808}}'),
	('{"sum":1,"count":1,"scales":{"1":1,"1":1}}'), ('{"sum":1,"count":1,"scales":{"2":1,"1":1}}'), ('{"sum":1,"count":1,"scales":{"1":1,"NaN":1}}'),
	('{"sum":1,"count":1,"scales":{"1":9223372036854775807,"2":1}}'), ('{"sum":1,"count":1,"scales":{"1":1,}}'), ('{"sum":1,"count":1,"scales":{,"1":1}}'),
	('{"sum":1,"count":1,"scales":{"1":1}'), ('{"sum":1,"count":1,"scales":{"1":1}}x'), ('{"sum":1,"count":,"scales":{"1":1}}'), ('{"sum":1,"scales":{"1":1}}'),
	('{"sum":NaN,"count":1,"scales":{"1":1}}'), ('{"sum":Infinity,"count":1,"scales":{"1":1}}'), ('{"sum":,"count":1,"scales":{"1":1}}'), ('{"sum":1e131072,"count":1,"scales":{"1":1}}'),
	('{"sum":1,"excess":9223372036854775808,"count":1,"scales":{"1":1}}'), ('{"sum":-9e131071,"excess":-9223372036854775808,"count":1,"scales":{"1":1}}'), ('')) v (text);
DROP SCHEMA test_numeric CASCADE;
