-- Variance and deviation to the digit that the server gives; regression and correlation as Python's fractions give them.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_statistics;
SET search_path = test_statistics, public;

-- EXCEPT takes 1.0 and 1.00 for equal: compare texts
CREATE FUNCTION differing() RETURNS TABLE (rollup regclass, what text, line text) LANGUAGE plpgsql AS $$
DECLARE
	r gymstream_internal.rollup;
BEGIN
	FOR r IN SELECT * FROM gymstream_internal.rollup WHERE gymstream_internal.rollup_query(gymstream_internal.rollup.rollup) LIKE '%_definition' LOOP
		RETURN QUERY EXECUTE format('SELECT %3$L::regclass, ''missing'', d::text FROM %2$s d EXCEPT ALL SELECT %3$L, ''missing'', v::text FROM %1$s v',
			r.rollup, r.definition, r.rollup);
		RETURN QUERY EXECUTE format('SELECT %3$L::regclass, ''unexpected'', v::text FROM %1$s v EXCEPT ALL SELECT %3$L, ''unexpected'', d::text FROM %2$s d',
			r.rollup, r.definition, r.rollup);
	END LOOP;
END
$$;
CREATE VIEW differing AS SELECT * FROM differing();

CREATE TABLE sample (id int, k int, i2 int2, i4 int4, i8 int8, n numeric);
SELECT gymstream.create_rollup('whole', $$ SELECT k, variance(i2) v2, var_pop(i2) vp2, stddev(i2) s2, stddev_pop(i2) sp2, var_samp(i4) v4, var_pop(i4) vp4,
	stddev_samp(i4) s4, stddev_pop(i4) sp4, variance(i8) v8, var_pop(i8) vp8, stddev(i8) s8, stddev_pop(i8) sp8 FROM sample GROUP BY k $$);
SELECT gymstream.create_rollup('decimals', $$ SELECT k, variance(n), var_pop(n), stddev(n), stddev_pop(n), sum(n), avg(n), count(n),
	stddev(n) FILTER (WHERE i4 > 0) AS plus FROM sample GROUP BY k $$);
SELECT gymstream.create_rollup('all_samples', 'SELECT variance(n), var_pop(n) AS p, stddev(i8) AS s, variance(i4 / 2 + i2) AS expression FROM sample');
TABLE all_samples;
TABLE differing;
INSERT INTO sample VALUES (1, 1, 5, 5, 5, 5);
TABLE differing;
TABLE whole;
INSERT INTO sample VALUES (2, 1, NULL, NULL, NULL, NULL);
TABLE differing;
INSERT INTO sample VALUES (3, 1, 5, 5, 5, 5.00);
TABLE differing;
INSERT INTO sample VALUES (4, 1, -32768, -2147483648, '-9223372036854775808', 1e20), (5, 1, 32767, 2147483647, 9223372036854775807, 1e-20);
TABLE differing;
SELECT * FROM decimals;
DELETE FROM sample WHERE id = 5;
TABLE differing;
INSERT INTO sample SELECT 100 + i, i % 5, i, i * 1000, i * 1000000007::int8, round(i * 1.23456789, i % 9) FROM generate_series(1, 400) i;
TABLE differing;
UPDATE sample SET n = n / 7, i8 = -i8, k = k + 1 WHERE id % 3 = 0;
TABLE differing;
DELETE FROM sample WHERE id % 4 < 3;
TABLE differing;
INSERT INTO sample VALUES (6, 2, 1, 1, 1, 'NaN'), (7, 3, 1, 1, 1, 'Infinity'), (8, 4, 1, 1, 1, '-Infinity'), (9, 4, 1, 1, 1, 'Infinity'), (10, 77, 1, 1, 1, 'Infinity');
TABLE differing;
SELECT k, var_pop, stddev FROM decimals WHERE k = 77;
DELETE FROM sample WHERE id < 11;
TABLE differing;
DELETE FROM sample;
INSERT INTO sample SELECT i, 0, 0, 0, 0, v FROM (VALUES (1, 1e-200), (2, 1.5e200), (3, 1e-3)) x (i, v);
TABLE differing;
TABLE inexact;
DELETE FROM sample WHERE id = 2;
TABLE differing;
DELETE FROM sample;
TABLE whole_partials;
TABLE differing;

--
-- Floating point numbers
--
CREATE TABLE point (id int, k int, x float8, y float8, keep bool);
SELECT gymstream.create_rollup('lines', $$ SELECT k, regr_count(y, x) AS n, regr_avgx(y, x) AS avgx, regr_avgy(y, x) AS avgy, regr_sxx(y, x) AS sxx,
	regr_syy(y, x) AS syy, regr_sxy(y, x) AS sxy, regr_slope(y, x) AS slope, regr_intercept(y, x) AS intercept, regr_r2(y, x) AS r2, corr(y, x),
	covar_pop(y, x), covar_samp(y, x), var_pop(x), var_samp(x), stddev_pop(x), stddev_samp(x) FROM point GROUP BY k $$);
SELECT gymstream.create_rollup('one_line', 'SELECT regr_slope(y, x) FILTER (WHERE k < 3) AS slope, regr_count(y, x) AS n, stddev(k::real) AS s FROM point');
TABLE one_line;
CREATE TABLE expected (LIKE lines);
INSERT INTO expected VALUES
	(1, 8, 0.20895295275384354, -0.11500200870504024, 2.6392497854961214, 1.877644387383579, 0.765206442714655, 0.2899333162475991, -0.17558443123669, 0.11815807244493172, 0.34374128708220625, 0.09565080533933187, 0.10931520610209357, 0.3299062231870152, 0.37703568364230305, 0.5743746366153498, 0.6140323148192635),
	(2, 8, 3.625, 4.125, 55.875, 54.875, -1.625, -0.029082774049217, 4.230425055928412, 0.0008612210994073372, -0.0293465687842265, -0.203125, -0.23214285714285715, 6.984375, 7.982142857142857, 2.6427968139832467, 2.825268634509444),
	(3, 8, 1000000000.481841, 5.38000779038233e-10, 0.40389582027827764, 1.1078985725865783e-18, 3.1318760119645967e-10, 7.754167918367625e-10, -0.7754167916723893, 0.21919960091277418, 0.4681875702245567, 3.914845014955746e-11, 4.474108588520852e-11, 0.050486977534784705, 0.057699402896896804, 0.22469307406946193, 0.24020700009969903),
	(4, 8, 0.1, 0.4300981450441359, 0.0, 0.9177423358326188, 0.0, NULL, NULL, NULL, NULL, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
	(5, 8, 0.4873948588171013, 0.1, 0.4740418514447749, 0.0, 0.0, 0.0, 0.1, 1.0, NULL, 0.0, 0.0, 0.05925523143059686, 0.0677202644921107, 0.24342397464218035, 0.2602311750965105),
	(6, 8, 2.213096782676101e+87, 1.2151202307416145e+28, 2.682723523476066e+176, 8.268496176161085e+57, -2.151342938575127e+116, -8.019249541553886e-61, 1.3925939843405117e+28, 0.020864925745062927, -0.14444696516390687, -2.689178673218909e+115, -3.073347055107324e+115, 3.3534044043450824e+175, 3.83246217639438e+175, 5.79085866201644e+87, 6.190688310999335e+87),
	(7, 1, 0.1, 0.3, 0.0, 0.0, 0.0, NULL, NULL, NULL, NULL, 0.0, NULL, 0.0, NULL, 0.0, NULL);
INSERT INTO point VALUES
	(1, 1, 0.7825129788231151, -0.430942466500974, true),
	(2, 1, 0.22662545990652383, -0.4176573810876465, true),
	(3, 1, -0.06887850897687442, 0.6019103224730085, false),
	(4, 1, -0.07149889869517057, -0.5389369944733549, true),
	(5, 1, -0.8498638518166395, 0.03902772293271228, true),
	(6, 1, 0.7620770299562882, -0.4520283837300958, false),
	(7, 1, 0.8793545657490538, 0.2188869422188593, true),
	(8, 1, 0.5369691265296721, 0.8753607188592258, true),
	(9, 1, -0.6310983415880731, -0.9425303330443715, false),
	(10, 1, -0.4270419884901928, -0.7172861089138185, true),
	(11, 1, 0.5945662300243864, 0.05153149732467455, true),
	(12, 1, 0.9105528351876022, 0.9455594659561131, false),
	(13, 2, 2.0, 8.0, true),
	(14, 2, 3.0, 2.0, true),
	(15, 2, 3.0, 1.0, false),
	(16, 2, 7.0, 5.0, true),
	(17, 2, 3.0, 7.0, true),
	(18, 2, 6.0, 0.0, false),
	(19, 2, 0.0, 0.0, true),
	(20, 2, 8.0, 3.0, true),
	(21, 2, 4.0, 7.0, false),
	(22, 2, 1.0, 6.0, true),
	(23, 2, 5.0, 2.0, true),
	(24, 2, 3.0, 0.0, false),
	(25, 3, 1000000000.74697, 1.3626830064866815e-10, true),
	(26, 3, 1000000000.2619705, 1.6523333620007354e-11, true),
	(27, 3, 1000000000.7717586, 7.792171500359316e-10, false),
	(28, 3, 1000000000.6763034, 9.58268714190619e-10, true),
	(29, 3, 1000000000.8166299, 9.400740173057747e-10, true),
	(30, 3, 1000000000.5653746, 1.28107524623301e-10, false),
	(31, 3, 1000000000.2611687, 5.453038579561265e-10, true),
	(32, 3, 1000000000.192734, 1.4395355160751744e-10, true),
	(33, 3, 1000000000.7735142, 8.838917532780825e-10, false),
	(34, 3, 1000000000.4716797, 6.056352754558074e-10, true),
	(35, 3, 1000000000.4272718, 9.57979181521344e-10, true),
	(36, 3, 1000000000.3826975, 5.584199280294973e-10, false),
	(37, 4, 0.1, 0.022046896302942542, true),
	(38, 4, 0.1, 0.5076237198200988, true),
	(39, 4, 0.1, 0.049435611468474194, false),
	(40, 4, 0.1, 0.02984798616439277, true),
	(41, 4, 0.1, 0.26229835243344124, true),
	(42, 4, 0.1, 0.12812281879447662, false),
	(43, 4, 0.1, 0.5653706721209112, true),
	(44, 4, 0.1, 0.9598950356586714, true),
	(45, 4, 0.1, 0.7669850624655347, false),
	(46, 4, 0.1, 0.8864269864185299, true),
	(47, 4, 0.1, 0.2072755114340995, true),
	(48, 4, 0.1, 0.778547572273355, false),
	(49, 5, 0.1377664395991116, 0.1, true),
	(50, 5, 0.6761342729789233, 0.1, true),
	(51, 5, 0.38213340017597686, 0.1, false),
	(52, 5, 0.20288046617629452, 0.1, true),
	(53, 5, 0.5391999449843805, 0.1, true),
	(54, 5, 0.4025353603413878, 0.1, false),
	(55, 5, 0.570380440381092, 0.1, true),
	(56, 5, 0.3802175379674444, 0.1, true),
	(57, 5, 0.4979458910172522, 0.1, false),
	(58, 5, 0.9481819233576367, 0.1, true),
	(59, 5, 0.44439784509192737, 0.1, true),
	(60, 5, 0.2638225627226427, 0.1, false),
	(61, 6, 1.934772495816226e+70, 12018.12170716736, true),
	(62, 6, 7.7815348413960515e-56, 1.1609247105326831e-10, true),
	(63, 6, 9.890401455448443e+79, 3.0737313466124654e-50, false),
	(64, 6, 1.7533551092979716e+88, 1.502534463671941e-34, true),
	(65, 6, 742631848700.3005, 2.4283716691619783e+19, true),
	(66, 6, 1.4470551056578069e-84, 1.9927520972894078e-05, false),
	(67, 6, 1.7122316842909215e+86, 0.010563132804646838, true),
	(68, 6, 3.051913112835935e-86, 0.1501676325584775, true),
	(69, 6, 3.1603148912722385e-59, 6.073009928474064e-53, false),
	(70, 6, 1.8477074165131503e-53, 9.720961843504545e+28, true),
	(71, 6, 1.8340302665554035e-54, 1.625734361478997e-55, true),
	(72, 6, 4.796859386179693e-61, 9.742189953099064e-31, false),
	(73, 7, 0.1, 0.3, true);
CREATE VIEW wrong AS SELECT * FROM (TABLE expected EXCEPT TABLE lines) d UNION ALL SELECT * FROM (TABLE lines EXCEPT TABLE expected) d;
TABLE inexact;
DELETE FROM point WHERE NOT keep;
TABLE inexact;
SELECT count(*) FROM expected;
TABLE wrong;
INSERT INTO point SELECT id, k, x * 1e10, y - 1e10, NULL FROM point;
INSERT INTO point SELECT id, k, v, v, NULL FROM point, unnest(ARRAY['NaN', 'Infinity']::float8[]) v WHERE keep IS NULL;
TABLE inexact;
DELETE FROM point WHERE keep IS NULL;
TABLE wrong;
UPDATE point SET k = k + 10, x = x + 1;
UPDATE point SET k = k - 10, x = NULL;
TABLE inexact;
-- what is not finite, by the server
TRUNCATE point, expected;
-- but for the last digits, which the server gives as it comes
CREATE VIEW unlike AS
	WITH ours (k, n, a, b, c, d, e, f, g, h, i, j, l, m, o, p, q) AS (SELECT k, n,
		round(avgx::numeric, 9), round(avgy::numeric, 9), round(sxx::numeric, 9), round(syy::numeric, 9), round(sxy::numeric, 9),
		round(slope::numeric, 9), round(intercept::numeric, 9), round(r2::numeric, 9),
		round(corr::numeric, 9), round(covar_pop::numeric, 9), round(covar_samp::numeric, 9), round(var_pop::numeric, 9), round(var_samp::numeric, 9), round(stddev_pop::numeric, 9), round(stddev_samp::numeric, 9) FROM lines),
	theirs (k, n, a, b, c, d, e, f, g, h, i, j, l, m, o, p, q) AS (SELECT k, n,
		round(avgx::numeric, 9), round(avgy::numeric, 9), round(sxx::numeric, 9), round(syy::numeric, 9), round(sxy::numeric, 9),
		round(slope::numeric, 9), round(intercept::numeric, 9), round(r2::numeric, 9),
		round(corr::numeric, 9), round(covar_pop::numeric, 9), round(covar_samp::numeric, 9), round(var_pop::numeric, 9), round(var_samp::numeric, 9), round(stddev_pop::numeric, 9), round(stddev_samp::numeric, 9) FROM lines_definition)
	SELECT * FROM (TABLE ours EXCEPT TABLE theirs) d UNION ALL SELECT * FROM (TABLE theirs EXCEPT TABLE ours) d;
INSERT INTO point (id, k, x, y) VALUES (1, 1, 'NaN', 1), (2, 2, 1, 'NaN'), (3, 3, 'Infinity', 1), (4, 4, 2, '-Infinity'), (5, 5, 1, NULL), (6, 6, NULL, 1),
	(7, 7, 'Infinity', 1), (8, 7, '-Infinity', 1), (9, 8, 'Infinity', 'NaN'), (10, 9, 0, 0), (11, 10, -0.0, 0);
TABLE unlike;
INSERT INTO point (id, k, x, y) SELECT id + 100, k, 1, 2 FROM point;
TABLE unlike;
INSERT INTO point (id, k, x, y) SELECT id + 200, k, 3, 2 FROM point WHERE id < 100;
TABLE unlike;
INSERT INTO point (id, k, x, y) SELECT id + 300, k, 5, 6 FROM point WHERE id < 100;
TABLE unlike;
DELETE FROM point WHERE id < 100;
TABLE unlike;
TRUNCATE point;
-- overflow is an error of whoever reads it
INSERT INTO point (k, x, y) VALUES (1, 1e200, 1e-200), (1, -1e200, 1e-200);
SELECT refused('SELECT sxx FROM lines');
SELECT refused('SELECT var_pop FROM lines');
SELECT stddev_pop, avgx, sxy, syy FROM lines;
SELECT refused($$ SELECT gymstream_internal.statistic('median', 1, 1, 1) $$);
SELECT refused($$ SELECT gymstream_internal.statistic('median', 1, '{"sum":1,"exact":"0x1p0"}'::gymstream_internal.float_sum, '{"sum":1,"exact":"0x1p0"}') $$);
DROP SCHEMA test_statistics CASCADE;
