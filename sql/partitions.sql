-- Rollups of partitioned tables, of partitions, and of tables that are both: exact after each statement, on whichever of the
-- tables, and whatever becomes of the partitions.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_partitions;
SET search_path = test_partitions, public;
-- north has its columns in another order than the root, and both have some that are gone; south has partitions itself
CREATE TABLE booking (gone int, id int, class_id int, note text, price int, twice int GENERATED ALWAYS AS (price * 2) STORED) PARTITION BY RANGE (id);
ALTER TABLE booking DROP COLUMN gone;
CREATE TABLE north (twice int GENERATED ALWAYS AS (price * 2) STORED, price int, junk text, note text, class_id int, id int);
ALTER TABLE north DROP COLUMN junk;
ALTER TABLE booking ATTACH PARTITION north FOR VALUES FROM (0) TO (100);
CREATE TABLE south PARTITION OF booking FOR VALUES FROM (100) TO (200) PARTITION BY LIST (class_id);
CREATE TABLE south_1 PARTITION OF south FOR VALUES IN (1, 2);
CREATE TABLE south_rest (class_id int, price int, twice int GENERATED ALWAYS AS (price * 2) STORED, id int, note text);
ALTER TABLE south ATTACH PARTITION south_rest DEFAULT;
CREATE TABLE far PARTITION OF booking DEFAULT;
CREATE UNIQUE INDEX ON booking (id, class_id);
INSERT INTO booking (id, class_id, price, note) SELECT i, i % 5, i, repeat('x', i) FROM generate_series(1, 250) i;

SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n, sum(price) AS revenue, sum(twice) AS twice FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('total', 'SELECT count(*) AS n, sum(twice) FROM booking WHERE price > 5');
SELECT gymstream.create_rollup('rows', 'SELECT count(*) AS n FROM booking');
SELECT gymstream.create_rollup('extremes', 'SELECT class_id, min(price), max(id) FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('notes', 'SELECT class_id, string_agg(note, '','' ORDER BY note), count(DISTINCT price) FROM booking GROUP BY class_id');
-- of partitions
SELECT gymstream.create_rollup('northern', 'SELECT class_id, count(*), sum(price), min(price) FROM north GROUP BY class_id');
SELECT gymstream.create_rollup('southern', 'SELECT class_id, count(*), sum(price), min(price) FROM south GROUP BY class_id');
SELECT gymstream.create_rollup('southern_rest', 'SELECT class_id, count(*), sum(price), max(price) FROM south_rest GROUP BY class_id');
TABLE inexact;
SELECT rollup, source FROM gymstream.rollups ORDER BY 1;
-- every trigger fires always, also what the server made of it for a partition
SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgname LIKE '!gymstream%';
CREATE OR REPLACE TRIGGER "!gymstream insert rows" AFTER INSERT ON booking FOR EACH ROW
	WHEN (gymstream_internal.collect('rows_partials'::regclass, new.tableoid)) EXECUTE FUNCTION gymstream_internal.flush_pending();
ALTER TABLE booking ENABLE TRIGGER ALL;
ALTER TABLE south_1 ENABLE TRIGGER ALL;
SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgname LIKE '!gymstream%';
SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL;
-- a missing index is named where it belongs
SET client_min_messages = notice;
CREATE TABLE plain (k int, v int) PARTITION BY LIST (k);
CREATE TABLE plain_1 PARTITION OF plain FOR VALUES IN (1);
SELECT gymstream.create_rollup('plain_min', 'SELECT k, min(v) FROM plain GROUP BY k');
CREATE INDEX ON plain_1 (k);
SELECT gymstream.create_rollup('plain_max', 'SELECT k, max(v) FROM plain GROUP BY k');
CREATE INDEX ON plain (k);
SELECT gymstream.create_rollup('plain_avg', 'SELECT k, max(v), avg(v) FROM plain GROUP BY k');
SET client_min_messages = warning;
DROP TABLE plain CASCADE;

--
-- Through the root
--
INSERT INTO booking (id, class_id, price) VALUES (5, 1, 10), (101, 7, 11), (102, 3, 12), (-1, 2, 13), (103, NULL, NULL);
TABLE inexact;
UPDATE booking SET price = price + 1;
TABLE inexact;
UPDATE booking SET note = 'y' WHERE id % 10 = 0;
TABLE inexact;
DELETE FROM booking WHERE id IN (5, 101);
TABLE inexact;
COPY booking (id, class_id, price) FROM stdin;
6	7	10
106	2	20
1006	\N	\N
\.
TABLE inexact;
MERGE INTO booking b USING (SELECT i, i % 3 AS c FROM generate_series(90, 120) i) s ON b.id = s.i
	WHEN MATCHED AND b.id % 3 = 0 THEN DELETE
	WHEN MATCHED THEN UPDATE SET class_id = b.class_id + 100, price = b.price + 1
	WHEN NOT MATCHED THEN INSERT (id, class_id, price) VALUES (s.i, s.c, s.i);
TABLE inexact;
INSERT INTO booking (id, class_id, price) VALUES (1, 1, 100), (300, 9, 1), (106, 2, 3)
	ON CONFLICT (id, class_id) DO UPDATE SET price = booking.price + excluded.price;
TABLE inexact;
INSERT INTO booking (id, class_id, price) VALUES (1, 1, 100), (301, 9, 1) ON CONFLICT DO NOTHING;
TABLE inexact;
WITH a AS (DELETE FROM booking WHERE id IN (3, 4) RETURNING *), b AS (UPDATE north SET price = 1 WHERE id IN (7, 8) RETURNING id)
	INSERT INTO booking (id, class_id, price) SELECT id + 101, class_id + 100, price FROM a;
TABLE inexact;

--
-- Rows that move: between leaves, out of a tree of partitions and into it, also where a foreign key leads to the root
--
UPDATE booking SET id = id + 300 WHERE id % 10 = 5;
TABLE inexact;
UPDATE booking SET id = id - 200, class_id = class_id + 10 WHERE id BETWEEN 310 AND 390;
TABLE inexact;
UPDATE booking SET class_id = class_id + 1 WHERE id > 120;
TABLE inexact;
UPDATE south SET class_id = class_id - 2 WHERE class_id IN (3, 4);
TABLE inexact;
-- out of the tree that the statement names: refused
UPDATE south SET id = id + 100 WHERE class_id = 2;
UPDATE south SET class_id = 15 WHERE class_id = 2;
TABLE inexact;
MERGE INTO booking b USING (SELECT i FROM generate_series(30, 40) i) s ON b.id = s.i WHEN MATCHED THEN UPDATE SET id = b.id + 170, price = 5;
TABLE inexact;
DELETE FROM booking b USING (SELECT id FROM booking GROUP BY id HAVING count(*) > 1) d WHERE d.id = b.id;
ALTER TABLE booking ADD UNIQUE (id, class_id);
CREATE TABLE payment (booking_id int, class_id int, FOREIGN KEY (booking_id, class_id) REFERENCES booking (id, class_id) ON UPDATE CASCADE ON DELETE CASCADE);
SELECT gymstream.create_rollup('payments', 'SELECT booking_id, count(*) FROM payment GROUP BY 1');
INSERT INTO payment SELECT id, class_id FROM booking WHERE class_id IS NOT NULL ORDER BY id LIMIT 50;
UPDATE booking SET id = id + 1000 WHERE id IN (SELECT booking_id FROM payment ORDER BY 1 LIMIT 10);
TABLE inexact;
UPDATE booking SET id = id - 1000, price = price + 3 WHERE id IN (SELECT booking_id FROM payment ORDER BY 1 DESC LIMIT 5);
TABLE inexact;
DELETE FROM booking WHERE id IN (SELECT booking_id FROM payment ORDER BY 1 LIMIT 3);
TABLE inexact;
DROP TABLE payment CASCADE;

--
-- Straight on a partition, or on one that has partitions
--
INSERT INTO north (id, class_id, price) VALUES (7, 1, 1), (9, 7, 7);
TABLE inexact;
UPDATE north SET price = price + 1, class_id = 6 WHERE class_id = 1;
TABLE inexact;
DELETE FROM south_1 WHERE id < 120;
TABLE inexact;
COPY south_rest (price, id, class_id) FROM stdin;
7	150	3
\.
TABLE inexact;
INSERT INTO south (id, class_id, price) VALUES (151, 8, 9), (152, 9, 9);
TABLE inexact;
UPDATE south SET price = price * 2;
TABLE inexact;
MERGE INTO south_rest r USING (VALUES (150), (153)) s (i) ON r.id = s.i
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, class_id, price) VALUES (s.i, 9, 9);
TABLE inexact;
WITH a AS (UPDATE north SET price = 1 WHERE id = 7 RETURNING *), b AS (DELETE FROM south_rest RETURNING *)
	INSERT INTO booking (id, class_id, price) SELECT id + 10000, class_id, price FROM b;
TABLE inexact;
SET session_replication_role = replica;
INSERT INTO booking (id, class_id, price) VALUES (8, 11, 10), (160, 17, 10);
INSERT INTO north (id, class_id, price) VALUES (18, 1, 10);
TABLE inexact;
UPDATE booking SET id = id + 150 WHERE id IN (8, 18) AND class_id = 11;
DELETE FROM south_rest WHERE id = 160;
TABLE inexact;
TRUNCATE south_1;
TABLE inexact;
RESET session_replication_role;

-- prepared, again and again, also while partitions go and come
PREPARE p AS INSERT INTO booking (id, class_id, price) VALUES ($1, $2, $3);
PREPARE q AS UPDATE booking SET price = price + 1 WHERE id = $1;
DO $$
BEGIN
	FOR i IN 1 .. 8 LOOP
		EXECUTE format('EXECUTE p(%s, 30, 1)', i * 25);
		EXECUTE format('EXECUTE q(%s)', i * 25);
	END LOOP;
END
$$;
TABLE inexact;
ALTER TABLE booking DETACH PARTITION north;
EXECUTE p(50, 31, 1);
EXECUTE p(150, 31, 1);
EXECUTE q(75);
EXECUTE q(125);
TABLE inexact;
DELETE FROM far WHERE id = 50;
ALTER TABLE booking ATTACH PARTITION north FOR VALUES FROM (0) TO (100);
EXECUTE p(50, 31, 1);
EXECUTE q(75);
TABLE inexact;
DEALLOCATE ALL;

--
-- The application's own triggers, on the root and on partitions, see rollups exact
--
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM inexact WHERE rollup NOT IN (SELECT g.rollup FROM gymstream.rollups g WHERE g.source <> 'booking'::regclass)) THEN
		RAISE 'inexact in % % %', TG_NAME, TG_LEVEL, TG_TABLE_NAME;
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER look_row AFTER INSERT OR UPDATE OR DELETE ON booking FOR EACH ROW EXECUTE FUNCTION look();
CREATE TRIGGER look_all AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON booking EXECUTE FUNCTION look();
CREATE TRIGGER look_north AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON north EXECUTE FUNCTION look();
CREATE TRIGGER look_south AFTER INSERT OR UPDATE OR DELETE ON south EXECUTE FUNCTION look();
CREATE TABLE other (id int);
CREATE TRIGGER look_other AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION look();
INSERT INTO booking (id, class_id, price) VALUES (21, 1, 1), (121, 1, 1);
UPDATE booking SET id = id + 500, price = price + 1 WHERE id IN (21, 121);
INSERT INTO north (id, class_id, price) VALUES (22, 1, 1), (23, 1, 1);
UPDATE north SET price = price + 1;
DELETE FROM south WHERE id < 150;
WITH a AS (INSERT INTO other VALUES (1)) INSERT INTO north (id, class_id, price) VALUES (24, 1, 1), (25, 1, 1);
WITH a AS (INSERT INTO north (id, class_id, price) VALUES (26, 1, 1), (27, 1, 1)) INSERT INTO other VALUES (2);
TRUNCATE north;
TABLE inexact;
DROP TABLE other;
DROP TRIGGER look_row ON booking;
DROP TRIGGER look_all ON booking;
DROP TRIGGER look_north ON north;
DROP TRIGGER look_south ON south;
-- of a partition's own rollup, with statements on the root: also for rows before the first that matters to it
CREATE TABLE half (k int, price int) PARTITION BY LIST (k);
CREATE TABLE half_1 PARTITION OF half FOR VALUES IN (1);
SELECT gymstream.create_rollup('few', 'SELECT k, count(*) FROM half_1 WHERE price > 100 GROUP BY k');
CREATE FUNCTION look_few() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM gymstream.verify_rollup('few')) THEN
		RAISE 'inexact';
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER look_few AFTER INSERT OR UPDATE OR DELETE ON half_1 FOR EACH ROW EXECUTE FUNCTION look_few();
INSERT INTO half VALUES (1, 1), (1, 200), (1, 300);
UPDATE half SET price = price + 60;
DELETE FROM half;
TABLE inexact;
DROP TABLE half CASCADE;

--
-- TRUNCATE: of some partitions their rows go, of the root all
--
INSERT INTO booking (id, class_id, price, note) SELECT i, i % 7, i, i FROM generate_series(400, 500) i ON CONFLICT DO NOTHING;
INSERT INTO booking (id, class_id, price, note) SELECT i, i % 7, i, i FROM generate_series(41, 190) i ON CONFLICT DO NOTHING;
TRUNCATE south_1;
TABLE inexact;
TRUNCATE north, far;
TABLE inexact;
SELECT n > 0 FROM rows;
BEGIN;
INSERT INTO north (id, class_id, price) VALUES (1, 1, 1);
TRUNCATE south;
TABLE inexact;
ROLLBACK;
TABLE inexact;
BEGIN;
SAVEPOINT s;
TRUNCATE booking;
TABLE inexact;
ROLLBACK TO s;
TABLE inexact;
TRUNCATE south_rest;
TABLE inexact;
INSERT INTO booking (id, class_id, price) VALUES (1, 1, 1), (150, 5, 1);
TABLE inexact;
-- in its place, since it is as new as the transaction
TRUNCATE south_rest;
TABLE inexact;
COMMIT;
TABLE inexact;
INSERT INTO booking (id, class_id, price, note) SELECT i, i % 7, i, i FROM generate_series(2, 190) i ON CONFLICT DO NOTHING;
-- a part before the whole
TRUNCATE south_rest, booking;
TABLE inexact;
TABLE rows;
INSERT INTO booking (id, class_id, price, note) SELECT i, i % 7, i, i FROM generate_series(1, 250) i;
CREATE TABLE class (id int PRIMARY KEY);
INSERT INTO class SELECT i FROM generate_series(0, 6) i;
ALTER TABLE booking ADD CONSTRAINT class FOREIGN KEY (class_id) REFERENCES class;
TRUNCATE class CASCADE;
TABLE inexact;
TABLE rows;
ALTER TABLE booking DROP CONSTRAINT class;
ALTER TABLE south ADD CONSTRAINT class FOREIGN KEY (class_id) REFERENCES class;
INSERT INTO class SELECT i FROM generate_series(0, 6) i;
INSERT INTO booking (id, class_id, price, note) SELECT i, i % 7, i, i FROM generate_series(1, 250) i;
TRUNCATE class CASCADE;
TABLE inexact;
TABLE rows;
ALTER TABLE south DROP CONSTRAINT class;
-- a transaction whose snapshot does not show the partition's rows as they are is test/isolation/specs/partition.spec's
BEGIN ISOLATION LEVEL REPEATABLE READ;
DELETE FROM north WHERE id < 10;
INSERT INTO north (id, class_id, price) VALUES (1, 1, 1);
TRUNCATE north;
TABLE inexact;
COMMIT;
TABLE inexact;

--
-- DETACH and ATTACH, of a leaf and of a tree; what is done while it is apart
--
INSERT INTO booking (id, class_id, price, note) SELECT i, i % 7, i, i FROM generate_series(1, 190) i;
ALTER TABLE booking DETACH PARTITION north;
TABLE inexact;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'north'::regclass AND NOT tgisinternal ORDER BY 1;
INSERT INTO north (id, class_id, price) VALUES (8, 8, 8);
TRUNCATE south_1;
TABLE inexact;
BEGIN;
ALTER TABLE booking ATTACH PARTITION north FOR VALUES FROM (0) TO (100);
TABLE inexact;
UPDATE booking SET price = price + 1 WHERE id < 20;
DELETE FROM north WHERE id = 8;
TABLE inexact;
ROLLBACK;
TABLE inexact;
ALTER TABLE booking ATTACH PARTITION north FOR VALUES FROM (0) TO (100);
UPDATE booking SET id = id + 100 WHERE id IN (8, 9) AND class_id > 7;
TABLE inexact;
ALTER TABLE booking DETACH PARTITION south;
TABLE inexact;
UPDATE south SET price = price + 1;
INSERT INTO south_1 (id, class_id, price) VALUES (150, 1, 1);
TABLE inexact;
ALTER TABLE south DETACH PARTITION south_rest;
TABLE inexact;
ALTER TABLE booking ATTACH PARTITION south FOR VALUES FROM (100) TO (200);
TABLE inexact;
ALTER TABLE booking ATTACH PARTITION south_rest FOR VALUES FROM (100) TO (200);
TABLE inexact;
ALTER TABLE south ATTACH PARTITION south_rest DEFAULT;
TABLE inexact;
ALTER TABLE south DETACH PARTITION south_rest;
ALTER TABLE south ATTACH PARTITION south_rest FOR VALUES IN (1);
ALTER TABLE south ATTACH PARTITION south_rest DEFAULT;
TABLE inexact;
BEGIN;
ALTER TABLE booking DETACH PARTITION north;
ALTER TABLE booking ATTACH PARTITION north FOR VALUES FROM (0) TO (100);
TRUNCATE north;
TABLE inexact;
COMMIT;
TABLE inexact;
-- an index is no partition
CREATE INDEX one ON ONLY booking (price);
CREATE INDEX one_north ON north (price);
ALTER INDEX one ATTACH PARTITION one_north;
-- by a function, and in one transaction with its table
DO $$
BEGIN
	CREATE TABLE later (LIKE far INCLUDING GENERATED);
	INSERT INTO later (id, class_id, price) VALUES (5000, 5, 5), (5001, 5, 5);
	ALTER TABLE booking ATTACH PARTITION later FOR VALUES FROM (5000) TO (6000);
	IF EXISTS (SELECT FROM inexact) THEN
		RAISE 'inexact';
	END IF;
	INSERT INTO later (id, class_id, price) VALUES (5003, 5, 5);
END
$$;
TABLE inexact;

--
-- CREATE and DROP
--
CREATE TABLE east PARTITION OF booking FOR VALUES FROM (1000) TO (2000) PARTITION BY LIST (class_id);
CREATE TABLE east_1 PARTITION OF east FOR VALUES IN (1);
CREATE TABLE IF NOT EXISTS east_1 PARTITION OF east FOR VALUES IN (1);
INSERT INTO booking (id, class_id, price) VALUES (1001, 1, 1), (1002, 1, 2);
INSERT INTO east (id, class_id, price) VALUES (1003, 1, 3);
TABLE inexact;
TRUNCATE east_1;
TABLE inexact;
INSERT INTO east_1 (id, class_id, price) VALUES (1004, 1, 4);
CREATE SCHEMA test_partitions_more CREATE TABLE west PARTITION OF test_partitions.booking FOR VALUES FROM (2000) TO (3000);
CREATE TABLE test_partitions_more.east_2 PARTITION OF east FOR VALUES IN (2);
INSERT INTO booking (id, class_id, price) VALUES (1005, 2, 1), (2001, 1, 2);
TRUNCATE test_partitions_more.west;
TABLE inexact;
INSERT INTO booking (id, class_id, price) VALUES (2001, 1, 2);
BEGIN;
DROP TABLE test_partitions_more.east_2;
TABLE inexact;
ROLLBACK;
TABLE inexact;
DROP SCHEMA test_partitions_more;
TABLE inexact;
DROP SCHEMA test_partitions_more CASCADE;
TABLE inexact;
INSERT INTO booking (id, class_id, price) VALUES (1006, 1, 1);
DROP TABLE nothing, east_1;
DROP TABLE IF EXISTS nothing, east_1, later;
TABLE inexact;
DROP TABLE east;
TABLE inexact;
-- one with a rollup of its own
INSERT INTO north (id, class_id, price) VALUES (1, 1, 1);
DROP TABLE north;
TABLE inexact;
DROP TABLE north CASCADE;
TABLE inexact;
SELECT rollup, source FROM gymstream.rollups ORDER BY 1;
-- one that others see things of
CREATE VIEW over_south AS SELECT * FROM south_1;
DROP TABLE south_1;
TABLE inexact;
DROP TABLE south_1 CASCADE;
TABLE inexact;
CREATE TABLE south_1 PARTITION OF south FOR VALUES IN (1, 2);
INSERT INTO south_1 (id, class_id, price) VALUES (150, 1, 1);
TABLE inexact;

--
-- Whose it is: owners of partitions need no rights on rollups; those without rights on the partition change nothing
--
CREATE ROLE regress_partition_owner;
CREATE ROLE regress_partition_nobody;
GRANT ALL ON SCHEMA test_partitions TO regress_partition_owner, regress_partition_nobody;
ALTER TABLE booking OWNER TO regress_partition_owner;
ALTER TABLE south OWNER TO regress_partition_owner;
ALTER TABLE far OWNER TO regress_partition_owner;
REVOKE USAGE ON SCHEMA gymstream FROM PUBLIC;
SET ROLE regress_partition_owner;
CREATE TABLE north PARTITION OF booking FOR VALUES FROM (0) TO (100);
INSERT INTO north (id, class_id, price) SELECT i, i % 5, i FROM generate_series(1, 20) i;
ALTER TABLE booking DETACH PARTITION north;
ALTER TABLE booking ATTACH PARTITION north FOR VALUES FROM (0) TO (100);
TRUNCATE far;
RESET ROLE;
GRANT USAGE ON SCHEMA gymstream TO PUBLIC;
TABLE inexact;
SET ROLE regress_partition_nobody;
DROP TABLE north;
DROP SCHEMA test_partitions CASCADE;
ALTER TABLE booking DETACH PARTITION north;
TRUNCATE north;
RESET ROLE;
TABLE inexact;
SET ROLE regress_partition_owner;
DROP TABLE north;
RESET ROLE;
TABLE inexact;
CREATE TABLE north PARTITION OF booking FOR VALUES FROM (0) TO (100);
INSERT INTO north (id, class_id, price) SELECT i, i % 5, i FROM generate_series(1, 20) i;
ALTER TABLE south_1 OWNER TO regress_partition_owner;
-- who makes a rollup needs TRIGGER on all tables that get one
CREATE SCHEMA test_partitions_more AUTHORIZATION regress_partition_nobody;
GRANT SELECT, TRIGGER ON booking TO regress_partition_nobody;
GRANT TRIGGER ON south, south_1, south_rest, far TO regress_partition_nobody;
SET ROLE regress_partition_nobody;
SELECT refused('SELECT gymstream.create_rollup(''test_partitions_more.r'', ''SELECT count(*) FROM booking'')');
RESET ROLE;
GRANT TRIGGER ON north TO regress_partition_nobody;
SET ROLE regress_partition_nobody;
SELECT gymstream.create_rollup('test_partitions_more.r', 'SELECT count(*) FROM booking');
RESET ROLE;
INSERT INTO booking (id, class_id, price) VALUES (70, 1, 1), (170, 1, 1);
TABLE inexact;
DROP SCHEMA test_partitions_more CASCADE;
REVOKE ALL ON booking, north, south, south_1, south_rest, far FROM regress_partition_nobody;
-- what takes partitions away in other ways is refused where they are missed
DROP OWNED BY regress_partition_owner;
ALTER TABLE booking OWNER TO CURRENT_USER;
ALTER TABLE south OWNER TO CURRENT_USER;
ALTER TABLE south_1 OWNER TO CURRENT_USER;
ALTER TABLE south_rest OWNER TO CURRENT_USER;
SELECT refused('DROP OWNED BY regress_partition_owner');
TABLE inexact;
REASSIGN OWNED BY regress_partition_owner TO CURRENT_USER;
DROP OWNED BY regress_partition_owner, regress_partition_nobody;
DROP ROLE regress_partition_owner, regress_partition_nobody;

--
-- Folding, rebuilding
--
INSERT INTO booking (id, class_id, price, note) SELECT i, i % 7, i, i FROM generate_series(1, 190) i ON CONFLICT DO NOTHING;
DELETE FROM booking WHERE price % 3 = 0;
UPDATE booking SET id = id + 1 WHERE id IN (SELECT max(id) FROM booking GROUP BY class_id);
TABLE inexact;
SELECT gymstream.fold_rollup('extremes') > 0;
SELECT gymstream.fold_rollup('notes') > 0;
TABLE inexact;
SELECT marked FROM gymstream_internal.count_rollup('extremes');
DELETE FROM booking WHERE price % 2 = 0;
SELECT gymstream.rebuild_rollup('attendance');
SELECT gymstream.rebuild_rollup('extremes');
TABLE inexact;

--
-- Refused: what would change the source unseen
--
SELECT refused('SELECT gymstream.create_rollup(''r'', ''SELECT count(*) FROM ONLY booking'')');
SELECT refused('ALTER TABLE booking DETACH PARTITION north CONCURRENTLY');
SELECT refused('ALTER TABLE south DETACH PARTITION south_1 CONCURRENTLY');
SELECT refused('ALTER TABLE north DISABLE TRIGGER "!gymstream insert rows"');
ALTER TABLE north DISABLE TRIGGER ALL; ALTER TABLE booking DISABLE TRIGGER ALL;
SELECT count(*) FROM pg_trigger WHERE starts_with(tgname, '!gymstream') AND tgenabled <> 'A';
SELECT refused('ALTER TABLE south_1 ENABLE REPLICA TRIGGER "!gymstream flush rows"');
SELECT refused('DROP TRIGGER "!gymstream flush rows" ON north');
SELECT refused('DROP TRIGGER "!gymstream truncating rows" ON north');
SELECT refused('DROP TRIGGER "!gymstream insert rows" ON booking');
SELECT refused('ALTER TABLE north SET UNLOGGED');
SELECT refused('ALTER TABLE north ENABLE ROW LEVEL SECURITY');
SELECT refused('CREATE RULE r AS ON INSERT TO north DO ALSO NOTHING');
SELECT refused('CREATE UNLOGGED TABLE u PARTITION OF booking FOR VALUES FROM (9000) TO (9001)');
CREATE UNLOGGED TABLE u (LIKE far INCLUDING GENERATED);
SELECT refused('ALTER TABLE booking ATTACH PARTITION u FOR VALUES FROM (9000) TO (9001)');
CREATE TABLE ruled (LIKE far INCLUDING GENERATED);
CREATE RULE r AS ON INSERT TO ruled DO ALSO NOTHING;
SELECT refused('ALTER TABLE booking ATTACH PARTITION ruled FOR VALUES FROM (9000) TO (9001)');
CREATE TABLE secured (LIKE far INCLUDING GENERATED);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
SELECT refused('ALTER TABLE booking ATTACH PARTITION secured FOR VALUES FROM (9000) TO (9001)');
CREATE TABLE tree PARTITION OF booking FOR VALUES FROM (9000) TO (9001) PARTITION BY LIST (class_id);
SELECT refused('ALTER TABLE tree ATTACH PARTITION secured DEFAULT');
DROP TABLE booking CASCADE;
SELECT rollup, source FROM gymstream.rollups ORDER BY 1;
CREATE TABLE booking (id int, k int) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE part PARTITION OF booking FOR VALUES IN (1);
SELECT refused('SELECT gymstream.create_rollup(''r'', ''SELECT count(*) FROM booking'')');
DROP TABLE part;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE part PARTITION OF booking FOR VALUES IN (1) SERVER nowhere;
SELECT refused('SELECT gymstream.create_rollup(''r'', ''SELECT count(*) FROM booking'')');
ALTER TABLE booking DETACH PARTITION part;
SELECT gymstream.create_rollup('r', 'SELECT count(*) FROM booking');
SELECT refused('ALTER TABLE booking ATTACH PARTITION part FOR VALUES IN (1)');
SELECT refused('CREATE FOREIGN TABLE p PARTITION OF booking FOR VALUES IN (1) SERVER nowhere');
DROP FOREIGN DATA WRAPPER nowhere CASCADE;

--
-- Rollups of one name, in two schemas, whose triggers meet on a partition
--
CREATE TABLE part PARTITION OF booking FOR VALUES IN (1);
CREATE SCHEMA test_partitions_more;
SELECT gymstream.create_rollup('test_partitions_more.r', 'SELECT count(*) FROM part');
SELECT gymstream.create_rollup('test_partitions_more.q', 'SELECT count(*) FROM part');
SELECT gymstream.create_rollup('q', 'SELECT count(*) FROM booking');
INSERT INTO booking VALUES (1, 1);
INSERT INTO part VALUES (1, 2);
TABLE inexact;
ALTER TABLE booking DETACH PARTITION part;
INSERT INTO part VALUES (1, 2);
TABLE inexact;
ALTER TABLE booking ATTACH PARTITION part FOR VALUES IN (1);
TABLE inexact;

-- what takes no partition away, whoever says so, and a partition that comes with triggers that name the rollup
CREATE ROLE regress_partition_nobody;
GRANT USAGE ON SCHEMA test_partitions TO regress_partition_nobody;
SET ROLE regress_partition_nobody;
ALTER TABLE IF EXISTS nothing DETACH PARTITION part;
ALTER TABLE IF EXISTS nothing ATTACH PARTITION part FOR VALUES IN (1);
RESET ROLE;
DROP OWNED BY regress_partition_nobody;
DROP ROLE regress_partition_nobody;
TABLE inexact;
SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL;
CREATE TABLE comes (id int, k int);
INSERT INTO comes VALUES (2, 1), (2, 2);
SELECT refused('CREATE TRIGGER "!gymstream flush r" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON comes
	WHEN (gymstream_internal.flush(''r_partials'')) EXECUTE FUNCTION gymstream_internal.flush_pending()');
CREATE FUNCTION names(regclass) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN false; END';
CREATE TRIGGER names AFTER INSERT ON comes WHEN (names('r_partials')) EXECUTE FUNCTION gymstream_internal.flush_pending();
ALTER TABLE booking ATTACH PARTITION comes FOR VALUES IN (2);
TABLE inexact;
ALTER TABLE booking DETACH PARTITION comes;
TABLE inexact;
DROP TABLE comes;
-- rows that come into a partition before its creation has come to an end
CREATE FUNCTION fill() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO test_partitions.booking VALUES (2, 1); END $$;
CREATE EVENT TRIGGER fill ON ddl_command_end WHEN tag IN ('CREATE TABLE') EXECUTE FUNCTION fill();
CREATE TABLE filled PARTITION OF booking FOR VALUES IN (2);
DROP EVENT TRIGGER fill;
TABLE inexact;
-- operators of the session's own
CREATE FUNCTION never(oid, oid) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = oid, FUNCTION = never);
SET search_path = test_partitions, pg_catalog, public;
CREATE TABLE made PARTITION OF booking FOR VALUES IN (3);
SET search_path = test_partitions, public;
SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL;
INSERT INTO booking VALUES (3, 3);
TRUNCATE made;
TABLE inexact;
DROP OPERATOR test_partitions.= (oid, oid);

-- what a partition is dropped with, though nobody names it
CREATE SCHEMA test_partitions_keys;
CREATE FUNCTION test_partitions_keys.key(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE TABLE word (word text, useless int);
CREATE FUNCTION useless(k int) RETURNS int IMMUTABLE BEGIN ATOMIC SELECT count(w.useless)::int FROM word w; END;
CREATE TABLE keyed PARTITION OF booking FOR VALUES IN (4) PARTITION BY LIST (test_partitions_keys.key(k));
CREATE TABLE keyed_1 PARTITION OF keyed FOR VALUES IN (1);
CREATE TABLE keyed_2 PARTITION OF keyed FOR VALUES IN (2) PARTITION BY LIST (useless(k));
CREATE TABLE keyed_rest PARTITION OF keyed_2 DEFAULT;
INSERT INTO booking VALUES (4, 1), (4, 2);
TABLE inexact;
SELECT refused(ddl) FROM unnest(ARRAY[
	'DROP FUNCTION test_partitions_keys.key CASCADE',
	'DROP ROUTINE useless(int) CASCADE',
	'DROP SCHEMA test_partitions_keys CASCADE',
	'ALTER TABLE word DROP COLUMN useless CASCADE',
	'DROP TABLE word CASCADE']) ddl;
TABLE inexact;
-- also where other commands run within
CREATE FUNCTION tidy() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN CREATE TABLE tidied (); DROP TABLE tidied; END';
CREATE EVENT TRIGGER zz_tidy ON ddl_command_start WHEN tag IN ('DROP FUNCTION') EXECUTE FUNCTION tidy();
SELECT refused('DROP FUNCTION test_partitions_keys.key CASCADE');
-- with what is named it is missed no more
DROP TABLE keyed_2; DROP TABLE word CASCADE;
DROP SCHEMA test_partitions, test_partitions_keys, test_partitions_more CASCADE;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!gymstream%';
