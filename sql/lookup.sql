-- Looking groups up by keys that joins give: which plans do it, that they give what others do, and what they must not do.
CREATE TABLE class (id int PRIMARY KEY, gym_id int, teacher text, room varchar(8), price numeric(9, 2));
INSERT INTO class SELECT i, i % 1000, 'teacher ' || i % 50, 'r' || i % 20, i % 10 FROM generate_series(1, 10000) i;
CREATE INDEX ON class (gym_id);
CREATE TABLE booking (id int PRIMARY KEY, class_id int, member_id int, teacher text, room varchar(8), price numeric(9, 2), day date);
INSERT INTO booking SELECT i, nullif(i % 10000, 0), i % 3, 'teacher ' || i % 50, 'r' || i % 20, i % 10, date '2026-01-01' + i % 2000 FROM generate_series(1, 20000) i;
CREATE INDEX ON booking (class_id);
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS attendance, sum(price) AS revenue FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('dearest', 'SELECT class_id, max(price) AS dearest FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('visits', 'SELECT class_id, member_id, count(*) AS visits FROM booking GROUP BY class_id, member_id');
SELECT gymstream.create_rollup('days', 'SELECT day, class_id % 1000 AS gym_id, count(*) AS bookings FROM booking GROUP BY day, class_id % 1000');
DELETE FROM booking WHERE class_id % 1000 = 7 AND price = 7 AND id < 4000;
ANALYZE;

-- What of a plan tells whether and how a rollup is looked up.
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Gymstream|Rollup:|Gather|Append' OR line ~ 'Index Cond' AND line !~ '= 77|gym_id' THEN
			RETURN NEXT regexp_replace(line, '^ *(-> +)?|(?<= = )-?\d{6,}', '', 'g');
		END IF;
	END LOOP;
END $$;

-- Whether a query gives the same rows with lookups and without, and how many.
CREATE FUNCTION same(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE on_rows text[]; off_rows text[];
BEGIN
	EXECUTE 'SELECT array_agg(q::text ORDER BY q::text) FROM (' || query || ') q' INTO on_rows;
	SET LOCAL gymstream.enable_rollup_scan = off;
	EXECUTE 'SELECT array_agg(q::text ORDER BY q::text) FROM (' || query || ') q' INTO off_rows;
	RESET gymstream.enable_rollup_scan;
	RETURN CASE WHEN on_rows IS NOT DISTINCT FROM off_rows THEN coalesce(cardinality(on_rows), 0) || ' rows' ELSE format('%s, but %s', on_rows, off_rows) END;
END $$;

CREATE FUNCTION try(query text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT plan(query) UNION ALL SELECT same(query) $$;

--
-- Which queries
--
SELECT try('SELECT c.teacher, a.* FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77');
SELECT try('SELECT c.id, a.* FROM class c LEFT JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77');
SELECT try('SELECT * FROM attendance WHERE class_id IN (SELECT id FROM class WHERE gym_id = 77)');
SELECT try('SELECT c.id, x.revenue FROM class c, LATERAL (SELECT revenue FROM attendance a WHERE a.class_id = c.id) x WHERE c.gym_id = 77');
SELECT try('SELECT c.id, (SELECT revenue FROM attendance a WHERE a.class_id = c.id) FROM class c WHERE c.gym_id = 77');
SELECT try('SELECT c.id FROM class c WHERE c.gym_id = 77 AND EXISTS (SELECT FROM attendance a WHERE a.class_id = c.id AND attendance > 1)');
SELECT try('SELECT * FROM attendance WHERE class_id = 77');
-- marked groups; two rollups; a rollup that gives another its keys
SELECT try('SELECT c.id, d.dearest FROM class c JOIN dearest d ON d.class_id = c.id WHERE c.gym_id = 7');
SELECT same(q), (SELECT count(*) FROM plan(q) p WHERE p ~ 'RollupScan') AS lookups
	FROM (VALUES ('SELECT a.*, d.dearest FROM class c JOIN attendance a ON a.class_id = c.id JOIN dearest d ON d.class_id = c.id WHERE c.gym_id = 77')) AS t (q);
SELECT try('SELECT d.* FROM attendance a JOIN dearest d ON d.class_id = a.class_id WHERE a.class_id = 77');
-- several keys, or one of them; by range; a key that may be NULL
SELECT try('SELECT v.* FROM class c JOIN visits v ON v.class_id = c.id AND v.member_id = c.id % 3 WHERE c.gym_id = 77');
SELECT try('SELECT v.* FROM class c JOIN visits v ON v.class_id = c.id WHERE c.gym_id = 77 AND v.member_id = 2');
SELECT try($$SELECT d.* FROM (VALUES (date '2026-02-01', date '2026-02-03'), ('2027-02-01', '2027-02-02')) AS t (first, last) JOIN days d ON d.day >= t.first AND d.day < t.last$$);
SELECT try('SELECT a.* FROM (VALUES (1), (NULL)) AS t (id) JOIN attendance a ON a.class_id IS NOT DISTINCT FROM t.id');
-- of another type, or an expression
SELECT try('SELECT a.* FROM (VALUES (1::bigint), (7)) AS t (id) JOIN attendance a ON a.class_id = t.id + 1');
-- views on rollups; a union of rollups; and of a rollup with a table
CREATE VIEW busy AS SELECT class_id, attendance AS n FROM attendance WHERE attendance > 1;
SELECT try('SELECT b.* FROM class c JOIN busy b ON b.class_id = c.id WHERE c.gym_id = 77');
CREATE VIEW two AS SELECT class_id, attendance AS n FROM attendance UNION ALL SELECT class_id, visits FROM visits;
SELECT try('SELECT t.* FROM class c JOIN two t ON t.class_id = c.id WHERE c.gym_id = 77');
-- whole readings, and joins with a large part of another table, are not looked up
SELECT plan('SELECT * FROM attendance');
SELECT plan('SELECT c.teacher, sum(a.revenue) FROM class c JOIN attendance a ON a.class_id = c.id GROUP BY c.teacher');
-- nor anything without the setting
SET gymstream.enable_rollup_scan = off;
SELECT plan('SELECT c.teacher, a.* FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77');
SELECT plan('SELECT * FROM attendance WHERE class_id = 77');
RESET gymstream.enable_rollup_scan;
-- nor what no rollup is
SELECT plan('SELECT c.id, a.n FROM class c JOIN (SELECT class_id, count(*) AS n FROM booking GROUP BY class_id) a ON a.class_id = c.id WHERE c.gym_id = 77');

-- What EXPLAIN ANALYZE tells of it
CREATE FUNCTION told(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line ~ 'Rollup|Read:|Marked' THEN RETURN NEXT regexp_replace(line, '^ *(-> +)?| \(actual.*', '', 'g'); END IF;
	END LOOP;
END $$;
SELECT told('SELECT d.* FROM class c JOIN dearest d ON d.class_id = c.id WHERE c.gym_id = 7');
SELECT told('SELECT a.* FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77');

--
-- Estimates
--
CREATE FUNCTION estimate(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan -> 0 -> 'Plan' -> 'Plan Rows';
END $$;
-- nearly all groups have rows
SELECT estimate('SELECT * FROM attendance') BETWEEN 9800 AND 10000 AS all_groups;
-- a lookup leaves the estimates of joins as they are
SELECT estimate(q) FROM (VALUES ('SELECT * FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77'),
	('SELECT * FROM class c JOIN visits v ON v.class_id = c.id WHERE c.gym_id = 77'),
	('SELECT * FROM class c JOIN attendance a ON a.class_id = c.id JOIN booking b ON b.class_id = c.id WHERE c.gym_id = 77')) AS t (q);
SET gymstream.enable_rollup_scan = off;
SELECT estimate(q) FROM (VALUES ('SELECT * FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77'),
	('SELECT * FROM class c JOIN visits v ON v.class_id = c.id WHERE c.gym_id = 77'),
	('SELECT * FROM class c JOIN attendance a ON a.class_id = c.id JOIN booking b ON b.class_id = c.id WHERE c.gym_id = 77')) AS t (q);
RESET gymstream.enable_rollup_scan;

-- Lookups that are repeated cost less than the first one, and a part of all groups is marked.
CREATE FUNCTION costs(query text, path jsonpath) RETURNS numeric[] LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN array(SELECT jsonb_path_query(plan, path)::text::numeric);
END $$;
SELECT costs(q, '$[0].**?(@."Custom Plan Provider" == "GymstreamRollupScan")."Total Cost"') < costs(q, '$[0].**?(@."Custom Plan Provider" == "GymstreamGroup")."Total Cost"') AS cheaper
	FROM (VALUES ('SELECT * FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id < 2')) AS t (q);
SET gymstream.enable_rollup_scan = off;
SELECT costs('SELECT * FROM dearest', '$[0].Plan."Total Cost"') AS cost \gset all_
RESET gymstream.enable_rollup_scan;
SELECT costs('SELECT * FROM dearest', '$[0].Plan."Total Cost"') AS cost \gset some_
SELECT (:'some_cost'::numeric[])[1] < (:'all_cost'::numeric[])[1] / 5 AS cheaper;

--
-- Keys that no btree has place for: by the hash of all of them where all are given
--
CREATE TABLE pair (a text, b varchar, c int);
INSERT INTO pair SELECT 'a' || i % 50, 'b' || i / 50 % 50, nullif(i % 2, 0) FROM generate_series(1, 5000) i;
SELECT gymstream.create_rollup('pairs', 'SELECT a, b, c, count(*) AS n FROM pair GROUP BY a, b, c');
ANALYZE pair, pairs_partials;
SELECT try($$SELECT * FROM pairs WHERE a = 'a7' AND b = 'b8' AND c = 1$$);
SELECT try($$SELECT * FROM pairs WHERE a = 'a8' AND b = 'b8' AND c IS NULL$$);
SELECT try($$SELECT p.* FROM (VALUES ('a7', 'b8'), ('a9', NULL)) AS t (a, b) JOIN pairs p ON p.a = t.a AND p.b = t.b AND p.c = 1$$);
-- not all of them, of another type, by another equality
SELECT string_agg(p, ' ') ~ 'key_hash' AS by_hash FROM plan($$SELECT * FROM pairs WHERE a = 'a7' AND b = 'b8'$$) p;
SELECT string_agg(p, ' ') ~ 'key_hash' AS by_hash FROM plan($$SELECT * FROM pairs WHERE a = 'a7' AND b = 'b8' AND c = 1::bigint$$) p;
SELECT string_agg(p, ' ') ~ 'key_hash' AS by_hash FROM plan($$SELECT * FROM pairs WHERE a = 'a7' COLLATE "C" AND b = 'b8' AND c = 1$$) p;
SELECT string_agg(p, ' ') ~ 'key_hash' AS by_hash, same('SELECT * FROM pairs WHERE a = ''a7'' AND b = ''b8'' AND c >= 0')
	FROM plan($$SELECT * FROM pairs WHERE a = 'a7' AND b = 'b8' AND c >= 0$$) p;

--
-- Prepared statements, cursors
--
PREPARE of_gym (int) AS SELECT c.id, a.attendance FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = $1 AND c.id < 3000 ORDER BY c.id;
SET plan_cache_mode = force_generic_plan;
EXECUTE of_gym (77);
SET plan_cache_mode = force_custom_plan;
EXECUTE of_gym (78);
RESET plan_cache_mode;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT c.id, a.attendance FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77 AND c.id < 3000 ORDER BY c.id;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ALL FROM c;
-- what the transaction has changed itself
INSERT INTO booking SELECT 30000 + i, 77, 1, 'x', 'r', 5 FROM generate_series(1, 3) i;
EXECUTE of_gym (77);
ROLLBACK;

--
-- Traps
--

-- 1. A group is one only where each key is equal to one value: k >= 1 leaves many.
SELECT try('SELECT * FROM attendance WHERE class_id >= 9998');
SELECT try('SELECT * FROM visits WHERE class_id = 77');
SELECT try('SELECT * FROM attendance WHERE class_id IS NULL');
-- 2. What tells keys apart that the grouping takes for equal must not come before it.
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE note (word text COLLATE nocase);
INSERT INTO note SELECT CASE WHEN i % 2 = 0 THEN 'w' ELSE 'W' END || i / 2 FROM generate_series(1, 4000) i;
SELECT gymstream.create_rollup('words', 'SELECT word, count(*) AS n FROM note GROUP BY word');
ANALYZE note, words_partials;
SELECT try($$SELECT w.n FROM (VALUES ('W5' COLLATE nocase), ('w7')) AS t (word) JOIN words w ON w.word = t.word$$);
SELECT DISTINCT w.n FROM (VALUES ('W5'), ('w5'), ('w7'), ('W7')) AS t (word) JOIN words w ON w.word = t.word COLLATE "C";
-- 3. Where the server would ask something of rows that the reader must not see, it may ask only what leaks nothing.
SELECT gymstream.create_rollup('prices', 'SELECT price, class_id, count(*) AS n FROM booking GROUP BY price, class_id');
ALTER VIEW prices SET (security_barrier);
ANALYZE prices_partials;
SELECT coalesce(string_agg(p, ' '), '') ~ 'price = ' AS leaks FROM plan('SELECT p.n FROM class c JOIN prices p ON p.class_id = c.id AND p.price = c.price WHERE c.gym_id = 77') p;
-- 4. A worker may look up only what it may read as a whole.
CREATE FUNCTION safe(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1 + count(*) FROM (VALUES (1)) v';
CREATE FUNCTION restricted(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL RESTRICTED AS 'SELECT $1 + count(*) FROM (VALUES (1)) v';
SELECT gymstream.create_rollup('by_safe', 'SELECT class_id, safe(count(*)) AS n FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('by_restricted', 'SELECT class_id, restricted(count(*)) AS n FROM booking GROUP BY class_id');
ANALYZE by_safe_partials, by_restricted_partials;
CREATE FUNCTION nesting(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; nodes text[];
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		nodes := nodes || substring(line, 'Gather|Nested Loop|Gymstream\w+');
	END LOOP;
	RETURN array_to_string(nodes, ', ');
END $$;
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT nesting(q), same(q) FROM (VALUES ('SELECT count(*), sum(n) FROM class c LEFT JOIN by_safe a ON a.class_id = c.id WHERE c.id < 200')) AS t (q);
SELECT nesting(q), same(q) FROM (VALUES ('SELECT count(*), sum(n) FROM class c LEFT JOIN by_restricted a ON a.class_id = c.id WHERE c.id < 200')) AS t (q);
COMMIT;
-- 5. A subquery that is pulled up leaves an entry without a query beside the rollup.
SELECT try('SELECT x.* FROM class c, LATERAL (SELECT * FROM (SELECT a.* FROM attendance a WHERE a.class_id = c.id) y) x WHERE c.gym_id = 77 AND c.id < 3000');
-- 6. Two relations give the same key: one plan serves for both, with the parameter of each.
SELECT try('SELECT a.* FROM class c JOIN class d ON d.id = c.id JOIN attendance a ON a.class_id = d.id WHERE c.gym_id = 77 AND d.gym_id = 77');

--
-- Rights: the reader's own, and the owner's
--
CREATE ROLE lookup_reader;
GRANT SELECT ON class, attendance TO lookup_reader;
ALTER TABLE class ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON class TO lookup_reader USING (id < 2000);
SET ROLE lookup_reader;
SELECT plan('SELECT c.id, a.attendance FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77');
SELECT c.id, a.attendance FROM class c JOIN attendance a ON a.class_id = c.id WHERE c.gym_id = 77 ORDER BY 1;
SELECT * FROM class c JOIN visits v ON v.class_id = c.id WHERE c.gym_id = 77;
RESET ROLE;
CREATE ROLE lookup_owner;
GRANT SELECT, TRIGGER ON booking TO lookup_owner;
GRANT CREATE ON SCHEMA public TO lookup_owner;
SELECT gymstream.create_rollup('owned', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
ANALYZE owned_partials;
ALTER VIEW owned OWNER TO lookup_owner;
PREPARE owned_one AS SELECT n FROM owned WHERE class_id = 77;
PREPARE owned_some AS SELECT sum(n) FROM class c JOIN owned o ON o.class_id = c.id WHERE c.gym_id = 77;
EXECUTE owned_one;
EXECUTE owned_some;
REVOKE SELECT ON booking FROM lookup_owner;
EXECUTE owned_one;
EXECUTE owned_some;
SELECT plan('EXECUTE owned_some');
GRANT SELECT ON booking TO lookup_owner;
EXECUTE owned_one;
EXECUTE owned_some;

SELECT r.rollup, v.* FROM gymstream.rollups r, gymstream.verify_rollup(r.rollup) v;
DROP TABLE booking, class, note, pair CASCADE;
REVOKE CREATE ON SCHEMA public FROM lookup_owner;
DROP ROLE lookup_reader, lookup_owner;
