-- Sums of floating point numbers are the true sum, rounded once: the expected values are those of Python's fractions.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_float;
SET search_path = test_float, public;

CREATE TABLE measure (id serial, k int, v float8, keep bool);
SELECT gymstream.create_rollup('measures', 'SELECT k, sum(v), avg(v), count(*) FROM measure GROUP BY k');
CREATE TABLE expected (k int, name text, sum float8, avg float8, count bigint);
INSERT INTO expected VALUES
	(1, 'ones, and what hides them', 2.0, 0.5, 4),
	(2, 'tenths', 4.000000000000001, 0.21052631578947373, 19),
	(3, 'any exponent', -5.868631008469632e+293, -2.44526292019568e+292, 24),
	(4, 'denormal', -6.4e-323, -5e-324, 13),
	(5, 'cancelling', 9.7, 0.29393939393939394, 33),
	(6, 'halves of the last bit', 2.0000000000000004, 0.4000000000000001, 5),
	(7, 'the largest', -1.7976931348623157e+308, -1.9974368165136842e+307, 9);
INSERT INTO measure (k, v, keep) VALUES
	(1, 1e+16, true),
	(1, 1.0, true),
	(1, -1e+16, true),
	(1, 1.0, true),
	(2, -2.8000000000000003, true),
	(2, 3.6, true),
	(2, -5.0, false),
	(2, -4.5, true),
	(2, 3.6, true),
	(2, 3.8000000000000003, true),
	(2, -3.3000000000000003, true),
	(2, 2.7, false),
	(2, 0.9, true),
	(2, 1.2000000000000002, false),
	(2, -3.0, false),
	(2, 4.7, false),
	(2, 0.6000000000000001, true),
	(2, 0.4, false),
	(2, 4.9, true),
	(2, 2.2, false),
	(2, -1.9000000000000001, false),
	(2, -4.1000000000000005, true),
	(2, 4.2, false),
	(2, -5.0, true),
	(2, 2.4000000000000004, true),
	(2, 2.1, true),
	(2, -4.3, false),
	(2, -3.2, false),
	(2, 3.1, false),
	(2, 0.7000000000000001, false),
	(2, -1.3, false),
	(2, -4.7, false),
	(2, 4.6000000000000005, true),
	(2, 4.0, false),
	(2, 1.9000000000000001, true),
	(2, -0.5, true),
	(2, 2.5, false),
	(2, -1.8, true),
	(2, -4.1000000000000005, true),
	(2, -4.1000000000000005, false),
	(2, 1.7000000000000002, true),
	(2, -1.8, false),
	(2, 3.2, false),
	(2, -3.0, false),
	(3, -3.6199888485391993e+74, true),
	(3, -0.001062952220924012, false),
	(3, 734.1375532979919, false),
	(3, -2.820855232204934e-151, true),
	(3, 6.978581058756086e-288, true),
	(3, -2.7346284456725118e-136, true),
	(3, 4.188207141996345e+27, true),
	(3, 4.976885248613528e+251, true),
	(3, 9.338355400216597e+267, true),
	(3, -9.710118248354329e+203, false),
	(3, -9.341749745832259e-87, false),
	(3, 3.3822824539333073e-101, true),
	(3, -1.399504603936907e+283, false),
	(3, 1.456273939328648e-85, true),
	(3, 1.5881512412858447e-229, true),
	(3, -1.3735814598127192e+208, true),
	(3, -3.1957274906549985e-189, true),
	(3, -4.192056900646729e+271, true),
	(3, 3.578267106727073e+187, true),
	(3, 8.971702377256892e-205, false),
	(3, -1.7330205258087764e+283, false),
	(3, -7.719832996454997e+125, false),
	(3, -2.7297893800438396e-149, false),
	(3, 2.3394935232664767e+254, false),
	(3, 3.541991036627728e+76, false),
	(3, -3.6806379205494694e+174, true),
	(3, -5.868631008469632e+293, true),
	(3, 4.023546048217093e-214, false),
	(3, -3.7548632609090085e-152, false),
	(3, 1.2292335329312388e+16, true),
	(3, -5.614478694851824e+213, true),
	(3, 1.782389465029636e-230, true),
	(3, -3.34280567395804e+219, true),
	(3, 1.02667926e-315, false),
	(3, -6.453191580382336e+27, false),
	(3, 7.784737763285085e+157, true),
	(3, -9.886424422738368e+177, true),
	(3, -3.665738351065765e-55, true),
	(3, -26226371474374.75, false),
	(3, -4.0727566968933276e+128, true),
	(4, -5e-324, false),
	(4, -4.4e-323, false),
	(4, 1e-323, false),
	(4, -4.4e-323, true),
	(4, 3e-323, false),
	(4, 5e-324, false),
	(4, 4.4e-323, true),
	(4, 1.5e-323, true),
	(4, -4.4e-323, true),
	(4, -2.5e-323, true),
	(4, -1.5e-323, true),
	(4, -1e-323, false),
	(4, -1.5e-323, true),
	(4, 4e-323, true),
	(4, 1.5e-323, true),
	(4, -2.5e-323, true),
	(4, -4e-323, true),
	(4, 4.4e-323, true),
	(4, -1.5e-323, true),
	(4, -4e-323, false),
	(5, 1.0, false),
	(5, 1e+32, true),
	(5, 1e-300, true),
	(5, 1e-300, false),
	(5, 1.0, true),
	(5, 0.1, false),
	(5, 1.0, true),
	(5, -1e+32, false),
	(5, 1e+32, true),
	(5, 1.0, true),
	(5, 0.1, true),
	(5, 0.1, false),
	(5, 1.0, true),
	(5, -1e+32, false),
	(5, 1e+32, true),
	(5, 0.1, false),
	(5, -1e+32, false),
	(5, 1.0, true),
	(5, -1e+32, false),
	(5, 1e+32, true),
	(5, 1e-300, false),
	(5, -1e+32, true),
	(5, 1e-300, false),
	(5, 1e+32, true),
	(5, 1e-300, true),
	(5, 1e+32, true),
	(5, 1.0, false),
	(5, 0.1, true),
	(5, -1e+32, false),
	(5, 0.1, true),
	(5, 0.1, true),
	(5, 1.0, false),
	(5, 1e-300, true),
	(5, 1e-300, false),
	(5, 0.1, false),
	(5, -1e+32, false),
	(5, -1e+32, true),
	(5, 0.1, true),
	(5, 1e+32, false),
	(5, -1e+32, true),
	(5, -1e+32, false),
	(5, 1e-300, true),
	(5, -1e+32, true),
	(5, 1.0, false),
	(5, 1.0, true),
	(5, 1.0, true),
	(5, 0.1, false),
	(5, 0.1, false),
	(5, -1e+32, false),
	(5, 1.0, true),
	(5, -1e+32, true),
	(5, 0.1, true),
	(5, 0.1, true),
	(5, 1e+32, false),
	(5, 1e-300, false),
	(5, 1e-300, true),
	(5, 1.0, false),
	(5, 1.0, true),
	(5, 1e-300, false),
	(5, -1e+32, true),
	(6, 1.6653345369377348e-16, false),
	(6, 2.465190328815662e-32, true),
	(6, 1.0, true),
	(6, 1.6653345369377348e-16, false),
	(6, 1.0, false),
	(6, 1.6653345369377348e-16, true),
	(6, 1.1102230246251565e-16, false),
	(6, 1.6653345369377348e-16, true),
	(6, 1.0, true),
	(7, -1.7976931348623157e+308, true),
	(7, -1.7976931348623157e+308, true),
	(7, -1.7976931348623157e+308, false),
	(7, -1.7976931348623157e+308, false),
	(7, -1.7976931348623157e+308, false),
	(7, -1.7976931348623157e+308, true),
	(7, 1.7976931348623157e+308, false),
	(7, -1.7976931348623157e+308, true),
	(7, -1.7976931348623157e+308, true),
	(7, 1.7976931348623157e+308, true),
	(7, 1.7976931348623157e+308, true),
	(7, 1.7976931348623157e+308, true),
	(7, 1.7976931348623157e+308, true);
DELETE FROM measure WHERE NOT keep;
TABLE inexact;
CREATE VIEW wrong AS SELECT * FROM (SELECT k, sum, avg, count FROM expected EXCEPT SELECT * FROM measures) d
	UNION ALL SELECT * FROM (SELECT * FROM measures EXCEPT SELECT k, sum, avg, count FROM expected) d;
SELECT count(*) FROM expected;
TABLE wrong;
-- the same in any order, in any number of statements and transactions, with others coming and going
UPDATE measure SET v = v, k = k + 100;
UPDATE measure SET k = k - 100;
TABLE wrong;
DO $$ DECLARE m record; BEGIN
	FOR m IN SELECT * FROM measure ORDER BY id DESC LOOP
		INSERT INTO measure (k, v) SELECT m.k, w FROM unnest(ARRAY[1e300, -3e-300, 'NaN', 'Infinity', '-Infinity']::float8[]) w;
		DELETE FROM measure WHERE k = m.k AND keep IS NULL;
		UPDATE measure SET v = v * 2 WHERE id = m.id AND abs(v) < 1;
		UPDATE measure SET v = v / 2 WHERE id = m.id AND abs(m.v) < 1;
	END LOOP;
END $$;
TABLE wrong;
SELECT gymstream.rebuild_rollup('measures');
TABLE wrong;

--
-- One by one
--
CREATE TABLE one (v float8, r real, k int DEFAULT 0);
SELECT gymstream.create_rollup('total', 'SELECT sum(v) AS v, avg(v) AS a, sum(r) AS r, avg(r) AS ar, sum(v) FILTER (WHERE k > 0) AS plus FROM one');
TABLE total;
INSERT INTO one VALUES (1e16), (1);
DELETE FROM one WHERE v = 1e16;
TABLE total;
INSERT INTO one VALUES (1e32), (-1e16), (-1e32);
TABLE total;
DELETE FROM one WHERE v < 0;
TABLE total;
DELETE FROM one WHERE v > 1;
INSERT INTO one (v) VALUES (NULL);
TABLE total;
INSERT INTO one VALUES ('NaN');
TABLE total;
INSERT INTO one VALUES ('Infinity'), ('Infinity');
TABLE total;
DELETE FROM one WHERE v = 'NaN';
TABLE total;
INSERT INTO one VALUES ('-Infinity', '-Infinity');
TABLE total;
TABLE inexact;
DELETE FROM one WHERE v = '-Infinity';
DELETE FROM one WHERE ctid = (SELECT min(ctid) FROM one WHERE v = 'Infinity');
TABLE total;
DELETE FROM one WHERE v = 'Infinity';
TABLE total;
TABLE inexact;
TRUNCATE one;
INSERT INTO one VALUES (5e-324, 1e-45), (5e-324, 1e-45), (-5e-324, 3e-45);
TABLE total;
DELETE FROM one;
TABLE total;
TABLE total_partials;
-- overflow is an error of whoever reads it
INSERT INTO one VALUES (1.7976931348623157e308, 3.4028235e38), (1.7976931348623157e308, 3.4028235e38);
SELECT refused('SELECT v FROM total');
SELECT refused('SELECT r FROM total');
INSERT INTO one VALUES (-1.7976931348623157e308, -3.4028235e38);
TABLE total;
TABLE inexact;
TRUNCATE one;
-- real: rounded once, not to double precision first; 2^24 + 1 + 2^-60 is above the middle of two reals
INSERT INTO one (r) VALUES (16777216), (1), (8.67361737988403547e-19);
SELECT r FROM total;
DELETE FROM one WHERE r < 1;
SELECT r FROM total;
TRUNCATE one;
-- FILTER, NULL and rolled back changes
INSERT INTO one VALUES (0.1, 0.1, 1), (0.2, 0.2, 0), (NULL, 0.3, 1), (0.3, NULL, 2);
TABLE total;
BEGIN;
SAVEPOINT a;
UPDATE one SET v = v * 1e30, k = -k;
TABLE inexact;
ROLLBACK TO a;
UPDATE one SET v = 0.7 WHERE k = 1;
COMMIT;
TABLE total;
TABLE inexact;

--
-- HAVING, expressions, keys
--
SELECT gymstream.create_rollup('derived', $$ SELECT k % 2 AS odd, round((sum(v) / count(*))::numeric, 6) AS per, sum(v * 2 + 1) AS s, sum(-r) AS r
	FROM one WHERE v IS DISTINCT FROM 0.2 GROUP BY k % 2 HAVING sum(v) > 0.5 OR sum(v) IS NULL $$);
SELECT * FROM derived ORDER BY odd;
-- some servers print a column's table even where there is only one
SELECT regexp_replace(gymstream_internal.rollup_query('derived'), '\mone\.', '', 'g');
SELECT gymstream_internal.rollup_query('one');
INSERT INTO one SELECT i / 7.0, i / 3.0, i FROM generate_series(1, 2000) i;
TABLE inexact;
DELETE FROM one WHERE k % 3 = 0;
TABLE inexact;
-- verify_rollup sees what is wrong
SELECT FROM tamper('total_partials', $$UPDATE total_partials SET "sum(v)" = gymstream_internal.float_sum_accumulate("sum(v)", 1e-9)$$);
SELECT rollup, difference FROM inexact;
SELECT gymstream.rebuild_rollup('total');
TABLE inexact;

--
-- The type
--
SELECT '{"sum":0,"exact":"0x19p-1"}'::gymstream_internal.float_sum, '{"sum":0,"exact":"-0x1p1023","NaN":2,"-Infinity":-1}'::gymstream_internal.float_sum;
SELECT gymstream_internal.float_sum_agg(v) FROM (VALUES (0.1::float8), (1e300), (-1e300), ('Infinity')) x (v);
SELECT gymstream_internal.float_sum_agg(v)::text::gymstream_internal.float_sum::text = gymstream_internal.float_sum_agg(v)::text FROM measure;
SELECT gymstream_internal.float_sum_agg(v, v)::text::gymstream_internal.float_sum::text = gymstream_internal.float_sum_agg(v, v)::text FROM measure;
SELECT refused(format('SELECT %L::gymstream_internal.float_sum', bad)) FROM unnest(ARRAY['', '1', '{"sum":1}', '{"sum":1,"exact":"1p0"}', '{"sum":1,"exact":"0xp0"}',
	'{"sum":1,"exact":"0x1p9999"}', '{"sum":1,"exact":"0x1p-9999"}', '{"sum":1,"exact":"0x1p0"', '{"sum":1,"exact":"0x1p0"}}', '{"sum":1,"exact":"0x1p0","NaN":x}']) bad;
-- powers, digits and counts that overflow what they are read into, or have no room in a sum
CREATE FUNCTION read_as(type regtype, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT %L::%s::text', value, type) INTO result;
	RETURN regexp_replace(result, '0{100,}', '<many 0>');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT exact, read_as('gymstream_internal.float_sum', format('{"sum":0,"exact":"%s"}', regexp_replace(exact, '0\{(\d+)\}', repeat('0', coalesce(substring(exact FROM '0\{(\d+)\}')::int, 0)))))
	FROM unnest(ARRAY['0x1p2147483647', '0x1p-2147483649', '0x1p4294967296', '0x1p99999999999999999999', '0x10{798}1p2147480647',
		'0x1p2199', '0x1p2200', '-0x1p2200', '-0x2p2199', '-0x3p2199', '0x1p-2200', '0x1p-2201', '0x10p-2204', '0x10{1099}p-2200', '0x10{1100}p-2200',
		'0x10{1101}p-2200', '0x0p2200', '0x00p9', '0x1p 1', '0x1p+1', '0x 1p1', '0x1p', '0x1p-', '0x1pe', '- 0x1p1', '+0x1p1', '0x1P1', '0xAp1']) exact;
SELECT counts, read_as('gymstream_internal.float_sum', format('{"sum":0,"exact":"0x0p0"%s}', counts)) FROM unnest(ARRAY[',"NaN":9223372036854775807',
	',"NaN":9223372036854775808', ',"NaN":-9223372036854775808', ',"NaN":+1', ',"NaN": 1', ',"NaN":', ',"Infinity":1,"NaN":1', ',"NaN":0', ',"NaN":1,']) counts;
-- sums that do not fit, and those that just do
SELECT gymstream_internal.float_sum_add('{"sum":0,"exact":"0x1p2199"}', '{"sum":0,"exact":"0x1p2199"}');
SELECT gymstream_internal.float_sum_add('{"sum":0,"exact":"0x1p2199"}', '{"sum":0,"exact":"0x1p2198"}');
SELECT gymstream_internal.float_sum_add('{"sum":0,"exact":"-0x1p2199"}', '{"sum":0,"exact":"-0x1p2199"}');
SELECT gymstream_internal.float_sum_add('{"sum":0,"exact":"-0x1p2200"}', '{"sum":0,"exact":"-0x1p-2200"}');
SELECT gymstream_internal.float_sum_add('{"sum":0,"exact":"0x0p0","NaN":9223372036854775807}', '{"sum":0,"exact":"0x0p0","NaN":1}');
SELECT gymstream_internal.float_sum_accumulate('{"sum":0,"exact":"0x0p0","Infinity":9223372036854775807}', 'Infinity');
SELECT gymstream_internal.float_sum_total('{"sum":0,"exact":"0x1p2199"}');
-- a state of NULL, as in an aggregate that somebody makes without a first one
SELECT gymstream_internal.float_sum_accumulate(NULL, 1) IS NULL, gymstream_internal.float_sum_accumulate(NULL, 1, 1) IS NULL,
	gymstream_internal.microseconds_accumulate(NULL, '1 s') IS NULL, gymstream_internal.numeric_sum_accumulate(NULL, 1) IS NULL,
	gymstream_internal.bit_counts_accumulate(NULL, 1) IS NULL;
DROP SCHEMA test_float CASCADE;
