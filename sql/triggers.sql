-- Where rollups are read and sources are written by triggers, functions, procedures and cursors.
\getenv srcdir PG_ABS_SRCDIR
\set oracle :srcdir '/test/oracle.sql'
\set ECHO none
\i :oracle
\set ECHO all

CREATE SCHEMA test_triggers;
SET search_path = test_triggers, public;
CREATE TABLE booking (id serial PRIMARY KEY, class_id int, price int);
SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n, sum(price) AS revenue FROM booking GROUP BY class_id');
SELECT gymstream.create_rollup('total', 'SELECT count(*) AS n, sum(price) AS revenue FROM booking');

--
-- The application's own triggers see exact rollups, whatever they are called
--
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO '% % %: % bookings, % in the rollup, % inexact', TG_WHEN, TG_OP, TG_LEVEL, (SELECT count(*) FROM booking),
		(SELECT n FROM total), (SELECT count(*) FROM inexact);
	RETURN NULL;
END
$$;
CREATE TRIGGER "  first" AFTER INSERT OR UPDATE OR DELETE ON booking FOR EACH ROW EXECUTE FUNCTION see();
CREATE TRIGGER "  first_statement" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON booking EXECUTE FUNCTION see();
CREATE TRIGGER zz AFTER INSERT OR UPDATE OR DELETE ON booking FOR EACH ROW EXECUTE FUNCTION see();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE OR DELETE ON booking DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see();
INSERT INTO booking (class_id, price) VALUES (1, 10), (2, 20);
UPDATE booking SET class_id = 3, price = 5;
DELETE FROM booking WHERE id = 1;
COPY booking (class_id, price) FROM stdin;
4	40
5	50
\.
INSERT INTO booking VALUES (2, 9, 9) ON CONFLICT (id) DO UPDATE SET class_id = excluded.class_id;
MERGE INTO booking USING (VALUES (2), (1000)) v (id) ON booking.id = v.id
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 6, 60);
TRUNCATE booking;
DROP TRIGGER "  first" ON booking;
DROP TRIGGER "  first_statement" ON booking;
DROP TRIGGER zz ON booking;
DROP TRIGGER deferred ON booking;
TABLE inexact;

--
-- An EXCEPTION block around changes in a trigger neither loses nor applies twice what the outer statement collected
--
CREATE TABLE log (id int PRIMARY KEY);
CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() < 2 THEN
		BEGIN
			INSERT INTO booking (class_id, price) VALUES (new.class_id + 100, 1), (new.class_id + 100, 2);
			IF new.price % 2 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			INSERT INTO log VALUES (new.id);
		END;
	END IF;
	RETURN new;
END
$$;
CREATE TRIGGER nest BEFORE INSERT ON booking FOR EACH ROW EXECUTE FUNCTION nest();
INSERT INTO booking (class_id, price) VALUES (1, 1), (1, 2), (1, 3), (2, 4), (2, 5);
TABLE inexact;
SELECT * FROM attendance ORDER BY 1;
DROP TRIGGER nest ON booking;
CREATE TRIGGER nest AFTER INSERT ON booking FOR EACH ROW EXECUTE FUNCTION nest();
INSERT INTO booking (class_id, price) VALUES (1, 1), (1, 2), (1, 3), (2, 4), (2, 5);
TABLE inexact;
SELECT * FROM attendance ORDER BY 1;
DROP TRIGGER nest ON booking;

-- the same in a function that the statement calls for each row
CREATE FUNCTION price_of(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		UPDATE booking SET price = price + 1 WHERE class_id = 101;
		IF n % 2 = 0 THEN
			RAISE division_by_zero;
		END IF;
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	RETURN n;
END
$$;
INSERT INTO booking (class_id, price) SELECT 101, price_of(i) FROM generate_series(1, 6) i;
TABLE inexact;
SELECT * FROM attendance WHERE class_id = 101;
-- a subtransaction that the statement begins in the middle of, and one whose error undoes the whole statement
DO $$
BEGIN
	BEGIN
		INSERT INTO booking (class_id, price) SELECT 101, CASE WHEN i = 5 THEN 1 / (i - 5) ELSE price_of(i) END FROM generate_series(1, 6) i;
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	INSERT INTO booking (class_id, price) VALUES (101, 1);
END
$$;
TABLE inexact;

--
-- Triggers that write the same source, in each other
--
CREATE FUNCTION split() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.price > 1 THEN
		INSERT INTO booking (class_id, price) VALUES (new.class_id, new.price / 2);
		UPDATE booking SET price = new.price - new.price / 2 WHERE id = new.id;
	END IF;
	IF (SELECT count(*) FROM inexact) > 0 THEN
		RAISE EXCEPTION 'inexact';
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER split AFTER INSERT ON booking FOR EACH ROW EXECUTE FUNCTION split();
INSERT INTO booking (class_id, price) VALUES (50, 16), (51, 7);
TABLE inexact;
SELECT * FROM attendance WHERE class_id IN (50, 51) ORDER BY 1;
DROP TRIGGER split ON booking;

--
-- Savepoints; many statements on one group in one transaction
--
BEGIN;
INSERT INTO booking (class_id, price) VALUES (60, 1);
SAVEPOINT a;
INSERT INTO booking (class_id, price) VALUES (60, 2);
SAVEPOINT b;
UPDATE booking SET price = price * 10 WHERE class_id = 60;
TABLE inexact;
ROLLBACK TO b;
TABLE inexact;
INSERT INTO booking (class_id, price) VALUES (60, 3);
TABLE inexact;
RELEASE a;
INSERT INTO booking (class_id, price) VALUES (60, 4);
TABLE inexact;
SAVEPOINT c;
DELETE FROM booking WHERE class_id = 60;
TABLE inexact;
SAVEPOINT d;
INSERT INTO booking (class_id, price) VALUES (60, 5);
RELEASE d;
TABLE inexact;
ROLLBACK TO c;
TABLE inexact;
UPDATE booking SET class_id = 61 WHERE class_id = 60 AND price = 1;
TABLE inexact;
COMMIT;
TABLE inexact;
SELECT * FROM attendance WHERE class_id IN (60, 61) ORDER BY 1;
DO $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		INSERT INTO booking (class_id, price) VALUES (62, i);
	END LOOP;
END
$$;
TABLE inexact;
SELECT count(*) FROM attendance_partials WHERE class_id = 62;
DO $$
BEGIN
	FOR i IN 1 .. 300 LOOP
		BEGIN
			INSERT INTO booking (class_id, price) VALUES (62, i);
			IF i % 3 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
END
$$;
TABLE inexact;
SELECT count(*) FROM attendance_partials WHERE class_id = 62;

-- one command, several statements on one group: one partial
CREATE FUNCTION book(class int) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO booking (class_id, price) VALUES (class, 1), (class, 2);
	UPDATE booking SET price = price + 1 WHERE class_id = class;
	DELETE FROM booking WHERE class_id = class AND price = 2;
	SELECT n FROM attendance WHERE class_id = class
$$;
SELECT book(63), book(63), book(63);
TABLE inexact;
WITH a AS (INSERT INTO booking (class_id, price) VALUES (64, 1) RETURNING 1),
	b AS (INSERT INTO booking (class_id, price) VALUES (64, 2) RETURNING 1),
	c AS (UPDATE booking SET class_id = 64 WHERE class_id = 63 RETURNING 1)
SELECT count(*) FROM a, b, c;
TABLE inexact;
SELECT class_id, count(*) FROM attendance_partials WHERE class_id IN (63, 64) GROUP BY 1;

--
-- Procedures
--
CREATE PROCEDURE batches() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 6 LOOP
		INSERT INTO booking (class_id, price) VALUES (70, i);
		IF i % 3 = 0 THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
	END LOOP;
	UPDATE booking SET class_id = 71 WHERE class_id = 70;
END
$$;
CALL batches();
TABLE inexact;
SELECT * FROM attendance WHERE class_id IN (70, 71);

--
-- Cursors
--
BEGIN;
DECLARE c CURSOR FOR SELECT class_id, price FROM booking WHERE class_id = 71 ORDER BY id FOR UPDATE;
FETCH NEXT FROM c;
UPDATE booking SET price = 100 WHERE CURRENT OF c;
TABLE inexact;
FETCH NEXT FROM c;
DELETE FROM booking WHERE CURRENT OF c;
TABLE inexact;
COMMIT;
-- what an open cursor on a rollup gives is what it was
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM attendance WHERE class_id IN (71, 72, 73) ORDER BY 1;
INSERT INTO booking (class_id, price) SELECT 71 + i % 3, i FROM generate_series(1, 9) i;
FETCH ALL FROM c;
SELECT * FROM attendance WHERE class_id IN (71, 72, 73) ORDER BY 1;
COMMIT;

--
-- Replicas and owners
--
SET session_replication_role = replica;
INSERT INTO booking (class_id, price) VALUES (80, 1), (81, 2);
TABLE inexact;
UPDATE booking SET price = 3 WHERE class_id = 80;
DELETE FROM booking WHERE class_id = 81;
TABLE inexact;
TRUNCATE booking;
TABLE inexact;
RESET session_replication_role;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'booking'::regclass ORDER BY 1;

-- a source that is a child: only its row triggers fire
CREATE TABLE parent (id int, k int);
CREATE TABLE child () INHERITS (parent);
SELECT gymstream.create_rollup('children', 'SELECT k, count(*), sum(id) FROM child GROUP BY k');
INSERT INTO child VALUES (1, 1), (2, 2);
BEGIN;
UPDATE parent SET k = 3, id = id + 1;
TABLE inexact;
DELETE FROM parent WHERE id = 2;
TABLE inexact;
COMMIT;
TRUNCATE parent;
TABLE inexact;
-- one that becomes a partition, and rows that move into and out of it
CREATE TABLE whole (id int, k int) PARTITION BY RANGE (id);
CREATE TABLE rest PARTITION OF whole FOR VALUES FROM (100) TO (200);
CREATE TABLE part (id int, k int);
SELECT gymstream.create_rollup('parts', 'SELECT k, count(*), sum(id) FROM part GROUP BY k');
INSERT INTO part VALUES (1, 1), (2, 2);
ALTER TABLE whole ATTACH PARTITION part FOR VALUES FROM (0) TO (100);
BEGIN;
INSERT INTO whole VALUES (3, 1), (4, 1), (150, 1);
TABLE inexact;
UPDATE whole SET id = id + 98 WHERE id IN (2, 3);
TABLE inexact;
UPDATE whole SET id = id - 70 WHERE id = 101;
TABLE inexact;
COPY whole FROM stdin;
10	1
110	2
\.
TABLE inexact;
SELECT * FROM parts ORDER BY 1;
TRUNCATE whole;
TABLE inexact;
COMMIT;

--
-- Errors while a row is collected undo its statement only
--
CREATE TABLE ratio (id int, k int, d int);
SELECT gymstream.create_rollup('ratios', 'SELECT k / d AS q, count(*), sum(100 / d) FROM ratio GROUP BY 1');
INSERT INTO ratio VALUES (1, 10, 5);
INSERT INTO ratio VALUES (2, 10, 5), (3, 1, 0);
TABLE inexact;
BEGIN;
INSERT INTO ratio VALUES (4, 10, 5);
SAVEPOINT s;
INSERT INTO ratio VALUES (5, 10, 5), (6, 1, 0);
ROLLBACK TO s;
INSERT INTO ratio VALUES (7, 10, 2);
TABLE inexact;
COMMIT;
UPDATE ratio SET d = 0 WHERE id = 7;
TABLE inexact;
SELECT * FROM ratios ORDER BY 1;

--
-- Made or rebuilt in the middle of a statement that changes the source: refused
--
CREATE FUNCTION at_three(n int, what text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF n = 3 THEN
		EXECUTE what;
	END IF;
	RETURN n;
END
$$;
INSERT INTO booking (class_id, price) SELECT 1, at_three(i, 'SELECT gymstream.rebuild_rollup(''attendance'')') FROM generate_series(1, 5) i;
INSERT INTO booking (class_id, price)
	SELECT 1, at_three(i, 'SELECT gymstream.create_rollup(''late'', ''SELECT price, count(*) FROM booking GROUP BY 1'')') FROM generate_series(1, 5) i;
TABLE inexact;
-- functions of a query that read or write what they should not
CREATE FUNCTION writes(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test_triggers.ratio VALUES (n, n, n);
	RETURN n;
END
$$;
CREATE FUNCTION lies(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF n = 13 THEN
		RETURN test_triggers.writes(n);
	END IF;
	PERFORM gymstream_internal.flush('test_triggers.lied_partials');
	RETURN n;
END
$$;
SELECT gymstream.create_rollup('lied', 'SELECT k, sum(lies(d)) FROM ratio GROUP BY k');
INSERT INTO ratio SELECT i, i % 3, 20 FROM generate_series(1, 20) i;
TABLE inexact;
INSERT INTO ratio VALUES (1, 1, 13);
TABLE inexact;
INSERT INTO ratio SELECT i, i, 20 FROM generate_series(1, 15000) i;
TABLE inexact;

DROP SCHEMA test_triggers CASCADE;
