-- bit_and, bit_or and bit_xor over integers: what the server gives, and no group is ever marked for them.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_bits;
SET search_path = test_bits, public;

--
-- The counts themselves
--
SELECT gymstream_internal.bit_counts_agg(v) FROM (VALUES (5), (3), (NULL), (1)) t (v);
SELECT gymstream_internal.bit_counts_agg(v) FROM (VALUES (-1), (-2)) t (v);
SELECT gymstream_internal.bit_counts_agg(v), gymstream_internal.bit_counts_agg(v) FILTER (WHERE v > 5) FROM generate_series(0, 3) v;
SELECT gymstream_internal.bit_counts_merge(c::gymstream_internal.bit_counts) FROM (VALUES ('[1,0,1,0]'), ('[-1]'), ('[0,1]')) t (c);
-- what goes in as text comes out
SELECT c FROM unnest('{"[]", "[0]", "[0,0]", "[1]", "[-1]", "[1,1,1]", "[7,0]", "[1,2,3,4,5,6,7,8,9,10]", "[9223372036854775807,-9223372036854775808]"}'::text[]) t,
	LATERAL (SELECT t::gymstream_internal.bit_counts AS c) c;
SELECT c::text = v FROM (SELECT '[' || string_agg(i::text, ',') || ']' AS v FROM generate_series(1, 64) i) v, LATERAL (SELECT v::gymstream_internal.bit_counts AS c) c;
SELECT refused(format('SELECT %L::gymstream_internal.bit_counts', c)) FROM unnest('{"", "[", "[]]", "[1,]", "[,1]", "[1 ]", "[+1]", "[-]", "[x]", "[1,2", "[9223372036854775808]"}'::text[]) c;
SELECT refused(format('SELECT %L::gymstream_internal.bit_counts', '[' || repeat('1,', 64) || '1]'));
-- a plane for each binary digit of the counts, as wide as the values need
SELECT v, n, pg_column_size(gymstream_internal.bit_counts_agg(v)) FROM unnest('{0, 1, -128, 128, -32768, 65536, 2147483647, -2147483649}'::bigint[]) v,
	unnest('{1, 1000}'::int[]) n, generate_series(1, n) GROUP BY v, n ORDER BY n, abs(v), v;
-- counts have no end that a table could reach; beyond is an error
SELECT gymstream_internal.bit_counts_add('[9223372036854775806]', '[1]');
SELECT refused($$ SELECT gymstream_internal.bit_counts_add('[9223372036854775807]', '[1]') $$);
SELECT refused($$ SELECT gymstream_internal.bit_counts_add('[0,-9223372036854775808]', '[0,-1]') $$);
SELECT gymstream_internal.bit_counts_add('[9223372036854775807,-9223372036854775808]', '[-9223372036854775807,9223372036854775807]');
SELECT gymstream_internal.bit_counts_or('[3,0,1,0]'), gymstream_internal.bit_counts_and('[3,0,3,1]', 3), gymstream_internal.bit_counts_and('[3,0,3]', 3);
SELECT gymstream_internal.bit_counts_or('[]'), gymstream_internal.bit_counts_and('[]', 3), gymstream_internal.bit_counts_and('[]', 0);

--
-- Rollups
--
CREATE TABLE flag (id int, k int, s smallint, i int, b bigint);
SELECT gymstream.create_rollup('flags', $$
	SELECT k, bit_and(s) AS sa, bit_or(s) AS so, bit_xor(s) AS sx, bit_and(i) AS ia, bit_or(i) AS io, bit_xor(i) AS ix,
		bit_and(b) AS ba, bit_or(b) AS bo, bit_xor(b) AS bx FROM flag GROUP BY k $$);
SELECT gymstream.create_rollup('some_flags', $$
	SELECT k, bit_and(b) FILTER (WHERE i > 0) AS plus, bit_or(i & 255) AS low, ~bit_xor(s) AS inverse, bit_or(s) & bit_and(s) AS both,
		bit_or(DISTINCT s) AS once, min(i) FROM flag GROUP BY k HAVING bit_or(b) IS DISTINCT FROM 7 $$);
SELECT gymstream.create_rollup('all_flags', 'SELECT bit_and(s) AS s, bit_or(i) AS i, bit_xor(b) AS b FROM flag');
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
	WHERE attrelid = 'flags_partials'::regclass AND attnum > 0 ORDER BY attnum;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'flags'::regclass AND attnum > 0 ORDER BY attnum;
TABLE all_flags;
TABLE inexact;
INSERT INTO flag VALUES (1, 1, 5, 5, 5);
TABLE inexact;
TABLE flags;
INSERT INTO flag VALUES (2, 1, 7, 12, 1), (3, 1, NULL, NULL, NULL), (4, 2, NULL, NULL, NULL), (5, NULL, 0, 0, 0);
TABLE inexact;
SELECT * FROM flags ORDER BY k;
-- negative numbers, and the sign bit alone
INSERT INTO flag VALUES (6, 1, -1, -1, -1), (7, 2, -2, -2, -2), (8, 2, -32768, -2147483648, -9223372036854775808);
TABLE inexact;
SELECT * FROM flags ORDER BY k;
SELECT * FROM all_flags;
INSERT INTO flag VALUES (9, 2, 32767, 2147483647, 9223372036854775807), (10, 2, 32767, 2147483647, 9223372036854775807);
TABLE inexact;
-- within a group, to and from null, and to what it is
UPDATE flag SET s = s # 3, i = ~i, b = b # 4294967296 WHERE k = 2 AND id > 4;
TABLE inexact;
UPDATE flag SET s = NULL WHERE id = 9;
TABLE inexact;
UPDATE flag SET i = 77, b = NULL WHERE id IN (3, 4);
TABLE inexact;
UPDATE flag SET s = s, i = i + 0, b = b;
TABLE inexact;
UPDATE flag SET s = i % 1000;
TABLE inexact;
-- between groups
UPDATE flag SET k = 3 - k;
TABLE inexact;
UPDATE flag SET k = NULL, b = -b WHERE id % 2 = 1 AND b > -9223372036854775808;
TABLE inexact;
-- away from several partials, and back
BEGIN;
DELETE FROM flag WHERE id < 5;
SAVEPOINT a;
INSERT INTO flag SELECT i, i % 3, -i, i, -i FROM generate_series(20, 40) i;
TABLE inexact;
ROLLBACK TO a;
TABLE inexact;
ROLLBACK;
TABLE inexact;
-- counts that pass powers of two, down and up
INSERT INTO flag SELECT i, i % 4, i * 97 % 65536 - 32768, i * 7919 % 1000003 - 500000, (i * 7919)::bigint * 104729 * (i % 3 - 1) FROM generate_series(100, 1400) i;
TABLE inexact;
SELECT marked FROM gymstream_internal.count_rollup('flags');
DELETE FROM flag WHERE id > 100 AND id % 7 <> 0;
TABLE inexact;
UPDATE flag SET k = id % 2, s = s / 2, b = b # i;
TABLE inexact;
INSERT INTO flag VALUES (2000, 1, 0, 0, 0), (2001, 0, -1, -1, -1);
TABLE inexact;
DELETE FROM flag WHERE id >= 2000;
TABLE inexact;
SELECT groups, partials, marked FROM gymstream_internal.count_rollup('flags');
-- no longer there means no longer there: nothing is left of a group
DELETE FROM flag WHERE k = 1;
TABLE inexact;
DELETE FROM flag;
TABLE inexact;
TABLE flags_partials;
TABLE all_flags_partials;
TABLE all_flags;

--
-- Several partials: a transaction that is prepared keeps its own
--
INSERT INTO flag VALUES (1, 1, 3, 3, 3), (2, 1, -4, -4, -4);
BEGIN;
DELETE FROM flag WHERE id = 1;
INSERT INTO flag VALUES (3, 1, 6, 6, 6);
PREPARE TRANSACTION 'bits one';
BEGIN;
INSERT INTO flag VALUES (4, 1, 1, 1, 1);
PREPARE TRANSACTION 'bits two';
-- of no rows, and yet something
UPDATE flag SET s = -3 WHERE id = 2;
TABLE inexact;
UPDATE flag SET s = 9 WHERE id = 2;
TABLE inexact;
SELECT * FROM all_flags_partials WHERE "count(s)" = 0;
INSERT INTO flag VALUES (5, 1, 2, 2, 2);
TABLE inexact;
COMMIT PREPARED 'bits one';
TABLE inexact;
ROLLBACK PREPARED 'bits two';
TABLE inexact;
SELECT gymstream.fold_rollup('flags');
TABLE inexact;
TABLE flags_partials;
DELETE FROM flag;
TABLE inexact;
TABLE flags_partials;
-- a rollup made of rows that are there already, and made anew
INSERT INTO flag SELECT i, i % 3, -i, i, i * 1000000007::bigint FROM generate_series(1, 50) i;
SELECT gymstream.create_rollup('later', 'SELECT k, bit_and(s) AS s, bit_or(i) AS i, bit_xor(b) AS b FROM flag WHERE id <> 7 GROUP BY k');
TABLE inexact;
SELECT gymstream.rebuild_rollup('flags');
TABLE inexact;
UPDATE flag SET b = b + 1, i = i # 1 WHERE id % 5 = 0;
TABLE inexact;
DROP VIEW later;
DROP VIEW some_flags;
DROP VIEW all_flags;

--
-- What listeners are told
--
SELECT 1 AS created FROM pg_create_logical_replication_slot('bits', 'gymstream');
DROP VIEW flags;
TRUNCATE flag;
SELECT gymstream.create_rollup('flags', 'SELECT k, bit_or(s) AS o, bit_and(s) FILTER (WHERE i > 0) AS a, bit_xor(b) AS x FROM flag GROUP BY k');
INSERT INTO flag VALUES (1, 1, 5, 1, 5), (2, 1, 4, 0, -1);
UPDATE flag SET s = 1, b = 0 WHERE id = 2;
UPDATE flag SET s = -2 WHERE id = 1;
DELETE FROM flag WHERE id = 2;
SELECT data::jsonb->'delta' FROM pg_logical_slot_get_changes('bits', NULL, NULL) WHERE data::jsonb->>'action' = 'rollup';
SELECT pg_drop_replication_slot('bits');
TABLE inexact;

--
-- Bit strings have no such states: these groups are marked
--
CREATE TABLE mask (k int, m bit(8), v varbit);
SELECT gymstream.create_rollup('masks', 'SELECT k, bit_and(m) AS a, bit_or(m) AS o, bit_xor(v) AS x FROM mask GROUP BY k');
INSERT INTO mask VALUES (1, '00001111', '101'), (1, '00111100', '110');
TABLE inexact;
DELETE FROM mask WHERE v = '110';
TABLE inexact;
TABLE masks;
SELECT marked FROM gymstream_internal.count_rollup('masks');
DROP SCHEMA test_bits CASCADE;
